"""Effects adjusted for what is known of customers, and what each customer weighs in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from segmentation.campaigns.confounders import Matrix, dependent
from segmentation.campaigns.propensities import Propensity, arm_weights
from segmentation.data.errors import TableError

__all__ = ["Cells", "Influence", "adjusted", "covariance", "difference", "mean_of_control"]


@dataclass(frozen=True)
class Cells:
    """Customers who share arm, covariates and cluster, one row each.

    Attributes
    ----------
    n, mean, squares, treated : array (rows,)
        Customers; mean of the outcome and sum of its squared deviations; 1 for treated, else 0.
    design : array (rows, columns)
        Columns of the outcome regression, the first 1.
    sources : list of str
        Covariate of each column.
    cluster : array (rows,) of int, or None
        Number of the cluster.
    """

    n: Any
    mean: Any
    squares: Any
    treated: Any
    design: Matrix
    sources: list[str]
    cluster: Any = None


@dataclass(frozen=True)
class Influence:
    """An estimate, and the influence ``at + slope·(y − mean of the cell)`` of one customer on it.

    The estimate less the truth is about the sum of the influences of all customers.
    """

    estimate: float
    at: Any
    slope: Any


def covariance(cells: Cells, one: Influence, other: Influence) -> float:
    """Covariance of two estimates: of a stacked system of estimating equations, HC0.

    Σ over customers of the product of influences, which is affine in y within a cell, so that
    n, mean and squares give it exactly. With clusters the influences are summed over each first,
    and the sum of products is multiplied by G/(G − 1).
    """
    if cells.cluster is None:
        between = (cells.n * one.at * other.at).sum()
        return float(between + (cells.squares * one.slope * other.slope).sum())
    groups = int(cells.cluster.max()) + 1
    sums = [
        np.bincount(cells.cluster, cells.n * each.at, minlength=groups) for each in (one, other)
    ]
    return float(sums[0] @ sums[1] * groups / (groups - 1)) if groups > 1 else float("nan")


def mean_of_control(cells: Cells) -> Influence:
    """Return the mean outcome of control."""
    control = 1 - cells.treated
    n = (cells.n * control).sum()
    mean = (cells.n * control * cells.mean).sum() / n
    return Influence(float(mean), control * (cells.mean - mean) / n, control / n)


def difference(cells: Cells) -> Influence:
    """Return the plain difference of means, treated less control."""
    low = mean_of_control(cells)
    n = (cells.n * cells.treated).sum()
    mean = (cells.n * cells.treated * cells.mean).sum() / n
    at = cells.treated * (cells.mean - mean) / n - low.at
    return Influence(float(mean - low.estimate), at, cells.treated / n - low.slope)


def adjusted(
    cells: Cells, chance: Propensity, keep: Any, method: str, estimand: str, table: str = "data"
) -> Influence:
    """Return the adjusted effect among the rows kept, with the influence of every customer.

    With h = 1, t or 1 − t for the effect on all, the treated or the untreated, H = Σh, the
    weights w₁ and w₀ of `arm_weights` and the regressions m₁ and m₀ of each arm:
    regression ``Σ h·(m₁ − m₀)/H``; ipw (Hájek) ``Σw₁y/Σw₁ − Σw₀y/Σw₀``; aipw
    ``Σ [h·(m₁ − m₀) + w₁·(y − m₁) − w₀·(y − m₀)]/H``. The influence has a term for each
    coefficient that was estimated: those of the propensity rest on all rows, kept or not.
    """
    n = cells.n * keep
    up, down, up_slope, down_slope = arm_weights(chance, cells.treated, estimand)
    if method == "ipw":
        return _weighted(cells, chance, keep, n, (up, down), (up_slope, down_slope))
    t = cells.treated
    h = {"ate": np.ones(len(t)), "att": t, "atc": 1 - t}[estimand]
    total = (n * h).sum()
    if method == "regression":
        up, down, up_slope, down_slope = (np.zeros(len(t)) for _ in range(4))
    (m1, b1), (m0, b0) = (_line(cells, n, arm, table) for arm in (t, 1 - t))
    value = h * (m1 - m0) + up * (cells.mean - m1) - down * (cells.mean - m0)
    estimate = (n * value).sum() / total
    lever1 = b1 @ (((n * (h - up)) @ cells.design) / total)
    lever0 = b0 @ (((n * (h - down)) @ cells.design) / total)
    nuisance = up_slope * (cells.mean - m1) - down_slope * (cells.mean - m0)
    gradient = ((n * nuisance) @ chance.design) / total
    slope = keep * ((up - down) / total + t * lever1 - (1 - t) * lever0)
    at = keep * (value - h * estimate) / total
    at += keep * (t * lever1 * (cells.mean - m1) - (1 - t) * lever0 * (cells.mean - m0))
    at += chance.influence @ gradient
    return Influence(float(estimate), at, slope)


def _weighted(
    cells: Cells, chance: Propensity, keep: Any, n: Any, weights: Any, slopes: Any
) -> Influence:
    estimate, at, slope = 0.0, np.zeros(len(n)), np.zeros(len(n))
    gradient = np.zeros(chance.design.shape[1])
    for sign, weight, bend in zip((1, -1), weights, slopes, strict=True):
        total = (n * weight).sum()
        mean = (n * weight * cells.mean).sum() / total
        estimate += sign * mean
        at += sign * keep * weight * (cells.mean - mean) / total
        slope += sign * keep * weight / total
        gradient += sign * ((n * bend * (cells.mean - mean)) @ chance.design) / total
    return Influence(float(estimate), at + chance.influence @ gradient, slope)


def _line(cells: Cells, n: Any, arm: Any, table: str) -> tuple[Any, Any]:
    """Fit the outcome of one arm, and return it for every row, and each row's pull on it."""
    import statsmodels.api as sm

    own = (n * arm) > 0
    lone = dependent(cells.design[own], n[own]) if own.any() else 0
    if lone is not None:
        name = cells.sources[min(lone, len(cells.sources) - 1)]
        raise TableError(
            table,
            "within each arm, every covariate and level varies",
            "Merge levels found in one arm only, or leave them out: they have nothing to compare.",
            name or None,
        )
    fit = sm.WLS(cells.mean[own], cells.design[own], weights=n[own]).fit(method="qr")
    inverse = fit.normalized_cov_params
    return cells.design @ fit.params, cells.design @ inverse
