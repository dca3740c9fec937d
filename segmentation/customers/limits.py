"""Limits of weighted sums of rates, and of a group's against all others."""

from __future__ import annotations

import numpy as np

from segmentation.customers.intervals import square_and_add, wilson
from segmentation.customers.strata import Strata
from segmentation.customers.vectors import Floats

__all__ = ["difference", "limits"]

Limits = tuple[Floats, Floats]


def difference(
    strata: Strata, weights: Floats, kind: str, level: float
) -> tuple[Floats, Floats, Floats]:
    """Group against the rest, which is as far from all together as the rest is large."""
    from scipy.stats import norm

    rest, whole = strata.rest, strata.whole
    part = np.divide(strata.n, whole.n, out=np.zeros_like(strata.n), where=whole.n > 0)
    scale = np.where(strata.n > 0, 1 - part, 0.0)  # a rate that was borrowed is that of all
    if kind == "normal":
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.where(strata.n > 0, strata.sd**2 / strata.n, 0.0)
        shares = part**2 * errors
        variance = scale**2 * errors + np.where(strata.n > 0, shares.sum(axis=0) - shares, 0.0)
        value = (scale * (strata.r - rest.r)) @ weights
        reach = norm.isf((1 - level) / 2) * np.sqrt(variance @ weights**2)
        return value, value - reach, value + reach
    ones = [each for side in (strata, rest) for each in _each(side, kind, level, scale)]
    signed = (*weights, *(-weights))
    columns = [(*ones[place].T, *ones[place + 3].T) for place in range(3)]
    value, low, high = square_and_add(signed, *columns)
    return value, low, high


def _each(strata: Strata, kind: str, level: float, scale: Floats) -> tuple[Floats, Floats, Floats]:
    """Rates of each cell and their limits, scaled; nothing where nobody is."""
    lows, highs = (
        wilson(_counts(strata), strata.n, level) if kind == "wilson" else _poisson(strata, level)
    )
    return strata.r * scale, np.nan_to_num(lows) * scale, np.nan_to_num(highs) * scale


def limits(strata: Strata, weights: Floats, kind: str, level: float) -> Limits:
    """Limits of ``Σ weights·r`` by group."""
    from scipy.stats import chi2, t

    value = (strata.r * weights).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "normal":
            terms = np.where(strata.n > 0, weights**2 * strata.sd**2 / strata.n, 0.0)
            free = np.where(strata.n > 1, strata.n - 1, np.nan)
            variance = terms.sum(axis=1)
            df = variance**2 / np.nansum(terms**2 / free, axis=1)
            reach = t.ppf(0.5 + level / 2, df) * np.sqrt(variance)
            return value - reach, value + reach
        if kind == "gamma":
            step = np.where(strata.n > 0, weights / strata.n, 0.0)
            variance, largest = (step**2 * strata.x).sum(axis=1), step.max(axis=1)
            tail = (1 - level) / 2
            low = variance / (2 * value) * chi2.ppf(tail, 2 * value**2 / variance)
            more, wide = value + largest, variance + largest**2
            high = wide / (2 * more) * chi2.isf(tail, 2 * more**2 / wide)
            return np.where(value > 0, low, 0.0), high
    lows, highs = (np.nan_to_num(end) for end in wilson(_counts(strata), strata.n, level))
    return (
        value - np.sqrt((weights**2 * (strata.r - lows) ** 2).sum(axis=1)),
        value + np.sqrt((weights**2 * (highs - strata.r) ** 2).sum(axis=1)),
    )


def _poisson(strata: Strata, level: float) -> Limits:
    """Garwood's exact limits of a count, over its exposure."""
    from scipy.stats import chi2

    tail = (1 - level) / 2
    n = np.where(strata.n > 0, strata.n, np.nan)
    low = np.where(strata.x > 0, chi2.ppf(tail, 2 * np.maximum(strata.x, 1e-300)) / 2, 0.0)
    return low / n, chi2.isf(tail, 2 * strata.x + 2) / 2 / n


def _counts(strata: Strata) -> Floats:
    """Successes, no more than there are customers."""
    counts: Floats = np.clip(strata.x, 0, strata.n)
    return counts
