"""Score cells as they come from a curve, and the steps of spending by which they are treated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.data.errors import TableError, missing_columns

__all__ = [
    "Cells",
    "Floats",
    "Step",
    "carried",
    "path",
    "ranked",
    "read_cells",
    "smoothed",
    "together",
]

Floats = npt.NDArray[np.float64]
NEEDED = ("share", "score", "n_control", "n_treated", "uplift")
CURVE = ("gain_se", "toc_se")


class Prefix(NamedTuple):
    """Gain from treating those above each edge, (K + 1,) each, per customer of all.

    Attributes
    ----------
    gain, variance : array
        And the variance of its estimate, with the score at the edge as the cut-off.
    covariance : array
        Of its estimate and that of the effect on everyone.
    """

    gain: Floats
    variance: Floats
    covariance: Floats


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of customers from the highest score to the lowest, and the effect of each arm there.

    Attributes
    ----------
    arms : tuple of str
    scores : array (K,)
    shares : array (K,)
        Of all customers, adding up to 1.
    uplift, errors : arrays (K, A)
        Effect per customer of the cell, and its standard error.
    n : float
        Customers that the effects rest on.
    prefix : Prefix or None
        Of a single arm.
    """

    arms: tuple[Any, ...]
    scores: Floats
    shares: Floats
    uplift: Floats
    errors: Floats
    n: float
    prefix: Prefix | None = None

    @property
    def edges(self) -> Floats:
        """Share of all customers above each cell and below the last: from 0 to 1, (K + 1,)."""
        edges = np.concatenate([[0.0], np.cumsum(self.shares)])
        edges[-1] = 1.0
        return edges


class Step(NamedTuple):
    """Customers of a cell go from an arm (−1: none) to another, a dearer one."""

    cell: int
    before: int
    after: int
    cost: float
    income: float


def read_cells(curve: Any, arm: Any, name: str = "curve") -> Cells:
    """Read the cells of one arm from a curve, or from a frame with the columns of its table."""
    table = getattr(curve, "table", curve)
    if not isinstance(table, pd.DataFrame):
        raise TableError(name, "a curve, or a frame like its table", "Pass `uplift_curve(…)`.")
    own = set(CURVE) <= set(table.columns)
    missing_columns(name, (*NEEDED, *(() if own else ("uplift_se",))), table.columns)
    if table.empty:
        raise TableError(name, "the curve has cells", "Estimate it first.")
    known = ["share", "n_control", "n_treated", "uplift", *(CURVE if own else ["uplift_se"])]
    _finite(name, table[known].to_numpy(float))
    edges = np.concatenate([[0.0], table["share"].to_numpy(float)])
    if (np.diff(edges) <= 0).any() or not np.isclose(edges[-1], 1.0):
        raise TableError(name, "shares rise to 1", "Sort from the highest score down.", "share")
    n = float(table["n_control"].sum() + table["n_treated"].sum())
    uplift, shares = table["uplift"].to_numpy(float), np.diff(edges)
    errors = np.full(len(uplift), np.nan)
    if "uplift_se" in table.columns:
        errors = table["uplift_se"].to_numpy(float)
    prefix = (
        _prefix_of_curve(table, edges, n) if own else _prefix_of_cells(shares, uplift, errors, n)
    )
    scores = table["score"].to_numpy(float)
    return Cells((arm,), scores, shares, uplift[:, None], errors[:, None], n, prefix)


def _finite(name: str, numbers: Floats) -> None:
    if rows := int((~np.isfinite(numbers)).any(axis=1).sum()):
        rule = "cells have an effect with its error"
        raise TableError(name, rule, "Take fewer and larger cells, with `bins`.", rows=rows)


def _gain(shares: Floats, uplift: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(shares * uplift)])


def _prefix_of_curve(table: pd.DataFrame, edges: Floats, n: float) -> Prefix:
    """Read variances off the standard errors of gain and TOC, which know of clusters.

    With A = G·[U ≤ u], the influence on TOC(u) is ``(A − Γ/u·[U ≤ u])/u − G``, so that its
    variance, and those of A and G, leave the covariance of A and G as the only unknown.
    """
    gain = _gain(np.diff(edges), table["uplift"].to_numpy(float))
    of_gain, of_toc = (table[name].to_numpy(float) ** 2 for name in CURVE)
    u, here = edges[1:], gain[1:]
    above = of_gain - here**2 * (1 - u) / u / n
    covariance = (
        u / 2 * (above / u**2 + of_gain[-1] - of_toc) + here / u * (here - u * gain[-1]) / n
    )
    return Prefix(gain, np.append(0.0, of_gain), np.append(0.0, covariance))


def _prefix_of_cells(shares: Floats, uplift: Floats, errors: Floats, n: float) -> Prefix:
    """Add up the second moments of G, cell by cell."""
    gain = _gain(shares, uplift)
    squares = np.cumsum(shares * (shares * n * errors**2 + uplift**2))
    squares = np.concatenate([[0.0], squares])
    return Prefix(gain, (squares - gain**2) / n, (squares - gain * gain[-1]) / n)


def together(parts: Sequence[Cells]) -> Cells:
    """Lay the cells of several arms over each other: cut wherever one of them is cut.

    A rank is the same customers in every arm, as long as the score is the same.
    """
    for part in parts:
        _finite("curve", part.errors)
    first = parts[0]
    same = all(
        len(part.scores) == len(first.scores)
        and np.allclose(part.scores, first.scores, equal_nan=True)
        for part in parts
    )
    if same:
        shares = sum((part.shares * part.n for part in parts), np.zeros_like(first.shares))
        index = [np.arange(len(first.scores))] * len(parts)
        shares = shares / shares.sum()
    else:
        edges = np.unique(np.round(np.concatenate([part.edges for part in parts]), 12))
        shares, middles = np.diff(edges), (edges[1:] + edges[:-1]) / 2
        index = [np.searchsorted(part.edges[1:-1], middles, side="right") for part in parts]
    pieces = [  # a piece of a cell rests on that part of its customers
        np.maximum(part.shares[rows] / shares, 1.0) for part, rows in zip(parts, index, strict=True)
    ]
    return Cells(
        tuple(arm for part in parts for arm in part.arms),
        first.scores[index[0]],
        shares,
        np.column_stack([part.uplift[rows, 0] for part, rows in zip(parts, index, strict=True)]),
        np.column_stack(
            [
                part.errors[rows, 0] * np.sqrt(more)
                for part, rows, more in zip(parts, index, pieces, strict=True)
            ]
        ),
        min(part.n for part in parts),
    )


def smoothed(cells: Cells) -> Floats:
    """Effects that never rise with falling score: the slopes of the concave hull of the gain."""
    from scipy.optimize import isotonic_regression

    found = isotonic_regression(cells.uplift[:, 0], weights=cells.shares, increasing=False)
    return np.asarray(found.x, dtype=float)[:, None]


def carried(treated: Floats, cells: Cells, fresh: Cells) -> Floats:
    """Treat the same ranks in fresh cells, or the same cells if their scores are the same."""
    same = len(cells.scores) == len(fresh.scores)
    if same and np.allclose(cells.scores, fresh.scores, equal_nan=True):
        return treated
    low = np.maximum.outer(fresh.edges[:-1], cells.edges[:-1])
    high = np.minimum.outer(fresh.edges[1:], cells.edges[1:])
    overlap = np.maximum(high - low, 0.0) / fresh.shares[:, None]
    return np.asarray(overlap @ treated, dtype=float)


def ranked(incomes: Floats, costs: Floats) -> list[Step]:
    """Return one step a cell, from the highest score down, of a single arm."""
    return [Step(cell, -1, 0, float(costs[0]), float(row[0])) for cell, row in enumerate(incomes)]


def path(incomes: Floats, costs: Floats) -> list[Step]:
    """Return the steps of spending, those with the most income per yuan first.

    Within a cell the steps are those of the upper hull of income over cost, beginning at nothing.

    Parameters
    ----------
    incomes : array (K, A)
        Yuan per customer of cell and arm.
    costs : array (A,)

    References
    ----------
    Sverdrup, Wu, Athey & Wager (2025), Qini curves for multi-armed treatment rules, JCGS 34;
    Kellerer, Pferschy & Pisinger (2004), Knapsack Problems, chapter 11.
    """
    steps = [step for cell, row in enumerate(incomes) for step in _hull(cell, row, costs)]
    return sorted(steps, key=lambda step: -_efficiency(step))


def _efficiency(step: Step) -> float:
    return step.income / step.cost if step.cost > 0 else np.inf


def _hull(cell: int, incomes: Floats, costs: Floats) -> list[Step]:
    corners = [(0.0, 0.0, -1)]
    for arm in np.lexsort((-incomes, costs)):
        cost, income = float(costs[arm]), float(incomes[arm])
        if income <= corners[-1][1]:
            continue
        while len(corners) > 1 and _below(corners[-2], corners[-1], (cost, income)):
            corners.pop()
        corners.append((cost, income, int(arm)))
    return [Step(cell, a[2], b[2], b[0] - a[0], b[1] - a[1]) for a, b in pairwise(corners)]


def _below(
    one: tuple[float, float, int], middle: tuple[float, float, int], last: tuple[float, float]
) -> bool:
    """Whether the middle corner lies on or below the line from the first to the last."""
    rise = (middle[1] - one[1]) * (last[0] - one[0])
    return rise <= (last[1] - one[1]) * (middle[0] - one[0])
