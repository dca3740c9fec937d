"""Customers of two arms by cells of their score: sums that one scan of any engine gives."""

from __future__ import annotations

from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from segmentation.campaigns.knots import Piece, cell_number, pieces
from segmentation.campaigns.scores import Floats, Scored, finite, no_cluster
from segmentation.data.engines import leave
from segmentation.data.errors import TableError

__all__ = ["HEAD", "Head", "ScoreCells", "falling", "read_head", "scan_cells"]

HEAD = 50_000
"""Rows from whose scores the cells are cut, and whose median outcome is the rough centre."""
SCANS = 5
"""So often at most, where the head of the data says little of the rest (they are sorted)."""

Whole = npt.NDArray[np.int64]


class Head(NamedTuple):
    """Scores of the first complete rows, one array a score, and the median of their outcomes."""

    scores: tuple[Floats, ...]
    centre: float


class ScoreCells(NamedTuple):
    """One row a cell of each score, arm and cluster.

    Attributes
    ----------
    cells : array (R, scores)
        Number of the cell; a higher score is never in a lower one.
    treated, n, sums, squares : array (R,)
        Arm, complete cases, Σ (y − centre) and Σ (y − centre)².
    lows, highs : array (R, scores)
        Lowest and highest score.
    cluster : array (R,) or None
    centre : float
    """

    cells: Whole
    treated: npt.NDArray[np.bool_]
    n: Floats
    sums: Floats
    squares: Floats
    lows: Floats
    highs: Floats
    cluster: Whole | None
    centre: float


def read_head(scored: Scored) -> Head:
    """Read the first rows."""
    table = leave(scored.rows.drop("t").head(HEAD), "pyarrow")
    places = [f"s{place}" for place in range(len(scored.scores))]
    columns = [np.asarray(table.column(name).to_numpy(), float) for name in (*places, "y")]
    values = np.array(columns, float).reshape(len(columns), -1)
    values = values[:, np.isfinite(values).all(axis=0)]
    centre = float(np.median(values[-1])) if values.shape[1] else 0.0
    return Head(tuple(values[:-1]), centre)


def scan_cells(scored: Scored, head: Head, cells: int, most: float) -> ScoreCells:
    """Sum by about so many cells of each score.

    Again with better cells, where one of different scores has more than `most` of the customers.

    Raises
    ------
    TableError
        If a score or an outcome is infinite, or a customer has no cluster.
    """
    known = [(score, score, np.ones(len(score))) for score in head.scores]
    for _ in range(SCANS):
        cuts = [pieces(*part, cells, most) for part in known]
        found = _sums(scored, cuts, head.centre)
        known = [_known(found, place) for place in range(len(cuts))]
        largest = [np.max(n[low < high], initial=0.0) for low, high, n in known]
        if max(largest) <= most * found.n.sum():
            break
    return found


def _known(found: ScoreCells, place: int) -> tuple[Floats, Floats, Floats]:
    """Lowest score, highest score and customers by cell of one score."""
    _, starts, group = np.unique(found.cells[:, place], return_index=True, return_inverse=True)
    lows, highs = found.lows[starts, place], found.highs[starts, place]
    np.minimum.at(lows, group, found.lows[:, place])
    np.maximum.at(highs, group, found.highs[:, place])
    return lows, highs, np.bincount(group, weights=found.n).astype(float)


def _sums(scored: Scored, cuts: list[list[Piece]], centre: float) -> ScoreCells:
    places = range(len(cuts))
    whole = ~nw.col("y").is_null()
    for place in places:
        whole = whole & ~nw.col(f"s{place}").is_null()
    sizes = [cut[-1].last + 1 for cut in cuts]
    cell: nw.Expr = nw.lit(0.0)
    for place, size in zip(places, sizes, strict=True):
        cell = cell * float(size) + cell_number(nw.col(f"s{place}"), cuts[place])
    rows = scored.rows.with_columns(
        (nw.when(whole).then(cell).otherwise(nw.lit(-1.0)) * 2.0 + nw.col("t"))
        .cast(nw.Int64)
        .alias("key"),
        (nw.col("y") - centre).alias("d"),
    ).with_columns((nw.col("d") * nw.col("d")).alias("dd"))
    wanted = [nw.len().alias("n"), nw.col("d").sum(), nw.col("dd").sum()]
    for place in places:
        score = nw.col(f"s{place}")
        wanted += [score.min().alias(f"low{place}"), score.max().alias(f"high{place}")]
    keys = ["key", "c"] if scored.clustered else ["key"]
    return _read(scored, leave(rows.group_by(*keys).agg(*wanted), "pyarrow"), sizes, centre)


def _read(scored: Scored, table: Any, sizes: list[int], centre: float) -> ScoreCells:
    key = np.asarray(table.column("key").to_numpy(), dtype=np.int64)
    cluster = None
    if scored.clustered:
        codes = table.column("c").combine_chunks().dictionary_encode()
        rows = np.asarray(table.column("n").to_numpy())
        if codes.null_count:
            missing = np.asarray(codes.is_null().to_numpy(zero_copy_only=False), dtype=bool)
            raise no_cluster(int(rows[missing].sum()))
        cluster = np.asarray(codes.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    keep = np.flatnonzero(key >= 0)
    keep = keep[np.argsort(key[keep], kind="stable")]

    def column(name: str) -> Floats:
        return np.asarray(table.column(name).to_numpy(), dtype=float)[keep]

    places = range(len(sizes))
    lows = np.column_stack([column(f"low{place}") for place in places])
    highs = np.column_stack([column(f"high{place}") for place in places])
    for place, name in enumerate(scored.scores):
        finite(lows[:, place], name)
        finite(highs[:, place], name)
    sums, squares = column("d"), column("dd")
    if not np.isfinite(squares.sum()):
        raise TableError(
            "data", "numbers are finite", "Find what was divided by 0.", scored.outcome
        )
    cell, cells = key[keep] // 2, np.empty((len(keep), len(sizes)), dtype=np.int64)
    for place in reversed(places):
        cells[:, place] = cell % sizes[place]
        cell = cell // sizes[place]
    codes = None if cluster is None else np.unique(cluster[keep], return_inverse=True)[1]
    treated = key[keep] % 2 == 1
    return ScoreCells(cells, treated, column("n"), sums, squares, lows, highs, codes, centre)


def falling(cells: ScoreCells, place: int) -> tuple[Whole, Whole]:
    """Rows in the order of one score, the highest first; where each of its cells begins there."""
    order = np.argsort(-cells.cells[:, place], kind="stable")
    number = cells.cells[order, place]
    return order, np.flatnonzero(np.append(True, number[1:] != number[:-1]))
