"""What a roll-out would seem to have done, had other branches begun when these did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation.campaigns.permutations import Design
from segmentation.campaigns.timelines import NEVER, Timeline
from segmentation.campaigns.trends import Change

__all__ = ["Relabeling", "Relabelings", "permutable"]

LIMIT, CELLS = 4999, 20_000_000
"""Most relabelings that are drawn, and most of them times clusters, but 999 at least."""


def permutable(line: Timeline) -> bool:
    """Whether every cluster has one first treated period, and a byte can tell them apart."""
    pairs = pd.DataFrame({"cluster": line.cluster, "first": line.first}).drop_duplicates()
    return not pairs["cluster"].duplicated().any() and pairs["first"].nunique() < 128


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


class Relabelings:
    """Effects of a roll-out had other clusters begun when these did, the actual one first.

    The first treated periods are given to other clusters in all ways, or in 4,999 at random. It is
    exact where branches were drawn by lot, or might as well have been.

    Parameters
    ----------
    line : Timeline
        With clusters, each of one first treated period.
    cells : sequence of Change
        Comparisons.

    Attributes
    ----------
    effects, flags : array (draws, changes)
        Each change's effect on the outcome, and on the actual flags of treatment: 1 in the first
        draw, from the first treated period on.
    units : array (draws, changes)
        Units of its cohort.
    """

    def __init__(self, line: Timeline, cells: Sequence[Change]) -> None:
        cohorts, place = np.unique(line.first, return_inverse=True)
        count = int(line.cluster.max()) + 1
        own = np.zeros(count, int)
        own[line.cluster] = place
        labels = _labels(own)
        size = np.bincount(line.cluster, line.n, count)
        self.effects, self.flags, self.units = (np.zeros((len(labels), len(cells))) for _ in "123")
        for k, cell in enumerate(cells):
            both = line.n * (line.present[:, cell.now] & line.present[:, cell.before])
            change = both * (line.means[:, cell.now] - line.means[:, cell.before])
            n, sums = (np.bincount(line.cluster, each, count) for each in (both, change))
            began = cohorts[own]
            now, before = ((began != NEVER) & (began <= t) for t in (cell.time, cell.base))
            mine = (labels == np.searchsorted(cohorts, cell.cohort)).astype(float)
            others = np.isin(labels, np.unique(place[cell.control])).astype(float)
            self.units[:, k] = mine @ size
            with np.errstate(invalid="ignore", divide="ignore"):  # a draw may have no outcome
                sides = (mine / (mine @ n)[:, None], others / (others @ n)[:, None])
            gap = sides[0] - sides[1]
            self.effects[:, k] = gap @ sums
            self.flags[:, k] = gap @ (n * (now.astype(float) - before))

    def mean(self, which: Sequence[int], alpha: float) -> Relabeling:
        """Test the mean of some changes by the size of their cohort, and invert the test.

        Under an effect of τ from the first treated period on, the outcomes without it are known,
        and the mean T is linear in outcomes: with D the flags of treatment, a draw π finds
        T_π(Y) − τ·T_π(D). τ is rejected where less than a share `alpha` of draws is at least as
        far from 0 as T(Y) − τ is.
        """
        weights = self.units[:, which] / self.units[:, which].sum(axis=1, keepdims=True)
        effect = (weights * self.effects[:, which]).sum(axis=1)
        return _invert(effect, (weights * self.flags[:, which]).sum(axis=1), alpha)

    def joint(self, which: Sequence[int]) -> tuple[float, float]:
        """Test that some changes are all nothing: ``W = e·S⁻¹·e``, S their products over draws."""
        effects = self.effects[:, which]
        known = np.isfinite(effects).all(axis=1)
        size = np.sqrt((effects[known] ** 2).mean(axis=0))
        scaled = effects / np.where(size > 0, size, 1.0)
        inverse = np.linalg.pinv(scaled[known].T @ scaled[known] / known.sum(), hermitian=True)
        found = np.einsum("bi,ij,bj->b", scaled, inverse, scaled)
        reached = ~known | (found >= found[0] * (1 - 1e-9))
        return float(found[0]), float(reached.mean())


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
    return Design(units, arms).permutations(min(LIMIT, max(999, CELLS // len(own))))


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
