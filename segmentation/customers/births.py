"""Births: the year or the age that a cohort is cut by, and what cannot be right about it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.dates import month_end
from segmentation.data.bank import typed
from segmentation.data.contract import TABLES
from segmentation.data.engines import collect
from segmentation.data.errors import TableError, missing_columns

__all__ = ["READ", "Flaw", "read_day", "refuse", "years"]

READ = ("kind", "birth_date", "opened_on", "age", "tenure_years", "month")
"""Columns that are looked at."""
OLDEST = 120
"""Completed years that nobody is taken to be older than."""
WRITTEN = r"^\d{4}-\d{2}-\d{2}"
PARTS = ((0, 4), (5, 2), (8, 2))
Flaw = tuple[nw.Expr, str, str, str]
"""Where rows are wrong, the rule that they break, the mend, and the column."""
KEEP = "Correct it, or pass implausible='unknown' to count such rows as unknown."


def years(
    lazy: nw.LazyFrame[Any], unit: str, span: tuple[int, int], day: dt.date | None
) -> tuple[nw.Expr, list[Flaw]]:
    """Return the birth year or the completed years of each row, and what may be wrong with them.

    `span` is the first year or age that may be and the first that may not.
    """
    names = lazy.collect_schema().names()
    if unit == "age" and "age" in names and (day is None or "birth_date" not in names):
        return _given(lazy, span, day)
    if unit == "age" and "birth_date" not in names:
        raise TableError("frame", "it has birth_date or age", "Add one of them.")
    missing_columns("frame", ("birth_date",), names)
    if unit == "age" and day is None:
        raise TableError("as_of", "an age is that of a day", "Pass a day.")
    birth, unreadable = _number(lazy, "birth_date")
    value = birth // 10_000
    never = nw.lit(False)
    if day is not None:
        today = day.year * 10_000 + day.month * 100 + day.day
        age = (nw.lit(today) - birth) // 10_000  # its last four digits borrow as a birthday does
        value = age if unit == "age" else value
        never = (birth > today) | (age > OLDEST)
    outside = _sure((value < span[0]) | (value >= span[1]) | never)
    flaws: list[Flaw] = [
        (unreadable, "dates of birth are days like 1990-05-17", KEEP, "birth_date"),
        (outside, "births lie within the cohorts, 0 to 120 years back", KEEP, "birth_date"),
    ]
    if "opened_on" in names:
        late = _sure(birth > _number(lazy, "opened_on")[0])
        flaws.append((late, "nobody is born after the account was opened", KEEP, "birth_date"))
    return value, flaws


def _given(
    lazy: nw.LazyFrame[Any], span: tuple[int, int], day: dt.date | None
) -> tuple[nw.Expr, list[Flaw]]:
    """Ages as they stand in a panel or a table of visits."""
    names = lazy.collect_schema().names()
    value = _numeric(lazy, "age")
    outside = _sure((value < span[0]) | (value >= min(span[1], OLDEST + 1)))
    flaws: list[Flaw] = [(outside, "ages are 0 to 120 years", KEEP, "age")]
    if "tenure_years" in names:
        young = _sure(value < _numeric(lazy, "tenure_years"))
        flaws.append((young, "nobody is younger than the account", KEEP, "age"))
    if day is not None and "month" in names:
        month = typed(TABLES["balances"].columns["month"], lazy.collect_schema()["month"])
        other = _sure(month != day.replace(day=1))
        if day != month_end(day) or len(collect(lazy.filter(other).select("age").head(1))):
            mend = "Leave as_of away, or take the panel of its month."
            raise TableError("as_of", "ages of a panel are those of its month's end", mend)
    return value, flaws


def refuse(lazy: nw.LazyFrame[Any], flaws: list[Flaw]) -> None:
    """Raise for the first rule that rows break, with their number."""
    columns = {f"flaw_{place}": flaw[0].cast(nw.Int64) for place, flaw in enumerate(flaws)}
    sums = collect(lazy.select(**columns).select(nw.col(*columns).sum()))
    for (_where, rule, mend, column), rows in zip(flaws, sums.fillna(0).iloc[0], strict=True):
        if rows:
            raise TableError("frame", rule, mend, column, int(rows))


def _number(lazy: nw.LazyFrame[Any], name: str) -> tuple[nw.Expr, nw.Expr]:
    """A day as the number 19900517, null where there is none, and where it cannot be read.

    Text is read by its digits: an engine that turns it into a date repeats in its error the cell
    that it cannot read.
    """
    dtype = lazy.collect_schema()[name]
    never = nw.lit(False)
    if dtype == nw.String:
        text = nw.col(name).str.strip_chars()
        filled = (text.str.len_chars() > 0).fill_null(False)
        fits = text.str.contains(WRITTEN).fill_null(False)
        digits = nw.when(fits).then(text.str.slice(0, 10)).otherwise(nw.lit("0000-00-00"))
        year, month, day = (
            digits.str.slice(start, length).cast(nw.Int64) for start, length in PARTS
        )
        real = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        return nw.when(fits & real).then(year * 10_000 + month * 100 + day), filled & ~(fits & real)
    if dtype in (nw.Date, nw.Datetime):
        date = typed(TABLES["customers"].columns[name], dtype)
        year, month, day = (
            part.cast(nw.Int64) for part in (date.dt.year(), date.dt.month(), date.dt.day())
        )
        return year * 10_000 + month * 100 + day, never
    if _filled(lazy, name):
        raise TableError("frame", "it is a date", "Convert it with pandas.to_datetime.", name)
    return nw.when(nw.col(name).is_null()).then(nw.lit(None, dtype=nw.Int64)), never


def _numeric(lazy: nw.LazyFrame[Any], name: str) -> nw.Expr:
    dtype = lazy.collect_schema()[name]
    if dtype.is_numeric():
        value = nw.col(name).cast(nw.Float64)
        return nw.when(~value.is_nan()).then(value) if dtype.is_float() else value
    if _filled(lazy, name):
        raise TableError("frame", "it is a number of years", "Convert it.", name)
    return nw.when(nw.col(name).is_null()).then(nw.lit(None, dtype=nw.Float64))


def _filled(lazy: nw.LazyFrame[Any], name: str) -> bool:
    """Whether a column has any value: one of nulls may be of any type."""
    return int(collect(lazy.select(nw.col(name).count().alias("rows")))["rows"].iloc[0]) > 0


def read_day(as_of: Any) -> dt.date | None:
    """Return the day that `as_of` names, None for None."""
    if as_of is None:
        return None
    day = pd.to_datetime(as_of, errors="coerce")
    if not isinstance(day, pd.Timestamp):
        raise TableError("as_of", "it is a day", "Write it like 2025-12-31.")
    return day.date()


def _sure(flag: nw.Expr) -> nw.Expr:
    return flag.fill_null(False)
