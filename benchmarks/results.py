"""Compare two results of a contest to 1e-9: ``python benchmarks/results.py CONTEST ONE OTHER``."""

from __future__ import annotations

import sys

import pandas as pd

KEYS = {"panel": "customer_id", "tiers": "customer_id", "migration": ["from", "to"]}


def same(contest: str, one: str, other: str) -> None:
    left, right = pd.read_parquet(one), pd.read_parquet(other)
    if "gini_part" in right:  # the query gives the curve, and parts of the coefficient
        left = left[["gini"]].head(1)
        right = pd.DataFrame({"gini": [right["gini_part"].sum()]})
    columns = [name for name in left.columns if name in right.columns]
    order = KEYS.get(contest, columns)
    left, right = (f[columns].sort_values(order, ignore_index=True) for f in (left, right))
    for name in columns:
        kind = float if pd.api.types.is_numeric_dtype(left[name]) else str
        left[name], right[name] = left[name].astype(kind), right[name].astype(kind)
    pd.testing.assert_frame_equal(left, right, check_dtype=False, rtol=1e-9, atol=1e-9)


if __name__ == "__main__":
    same(*sys.argv[1:])
