"""Which further cells to hide so that the margins give no sensitive cell away."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmentation.publish.margins import Cell, Cut, Floats, Margins, Truths

__all__ = ["smallest_pattern"]

EXACT = 800
"""Cells up to which the smallest pattern is searched for; beyond, a good one is taken."""
NODES = 2_000
"""Branches of one search. A limit in seconds would let a report differ between machines."""
ROUNDS = 100


def smallest_pattern(values: Floats, sensitive: Truths, reach: Floats) -> Truths:
    """Return the cells to hide: the sensitive ones and as few others as protect them.

    A sensitive cell is protected if the least and the greatest value that fit the margins, the
    visible cells and non-negativity are at least its reach apart. Among the smallest patterns, the
    one whose further cells have the smallest sum. A further cell that the margins would give away
    protects nothing, so none is in a smallest pattern.

    Parameters
    ----------
    values : array of rows by columns, not negative
    sensitive : array of the same shape
    reach : array of the same shape, positive

    Returns
    -------
    array of bool
        All cells, if nothing less protects each sensitive one or even that does not. Exactly the
        smallest for up to 800 cells unless the search exceeds its limits; otherwise safe, and
        without a cell that could be shown again by itself.

    Notes
    -----
    The search is an integer programme with one variable a cell. It starts without constraints; each
    solution that leaves a cell unprotected breaks a cut, which is added (Fischetti and Salazar
    2001, "Solving the cell suppression problem on tabular data with linear constraints").

    Examples
    --------
    >>> smallest_pattern(
    ...     np.array([[3.0, 50, 60], [40, 70, 80]]), np.eye(2, 3, dtype=bool), np.ones((2, 3))
    ... ).sum()
    np.int64(4)
    """
    if not sensitive.any():
        return sensitive.copy()
    rows, columns = values.shape
    if min(rows, columns) == 1:
        # A single line: its cells are their own totals in the other direction, which are not
        # published. A line of cells that nobody shows leaves only the grand total.
        axis = 1 if columns == 1 else 0
        wide = [np.concatenate([a, b], axis) for a, b in _unshown(values, sensitive, reach, axis)]
        return _pattern(*wide)[:rows, :columns]
    return _pattern(values, sensitive, reach)


def _unshown(values: Floats, sensitive: Truths, reach: Floats, axis: int) -> list[tuple[Any, Any]]:
    shape = (values.shape[0], 1) if axis == 1 else (1, values.shape[1])
    return [
        (values, np.full(shape, np.inf)),
        (sensitive, np.zeros(shape, dtype=bool)),
        (reach, np.full(shape, float(reach.min()))),
    ]


def _pattern(values: Floats, sensitive: Truths, reach: Floats) -> Truths:
    margins = Margins(values, reach)
    fixed = sensitive | np.isinf(values)
    bare = [
        (int(i), int(j)) for i, j in np.argwhere(sensitive) if not margins.protected(fixed, (i, j))
    ]
    if not bare:
        return fixed
    everything = np.ones_like(fixed)
    if not all(margins.protected(everything, cell) for cell in bare):
        return everything
    exact = _fewest(margins, fixed, bare) if values.size <= EXACT else None
    return _short_cycles(margins, fixed, bare) if exact is None else exact


def _fewest(margins: Margins, fixed: Truths, bare: list[Cell]) -> Truths | None:
    """Return the smallest pattern, or None if the limits of the search were met."""
    free = ~fixed
    cuts: list[Cut] = []

    def broken(choice: Floats) -> bool:
        share = fixed.astype(float)
        share[free] = choice
        found = [cut for cell in bare for cut in margins.cuts(share, cell)]
        cuts.extend(found)
        return bool(found)

    def settle(prices: Floats, whole: bool, most: float) -> Floats | None:
        for _ in range(ROUNDS):
            choice = _solve(cuts, fixed, prices, whole, most)
            if choice is None or not broken(choice):
                return choice
        return None

    ones = np.ones(int(free.sum()))
    broken(0 * ones)
    choice = settle(ones, whole=False, most=np.inf)
    choice = None if choice is None else settle(ones, whole=True, most=np.inf)
    # The second search holds the number and lowers the sum.
    prices = margins.values[free] / max(1.0, margins.values[free].max() / 1e6)
    choice = None if choice is None else settle(prices, True, choice.sum())
    if choice is None:
        return None
    hidden = fixed.copy()
    hidden[free] = choice > 0.5
    return hidden


def _solve(
    cuts: list[Cut], fixed: Truths, prices: Floats, whole: bool, most: float
) -> Floats | None:
    """Minimise the prices of at most `most` further cells under the cuts."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    free = ~fixed
    least = np.array([cut.least - cut.weights[fixed].sum() for cut in cuts])
    rows = np.array([cut.weights[free] for cut in cuts])
    rows = np.minimum(rows, least[:, None]) / least[:, None]
    limits = [LinearConstraint(rows, 1, np.inf)]
    if np.isfinite(most):
        limits.append(LinearConstraint(np.ones((1, len(prices))), 0, most))
    result = milp(
        prices,
        integrality=np.full(len(prices), int(whole)),
        bounds=Bounds(0, 1),
        constraints=limits,
        options={"mip_rel_gap": 0, "node_limit": NODES},
    )
    if result.status != 0:
        return None
    found: Floats = np.clip(np.rint(result.x) if whole else result.x, 0, 1)
    return found


def _short_cycles(margins: Margins, fixed: Truths, bare: list[Cell]) -> Truths:
    """Hide rectangles of four cells around each sensitive cell, then show what is not needed."""
    values, hidden = margins.values, fixed.copy()
    for row, column in sorted(bare, key=lambda cell: values[cell]):
        reach = margins.reach[row, column]
        while not margins.protected(hidden, (row, column)):
            corner = _corner(values, hidden, (row, column), float(reach))
            if corner is None:
                return np.ones_like(fixed)
            hidden[[corner[0], corner[0], row], [corner[1], column, corner[1]]] = True
    return _without_surplus(margins, fixed, hidden, bare)


def _corner(values: Floats, hidden: Truths, cell: Cell, reach: float) -> Cell | None:
    """Choose the corner opposite `cell` of the rectangle that protects it at the least cost."""
    row, column = cell
    fresh = ~hidden
    new = fresh + fresh[row][None, :] + fresh[:, [column]].astype(int)
    cost = np.where(fresh, values, 0) + np.where(fresh[row], values[row], 0)[None, :]
    cost = cost + np.where(fresh[:, [column]], values[:, [column]], 0)
    gain = np.minimum(values[row][None, :], values[:, [column]]) + np.minimum(values, values[cell])
    allowed = new > 0
    allowed[row], allowed[:, column] = False, False
    allowed &= gain > 0
    if not allowed.any():
        return None
    # First whatever reaches far enough alone, then the number of cells, then their sum.
    order = np.lexsort((cost[allowed], new[allowed], -np.minimum(gain[allowed], reach)))
    found = np.argwhere(allowed)[order[0]]
    return int(found[0]), int(found[1])


def _without_surplus(margins: Margins, fixed: Truths, hidden: Truths, bare: list[Cell]) -> Truths:
    """Show each further cell again, the largest first, that no sensitive cell needs."""
    covers = {cell: margins.cover(hidden, cell) for cell in bare}
    extra = np.argwhere(hidden & ~fixed)
    for row, column in extra[np.argsort(-margins.values[tuple(extra.T)], kind="stable")]:
        hidden[row, column] = False
        # A cell whose cover does not hold this one is as protected as it was.
        fresh = {}
        for cell, cover in covers.items():
            if cover is None or not cover[row, column]:
                continue
            fresh[cell] = margins.cover(hidden, cell)
            if fresh[cell] is None:
                hidden[row, column] = True
                break
        else:
            covers.update(fresh)
    return hidden
