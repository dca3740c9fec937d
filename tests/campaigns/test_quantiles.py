"""Effects on quantiles: exact on every engine, right at atoms, covering at the tail."""

import math

import numpy as np
import pandas as pd
import pytest
from generators import inside, record
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation import TableError, quantile_effect
from segmentation.campaigns.arms import enter_trial
from segmentation.campaigns.estimates import COLUMNS, critical_value
from segmentation.campaigns.positions import Orders, rank_limits
from segmentation.campaigns.quantiles import _estimate, _Level, _relative

LEVELS = (0.5, 0.9, 0.99)
SPENDERS, SIGMA = 0.6, 1.0


def draw(rng, runs, n, lift=1.0):
    """Spend of `runs` × `n` customers: nothing, or lognormal."""
    amount = np.exp(4 + SIGMA * rng.normal(size=(runs, n)))
    return np.where(rng.random((runs, n)) < SPENDERS, lift * amount, 0.0)


def truth(q, lift=1.0):
    """The q-quantile of `draw`."""
    if q <= 1 - SPENDERS:
        return 0.0
    return lift * math.exp(4 + SIGMA * stats.norm.ppf((q - 1 + SPENDERS) / SPENDERS))


def trial(n=2000, lift=1.0, seed=0):
    rng = np.random.default_rng(seed)
    arm = np.array(["none", "call"])[np.arange(n) % 2]
    spend = draw(rng, 1, n)[0] * np.where(arm == "call", lift, 1.0)
    return pd.DataFrame(
        {"customer_id": [f"C{i:05d}" for i in range(n)], "arm": arm, "spend": spend}
    )


def test_it_is_the_difference_of_linear_quantiles():
    frame = trial(lift=1.3)
    table = quantile_effect(frame, "spend", "arm", "none")
    assert set(table) == {*COLUMNS, "q"}
    assert table["q"].tolist() == list(LEVELS)
    by_arm = frame.groupby("arm")["spend"]
    for row in table.itertuples():
        exact = by_arm.quantile(row.q)
        assert row.estimate == pytest.approx(exact["call"] - exact["none"], rel=1e-9)
        assert row.relative == pytest.approx(exact["call"] / exact["none"] - 1, rel=1e-9)
        assert (row.n_control, row.n_treated) == (1000, 1000)


def test_limits_are_order_statistics_joined_as_newcombe_does():
    frame = trial()
    row = quantile_effect(frame, "spend", "arm", "none", 0.9).iloc[0]
    values = {a: np.sort(part["spend"]) for a, part in frame.groupby("arm")}
    low, high = rank_limits(1000, 0.9, 0.05)
    call, none = (
        (np.quantile(v, 0.9), v[low - 1], v[high - 1]) for v in (values["call"], values["none"])
    )
    d = call[0] - none[0]
    assert row["low"] == pytest.approx(d - math.hypot(call[0] - call[1], none[2] - none[0]))
    assert row["high"] == pytest.approx(d + math.hypot(call[2] - call[0], none[0] - none[1]))
    assert row["se"] == pytest.approx((row["high"] - row["low"]) / 2 / stats.norm.isf(0.025))


@pytest.mark.parametrize("n", [1, 5, 40, 1000])
@pytest.mark.parametrize("q", [0.03, 0.5, 0.9, 0.99])
def test_ranks_leave_out_the_mid_p_of_a_binomial(n, q):
    low, high = rank_limits(n, q, 0.05)
    k = np.arange(n + 1)
    mass = stats.binom.pmf(k, n, q)
    below = mass.cumsum() - mass / 2
    above = mass[::-1].cumsum()[::-1] - mass / 2
    assert low == (below <= 0.025).sum()
    assert high == n + 1 - (above <= 0.025).sum()


def test_ranks_of_nobody_are_outside():
    assert rank_limits(0, 0.5, 0.05) == (0, 1)


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(
        st.one_of(st.sampled_from([0.0, 1.0, -1.0, 100.0]), st.floats(-1e9, 1e9)),
        min_size=1,
        max_size=40,
    )
)
def test_every_rank_is_the_sorted_value(values):
    frame = pd.DataFrame({"arm": ["a"] * len(values) + ["b"], "x": [*values, 0.0]})
    rows = enter_trial(frame, "arm", "b", ["x"], unit=None).rows
    found = Orders(rows, "arm", "x", ["a", "b"]).values([("a", k) for k in range(len(values) + 2)])
    expected = [-math.inf, *sorted(values), math.inf]
    got = [found["a", k] for k in range(len(values) + 2)]
    assert got == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_every_rank_within_a_narrow_bin():
    """Values within 3.6 % of one another are told apart all the same, in whatever order."""
    values = 1000 + np.random.default_rng(2).permutation(300) / 100
    frame = pd.DataFrame({"arm": ["a"] * 300 + ["b"], "x": [*values, 1000.0]})
    rows = enter_trial(frame, "arm", "b", ["x"], unit=None).rows
    ranks = [("a", k) for k in (1, 2, 150, 299, 300)]
    found = Orders(rows, "arm", "x", ["a", "b"]).values(ranks)
    expected = [1000, 1000.01, 1001.49, 1002.98, 1002.99]
    assert [found[rank] for rank in ranks] == pytest.approx(expected, rel=1e-9)


# coverage


@pytest.mark.parametrize("runs", [400, pytest.param(4000, marks=pytest.mark.calibrate)])
@pytest.mark.parametrize("lift", [1.0, 1.2])
@pytest.mark.parametrize("q", LEVELS)
def test_intervals_cover(q, lift, runs):
    rng = np.random.default_rng(5)
    n, m = (7500, 5000) if q == 0.99 else (1500, 1000)
    ranks = {size: rank_limits(size, q, 0.05) for size in (n, m)}
    wanted = truth(q, lift) - truth(q)
    covered = rejected = 0
    for start in range(0, runs, 200):
        arms = []
        for size, factor in ((n, lift), (m, 1.0)):
            x = np.sort(draw(rng, min(200, runs - start), size, factor), axis=1)
            low, high = ranks[size]
            arms.append(zip(np.quantile(x, q, axis=1), x[:, low - 1], x[:, high - 1], strict=True))
        for treated, control in zip(*arms, strict=True):
            found = _estimate(
                _Level(*treated), _Level(*control), critical_value(0.05),
                arm="call", outcome="spend", n_control=m, n_treated=n,
            )  # fmt: skip
            covered += found.low <= wanted <= found.high
            rejected += found.p < 0.05
            assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    name = f"zero-inflated lognormal, q {q}, lift {lift}"
    record("quantile effect", name, runs, rejected if lift == 1 else None, covered)
    assert inside(runs - covered, runs)


def test_few_values_in_the_tail_make_it_wide_not_narrow():
    """Ten customers above the quantile of 1,000: ranks are whole, and err on the safe side."""
    rng = np.random.default_rng(6)
    low, high = rank_limits(1000, 0.99, 0.05)
    outside = 0
    for _ in range(5):
        x = np.sort(draw(rng, 200, 1000), axis=1)
        outside += int(((x[:, low - 1] > truth(0.99)) | (x[:, high - 1] < truth(0.99))).sum())
    assert 0.02 <= outside / 1000 <= 0.07


# ties and atoms


def test_a_mass_at_zero_in_both_arms():
    rng = np.random.default_rng(1)
    frame = trial(4000).assign(spend=lambda f: np.where(rng.random(4000) < 0.1, f["spend"], 0.0))
    row = quantile_effect(frame, "spend", "arm", "none", 0.5).iloc[0]
    assert (row["estimate"], row["low"], row["high"], row["p"], row["se"]) == (0, 0, 0, 1, 0)
    assert math.isnan(row["relative"])


def test_a_quantile_at_the_edge_of_the_mass_keeps_zero_inside():
    """10 % buy, and the 90 % quantile is 0 or the smallest purchase by chance."""
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(100):
        arms = []
        for _ in range(2):
            x = np.sort(np.where(rng.random(1000) < 0.1, np.exp(rng.normal(4, 1, 1000)), 0.0))
            low, high = rank_limits(1000, 0.9, 0.05)
            arms.append(_Level(float(np.quantile(x, 0.9)), x[low - 1], x[high - 1]))
        found = _estimate(
            *arms, critical_value(0.05), arm="a", outcome="x", n_control=1, n_treated=1
        )
        hits += not found.low <= 0 <= found.high
    assert hits <= 9


def test_different_atoms_are_different():
    frame = pd.DataFrame({"arm": ["call"] * 50 + ["none"] * 50, "x": [2.0] * 50 + [1.0] * 50})
    row = quantile_effect(frame, "x", "arm", "none", 0.5).iloc[0]
    assert (row["estimate"], row["low"], row["high"], row["p"]) == (1, 1, 1, 0)
    assert (row["relative"], row["relative_low"], row["relative_high"]) == (1, 1, 1)


# where the sample ends


def test_a_limit_outside_of_the_sample_is_unbounded():
    frame = trial(200)
    table = quantile_effect(frame, "spend", "arm", "none", [0.5, 0.99]).set_index("q")
    assert np.isfinite(table.loc[0.5, ["low", "high", "se", "p"]].astype(float)).all()
    tail = table.loc[0.99]
    assert rank_limits(100, 0.99, 0.05)[1] == 101
    assert (tail["low"], tail["high"]) == (-math.inf, math.inf)
    assert math.isnan(tail["p"])
    assert math.isnan(tail["se"])
    assert math.isnan(tail["relative"])
    assert math.isfinite(tail["estimate"])
    assert tail["method"] == "Order statistics, unbounded"


def test_one_customer_an_arm_says_nothing():
    frame = pd.DataFrame({"arm": ["call", "none"], "spend": [5.0, 3.0]})
    row = quantile_effect(frame, "spend", "arm", "none", 0.5).iloc[0]
    assert (row["estimate"], row["low"], row["high"]) == (2, -math.inf, math.inf)
    empty = frame.assign(spend=[None, 3.0])
    row = quantile_effect(empty, "spend", "arm", "none", 0.5).iloc[0]
    assert math.isnan(row["estimate"])
    assert (row["low"], row["high"], row["n_treated"]) == (-math.inf, math.inf, 0)


# relative


@given(
    treated=st.tuples(st.floats(0, 50), st.floats(0, 60), st.floats(0, 60)),
    control=st.tuples(st.floats(1, 50), st.floats(0, 0.9), st.floats(0, 60)),
)
def test_relative_agrees_with_the_difference(treated, control):
    """It excludes 0 where the difference does, and its limits solve what they are to solve."""
    one = _Level(treated[0], treated[0] - treated[1], treated[0] + treated[2])
    other = _Level(control[0], control[0] * control[1] + 1e-3, control[0] + control[2])
    found = _estimate(one, other, 1.96, arm="a", outcome="x", n_control=1, n_treated=1)
    assert found.relative == pytest.approx(found.estimate / other.value, abs=1e-9)
    assert found.relative_low <= found.relative + 1e-9
    assert found.relative_high >= found.relative - 1e-9
    if abs(found.low) > 1e-6:
        assert (found.relative_low > 0) == (found.low > 0)
    if abs(found.high) > 1e-6:
        assert (found.relative_high < 0) == (found.high < 0)


def test_a_negative_baseline_does_not_turn_the_sign():
    value, low, high = _relative(_Level(-5.0, -6.0, -4.0), _Level(-10.0, -11.0, -9.0))
    assert value == 0.5
    assert low < 0.5 < high
    mirrored = _relative(_Level(5.0, 4.0, 6.0), _Level(10.0, 9.0, 11.0))
    assert (low, high) == pytest.approx((-mirrored[2], -mirrored[1]))
    assert math.isnan(_relative(_Level(5.0, 4.0, 6.0), _Level(-10.0, -11.0, -9.0))[0])
    assert math.isnan(_relative(_Level(5.0, 4.0, 6.0), _Level(1.0, -1.0, 2.0))[0])


# engines, and what is refused


def test_every_engine_says_the_same(to_engine):
    frame = trial(3000, lift=1.2)
    frame.loc[::13, "spend"] = None
    frame["profit"] = frame["spend"] - 40
    frame["arm"] = np.array([0, 1, 2])[np.arange(3000) % 3]
    expected = quantile_effect(frame, ["spend", "profit"], "arm", 0, [0.1, 0.5, 0.99])
    found = quantile_effect(
        to_engine(frame.sample(frac=1, random_state=1)), ["spend", "profit"], "arm", 0,
        [0.1, 0.5, 0.99],
    )  # fmt: skip
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-9)
    assert expected["arm"].tolist() == [1] * 3 + [2] * 3 + [1] * 3 + [2] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="spend"), "column spend missing"),
        (lambda f: f.assign(spend="x"), "numbers or flags"),
        (lambda f: f.assign(spend=math.inf), "values are finite"),
        (lambda f: f.assign(spend=-math.inf), "values are finite"),
        (lambda f: pd.concat([f, f]), "one row"),
        (lambda f: f[f["arm"] == "call"], "control arm"),
        (lambda f: f.iloc[:0], "has rows"),
    ],
)
def test_refused(change, message):
    with pytest.raises(TableError, match=message) as error:
        quantile_effect(change(trial(100)), "spend", "arm", "none")
    assert "C000" not in str(error.value)


@pytest.mark.parametrize("q", [0, 1, -0.1, [], [0.5, math.nan], [0.5, 2]])
def test_a_quantile_is_between_0_and_1(q):
    with pytest.raises(ValueError, match="q: shares"):
        quantile_effect(trial(100), "spend", "arm", "none", q)


def test_a_level_is_a_probability():
    with pytest.raises(ValueError, match="alpha"):
        quantile_effect(trial(100), "spend", "arm", "none", alpha=2)
