"""Covariates that sharpen an effect: separate slopes per arm, and errors from a second scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from segmentation.data.engines import collect

__all__ = ["Fit", "Wanted", "adjusted", "fit", "sandwiches"]

Floats = npt.NDArray[np.float64]

COLLINEAR = 1e-10
"""Eigenvalue of the correlations, as a share of the largest, below which a direction is none."""

SURE = 0.999
"""Leverage below which every row surely lies, so that no row needs a guard."""

GUARD = 1e-9
"""Distance of a leverage from 1 at which a row is fitted exactly and has no residual."""

CELLS = 128
"""Group × arm cells whose lines one scan holds."""


class Fit(NamedTuple):
    """Least-squares lines of K outcomes on L covariates among the customers of one arm.

    Attributes
    ----------
    n, rank : int
        Customers, and covariates that are no combination of others.
    means : array (K,)
        Of the outcomes.
    centre : array (L,)
        Means of the covariates.
    slopes : array (K, L)
    whiten : array (L, rank)
        W with WW' the inverse of the covariates' sums of products: leverage is 1/n + |W'z|².
    residuals : array (K, K)
        Covariances of the residuals, over n − 1 − rank.
    """

    n: int
    rank: int
    means: Floats
    centre: Floats
    slopes: Floats
    whiten: Floats
    residuals: Floats

    @property
    def df(self) -> float:
        """Degrees of freedom left."""
        return float(self.n - 1 - self.rank)


def fit(n: int, means: Floats, products: Floats, outcomes: int) -> Fit:
    """Fit the first `outcomes` columns on all others, from means and centred sums of products.

    Covariates that are constant, or combinations of others, take no part.
    """
    y, x = slice(0, outcomes), slice(outcomes, None)
    inner, across = products[x, x], products[y, x]
    scale = np.sqrt(np.clip(np.diag(inner), 0, None))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(inner / np.outer(scale, scale))
    keep = values > COLLINEAR * max(float(values.max(initial=0.0)), 1e-300)
    whiten = (vectors[:, keep] / np.sqrt(values[keep])) / scale[:, None]
    loads = across @ whiten
    slopes = loads @ whiten.T
    rank = int(keep.sum())
    left = products[y, y] - loads @ loads.T
    spread = np.diag(products)[y]
    gone = np.diag(left) <= 1e-12 * spread
    left[gone, :] = left[:, gone] = 0.0
    free = n - 1 - rank
    residuals = left / free if free > 0 else np.full_like(left, np.nan)
    return Fit(n, rank, means[y], means[x], slopes, whiten, residuals)


def adjusted(line: Fit, point: Floats) -> tuple[Floats, Floats]:
    """Means of the outcomes at a `point` of the covariates, and their covariance over n − k.

    ``ȳ + b(x* − x̄)``, with covariance ``Σ·(1/n + |W'(x* − x̄)|²)``, Σ that of the residuals.
    """
    gap = point - line.centre
    turn = line.whiten.T @ gap
    return line.means + line.slopes @ gap, line.residuals * (1 / line.n + float(turn @ turn))


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
    size = max(len({(each.group, each.arm) for each in wanted}) // max(len(groups), 1), 1)
    step = max(CELLS // size, 1)
    found: dict[tuple[Any, str, str], Floats] = {}
    for start in range(0, len(groups), step):
        some = groups[start : start + step]
        part = [each for each in wanted if each.group in some]
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
    cells = {(each.group, each.arm): each.line for each in wanted}
    used = sorted({k for pair in pairs for k in pair})
    columns = [
        _by_cell(group, {cell: _residual(line, k) for cell, line in cells.items()}).alias(f"e{k}")
        for k in used
    ]
    for j, against in enumerate(turns):
        mine = {(each.group, each.arm): each for each in wanted if each.against == against}
        weights = {cell: _weight(each, guard) for cell, each in mine.items()}
        columns.append(_by_cell(group, weights).alias(f"w{j}"))
        if guard:
            exact = {cell: _exact(each) for cell, each in mine.items()}
            columns.append(_by_cell(group, exact).alias(f"q{j}"))
    rows = rows.with_columns(*columns)
    products = [
        (nw.col(f"w{j}") * nw.col(f"e{a}") * nw.col(f"e{b}")).alias(f"s{j}_{a}_{b}")
        for j in range(len(turns))
        for a, b in pairs
    ]
    names = [f"s{j}_{a}_{b}" for j in range(len(turns)) for a, b in pairs]
    names += [f"q{j}" for j in range(len(turns))] if guard else []
    own = [f"k{i}" for i in range(len(keys))]
    sums = collect(
        rows.with_columns(*products).group_by(*own).agg(*(nw.col(n).sum() for n in names))
    )
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


def _linear(constant: float, names: Iterable[str], weights: Floats, centre: Floats) -> nw.Expr:
    total: nw.Expr = nw.lit(constant)
    for name, weight, middle in zip(names, weights.tolist(), centre.tolist(), strict=True):
        if weight:
            total = total + (nw.col(name) - middle) * weight
    return total


def _names(line: Fit) -> list[str]:
    return [f"x{i}" for i in range(len(line.centre))]


def _residual(line: Fit, k: int) -> nw.Expr:
    slope = _linear(0.0, _names(line), line.slopes[k], line.centre)
    return (nw.col(f"y{k}") - float(line.means[k])) - slope


def _parts(each: Wanted) -> tuple[nw.Expr, nw.Expr]:
    """Share c of the row in the mean, and 1 − h."""
    line = each.line
    turn = line.whiten @ (line.whiten.T @ (each.point - line.centre))
    share = _linear(1 / line.n, _names(line), turn, line.centre)
    left: nw.Expr = nw.lit(1 - 1 / line.n)
    for column in line.whiten.T:
        part = _linear(0.0, _names(line), column, line.centre)
        left = left - part * part
    return share, left


def _weight(each: Wanted, guard: bool) -> nw.Expr:
    share, left = _parts(each)
    if not guard:
        return share * share / left
    free = left > GUARD
    return (
        nw.when(free).then(share * share / nw.when(free).then(left).otherwise(1.0)).otherwise(0.0)
    )


def _exact(each: Wanted) -> nw.Expr:
    share, left = _parts(each)
    return nw.when(left > GUARD).then(0.0).otherwise(share * share)


def _by_cell(group: str | None, leaves: Mapping[tuple[Any, str], nw.Expr]) -> nw.Expr:
    """The expression of the row's own cell; 0 in a cell that has none."""
    last = "k0" if group is None else "k1"
    if group is None:
        return _choose(last, {arm: leaf for (_, arm), leaf in leaves.items()})
    inner: dict[str, dict[str, nw.Expr]] = {}
    for (label, arm), leaf in leaves.items():
        inner.setdefault(label, {})[arm] = leaf
    return _choose("k0", {label: _choose(last, arms) for label, arms in inner.items()})


def _choose(column: str, leaves: Mapping[str, nw.Expr]) -> nw.Expr:
    """Pick by halving the sorted keys, so that a row meets few comparisons."""
    keys = sorted(leaves)
    if len(keys) == 1:
        return nw.when(nw.col(column) == keys[0]).then(leaves[keys[0]]).otherwise(0.0)
    half = len(keys) // 2
    return (
        nw.when(nw.col(column) < keys[half])
        .then(_choose(column, {key: leaves[key] for key in keys[:half]}))
        .otherwise(_choose(column, {key: leaves[key] for key in keys[half:]}))
    )
