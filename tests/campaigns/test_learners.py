"""Scores from models that never saw the customer: they find what is there, and nothing else."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from generators import inside, record
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import segmentation as seg
from segmentation.campaigns.folds import fold_numbers

COVARIATES = ["x", "z", "city"]
TREE = DecisionTreeRegressor(max_depth=3, min_samples_leaf=100)


def customers(n=2_000, seed=0, outcome="money", effect=1.0):
    """A trial whose effect is on those with x above 0, with holes in the covariates."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    city = rng.choice(np.array(["north", "south", None], dtype=object), n)
    treated = rng.random(n) < 0.5
    gain = effect * (x > 0) * treated
    if outcome == "binary":
        y = (rng.random(n) < 0.1 + 0.2 * gain + 0.05 * (city == "north")).astype(float)
    elif outcome == "money":
        y = np.where(rng.random(n) < 0.2 + 0.3 * gain, np.exp(3 + 0.5 * rng.normal(size=n)), 0.0)
    else:
        y = gain + 0.5 * z + rng.normal(size=n)
    return pd.DataFrame(
        {
            "customer_id": [f"C{i:06d}" for i in range(n)],
            "arm": np.where(treated, "call", "none"),
            "y": y,
            "x": np.where(rng.random(n) < 0.02, np.nan, x),
            "z": z,
            "city": city,
        }
    )


def learnt(data, method="t", model=LinearRegression(), covariates=COVARIATES, **more):  # noqa: B008
    return seg.learn(data, "y", "arm", "none", covariates, method=method, model=model, **more)


@pytest.mark.parametrize("outcome", ["binary", "money"])
@pytest.mark.parametrize("method", ["dr", "s", "t", "x"])
def test_planted_heterogeneity_is_ranked(method, outcome):
    data = customers(4_000, 5, outcome)
    found = learnt(data, method, TREE)
    curve = seg.uplift_curve(found.scores, "rank", "y", "arm", "none", share=0.5)
    assert curve.qini > 0
    assert curve.qini_p < 0.01
    scores = found.scores.set_index("customer_id")["score"]
    high = data.set_index("customer_id")["x"] > 0.3
    assert scores[high].mean() > scores[~high].mean() + 0.5 * curve.ate


def test_the_default_model_finds_it_too():
    found = seg.learn(customers(3_000, 6, "normal"), "y", "arm", "none", COVARIATES, folds=3)
    assert found.method == "dr"
    curve = seg.uplift_curve(found.scores, "rank", "y", "arm", "none", share=0.5)
    assert curve.qini_p < 1e-6
    assert found.scores["score"].mean() == pytest.approx(curve.ate, abs=0.1)


def in_sample(data):
    """A curve on the customers that two trees learnt from, as it must not be."""
    x, treated = data[["x", "z", "u"]].to_numpy(), (data["arm"] == "call").to_numpy()
    tree = DecisionTreeRegressor(max_depth=4, min_samples_leaf=10, random_state=0)
    one, other = (clone(tree).fit(x[w], data["y"][w]) for w in (treated, ~treated))
    seen = data.assign(seen=one.predict(x) - other.predict(x))
    return seg.uplift_curve(seen, "seen", "y", "arm", "none")


@pytest.mark.parametrize("runs", [100, pytest.param(4_000, marks=pytest.mark.calibrate)])
def test_pitfall_19_noise_stays_noise(runs):
    """Learners that judge themselves find an effect in noise; the ranks of `learn` keep to 5 %."""
    rng = np.random.default_rng(19)
    n, rejected, self_judged, shared = 600, 0, 0, 0
    for run in range(runs):
        data = pd.DataFrame(rng.normal(size=(n, 4)), columns=["y", "x", "z", "u"])
        data["arm"] = np.where(rng.random(n) < 0.5, "call", "none")
        data["customer_id"] = np.arange(n)
        found = learnt(data, covariates=["x", "z", "u"], folds=4)
        curve = seg.uplift_curve(found.scores, "rank", "y", "arm", "none")
        rejected += curve.qini_p < 0.05
        if run < 10:
            self_judged += in_sample(data).qini_p < 0.05
        if run < 50:
            unmarked = pd.DataFrame(found.scores.to_dict("list"))
            shared += seg.uplift_curve(unmarked, "score", "y", "arm", "none").qini_p < 0.05
    record("learn, ranks of a T-learner", "normal, no effect", runs, rejected)
    assert inside(rejected, runs)
    assert self_judged == 10  # of 10: what cross-fitting is for
    assert shared > 5  # of 50: why it is not enough, and what ranks are for


def test_a_curve_of_cross_fitted_scores_is_refused():
    found = learnt(customers(600))
    with pytest.raises(seg.TableError, match="rank"):
        seg.uplift_curve(found.scores, "score", "y", "arm", "none")


@pytest.mark.parametrize("method", ["dr", "s", "t", "x"])
def test_no_score_has_seen_an_outcome_of_its_fold(method):
    data = customers(900, outcome="normal")
    before = learnt(data, method).scores
    fold = before["fold"].to_numpy()
    changed = data.copy()
    changed["y"] = np.where(fold == 2, 100 - 7 * data["y"], data["y"])
    after = learnt(changed, method).scores
    same = before["score"].to_numpy() == after["score"].to_numpy()
    assert same[fold == 2].all()
    assert not same[fold != 2].any()
    # Ranks have seen nothing of their own or a later fold.
    ranks = before["rank"].to_numpy(), after["rank"].to_numpy()
    assert np.isnan(ranks[0][fold == 0]).all()
    assert (ranks[0] == ranks[1])[(fold == 1) | (fold == 2)].all()
    assert not (ranks[0] == ranks[1])[fold > 2].all()


def test_ranks_are_within_folds():
    scores = learnt(customers(900)).scores
    ranks = scores.dropna(subset="rank").groupby("fold")["rank"]
    assert ranks.max().eq(1).all()
    assert ranks.mean().between(0.5, 0.51).all()
    assert scores["fold"].value_counts().min() > 900 / 5 * 0.7


def test_row_order_and_runs_mean_nothing():
    data = customers(600)
    first = learnt(data, "x").scores
    for again in (data, data.sample(frac=1, random_state=1)):
        pd.testing.assert_frame_equal(learnt(again, "x").scores, first)
    other = learnt(data, "x", seed="K0002").scores
    assert (other["fold"] != first["fold"]).any()
    forest = DecisionTreeRegressor(max_features=1, max_depth=3)  # draws at random
    pd.testing.assert_frame_equal(
        learnt(data, model=forest).scores, learnt(data, model=forest).scores
    )
    assert forest.random_state is None


def test_a_fold_hangs_on_the_identifier_alone():
    assert (
        fold_numbers(["a", "b", "c"], 5, 1) == [fold_numbers([t], 5, 1)[0] for t in "abc"]
    ).all()
    counts = np.bincount(fold_numbers(map(str, range(10_000)), 5, 1))
    assert (abs(counts - 2_000) < 200).all()


def test_every_engine_gives_the_same(to_engine):
    data = customers(500, 3)
    data["member"] = data["z"] > 0
    covariates = [*COVARIATES, "member"]
    expected = learnt(data, "dr", covariates=covariates, folds=3)
    found = learnt(to_engine(data), "dr", covariates=covariates, folds=3)
    scores = to_pandas(found.scores).sort_values("customer_id", ignore_index=True)
    for column in ("score", "rank", "y"):
        np.testing.assert_allclose(
            scores[column].astype(float), expected.scores[column], rtol=0, atol=1e-9
        )
    assert scores["arm"].tolist() == expected.scores["arm"].tolist()
    assert scores["fold"].tolist() == expected.scores["fold"].tolist()
    new = data.head(50).assign(customer_id=[f"N{i:02d}" for i in range(50)])
    foretold = to_pandas(found.score(to_engine(new))).sort_values("customer_id")
    np.testing.assert_allclose(foretold["score"], expected.score(new)["score"], rtol=0, atol=1e-9)
    assert type(found.scores) is type(to_engine(expected.scores))


def test_new_customers_get_the_mean_of_the_folds():
    data = customers(800, outcome="normal")
    found = learnt(data, "t", folds=3)
    new = customers(20, 9).assign(customer_id=[f"N{i}" for i in range(20)])
    scored = found.score(new)
    assert scored.columns.tolist() == ["customer_id", "score"]
    # By hand: one linear regression an arm, without each fold in turn.
    codes = fold_numbers(data["customer_id"], 6, 0) % 3
    assert codes.tolist() == found.scores["fold"].tolist()
    hand = []
    for fold in range(3):
        part = data[codes != fold]
        middle = part["x"].median()

        def matrix(frame, middle=middle):
            levels = [(frame["city"].isna() if c is None else frame["city"] == c)
                      for c in ("north", "south", None)]  # fmt: skip
            return np.column_stack([frame["x"].fillna(middle), frame["x"].isna(), frame["z"],
                                    *levels]).astype(float)  # fmt: skip

        fits = [
            LinearRegression().fit(matrix(arm), arm["y"])
            for arm in (part[part["arm"] == "call"], part[part["arm"] == "none"])
        ]
        hand.append(fits[0].predict(matrix(new)) - fits[1].predict(matrix(new)))
    expected = pd.Series(np.mean(hand, axis=0), new["customer_id"]).sort_index()
    np.testing.assert_allclose(scored["score"], expected, atol=1e-9)


def test_customers_who_were_learnt_from_are_not_scored_again():
    data = customers(600)
    found = learnt(data)
    some = pd.concat([data.head(3), data.head(5).assign(customer_id=list("abcde"))])
    with pytest.raises(seg.TableError, match="not seen it") as error:
        found.score(some)
    assert error.value.rows == 3
    # One without an outcome was put in a fold, too, and has its score.
    data.loc[0, "y"] = None
    found = learnt(data)
    assert found.scores["score"].notna().all()
    with pytest.raises(seg.TableError):
        found.score(data.head(1))


def test_what_new_customers_may_hold():
    found = learnt(customers(600))
    new = customers(4).assign(customer_id=list("abcd"), city=["east", "north", None, "'; --"])
    assert found.score(new)["score"].notna().all()
    assert found.score(new.assign(x=None))["score"].notna().all()
    assert found.score(new.assign(city=None))["score"].notna().all()
    assert len(found.score(new.head(0))) == 0
    numbers = customers(600).assign(customer_id=range(600))
    assert learnt(numbers).scores["customer_id"].dtype == "int64"
    for bad, column in (
        (new.drop(columns="x"), "x"),
        (new.assign(x="text"), "x"),
        (new.assign(city=1.0), "city"),
        (new.assign(x=math.inf), "x"),
        (new.assign(customer_id="a"), "customer_id"),
        (new.assign(customer_id=["a", "b", "c", None]), "customer_id"),
    ):
        with pytest.raises(seg.TableError) as error:
            found.score(bad)
        assert error.value.column == column
        assert error.value.table == "new"


def test_clusters_stay_together():
    data = customers(1_200)
    data["branch"] = [f"B{i % 60:02d}" for i in range(1_200)]
    scores = learnt(data, cluster="branch").scores
    assert not scores[["branch", "fold"]].drop_duplicates()["branch"].duplicated().any()
    assert scores["fold"].nunique() == 5
    curve = seg.uplift_curve(scores, "rank", "y", "arm", "none", cluster="branch")
    assert curve.qini_se > 0


def test_one_of_several_arms():
    data = customers(900)
    data.loc[::3, "arm"] = "letter"
    with pytest.raises(seg.TableError, match="Name it"):
        learnt(data)
    found = learnt(data, treated="letter")
    assert set(found.scores["arm"]) == {"letter", "none"}
    assert found.treated == "letter"
    calls = data[data["arm"] == "call"]
    assert len(found.score(calls)) == len(calls)  # they were not learnt from
    flags = data.assign(arm=data["arm"] == "none")
    assert set(seg.learn(flags, "y", "arm", True, "x", "t", LinearRegression()).scores["arm"]) == {
        True,
        False,
    }


def test_known_and_estimated_shares():
    """Whoever was likelier to be chosen had more anyway: with the chances the effect is right."""
    rng = np.random.default_rng(4)
    n = 6_000
    x = rng.normal(size=n)
    chance = 0.2 + 0.6 * (x > 0.5)
    treated = rng.random(n) < chance
    y = 2 * (x > 0.5) + 0.5 * treated + 0.2 * rng.normal(size=n)
    data = pd.DataFrame({"customer_id": np.arange(n), "arm": np.where(treated, "call", "none"),
                         "y": y, "x": x, "chance": chance})  # fmt: skip
    errors = {
        name: abs(learnt(data, "dr", covariates=["x"], **how).scores["score"].mean() - 0.5)
        for name, how in (
            ("constant", {}),
            ("known", {"share": "chance"}),
            ("estimated", {"propensity": DecisionTreeClassifier(max_depth=2)}),
        )
    }
    assert errors["constant"] > 0.3
    assert errors["known"] < 0.1
    assert errors["estimated"] < 0.1
    by_name = learnt(data, "x", covariates="x", propensity="logistic")
    assert np.isfinite(by_name.scores["score"]).all()
    assert learnt(data, "x", covariates="x", share=0.5).covariates == ("x",)


def test_every_fold_needs_both_arms():
    data = customers(40)
    data["arm"] = np.where(np.arange(40) < 2, "call", "none")
    with pytest.raises(seg.TableError, match="every fold"):
        learnt(data)
    few = customers(40)
    few.loc[few["arm"] == "call", "y"] = None  # there, but not known
    with pytest.raises(seg.TableError, match="every fold"):
        learnt(few)


GOOD = customers(200)
BAD = [
    ({"outcome": "nobody"}, "nobody"),
    ({"outcome": "city"}, "city"),
    ({"covariates": ["x", "zz"]}, "zz"),
    ({"covariates": []}, None),
    ({"covariates": ["y"]}, "y"),
    ({"covariates": ["arm"]}, "arm"),
    ({"covariates": ["customer_id"]}, "customer_id"),
    ({"covariates": ["x", "x"]}, "x"),
    ({"unit": "nobody"}, "nobody"),
    ({"control": "nobody"}, "arm"),
    ({"treated": "nobody"}, "arm"),
    ({"cluster": "city"}, "city"),
    ({"share": "z"}, "z"),
    ({"limit": 100}, None),
    ({"data": GOOD.assign(x=math.inf)}, "x"),
    ({"data": GOOD.assign(y=math.inf)}, "y"),
    ({"data": GOOD.assign(arm="none")}, "arm"),
    ({"data": GOOD.assign(arm=None)}, None),
    ({"data": GOOD.head(0)}, None),
    ({"data": GOOD.head(1)}, "arm"),
    ({"data": GOOD.assign(customer_id="C")}, "customer_id"),
    ({"data": GOOD.assign(customer_id=[None, *GOOD["customer_id"][1:]])}, "customer_id"),
    ({"data": GOOD.assign(x=pd.Timestamp("2025-01-01"))}, "x"),
]


@pytest.mark.parametrize(("change", "column"), BAD)
def test_what_makes_no_sense_is_refused(change, column):
    good = {"data": GOOD, "outcome": "y", "arm": "arm", "control": "none", "method": "t",
            "covariates": COVARIATES, "model": LinearRegression()}  # fmt: skip
    with pytest.raises(seg.TableError) as error:
        seg.learn(**{**good, **change})
    assert column is None or error.value.column == column
    assert "C0000" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [{"method": "z"}, {"folds": 1}, {"method": "dr", "folds": 2}, {"share": 1.0}, {"seed": ""}],
)
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change)) if "folds" not in change else "folds"):
        learnt(GOOD, **change)
