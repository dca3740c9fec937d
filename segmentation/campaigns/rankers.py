"""Customers in the order of a score, from the engine's cells or from memory."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segmentation.campaigns.bins import HEAD, ScoreCells, falling, read_head, scan_cells
from segmentation.campaigns.deviations import Deviations, Whole, of_cells, of_customers
from segmentation.campaigns.rankings import Ranks
from segmentation.campaigns.scores import Customers, Floats, Scored, collect_customers
from segmentation.data.errors import TableError

__all__ = [
    "Ranked",
    "binning_losses",
    "first_of_each",
    "in_memory",
    "ranked_cells",
    "ranked_customers",
    "two_each",
]

FEW = 1000
"""Scores, if no more of them are in the head of the data, are counted in the engine."""
FINER = 32
"""Cells a bin that was asked for: to tell more scores apart costs next to nothing."""


class Ranked(NamedTuple):
    """Deviations in the order of a score, their ranks, the lowest score of each rank.

    `losses` are what binning changes at most in QINI and in AUTOC, and the largest share of
    customers whose different scores are taken for one.
    """

    rows: Deviations
    ranks: Ranks
    scores: Floats
    losses: tuple[float, float, float]


def ranked_customers(scored: Scored, share: float | None, bins: int | None) -> Ranked:
    """Rank from cells that the engine sums, or from customers in memory."""
    if bins is not None:
        cells = scan_cells(scored, read_head(scored), FINER * bins, 1 / bins)
        return ranked_cells(cells, share)
    if scored.control_rows + scored.treated_rows > HEAD:
        head = read_head(scored)
        if 0 < len(np.unique(head.scores[0])) <= FEW:
            found = ranked_cells(scan_cells(scored, head, FINER * FEW, 1 / FEW), share)
            if found.losses[2] == 0:  # no cell holds different scores
                return found
    return in_memory(collect_customers(scored), share)


def in_memory(customers: Customers, share: float | None) -> Ranked:
    """Rank customers by their first score."""
    two_each(customers.treated, None)
    customers, starts, scores = _in_order(customers)
    rows = of_customers(customers, share)
    return Ranked(rows, Ranks(rows.sums, None, starts), scores, (0.0, 0.0, 0.0))


def _in_order(customers: Customers) -> tuple[Customers, Whole | None, Floats]:
    """Customers by their score, the highest first; first of each score, and the scores."""
    order = np.argsort(customers.scores[0])[::-1]
    score = customers.scores[0][order]
    cluster = None if customers.cluster is None else customers.cluster[order]
    customers = Customers((), customers.y[order], customers.treated[order], cluster)
    del order
    starts = first_of_each(score)
    return customers, starts, score if starts is None else score[starts]


def first_of_each(ordered: Floats) -> Whole | None:
    """First row of each value of what is in order; None if all differ."""
    new = ordered[1:] != ordered[:-1]
    return None if new.all() else np.flatnonzero(np.append(True, new))


def ranked_cells(cells: ScoreCells, share: float | None) -> Ranked:
    """Rank sums by cell of their first score."""
    two_each(cells.treated, cells.n)
    order, starts = falling(cells, 0)
    rows = of_cells(cells, share).take(order)
    ranked = Ranks(rows.sums, rows.n, starts)
    low = np.minimum.reduceat(cells.lows[order, 0], starts)
    mixed = low < np.maximum.reduceat(cells.highs[order, 0], starts)
    return Ranked(rows, ranked, low, binning_losses(rows, starts, mixed))


def binning_losses(
    rows: Deviations, starts: Whole, mixed: npt.NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Bounds of what groups of different scores change, and the largest such group's share.

    In a group that takes up the ranks a to b the exact curve adds ``Σ (g − ḡ)(h − h̄)/N``, which is
    at most ``√(Σ(g − ḡ)²·Σ(h − h̄)²)/N`` by Cauchy and Schwarz. Per customer h = −u varies by
    (b − a)²/12, and −ln u by at most 1 and at most (b − a)²/(12ab).
    """
    assert rows.n is not None
    assert rows.squares is not None
    total = rows.total
    n, sums, squares = (np.add.reduceat(x, starts) for x in (rows.n, rows.sums, rows.squares))
    apart = np.sqrt(np.maximum(squares - sums**2 / n, 0.0) * n) / total
    apart = np.where(mixed, apart, 0.0)
    b = np.cumsum(n) / total
    a = b - n / total
    with np.errstate(divide="ignore"):
        logs = np.minimum(1.0, (b - a) ** 2 / (12 * np.maximum(a, 0.0) * b))
    largest = float(np.max(n[mixed], initial=0.0) / total)
    return float(apart @ (b - a)) / math.sqrt(12), float(apart @ np.sqrt(logs)), largest


def two_each(treated: npt.NDArray[np.bool_], n: Floats | None) -> None:
    """Raise if an arm has fewer than two complete cases."""
    for arm in (treated, ~treated):
        if (arm.sum() if n is None else n[arm].sum()) < 2:
            raise TableError(
                "data",
                "each arm has at least two customers with score and outcome",
                "Fill what is missing, or compare other arms.",
            )
