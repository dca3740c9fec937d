"""Assignment: shares to the unit, whatever the order of rows and the engine."""

import hashlib
import math

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation import Design, TableError, assign
from segmentation.campaigns.permutations import stratum_labels
from segmentation.campaigns.roundings import levelled, rounded

HALVES = {"call": 0.5, "none": 0.5}


def people(n=100, **columns):
    columns.setdefault("tier", np.arange(n) % 3)
    return pd.DataFrame({"customer_id": [f"C{i:05d}" for i in range(n)], **columns})


def counts(plan, *by):
    return to_pandas(plan.arms).groupby([*by, "arm"]).size()


def test_neither_order_nor_engine_matters(to_engine):
    frame = people(200, age=np.arange(200) % 7)
    plan = assign(frame, HALVES, ["tier", "age"], seed=3)
    shuffled = frame.sample(frac=1, random_state=1)
    other = assign(to_engine(shuffled), HALVES, ["tier", "age"], seed=3)
    assert type(other.arms) is type(to_engine(frame))
    pd.testing.assert_frame_equal(to_pandas(other.arms), plan.arms)
    pd.testing.assert_frame_equal(other.design.units, plan.design.units)


def test_the_order_is_that_of_the_stated_hash():
    plan = assign(people(9), HALVES, seed="K0007").arms
    digests = [
        hashlib.blake2b(i.encode(), key=b"K0007", digest_size=16).digest()
        for i in plan["customer_id"]
    ]
    arms = plan["arm"].iloc[np.argsort(digests)].tolist()
    assert arms in (["call"] * 4 + ["none"] * 5, ["call"] * 5 + ["none"] * 4)


def test_a_frame_stays_on_its_own_duckdb_connection():
    own = duckdb.connect()
    own.execute("CREATE TABLE c AS SELECT 'C' || i AS customer_id, i AS aum FROM range(10) t(i)")
    plan = assign(own.table("c"), HALVES, seed=1)
    both = own.table("c").join(plan.arms.set_alias("a"), "customer_id")
    assert len(both.fetchall()) == 10
    assert own.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchone() == (0,)


def test_it_is_the_banks_assignments():
    plan = assign(people(20), {"call": 0.25, "none": 0.75}, "tier", seed=1)
    table = plan.arms.assign(campaign_id="K1")
    bank = seg.Bank(assignments=table)
    read = to_pandas(bank.table("assignments", "customer_id", "arm", "share", "stratum"))
    assert read["share"].sum() == pytest.approx(counts(plan) @ np.array([0.25, 0.75]))
    assert read["stratum"].tolist() == table["stratum"].tolist()


def test_seeds_are_independent_of_each_other():
    one, other = (assign(people(2000), HALVES, seed=s).arms["arm"] for s in (1, 2))
    same = (one == other).mean()
    assert abs(same - 0.5) < 4 * 0.5 / math.sqrt(2000)


def test_customers_have_the_same_chance():
    """Over seeds, a customer is as often called as the share says, and so are two together."""
    runs, n = 300, 7
    chosen = np.array(
        [
            assign(people(n), {"call": 0.4, "none": 0.6}, "tier", seed=s).arms["arm"] == "call"
            for s in range(runs)
        ]
    )
    band = 4 * math.sqrt(0.4 * 0.6 / runs)
    assert np.abs(chosen.mean(axis=0) - 0.4).max() < band
    assert set(chosen.sum(axis=1)) == {2, 3}
    assert abs(chosen.sum(axis=1).mean() - 2.8) < 4 * 0.4 / math.sqrt(runs)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=12),
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    seed=st.integers(0, 10**6),
)
def test_rounding_keeps_cells_and_totals(sizes, weights, seed):
    table = np.outer(sizes, np.array(weights) / sum(weights))
    whole = rounded(table, np.random.default_rng(seed))
    near = 1 + 1e-6
    assert (whole >= 0).all()
    assert whole.sum(axis=1).tolist() == sizes
    assert (np.abs(whole - table) < near).all()
    assert (np.abs(whole.sum(axis=0) - table.sum(axis=0)) < near).all()


def test_rounding_favours_no_arm():
    table = np.outer([1, 2, 4, 1, 7], [0.2, 0.3, 0.5])
    mean = np.mean([rounded(table, np.random.default_rng(s)) for s in range(2000)], axis=0)
    assert np.abs(mean - table).max() < 4 * 0.5 / math.sqrt(2000)


def test_rounding_wants_whole_rows():
    with pytest.raises(ValueError, match="whole"):
        rounded(np.array([[0.5, 0.2]]), np.random.default_rng(0))


def test_strata_of_one_customer_keep_the_totals():
    plan = assign(people(99, tier=range(99)), {"a": 1, "b": 1, "c": 1}, "tier", seed=5)
    assert counts(plan).tolist() == [33, 33, 33]


def test_arms_alone_weights_and_shares_say_the_same():
    plans = [
        assign(people(10), arms, seed=1).arms
        for arms in (["call", "none"], HALVES, {"call": 3, "none": 3})
    ]
    for plan in plans[1:]:
        pd.testing.assert_frame_equal(plan, plans[0])


def test_a_missing_stratum_is_a_level_of_its_own():
    frame = people(20, tier=[1.0, None] * 10)
    plan = assign(frame, HALVES, "tier", seed=1)
    assert counts(plan, "stratum").to_dict() == {
        ("1", "call"): 5, ("1", "none"): 5, ("unknown", "call"): 5, ("unknown", "none"): 5,
    }  # fmt: skip


def test_a_column_of_nulls_is_one_level(to_engine):
    frame = people(20).assign(tier=pd.Series([None] * 20, dtype="str"))
    plan = assign(to_engine(frame), HALVES, "tier", seed=1)
    assert counts(plan, "stratum").to_dict() == {("unknown", "call"): 10, ("unknown", "none"): 10}
    plan = assign(people(20).assign(tier=None), HALVES, "tier", seed=1)
    assert counts(plan, "stratum").tolist() == [10, 10]


def test_labels_of_strata_are_never_mistaken():
    levels = pd.DataFrame({"a": ["x, y", "x", "x\\"], "b": ["z", "y, z", ", z"]})
    assert stratum_labels(levels).nunique() == 3


def test_hostile_names_and_identifiers():
    frame = people(6, **{"tier'; DROP TABLE x": ["a", "b"] * 3})
    frame["customer_id"] = ["<b>", "'; --", "客户", "a\nb", "", " "]
    plan = assign(frame, ["呼叫", "none"], "tier'; DROP TABLE x", seed=1)
    assert sorted(plan.arms["customer_id"]) == sorted(frame["customer_id"])


# clusters


def branches(n=12, size=5):
    frame = people(n * size, branch_id=np.repeat([f"B{i:02d}" for i in range(n)], size))
    return frame.assign(region=np.repeat(np.arange(n) % 2, size))


def test_a_cluster_is_assigned_whole():
    plan = assign(branches(), {"festival": 1, "none": 2}, "region", cluster="branch_id", seed=1)
    assert plan.arms.groupby("branch_id")["arm"].nunique().eq(1).all()
    assert plan.design.cluster == "branch_id"
    units = plan.design.units
    assert len(units) == 12
    assert units.groupby(["stratum", "arm"]).size().tolist() == [2, 4, 2, 4]
    assert plan.design.count == math.comb(6, 2) ** 2
    assert list(plan.arms) == ["customer_id", "branch_id", "stratum", "arm", "share", "wave"]


def test_a_cluster_has_one_stratum():
    frame = branches()
    frame.loc[0, "region"] = 7
    with pytest.raises(TableError, match=r"one stratum \(1 row\)"):
        assign(frame, HALVES, "region", cluster="branch_id", seed=1)


def test_new_customers_join_the_arm_of_their_branch():
    first = assign(branches(4), HALVES, cluster="branch_id", seed=1)
    more = branches(6, 8)
    more["customer_id"] = "N" + more["customer_id"]
    both = pd.concat([branches(4), more], ignore_index=True)
    second = assign(both, HALVES, cluster="branch_id", seed=1, existing=first.arms)
    assert second.arms.groupby("branch_id")["arm"].nunique().eq(1).all()
    assert second.design.units.groupby("wave")["arm"].value_counts().tolist() == [2, 2, 1, 1]
    kept = second.arms.merge(first.arms, on="customer_id")
    assert (kept["arm_x"] == kept["arm_y"]).all()


# earlier units


def test_earlier_units_keep_their_arm_and_shares_are_restored():
    first = assign(people(30), {"call": 2, "none": 1}, "tier", seed=1)
    second = assign(people(90), HALVES, "tier", seed=2, existing=first.arms)
    kept = second.arms.merge(first.arms, on="customer_id")
    assert (kept["arm_x"] == kept["arm_y"]).all()
    assert counts(second, "stratum").tolist() == [15] * 6
    assert counts(second, "wave").loc[2].tolist() == [25, 35]


def test_an_arm_that_is_ahead_waits():
    first = people(8).assign(arm="none")
    second = assign(people(12), HALVES, seed=1, existing=first)
    assert counts(second, "wave").to_dict() == {(0, "none"): 8, (1, "call"): 4}


def test_who_left_stays_in_the_campaign():
    first = assign(people(10), HALVES, "tier", seed=1)
    second = assign(people(30).iloc[5:], HALVES, "tier", seed=1, existing=first.arms)
    assert len(second.arms) == 30
    lost = first.arms.drop(columns="stratum")
    with pytest.raises(TableError, match=r"has its stratum \(5 rows\)"):
        assign(people(30).iloc[5:], HALVES, "tier", seed=1, existing=lost)
    assert len(assign(people(30).iloc[5:], HALVES, seed=1, existing=lost).arms) == 30


def test_nobody_new_and_nobody_before():
    first = assign(people(10), HALVES, seed=1)
    again = assign(people(10), HALVES, seed=9, existing=first.arms)
    pd.testing.assert_frame_equal(again.arms, first.arms)
    empty = assign(people(10), HALVES, seed=1, existing=first.arms.iloc[:0])
    pd.testing.assert_frame_equal(empty.arms, first.arms)


@settings(max_examples=60, deadline=None)
@given(
    earlier=st.lists(st.integers(0, 40), min_size=3, max_size=3),
    new=st.integers(0, 60),
    weights=st.lists(st.integers(1, 9), min_size=3, max_size=3),
)
def test_no_other_dealing_comes_nearer(earlier, new, weights):
    """Used up, none taken back, and whoever gets any is brought to the lowest level of all."""
    shares = np.array(weights) / sum(weights)
    dealt = levelled(np.array([earlier], float), np.array([float(new)]), shares)[0]
    assert dealt.min() >= 0
    assert dealt.sum() == pytest.approx(new, abs=1e-9)
    levels = (np.array(earlier) + dealt) / shares
    assert (levels[dealt > 1e-9] <= levels.min() + 1e-6).all()


# the design


def test_all_permutations_once_the_actual_one_first():
    frame = pd.DataFrame(
        {"branch_id": list("abcdef"), "arm": list("xyyxzz"), "r": [0, 0, 0, 1, 1, 1]}
    )
    design = Design.from_arms(frame, "branch_id", "arm", "r")
    assert design.count == 3 * 3
    table = design.permutations(9)
    assert table.dtype == np.int8
    assert table[0].tolist() == [0, 1, 1, 0, 2, 2]
    assert len({tuple(row) for row in table}) == 9
    assert {tuple(sorted(row[:3])) for row in table} == {(0, 1, 1)}
    assert {tuple(sorted(row[3:])) for row in table} == {(0, 2, 2)}


def test_draws_are_as_often_each():
    frame = pd.DataFrame({"branch_id": list("abcde"), "arm": list("xxyyy")})
    design = Design.from_arms(frame, "branch_id", "arm")
    every = design.permutations(10)
    assert len(np.unique(every, axis=0)) == 10
    drawn = design.permutations(9, seed=1)
    assert drawn.shape == (9, 5)
    assert (drawn[0] == every[0]).all()
    assert (drawn == design.permutations(9, seed=1)).all()
    assert (drawn != design.permutations(9, seed=2)).any()
    large = Design.from_arms(
        pd.DataFrame({"branch_id": np.arange(16).astype(str), "arm": list("x" * 4 + "y" * 12)}),
        "branch_id", "arm",
    )  # fmt: skip
    table = large.permutations(1500)
    assert (table.sum(axis=1) == 12).all()
    share = (table == 0).mean(axis=0)
    assert np.abs(share - 0.25).max() < 4 * math.sqrt(0.25 * 0.75 / 1500)


def test_waves_are_permuted_within_themselves():
    first = assign(people(6), HALVES, seed=1)
    second = assign(people(10), HALVES, seed=2, existing=first.arms)
    assert second.design.count == math.comb(6, 3) * math.comb(4, 2)
    unknown = first.arms[["customer_id", "arm"]]
    fixed = assign(people(10), HALVES, seed=2, existing=unknown).design
    assert fixed.count == math.comb(4, 2)
    old = fixed.units["wave"].to_numpy() == 0
    table = fixed.permutations(100)
    assert (table[:, old] == table[0, old]).all()


def test_a_permutation_test_of_the_design_keeps_its_size():
    """Assign, permute, compare: over seeds the p-value is uniform, so at most 5 % are below .05."""
    outcome = np.random.default_rng(0).lognormal(size=12)
    frame = pd.DataFrame({"customer_id": [f"{i:02d}" for i in range(12)], "r": [0] * 6 + [1] * 6})
    hits = 0
    for seed in range(200):
        design = assign(frame, {"a": 1, "b": 2}, "r", seed=seed).design
        table = design.permutations(300, seed)
        statistic = np.abs((table == 0) @ outcome / 4 - (table == 1) @ outcome / 8)
        hits += (statistic >= statistic[0] - 1e-12).mean() <= 0.05
    assert 2 <= hits <= 20


def test_the_count_of_a_large_design_is_infinite():
    assert assign(people(5000), HALVES, seed=1).design.count == math.inf
    with pytest.raises(TableError, match="too many to permute"):
        assign(people(5000), HALVES, seed=1).design.permutations(10**6)
    with pytest.raises(ValueError, match="limit"):
        assign(people(5), HALVES, seed=1).design.permutations(0)


def test_a_design_known_only_from_customers(to_engine):
    plan = assign(branches(), HALVES, "region", cluster="branch_id", seed=1)
    arms = plan.arms.sample(frac=1, random_state=2)
    found = Design.from_arms(to_engine(arms), "branch_id", "arm", "stratum")
    pd.testing.assert_frame_equal(found.units, plan.design.units)
    assert found.labels == plan.design.labels
    assert found.cluster == "branch_id"
    assert Design.from_arms(arms, "customer_id", "arm").cluster is None


# what is refused


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.drop(columns="tier"), {"strata": "tier"}, "column tier missing"),
        (lambda f: f, {"strata": "teir"}, "rename 'tier' to 'teir'|Rename 'tier'"),
        (lambda f: f, {"cluster": "branch_id"}, "branch_id missing"),
        (lambda f: f, {"unit": "id"}, "column id missing"),
        (lambda f: pd.concat([f, f.iloc[:2]]), {}, r"one row \(2 rows\)"),
        (lambda f: f.assign(customer_id=[None, *f["customer_id"][1:]]), {}, r"has one \(1 row\)"),
        (lambda f: f.assign(b=[None, *"x" * 9]), {"cluster": "b"}, r"b: every customer has one"),
        (lambda f: f.iloc[:1], {}, "as many as arms"),
        (lambda f: f.iloc[:0], {}, "as many as arms"),
        (lambda f: f.assign(b=1), {"cluster": "b"}, "as many as arms"),
        (lambda f: f.assign(tier=0.5), {"strata": "tier"}, r"numbers are whole \(10 rows\)"),
        (lambda f: f.assign(tier=pd.Timestamp("2025-01-01")), {"strata": "tier"}, "text, whole"),
        (lambda f: f, {"arms": {"call": 0.5, "none": 0.4}}, "add up to 1"),
        (lambda f: f, {"arms": {"call": 1.5, "none": -0.5}}, "above 0"),
        (lambda f: f, {"arms": {"call": 1.0, "none": 0.0}}, "above 0"),
        (lambda f: f, {"arms": {"call": math.nan, "none": 0.5}}, "above 0"),
        (lambda f: f, {"arms": {"call": 0.01, "none": 0.99}, "seed": 1}, "every arm gets a unit"),
        (lambda f: f, {"arms": ["call"]}, "two arms or more"),
        (lambda f: f, {"arms": ["call", "call"]}, "each once"),
        (lambda f: f, {"arms": "call"}, "two arms or more"),
        (lambda f: f, {"arms": {0: 0.5, 1: 0.5}}, "an arm is text"),
        (lambda f: f.rename(columns={"customer_id": "arm"}), {"unit": "arm"}, "of their own"),
        (lambda f: f, {"existing": people(2).assign(arm="mail")}, r"of the campaign \(2 rows\)"),
        (lambda f: f, {"existing": people(2).assign(arm=None)}, r"filled \(2 rows\)"),
        (lambda f: f, {"existing": people(2).assign(arm=["call", None])}, r"filled \(1 row\)"),
        (lambda f: f, {"existing": people(2)}, "column arm missing"),
    ],
)  # fmt: skip
def test_refused(change, options, message):
    options = {"arms": HALVES, "seed": 1, **options}
    with pytest.raises(TableError, match=message):
        assign(change(people(10)), options.pop("arms"), **options)


def test_earlier_units_are_there_once():
    twice = people(2).assign(arm=["call", "none"], customer_id="C00000")
    with pytest.raises(TableError, match=r"one row \(1 row\)") as error:
        assign(people(10), HALVES, seed=1, existing=twice)
    assert "C00000" not in str(error.value)
    split = branches(2).assign(arm=["call", "none"] * 5)
    with pytest.raises(TableError, match=r"one arm, stratum and wave \(2 rows\)"):
        assign(branches(4), HALVES, cluster="branch_id", seed=1, existing=split)


@pytest.mark.parametrize("seed", ["", "x" * 65, 1.5, None, True])
def test_a_seed_is_a_short_key(seed):
    with pytest.raises(ValueError, match="seed"):
        assign(people(10), HALVES, seed=seed)


def test_a_design_from_data_is_clear():
    frame = pd.DataFrame({"b": ["x", "x", "y"], "arm": ["a", "b", "b"], "r": [0, 0, 1]})
    with pytest.raises(TableError, match=r"in one arm \(1 row\)"):
        Design.from_arms(frame, "b", "arm")
    with pytest.raises(TableError, match=r"in one stratum \(1 row\)"):
        Design.from_arms(frame.assign(arm="a", r=[0, 1, 1]), "b", "arm", "r")
    with pytest.raises(TableError, match=r"filled \(1 row\)"):
        Design.from_arms(frame.assign(arm=["a", "a", None]), "b", "arm")
    with pytest.raises(TableError, match="two units"):
        Design.from_arms(frame.iloc[:1], "b", "arm")
