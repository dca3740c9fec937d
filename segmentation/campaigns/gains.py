"""The points of an uplift curve: what the customers at or above each score gain."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from segmentation.campaigns.deviations import Deviations, Whole
from segmentation.campaigns.estimates import critical_value
from segmentation.campaigns.rankings import Ranks
from segmentation.campaigns.scores import Floats

__all__ = ["COLUMNS", "gain_table"]

COLUMNS = (
    *("share", "score", "n_control", "n_treated", "uplift", "uplift_se"),
    *("toc", "toc_se", "toc_low", "toc_high", "gain", "gain_se", "gain_low", "gain_high"),
)

WORK = 2e8
"""Clusters times points at most, which bounds the time of a table with clusters."""


class Bins(NamedTuple):
    """Sums by arm (first axis) and bin, the highest scores first; first row of each bin."""

    n: Floats
    sums: Floats
    squares: Floats
    starts: Whole


class Psi(NamedTuple):
    """ψ at a point: ``g·above + above_shift`` for those at or above it, and so for the rest."""

    above: Floats
    above_shift: Floats
    below: Floats
    below_shift: Floats


def gain_table(
    rows: Deviations,
    ranked: Ranks,
    scores: Floats,
    points: int,
    known_share: bool,
    alpha: float,
    df: float,
) -> pd.DataFrame:
    """Return the curve at no more than `points` scores, as `UpliftCurve.table` describes it.

    `scores` are the lowest of each group. The variance of a point is that of the mean of
    ``1{at or above}·(g − toc)/share − g`` (toc) and ``1{at or above}·G`` (gain), for this score as
    the cut-off.
    """
    last = _last(rows, ranked, points)
    bins = _bins(rows, ranked, last)
    n, total = bins.n.sum(axis=0), rows.total
    count, gained = np.cumsum(n), np.cumsum(bins.sums.sum(axis=0))
    share, toc = count / total, gained / count
    toc[-1] = 0.0  # of all
    gain = share * rows.effect + gained / total
    none = np.zeros(len(last))
    cut = Psi(1 / share - 1, -toc / share, none - 1, none)
    toc_se = _se(rows, bins, cut, known_share)
    gain_se = _se(rows, bins, Psi(none + 1, rows.effect - gain, none, -gain), known_share)
    squares, sums = bins.squares.sum(axis=0), bins.sums.sum(axis=0)
    if known_share:
        within = squares - sums**2 / n
    else:
        within = squares - (bins.sums**2 / np.maximum(bins.n, 1)).sum(axis=0)
    within = np.maximum(within, 0.0) / np.maximum(n - 1, 1)
    critical = critical_value(alpha, df) if df > 0 else math.nan
    columns = {
        "share": share,
        "score": scores[last],
        "n_control": bins.n[0].astype(np.int64),
        "n_treated": bins.n[1].astype(np.int64),
        "uplift": rows.effect + sums / n,
        "uplift_se": np.where((bins.n > 1).all(axis=0), np.sqrt(within / n), np.nan),
        **_interval("toc", toc, toc_se, critical),
        **_interval("gain", gain, gain_se, critical),
    }
    return pd.DataFrame(columns, columns=list(COLUMNS))


def _last(rows: Deviations, ranked: Ranks, points: int) -> Whole:
    """Last group of each bin; the bins have about equal counts."""
    if rows.cluster is not None:
        points = min(points, max(20, int(WORK / (rows.cluster.max() + 1))))
    groups = ranked.groups
    if groups <= points:
        return np.arange(groups)
    wanted = np.arange(1, points) / points * rows.total
    if ranked.starts is None and ranked.n is None:
        edges = np.rint(wanted).astype(np.int64)
    else:
        edges = np.searchsorted(ranked.ends, wanted)
        edges += ranked.ends[edges] - wanted < wanted - np.append(0.0, ranked.ends)[edges]
    return np.asarray(np.unique([*(edges[edges > 0] - 1), groups - 1]))


def _bins(rows: Deviations, ranked: Ranks, last: Whole) -> Bins:
    firsts = np.append(0, last[:-1] + 1)
    parts = [ranked.rows(a, b + 1) for a, b in zip(firsts.tolist(), last.tolist(), strict=True)]
    totals = np.array([rows.totals(part) for part in parts])
    n, sums, squares = totals.transpose(2, 1, 0)
    return Bins(n, sums, squares, np.array([part.start for part in parts]))


def _interval(name: str, value: Floats, se: Floats, critical: float) -> dict[str, Floats]:
    reach = critical * se
    return {
        name: value,
        f"{name}_se": se,
        f"{name}_low": value - reach,
        f"{name}_high": value + reach,
    }


def _se(rows: Deviations, bins: Bins, psi: Psi, known_share: bool) -> Floats:
    """Standard errors of the means of ψ, one a point."""
    n, s, q = (np.cumsum(part, axis=1) for part in bins[:3])
    rest_n, rest_s, rest_q = (part[:, -1:] - part for part in (n, s, q))
    totals = psi.above * s + psi.above_shift * n + psi.below * rest_s + psi.below_shift * rest_n
    arms = np.array(rows.counts, float)[:, None]
    middles = np.zeros_like(totals) if known_share else totals / arms
    if rows.cluster is not None:
        return _clustered(rows, bins.starts, psi, middles)
    squares = psi.above**2 * q + 2 * psi.above * psi.above_shift * s + psi.above_shift**2 * n
    squares += psi.below**2 * rest_q + 2 * psi.below * psi.below_shift * rest_s
    squares += psi.below_shift**2 * rest_n
    squares -= 2 * middles * totals - arms * middles**2
    return np.asarray(np.sqrt(np.maximum(squares.sum(axis=0), 0.0)) / rows.total)


def _clustered(rows: Deviations, starts: Whole, psi: Psi, middles: Floats) -> Floats:
    """Standard errors from sums of ψ by cluster, point by point."""
    cluster = np.asarray(rows.cluster)
    groups = int(cluster.max()) + 1
    n = np.ones(len(cluster)) if rows.n is None else rows.n
    treated = np.bincount(cluster, weights=n * rows.treated, minlength=groups)
    rest_n = np.bincount(cluster, weights=n, minlength=groups)
    rest_s = np.bincount(cluster, weights=rows.sums, minlength=groups)
    control = rest_n - treated
    up_n, up_s = np.zeros(groups), np.zeros(groups)
    found = np.empty(len(starts))
    ends = np.append(starts[1:], len(cluster))
    for point, (start, end) in enumerate(zip(starts, ends, strict=True)):
        here = cluster[start:end]
        for up, rest, part in ((up_n, rest_n, n), (up_s, rest_s, rows.sums)):
            moved = np.bincount(here, weights=part[start:end], minlength=groups)
            up += moved
            rest -= moved
        sums = psi.above[point] * up_s + psi.above_shift[point] * up_n
        sums += psi.below[point] * rest_s + psi.below_shift[point] * rest_n
        sums -= middles[0, point] * control + middles[1, point] * treated
        found[point] = (sums**2).sum()
    return np.sqrt(found * groups / max(groups - 1, 1)) / rows.total
