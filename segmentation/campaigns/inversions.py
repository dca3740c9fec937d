"""A permutation test turned into its exact interval: every effect that it does not reject."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.permutations import ALL, Design
from segmentation.campaigns.sandwiches import orthonormal
from segmentation.campaigns.totals import Floats, Totals
from segmentation.data.errors import TableError

__all__ = ["Assignments", "Inversion", "assignments", "invert"]

EXACT, DRAWS = 20_000, 10_000
"""Assignments up to which all are looked at, and how many are drawn where there are more."""
CELLS = 4_000_000
"""Numbers of a table of assignments that are multiplied at once."""


@dataclass(frozen=True, eq=False)
class Assignments:
    """Assignments that a design might have given, the actual one first.

    Attributes
    ----------
    treated : array (B, G) of bool
        Whether a cluster is treated, by assignment.
    exact : bool
        Whether these are all; otherwise they are draws.
    """

    treated: npt.NDArray[np.bool_]
    exact: bool


def assignments(pair: Totals, control: str, design: Design | None, seed: int) -> Assignments:
    """Permute the arms of clusters that have data, as the design would have.

    Those of other arms, and of clusters without data, are taken as given. Without a design so
    many clusters went to each arm at random.

    Raises
    ------
    TableError
        If a cluster was not assigned by the design, or to another arm.
    """
    if design is None:
        units = pd.DataFrame({"unit": pair.clusters, "arm": pair.arms, "stratum": ALL, "wave": 1})
        design = Design(units, tuple(sorted(set(pair.arms))))
    else:
        design = _within(design, pair)
    exact = design.count <= EXACT
    codes = design.permutations(EXACT if exact else DRAWS, seed)
    # Units of the design in the order of the totals, which is that of their text as well.
    place = pd.Index(design.units["unit"].astype(str)).get_indexer(pd.Index(pair.clusters))
    return Assignments(codes[:, place] != design.labels.index(control), exact)


def _within(design: Design, pair: Totals) -> Design:
    """Restrict a design to the clusters of two arms that have data."""
    units = design.units[design.units["unit"].astype(str).isin(pair.clusters)]
    if len(units) < len(pair.clusters):
        rule = "every cluster of the data was assigned by the design"
        mend = "Pass the design of these clusters."
        raise TableError("design", rule, mend, rows=len(pair.clusters) - len(units))
    arms = units.set_index(units["unit"].astype(str))["arm"].astype(str).loc[pair.clusters]
    if moved := int((arms.to_numpy() != pair.arms).sum()):
        rule = "a cluster is in the arm that the design gave it"
        raise TableError("design", rule, "Analyse clusters as they were assigned.", rows=moved)
    return replace(design, units=units.reset_index(drop=True))


@dataclass(frozen=True, eq=False)
class Inversion:
    """What a permutation test says of an effect.

    Attributes
    ----------
    estimate : float
        The effect under which the statistic is 0.
    p : float
        Share of assignments whose statistic is at least as far from 0 as the actual one's.
    low, high : float
        The smallest and largest constant effect with p ≥ alpha; infinite where all are.
    draws : array (B,)
        The statistic under no effect, by assignment, in units of the effect: the first, of the
        actual assignment, is `estimate`. NaN where covariates leave an assignment undefined.
    """

    estimate: float
    p: float
    low: float
    high: float
    draws: Floats


def invert(
    y: Floats,
    d: Floats,
    assigned: npt.NDArray[np.bool_],
    x: Floats | None = None,
    alpha: float = 0.05,
) -> Inversion:
    """Test and bound a constant effect by the assignments that might have been.

    With ⟨u, v⟩ = Σ dᴄuᴄvᴄ over clusters and M the residual of the weighted regression on a
    constant and x, the statistic of assignment w is ``T_w = ⟨Mw, y/d⟩ / √⟨Mw, Mw⟩``. Under an
    effect τ per unit of d the outcome without it is y − τ·d·w₀ with w₀ the actual assignment, so
    that ``T_w(τ) = a_w − τ·b_w`` is linear: no effect has to be searched for. As |b_w| ≤ b_w₀
    (Cauchy and Schwarz), the effects under which w is at least as extreme as w₀ are the interval
    between ``(a₀ − a_w)/(b₀ − b_w)`` and ``(a₀ + a_w)/(b₀ + b_w)``, which holds the estimate
    a₀/b₀. So p falls in steps on both sides of the estimate, and the limits are steps.

    Parameters
    ----------
    y, d : array (G,)
        Totals of outcome and denominator by cluster, d above 0.
    assigned : array (B, G)
        Whether a cluster is treated, by assignment; the first is the actual one.
    x : array (G, K), optional
        Covariates of the cluster.
    alpha : float
        The interval holds 0 where and only where p ≥ alpha.

    Notes
    -----
    Without covariates the estimate is Σy/Σd in treatment less that in control. Exact whatever the
    distribution of outcomes and sizes, if `assigned` are all assignments; valid if they are draws
    with the actual one among them (p is then (1 + r)/(1 + draws)).

    Examples
    --------
    >>> import itertools
    >>> import numpy as np
    >>> assigned = np.array([[i in pair for i in range(8)]
    ...                      for pair in itertools.combinations(range(8), 2)])
    >>> y = np.array([9.0, 8.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    >>> found = invert(y, np.ones(8), assigned, alpha=0.1)
    >>> [round(number, 4) for number in (found.estimate, found.p, found.low, found.high)]
    [6.5, 0.0357, 5.0, 8.0]
    """
    root = np.sqrt(d)
    one = (root / np.linalg.norm(root))[:, None]
    base = one if x is None else orthonormal(one, x * root[:, None])
    outcome = y / root
    outcome = outcome - base @ (base.T @ outcome)
    actual = root * assigned[0]
    actual = actual - base @ (base.T @ actual)
    columns = root[:, None] * np.column_stack([outcome, actual, root, base])
    sums = _times(assigned, columns)
    square = sums[:, 2] - (sums[:, 3:] ** 2).sum(axis=1)
    norm = np.sqrt(np.where(square > 1e-9 * d.sum(), square, math.nan))
    a, b = sums[:, 0] / norm, sums[:, 1] / norm
    with np.errstate(invalid="ignore", divide="ignore"):
        one_end = (a[0] - a) / (b[0] - b)
        other_end = (a[0] + a) / (b[0] + b)
    # The actual assignment, its mirror image, and one that the covariates leave undefined are as
    # extreme under every effect.
    always = ~(b[0] - np.abs(b) > 1e-9 * b[0])
    low = np.where(always, -np.inf, np.minimum(one_end, other_end))
    high = np.where(always, np.inf, np.maximum(one_end, other_end))
    extreme = ~(np.abs(a) < abs(a[0]) - 1e-10 * np.nanmax(np.abs(a)))
    low = np.where(extreme, np.minimum(low, 0.0), low)
    high = np.where(extreme, np.maximum(high, 0.0), high)
    rows = len(assigned)
    needed = max(math.ceil(alpha * rows - 1e-9), 1)
    return Inversion(
        estimate=float(a[0] / b[0]),
        p=float(np.count_nonzero(extreme)) / rows,
        low=float(np.partition(low, needed - 1)[needed - 1]),
        high=float(np.partition(high, rows - needed)[rows - needed]),
        draws=a / b[0],
    )


def _times(assigned: npt.NDArray[np.bool_], columns: Floats) -> Floats:
    step = max(CELLS // len(columns), 1)
    parts = [
        assigned[start : start + step].astype(np.float64) @ columns
        for start in range(0, len(assigned), step)
    ]
    return np.vstack(parts)
