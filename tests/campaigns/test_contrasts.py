"""Two arms compared, from plain numbers."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation.campaigns.contrasts import Mean, difference, limits, newcombe, ratio_mean
from segmentation.campaigns.estimates import critical_value
from segmentation.customers.intervals import wilson

counts = st.integers(2, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
alphas = st.sampled_from([0.001, 0.05, 0.1, 0.5])


def test_the_difference_of_means_is_welchs():
    rng = np.random.default_rng(1)
    one, other = rng.normal(5, 2, 40), rng.normal(4, 3, 25)
    found = difference(
        Mean(one.mean(), one.var(ddof=1) / 40, 40, 39),
        Mean(other.mean(), other.var(ddof=1) / 25, 25, 24),
        0.1,
    )
    wanted = stats.ttest_ind(one, other, equal_var=False)
    interval = wanted.confidence_interval(0.9)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_pitfall_13_a_small_holdout_has_few_degrees_of_freedom():
    large, small = Mean(1.0, 1e-6, 100_000, 99_999), Mean(0.0, 0.25, 6, 5)
    found = difference(large, small, 0.05)
    assert found.high - found.estimate == pytest.approx(stats.t.isf(0.025, 5) * 0.5, rel=1e-3)


def test_pitfall_07_relative_effects_are_over_the_absolute_baseline():
    found = difference(Mean(-5.0, 0.01, 100, 99), Mean(-10.0, 0.01, 100, 99), 0.05)
    assert found.relative == pytest.approx(0.5)
    assert found.relative_low < 0.5 < found.relative_high


def test_pitfall_07_there_is_no_relative_effect_over_a_mean_that_may_be_0():
    found = difference(Mean(3.0, 0.01, 100, 99), Mean(0.1, 0.01, 100, 99), 0.05)
    assert math.isnan(found.relative)
    assert math.isnan(found.relative_low)
    assert found.p < 0.05


def test_pitfall_08_a_relative_effect_has_no_p_value_of_its_own():
    # By the delta method on the ratio its error would be .43/.3 and it would not be found.
    found = difference(Mean(0.30, 0.0036, 60, 59), Mean(0.14, 0.0012, 70, 69), 0.05)
    assert found.p < 0.05
    assert found.low > 0
    assert found.relative_low > 0


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.01, 9), st.floats(0.01, 9), alphas)
def test_pitfall_08_p_is_below_alpha_where_and_only_where_intervals_exclude_0(a, b, v, w, alpha):
    found = difference(Mean(a, v, 20, 19), Mean(b, w, 9, 8), alpha)
    assume(abs(found.p - alpha) > 1e-9)
    assert (found.p < alpha) == (found.low > 0 or found.high < 0)
    if not math.isnan(found.relative):
        assert (found.p < alpha) == (found.relative_low > 0 or found.relative_high < 0)


def test_without_variance_there_is_no_interval():
    for value in (3.0, 4.0):
        found = difference(Mean(value, 0.0, 9, 8), Mean(3.0, 0.0, 9, 8), 0.05)
        assert (found.estimate, found.se) == (value - 3.0, 0.0)
        assert math.isnan(found.p)
        assert math.isnan(found.low)
        assert found.notes == ("no variance",)


def test_one_customer_is_too_few():
    nothing = Mean(3.0, math.nan, 1, 0)
    found = difference(nothing, Mean(3.0, 0.1, 9, 8), 0.05)
    assert math.isnan(found.estimate)
    assert found.notes == ("too few customers",)
    assert newcombe(1, 1, 3, 9, 0.05).notes == ("too few customers",)


@pytest.mark.parametrize(("count", "n"), [(0, 20), (81, 263), (15, 148), (148, 148), (1, 3)])
def test_limits_are_wilsons(count, n):
    for level in (0.5, 0.95, 0.999):
        z = critical_value(1 - level)
        assert limits(count / n, n, z) == pytest.approx(wilson(count, n, level), abs=1e-12)


def test_pitfall_15_newcombes_published_example():
    found = newcombe(56, 70, 48, 80, 0.05)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    nothing = newcombe(0, 20, 0, 20, 0.05)
    assert (nothing.estimate, nothing.p) == (0.0, 1.0)
    assert nothing.low < -0.1 < 0.1 < nothing.high
    assert round(wilson(0, 20)[1], 4) == 0.1611


@given(counts, counts)
def test_the_p_value_of_shares_inverts_their_interval(one, other):
    found = newcombe(*one, *other, 0.05)
    if found.p > 1e-12 and found.p < 1:
        touching = newcombe(*one, *other, found.p)
        end = touching.low if found.estimate > 0 else touching.high
        assert end == pytest.approx(0, abs=1e-9)


@given(counts, counts, alphas)
def test_pitfall_08_shares_have_one_p_value_at_every_alpha(one, other, alpha):
    found = newcombe(*one, *other, alpha)
    assume(abs(found.p - alpha) > 1e-9)
    assert found.low <= found.estimate <= found.high
    assert (found.p < alpha) == (found.low > 0 or found.high < 0)
    if not math.isnan(found.relative):
        assert found.relative_low <= found.relative + 1e-12
        assert found.relative <= found.relative_high + 1e-12
        assert (found.p < alpha) == (found.relative_low > 1e-15 or found.relative_high < -1e-15)


@given(counts, counts)
def test_swapping_shares_flips_the_sign(one, other):
    found, back = newcombe(*one, *other, 0.05), newcombe(*other, *one, 0.05)
    assert (back.estimate, back.low, back.high) == pytest.approx(
        (-found.estimate, -found.high, -found.low), abs=1e-12
    )
    assert back.p == pytest.approx(found.p, rel=1e-9)


def test_shares_of_millions_keep_their_digits():
    found = newcombe(20_300, 1_000_000, 20_000, 1_000_000, 0.05)
    z = found.estimate / found.se
    assert found.p == pytest.approx(2 * stats.norm.sf(z), rel=1e-3)
    assert newcombe(900_000, 1_000_000, 100_000, 1_000_000, 0.05).p == 0.0


def test_a_share_without_success_in_control_has_no_relative_effect():
    found = newcombe(9, 50, 0, 50, 0.05)
    assert math.isnan(found.relative)
    assert found.low > 0
    gone = newcombe(0, 50, 9, 50, 0.05)
    assert (gone.relative, gone.relative_low) == (-1.0, -1.0)
    assert gone.relative_high < 0


def test_a_ratio_has_the_variance_of_its_line():
    rng = np.random.default_rng(2)
    d = 1 + rng.poisson(2, 500)
    y = d * rng.gamma(2, 3, 500)
    covariance = np.cov(y, d) / 500
    found = ratio_mean(np.array([y.mean(), d.mean()]), covariance, 500, 499)
    line = (y - found.value * d) / d.mean()
    assert found.value == y.sum() / d.sum()
    assert found.variance == pytest.approx(line.var(ddof=1) / 500, rel=1e-10)


def test_a_ratio_that_is_the_same_for_all_has_no_variance():
    d = np.arange(1.0, 30.0)
    covariance = np.cov(20 * d / 3, d) / 29
    found = ratio_mean(np.array([20 * d.mean() / 3, d.mean()]), covariance, 29, 28)
    assert found.variance == 0.0
    empty = ratio_mean(np.array([1.0, 0.0]), np.eye(2), 29, 28)
    assert difference(empty, found, 0.05).notes == ("nothing to divide by",)


@settings(max_examples=20)
@given(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True))
def test_alpha_is_a_probability(alpha):
    assert math.isfinite(difference(Mean(1, 1, 9, 8), Mean(0, 1, 9, 8), alpha).estimate)
    with pytest.raises(ValueError, match="alpha"):
        difference(Mean(1, 1, 9, 8), Mean(0, 1, 9, 8), 1 + alpha)
