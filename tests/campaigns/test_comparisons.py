"""Paired comparisons of scores, and what choosing the best of many does."""

import math

import numpy as np
import pandas as pd
import pytest
from generators import RUNS, inside, record

import segmentation as seg
from segmentation.campaigns.comparisons import COLUMNS
from segmentation.campaigns.curves import inference
from segmentation.campaigns.rankers import in_memory
from segmentation.campaigns.rankings import Influence, spread
from segmentation.campaigns.scores import Customers


def trial(n=2_000, seed=1, digits=None):
    """An effect that grows with a need, which two scores see with noise; a third sees nothing."""
    rng = np.random.default_rng(seed)
    need = rng.normal(size=n)
    treated = rng.random(n) < 0.4
    data = pd.DataFrame(
        {
            "customer_id": np.arange(n),
            "arm": np.where(treated, "letter", "control"),
            "y": treated * need + rng.normal(size=n),
            "good": need + 0.3 * rng.normal(size=n),
            "fair": need + 1.0 * rng.normal(size=n),
            "idle": rng.normal(size=n),
        }
    )
    return data if digits is None else data.round({"good": digits, "fair": digits, "idle": digits})


def compare(data, scores=("good", "fair", "idle"), **more):
    return seg.compare_curves(data, scores, "y", "arm", "control", **more)


def influence(data, score):
    """QINI and the influence of each customer, for scores without ties."""
    w = (data["arm"] == "letter").to_numpy(float)
    y, n = data["y"].to_numpy(), len(data)
    m1, m0 = y[w == 1].mean(), y[w == 0].mean()
    g = w / w.mean() * (y - m1) - (1 - w) / (1 - w.mean()) * (y - m0)
    order = np.argsort(-data[score].to_numpy())
    u = np.empty(n)
    u[order] = (np.arange(n) + 0.5) / n
    below = np.empty(n)
    below[order] = (g.sum() - np.cumsum(g[order]) + g[order] / 2) / n
    psi = g * (0.5 - u) - below
    return (g * (0.5 - u)).mean(), psi - psi.mean()


def test_differences_and_their_errors_by_definition():
    data = trial()
    table = compare(data)
    assert tuple(table.columns) == COLUMNS
    assert table["measure"].tolist() == ["qini"] * 3 + ["autoc"] * 3
    pairs = [("good", "fair"), ("good", "idle"), ("fair", "idle")]
    assert list(zip(table["score"], table["other"], strict=True)) == pairs * 2
    for row in table.head(3).itertuples():
        (one, psi), (other, psi_other) = (influence(data, name) for name in (row.score, row.other))
        assert row.estimate == pytest.approx(one - other, abs=1e-12)
        assert row.se == pytest.approx((psi - psi_other).std() / len(data) ** 0.5, rel=1e-9)


def test_differences_are_those_of_the_curves():
    data = trial(digits=1)
    curves = {
        name: seg.uplift_curve(data, name, "y", "arm", "control")
        for name in ("good", "fair", "idle")
    }
    for row in compare(data).itertuples():
        apart = getattr(curves[row.score], row.measure) - getattr(curves[row.other], row.measure)
        assert row.estimate == pytest.approx(apart, abs=1e-12)
        assert (row.low > 0 or row.high < 0) == (row.p < 0.05)
        assert row.adjusted_p >= row.p
        assert row.n_control == curves[row.score].n_control


def test_alike_scores_are_told_apart_better_than_unpaired_ones_would_be():
    data = trial()
    data["close"] = data["good"] + 0.05 * np.random.default_rng(2).normal(size=len(data))
    row = compare(data, ["good", "close"]).iloc[0]
    alone = seg.uplift_curve(data, "good", "y", "arm", "control").qini_se
    assert row["se"] < 0.2 * alone


def test_scores_that_rank_alike_have_no_difference_and_no_error():
    data = trial(500)
    table = compare(data.assign(same=2 * data["good"] + 1), ["good", "same"])
    assert (table["estimate"] == 0).all()
    assert table[["se", "low", "high", "p", "adjusted_p"]].isna().all(axis=None)


def test_against_one_score_only():
    table = compare(trial(500), against="fair")
    assert table["other"].tolist() == ["fair"] * 4
    assert table["score"].tolist() == ["good", "idle"] * 2


def test_holm_over_the_pairs_of_a_measure():
    table = compare(trial(300, 5))
    for _, part in table.groupby("measure"):
        p = np.sort(part["p"].to_numpy())
        holm = np.minimum(np.maximum.accumulate(p * [3, 2, 1]), 1)
        assert np.sort(part["adjusted_p"].to_numpy()) == pytest.approx(holm)


def test_only_customers_with_all_scores_count():
    data = trial()
    data.loc[:99, "idle"] = np.nan
    data.loc[50:149, "y"] = np.nan
    for more in ({}, {"bins": 100}):
        table = compare(data, **more)
        assert (table["n_control"] + table["n_treated"] == len(data) - 150).all()


def test_engines_agree(to_engine):
    data = trial(1_500, digits=2)
    data["branch"] = data["customer_id"] % 40
    for more in ({}, {"bins": 50}, {"cluster": "branch"}, {"bins": 20, "cluster": "branch"}):
        there, here = compare(to_engine(data), **more), compare(data, **more)
        pd.testing.assert_frame_equal(there, here, rtol=0, atol=1e-9)


def test_bins_lose_no_more_than_they_say():
    data = trial(60_000)
    exact, binned = compare(data), compare(data, bins=150)
    assert (exact["loss"] == 0).all()
    apart = (exact["estimate"] - binned["estimate"]).abs()
    assert (apart <= binned["loss"]).all()
    assert (apart < 0.1 * exact["se"]).all()
    np.testing.assert_allclose(exact["se"], binned["se"], rtol=0.03)


def test_clusters_sum_influence():
    data = trial(1_200)
    data["branch"] = data["customer_id"] % 40
    row = compare(data, ["good", "fair"], cluster="branch").iloc[0]
    psi = influence(data, "good")[1] - influence(data, "fair")[1]
    sums = pd.Series(psi).groupby(data["branch"].to_numpy()).sum()
    assert row["se"] == pytest.approx(math.sqrt(40 / 39 * (sums**2).sum()) / 1_200, rel=1e-9)


def test_what_cannot_be_compared_is_refused():
    data = trial(100)
    for scores in (["good"], "good", ["good", "good"], []):
        with pytest.raises(ValueError, match="two or more different"):
            compare(data, scores)
    with pytest.raises(ValueError, match="against"):
        compare(data, against="best")
    with pytest.raises(seg.TableError, match="'goood' to 'good'"):
        compare(data.rename(columns={"good": "goood"}))
    with pytest.raises(seg.TableError, match="at least two"):
        compare(data.assign(y=data["y"].where(data["arm"] == "letter")))
    data.attrs["in_sample_scores"] = ("fair",)
    with pytest.raises(seg.TableError, match="fair: a score is judged"):
        compare(data)


def equal_scores(runs, n=500):
    """Rejections where two scores know equally much of an effect that there is."""
    rng = np.random.default_rng(20)
    rejected = {"qini": 0, "autoc": 0}
    for _ in range(runs):
        need = rng.normal(size=n)
        data = pd.DataFrame(
            {
                "arm": rng.random(n) < 0.5,
                "one": need + rng.normal(size=n),
                "other": need + rng.normal(size=n),
            }
        )
        data["y"] = data["arm"] * need + rng.normal(size=n)
        table = seg.compare_curves(data, ["one", "other"], "y", "arm", False)
        for row in table.itertuples():
            rejected[row.measure] += row.p < 0.05
    return rejected


def check_equal_scores(runs):
    for measure, count in equal_scores(runs).items():
        record(f"compare_curves, {measure}", "two equally good scores", runs, count, runs - count)
        assert inside(count, runs)


def test_equally_good_scores_differ_at_the_nominal_rate():
    check_equal_scores(RUNS)


@pytest.mark.calibrate
def test_equally_good_scores_long():
    check_equal_scores(4_000)


def judge(score, y, treated):
    found = in_memory(Customers((score,), y.copy(), treated, None), None)
    part = Influence(found.ranks, "qini")
    return inference("qini", part.value, *spread(found.rows, part, True), 0.05)


def best_of_many(runs, scores=100, n=200):
    """Rejections of the best of many random scores: where it was chosen, and on a fresh fold."""
    rng = np.random.default_rng(20)
    same = fresh = 0
    for _ in range(runs):
        y, treated = rng.normal(size=2 * n), rng.random(2 * n) < 0.5
        many = rng.normal(size=(scores, 2 * n))
        old, new = slice(0, n), slice(n, 2 * n)
        found = [judge(score[old], y[old], treated[old]) for score in many]
        best = int(np.argmax([each["qini"] for each in found]))
        same += found[best]["qini_p"] < 0.05
        fresh += judge(many[best][new], y[new], treated[new])["qini_p"] < 0.05
    return same, fresh


def check_best_of_many(runs):
    same, fresh = best_of_many(runs)
    generator = "best of 100 random scores"
    record("uplift_curve, qini, same fold", generator, runs, same, runs - same)
    record("uplift_curve, qini, fresh fold", generator, runs, fresh, runs - fresh)
    assert inside(fresh, runs)
    assert same > 0.5 * runs


def test_pitfall_20_the_best_of_100_scores_is_judged_on_a_fresh_fold():
    check_best_of_many(RUNS)


@pytest.mark.calibrate
def test_pitfall_20_the_best_of_100_scores_long():
    check_best_of_many(4_000)
