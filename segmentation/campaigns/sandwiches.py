"""Weighted least squares on clusters, with standard errors that let clusters differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from segmentation.campaigns.sums import moments
from segmentation.campaigns.totals import ClusterTotals, Floats, Totals
from segmentation.data.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FEW", "Fit", "cluster_fit", "moment_fit", "orthonormal"]

FEW = 10
"""Clusters of an arm below which its error is hardly known."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """An effect by clusters of one arm and control.

    Attributes
    ----------
    estimate, se, df : float
        Effect, its cluster-robust standard error, and the degrees of freedom of their ratio.
    baseline, variance_below : float
        Unadjusted mean of control, and its variance.
    covariance : float
        Of the effect and the mean of control.
    n_control, n_treated : int
        Complete cases.
    clusters : tuple of int
        Of control, and treated.
    cv : float
        Coefficient of variation of the clusters' denominators.
    """

    estimate: float
    se: float
    df: float
    baseline: float
    variance_below: float
    covariance: float
    n_control: int
    n_treated: int
    clusters: tuple[int, int]
    cv: float


def orthonormal(base: Floats, columns: Floats) -> Floats:
    """Return `base`, whose columns are orthonormal, with what `columns` add to its span."""
    if not columns.shape[1]:
        return base
    rest = columns - base @ (base.T @ columns)
    before = np.linalg.norm(columns, axis=0)
    after = np.linalg.norm(rest, axis=0)
    rest = rest[:, after > 1e-10 * before]
    rest = rest / np.linalg.norm(rest, axis=0)
    left, sizes, _ = np.linalg.svd(rest, full_matrices=False)
    left = left[:, sizes > 1e-10 * sizes.max(initial=0.0)]
    left = left - base @ (base.T @ left)  # a second time, for the digits lost in the first
    return np.hstack([base, np.linalg.qr(left)[0]])


def cluster_fit(totals: Totals, control: str, adjusted: bool = False) -> Fit:
    """Fit an effect to the totals of the clusters of one arm and control.

    Cluster means y/d are regressed on a constant, the arm and, `adjusted`, the covariates' means,
    with weights d. Without covariates the effect is the difference of Σy/Σd. Standard errors are
    CR2: with the clusters' weighted residuals eᴄ, leverages hᴄ and the residuals rᴄ of the arm on
    all else, ``V = Σ (rᴄ·eᴄ)² / (1 − hᴄ) / (Σ rᴄ²)²``, unbiased where customers are independent.
    Without covariates and with even clusters that is Σₐ Gₐ/(Gₐ−1)·Σeᴄ²/Dₐ².

    Degrees of freedom are Satterthwaite's of the arms' parts Vₐ, each with Gₐ − 1: G − 2 for even
    arms, and near that of the smaller arm where it makes most of the variance (a small holdout).
    They are reduced in proportion to what the covariates take.

    Returns
    -------
    Fit
        With se NaN where an arm has one cluster.

    Raises
    ------
    TableError
        If the covariates tell the arms of all clusters apart.

    References
    ----------
    Bell & McCaffrey (2002), Bias reduction in standard errors for linear regression with
    multi-stage samples, Survey Methodology 28. Su & Ding (2021), Model-assisted analyses of
    cluster-randomized experiments, JRSS B 83.
    """
    w = (totals.arms != control).astype(float)
    root = np.sqrt(totals.d)
    y = totals.y / root
    means = {}
    for arm in (0.0, 1.0):
        means[arm] = float(totals.y[w == arm].sum() / totals.d[w == arm].sum())
    x = totals.x * root[:, None] if adjusted else np.empty((len(w), 0))
    one = (root / np.linalg.norm(root))[:, None]
    without = orthonormal(one, x)
    r = root * w
    r = r - without @ (without.T @ r)
    norm = float(r @ r)
    if norm < 1e-9 * totals.d.sum():
        raise _told_apart()
    estimate = float(r @ y) / norm
    arms = np.column_stack([root * (w == arm) for arm in (0.0, 1.0)])
    arms = arms / np.linalg.norm(arms, axis=0)
    basis = orthonormal(arms, x)
    residuals = y - basis @ (basis.T @ y)
    free = 1 - (basis**2).sum(axis=1)
    counts = (int((w == 0).sum()), int((w == 1).sum()))
    free = np.where(free > 1e-9, free, math.nan)
    scores = r * residuals / np.sqrt(free) / norm
    parts = [float((scores[w == arm] ** 2).sum()) for arm in (0.0, 1.0)]
    alone = 1 - arms[:, 0] ** 2  # what a cluster of control leaves to the others
    below = (totals.y - means[0.0] * totals.d) / totals.d[w == 0].sum()
    below = np.where(w == 0, below / np.sqrt(np.where(alone > 1e-9, alone, math.nan)), 0.0)
    return Fit(
        estimate=estimate,
        se=math.sqrt(sum(parts)),
        df=_satterthwaite(parts, counts, basis.shape[1] - 2),
        baseline=means[0.0] + totals.origin,
        variance_below=float(below @ below),
        covariance=float(scores @ below),
        n_control=int(totals.n[w == 0].sum()),
        n_treated=int(totals.n[w == 1].sum()),
        clusters=counts,
        cv=_cv(totals.d.mean(), totals.d.var(ddof=1)),
    )


def moment_fit(
    totals: ClusterTotals, outcome: int, control: str, treated: Sequence[str], adjusted: bool
) -> dict[str, Fit]:
    """Fit effects of several arms to moments of clusters' totals, where clusters are many.

    As `cluster_fit`, but with the factor Gₐ/(Gₐ−1) for 1/(1 − hᴄ) and rᴄ as without covariates:
    both differ from it by a part of the order of 1/Gₐ.

    Returns
    -------
    dict
        By arm; without those that have no complete case.

    Raises
    ------
    TableError
        If an arm has fewer than 10 clusters.
    """
    i, width = outcome, totals.width if adjusted else 0
    lazy = totals.lazy.filter(nw.col(f"d{i}") > 0)
    size = {"d": nw.col(f"d{i}"), "y": nw.col(f"y{i}"), "n": nw.col(f"n{i}")}
    for k in range(width):  # X = d·(mean of x), which is Σx unless there is a denominator
        size[f"x{k}"] = nw.col(f"x{i}_{k}") * nw.col(f"d{i}") / nw.col(f"n{i}")
    roots = {f"r{name}": nw.col(name) / nw.col("d").sqrt() for name in size if name != "n"}
    lazy = lazy.select("arm", **size).with_columns(**roots)
    found = moments(lazy.to_native(), [*size, *roots], by="arm")
    counts = dict(zip(found.groups["arm"], found.n, strict=True))
    arms = [arm for arm in treated if arm in counts and control in counts]
    if arms and min(counts[arm] for arm in (control, *arms)) < FEW:
        rule = f"an arm has {FEW} clusters or more where there are thousands"
        raise TableError("data", rule, "Leave out the small arm, or draw a sample of clusters.")
    return {arm: _from_moments(found, control, arm, width, totals.origins[i]) for arm in arms}


def _from_moments(found: Any, control: str, arm: str, width: int, origin: float) -> Fit:
    names = ["y", *(f"x{k}" for k in range(width))]
    groups = [found.only(arm=name) for name in (control, arm)]
    counts = tuple(int(group.n.sum()) for group in groups)
    means, spread, within = [], [], np.zeros((width + 1, width + 1))
    for group, count in zip(groups, counts, strict=True):
        total = group.take("d", *names).means[0] * count
        means.append(total[1:] / total[0])
        part = group.take("rd", *(f"r{name}" for name in names))
        raw = part.products[0] + count * np.outer(part.means[0], part.means[0])
        within += raw[1:, 1:] - total[0] * np.outer(means[-1], means[-1])
        # Of the totals less their arm's mean times d, whose mean over clusters is 0.
        turn = np.hstack([-means[-1][:, None], np.eye(width + 1)])
        cross = group.take("d", *names).products[0]
        spread.append(turn @ cross @ turn.T * count / (count - 1) / total[0] ** 2)
    theta = np.linalg.lstsq(within[1:, 1:], within[1:, 0], rcond=1e-10)[0]
    weights = np.concatenate([[1.0], -theta])
    parts = [float(weights @ part @ weights) for part in spread]
    both = found.only(arm=control) + found.only(arm=arm)
    sizes = both.pool().take("d")
    people = [
        float(group.take("n").means[0, 0]) * c for group, c in zip(groups, counts, strict=True)
    ]
    return Fit(
        estimate=float(weights @ (means[1] - means[0])),
        se=math.sqrt(sum(parts)),
        df=_satterthwaite(parts, counts, width),
        baseline=float(means[0][0]) + origin,
        variance_below=float(spread[0][0, 0]),
        covariance=-float(spread[0][0] @ weights),
        n_control=round(people[0]),
        n_treated=round(people[1]),
        clusters=(counts[0], counts[1]),
        cv=_cv(sizes.means[0, 0], sizes.covariances[0, 0, 0]),
    )


def _satterthwaite(parts: Sequence[float], counts: Sequence[int], width: int) -> float:
    free = sum(counts) - 2
    below = sum(v * v / (count - 1) for v, count in zip(parts, counts, strict=True) if count > 1)
    whole = sum(parts) ** 2 / below if below > 0 else float(free)
    return whole * (free - width) / free if free > 0 else 0.0


def _cv(mean: float, variance: float) -> float:
    return float(math.sqrt(max(variance, 0.0)) / mean)


def _told_apart() -> TableError:
    return TableError(
        "data",
        "covariates do not tell the arms apart, and are fewer than the clusters",
        "Adjust for fewer covariates.",
    )
