"""Dormant customers: who sleeps, by which bank's definition, and of whom that cannot be known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.customers.dates import completed_years
from segmentation.customers.definitions import DormancyRule, dormancy_rule
from segmentation.customers.members import (
    as_day,
    balance_month,
    complete_since,
    completed_months,
    members,
)
from segmentation.data.bank import Bank
from segmentation.data.engines import cents, leave

__all__ = ["STATES", "active", "dormancy", "judged"]

STATES = ("dormant", "active", "young", "balance", "exempt", "unknown")
"""Why a customer is dormant or not, as `dormancy` names it."""


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
