"""Amounts in order, summed by narrow bins of value, so that no customer leaves the engine.

The bins hold what the statistics of a concentration need: the number of customers n, the sums of
the amounts x and of their squares q, and of ``w = Σ (x − xⱼ)`` over those before x in its bin the
sums w, of w·x (wx) and of w² (ww).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.data.engines import collect

__all__ = ["ENDLESS", "NEGATIVE", "NULL", "ArrayRanks", "EngineRanks", "Ranks"]

FINE, SHIFT = 28.0, 0.3721849587
"""A bin is ``floor(FINE·ln x + SHIFT)``, 3.6 % wide. The shift keeps the edges away from round
amounts, so that the last bit of a sum does not decide the bin."""
NULL, NEGATIVE, ENDLESS, ZERO = -40_000.0, -30_000.0, -20_000.0, -10_000.0
"""Bins of what has no logarithm."""
NOISE = -0.005
"""Down to half a cent below 0 an amount is a 0 that was summed from parts."""
SUMS = ("x", "q", "w", "wx", "ww")

Floats = npt.NDArray[np.float64]


class Ranks(Protocol):
    """What a concentration asks of amounts in order."""

    def bins(self) -> pd.DataFrame:
        """Sums by bin, smallest first, with the bins of what cannot be used."""

    def below(self, cuts: Sequence[tuple[float, float]]) -> Floats:
        """For each bin and rank in it: Σ x and Σ x² up to the rank, and the amount at the rank."""


class EngineRanks:
    """Amounts of a lazy frame, in its column x; two windows, each within a bin."""

    def __init__(self, lazy: nw.LazyFrame[Any]) -> None:
        x = nw.col("x")
        positive = nw.when((x > 0) & (x < math.inf)).then(x)
        odd = nw.when(x > 1).then(ENDLESS).otherwise(ZERO)
        odd = nw.when(x < NOISE).then(NEGATIVE).otherwise(odd)
        odd = nw.when(x.is_null()).then(NULL).otherwise(odd)
        place = nw.coalesce((positive.log() * FINE + SHIFT).floor(), odd)
        lazy = lazy.select(place.alias("bin"), positive.fill_null(0.0).alias("x"))
        lazy = lazy.with_columns(nw.lit(1.0).alias("one"))
        count, worth = (nw.col(c).cum_sum().over("bin", order_by="x") for c in ("one", "x"))
        self._lazy = lazy.with_columns((count - 1).alias("before"), (worth - x).alias("under"))

    def bins(self) -> pd.DataFrame:
        x, w = nw.col("x"), nw.col("w")
        lazy = self._lazy.with_columns(w=x * nw.col("before") - nw.col("under"))
        lazy = lazy.with_columns(q=x * x, wx=w * x, ww=w * w)
        sums = [nw.col(name).sum() for name in SUMS]
        table = collect(lazy.group_by("bin").agg(nw.len().alias("n"), *sums))
        return table.set_index("bin").sort_index()

    def below(self, cuts: Sequence[tuple[float, float]]) -> Floats:
        x, before, parts = nw.col("x"), nw.col("before"), {}
        for number, (place, rank) in enumerate(cuts):
            here = nw.col("bin") == place
            whole = nw.when(here & (before <= rank - 1)).then(1.0)
            part = nw.when(here & (before > rank - 1) & (before < rank)).then(rank - before)
            taken = nw.coalesce(whole, part)
            parts[f"x{number}"], parts[f"q{number}"] = taken * x, taken * x * x
            parts[f"v{number}"] = nw.when(here & (before <= rank)).then(x)
        lazy = self._lazy.filter(nw.col("bin").is_in(sorted({place for place, _ in cuts})))
        sums = [nw.col(c).max() if c[0] == "v" else nw.col(c).sum() for c in parts]
        row = collect(lazy.select(**parts).select(*sums)).iloc[0]
        return row.to_numpy(float).reshape(len(cuts), 3)


class ArrayRanks:
    """Amounts in memory: one sort, and the same bins."""

    def __init__(self, values: Floats) -> None:
        known = values[~np.isnan(values)]
        self._odd = {
            NULL: len(values) - len(known),
            NEGATIVE: int((known < NOISE).sum()),
            ENDLESS: int((known == math.inf).sum()),
        }
        x = np.sort(known)
        zeros = int(np.searchsorted(x, 0.0, side="right"))
        x[:zeros] = 0.0
        place = np.full(len(x), ZERO)
        with np.errstate(over="ignore"):
            place[zeros:] = np.floor(np.log(x[zeros:]) * FINE + SHIFT)
        first = np.append(True, place[1:] != place[:-1]) if len(x) else np.empty(0, bool)
        self._x, self._starts = x, np.flatnonzero(first)
        self._places = place[self._starts]

    def bins(self) -> pd.DataFrame:
        odd = {place: {"n": count} for place, count in self._odd.items() if count}
        table = pd.DataFrame.from_dict(odd, orient="index", columns=["n", *SUMS])
        if self._odd[NEGATIVE] or self._odd[ENDLESS] or not len(self._x):
            return table
        x, starts = self._x, self._starts
        counts = np.diff(np.append(starts, len(x)))
        worth = np.add.reduceat(x, starts)
        before = np.arange(len(x), dtype=float) - np.repeat(starts, counts)
        under = np.cumsum(x) - x - np.repeat(np.cumsum(worth) - worth, counts)
        w = x * before - under
        sums = [np.add.reduceat(part, starts) for part in (x * x, w, w * x, w * w)]
        columns = dict(zip(SUMS, (worth, *sums), strict=True))
        ranked = pd.DataFrame({"n": counts, **columns}, index=self._places)
        return pd.concat([table, ranked]) if len(table) else ranked

    def below(self, cuts: Sequence[tuple[float, float]]) -> Floats:
        rows = []
        for place, rank in cuts:
            start = int(self._starts[np.searchsorted(self._places, place)])
            whole = math.floor(rank)
            inside, at = (
                self._x[start : start + whole],
                self._x[min(start + whole, len(self._x) - 1)],
            )
            part = rank - whole
            rows.append((inside.sum() + part * at, (inside**2).sum() + part * at**2, at))
        return np.array(rows)
