"""Denominators: the share of one thing among another, and the share the other way round."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.cohorts import UNKNOWN
from segmentation.customers.intervals import wilson
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["conditional_shares"]

MOST = 10_000
"""Pairs beyond which the columns are no categories."""


def conditional_shares(
    data: Any, one: str, other: str, *, unit: str | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Return both conditional shares of two categories, each named by its denominator.

    ``P(one | other) = n(one and other)/n(other)`` and ``P(other | one) = n(one and other)/n(one)``.
    That more than a third of those at the counter are 50 or older, and that more than a third of
    those of 50 or older use the counter, are two statements. Neither follows from the other, since
    ``P(one | other)/P(other | one) = P(one)/P(other)``.

    Parameters
    ----------
    data : any frame Narwhals knows
        Visits with `point`, transactions with `channel`, a panel with `tier`: one row a visit, a
        movement, a customer.
    one, other : str
        Columns of categories: text, flags or whole numbers, of at most 10,000 pairs. A null
        is the category ``unknown``, so that no row leaves a denominator unseen; filter the rows
        first for shares of those known.
    unit : str, optional
        Count this column's different values, for example `customer_id`, instead of rows; rows
        without one are left out. Then a customer who uses two channels is in both, and shares of
        `other` within `one` may add to more than 1.
    level : float
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        One row a pair, pairs that do not occur too, in the order of ``<one>_code`` where there is
        one. With `cohort` and `channel`: cohort, channel, n (both), n_channel, share_of_channel
        (of those of the channel, the share of the cohort), n_cohort, share_of_cohort (of the
        cohort, the share of the channel), n_all, share_of_all (of all, the share of the cohort:
        what share_of_channel would be if the cohorts used it alike). Each share with Wilson's
        ``…_low`` and ``…_high``.

    Raises
    ------
    TableError
        If a column is missing or the same, there are no rows, or too many pairs.

    Notes
    -----
    The intervals take rows as independent. Movements of one customer are not: count customers with
    `unit`, or read the intervals of movements as too narrow.

    Examples
    --------
    >>> visits = pd.DataFrame(
    ...     {"age": ["50+"] * 6 + ["<50"] * 4, "point": ["counter"] * 3 + ["device"] * 3
    ...      + ["counter"] + ["device"] * 3}
    ... )
    >>> shares = conditional_shares(visits, "age", "point").set_index(["age", "point"])
    >>> shares.loc[("50+", "counter"), ["share_of_point", "share_of_age", "share_of_all"]].tolist()
    [0.75, 0.5, 0.6]
    """
    if one == other or unit in (one, other):
        raise TableError("data", "the columns are different ones", "Name two categories.")
    lazy = enter(data, "data", (one, other, *([unit] if unit else [])))
    if unit:
        lazy = lazy.filter(~nw.col(unit).is_null())
    codes = _codes(lazy, one, other)
    names = lazy.collect_schema()
    lazy = lazy.select(
        *([unit] if unit else []),
        *(
            _category(name, names[name]).alias(f"the_{place}")
            for place, name in enumerate((one, other))
        ),
        *(_number(code, names[code]).alias(f"rank_{place}") for place, code in codes.items()),
    )
    ranks = tuple(nw.col(f"rank_{place}").min() for place in codes)
    pairs = _counts(lazy, unit, ("the_0", "the_1"), ranks)
    if pairs.empty:
        raise TableError("data", "it has rows", "Pass a table with rows.")
    order = [_order(pairs, place) for place in (0, 1)]
    if len(pairs) > MOST or len(order[0]) * len(order[1]) > MOST:
        raise TableError("data", "categories have at most 10,000 pairs", "Group their values.")
    both = pairs.pivot_table(index="the_0", columns="the_1", values="n", fill_value=0)
    both = both.reindex(index=order[0], columns=order[1])
    if unit:
        of_one = _counts(lazy, unit, ("the_0",)).set_index("the_0")["n"].reindex(order[0])
        of_other = _counts(lazy, unit, ("the_1",)).set_index("the_1")["n"].reindex(order[1])
        total = int(_counts(lazy, unit, ())["n"].iloc[0])
    else:
        of_one, of_other, total = both.sum(axis=1), both.sum(), int(both.to_numpy().sum())
    n = both.to_numpy(dtype="int64").ravel()
    ones = np.repeat(of_one.to_numpy(dtype="int64"), len(order[1]))
    others = np.tile(of_other.to_numpy(dtype="int64"), len(order[0]))
    table = pd.DataFrame(
        {one: np.repeat(order[0], len(order[1])), other: np.tile(order[1], len(order[0])), "n": n}
    )
    for name, count, whole in ((other, n, others), (one, n, ones), ("all", ones, total)):
        low, high = wilson(count, whole, level)
        table[f"n_{name}"] = whole
        table[f"share_of_{name}"] = count / whole
        table[f"share_of_{name}_low"], table[f"share_of_{name}_high"] = low, high
    return table


def _codes(lazy: nw.LazyFrame[Any], one: str, other: str) -> dict[int, str]:
    names = lazy.collect_schema().names()
    codes = {place: f"{name}_code" for place, name in enumerate((one, other))}
    return {place: code for place, code in codes.items() if code in names}


def _category(name: str, dtype: nw.dtypes.DType) -> nw.Expr:
    if dtype.is_float():
        raise TableError("data", "it is a category", "Cut the numbers into bands.", name)
    value = nw.col(name)
    if dtype == nw.Boolean:
        value = nw.when(value).then(nw.lit("true")).when(~value).then(nw.lit("false"))
    return (value if dtype == nw.String else value.cast(nw.String)).fill_null(UNKNOWN)


def _number(name: str, dtype: nw.dtypes.DType) -> nw.Expr:
    value = nw.col(name).cast(nw.Float64)
    return nw.when(~value.is_nan()).then(value) if dtype.is_float() else value


def _counts(
    lazy: nw.LazyFrame[Any], unit: str | None, by: tuple[str, ...], more: tuple[nw.Expr, ...] = ()
) -> pd.DataFrame:
    """Rows of each combination, or different values of `unit`."""
    if unit:
        lazy = lazy.group_by(unit, *by).agg(*more)
    if not by:
        return collect(lazy.select(nw.len().alias("n")))
    return collect(lazy.group_by(*by).agg(nw.len().alias("n"), *more).head(MOST + 1))


def _order(pairs: pd.DataFrame, place: int) -> list[str]:
    """Values of a column by their code, else by name; the unknown last."""
    values = pairs.groupby(f"the_{place}")
    rank = values[f"rank_{place}"].min() if f"rank_{place}" in pairs else values["n"].min() * 0
    found = sorted(rank.fillna(np.inf).items(), key=lambda at: (at[0] == UNKNOWN, at[1], at[0]))
    return [str(name) for name, _rank in found]
