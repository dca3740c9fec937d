"""Caps that tame a heavy tail: the same for all arms, from all customers together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from segmentation.data.engines import collect

__all__ = ["Cap", "capped", "find_caps"]


class Cap(NamedTuple):
    """Limits that values are drawn to, and whether they come from the values other than 0.

    Attributes
    ----------
    low, high : float
        At most and at least 0: a cap draws values towards 0, and never past it.
    sparse : bool
        Most values are 0, so that a quantile of all would cap everything away.
    """

    low: float
    high: float
    sparse: bool


def find_caps(
    rows: nw.LazyFrame[Any], columns: Sequence[str], q: float, among: Sequence[str] = ()
) -> dict[str, Cap]:
    """Quantiles of columns over the rows of all arms in which the columns of `among` are known.

    The upper limit is the (linear, exact) quantile q; where that is 0 because most values are,
    that of the values above 0. Money below 0 is capped as far on its side: at the quantile 1 − q,
    or that of the values below 0.

    Raises
    ------
    ValueError
        If q is not between ½ and 1.
    """
    if not 0.5 < q < 1:
        raise ValueError("cap: a quantile lies between 0.5 and 1, such as 0.99")
    sides = []
    for k, name in enumerate(columns):
        value = nw.col(name)
        for other in among:
            value = nw.when(~nw.col(other).is_null()).then(value)
        sides += [value.alias(f"h{k}"), (-value).alias(f"l{k}")]
    lazy = rows.select(*sides)
    names = [f"{side}{k}" for k in range(len(columns)) for side in "hl"]
    found = _quantiles(lazy, names, q)
    sparse = [name for name in names if found[name] <= 0]
    if sparse:
        beyond = [nw.when(nw.col(name) > 0).then(nw.col(name)).alias(name) for name in sparse]
        found |= _quantiles(lazy.with_columns(*beyond), sparse, q)
    return {
        name: Cap(0.0 - max(found[f"l{k}"], 0.0), max(found[f"h{k}"], 0.0), f"h{k}" in sparse)
        for k, name in enumerate(columns)
    }


def _quantiles(lazy: nw.LazyFrame[Any], names: Sequence[str], q: float) -> dict[str, float]:
    """Quantiles of columns; 0 of one without a value."""
    exprs = [nw.col(name).quantile(q, interpolation="linear") for name in names]
    row = collect(lazy.select(*exprs)).astype(float).fillna(0.0).iloc[0]
    return {name: float(row[name]) for name in names}


def capped(column: str, cap: Cap) -> nw.Expr:
    """The column drawn to its cap; null stays null."""
    value = nw.col(column)
    high = nw.when(value > cap.high).then(cap.high).otherwise(value)
    return nw.when(value < cap.low).then(cap.low).otherwise(high)
