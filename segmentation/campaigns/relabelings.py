"""What a roll-out would seem to have done, had other branches begun when these did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation.campaigns.permutations import Design
from segmentation.campaigns.timelines import Timeline
from segmentation.campaigns.trends import Change

__all__ = ["Relabeling", "relabel"]

LIMIT = 4999


@dataclass(frozen=True)
class Relabeling:
    """Test of a roll-out by permutation.

    Attributes
    ----------
    p : float
        Share of relabelings whose mean effect is at least as large in size.
    low, high : float
        Constant effects that are not rejected; infinite where the relabelings are too few.
    """

    p: float
    low: float
    high: float


def relabel(
    line: Timeline, cells: Sequence[Change], which: Sequence[int], alpha: float, seed: int = 0
) -> Relabeling:
    """Give the first treated periods to other clusters, in all ways or in 4,999 at random.

    Under an effect of τ from the first treated period on, the outcomes without it are known, and
    the mean effect T is linear in outcomes: with D the flags of treatment, a relabeling π finds
    T_π(Y) − τ·T_π(D), and τ is rejected where this is at least as far from 0 as T(Y) − τ for at
    most a share `alpha` of relabelings. It is exact where branches were drawn by lot or might as
    well have been; every cluster has one cohort.

    Parameters
    ----------
    line : Timeline
        With clusters.
    cells : sequence of Change
        All comparisons.
    which : sequence of int
        Places of those averaged, by the size of their cohort.
    """
    chosen = [cells[k] for k in which]
    cohorts, place = np.unique(line.first, return_inverse=True)
    count = int(line.cluster.max()) + 1
    own = np.zeros(count, int)
    own[line.cluster] = place
    labels = _labels(own)
    pairs = sorted({(cell.now, cell.before) for cell in chosen})
    size = np.bincount(line.cluster, line.n, count)
    sums, flags, n = (np.zeros((count, len(pairs))) for _ in range(3))
    for j, (now, before) in enumerate(pairs):
        both = line.present[:, now] & line.present[:, before]
        change = np.where(both, line.means[:, now] - line.means[:, before], 0.0)
        n[:, j] = np.bincount(line.cluster, line.n * both, count)
        sums[:, j] = np.bincount(line.cluster, line.n * change, count)
        began = cohorts[own]
        treated = (began > 0) & (began <= line.times[now])
        treated = treated.astype(float) - ((began > 0) & (began <= line.times[before]))
        flags[:, j] = n[:, j] * treated
    found = np.zeros((2, len(labels)))
    weight = np.zeros(len(labels))
    with np.errstate(invalid="ignore", divide="ignore"):
        for cell in chosen:
            j = pairs.index((cell.now, cell.before))
            mine = labels == np.searchsorted(cohorts, cell.cohort)
            others = np.isin(labels, np.unique(place[cell.control]))
            units = mine @ size
            weight += units
            for at, values in enumerate((sums, flags)):
                found[at] += units * (
                    mine @ values[:, j] / (mine @ n[:, j])
                    - others @ values[:, j] / (others @ n[:, j])
                )
        found /= weight
    return _invert(found[0], found[1], alpha)


def _labels(own: Any) -> Any:
    """Relabelings of clusters, the actual one first, as places of cohorts (draws, clusters)."""
    width = len(str(len(own)))
    units = pd.DataFrame(
        {
            "unit": [str(k).zfill(width) for k in range(len(own))],
            "arm": [str(label).zfill(5) for label in own],
            "stratum": "all",
            "wave": 1,
        }
    )
    arms = tuple(sorted(units["arm"].unique()))
    # A design's codes are a byte: more cohorts than that are no roll-out to permute.
    codes = Design(units, arms).permutations(LIMIT)
    return np.array([int(arm) for arm in arms])[codes]


def _invert(effect: Any, flags: Any, alpha: float) -> Relabeling:
    """Return p-value and interval from ``T_π(Y)`` and ``T_π(D)``, the actual ones first."""
    own = effect[0]
    scale = np.nanmax(np.abs(effect)) if np.isfinite(effect).any() else 1.0
    slack = 1e-9 * max(scale, 1e-300)
    known = np.isfinite(effect) & np.isfinite(flags)
    reached = ~known | (np.abs(effect) >= abs(own) - slack)
    p = float(reached.mean())
    low, high = np.full(len(effect), -np.inf), np.full(len(effect), np.inf)
    # Where (a − τb)² ≥ (own − τ)²: for |b| < 1 between two roots, which hold `own` between them,
    # for |b| = 1 on one side of one, and else without bound on the side that is asked.
    for k in np.flatnonzero(known):
        a, b = effect[k], flags[k]
        if abs(b) < 1 - 1e-9:
            ends = ((a + own) / (1 + b), (own - a) / (1 - b))
            low[k], high[k] = min(*ends, own), max(*ends, own)
        elif abs(abs(b) - 1) <= 1e-9 and abs(a - np.sign(b) * own) > slack:
            end = (own + np.sign(b) * a) / 2
            low[k], high[k] = (end, np.inf) if end < own else (-np.inf, end)
    needed = math.ceil(alpha * len(effect) - 1e-9) - 1
    return Relabeling(p, float(np.sort(low)[needed]), float(np.sort(high)[::-1][needed]))
