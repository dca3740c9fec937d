"""The contract: which tables a bank brings, and what stands in their columns."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from types import MappingProxyType
from typing import Any

__all__ = ["ASSETS", "DEBTS", "TABLES", "Column", "Table"]

ASSETS = ("demand", "term", "wealth", "fund", "insurance", "metal")
"""Products of which `aum` is the sum."""
DEBTS = ("loan", "card")
"""Products of which `debt` is the sum."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name, type : str
        Name, and one of id, text, category, flag, date, time, month, money, number, count, share.
    required, nullable : bool
        Whether the table is of no use without it, and whether its cells may be empty all the same.
    values : tuple of str
        The closed list of values, or empty.
    min, max : float or None
        Bounds, both allowed.
    above : tuple of str
        Columns that this date does not come before.
    future : bool
        Whether the date may lie after the bank's last month.
    to : str
        ``table.column`` that each value must occur in, or empty.
    unit, zh, en : str
        Unit, Chinese name and English description.
    """

    name: str
    type: str
    required: bool = False
    nullable: bool = False
    values: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    above: tuple[str, ...] = ()
    future: bool = False
    to: str = ""
    unit: str = ""
    zh: str = ""
    en: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the contract: its columns, its key, and what a row is in both languages."""

    name: str
    en: str
    zh: str
    columns: MappingProxyType[str, Column] = field(repr=False)
    key: tuple[str, ...] = ()
    either: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that the table cannot do without."""
        return tuple(name for name, column in self.columns.items() if column.required)


def _column(name: str, entry: dict[str, Any]) -> Column:
    lists: dict[str, Any] = {key: tuple(entry[key]) for key in ("values", "above") if key in entry}
    bounds: dict[str, Any] = {"min": 0, "max": 1} if entry["type"] == "share" else {}
    given: dict[str, Any] = {**bounds, **entry, **lists}
    return Column(name, **given)


def _tables() -> MappingProxyType[str, Table]:
    text = files("segmentation.data").joinpath("contract.toml").read_text("utf-8")
    return MappingProxyType({name: _table(name, e) for name, e in tomllib.loads(text).items()})


def _table(name: str, entry: dict[str, Any]) -> Table:
    columns = {key: _column(key, value) for key, value in entry["columns"].items()}
    key, either = tuple(entry.get("key", ())), tuple(entry.get("either", ()))
    return Table(name, entry["en"], entry["zh"], MappingProxyType(columns), key, either)


TABLES = _tables()
"""Every table of the contract by name."""
