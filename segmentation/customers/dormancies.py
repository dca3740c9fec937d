"""Dormant customers: who sleeps, by which bank's definition, and of whom that cannot be known."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.customers.dates import completed_years
from segmentation.customers.members import (
    as_day,
    balance_month,
    complete_since,
    completed_months,
    members,
)
from segmentation.customers.movements import activity_rule
from segmentation.data.bank import Bank
from segmentation.data.contract import ASSETS, DEBTS, TABLES
from segmentation.data.engines import cents, leave
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["STATES", "DormancyRule", "dormancy", "dormancy_rule", "dormancy_rules", "judged"]

RULES = "rules/dormancy.toml"
KINDS = TABLES["customers"].columns["kind"].values
STATES = ("dormant", "active", "young", "balance", "exempt", "unknown")
"""Why a customer is dormant or not, as `dormancy` names it."""


@dataclass(frozen=True)
class DormancyRule:
    """A definition of dormancy.

    Attributes
    ----------
    name, zh, en, source : str
        Key in `dormancy.toml`, Chinese and English name, and where it comes from.
    kinds : tuple of str
        Kinds of customers that it is for.
    months : int
        Completed months without an active movement, at least.
    max_balance : float or None
        Highest balance in the bank's currency, None where it does not matter.
    inclusive : bool
        Whether `max_balance` itself is dormant.
    products, exempt : tuple of str
        Products that are counted as balance, and those that keep a customer from being dormant.
    exempt_under : int or None
        Age in completed years under which nobody is dormant.
    not_activity : tuple of str
        Kinds of movements that wake nobody.

    Raises
    ------
    TableError
        If an entry is none of these.
    """

    name: str
    zh: str
    en: str
    source: str
    kinds: tuple[str, ...]
    months: int
    max_balance: float | None
    inclusive: bool
    products: tuple[str, ...]
    exempt: tuple[str, ...]
    exempt_under: int | None
    not_activity: tuple[str, ...]

    def __post_init__(self) -> None:
        limit, age = self.max_balance, self.exempt_under
        flaws = {
            "kinds are personal, corporate or both": not set(self.kinds) <= set(KINDS)
            or not self.kinds,
            "months are a whole number from 1": not _whole(self.months, 1),
            "max_balance is an amount of 0 or more": limit is not None
            and not 0 <= limit < math.inf,
            "products are assets of the contract": not set(self.products) <= set(ASSETS),
            "exempt are products of the contract": not set(self.exempt) <= {*ASSETS, *DEBTS},
            "exempt_under is a whole number of years": age is not None and not _whole(age, 0),
        }
        for rule, broken in flaws.items():
            if broken:
                raise TableError(RULES, rule, "Mend it.", self.name)


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def dormancy_rule(name: str, folder: str | Path | None = None) -> DormancyRule:
    """Return a definition of dormancy that ships, or one of a bank's own folder of rules.

    Parameters
    ----------
    name : str
        Its key in `dormancy.toml`: ``cib``, ``cib_before``, ``six_months``, ``two_years``,
        ``yuanan`` or ``corporate``.
    folder : path, optional
        The bank's own folder, by default that of `SEGMENTATION_RULES`.

    Raises
    ------
    TableError
        If there is no such definition, or it breaks what `DormancyRule` asks.

    Examples
    --------
    >>> rule = dormancy_rule("cib")
    >>> rule.months, rule.max_balance, rule.exempt, rule.not_activity
    (12, 10.0, ('loan', 'fund', 'wealth'), ('interest', 'fee', 'judicial'))
    """
    return _read(name, load_rules("dormancy", folder), folder)


def dormancy_rules(folder: str | Path | None = None) -> tuple[DormancyRule, ...]:
    """Return all definitions that ship and those of a bank's own folder, in their order.

    Examples
    --------
    >>> [rule.months for rule in dormancy_rules()]
    [12, 6, 6, 24, 36, 12]
    """
    rules = load_rules("dormancy", folder)
    return tuple(_read(name, rules, folder) for name in rules)


def _read(name: str, rules: dict[str, Any], folder: str | Path | None) -> DormancyRule:
    if name not in rules:
        known = ", ".join(sorted(rules))
        rule = f"there is no such definition; there are {known}"
        raise TableError(RULES, rule, "Name one of them.")
    entry = rules[name]
    try:
        limit = entry.get("max_balance")
        return DormancyRule(
            name=name,
            **{key: str(entry[key]) for key in ("zh", "en", "source")},
            kinds=_texts(entry["kinds"]),
            months=entry["months"],
            max_balance=None if limit is None else float(limit),
            inclusive=bool(entry.get("inclusive", True)),
            products=_texts(entry.get("products", ASSETS)),
            exempt=_texts(entry.get("exempt", ())),
            exempt_under=entry.get("exempt_under"),
            not_activity=_texts(entry["not_activity"])
            if "not_activity" in entry
            else activity_rule(folder).not_activity,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(
            RULES, "a definition has zh, en, source, kinds and months", "Complete it.", name
        ) from None


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError("a list of texts")
    return tuple(map(str, value))


def dormancy(
    bank: Bank, rule: str | DormancyRule = "cib", as_of: Any = None, *, since: Any = None
) -> Any:
    """Say of each customer whether the account is dormant, and why or why not.

    A customer is dormant who on the day `as_of`

    - has made no active movement for `months` completed months: interest, fees and judicial
      entries do not count (`rules/activity.toml`, or the definition's own list), and a customer
      whose account is younger has not been idle for so long;
    - has a balance, ``Σ end`` (or ``Σ average`` in a bank that has only that) of the month that
      last ended, of at most `max_balance`, to the cent;
    - holds and owes none of the `exempt` products, nor an open loan of the table `loans`, and is
      not younger than `exempt_under`.

    Parameters
    ----------
    bank : Bank
        With customers, balances and transactions; of loans and customer_branches what it has. A
        bank that does not say the kinds of its transactions has active ones only.
    rule : str or DormancyRule
        The definition, or its name: ``cib``, ``cib_before``, ``six_months``, ``two_years``,
        ``yuanan``, ``corporate``, or one of the bank's own.
    as_of : date, Timestamp, Period or text, optional
        A day; a month, or the first day of one, is its last day. By default the last month of
        `balances`. What is dated later is not looked at.
    since : date or text, optional
        The day from which on `transactions` is complete, by default the first day of the month of
        its earliest movement. It is taken as complete up to `as_of`.

    Returns
    -------
    frame
        Of the bank's kind, lazy where that is lazy: one row a customer of the definition's kinds
        who is there on the day. Columns

        - customer_id, kind, branch_id (of that day), opened_on;
        - balance: yuan, null where an amount that counts is null;
        - last_active: day of the last active movement, null where none is known;
        - months_idle: completed months without one, that the tables show: since `last_active`, or
          since the account was opened or the day before `transactions` begins, whichever is later;
        - state: ``dormant``; ``active`` (moved within the months); ``young`` (opened within them,
          never moved); ``balance`` (idle, but above the limit); ``exempt``; ``unknown`` where the
          tables do not reach back far enough to tell, or the balance is null;
        - dormant: whether the state is dormant. Who is unknown is not, and is to be counted apart.

    Raises
    ------
    TableError
        If a table or column is missing, the month is not in `balances`, or there is no such rule.

    Notes
    -----
    Banks' notices speak of accounts. Here the customer's accounts are taken together, so that
    nobody sleeps who has a second account in use.

    Examples
    --------
    >>> import pandas as pd
    >>> bank = Bank(
    ...     customers=pd.DataFrame(
    ...         {"customer_id": ["C1", "C2"], "kind": "personal", "branch_id": "B1",
    ...          "opened_on": "2020-05-17"}
    ...     ),
    ...     balances=pd.DataFrame(
    ...         {"customer_id": ["C1", "C2"], "month": "2025-12-01", "product": "demand",
    ...          "end": [10.0, 10.01]}
    ...     ),
    ...     transactions=pd.DataFrame(
    ...         {"customer_id": ["C1", "C2", "C1"], "channel": None, "amount": 1.0,
    ...          "date": ["2024-12-31", "2024-01-03", "2025-12-21"],
    ...          "kind": ["deposit", "deposit", "interest"]}
    ...     ),
    ... )
    >>> found = dormancy(bank, "cib", "2025-12-31").sort_values("customer_id")
    >>> found[["months_idle", "state", "dormant"]].values.tolist()
    [[12, 'dormant', True], [23, 'balance', False]]
    """
    definition = dormancy_rule(rule, bank.rules) if isinstance(rule, str) else rule
    lazy = judged(bank, as_day(bank, as_of), (definition,), since)
    lazy = lazy.filter(nw.col("kind").is_in(definition.kinds))
    found = ("balance", "last_active", "months_idle", "state")
    traits = ("customer_id", "kind", "branch_id", "opened_on")
    lazy = lazy.select(*traits, **{name: nw.col(f"{name}_0") for name in found})
    return leave(lazy.with_columns(dormant=nw.col("state") == "dormant"), bank.kind)


def judged(
    bank: Bank,
    day: dt.date,
    rules: Sequence[DormancyRule],
    since: Any = None,
    optional: tuple[str, ...] = (),
) -> nw.LazyFrame[Any]:
    """Judge all customers of a day by several definitions, in one scan of each table.

    Columns of `members` and, for the definition at place k, balance_k, last_active_k,
    months_idle_k and state_k, which is null for customers whom it is not for.
    """
    bank.require("customers", "balances", "transactions")
    start = complete_since(bank, since)
    ages = any(rule.exempt_under is not None for rule in rules)
    extra = (*optional, *(("birth_date",) if ages else ()))
    lazy = members(bank, day, extra)
    lazy = lazy.join(_held(bank, day, rules), on="customer_id", how="left")
    lazy = lazy.join(_moved(bank, day, rules), on="customer_id", how="left")
    if any("loan" in rule.exempt for rule in rules) and bank.has("loans", "repaid_on"):
        lazy = lazy.join(_owing(bank, day), on="customer_id", how="left")
    else:
        lazy = lazy.with_columns(loans=nw.lit(0))
    born = "birth_date" in lazy.collect_schema().names()
    lazy = lazy.with_columns(
        *(_idle(place, day, start) for place in range(len(rules))),
        *(nw.col(f"{name}_{k}").fill_null(0) for k in range(len(rules)) for name in COUNTS),
    )
    judge = (
        _state(place, rule, day, born).alias(f"state_{place}") for place, rule in enumerate(rules)
    )
    return lazy.with_columns(*judge).with_columns(
        nw.when(nw.col(f"nulls_{k}") == 0).then(cents(nw.col(f"balance_{k}"))).alias(f"balance_{k}")
        for k in range(len(rules))
    )


COUNTS = ("balance", "nulls", "held")


def _held(bank: Bank, day: dt.date, rules: Sequence[DormancyRule]) -> nw.LazyFrame[Any]:
    """Balance, number of amounts that are null, and of exempt products held, for each rule."""
    first = balance_month(bank, day)
    amounts = [name for name in ("end", "average") if bank.has("balances", name)]
    lazy = bank.table("balances", "customer_id", "month", "product", *amounts)
    lazy = lazy.filter(nw.col("month") == first)
    amount = nw.coalesce(*(nw.col(name) for name in amounts))
    some = nw.any_horizontal(*(nw.col(name) > 0 for name in amounts), ignore_nulls=True)
    lazy = lazy.with_columns(amount=amount, some=some)
    product, columns = nw.col("product"), {}
    for place, rule in enumerate(rules):
        counted = product.is_in(rule.products)
        looked = product.is_in((*rule.products, *rule.exempt))
        columns[f"balance_{place}"] = nw.when(counted).then(nw.col("amount")).otherwise(0.0)
        columns[f"nulls_{place}"] = (looked & nw.col("amount").is_null()).cast(nw.Int64)
        held = product.is_in(rule.exempt) & nw.col("some") if rule.exempt else nw.lit(False)
        columns[f"held_{place}"] = held.cast(nw.Int64)
    lazy = lazy.select("customer_id", **columns)
    return lazy.group_by("customer_id").agg(*(nw.col(name).sum() for name in columns))


def _moved(bank: Bank, day: dt.date, rules: Sequence[DormancyRule]) -> nw.LazyFrame[Any]:
    """Day of the last active movement, for each rule."""
    lazy = bank.table("transactions", "customer_id", "date", optional=["kind"])
    lazy = lazy.filter(nw.col("date") <= day)
    columns = {}
    for place, rule in enumerate(rules):
        columns[f"last_active_{place}"] = nw.when(active(bank, rule)).then(nw.col("date"))
    lazy = lazy.select("customer_id", **columns)
    return lazy.group_by("customer_id").agg(*(nw.col(name).max() for name in columns))


def active(bank: Bank, rule: DormancyRule) -> nw.Expr:
    """Whether a movement is one that wakes."""
    if not bank.has("transactions", "kind") or not rule.not_activity:
        return nw.col("date") == nw.col("date")
    return ~nw.col("kind").fill_null("").is_in(rule.not_activity)


def _owing(bank: Bank, day: dt.date) -> nw.LazyFrame[Any]:
    """Customers with a loan that is drawn and not repaid on the day."""
    lazy = bank.table("loans", "customer_id", "drawn_on", "repaid_on")
    repaid = nw.col("repaid_on")
    open_ = (nw.col("drawn_on") <= day) & (repaid.is_null() | (repaid > day))
    lazy = lazy.with_columns(loans=open_.cast(nw.Int64))
    return lazy.group_by("customer_id").agg(nw.col("loans").sum())


def _idle(place: int, day: dt.date, start: dt.date | None) -> nw.Expr:
    """Completed months without active movement that the tables show, null where they show none."""
    known = nw.col(f"last_active_{place}")
    if start is not None:
        opened, before = nw.col("opened_on"), start - dt.timedelta(days=1)
        begins = nw.when(opened > before).then(opened).otherwise(nw.lit(before))
        known = nw.coalesce(known, begins)
    return completed_months(known, day).alias(f"months_idle_{place}")


def _state(place: int, rule: DormancyRule, day: dt.date, born: bool) -> nw.Expr:
    """Why a customer is dormant or not, null for whom the definition is not."""
    idle = nw.col(f"months_idle_{place}")
    long = (idle >= rule.months).fill_null(False)
    balance = cents(nw.col(f"balance_{place}"))
    exempt = (nw.col(f"held_{place}") > 0) | (nw.col("loans").fill_null(0) > 0)
    if "loan" not in rule.exempt:
        exempt = nw.col(f"held_{place}") > 0
    if rule.exempt_under is not None and born:
        age = completed_years(nw.col("birth_date"), day)
        exempt = exempt | (age < rule.exempt_under).fill_null(False)
    above = nw.lit(False)
    if rule.max_balance is not None:
        limit = rule.max_balance
        above = balance > limit if rule.inclusive else balance >= limit
    reasons = {  # the first that holds
        "active": ~nw.col(f"last_active_{place}").is_null() & ~long,
        "young": (completed_months(nw.col("opened_on"), day) < rule.months).fill_null(False),
        "balance": above,
        "exempt": exempt,
        "dormant": long & (nw.col(f"nulls_{place}") == 0),
    }
    state = nw.lit("unknown")
    for name, flag in reversed(reasons.items()):
        state = nw.when(flag).then(nw.lit(name)).otherwise(state)
    return nw.when(nw.col("kind").is_in(rule.kinds)).then(state)
