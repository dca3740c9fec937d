"""The headroom of near-threshold customers, against a sum by hand on every engine."""

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

import segmentation as seg

STARTS = (10_000.0, 50_000.0, 200_000.0, 500_000.0, 6_000_000.0)


def test_sums_are_those_by_hand(to_engine):
    amounts = np.round(np.random.default_rng(5).lognormal(10.5, 1.5, 3_000), 2)
    amounts[:2] = (50_000.0, 49_999.99)
    table = seg.headroom(to_engine(pd.DataFrame({"aum_average": amounts})), band=0.2)
    assert table["threshold"].tolist() == [s for s in STARTS for _ in range(2)]
    for start, side, customers, gap in table[["threshold", "side", "customers", "gap"]].values:
        inside = (
            (amounts >= start * 0.8) & (amounts < start)
            if side == "below"
            else (amounts >= start) & (amounts < start * 1.2)
        )
        assert customers == inside.sum()
        assert gap == pytest.approx(np.abs(amounts[inside] - start).sum(), abs=1e-6)


def test_nobody_near_is_a_zero_and_no_mean(to_engine):
    table = seg.headroom(to_engine(pd.DataFrame({"aum_average": [1.0]})))
    assert table["customers"].sum() == 0
    assert table["gap"].sum() == 0
    assert table["mean_gap"].isna().all()


def test_bad_columns_and_bands_are_refused():
    frame = pd.DataFrame({"aum_averag": [1.0]})
    with pytest.raises(seg.TableError, match="aum_averag"):
        seg.headroom(frame)
    with pytest.raises(seg.TableError, match="band"):
        seg.headroom(pd.DataFrame({"aum_average": [1.0]}), band=0.7)


def test_a_rule_of_one_tier_has_no_threshold(to_engine):
    rule = seg.merged_rule("rural_commercial", pd.DataFrame({"aum_average": [1.0]}))
    panel = to_engine(pd.DataFrame({"aum_average": [1.0, 50_000.0]}))
    assert to_pandas(seg.near_threshold(panel, rule)).empty
    assert seg.headroom(panel, rule).empty
    with pytest.raises(seg.TableError, match="two tiers"):
        seg.threshold_movement(panel, panel, rule)
