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
from typing import Any, NamedTuple

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
ENOUGH = UNITS - 1 / FINE


class _Flow(NamedTuple):
    """How far a cell can move, the nodes (rows, then columns) before the tightest cut, and the
    cells that move along."""

    units: float
    near: Truths
    moved: Truths


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

    def _flow(self, share: Floats, cell: Cell, up: bool) -> _Flow:
        """Return how far `cell` can move if the cells with a `share` of 1 are hidden."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order, maximum_flow

        rows, columns = self.values.shape
        row, column = cell
        size = rows + columns
        source, sink = (rows + column, row) if up else (row, rows + column)
        open_cells = share > 0
        open_cells[cell] = False
        tails, heads = np.nonzero(open_cells)
        steps = self._steps[float(self.reach[cell])][open_cells]
        room = np.concatenate([share[open_cells] * UNITS, share[open_cells] * steps, [UNITS]])
        begins = np.concatenate([tails, heads + rows, [size]])
        ends = np.concatenate([heads + rows, tails, [source]])
        arcs = csr_array(
            (np.rint(room * FINE).astype(np.int32), (begins, ends)), (size + 1, size + 1)
        )
        found: Any = maximum_flow(arcs, size, sink)
        left = csr_array(arcs - found.flow)
        left.eliminate_zeros()
        near = np.zeros(size + 1, dtype=bool)
        near[breadth_first_order(left, size, return_predecessors=False)] = True
        near[source] = True
        moved = found.flow[:rows, rows:size].toarray() != 0
        return _Flow(found.flow_value / FINE, near[:size], moved)

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
        rise = self._flow(share, cell, up=True)
        if rise.units >= ENOUGH:
            return []
        fall = self._flow(share, cell, up=False)
        if rise.units + min(own, fall.units) >= ENOUGH:
            return []
        above, below = rise.near, fall.near
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

    def cover(self, hidden: Truths, cell: Cell) -> Truths | None:
        """Return those of the cells `hidden` that already protect `cell`, None if all do not."""
        share = hidden.astype(float)
        rise = self._flow(share, cell, up=True)
        if rise.units >= ENOUGH:
            return rise.moved
        fall = self._flow(share, cell, up=False)
        own = int(self._steps[float(self.reach[cell])][cell])
        return rise.moved | fall.moved if rise.units + min(own, fall.units) >= ENOUGH else None

    def protected(self, hidden: Truths, cell: Cell) -> bool:
        """Return whether `cell` keeps its reach when the cells `hidden` are not shown."""
        return self.cover(hidden, cell) is not None
