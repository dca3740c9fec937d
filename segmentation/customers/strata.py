"""Strata: rates of each group at each level of what they are to be compared at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.vectors import Floats
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError, missing_columns

__all__ = ["Strata", "cells_of", "keys_of", "share_data", "strata_of", "value_of", "weights_of"]

MOST = 200_000
"""Cells beyond which the columns are no levels and groups."""


@dataclass(frozen=True)
class Strata:
    """Rows are groups, columns the levels that the standard weighs.

    `n` customers (or the denominator), their mean rate `r`, the standard deviation `sd` within, and
    `x`, the sum of the rate. Where `n` is 0, the others are 0 too.
    """

    groups: pd.DataFrame
    n: Floats
    x: Floats
    r: Floats
    sd: Floats

    @property
    def whole(self) -> Strata:
        """All groups together, of which the spread is that within groups."""
        n, x = self.n.sum(axis=0, keepdims=True), self.x.sum(axis=0, keepdims=True)
        inside = ((self.n - 1).clip(min=0) * self.sd**2).sum(axis=0, keepdims=True)
        free = (self.n - 1).clip(min=0).sum(axis=0, keepdims=True)
        sd = np.sqrt(_ratio(inside, free))
        return Strata(self.groups.iloc[:1], n, x, _ratio(x, n), sd)

    @property
    def rest(self) -> Strata:
        """For each group all others."""
        n = self.n.sum(axis=0) - self.n
        x = np.where(n > 0, self.x.sum(axis=0) - self.x, 0.0)
        return Strata(self.groups, n, x, _ratio(x, n), np.zeros_like(n))


def cells_of(
    data: Any, rate: str | tuple[str, str], by: Sequence[str], groups: Sequence[str]
) -> pd.DataFrame:
    """Count in the engine: ``n x mean sd unknown flags least`` of each group and level."""
    counted = not isinstance(rate, str)
    numbers = tuple(rate) if counted else (str(rate),)
    keys = tuple(dict.fromkeys((*groups, *by)))
    lazy = enter(data, "data", (*keys, *numbers))
    schema = lazy.collect_schema()
    for name in numbers:
        if not (schema[name].is_numeric() or schema[name] == nw.Boolean):
            raise TableError("data", "it is a number or a flag", "Convert it.", name)
    values = {f"value_{place}": value_of(name, schema[name]) for place, name in enumerate(numbers)}
    lazy = lazy.select(*keys, **values)
    if counted:
        return _counts(lazy, keys, rate[0])
    value = nw.col("value_0")
    lazy = lazy.with_columns(
        flags=(nw.when((value == 0) | (value == 1)).then(1).otherwise(0)).cast(nw.Int64)
    )
    cells = collect(
        lazy.group_by(*keys)
        .agg(
            nw.len().alias("rows"),
            value.count().alias("n"),
            value.sum().alias("x"),
            value.mean().alias("mean"),
            value.std().alias("sd"),
            value.min().alias("least"),
            nw.col("flags").sum(),
        )
        .head(MOST + 1)
    )
    cells["unknown"] = cells["rows"] - cells["n"]
    return _checked(cells, keys, numbers[0])


def _counts(lazy: nw.LazyFrame[Any], keys: tuple[str, ...], name: str) -> pd.DataFrame:
    """Cells of a table that has numerators and denominators already."""
    x, n = nw.col("value_0"), nw.col("value_1")
    wrong = (x.is_null() | n.is_null() | (x < 0) | (n < 0) | ((n == 0) & (x > 0))).fill_null(True)
    lazy = lazy.with_columns(wrong=wrong.cast(nw.Int64))
    sums = lazy.group_by(*keys).agg(
        x.sum().alias("x"), n.sum().alias("n"), nw.col("wrong").sum(), nw.len().alias("rows")
    )
    cells = collect(sums.head(MOST + 1))
    if rows := int(cells["wrong"].sum()):
        rule = "numerators and denominators are known, not negative, and none is of nothing"
        raise TableError("data", rule, "Mend or remove these rows.", name, rows)
    shares = bool((cells["x"] <= cells["n"]).all())
    cells["mean"] = cells["x"] / cells["n"].where(cells["n"] > 0)
    spread = cells["mean"] * (1 - cells["mean"]) * cells["n"] / (cells["n"] - 1)
    cells["sd"] = np.sqrt(spread.where(cells["n"] > 1)) if shares else np.nan
    cells = cells.assign(unknown=0, least=0.0, flags=cells["n"] if shares else -1)
    return _checked(cells, keys, name)


def _checked(cells: pd.DataFrame, keys: tuple[str, ...], rate: str) -> pd.DataFrame:
    if len(cells) > MOST:
        rule = "groups and levels make at most 200,000 cells"
        raise TableError("data", rule, "Cut numbers into bands first.")
    for name in keys:
        empty = cells[name].isna()
        if empty.any():
            rows = int(cells.loc[empty, "rows"].sum())
            raise TableError("data", "it is filled", "Name the unknown, or filter.", name, rows)
    cells = cells.assign(x=cells["x"].fillna(0.0))  # of no number at all
    infinite = ~np.isfinite(cells["x"].to_numpy(float))
    if infinite.any():
        raise TableError("data", "numbers are finite", "Mend them.", rate)
    if not (cells["n"] > 0).any():
        raise TableError("data", "it has rows with a known rate", "Pass some.", rate)
    return cells


def share_data(cells: pd.DataFrame) -> bool:
    """Whether every rate is a share: flags only, or no numerator above its denominator."""
    return bool((cells["flags"] == cells["n"]).all())


def weights_of(standard: Any, by: Sequence[str], weight: str | None) -> pd.Series:
    """Return the standard's weights by level, adding up to 1, those of 0 left out."""
    if isinstance(standard, pd.DataFrame):
        missing_columns("standard", by, map(str, standard.columns))
        others = [str(name) for name in standard.columns if name not in by]
        name = weight or (others[0] if len(others) == 1 else None)
        if name is None:
            raise TableError("standard", "it has one column of weights", "Name it by `weight`.")
        missing_columns("standard", (name,), others)
        standard = standard.set_index(list(by))[name]
    elif isinstance(standard, Mapping):
        standard = pd.Series(dict(standard), dtype=object)
    elif not isinstance(standard, pd.Series):
        mend = 'Pass a Series, a dict, a DataFrame or "own".'
        raise TableError("standard", "it has weights by level", mend)
    values = pd.to_numeric(standard, errors="coerce").to_numpy(float)
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        rows = int(wrong.sum())
        raise TableError("standard", "weights are known and not negative", "Mend them.", rows=rows)
    weights = pd.Series(values, index=_keys(standard.index, len(by)))
    if not weights.index.is_unique:
        raise TableError("standard", "a level is there once", "Add up its weights.")
    if not values.sum() > 0:
        raise TableError("standard", "some weight is above 0", "Pass a population.")
    shares: pd.Series = weights / values.sum()
    return shares


def strata_of(
    cells: pd.DataFrame, by: Sequence[str], groups: Sequence[str], levels: pd.Index
) -> Strata:
    """Arrange the cells as groups × levels, empty ones as 0."""
    heads = pd.DataFrame(index=range(1))
    rows = np.zeros(len(cells), int)
    if groups:
        heads = cells[list(groups)].drop_duplicates().sort_values(list(groups), ignore_index=True)
        rows = keys_of(heads).get_indexer(keys_of(cells[list(groups)]))
    columns = levels.get_indexer(keys_of(cells[list(by)]))
    used = columns >= 0
    where = rows[used], columns[used]

    def filled(name: str) -> Floats:
        grid = np.zeros((len(heads), len(levels)))
        grid[where] = cells.loc[used, name].fillna(0).to_numpy(float)
        return grid

    return Strata(heads, filled("n"), filled("x"), filled("mean"), _spread(filled))


def _spread(filled: Any) -> Floats:
    """Spread within; of one customer that of the same level elsewhere."""
    sd, n = filled("sd"), filled("n")
    free = (n - 1).clip(min=0)
    common = np.sqrt(_ratio((free * sd**2).sum(axis=0), free.sum(axis=0)))
    return np.where((n > 0) & (n < 2), common, sd)


def keys_of(table: pd.DataFrame) -> pd.Index:
    """The levels that rows of a table are of."""
    return _keys(pd.MultiIndex.from_frame(table), table.shape[1])


def _keys(index: Any, width: int) -> pd.Index:
    """Levels as plain values, or as tuples of them."""
    flat = list(index.to_flat_index()) if isinstance(index, pd.MultiIndex) else list(index)
    if width == 1:
        flat = [key[0] if isinstance(key, tuple) else key for key in flat]
    elif not all(isinstance(key, tuple) and len(key) == width for key in flat):
        raise TableError("standard", "a level has a value for each column of `by`", "Use tuples.")
    return pd.Index(flat, dtype=object, tupleize_cols=False)


def value_of(name: str, dtype: Any) -> nw.Expr:
    """A flag or number as a float, NaN as null."""
    value = nw.col(name)
    if dtype == nw.Boolean:
        return value.cast(nw.Int64).cast(nw.Float64)
    value = value.cast(nw.Float64)
    return nw.when(~value.is_nan()).then(value) if dtype.is_float() else value


def _ratio(above: Floats, below: Floats) -> Floats:
    result: Floats = np.divide(above, below, out=np.zeros_like(above, float), where=below > 0)
    return result
