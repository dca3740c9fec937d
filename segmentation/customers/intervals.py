"""Intervals that every share, and every difference of shares, is shown with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["square_and_add", "wilson"]

Floats = npt.NDArray[np.float64]


def wilson(
    count: npt.ArrayLike, n: npt.ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats] | tuple[float, float]:
    """Wilson's score interval for a share.

    The limits are the shares π at which ``|count/n − π| = z·√(π(1 − π)/n)``. Unlike the interval
    of the textbook it keeps to [0, 1], is honest for shares near 0 and 1, and is no point when
    the count is 0.

    Parameters
    ----------
    count : array of numbers
        How many of `n`; an effective number, which need not be whole, is allowed.
    n : array of numbers
        Out of how many. Where it is 0 the share is unknown, and both limits are NaN.
    level : float
        Confidence, between 0 and 1.

    Returns
    -------
    low, high : arrays of the common shape, or two floats

    Raises
    ------
    ValueError
        If a count is negative or above its `n`, or `level` is not between 0 and 1.

    References
    ----------
    Newcombe (1998), Two-sided confidence intervals for the single proportion, Statistics in
    Medicine 17, method 3.

    Examples
    --------
    >>> low, high = wilson(81, 263)
    >>> round(low, 4), round(high, 4)
    (0.2553, 0.3662)
    """
    from statsmodels.stats.proportion import proportion_confint

    counts, totals = np.broadcast_arrays(np.asarray(count, float), np.asarray(n, float))
    if not 0 < level < 1:
        raise ValueError("level: a confidence level lies between 0 and 1")
    if ((counts < 0) | (counts > totals * (1 + 1e-12))).any():
        raise ValueError("count: a count lies between 0 and its n")
    known = totals > 0
    low, high = np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    if known.any():
        bounds = proportion_confint(counts[known], totals[known], 1 - level, "wilson")
        low[known], high[known] = np.clip(bounds[0], 0, 1), np.clip(bounds[1], 0, 1)
    return (float(low), float(high)) if counts.ndim == 0 else (low, high)


def square_and_add(
    weights: tuple[float, ...],
    values: tuple[Any, ...],
    lows: tuple[Any, ...],
    highs: tuple[Any, ...],
) -> tuple[Any, Any, Any]:
    """Weighted sum of independent estimates, with limits from the limits of each.

    ``S = Σ wₖ·vₖ`` and its limits are ``S ∓ √Σ wₖ²·dₖ²``, where ``dₖ`` is the distance from
    ``vₖ`` to that of its limits which moves S the same way. With weights (1, −1) and Wilson's
    limits it is Newcombe's interval for a difference of shares.

    Returns
    -------
    sum, low, high

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, method 10; Zou & Donner (2008).

    Examples
    --------
    >>> one, other = wilson(56, 70), wilson(48, 80)
    >>> parts = square_and_add((1, -1), (.8, .6), (one[0], other[0]), (one[1], other[1]))
    >>> [round(float(part), 4) for part in parts]
    [0.2, 0.0524, 0.3339]
    """
    total: Any = 0.0
    down: Any = 0.0
    up: Any = 0.0
    for weight, value, low, high in zip(weights, values, lows, highs, strict=True):
        value, low, high = (np.asarray(part, float) for part in (value, low, high))
        total = total + weight * value
        below, above = (value - low, high - value) if weight > 0 else (high - value, value - low)
        down, up = down + (weight * below) ** 2, up + (weight * above) ** 2
    return total, total - np.sqrt(down), total + np.sqrt(up)
