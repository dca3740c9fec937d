"""Concentration against published numbers, a count by hand and a jackknife, on every engine."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.customers.ranks import ArrayRanks, EngineRanks
from segmentation.data.engines import connection, enter

TOP = [0.001, 0.01, 0.02, 0.05, 0.10, 0.20]


def gini(values):
    """Mean absolute difference over twice the mean, pair by pair."""
    values = np.asarray(values, float)
    return np.abs(values[:, None] - values).mean() / (2 * values.mean())


def lorenz(values, at):
    """Lorenz curve, linear between customers."""
    held = np.append(0.0, np.sort(values).cumsum())
    return np.interp(at, np.linspace(0, 1, len(values) + 1), held / held[-1])


def drawn(n=3_000, seed=1):
    """Amounts like a bank's: many zeros, ties, and a heavy tail; to the cent."""
    rng = np.random.default_rng(seed)
    values = np.round(np.exp(rng.normal(8, 2.5, n)), 2)
    values[: n // 3] = 0
    values[n // 3 : n // 2] = 50_000
    return rng.permutation(values)


@pytest.mark.parametrize(("values", "expected"), [([1, 2, 3, 4, 5], 4 / 15), ([0, 0, 0, 1], 0.75)])
def test_gini_of_references(values, expected):
    assert seg.concentration(values).gini == pytest.approx(expected, abs=1e-12)
    assert gini(values) == pytest.approx(expected)


def test_pareto_of_references():
    """α 1.16: Gini .7576, the top 20 % hold .8009 (REFERENCES.md, Customers)."""
    tail = seg.pareto_tail([1.0, math.e ** (2 / 1.16)], above=1)
    assert tail.alpha == pytest.approx(1.16, abs=1e-12)
    assert round(tail.gini, 4) == 0.7576
    assert round(tail.top_share(0.2), 4) == 0.8009


def test_a_pareto_sample_has_the_shares_of_its_tail():
    n, alpha = 200_000, 3.0
    values = (1 - (np.arange(n) + 0.5) / n) ** (-1 / alpha)  # its quantiles
    found, tail = seg.concentration(values), seg.pareto_tail(values, above=1)
    assert tail.alpha == pytest.approx(alpha, rel=1e-3)
    assert found.gini == pytest.approx(1 / (2 * alpha - 1), abs=1e-3)
    shares = np.array(TOP) ** (1 - 1 / alpha)
    np.testing.assert_allclose(found.top_shares["share"], shares, rtol=0.01)
    assert found.low < 1 / (2 * alpha - 1) < found.high


def test_every_engine_agrees(to_engine):
    values = drawn()
    frame = pd.DataFrame({"aum_average": values, "other": "x"})
    found = seg.concentration(to_engine(frame), on="aum_average")
    assert found.gini == pytest.approx(gini(values), abs=1e-12)
    assert found.n == len(values)
    assert found.total == pytest.approx(values.sum(), rel=1e-12)
    shares = 1 - lorenz(values, 1 - np.array(TOP))
    np.testing.assert_allclose(found.top_shares["share"], shares, rtol=1e-9)
    reference = seg.concentration(values)
    pd.testing.assert_frame_equal(found.curve, reference.curve, rtol=1e-9)
    pd.testing.assert_frame_equal(found.top_shares, reference.top_shares, rtol=1e-9)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), rel=1e-9)
    tail = seg.pareto_tail(to_engine(frame), 200_000, "aum_average")
    over = values[values >= 200_000]
    assert tail.n == len(over)
    assert tail.alpha == pytest.approx(len(over) / np.log(over / 200_000).sum(), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=60).filter(any))
def test_array_is_as_counted_by_hand(cents):
    values = np.array(cents) / 100
    found = seg.concentration(values)
    assert found.gini == pytest.approx(gini(values), abs=1e-9)
    shares = 1 - lorenz(values, 1 - np.array(TOP))
    np.testing.assert_allclose(found.top_shares["share"], shares, atol=1e-9)
    curve = found.curve
    np.testing.assert_allclose(
        curve["value_share"], lorenz(values, curve["customer_share"]), atol=1e-9
    )
    assert 0 <= found.gini < 1


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=40).filter(any))
def test_engine_is_as_the_array(cents):
    values = pd.DataFrame({"x": np.array(cents) / 100})
    array, engine = ArrayRanks(values["x"].to_numpy()), EngineRanks(enter(values))
    pd.testing.assert_frame_equal(
        array.bins(), engine.bins(), check_dtype=False, check_names=False, rtol=1e-9, atol=1e-3
    )
    lazy = seg.concentration(connection().from_df(values))
    assert lazy.gini == pytest.approx(seg.concentration(values).gini, abs=1e-9)


def test_curve_is_short_convex_and_whole():
    curve = seg.concentration(drawn(20_000)).curve
    assert list(curve.columns) == ["customer_share", "value_share"]
    assert len(curve) <= 1_000
    assert curve.iloc[0].tolist() == [0, 0]
    assert curve.iloc[-1].tolist() == pytest.approx([1, 1], abs=1e-15)
    slopes = (curve["value_share"].diff() / curve["customer_share"].diff()).dropna()
    assert (slopes.diff().dropna() >= -1e-9).all()
    area = np.trapezoid(curve["value_share"], curve["customer_share"])
    assert 1 - 2 * area == pytest.approx(seg.concentration(drawn(20_000)).gini, abs=2e-3)


def test_interval_of_gini_is_that_of_the_jackknife():
    values = np.random.default_rng(4).lognormal(8, 1.2, 250)
    left_out = np.array([gini(np.delete(values, i)) for i in range(len(values))])
    error = math.sqrt(249 / 250 * ((left_out - left_out.mean()) ** 2).sum())
    found = seg.concentration(values)
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(error, rel=0.05)


def test_intervals_of_shares_are_those_of_the_bootstrap():
    rng = np.random.default_rng(5)
    values = rng.lognormal(8, 1, 600)
    resampled = rng.choice(values, (1_500, 600))
    found = seg.concentration(values).top_shares.set_index("top")
    for top in (0.05, 0.20):
        error = np.std([1 - lorenz(each, 1 - top) for each in resampled])
        row = found.loc[top]
        assert (row["high"] - row["low"]) / 2 / 1.959964 == pytest.approx(error, rel=0.12)


@pytest.mark.calibrate
def test_intervals_cover_the_truth():
    """Lognormal, σ = 1.5: Gini = erf(σ/2), share below the top p = Φ(Φ⁻¹(1 − p) − σ)."""
    from scipy.stats import norm

    rng, sigma, runs = np.random.default_rng(6), 1.5, 1_000
    truth = math.erf(sigma / 2)
    top = 1 - norm.cdf(norm.ppf(0.8) - sigma)
    inside = np.zeros(2)
    for _ in range(runs):
        found = seg.concentration(rng.lognormal(0, sigma, 4_000))
        row = found.top_shares.iloc[-1]
        inside += [found.low < truth < found.high, row["low"] < top < row["high"]]
    assert ((inside / runs > 0.92) & (inside / runs < 0.97)).all()


def test_interval_of_alpha_covers_its_truth():
    rng, runs = np.random.default_rng(7), 600
    inside = 0
    for _ in range(runs):
        tail = seg.pareto_tail(rng.pareto(1.5, 12) + 1, above=1)
        inside += tail.low < 1.5 < tail.high
    assert 0.925 < inside / runs < 0.975


def test_all_equal_and_one_customer():
    equal = seg.concentration([50_000.0] * 7)
    assert (equal.gini, equal.n) == (0, 7)
    np.testing.assert_allclose(equal.top_shares["share"], TOP, atol=1e-12)
    one = seg.concentration([3.0])
    assert (one.gini, one.n) == (0, 1)
    assert math.isnan(one.low)
    assert one.top_shares["low"].isna().all()


def test_nulls_are_counted_and_left_out(to_engine):
    frame = pd.DataFrame({"x": [1.0, np.nan, 3.0, np.nan]})
    found = seg.concentration(to_engine(frame))
    assert (found.n, found.nulls) == (2, 2)
    assert found.gini == pytest.approx(0.25)


def test_many_kinds_of_arrays():
    import polars as pl
    import pyarrow as pa

    for values in (
        *([1, None, 3], np.array([1, np.nan, 3]), pd.Series([1, None, 3])),
        *(pd.Series([1, None, 3], dtype="Int64"), pl.Series([1, None, 3])),
        *(pa.array([1, None, 3]), pa.chunked_array([[1.0, None], [3.0]]), (1, math.nan, 3)),
        *(pd.Series([1, None, 3], dtype="double[pyarrow]"), pl.Series([1.0, math.nan, 3.0])),
    ):
        found = seg.concentration(values)
        assert (found.n, found.nulls) == (2, 1)
        assert found.gini == pytest.approx(0.25)


def test_a_sum_that_misses_zero_by_a_bit_is_zero(to_engine):
    frame = pd.DataFrame({"x": [0.1 + 0.2 - 0.3 - 1e-12, 1.0]})
    assert seg.concentration(to_engine(frame)).gini == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, -0.01, -3.0], r"not negative \(2 rows\)"),
        ([1.0, math.inf], r"finite \(1 row\)"),
        ([0.0, 0.0], "sum is above 0"),
        ([None, np.nan], "sum is above 0"),
        ([], "sum is above 0"),
    ],
)
def test_amounts_that_have_no_shares_are_refused(values, message):
    series = pd.Series(values, dtype=float)
    for of in (series, series.to_frame("x"), connection().from_df(series.to_frame("x"))):
        with pytest.raises(seg.TableError, match=message):
            seg.concentration(of)


def test_frames_and_columns_that_do_not_fit_are_refused():
    frame = pd.DataFrame({"a": [1.0], "b": ["x"], "c": [True]})
    for of in (frame, connection().from_df(frame)):
        with pytest.raises(seg.TableError, match="several columns"):
            seg.concentration(of)
        with pytest.raises(seg.TableError, match="aum"):
            seg.concentration(of, on="aum")
        for column in ("b", "c"):
            with pytest.raises(seg.TableError, match="numbers"):
                seg.concentration(of, on=column)
    with pytest.raises(seg.TableError, match="numbers"):
        seg.concentration(["1", "2"])


def test_tail_begins_at_its_start_whatever_the_last_bit(to_engine):
    below = 0.1 + 0.7  # .7999999999999999
    frame = pd.DataFrame({"x": [below, 1.6, 3.2, 0.79, np.nan]})
    tail = seg.pareto_tail(to_engine(frame), above=0.8)
    assert (tail.n, tail.xmin) == (3, 0.8)
    assert tail.alpha == pytest.approx(3 / (3 * math.log(2)))


def test_a_tail_too_heavy_for_a_mean_gives_no_shares():
    tail = seg.pareto_tail([1.0, math.e**4], above=1)
    assert tail.alpha < 1
    assert math.isnan(tail.gini)
    assert math.isnan(tail.top_share(0.2))


@pytest.mark.parametrize("above", [0, -1, math.nan, math.inf])
def test_a_tail_begins_above_zero(above):
    with pytest.raises(seg.TableError, match="above 0"):
        seg.pareto_tail([1.0, 2.0], above)


@pytest.mark.parametrize("values", [[1.0], [5.0, 5.0], [5.0], [], [6.0, math.inf]])
def test_a_tail_needs_two_different_amounts(values):
    series = pd.Series(values, dtype=float)
    for of in (series, connection().from_df(series.to_frame("x"))):
        with pytest.raises(seg.TableError, match="two customers"):
            seg.pareto_tail(of, above=5)
