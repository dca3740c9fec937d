"""Intervals of shares and of their differences, against published numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.customers.intervals import square_and_add, wilson


@pytest.mark.parametrize(
    ("count", "n", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)]
)
def test_newcombe_1998a_table_1(count, n, low, high):
    assert np.round(wilson(count, n), 4) == pytest.approx([low, high])


def test_newcombe_1998b_difference():
    one, other = wilson(56, 70), wilson(48, 80)
    difference, low, high = square_and_add(
        (1, -1), (0.8, 0.6), (one[0], other[0]), (one[1], other[1])
    )
    assert np.round([difference, low, high], 4) == pytest.approx([0.2, 0.0524, 0.3339])


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0.5, 0.999))
def test_limits_solve_the_score_equation(n, share, level):
    from scipy.stats import norm

    count = round(share * n)
    z = norm.isf((1 - level) / 2)
    for limit in wilson(count, n, level):
        assert 0 <= limit <= 1
        deviation = (count / n - limit) ** 2 - z**2 * limit * (1 - limit) / n
        assert deviation == pytest.approx(0, abs=1e-9)


def test_nobody_has_no_interval():
    low, high = wilson([0, 3], [0, 3])
    assert np.isnan([low[0], high[0]]).all()
    assert high[1] == 1
    assert low[1] == pytest.approx(3 / (3 + 1.959964**2))


@pytest.mark.parametrize(("count", "n", "level"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 95)])
def test_impossible_counts_and_levels_are_refused(count, n, level):
    with pytest.raises(ValueError, match="lies between"):
        wilson(count, n, level)
