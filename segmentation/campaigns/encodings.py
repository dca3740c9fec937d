"""Covariates as the numbers that a learner takes, encoded by what its own customers show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.arms import as_number, as_text
from segmentation.data.errors import TableError

__all__ = ["Encoding", "Floats", "covariate_expressions", "encode", "known_covariates"]

Floats = npt.NDArray[np.float64]

LEVELS = 30
"""Levels of a text that get a column, the most frequent."""
MISSING = "\0"
"""Level of the customers for whom a text is not known."""


def covariate_expressions(table: str, schema: Any, names: Sequence[str]) -> list[nw.Expr]:
    """Return the covariates as c0, c1, …: text as text, numbers and flags as floats without NaN."""
    found = []
    for place, name in enumerate(names):
        dtype = schema[name]
        if dtype in (nw.String, nw.Categorical, nw.Enum):
            column = as_text(table, name, dtype)
        elif dtype == nw.Boolean or dtype.is_numeric():
            column = as_number(table, name, dtype)
        elif dtype == nw.Unknown:  # nothing but nulls
            column = nw.col(name).cast(nw.Float64)
        else:
            raise TableError(
                table,
                "a covariate is text, a number or a flag",
                "Turn dates into days before the assignment.",
                name,
            )
        found.append(column.alias(f"c{place}"))
    return found


def known_covariates(
    rows: pd.DataFrame, names: Sequence[str], table: str, texts: Sequence[bool] | None = None
) -> list[Any]:
    """Return the collected columns: floats with NaN, or text with `MISSING`.

    Parameters
    ----------
    texts : sequence of bool, optional
        Which have to be text, and the others not; a column of nulls is either.

    Raises
    ------
    TableError
        If a number is infinite, or a column of another type.
    """
    columns: list[Any] = []
    for place, name in enumerate(names):
        column = rows[f"c{place}"]
        text = not pd.api.types.is_numeric_dtype(column)
        if texts is not None and text != texts[place]:
            if not column.isna().all():
                rule = "a covariate is of the type that it was learnt from"
                raise TableError(table, rule, "Convert it.", name)
            text = texts[place]
        if text:
            columns.append(column.astype(object).where(column.notna(), MISSING).to_numpy())
            continue
        values = pd.to_numeric(column).to_numpy(float, na_value=np.nan)
        if wrong := int(np.isinf(values).sum()):
            raise TableError(
                table, "numbers are finite", "Find what was divided by 0.", name, wrong
            )
        columns.append(values)
    return columns


@dataclass(frozen=True)
class Encoding:
    """How each covariate becomes columns: levels of a text, or the filling of a number."""

    levels: tuple[tuple[str, ...] | None, ...]
    fillings: tuple[float, ...]
    flagged: tuple[bool, ...]

    def matrix(self, columns: Sequence[Any], rows: npt.NDArray[Any] | slice) -> Floats:
        """Return the numbers of some rows; a level that was not seen has none."""
        made: list[Floats] = []
        for column, levels, filling, flagged in zip(
            columns, self.levels, self.fillings, self.flagged, strict=True
        ):
            values = column[rows]
            if levels is not None:
                made += [(values == level).astype(float) for level in levels]
                continue
            missing = np.isnan(values)
            made.append(np.where(missing, filling, values))
            if flagged:
                made.append(missing.astype(float))
        return np.column_stack(made)


def encode(columns: Sequence[Any], rows: npt.NDArray[Any]) -> Encoding:
    """Learn an encoding from some rows.

    A text becomes one column for each of its most frequent levels, a missing one being a level; a
    number keeps its value, with the median where it is missing, and a column that says where.
    """
    levels: list[tuple[str, ...] | None] = []
    fillings: list[float] = []
    flagged: list[bool] = []
    for column in columns:
        values = column[rows]
        if values.dtype == object:
            counts = pd.Series(values, dtype=object).value_counts()
            order = sorted(counts.index, key=lambda level: (-counts[level], level))
            levels.append(tuple(order[:LEVELS]))
            fillings.append(0.0)
            flagged.append(False)
            continue
        missing = np.isnan(values)
        levels.append(None)
        fillings.append(float(np.median(values[~missing])) if not missing.all() else 0.0)
        flagged.append(bool(missing.any()))
    return Encoding(tuple(levels), tuple(fillings), tuple(flagged))
