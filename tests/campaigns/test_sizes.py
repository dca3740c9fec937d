"""Size and coverage of `effect`: a true null is rejected in 5 % of trials, and limits cover."""

import numpy as np
import pandas as pd
import pytest
from generators import RUNS, binary, inside, normal, record, spend

import segmentation as seg

CALIBRATED = [RUNS, pytest.param(4000, marks=pytest.mark.calibrate)]
COVERED = {RUNS: (0.9125, 0.98), 4000: (0.935, 0.965)}


def judge(table, truth, method, generator, runs):
    """Check the rejections and the coverage of one method, of a trial a group."""
    assert len(table) == runs
    covered = int(((table["low"] <= truth) & (truth <= table["high"])).sum())
    if truth:
        record(method, f"{generator}, an effect", runs, covered=covered)
    else:
        rejected = int((table["p"] < 0.05).sum())
        record(method, generator, runs, rejected=rejected, covered=covered)
        assert inside(rejected, runs), f"{method} on {generator}: {rejected} of {runs}"
    low, high = COVERED[runs]
    assert low * runs <= covered <= high * runs, f"{method} on {generator}: {covered} of {runs}"


def trials(draw, runs, n, parts=20, **arguments):
    """Draws in several parts, lest all be in memory at once: tables with and without covariate."""
    found, truth, name = [], 0.0, ""
    for seed in range(parts):
        draws = draw(np.random.default_rng([seed, n]), runs // parts, n, **arguments)
        truth, name = draws.truth, draws.name
        table = seg.effect(
            draws.frame(), "y", "arm", "control", covariates="x", by="run", unit=None
        )
        found.append(table)
    return pd.concat(found), truth, name


@pytest.mark.parametrize("runs", CALIBRATED)
@pytest.mark.parametrize("effect", [0.0, 0.3])
@pytest.mark.parametrize(
    ("draw", "n", "share"),
    [(normal, 200, 0.5), (normal, 150, 0.8), (spend, 1500, 0.5), (binary, 3000, 0.5)],
    ids=["normal", "normal, uneven", "zero-inflated lognormal", "1 % binary"],
)
def test_size_and_coverage(draw, n, share, effect, runs):
    size = effect * {normal: 1, spend: 10, binary: 0.02}[draw]
    parts = 4 if runs == RUNS else 80
    table, truth, name = trials(draw, runs, n, parts, effect=size, share=share)
    first = "Newcombe" if draw is binary else "Welch"
    name = f"{name}, {share:.0%} treated"
    for method in (first, "Lin"):
        judge(table[table["method"] == method], truth, method, name, runs)


@pytest.mark.parametrize("runs", CALIBRATED)
def test_size_and_coverage_of_ratios(runs):
    rng = np.random.default_rng(1)
    n = 400
    run = np.repeat(np.arange(runs), n)
    visits = 1.0 + rng.poisson(3, len(run))
    habit = np.exp(0.7 * rng.normal(size=len(run)))
    frame = pd.DataFrame(
        {
            "run": run,
            "arm": np.where(np.arange(len(run)) % 2, "letter", "none"),
            "visits": visits,
            "x": habit + rng.normal(size=len(run)),
            "spend": visits * habit * rng.gamma(2, 10, len(run)),
        }
    )
    table = seg.effect(frame, "spend", "arm", "none", covariates="x", per="visits", by="run")
    for method in ("Delta", "Lin"):
        rows = table[table["method"].str.startswith(method)]
        judge(rows, 0.0, f"{method} of a ratio", "spend per visit", runs)


@pytest.mark.parametrize("runs", CALIBRATED)
@pytest.mark.parametrize("effect", [0.0, 0.3])
@pytest.mark.parametrize(
    ("draw", "n", "unit"),
    [(normal, 200, 1), (spend, 1500, 10), (binary, 3000, 0.02)],
    ids=["normal", "zero-inflated lognormal", "1 % binary"],
)
def test_size_and_coverage_of_ratios_of_totals(draw, n, unit, effect, runs):
    """Each customer has the same outcome at each of their visits: customers, not visits, vary."""
    parts = 2 if runs == RUNS else 80
    found = []
    for seed in range(parts):
        rng = np.random.default_rng([seed, n, 5])
        draws = draw(rng, runs // parts, n, effect=effect * unit)
        frame = draws.frame()
        frame["visits"] = 1.0 + rng.poisson(3, len(frame))
        frame["total"] = frame["y"] * frame["visits"]
        found.append(
            seg.effect(frame, "total", "arm", "control", "x", per="visits", by="run", unit=None)
        )
    table = pd.concat(found)
    for method in ("Delta", "Lin"):
        rows = table[table["method"].str.startswith(method)]
        judge(rows, draws.truth, f"{method} of a ratio", f"{draws.name} per visit", runs)


@pytest.mark.parametrize("runs", CALIBRATED)
def test_size_with_missing_covariates(runs):
    rng = np.random.default_rng(2)
    draws = normal(rng, runs, 200)
    frame = draws.frame()
    frame["x"] = frame["x"].where(rng.random(len(frame)) < 0.8)
    table = seg.effect(frame, "y", "arm", "control", covariates="x", by="run")
    rows = table[table["method"] == "Lin, missing covariates by indicator"]
    judge(rows, 0.0, "Lin", "normal, a fifth of the covariate missing", runs)


@pytest.mark.parametrize("runs", CALIBRATED)
def test_size_from_sums_alone(runs):
    draws = normal(np.random.default_rng(3), runs, 200, share=0.7)
    sums = seg.moments(draws.frame(), ["y", "x"], by=["run", "arm"])
    table = seg.effect(sums, "y", "arm", "control", covariates="x", by="run")
    for method in ("Welch", "Lin"):
        rows = table[table["method"].str.startswith(method)]
        judge(rows, 0.0, f"{method} from sums", "normal, 70% treated", runs)


def test_trials_in_groups_are_what_effect_says_of_each_alone():
    draws = spend(np.random.default_rng(4), 3, 300)
    table = seg.effect(draws.frame(), "y", "arm", "control", covariates="x", by="run")
    for run in range(3):
        alone = seg.effect(draws.one(run), "y", "arm", "control", covariates="x")
        mine = table[table["by"] == run]
        for name in ("estimate", "se", "low", "high", "p"):
            assert mine[name].tolist() == pytest.approx(alone[name].tolist(), rel=1e-9)
