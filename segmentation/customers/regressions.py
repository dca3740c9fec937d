"""A straight line through many customers, from sums alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

__all__ = ["Regression", "log", "moments", "regress"]

POWERS = [(i, j) for i in range(5) for j in range(3) if i + j <= 4]


@dataclass(frozen=True)
class Regression:
    """A least-squares line of y on x.

    Attributes
    ----------
    slope, low, high : float
        Slope and its limits, with standard errors that allow for spread that differs with x.
    correlation : float
        Of x and y.
    mean_x, mean_y : float
        Means of both.
    n : int
        Customers.
    """

    slope: float
    low: float
    high: float
    correlation: float
    mean_x: float
    mean_y: float
    n: int


def log(amount: nw.Expr) -> nw.Expr:
    """Natural logarithm, 0 where there is none: engines differ in what they do of nought."""
    return nw.when(amount > 0).then(amount).otherwise(1.0).log()


def moments(x: nw.Expr, y: nw.Expr, used: nw.Expr, name: str) -> list[nw.Expr]:
    """Columns ``name_i_j`` of ``xⁱ·yʲ`` where `used`, else 0, whose sums `regress` takes.

    x and y should be of the size of 1: the fourth powers of large numbers lose digits.
    """
    columns = []
    for i, j in POWERS:
        factors = [*([x] * i), *([y] * j)]
        value: nw.Expr = nw.lit(1.0)
        for factor in factors:
            value = value * factor
        columns.append(nw.when(used).then(value).otherwise(0.0).alias(f"{name}_{i}_{j}"))
    return columns


def regress(sums: Mapping[str, float], name: str, level: float) -> Regression:
    """Fit the line to the sums of `moments`.

    ``slope = Sxy/Sxx`` about the means, and with e the residuals its variance is
    ``n/(n − 2)·Σ e²·(x − x̄)² / Sxx²``, which the sums up to the fourth power give.
    """
    from scipy.stats import norm

    s = {(i, j): float(sums[f"{name}_{i}_{j}"]) for i, j in POWERS}
    n = s[0, 0]
    unknown = float("nan")
    if n < 3:
        return Regression(unknown, unknown, unknown, unknown, unknown, unknown, int(n))
    mx, my = s[1, 0] / n, s[0, 1] / n
    sxx, syy, sxy = s[2, 0] - n * mx * mx, s[0, 2] - n * my * my, s[1, 1] - n * mx * my
    if sxx <= 1e-12 * max(s[2, 0], 1.0):
        return Regression(unknown, unknown, unknown, unknown, mx, my, int(n))
    slope = sxy / sxx
    start = my - slope * mx
    square = {
        (0, 2): 1.0,
        (0, 0): start**2,
        (2, 0): slope**2,
        (0, 1): -2 * start,
        (1, 1): -2 * slope,
        (1, 0): 2 * start * slope,
    }
    weight = {(2, 0): 1.0, (1, 0): -2 * mx, (0, 0): mx * mx}
    spread = sum(
        a * b * s[i + k, j] for (i, j), a in square.items() for (k, _), b in weight.items()
    )
    reach = norm.isf((1 - level) / 2) * np.sqrt(max(spread, 0.0) * n / (n - 2)) / sxx
    both = sxx * syy
    correlation = sxy / np.sqrt(both) if both > 0 else unknown
    return Regression(
        slope, float(slope - reach), float(slope + reach), float(correlation), mx, my, int(n)
    )
