"""Where to cut scores into narrow cells, so that each holds few customers and no tie is split."""

from __future__ import annotations

from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from segmentation.campaigns.scores import Floats

__all__ = ["Piece", "cell_number", "pieces"]

PIECES = 48
"""At most, besides those of ties: each costs the engine comparisons."""
UNEVEN = 2.5
"""Times that two customers may share a cell more often than if all cells had equal counts."""
TIES = 32
"""So many of the most frequent scores have a cell of their own,"""
FREQUENT = 1 / 512
"""which have this share of the customers at least."""
TOP = 15 / 16
"""Above this rank cells are finer: there AUTOC weighs most."""
BEYOND = 1 / 16
"""Cells reach farther than the scores that are known, by so much of the outermost pieces."""
POINTS = 64
"""A cell of which only the ends are known counts as so many scores between them."""


class Piece(NamedTuple):
    """Scores from `start` on: cell ``first + floor((score − start)·scale)``.

    A scale of 0 makes one cell of all.
    """

    start: float
    scale: float
    first: int
    last: int


def pieces(lows: Floats, highs: Floats, counts: Floats, cells: int, most: float) -> list[Piece]:
    """Cut the line of scores into pieces, each of equally wide cells.

    The piece with the most uneven counts is halved, until customers are spread well enough.

    Parameters
    ----------
    lows, highs, counts : array
        What is known of the scores: so many lie between low and high.
    cells : int
        Cells in all, about.
    most : float
        Share of the customers that a cell may have.

    Notes
    -----
    A frequent score v has a piece to itself, from v to the next larger float. What lies below or
    above all that is known has a cell at either end.
    """
    if not len(lows):
        return [Piece(-np.inf, 0.0, 0, 0)]
    total = counts.sum()
    scores, held = _points(lows, highs, counts, most * total)
    ties = _ties(lows[lows == highs], counts[lows == highs], total)
    fixed = np.unique([*ties, *np.nextafter(ties, np.inf)])
    rest = ~np.isin(scores, ties)
    if not rest.any():
        return _cut(fixed, ties, cells)
    scores, held = scores[rest], held[rest]
    starts = np.unique([scores[0], _median(scores, held, TOP), scores[-1]])
    while True:
        cut = _cut(np.unique([*_reaching(starts), *fixed]), ties, cells)
        middle = _split(cut, scores, held, UNEVEN / cells, most * total)
        if middle is None or len(starts) > PIECES or middle in starts or middle == np.inf:
            return cut
        starts = np.sort(np.append(starts, middle))


def _points(lows: Floats, highs: Floats, counts: Floats, large: float) -> tuple[Floats, Floats]:
    """Scores in order and how many have each; large cells are spread over their width."""
    wide = (lows < highs) & (counts > large / POINTS)
    steps = (np.arange(POINTS) + 0.5) / POINTS
    spread = lows[wide, None] * (1 - steps) + highs[wide, None] * steps
    middle = lows[~wide] / 2 + highs[~wide] / 2
    scores = np.concatenate([middle, spread.ravel()])
    held = np.concatenate([counts[~wide], np.repeat(counts[wide] / POINTS, POINTS)])
    order = np.argsort(scores, kind="stable")
    return scores[order], held[order]


def _ties(values: Floats, counts: Floats, total: float) -> Floats:
    unique, inverse = np.unique(values, return_inverse=True)
    held = np.bincount(inverse, weights=counts, minlength=len(unique))
    often = np.argsort(-held, kind="stable")[:TIES]
    return np.asarray(np.sort(unique[often][held[often] >= FREQUENT * total]))


def _median(scores: Floats, held: Floats, rank: float = 0.5) -> float:
    ends = np.cumsum(held)
    return float(scores[min(int(np.searchsorted(ends, rank * ends[-1])), len(scores) - 1)])


def _reaching(starts: Floats) -> Floats:
    """Let the outermost pieces reach farther."""
    wider = starts.copy()
    if len(starts) > 1:
        wider[0] -= BEYOND * (starts[1] - starts[0])
        wider[-1] += BEYOND * (starts[-1] - starts[-2])
    wider[-1] = np.nextafter(wider[-1], np.inf)
    return wider


def _cut(starts: Floats, ties: Floats, cells: int) -> list[Piece]:
    alone = set(ties.tolist())
    each = max(cells // max(len(starts) - len(ties) - 1, 1), 1)
    found, first = [Piece(-np.inf, 0.0, 0, 0)], 1
    ends = np.append(starts, np.inf)[1:]
    for start, end in zip(starts, ends, strict=True):
        with np.errstate(over="ignore", divide="ignore"):
            scale = each / (end - start)
        single = start in alone or not 0 < scale < np.inf
        last = first + (0 if single else each - 1)
        found.append(Piece(float(start), 0.0 if single else float(scale), first, last))
        first = last + 1
    return found


def _split(
    cut: list[Piece], scores: Floats, held: Floats, uneven: float, large: float
) -> float | None:
    """Median of the piece that is most uneven; None if counts are even enough."""
    starts, scales, firsts, _ = (np.array(part, float) for part in zip(*cut, strict=True))
    piece = np.searchsorted(starts, scores, side="right") - 1
    within = np.where(piece > 0, scores - np.where(piece > 0, starts[piece], 0.0), 0.0)
    place = (firsts[piece] + np.floor(within * scales[piece])).astype(np.int64)
    counts = np.bincount(place, weights=held)
    total = held.sum()
    pairs = counts * np.maximum(counts - 1, 0)  # of customers who share a cell
    if pairs.sum() <= uneven * total * max(total - 1, 1) and counts.max() <= large:
        return None
    pairs = np.where(counts > large, total**2 + pairs, pairs)
    pairs = np.append(pairs, np.zeros(cut[-1].last + 1 - len(pairs)))
    worst = piece == int(np.argmax(np.add.reduceat(pairs, firsts.astype(np.int64))))
    inside = scores[worst]
    middle = _median(inside, held[worst])
    return middle if middle > inside[0] else float(inside[inside > middle].min(initial=np.inf))


def cell_number(score: nw.Expr, cut: list[Piece]) -> nw.Expr:
    """Expression of a score's cell; a higher score is never in a lower one.

    Rounding may put a score just below the end of a piece into the next piece's first cell.
    """
    if len(cut) > 1:
        middle = len(cut) // 2
        below, above = cell_number(score, cut[:middle]), cell_number(score, cut[middle:])
        return nw.when(score < cut[middle].start).then(below).otherwise(above)
    start, scale, first, _ = cut[0]
    if scale == 0:
        return nw.lit(float(first))
    return ((score - start) * scale).floor() + float(first)
