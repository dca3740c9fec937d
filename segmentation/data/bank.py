"""A bank: its tables, of whatever kind of frame, and what every page has to say about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.data.contract import TABLES, Column
from segmentation.data.engines import EAGER, collect, connection, enter, frame_kind
from segmentation.data.errors import MissingTable, TableError, missing_columns

__all__ = ["Bank", "known_tables", "typed"]


class Bank:
    """The tables of one bank, in one currency.

    Parameters
    ----------
    currency : str
        ISO code of the currency of all amounts.
    source : str
        Where the tables come from, in a few words, for the foot of each page.
    notes : iterable of str
        What a reader must know of them, a sentence each.
    rules : path, optional
        The bank's own folder of rules; what it lacks is taken from those that ship.
    tier_rule : str
        Name of the tier rule that the bank's notebooks use.
    truth : mapping of str to DataFrame, optional
        Of a simulated bank: the causes that its tables came from.
    remarks : iterable of TableError
        What was left out when its files were read, as errors that were not raised.
    **tables : frame
        Tables by their name in the contract: pandas, Polars, PyArrow, DuckDB or Spark frames,
        all of one engine.

    Attributes
    ----------
    tables : tuple of str
        Names of the tables that it has; each is also an attribute.
    kind : str
        Kind of frame that customer-level results come back as.

    Raises
    ------
    TableError
        If a table is none of the contract's, or lacks a required column, or the tables are of
        engines that cannot be joined.

    Examples
    --------
    >>> import pandas as pd
    >>> bank = Bank(branches=pd.DataFrame({"branch_id": ["B1", "B2"]}))
    >>> bank.tables
    ('branches',)
    """

    def __init__(
        self,
        *,
        currency: str = "CNY",
        source: str = "",
        notes: Iterable[str] = (),
        rules: str | Path | None = None,
        tier_rule: str = "rural_commercial",
        truth: Mapping[str, Any] | None = None,
        remarks: Iterable[TableError] = (),
        **tables: Any,
    ) -> None:
        self.currency, self.source, self.notes = currency, source, tuple(notes)
        self.rules = None if rules is None else Path(rules)
        self.tier_rule, self.truth, self.remarks = tier_rule, truth, tuple(remarks)
        known_tables(tables)
        self._native = {name: frame for name, frame in tables.items() if frame is not None}
        kinds = {name: frame_kind(frame, name) for name, frame in self._native.items()}
        self.kind = _common(kinds)
        self._lazy = {
            name: enter(_bridge(frame, kinds[name], self.kind), name)
            for name, frame in self._native.items()
        }
        for name, lazy in self._lazy.items():
            table, columns = TABLES[name], lazy.collect_schema().names()
            missing_columns(name, [c for c in table.required if c not in table.either], columns)
            if table.either and not set(table.either) & set(columns):
                missing_columns(name, table.either[:1], columns)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that this bank has."""
        return tuple(self._native)

    def __getattr__(self, name: str) -> Any:
        if name in TABLES:
            self.require(name)
            return self._native[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"Bank({', '.join(self.tables)}; {self.currency}; {self.kind})"

    def has(self, table: str, *columns: str) -> bool:
        """Whether the bank has `table`, and all of `columns` in it."""
        return table in self._lazy and set(columns) <= set(self._columns(table))

    def require(self, *tables: str) -> None:
        """Raise `MissingTable`, naming all of `tables` that the bank lacks."""
        lacking = [name for name in tables if name not in self._native]
        if lacking:
            raise MissingTable(
                lacking[0],
                "table missing" if len(lacking) == 1 else f"tables {', '.join(lacking)} missing",
                "Add it to the bank's folder, or to `Bank(...)`.",
            )

    def table(self, name: str, *columns: str, optional: Iterable[str] = ()) -> nw.LazyFrame[Any]:
        """Return columns of a table in the types of the contract, lazily.

        Identifiers and categories are text, dates are dates, months the first day of the month,
        amounts float; NaN is null. Of `optional` columns, those that are there.

        Raises
        ------
        TableError
            If a column is missing, or is of a type that cannot be read as the contract's: amounts
            as text, dates as numbers.
        """
        self.require(name)
        present = self._columns(name)
        missing_columns(name, columns, present)
        wanted = [*columns, *(c for c in optional if c in present and c not in columns)]
        lazy, spec = self._lazy[name], TABLES[name].columns
        schema = lazy.collect_schema()
        values = {c: self._value(name, spec[c], schema[c]) for c in wanted or present}
        return lazy.select(*(value.alias(c) for c, value in values.items()))

    def _value(self, name: str, column: Column, dtype: nw.dtypes.DType) -> nw.Expr:
        if _fits(column, dtype):
            return typed(column, dtype)
        rows = collect(self._lazy[name].select(nw.col(column.name).count().alias("rows")))
        if int(rows["rows"].iloc[0]) == 0:  # a column of nulls may have any type
            empty = nw.col(column.name).is_null()
            return nw.when(empty).then(nw.lit(None, dtype=_types(column)))
        raise TableError(
            name,
            f"cells are of type {column.type}, and the column is of type {type(dtype).__name__}",
            "Convert the column, or let `open_bank` read it from a file.",
            column.name,
        )

    def raw(self, name: str) -> nw.LazyFrame[Any]:
        """Return a table as it was brought, lazily: what `check_bank` looks at."""
        self.require(name)
        return self._lazy[name]

    @cached_property
    def months(self) -> tuple[dt.date, ...]:
        """The months of `balances`, in order."""
        months = collect(self.table("balances", "month").unique())["month"].dropna()
        return tuple(sorted(m.date() for m in months))

    def _columns(self, name: str) -> list[str]:
        known = TABLES[name].columns
        return [c for c in self._lazy[name].collect_schema().names() if c in known]


def known_tables(names: Iterable[str]) -> None:
    """Raise a `TableError` for the first of `names` that is no table of the contract."""
    for name in names:
        if name not in TABLES:
            near = get_close_matches(name, TABLES, n=1, cutoff=0.6)
            raise TableError(
                "bank",
                f"tables are those of the contract, and {name!r} is none",
                f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(TABLES)}.",
            )


def _common(kinds: Mapping[str, str]) -> str:
    """The one kind that all results take."""
    found = set(kinds.values())
    if len(found) <= 1:
        return found.pop() if found else "pandas"
    if found <= set(EAGER):
        return "pandas"
    raise TableError(
        "bank",
        f"tables are of kinds that cannot be joined: {', '.join(sorted(found))}",
        "Bring all of them in one kind of frame.",
    )


def _bridge(frame: Any, kind: str, common: str) -> Any:
    """A Polars frame beside pandas frames goes through Arrow, so that all meet in DuckDB."""
    if kind == "polars" and common != "polars":
        return connection().from_arrow(nw.from_native(frame, eager_only=True).to_arrow())
    return frame


def _fits(column: Column, dtype: nw.dtypes.DType) -> bool:
    """Whether `typed` can read a column of `dtype`."""
    if column.type in ("date", "month"):
        return dtype in (nw.String, nw.Date, nw.Datetime)
    if column.type == "time":
        return dtype in (nw.String, nw.Datetime)
    if column.type == "flag":
        return dtype == nw.Boolean or dtype.is_numeric()
    if column.type in ("id", "text", "category"):
        return dtype != nw.Unknown and not (dtype.is_nested() or dtype.is_temporal())
    return dtype.is_numeric()


def _types(column: Column) -> Any:
    """The type that `typed` gives."""
    kinds = {"flag": nw.Boolean, "date": nw.Date, "month": nw.Date, "count": nw.Int64}
    words = dict.fromkeys(("id", "text", "category"), nw.String)
    return (kinds | words | {"time": nw.Datetime("us")}).get(column.type, nw.Float64)


def typed(column: Column, dtype: nw.dtypes.DType) -> nw.Expr:
    """Return the expression that reads a column of `dtype` as the type of the contract."""
    value = nw.col(column.name)
    if dtype.is_float():  # pandas makes whole numbers and flags float where some are missing
        value = nw.when(~value.is_nan()).then(value)
    if isinstance(dtype, nw.Datetime) and dtype.time_zone:  # the day that the zone's clock showed
        value, dtype = value.dt.replace_time_zone(None), nw.Datetime(dtype.time_unit)
    if column.type in ("id", "text", "category"):
        if dtype.is_float():
            value = value.cast(nw.Int64)
        return value if dtype == nw.String else value.cast(nw.String)
    if column.type in ("date", "month", "time") and not dtype.is_temporal():
        # Polars casts no text to a date, and a column of nulls may be of any type.
        value, dtype = value if dtype == nw.String else value.cast(nw.String), nw.String()
    if column.type in ("date", "month"):
        if dtype == nw.String:
            value = value.str.slice(0, 10).str.to_date(format="%Y-%m-%d")
        value = value if dtype == nw.Date else value.cast(nw.Date)
        return value.dt.truncate("1mo").cast(nw.Date) if column.type == "month" else value
    if column.type == "time":
        if dtype == nw.String:
            value = value.str.replace("T", " ", literal=True).str.slice(0, 19)
            return value.str.to_datetime(format="%Y-%m-%d %H:%M:%S")
        return value if isinstance(dtype, nw.Datetime) else value.cast(nw.Datetime("us"))
    if column.type == "flag":
        return value if dtype == nw.Boolean else value.cast(nw.Boolean)
    if column.type == "count":
        return value if dtype == nw.Int64 else value.cast(nw.Int64)
    return value if dtype == nw.Float64 else value.cast(nw.Float64)
