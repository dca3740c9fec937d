"""Scores compared in pairs: does one rank the customers better than another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.campaigns.bins import falling, read_head, scan_cells
from segmentation.campaigns.deviations import Deviations, Whole, of_cells, of_customers, slices
from segmentation.campaigns.estimates import critical_value
from segmentation.campaigns.inferences import check_arguments, inference
from segmentation.campaigns.rankers import binning_losses, first_of_each, two_each
from segmentation.campaigns.rankings import MEASURES, Influence, Ranks, Weighted, spread
from segmentation.campaigns.scores import Floats, Scored, collect_customers, enter_scores

__all__ = ["compare_curves"]

COLUMNS = (
    *("measure", "score", "other", "estimate", "se", "low", "high", "p", "adjusted_p"),
    *("loss", "n_control", "n_treated"),
)
COARSER = 8
"""Times that a cell of different scores may be larger than all on average, before a new scan."""


class Order(NamedTuple):
    """Rows in the order of one score, the highest first, and the first of each score."""

    rows: Whole
    starts: Whole | None


class Weights(NamedTuple):
    """An estimate, and the parts of ``ψ = g·weight + shift`` of each row."""

    value: float
    weight: Floats
    shift: Floats


def compare_curves(
    data: Any,
    scores: Sequence[str],
    outcome: str,
    arm: str,
    control: Any,
    treated: Any = None,
    share: float | None = None,
    cluster: str | None = None,
    bins: int | None = None,
    alpha: float = 0.05,
    known_share: bool = True,
    against: str | None = None,
) -> pd.DataFrame:
    """Compare how well scores rank the same customers, in pairs.

    ``QINI(score) − QINI(other)`` and the same for AUTOC, with the standard error of the paired
    difference: the influence of a customer on it is that on the one minus that on the other. Scores
    that rank alike differ by little, and that little is known well.

    Parameters
    ----------
    data, outcome, arm, control, treated, share, cluster, alpha, known_share
        As for `uplift_curve`. Only customers with all scores and the outcome count.
    scores : sequence of str
        Two columns or more, all of them held out.
    bins : int, optional
        By default exact: all columns come into memory, some 50 bytes a customer and 32 a score.
        With `bins`, one scan of the engine a pair, by about so many cells of each of the two
        scores; 200 give 80,000 rows.
    against : str, optional
        Compare the others with this score only, such as the one in use.

    Returns
    -------
    DataFrame
        Columns ``measure score other estimate se low high p adjusted_p loss n_control n_treated``,
        one row a measure (qini, autoc) and pair. `adjusted_p` is Holm's over the pairs of a
        measure; `loss` is by how much at most binning changes the estimate. Two scores that rank
        alike have an estimate of 0, and no standard error.

    Raises
    ------
    TableError
        As `uplift_curve` does.
    ValueError
        If there are fewer than two scores, one is there twice, or `against` is none of them.

    Notes
    -----
    **The best of many scores looks good by chance.** If 100 scores know nothing, the best QINI of
    them is "significant" nearly always. So choose on one half of the customers, and judge the
    choice once, by `uplift_curve`, on the other half, which had no part in it. Here `adjusted_p`
    guards against many pairs; it does not make the winner's own QINI unbiased.

    References
    ----------
    Yadlowsky, Fleming, Shah, Brunskill & Wager (2025), JASA 120; Imai & Li (2025), Statistical
    inference for heterogeneous treatment effects, on choosing and judging with the same data.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({
    ...     "arm": ["control", "letter"] * 100,
    ...     "good": [n // 2 for n in range(200)],
    ...     "bad": [n * 37 % 101 for n in range(200)],
    ... })
    >>> data["bought"] = ((data["good"] > 50) & (data["arm"] == "letter")).astype(int)
    >>> table = compare_curves(data, ["good", "bad"], "bought", "arm", "control")
    >>> table.loc[0, ["measure", "score", "other"]].tolist()
    ['qini', 'good', 'bad']
    >>> bool(table.loc[0, "low"] > 0)
    True
    """
    check_arguments(share, bins, known_share)
    critical_value(alpha)
    names = [scores] if isinstance(scores, str) else list(scores)
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError("scores: two or more different columns are compared")
    if against is not None and against not in names:
        raise ValueError("against: one of the scores")
    pairs = list(combinations(range(len(names)), 2))
    if against is not None:
        base = names.index(against)
        pairs = [(place, base) for place in range(len(names)) if place != base]
    scored = enter_scores(data, names, outcome, arm, control, treated, cluster)
    parts = _in_memory if bins is None else _by_cells
    found = pd.DataFrame(
        [
            {"measure": measure, "score": names[one], "other": names[other], **values}
            for measure, one, other, values in parts(
                scored, pairs, share, bins or 0, alpha, known_share
            )
        ]
    )
    found["adjusted_p"] = found.groupby("measure")["p"].transform(_holm)
    found["order"] = found["measure"].map(MEASURES.index)
    return found.sort_values("order", kind="stable", ignore_index=True)[list(COLUMNS)]


Row = tuple[str, int, int, dict[str, float]]


def _in_memory(
    scored: Scored,
    pairs: list[tuple[int, int]],
    share: float | None,
    _bins: int,
    alpha: float,
    known_share: bool,
) -> Iterator[Row]:
    customers = collect_customers(scored)
    two_each(customers.treated, None)
    orders = []
    for score in customers.scores:
        order = np.argsort(score)[::-1]
        orders.append(Order(order, first_of_each(score[order])))
    rows = of_customers(customers._replace(y=customers.y.copy()), share)
    for measure in MEASURES:
        weights = [_weights(rows, order, measure) for order in orders]
        for one, other in pairs:
            yield (
                measure,
                one,
                other,
                _difference(rows, weights[one], weights[other], 0.0, alpha, known_share),
            )


def _by_cells(
    scored: Scored,
    pairs: list[tuple[int, int]],
    share: float | None,
    bins: int,
    alpha: float,
    known_share: bool,
) -> Iterator[Row]:
    whole = [~nw.col(f"s{place}").is_null() for place in range(len(scored.scores))]
    complete = scored.rows.filter(nw.all_horizontal(*whole, ignore_nulls=False))
    others = ["y", "t", *(["c"] if scored.clustered else [])]
    for one, other in pairs:
        pair = complete.select(
            nw.col(f"s{one}").alias("s0"), nw.col(f"s{other}").alias("s1"), *others
        )
        both = scored._replace(rows=pair, scores=(scored.scores[one], scored.scores[other]))
        cells = scan_cells(both, read_head(both), bins, COARSER / bins)
        two_each(cells.treated, cells.n)
        rows = of_cells(cells, share)
        orders, losses = [], []
        for place in (0, 1):
            order, starts = falling(cells, place)
            orders.append(Order(order, starts))
            low = np.minimum.reduceat(cells.lows[order, place], starts)
            high = np.maximum.reduceat(cells.highs[order, place], starts)
            losses.append(binning_losses(rows.take(order), starts, low < high))
        for index, measure in enumerate(MEASURES):
            first, second = (_weights(rows, order, measure) for order in orders)
            loss = losses[0][index] + losses[1][index]
            yield measure, one, other, _difference(rows, first, second, loss, alpha, known_share)


def _weights(rows: Deviations, order: Order, measure: str) -> Weights:
    """Weigh rows by one score, in the rows' own order."""
    n = None if rows.n is None else rows.n[order.rows]
    part = Influence(Ranks(rows.sums[order.rows], n, order.starts), measure)
    weight, shift = np.empty(len(rows.sums)), np.empty(len(rows.sums))
    for block, weights, shifts in part:
        weight[order.rows[block]], shift[order.rows[block]] = weights, shifts
    return Weights(part.value, weight, shift)


def _difference(
    rows: Deviations, one: Weights, other: Weights, loss: float, alpha: float, known_share: bool
) -> dict[str, float]:
    def apart() -> Iterator[Weighted]:
        for part in slices(len(rows.sums)):
            yield part, one.weight[part] - other.weight[part], one.shift[part] - other.shift[part]

    variance, df = spread(rows, apart(), known_share)
    noise = sum(float(rows.totals(part)[:, 2].sum()) for part in slices(len(rows.sums)))
    value = one.value - other.value
    if variance <= 1e-20 * noise / rows.total**2:  # they rank alike
        value, variance, df = 0.0, math.nan, math.nan
    found = inference("estimate", value, variance, df, alpha)
    return {
        "estimate": value,
        **{name: found[f"estimate_{name}"] for name in ("se", "low", "high", "p")},
        "loss": loss,
        "n_control": rows.counts[0],
        "n_treated": rows.counts[1],
    }


def _holm(p: pd.Series[float]) -> Floats:
    """Holm's p-values. Those of statsmodels take 50 ms, in which it collects garbage."""
    adjusted = p.to_numpy(float).copy()
    order = np.argsort(adjusted, kind="stable")[: int(p.notna().sum())]
    steps = adjusted[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return np.asarray(adjusted)
