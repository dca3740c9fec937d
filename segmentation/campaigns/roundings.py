"""Whole numbers of units to each arm, as near the shares as they can be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["levelled", "rounded"]

GRID = 1_000_000_000
"""Parts of a unit that are told apart."""

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def levelled(earlier: Floats, new: Floats, shares: Floats) -> Floats:
    """How many of the new units each arm should get, so that earlier and new follow the shares.

    In each stratum arm k gets ``max(0, λ·shareₖ − earlierₖ)``, with λ so that the new are used up:
    where earlier units are too many in an arm it gets none, and the others share what there is.

    Parameters
    ----------
    earlier : array (strata, arms)
    new : array (strata,)
    shares : array (arms,)
        Above 0.

    Returns
    -------
    array (strata, arms)

    Examples
    --------
    >>> levelled(np.array([[6.0, 0.0, 1.0]]), np.array([5.0]), np.full(3, 1 / 3)).round(9).tolist()
    [[0.0, 3.0, 2.0]]
    """
    order = np.argsort(earlier / shares, axis=1, kind="stable")
    have = np.take_along_axis(earlier, order, axis=1)
    part = shares[order]
    # The level at which the first k + 1 arms, those furthest behind, use the new units up.
    levels = (new[:, None] + have.cumsum(axis=1)) / part.cumsum(axis=1)
    level = levels.min(axis=1, keepdims=True)
    wanted: Floats = np.maximum(level * shares - earlier, 0.0)
    return wanted


def rounded(table: Floats, rng: np.random.Generator) -> Counts:
    """Round a table (strata × arms) whose rows are whole, so that rows and columns stay right.

    Each cell and each total of a column is rounded down or up, each row keeps its total, and the
    expected value of a rounded cell is the cell: no arm gains from the rounding. Fractions are
    moved around cycles of cells, up or down by chance, until none are left.

    Raises
    ------
    ValueError
        If a row does not add up to a whole number.

    References
    ----------
    Cox (1987), A constructive procedure for unbiased controlled rounding, JASA 82.

    Examples
    --------
    >>> rounded(np.array([[1.5, 1.5], [0.5, 0.5]]), np.random.default_rng(0)).sum(axis=0).tolist()
    [2, 2]
    """
    totals = np.rint(table.sum(axis=1)).astype(np.int64)
    if not np.allclose(table.sum(axis=1), totals, rtol=1e-9, atol=1e-6):
        raise ValueError("table: a row adds up to a whole number")
    cells = np.rint(table * GRID).astype(np.int64)
    largest = cells.argmax(axis=1)
    cells[np.arange(len(cells)), largest] += totals * GRID - cells.sum(axis=1)
    # A last row takes up what the columns lack of whole numbers.
    cells = np.vstack([cells, -cells.sum(axis=0) % GRID])
    whole, parts = np.divmod(cells, GRID)
    _move(parts, rng)
    counts: Counts = whole[:-1] + parts[:-1] // GRID
    return counts


def _move(parts: Counts, rng: np.random.Generator) -> None:
    """Move fractions around cycles, in place, until every cell is 0 or one."""
    across: list[dict[int, None]] = [dict.fromkeys(np.flatnonzero(row).tolist()) for row in parts]
    down: list[dict[int, None]] = [
        dict.fromkeys(np.flatnonzero(column).tolist()) for column in parts.T
    ]
    for start in range(len(across)):
        while across[start]:
            cycle = _cycle(start, across, down)
            up, back = cycle[::2], cycle[1::2]
            rise = min(min(GRID - parts[c] for c in up), min(parts[c] for c in back))
            fall = min(min(parts[c] for c in up), min(GRID - parts[c] for c in back))
            step = rise if rng.integers(rise + fall) < fall else -fall
            for cell in up:
                parts[cell] += step
            for cell in back:
                parts[cell] -= step
            for row, column in cycle:
                if parts[row, column] in (0, GRID):
                    del across[row][column], down[column][row]


def _cycle(
    start: int, across: list[dict[int, None]], down: list[dict[int, None]]
) -> list[tuple[int, int]]:
    """Cells of a cycle, turning at each between its row and its column.

    Sums of rows and columns are whole, so that a fraction is never alone in either.
    """
    row, column = start, next(iter(across[start]))
    cells, rows, columns = [(row, column)], {row: 0}, {column: 0}
    while True:
        row = next(other for other in down[column] if other != row)
        cells.append((row, column))
        if row in rows:
            return cells[rows[row] :]
        rows[row] = len(cells)
        column = next(other for other in across[row] if other != column)
        cells.append((row, column))
        if column in columns:
            return cells[columns[column] + 1 :]
        columns[column] = len(cells) - 1
