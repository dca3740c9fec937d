"""Projections and Markov values: closed forms, simulation, and a published value."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg

RECENCY = ["1", "2", "3", "4", "lost"]


def pfeifer_carraway():
    """A purchase brings state 1; else a period more goes by; after the fourth she is lost."""
    matrix = np.zeros((5, 5))
    for state, chance in enumerate([0.3, 0.2, 0.15, 0.05]):
        matrix[state, 0] = chance
        matrix[state, state + 1] = 1 - chance
    matrix[4, 4] = 1
    return pd.DataFrame(matrix, index=RECENCY, columns=RECENCY)


def test_pfeifer_and_carraway_2000():
    reward = {"1": 40 - 4, "2": -4, "3": -4, "4": -4, "lost": 0}
    value = seg.markov_value(pfeifer_carraway(), reward, 0.2)
    assert value.index.tolist() == RECENCY
    assert value.round(3).tolist() == [52.320, 5.554, 1.251, -1.820, 0]
    array = seg.markov_value(pfeifer_carraway().to_numpy(), list(reward.values()), 0.2)
    assert isinstance(array, np.ndarray)
    assert array == pytest.approx(value.to_numpy())


def chains(states=4):
    cells = st.lists(st.floats(0.01, 1), min_size=states**2, max_size=states**2)
    return cells.map(lambda c: np.reshape(c, (states, states))).map(
        lambda m: m / m.sum(axis=1, keepdims=True)
    )


rewards = st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4)


@settings(deadline=None)
@given(chains(), rewards, st.floats(0.05, 1))
def test_a_long_horizon_is_for_ever(matrix, reward, discount):
    for_ever = seg.markov_value(matrix, reward, discount)
    long = seg.markov_value(matrix, reward, discount, 700)
    assert long == pytest.approx(for_ever, rel=1e-9, abs=1e-6)
    bellman = reward + matrix @ for_ever / (1 + discount)
    assert for_ever == pytest.approx(bellman, rel=1e-9, abs=1e-6)


@settings(deadline=None)
@given(chains(), rewards, st.floats(0, 1), st.integers(0, 6))
def test_a_short_horizon_is_the_sum_that_it_says(matrix, reward, discount, horizon):
    powers = [np.linalg.matrix_power(matrix, t) / (1 + discount) ** t for t in range(horizon + 1)]
    value = seg.markov_value(matrix, reward, discount, horizon)
    assert value == pytest.approx(sum(powers) @ np.array(reward), rel=1e-9, abs=1e-6)


def test_horizon_nought_is_the_reward_itself():
    assert seg.markov_value(np.eye(2), [3, 4], 0.1, 0).tolist() == [3, 4]


def test_without_discount_the_value_is_finite_where_customers_leave():
    assert seg.markov_value([[0.8, 0.2], [0, 1]], [10, 0], 0) == pytest.approx([50, 0])
    for matrix in (np.eye(2), [[0, 1], [1, 0]], [[0.5, 0.5], [0.5, 0.5]]):
        with pytest.raises(seg.TableError, match="without a discount"):
            seg.markov_value(matrix, [1, 0], 0)
    assert seg.markov_value(np.eye(2), [1, 0], 0, 2).tolist() == [3, 0]


@pytest.mark.parametrize(
    ("matrix", "reward", "discount", "horizon", "message"),
    [
        ([[0.5, 0.4], [0, 1]], [1, 1], 0.1, None, r"add up to 1 \(1 row\)"),
        ([[1.5, -0.5], [0, 1]], [1, 1], 0.1, None, "not negative"),
        ([[np.nan, 1], [0, 1]], [1, 1], 0.1, None, r"shares are known \(1 row\)"),
        ([[1, 0]], [1, 1], 0.1, None, "same states"),
        ([], [], 0.1, None, "same states"),
        ([["a", "b"], ["c", "d"]], [1, 1], 0.1, None, "numbers"),
        (np.eye(2), [1], 0.1, None, "one number a state"),
        (np.eye(2), [1, np.nan], 0.1, None, "known and finite"),
        (np.eye(2), {0: 1}, 0.1, None, "names of the states"),
        (np.eye(2), [1, 1], -0.1, None, "0 or more"),
        (np.eye(2), [1, 1], np.nan, None, "0 or more"),
        (np.eye(2), [1, 1], 0.1, -1, "whole number of periods"),
        (np.eye(2), [1, 1], 0.1, 1.5, "whole number of periods"),
    ],
)
def test_what_has_no_value_is_refused(matrix, reward, discount, horizon, message):
    with pytest.raises(seg.TableError, match=message):
        seg.markov_value(matrix, reward, discount, horizon)


def test_projection_matches_simulated_customers():
    matrix = np.array([[0.9, 0.08, 0.02], [0.2, 0.7, 0.1], [0, 0, 1]])
    start, draws = [300, 40, 0], np.random.default_rng(11)
    ends = np.zeros((4000, 3), int)
    for state, count in enumerate(start):
        here = draws.multinomial(count, matrix[state], 4000)
        for middle in range(3):
            ends += draws.multinomial(here[:, middle], matrix[middle])
    last = seg.project(matrix, start, 2).query("period == 2")
    assert last["customers"].to_numpy() == pytest.approx(ends.mean(axis=0), rel=0.02)
    inside = ((ends >= last["low"].to_numpy()) & (ends <= last["high"].to_numpy())).mean(axis=0)
    assert (inside >= 0.94).all()
    assert (inside <= 0.98).all()


def test_one_state_is_a_binomial_number():
    from scipy.stats import binom

    row = seg.project([[0.7, 0.3], [0, 1]], [50, 0], 1).iloc[2]
    assert (row["low"], row["high"]) == (binom.ppf(0.025, 50, 0.7), binom.ppf(0.975, 50, 0.7))


def test_a_rare_state_has_whole_limits_from_nought():
    row = seg.project([[0.999, 0.001], [0, 1]], [400, 0], 1).iloc[3]
    assert (row["low"], row["high"]) == (0, 2)


@settings(deadline=None, max_examples=30)
@given(chains(), st.lists(st.integers(0, 3000), min_size=4, max_size=4), st.integers(0, 5))
def test_nobody_is_lost_on_the_way(matrix, start, periods):
    table = seg.project(matrix, start, periods)
    sums = table.groupby("period")["customers"].sum()
    assert sums.tolist() == pytest.approx([sum(start)] * (periods + 1))
    assert (table["low"] <= table["customers"] + 1).all()
    assert (table["high"] >= table["customers"] - 1).all()
    assert table.query("period == 0")["low"].tolist() == start


def test_estimated_shares_make_the_limits_wider():
    matrix, start = [[0.9, 0.1], [0, 1]], [1000, 0]
    known = seg.project(matrix, start, 3)
    few = seg.project(matrix, start, 3, observed=[50, 0])
    many = seg.project(matrix, start, 3, observed=[10**9, 0])
    width = [table["high"] - table["low"] for table in (known, few, many)]
    assert (width[1][2:] > 2 * width[0][2:]).all()
    assert width[2].tolist() == pytest.approx(width[0].tolist(), abs=2)
    # after one period the share itself: variance n²·p(1−p)/m beside n·p(1−p)
    expected = 1.959964 * np.sqrt(1000 * 0.09 + 1000**2 * 0.09 / 50)
    assert few["customers"][2] - few["low"][2] == pytest.approx(expected, rel=1e-5)


def test_delta_method_matches_shares_drawn_anew():
    matrix = np.array([[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0, 0, 1]])
    start, rows, draws = np.array([600, 300, 0]), [200, 150, 0], np.random.default_rng(5)
    ends = []
    for _ in range(3000):
        drawn = matrix.copy()
        for row in range(2):
            drawn[row] = draws.multinomial(rows[row], matrix[row]) / rows[row]
        chances = np.linalg.matrix_power(drawn, 3)
        ends.append(sum(draws.multinomial(n, chances[i]) for i, n in enumerate(start)))
    last = seg.project(matrix, start, 3, observed=rows).query("period == 3")
    half = (last["high"] - last["low"]).to_numpy() / 2 / 1.959964
    assert half == pytest.approx(np.std(ends, axis=0), rel=0.06)


def test_a_migration_can_be_projected_as_it_is():
    tiers = {"customer_id": list("abcd"), "tier": ["Low"] * 3 + ["High"], "tier_code": [0, 0, 0, 1]}
    first = pd.DataFrame(tiers)
    second = first.iloc[[0, 1, 3]].assign(tier=["Low", "High", "High"], tier_code=[0, 1, 1])
    moves = seg.migration(first, second)
    one = seg.project(moves.transition, {"Low": 30, "High": 10}, 1)
    other = seg.project(moves.shares, {"Low": 30, "High": 10}, 1)
    pd.testing.assert_frame_equal(one, other)
    assert one.query("period == 1").set_index("state")["customers"].to_dict() == {
        "Low": pytest.approx(10),
        "High": pytest.approx(20),
        "left": pytest.approx(10),
    }


def test_money_is_projected_without_limits():
    table = seg.project([[0.5, 0.5], [0, 1]], [100.5, 0], 1)
    assert table["customers"].tolist() == [100.5, 0, 50.25, 50.25]
    assert table[["low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("start", "periods", "observed", "message"),
    [
        ([-1, 0], 1, None, "not negative"),
        ([1], 1, None, "one number a state"),
        ({"x": 1}, 1, None, "names of the states"),
        ([1, 0], -1, None, "whole number"),
        ([1, 0], True, None, "whole number"),
        ([1, 0], 2, [0, 0], "each row was seen"),
    ],
)
def test_starts_that_cannot_be_projected_are_refused(start, periods, observed, message):
    with pytest.raises(seg.TableError, match=message):
        seg.project([[0.5, 0.5], [0.5, 0.5]], start, periods, observed=observed)
