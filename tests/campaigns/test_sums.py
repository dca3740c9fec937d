"""Moments: complete cases, centred sums, groups of all kinds, and their addition."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from generators import clusters
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.campaigns import scans

KEYS = ["n", "dropped"]


def by_hand(frame, columns, by):
    """Means and products of complete cases by group, from pandas and the definition."""
    groups = frame.groupby(by, dropna=False, sort=True) if by else [((), frame)]
    rows = []
    for _, group in groups:
        whole = group[columns].astype(float).dropna()
        centred = (whole - whole.mean()).to_numpy()
        rows.append((len(whole), len(group) - len(whole), whole.mean(), centred.T @ centred))
    n, dropped, means, products = (list(part) for part in zip(*rows, strict=True))
    return np.array(n), np.array(dropped), np.array(means), np.array(products)


@pytest.fixture
def trial():
    rng = np.random.default_rng(3)
    n = 4000
    frame = pd.DataFrame(
        {
            "arm": rng.choice(["a", "b", "c"], n),
            "month": rng.choice(pd.to_datetime(["2024-01-01", "2024-02-01"]), n),
            "aum": np.exp(rng.normal(10, 2, n)),
            "bought": rng.random(n) < 0.1,
            "visits": rng.poisson(2, n),
        }
    )
    frame["arm"] = frame["arm"].mask(rng.random(n) < 0.1)
    frame["aum"] = frame["aum"].mask(rng.random(n) < 0.2)
    return frame


def test_every_engine_measures_the_same(trial, to_engine):
    columns, by = ["aum", "bought", "visits"], ["arm", "month"]
    found = seg.moments(to_engine(trial), columns, by)
    n, dropped, means, products = by_hand(trial, columns, by)
    assert list(found.n) == list(n)
    assert list(found.groups["dropped"]) == list(dropped)
    np.testing.assert_allclose(found.means, means, rtol=1e-12)
    np.testing.assert_allclose(found.products, products, rtol=1e-9, atol=1e-9)
    assert found.binary == (False, True, False)
    assert found.groups["arm"].tolist() == ["a", "a", "b", "b", "c", "c", None, None]
    assert found.groups["month"].tolist() == list(pd.to_datetime(["2024-01-01", "2024-02-01"])) * 4
    whole = trial.dropna(subset=["aum"]).groupby(by, dropna=False)["aum"]
    assert found.lows[:, 0].tolist() == whole.min().tolist()
    assert found.highs[:, 0].tolist() == whole.max().tolist()


def test_pitfall_01_half_the_outcomes_missing_leave_the_error_of_complete_cases(to_engine):
    """GrowthBook #725, tea-tasting 2.0.0: counting the nulls makes the error 1/√2 of it."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": ["control", "treated"] * 500, "y": rng.normal(size=1000)})
    frame.loc[frame.index % 4 < 2, "y"] = np.nan
    found = seg.moments(to_engine(frame), "y", "arm")
    complete = frame.dropna().groupby("arm")["y"]
    assert found.n.tolist() == [250, 250]
    assert found.groups["dropped"].tolist() == [250, 250]
    error = np.sqrt((found.covariances[:, 0, 0] / found.n).sum())
    assert error == pytest.approx(np.sqrt((complete.var() / complete.count()).sum()), rel=1e-12)
    assert error / np.sqrt((complete.var() / 500).sum()) == pytest.approx(np.sqrt(2))


def test_pitfall_01_complete_cases_are_those_of_the_columns_asked_for():
    frame = pd.DataFrame({"y": [1.0, 2.0, None, 4.0], "x": [1.0, None, None, 2.0]})
    assert seg.moments(frame, "y").n.tolist() == [3]
    both = seg.moments(frame, ["y", "x"])
    assert both.n.tolist() == [2]
    assert both.groups["dropped"].tolist() == [2]
    assert both.means.tolist() == [[2.5, 1.5]]
    assert both.highs.tolist() == [[4.0, 2.0]]


def test_pitfall_02_a_million_values_about_1e8_have_variance_1():
    """The published row "sums of squares": the naive formula gives 4.19 on such values."""
    values = np.random.default_rng(0).normal(1e8, 1, 1_000_000)
    found = seg.moments(pd.DataFrame({"y": values}), "y")
    assert found.covariances[0, 0, 0] == pytest.approx(np.var(values, ddof=1), abs=1e-6)
    assert f"{found.covariances[0, 0, 0]:.2f}" == "1.00"
    naive = (values @ values - values.sum() ** 2 / len(values)) / (len(values) - 1)
    assert abs(naive - 1) > 0.1


@pytest.mark.parametrize("arrangement", ["groups far apart", "sorted", "outlier first", "far head"])
def test_pitfall_02_no_order_of_the_rows_loses_digits(arrangement, to_engine):
    rng = np.random.default_rng(5)
    n = 6000
    group = rng.choice(["p", "q", None], n)
    y = rng.normal(1e8, 1, n)
    x = rng.normal(size=n)
    if arrangement == "groups far apart":
        y = y + np.where(group == "p", 1e9, 0) - np.where(group == "q", 3e8, 0)
    elif arrangement == "sorted":
        y = np.sort(rng.normal(1e8, 1, n)) + 1e6 * np.linspace(0, 1, n)
    elif arrangement == "outlier first":
        y[0] = 1e15
    else:
        y[: scans.HEAD] = rng.normal(-1e9, 1, scans.HEAD)
        group[: scans.HEAD] = "other"
    frame = pd.DataFrame({"group": group, "y": y, "x": x})
    found = seg.moments(to_engine(frame), ["y", "x"], "group")
    n, _, means, products = by_hand(frame, ["y", "x"], ["group"])
    assert found.n.tolist() == n.tolist()
    np.testing.assert_allclose(found.means, means, rtol=1e-14, atol=1e-9)
    scale = np.sqrt(np.einsum("gi,gj->gij", *[np.diagonal(products, 0, 1, 2)] * 2))
    assert (np.abs(found.products - products) / scale).max() < 1e-9
    total = seg.moments(to_engine(frame), ["y", "x"])
    _, _, _, whole = by_hand(frame, ["y", "x"], [])
    np.testing.assert_allclose(total.products[0, 0, 0], whole[0, 0, 0], rtol=1e-9)


def test_one_scan_is_enough_where_the_centre_is_near(trial, monkeypatch):
    scanned = []
    plain = scans._sums
    monkeypatch.setattr(scans, "_sums", lambda *a: scanned.append(1) or plain(*a))
    seg.moments(trial, ["aum", "bought", "visits"], "arm")
    assert len(scanned) == 1
    seg.moments(trial.assign(aum=trial["aum"] + 1e12 * (trial["arm"] == "a")), "aum", "arm")
    assert len(scanned) == 3


@pytest.mark.parametrize("hole", [None, float("nan"), float("inf")])
def test_what_is_missing_far_below_the_first_rows_is_found(hole, to_engine):
    rng = np.random.default_rng(12)
    frame = pd.DataFrame({"arm": ["a", "b"] * 1500, "y": rng.normal(size=3000), "x": 1.0})
    frame["x"] = rng.normal(size=3000)
    late = frame.assign(y=[*frame["y"].iloc[:2990], *([hole] * 10)])
    if hole == float("inf"):
        with pytest.raises(seg.TableError, match="finite"):
            seg.moments(to_engine(late), ["y", "x"], by="arm")
        return
    found = seg.moments(to_engine(late), ["y", "x"], by="arm")
    wanted = seg.moments(frame.head(2990), ["y", "x"], by="arm")
    assert found.groups["dropped"].tolist() == [5, 5]
    np.testing.assert_allclose(found.means, wanted.means, rtol=1e-9)
    np.testing.assert_allclose(found.products, wanted.products, rtol=1e-9)


def test_constants_are_exact_however_far_from_the_centre():
    frame = pd.DataFrame({"g": [1, 1, 2, 2, 2], "y": [0.1, 0.1, 1e9 + 0.1, 1e9 + 0.1, 1e9 + 0.1]})
    found = seg.moments(frame, "y", "g")
    assert found.means[:, 0].tolist() == [0.1, 1e9 + 0.1]
    assert (found.products == 0).all()


def test_thousands_of_groups():
    draws = clusters(np.random.default_rng(2), 20, 300, 100, 8, uneven=True)
    frame = draws.frame()
    found = seg.moments(frame, ["y", "x"], ["run", "arm", "cluster"])
    assert len(found.groups) == 6000
    pooled = found.pool("run", "arm")
    direct = seg.moments(frame, ["y", "x"], ["run", "arm"])
    pd.testing.assert_frame_equal(pooled.groups, direct.groups)
    np.testing.assert_allclose(pooled.means, direct.means, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(pooled.products, direct.products, rtol=1e-9, atol=1e-9)


def equal(one, other):
    pd.testing.assert_frame_equal(one.groups, other.groups, check_dtype=False)
    np.testing.assert_allclose(one.means, other.means, rtol=1e-12)
    np.testing.assert_allclose(one.products, other.products, rtol=1e-9, atol=1e-7)
    np.testing.assert_array_equal(one.lows, other.lows)
    np.testing.assert_array_equal(one.highs, other.highs)
    assert one.binary == other.binary


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.one_of(st.none(), st.floats(-1e6, 1e6, width=32)),
            st.sampled_from([0.0, 1.0, None]),
        ),
        min_size=2,
        max_size=40,
    ),
    st.integers(0, 40),
)
def test_pitfall_02_the_sum_of_two_parts_is_the_whole(rows, cut):
    frame = pd.DataFrame(rows, columns=["g", "y", "z"]).astype({"g": object, "y": float})
    frame["z"] = frame["z"].astype(float)
    parts = [seg.moments(part, ["y", "z"], "g") for part in (frame[:cut], frame[cut:])]
    whole = seg.moments(frame, ["y", "z"], "g")
    equal(parts[0] + parts[1], whole)
    equal(parts[1] + parts[0], whole)
    equal(whole.pool(), seg.moments(frame, ["y", "z"]))


def test_pool_only_and_take(trial):
    found = seg.moments(trial, ["aum", "visits"], ["arm", "month"])
    equal(found.pool("month"), seg.moments(trial, ["aum", "visits"], "month"))
    some = found.only(arm=None, month=pd.Timestamp("2024-02-01"))
    assert some.groups[KEYS].iloc[0].tolist() == found.groups[KEYS].iloc[7].tolist()
    assert some.means.tolist() == [found.means[7].tolist()]
    assert found.only(arm="nobody").means.shape == (0, 2)
    assert found.take("visits").products.tolist() == found.products[:, 1:, 1:].tolist()
    with pytest.raises(ValueError, match="region: no columns"):
        found.pool("region")
    with pytest.raises(ValueError, match="region: no columns"):
        found.only(region="x")
    with pytest.raises(ValueError, match="spend: not measured"):
        found.take("spend")
    with pytest.raises(ValueError, match="same columns"):
        found + found.pool()


def test_groups_of_one_and_without_a_complete_case(to_engine):
    frame = pd.DataFrame({"g": ["a", "b", "b", "c"], "y": [2.0, 1.0, 4.0, None]})
    found = seg.moments(to_engine(frame), "y", "g")
    assert found.n.tolist() == [1, 2, 0]
    assert found.means[:2, 0].tolist() == [2.0, 2.5]
    assert np.isnan(found.means[2, 0])
    assert np.isnan(found.covariances[[0, 2], 0, 0]).all()
    assert found.covariances[1, 0, 0] == 4.5
    assert found.pool().means.tolist() == [[7 / 3]]
    assert found.pool().groups.iloc[0].tolist() == [3, 1]


def test_an_empty_table(to_engine):
    frame = pd.DataFrame({"g": ["a"], "y": [1.0]})[:0]
    grouped = seg.moments(to_engine(frame), "y", "g")
    assert len(grouped.groups) == 0
    assert grouped.binary == (False,)
    single = seg.moments(to_engine(frame), "y")
    assert single.n.tolist() == [0]
    assert np.isnan(single.means).all()
    assert single.products.tolist() == [[[0.0]]]
    pooled = grouped.pool()
    assert pooled.n.tolist() == [0]
    assert (single + seg.moments(frame.reindex([0]).assign(y=3.0), "y")).means.tolist() == [[3.0]]


def test_numbers_of_every_type(to_engine):
    frame = pd.DataFrame(
        {
            "money": [Decimal("1.10"), Decimal("2.20"), None],
            "flag": [True, False, True],
            "whole": [2**40, 2**40 + 2, 2**40 + 4],
        }
    )
    found = seg.moments(to_engine(frame), ["money", "flag", "whole"])
    assert found.n.tolist() == [2]
    np.testing.assert_allclose(found.means, [[1.65, 0.5, 2**40 + 1]])
    assert found.products[0, 2, 2] == 2.0


def test_labels_keep_their_kind():
    frame = pd.DataFrame(
        {
            "code": pd.array([2**60, 2**60 + 1, None], dtype="Int64"),
            "day": [dt.date(2024, 1, 1), None, None],
            "on": [True, None, False],
            "share": [0.5, np.nan, -0.0],
            "kind": pd.Categorical(["z", "a", None], categories=["z", "a"]),
            "y": [1.0, 2.0, 3.0],
        }
    )
    assert seg.moments(frame, "y", "code").groups["code"].tolist() == [2**60, 2**60 + 1, None]
    assert seg.moments(frame, "y", "day").groups["day"].tolist() == [
        pd.Timestamp("2024-01-01"),
        None,
    ]
    assert seg.moments(frame, "y", "on").groups["on"].tolist() == [False, True, None]
    assert seg.moments(frame, "y", "share").groups["share"].tolist() == [0.0, 0.5, None]
    assert seg.moments(frame, "y", "kind").groups["kind"].tolist() == ["a", "z", None]


def test_hostile_names_and_labels(to_engine):
    name, group = 'a "quoted" name; DROP TABLE x', "x0"
    frame = pd.DataFrame({group: ["", "'; --", None, ""], name: [1.0, 2.0, 3.0, 3.0]})
    frame[name] += 1e12 * (frame[group] == "")
    found = seg.moments(to_engine(frame), name, group)
    assert found.groups[group].tolist() == ["", "'; --", None]
    assert found.means[:, 0].tolist() == [1e12 + 2, 2.0, 3.0]
    assert found.products[:, 0, 0].tolist() == [2.0, 0.0, 0.0]


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_infinities_are_refused(infinite, to_engine):
    frame = pd.DataFrame({"y": [1.0, infinite, infinite], "x": [1.0, 2.0, 3.0]})
    with pytest.raises(seg.TableError, match=r"data\.y: numbers are finite \(2 rows\)"):
        seg.moments(to_engine(frame), ["x", "y"])


def test_numbers_that_overflow_when_squared_are_refused():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1e200, -1e200, 3.0]})
    with pytest.raises(seg.TableError, match=r"data\.y: numbers can be squared"):
        seg.moments(frame, ["x", "y"])


@pytest.mark.parametrize(
    ("columns", "by", "message"),
    [
        (["y", "y"], [], r"data\.y: a column is asked for once"),
        (["y"], ["y"], r"data\.y: a column is asked for once"),
        ([], ["g"], "there is a column to measure"),
        (["yy"], [], "column yy missing"),
        (["y"], ["h"], "column h missing"),
        (["g"], [], r"data\.g: the column holds numbers or flags"),
        (["y"], ["n"], r"data\.n: a group is not called like a result"),
    ],
)
def test_what_cannot_be_measured_is_refused(columns, by, message):
    frame = pd.DataFrame({"g": ["a", "b"], "y": [1.0, 2.0], "n": [1, 2]})
    with pytest.raises(seg.TableError, match=message):
        seg.moments(frame, columns, by)


def test_the_table_has_no_single_value(trial):
    table = seg.moments(trial, ["aum", "visits"], "arm").table
    assert table.columns.tolist() == ["arm", "column", "n", "dropped", "mean", "sd"]
    assert len(table) == 8
