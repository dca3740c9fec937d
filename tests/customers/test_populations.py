"""What each tier holds, against a count by hand; and tiers too small to show."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import segmentation as seg
from segmentation.customers.intervals import wilson
from segmentation.customers.populations import AND_ABOVE, RANGE
from segmentation.customers.tiers import Tier, TierRule

MONTH = pd.Timestamp("2024-06-01")


def panel():
    return pd.DataFrame(
        {
            "customer_id": list("abcdef"),
            "month": MONTH,
            "tier": ["Basic", "Basic", "Basic", "Active", "Active", "Wealth"],
            "tier_code": [0, 0, 0, 1, 1, 3],
            "aum_average": [100.0, 200.0, 700.0, 20_000.0, 30_000.0, 249_000.0],
            "products": [1, 0, 2, 1, 2, 3],
        }
    )


def balances():
    rows = [
        *[(c, MONTH, "demand", 10.0, 0.0) for c in "abcde"],
        *[(c, MONTH, "term", 0.0, 10.0) for c in "ef"],
        ("a", MONTH, "fund", 0.0, 0.0),
        ("a", pd.Timestamp("2024-05-01"), "fund", 5.0, 5.0),
        ("z", MONTH, "demand", 5.0, 5.0),
        ("a", MONTH, "demand", 1.0, 1.0),
        ("f", MONTH, "loan", 9.0, 9.0),
    ]
    return pd.DataFrame(rows, columns=["customer_id", "month", "product", "average", "end"])


def test_every_engine_counts_as_by_hand(to_engine):
    table = seg.tier_table(to_engine(panel()), to_engine(balances()))
    assert table["tier"].tolist() == ["Basic", "Active", "Wealth"]
    assert table["tier_code"].tolist() == [0, 1, 3]
    assert table["customers"].tolist() == [3, 2, 1]
    assert table["customer_share"].tolist() == [3 / 6, 2 / 6, 1 / 6]
    assert table["aum"].tolist() == [1_000, 50_000, 249_000]
    np.testing.assert_allclose(table["aum_share"], [1 / 300, 50 / 300, 249 / 300])
    np.testing.assert_allclose(table["mean_aum"], [1_000 / 3, 25_000, 249_000])
    assert table["products_per_customer"].tolist() == [1, 1.5, 3]
    assert table["penetration_demand"].tolist() == [1, 1, 0]
    assert table["penetration_term"].tolist() == [0, 0.5, 1]
    low, high = wilson([0, 1, 1], [3, 2, 1])
    assert table["penetration_term_low"].tolist() == low.tolist()
    assert table["penetration_term_high"].tolist() == high.tolist()
    np.testing.assert_allclose(table["index_term"], [0, 0.5 / (2 / 6), 1 / (2 / 6)])
    assert table["penetration_loan"].tolist() == [0, 0, 1]
    assert "penetration_fund" not in table
    assert list(table.index) == [0, 1, 2]


def test_panel_tiers_and_table_meet(to_engine):
    frames = {
        "customers": pd.DataFrame(
            {
                "customer_id": ["C1", "C2"],
                "kind": "personal",
                "branch_id": "B1",
                "opened_on": pd.Timestamp("2020-01-01"),
            }
        ),
        "balances": pd.DataFrame(
            {
                "customer_id": ["C1", "C1"],
                "month": MONTH,
                "product": ["demand", "term"],
                "average": [20_000.0, 30_000.0],
            }
        ),
    }
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in frames.items()})
    tiered = seg.assign_tier(seg.monthly_panel(bank, "2024-06"))
    table = seg.tier_table(tiered, bank.balances)
    assert table["tier"].tolist() == ["Basic", "Quality"]
    assert table["penetration_term"].tolist() == [0, 1]


def test_customers_without_a_tier_come_last():
    some = panel()
    some.loc[0, ["aum_average", "tier", "tier_code"]] = None
    table = seg.tier_table(some, balances())
    assert table["customers"].tolist() == [2, 2, 1, 1]
    assert table["tier"].isna().tolist() == [False, False, False, True]
    assert table["penetration_demand"].tolist() == [1, 1, 0, 1]


def test_one_customer_without_money():
    table = seg.tier_table(panel().head(1).assign(aum_average=0.0))
    assert table["customers"].tolist() == [1]
    assert table["aum_share"].isna().all()


def test_panels_that_do_not_fit_are_refused():
    with pytest.raises(seg.TableError, match="tier_code"):
        seg.tier_table(panel().drop(columns="tier_code"))
    with pytest.raises(seg.TableError, match="customer_id"):
        seg.tier_table(panel().drop(columns="customer_id"), balances())
    with pytest.raises(seg.TableError, match="it has rows"):
        seg.tier_table(panel().head(0))
    two = pd.concat([panel(), panel().assign(month=pd.Timestamp("2024-05-01"))])
    with pytest.raises(seg.TableError, match="one month"):
        seg.tier_table(two)
    import polars as pl

    with pytest.raises(seg.TableError, match="engine"):
        seg.tier_table(panel(), pl.from_pandas(balances()))


def steps(*counts):
    """A rule of tiers T0, T1 and so on, and a panel with so many customers in each."""
    tiers = tuple(Tier(f"T{k}", f"层{k}", 10.0 * k) for k in range(len(counts)))
    amounts = 10.0 * np.repeat(np.arange(len(counts)), counts)
    return TierRule("steps", "", "", "", "", "", tiers), pd.DataFrame({"aum_average": amounts})


@pytest.mark.parametrize(
    ("counts", "merged"),
    [
        ((20, 10), {"T0": 20, "T1": 10}),
        ((20, 10, 3), {"T0": 20, "T1 and above": 13}),
        ((20, 10, 3, 4, 2), {"T0": 20, "T1 and above": 19}),
        ((20, 4, 30), {"T0 to T1": 24, "T2": 30}),
        ((20, 12, 4, 4, 4), {"T0": 20, "T1": 12, "T2 and above": 12}),
        ((4, 30, 12), {"T0 to T1": 34, "T2": 12}),
        ((4, 3), {"T0 and above": 7}),
        ((4,), {"T0": 4}),
        ((10, 0, 3), {"T0 and above": 13}),
    ],
)
def test_small_tiers_join_the_next_lower(counts, merged):
    rule, panel = steps(*counts)
    found = seg.assign_tier(panel, seg.merged_rule(rule, panel, threshold=10))
    assert found["tier"].value_counts(sort=False).to_dict() == merged


def test_labels_are_those_that_are_translated():
    assert AND_ABOVE.format(lower="T1") == "T1 and above"
    assert RANGE.format(lower="T0", upper="T1") == "T0 to T1"


def test_rows_without_an_amount_are_in_no_tier():
    rule, panel = steps(12, 3)
    panel.loc[0, "aum_average"] = np.nan
    assert seg.merged_rule(rule, panel, threshold=10).names == ("T0 and above",)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 15), min_size=1, max_size=6).filter(any), st.integers(1, 12))
def test_no_small_tier_is_left_and_nobody_lost(counts, threshold):
    rule, panel = steps(*counts)
    merged = seg.merged_rule(rule, panel, threshold=threshold)
    sizes = seg.assign_tier(panel, merged)["tier"].value_counts()
    assert sizes.sum() == sum(counts)
    assert (sizes >= threshold).all() or len(merged.tiers) == 1
    assert set(merged.starts) <= set(rule.starts)


@pytest.mark.parametrize("threshold", [0, -3])
def test_a_threshold_is_at_least_one(threshold):
    rule, panel = steps(2)
    with pytest.raises(seg.TableError, match="threshold"):
        seg.merged_rule(rule, panel, threshold=threshold)


def test_a_merged_rule_serves_both_panels(to_engine):
    """Six and five tiers with too few in different places: one rule, shown in both."""
    first = pd.DataFrame({"aum_average": [0.0] * 30 + [20_000.0] * 12 + [300_000.0] * 11})
    second = pd.DataFrame({"aum_average": [0.0] * 30 + [20_000.0] * 12 + [300_000.0] * 4})
    rule = seg.merged_rule("rural_commercial", to_engine(first), to_engine(second))
    assert rule.names == ("Basic", "Active and above")
    assert rule.tiers[1].zh == "有效及以上"
    assert seg.merged_rule("rural_commercial", to_engine(first)).names == (
        *("Basic", "Active to Quality"),
        "Wealth and above",
    )
    for panel in (first, second):
        counts = seg.tier_table(seg.assign_tier(to_engine(panel), rule))["customers"]
        assert counts.min() >= 10


def test_a_merged_rule_wants_a_panel():
    with pytest.raises(seg.TableError, match="at least one"):
        seg.merged_rule("rural_commercial")


def test_contributions_of_a_tier_have_students_interval(to_engine):
    frame = pd.DataFrame(
        {"aum_average": [1.0] * 4 + [20_000.0], "contribution": [1.0, 2.0, 3.0, None, 9.0]}
    )
    table = seg.tier_table(seg.assign_tier(to_engine(frame)))
    low, high = stats.t.interval(0.95, 2, loc=2.0, scale=1 / 3**0.5)
    row = table.iloc[0]
    assert row["mean_contribution"] == pytest.approx(2.0, abs=1e-12)
    assert row["mean_contribution_low"] == pytest.approx(low, abs=1e-9)
    assert row["mean_contribution_high"] == pytest.approx(high, abs=1e-9)
    # One customer has no spread, and so no interval.
    assert table.iloc[1][["mean_contribution_low", "mean_contribution_high"]].isna().all()
