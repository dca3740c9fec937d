"""Covariates as numbers: text as flags of its levels, and what is missing as a flag of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["Regressors", "count_nulls", "flag_levels", "flag_missing", "fresh_name"]

MOST_LEVELS = 50
"""Levels of text above which it is no group but a name."""


class Regressors(NamedTuple):
    """Rows with covariates as numbers, and whether any was missing."""

    rows: nw.LazyFrame[Any]
    columns: tuple[str, ...]
    missing: bool


def fresh_name(base: str, taken: Iterable[str]) -> str:
    """A name that no column has yet."""
    have = set(taken)
    while base in have:
        base += "_"
    return base


def is_text(dtype: Any) -> bool:
    """Whether a column tells groups apart by words."""
    return dtype in (nw.String, nw.Categorical, nw.Enum)


def flag_levels(rows: nw.LazyFrame[Any], texts: Sequence[str]) -> Regressors:
    """Replace text by flags (0, 1) of all its levels but the first; null is a level.

    Raises
    ------
    TableError
        If a text has more than 50 levels.
    """
    taken = set(rows.collect_schema().names())
    columns: list[str] = []
    missing = False
    for name in texts:
        text = nw.col(name).cast(nw.String)
        # One more level than are allowed is enough to know.
        found = collect(rows.select(text.alias(name)).unique().head(MOST_LEVELS + 2))[name]
        levels = sorted(str(level) for level in found.dropna())
        if len(levels) > MOST_LEVELS:
            raise TableError(
                "data", "a covariate of text has at most 50 levels", "Group them first.", name
            )
        flags = {level: (text == level) for level in levels[1:]}
        exprs = []
        for number, flag in enumerate(flags.values(), 2):
            column = fresh_name(f"{name} level {number}", taken)
            taken.add(column)
            columns.append(column)
            exprs.append(nw.when(flag).then(1.0).otherwise(0.0).alias(column))
        if bool(found.isna().any()):
            missing = True
            column = fresh_name(f"{name} missing", taken)
            taken.add(column)
            columns.append(column)
            exprs.append(nw.when(text.is_null()).then(1.0).otherwise(0.0).alias(column))
        rows = rows.with_columns(*exprs) if exprs else rows
    return Regressors(rows, tuple(columns), missing)


def count_nulls(rows: nw.LazyFrame[Any], columns: Sequence[str]) -> dict[str, int]:
    """Nulls by column."""
    exprs = [
        nw.col(name).is_null().cast(nw.Int64).sum().alias(f"c{k}") for k, name in enumerate(columns)
    ]
    row = collect(rows.select(*exprs)).iloc[0]
    return {name: int(row[f"c{k}"] or 0) for k, name in enumerate(columns)}


def flag_missing(
    rows: nw.LazyFrame[Any], columns: Sequence[str], nulls: dict[str, int]
) -> Regressors:
    """Fill what is missing with the mean, beside a flag that it was: no customer is dropped.

    With the flag among the covariates every filling gives the same effect; the mean keeps the
    numbers near to each other.

    References
    ----------
    Zhao & Ding (2022), To adjust or not to adjust? Estimating the average treatment effect in
    randomized experiments with missing covariates, JASA.
    """
    lacking = [name for name in columns if nulls.get(name)]
    if not lacking:
        return Regressors(rows, tuple(columns), False)
    means = collect(rows.select(*(nw.col(name).mean() for name in lacking))).iloc[0]
    taken = set(rows.collect_schema().names())
    out: list[str] = []
    exprs = []
    for name in columns:
        if name not in lacking:
            out.append(name)
            continue
        filled, flag = fresh_name(f"{name} filled", taken), fresh_name(f"{name} missing", taken)
        taken |= {filled, flag}
        mean = means[name]
        value = 0.0 if mean is None or mean != mean else float(mean)
        exprs.append(nw.col(name).fill_null(value).alias(filled))
        exprs.append(nw.when(nw.col(name).is_null()).then(1.0).otherwise(0.0).alias(flag))
        out += [filled, flag]
    return Regressors(rows.with_columns(*exprs), tuple(out), True)
