"""Tiers are left-closed to the cent on every engine, and rules are data."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.customers.tiers import Tier, TierRule
from segmentation.data.rules import load_rules

NAMES = ["Basic", "Active", "Quality", "Wealth", "Affluent", "Private"]
STARTS = [0, 10_000, 50_000, 200_000, 500_000, 6_000_000]


def frame(amounts, **columns):
    return pd.DataFrame({"aum_average": np.array(amounts, float), **columns})


def test_default_rule_is_that_of_domain_b1():
    rule = seg.tier_rule("rural_commercial")
    assert list(rule.names) == NAMES
    assert [tier.zh for tier in rule.tiers] == ["基础", "有效", "优质", "财富", "高净值", "私行"]
    assert list(rule.starts) == STARTS
    assert rule.currency == "CNY"


@pytest.mark.parametrize(
    ("name", "starts"),
    [  # DOMAIN.md B.1, with its sources in the file
        ("cmb", [0, 50_000, 500_000, 5_000_000, 10_000_000]),
        ("boc_shanghai", [0, 200_000, 1_000_000, 6_000_000]),
        ("cib", [0, 300_000, 6_000_000, 30_000_000, 100_000_000]),
        ("cib_contribution", [0, 5_000]),
        ("psbc", [0, 100_000, 500_000, 6_000_000]),
        ("icbc", [0, 50, 500, 2_000, 10_000, 80_000]),
        ("rural_deposits", [0, 10_000, 50_000, 200_000, 500_000]),
    ],
)
def test_published_rules(name, starts):
    assert list(seg.tier_rule(name).starts) == starts


def test_every_rule_that_ships_is_whole():
    for name in load_rules("tiers"):
        rule = seg.tier_rule(name)
        assert all((rule.zh, rule.en, rule.basis, rule.source))
        assert all(tier.zh for tier in rule.tiers)


def test_boundaries_on_every_engine(to_engine):
    edges = [cent for s in STARTS[1:] for cent in (s - 0.01, s, s + 0.01)]
    small = frame([0.0, *edges, 1e12])
    found = to_pandas(seg.assign_tier(to_engine(small))).sort_values("aum_average")
    expected = [0, *[code for i in range(1, 6) for code in (i - 1, i, i)], 5]
    assert found["tier_code"].tolist() == expected
    assert found["tier"].tolist() == [NAMES[code] for code in expected]


def test_half_a_cent_rounds_up(to_engine):
    small = frame([49_999.994, 49_999.995])
    found = to_pandas(seg.assign_tier(to_engine(small))).sort_values("aum_average")
    assert found["tier"].tolist() == ["Active", "Quality"]


def test_fifty_thousand_in_parts_is_fifty_thousand(to_engine):
    """Customers whose cents sum to exactly 50,000.00 are in the tier that begins there."""
    rng = np.random.default_rng(1)
    n = 20_000
    parts = np.sort(rng.integers(0, 5_000_001, (n, 5)), axis=1)
    parts = np.diff(parts, axis=1, prepend=0, append=5_000_000) / 100
    rows = pd.DataFrame({"customer_id": np.repeat(np.arange(n), 6), "amount": parts.ravel()})
    summed = np.cumsum(parts, axis=1)[:, -1]
    assert (summed < 50_000).sum() > 100  # the trap is there
    rows["customer_id"] = rows["customer_id"].astype(str)
    import narwhals.stable.v2 as nw

    total = nw.from_native(to_engine(rows)).lazy().group_by("customer_id")
    total = total.agg(nw.col("amount").sum().alias("aum_average"))
    lazy = seg.assign_tier(total.to_native())
    assert set(to_pandas(lazy)["tier"]) == {"Quality"}
    whole = seg.assign_tier(to_engine(frame(summed)))
    assert set(to_pandas(whole)["tier"]) == {"Quality"}


def test_200_000_such_customers():
    rng = np.random.default_rng(2)
    parts = np.sort(rng.integers(0, 5_000_001, (200_000, 3)), axis=1)
    parts = np.diff(parts, axis=1, prepend=0, append=5_000_000) / 100
    summed = parts[:, 0] + parts[:, 1] + parts[:, 2] + parts[:, 3]
    assert (summed < 50_000).sum() > 1_000
    assert set(seg.assign_tier(frame(summed))["tier_code"]) == {2}
    assert set(pd.cut(summed, [0, 50_000, 1e9], right=False, labels=[1, 2])) == {1, 2}


def test_null_and_nan_have_no_tier(to_engine):
    small = frame([1.0, np.nan, 60_000.0], order=[1, 2, 3])
    found = to_pandas(seg.assign_tier(to_engine(small))).sort_values("order")
    assert found["tier"].fillna("none").tolist() == ["Basic", "none", "Quality"]
    assert found["tier_code"].fillna(-1).tolist() == [0, -1, 2]


def test_nan_of_polars_is_null():
    import polars as pl

    small = pl.DataFrame({"aum_average": [1.0, math.nan]})
    for of in (small, small.lazy()):
        assert to_pandas(seg.assign_tier(of))["tier"].isna().tolist() == [False, True]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-(10**6), 10**11), min_size=1, max_size=40))
def test_code_is_the_number_of_starts_reached(cents):
    found = seg.assign_tier(frame([c / 100 for c in cents]))
    assert found["tier_code"].tolist() == [sum(c >= s * 100 for s in STARTS[1:]) for c in cents]


def test_any_numeric_column_and_rule(to_engine):
    small = pd.DataFrame({"contribution": [-3.5, 4_999.99, 5_000.0], "n": [1, 2, 3]})
    found = to_pandas(seg.assign_tier(to_engine(small), "cib_contribution", "contribution"))
    assert found.sort_values("n")["tier"].tolist() == ["Ordinary", "Ordinary", "Platinum"]
    stars = to_pandas(seg.assign_tier(to_engine(small), "icbc", "n"))
    assert set(stars["tier"]) == {"No star"}


def test_columns_of_the_name_are_replaced(to_engine):
    small = frame([60_000.0], tier=["old"], tier_code=[9], other=["x"])
    found = to_pandas(seg.assign_tier(to_engine(small)))
    assert found.iloc[0].to_dict() == {
        "aum_average": 60_000.0,
        "other": "x",
        "tier": "Quality",
        "tier_code": 2,
    }
    again = to_pandas(seg.assign_tier(to_engine(small), on="tier_code"))
    assert again["tier"].tolist() == ["Basic"]


def test_pandas_keeps_its_index_and_types():
    small = frame([1.0, np.nan, 7e6], flag=pd.Categorical(["a", "b", "a"]))
    small.index = pd.Index(["x", "y", "y"], name="who")
    found = seg.assign_tier(small)
    assert found.index.equals(small.index)
    assert found["flag"].dtype == "category"
    assert "tier" not in small
    whole = seg.assign_tier(small.dropna())
    assert whole["tier_code"].dtype == "int64"
    assert whole["tier"].tolist() == ["Basic", "Private"]


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int32", "float32", "double[pyarrow]"])
def test_other_numbers_of_pandas(dtype):
    small = pd.DataFrame({"aum_average": pd.Series([1, 60_000], dtype=dtype)})
    assert seg.assign_tier(small)["tier"].tolist() == ["Basic", "Quality"]
    if dtype not in ("int32", "float32"):
        small.loc[0, "aum_average"] = None
        found = seg.assign_tier(small)
        assert found["tier"].fillna("none").tolist() == ["none", "Quality"]
        assert found["tier_code"].fillna(-1).tolist() == [-1, 2]


@pytest.mark.parametrize("values", [["1"], [True], [None]])
def test_what_is_no_number_is_refused(values):
    small = pd.DataFrame({"aum_average": values})
    from segmentation.data.engines import connection

    for of in (small, connection().from_df(small)):
        with pytest.raises(seg.TableError, match="numeric"):
            seg.assign_tier(of)


def test_a_missing_or_misspelt_column_is_named(to_engine):
    with pytest.raises(seg.TableError, match="aum_average"):
        seg.assign_tier(to_engine(pd.DataFrame({"aum_averag": [1.0]})))


def test_an_empty_frame_stays_empty(to_engine):
    empty = frame([1.0]).astype({"aum_average": float}).head(0)
    found = to_pandas(seg.assign_tier(to_engine(empty)))
    assert list(found.columns) == ["aum_average", "tier", "tier_code"]
    assert found.empty


def test_no_frame_is_refused():
    with pytest.raises(seg.TableError, match="not a frame"):
        seg.assign_tier([1, 2])


def test_an_unknown_rule_is_refused():
    with pytest.raises(seg.TableError, match="rural_commercial"):
        seg.assign_tier(frame([1.0]), "no_such_bank")


def test_a_banks_own_folder(tmp_path, monkeypatch):
    (tmp_path / "tiers.toml").write_text(
        '[own]\nen = "Own"\nzh = "本行"\ncurrency = "CNY"\nbasis = "AUM"\nsource = "us"\n'
        'tiers = [{ en = "A", zh = "甲", from = 0 }, { en = "B", zh = "乙", from = 0.29 }]\n',
        "utf-8",
    )
    assert seg.tier_rule("own", tmp_path).names == ("A", "B")
    assert seg.tier_rule("cmb", tmp_path).names[0] == "Standard"
    monkeypatch.setenv("SEGMENTATION_RULES", str(tmp_path))
    assert seg.assign_tier(frame([0.28, 0.29]), "own")["tier"].tolist() == ["A", "B"]


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        ([], "begins at 0"),
        ([("A", 10.0)], "begins at 0"),
        ([("A", 0.0), ("B", 5.0), ("C", 5.0)], "rise"),
        ([("A", 0.0), ("B", 9.0), ("C", 5.0)], "rise"),
        ([("A", 0.0), ("A", 5.0)], "differ"),
        ([("A", 0.0), ("", 5.0)], "differ"),
        ([("A", 0.0), ("B", 5.001)], "cents"),
        ([("A", 0.0), ("B", math.inf)], "cents"),
        ([("A", math.nan)], "begins at 0"),
    ],
)
def test_unsound_rules_are_refused(tiers, message):
    tiers = tuple(Tier(name, "级", start) for name, start in tiers)
    with pytest.raises(seg.TableError, match=message):
        TierRule("own", "本行", "Own", "CNY", "AUM", "us", tiers)


@pytest.mark.parametrize(
    "text",
    [
        '[own]\nen = "Own"\n',
        '[own]\nen = "O"\nzh = "本"\ncurrency = ""\nbasis = ""\nsource = ""\n'
        'tiers = [{ en = "A" }]\n',
        "own = 3\n",
        '[own]\nen = "O"\nzh = "本"\ncurrency = ""\nbasis = ""\nsource = ""\n'
        'tiers = [{ en = "A", zh = "甲", from = "zero" }]\n',
    ],
)
def test_incomplete_rules_are_refused(text, tmp_path):
    (tmp_path / "tiers.toml").write_text(text, "utf-8")
    with pytest.raises(seg.TableError, match="a rule has zh"):
        seg.tier_rule("own", tmp_path)


def test_a_rule_of_one_tier():
    rule = TierRule("own", "本行", "Own", "CNY", "AUM", "us", (Tier("All", "全部", 0.0),))
    from segmentation.data.engines import connection

    for of in (frame([1.0, 2.0]), connection().from_df(frame([1.0, 2.0]))):
        assert to_pandas(seg.assign_tier(of, rule))["tier"].tolist() == ["All", "All"]


def test_near_threshold(to_engine):
    amounts = [8_999.99, 9_000, 9_999.99, 10_000, 10_999.99, 11_000, 45_000, 6.6e6, np.nan, 0]
    found = to_pandas(seg.near_threshold(to_engine(frame(amounts)), "rural_commercial", 0.1))
    found = found.sort_values("aum_average")
    assert found["aum_average"].tolist() == [9_000, 9_999.99, 10_000, 10_999.99, 45_000]
    assert found["threshold"].tolist() == [10_000] * 4 + [50_000]
    assert found["side"].tolist() == ["below", "below", "above", "above", "below"]
    assert found["gap"].tolist() == [1_000, 0.01, 0, 999.99, 5_000]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_near_threshold_is_within_its_band(cents):
    panel = frame([c / 100 for c in cents])
    found = seg.near_threshold(panel, band=0.2)
    expected = [c for c in cents if any(80 * s <= c < 120 * s for s in STARTS[1:])]
    assert sorted(round(a * 100) for a in found["aum_average"]) == sorted(expected)
    assert (abs(found["aum_average"] - found["threshold"]).round(2) == found["gap"]).all()
    assert ((found["aum_average"] < found["threshold"]) == (found["side"] == "below")).all()


@pytest.mark.parametrize("band", [0, -0.1, 1, 0.7, math.nan])
def test_bands_do_not_overlap(band):
    with pytest.raises(seg.TableError, match="band"):
        seg.near_threshold(frame([1.0]), "rural_commercial", band)
