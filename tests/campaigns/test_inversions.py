"""The interval of a permutation test, against its definition and against other tests."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation.campaigns.inversions import invert


def everything(groups, treated):
    return np.array(
        [
            np.isin(range(groups), places)
            for places in itertools.combinations(range(groups), treated)
        ]
    )


def statistic(y, d, w, x):
    """|coefficient of w| over its error up to a constant, by weighted least squares."""
    rest = np.column_stack([np.ones(len(y)), x])
    root = np.sqrt(d)[:, None]
    arm = w - rest @ np.linalg.lstsq(rest * root, (w * root[:, 0]), rcond=None)[0]
    return abs((arm * y).sum()) / np.sqrt((arm**2 * d).sum())


def p_value(y, d, assigned, x, tau):
    """The test of the effect tau by its definition: impute the outcome without it, permute."""
    null = y - tau * d * assigned[0]
    found = np.array([statistic(null, d, w.astype(float), x) for w in assigned])
    return np.mean(found >= found[0] - 1e-9 * (1 + found.max()))


CASES = [(6, 3, 0), (7, 2, 1), (8, 3, 0), (8, 2, 2)]


@pytest.mark.parametrize(("groups", "treated", "covariates"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_ends_are_where_the_test_begins_to_reject(groups, treated, covariates, seed):
    rng = np.random.default_rng(seed)
    d = np.rint(np.exp(3 + rng.normal(size=groups))) + 1
    x = rng.normal(size=(groups, covariates))
    y = d * (rng.normal(size=groups) + x.sum(axis=1))
    assigned = everything(groups, treated)
    assigned = assigned[rng.permutation(len(assigned))]
    for alpha in (0.1, 0.25, 0.5):
        found = invert(y, d, assigned, x if covariates else None, alpha)
        assert found.p == pytest.approx(p_value(y, d, assigned, x, 0.0))
        assert p_value(y, d, assigned, x, found.estimate) == 1.0
        reach = 20 if not np.isfinite(found.low) else 2 * (found.high - found.low)
        for tau in found.estimate + np.linspace(-reach, reach, 41):
            kept = p_value(y, d, assigned, x, tau) >= alpha - 1e-12
            assert kept == (found.low <= tau <= found.high)
        if np.isfinite(found.low):
            step = 1e-6 * (found.high - found.low)
            for end, way in ((found.low, step), (found.high, -step)):
                assert p_value(y, d, assigned, x, end + way) >= alpha - 1e-12
                assert p_value(y, d, assigned, x, end - way) < alpha


def test_two_of_twelve_are_66_assignments():
    assigned = everything(12, 2)
    assert len(assigned) == 66
    rng = np.random.default_rng(1)
    y = rng.normal(size=12)
    y[:2] += 5
    found = invert(y, np.ones(12), assigned)
    assert found.p == pytest.approx(1 / 66)
    means = np.array([y[w].mean() - y[~w].mean() for w in assigned])
    np.testing.assert_allclose(found.draws, means)  # of even clusters, the difference itself
    assert found.estimate == pytest.approx(means[0])
    by_scipy = stats.permutation_test(
        (y[:2], y[2:]), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), n_resamples=np.inf
    )
    assert found.p == pytest.approx(1 / 66)
    assert by_scipy.pvalue == pytest.approx(2 / 66)  # twice the smaller tail, of which 1 is shared


def test_as_fisher_had_it_for_flags():
    """All of 0 and 1: the exact p of |difference| from the hypergeometric distribution."""
    y = np.array([1.0, 1, 1, 0, 1, 0, 0, 0, 0])
    assigned = everything(9, 4)
    chances = stats.hypergeom(9, 4, 4).pmf(range(5))
    gaps = np.abs(np.arange(5) / 4 - (4 - np.arange(5)) / 5)
    assert invert(y, np.ones(9), assigned).p == pytest.approx(chances[gaps >= gaps[3] - 1e-9].sum())


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(-3, 3), min_size=7, max_size=7),
    sizes=st.lists(st.integers(1, 4), min_size=7, max_size=7),
    treated=st.integers(1, 6),
    alpha=st.sampled_from([0.05, 0.1, 1 / 7, 2 / 7, 0.3, 1 / 35, 3 / 35]),
)
def test_the_interval_agrees_with_p_also_where_much_is_tied(values, sizes, treated, alpha):
    d = np.array(sizes, float)
    y = d * np.array(values)
    assigned = everything(7, treated)
    found = invert(y, d, assigned, alpha=alpha)
    assert (found.p < alpha) == (not found.low <= 0 <= found.high)
    assert found.low <= found.estimate + 1e-9
    assert found.estimate - 1e-9 <= found.high
    assert found.p >= 1 / len(everything(7, treated))
    assert (found.p < alpha) == (
        p_value(y, d, everything(7, treated), np.empty((7, 0)), 0.0) < alpha
    )


@given(shift=st.floats(-1e6, 1e6), scale=st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_moving_and_scaling_move_and_scale(shift, scale):
    rng = np.random.default_rng(3)
    d = 1.0 + rng.integers(1, 9, size=9)
    y = d * rng.normal(size=9)
    assigned = everything(9, 3)
    before = invert(y, d, assigned)
    after = invert(scale * y + shift * d * assigned[0], d, assigned)
    size = abs(shift) + scale
    for name in ("estimate", "low", "high"):
        moved = scale * getattr(before, name) + shift
        assert getattr(after, name) == pytest.approx(moved, abs=1e-7 * size)


def test_an_assignment_that_covariates_leave_undefined_counts_as_extreme():
    assigned = everything(6, 2)
    x = assigned[5].astype(float)[:, None]
    y = np.arange(6.0) ** 2
    found = invert(y, np.ones(6), assigned, x)
    assert np.isnan(found.draws[5])
    assert np.isnan(found.draws).sum() == 1
    assert found.p >= 2 / 15
