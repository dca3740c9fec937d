"""Arms are described as they are, control first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import segmentation as seg


def test_shares_and_means_have_their_intervals(to_engine):
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {"arm": ["b", "a"] * 50, "sold": rng.integers(0, 2, 100), "aum": rng.normal(10, 3, 100)}
    )
    data.loc[0, "aum"] = np.nan
    shares = seg.arm_table(to_engine(data), "sold", "arm", "b")
    assert shares["arm"].tolist() == ["b", "a"]
    sold = data.groupby("arm")["sold"].sum()
    low, high = seg.wilson(sold["b"], 50)
    assert shares.loc[0, ["total", "low", "high"]].tolist() == pytest.approx([sold["b"], low, high])
    means = seg.arm_table(to_engine(data), "aum", "arm", "b").set_index("arm")
    known = data.dropna().groupby("arm")["aum"]
    assert means["customers"].to_dict() == {"b": 49, "a": 50}
    assert means.loc["a", "mean"] == pytest.approx(known.mean()["a"])
    half = (means["high"] - means["low"])["a"] / 2
    assert half == pytest.approx(2.009575 * known.sem()["a"], rel=1e-6)


def test_one_arm_is_no_comparison():
    data = pd.DataFrame({"arm": ["a", "a"], "sold": [0, 1]})
    with pytest.raises(seg.TableError, match="arm beside control"):
        seg.arm_table(data, "sold", "arm", "a")
