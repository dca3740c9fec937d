"""Prevalences of the long tail: its share of heads and of money, and how many bear a flag."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.customers.alerts import FLAGS
from segmentation.customers.intervals import wilson
from segmentation.data.engines import cents, collect, enter
from segmentation.data.errors import TableError

__all__ = ["long_tail_table", "risk_flags"]

Floats = npt.NDArray[np.float64]
MONEY = ("balance", "turnover", "movements")
ENDS = ("", "_low", "_high")


def long_tail_table(data: Any, by: str | None = None, *, level: float = 0.95) -> pd.DataFrame:
    """Compare the long tail's share of customers with its share of what they have and do.

    Parameters
    ----------
    data : any frame Narwhals knows
        As `long_tail` gives it.
    by : str, optional
        One of its columns, for example ``branch_id``.
    level : float
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        Two rows, the long tail's and that of all others, of each group; a group without customers
        is absent. Columns by, long_tail, customers, customer_share with low and high (Wilson), and
        for balance, turnover and movements the sum (yuan, yuan a month, number a month) and
        ``<name>_share`` of the group's with ``…_low`` and ``…_high``. For a share R of money m they
        are those of its log odds, with the linearised variance of a ratio
        ``((1 − R)²·Σ m² of the part + R²·Σ m² of the rest) / (Σ m)²``; for shares of 0 and 1
        Wilson's with the effective number of customers ``(Σ m)² / Σ m²``. Shares of a sum of 0
        are null. A few very large customers make the limits too narrow, as with every sum.

    Raises
    ------
    TableError
        If a column is missing, or there is no customer.

    References
    ----------
    Cochran (1977), Sampling techniques, section 6.3, for the variance of a ratio.

    Examples
    --------
    >>> firms = pd.DataFrame({"long_tail": [True, True, True, False],
    ...                       "balance": [1.0, 2.0, 7.0, 90.0], "turnover": [0.0, 0.0, 5.0, 5.0],
    ...                       "movements": [0.0, 0.0, 1.0, 9.0]})
    >>> table = long_tail_table(firms)
    >>> table[["long_tail", "customer_share", "balance_share", "turnover_share"]].values.tolist()
    [[True, 0.75, 0.1, 0.5], [False, 0.25, 0.9, 0.5]]
    """
    extra = () if by is None else (by,)
    lazy = enter(data, "data", ("long_tail", *MONEY, *extra))
    lazy = lazy.select(
        *extra,
        "long_tail",
        *MONEY,
        **{f"{name}_squares": nw.col(name) * nw.col(name) for name in MONEY},
    )
    sums = [f"{name}{end}" for name in MONEY for end in ("", "_squares")]
    cells = lazy.group_by(*extra, "long_tail").agg(nw.len().alias("customers"), nw.col(*sums).sum())
    table = collect(cells.with_columns(cents(nw.col(name)).alias(name) for name in MONEY))
    if table.empty:
        raise TableError("data", "there is a customer", "Pass what long_tail gave.")
    table["long_tail"] = table["long_tail"].astype(bool)
    order = [*extra, "long_tail"]
    table = table.sort_values(order, ascending=[*(True for _ in extra), False], ignore_index=True)
    whole = table.groupby(by)[["customers", *sums]].transform("sum") if by else table.sum()
    n = whole["customers"]
    table["customer_share"] = table["customers"] / n
    ends = wilson(table["customers"], np.broadcast_to(n, len(table)), level)
    table["customer_share_low"], table["customer_share_high"] = ends
    for name in MONEY:
        total, squares = (
            np.broadcast_to(np.asarray(whole[column], float), len(table))
            for column in (name, f"{name}_squares")
        )
        parts = (table[name].to_numpy(float), table[f"{name}_squares"].to_numpy(float))
        for end, values in zip(ENDS, _shares(*parts, total, squares, level), strict=True):
            table[f"{name}_share{end}"] = values
    columns = ["customers", *(f"customer_share{end}" for end in ENDS)]
    columns += [f"{name}{end}" for name in MONEY for end in ("", *(f"_share{e}" for e in ENDS))]
    return table[[*order, *columns]]


def _shares(
    part: Floats, part_squares: Floats, total: Floats, squares: Floats, level: float
) -> tuple[Floats, Floats, Floats]:
    """Shares of sums with their limits, null where the sum is 0."""
    known = total > 0
    whole = np.where(known, total, 1.0)
    share = np.clip(part / whole, 0.0, 1.0)
    inside = known & (share > 0) & (share < 1)
    at = np.where(inside, share, 0.5)
    rest = np.maximum(squares - part_squares, 0.0)
    error = np.sqrt((1 - at) ** 2 * part_squares + at**2 * rest) / whole
    reach = NormalDist().inv_cdf((1 + level) / 2) * error / (at * (1 - at))
    odds = np.log(at / (1 - at))
    # of nothing or all of it the odds have no error: Wilson's limits, of the customers there may be
    effective = np.where(known & (squares > 0), total**2 / np.where(squares > 0, squares, 1.0), 0.0)
    ends = wilson(np.minimum(share * effective, effective), effective, level)
    low = np.where(inside, 1 / (1 + np.exp(reach - odds)), ends[0])
    high = np.where(inside, 1 / (1 + np.exp(-reach - odds)), ends[1])
    share, low, high = (np.where(known, values, np.nan) for values in (share, low, high))
    return share, low, high


def risk_flags(data: Any, by: str | None = None, *, level: float = 0.95) -> pd.DataFrame:
    """Count the customers that bear each flag.

    Parameters
    ----------
    data : any frame Narwhals knows
        As `long_tail` gives it, with those flags that the bank's tables can tell.
    by : str, optional
        One of its columns, for example ``long_tail`` or ``branch_id``.
    level : float
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        One row a flag, and group: flag, by, customers, count, share with low and high (Wilson);
        a last flag ``any`` is whoever bears one or more.

    Raises
    ------
    TableError
        If there is no flag, `by` is missing, or there is no customer.

    Examples
    --------
    >>> firms = pd.DataFrame({"revived": [True, False], "pass_through": [True, False]})
    >>> risk_flags(firms)[["flag", "count", "share"]].values.tolist()
    [['revived', 1, 0.5], ['pass_through', 1, 0.5], ['any', 1, 0.5]]
    """
    extra = () if by is None else (by,)
    lazy = enter(data, "data", extra)
    found = [name for name in FLAGS if name in lazy.collect_schema().names()]
    if not found:
        raise TableError("data", "there is a flag", "Pass what long_tail gave.")
    one = {name: nw.col(name).fill_null(False).cast(nw.Int64) for name in found}
    lazy = lazy.select(*extra, **one)
    borne = nw.any_horizontal(*(nw.col(name) > 0 for name in found), ignore_nulls=True)
    lazy = lazy.with_columns(any=borne.cast(nw.Int64))
    found = [*found, "any"]
    if by is None:
        lazy = lazy.with_columns(group=nw.lit(0))
    key = by or "group"
    counts = lazy.group_by(key).agg(nw.len().alias("customers"), nw.col(*found).sum())
    cells = collect(counts).sort_values(key, ignore_index=True)
    if cells.empty:
        raise TableError("data", "there is a customer", "Pass what long_tail gave.")
    parts = [
        pd.DataFrame(
            {
                "flag": name,
                **{column: cells[column] for column in extra},
                "customers": cells["customers"],
                "count": cells[name].astype("int64"),
            }
        )
        for name in found
    ]
    table = pd.concat(parts, ignore_index=True)
    table["share"] = table["count"] / table["customers"]
    table["low"], table["high"] = wilson(table["count"], table["customers"], level)
    return table
