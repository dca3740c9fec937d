"""Alerts: patterns of movements that ask for a look before a customer is called."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.customers.dates import month_end, months_before
from segmentation.data.bank import Bank
from segmentation.data.engines import cents
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["FLAGS", "alerts", "flag_rules"]

FLAGS = ("revived", "pass_through", "single_counterparty")
"""Columns of `long_tail` that flag a risk."""
ENTRIES = {
    "revived": ("quiet", "recent", "movements"),
    "pass_through": ("tolerance", "days", "share"),
    "single_counterparty": ("movements", "share"),
}


def flag_rules(folder: str | Path | None = None) -> dict[str, dict[str, float]]:
    """Return the limits of the flags that ship, or those of the bank's own folder.

    Raises
    ------
    TableError
        If one is missing or below 0, or a number of months is not whole.
    """
    given = load_rules("long_tail", folder).get("flags", {})
    rules: dict[str, dict[str, float]] = {}
    try:
        for flag, names in ENTRIES.items():
            rules[flag] = {name: float(given[flag][name]) for name in names}
        months = (rules["revived"]["quiet"], rules["revived"]["recent"])
        sound = all(x >= 0 for limits in rules.values() for x in limits.values())
        sound = sound and all(m >= 1 and m.is_integer() for m in months)
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise TableError(
            "rules/long_tail.toml",
            "flags have revived, pass_through and single_counterparty with all their limits",
            "Complete them.",
            "flags",
        )
    return rules


def alerts(
    bank: Bank,
    moves: nw.LazyFrame[Any],
    first: dt.date,
    since: dt.date,
    window: dt.date,
    rules: Mapping[str, Mapping[str, float]],
) -> nw.LazyFrame[Any]:
    """Return one row a customer with an active movement, and the flags that the bank can tell.

    Parameters
    ----------
    bank : Bank
    moves : LazyFrame
        Active movements: customer_id date amount, and counterparty where the bank has it, dated
        up to the end of the month `first`.
    first, since, window : datetime.date
        The last month, the day from which `transactions` is complete, and the first day looked at
        by pass_through and single_counterparty.
    rules : mapping
        As of `flag_rules`.

    Returns
    -------
    LazyFrame
        Columns customer_id and, flags as booleans, pass_through, revived where `transactions`
        reaches back over the quiet months, single_counterparty where it has `counterparty`. That
        the account is older than the quiet months is for the caller to ask.
    """
    inside = moves.filter(nw.col("date") >= window)
    lazy = _passing(inside, rules["pass_through"])
    quiet = quiet_since(first, rules["revived"])
    if since <= quiet:
        lazy = _joined(lazy, _revived(moves, first, quiet, rules["revived"]))
    if bank.has("transactions", "counterparty"):
        lazy = _joined(lazy, _single(inside, rules["single_counterparty"]))
    flags = [name for name in lazy.collect_schema().names() if name != "customer_id"]
    return lazy.with_columns(nw.col(*flags).fill_null(False))


def quiet_since(first: dt.date, rule: Mapping[str, float]) -> dt.date:
    """Return the first day of the quiet months before the recent ones."""
    return months_before(first, int(rule["quiet"] + rule["recent"]) - 1)


def _joined(one: nw.LazyFrame[Any], other: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    lazy = one.join(other, on="customer_id", how="full", suffix="_too")
    number = nw.coalesce(nw.col("customer_id"), nw.col("customer_id_too"))
    return lazy.with_columns(number.alias("customer_id")).drop("customer_id_too")


def _revived(
    moves: nw.LazyFrame[Any], first: dt.date, quiet: dt.date, rule: Mapping[str, float]
) -> nw.LazyFrame[Any]:
    recent = months_before(first, int(rule["recent"]) - 1)
    date = nw.col("date")
    moves = moves.filter(date >= quiet, date <= month_end(first))
    moves = moves.select(
        "customer_id", late=(date >= recent).cast(nw.Int64), early=(date < recent).cast(nw.Int64)
    )
    lazy = moves.group_by("customer_id").agg(nw.col("late").sum(), nw.col("early").sum())
    woke = (nw.col("early") == 0) & (nw.col("late") >= rule["movements"])
    return lazy.select("customer_id", revived=woke)


def _passing(moves: nw.LazyFrame[Any], rule: Mapping[str, float]) -> nw.LazyFrame[Any]:
    amount = nw.col("amount").fill_null(0.0)
    moves = moves.select(
        *("customer_id", "date"),
        into=nw.when(amount > 0).then(amount).otherwise(0.0),
        out=nw.when(amount < 0).then(-amount).otherwise(0.0),
    )
    days = moves.group_by("customer_id", "date").agg(nw.col("into").sum(), nw.col("out").sum())
    days = days.with_columns(cents(nw.col("into")).alias("into"), cents(nw.col("out")).alias("out"))
    into, out = nw.col("into"), nw.col("out")
    gap = cents((into - out).abs())
    through = (into > 0) & (out > 0) & (gap <= cents(into * rule["tolerance"]))
    days = days.select(
        *("customer_id", "into"),
        days=through.cast(nw.Int64),
        passed=nw.when(through).then(into).otherwise(0.0),
    )
    lazy = days.group_by("customer_id").agg(nw.col("into", "days", "passed").sum())
    passed, into = cents(nw.col("passed")), cents(nw.col("into"))
    flag = (nw.col("days") >= rule["days"]) & (passed >= cents(into * rule["share"]))
    return lazy.select("customer_id", pass_through=flag & (passed > 0))


def _single(moves: nw.LazyFrame[Any], rule: Mapping[str, float]) -> nw.LazyFrame[Any]:
    moves = moves.filter(~nw.col("counterparty").is_null())
    moves = moves.select(
        *("customer_id", "counterparty"), money=nw.col("amount").fill_null(0.0).abs(), n=nw.lit(1)
    )
    pairs = moves.group_by("customer_id", "counterparty").agg(nw.col("money", "n").sum())
    pairs = pairs.with_columns(money=cents(nw.col("money")), most=cents(nw.col("money")))
    lazy = pairs.group_by("customer_id").agg(nw.col("money", "n").sum(), nw.col("most").max())
    whole = cents(nw.col("money"))
    one = (nw.col("n") >= rule["movements"]) & (whole > 0)
    one = one & (nw.col("most") >= cents(whole * rule["share"]))
    return lazy.select("customer_id", single_counterparty=one)
