"""What the margins of a cross-table give away of a cell that is not shown.

A reader knows every row and column total and every visible cell, so each line's hidden cells have a
known sum. Take rows and columns as nodes and each hidden cell as an edge. Whatever else fits the
margins differs from the truth by cycles that add to one hidden cell and take from the next; a cell
can be lowered no further than to zero. How far a hidden cell can move is therefore a maximum flow
between its column and its row, and a flow that is too small names a cut: cells of which at least
some more must be hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cell", "Cut", "Margins"]

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]
Cell = tuple[int, int]

UNITS = 1_000
"""A movement is measured in thousandths of what is asked for, rounded down."""
FINE = 1_000
"""Parts of a unit, for the fractional solutions on the way to a whole one."""


@dataclass(frozen=True)
class Cut:
    """`weights`, summed over the hidden cells, must come to at least `least`."""

    weights: Floats
    least: float


@dataclass(frozen=True)
class Margins:
    """A cross-table whose margins are published.

    Attributes
    ----------
    values : array of rows by columns, not negative
        Infinite where a cell is never shown whatever happens.
    reach : array of the same shape
        How far apart the least and the greatest value that fit the margins must be, should the
        cell be sensitive. A reach up to the smallest positive value asks only that they differ.
    """

    values: Floats
    reach: Floats

    @cached_property
    def _steps(self) -> dict[float, NDArray[np.int64]]:
        """For each reach, how many units a cell can be lowered by."""
        return {
            reach: np.floor(np.minimum(self.values / reach, 1) * UNITS + 1e-6).astype(np.int64)
            for reach in np.unique(self.reach)
        }

    def _flow(self, share: Floats, reach: float, cell: Cell, up: bool) -> tuple[float, Truths]:
        """Return how far `cell` can move and the nodes on the near side of the tightest cut.

        `share` is 1 for a hidden cell, 0 for a visible one. Nodes are rows, then columns.
        """
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order, maximum_flow

        rows, columns = self.values.shape
        row, column = cell
        size = rows + columns
        source, sink = (rows + column, row) if up else (row, rows + column)
        arcs = np.zeros((size + 1, size + 1), dtype=np.int32)
        arcs[:rows, rows:size] = np.rint(share * (UNITS * FINE))
        arcs[rows:size, :rows] = np.rint(share * self._steps[reach] * FINE).T
        arcs[row, rows + column] = arcs[rows + column, row] = 0
        arcs[size, source] = UNITS * FINE
        found: Any = maximum_flow(csr_array(arcs), size, sink)
        left = csr_array(arcs - found.flow.toarray())
        left.eliminate_zeros()
        near = np.zeros(size + 1, dtype=bool)
        near[breadth_first_order(left, size, return_predecessors=False)] = True
        near[source] = True
        return found.flow_value / FINE, near[:size]

    def _crossing(self, near: Truths, reach: float) -> Floats:
        """Return what each cell, if hidden, adds to the capacity out of the nodes `near`."""
        rows = self.values.shape[0]
        row, column = near[:rows, None], near[None, rows:]
        weights = np.where(column & ~row, self._steps[reach], 0)
        return np.where(row & ~column, UNITS, weights).astype(float)

    def cuts(self, share: Floats, cell: Cell) -> list[Cut]:
        """Return what `share` breaks of what protecting `cell` takes, nothing if it is protected.

        Parameters
        ----------
        share : array of rows by columns
            1 for a hidden cell, 0 for a visible one; between them in a relaxation.
        cell : row and column number
        """
        reach = float(self.reach[cell])
        own = int(self._steps[reach][cell])
        rise, above = self._flow(share, reach, cell, up=True)
        if rise >= UNITS - 1e-3:
            return []
        fall, below = self._flow(share, reach, cell, up=False)
        if rise + min(own, fall) >= UNITS - 1e-3:
            return []
        sides = [(above, below), (above, ~above), (~below, below)]
        pairs = [(self._crossing(a, reach), self._crossing(b, reach)) for a, b in sides]
        tried = [Cut(a + b, UNITS) for a, b in pairs]
        if own < UNITS:
            tried.append(Cut(self._crossing(above, reach), UNITS - own))
        broken = []
        for cut in tried:
            weights = np.minimum(cut.weights, cut.least)
            weights[cell] = 0
            if float((weights * share).sum()) < cut.least - 1e-3:
                broken.append(Cut(weights, cut.least))
        return broken

    def protected(self, hidden: Truths, cell: Cell) -> bool:
        """Return whether `cell` keeps its reach when the cells `hidden` are not shown."""
        return not self.cuts(hidden.astype(float), cell)
