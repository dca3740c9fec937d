"""What an outcome is: a small language of measures, and each customer's value in a window."""

from __future__ import annotations

import datetime as dt
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.campaigns.windows import Window
from segmentation.customers.movements import activity_rule
from segmentation.customers.panels import monthly_panel, monthly_panels
from segmentation.data.bank import Bank
from segmentation.data.contract import ASSETS, DEBTS
from segmentation.data.engines import cents, collect, enter
from segmentation.data.errors import TableError

__all__ = [
    *("EMPTY", "Outcome", "attach", "empty", "measure", "panel_columns", "read_outcome"),
    "unknown_name",
]

STOCKS = {"aum": ASSETS, "debt": DEBTS, **{name: (name,) for name in (*ASSETS, *DEBTS)}}
DAILY = ("transactions", "turnover", "signups", "sold")
MONTHLY = ("products", "contribution")
EMPTY: dict[str, float | None] = {
    **dict.fromkeys(("aum_average", "aum_end", "aum_quarter", "aum_year", "debt"), 0.0),
    **dict.fromkeys(("products", "contribution", "transactions", "frequency", "monetary"), 0.0),
    **dict.fromkeys(("digital_share", "recency_days", "tenure_years", "age")),
}
"""Numbers of the monthly panel, and what they are for a customer who is not in it."""
LEVELS = tuple(name for name in EMPTY if name not in (*STOCKS, *DAILY, *MONTHLY))
SOURCES = {
    "aum_end": ("balances", "end"),
    "contribution": ("rates", "transfer"),
    "household_id": ("customers", "household_id"),
    "manager_id": ("customers", "manager_id"),
    "age": ("customers", "birth_date"),
}
"""Where a column of the panel comes from that is absent without it; else from transactions."""
HOLDS: dict[str, Callable[[Any, float], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
WRITTEN = re.compile(r"\s*(\w+)\s*(?:(>=|<=|==|!=|>|<)\s*(\S+)\s*)?")


@dataclass(frozen=True)
class Outcome:
    """A measure, and the comparison that makes a yes or no of it, if there is one."""

    measure: str
    sign: str = ""
    threshold: float = math.nan

    @property
    def whole_months(self) -> bool:
        """Whether it is measured in months rather than in days."""
        return self.measure not in DAILY

    def compare(self, value: nw.Expr) -> nw.Expr:
        """The value as a float, or 1.0 where the comparison holds and 0.0 where not."""
        value = value.cast(nw.Float64)
        if not self.sign:
            return value
        holds = HOLDS[self.sign](value, self.threshold)
        return nw.when(~value.is_null()).then(holds.cast(nw.Int64).cast(nw.Float64))


def read_outcome(text: Any) -> Outcome:
    """Read an outcome as it is written: a measure, and perhaps a comparison with a number.

    Raises
    ------
    TableError
        If it is no text of this form, or there is no such measure.

    Examples
    --------
    >>> read_outcome("term >= 10_000")
    Outcome(measure='term', sign='>=', threshold=10000.0)
    """
    found = WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise TableError(
            "outcome", "it is a measure, or a comparison like 'term >= 10000'", "Write it so."
        )
    name, sign, number = found[1], found[2] or "", found[3]
    known = (*STOCKS, *DAILY, *MONTHLY, *LEVELS)
    if name not in known:
        raise unknown_name("outcome", name, known)
    if not sign:
        return Outcome(name)
    try:
        threshold = float(number)
    except ValueError:
        threshold = math.nan
    if not math.isfinite(threshold):
        raise TableError("outcome", "a measure is compared with a number", "Write it so.")
    return Outcome(name, sign, threshold)


def unknown_name(argument: str, name: Any, known: Iterable[str]) -> TableError:
    """The error for a name that is none of those known, with the nearest of them."""
    known = list(known)
    near = get_close_matches(str(name), known, n=1, cutoff=0.6)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
    return TableError(argument, f"{name!r} is none that can be measured", hint)


def measure(bank: Bank, outcome: Outcome, window: Window, name: str) -> nw.LazyFrame[Any]:
    """Return customer_id and the outcome under `name`; `empty` says what it is for all others.

    Raises
    ------
    TableError
        If a table or column is missing, or its rows do not cover the window.
    """
    what = outcome.measure
    if what in STOCKS:
        lazy = _stock(bank, STOCKS[what], window)
    elif what == "products":
        lazy = _products(bank, window)
    elif what == "contribution":
        lazy = _contribution(bank, window)
    elif what in ("transactions", "turnover"):
        lazy = _movements(bank, what, window)
    elif what == "signups":
        lazy = bank.table("signups", "customer_id", "opened_on")
        if not bank.has("balances"):  # nothing else says until when there are data
            _covered("signups", lazy, "opened_on", window)
        lazy = _count(_within(lazy, "opened_on", window))
    elif what == "sold":
        lazy = bank.table("visits", "arrived_at", "customer_id", "sold")
        _covered("visits", lazy, "arrived_at", window)
        visits = _count(_within(lazy, "arrived_at", window).filter(nw.col("sold")))
        lazy = visits.with_columns(value=nw.lit(1.0))
    else:
        lazy = panel_columns(bank, window.last, [what]).rename({what: "value"})
    return lazy.select("customer_id", outcome.compare(nw.col("value")).alias(name))


def attach(
    lazy: nw.LazyFrame[Any], other: nw.LazyFrame[Any], empty: Mapping[str, Any]
) -> nw.LazyFrame[Any]:
    """Join columns of `other` by customer, with the values of `empty` where it has no row."""
    lazy = lazy.join(other.with_columns(there=nw.lit(1)), on="customer_id", how="left")
    filled = [
        nw.when(nw.col("there").is_null()).then(nw.lit(value)).otherwise(nw.col(name)).alias(name)
        for name, value in empty.items()
        if value is not None
    ]
    return (lazy.with_columns(*filled) if filled else lazy).drop("there")


def empty(outcome: Outcome) -> float | None:
    """What an outcome is for a customer of whom there is nothing to measure."""
    value = EMPTY.get(outcome.measure, 0.0)
    if value is None or not outcome.sign:
        return value
    return float(HOLDS[outcome.sign](value, outcome.threshold))


def panel_columns(bank: Bank, month: dt.date, names: Iterable[str]) -> nw.LazyFrame[Any]:
    """Return customer_id and columns of a month's panel, or say what a column would need."""
    names = list(names)
    lazy = enter(monthly_panel(bank, month), "panel")
    lacking = [name for name in names if name not in lazy.collect_schema().names()]
    for name in lacking:
        table, column = SOURCES.get(name, ("transactions", "amount"))
        bank.table(table, column)
        raise TableError(table, f"{name} can be computed", "Bring a rule in the bank's currency.")
    return lazy.select("customer_id", *names)


def _months_there(bank: Bank, table: str, wanted: Iterable[dt.date]) -> None:
    months = bank.months
    if table != "balances":
        found = collect(bank.table(table, "month").unique())["month"].dropna()
        months = tuple(sorted(month.date() for month in found))
    if set(wanted) <= set(months):
        return
    span = f"{months[0]:%Y-%m} to {months[-1]:%Y-%m}" if months else "no month at all"
    raise TableError(
        table,
        f"there are the months of the window and the one before; it has {span}",
        "Choose another window, or bring the months.",
    )


def _covered(table: str, lazy: nw.LazyFrame[Any], column: str, window: Window) -> None:
    """No rows in the window is nothing done only where the table has rows of that time."""
    day = nw.col(column)
    ends = collect(lazy.select(day.min().alias("first"), day.max().alias("last"))).iloc[0]
    if ends.isna().any():
        raise TableError(table, "it has rows", "Bring the rows of the window.")
    first, last = (dt.date(end.year, end.month, 1) for end in ends)
    if first > window.start or last < window.last:
        raise TableError(
            table,
            f"its rows cover the window; it has {first:%Y-%m} to {last:%Y-%m}",
            "Choose another window, or bring the rows.",
        )


def _within(lazy: nw.LazyFrame[Any], column: str, window: Window) -> nw.LazyFrame[Any]:
    day, low, high = nw.col(column), window.start, window.end + dt.timedelta(days=1)
    if lazy.collect_schema()[column] != nw.Date:
        low, high = (dt.datetime(d.year, d.month, d.day) for d in (low, high))
    return lazy.filter(day >= low, day < high)


def _count(lazy: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    return lazy.group_by("customer_id").agg(nw.len().alias("value"))


def _stock(bank: Bank, products: tuple[str, ...], window: Window) -> nw.LazyFrame[Any]:
    """Balance at the end less that before, null where one of the balances is."""
    _months_there(bank, "balances", (window.base, window.last))
    column = "end" if bank.has("balances", "end") else "average"
    lazy = bank.table("balances", "customer_id", "month", "product", column)
    month, amount = nw.col("month"), nw.col(column)
    at_end = month == window.last
    lazy = lazy.filter(at_end | (month == window.base), nw.col("product").is_in(products))
    lazy = lazy.select(
        "customer_id",
        value=nw.when(at_end).then(amount).otherwise(-amount),
        unknown=amount.is_null().cast(nw.Int64),
    )
    return _known_sum(lazy)


def _known_sum(lazy: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    lazy = lazy.group_by("customer_id").agg(nw.col("value", "unknown").sum())
    return lazy.select(
        "customer_id", value=nw.when(nw.col("unknown") == 0).then(cents(nw.col("value")))
    )


def _products(bank: Bank, window: Window) -> nw.LazyFrame[Any]:
    """Number of balances above 0 in the month of the end less that in the month before."""
    _months_there(bank, "balances", (window.base, window.last))
    amounts = [name for name in ("average", "end") if bank.has("balances", name)]
    lazy = bank.table("balances", "customer_id", "month", "product", *amounts)
    month = nw.col("month")
    held = nw.any_horizontal(*(nw.col(name) > 0 for name in amounts), ignore_nulls=True)
    lazy = lazy.filter((month == window.last) | (month == window.base), held)
    lazy = lazy.with_columns(value=nw.when(month == window.last).then(1).otherwise(-1))
    return lazy.group_by("customer_id").agg(nw.col("value").sum())


def _contribution(bank: Bank, window: Window) -> nw.LazyFrame[Any]:
    """Sum over the months, null where that of a month is."""
    bank.require("balances", "rates")
    for table in ("balances", "rates"):
        _months_there(bank, table, window.months)
    if activity_rule(bank.rules).currency != bank.currency:
        panel_columns(bank, window.last, ["contribution"])
    lazy = enter(monthly_panels(bank, window.months), "panel")
    earned = nw.col("contribution")
    lazy = lazy.select("customer_id", value=earned, unknown=earned.is_null().cast(nw.Int64))
    return _known_sum(lazy)


def _movements(bank: Bank, what: str, window: Window) -> nw.LazyFrame[Any]:
    """Number or sum of the active movements, as the panel counts them."""
    lazy = bank.table("transactions", "customer_id", "date", "amount", optional=["kind"])
    _covered("transactions", lazy, "date", window)
    lazy = _within(lazy, "date", window)
    if bank.has("transactions", "kind"):
        passive = activity_rule(bank.rules).not_activity
        lazy = lazy.filter(~nw.col("kind").fill_null("").is_in(passive))
    if what == "transactions":
        return _count(lazy)
    amount = nw.col("amount")
    lazy = lazy.select("customer_id", value=amount.abs(), unknown=amount.is_null().cast(nw.Int64))
    return _known_sum(lazy)
