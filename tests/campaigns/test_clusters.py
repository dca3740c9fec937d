"""Effects of trials of clusters: size, coverage, published numbers, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from generators import clusters, inside, record
from scipy import stats

from segmentation.campaigns import clusters as module
from segmentation.campaigns.arms import enter_trial
from segmentation.campaigns.clusters import cluster_estimates, permutation_distribution
from segmentation.campaigns.estimates import estimate_table
from segmentation.campaigns.inversions import DRAWS, invert
from segmentation.campaigns.permutations import Design
from segmentation.campaigns.sandwiches import cluster_fit
from segmentation.campaigns.totals import Totals
from segmentation.data.errors import TableError

ICC = 0.05


def estimates(frame, outcomes=("y",), covariates=(), per=None, control="control", **options):
    numbers = [*outcomes, *covariates, *([per] if per else [])]
    trial = enter_trial(frame, "arm", control, numbers, ["cluster"])
    found = cluster_estimates(trial, list(outcomes), "cluster", list(covariates), per, **options)
    return estimate_table(found)


def small(groups=12, treated=3, size=20, seed=1, effect=0.0, uneven=False):
    return clusters(np.random.default_rng(seed), 1, groups, treated, size, effect, ICC, uneven).one(
        0
    )


# ------------------------------------------------------------------------------- by simulation


def sizes_of(rng, runs, groups, sigma=0.0, size=500):
    """Sizes of branches, drawn anew in each run if lognormal."""
    draws = np.exp(sigma * rng.normal(size=(runs, groups)) - sigma**2 / 2)
    return np.rint(size * draws).clip(2)


def draw_totals(rng, sizes, treated, effect=0.0):
    """Totals of clusters, and each run's sum of squares within them, of normal customers."""
    runs, groups = sizes.shape
    w = rng.random((runs, groups)).argsort(axis=1) < treated
    noise = rng.normal(size=(runs, groups)) * np.sqrt((1 - ICC) / sizes)
    means = np.sqrt(ICC) * rng.normal(size=(runs, groups)) + noise + effect * w
    within = (1 - ICC) * rng.chisquare(sizes.sum(axis=1) - groups)
    return sizes * means, w, within


def totals_of(y, sizes, w):
    arms = np.where(w, "treated", "control")
    names = np.arange(len(y)).astype(str)
    return Totals(names, arms, sizes, y, sizes, np.empty((len(y), 0)), 0.0)


def assignments_of(rng, groups, treated):
    """All assignments, or 999 drawn at random; shuffled places make them any run's own."""
    units = pd.DataFrame({"cluster": np.arange(groups), "arm": np.arange(groups) < treated})
    design = Design.from_arms(units, "cluster", "arm")
    limit = 5_000 if design.count <= 5_000 else 999
    return design.permutations(limit, int(rng.integers(1 << 30))) == 1, design.units["unit"]


def permuted(rng, y, w, sizes, effect=0.0):
    """Rejections by permutation, coverage of `effect`, and the estimates, in each run."""
    groups, treated = w.shape[1], int(w[0].sum())
    table, units = assignments_of(rng, groups, treated)
    actual = units.astype(int).to_numpy() < treated
    rejected = covered = 0
    for totals, arms, size in zip(y, w, sizes, strict=True):
        # Its own treated clusters take the places of the first, the others follow.
        order = np.empty(groups, int)
        order[actual], order[~actual] = np.flatnonzero(arms), np.flatnonzero(~arms)
        found = invert(totals[order], size[order], table)
        assert (found.p < 0.05) != (found.low <= 0 <= found.high)
        rejected += found.p < 0.05
        covered += found.low <= effect <= found.high
    return rejected, covered


def arm_means(y, w, sizes):
    n1, n0 = (w * sizes).sum(axis=1), (~w * sizes).sum(axis=1)
    return (w * y).sum(axis=1) / n1, (~w * y).sum(axis=1) / n0, n1, n0


def cr1(y, w, sizes):
    """p by statsmodels' cluster-robust error and t(G−1), for many runs at once."""
    m1, m0, n1, n0 = arm_means(y, w, sizes)
    e = y - sizes * np.where(w, m1[:, None], m0[:, None])
    groups, n = w.shape[1], sizes.sum(axis=1)
    factor = groups / (groups - 1) * (n - 1) / (n - 2)
    v = (w * e**2).sum(axis=1) / n1**2 + (~w * e**2).sum(axis=1) / n0**2
    return 2 * stats.t.sf(np.abs(m1 - m0) / np.sqrt(factor * v), groups - 1)


def welch(y, w, sizes):
    """p by Welch's test of the clusters' means, each counted once."""
    means = y / sizes
    k = int(w[0].sum())
    return stats.ttest_ind(
        means[w].reshape(-1, k), means[~w].reshape(len(y), -1), axis=1, equal_var=False
    ).pvalue


def naive(y, w, sizes, within):
    """p by customers, as though each had been assigned."""
    m1, m0, n1, n0 = arm_means(y, w, sizes)
    centre = np.where(w, m1[:, None], m0[:, None])
    square = (within + (sizes * (y / sizes - centre) ** 2).sum(axis=1)) / (sizes.sum(axis=1) - 2)
    return 2 * stats.norm.sf(np.abs(m1 - m0) / np.sqrt(square * (1 / n1 + 1 / n0)))


TABLE = [(12, 6, 0.0), (12, 2, 0.0), (20, 4, 1.0), (60, 30, 0.0)]
"""Clusters, treated ones, and sigma of their lognormal sizes."""


def size_of_permutation(runs):
    rng = np.random.default_rng(2)
    for groups, treated, sigma in TABLE:
        sizes = sizes_of(rng, runs, groups, sigma)
        y, w, _ = draw_totals(rng, sizes, treated, effect=0.3)
        rejected, _ = permuted(rng, y - 0.3 * sizes * w, w, sizes)
        _, covered = permuted(rng, y, w, sizes, effect=0.3)
        name = f"{groups} clusters, {treated} treated, sigma of sizes {sigma:g}"
        record("Permutation", name, runs, rejected, covered)
        if runs >= 4000:
            assert rejected <= 0.065 * runs
            assert covered >= 0.935 * runs
        else:
            low = stats.binom.ppf(0.001, runs, 3 / 66)
            assert low <= rejected <= stats.binom.ppf(0.999, runs, 0.05)


def test_pitfall_11_permutation_keeps_its_size_with_few_clusters():
    size_of_permutation(400)


@pytest.mark.calibrate
def test_permutation_calibrated():
    size_of_permutation(4000)


T_TABLE = [(60, 30, 0.0), (20, 10, 0.0), (24, 12, 0.4), (110, 100, 0.0), (200, 20, 0.4)]
"""The same where Cluster t is used: the cv of sizes of sigma 0.4 is 0.42."""


def size_of_cluster_t(runs):
    rng = np.random.default_rng(3)
    for groups, treated, sigma in T_TABLE:
        sizes = sizes_of(rng, runs, groups, sigma)
        y, w, _ = draw_totals(rng, sizes, treated)
        rejected = 0
        for totals, arms, size in zip(y, w, sizes, strict=True):
            fit = cluster_fit(totals_of(totals, size, arms), "control")
            rejected += abs(fit.estimate) > stats.t.isf(0.025, fit.df) * fit.se
        name = f"{groups} clusters, {treated} treated, sigma of sizes {sigma:g}"
        record("Cluster t", name, runs, rejected, runs - rejected)
        assert inside(rejected, runs)


def test_cluster_t_keeps_its_size_where_it_is_used():
    size_of_cluster_t(400)


@pytest.mark.calibrate
def test_cluster_t_calibrated():
    size_of_cluster_t(4000)


def totals_of_trial(draws, run, rng=None):
    """Totals and the covariate's means of a trial; with `rng` of the outcome at random visits."""
    cluster = draws.cluster
    count = np.bincount(cluster).astype(float)
    weight = np.ones(len(cluster)) if rng is None else 1.0 + rng.poisson(3, len(cluster))
    d = np.bincount(cluster, weight)
    y = np.bincount(cluster, draws.y[run] * weight)
    x = np.bincount(cluster, draws.x[run] - draws.x[run].mean()) / count
    w = np.bincount(cluster, draws.treated[run]) > 0
    origin = y.sum() / d.sum()
    arms = np.where(w, "treated", "control").astype(object)
    names = np.arange(len(count)).astype(str).astype(object)
    return Totals(names, arms, count, y - origin * d, d, x[:, None], origin)


def test_totals_of_a_trial_are_what_cluster_estimates_judges():
    draws = clusters(np.random.default_rng(8), 1, 24, 12, 20)
    totals, frame = totals_of_trial(draws, 0), draws.one(0)
    table = estimates(frame, covariates=["x"])
    for row, adjusted in zip(table.itertuples(), (False, True), strict=True):
        fit = cluster_fit(totals, "control", adjusted)
        assert (row.estimate, row.se) == pytest.approx((fit.estimate, fit.se), rel=1e-9)


CHOICES = {
    "mean": {},
    "mean, adjusted": {"adjusted": True},
    "ratio": {"ratio": True},
    "ratio, adjusted": {"adjusted": True, "ratio": True},
}


def size_of_adjusted_and_ratios(runs):
    """Customers and a covariate in clusters, by t where they are many and permuted where few."""
    for seed, (groups, treated) in enumerate([(60, 30), (12, 2)]):
        rejected, covered = dict.fromkeys(CHOICES, 0), dict.fromkeys(CHOICES, 0)
        rng = np.random.default_rng([seed, 40])
        table, units = assignments_of(rng, groups, treated)
        actual = units.astype(int).to_numpy() < treated
        for start in range(0, runs, 100):
            draws = clusters(rng, min(100, runs - start), groups, treated, 20)
            for run in range(len(draws.y)):
                for name, options in CHOICES.items():
                    adjusted = options.get("adjusted", False)
                    totals = totals_of_trial(draws, run, rng if "ratio" in options else None)
                    if groups == 60:
                        fit = cluster_fit(totals, "control", adjusted)
                        margin = stats.t.isf(0.025, fit.df) * fit.se
                        low, high = fit.estimate - margin, fit.estimate + margin
                        p = 2 * stats.t.sf(abs(fit.estimate) / fit.se, fit.df)
                    else:
                        who = totals.arms == "treated"
                        order = np.empty(groups, int)
                        order[actual] = np.flatnonzero(who)
                        order[~actual] = np.flatnonzero(~who)
                        x = totals.x[order] if adjusted else None
                        found = invert(totals.y[order], totals.d[order], table, x)
                        low, high, p = found.low, found.high, found.p
                    rejected[name] += p < 0.05
                    covered[name] += low <= 0 <= high
        method = "Cluster t" if groups == 60 else "Permutation"
        for name in CHOICES:
            record(f"{method}, {name}", draws.name, runs, rejected[name], covered[name])
            if method == "Cluster t":
                assert inside(rejected[name], runs)
            else:
                assert rejected[name] <= (0.065 if runs >= 4000 else 0.0875) * runs
            assert rejected[name] == runs - covered[name]


def test_adjusted_and_ratios_keep_their_size():
    size_of_adjusted_and_ratios(400)


@pytest.mark.calibrate
def test_adjusted_and_ratios_calibrated():
    size_of_adjusted_and_ratios(4000)


@pytest.mark.calibrate
@pytest.mark.parametrize(
    ("row", "cr1_t", "by_welch"),
    [(0, (5.4, 5.4), 3.6), (1, (19.8, 19.8), 10.8), (2, (17, 19), 6.2)],
)
def test_pitfall_11_published_rejections_of_a_true_null(row, cr1_t, by_welch):
    """REFERENCES, branch campaigns: in percent, of 2,000 simulations, ± 1.5 points."""
    groups, treated, sigma = TABLE[row]
    rng = np.random.default_rng(4)
    sizes = sizes_of(rng, 20_000, groups, sigma)
    y, w, within = draw_totals(rng, sizes, treated)
    name = f"{groups} clusters, {treated} treated, sigma of sizes {sigma:g}"
    shares = {
        "CR1 + t(G−1)": cr1(y, w, sizes) < 0.05,
        "Welch on means of clusters": welch(y, w, sizes) < 0.05,
        "by customer": naive(y, w, sizes, within) < 0.05,
    }
    for method, rejections in shares.items():
        record(method, name, len(y), rejections.sum())
    by_cr1, by_means, by_customer = (100 * rejections.mean() for rejections in shares.values())
    assert cr1_t[0] - 1.5 <= by_cr1 <= cr1_t[1] + 1.5
    assert by_means == pytest.approx(by_welch, abs=1.5)
    assert by_customer > 69


def test_an_effect_is_found():
    rng = np.random.default_rng(5)
    for groups, treated, effect, power in [(12, 2, 1.0, 0.9), (60, 30, 0.3, 0.9)]:
        sizes = sizes_of(rng, 200, groups)
        y, w, _ = draw_totals(rng, sizes, treated, effect)
        assert permuted(rng, y, w, sizes)[0] > power * 200


def test_pitfall_10_errors_by_customer_are_a_quarter_too_small_for_households():
    """Households of 2 to 4 with correlation .4: 1/√(1 + (3.22 − 1)·.4) = .73."""
    rng = np.random.default_rng(6)
    sizes = rng.integers(2, 5, size=600)
    home = np.repeat(np.arange(600), sizes)
    naive_errors, errors, found = [], [], []
    for _ in range(300):
        treated = rng.permutation(600) < 300
        common = np.sqrt(0.4) * rng.normal(size=600)
        y = common[home] + np.sqrt(0.6) * rng.normal(size=len(home))
        w = treated[home]
        naive_errors.append(np.sqrt(y[w].var() / w.sum() + y[~w].var() / (~w).sum()))
        n = sizes.astype(float)
        fit = cluster_fit(totals_of(np.bincount(home, y), n, treated), "control")
        errors.append(fit.se)
        found.append(fit.estimate)
        assert fit.estimate == pytest.approx(y[w].mean() - y[~w].mean())
    truth = np.std(found)
    assert np.mean(naive_errors) / np.mean(errors) == pytest.approx(0.73, abs=0.02)
    assert np.mean(errors) / truth == pytest.approx(1.0, abs=0.1)


def test_pitfall_13_a_small_holdout_has_its_own_degrees_of_freedom():
    rng = np.random.default_rng(9)
    sizes = sizes_of(rng, 200, 210)
    y, w, _ = draw_totals(rng, sizes, 200)
    fits = [cluster_fit(totals_of(*row), "control") for row in zip(y, sizes, w, strict=True)]
    assert 9 <= np.median([fit.df for fit in fits]) < 12  # 209 would be G − 1
    y, w, _ = draw_totals(rng, sizes, 105)
    fits = [cluster_fit(totals_of(*row), "control") for row in zip(y, sizes, w, strict=True)]
    assert 195 < np.median([fit.df for fit in fits]) <= 208


# ---------------------------------------------------------------------- against other libraries


def robust(frame, columns, treated="w"):
    """CR2 by its definition, with customers' matrices, and the fit by statsmodels."""
    import statsmodels.api as sm

    x = np.column_stack([np.ones(len(frame)), *(frame[name] for name in columns)])
    fit = sm.OLS(frame["y"].to_numpy(), x).fit()
    bread = np.linalg.inv(x.T @ x)
    meat = np.zeros_like(bread)
    for rows in frame.reset_index(drop=True).groupby("cluster").indices.values():
        part = x[rows]
        values, vectors = np.linalg.eigh(np.eye(len(rows)) - part @ bread @ part.T)
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        score = part.T @ root @ fit.resid[rows]
        meat += np.outer(score, score)
    place = 1 + list(columns).index(treated)
    return fit.params[place], np.sqrt((bread @ meat @ bread)[place, place]), fit


def with_means(frame):
    frame = frame.assign(w=(frame["arm"] == "treated").astype(float))
    return frame.assign(mean_x=frame.groupby("cluster")["x"].transform("mean"))


@pytest.mark.parametrize("uneven", [False, True])
def test_error_is_that_of_cr2_by_its_definition(uneven):
    frame = with_means(small(24, 12, 30, seed=2, effect=0.4, uneven=uneven))
    table = estimates(frame, covariates=["x"])
    for row, columns in zip(table.itertuples(), (["w"], ["w", "mean_x"]), strict=True):
        estimate, se, _ = robust(frame, columns)
        assert row.estimate == pytest.approx(estimate, rel=1e-9)
        assert row.se == pytest.approx(se, rel=1e-9)


def test_error_is_statsmodels_cluster_error_but_for_its_factor():
    """Of even clusters and arms CR2 is Gₐ/(Gₐ−1) times CR0, which statsmodels scales by G/(G−1)."""
    frame = with_means(small(24, 12, 30, seed=3))
    row = estimates(frame).iloc[0]
    _, _, fit = robust(frame, ["w"])
    clustered = fit.get_robustcov_results("cluster", groups=frame["cluster"].to_numpy())
    n = len(frame)
    cr0 = clustered.bse[1] * np.sqrt(23 / 24 * (n - 2) / (n - 1))
    assert row["se"] == pytest.approx(cr0 * np.sqrt(12 / 11), rel=1e-9)
    assert row["estimate"] == pytest.approx(clustered.params[1])
    t = stats.t.isf(0.025, 22)
    assert row["high"] - row["estimate"] == pytest.approx(t * row["se"], rel=0.03)


def test_a_ratio_is_of_totals_and_its_error_of_their_residuals():
    frame = small(24, 12, 30, seed=4)
    frame["visits"] = 1 + np.arange(len(frame)) % 4
    row = estimates(frame, per="visits").iloc[0]
    sums = frame.groupby(["arm", "cluster"])[["y", "visits"]].sum()
    totals = sums.groupby("arm").sum()
    ratio = totals["y"] / totals["visits"]
    assert row["estimate"] == pytest.approx(ratio["treated"] - ratio["control"])
    square = 0.0
    for arm, part in sums.groupby("arm"):
        share = part["visits"] / totals.loc[arm, "visits"]
        e = (part["y"] - ratio[arm] * part["visits"]) / totals.loc[arm, "visits"]
        square += (e**2 / (1 - share)).sum()
    assert row["se"] == pytest.approx(np.sqrt(square))


# ------------------------------------------------------------------------------ what is chosen


def method(frame, **options):
    return estimates(frame, **options)["method"].tolist()


def test_few_or_uneven_clusters_are_permuted():
    assert method(small(12, 2)) == ["Permutation, exact, 66 assignments"]
    assert method(small(20, 10, 20)) == ["Cluster t, 20 clusters"]
    assert method(small(20, 9, 20)) == ["Permutation, 10,000 draws"]
    uneven = small(40, 20, 60, uneven=True)
    assert method(uneven, covariates=["x"]) == [
        "Permutation, 10,000 draws",
        "Permutation, 10,000 draws, adjusted for covariates",
    ]
    found = estimates(uneven).iloc[0]
    pd.testing.assert_series_equal(found, estimates(uneven, seed=0).iloc[0])
    assert found["p"] != estimates(uneven, seed=1).iloc[0]["p"]
    assert found["p"] >= 1 / DRAWS


def test_what_the_design_cannot_bound_is_said_to_be_unbounded():
    row = estimates(small(12, 1, effect=9.0)).iloc[0]
    assert row["method"] == "Permutation, exact, 12 assignments, interval unbounded"
    assert (row["low"], row["high"]) == (-np.inf, np.inf)
    assert row["p"] == pytest.approx(1 / 12)
    assert row[["se", "relative", "relative_low", "relative_high"]].isna().all()
    bounded = estimates(small(12, 1, effect=9.0), alpha=0.1).iloc[0]
    assert bounded["method"] == "Permutation, exact, 12 assignments"
    assert 0 < bounded["low"] < 9 < bounded["high"]
    assert 0 < bounded["relative_low"] < bounded["relative"] < bounded["relative_high"]


def test_intervals_agree_with_p_and_so_do_relative_ones():
    for seed in range(30):
        for uneven in (False, True):
            frame = small(12, 4, 15, seed, effect=0.35, uneven=uneven)
            for row in estimates(frame, covariates=["x"]).itertuples():
                assert (row.p < 0.05) == (not row.low <= 0 <= row.high)
                assert row.low <= row.estimate <= row.high
                assert np.sign(row.relative_low) == np.sign(row.low)
                assert np.sign(row.relative_high) == np.sign(row.high)
                assert row.relative_low <= row.relative <= row.relative_high


def test_relative_effects_are_over_the_absolute_mean_of_control():
    frame = small(12, 6, 20, effect=0.5)
    losses = frame.assign(y=-frame["y"])
    gain, loss = estimates(frame).iloc[0], estimates(losses).iloc[0]
    mean = frame.query("arm == 'control'")["y"].mean()
    assert gain["relative"] == pytest.approx(gain["estimate"] / mean)
    assert loss["relative"] == pytest.approx(-gain["relative"])
    assert loss["relative_low"] == pytest.approx(-gain["relative_high"])
    near_zero = frame.assign(y=frame["y"] - mean)
    assert np.isnan(estimates(near_zero).iloc[0]["relative"])
    assert np.isnan(estimates(small(30, 15).assign(y=lambda f: f["y"] - 5)).iloc[0]["relative"])


def test_a_relative_interval_covers_as_the_absolute_one_does():
    """Fieller's, of 60 even clusters, beside that of the permutation: they hardly differ."""
    frame = small(60, 30, 50, seed=5, effect=2.0)
    by_t = estimates(frame).iloc[0]
    few = module.UNEVEN
    try:
        module.UNEVEN = -1.0
        permuted = estimates(frame).iloc[0]
    finally:
        module.UNEVEN = few
    assert permuted["method"].startswith("Permutation")
    for name in ("low", "high", "relative_low", "relative_high"):
        assert permuted[name] == pytest.approx(by_t[name], rel=0.05)


def test_covariates_explain_branches():
    rng = np.random.default_rng(10)
    frame = small(12, 4, 50, seed=11, effect=0.3)
    shift = pd.Series(rng.normal(size=12))
    frame["before"] = frame["cluster"].map(shift) + 0.3 * rng.normal(size=len(frame))
    frame["y"] += 2 * frame["cluster"].map(shift)
    plain, adjusted = estimates(frame, covariates=["before"]).itertuples()
    assert adjusted.high - adjusted.low < 0.4 * (plain.high - plain.low)
    assert adjusted.low < 0.3 < adjusted.high
    frame.loc[::5, "before"] = np.nan
    holed = estimates(frame, covariates=["before"]).iloc[1]
    assert holed["n_control"] + holed["n_treated"] == len(frame)
    assert holed["high"] - holed["low"] < 0.6 * (plain.high - plain.low)
    same = estimates(
        frame.assign(twice=frame["before"] * 2, one=1.0), covariates=["before", "twice", "one"]
    )
    assert same.iloc[1]["estimate"] == pytest.approx(holed["estimate"])
    assert same.iloc[1]["p"] == holed["p"]


def test_complete_cases_only_are_counted():
    frame = small(24, 12, 20, seed=6)
    frame.loc[::3, "y"] = np.nan
    pd.testing.assert_frame_equal(estimates(frame), estimates(frame.dropna(subset="y")))
    gone = frame.assign(y=frame["y"].where(frame["cluster"] > 0))
    assert estimates(gone).iloc[0]["method"] == "Cluster t, 23 clusters"
    none = frame.assign(z=frame["y"].where(frame["arm"] == "control"), void=np.nan)
    assert estimates(none, ["y", "z", "void"])["outcome"].tolist() == ["y"]


def test_money_far_from_zero_keeps_its_digits():
    frame = small(12, 4, 20, seed=7, effect=0.3)
    near, far = estimates(frame).iloc[0], estimates(frame.assign(y=frame["y"] + 1e8)).iloc[0]
    for name in ("estimate", "se", "low", "high", "p"):
        assert far[name] == pytest.approx(near[name], abs=1e-6)


def test_without_variance_nothing_is_found():
    """Of 0.1 and 1e8 + .1, which are no binary numbers, only rounding is left."""
    for value in (7.0, 0.1, 1e8 + 0.1):
        permuted = estimates(small(12, 4).assign(y=value), covariates=["x"])
        assert permuted[["estimate", "low", "high"]].eq(0).all(axis=None)
        assert permuted["p"].eq(1).all()
        by_t = estimates(small(24, 12).assign(y=value), covariates=["x"])
        assert by_t["estimate"].eq(0).all()
        assert by_t[["low", "high", "p"]].isna().all(axis=None)
        assert by_t["method"].str.endswith(", no variance").all()
    moved = small(24, 12).assign(y=lambda f: 3.0 + 2 * (f["arm"] == "treated"))
    row = estimates(moved).iloc[0]
    assert row["estimate"] == pytest.approx(2)
    assert row[["low", "high", "p"]].isna().all()


# ------------------------------------------------------------------------- arms and the design


def three_arms():
    frame = small(15, 5, 20, seed=8)
    frame["arm"] = np.where(frame["cluster"] % 3 == 2, "call", frame["arm"])
    return frame.assign(arm=frame["arm"].replace({"treated": "letter", "control": "none"}))


def test_only_the_arm_and_control_are_permuted():
    frame = three_arms()
    table = estimates(frame, control="none")
    assert table["arm"].tolist() == ["call", "letter"]
    for row in table.itertuples():
        alone = frame[frame["arm"].isin([row.arm, "none"])]
        pd.testing.assert_series_equal(
            estimates(alone, control="none").iloc[0], table.loc[row.Index], check_names=False
        )
    design = Design.from_arms(frame, "cluster", "arm")
    pd.testing.assert_frame_equal(estimates(frame, control="none", design=design), table)


def stratified():
    """Six branches in town and six in the country, two of each treated; country is richer."""
    frame = small(12, 2, 20, seed=9)
    frame["arm"] = np.where(frame["cluster"] % 6 < 2, "treated", "control")
    frame["area"] = np.where(frame["cluster"] < 6, "town", "country")
    frame["y"] += 3.0 * (frame["area"] == "country")
    return frame


def test_a_design_is_permuted_within_its_strata():
    frame = stratified()
    design = Design.from_arms(frame, "cluster", "arm", "area")
    row = estimates(frame, design=design).iloc[0]
    assert row["method"] == "Permutation, exact, 225 assignments"
    loose = estimates(frame).iloc[0]
    assert loose["method"] == "Permutation, exact, 495 assignments"
    assert row["high"] - row["low"] < 0.5 * (loose["high"] - loose["low"])
    observed, draws = permutation_distribution(
        frame, "y", "arm", "control", "cluster", design=design
    )
    assert len(draws) == 225
    assert draws[0] == observed == pytest.approx(row["estimate"])
    assert np.mean(np.abs(draws) >= abs(observed) - 1e-12) == pytest.approx(row["p"])


def test_a_design_of_other_clusters_is_refused():
    frame = stratified()
    some = frame[frame["cluster"] != 3]
    with pytest.raises(TableError, match=r"every cluster of the data was assigned .*\(1 row\)"):
        estimates(frame, design=Design.from_arms(some, "cluster", "arm"))
    swapped = frame.assign(arm=frame["arm"].where(frame["cluster"] > 0, "control"))
    with pytest.raises(TableError, match="in the arm that the design gave it"):
        estimates(swapped, design=Design.from_arms(frame, "cluster", "arm"))
    design = Design.from_arms(frame, "cluster", "arm")
    pd.testing.assert_frame_equal(estimates(some, design=design), estimates(some))


def test_a_distribution_is_of_one_arm():
    frame = three_arms()
    with pytest.raises(TableError, match="one arm is compared"):
        permutation_distribution(frame, "y", "arm", "none", "cluster")
    observed, draws = permutation_distribution(frame, "y", "arm", "none", "cluster", "letter")
    rows = estimates(frame, control="none").set_index("arm")
    assert observed == draws[0] == pytest.approx(rows.loc["letter", "estimate"])
    gone = frame.assign(y=frame["y"].where(frame["arm"] != "letter"))
    with pytest.raises(TableError, match="whose outcome is known"):
        permutation_distribution(gone, "y", "arm", "none", "cluster", "letter")


# -------------------------------------------------------------------------- engines and refusals


def test_each_engine_agrees(to_engine):
    frame = small(26, 12, 20, seed=12, effect=0.2, uneven=True)
    frame["arm"] = np.where(frame["cluster"] > 19, "call", frame["arm"])
    frame["visits"] = 1.0 + np.arange(len(frame)) % 3
    frame["cluster"] = "B" + frame["cluster"].astype(str)
    frame.loc[::7, "y"] = np.nan
    frame.loc[::11, "x"] = np.nan
    for options in ({}, {"per": "visits"}):
        here = estimates(frame, covariates=["x"], **options)
        there = estimates(to_engine(frame), covariates=["x"], **options)
        pd.testing.assert_frame_equal(here, there, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("per", [None, "visits"])
def test_many_clusters_are_judged_in_the_engine(monkeypatch, to_engine, per):
    rng = np.random.default_rng(13)
    frame = clusters(rng, 1, 1200, 500, 3, 0.2, 0.3).one(0)
    frame["arm"] = np.where(frame["cluster"] % 4 == 0, "call", frame["arm"])
    frame["visits"] = 1.0 + rng.integers(0, 2, size=len(frame))
    frame["y"] += 0.3 * frame["x"]
    frame.loc[::7, "y"] = np.nan
    frame.loc[::11, "x"] = np.nan
    here = estimates(frame, covariates=["x"], per=per)
    monkeypatch.setattr(module, "COLLECTED", 100)
    there = estimates(to_engine(frame), covariates=["x"], per=per)
    assert there["method"].tolist() == here["method"].tolist()
    assert there["method"].str.startswith("Cluster t").all()
    for name in ("se", "low", "high", "relative", "relative_low", "relative_high"):
        np.testing.assert_allclose(here[name][::2], there[name][::2], rtol=5e-4)
        np.testing.assert_allclose(here[name], there[name], rtol=1e-2)
    for name in ("estimate", "n_control", "n_treated"):
        np.testing.assert_allclose(here[name], there[name], rtol=1e-9)


def test_many_clusters_are_checked_too(monkeypatch):
    monkeypatch.setattr(module, "COLLECTED", 5)
    frame = small(24, 12)
    assert method(frame) == ["Cluster t, 24 clusters"]
    mixed = frame["arm"].where(frame["customer_id"] % 20 > 0, "treated")
    with pytest.raises(TableError, match="a cluster is in one arm"):
        estimates(frame.assign(arm=mixed))
    with pytest.raises(TableError, match="10 clusters or more"):
        estimates(small(24, 2))
    with pytest.raises(TableError, match="some thousands"):
        permutation_distribution(frame, "y", "arm", "control", "cluster")
    void = frame.assign(y=frame["y"].where(frame["arm"] == "control"))
    assert len(estimates(void)) == 0


def test_bad_clusters_are_refused():
    frame = small()
    with pytest.raises(TableError, match=r"every customer has a cluster \(3 rows\)"):
        estimates(frame.assign(cluster=frame["cluster"].astype(float).where(frame.index > 2)))
    mixed = frame["arm"].where(frame["customer_id"] % 2 == 0, "treated")
    with pytest.raises(TableError, match="a cluster is in one arm") as told:
        estimates(frame.assign(arm=mixed))
    assert told.value.column == "cluster"
    with pytest.raises(TableError, match="tell the arms apart"):
        estimates(frame.assign(x=(frame["arm"] == "treated") * 1.0), covariates=["x"])
    with pytest.raises(TableError, match="an outcome has finite values"):
        estimates(frame.assign(y=frame["y"].where(frame.index > 0, np.inf)))
    with pytest.raises(TableError, match="a covariate has finite values"):
        estimates(frame.assign(x=np.nan), covariates=["x"])
    with pytest.raises(TableError, match="a denominator above 0"):
        estimates(frame.assign(visits=np.where(frame["cluster"] == 3, 0, 1)), per="visits")
    with pytest.raises(ValueError, match="alpha"):
        estimates(frame, alpha=1.5)


def test_clusters_may_be_numbers_or_hostile_text():
    frame = small(12, 3)
    there = frame.assign(cluster=["'; drop \"\x00 %s 支行 " + str(i) for i in frame["cluster"]])
    a, b = estimates(frame).iloc[0], estimates(there).iloc[0]
    pd.testing.assert_series_equal(a, b)
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(frame["cluster"], "D")
    with pytest.raises(TableError, match="text, whole numbers or flags"):
        estimates(frame.assign(cluster=days))
