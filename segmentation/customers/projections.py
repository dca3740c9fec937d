"""Where customers will be if they go on moving as they did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.customers.chains import TOLERANCE, Floats, stochastic, vector, whole
from segmentation.data.errors import TableError

__all__ = ["project"]


def project(
    shares: Any,
    start: Any,
    periods: int,
    *,
    observed: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Expected customers a state, period by period, if they go on moving by the same shares.

    With s customers at the start, ``expected(t) = s·Pᵗ``. Each customer moves for himself, so the
    number in state j after t periods is the sum over starting states i of independent binomial
    numbers of ``sᵢ`` customers with chance ``(Pᵗ)ᵢⱼ``; its quantiles are taken from that exact
    distribution. Its variance is ``Σᵢ sᵢ·(Pᵗ)ᵢⱼ·(1 − (Pᵗ)ᵢⱼ)``. What is not in it: customers who
    move together, and shares that change. New customers do not arrive.

    Parameters
    ----------
    shares : square DataFrame or array
        Rows are where from, columns where to; rows add up to 1. `Migration.transition`, or
        `Migration.shares`: a column without a row ("left") is where customers stay for ever, a row
        without a column ("entered") is left out.
    start : mapping, Series or array
        Customers a state at the start; a state not named has none. If they are not whole numbers
        (money, shares) there is no counting them, and the limits are NaN.
    periods : int
        How many periods ahead.
    observed : mapping, Series or array, optional
        How many customers each row of `shares` was estimated from. With it the limits are those
        of a normal approximation that adds the uncertainty of the shares themselves (delta
        method), always wider; without it the shares are taken as known.
    level : float
        Confidence of the limits.

    Returns
    -------
    DataFrame
        ``period state customers low high``: a row a period (0 is the start) and state.

    Raises
    ------
    TableError
        If shares are not square, negative, empty or do not add up to 1, or the start is negative,
        empty or names a state that is not there, or `periods` is not a whole number.

    References
    ----------
    Bartholomew (1982), Stochastic Models for Social Processes, 3rd ed., chapter 2.

    Examples
    --------
    >>> project([[0.5, 0.5], [0.0, 1.0]], [100, 0], 2)["customers"].tolist()
    [100.0, 0.0, 50.0, 50.0, 25.0, 75.0]
    """
    states, matrix = stochastic(shares, "shares")
    counts = vector(start, states, "start")
    if (counts < 0).any():
        raise TableError("start", "customers are not negative", "Check the counts.")
    whole(periods, "periods")
    countable = bool(np.allclose(counts, np.round(counts), rtol=0, atol=TOLERANCE))
    rows = None if observed is None else vector(observed, states, "observed")
    frames = []
    power = np.eye(len(states))
    powers = [power]
    for period in range(periods + 1):
        if not countable:
            low = high = np.full(len(states), np.nan)
        elif rows is None:
            low, high = _limits(np.round(counts), power, level)
        else:
            low, high = _wider(counts, matrix, powers, rows, level)
        expected = counts @ power
        values = {
            "period": period,
            "state": states,
            "customers": expected,
            "low": low,
            "high": high,
        }
        frames.append(pd.DataFrame(values))
        power = power @ matrix
        powers.append(power)
    return pd.concat(frames, ignore_index=True)


def _limits(counts: Floats, power: Floats, level: float) -> tuple[Floats, Floats]:
    """Quantiles of the sum of independent binomial numbers, a column of `power` a state."""
    pairs = [_quantiles(counts, column, level) for column in power.T]
    low, high = zip(*pairs, strict=True)
    return np.array(low, float), np.array(high, float)


def _quantiles(counts: Floats, chances: Floats, level: float) -> tuple[int, int]:
    from scipy.signal import fftconvolve
    from scipy.stats import binom

    tail = (1 - level) / 2
    first, mass = 0, np.ones(1)
    for n, p in zip(counts.astype(int), np.clip(chances, 0, 1), strict=True):
        # Outside these bounds lies less than 1e-12, far below any tail that is asked for.
        lowest, highest = (int(binom.ppf(q, n, p)) for q in (1e-12, 1 - 1e-12))
        lowest = max(lowest, 0)
        first += lowest
        mass = fftconvolve(mass, binom.pmf(np.arange(lowest, max(highest, lowest) + 1), n, p))
    below = np.cumsum(np.clip(mass, 0, None))
    low, high = (int(np.searchsorted(below, q - 1e-10)) for q in (tail, 1 - tail))
    return first + low, first + min(high, len(below) - 1)


def _wider(
    counts: Floats, matrix: Floats, powers: list[Floats], rows: Floats, level: float
) -> tuple[Floats, Floats]:
    """Normal limits with the variance of chance and that of the estimated shares.

    ``∂(s·Pᵗ)ⱼ/∂Pᵢₗ = Σₖ (s·Pᵏ)ᵢ·(Pᵗ⁻¹⁻ᵏ)ₗⱼ``, and a row estimated from n customers has the
    covariance ``(diag(p) − p·pᵀ)/n``.
    """
    from scipy.stats import norm

    now = powers[-1]
    variance = counts @ (now * (1 - now))
    steps = len(powers) - 1
    for row, (chances, n) in enumerate(zip(matrix, rows, strict=True)):
        if np.count_nonzero(chances) > 1:  # a row that is certain was not estimated
            slope = np.zeros_like(matrix)
            for k in range(steps):
                slope += (counts @ powers[k])[row] * powers[steps - 1 - k]
            spread = chances @ slope**2 - (chances @ slope) ** 2
            if n <= 0 and (spread > 0).any():
                raise TableError("observed", "each row was seen", "Count its customers.")
            variance = variance + (spread / n if n > 0 else 0)
    expected, reach = counts @ now, norm.isf((1 - level) / 2) * np.sqrt(np.clip(variance, 0, None))
    return np.clip(expected - reach, 0, counts.sum()), np.clip(expected + reach, 0, counts.sum())
