"""Two arms compared, from plain numbers: means, shares and ratios with one p-value each."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segmentation.campaigns.estimates import CONSTANT, critical_value, relative_change
from segmentation.customers.intervals import square_and_add

__all__ = ["Contrast", "Mean", "difference", "newcombe", "ratio_gradient", "ratio_mean"]

Floats = npt.NDArray[np.float64]

FEW = "too few customers"
NO_RATIO = "nothing to divide by"

ROUNDING = 1e-12
"""Share of its parts below which a variance that should be none is taken for rounding."""


class Mean(NamedTuple):
    """What is known of an arm's mean (or share, or ratio).

    Attributes
    ----------
    value, variance : float
        Mean, and the variance of it (not of customers).
    n : int
        Customers.
    df : float
        Degrees of freedom of the variance.
    """

    value: float
    variance: float
    n: int
    df: float


class Contrast(NamedTuple):
    """Treated less control, as in `Estimate`; `notes` are what its method adds to the name."""

    estimate: float
    se: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    relative: float = math.nan
    relative_low: float = math.nan
    relative_high: float = math.nan
    notes: tuple[str, ...] = ()


def difference(
    treated: Mean,
    control: Mean,
    alpha: float,
    baseline: Mean | None = None,
    covariance: float | None = None,
) -> Contrast:
    """Difference of two independent means by Student's t with Welch's degrees of freedom.

    With variances v of the means, ``se = √(v₁ + v₀)`` and
    ``df = (v₁ + v₀)² / (v₁²/df₁ + v₀²/df₀)``. The relative effect is over the absolute value of
    `baseline` (control by default) with Fieller's limits; `covariance` is that of estimate and
    baseline. Where there are fewer than two customers, or no variance, there is an estimate but
    no interval.

    References
    ----------
    Welch (1947), The generalization of Student's problem, Biometrika 34.

    Examples
    --------
    >>> found = difference(Mean(12.0, 0.16, 100, 99), Mean(10.0, 0.09, 200, 199), 0.05)
    >>> round(found.se, 3), round(found.low, 3), round(found.high, 3), round(found.relative, 3)
    (0.5, 1.014, 2.986, 0.2)
    """
    estimate = treated.value - control.value
    if min(treated.df, control.df) < 1:
        return Contrast(math.nan, notes=(FEW,))
    variance = treated.variance + control.variance
    if not math.isfinite(estimate) or not math.isfinite(variance):
        return Contrast(math.nan, notes=(NO_RATIO,))
    if variance <= 0:
        return Contrast(estimate, 0.0, notes=(CONSTANT,))
    se, df = math.sqrt(variance), welch_df(treated, control)
    critical = critical_value(alpha, df)
    below = control if baseline is None else baseline
    shared = -control.variance if covariance is None else covariance
    relative = relative_change(estimate, variance, below.value, below.variance, shared, critical)
    reach = critical * se
    return Contrast(
        estimate, se, estimate - reach, estimate + reach, tail(estimate / se, df), *relative
    )


def welch_df(treated: Mean, control: Mean) -> float:
    """Degrees of freedom of a sum of two variances (Satterthwaite)."""
    one, other = treated.variance, control.variance
    return (one + other) ** 2 / (one**2 / treated.df + other**2 / control.df)


def tail(statistic: float, df: float) -> float:
    """Two-sided p-value of Student's t."""
    from scipy.special import stdtr

    return float(2 * stdtr(df, -abs(statistic)))


def newcombe(
    successes: float, n: int, successes_control: float, n_control: int, alpha: float
) -> Contrast:
    """Difference of two shares: Newcombe's interval, and the p-value that inverts it.

    With Wilson's limits l, u of each share at z, the interval is
    ``d − √((p₁ − l₁)² + (u₀ − p₀)²)`` to ``d + √((u₁ − p₁)² + (p₀ − l₀)²)``; p is twice the normal
    tail of the z at which it just touches 0. Relative effects take the same two intervals to the
    ratio (MOVER-R) and touch 0 at the same z; without a success in control there is none.
    `se` is that of the difference of means.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, method 10; Donner & Zou (2012), Closed-form confidence intervals for
    functions of the normal mean and standard deviation, Statistical Methods in Medical Research 21.

    Examples
    --------
    >>> found = newcombe(56, 70, 48, 80, 0.05)
    >>> round(found.low, 4), round(found.high, 4), round(found.p, 4)
    (0.0524, 0.3339, 0.0081)
    """
    if min(n, n_control) < 2:
        return Contrast(math.nan, notes=(FEW,))
    # A count is whole, and the mean times n may miss it by a rounding.
    share = round(successes) / n
    base = round(successes_control) / n_control
    z = critical_value(alpha)
    one, other = limits(share, n, z), limits(base, n_control, z)
    estimate, low, high = square_and_add(
        (1, -1), (share, base), (one[0], other[0]), (one[1], other[1])
    )
    variance = share * (1 - share) / (n - 1) + base * (1 - base) / (n_control - 1)
    relative = _relative_shares(share, one, base, other)
    root = _touching(share, n, base, n_control)
    return Contrast(
        float(estimate), math.sqrt(variance), float(low), float(high), _normal(root), *relative
    )


def limits(share: float, n: int, z: float) -> tuple[float, float]:
    """Wilson's limits of a share at z standard errors, however many those are."""
    square = z * z / n
    middle = share + square / 2
    reach = z * math.sqrt(share * (1 - share) / n + square / (4 * n))
    low = 0.0 if share == 0 else (middle - reach) / (1 + square)
    high = 1.0 if share == 1 else (middle + reach) / (1 + square)
    return max(low, 0.0), min(high, 1.0)


def _touching(share: float, n: int, base: float, n_control: int) -> float:
    """The z at which one end of Newcombe's interval is 0."""
    from scipy.optimize import brentq

    if share == base:
        return 0.0
    if share < base:
        share, n, base, n_control = base, n_control, share, n
    gap = share - base

    def spare(z: float) -> float:
        low, high = limits(share, n, z)[0], limits(base, n_control, z)[1]
        return gap - math.hypot(share - low, high - base)

    top = 1.0
    while spare(top) > 0:
        top *= 2
    return float(brentq(spare, 0.0, top, xtol=1e-13, rtol=1e-14))


def _normal(z: float) -> float:
    from scipy.special import ndtr

    return float(2 * ndtr(-z))


def _relative_shares(
    share: float, around: tuple[float, float], base: float, below: tuple[float, float]
) -> tuple[float, float, float]:
    """Ratio of two shares less 1, with the limits r at which p₁ − r·p₀ has an end at 0."""
    if base == 0:
        return math.nan, math.nan, math.nan
    middle = share * base

    def root(end: float, far: float) -> tuple[float, float, float]:
        a, c = far * (2 * base - far), end * (2 * share - end)
        return a, c, math.sqrt(max(middle**2 - a * c, 0.0))

    _, c, spread = root(around[0], below[1])
    low = c / (middle + spread) if middle + spread > 0 else 0.0
    a, _, spread = root(around[1], below[0])
    return share / base - 1, low - 1, (middle + spread) / a - 1


def ratio_mean(means: Floats, covariance: Floats, n: int, df: float) -> Mean:
    """Ratio of two means of an arm, with its variance by the delta method.

    ``R = ȳ/d̄`` and ``Var R = g'Vg`` with V the covariance of the two means and
    ``g = (1, −R)/d̄``: the customer is the unit, however many visits one has.

    References
    ----------
    Deng, Knoblich & Lu (2018), Applying the delta method in metric analytics, KDD.

    Examples
    --------
    >>> found = ratio_mean(np.array([4.0, 2.0]), np.diag([0.04, 0.01]), 100, 99)
    >>> found.value, round(found.variance, 9)
    (2.0, 0.02)
    """
    if means[1] == 0 or not np.isfinite(means).all():
        return Mean(math.nan, math.nan, n, df)
    gradient = ratio_gradient(means)
    parts = gradient[:, None] * covariance * gradient[None, :]
    variance = float(parts.sum())
    if variance <= ROUNDING * float(np.trace(parts)):
        variance = 0.0
    return Mean(float(means[0] / means[1]), variance, n, df)


def ratio_gradient(means: Floats) -> Floats:
    """Derivatives of the ratio of two means by each of them."""
    return np.array([1 / means[1], -means[0] / means[1] ** 2])
