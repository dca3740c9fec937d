"""Errors of adjusted means from a second scan, in which each row is weighted by its leverage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from segmentation.campaigns.slopes import Fit
from segmentation.data.engines import collect

__all__ = ["Wanted", "sandwiches"]

Floats = npt.NDArray[np.float64]

SURE = 0.999
"""Leverage below which every row surely lies, so that no row needs a guard."""

GUARD = 1e-9
"""Distance of a leverage from 1 at which a row is fitted exactly and has no residual."""

GROUPS = 1000
"""Groups whose lines one scan holds."""


class Wanted(NamedTuple):
    """One arm in one comparison: the cell's line and the point at which it is read."""

    group: Any
    arm: str
    against: str
    line: Fit
    point: Floats


def sandwiches(
    rows: nw.LazyFrame[Any],
    group: str | None,
    arm: str,
    outcomes: Sequence[str],
    covariates: Sequence[str],
    pairs: Iterable[tuple[int, int]],
    wanted: Sequence[Wanted],
    reach: tuple[Floats, Floats],
) -> dict[tuple[Any, str, str], Floats]:
    """Covariances of adjusted means with HC2 errors, in one scan of the rows.

    The mean at a point is ``Σ cᵢyᵢ`` with ``cᵢ = 1/n + (x* − x̄)'S⁻¹zᵢ``, so that its HC2 variance
    is ``Σ cᵢ²eᵢ²/(1 − hᵢ)``, where the leverage ``hᵢ = 1/n + zᵢ'S⁻¹zᵢ`` is a quadratic form of the
    covariates and the residual e linear in them: an expression of the row. A row that its own
    covariate fits exactly (h = 1) counts with the mean square of the residuals.

    Parameters
    ----------
    rows : LazyFrame
        Complete cases; `group` (or None) and `arm` are text.
    pairs : pairs of int
        Positions of outcomes whose covariance is needed; others are left 0.
    wanted : sequence of Wanted
    reach : two arrays (L,)
        Lowest and highest value of each covariate.

    Returns
    -------
    dict
        Covariance (K, K) by (group, arm, against).

    References
    ----------
    MacKinnon & White (1985), Some heteroskedasticity-consistent covariance matrix estimators,
    Journal of Econometrics 29; Lin (2013), Agnostic notes on regression adjustments, Annals of
    Applied Statistics 7.
    """
    pairs = list(pairs)
    groups = sorted({each.group for each in wanted})
    found: dict[tuple[Any, str, str], Floats] = {}
    for start in range(0, len(groups), GROUPS):
        some = groups[start : start + GROUPS]
        part = [each for each in wanted if each.group in set(some)]
        within = rows
        if group is not None and len(some) < len(groups):
            within = rows.filter((nw.col(group) >= some[0]) & (nw.col(group) <= some[-1]))
        found |= _scan(within, group, arm, outcomes, covariates, pairs, part, reach)
    return found


def _scan(
    rows: nw.LazyFrame[Any],
    group: str | None,
    arm: str,
    outcomes: Sequence[str],
    covariates: Sequence[str],
    pairs: list[tuple[int, int]],
    wanted: Sequence[Wanted],
    reach: tuple[Floats, Floats],
) -> dict[tuple[Any, str, str], Floats]:
    keys = [arm] if group is None else [group, arm]
    rows = rows.select(
        *(nw.col(name).alias(f"k{i}") for i, name in enumerate(keys)),
        *(nw.col(name).alias(f"y{i}") for i, name in enumerate(outcomes)),
        *(nw.col(name).alias(f"x{i}") for i, name in enumerate(covariates)),
    )
    turns = sorted({each.against for each in wanted})
    guard = any(_most(each.line, *reach) > SURE for each in wanted)
    used = sorted({k for pair in pairs for k in pair})
    rows = _weighted(rows, wanted, used, turns, guard)
    products = [
        (nw.col(f"w{j}") * nw.col(f"e{a}") * nw.col(f"e{b}")).alias(f"s{j}_{a}_{b}")
        for j in range(len(turns))
        for a, b in pairs
    ]
    names = [f"s{j}_{a}_{b}" for j in range(len(turns)) for a, b in pairs]
    names += [f"q{j}" for j in range(len(turns))] if guard else []
    own = [f"k{i}" for i in range(len(keys))]
    rows = rows.with_columns(*products).group_by(*own).agg(*(nw.col(name).sum() for name in names))
    sums = collect(rows)
    labels = sums[own].itertuples(index=False, name=None)
    places = {label: row for row, label in enumerate(labels)}
    values = {name: sums[name].to_numpy(dtype=float, na_value=0.0) for name in names}
    found = {}
    for each in wanted:
        row = places[(each.arm,) if group is None else (each.group, each.arm)]
        j = turns.index(each.against)
        matrix = np.zeros((len(outcomes), len(outcomes)))
        for a, b in pairs:
            matrix[a, b] = values[f"s{j}_{a}_{b}"][row]
            if guard:
                matrix[a, b] += values[f"q{j}"][row] * each.line.residuals[a, b]
            matrix[b, a] = matrix[a, b]
        found[each.group, each.arm, each.against] = matrix
    return found


def _most(line: Fit, lows: Floats, highs: Floats) -> float:
    """Upper bound of any row's leverage."""
    span = np.maximum(np.abs(highs - line.centre), np.abs(line.centre - lows))
    parts = np.abs(line.whiten).T @ span
    return 1 / line.n + float(parts @ parts)


Number = nw.Expr | float
"""A coefficient of the row's cell: the same for all cells, or an expression."""


def _sum(start: Number, weights: Iterable[Number], parts: Iterable[nw.Expr]) -> nw.Expr:
    total = nw.lit(start) if isinstance(start, float) else start
    for weight, part in zip(weights, parts, strict=True):
        if not (isinstance(weight, float) and weight == 0):
            total = part * weight + total
    return total


def _leverage(first: Number, whiten: list[list[Number]], parts: list[nw.Expr]) -> nw.Expr:
    """One less the leverage of the row."""
    left = nw.lit(1.0) - first
    for column in whiten:
        if any(weight != 0.0 if isinstance(weight, float) else True for weight in column):
            turned = _sum(0.0, column, parts)
            left = left - turned * turned
    return left


def _weight(share: nw.Expr, left: nw.Expr) -> nw.Expr:
    return share * share / left


def _guarded(share: nw.Expr, left: nw.Expr) -> nw.Expr:
    free = left > GUARD
    below = nw.when(free).then(left).otherwise(1.0)
    return nw.when(free).then(share * share / below).otherwise(0.0)


def _exact(share: nw.Expr, left: nw.Expr) -> nw.Expr:
    return nw.when(left > GUARD).then(0.0).otherwise(share * share)


def _turn(each: Wanted) -> Floats:
    """Coefficients of z in the share that a row has in the mean."""
    return np.asarray(each.line.whiten @ (each.line.whiten.T @ (each.point - each.line.centre)))


class _Coefficients:
    """Coefficients of the row's own group and arm: ``c₀ + Σ tₐ(cₐ − c₀)``, t the flag of an arm.

    Engines multiply columns faster than they choose between expressions. Of groups, c₀ and the
    differences are columns joined by the group. A cell that has no coefficient gets 0.
    """

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self.arms = sorted({each.arm for each in wanted})
        self.groups = sorted({each.group for each in wanted if each.group is not None})
        self.columns: dict[str, list[float]] = {}

    def number(self, values: Mapping[tuple[Any, str], float]) -> Number:
        """One coefficient, by (group, arm)."""
        groups = self.groups or [None]
        grid = [[values.get((group, arm), 0.0) for group in groups] for arm in self.arms]
        total = self._part(grid[0])
        for i, row in enumerate(grid[1:], 1):
            gap = [value - base for value, base in zip(row, grid[0], strict=True)]
            if any(gap):
                total = nw.col(f"t{i}") * self._part(gap) + total
        return total

    def vector(self, values: Mapping[tuple[Any, str], Floats]) -> list[Number]:
        """Several coefficients."""
        width = len(next(iter(values.values())))
        return [self.number({key: float(v[i]) for key, v in values.items()}) for i in range(width)]

    def _part(self, values: list[float]) -> Number:
        if not self.groups or not any(values):
            return values[0]
        name = f"c{len(self.columns)}"
        self.columns[name] = values
        return nw.col(name)

    def attach(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Add the flags of arms, and the columns of groups."""
        arm = "k1" if self.groups else "k0"
        flags = [(nw.col(arm) == name).cast(nw.Int64).cast(nw.Float64) for name in self.arms]
        rows = rows.with_columns(*(flag.alias(f"t{i}") for i, flag in enumerate(flags) if i))
        if not self.groups:
            return rows
        # The coefficients are looked up once a group, and not once a row.
        small = rows.select(nw.col("k0").alias("g0")).unique()
        looked = [
            nw.col("g0")
            .replace_strict(self.groups, values, default=nw.lit(0.0), return_dtype=nw.Float64)
            .alias(name)
            for name, values in self.columns.items()
        ]
        small = small.with_columns(*looked)
        return rows.join(small, how="inner", left_on="k0", right_on="g0")


def _weighted(
    rows: nw.LazyFrame[Any],
    wanted: Sequence[Wanted],
    used: Sequence[int],
    turns: Sequence[str],
    guard: bool,
) -> nw.LazyFrame[Any]:
    """Add the row's residuals e, and for each comparison its weight w (and q, where h = 1)."""
    own = _Coefficients(wanted)
    lines = {(each.group, each.arm): each.line for each in wanted}
    centre = own.vector({key: line.centre for key, line in lines.items()})
    z = [nw.col(f"z{i}") for i in range(len(centre))]
    whiten = [
        own.vector({key: line.whiten[:, r] for key, line in lines.items()}) for r in range(len(z))
    ]
    first = {key: 1 / line.n for key, line in lines.items()}
    residuals = []
    for k in used:
        mean = own.number({key: float(line.means[k]) for key, line in lines.items()})
        slopes = own.vector({key: -line.slopes[k] for key, line in lines.items()})
        residuals.append(_sum(nw.col(f"y{k}") - mean, slopes, z).alias(f"e{k}"))
    left = _leverage(own.number(first), whiten, z).alias("left")
    weights = []
    for j, against in enumerate(turns):
        mine = {(each.group, each.arm): each for each in wanted if each.against == against}
        turn = own.vector({key: _turn(each) for key, each in mine.items()})
        share = _sum(own.number({key: first[key] for key in mine}), turn, z)
        weights.append((_guarded if guard else _weight)(share, nw.col("left")).alias(f"w{j}"))
        if guard:
            weights.append(_exact(share, nw.col("left")).alias(f"q{j}"))
    gaps = [(nw.col(f"x{i}") - middle).alias(f"z{i}") for i, middle in enumerate(centre)]
    return (
        own.attach(rows).with_columns(*gaps).with_columns(*residuals, left).with_columns(*weights)
    )
