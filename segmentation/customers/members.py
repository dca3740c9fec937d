"""Members: who is a customer on a day, of which branch, and from when on movements are known."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.customers.cohorts import UNKNOWN, assign_cohort, cohort_scheme
from segmentation.customers.dates import month_end, months_before, read_month
from segmentation.data.bank import Bank
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError, missing_columns
from segmentation.data.rules import load_rules

__all__ = ["as_day", "balance_month", "complete_since", "completed_months", "grouped", "members"]

DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")


def as_day(bank: Bank, as_of: Any = None) -> dt.date:
    """Return the day that `as_of` names: a day, or the last one of a month.

    The first day of a month names the month, as everywhere in the package. None is the last month
    of `balances`.
    """
    if as_of is None:
        if not bank.months:
            raise TableError("balances", "there is a month", "Bring balances, or name a day.")
        return month_end(bank.months[-1])
    day = _written(as_of, "as_of")
    return month_end(day) if day.day == 1 else day


def balance_month(bank: Bank, day: dt.date) -> dt.date:
    """Return the last month that had ended by `day`, which must be in `balances`."""
    first = day.replace(day=1)
    first = first if day == month_end(day) else months_before(first, 1)
    if first not in bank.months:
        months = bank.months
        span = f"{months[0]:%Y-%m} to {months[-1]:%Y-%m}" if months else "no month at all"
        rule = f"the last month that ended by as_of is there; it has {span}"
        raise TableError("balances", rule, "Name a day of these months.")
    return first


def complete_since(bank: Bank, since: Any = None) -> dt.date | None:
    """Return the day from which on `transactions` is complete.

    By default the first day of the month of its earliest movement; None where it has none at all.
    """
    if since is not None:
        return _written(since, "since")
    earliest = collect(bank.table("transactions", "date").select(nw.col("date").min()))
    if earliest["date"].isna().all():
        return None
    day: dt.date = earliest["date"].iloc[0].date()
    return day.replace(day=1)


def _written(value: Any, name: str) -> dt.date:
    """The day that a date or a text names; a month without a day begins on its first."""
    first = read_month(value)
    if isinstance(value, str):
        text = value.strip()
        day = int(text.rpartition("-")[2]) if DAY.fullmatch(text) else 1
    else:
        day = int(getattr(value, "day", 1))
    if not 1 <= day <= month_end(first).day:
        raise TableError(name, "it is a day of the calendar", "Write it like 2025-12-31.")
    return first.replace(day=day)


def completed_months(since: nw.Expr, until: dt.date) -> nw.Expr:
    """Months completed from a day to a day.

    A month is complete on the same day of a later month, or on its last day where it is shorter.
    """
    months = until.year * 12 + until.month - since.dt.year().cast(nw.Int64) * 12
    months = months - since.dt.month().cast(nw.Int64)
    if until == month_end(until):
        return months
    return months - (since.dt.day() > until.day).cast(nw.Int64)


def members(bank: Bank, day: dt.date, optional: Iterable[str] = ()) -> nw.LazyFrame[Any]:
    """Return one row a customer there on `day`: opened by it and not closed by its end.

    Columns customer_id, kind, branch_id (of that day, from `customer_branches` where that is
    there), opened_on, closed_on (null where the bank has none), and of `optional` those that
    `customers` has. Who is there twice is one row.
    """
    traits = ("kind", "branch_id", "opened_on")
    extra = [name for name in optional if bank.has("customers", name) and name not in traits]
    lazy = bank.table("customers", "customer_id", *traits, optional=["closed_on", *extra])
    lazy = lazy.filter(~nw.col("customer_id").is_null())
    names = [name for name in lazy.collect_schema().names() if name != "customer_id"]
    lazy = lazy.group_by("customer_id").agg(*(nw.col(name).max() for name in names))
    if "closed_on" not in names:
        lazy = lazy.with_columns(nw.lit(None, dtype=nw.Date).alias("closed_on"))
    here = (nw.col("opened_on").is_null() | (nw.col("opened_on") <= day)) & (
        nw.col("closed_on").is_null() | (nw.col("closed_on") > day)
    )
    lazy = lazy.filter(here)
    if bank.has("customer_branches"):
        moved = bank.table("customer_branches", "customer_id", "branch_id", "from_date")
        moved = moved.filter(nw.col("from_date") <= day)
        # the greatest date, written before the branch, finds the branch without a window
        dated = nw.concat_str(nw.col("from_date").cast(nw.String), nw.col("branch_id"))
        moved = moved.select("customer_id", then=dated)
        moved = moved.group_by("customer_id").agg(nw.col("then").max())
        lazy = lazy.join(moved, on="customer_id", how="left")
        then = nw.col("then").str.slice(len("2024-01-31"))
        lazy = lazy.with_columns(nw.coalesce(then, nw.col("branch_id")).alias("branch_id"))
    wanted = ("customer_id", *traits, "closed_on", *(n for n in extra if n != "closed_on"))
    return lazy.select(*wanted)


def grouped(
    bank: Bank, lazy: nw.LazyFrame[Any], by: Any, day: dt.date
) -> tuple[nw.LazyFrame[Any], str | None]:
    """Add to customers the group that results are told by, and return its column.

    Parameters
    ----------
    bank : Bank
    lazy : LazyFrame
        As of `members`.
    by : str, frame or None
        A column of `customers`; a scheme of `cohorts.toml`, which becomes the column `cohort`; or
        a frame of the bank's kind with customer_id and one more column. Who has no group there is
        ``unknown``.
    day : datetime.date
        The day of ages and branches.
    """
    if by is None:
        return lazy, None
    names = lazy.collect_schema().names()
    if not isinstance(by, str):
        frame = enter(by, "by", ("customer_id",))
        others = [name for name in frame.collect_schema().names() if name != "customer_id"]
        if len(others) != 1 or others[0] in names:
            rule = "it has customer_id and one column more, of a name of its own"
            raise TableError("by", rule, "Select or rename.")
        frame = frame.select(nw.col("customer_id").cast(nw.String), others[0])
        frame = frame.group_by("customer_id").agg(nw.col(others[0]).max())
        lazy, column = lazy.join(frame, on="customer_id", how="left"), others[0]
    elif by in load_rules("cohorts", bank.rules):
        born = bank.table("customers", "customer_id", "birth_date")
        born = born.group_by("customer_id").agg(nw.col("birth_date").max())
        if "birth_date" not in names:
            lazy = lazy.join(born, on="customer_id", how="left")
        scheme = cohort_scheme(by, bank.rules)
        frame = assign_cohort(lazy.to_native(), scheme, as_of=day, implausible=UNKNOWN)
        return enter(frame), "cohort"
    else:
        column = by
        if by not in names:
            missing_columns("customers", (by,), bank.raw("customers").collect_schema().names())
            frame = bank.table("customers", "customer_id", by)
            frame = frame.group_by("customer_id").agg(nw.col(by).max())
            lazy = lazy.join(frame, on="customer_id", how="left")
    text = nw.col(column).cast(nw.String).fill_null(UNKNOWN)
    return lazy.with_columns(text.alias(column)), column
