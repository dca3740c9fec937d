"""Looking often: the sequence keeps its level over 100 looks, where a fixed interval does not."""

import math

import numpy as np
import pandas as pd
import pytest
from generators import binary, normal, record, spend
from scipy import optimize, stats

from segmentation import TableError, monitor
from segmentation.campaigns.sequences import _sequence, boundary, tightest

LOOKS = 100


def trial(n=600, looks=6, effect=0.0, seed=0):
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n)
    return pd.DataFrame(
        {
            "customer_id": [f"C{i:04d}" for i in range(n)],
            "arm": np.array(["none", "call"])[arm],
            "day": np.arange(n) * looks // n,
            "spend": 100 + rng.normal(size=n) + effect * arm,
        }
    )


def test_every_look_is_the_effect_so_far():
    frame = trial(effect=0.3)
    table = monitor(frame, "spend", "arm", "none", "day", tuned_for=600)
    assert list(table) == [
        "arm", "outcome", "time", "n_control", "n_treated", "estimate", "se", "low", "high", "stop",
    ]  # fmt: skip
    assert table["time"].tolist() == list(range(6))
    for row in table.itertuples():
        so_far = frame[frame["day"] <= row.time].groupby("arm")["spend"]
        n, mean, variance = so_far.size(), so_far.mean(), so_far.var()
        assert (row.n_control, row.n_treated) == (n["none"], n["call"])
        assert row.estimate == pytest.approx(mean["call"] - mean["none"], rel=1e-9)
        se = math.sqrt((variance / n).sum())
        assert row.se == pytest.approx(se, rel=1e-9)
        s = tightest(0.05) * n.sum() / 600
        margin = se * math.sqrt((s + 1) / s * math.log((s + 1) / 0.05**2))
        assert (row.low, row.high) == pytest.approx((row.estimate - margin, row.estimate + margin))


def test_the_published_formula():
    """Waudby-Smith et al. (2024), theorem 2.2: margin of the mean of t values of variance 1."""
    t, rho, alpha = 250, 0.2, 0.05
    published = math.sqrt(
        (t * rho**2 + 1) / (t**2 * rho**2) * math.log((t * rho**2 + 1) / alpha**2)
    )
    assert boundary(t * rho**2, alpha) / math.sqrt(t) == pytest.approx(published, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.2])
def test_it_is_tightest_where_it_was_planned(alpha):
    best = optimize.minimize_scalar(
        lambda s: boundary(s, alpha), bounds=(0.1, 100), method="bounded"
    )
    assert tightest(alpha) == pytest.approx(best.x, rel=1e-3)
    approximate = -2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1
    assert tightest(alpha) == pytest.approx(approximate, rel=0.25)  # the paper's, of first order


def test_the_price_is_what_the_docstring_says():
    wide = boundary(tightest(0.05), 0.05) / stats.norm.isf(0.025)
    assert round(wide, 2) == 1.55
    assert round(wide**2, 1) == 2.4


def moments_so_far(y, per):
    """Units, mean and variance after each look: arrays (runs, looks)."""
    n = np.arange(1, y.shape[1] // per + 1) * per
    centred = y - y.mean()
    total = centred.cumsum(axis=1)[:, per - 1 :: per]
    square = (centred**2).cumsum(axis=1)[:, per - 1 :: per]
    mean = total / n
    return n, mean, (square - n * mean**2) / (n - 1)


def looks_that_stop(generator, runs, seed, per=25, **options):
    """How many of `runs` A/A campaigns ever stop, by the sequence and by a fixed interval."""
    rng = np.random.default_rng(seed)
    stopped = fixed = ended = 0
    for start in range(0, runs, 200):
        count = min(200, runs - start)
        y = generator(rng, count, 2 * per * LOOKS, **options).y
        n, mean, variance = moments_so_far(y[:, : per * LOOKS], per)
        _, other, spread = moments_so_far(y[:, per * LOOKS :], per)
        # Each half is centred by itself, so the true means are put back before they are compared.
        mean, other = mean + y[:, : per * LOOKS].mean(), other + y[:, per * LOOKS :].mean()
        for run in range(count):
            arms = [
                np.column_stack([n, m[run], v[run]]) for m, v in ((mean, variance), (other, spread))
            ]
            table = _sequence(*arms, 0.05, 2 * per * LOOKS)
            z = np.abs(table["estimate"]) / table["se"]
            stopped += table["stop"].iloc[-1]
            fixed += (z > 1.96).any()
            ended += z.iloc[-1] > 1.96
    return stopped, fixed, ended


@pytest.mark.parametrize("runs", [400, pytest.param(4000, marks=pytest.mark.calibrate)])
@pytest.mark.parametrize(
    ("generator", "options"), [(normal, {}), (spend, {}), (binary, {"p": 0.02})]
)
def test_pitfall_25_a_hundred_looks_keep_the_level(generator, options, runs):
    per = 100 if generator is binary else 25
    stopped, fixed, ended = looks_that_stop(generator, runs, 7, per, **options)
    name = generator(np.random.default_rng(0), 1, 4, **options).name
    record("monitor, 100 looks", name, runs, stopped)
    record("fixed interval, 100 looks", name, runs, fixed)
    assert stopped <= 0.065 * runs
    assert fixed > 0.25 * runs  # what looking with a fixed interval does
    assert ended < 0.09 * runs  # while a single look at the end is right


def test_pitfall_25_the_plan_does_not_move_when_looks_are_added():
    frame = trial(looks=6, effect=0.5)
    whole = monitor(frame, "spend", "arm", "none", "day")
    early = monitor(frame[frame["day"] < 3], "spend", "arm", "none", "day")
    pd.testing.assert_frame_equal(early, whole.iloc[:3])
    s = tightest(0.05) / 10
    assert (whole["high"] - whole["low"])[0] == pytest.approx(
        2 * whole["se"][0] * boundary(s, 0.05)
    )


def test_an_effect_stops_and_stays_stopped():
    table = monitor(trial(2000, 20, effect=0.4), "spend", "arm", "none", "day", tuned_for=1000)
    assert table["stop"].iloc[-1]
    assert table["stop"].is_monotonic_increasing
    first = table[table["stop"]].iloc[0]
    assert first["low"] > 0
    gone = pd.concat(
        [trial(400, 2, effect=2.0), trial(4000, 2, effect=-2.0, seed=1).assign(
            day=lambda f: f["day"] + 2, customer_id=lambda f: "N" + f["customer_id"])]
    )  # fmt: skip
    table = monitor(gone, "spend", "arm", "none", "day")
    assert table["stop"].all()
    assert table["estimate"].iloc[-1] < 0 < table["estimate"].iloc[0]


def test_the_first_looks_may_say_nothing():
    frame = pd.DataFrame(
        {
            "arm": ["call", "call", "none", "none", "call", "none", "call", "none"],
            "day": [1, 1, 2, 2, 3, 3, 4, 4],
            "sold": [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, None, 1.0],
        }
    )
    table = monitor(frame, "sold", "arm", "none", "day")
    assert table["n_treated"].tolist() == [2, 2, 3, 3]
    assert table["n_control"].tolist() == [0, 2, 3, 4]
    assert math.isnan(table["estimate"][0])
    assert table["se"].isna().tolist() == [True, True, False, False]
    assert table["low"].iloc[:2].eq(-math.inf).all()
    assert table["high"].iloc[:2].eq(math.inf).all()
    assert not table["stop"].any()


def test_two_outcomes_and_three_arms():
    frame = trial(900).assign(visits=lambda f: f["day"] + 0.0)
    frame["arm"] = np.array(["none", "call", "mail"])[np.arange(900) % 3]
    table = monitor(frame, ["spend", "visits"], "arm", "none", "day")
    assert len(table) == 2 * 2 * 6
    assert table[["arm", "outcome"]].drop_duplicates().to_numpy().tolist() == [
        ["call", "spend"], ["mail", "spend"], ["call", "visits"], ["mail", "visits"],
    ]  # fmt: skip


def test_digits_are_kept_far_from_zero():
    frame = trial()
    near = monitor(frame.assign(spend=frame["spend"] - 100), "spend", "arm", "none", "day")
    far = monitor(frame.assign(spend=frame["spend"] + 1e8), "spend", "arm", "none", "day")
    assert far["se"].tolist() == pytest.approx(near["se"].tolist(), rel=1e-6)


def test_every_engine_says_the_same(to_engine):
    frame = trial().assign(
        day=lambda f: pd.Timestamp("2025-06-01") + pd.to_timedelta(f["day"], "D"),
        arm=lambda f: (f["arm"] == "call").astype(int),
    )
    frame.loc[::17, "spend"] = None
    expected = monitor(frame, "spend", "arm", 0, "day")
    found = monitor(to_engine(frame.sample(frac=1, random_state=1)), "spend", "arm", 0, "day")
    assert pd.to_datetime(found["time"]).tolist() == expected["time"].tolist()
    numbers = expected.columns.drop("time")
    pd.testing.assert_frame_equal(found[numbers], expected[numbers], rtol=1e-9, atol=1e-9)
    assert set(found["arm"]) == {1}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.drop(columns="day"), {}, "column day missing"),
        (lambda f: f.drop(columns="spend"), {}, "column spend missing"),
        (lambda f: f.assign(day=f["day"].where(f["day"] > 0)), {}, r"has its time \(100 rows\)"),
        (lambda f: f.assign(spend="x"), {}, "numbers or flags"),
        (lambda f: pd.concat([f, f]), {}, "one row"),
        (lambda f: f[f["arm"] == "call"], {}, "control arm"),
        (lambda f: f.iloc[:0], {}, "has rows"),
    ],
)
def test_refused(change, options, message):
    with pytest.raises(TableError, match=message):
        monitor(change(trial()), "spend", "arm", "none", "day", **options)


def test_looks_are_days_not_moments():
    frame = trial(6000).assign(day=range(6000))
    with pytest.raises(TableError, match="at most 5,000 looks"):
        monitor(frame.assign(customer_id=range(6000)), "spend", "arm", "none", "day")


def test_levels_and_plans_are_numbers():
    with pytest.raises(ValueError, match="alpha"):
        monitor(trial(), "spend", "arm", "none", "day", alpha=0)
    with pytest.raises(ValueError, match="tuned_for"):
        monitor(trial(), "spend", "arm", "none", "day", tuned_for=-1)
