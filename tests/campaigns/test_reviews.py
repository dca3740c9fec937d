"""The review of a campaign: each check finds what it is for, and nothing else."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from generators import inside, record
from scipy import stats

import segmentation as seg
from segmentation import TableError, check_campaign, other_assignments
from segmentation.campaigns.samples import Sample, chi_square, hotelling, same_share
from segmentation.campaigns.verdicts import NOTES

COLUMNS = ["check", "arm", "column", "value", "limit", "p", "n", "verdict", "note"]
HALVES = {"call": 0.5, "none": 0.5}


def trial(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": [f"C{i:05d}" for i in range(n)],
            "arm": np.array(["call", "none"])[rng.permutation(n) % 2],
            "age": rng.integers(20, 80, n).astype(float),
            "aum": rng.lognormal(10, 1, n),
            "gender": rng.choice(["f", "m"], n),
            "before": rng.normal(size=n),
            "spend": rng.normal(size=n),
        }
    )


def review(frame, outcome="spend", **options):
    options.setdefault("shares", HALVES)
    return check_campaign(frame, outcome, "arm", "none", **options)


def rows(table, check, **levels):
    found = table[table["check"] == check]
    for name, level in levels.items():
        found = found[found[name] == level]
    return found


def one(table, check, **levels):
    found = rows(table, check, **levels)
    assert len(found) == 1
    return found.iloc[0]


def test_a_sound_campaign_is_ok_throughout():
    table = review(trial(), covariates=["age", "aum", "gender"], before="before", contact=None)
    assert list(table) == COLUMNS
    assert table["verdict"].eq("ok").all()
    assert table["check"].drop_duplicates().tolist() == [
        "duplicates", "two arms", "sample ratio", "balance", "joint balance",
        "missing covariate", "missing outcome", "period before",
    ]  # fmt: skip


def test_every_verdict_has_its_sentence():
    for check, notes in NOTES.items():
        assert set(notes) <= {"ok", "look", "stop"}, check
        for note in notes.values():
            assert note.endswith(".")
            assert not any(sign in note for sign in "{}%0123456789")


# the sample ratio


@pytest.mark.data
def test_pitfall_04_hillstrom_keeps_its_thirds(real_data):
    frame = seg.read_hillstrom(next((real_data / "hillstrom").glob("*.csv*")))
    third = dict.fromkeys(frame["segment"].unique(), 1 / 3)
    table = check_campaign(
        frame, ["visit", "conversion", "spend"], "segment", "No E-Mail", shares=third,
        covariates=["recency", "history", "mens", "womens", "newbie", "zip_code", "channel"],
    )  # fmt: skip
    row = one(table, "sample ratio")
    assert row["value"] == pytest.approx(0.20253, abs=5e-6)
    assert row["p"] == pytest.approx(0.90369, abs=5e-6)
    assert row["n"] == 64000
    assert table["verdict"].eq("ok").all()
    assert len(rows(table, "balance")) == 14


def test_pitfall_04_half_a_point_of_a_million_is_found():
    frame = pd.DataFrame({"arm": np.repeat(["call", "none"], [505_000, 495_000]), "spend": 1.0})
    row = one(review(frame), "sample ratio")
    assert (row["value"], row["verdict"]) == (pytest.approx(100.0), "stop")
    assert row["limit"] == pytest.approx(stats.chi2.isf(0.001, 1))
    assert row["p"] == pytest.approx(stats.chi2.sf(100, 1))


def test_planned_shares_are_those_of_the_data():
    frame = trial().assign(share=0.5)
    table = review(frame, shares=None)
    assert one(table, "sample ratio")["verdict"] == "ok"
    planned = {"call": 0.6, "none": 0.4}
    assert one(review(frame, shares=planned), "sample ratio")["verdict"] == "stop"
    frame = frame.assign(share=frame["arm"].map(planned))
    assert one(review(frame, shares=None), "sample ratio")["verdict"] == "stop"
    table = review(frame.drop(columns="share"), shares=None)
    assert one(table, "planned shares")["verdict"] == "look"
    assert rows(table, "sample ratio").empty


def test_an_arm_that_was_lost_is_found():
    row = one(review(trial(), shares={"call": 0.4, "none": 0.4, "mail": 0.2}), "sample ratio")
    assert row["verdict"] == "stop"


def test_losses_that_cancel_over_strata_are_found():
    sizes = {("a", "call"): 600, ("a", "none"): 400, ("b", "call"): 400, ("b", "none"): 600}
    frame = pd.DataFrame(
        [key for key, n in sizes.items() for _ in range(n)], columns=["tier", "arm"]
    ).assign(spend=0.0)
    table = review(frame, stratum="tier")
    assert one(table, "sample ratio", column="arm")["verdict"] == "ok"
    row = one(table, "sample ratio", column="tier")
    assert row["value"] == pytest.approx(4 * 100**2 / 500)
    assert row["verdict"] == "stop"


def test_shares_may_differ_by_stratum():
    sizes = {("a", "call"): 800, ("a", "none"): 200, ("b", "call"): 200, ("b", "none"): 800}
    frame = pd.DataFrame(
        [key for key, n in sizes.items() for _ in range(n)], columns=["tier", "arm"]
    ).assign(spend=0.0, rich=lambda f: (f["tier"] == "a").astype(float))
    frame["share"] = [sizes[key] / 1000 for key in zip(frame["tier"], frame["arm"], strict=True)]
    table = review(frame, shares=None, stratum="tier", covariates="rich")
    assert rows(table, "sample ratio")["verdict"].tolist() == ["ok", "ok"]
    assert one(table, "balance")["verdict"] == "look"  # by design: to be compared within strata
    alone = frame[~((frame["tier"] == "a") & (frame["arm"] == "none"))]
    found = rows(review(alone, shares=None, stratum="tier"), "sample ratio")
    assert found["verdict"].tolist() == ["stop", "stop"]
    with pytest.raises(TableError, match="one planned share in a stratum"):
        review(frame, shares=None)


def test_sizes_of_clusters_count_clusters():
    frame = trial(1200).assign(branch_id=lambda f: f.index % 12)
    frame["arm"] = np.where(frame["branch_id"] < 2, "call", "none")
    planned = {"call": 1 / 6, "none": 5 / 6}
    table = review(frame, shares=planned, cluster="branch_id", covariates="age")
    row = one(table, "sample ratio")
    assert (row["value"], row["n"], row["p"]) == (pytest.approx(0, abs=1e-12), 12, 1.0)
    few = rows(table, "few clusters").set_index("arm")
    assert few["value"].to_dict() == {"call": 2, "none": 10}
    assert few["verdict"].to_dict() == {"call": "look", "none": "ok"}
    assert one(table, "split clusters")["verdict"] == "ok"
    lost = frame[frame["branch_id"] != 0]
    row = one(review(lost, shares=planned, cluster="branch_id"), "sample ratio")
    assert row["p"] == pytest.approx(stats.binomtest(1, 11, 1 / 6).pvalue)


@pytest.mark.parametrize("runs", [400, pytest.param(4000, marks=pytest.mark.calibrate)])
def test_the_sample_ratio_keeps_its_size(runs):
    rng = np.random.default_rng(3)
    counts = rng.multinomial(5000, [0.1, 0.3, 0.6], runs).astype(float)
    expected = np.array([[500.0, 1500.0, 3000.0]])
    rejected = sum(chi_square(row[None], expected)[2] < 0.05 for row in counts)
    record("sample ratio", "multinomial", runs, rejected)
    assert inside(rejected, runs)


# units


def test_pitfall_03_units_there_twice_are_counted():
    frame = trial(100)
    other = np.where(frame["arm"] == "call", "none", "call")
    bad = pd.concat([frame, frame.iloc[:3], frame.iloc[[7]].assign(arm=other[7])])
    table = review(bad)
    assert one(table, "duplicates")["value"] == 4
    assert one(table, "duplicates")["verdict"] == "stop"
    row = one(table, "two arms")
    assert (row["value"], row["n"], row["verdict"]) == (1, 100, "stop")
    assert not any("C000" in str(cell) for cell in table.to_numpy().ravel())


def test_rows_without_identifier_are_counted():
    frame = trial(100)
    frame.loc[:4, "customer_id"] = None
    assert one(review(frame), "missing unit")["value"] == 5
    assert one(review(frame), "duplicates")["value"] == 0


def test_no_unit_no_row():
    table = review(trial().drop(columns="customer_id"))
    assert rows(table, "duplicates").empty
    with pytest.raises(TableError, match="account_id missing"):
        review(trial(), unit="account_id")


# balance


def test_standardised_differences_are_as_published():
    """A number as by Austin (2009), a text as by Yang & Dalton (2012), by hand."""
    frame = pd.DataFrame(
        {
            "arm": ["call"] * 4 + ["none"] * 4,
            "age": [1.0, 2.0, 3.0, np.nan, 2.0, 4.0, 6.0, 8.0],
            "kind": ["a", "a", "b", "c", "a", "b", "b", "b"],
            "spend": 0.0,
        }
    )
    table = review(frame, covariates=["age", "kind"])
    row = one(table, "balance", column="age")
    assert row["value"] == pytest.approx((2 - 5) / math.sqrt((1 + 20 / 3) / 2), rel=1e-12)
    assert row["n"] == 7
    t, c = np.array([0.5, 0.25]), np.array([0.25, 0.75])
    spread = sum(np.diag(p) - np.outer(p, p) for p in (t, c)) / 2
    expected = math.sqrt((t - c) @ np.linalg.solve(spread, t - c))
    assert one(table, "balance", column="kind")["value"] == pytest.approx(expected, rel=1e-9)


def test_a_shift_is_looked_at_and_a_large_one_stops():
    frame = trial(4000)
    moved = frame["arm"] == "call"
    sd = frame["age"].std()
    small = frame.assign(age=frame["age"] + 0.15 * sd * moved)
    table = review(small, covariates=["age", "gender"])
    row = one(table, "balance", column="age")
    assert row["value"] == pytest.approx(0.15, abs=0.07)
    assert row["verdict"] == "look"
    assert one(table, "balance", column="gender")["verdict"] == "ok"
    assert one(table, "joint balance")["verdict"] == "stop"
    large = frame.assign(age=frame["age"] - 0.4 * sd * moved)
    assert one(review(large, covariates="age"), "balance")["verdict"] == "stop"
    tiny = large.groupby("arm").head(12)
    assert one(review(tiny, covariates="age"), "balance")["verdict"] != "stop"


def test_a_covariate_that_is_the_arm_stops():
    frame = trial(100).assign(told=lambda f: (f["arm"] == "call").astype(float), same=1.0)
    frame["label"] = frame["arm"]
    table = review(frame, covariates=["told", "label", "same"])
    stopped = rows(table, "balance").set_index("column")
    assert stopped["verdict"].to_dict() == {"told": "stop", "label": "stop", "same": "ok"}
    assert stopped["value"].tolist() == [math.inf, math.inf, 0.0]
    assert one(table, "joint balance")["p"] == 0


def test_columns_that_follow_from_others_count_once():
    frame = trial(500).assign(months=lambda f: 12 * f["age"])
    with_both = one(review(frame, covariates=["age", "aum", "months"]), "joint balance")
    without = one(review(frame, covariates=["age", "aum"]), "joint balance")
    assert with_both["p"] == pytest.approx(without["p"], rel=1e-6)


def test_hotelling_of_one_column_is_student():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(12, 1)), rng.normal(1, 1, size=(30, 1))
    square, p = hotelling(Sample.of(a), Sample.of(b))
    student = stats.ttest_ind(a[:, 0], b[:, 0])
    assert square == pytest.approx(student.statistic**2, rel=1e-12)
    assert p == pytest.approx(student.pvalue, rel=1e-12)
    assert math.isnan(hotelling(Sample.of(a[:1]), Sample.of(b[:1]))[1])


def test_more_columns_than_units_say_nothing():
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(8, 7))
    assert math.isnan(hotelling(Sample.of(wide[:4]), Sample.of(wide[4:]))[1])
    wide[:, 0] = np.arange(8) < 4
    assert hotelling(Sample.of(wide[:4]), Sample.of(wide[4:])) == (math.inf, 0.0)
    assert 0 < hotelling(Sample.of(wide[:4, 1:6]), Sample.of(wide[4:, 1:6]))[1] < 1


def test_balance_between_branches_is_of_branches():
    """Customers of a branch are alike: one by one they would tell any two branches apart."""
    rng = np.random.default_rng(5)
    hits = {None: 0, "branch_id": 0}
    for _ in range(20):
        level = rng.normal(size=20)
        frame = trial(1000).assign(branch_id=lambda f: f.index % 20)
        frame["aum"] = level[frame["branch_id"]] + rng.normal(size=1000)
        frame["arm"] = np.where(frame["branch_id"] < 10, "call", "none")
        for cluster in hits:
            table = review(frame, covariates="aum", cluster=cluster)
            hits[cluster] += one(table, "joint balance")["p"] < 0.05
    assert hits[None] > 10
    assert hits["branch_id"] <= 4


@pytest.mark.parametrize("runs", [400, pytest.param(4000, marks=pytest.mark.calibrate)])
def test_joint_balance_keeps_its_size(runs):
    rng = np.random.default_rng(2)
    rejected = 0
    for _ in range(runs):
        x = np.column_stack(
            [rng.lognormal(size=300), rng.integers(0, 2, 300), rng.normal(size=300)]
        )
        rejected += hotelling(Sample.of(x[:100]), Sample.of(x[100:]))[1] < 0.05
    record("joint balance", "lognormal, flag and normal", runs, rejected)
    assert inside(rejected, runs)


# what is missing


def test_pitfall_01_differing_missingness_by_arm_is_a_finding():
    frame = trial(2000)
    called = np.flatnonzero(frame["arm"] == "call")
    frame.loc[called[:60], "spend"] = np.nan
    table = review(frame, outcome=["spend", "aum"], covariates="age")
    found = rows(table, "missing outcome", column="spend").set_index("arm")
    assert found["value"].to_dict() == {"call": 0.06, "none": 0.0}
    assert found["verdict"].to_dict() == {"call": "stop", "none": "ok"}
    assert found.loc["call", "p"] == pytest.approx(stats.chi2.sf(60 / 0.97, 1), rel=1e-6)
    row = one(table, "missing outcome", column="aum")
    assert (row["arm"], row["value"], row["verdict"]) == ("all", 0, "ok")


def test_much_that_is_missing_alike_is_looked_at():
    frame = trial(2000)
    frame.loc[frame.groupby("arm").cumcount() < 90, ["spend", "age", "gender"]] = None
    table = review(frame, covariates=["age", "gender"])
    assert rows(table, "missing outcome")["verdict"].tolist() == ["ok", "ok"]
    frame.loc[frame.groupby("arm").cumcount() < 110, "spend"] = None
    table = review(frame, covariates=["age", "gender"])
    assert rows(table, "missing outcome")["verdict"].tolist() == ["look", "look"]
    covered = rows(table, "missing covariate")
    assert covered["verdict"].eq("ok").all()
    assert covered["value"].tolist() == pytest.approx([0.09] * 4)


def test_a_covariate_missing_in_one_arm_tells_the_arms_apart():
    frame = trial(2000)
    frame.loc[frame["arm"] == "call", "age"] = np.nan
    table = review(frame, covariates=["age", "aum"])
    assert one(table, "missing covariate", arm="call")["verdict"] == "stop"
    assert one(table, "joint balance")["p"] == 0
    assert math.isnan(one(table, "balance", column="age")["value"])


def test_few_that_are_missing_are_counted_exactly():
    assert same_share(5, 10, 0, 10) == pytest.approx(stats.fisher_exact([[5, 5], [0, 10]]).pvalue)
    assert same_share(0, 10, 0, 10) == 1.0
    assert math.isnan(same_share(0, 0, 1, 2))


# the period before


def test_an_effect_before_the_campaign_stops():
    frame = trial(2000)
    frame.loc[5:60, "before"] = np.nan
    table = review(frame, before="before")
    row = one(table, "period before")
    groups = frame.groupby("arm")["before"].mean()
    assert row["value"] == pytest.approx(groups["call"] - groups["none"], rel=1e-9)
    assert (row["n"], row["verdict"]) == (1944, "ok")
    assert rows(table, "missing covariate")["arm"].tolist() == ["call", "none"]
    frame["before"] += 0.3 * (frame["arm"] == "call")
    assert one(review(frame, before="before"), "period before")["verdict"] == "stop"


# contact


def test_contact_of_each_arm():
    frame = trial(1000)
    called = (frame["arm"] == "call").to_numpy()
    place = frame.groupby("arm").cumcount().to_numpy()
    frame["contact"] = np.where(called, place < 300, place < 5).astype(float)
    table = review(frame, contact="contact")
    assert one(table, "contacted")["value"] == 0.6
    assert one(table, "contacted")["verdict"] == "ok"
    row = one(table, "contact in control")
    assert (row["arm"], row["value"], row["verdict"]) == ("none", 0.01, "look")
    days = pd.Series(pd.NaT, frame.index).where(frame["contact"] == 0, pd.Timestamp("2025-06-01"))
    again = review(frame.assign(contact=days.astype("datetime64[us]")), contact="contact")
    pd.testing.assert_frame_equal(again, table)
    pd.testing.assert_frame_equal(
        review(frame.assign(contact=frame["contact"] == 1), contact="contact"), table
    )
    frame["contact"] = np.where(called, place < 100, place < 100)
    table = review(frame, contact="contact")
    assert one(table, "contacted")["verdict"] == "look"
    assert one(table, "contact in control")["verdict"] == "stop"
    table = review(frame.assign(contact=0.0), contact="contact")
    assert one(table, "contacted")["verdict"] == "stop"
    assert one(table, "contact in control")["verdict"] == "ok"
    table = review(frame.assign(contact=np.nan), contact="contact")
    assert one(table, "contact unknown")["verdict"] == "look"


# interference


def test_pitfall_30_customers_in_two_live_campaigns_are_seen():
    frame = trial(2000)
    none = review(frame, others=pd.DataFrame({"customer_id": ["X1"]}))
    assert one(none, "another campaign")["verdict"] == "ok"
    some = frame.loc[frame.groupby("arm").cumcount() < 100, ["customer_id"]]
    twice = pd.concat([some, some])  # in two others
    found = rows(review(frame, others=twice), "another campaign").set_index("arm")
    assert found["value"].to_dict() == {"call": 0.1, "none": 0.1}
    assert found["verdict"].to_dict() == {"call": "look", "none": "look"}
    lop = frame.loc[frame["arm"] == "call", ["customer_id"]].head(100)
    found = rows(review(frame, others=lop), "another campaign").set_index("arm")
    assert found["verdict"].to_dict() == {"call": "stop", "none": "ok"}
    frame["other_campaigns"] = frame["customer_id"].isin(lop["customer_id"]) * 2
    counted = rows(review(frame, others="other_campaigns"), "another campaign").set_index("arm")
    assert counted["verdict"].to_dict() == {"call": "stop", "none": "ok"}
    assert counted["value"].to_dict() == found["value"].to_dict()


def test_pitfall_30_households_in_two_arms_are_seen():
    frame = trial(1000).assign(household_id=lambda f: f.index // 2)
    frame.loc[990:, "household_id"] = None
    row = one(review(frame, groups="household_id"), "split groups")
    arms = frame.dropna().groupby("household_id")["arm"].nunique()
    assert row["value"] == pytest.approx((arms == 2).mean())
    assert (row["n"], row["verdict"]) == (495, "look")
    whole = frame.assign(arm=np.where(frame.index // 2 % 2, "call", "none"))
    assert one(review(whole, groups="household_id"), "split groups")["verdict"] == "ok"
    alone = frame.assign(household_id=frame.index)
    assert one(review(alone, groups="household_id"), "split groups")["n"] == 0


def test_pitfall_30_a_branch_in_two_arms_stops():
    frame = trial(200).assign(branch_id=lambda f: f.index % 20)
    row = one(review(frame, cluster="branch_id"), "split clusters")
    assert row["verdict"] == "stop"
    assert row["value"] > 0
    assert row["n"] == 20


def campaigns(**change):
    table = {
        "campaign_id": ["K1", "K2", "K3", "K4"],
        "name": "x",
        "unit": "customer",
        "assigned_on": pd.Timestamp("2025-01-01"),
        "starts_on": pd.to_datetime(["2025-03-01", "2025-04-30", "2025-05-01", "2025-01-01"]),
        "ends_on": pd.to_datetime(["2025-04-30", "2025-06-30", None, "2025-02-28"]),
    }
    assignments = pd.DataFrame(
        {"campaign_id": ["K1", "K2", "K3", "K4"], "customer_id": ["a", "b", "c", "d"]}
    ).assign(arm="x", share=1.0)
    return {"campaigns": pd.DataFrame({**table, **change}), "assignments": assignments}


def test_other_campaigns_are_those_at_the_same_time(to_engine):
    tables = {name: to_engine(table) for name, table in campaigns().items()}
    found = other_assignments(seg.Bank(**tables), "K1")
    assert type(found) is type(tables["campaigns"])
    assert to_pandas(found)["campaign_id"].tolist() == ["K2"]


def test_a_campaign_without_end_runs_on():
    bank = seg.Bank(**campaigns())
    assert sorted(other_assignments(bank, "K3")["campaign_id"]) == ["K2"]
    assert other_assignments(bank, "K2")["campaign_id"].tolist() == ["K1", "K3"]
    with pytest.raises(TableError, match="there is such a campaign"):
        other_assignments(bank, "K9")
    with pytest.raises(seg.MissingTable):
        other_assignments(seg.Bank(campaigns=campaigns()["campaigns"]), "K1")


def test_the_simulated_campaigns_pass():
    bank = seg.simulate_bank(1, branches=4, customers=3000, months=14)
    first = pd.Timestamp(bank.campaigns["starts_on"].iloc[0])
    data = seg.campaign_data(
        bank, "K01", "term >= 10000", first, first + pd.offsets.MonthEnd(2),
        ["age", "aum_average", "gender", "outcome_before"],
    )  # fmt: skip
    table = check_campaign(
        data, "outcome", "arm", "control", covariates=["age", "aum_average", "gender"],
        before="outcome_before", stratum="stratum", contact="contact",
        others=other_assignments(bank, "K01"),
    )  # fmt: skip
    assert not table["verdict"].eq("stop").any()
    assert one(table, "another campaign", arm="treatment")["verdict"] == "look"


# engines, and what is refused


def test_every_engine_says_the_same(to_engine):
    frame = trial(400)
    frame.loc[:9, ["age", "gender", "spend"]] = None
    frame["contact"] = (frame["arm"] == "call") & (frame.index % 2 == 0)
    frame["household_id"] = frame.index // 2
    frame["share"] = 0.5
    others = frame[["customer_id"]].iloc[::7]
    options = {
        "shares": None, "covariates": ["age", "aum", "gender"], "before": "before",
        "stratum": "gender", "groups": "household_id", "contact": "contact",
    }  # fmt: skip
    expected = review(frame, others=others, **options)
    found = review(to_engine(frame), others=to_engine(others), **options)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-9)


def test_labels_of_arms_are_the_callers():
    frame = trial().assign(arm=lambda f: (f["arm"] == "call").astype(int))
    table = check_campaign(frame, "spend", "arm", 0, shares={0: 0.5, 1: 0.5}, covariates="age")
    assert one(table, "balance")["arm"] == 1
    flags = frame.assign(arm=frame["arm"] == 1)
    table = check_campaign(flags, "spend", "arm", False, shares={False: 0.5, True: 0.5})
    assert one(table, "sample ratio")["verdict"] == "ok"


def test_hostile_text_is_only_text():
    frame = trial(200).assign(gender=["'; DROP TABLE x --", "<b>男</b>"] * 100)
    table = review(frame.rename(columns={"gender": "a b'\""}), covariates=["a b'\""])
    assert one(table, "balance")["column"] == "a b'\""


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f, {"outcome": "spent"}, "column spent missing"),
        (lambda f: f, {"covariates": "agee"}, "column agee missing"),
        (lambda f: f, {"contact": "called"}, "column called missing"),
        (lambda f: f, {"cluster": "branch"}, "column branch missing"),
        (lambda f: f, {"outcome": []}, "there is an outcome"),
        (lambda f: f, {"outcome": "gender"}, "numbers or flags"),
        (lambda f: f.assign(age=pd.Timestamp("2025-01-01")), {"covariates": "age"}, "numbers or"),
        (lambda f: f.assign(g=f["customer_id"]), {"covariates": "g"}, "at most 50 levels"),
        (lambda f: f.assign(age=math.inf), {"covariates": "age"}, "age|infinit|finite"),
        (lambda f: f.assign(arm=None), {}, "every unit has an arm|text"),
        (lambda f: f[f["arm"] == "call"], {}, "control arm has rows"),
        (lambda f: f[f["arm"] == "none"], {}, "arm beside control"),
        (lambda f: f.iloc[:0], {}, "has rows"),
        (lambda f: f, {"shares": {"call": 0.5, "none": 0.4}}, "add up to 1"),
        (lambda f: f, {"shares": {"none": 1.0}}, "planned shares of all arms"),
        (lambda f: f.assign(share=0.4), {"shares": None}, "add up to 1"),
        (lambda f: f.assign(share=np.nan), {"shares": None}, "one planned share"),
        (lambda f: f.assign(b=[None, *range(199)]), {"cluster": "b"}, r"cluster \(1 row\)"),
        (lambda f: f, {"others": pd.DataFrame({"id": ["x"]})}, "customer_id missing"),
    ],
)
def test_refused(change, options, message):
    with pytest.raises(TableError, match=message) as error:
        review(change(trial(200)), **options)
    assert "C000" not in str(error.value)


def test_others_are_of_one_engine():
    import pyarrow as pa

    with pytest.raises(TableError, match="kind of the data"):
        review(trial(), others=pa.table({"customer_id": ["x"]}))


def test_alpha_is_a_probability():
    with pytest.raises(ValueError, match="alpha"):
        review(trial(), alpha=0)
