"""Tables as they were brought: what can be read of their cells, and which cells break a rule."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.data import findings as rules
from segmentation.data.bank import Bank, typed
from segmentation.data.contract import TABLES, Column, Table
from segmentation.data.findings import Rule

__all__ = ["Reading", "broken_cells", "read_table"]

NUMBERS = ("money", "number", "count", "share")
DATES = ("date", "month", "time")
OLDEST = dt.date(1900, 1, 1)
AGE_LIMIT = 120

# A date of the calendar, leap years included.
DAY = (
    r"(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)"
    r"|02-(0[1-9]|1\d|2[0-8]))"
    r"|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?"
PATTERNS = {
    "date": f"^{DAY}([ T]{CLOCK})?$",
    "month": f"^{DAY}([ T]{CLOCK})?$",
    "time": f"^{DAY}[ T]{CLOCK}$",
}
"""What text must look like to be read as a type."""


@dataclass(frozen=True)
class Reading:
    """A table of a bank, read cell by cell: what cannot be read is empty, and no engine fails.

    Attributes
    ----------
    table : Table
    dtypes : dict of str to dtype
        Of the contract's columns that are there, as they were brought.
    others : tuple of str
        Names of the columns that are none of the contract's.
    lazy : LazyFrame
        Each column as it was brought, under ``brought <name>``, and those of `columns` in the
        type of the contract.
    columns : tuple of str
        Columns that can be read at all; not flags, about whose values there is no rule.
    """

    table: Table
    dtypes: dict[str, nw.dtypes.DType]
    others: tuple[str, ...]
    lazy: nw.LazyFrame[Any]
    columns: tuple[str, ...]

    def has(self, *columns: str) -> bool:
        """Whether all of `columns` can be read."""
        return set(columns) <= set(self.columns)


def _brought(name: str) -> nw.Expr:
    return nw.col(f"brought {name}")


def read_table(bank: Bank, name: str) -> Reading:
    """Read a table of a bank, lazily."""
    raw, table = bank.raw(name), TABLES[name]
    schema = dict(raw.collect_schema())
    dtypes = {c: schema[c] for c in table.columns if c in schema}
    columns = {c: table.columns[c] for c in dtypes}
    readable = [
        c for c, s in columns.items() if s.type != "flag" and _fits(s.type, dtypes[c]) is not False
    ]
    brought = [nw.col(c).alias(f"brought {c}") for c in dtypes]
    lazy = raw.select(*brought, *(_guarded(columns[c], dtypes[c]).alias(c) for c in readable))
    lazy = lazy.select(
        *(f"brought {c}" for c in dtypes),
        *(typed(columns[c], dtypes[c]).alias(c) for c in readable),
    )
    others = tuple(c for c in schema if c not in table.columns)
    return Reading(table, dtypes, others, lazy, tuple(readable))


def _fits(kind: str, dtype: nw.dtypes.DType) -> bool | None:
    """Whether cells of `dtype` can be read as `kind`; None where that depends on the cell."""
    if kind in DATES:
        days = (nw.Datetime,) if kind == "time" else (nw.Date, nw.Datetime)
        return None if dtype == nw.String else dtype in days
    if kind in NUMBERS:
        return dtype.is_numeric()
    if kind == "flag":
        return None if dtype.is_numeric() else dtype == nw.Boolean
    return not (dtype.is_nested() or dtype.is_temporal() or dtype in (nw.Binary, nw.Unknown))


def _guarded(column: Column, dtype: nw.dtypes.DType) -> nw.Expr:
    """Empty what `typed` could not read."""
    value = nw.col(column.name)
    if dtype.is_float():
        return nw.when(value.is_finite()).then(value)
    if dtype == nw.String and column.type in PATTERNS:
        return nw.when(value.str.contains(PATTERNS[column.type])).then(value)
    return value


def broken_cells(reading: Reading, last: dt.date) -> dict[tuple[str, Rule], nw.Expr]:
    """Return, for each column and rule, the expression that is true where the rule is broken.

    Parameters
    ----------
    reading : Reading
    last : date
        Last day that is not in the future.
    """
    broken: dict[tuple[str, Rule], nw.Expr] = {}
    for name, dtype in reading.dtypes.items():
        column = reading.table.columns[name]
        found = _cell(column, dtype)
        if reading.has(name):
            found |= _range(column)
            found |= _calendar(column, last) if column.type in DATES else {}
            before = [nw.col(name) < nw.col(c) for c in column.above if reading.has(c)]
            if before:
                known = (expression.fill_null(False) for expression in before)
                found[rules.ORDER] = reduce(or_, known)
        broken |= {(name, rule): expression for rule, expression in found.items()}
    either = [name for name in reading.table.either if name in reading.dtypes]
    if either:
        empty = (_brought(name).is_null() for name in either)
        broken[", ".join(either), rules.EITHER] = nw.all_horizontal(*empty, ignore_nulls=True)
    if reading.table.name == "customers" and reading.has("birth_date", "opened_on"):
        broken |= _births(reading, last)
    return broken


def _must(column: Column) -> bool:
    return column.required and not column.nullable


def _empty(column: Column, dtype: nw.dtypes.DType) -> nw.Expr:
    value = _brought(column.name)
    if dtype != nw.String:
        return value.is_null()
    return value.is_null() | (value.str.strip_chars() == "").fill_null(False)


def _cell(column: Column, dtype: nw.dtypes.DType) -> dict[Rule, nw.Expr]:
    """Rules about the cell as it was brought: filled, a number, finite, readable."""
    value, found = _brought(column.name), {}
    if _must(column):
        found[rules.FILLED] = _empty(column, dtype)
    if dtype.is_float():
        found[rules.NAN] = value.is_nan()
        found[rules.FINITE] = ~(value.is_finite() | value.is_nan())
    fits = _fits(column.type, dtype)
    if fits is False:
        found[rules.READABLE] = ~value.is_null()
    elif fits is None and dtype == nw.String:
        unread = ~value.str.contains(PATTERNS[column.type])
        found[rules.READABLE] = unread & ~_empty(column, dtype)
    elif fits is None:
        found[rules.READABLE] = ~((value == 0) | (value == 1))
    return found


def _range(column: Column) -> dict[Rule, nw.Expr]:
    """Rules about the value: its list and its bounds."""
    value, found = nw.col(column.name), {}
    if column.values:
        strange = ~value.is_in(column.values)
        blank = value.str.strip_chars() == ""
        found[rules.LISTED] = strange & ~blank if _must(column) else strange
    if column.min is not None:
        found[rules.NOT_BELOW if column.min else rules.NOT_NEGATIVE] = value < column.min
    if column.max is not None:
        found[rules.NOT_ABOVE] = value > column.max
    return found


def _calendar(column: Column, last: dt.date) -> dict[Rule, nw.Expr]:
    """Rules about the date: not before 1900, and not after the last day."""
    value = nw.col(column.name)
    first, after = OLDEST, last + dt.timedelta(days=1)
    if column.type == "time":
        first, after = (dt.datetime.combine(day, dt.time()) for day in (first, after))
    found = {rules.PAST: value < first}
    if not column.future:
        found[rules.FUTURE] = value >= after
    return found


def _births(reading: Reading, last: dt.date) -> dict[tuple[str, Rule], nw.Expr]:
    """Rules about dates of birth; one before 1900 is a finding already."""
    born, until = nw.col("birth_date"), nw.lit(last)
    if reading.has("closed_on"):
        until = nw.coalesce(nw.col("closed_on"), until)
    age = until.dt.year() - born.dt.year()
    days = 100 * (until.dt.month() - born.dt.month()) + until.dt.day() - born.dt.day()
    old = (age > AGE_LIMIT + 1) | ((age == AGE_LIMIT + 1) & (days >= 0))
    return {
        ("birth_date", rules.BORN): born > nw.col("opened_on"),
        ("birth_date", rules.AGE): old & (born >= OLDEST),
    }
