"""The data of a trial as they come in: arms that are known, and numbers that are numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["Trial", "as_number", "as_text", "enter_trial", "text_reader"]

UNIT = "customer_id"
"""Column that is checked for duplicates wherever data have it."""
CHECKED = 5_000_000
"""Rows up to which it is checked unasked; a hash of every identifier takes 70 bytes and more."""


@dataclass(frozen=True)
class Trial:
    """Rows of a trial in their engine, and the arms found in them.

    Attributes
    ----------
    rows : LazyFrame
        With the arm as text under its own name, and the numbers asked for as floats without NaN.
    arm : str
        Column of the arm.
    control : str
        Text of the control arm.
    labels : dict
        The caller's own label of each arm by its text, in order of the text.
    counts : dict
        Rows by text of the arm.
    """

    rows: nw.LazyFrame[Any]
    arm: str
    control: str
    labels: dict[str, Any]
    counts: dict[str, int]

    @property
    def treated(self) -> list[str]:
        """Texts of the arms other than control."""
        return [text for text in self.labels if text != self.control]


def enter_trial(
    data: Any,
    arm: str,
    control: Any,
    numbers: Iterable[str] = (),
    others: Iterable[str] = (),
    unit: str | None = UNIT,
    checked: int = CHECKED,
    table: str = "data",
) -> Trial:
    """Take in the rows of a trial, or say what is wrong with them.

    Parameters
    ----------
    data : any frame
        One row a unit of the assignment.
    arm, control
        Column of the arm (text, whole numbers or flags; never null), and its value for control.
    numbers, others : str
        Columns needed: numbers or flags, which become floats with NaN as null; and any others.
    unit : str or None
        Column of the unit, which must be there once if the data have it at all; None: no check.
    checked : int
        Rows up to which that is checked. Larger data are left to `check_campaign`, which counts
        duplicates: the check would cost more time and memory than the effect.

    Raises
    ------
    TableError
        If a column is missing or no number, an arm is null, there is no control or nothing but it,
        or a unit has more than one row.
    """
    numbers, others = tuple(dict.fromkeys(numbers)), tuple(others)
    lazy = enter(data, table, tuple(dict.fromkeys((arm, *numbers, *others))))
    schema = lazy.collect_schema()
    have = unit if unit is not None and unit in schema.names() else None
    keep = dict.fromkeys((arm, *numbers, *others, *([have] if have else [])))
    lazy = lazy.select(*keep)
    if schema[arm].is_float():
        _whole(table, lazy, arm)
    lazy = lazy.with_columns(
        *(as_number(table, name, schema[name]).alias(name) for name in numbers),
        as_text(table, arm, schema[arm]).alias(arm),
    )
    found = collect(lazy.group_by(arm).agg(nw.len().alias("rows")))
    if not len(found):
        raise TableError(table, "the table has rows", "Pass the units of the trial.")
    if found[arm].isna().any():
        missing = int(found.loc[found[arm].isna(), "rows"].sum())
        raise TableError(
            table, "every unit has an arm", "Leave out who was not assigned.", arm, missing
        )
    counts = {str(text): int(rows) for text, rows in zip(found[arm], found["rows"], strict=True)}
    counts = dict(sorted(counts.items()))
    chosen = str(int(control)) if isinstance(control, bool | int | float) else str(control)
    if chosen not in counts:
        raise TableError(
            table, "the control arm has rows", "Name the arm that was left alone.", arm
        )
    if len(counts) < 2:
        raise TableError(
            table, "there is an arm beside control", "Pass all arms of the trial.", arm
        )
    if have and sum(counts.values()) <= checked:
        _once(table, lazy, have, arm, sum(counts.values()))
    return Trial(lazy, arm, chosen, {t: _label(t, schema[arm]) for t in counts}, counts)


def as_number(table: str, name: str, dtype: Any) -> nw.Expr:
    """Return the column as floats with NaN as null, if it holds numbers or flags."""
    column = nw.col(name)
    if dtype == nw.Boolean:
        return column.cast(nw.Int64).cast(nw.Float64)
    if not dtype.is_numeric():
        raise TableError(table, "the column holds numbers or flags", "Convert it.", name)
    number = column.cast(nw.Float64)
    if dtype.is_float():
        number = nw.when(~number.is_nan()).then(number)
    return number


def as_text(table: str, name: str, dtype: Any) -> nw.Expr:
    """Return the column as text, if it tells units or groups apart; NaN is null."""
    read = text_reader(dtype)
    if read is None:
        rule = "the column holds text, whole numbers or flags"
        raise TableError(table, rule, "Convert it.", name)
    return read(nw.col(name))


def text_reader(dtype: Any) -> Callable[[nw.Expr], nw.Expr] | None:
    """How a column of this type is read as text; None if it is not."""
    if dtype == nw.Boolean:
        return lambda column: column.cast(nw.Int64).cast(nw.String)
    if dtype.is_float():
        return lambda column: nw.when(~column.is_nan()).then(column).cast(nw.Int64).cast(nw.String)
    if dtype.is_integer() or dtype in (nw.String, nw.Categorical, nw.Enum):
        return lambda column: column.cast(nw.String)
    return None


def _whole(table: str, lazy: nw.LazyFrame[Any], name: str) -> None:
    """Refuse numbers with decimals, which a cast to text would cut off and so take for one."""
    column = nw.col(name)
    broken = (~column.is_nan() & (column != column.floor())).cast(nw.Int64)
    rows = collect(lazy.select(broken.alias(name)).select(nw.col(name).sum()))[name].fillna(0)
    if int(rows.iloc[0]):
        raise TableError(table, "numbers are whole", "Name the arms.", name, int(rows.iloc[0]))


def _label(text: str, dtype: Any) -> Any:
    if dtype == nw.Boolean:
        return text == "1"
    return int(text) if dtype.is_numeric() else text


def _once(table: str, lazy: nw.LazyFrame[Any], unit: str, arm: str, rows: int) -> None:
    count = collect(
        lazy.select(
            nw.col(unit).n_unique(), nw.col(unit).is_null().cast(nw.Int64).sum().alias("nulls")
        )
    )
    nulls = int(count["nulls"].iloc[0])
    if nulls:
        raise TableError(table, "every unit has a number", "Fill it.", unit, nulls)
    extra = rows - int(count[unit].iloc[0])
    if extra:
        arms = collect(
            lazy.group_by(unit)
            .agg(nw.col(arm).n_unique())
            .select((nw.col(arm) > 1).cast(nw.Int64).sum())
        )
        two = int(arms[arm].iloc[0])
        rule = "a unit is in one arm" if two else "a unit has one row"
        mend = (
            "Analyse units as they were assigned." if two else "Aggregate to one row a unit first."
        )
        raise TableError(table, rule, mend, unit, two or extra)
