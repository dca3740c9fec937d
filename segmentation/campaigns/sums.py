"""Sufficient statistics of any frame by group: they are read in one scan and add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.scans import Floats, scan
from segmentation.data.engines import enter
from segmentation.data.errors import TableError

__all__ = ["Moments", "moments"]

TAKEN = ("n", "dropped", "column", "mean", "sd")
"""Columns of the tables of `Moments`, which no column of a group may be called."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Counts, means and centred sums of products of K columns in each of G groups.

    Attributes
    ----------
    by, columns : tuple of str
        Columns that make the groups, and columns that were measured.
    groups : DataFrame
        One row a group, in order: the columns of `by` (null as None), `n` complete cases, and the
        rows `dropped` because one of the columns was null.
    means : array (G, K)
        NaN in a group without a complete case, as are `lows` and `highs`.
    products : array (G, K, K)
        Sums of ``(x − mean x)(y − mean y)`` in the group.
    lows, highs : array (G, K)
        Smallest and largest value. They are single rows' values: nothing to publish.
    flags : array (G, K) of bool
        Whether the column holds only 0 and 1 in the group.

    Notes
    -----
    ``a + b`` are the moments of both tables together, to rounding: ``n = Σnᵢ``,
    ``mean = Σnᵢ·meanᵢ / n``, ``products = Σ(productsᵢ + nᵢ·(meanᵢ − mean)(meanᵢ − mean)ᵀ)``.

    References
    ----------
    Chan, Golub & LeVeque (1983), Algorithms for computing the sample variance, American
    Statistician 37.
    """

    by: tuple[str, ...]
    columns: tuple[str, ...]
    groups: pd.DataFrame
    means: Floats
    products: Floats
    lows: Floats
    highs: Floats
    flags: npt.NDArray[np.bool_]

    @property
    def n(self) -> npt.NDArray[np.int64]:
        """Complete cases of each group, shape (G,)."""
        return self.groups["n"].to_numpy(dtype=np.int64)

    @property
    def covariances(self) -> Floats:
        """Covariances (G, K, K): products over n − 1; NaN in groups of fewer than two."""
        freedom = np.where(self.n > 1, self.n - 1.0, np.nan)
        return self.products / freedom[:, None, None]

    @property
    def binary(self) -> tuple[bool, ...]:
        """Whether each column holds only 0 and 1, in all groups; never without a row."""
        some = bool(self.n.sum())
        return tuple(some and bool(column.all()) for column in self.flags.T)

    @property
    def table(self) -> pd.DataFrame:
        """One row a group and column: the columns of `by`, `column n dropped mean sd`."""
        width = len(self.columns)
        table = self.groups.loc[self.groups.index.repeat(width)].reset_index(drop=True)
        table.insert(len(self.by), "column", list(self.columns) * len(self.groups))
        variances = self.covariances[:, range(width), range(width)]
        return table.assign(mean=self.means.ravel(), sd=np.sqrt(variances).ravel())

    def __add__(self, other: Moments) -> Moments:
        """Pool with the moments of another part of the data."""
        if not isinstance(other, Moments):
            return NotImplemented
        if (self.by, self.columns) != (other.by, other.columns):
            raise ValueError("moments: only those of the same columns and groups can be added")
        frames = [self.groups.astype(object), other.groups.astype(object)]
        same = [str(name) for name in self.groups if _alike(self.groups, other.groups, str(name))]
        types = {name: self.groups[name].dtype for name in same}
        groups = pd.concat(frames, ignore_index=True).astype(types)
        parts = [
            np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("means", "products", "lows", "highs", "flags")
        ]
        return Moments(self.by, self.columns, groups, *parts).pool(*self.by)

    def pool(self, *by: str) -> Moments:
        """Moments of coarser groups: those of the columns `by` alone, or of all rows."""
        unknown = set(by) - set(self.by)
        if unknown:
            raise ValueError(f"moments: {', '.join(sorted(unknown))}: no columns of the groups")
        if by:
            grouped = self.groups.groupby(list(by), sort=True, dropna=False)
            code = grouped.ngroup().to_numpy()
            count = grouped.ngroups
            keys = self.groups.loc[~grouped.cumcount().astype(bool), list(by)]
            keys = keys.iloc[np.argsort(code[keys.index], kind="stable")].reset_index(drop=True)
        else:
            code, count, keys = np.zeros(len(self.groups), int), 1, pd.DataFrame(index=range(1))

        def total(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            out = np.zeros((count, *values.shape[1:]), values.dtype)
            np.add.at(out, code, values)
            return out

        n = total(self.n)
        means = np.where(self.n[:, None] > 0, self.means, 0.0)
        # The mean is taken from a group's own, lest digits be lost far from 0.
        origin = np.zeros((count, len(self.columns)))
        live = np.flatnonzero(self.n > 0)
        origin[code[live]] = means[live]
        weight = self.n[:, None].astype(float)
        below = np.where(n > 0, n, np.nan)[:, None]
        pooled = origin + total(weight * (means - origin[code])) / below
        gaps = np.where(self.n[:, None] > 0, means - pooled[code], 0.0)
        between = weight[:, :, None] * gaps[:, :, None] * gaps[:, None, :]
        lows = np.full_like(pooled, np.inf)
        highs = np.full_like(pooled, -np.inf)
        flags = np.ones(pooled.shape, bool)
        np.fmin.at(lows, code, self.lows)
        np.fmax.at(highs, code, self.highs)
        np.logical_and.at(flags, code, self.flags)
        empty = n[:, None] == 0
        keys = keys.assign(n=n, dropped=total(self.groups["dropped"].to_numpy(dtype=np.int64)))
        return Moments(
            tuple(by),
            self.columns,
            keys,
            pooled,
            total(self.products + between),
            np.where(empty, np.nan, lows),
            np.where(empty, np.nan, highs),
            flags,
        )

    def only(self, **levels: Any) -> Moments:
        """Moments of the groups that have these levels, such as ``only(arm="control")``."""
        unknown = set(levels) - set(self.by)
        if unknown:
            raise ValueError(f"moments: {', '.join(sorted(unknown))}: no columns of the groups")
        chosen = np.ones(len(self.groups), bool)
        for name, level in levels.items():
            column = self.groups[name]
            chosen &= np.asarray(column.isna() if level is None else column == level, dtype=bool)
        return self._at(np.flatnonzero(chosen), np.arange(len(self.columns)))

    def take(self, *columns: str) -> Moments:
        """Moments of some of the columns, over the same complete cases."""
        unknown = set(columns) - set(self.columns)
        if unknown:
            raise ValueError(f"moments: {', '.join(sorted(unknown))}: not measured")
        return self._at(
            np.arange(len(self.groups)), np.array([self.columns.index(name) for name in columns])
        )

    def _at(self, rows: npt.NDArray[Any], which: npt.NDArray[Any]) -> Moments:
        names = tuple(self.columns[index] for index in which)
        grid = np.ix_(rows, which)
        return Moments(
            self.by,
            names,
            self.groups.iloc[rows].reset_index(drop=True),
            self.means[grid],
            self.products[np.ix_(rows, which, which)],
            self.lows[grid],
            self.highs[grid],
            self.flags[grid],
        )


def moments(data: Any, columns: str | Iterable[str], by: str | Iterable[str] = ()) -> Moments:
    """Measure counts, means and covariances of columns by group, in one scan.

    A row counts where none of `columns` is null or NaN; the others are counted as `dropped`.
    Values are summed as differences from a rough centre (the median of the first rows) and then
    centred by group: no square of a raw value is ever summed. Where a group lies so far from
    that centre that digits were lost, a second scan takes each group's own mean for its centre.

    Parameters
    ----------
    data : any frame
        One row a unit.
    columns : str or several
        Numbers or flags to measure.
    by : str or several
        Columns that make groups; null is a group of its own. Without any, all rows are one group.

    Returns
    -------
    Moments
        Sorted by group. Of an empty table: no group, or one of n = 0 without `by`.

    Raises
    ------
    TableError
        If a column is missing, named twice, holds no numbers, or holds an infinity in a complete
        case.

    References
    ----------
    Chan, Golub & LeVeque (1983), Algorithms for computing the sample variance, American
    Statistician 37.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"arm": ["a", "a", "b", "b"], "aum": [1.0, 3.0, 5.0, None]})
    >>> found = moments(frame, "aum", by="arm")
    >>> found.table
      arm column  n  dropped  mean        sd
    0   a    aum  2        0   2.0  1.414214
    1   b    aum  1        1   5.0       NaN
    >>> round(float((found.pool() + found.pool()).means[0, 0]), 9)
    3.0
    """
    columns, by = _names(columns), _names(by)
    if not columns:
        raise TableError("data", "there is a column to measure", "Name a column of numbers.")
    named = [*columns, *by]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise TableError("data", "a column is asked for once", "Name it once.", twice)
    taken = next((name for name in by if name in TAKEN), None)
    if taken is not None:
        raise TableError("data", "a group is not called like a result", "Rename it.", taken)
    lazy: nw.LazyFrame[Any] = enter(data, "data", (*columns, *by))
    found = scan(lazy, columns, by)
    order = found.groups.sort_values(list(by), na_position="last").index if by else [0]
    whole = Moments(by, columns, *found)
    return whole._at(np.asarray(order, dtype=int), np.arange(len(columns)))


def _names(names: str | Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _alike(one: pd.DataFrame, other: pd.DataFrame, name: str) -> bool:
    return bool(one[name].dtype == other[name].dtype)
