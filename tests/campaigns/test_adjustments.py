"""Several claims at once: published p-values, Dunnett against scipy's and by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from generators import inside, record
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation import TableError, adjust
from segmentation.campaigns.adjustments import METHODS, shared_control

BENJAMINI_HOCHBERG = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
    0.5719, 0.6528, 0.7590, 1.000,
]  # fmt: skip


@pytest.mark.parametrize(("method", "number"), [("bh", 4), ("holm", 3), ("bonferroni", 3)])
def test_pitfall_26_the_p_values_of_1995(method, number):
    """Benjamini & Hochberg (1995), section 4.2."""
    table = adjust(BENJAMINI_HOCHBERG, method)
    assert table["rejected"].tolist() == [True] * number + [False] * (15 - number)
    assert (table["adjusted_p"] <= 0.05).tolist() == table["rejected"].tolist()


def test_holm_by_hand():
    table = adjust([0.04, 0.01, 0.03])
    assert table["adjusted_p"].tolist() == pytest.approx([0.06, 0.03, 0.06])


def test_a_missing_p_value_does_not_count():
    table = adjust([0.02, np.nan, 0.04], "bonferroni")
    assert table["adjusted_p"].tolist() == pytest.approx([0.04, math.nan, 0.08], nan_ok=True)
    assert table["rejected"].tolist() == [True, False, False]
    assert adjust([np.nan])["adjusted_p"].isna().all()
    assert adjust([]).empty


@settings(max_examples=50, deadline=None)
@example(p=[1.0, 0.0], method="sidak")
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12), method=st.sampled_from([*METHODS]))
def test_adjusted_is_never_below_raw_and_keeps_the_order(p, method):
    adjusted = adjust(p, method)["adjusted_p"].to_numpy()
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= -1e-12).all()


def test_a_table_keeps_its_rows_and_index(to_engine):
    table = pd.DataFrame({"arm": ["b", "a"], "p": [0.04, 0.01]}, index=[7, 3])
    found = adjust(table)
    assert found.index.tolist() == [7, 3]
    assert list(found) == ["arm", "p", "adjusted_p", "rejected"]
    assert list(table) == ["arm", "p"]
    other = adjust(to_engine(table)).sort_values("arm", ignore_index=True)
    expected = found.sort_values("arm", ignore_index=True)
    pd.testing.assert_frame_equal(other, expected, check_dtype=False)
    assert adjust(table["p"]).index.tolist() == [7, 3]


# Dunnett


def arms(p, n, control=300):
    names = [f"arm{i}" for i in range(len(p))]
    return pd.DataFrame({"arm": names, "p": p, "n_control": control, "n_treated": n})


def test_dunnett_is_scipys_where_samples_are_large():
    rng = np.random.default_rng(4)
    control = rng.normal(size=4000)
    samples = [rng.normal(shift, size=n) for shift, n in ((0.04, 3000), (0.02, 1500), (0.05, 900))]
    exact = stats.dunnett(*samples, control=control, rng=np.random.default_rng(0)).pvalue
    everything = [control, *samples]
    freedom = sum(len(s) for s in everything) - 4
    sd = math.sqrt(sum(((s - s.mean()) ** 2).sum() for s in everything) / freedom)
    z = [(s.mean() - control.mean()) / sd / math.sqrt(1 / len(s) + 1 / 4000) for s in samples]
    p = 2 * stats.t.sf(np.abs(z), freedom)
    found = adjust(arms(p, [3000, 1500, 900], 4000), "dunnett")["adjusted_p"]
    assert found.tolist() == pytest.approx(exact.tolist(), abs=2e-3)
    holm = adjust(p)["adjusted_p"]
    assert found.min() < holm.min()


def test_dunnett_of_one_arm_changes_nothing():
    assert adjust(arms([0.03], [10]), "dunnett")["adjusted_p"].tolist() == pytest.approx([0.03])
    two = adjust(arms([0.03, np.nan], [10, 10]), "dunnett")
    assert two["adjusted_p"].tolist() == pytest.approx([0.03, math.nan], nan_ok=True)


def test_dunnett_lies_between_none_and_sidak():
    """Common control makes estimates alike: uncorrelated ones are Šidák's, equal ones are one."""
    p = np.array([1e-9, 0.001, 0.04, 0.5, 1.0])
    sidak = 1 - (1 - p) ** 5
    assert shared_control(p, np.eye(5)) == pytest.approx(sidak, rel=1e-6)
    some = shared_control(p, 0.5 + 0.5 * np.eye(5))
    assert (some[:4] < sidak[:4]).all()
    assert (some >= p).all()
    assert shared_control(p, np.ones((5, 5))) == pytest.approx(p, abs=1e-5)


def test_the_integral_is_the_multivariate_normal():
    loadings = np.array([0.9, 0.6, 0.97, 0.3])
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1)
    p = np.array([0.2, 0.05, 0.01, 0.6])
    exact = shared_control(p, matrix)
    matrix[0, 1] = matrix[1, 0] = matrix[0, 1] + 1e-7  # no product any more
    assert shared_control(p, matrix) == pytest.approx(exact, abs=1e-5)


def test_a_correlation_of_ones_own():
    table = arms([0.01, 0.02, 0.03], [1, 1, 1])
    given_it = adjust(table, "dunnett", correlation=np.full((3, 3), 0.5) + 0.5 * np.eye(3))
    by_sizes = adjust(arms([0.01, 0.02, 0.03], [300] * 3), "dunnett")
    assert given_it["adjusted_p"].tolist() == pytest.approx(by_sizes["adjusted_p"].tolist())
    negative = np.array([[1, -0.4, 0], [-0.4, 1, 0.2], [0, 0.2, 1]])
    found = adjust(table, "dunnett", correlation=negative)["adjusted_p"]
    assert (found > table["p"]).all()


@pytest.mark.parametrize("runs", [400, pytest.param(4000, marks=pytest.mark.calibrate)])
def test_dunnett_keeps_its_size(runs):
    """Four arms against a small control: Holm would be too careful, Dunnett is just right."""
    rng = np.random.default_rng(11)
    n, control = np.array([900, 900, 300, 600]), 300
    means = rng.normal(size=(runs, 4)) / np.sqrt(n)
    below = rng.normal(size=(runs, 1)) / math.sqrt(control)
    p = 2 * stats.norm.sf(np.abs(means - below) / np.sqrt(1 / n + 1 / control))
    best = p.min(axis=1)
    limit = stats.norm.isf(best / 2)
    edges = np.quantile(best, np.linspace(0, 1, 60))
    correlation = arms(p[0], n)
    loadings = np.sqrt(n / (n + control))
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1)
    values = np.array([shared_control(np.full(4, edge), matrix)[0] for edge in edges])
    adjusted = np.interp(limit, stats.norm.isf(edges / 2)[::-1], values[::-1])
    whole = adjust(correlation, "dunnett")["adjusted_p"].min()
    assert whole == pytest.approx(adjusted[0], abs=0.01)
    rejected = int((adjusted < 0.05).sum())
    record("Dunnett", "normal, four arms", runs, rejected)
    assert inside(rejected, runs)


@pytest.mark.parametrize(
    ("p", "options", "message"),
    [
        ([0.5, 1.5], {}, r"between 0 and 1 \(1 row\)"),
        ([-0.1], {}, "between 0 and 1"),
        (pd.DataFrame({"q": [0.5]}), {}, "column p missing"),
        (pd.DataFrame({"p": ["x"]}), {}, "p-values are numbers"),
        (pd.DataFrame({"p": [0.5]}), {"method": "dunnett"}, "n_control, n_treated missing"),
        (arms([0.1, 0.2], [0, 5]), {"method": "dunnett"}, "arms have units"),
        (arms([0.1, 0.2], [5, 5]).assign(arm="a"), {"method": "dunnett"}, "control once"),
        (arms([0.1, 0.2], [5, 5]).assign(outcome=["x", "y"]), {"method": "dunnett"}, "outcome"),
        ([0.1, 0.2], {"method": "dunnett", "correlation": [[1.0]]}, "k × k"),
        ([0.1, 0.2], {"method": "dunnett", "correlation": [[1, 2], [2, 1]]}, "correlations"),
    ],
)  # fmt: skip
def test_refused(p, options, message):
    with pytest.raises(TableError, match=message):
        adjust(p, **options)


def test_methods_and_levels_are_known():
    with pytest.raises(ValueError, match="one of"):
        adjust([0.1], "fisher")
    with pytest.raises(ValueError, match="alpha"):
        adjust([0.1], alpha=1)
