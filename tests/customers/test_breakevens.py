"""The month in which customers have paid for winning them: closed forms, groups, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation import break_even_month


def curve(rate: float, months: int = 60) -> pd.DataFrame:
    t = np.arange(1, months + 1)
    s = (1 - rate) ** t
    return pd.DataFrame({"time": t, "survival": s, "low": s * 0.9, "high": s})


def test_a_constant_rate_has_a_closed_form() -> None:
    """Σ qᵗ·c = c·q·(1 − qᵐ)/(1 − q), with q = (1 − rate)/(1 + d)."""
    for rate, discount in ((0.02, 0.0), (0.05, 0.01)):
        q = (1 - rate) / (1 + discount)
        exact = np.log(1 - 900 * (1 - q) / (100 * q)) / np.log(q)
        (row,) = break_even_month(curve(rate), 100, 900, discount=discount).to_dict("records")
        assert row["month"] == np.ceil(exact)
        assert row["low"] == row["month"] < row["high"]
        assert row["value"] == pytest.approx(100 * q * (1 - q**60) / (1 - q))


def test_never_within_what_is_known_is_null_and_not_a_number() -> None:
    late = break_even_month(curve(0.5), 100, 100.5)
    assert late["month"].isna().all()
    assert late["months"].tolist() == [60]
    assert break_even_month(curve(0.5).head(0), 100, 1)["month"].isna().all()


def test_groups_of_a_retention() -> None:
    people = pd.DataFrame(
        {
            "months": [1.0, 2.0, 12.0, 12.0] * 20 + [12.0] * 80,
            "left": [1, 1, 0, 0] * 20 + [0] * 80,
            "cohort": ["a"] * 80 + ["b"] * 80,
        }
    )
    kept = seg.retention(people, None, "months", "left", "cohort")
    table = break_even_month(kept, 100, 450).set_index("cohort")
    # a: .75 + .5 + .5 + …, b: all stay
    assert table["month"].tolist() == [9, 5]
    assert (table["low"] <= table["month"]).all()
    assert table.loc["a", "high"] > 9


def test_what_cannot_be() -> None:
    for contribution, cost, discount in ((0, 1, 0), (1, -1, 0), (np.nan, 1, 0), (1, 1, -0.1)):
        with pytest.raises(seg.TableError):
            break_even_month(curve(0.1), contribution, cost, discount=discount)
    with pytest.raises(seg.TableError, match="survival"):
        break_even_month(curve(0.1).drop(columns="survival"), 1, 1)
    with pytest.raises(seg.TableError, match="table"):
        break_even_month([1, 2], 1, 1)
    dated = pd.DataFrame({"s": pd.to_datetime(["2025-01-01"]), "e": pd.to_datetime(["2025-02-01"])})
    daily = seg.retention(dated, "s", "e", unit="days")
    with pytest.raises(seg.TableError, match="by month"):
        break_even_month(daily, 1, 1)
