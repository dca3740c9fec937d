"""How far the arms differ in what was known before, and in what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from segmentation.campaigns.samples import Sample, hotelling, same_share
from segmentation.campaigns.sums import Moments, moments
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["Columns", "Imbalances", "measure"]

LEVELS = 50
"""Most levels that a covariate of text may have."""
HEAD = 1000
"""Rows from which the value is taken that stands in for what is missing."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """Columns of the data to measure: numbers, texts with levels, and flags by their expression.

    Of numbers in `watched` only what is missing is looked at.
    """

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    watched: tuple[str, ...]
    flags: Mapping[str, nw.Expr] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Imbalances:
    """Moments of the arms, from which every difference follows.

    A missing number stands as `centres` has it, and its flag says so: together they hold the
    moments of the complete cases, and those of the whole arm for the test of all covariates.
    """

    arms: dict[str, Sample]
    clusters: dict[str, Sample] | None
    places: dict[str, list[int]]
    centres: dict[str, float]

    def p(self, one: str, other: str, names: Sequence[str]) -> float:
        """P-value of equal means of columns in two arms, by clusters if there are any."""
        source = self.clusters or self.arms
        places = [place for name in names for place in self.places[name]]
        return hotelling(source[one].take(places), source[other].take(places))[1]

    def units(self, arm: str) -> int:
        """Rows of the arm."""
        return self.arms[arm].n

    def share(self, arm: str, name: str) -> float:
        """Share of the rows of the arm that have a flag."""
        return float(self.arms[arm].means[self.places[name][0]])

    def missing(self, arm: str, name: str) -> float:
        """Share of the rows of the arm in which a column is missing."""
        flag = f"missing {name}"
        return self.share(arm, flag) if flag in self.places else 0.0

    def p_share(self, one: str, other: str, name: str) -> float:
        """P-value of equal shares of a flag in two arms."""
        if self.clusters:
            return self.p(one, other, [name])
        counts = [
            (self.share(arm, name) * self.units(arm), self.units(arm)) for arm in (one, other)
        ]
        return same_share(*counts[0], *counts[1])

    def known(self, arm: str, name: str) -> tuple[int, float, float]:
        """Complete cases of a number in an arm: how many, their mean and variance."""
        sample, centre = self.arms[arm], self.centres[name]
        place = self.places[name][0]
        n = round(sample.n * (1 - self.missing(arm, name)))
        if n < 2:
            return n, math.nan, math.nan
        gap = float(sample.means[place]) - centre
        mean = sample.n * gap / n
        square = float(sample.products[place, place]) + sample.n * gap**2 - n * mean**2
        return n, centre + mean, max(square, 0.0) / (n - 1)

    def distance(self, one: str, other: str, name: str) -> tuple[float, int]:
        """Standardised difference of two arms, and the rows it rests on.

        Of a number ``(mean₁ − mean₂) / √((var₁ + var₂)/2)`` over complete cases; of a text
        ``√(dᵀS⁻¹d)`` with d the differences of the shares of its levels and S the mean of their
        two covariances (Yang & Dalton 2012), in which a missing value is a level.
        """
        if name in self.centres:
            n, mean, variance = self.known(one, name)
            m, below, other_variance = self.known(other, name)
            gap, sd = mean - below, math.sqrt((variance + other_variance) / 2)
            return (gap / sd if sd else math.copysign(math.inf, gap) if gap else 0.0), n + m
        parts = [self.arms[arm].take(self.places[name]) for arm in (one, other)]
        n = parts[0].n + parts[1].n
        apart = parts[0].means - parts[1].means
        # From the shares, whose covariance is known, and not from products of few rows.
        shares = np.array([part.means for part in parts])
        outer = shares[:, :, None] * shares[:, None, :]
        lengths, directions = np.linalg.eigh(np.diag(shares.mean(axis=0)) - outer.mean(axis=0))
        along, live = directions.T @ apart, lengths > 1e-12
        if (np.abs(along[~live]) > 1e-9).any():
            return math.inf, n
        return float(np.sqrt((along[live] ** 2 / lengths[live]).sum())), n


def measure(lazy: nw.LazyFrame[Any], arm: str, columns: Columns, cluster: str | None) -> Imbalances:
    """Measure all columns of the arms in one scan, after a look at the levels of texts."""
    if columns.texts:
        lazy = lazy.with_columns(*(nw.col(name).cast(nw.String) for name in columns.texts))
    centres = _centres(lazy, columns.numbers)
    parts: dict[str, nw.Expr] = {}
    places: dict[str, list[int]] = {}

    def add(name: str, *values: nw.Expr) -> None:
        places[name] = list(range(len(parts), len(parts) + len(values)))
        for value in values:
            parts[f"c{len(parts)}"] = value

    for name in columns.numbers:
        add(name, nw.col(name).fill_null(centres[name]))
    for name in _gaps(lazy, (*columns.numbers, *columns.watched, *columns.texts)):
        add(f"missing {name}", nw.col(name).is_null().cast(nw.Int64).cast(nw.Float64))
    for name in columns.texts:
        levels = _levels(lazy, name)
        # The last level follows from the others, and a missing value from its flag.
        add(
            name,
            *(nw.when(nw.col(name) == level).then(1.0).otherwise(0.0) for level in levels[:-1]),
            *([nw.col(name).is_null().cast(nw.Int64).cast(nw.Float64)]),
        )
    for name, flag in columns.flags.items():
        add(name, flag)
    if not parts:
        add("rows", nw.lit(1.0))
    by = (arm, cluster) if cluster else (arm,)
    found = moments(lazy.select(*by, **parts).to_native(), tuple(parts), by)
    return Imbalances(
        _samples(found, arm), _clusters(found, arm) if cluster else None, places, centres
    )


def _centres(lazy: nw.LazyFrame[Any], names: Sequence[str]) -> dict[str, float]:
    if not names:
        return {}
    middle = collect(lazy.select(*names).head(HEAD)).median().fillna(0.0)
    return {name: float(middle[name]) for name in names}


def _gaps(lazy: nw.LazyFrame[Any], names: Sequence[str]) -> list[str]:
    """Those of the columns in which something is missing."""
    names = list(dict.fromkeys(names))
    if not names:
        return []
    flags = lazy.select(*(nw.col(name).is_null().cast(nw.Int64) for name in names))
    counts = collect(flags.select(nw.col(*names).sum())).iloc[0]
    return [name for name in names if counts[name]]


def _levels(lazy: nw.LazyFrame[Any], name: str) -> list[str]:
    found = collect(lazy.select(name).unique().head(LEVELS + 2))[name].dropna()
    if len(found) > LEVELS:
        raise TableError(
            "data", f"a covariate of text has at most {LEVELS} levels", "Group them first.", name
        )
    return sorted(found)


def _samples(found: Moments, arm: str) -> dict[str, Sample]:
    pooled = found.pool(arm)
    return {
        str(text): Sample(int(n), means, products)
        for text, n, means, products in zip(
            pooled.groups[arm], pooled.n, pooled.means, pooled.products, strict=True
        )
    }


def _clusters(found: Moments, arm: str) -> dict[str, Sample]:
    """Samples of the means of clusters."""
    arms = found.groups[arm].astype(str).to_numpy()
    return {text: Sample.of(found.means[arms == text]) for text in np.unique(arms).tolist()}
