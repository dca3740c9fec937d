"""How far means of changes may be off: their covariance, by influences summed over clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segmentation.campaigns.timelines import NEVER, Timeline
from segmentation.campaigns.trends import Change, deviations

__all__ = ["FEW", "Mean", "Spread", "cluster_counts", "few_clusters", "spread"]

FEW = 10
"""Clusters of either side below which nothing is taken to be normal."""


@dataclass(frozen=True)
class Mean:
    """A mean of changes: their places, and whether they weigh by the size of their cohort."""

    which: Sequence[int]
    by_size: bool = True


@dataclass(frozen=True)
class Spread:
    """Estimates of means of changes.

    Attributes
    ----------
    estimate, df : array (means,)
        Degrees of freedom are 0 where a side is of one cluster, which tells of no spread.
    covariance : array (means, means)
    parts : list of (array (means, means), float)
        Independent parts of the covariance, with the degrees of freedom of each.
    """

    estimate: Any
    covariance: Any
    df: Any
    parts: list[tuple[Any, float]]


def cluster_counts(line: Timeline, cells: Sequence[Change]) -> Any:
    """Clusters of the treated and of the controls of each change, (changes, 2)."""
    sides = [(cell.treated, cell.control) for cell in cells]
    if line.cluster is None:
        return np.array([[line.n[side].sum() for side in pair] for pair in sides])
    return np.array([[len(np.unique(line.cluster[side])) for side in pair] for pair in sides])


def spread(line: Timeline, cells: Sequence[Change], means: Sequence[Mean]) -> Spread:
    """Return means of changes, their covariance and degrees of freedom.

    A unit's influence on a mean over cohorts has a second part, since the sizes of cohorts are
    themselves drawn: with weights N_g/ΣN it is ``(θ − θ̄)/ΣN`` summed over the changes of its own
    cohort. Influences are summed by cluster to z. With z̄ the mean over the G_h clusters of cohort
    h, of G in all, the variance is
    ``Σ_h G_h/(G_h − 1)·Σ(z − z̄_h)² + G/(G − 1)·Σ_h G_h·z̄_h²``:
    the squares of all influences, corrected for the means that they are taken from. Where clusters
    hold several cohorts it is ``G/(G − 1)·Σz²``.

    Degrees of freedom are Satterthwaite's. Where a side has fewer than ten clusters they are those
    of its smallest cohort instead, the bound below which no mixture of variances falls.

    References
    ----------
    Callaway & Sant'Anna (2021), Difference-in-differences with multiple time periods, Journal of
    Econometrics 225. Mickey & Brown (1966), Bounds on the distribution functions of the
    Behrens-Fisher statistic, Annals of Mathematical Statistics 37.
    """
    effect, weight, gap = deviations(line, cells)
    cohorts, place = np.unique(line.first, return_inverse=True)
    size = np.bincount(place, line.n)
    own = np.searchsorted(cohorts, [cell.cohort for cell in cells])
    share = np.zeros((len(means), len(cells)))
    drawn = np.zeros((len(means), len(cohorts)))
    for r, mean in enumerate(means):
        which = list(mean.which)
        weights = size[own[which]] if mean.by_size else np.ones(len(which))
        share[r, which] = weights / weights.sum()
        if mean.by_size:
            off = effect[which] - share[r, which] @ effect[which]
            np.add.at(drawn[r], own[which], off / weights.sum())
    at = share @ (weight * gap) + drawn[:, place]
    within = _squares(line, cells, share, weight, place) if line.cluster is None else None
    sums, group, nested = _by_cluster(line, at, place)
    parts = _parts(sums, group, within, nested)
    covariance = sum(part for part, _ in parts)
    df = _freedom(line, cells, share, parts)
    return Spread(share @ effect, covariance, df, parts)


def _by_cluster(line: Timeline, at: Any, place: Any) -> tuple[Any, Any, bool]:
    """Sum influences: by cluster, or for units alike, of whom the square is of one of them."""
    if line.cluster is None:
        return at, (place, line.n), True
    count = int(line.cluster.max()) + 1
    sums = np.zeros((len(at), count))
    np.add.at(sums.T, line.cluster, (line.n * at).T)
    pairs = np.unique(np.column_stack([line.cluster, place]), axis=0)
    nested = len(pairs) == count
    return sums, (pairs[:, 1] if nested else np.zeros(count, int), np.ones(count)), nested


def _squares(line: Timeline, cells: Sequence[Change], share: Any, weight: Any, place: Any) -> Any:
    """Covariance by cohort from how units of the same row differ: ``Σ B·products·Bᵀ``."""
    step = np.zeros((len(cells), len(line.times)))
    for k, cell in enumerate(cells):
        step[k, cell.now], step[k, cell.before] = 1.0, -1.0
    total = np.zeros((int(place.max()) + 1, len(share), len(share)))
    for m in range(len(line.n)):
        if line.n[m] > 1:
            lever = share @ (weight[:, m, None] * step)
            total[place[m]] += lever @ line.products[m] @ lever.T
    return total


def _parts(sums: Any, group: Any, within: Any, nested: bool) -> list[tuple[Any, float]]:
    """Covariances within each cohort and between them, with their degrees of freedom."""
    code, n = group
    clusters = np.bincount(code, n)
    total = clusters.sum()
    if not nested:
        return [(sums @ sums.T * _correction(total), total - 1)]
    parts, between = [], np.zeros((len(sums), len(sums)))
    for h, count in enumerate(clusters):
        own = code == h
        mean = (sums[:, own] * n[own]).sum(axis=1) / count
        gap = sums[:, own] - mean[:, None]
        inside = (gap * n[own]) @ gap.T + (within[h] if within is not None else 0.0)
        between += count * np.outer(mean, mean)
        if count > 1:
            parts.append((inside * _correction(count), count - 1))
    return [*parts, (between * _correction(total), total - 1)]


def _correction(count: float) -> float:
    return count / (count - 1) if count > 1 else np.nan


def _freedom(
    line: Timeline, cells: Sequence[Change], share: Any, parts: list[tuple[Any, float]]
) -> Any:
    counts = cluster_counts(line, cells)
    df = np.zeros(len(share))
    for r, weights in enumerate(share):
        used = np.flatnonzero(weights)
        fewest = counts[used].min()
        treated = {cells[int(k)].cohort: counts[k, 0] for k in used}
        if fewest < 2:
            continue
        if min(sum(treated.values()), counts[used, 1].min()) < FEW:
            df[r] = fewest - 1
        else:
            variances = np.array([part[r, r] for part, _ in parts])
            below = sum(v**2 / own for v, (_, own) in zip(variances, parts, strict=True))
            df[r] = variances.sum() ** 2 / below if below > 0 else np.inf
    return df


def few_clusters(line: Timeline) -> bool:
    """Whether usual standard errors are not to be relied on: few clusters, or of uneven size."""
    treated = (line.first != NEVER) & (line.first <= line.times[-1])
    if line.cluster is None:
        return bool(min(line.n[treated].sum(), line.n[~treated].sum() or math.inf) < FEW)
    sizes = np.bincount(line.cluster, line.n)
    sides = [len(np.unique(line.cluster[side])) for side in (treated, ~treated) if side.any()]
    return bool(min(sides) < FEW or np.std(sizes, ddof=1) > 0.5 * sizes.mean())
