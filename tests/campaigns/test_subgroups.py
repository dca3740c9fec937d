"""Effects of many groups side by side."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

import segmentation as seg
from segmentation.campaigns.subgroups import compare_groups, holm, interaction_p, shrink

BENJAMINI_HOCHBERG = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.000),
]
"""P-values of Benjamini & Hochberg (1995); Holm rejects three."""


def branches(rng, number=50, each=40, spread=0.0, effect=0.0):
    """A trial in many branches, whose effects differ by `spread`."""
    place = np.repeat(np.arange(number), each)
    treated = np.tile(np.arange(each) % 2 == 0, number)
    effects = effect + spread * rng.normal(size=number)
    y = rng.normal(size=len(place)) + treated * effects[place]
    arm = np.where(treated, "letter", "none")
    frame = pd.DataFrame({"branch": [f"B{k:02}" for k in place], "arm": arm, "y": y})
    return frame, effects


def test_holm_is_that_of_statsmodels():
    p = np.array(BENJAMINI_HOCHBERG)
    assert (holm(p) < 0.05).sum() == 3
    rng = np.random.default_rng(1)
    for size in (1, 2, 7):
        p = rng.random(size)
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-15)
    assert len(holm(np.array([]))) == 0


def test_pitfall_21_of_50_branches_without_effect_any_is_found_in_5_percent():
    rng = np.random.default_rng(2)
    runs, found, differ, reached = 400, 0, 0, 0
    for run in range(runs):
        frame, _ = branches(rng)
        y = frame["y"].to_numpy().reshape(50, 20, 2)
        one, other = y[:, :, 0], y[:, :, 1]
        p = stats.ttest_ind(one, other, axis=1, equal_var=False).pvalue
        found += bool((holm(p) < 0.05).any())
        reached += bool((p < 0.05).any())
        gap = one.mean(axis=1) - other.mean(axis=1)
        half = stats.ttest_ind(one, other, axis=1, equal_var=False).confidence_interval()
        columns = compare_groups(gap, half.low, half.high, p, 0.05)
        differ += columns["interaction_p"][0] < 0.05
        if run < 2:  # and that is what `effect` does
            table = seg.effect(frame, "y", "arm", "none", by="branch")
            assert table["adjusted_p"].to_numpy() == pytest.approx(holm(p), rel=1e-9)
            assert table["interaction_p"].to_numpy() == pytest.approx(
                columns["interaction_p"], rel=1e-9
            )
    assert found / runs <= 0.0875
    assert differ / runs <= 0.0875
    assert reached / runs > 0.8


def test_groups_that_differ_are_told_apart():
    frame, _ = branches(np.random.default_rng(3), each=400, spread=0.5)
    table = seg.effect(frame, "y", "arm", "none", by="branch")
    assert (table["interaction_p"] == table["interaction_p"].iloc[0]).all()
    assert table["interaction_p"].iloc[0] < 1e-6
    assert (table["adjusted_p"] < 0.05).any()


def test_cochrans_q_of_two_groups_is_their_difference():
    errors = np.array([0.3, 0.4])
    p = interaction_p(np.array([1.0, 2.0]), errors)
    assert p == pytest.approx(2 * stats.norm.sf(1 / 0.5))
    assert np.isnan(interaction_p(np.array([1.0]), np.array([1.0])))


@pytest.mark.parametrize("groups", [4, 10, 50])
@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0])
def test_shrunken_intervals_cover_and_are_nearer(groups, spread):
    rng = np.random.default_rng(4)
    covered, error, raw = [], [], []
    for _ in range(200):
        scale = np.exp(rng.normal(0, 0.5, groups))
        truth = rng.normal(1, spread, groups)
        seen = rng.normal(truth, scale)
        middle, low, high = shrink(seen, scale, 0.05)
        covered.append(((low <= truth) & (truth <= high)).mean())
        error.append(((middle - truth) ** 2).mean())
        raw.append(((seen - truth) ** 2).mean())
    assert np.mean(covered) > 0.93
    assert np.mean(error) < np.mean(raw)


def test_shrinking_moves_towards_the_mean_and_most_where_least_is_known():
    seen, errors = np.array([4.0, 4.0, 0.0, 1.0, 2.0]), np.array([0.2, 3.0, 1.0, 1.0, 1.0])
    middle, low, high = shrink(seen, errors, 0.05)
    assert 4 - middle[0] < 4 - middle[1]
    assert ((low < middle) & (middle < high)).all()
    assert shrink(seen * 1e6, errors * 1e6, 0.05)[0] == pytest.approx(middle * 1e6, rel=1e-4)
    few = shrink(seen[:3], errors[:3], 0.05)
    assert few[0].tolist() == seen[:3].tolist()


def test_groups_without_an_interval_take_no_part():
    nan = np.nan
    columns = compare_groups(
        np.array([1.0, nan, 2.0, 3.0]),
        np.array([0.0, nan, nan, 2.0]),
        np.array([2.0, nan, nan, 4.0]),
        np.array([0.05, nan, nan, 0.001]),
        0.05,
    )
    assert columns["adjusted_p"].tolist() == pytest.approx([0.05, nan, nan, 0.002], nan_ok=True)
    assert np.isfinite(columns["interaction_p"]).all()
    assert np.isnan(columns["shrunken"]).tolist() == [False, True, True, False]


def test_equal_estimates_shrink_to_themselves():
    middle, low, high = shrink(np.full(8, 2.0), np.full(8, 0.5), 0.05)
    assert middle == pytest.approx(np.full(8, 2.0))
    assert (high - low < 2 * 1.96 * 0.5).all()
