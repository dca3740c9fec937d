"""What customers near a threshold lack to reach it, and what those above it may lose."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.tiers import TierRule, near_threshold, tier_rule
from segmentation.data.engines import cents, collect, enter

__all__ = ["headroom"]

SIDES = ("below", "above")


def headroom(
    panel: Any,
    rule: str | TierRule = "rural_commercial",
    band: float = 0.1,
    on: str = "aum_average",
) -> pd.DataFrame:
    """Add up the distances of the customers near each threshold (提升空间).

    Parameters
    ----------
    panel, rule, band, on
        As of `near_threshold`, whose customers are counted.

    Returns
    -------
    DataFrame
        ``tier threshold side customers gap mean_gap``, two rows a threshold, the lowest first:
        `gap` is ``Σ (threshold − x)`` of those below, the headroom, and ``Σ (x − threshold)`` of
        those above, the cushion; yuan. Counts of the panel, not estimates from a sample. The
        headroom is the most that a campaign can bring, if every customer takes the step and none
        would have taken it anyway.

    Raises
    ------
    TableError
        As of `near_threshold`.

    Examples
    --------
    >>> panel = pd.DataFrame({"aum_average": [46_000.0, 48_000.0, 50_500.0]})
    >>> headroom(panel).iloc[2:4][["threshold", "side", "customers", "gap"]].values.tolist()
    [[50000.0, 'below', 2, 6000.0], [50000.0, 'above', 1, 500.0]]
    """
    rule = tier_rule(rule) if isinstance(rule, str) else rule
    lazy = enter(near_threshold(panel, rule, band, on), "panel")
    sums = lazy.group_by("threshold", "side").agg(
        nw.len().cast(nw.Int64).alias("customers"), nw.col("gap").sum()
    )
    found = collect(sums.with_columns(cents(nw.col("gap"))))
    rows = [(tier.name, tier.start, side) for tier in rule.tiers[1:] for side in SIDES]
    table = pd.DataFrame(rows, columns=["tier", "threshold", "side"])
    table = table.astype({"threshold": float, "side": str})
    table = table.merge(found, on=["threshold", "side"], how="left")
    table["customers"] = table["customers"].fillna(0).astype("int64")
    table["gap"] = table["gap"].fillna(0.0)
    table["mean_gap"] = table["gap"] / table["customers"].where(table["customers"] > 0)
    return table
