"""Break-even: the month in which what customers brought has paid for winning them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from segmentation.customers.retentions import Retention
from segmentation.data.errors import TableError, missing_columns

__all__ = ["break_even_month"]

NEEDED = ("time", "survival", "low", "high")


def break_even_month(
    curves: Any, contribution: float, cost: float, *, discount: float = 0.0
) -> pd.DataFrame:
    """Find the first month by which customers have brought, on average, what winning them cost.

    ``V(m) = Σ_{t=1}^{m} S(t)·contribution/(1 + d)ᵗ``: who is still there at the end of a month
    brings its contribution. The month is the first m with ``V(m) >= cost``.

    Parameters
    ----------
    curves : Retention or DataFrame
        What `retention` gives by month, or a table ``time survival low high`` after columns of
        groups.
    contribution : float
        Yuan a month of a customer who is there.
    cost : float
        Yuan to win one, above 0.
    discount : float
        d, a month.

    Returns
    -------
    DataFrame
        One row a group: its columns, month, low and high, value (yuan by the last month) and months
        (how many are known). Null means later than the months known. The limits are the months
        with survival at its upper and at its lower limits all along: wider than needed, as the
        curve is not at its limit everywhere. That contribution and cost are estimates too is not
        in them.

    Raises
    ------
    TableError
        If columns are missing, the retention is not by month, or an amount is not as above.

    Examples
    --------
    >>> curve = pd.DataFrame({"time": [1, 2, 3], "survival": [0.9, 0.8, 0.7],
    ...     "low": [0.8, 0.7, 0.6], "high": [1.0, 0.9, 0.8]})
    >>> break_even_month(curve, 100, 165)[["month", "low", "high"]].values.tolist()
    [[2.0, 2.0, 3.0]]
    """
    for name, amount in (("contribution", contribution), ("cost", cost)):
        if not (math.isfinite(amount) and amount > 0):
            raise TableError(name, "it is an amount above 0", "Pass yuan.")
    if not math.isfinite(discount) or discount < 0:
        raise TableError("discount", "a rate is 0 or more", "Pass 0.0025 for 0.25 % a month.")
    table = curves
    if isinstance(curves, Retention):
        if curves.unit not in (None, "months"):
            raise TableError("curves", "they are by month", "Ask `retention` for months.")
        table = curves.table
    if not isinstance(table, pd.DataFrame):
        raise TableError("curves", "it has a table", "Pass what `retention` gives.")
    missing_columns("curves", NEEDED, list(table.columns))
    names = [str(name) for name in table.columns]
    heads = names[: names.index("time")]
    parts = table.groupby(heads, sort=False) if heads else [((), table)]
    rows = [
        dict(zip(heads, key, strict=True)) | _row(part, contribution, cost, discount)
        for key, part in parts
    ]
    return pd.DataFrame(rows, columns=[*heads, "month", "low", "high", "value", "months"])


def _row(part: pd.DataFrame, contribution: float, cost: float, discount: float) -> dict[str, Any]:
    """One group: its curve at the end of each whole month, 1 before the first time."""
    part = part.sort_values("time", kind="stable")
    times = part["time"].to_numpy(float)
    last = int(np.floor(times[-1] + 1e-9)) if len(times) else 0
    months = np.arange(1, last + 1)
    place = np.searchsorted(times, months + 1e-9, "right")
    worth = contribution / (1 + discount) ** months

    def values(name: str) -> Any:
        return np.cumsum(np.concatenate([[1.0], part[name].to_numpy(float)])[place] * worth)

    def first(total: Any) -> float:
        enough = total >= cost - 1e-9 * cost
        return float(months[enough.argmax()]) if enough.any() else math.nan

    survival = values("survival")
    return {
        "month": first(survival),
        "low": first(values("high")),
        "high": first(values("low")),
        "value": float(survival[-1]) if last else 0.0,
        "months": last,
    }
