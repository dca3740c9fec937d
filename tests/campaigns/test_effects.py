"""`effect`: published numbers, every engine, and data that are not as they should be."""

import datetime as dt
import math

import causaldata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

import segmentation as seg
from segmentation.campaigns.arms import enter_trial
from segmentation.campaigns.clusters import cluster_estimates
from segmentation.campaigns.estimates import COLUMNS
from segmentation.campaigns.subgroups import GROUP_COLUMNS

NUMBERS = ["estimate", "se", "low", "high", "p", "relative", "relative_low", "relative_high"]


def campaign(seed=1, n=600):
    """A trial of two letters: money, a flag, visits, a covariate, a region and a household."""
    rng = np.random.default_rng(seed)
    arm = rng.choice(["none", "letter", "call"], n, p=[0.3, 0.5, 0.2])
    x = rng.gamma(2, 50, n)
    visits = 1.0 + rng.poisson(1.5, n)
    return pd.DataFrame(
        {
            "customer_id": [f"C{k:05}" for k in range(n)],
            "arm": arm,
            "aum": 1000 + 3 * x + 30 * rng.normal(size=n) + 12 * (arm == "call"),
            "bought": (rng.random(n) < 0.05 + 0.05 * (arm != "none")).astype("int64"),
            "visits": visits,
            "spend": visits * np.exp(rng.normal(3, 0.6, n)),
            "x": x,
            "kind": rng.choice(["retail", "private", "小微"], n),
            "region": rng.choice(["north", "south", None], n, p=[0.5, 0.4, 0.1]),
            "branch": [f"B{k % 24:02}" for k in range(n)],
        }
    )


def same(one, other, rel=1e-9):
    """Assert that two tables say the same."""
    assert list(one.columns) == list(other.columns)
    for name in one.columns:
        if one[name].dtype.kind == "f":
            assert one[name].to_numpy() == pytest.approx(
                other[name].to_numpy(float), rel=rel, abs=1e-12, nan_ok=True
            ), name
        else:
            assert one[name].tolist() == other[name].tolist(), name


# what is published


@pytest.mark.data
def test_hillstrom(real_data):
    """Hillstrom (2008), Welch standard errors, and adjusted for last year's history."""
    rows = seg.read_hillstrom(real_data / "hillstrom" / "hillstrom.csv.gz")
    outcomes = ["visit", "conversion", "spend"]
    table = seg.effect(rows, outcomes, "segment", "No E-Mail", covariates="history")
    plain = table[table["method"].isin(["Welch", "Newcombe"])].set_index(["arm", "outcome"])
    wanted = {
        ("Mens E-Mail", "visit"): (0.0765896, 0.0033859),
        ("Mens E-Mail", "conversion"): (0.0068050, 0.0009209),
        ("Mens E-Mail", "spend"): (0.7698272, 0.1452466),
        ("Womens E-Mail", "visit"): (0.0452331, 0.0032345),
        ("Womens E-Mail", "conversion"): (0.0031111, 0.0008227),
        ("Womens E-Mail", "spend"): (0.4244122, 0.1303329),
    }
    for key, (estimate, se) in wanted.items():
        assert round(plain.loc[key, "estimate"], 7) == estimate
        assert round(plain.loc[key, "se"], 7) == se
    lin = table[(table["method"] == "Lin") & (table["arm"] == "Mens E-Mail")]
    lin = lin.set_index("outcome").loc["spend"]
    assert (round(lin["estimate"], 7), round(lin["se"], 7)) == (0.7674802, 0.1451462)
    found = seg.moments(rows, ["spend", "history"], by="segment")
    assert round(one_slope(found, "Mens E-Mail", "No E-Mail"), 7) == 0.7674496


def one_slope(found, arm, control):
    """The effect with one slope for both arms (ANCOVA), from moments."""
    rows = [found.groups.iloc[:, 0].tolist().index(name) for name in (arm, control)]
    within = found.products[rows].sum(axis=0)
    theta = np.linalg.solve(within[1:, 1:], within[1:, 0])
    gap = found.means[rows[0]] - found.means[rows[1]]
    return gap[0] - theta @ gap[1:]


def test_hillstrom_from_the_sums_that_ship():
    table = seg.effect(seg.hillstrom_sums(), "spend", "segment", "No E-Mail").set_index("arm")
    assert table["estimate"].round(7).tolist() == [0.7698272, 0.4244122]
    assert table["se"].round(7).tolist() == [0.1452466, 0.1303329]


def test_nsw():
    """National Supported Work, Dehejia & Wahba's sample (PyPI causaldata)."""
    rows = causaldata.nsw_mixtape.load_pandas().data
    covariates = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]
    table = seg.effect(rows, "re78", "treat", 0, covariates=covariates)
    assert table["n_treated"].tolist() == [185, 185]
    assert table["n_control"].tolist() == [260, 260]
    assert table["arm"].tolist() == [1, 1]
    assert round(table["estimate"].iloc[0], 4) == 1794.3424
    assert round(table["se"].iloc[0], 4) == 670.9965  # HC2 of a difference of means is Welch's
    found = seg.moments(rows, ["re78", *covariates], by="treat")
    assert round(one_slope(found, 1, 0), 4) == 1676.3426
    assert round(table["estimate"].iloc[1], 4) == 1621.5831  # statsmodels, standardised columns
    assert round(table["se"].iloc[1], 4) == 694.7216


def users():
    """Moments of tea-tasting's documented example, ``make_users_data(rng=42, covariates=True)``."""
    columns = ("sessions", "orders", "revenue", "revenue_covariate")
    means = [
        [1.9960454770143352, 0.5304003954522986, 5.241028175976273, 5.278512110726645],
        [1.982802225594335, 0.5730905412240769, 5.73011127971675, 4.720263024785027],
    ]
    upper = (
        [
            [2037.9683638161148, 506.2432031636184, 4788.0682254078065, 4818.478096885814],
            [1503.8803756796838, 14449.216767177466, 10271.436505190322],
            [188167.90146139392, 137444.24239480958],
            [349114.82222145353],
        ],
        [
            [1925.4152756702074, 483.48507840161864, 4568.253783510368, 4144.998942842691],
            [1471.688416793121, 14490.173920080917, 8713.691992918553],
            [213116.72437551824, 118543.54904213453],
            [240627.55346322697],
        ],
    )
    products = np.zeros((2, 4, 4))
    for arm in (0, 1):
        for k, row in enumerate(upper[arm]):
            products[arm, k, k:] = products[arm, k:, k] = row
    groups = pd.DataFrame({"variant": [0, 1], "n": [2023, 1977], "dropped": 0})
    shape = np.array(means)
    return seg.Moments(
        ("variant",), columns, groups, shape, products, 0 * shape, shape + 9, shape > np.inf
    )


def test_tea_tastings_documented_example():
    table = seg.effect(users(), "orders", "variant", 0, per="sessions").iloc[0]
    assert table["method"] == "Delta"
    assert round(table["estimate"], 8) == round(0.28903061224 - 0.26572560674, 8)
    assert round(table["p"], 8) == 0.07623760
    lin = seg.effect(users(), "revenue", "variant", 0, covariates="revenue_covariate").iloc[1]
    assert round(lin["estimate"], 8) == 0.73679908
    pair = users().take("revenue", "revenue_covariate")
    assert round(one_slope(pair, 1, 0), 8) == 0.73140069
    # Not tea-tasting's own .73101445, whose slope is from the total covariance, effect included.
    total = pair.pool().covariances[0]
    gap = pair.means[1] - pair.means[0]
    assert round(gap[0] - total[0, 1] / total[1, 1] * gap[1], 8) != 0.73140069


# pitfalls


def test_pitfall_01_nulls_are_not_counted(to_engine):
    frame = campaign()[["arm", "aum", "bought"]].assign(bought=lambda f: f["bought"].astype(float))
    half = frame.assign(aum=frame["aum"].where(np.arange(len(frame)) % 2 == 0))
    half.loc[half.index[5], "bought"] = np.nan
    table = seg.effect(to_engine(half), ["aum", "bought"], "arm", "none")
    complete = seg.effect(half[half["aum"].notna()], "aum", "arm", "none")
    same(table[table["outcome"] == "aum"].reset_index(drop=True), complete)
    whole = seg.effect(frame, "aum", "arm", "none")
    assert complete["se"].iloc[0] / whole["se"].iloc[0] == pytest.approx(math.sqrt(2), rel=0.1)
    dropped = pd.DataFrame(table.attrs["dropped"])
    assert list(dropped.columns) == ["arm", "outcome", "by", "dropped"]
    gone = dropped.set_index(["outcome", "arm"])["dropped"]
    assert gone["aum"].to_dict() == half[half["aum"].isna()].groupby("arm").size().to_dict()
    assert gone["bought"].sum() == 1
    assert not pd.DataFrame(whole.attrs["dropped"])["dropped"].any()


def test_pitfall_02_a_mean_of_1e8_loses_no_digits(to_engine):
    rng = np.random.default_rng(2)
    y = rng.normal(size=20_000)
    frame = pd.DataFrame(
        {"arm": ["a", "b"] * 10_000, "y": y, "x": 0.5 * y + rng.normal(size=20_000)}
    )
    far = frame.assign(y=np.round(frame["y"] * 2**20) / 2**20 + 1e8)
    near = far.assign(y=far["y"] - 1e8)
    one = seg.effect(to_engine(far), "y", "arm", "a", covariates="x")
    other = seg.effect(near, "y", "arm", "a", covariates="x")
    for name in ("estimate", "se", "p"):
        assert one[name].tolist() == pytest.approx(other[name].tolist(), rel=1e-6)


def test_pitfall_03_a_customer_is_there_once():
    frame = campaign()
    twice = pd.concat([frame, frame.head(3)])
    with pytest.raises(seg.TableError, match="one row"):
        seg.effect(twice, "aum", "arm", "none")
    moved = frame.tail(3).assign(arm=["none", "letter", "call"])
    with pytest.raises(seg.TableError, match="one arm"):
        seg.effect(pd.concat([frame, moved]), "aum", "arm", "none")
    assert len(seg.effect(twice, "aum", "arm", "none", unit=None)) == 2


def test_pitfall_07_negative_baselines():
    frame = pd.DataFrame(
        {"arm": ["a"] * 50 + ["b"] * 50, "y": [-10.5, -9.5] * 25 + [-5.5, -4.5] * 25}
    )
    row = seg.effect(frame, "y", "arm", "a").iloc[0]
    assert row["relative"] == pytest.approx(0.5)
    assert 0 < row["relative_low"] < 0.5 < row["relative_high"]


def test_pitfall_07_adjusted_effects_are_over_the_unadjusted_mean():
    frame = campaign()
    table = seg.effect(frame, "aum", "arm", "none", covariates="x")
    baseline = frame.loc[frame["arm"] == "none", "aum"].mean()
    assert table["relative"].to_numpy() == pytest.approx(table["estimate"] / baseline, rel=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05, 0.3]))
def test_pitfall_08_one_p_value(seed, alpha):
    frame = campaign(seed, 120)
    found = [
        seg.effect(frame, ["aum", "bought"], "arm", "none", covariates="x", alpha=alpha),
        seg.effect(frame, "spend", "arm", "none", per="visits", covariates="x", alpha=alpha),
    ]
    table = pd.concat(found)
    beyond = (table["low"] > 0) | (table["high"] < 0)
    assert ((table["p"] < alpha) == beyond).all()
    given_ = table["relative"].notna()
    beyond = (table["relative_low"] > 0) | (table["relative_high"] < 0)
    assert ((table["p"] < alpha) == beyond)[given_].all()


def test_pitfall_09_visits_of_one_customer_are_not_independent():
    rng = np.random.default_rng(9)
    runs, customers = 400, 200
    run = np.repeat(np.arange(runs), customers)
    visits = 1.0 + rng.poisson(4, len(run))
    rate = rng.beta(0.5, 1.5, len(run))  # some refer at every visit, others never
    referred = rng.binomial(visits.astype(int), rate).astype(float)
    arm = np.where(np.arange(len(run)) % 2, "a", "b")
    frame = pd.DataFrame({"run": run, "arm": arm, "visits": visits, "referred": referred})
    table = seg.effect(frame, "referred", "arm", "a", per="visits", by="run")
    assert set(table["method"]) == {"Delta"}
    assert 0.02 <= (table["p"] < 0.05).mean() <= 0.0875
    sums = frame.pivot_table(
        index="run", columns="arm", values=["visits", "referred"], aggfunc="sum"
    )
    share = sums["referred"] / sums["visits"]
    naive = (share * (1 - share) / sums["visits"]).sum(axis=1) ** 0.5
    assert ((share["b"] - share["a"]).abs() > 1.96 * naive).mean() > 0.1


def test_pitfall_10_and_11_clusters_are_handed_over():
    frame = campaign().assign(
        arm=lambda f: f["branch"].map(lambda b: "none" if b < "B12" else "call")
    )
    for kept in (24, 18):  # 12 and 12 branches; 12 and 6
        part = frame[frame["branch"].str[1:].astype(int) < kept]
        table = seg.effect(part, ["aum", "bought"], "arm", "none", covariates="x", cluster="branch")
        trial = enter_trial(part, "arm", "none", ["aum", "bought", "x"], ["branch"])
        wanted = cluster_estimates(trial, ["aum", "bought"], "branch", ["x"])
        assert table["estimate"].tolist() == [estimate.estimate for estimate in wanted]
        assert table["method"].tolist() == [estimate.method for estimate in wanted]
        name = "Cluster t" if kept == 24 else "Permutation"
        assert table["method"].str.startswith(name).all()
        assert list(table.columns) == list(COLUMNS)
        assert len(table.attrs["dropped"]) == 4


def test_pitfall_13_arms_of_unequal_size_are_weighted_by_their_size():
    np.random.seed(42)  # noqa: NPY002  as published, by legacy draws
    w = np.random.choice([0, 1, 2], 2000)  # noqa: NPY002
    y = 42 * (w == 1) - 42 * (w == 2) + np.random.rand(2000)  # noqa: NPY002
    table = seg.effect(pd.DataFrame({"w": w, "y": y}), "y", "w", 0)
    # maq: 41.510 by Horvitz & Thompson's weights, 42.016 by Hájek's; the truth is 42.
    assert round(table["estimate"].iloc[0], 3) == 42.016
    assert table["arm"].tolist() == [1, 2]


def test_pitfall_15_few_successes_have_newcombes_interval():
    frame = pd.DataFrame(
        {"arm": ["a"] * 80 + ["b"] * 70, "y": [1] * 48 + [0] * 32 + [1] * 56 + [0] * 14}
    )
    row = seg.effect(frame, "y", "arm", "a").iloc[0]
    assert (round(row["low"], 4), round(row["high"], 4)) == (0.0524, 0.3339)
    assert row["method"] == "Newcombe"
    nobody = pd.DataFrame({"arm": ["a", "b"] * 20, "y": False})
    row = seg.effect(nobody, "y", "arm", "a").iloc[0]
    assert (row["estimate"], row["p"]) == (0.0, 1.0)
    assert row["high"] == pytest.approx(0.1611, abs=1e-4)
    assert np.isnan(row["relative"])


# every engine, and every way in


def test_every_engine_gives_the_same(to_engine):
    frame = campaign()
    frame.loc[frame.index[::7], "x"] = np.nan
    frame.loc[frame.index[::11], "aum"] = np.nan
    for arguments in (
        {"outcome": ["aum", "bought"], "covariates": ["x", "kind"], "by": "region"},
        {"outcome": "spend", "per": "visits", "covariates": ["visits0"], "cap": 0.9},
    ):
        rows = frame.assign(visits0=frame["visits"] + frame["aum"].fillna(0))
        found = seg.effect(to_engine(rows), arm="arm", control="none", **arguments)
        same(found, seg.effect(rows, arm="arm", control="none", **arguments))


def test_the_difference_of_means_is_that_of_statsmodels():
    frame = campaign()
    row = seg.effect(frame, "aum", "arm", "none").iloc[0]
    call, none = (frame.loc[frame["arm"] == name, "aum"] for name in ("call", "none"))
    compared = CompareMeans(DescrStatsW(call), DescrStatsW(none))
    low, high = compared.tconfint_diff(usevar="unequal")
    assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-9)
    assert row["p"] == pytest.approx(compared.ttest_ind(usevar="unequal")[1], rel=1e-9)
    assert row["arm"] == "call"


def test_several_outcomes_are_each_as_if_alone():
    frame = campaign()
    frame.loc[frame.index[::9], "spend"] = np.nan
    frame.loc[frame.index[::13], "x"] = np.nan
    outcomes = ["spend", "aum", "bought"]
    table = seg.effect(frame, outcomes, "arm", "none", covariates=["x"])
    assert table["outcome"].drop_duplicates().tolist() == outcomes
    assert table["arm"].drop_duplicates().tolist() == ["call", "letter"]
    first = table.drop_duplicates(["arm", "outcome"])["method"]
    assert not first.str.startswith("Lin").any()
    for outcome in outcomes:
        alone = seg.effect(frame, outcome, "arm", "none", covariates=["x"])
        same(table[table["outcome"] == outcome].reset_index(drop=True), alone)


def test_one_scan_for_all_outcomes_and_one_for_their_errors(monkeypatch):
    from segmentation.campaigns import batches

    calls = []
    for name in ("moments", "sandwiches"):
        whole = getattr(batches, name)
        monkeypatch.setattr(
            batches,
            name,
            lambda *a, name=name, whole=whole, **k: calls.append(name) or whole(*a, **k),
        )
    frame = campaign()
    seg.effect(frame, ["aum", "bought", "spend"], "arm", "none", covariates=["x", "visits"])
    assert calls == ["moments", "sandwiches"]


def test_moments_say_the_same_without_a_scan():
    frame = campaign()
    columns = ["aum", "bought", "spend", "visits", "x"]
    found = seg.moments(frame, columns, by=["region", "arm", "kind"])
    for arguments in (
        {"outcome": ["aum", "bought"]},
        {"outcome": "spend", "per": "visits"},
        {"outcome": ["aum", "bought"], "by": "region"},
    ):
        one = seg.effect(found, arm="arm", control="none", **arguments)
        same(one, seg.effect(frame, arm="arm", control="none", **arguments))
    one = seg.effect(found, "aum", "arm", "none", covariates="x")
    other = seg.effect(frame, "aum", "arm", "none", covariates="x")
    assert one["method"].iloc[1] == "Lin, errors from sums with n - k"
    assert one["estimate"].tolist() == pytest.approx(other["estimate"].tolist(), rel=1e-9)
    assert one["se"].iloc[1] == pytest.approx(other["se"].iloc[1], rel=0.05)
    half = len(frame) // 2
    parts = [seg.moments(part, columns, by="arm") for part in (frame[:half], frame[half:])]
    same(
        seg.effect(parts[0] + parts[1], "aum", "arm", "none"),
        seg.effect(frame, "aum", "arm", "none"),
    )


def test_moments_lack_what_they_were_not_asked_for():
    found = seg.moments(campaign(), ["aum"], by="arm")
    with pytest.raises(seg.TableError, match="spend"):
        seg.effect(found, "spend", "arm", "none")
    with pytest.raises(seg.TableError, match="region"):
        seg.effect(found, "aum", "arm", "none", by="region")
    with pytest.raises(seg.TableError, match="quantiles"):
        seg.effect(found, "aum", "arm", "none", cap=0.9)
    with pytest.raises(seg.TableError, match="clusters"):
        seg.effect(found, "aum", "arm", "none", cluster="branch")
    with pytest.raises(seg.TableError, match="control"):
        seg.effect(found, "aum", "arm", "nobody")
    with pytest.raises(seg.TableError, match="beside control"):
        seg.effect(found.only(arm="none"), "aum", "arm", "none")


@pytest.mark.parametrize(
    ("arms", "control"),
    [
        ([0, 1], 0),
        ([False, True], False),
        ([0.0, 1.0], 0),
        (["对照", "短信"], "对照"),
        (["", " "], ""),
    ],
)
def test_arms_keep_their_labels(arms, control):
    frame = pd.DataFrame({"arm": arms * 10, "y": np.arange(20.0)})
    table = seg.effect(frame, "y", "arm", control)
    assert table["arm"].tolist() == [arms[1]]
    assert table["by"].tolist() == ["all"]
    assert table["estimate"].tolist() == [1.0]


# groups


def test_groups_are_each_as_if_alone():
    frame = campaign()
    table = seg.effect(frame, "aum", "arm", "none", covariates="x", by="region")
    assert list(table.columns) == [*COLUMNS, *GROUP_COLUMNS]
    assert table["by"].drop_duplicates().tolist() == ["north", "south", "unknown"]
    for region, rows in frame.groupby(frame["region"].fillna("unknown")):
        alone = seg.effect(rows, "aum", "arm", "none", covariates="x")
        mine = table[table["by"] == region].reset_index(drop=True)[list(COLUMNS)]
        same(mine.drop(columns="by"), alone.drop(columns="by"))


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ([3, 20], [3, 20]),
        ([3.0, None], [3, "unknown"]),
        ([False, True], [False, True]),
        (
            [dt.date(2024, 1, 31), dt.date(2024, 2, 1)],
            [pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-01")],
        ),
        (["'; DROP TABLE", "\u0000\n<b>"], None),
    ],
)
def test_groups_keep_their_labels(labels, shown):
    frame = pd.DataFrame({"arm": ["a", "b"] * 20, "y": np.arange(40.0), "x": np.arange(40.0) % 7})
    frame["g"] = pd.Series(labels * 20).sort_values(ignore_index=True)
    table = seg.effect(frame, "y", "arm", "a", covariates="x", by="g")
    found = table["by"].drop_duplicates().tolist()
    assert found == (sorted(labels) if shown is None else shown)
    assert np.isfinite(table["se"]).all()


def test_a_group_without_both_arms_is_not_lost():
    frame = campaign().assign(region=lambda f: f["region"].fillna("north"))
    frame = frame[(frame["region"] != "south") | (frame["arm"] != "none")]
    table = seg.effect(frame, ["aum", "bought"], "arm", "none", covariates="x", by="region")
    south = table[table["by"] == "south"]
    assert len(south) == len(table) / 2
    assert south["estimate"].isna().all()
    assert south["method"].str.endswith("no comparison").all()
    assert (south["n_control"] == 0).all()
    assert (south["n_treated"] > 0).all()
    assert table.loc[table["by"] == "north", "adjusted_p"].notna().all()


def test_a_group_with_one_customer_in_an_arm_is_too_small():
    frame = campaign()
    frame["region"] = "north"
    frame.loc[frame.index[frame["arm"] == "none"][0], "region"] = "south"
    frame.loc[frame.index[frame["arm"] == "letter"][:9], "region"] = "south"
    table = seg.effect(frame, ["aum", "bought"], "arm", "none", by="region")
    south = table[(table["by"] == "south") & (table["arm"] == "letter")]
    assert south["method"].tolist() == ["Welch, too few customers", "Newcombe, too few customers"]
    assert south["n_control"].tolist() == [1, 1]
    assert south["estimate"].isna().all()


def test_clusters_within_groups_and_with_caps():
    frame = campaign(n=1200).assign(arm=lambda f: np.where(f["branch"] < "B12", "none", "call"))
    frame["region"] = frame["region"].fillna("north")
    table = seg.effect(frame, "spend", "arm", "none", cluster="branch", by="region", cap=0.9)
    assert table["by"].tolist() == ["north", "north", "south", "south"]
    assert (
        table["method"].tolist() == ["Cluster t, 24 clusters", "Cluster t, 24 clusters, capped"] * 2
    )
    assert table["adjusted_p"].notna().all()
    north = frame[frame["region"] == "north"]
    alone = seg.effect(north, "spend", "arm", "none", cluster="branch")
    assert table["estimate"].iloc[0] == alone["estimate"].iloc[0]
    frame.loc[frame["branch"] < "B12", "region"] = "south"
    table = seg.effect(frame, "spend", "arm", "none", cluster="branch", by="region")
    assert table["method"].tolist()[0] == "Cluster t, no comparison"
    assert table["n_control"].tolist()[0] == 0


def test_a_design_of_clusters_says_what_was_assigned():
    frame = campaign(n=1200).drop(columns="arm")
    found = seg.assign(frame, {"none": 0.5, "call": 0.5}, cluster="branch", seed=3)
    rows = frame.merge(found.arms[["customer_id", "arm"]], on="customer_id")
    table = seg.effect(rows, "aum", "arm", "none", design=found.design)
    same(table, seg.effect(rows, "aum", "arm", "none", cluster="branch", design=found.design))
    few = rows[rows["branch"] < "B18"]
    permuted = seg.effect(few, "aum", "arm", "none", design=found.design, by="kind")
    assert permuted["method"].str.startswith("Permutation").all()
    assert permuted["by"].tolist() == ["private", "retail", "小微"]


def test_columns_may_be_called_anything():
    names = {"arm": "x0", "aum": "k0", "spend": "w0", "x": "y0", "visits": "t1", "region": "group"}
    frame = campaign()
    renamed = frame.rename(columns=names)
    arguments = {"by": "region", "covariates": ["x", "visits"], "cap": 0.9}
    table = seg.effect(frame, ["aum", "spend"], "arm", "none", **arguments)
    arguments |= {"by": "group", "covariates": ["y0", "t1"]}
    found = seg.effect(renamed, ["k0", "w0"], "x0", "none", **arguments)
    same(found.drop(columns="outcome"), table.drop(columns="outcome"))


# data that are not as they should be


def test_without_variance():
    frame = pd.DataFrame({"arm": ["a", "b"] * 10, "y": 3.0})
    row = seg.effect(frame, "y", "arm", "a").iloc[0]
    assert (row["estimate"], row["se"], row["method"]) == (0.0, 0.0, "Welch, no variance")
    assert row[["low", "high", "p"]].isna().all()
    moved = frame.assign(y=np.where(frame["arm"] == "b", 5.0, 3.0))
    row = seg.effect(moved, "y", "arm", "a", covariates=()).iloc[0]
    assert row["estimate"] == 2.0
    assert np.isnan(row["p"])


def test_a_ratio_over_nothing():
    frame = pd.DataFrame(
        {"arm": ["a", "b"] * 10, "y": np.arange(20.0), "d": 0.0, "x": np.arange(20.0) % 3}
    )
    table = seg.effect(frame, "y", "arm", "a", per="d", covariates="x")
    assert table["method"].tolist() == [
        "Delta, nothing to divide by",
        "Lin, ratio by the delta method, nothing to divide by",
    ]
    assert table["estimate"].isna().all()


@pytest.mark.parametrize(
    ("change", "arguments", "rule"),
    [
        ({}, {"outcome": "spent"}, "Rename 'spend' to 'spent'"),
        ({}, {"outcome": []}, "outcome"),
        ({}, {"control": "nobody"}, "control"),
        ({"arm": "none"}, {}, "beside control"),
        ({"arm": None}, {}, "every unit has an arm"),
        ({"aum": "much"}, {}, "numbers or flags"),
        ({"aum": np.inf}, {}, "finite"),
        ({"x": "9"}, {"per": "x"}, "numbers or flags"),
        ({}, {"covariates": ["customer_id"]}, "50 levels"),
        ({"x": dt.date(2024, 1, 1)}, {"covariates": ["x"]}, "numbers or flags"),
        ({}, {"covariates": ["arm"]}, "one part"),
        ({}, {"covariates": ["aum"]}, "one part"),
        ({}, {"covariates": "visits", "per": "visits"}, "one part"),
        ({}, {"by": "arm"}, "one part"),
        ({}, {"by": "aum"}, "one part"),
        ({}, {"by": "x"}, "whole number"),
        ({}, {"cluster": "aum"}, "one part"),
        ({}, {"cluster": "branch", "contacted": "bought"}, "cluster"),
    ],
)
def test_what_cannot_be_is_refused(change, arguments, rule):
    frame = campaign()
    for name, value in change.items():
        whole = name != "aum" or isinstance(value, str)
        frame[name] = value if whole else [value, *frame[name].iloc[1:]]
    if change == {"arm": None}:
        frame["arm"] = [None, *campaign()["arm"].iloc[1:]]
    with pytest.raises(seg.TableError, match=rule) as error:
        seg.effect(frame, **({"outcome": "aum", "arm": "arm", "control": "none"} | arguments))
    assert "C0" not in str(error.value)


def test_an_empty_table_and_one_customer():
    frame = campaign()
    with pytest.raises(seg.TableError, match="has rows"):
        seg.effect(frame.head(0), "aum", "arm", "none")
    with pytest.raises(seg.TableError, match="arm"):
        seg.effect(frame.head(1), "aum", "arm", frame["arm"].iloc[0])
    two = frame.drop_duplicates("arm").head(2)
    row = seg.effect(two, "aum", "arm", two["arm"].iloc[0]).iloc[0]
    assert row["method"] == "Welch, too few customers"
    assert (row["n_control"], row["n_treated"]) == (1, 1)


def test_an_outcome_that_nobody_has():
    frame = campaign().assign(aum=np.nan)
    table = seg.effect(
        frame, ["aum", "bought"], "arm", "none", covariates="x", cap=0.9, by="region"
    )
    mine = table[table["outcome"] == "aum"]
    assert mine["estimate"].isna().all()
    assert (mine["n_control"] == 0).all()
    assert sum(row["dropped"] for row in table.attrs["dropped"]) == len(frame)


# properties


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(-1e6, 1e6),
    st.floats(0.001, 1e4),
)
def test_shifting_scaling_and_swapping(seed, shift, scale):
    frame = campaign(seed, 90)
    frame = frame[frame["arm"] != "call"]
    plain = seg.effect(frame, "aum", "arm", "none", covariates="x")
    moved = seg.effect(frame.assign(aum=frame["aum"] + shift), "aum", "arm", "none", covariates="x")
    for name in ("estimate", "se", "low", "p"):
        assert moved[name].tolist() == pytest.approx(plain[name].tolist(), rel=1e-6, abs=1e-6)
    larger = seg.effect(
        frame.assign(aum=frame["aum"] * scale), "aum", "arm", "none", covariates="x"
    )
    assert larger["se"].tolist() == pytest.approx((plain["se"] * scale).tolist(), rel=1e-9)
    assert larger["p"].tolist() == pytest.approx(plain["p"].tolist(), rel=1e-9)
    assert larger["relative"].tolist() == pytest.approx(plain["relative"].tolist(), rel=1e-9)
    back = seg.effect(frame, "aum", "arm", "letter", covariates="x")
    assert back["estimate"].tolist() == pytest.approx((-plain["estimate"]).tolist(), rel=1e-9)
    assert back["high"].tolist() == pytest.approx((-plain["low"]).tolist(), rel=1e-9)


def test_the_order_of_rows_does_not_matter():
    frame = campaign(5, 200)
    order = np.random.default_rng(6).permutation(frame.index)
    one = seg.effect(frame, ["aum", "bought"], "arm", "none", covariates=["x", "kind"], by="region")
    same(
        seg.effect(frame.loc[order], ["aum", "bought"], "arm", "none", ["x", "kind"], by="region"),
        one,
    )
