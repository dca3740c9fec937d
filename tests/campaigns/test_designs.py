"""Designs: published sizes, inverses, clusters, and power as simulation finds it."""

import math

import numpy as np
import pandas as pd
import pytest
from generators import clusters, normal, record, simulated
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

import segmentation as seg
from segmentation import Metric, design_campaign


@pytest.mark.parametrize(("p", "effect", "n"), [(0.10, 0.02, 3835), (0.10, -0.05, 424)])
def test_published_sizes_by_arcsine(p, effect, n):
    """REFERENCES: two-proportion n per arm, arcsine, 10→12 % and 10 vs 5 %."""
    design = design_campaign(Metric.share(p), effect=effect, power=0.8)
    assert (design.n_control, design.n_treated) == (n, n)
    assert n - 1 < design.n_exact / 2 <= n


@pytest.mark.parametrize("strict", [True, False])
def test_published_size_of_power_prop_test(strict):
    """R: power.prop.test(p1 = .5, p2 = .75, power = .9) gives n = 76.7069."""
    design = design_campaign(
        Metric.share(0.5), effect=0.25, power=0.9, method="normal", strict=strict
    )
    assert f"{design.n_exact / 2:.4f}" == "76.7069"
    assert design.n_control == 77


@pytest.mark.parametrize(("strict", "n"), [(False, "22.02110"), (True, "22.02109")])
def test_published_size_of_power_t_test(strict, n):
    """R: power.t.test(delta = 1, sd = 1, power = .9), with strict = FALSE and TRUE."""
    design = design_campaign(Metric.mean(0, 1), effect=1, power=0.9, strict=strict)
    assert f"{design.n_exact / 2:.5f}" == n


def test_published_one_sided_and_unequal_sizes():
    """R: power.t.test(n = 20, delta = 1, sd = 1) has power .8689528, one-sided .9253;
    statsmodels for arms of 1 : 3."""
    from statsmodels.stats.power import TTestIndPower

    two = design_campaign(Metric.mean(0, 1), effect=1, n=40, strict=False)
    assert two.power == pytest.approx(0.8689528, abs=5e-8)
    peer = TTestIndPower()
    for sided, name in ((2, "two-sided"), (1, "larger")):
        design = design_campaign(Metric.mean(50, 2), effect=1, n=80, share=0.75, sided=sided)
        assert (design.n_control, design.n_treated) == (20, 60)
        assert design.power == pytest.approx(
            peer.power(0.5, 20, 0.05, ratio=3, alternative=name), abs=1e-9
        )


def test_pitfall_12_clusters_blow_up_the_variance():
    """Eldridge et al. 2006: 1 + ((cv² + 1)·m − 1)·icc; m = 50, icc = .05 gives 3.45."""
    metric = Metric.mean(100, 20)
    plain = design_campaign(metric, effect=1, power=0.8)
    whole = design_campaign(metric, effect=1, power=0.8, cluster_size=50, icc=0.05)
    assert whole.design_effect == pytest.approx(3.45, rel=1e-12)
    assert whole.n_exact / plain.n_exact == pytest.approx(3.45, rel=0.01)
    uneven = design_campaign(metric, effect=1, power=0.8, cluster_size=50, icc=0.05, cluster_cv=0.6)
    assert uneven.design_effect == pytest.approx(1 + (1.36 * 50 - 1) * 0.05, rel=1e-12)
    assert (whole.table["n"] == whole.table["clusters"] * 50).all()
    assert whole.clusters == whole.n / 50


def test_pitfall_12_few_clusters_refer_to_t_with_clusters_less_2():
    design = design_campaign(
        Metric.mean(0, 1), effect=0.5, n=1200, share=1 / 6, cluster_size=100, icc=0.05
    )
    assert design.clusters == 12
    assert design.table["clusters"].tolist() == [10, 2]
    error = math.sqrt(design.design_effect * (1 / 1000 + 1 / 200))
    bar = stats.t.isf(0.025, 10)
    by_hand = stats.nct.sf(bar, 10, 0.5 / error) + stats.nct.cdf(-bar, 10, 0.5 / error)
    assert design.power == pytest.approx(by_hand, abs=1e-12)
    assert design.power < design_campaign(Metric.mean(0, 1), effect=0.5, n=1200).power


def test_clusters_that_no_permutation_could_tell_are_not_planned():
    metric = Metric.mean(0, 1)
    with pytest.raises(seg.TableError, match=r"design\.n: clusters can be assigned in enough ways"):
        design_campaign(metric, effect=5, n=600, cluster_size=100, icc=0.05)
    design = design_campaign(metric, effect=5, power=0.8, cluster_size=100, icc=0.05)
    assert design.table["clusters"].tolist() == [4, 4]  # 2 of C(8, 4) = 70 ways are below 5 %


def test_several_arms_share_alpha_and_the_smallest_has_the_power():
    design = design_campaign(
        Metric.share(0.03), effect=0.01, power=0.8, share={"mail": 0.3, "call": 0.1}
    )
    assert design.alpha_each == 0.025
    assert design.table["arm"].tolist() == ["control", "mail", "call"]
    powers = design.table["power"].tolist()
    assert math.isnan(powers[0])
    assert powers[1] > powers[2] >= 0.8
    assert design.power == powers[2]
    assert design.n == design.table["n"].sum()
    assert design.n_treated == design.table["n"].iloc[1:].sum()
    assert design.table["relative"].iloc[1] == pytest.approx(1 / 3)
    alone = design_campaign(
        Metric.share(0.03), effect=0.01, power=0.8, share={"mail": 0.3, "call": 0.1}, comparisons=1
    )
    assert alone.n < design.n
    more = design_campaign(Metric.share(0.03), effect=0.01, power=0.8, comparisons=10)
    one = design_campaign(Metric.share(0.03), effect=0.01, power=0.8, alpha=0.005)
    assert more.n == one.n


def test_a_holdout_is_set_aside():
    metric = Metric.mean(10, 5)
    plain = design_campaign(metric, effect=0.5, power=0.8)
    held = design_campaign(metric, effect=0.5, power=0.8, holdout=0.2)
    assert held.n_exact == pytest.approx(plain.n_exact / 0.8, rel=1e-9)
    assert (held.n_control, held.n_treated) == (plain.n_control, plain.n_treated)
    assert held.n_holdout == math.ceil(0.2 * held.n_exact)
    assert held.table["arm"].tolist() == ["control", "treated", "holdout"]
    given_n = design_campaign(metric, n=1000, power=0.8, holdout=0.2)
    assert given_n.table["n"].tolist() == [400, 400, 200]
    assert given_n.effect == design_campaign(metric, n=800, power=0.8).effect


def test_covariates_lessen_the_variance():
    metric = Metric.mean(0, 10)
    plain = design_campaign(metric, n=500, power=0.8)
    helped = design_campaign(metric, n=500, power=0.8, r2=0.75)
    assert helped.effect == pytest.approx(plain.effect / 2, rel=1e-9)
    known = Metric("mean", 0, 10, r2=0.75)
    assert design_campaign(known, n=500, power=0.8).effect == helped.effect
    assert design_campaign(known, n=500, power=0.8, r2=0).effect == plain.effect


METRICS = st.one_of(
    st.builds(Metric.share, st.floats(0.01, 0.9)),
    st.builds(Metric.mean, st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)),
    st.builds(
        Metric.ratio,
        st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
        st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
        st.floats(-0.9, 0.9),
    ),
)
FORMS = st.fixed_dictionaries(
    {
        "alpha": st.sampled_from([0.01, 0.05, 0.1]),
        "share": st.one_of(st.floats(0.1, 0.9), st.just({"a": 0.2, "b": 0.5})),
        "r2": st.floats(0, 0.9),
        "cluster_size": st.sampled_from([None, 20.0, 37.5]),
        "holdout": st.sampled_from([0.0, 0.1]),
        "sided": st.sampled_from([1, 2]),
        "strict": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(METRICS, FORMS, st.integers(3000, 10**7), st.floats(0.15, 0.99))
def test_effect_and_power_are_inverse(metric, form, n, power):
    form |= {"icc": 0.02 if form["cluster_size"] else 0.0}
    try:
        found = design_campaign(metric, n=n, power=power, **form)
    except seg.TableError as error:
        assume(error.column != "n")  # a share near 1 cannot be moved far enough
        raise
    back = design_campaign(metric, effect=found.effect, n=n, **form)
    assert found.power == pytest.approx(power, abs=1e-7)
    assert back.power == pytest.approx(power, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(METRICS, FORMS, st.floats(0.03, 0.5), st.floats(0.15, 0.99))
def test_n_is_enough_and_a_customer_in_twenty_less_is_not(metric, form, change, power):
    effect = change * metric.sd if metric.kind != "share" else change * (1 - metric.baseline)
    form |= {"icc": 0.02 if form["cluster_size"] else 0.0}
    found = design_campaign(metric, effect=effect, power=power, **form)
    assert found.power >= power - 1e-9
    assert found.n >= found.n_exact - 1e-6
    assume(found.n_exact > 3000)
    less = design_campaign(metric, effect=effect, n=0.95 * found.n_exact, **form)
    assert less.power < power


def power_found(p_values, design, method, generator):
    """Check the share of rejections against the power of the design, within its 99.8 % band."""
    runs = len(p_values)
    hits = int((p_values < design.alpha_each).sum())
    planned = f"{generator}, planned {100 * design.power:.1f} %"
    record(f"power of {method}", planned, runs, rejected=hits)
    low, high = stats.binom.ppf([0.001, 0.999], runs, design.power)
    assert low <= hits <= high


def welch(moments, arms, error):
    """Two-sided p-values by run, of `arms` against control."""
    n, mean = moments.n.reshape(-1, arms), moments.means[:, 0].reshape(-1, arms)
    squares = error(moments).reshape(-1, arms) / n
    gap = mean[:, 1] - mean[:, 0]
    spread = squares.sum(axis=1)
    df = spread**2 / (squares**2 / (n - 1)).sum(axis=1)
    return 2 * stats.t.sf(np.abs(gap) / np.sqrt(spread), df)


@simulated
def test_simulation_finds_the_power_of_a_mean(runs):
    design = design_campaign(Metric.mean(10, 1), effect=0.3, power=0.8, share=0.3)
    draws = normal(np.random.default_rng(1), runs, design.n, effect=0.3, share=0.3)
    found = seg.moments(draws.frame(), "y", ["run", "arm"])
    assert found.n[1] == design.n_treated
    power_found(
        welch(found, 2, lambda m: m.covariances[:, 0, 0]), design, "a mean by t", draws.name
    )


@simulated
def test_simulation_finds_the_power_with_covariates(runs):
    design = design_campaign(Metric.mean(10, 1), effect=0.3, n=200, r2=0.49)
    draws = normal(np.random.default_rng(2), runs, 200, effect=0.3, r=0.7)
    found = seg.moments(draws.frame(), ["y", "x"], ["run", "arm"])
    inner = found.products.reshape(runs, 2, 2, 2).sum(axis=1)
    slope = inner[:, 0, 1] / inner[:, 1, 1]
    sigma = (inner[:, 0, 0] - slope * inner[:, 0, 1]) / (200 - 3)
    gaps = np.diff(found.means.reshape(runs, 2, 2), axis=1)[:, 0]
    error = np.sqrt(sigma * (0.02 + gaps[:, 1] ** 2 / inner[:, 1, 1]))
    p = 2 * stats.t.sf(np.abs(gaps[:, 0] - slope * gaps[:, 1]) / error, 197)
    power_found(p, design, "a mean with a covariate", draws.name)


@simulated
@pytest.mark.parametrize("method", ["arcsine", "normal"])
def test_simulation_finds_the_power_of_a_share(method, runs):
    design = design_campaign(Metric.share(0.1), effect=0.05, power=0.8, method=method)
    rng = np.random.default_rng(3)
    counts = np.stack(
        [
            rng.binomial(design.n_control, 0.1, runs),
            rng.binomial(design.n_treated, 0.15, runs),
        ]
    )
    shares = counts / np.array([[design.n_control], [design.n_treated]])
    pooled = counts.sum(axis=0) / design.n
    error = np.sqrt(pooled * (1 - pooled) * (1 / design.n_control + 1 / design.n_treated))
    p = 2 * stats.norm.sf(np.abs(shares[1] - shares[0]) / error)
    power_found(p, design, f"a share, {method}", "10 % against 15 %")


@simulated
def test_simulation_finds_the_power_of_clusters(runs):
    design = design_campaign(
        Metric.mean(5, 1), effect=0.35, n=24 * 30, share=1 / 3, cluster_size=30, icc=0.05
    )
    assert design.table["clusters"].tolist() == [16, 8]
    draws = clusters(np.random.default_rng(4), runs, 24, 8, 30, effect=0.35)
    by_cluster = seg.moments(draws.frame(), "y", ["run", "arm", "cluster"])
    means = by_cluster.means[:, 0].reshape(runs, 24)
    p = stats.ttest_ind(means[:, 16:], means[:, :16], axis=1).pvalue
    power_found(p, design, "clusters by t", draws.name)
    assert design.power < 0.9


@simulated
def test_simulation_finds_the_power_of_a_ratio(runs):
    metric = Metric.ratio((0.6, math.sqrt(1.32)), (3.0, math.sqrt(3.0)), 0.6 / math.sqrt(3 * 1.32))
    rng = np.random.default_rng(5)
    design = design_campaign(metric, effect=0.03, power=0.8)
    shape = (runs, design.n)
    treated = np.arange(design.n) < design.n_treated
    visits = rng.poisson(3.0, shape)
    sales = 0.2 * visits + np.sqrt(1.2) * rng.normal(size=shape)  # variance .04·3 + 1.2
    sales = sales + 0.03 * visits * treated
    errors, ratios = [], []
    for arm in (treated, ~treated):
        above, below = sales[:, arm], visits[:, arm]
        ratio = above.sum(axis=1) / below.sum(axis=1)
        rest = (above - ratio[:, None] * below) / below.mean(axis=1, keepdims=True)
        errors.append(rest.var(axis=1, ddof=1) / arm.sum())
        ratios.append(ratio)
    p = 2 * stats.norm.sf(np.abs(ratios[0] - ratios[1]) / np.sqrt(errors[0] + errors[1]))
    power_found(p, design, "a ratio by delta", "Poisson visits, normal sales")


def test_a_metric_from_moments(to_engine):
    rng = np.random.default_rng(7)
    n = 2000
    frame = pd.DataFrame({"before": rng.normal(size=n), "visits": rng.poisson(3, n) + 1.0})
    frame["spend"] = 5 + 0.6 * frame["before"] + 0.8 * rng.normal(size=n)
    frame["came"] = rng.random(n) < 0.2
    frame["group"] = rng.choice(["a", "b"], n)
    found = seg.moments(to_engine(frame), ["spend", "before", "visits", "came"], "group")
    spend = Metric.of(found, "spend", covariates=("before",))
    assert spend.kind == "mean"
    assert spend.baseline == pytest.approx(frame["spend"].mean(), rel=1e-9)
    assert spend.sd == pytest.approx(frame["spend"].std(), rel=1e-9)
    assert spend.r2 == pytest.approx(frame["spend"].corr(frame["before"]) ** 2, rel=1e-9)
    came = Metric.of(found, "came")
    assert came == Metric.share(came.baseline)
    ratio = Metric.of(found, "spend", per="visits")
    moved = frame["spend"] - ratio.baseline * frame["visits"]
    assert ratio.baseline == pytest.approx(frame["spend"].sum() / frame["visits"].sum())
    assert ratio.sd == pytest.approx(moved.std() / frame["visits"].mean(), rel=1e-9)
    by_numbers = Metric.ratio(
        (frame["spend"].mean(), frame["spend"].std()),
        (frame["visits"].mean(), frame["visits"].std()),
        frame["spend"].corr(frame["visits"]),
    )
    assert by_numbers.sd == pytest.approx(ratio.sd, rel=1e-9)
    one = design_campaign(found.take("spend"), n=1000, power=0.8)
    assert one.effect == design_campaign(Metric.of(found, "spend"), n=1000, power=0.8).effect


def test_hillstrom_could_find_what_it_found(real_data):
    """The smallest visits effect of the real campaign's sizes, far below the effect it had."""
    rows = seg.read_hillstrom(real_data / "hillstrom" / "hillstrom.csv.gz")
    control = seg.moments(rows, "visit", "segment").only(segment="No E-Mail")
    design = design_campaign(control, n=2 * 21306, power=0.8)
    assert design.metric.kind == "share"
    assert 0.005 < design.effect < 0.0452331


SHARE = Metric.share(0.1)
MEAN = Metric.mean(0, 1)


@pytest.mark.parametrize(
    ("metric", "asked", "column"),
    [
        (SHARE, {}, "effect"),
        (SHARE, {"effect": 0.1}, "effect"),
        (SHARE, {"effect": 0.1, "n": 100, "power": 0.8}, "effect"),
        (SHARE, {"effect": 0.95, "power": 0.8}, "effect"),
        (SHARE, {"effect": -0.2, "n": 100}, "effect"),
        (SHARE, {"effect": 0.0, "power": 0.8}, "effect"),
        (SHARE, {"effect": math.nan, "n": 100}, "effect"),
        (SHARE, {"effect": 0.1, "power": 0.05}, "power"),
        (SHARE, {"effect": 0.1, "power": 1.0}, "power"),
        (SHARE, {"effect": 0.1, "power": math.nan}, "power"),
        (SHARE, {"effect": 0.1, "n": 2}, "n"),
        (SHARE, {"effect": 0.1, "n": -5}, "n"),
        (SHARE, {"effect": 0.1, "n": 30, "share": 0.01}, "n"),
        (SHARE, {"n": 4, "power": 0.999, "method": "arcsine"}, "n"),
        (MEAN, {"effect": 1e-12, "power": 0.9}, "effect"),
        (MEAN, {"effect": 0.1, "power": 0.8, "alpha": 0}, "alpha"),
        (MEAN, {"effect": 0.1, "power": 0.8, "r2": 1}, "r2"),
        (MEAN, {"effect": 0.1, "power": 0.8, "r2": -0.1}, "r2"),
        (MEAN, {"effect": 0.1, "power": 0.8, "icc": -0.1, "cluster_size": 10}, "icc"),
        (MEAN, {"effect": 0.1, "power": 0.8, "icc": 0.1}, "cluster_size"),
        (MEAN, {"effect": 0.1, "power": 0.8, "icc": 0.1, "cluster_size": 0.5}, "cluster_size"),
        (MEAN, {"effect": 0.1, "power": 0.8, "cluster_cv": -1, "cluster_size": 9}, "cluster_cv"),
        (MEAN, {"effect": 0.1, "n": 200, "icc": 0.1, "cluster_size": 100}, "n"),
        (MEAN, {"effect": 0.1, "power": 0.8, "comparisons": 0}, "comparisons"),
        (MEAN, {"effect": 0.1, "power": 0.8, "comparisons": 1.5}, "comparisons"),
        (MEAN, {"effect": 0.1, "power": 0.8, "share": 1.0}, "share"),
        (MEAN, {"effect": 0.1, "power": 0.8, "share": {}}, "share"),
        (MEAN, {"effect": 0.1, "power": 0.8, "share": {"a": 0.5, "b": 0.5}}, "share"),
        (MEAN, {"effect": 0.1, "power": 0.8, "share": {"control": 0.5}}, "share"),
        (MEAN, {"effect": 0.1, "power": 0.8, "holdout": 1.0}, "holdout"),
        (MEAN, {"effect": 0.1, "power": 0.8, "holdout": math.nan}, "holdout"),
        (MEAN, {"effect": 0.1, "power": 0.8, "method": "arcsine"}, "method"),
        (MEAN, {"effect": 0.1, "power": 0.8, "sided": 3}, "sided"),
        (0.1, {"effect": 0.1, "power": 0.8}, "metric"),
    ],
)
def test_what_cannot_be_is_refused(metric, asked, column):
    with pytest.raises(seg.TableError) as error:
        design_campaign(metric, **asked)
    assert (error.value.table, error.value.column) == ("design", column)


@pytest.mark.parametrize(
    ("make", "column"),
    [
        (lambda: Metric.share(0.0), "baseline"),
        (lambda: Metric.share(1.5), "baseline"),
        (lambda: Metric.share(math.nan), "baseline"),
        (lambda: Metric.mean(math.inf, 1), "baseline"),
        (lambda: Metric.mean(1, 0), "sd"),
        (lambda: Metric.mean(1, math.nan), "sd"),
        (lambda: Metric.ratio((1, 1), (0, 1), 0.5), "denominator"),
        (lambda: Metric.ratio((1, 1), (1, 1), 1.5), "correlation"),
        (lambda: Metric("mean", 1, 1, r2=1), "r2"),
        (lambda: Metric("median", 1, 1), "kind"),
        (lambda: Metric.of(seg.moments(pd.DataFrame({"y": [1.0]}), "y"), "y"), "n"),
        (lambda: Metric.of(seg.moments(pd.DataFrame({"y": [2.0] * 9}), "y"), "y"), "sd"),
        (lambda: Metric.of(seg.moments(pd.DataFrame({"y": [0] * 9}), "y"), "y"), "baseline"),
    ],
)
def test_metrics_that_cannot_be_are_refused(make, column):
    with pytest.raises(seg.TableError) as error:
        make()
    assert (error.value.table, error.value.column) == ("metric", column)


def test_no_effect_has_the_power_of_alpha():
    assert design_campaign(MEAN, effect=0, n=1000).power == pytest.approx(0.05, abs=1e-9)
    assert design_campaign(MEAN, effect=0, n=1000, strict=False).power == pytest.approx(0.025)


def test_even_a_huge_effect_needs_two_in_each_arm():
    design = design_campaign(MEAN, effect=1e9, power=0.8, share=0.25)
    assert design.table["n"].tolist() == [6, 2]
    assert design.power == pytest.approx(1)
