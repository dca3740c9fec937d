"""What a customer does: active movements, the channels they take, fees and what they cost."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.customers.dates import days_since, month_end, months_before
from segmentation.data.bank import Bank
from segmentation.data.engines import cents
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["ActivityRule", "activity_rule", "movements"]


@dataclass(frozen=True)
class ActivityRule:
    """What counts as activity, and what a transaction earns and costs.

    Attributes
    ----------
    not_activity : tuple of str
        Kinds of transactions that the customer does not make: interest, fees, judicial entries.
    digital : tuple of str
        Channels that count as digital.
    fees : tuple of str
        Kinds whose amounts are the bank's income.
    cost : dict of str to float
        Cost of a transaction by channel, in `currency`.
    currency : str
    days : float
        Day count of yearly rates.
    """

    not_activity: tuple[str, ...]
    digital: tuple[str, ...]
    fees: tuple[str, ...]
    cost: dict[str, float]
    currency: str
    days: float


def activity_rule(folder: str | Path | None = None) -> ActivityRule:
    """Return the rule of activity that ships, or that of the bank's own folder.

    Raises
    ------
    TableError
        If an entry is missing, or a cost or the day count is no amount.

    Examples
    --------
    >>> activity_rule().digital
    ('mobile', 'web')
    """
    rules = load_rules("activity", folder)
    try:
        activity, contribution = rules["activity"], rules["contribution"]
        rule = ActivityRule(
            not_activity=tuple(map(str, activity["not_activity"])),
            digital=tuple(map(str, activity["digital"])),
            fees=tuple(map(str, contribution["fees"])),
            cost={str(key): float(value) for key, value in contribution["cost"].items()},
            currency=str(contribution["currency"]),
            days=float(contribution["days"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        rule = None
    sound = rule is not None and all(0 <= c < math.inf for c in rule.cost.values())
    if rule is None or not sound or not 0 < rule.days < math.inf:
        raise TableError(
            "rules/activity.toml",
            "there are not_activity, digital, fees, currency, days above 0 and costs of 0 or more",
            "Complete it.",
        )
    return rule


def movements(bank: Bank, first: dt.date, rule: ActivityRule) -> nw.LazyFrame[Any]:
    """Return one row a customer with a movement up to the month's end.

    Columns customer_id, transactions, digital, recency_days, frequency, monetary, fees, cost. A
    bank that does not say the kinds of its transactions has active ones only.
    """
    last, year = month_end(first), months_before(first, 11)
    lazy = bank.table("transactions", "customer_id", "date", "channel", "amount", optional=["kind"])
    date, amount, channel = nw.col("date"), nw.col("amount"), nw.col("channel")
    lazy = lazy.filter(date <= last)
    kind = nw.col("kind").fill_null("") if bank.has("transactions", "kind") else nw.lit("")
    active, now = ~kind.is_in(rule.not_activity), date >= first
    cost = nw.lit(0.0)
    for name, price in rule.cost.items():
        cost = nw.when(channel == name).then(price).otherwise(cost)
    lazy = lazy.with_columns(active.alias("active"), (date >= first).alias("now"))
    active, now = nw.col("active"), nw.col("now")
    counts = {
        "transactions": active & now,
        "digital": active & now & channel.fill_null("").is_in(rule.digital),
        "frequency": active & (date >= year),
    }
    sums = {
        "monetary": nw.when(active & (date >= year)).then(amount.abs()),
        "fees": nw.when(now & kind.is_in(rule.fees)).then(-amount),
        "cost": nw.when(active & now).then(cost),
    }
    flags = {name: nw.when(flag).then(1) for name, flag in counts.items()}
    lazy = lazy.select("customer_id", nw.when(active).then(date).alias("latest"), **flags, **sums)
    lazy = lazy.group_by("customer_id").agg(
        nw.col("latest").max(),
        *(nw.col(name).count() for name in counts),  # of what is not null: cheaper than a sum
        *(nw.col(name).sum() for name in sums),
    )
    return lazy.select(
        "customer_id",
        "transactions",
        "digital",
        "frequency",
        days_since(nw.col("latest"), last).alias("recency_days"),
        *(cents(nw.col(name)).alias(name) for name in ("monetary", "fees", "cost")),
    )
