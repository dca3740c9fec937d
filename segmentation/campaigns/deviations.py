"""Outcomes as deviations from the mean of their arm, by customer or summed by cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segmentation.campaigns.bins import ScoreCells
from segmentation.campaigns.scores import Customers, Floats

__all__ = ["Deviations", "Whole", "by_arm", "dot", "of_cells", "of_customers", "slices"]

BLOCK = 65_536
"""Rows that are worked on at a time."""

Whole = npt.NDArray[np.int64]


class Deviations(NamedTuple):
    """Customers, or sums of customers, as deviations from what their arm had on average.

    A customer's is ``g = w/e·(y − m₁) − (1 − w)/(1 − e)·(y − m₀)``, so that ``G = m₁ − m₀ + g``.

    Attributes
    ----------
    treated : array (R,) of bool
    sums : array (R,)
        Σ g of a row.
    n, squares : array (R,) or None
        Customers of a row and Σ g²; None where each row is one customer.
    cluster : array (R,) or None
        Whole numbers from 0.
    counts : (int, int)
        Customers of control and treatment.
    means : (float, float)
        m₀ and m₁.
    share : float
        e, the share of treatment.
    """

    treated: npt.NDArray[np.bool_]
    sums: Floats
    n: Floats | None
    squares: Floats | None
    cluster: Whole | None
    counts: tuple[int, int]
    means: tuple[float, float]
    share: float

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def effect(self) -> float:
        return self.means[1] - self.means[0]

    def take(self, order: Whole) -> Deviations:
        """Rows in another order."""
        return self._replace(
            treated=self.treated[order],
            sums=self.sums[order],
            n=None if self.n is None else self.n[order],
            squares=None if self.squares is None else self.squares[order],
            cluster=None if self.cluster is None else self.cluster[order],
        )

    def totals(self, rows: slice) -> Floats:
        """Of some rows, by arm: customers, Σ g and Σ g²; shape (2, 3)."""
        w, g = self.treated[rows].astype(float), self.sums[rows]
        n = np.ones(len(g)) if self.n is None else self.n[rows]
        squares = g * g if self.squares is None else self.squares[rows]
        return np.array([by_arm(part, w) for part in (n, g, squares)]).T


def dot(one: Floats, other: Floats) -> float:
    """Inner product. BLAS would start threads, which wait for each other on a busy machine."""
    return float(np.einsum("i,i->", one, other))


def by_arm(values: Floats, w: Floats) -> tuple[float, float]:
    """Sums of control and of treatment, where w is 1."""
    return dot(values, 1 - w), dot(values, w)


def slices(rows: int) -> Iterator[slice]:
    """Cut rows into blocks that stay in the processor's cache."""
    for start in range(0, rows, BLOCK):
        yield slice(start, min(start + BLOCK, rows))


def of_customers(customers: Customers, share: float | None) -> Deviations:
    """Take the mean of each arm from customers in memory, whose outcomes become deviations."""
    y, arms = customers.y, customers.treated
    counts = (len(arms) - int(arms.sum()), int(arms.sum()))
    origin, sums = y[0], np.zeros(2)
    for rows in slices(len(y)):
        gap, w = y[rows] - origin, arms[rows].astype(float)
        sums += by_arm(gap, w)
    shifts = sums / counts
    e = counts[1] / sum(counts) if share is None else share
    middles, factors = origin + shifts, np.array([-1 / (1 - e), 1 / e])
    for rows in slices(len(y)):
        w = arms[rows].astype(np.int8)
        y[rows] -= middles[w]
        y[rows] *= factors[w]
    means = (float(middles[0]), float(middles[1]))
    return Deviations(arms, y, None, None, customers.cluster, counts, means, e)


def of_cells(cells: ScoreCells, share: float | None) -> Deviations:
    """Take the mean of each arm from cells."""
    arms, n = cells.treated, cells.n
    counts = (int(n[~arms].sum()), int(n[arms].sum()))
    shifts = [float(cells.sums[arm].sum() / n[arm].sum()) for arm in (~arms, arms)]
    e = counts[1] / sum(counts) if share is None else share
    shift, factor = np.where(arms, shifts[1], shifts[0]), np.where(arms, 1 / e, -1 / (1 - e))
    sums = cells.sums - n * shift
    within = np.maximum(cells.squares - cells.sums**2 / n, 0.0)  # about the cell's own mean
    squares = within + sums**2 / n
    means = (cells.centre + shifts[0], cells.centre + shifts[1])
    return Deviations(arms, sums * factor, n, squares * factor**2, cells.cluster, counts, means, e)
