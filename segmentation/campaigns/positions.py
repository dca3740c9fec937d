"""Values by their rank in an arm, and the ranks between which a quantile lies."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["Orders", "rank_limits"]

FINE = 28.0
"""A bin of values is ``floor(FINE·ln |x|)`` with the sign of x, 3.6 % wide."""
STEP = 100_000.0
"""More than any bin's number, so that the sign can be told from the bin."""


class Orders:
    """Order statistics of one column by arm, without sorting it.

    Values are counted by arm and narrow bin in one scan; a rank then lies in a known bin, and only
    the rows of such bins are looked at again.

    Attributes
    ----------
    n : dict
        Rows with a value, by text of the arm.
    """

    def __init__(
        self, rows: nw.LazyFrame[Any], arm: str, column: str, texts: Iterable[str]
    ) -> None:
        x = nw.col("x")
        size = nw.when(x != 0).then(x.abs())
        number = (size.log() * FINE).floor()
        negative = nw.when(x < 0).then(-number - STEP).otherwise(0.0)
        place = nw.when(x > 0).then(number + STEP).otherwise(negative)
        rows = rows.select(arm=nw.col(arm), x=nw.col(column)).filter(~x.is_null())
        self._rows = rows.with_columns(bin=place, low=x, high=x)
        bins = self._rows.group_by("arm", "bin").agg(
            nw.len().alias("n"), nw.col("low").min(), nw.col("high").max()
        )
        table = collect(bins).sort_values(["arm", "bin"], ignore_index=True)
        if endless := int((~np.isfinite(table[["low", "high"]])).any(axis=1).sum()):
            raise TableError("data", "values are finite", "Leave it empty.", column, endless)
        table["until"] = table.groupby("arm")["n"].cumsum()
        self._bins = {text: table[table["arm"] == text].reset_index(drop=True) for text in texts}
        self.n = {text: int(part["n"].sum()) for text, part in self._bins.items()}

    def values(self, ranks: Iterable[tuple[str, int]]) -> dict[tuple[str, int], float]:
        """Values at ranks from 1 of arms; infinite at ranks outside of the arm."""
        found: dict[tuple[str, int], float] = {}
        inside: dict[tuple[str, int], tuple[float, float]] = {}
        for text, rank in dict.fromkeys(ranks):
            if not 1 <= rank <= self.n[text]:
                found[text, rank] = -math.inf if rank < 1 else math.inf
                continue
            bins = self._bins[text]
            row = bins.iloc[int(np.searchsorted(bins["until"], rank))]
            n, before = int(row["n"]), rank - 1 - int(row["until"] - row["n"])
            if row["low"] == row["high"] or before in (0, n - 1):
                found[text, rank] = float(row["high"] if before == n - 1 else row["low"])
            else:
                inside[text, rank] = (float(row["bin"]), before / (n - 1))
        if inside:
            found |= self._look(inside)
        return found

    def _look(
        self, inside: dict[tuple[str, int], tuple[float, float]]
    ) -> dict[tuple[str, int], float]:
        """Values within bins: the linear quantile at ``before/(n − 1)`` is that of the rank."""
        x, parts = nw.col("x"), {}
        for number, ((text, _), (place, _)) in enumerate(inside.items()):
            here = (nw.col("arm") == text) & (nw.col("bin") == place)
            parts[f"c{number}"] = nw.when(here).then(x)
        rows = self._rows.filter(
            nw.col("bin").is_in(sorted({place for place, _ in inside.values()}))
        )
        levels = [
            nw.col(f"c{number}").quantile(level, interpolation="linear")
            for number, (_, level) in enumerate(inside.values())
        ]
        row: pd.Series = collect(rows.select(**parts).select(*levels)).iloc[0]
        return dict(zip(inside, row.to_numpy(float).tolist(), strict=True))


def rank_limits(n: int, q: float, alpha: float) -> tuple[int, int]:
    """Ranks between which the q-quantile of a population lies, of a sample of n.

    The number of values below the quantile is binomial (n, q) whatever the distribution. The
    limits leave out the ranks that it reaches with a mid-p of at most alpha/2 on either side. A
    rank of 0 or n + 1 is outside of the sample: there is no limit on that side.

    References
    ----------
    Woodruff (1952), Confidence intervals for medians and other position measures, JASA 47;
    Lancaster (1961), Significance tests in discrete distributions, JASA 56 (mid-p).

    Examples
    --------
    >>> rank_limits(1000, 0.5, 0.05), rank_limits(100, 0.99, 0.05)
    ((470, 531), (97, 101))
    """
    if n < 1:
        return 0, n + 1
    return _lower(n, q, alpha), n + 1 - _lower(n, 1 - q, alpha)


def _lower(n: int, q: float, alpha: float) -> int:
    from scipy import stats

    count = int(stats.binom.ppf(alpha / 2, n, q))
    middle = stats.binom.cdf(count - 1, n, q) + stats.binom.pmf(count, n, q) / 2
    return count + 1 if middle <= alpha / 2 else count
