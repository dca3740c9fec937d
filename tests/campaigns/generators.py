"""Trials with a known truth, many at a time, and the band that a true 5 % test keeps to.

Each generator draws ``runs`` trials of ``n`` units as arrays (runs, n). In a frame of all runs,
``moments(frame, ["y", "x"], by=["run", "arm"])`` measures every trial in one scan.
"""

import json
import os
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

RUNS = 400
"""Trials of a simulation in `make test`; `make calibrate` draws 4,000."""

simulated = pytest.mark.parametrize("runs", [RUNS, pytest.param(4000, marks=pytest.mark.calibrate)])
"""Gives a test the number of runs as `runs`: 400, and 4,000 where it is to be calibrated."""


class Draws(NamedTuple):
    """`runs` trials of `n` units; the effect on the mean of `y` is `truth`."""

    name: str
    y: np.ndarray
    x: np.ndarray
    treated: np.ndarray
    truth: float
    cluster: np.ndarray | None = None

    def one(self, run):
        """The frame of one trial: customer_id arm y x and, if it has clusters, cluster."""
        return self._frame(slice(run, run + 1)).drop(columns="run")

    def frame(self):
        """The frame of all trials, with their number as `run`; customer_id is unique in it."""
        return self._frame(slice(None))

    def _frame(self, which):
        y = self.y[which]
        runs, n = y.shape
        columns = {
            "run": np.repeat(np.arange(runs), n),
            "customer_id": np.arange(runs * n),
            "arm": np.where(self.treated[which].ravel(), "treated", "control"),
            "y": y.ravel(),
            "x": self.x[which].ravel(),
        }
        if self.cluster is not None:
            columns["cluster"] = np.tile(self.cluster, runs)
        return pd.DataFrame(columns)


def _arms(runs, n, share):
    """The first units are the treated: where units are exchangeable no drawing is needed."""
    return np.broadcast_to(np.arange(n) < round(share * n), (runs, n))


def normal(rng, runs, n, effect=0.0, share=0.5, r=0.7):
    """Normal outcomes of sd 1 about 10, with a covariate that correlates by `r`."""
    x = rng.normal(size=(runs, n))
    treated = _arms(runs, n, share)
    y = 10 + r * x + np.sqrt(1 - r * r) * rng.normal(size=(runs, n)) + effect * treated
    return Draws("normal", y, x, treated, effect)


def binary(rng, runs, n, effect=0.0, share=0.5, p=0.01):
    """Flags of probability `p`, and `p + effect` in treatment; the covariate has a bearing."""
    x = rng.normal(size=(runs, n))
    treated = _arms(runs, n, share)
    latent = 0.5 * x + np.sqrt(0.75) * rng.normal(size=(runs, n))
    bars = [NormalDist().inv_cdf(1 - chance) for chance in (p, p + effect)]
    y = (latent > np.where(treated, bars[1], bars[0])).astype(float)
    return Draws("1 % binary" if p == 0.01 else f"{p:.0%} binary", y, x, treated, effect)


def spend(rng, runs, n, effect=0.0, share=0.5, p=0.1, sigma=1.0):
    """Spend: nothing for most, lognormal for a share `p`; the covariate has a bearing on both."""
    x = rng.normal(size=(runs, n))
    treated = _arms(runs, n, share)
    latent = 0.5 * x + np.sqrt(0.75) * rng.normal(size=(runs, n))
    amount = np.exp(4 + sigma * rng.normal(size=(runs, n)))
    mean = p * np.exp(4 + sigma**2 / 2)
    y = np.where(latent > NormalDist().inv_cdf(1 - p), amount, 0.0)
    y = y * np.where(treated, 1 + effect / mean, 1.0)
    return Draws("zero-inflated lognormal", y, x, treated, effect)


def clusters(rng, runs, groups, treated_groups, size, effect=0.0, icc=0.05, uneven=False):
    """Outcomes of variance 1 in `groups` clusters, of which `treated_groups` drawn ones treated.

    Sizes are `size` or, `uneven`, lognormal of that mean and a coefficient of variation of 1; they
    are drawn once and the same in all runs.
    """
    sizes = np.full(groups, size)
    if uneven:
        sigma = np.sqrt(np.log(2))
        sizes = np.maximum(2, size * np.exp(sigma * rng.normal(size=groups) - sigma**2 / 2))
        sizes = np.rint(sizes).astype(int)
    cluster = np.repeat(np.arange(groups), sizes)
    chosen = rng.random((runs, groups)).argsort(axis=1) < treated_groups
    treated = chosen[:, cluster]
    common = np.sqrt(icc) * rng.normal(size=(runs, groups))
    x = rng.normal(size=treated.shape)
    noise = np.sqrt(1 - icc) * (0.6 * x + 0.8 * rng.normal(size=treated.shape))
    y = 5 + common[:, cluster] + noise + effect * treated
    kind = "lognormal" if uneven else "equal"
    name = f"{groups} clusters, {treated_groups} treated, {kind} sizes"
    return Draws(name, y, x, treated, effect, cluster)


def inside(rejected, runs):
    """Whether so many rejections are what a true 5 % test gives: its 99.8 % band.

    Of 4,000 runs or more, 3.5 to 6.5 %, which is what is required of all methods there.
    """
    from scipy import stats

    if runs >= 4000:
        return 0.035 * runs <= rejected <= 0.065 * runs
    low, high = stats.binom.ppf([0.001, 0.999], runs, 0.05)
    return low <= rejected <= high


def record(method, generator, runs, rejected=None, covered=None):
    """Append what a simulation found (counts in, shares out) to the file that CALIBRATION names."""
    path = os.environ.get("CALIBRATION")
    if not path:
        return
    row = {
        "method": method,
        "generator": generator,
        "runs": int(runs),
        "rejected": None if rejected is None else float(rejected) / runs,
        "coverage": None if covered is None else float(covered) / runs,
    }
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
