"""What a bank calls its tables, columns and values, and how it writes them: `columns.toml`."""

from __future__ import annotations

import codecs
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from segmentation.data.contract import TABLES, Column
from segmentation.data.errors import TableError

__all__ = ["UNITS", "Headings", "load_headings", "money_unit", "plain"]

SCALE = {"": 1.0, "千": 1e3, "万": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8}
UNITS: dict[str, float] = {
    **{f"{scale}元": factor for scale, factor in SCALE.items()},
    **{scale: factor for scale, factor in SCALE.items() if scale},
    **dict.fromkeys(("人民币", "cny", "rmb", "yuan"), 1.0),
    "%": 0.01,
    "‰": 0.001,
    "bp": 0.0001,
    **dict.fromkeys(("m2", "平方米", "平米", "岁", "周岁", "年", "分钟", "minutes", "years"), 1.0),
}
"""What a header may say in brackets, and what its cells are multiplied by."""

NAMES = "|".join(sorted((re.escape(name) for name in UNITS), key=len, reverse=True))
BRACKETED = re.compile(rf"[(\[【〔]\s*(?:单位\s*:?\s*)?(?:人民币)?({NAMES})\s*[)\]】〕]$")
BARE = re.compile(r"[_\-/:]?((?:千|万|百万|千万|亿)元|%)$")
STATED = re.compile(r"单位\s*:?\s*(?:人民币)?\s*((?:千|万|百万|千万|亿)?元)")
NUMBERED = re.compile(r"(?:[\s_\-.()]|\d+(?:年|月|日|q|h)?|年|月|日|part|sheet)+", re.IGNORECASE)
COPY = re.compile(r"\(\d\)$|副本|\bcopy\b", re.IGNORECASE)
SETTINGS = {
    "encoding": str,
    "delimiter": str,
    "dates": str,
    "decimal": str,
    "unit": str,
    "timezone": str,
    "nulls": list,
    "true": list,
    "false": list,
    "columns": dict,
    "values": dict,
}


def plain(text: str) -> str:
    """Return `text` in half width, in small letters and without spaces at its ends."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def money_unit(text: str) -> float | None:
    """Return the factor of the unit that a title states, as in 单位：万元, if it states one."""
    stated = STATED.search(plain(text))
    return UNITS[stated[1]] if stated else None


def _key(text: str) -> str:
    return re.sub(r"[\s_\-.*:'\"]", "", plain(text))


class Headings:
    """Tables, columns, values and settings as a bank writes them.

    Parameters
    ----------
    shipped, own : mapping
        Contents of the package's `columns.toml` and of the bank's. The bank's own goes first.
    """

    def __init__(self, shipped: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        self._layers = (own, shipped)
        self._tables = {_key(name): name for name in TABLES}
        for layer in (shipped, own):
            self._tables |= {_key(k): v for k, v in layer.get("tables", {}).items()}
        self._columns = {name: self._names(name) for name in TABLES}

    def _names(self, table: str) -> dict[str, str]:
        known = TABLES[table].columns
        own, shipped = self._layers
        names: dict[str, str] = {}
        for given in (
            shipped.get("columns", {}),
            {column.zh: name for name, column in known.items()},
            shipped.get(table, {}).get("columns", {}),
            {name: name for name in known},
            own.get("columns", {}),
            own.get(table, {}).get("columns", {}),
        ):
            names |= {
                _key(header): name for header, name in given.items() if name in known or not name
            }
        return names

    def table_of(self, name: str) -> str | None:
        """Return the table that a file, sheet or database table of this name holds, if known."""
        whole = unicodedata.normalize("NFKC", name).strip()
        if COPY.search(whole):  # a second download: read beside the first, it would count twice
            return None
        inner = re.sub(rf"^{NUMBERED.pattern}|{NUMBERED.pattern}$", "", whole, flags=re.IGNORECASE)
        return self._tables.get(_key(whole), self._tables.get(_key(inner))) or None

    def column_of(self, table: str, header: str) -> tuple[str | None, float | None]:
        """Return the column that `header` names, and the factor of the unit that it states."""
        names, text = self._columns[table], plain(header)
        unit = BRACKETED.search(text) or BARE.search(text)
        factor = UNITS[unit[1]] if unit else None
        column = names.get(_key(text))
        if column is None and unit:
            column = names.get(_key(text[: unit.start()]))
        return column or None, factor

    def setting(self, table: str, name: str) -> Any:
        """Return a setting of the table, else of the bank, else the package's; None if unset."""
        for layer in self._layers:
            for place in (layer.get(table, {}), layer):
                if name in place:
                    return place[name]
        return None

    def words(self, table: str, name: str) -> frozenset[str]:
        """Return all that stand for null, true or false, in their plain form."""
        places = [place for layer in self._layers for place in (layer.get(table, {}), layer)]
        return frozenset(plain(word) for place in places for word in place.get(name, []))

    def factor(
        self, table: str, column: Column, header: float | None, title: float | None
    ) -> float:
        """Return what amounts are multiplied by: header, then columns.toml, title, and table."""
        if column.type in ("money", "number", "share", "count") and header is not None:
            return header
        if column.type != "money":
            return 1.0
        units = self._layers[0].get(table, {}).get("units", {})
        if column.name in units:
            return UNITS[plain(units[column.name])]
        unit = self.setting(table, "unit")
        return title if title is not None else UNITS[plain(unit)] if unit else 1.0

    def values(self, table: str, column: Column) -> dict[str, str]:
        """Return what the cells of a column stand for, by their plain form."""
        found = {plain(value): value for value in column.values}
        for layer in reversed(self._layers):
            for place in (layer, layer.get(table, {})):
                given = place.get("values", {}).get(column.name, {})
                found |= {plain(cell): value for cell, value in given.items()}
        return found


def load_headings(folder: Path | None = None) -> Headings:
    """Return the shipped headings, and over them those of `columns.toml` in `folder`.

    Raises
    ------
    TableError
        If the file is not valid TOML in UTF-8, or names a table, column, setting or unit that
        there is not.
    """
    shipped = _shipped()
    path = None if folder is None else folder / "columns.toml"
    if path is None or not path.is_file():
        return Headings(shipped, {})
    try:
        own = tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise _refused(
            "the file is valid TOML in UTF-8", "Mend it, for example in an editor."
        ) from None
    _check(own)
    return Headings(shipped, own)


@cache
def _shipped() -> dict[str, Any]:
    return tomllib.loads(files("segmentation.data").joinpath("columns.toml").read_text("utf-8"))


def _refused(rule: str, mend: str, entry: str | None = None) -> TableError:
    return TableError("columns.toml", rule, mend, entry)


def _check(own: Mapping[str, Any]) -> None:
    for name, entry in own.items():
        if name == "tables":
            _known(name, entry, set(TABLES))
        elif name in TABLES and isinstance(entry, dict):
            for key, value in entry.items():
                if key == "units":
                    _known(f"{name}.units", value, set(UNITS))
                else:
                    _setting(key, value, name)
        else:
            _setting(name, entry, None)


def _setting(name: str, value: Any, table: str | None) -> None:
    where = f"{table}.{name}" if table else name
    if name not in SETTINGS or not isinstance(value, SETTINGS[name]):
        raise _refused(
            "an entry is a table of the contract, or a setting in its own form",
            "See the head of the columns.toml that ships.",
            where,
        )
    columns = {c for t in ([table] if table else TABLES) for c in TABLES[t].columns}
    if name == "columns":
        _known(where, value, columns)
    elif name == "values":
        for column, cells in value.items():
            if column not in columns or not isinstance(cells, dict):
                raise _refused("values are given for a column", "Write [values.COLUMN].", where)
            _known(f"{where}.{column}", cells, None)
    elif name == "dates" and value not in ("ymd", "dmy", "mdy"):
        raise _refused("the order of dates is known", 'Write "ymd", "dmy" or "mdy".', where)
    elif name == "decimal" and value not in (".", ","):
        raise _refused("the decimal sign is known", 'Write "." or ",".', where)
    elif name == "delimiter" and len(value) != 1:
        raise _refused("the delimiter is one sign", 'Write for example "|" or "\\t".', where)
    elif name == "unit" and plain(value) not in UNITS:
        raise _refused("the unit is known", 'Write for example "元", "万元" or "亿元".', where)
    elif name == "timezone":
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise _refused(
                "the time zone is known", 'Write for example "Asia/Shanghai".', where
            ) from None
    elif name == "encoding":
        try:
            codecs.lookup(value)
        except LookupError:
            raise _refused("the encoding is known", 'Write for example "gb18030".', where) from None


def _known(where: str, entry: Any, targets: set[str] | None) -> None:
    given = entry.values() if isinstance(entry, dict) else [None]
    for target in given:
        word = target if isinstance(target, str) else None
        if word is not None and where.endswith(".units"):
            word = plain(word)
        if word is None or (word and targets is not None and word not in targets):
            raise _refused(
                "each entry leads to a table, column, unit or value that there is",
                "See data/README.md for the names of tables and columns.",
                where,
            )
