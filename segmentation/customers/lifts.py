"""How far month-end deposits stand above those of the month's average day (月末存款偏离度)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.data.engines import collect
from segmentation.data.errors import TableError, missing_columns

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["DEPOSITS", "month_end_lift"]

DEPOSITS = ("demand", "term")
"""Products that are deposits; wealth management, funds and insurance are not."""


def month_end_lift(bank: Bank, limit: float = 0.04, by: str | None = "branch_id") -> pd.DataFrame:
    """Compare deposits at the end of each month with their daily average, branch by branch.

    ``lift = (end − average) / average``, over demand and term deposits. A lift above the limit is
    flagged: deposits that were there for the count and not for the month. The figure is a census of
    the branch's deposits, not a sample, so it has an n but no interval.

    Parameters
    ----------
    bank : Bank
        With `balances` (average and end) and, for branches, `customers`.
    limit : float
        Highest lift that is not flagged; 0.04 is the Chinese regulator's since 2018.
    by : str or None
        A column of `customers` to group by, or None for the bank as a whole.

    Returns
    -------
    DataFrame
        ``month branch_id customers average end lift flagged``, by month and branch: the number of
        customers with deposits, yuan, a share (empty where the average is 0) and a bool. Customers
        of no known branch are in "unknown"; with ``by=None`` the branch is "all".

    Raises
    ------
    TableError
        If a bank has only one of average and end, or one of them is empty in a row of deposits.

    References
    ----------
    China Banking and Insurance Regulatory Commission (2018), Notice 48 on month-end deposits.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import Bank
    >>> bank = Bank(
    ...     customers=pd.DataFrame({"customer_id": ["1"], "kind": "personal", "branch_id": ["B1"],
    ...                             "opened_on": pd.to_datetime(["2020-01-01"])}),
    ...     balances=pd.DataFrame({"customer_id": ["1"], "month": pd.to_datetime(["2025-01-01"]),
    ...                            "product": ["demand"], "average": [1000.0], "end": [1050.0]}),
    ... )
    >>> month_end_lift(bank)[["branch_id", "lift", "flagged"]].values.tolist()
    [['B1', 0.05, True]]
    """
    bank.require("balances", *(["customers"] if by else []))
    lacking = [name for name in ("average", "end") if not bank.has("balances", name)]
    if lacking:
        raise TableError(
            "balances",
            "the lift needs both the month's average and its end",
            "Add the column that is missing.",
            lacking[0],
        )
    if not np.isfinite(limit):
        raise TableError("limit", "a share", "Pass 0.04 for 4 %.")
    sums = collect(_sums(bank, by))
    for name in ("average", "end"):
        if empty := int(sums[f"no_{name}"].sum()):
            raise TableError(
                "balances",
                "average and end are filled for deposits",
                "Fill both, with 0 where there was nothing.",
                name,
                empty,
            )
    return _lifts(sums, limit, by or "branch_id")


def _sums(bank: Bank, by: str | None) -> nw.LazyFrame[Any]:
    """Average and end of deposits by month and group, and how many cells of them are empty."""
    rows = bank.table("balances", "customer_id", "month", "product", "average", "end")
    rows = rows.filter(nw.col("product").is_in(DEPOSITS))
    if by:
        missing_columns("customers", [by], bank.table("customers").collect_schema().names())
        where = bank.table("customers", "customer_id", by)
        where = where.select("customer_id", nw.col(by).cast(nw.String).alias("group"))
        rows = rows.join(where, on="customer_id", how="left")
    else:
        rows = rows.with_columns(nw.lit("all").alias("group"))
    rows = rows.with_columns(
        nw.col("group").fill_null("unknown"),
        no_average=nw.col("average").is_null().cast(nw.Int64),
        no_end=nw.col("end").is_null().cast(nw.Int64),
    )
    # First a row a customer: counting distinct identifiers costs far more than adding up twice.
    parts = ("average", "end", "no_average", "no_end")
    rows = rows.group_by("month", "group", "customer_id").agg(*(nw.col(p).sum() for p in parts))
    held = (nw.col("average") > 0) | (nw.col("end") > 0)
    rows = rows.with_columns(customers=held.cast(nw.Int64))
    return rows.group_by("month", "group").agg(*(nw.col(p).sum() for p in (*parts, "customers")))


def _lifts(sums: pd.DataFrame, limit: float, name: str) -> pd.DataFrame:
    # In cents, so that a lift of exactly the limit is not flagged for the last bit of a sum.
    average, end = (np.floor(sums[part] * 100 + 0.5) for part in ("average", "end"))
    lift = (end - average) / average.where(average > 0)
    flagged = lift > limit + 1e-12
    table = pd.DataFrame(
        {
            "month": sums["month"],
            name: sums["group"],
            "customers": sums["customers"].astype("int64"),
            "average": sums["average"],
            "end": sums["end"],
            "lift": lift,
            "flagged": flagged.where(average > 0, end > 0).astype(bool),
        }
    )
    return table.sort_values(["month", name], ignore_index=True)
