"""Where to cut scores into narrow cells, so that each holds few customers and no tie is split."""

from __future__ import annotations

from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from segmentation.campaigns.scores import Floats

__all__ = ["Piece", "cell_number", "pieces"]

PARTS = (1, 2, 4, 8, 16, 32)
"""So many pieces of equal counts are tried: each costs the engine a comparison."""
UNEVEN = 4.0
"""Times that two customers may share a cell more often than if all cells had equal counts."""
TIES = 32
"""So many of the most frequent scores have a cell of their own,"""
FREQUENT = 1 / 512
"""which have this share of the customers at least."""
TOP = 15 / 16
"""Above this rank cells are finer: there AUTOC weighs most."""
BEYOND = 1 / 16
"""Cells reach so much farther than the scores that are known."""


class Piece(NamedTuple):
    """Scores from `start` on: cell ``first + floor((score − start)·scale)``, up to `last`.

    A scale of 0 makes one cell of all.
    """

    start: float
    scale: float
    first: int
    last: int


def pieces(lows: Floats, highs: Floats, counts: Floats, cells: int) -> list[Piece]:
    """Cut the line of scores into pieces, each of equal cells, as few as keep counts even.

    Parameters
    ----------
    lows, highs, counts : array
        What is known of the scores: so many lie between low and high.
    cells : int
        Cells in all, about.

    Notes
    -----
    A frequent score v has a piece to itself, from v to the next larger float. What lies below or
    above all that is known has a cell at either end.
    """
    if not len(lows):
        return [Piece(-np.inf, 0.0, 0, 0)]
    order = np.lexsort((highs, lows))
    lows, highs, counts = lows[order], highs[order], counts[order]
    ties = _ties(lows[lows == highs], counts[lows == highs], counts.sum())
    reach = np.nextafter(ties, np.inf)
    rest = ~((lows == highs) & np.isin(lows, ties))
    cut = _cut(np.unique([*ties, *reach]), ties, cells)
    if not rest.any():
        return cut
    lows, highs, counts = lows[rest], highs[rest], counts[rest]
    for parts in PARTS:
        starts = _quantiles(lows, highs, counts, parts)
        starts[0] -= BEYOND * (starts[-1] - starts[0])
        starts[-1] += BEYOND * (starts[-1] - starts[0])
        starts[-1] = np.nextafter(starts[-1], np.inf)
        cut = _cut(np.unique([*starts, *ties, *reach]), ties, cells)
        if _evenness(cut, (lows + highs) / 2, counts) <= UNEVEN / cells:
            break
    return cut


def _quantiles(lows: Floats, highs: Floats, counts: Floats, parts: int) -> Floats:
    ends = np.cumsum(counts)
    wanted = np.unique(np.append(np.linspace(0, 1, parts + 1), TOP)) * ends[-1]
    at = np.minimum(np.searchsorted(ends, wanted), len(ends) - 1)
    part = np.clip((wanted - (ends - counts)[at]) / counts[at], 0.0, 1.0)
    starts = lows[at] + part * (highs - lows)[at]
    starts[0], starts[-1] = lows.min(), highs.max()
    return np.asarray(starts)


def _ties(values: Floats, counts: Floats, total: float) -> Floats:
    unique, inverse = np.unique(values, return_inverse=True)
    held = np.bincount(inverse, weights=counts, minlength=len(unique))
    often = np.argsort(-held, kind="stable")[:TIES]
    return np.asarray(np.sort(unique[often][held[often] >= FREQUENT * total]))


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


def _evenness(cut: list[Piece], scores: Floats, counts: Floats) -> float:
    """Chance that two customers share a cell."""
    place = _place(cut, scores)
    held = np.bincount(place, weights=counts)
    total = held.sum()
    return float((held * np.maximum(held - 1, 0)).sum() / max(total * (total - 1), 1))


def _place(cut: list[Piece], scores: Floats) -> npt.NDArray[np.int64]:
    starts, scales, firsts, _ = (np.array(part) for part in zip(*cut, strict=True))
    piece = np.searchsorted(starts, scores, side="right") - 1
    within = np.where(piece > 0, scores - np.where(piece > 0, starts[piece], 0.0), 0.0)
    return np.asarray(firsts[piece] + np.floor(within * scales[piece]), dtype=np.int64)


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
