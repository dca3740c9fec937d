"""Amounts that hang on an effect and on the mean of control, and their limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segmentation.campaigns.estimates import fieller

__all__ = ["Known", "Measured", "Pair", "linear"]

Known = npt.NDArray[np.float64]
"""A quantity k + x·effect + y·baseline, as the array (k, x, y): they add and scale as arrays do."""


def linear(constant: float = 0.0, effect: float = 0.0, baseline: float = 0.0) -> Known:
    """Return the quantity constant + effect·(the effect) + baseline·(the mean of control)."""
    return np.array([constant, effect, baseline])


class Measured(NamedTuple):
    """A value, and how far its limits lie below and above it."""

    value: float
    below: float = 0.0
    above: float = 0.0


CERTAIN = Measured(0.0)


@dataclass(frozen=True)
class Pair:
    """An effect and the mean of control, whose estimates may be correlated.

    A quantity x·e + y·b has the limits ``value ∓ √((x·d)² + (y·f)² + 2ρ·xd·yf)``, where d and f
    are the distances from e and b to those of their limits that move the quantity that way, and ρ
    the correlation of the two estimates. With symmetric limits that is the usual variance of a sum;
    with one of the two alone, its limits scaled.

    References
    ----------
    Zou & Donner (2008), Construction of confidence limits about effect measures, Statistics in
    Medicine 27; for ratios Fieller (1954), with the distances of each side as Donner & Zou (2012).
    """

    effect: Measured
    baseline: Measured = CERTAIN
    correlation: float = 0.0

    def value(self, quantity: Known) -> float:
        """Return the quantity at the two estimates."""
        constant, x, y = quantity
        return float(constant + (x * self.effect.value if x else 0.0) + y * self.baseline.value)

    def limits(self, quantity: Known) -> tuple[float, float]:
        """Return the lower and upper limit of a quantity."""
        value = self.value(quantity)
        down, up = (
            math.sqrt(self._product(quantity, quantity, self._steps(quantity, side)))
            for side in (-1, 1)
        )
        return value - down, value + up

    def ratio(self, above: Known, below: Known) -> tuple[float, float, float]:
        """Return a ratio of two quantities and its limits.

        NaN between −∞ and ∞ where the lower of the two is not told from 0.
        """
        divisor = self.value(below)
        low, high = -math.inf, math.inf
        if not below[1:].any():
            if divisor > 0:
                low, high = (limit / divisor for limit in self.limits(above))
                return self.value(above) / divisor, low, high
            return math.nan, low, high
        value = self.value(above)
        slopes = above * divisor - value * below  # which way the ratio moves
        sides = []
        for side in (-1, 1):
            steps = self._steps(slopes, side)
            variance, variance_below, covariance = parts = [
                self._product(*pair, steps) for pair in _pairs(above, below)
            ]
            if not np.isfinite(parts).all():
                return math.nan, -math.inf, math.inf
            sides.append(fieller(value, divisor, variance, variance_below, covariance, 1.0))
        low, high = sides[0][0], sides[1][1]
        if not np.isfinite([low, high]).all() or divisor <= 0:
            return math.nan, -math.inf, math.inf
        return value / divisor, low, high

    def _steps(self, slopes: Known, side: int) -> tuple[float, float]:
        """Distances of effect and baseline to the limits that move `slopes` down (−1) or up (1)."""
        effect, baseline = (
            known.above if slope * side > 0 else known.below
            for slope, known in zip(slopes[1:], (self.effect, self.baseline), strict=True)
        )
        return effect, baseline

    def _product(self, one: Known, other: Known, steps: tuple[float, float]) -> float:
        """Covariance of two quantities, in squared distances."""
        (_, x, y), (_, u, v), (d, f) = one, other, steps
        if math.isinf(d) and (x or u):
            return math.inf
        d = 0.0 if math.isinf(d) else d
        sum_ = x * u * d * d + y * v * f * f + self.correlation * d * f * (x * v + y * u)
        return float(sum_ if one is not other else max(sum_, 0.0))


def _pairs(above: Known, below: Known) -> tuple[tuple[Known, Known], ...]:
    return (above, above), (below, below), (above, below)
