"""The chance that a test of one arm against control finds an effect that is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segmentation.campaigns.metrics import Metric
from segmentation.data.errors import TableError

__all__ = ["LARGEST", "Floats", "Procedure", "design_effect", "impossible", "reachable", "solve"]

Floats = npt.NDArray[np.float64]

LARGEST = 1e15
"""Units beyond which no design is looked for."""


def design_effect(size: float, icc: float, cv: float = 0.0) -> float:
    """How many times the variance of a mean grows when whole clusters are assigned.

    ``1 + ((cv² + 1)·m − 1)·icc`` for clusters of mean size m, whose sizes vary by cv.

    References
    ----------
    Eldridge, Ashby & Kerry (2006), Sample size for cluster randomized trials, International
    Journal of Epidemiology 35.

    Examples
    --------
    >>> round(design_effect(50, 0.05), 2)
    3.45
    """
    return 1 + ((cv**2 + 1) * size - 1) * icc


@dataclass(frozen=True)
class Procedure:
    """How each arm will be tested against control.

    Attributes
    ----------
    alpha : float
        Error of the first kind of this one test.
    sided : int
        1 or 2; a one-sided test looks in the direction of the effect.
    strict : bool
        Whether a finding of the wrong direction counts.
    method : str
        arcsine or normal for shares; t or normal for means and ratios.
    factor : float
        Variance as a multiple of that of as many independent units without covariates.
    size : float
        Units in a cluster, 0 without clusters.
    """

    alpha: float
    sided: int
    strict: bool
    method: str
    factor: float
    size: float

    def power(self, metric: Metric, effect: float, control: float, treated: float) -> float:
        """Power with so many units in each arm.

        ``P(T > c·s₀/s₁)`` with T noncentral t at ``δ/s₁``, where c leaves alpha (two-sided: half
        of it) above, s₀ and s₁ are the standard errors without and with the effect, and the
        degrees of freedom are clusters − 2, units − 2 or, for ``normal`` and ``arcsine``, infinite.
        """
        from scipy import stats

        gap, null, other = self._errors(metric, effect, control, treated)
        tail = self.alpha / self.sided
        both = self.strict and self.sided == 2
        df = self._freedom(control, treated)
        if math.isinf(df):
            bar = stats.norm.isf(tail) * null / other
            wrong = stats.norm.sf(bar + gap / other) if both else 0.0
            return float(stats.norm.sf(bar - gap / other) + wrong)
        bar, far = stats.t.isf(tail, df) * null / other, gap / other
        wrong = stats.nct.cdf(-bar, df, far) if both else 0.0
        # scipy has no number for this tail where it is next to nothing.
        found = stats.nct.sf(bar, df, far) if far else stats.t.sf(bar, df)
        return float(found + (wrong if math.isfinite(wrong) else 0.0))

    def _freedom(self, control: float, treated: float) -> float:
        if self.size:
            return (control + treated) / self.size - 2
        return control + treated - 2 if self.method == "t" else math.inf

    def _errors(
        self, metric: Metric, effect: float, control: float, treated: float
    ) -> tuple[float, float, float]:
        """Distance on the scale of the test, and its standard errors without and with it."""
        first, second = metric.baseline, metric.baseline + effect
        if metric.kind == "share":  # rounding may carry the largest effect past 1
            second = min(max(second, 0.0), 1.0)
        spread = self.factor * (1 / control + 1 / treated)
        if metric.kind == "share" and self.method == "arcsine":
            gap = 2 * abs(math.asin(math.sqrt(second)) - math.asin(math.sqrt(first)))
            return gap, math.sqrt(spread), math.sqrt(spread)
        if metric.kind == "share":
            middle = (control * first + treated * second) / (control + treated)
            one = first * (1 - first) / control + second * (1 - second) / treated
            null = math.sqrt(middle * (1 - middle) * spread)
            return abs(second - first), null, math.sqrt(self.factor * one)
        error = metric.sd * math.sqrt(spread)
        return abs(effect), error, error


def reachable(alpha: float, control: int, treated: int, sided: int = 2) -> bool:
    """Whether so few clusters can be assigned in enough ways for a p-value of alpha.

    Permuting the design, the smallest p-value is one in as many ways as there are; two-sided it is
    two where both arms are as large, since each way then has its mirror image.

    Examples
    --------
    >>> reachable(0.05, 3, 3), reachable(0.05, 4, 4), reachable(0.05, 10, 2)
    (False, True, True)
    """
    mirrored = sided == 2 and control == treated
    ways = math.lgamma(control + treated + 1) - math.lgamma(control + 1) - math.lgamma(treated + 1)
    return math.log(2 if mirrored else 1) - ways <= math.log(alpha) + 1e-9


def solve(rises: Callable[[float], float], target: float, low: float, high: float) -> float | None:
    """Where a rising function reaches `target`: `low` if it is above it there, None if nowhere."""
    from scipy.optimize import brentq

    if rises(low) >= target:
        return low
    top = min(2 * low, high) if low > 0 else high
    while rises(top) < target:
        if top >= high:
            return None
        low, top = top, min(2 * top, high)
    return float(brentq(lambda at: rises(at) - target, low, top, xtol=1e-300, rtol=1e-14))


def impossible(column: str, rule: str, mend: str) -> TableError:
    """The error of a design that cannot be."""
    return TableError("design", rule, mend, column)
