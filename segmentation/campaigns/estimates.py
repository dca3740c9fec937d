"""What every estimate of a campaign says: effect, interval, p-value, relative effect and n."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["COLUMNS", "Estimate", "critical_value", "estimate_table", "fieller", "relative_change"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An effect of an arm against control on one outcome.

    Attributes
    ----------
    arm : label
        The treated arm, as the caller's data have it.
    outcome : str
        Column of the outcome.
    by : label
        Group within which it was estimated; "all" without groups.
    estimate, se, low, high, p : float
        Effect in units of the outcome per unit of the assignment (a customer), its standard error,
        interval and two-sided p-value. The interval excludes 0 where and only where p < alpha.
    relative, relative_low, relative_high : float
        Effect over the absolute unadjusted mean of control; NaN where that is not told from 0.
    n_control, n_treated : int
        Complete cases that the estimate rests on.
    method : str
        How, beginning with its name: Welch, Newcombe, Delta, Lin, Cluster t, Permutation, Wald IV.
    """

    arm: Any
    outcome: str
    estimate: float
    se: float
    low: float
    high: float
    p: float
    n_control: int
    n_treated: int
    method: str
    by: Any = "all"
    relative: float = math.nan
    relative_low: float = math.nan
    relative_high: float = math.nan


CONSTANT = "no variance"

ROUNDING = 1e-13
"""Share of the outcome's level up to which a standard error is taken for rounding."""

COLUMNS = (
    *("arm", "outcome", "by", "estimate", "se", "low", "high", "p"),
    *("relative", "relative_low", "relative_high", "n_control", "n_treated", "method"),
)
"""Columns of a table of estimates, in their order."""

assert set(COLUMNS) == {field.name for field in fields(Estimate)}


def estimate_table(estimates: Iterable[Estimate]) -> pd.DataFrame:
    """Return estimates as a table, one row an estimate."""
    rows = [[getattr(estimate, name) for name in COLUMNS] for estimate in estimates]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def without_variance(estimate: Estimate, baseline: float) -> Estimate:
    """Return the estimate without interval and p-value where its error is nothing but rounding.

    An outcome that never varies within the arms would otherwise have an error of some 1e−17 of
    its level, and a p-value that is noise.
    """
    size = ROUNDING * (abs(estimate.estimate) + abs(baseline))
    if not estimate.se <= size:
        return estimate
    value = estimate.estimate if abs(estimate.estimate) > size else 0.0
    method = f"{estimate.method}, {CONSTANT}"
    return replace(
        estimate,
        estimate=value,
        se=0.0,
        low=math.nan,
        high=math.nan,
        p=math.nan,
        relative=math.nan,
        relative_low=math.nan,
        relative_high=math.nan,
        method=method,
    )


def critical_value(alpha: float, df: float = math.inf) -> float:
    """Quantile of Student's t, or of the normal for infinite `df`, that leaves alpha/2 above."""
    from scipy import stats

    if not 0 < alpha < 1:
        raise ValueError("alpha: a probability lies between 0 and 1")
    return float(stats.norm.isf(alpha / 2) if math.isinf(df) else stats.t.isf(alpha / 2, df))


def fieller(
    numerator: float,
    denominator: float,
    variance: float,
    variance_below: float,
    covariance: float,
    critical: float,
) -> tuple[float, float]:
    """Fieller's limits of a ratio of two normal estimates.

    The set of ratios θ with ``(a − θb)² ≤ c²·(v − 2θ·cov + θ²·w)``. It holds 0 where and only
    where the interval of the numerator with the same critical value does.

    Returns
    -------
    low, high
        ``(-inf, inf)`` where the denominator is not told from 0 at this level, so that the set is
        unbounded.

    References
    ----------
    Fieller (1954), Some problems in interval estimation, JRSS B 16.

    Examples
    --------
    >>> [round(limit, 4) for limit in fieller(1.0, 10.0, 0.04, 0.01, 0.0, 1.96)]
    [0.0608, 0.1393]
    """
    square = critical**2
    a = denominator**2 - square * variance_below
    b = numerator * denominator - square * covariance
    c = numerator**2 - square * variance
    if not a > 0:
        return -math.inf, math.inf
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a, (b + root) / a


def relative_change(
    estimate: float,
    variance: float,
    baseline: float,
    variance_below: float,
    covariance: float,
    critical: float,
) -> tuple[float, float, float]:
    """Effect over the absolute mean of control, with Fieller's limits.

    `covariance` is that of the estimate and the mean of control (−variance_below for a difference
    of independent means). All three are NaN where the mean of control is not told from 0.

    Examples
    --------
    >>> relative_change(5.0, 0.02, -10.0, 0.01, -0.01, 1.96)[0]
    0.5
    """
    sign = -1.0 if baseline < 0 else 1.0
    low, high = fieller(
        estimate, sign * baseline, variance, variance_below, sign * covariance, critical
    )
    if not np.isfinite([low, high]).all():
        return math.nan, math.nan, math.nan
    return estimate / abs(baseline), low, high
