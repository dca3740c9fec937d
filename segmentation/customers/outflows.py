"""Outflows that are large against the customer's own habit."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.dates import days_since
from segmentation.customers.intervals import wilson
from segmentation.customers.members import as_day, complete_since, grouped, members
from segmentation.customers.movements import activity_rule
from segmentation.data.bank import Bank
from segmentation.data.engines import cents, collect, leave
from segmentation.data.errors import TableError

__all__ = ["LargeOutflows", "large_outflows"]

SCALE = 1.4826
"""Times the median distance from the median it is the standard deviation, of normal amounts."""
COUNTS = ("customers", "large", "unjudged")


@dataclass(frozen=True)
class LargeOutflows:
    """Outflows above the floor, and which are large against habit.

    Attributes
    ----------
    flags : frame of the bank's kind
        One row a customer whose outflow reached the floor: customer_id, outflow (yuan in the last
        days), habit (median of the periods before), threshold, periods (known, of habit) and large;
        habit, threshold and large are null where too few periods are known. For the bank's own
        systems, never for a page.
    table : DataFrame
        One row a group: the group's column, customers (there at `as_of`), large, unjudged, share of
        large with low and high (Wilson; the unjudged are not in it), and outflow, the yuan of the
        large ones.
    by : str or None
    level : float
        Confidence of the intervals.
    """

    flags: Any
    table: pd.DataFrame
    by: str | None
    level: float


def large_outflows(
    bank: Bank,
    as_of: Any = None,
    *,
    days: int = 30,
    times: float = 3.0,
    floor: float = 50_000.0,
    periods: int = 12,
    least: int = 6,
    by: Any = "branch_id",
    since: Any = None,
    level: float = 0.95,
) -> LargeOutflows:
    """Find customers who took out far more in the last days than they used to.

    The habit is the customer's own outflow in each of the `periods` of as many days before, those
    without any counting 0. Large is what reaches the floor, `times` the median of these, and their
    median plus `times` their spread, ``1.4826·median |x − median|``.

    Parameters
    ----------
    bank : Bank
        With customers and transactions. Outflows are amounts below 0 of kinds that the customer
        makes (`rules/activity.toml`).
    as_of : day, optional
        As of `dormancy`.
    days, periods, least : int
        Length of a period, how many are the habit, and how many must be known: those that began
        when the customer was there.
    times, floor : float
        As above; the floor in yuan.
    by, since, level
        As of `stopped_inflows`.

    Raises
    ------
    TableError
        If numbers are not whole or not above 0, `least` is above `periods`, or transactions do not
        reach back to the first period.

    Notes
    -----
    Money that moves between a customer's own accounts, into a term deposit for example, is an
    outflow where the bank books it as a transaction of the customer.

    References
    ----------
    Leys et al. (2013), Detecting outliers: do not use standard deviation around the mean, use
    absolute deviation around the median, Journal of Experimental Social Psychology 49.

    Examples
    --------
    >>> from segmentation import simulate_bank
    >>> found = large_outflows(simulate_bank(1, 2, 600, 14), floor=10_000, by=None)
    >>> bool(0 <= found.table["share"][0] < 0.2)
    True
    """
    counts = (days, periods, least)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in counts)
    if not whole or least > periods:
        rule = "days, periods and least are whole numbers from 1, and least is not above periods"
        raise TableError("days", rule, "Pass 30, 12 and 6.")
    if not (math.isfinite(times) and times >= 1 and math.isfinite(floor) and floor > 0):
        raise TableError("times", "it is 1 or more, and the floor above 0", "Pass 3 and 50,000.")
    wilson(0, 1, level)  # refuses what is no level
    day = as_day(bank, as_of)
    start = day - dt.timedelta(days=days * (periods + 1) - 1)
    known = complete_since(bank, since)
    if known is None or known > start:
        rule = "they reach back to the first period"
        raise TableError("transactions", rule, "Name a later day, or fewer periods.", "date")
    lazy, group = grouped(bank, members(bank, day), by, day)
    head = [] if group is None else [group]
    # whole periods since the opening, before the last one
    full = (days_since(nw.col("opened_on"), day) + 1) // days - 1
    full = nw.when(full > periods).then(periods).otherwise(full)
    lazy = lazy.with_columns(periods=full.fill_null(periods).cast(nw.Int64))
    lazy = lazy.select("customer_id", *head, "periods")
    found = _judged(_sums(bank, start, day, days), lazy, head, least, times, floor)
    shown = ("customer_id", "outflow", "habit", "threshold", "periods", "large")
    return LargeOutflows(
        flags=leave(found.select(*shown), bank.kind),
        table=_table(lazy, found, head, level),
        by=group,
        level=level,
    )


def _sums(bank: Bank, start: dt.date, day: dt.date, days: int) -> nw.LazyFrame[Any]:
    """Outflow by customer and period, 0 being the last days."""
    lazy = bank.table("transactions", "customer_id", "date", "amount", optional=["kind"])
    date, amount = nw.col("date"), nw.col("amount")
    lazy = lazy.filter(date >= start, date <= day, ~nw.col("customer_id").is_null())
    if bank.has("transactions", "kind"):
        passive = activity_rule(bank.rules).not_activity
        lazy = lazy.filter(~nw.col("kind").fill_null("").is_in(passive))
    lazy = lazy.with_columns(
        period=days_since(date, day) // days, out=nw.when(amount < 0).then(-amount).otherwise(0.0)
    )
    lazy = lazy.group_by("customer_id", "period").agg(nw.col("out").sum())
    return lazy.with_columns(cents(nw.col("out")).alias("out"))


def _judged(
    sums: nw.LazyFrame[Any],
    people: nw.LazyFrame[Any],
    head: list[str],
    least: int,
    times: float,
    floor: float,
) -> nw.LazyFrame[Any]:
    """Habit and threshold of those whose last outflow reaches the floor: few of all customers."""
    last = sums.filter(nw.col("period") == 0, nw.col("out") >= floor)
    last = last.select("customer_id", outflow=nw.col("out"))
    chosen = people.join(last, on="customer_id", how="inner")
    grid = chosen.join(sums.select("period").unique(), how="cross")
    # the last period is there for those without any of habit, and none of it
    grid = grid.filter(nw.col("period") <= nw.col("periods"))
    grid = grid.join(sums, on=["customer_id", "period"], how="left")
    past = nw.when(nw.col("period") > 0).then(nw.col("out").fill_null(0.0))
    grid = grid.with_columns(out=past)
    # windows of a customer each, as a join of the grid with itself is planned anew each time
    grid = grid.with_columns(habit=nw.col("out").median().over("customer_id"))
    grid = grid.with_columns(spread=(nw.col("out") - nw.col("habit")).abs())
    kept = (*head, "periods", "outflow", "habit")
    chosen = grid.group_by("customer_id").agg(
        *(nw.col(name).max() for name in kept), nw.col("spread").median()
    )
    judged = nw.col("periods") >= least
    chosen = chosen.with_columns(habit=nw.when(judged).then(cents(nw.col("habit"))))
    by_size, by_spread = times * nw.col("habit"), nw.col("habit") + times * SCALE * nw.col("spread")
    most = nw.when(by_spread > by_size).then(by_spread).otherwise(by_size)
    most = nw.when(most > floor).then(most).otherwise(floor)
    chosen = chosen.with_columns(threshold=nw.when(judged).then(cents(most)))
    return chosen.with_columns(large=nw.when(judged).then(nw.col("outflow") >= nw.col("threshold")))


def _table(
    people: nw.LazyFrame[Any], found: nw.LazyFrame[Any], head: list[str], level: float
) -> pd.DataFrame:
    """Counts and yuan by group."""
    keys = [*head, "whole"]
    everyone = people.with_columns(whole=nw.lit(1)).group_by(*keys)
    table = collect(everyone.agg(nw.len().alias("customers"))).set_index(keys)
    large = nw.col("large").fill_null(False)
    found = found.with_columns(
        whole=nw.lit(1),
        many=nw.when(large).then(1).otherwise(0),
        open=nw.when(nw.col("large").is_null()).then(1).otherwise(0),
        money=nw.when(large).then(nw.col("outflow")).otherwise(0.0),
    )
    sums = collect(
        found.group_by(*keys).agg(
            nw.col("many").sum().alias("large"),
            nw.col("open").sum().alias("unjudged"),
            nw.col("money").sum().alias("outflow"),
        )
    ).set_index(keys)
    for name in ("large", "unjudged", "outflow"):
        values = sums[name].to_dict()
        table[name] = [values.get(key, 0) for key in table.index]
    table = table.sort_index().reset_index()
    table = table.astype(dict.fromkeys(COUNTS, "int64"))
    n = table["customers"] - table["unjudged"]
    table["share"] = (table["large"] / n).where(n > 0)
    table["low"], table["high"] = wilson(table["large"], n, level)
    table["outflow"] = table["outflow"].astype(float).round(2)
    return table[[*head, *COUNTS, "share", "low", "high", "outflow"]]
