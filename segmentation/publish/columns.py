"""Columns of a shown table: what a column means, and so how its heading and cells are written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation.figures.labels import label
from segmentation.figures.language import N_, _
from segmentation.figures.numbers import (
    NOTHING,
    format_interval,
    format_month,
    format_number,
    format_percent,
    money_scale,
)

__all__ = ["HIDDEN", "Meanings", "Written", "write_columns"]

HIDDEN = "·"
"""What stands for a number that would tell of too few customers."""
MONEY = frozenset(
    [
        *("after", "amount", "aum", "aum_average", "aum_end", "aum_quarter", "aum_year"),
        *("average", "balance", "before", "change", "contribution", "cost", "debt", "end", "gap"),
        *(
            "headroom",
            "mean_aum",
            "mean_contribution",
            "mean_gap",
            "monetary",
            "money",
            "reward",
            "threshold",
            "turnover",
            "typical_aum",
            "value",
        ),
    ]
)
SHARES = frozenset(["base_rate", "digital_share", "hazard", "lift", "limit", "returned", "share"])
PLAIN = frozenset(["year", "quarter", "period", "horizon", "rank", "day", "hour"])
COMPARED = frozenset(["expected", "difference"])
"""Shares where a share stands beside them."""
P_VALUES = frozenset(["p", "p_value", "pvalue", "adjusted_p", "interaction_p", "qini_p"])
POINTS = N_("pp")
RAW = ("_id", "name")
FAMILIES = (("before", "after", "change"), ("average", "end"))
"""Columns of money that are compared, and so written in one unit."""
LISTS = ("column", "columns")
"""Columns that name columns, several with commas."""


@dataclass(frozen=True)
class Meanings:
    """Columns that are money, shares and differences of shares beside those known by name."""

    money: Collection[str] = ()
    shares: Collection[str] = ()
    points: Collection[str] = ()
    currency: str = "CNY"

    def of(self, name: str) -> str:
        """Return money, percent, points, p, plain or number."""
        if name in self.points:
            return "points"
        if name in self.money:
            return "money"
        if name in self.shares:
            return "percent"
        if name in SHARES or name.endswith(("_share", "_growth")) or "share_of_" in name:
            return "percent"
        if name.startswith("penetration_"):
            return "percent"
        if name in MONEY:
            return "money"
        if name in P_VALUES:
            return "p"
        return "plain" if name in PLAIN or name.endswith("_code") else "number"


@dataclass(frozen=True)
class Written:
    """A column as text: its heading, its cells, and whether they are numbers."""

    heading: str
    cells: tuple[str, ...]
    number: bool


def write_columns(
    table: pd.DataFrame, hidden: pd.DataFrame, meanings: Meanings, headings: dict[str, str]
) -> list[Written]:
    """Write the columns of a table; a lower and an upper end become one interval.

    Parameters
    ----------
    table : DataFrame
        What may be shown, hidden cells null.
    hidden : DataFrame of bool
        Which cells are hidden.
    meanings : Meanings
        What its columns are.
    headings : dict
        Headings in place of the usual ones, by column.
    """
    names = [str(name) for name in table.columns]
    written = []
    for place, low, high in _places(names):
        name = names[place]
        gone = hidden.iloc[:, place].tolist()
        if low is None or high is None:
            column = _write(table.iloc[:, place], name, meanings, table)
        else:
            ends = table.iloc[:, low], table.iloc[:, high]
            of = _of_interval(names, low)
            column = _write_interval(*ends, table.get(of), meanings, table)
        heading = headings.get(name, column.heading)
        pairs = zip(column.cells, gone, strict=True)
        cells = tuple(HIDDEN if off else cell for cell, off in pairs)
        written.append(Written(heading, cells, column.number))
    return written


def _places(names: Sequence[str]) -> Iterator[tuple[int, int | None, int | None]]:
    """Give the place of each column to write, and for an interval those of its ends."""
    for place, name in enumerate(names):
        if name.endswith("_code") and name.removesuffix("_code") in names:
            continue
        stem, ends = _stem(name)
        other = {"low": "high", "high": "low"}.get(ends)
        partner = f"{stem}_{other}" if stem else other
        if partner is None or partner not in names:
            yield place, None, None
        elif ends == "low":
            yield place, place, names.index(partner)


def _stem(name: str) -> tuple[str, str]:
    stem, _, end = name.rpartition("_")
    return (stem, end) if end in ("low", "high") else ("", name)


def _of_interval(names: Sequence[str], low: int) -> str:
    """The column that an interval belongs to: by its name, else the one before it."""
    stem = _stem(names[low])[0]
    for name in (stem, f"{stem}_share"):
        if stem and name in names:
            return name
    return names[low - 1] if low else ""


def _write_interval(
    low: pd.Series[Any],
    high: pd.Series[Any],
    of: pd.Series[Any] | None,
    meanings: Meanings,
    table: pd.DataFrame,
) -> Written:
    kind = "number" if of is None else _meaning(str(of.name), table, meanings)
    heading = _("95% interval")
    if kind == "money":
        divisor, unit, digits = money_scale([*low, *high], meanings.currency)
        heading = f"{heading} ({unit})"
        pairs = zip(low / divisor, high / divisor, strict=True)
        cells = [format_interval(a, b, "number", digits) for a, b in pairs]
    elif kind == "points":
        heading = f"{heading} ({_(POINTS)})"
        pairs = zip(100 * low, 100 * high, strict=True)
        cells = [format_interval(a, b, "number", 2) for a, b in pairs]
    elif kind == "percent":
        cells = [format_interval(a, b) for a, b in zip(low, high, strict=True)]
    else:
        fractional = of is not None and pd.api.types.is_float_dtype(of)
        values = [*low, *high, *(of.tolist() if of is not None and fractional else [])]
        digits = _digits(values)
        cells = [format_interval(a, b, "number", digits) for a, b in zip(low, high, strict=True)]
    return Written(heading, tuple(cells), True)


def _write(values: pd.Series[Any], name: str, meanings: Meanings, table: pd.DataFrame) -> Written:
    factor = name == "term" and ({"df", "level"} & set(table.columns))
    heading = label("factor" if factor else name, "column")
    kinds = pd.api.types
    if kinds.is_bool_dtype(values):
        return Written(heading, _each(values, lambda v: _("Yes") if v else _("No")), False)
    if kinds.is_datetime64_any_dtype(values) or _holds_dates(values):
        days = pd.to_datetime(values)
        monthly = bool((days.dropna().dt.day == 1).all())
        return Written(heading, _each(days, lambda v: format_month(v, day=not monthly)), False)
    if not kinds.is_numeric_dtype(values):
        return Written(heading, _each(values, lambda value: _text(value, name)), False)
    meaning = _meaning(name, table, meanings)
    if meaning == "money":
        family = next((f for f in FAMILIES if name in f), (name,))
        amounts = [v for c in family if c in table.columns for v in table[c].tolist()]
        divisor, unit, digits = money_scale(amounts, meanings.currency)
        heading = f"{heading} ({unit})"
        return Written(heading, _each(values, _number(digits, divisor)), True)
    if meaning == "percent":
        return Written(heading, _each(values, format_percent), True)
    if meaning == "points":
        return Written(f"{heading} ({_(POINTS)})", _each(values, _number(2, 0.01)), True)
    if meaning == "p":
        return Written(heading, _each(values, _p_value), True)
    if meaning == "plain":
        return Written(heading, _each(values, lambda v: f"{v:g}"), True)
    return Written(heading, _each(values, _number(_digits(values))), True)


def _meaning(name: str, table: pd.DataFrame, meanings: Meanings) -> str:
    return "percent" if name in COMPARED and "share" in table.columns else meanings.of(name)


def _text(value: Any, name: str) -> str:
    if name in LISTS:
        return _(", ").join(label(part, "column") for part in str(value).split(", "))
    return str(value) if name.endswith(RAW) else label(value, name)


def _each(values: pd.Series[Any], write: Callable[[Any], str]) -> tuple[str, ...]:
    return tuple(NOTHING if pd.isna(value) else write(value) for value in values)


def _number(digits: int, divisor: float = 1.0) -> Callable[[Any], str]:
    return lambda value: format_number(value / divisor, digits, exact=True)


def _p_value(value: float) -> str:
    return "<0.001" if value < 0.001 else format_number(value, 3)


def _digits(values: Any) -> int:
    """One number of decimals for a column: none for whole numbers, fewer the larger they are."""
    known = [float(value) for value in values if not pd.isna(value)]
    if all(value.is_integer() for value in known):
        return 0
    largest = max(abs(value) for value in known)
    if largest < 0.1:
        return 4
    return 2 if largest < 100 else 1 if largest < 10_000 else 0


def _holds_dates(values: pd.Series[Any]) -> bool:
    import datetime as dt

    known = values.dropna()
    return len(known) > 0 and all(isinstance(value, dt.date) for value in known)
