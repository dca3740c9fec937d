"""Inflows that stopped: salaries (代发) and pensions that came every month and come no more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.dates import month_end, months_before
from segmentation.customers.intervals import wilson
from segmentation.customers.members import as_day, complete_since, grouped, members
from segmentation.data.bank import Bank
from segmentation.data.engines import cents, collect, leave
from segmentation.data.errors import TableError

__all__ = ["StoppedInflows", "stopped_inflows"]


@dataclass(frozen=True)
class StoppedInflows:
    """Regular inflows, and which of them stopped.

    Attributes
    ----------
    flags : frame of the bank's kind
        One row a customer and kind of inflow that was regular: customer_id, kind, months_seen (of
        the months of habit), monthly (yuan in the mean of those), last_on (the last day that it
        came, by `as_of`), stopped. For the bank's own systems, never for a page.
    table : DataFrame
        One row a group and kind: the group's column, kind, regular (customers who had it), stopped,
        share with low and high (Wilson), and monthly, the yuan a month that stopped.
    start, end : datetime.date
        First day of the months of habit, and last day of those that must be without.
    by : str or None
    level : float
        Confidence of the intervals.
    """

    flags: Any
    table: pd.DataFrame
    start: dt.date
    end: dt.date
    by: str | None
    level: float


def stopped_inflows(
    bank: Bank,
    as_of: Any = None,
    *,
    kinds: Sequence[str] = ("salary", "pension"),
    months: int = 6,
    least: int = 5,
    absent: int = 2,
    by: Any = "branch_id",
    since: Any = None,
    level: float = 0.95,
) -> StoppedInflows:
    """Find customers whose salary or pension came regularly, and has not for some months.

    An inflow is regular if it came in at least `least` of `months` calendar months, and stopped if
    it did in none of the `absent` months after them, up to the last that had ended by `as_of`.
    Looked at are customers there at `as_of`: who closed the account has left otherwise.

    Parameters
    ----------
    bank : Bank
        With customers and transactions, these with `kind`.
    as_of : day, optional
        As of `dormancy`.
    kinds : sequence of str
        Kinds of transactions; only amounts above 0 count.
    months, least, absent : int
        As above. With one month absent a late payday counts as stopped.
    by : str, frame or None
        A column of `customers` (branch_id as of that day), a scheme of `cohorts.toml` (column
        `cohort`), or a frame of the bank's kind with customer_id and one more column, such as tier.
    since : day, optional
        From when on transactions are complete; by default the month of the first one.
    level : float
        Confidence of the intervals.

    Raises
    ------
    TableError
        If transactions lack `kind` or do not reach back as far, or numbers of months are not whole
        or `least` is above `months`.

    Notes
    -----
    The share is that of these months, with the chance of so many customers. Customers of one
    employer stop together; so where one employer pays many, the limits are too narrow.

    Examples
    --------
    >>> from segmentation import simulate_bank
    >>> found = stopped_inflows(simulate_bank(1, 2, 600, 14), by=None)
    >>> found.table["kind"].tolist()
    ['salary', 'pension']
    >>> bool((found.table["stopped"] <= found.table["regular"]).all())
    True
    """
    names = [kinds] if isinstance(kinds, str) else list(dict.fromkeys(kinds))
    counts = (months, least, absent)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in counts)
    if not whole or least > months:
        rule = "months, least and absent are whole numbers from 1, and least is not above months"
        raise TableError("months", rule, "Pass 6, 5 and 2.")
    if not names or not all(isinstance(name, str) and name for name in names):
        raise TableError("kinds", "there are kinds of transactions", "Pass ('salary',).")
    wilson(0, 1, level)  # refuses what is no level
    day = as_day(bank, as_of)
    first = day.replace(day=1)
    last = first if day == month_end(day) else months_before(first, 1)
    gone = months_before(last, absent - 1)
    start, end = months_before(gone, months), month_end(last)
    known = complete_since(bank, since)
    if known is None or known > start:
        rule = "they reach back to the first month of habit"
        raise TableError("transactions", rule, "Name a later day, or fewer months.", "date")
    came = _came(bank, names, start, gone, end, day)
    came = came.filter(nw.col("months_seen") >= least).with_columns(
        stopped=(nw.col("lately") == 0), monthly=cents(nw.col("total") / nw.col("months_seen"))
    )
    lazy, group = grouped(bank, members(bank, day), by, day)
    head = [] if group is None else [group]
    lazy = lazy.select("customer_id", *head)
    lazy = came.join(lazy, on="customer_id", how="inner")
    shown = ("customer_id", "kind", "months_seen", "monthly", "last_on", "stopped")
    return StoppedInflows(
        flags=leave(lazy.select(*shown), bank.kind),
        table=_table(lazy, head, names, level),
        start=start,
        end=end,
        by=group,
        level=level,
    )


def _came(
    bank: Bank, names: list[str], start: dt.date, gone: dt.date, end: dt.date, day: dt.date
) -> nw.LazyFrame[Any]:
    """By customer and kind: months of habit in which it came, their sum, months since, last day."""
    lazy = bank.table("transactions", "customer_id", "date", "kind", "amount")
    date, kind, amount = nw.col("date"), nw.col("kind"), nw.col("amount")
    lazy = lazy.filter(
        kind.fill_null("").is_in(names), amount > 0, date >= start, date <= day
    ).filter(~nw.col("customer_id").is_null())
    month = date.dt.year().cast(nw.Int64) * 12 + date.dt.month().cast(nw.Int64)
    lazy = lazy.with_columns(month=month)
    each = lazy.group_by("customer_id", "kind", "month").agg(
        nw.col("amount").sum(), nw.col("date").max().alias("last_on")
    )
    split = gone.year * 12 + gone.month
    habit = nw.col("month") < split
    each = each.with_columns(
        months_seen=nw.when(habit).then(1).otherwise(0),
        # money that comes after the last month that ended has come all the same
        lately=nw.when(habit).then(0).otherwise(1),
        total=nw.when(habit).then(nw.col("amount")).otherwise(0.0),
    )
    sums = ("months_seen", "lately", "total")
    return each.group_by("customer_id", "kind").agg(
        *(nw.col(name).sum() for name in sums), nw.col("last_on").max()
    )


def _table(
    lazy: nw.LazyFrame[Any], head: list[str], names: list[str], level: float
) -> pd.DataFrame:
    """Counts and yuan by group and kind; kinds that nobody had are there with zeros."""
    lazy = lazy.with_columns(
        gone=nw.when(nw.col("stopped")).then(1).otherwise(0),
        lost=nw.when(nw.col("stopped")).then(nw.col("monthly")).otherwise(0.0),
    )
    found = collect(
        lazy.group_by(*head, "kind").agg(
            nw.len().alias("regular"),
            nw.col("gone").sum().alias("stopped"),
            nw.col("lost").sum().alias("monthly"),
        )
    )
    groups = sorted(found[head[0]].unique()) if head else [None]
    keys = [({head[0]: group} if head else {}) | {"kind": k} for group in groups for k in names]
    values = ["regular", "stopped", "monthly"]
    index = found.set_index([*head, "kind"])[values].to_dict("index")
    rows = []
    for key in keys:
        place = tuple(key.values()) if head else key["kind"]
        rows.append(key | index.get(place, {"regular": 0, "stopped": 0, "monthly": 0.0}))
    table = pd.DataFrame(rows, columns=[*head, "kind", *values])
    n, gone = table["regular"].astype("int64"), table["stopped"].astype("int64")
    table["regular"], table["stopped"] = n, gone
    table["share"] = (gone / n).where(n > 0)
    table["low"], table["high"] = wilson(gone, n, level)
    table["monthly"] = table["monthly"].astype(float).round(2)
    return table[[*head, "kind", "regular", "stopped", "share", "low", "high", "monthly"]]
