"""Mixes: shares of customers by level, and how well they and the rates in them are known."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from segmentation.customers.vectors import Floats, is_vector, number
from segmentation.data.errors import TableError

__all__ = ["errors_of", "intervals_of", "shares_of", "size_of", "variance_of"]


def shares_of(weights: Floats, name: str) -> Floats:
    if (weights < 0).any():
        rows = int((weights < 0).sum())
        raise TableError(name, "weights are not negative", "Mend them.", rows=rows)
    total = weights.sum()
    if not total > 0:
        raise TableError(name, "some weight is above 0", "Leave out a group without customers.")
    return np.asarray(weights / total, float)


def size_of(counts: Any, shares: Floats, name: str) -> float:
    """Customers in all; those by level must be what the weights say."""
    if counts is None:
        raise TableError(name, "an interval needs the customers of both", "Give n_a and n_b.")
    if not is_vector(counts):
        counts = number(counts, name)
    elif not np.allclose(shares_of(counts, name), shares, rtol=1e-6, atol=1e-9):
        mend = "Give their number in all, or take the counts as weights."
        raise TableError(name, "customers by level are in proportion to the weights", mend)
    size = float(np.sum(counts))
    if not size > 0:
        raise TableError(name, "it is above 0", "Give the number of customers.")
    return size


def variance_of(sd: Floats | None, rates: Floats, counts: Floats, name: str) -> Floats:
    """Variance of one customer within each level."""
    if sd is not None:
        if (sd < 0).any():
            raise TableError(name, "standard deviations are not negative", "Mend them.")
        return np.asarray(sd**2, float)
    if ((rates < 0) | (rates > 1)).any():
        mend = f"Give {name}, the standard deviations by level."
        raise TableError(name.replace("sd", "rate"), "rates are shares of customers", mend)
    smoothed = (rates * counts + 0.5) / (counts + 1)
    return np.asarray(smoothed * (1 - smoothed), float)


def errors_of(
    rates: tuple[Floats, Floats],
    shares: tuple[Floats, Floats],
    variances: tuple[Floats, Floats],
    sizes: tuple[float, float],
) -> Floats:
    """Standard errors of total, mix and rate, by the delta method.

    What one share moves a part by is its slope c, and of multinomial shares the variance is
    ``(Σ w·c² − (Σ w·c)²)/n``; what one rate moves it by is d, with ``Σ d²·v/(n·w)``.
    """
    middle, apart = (rates[0] + rates[1]) / 2, rates[1] - rates[0]
    mean, change = (shares[0] + shares[1]) / 2, shares[1] - shares[0]
    variance = np.zeros(3)
    for side, sign in ((0, -1.0), (1, 1.0)):
        w, v, n = shares[side], variances[side], sizes[side]
        slopes_w = (sign * rates[side], sign * middle, apart / 2)
        slopes_r = (sign * w, change / 2, sign * mean)
        if ((w == 0) & (v > 0) & (np.stack(slopes_r[1:]) != 0).any(axis=0)).any():
            name = "weight_a" if side == 0 else "weight_b"
            mend = "Join a level without customers to another, or ask for no interval."
            raise TableError(name, "an interval needs customers at each level", mend)
        there = w > 0
        for part in range(3):
            c, d = slopes_w[part], slopes_r[part]
            variance[part] += (w @ c**2 - (w @ c) ** 2) / n
            variance[part] += float((d[there] ** 2 * v[there] / (n * w[there])).sum())
    errors: Floats = np.sqrt(variance.clip(min=0))
    return errors


def intervals_of(parts: tuple[float, float, float], errors: Floats, level: float) -> pd.DataFrame:
    if not 0 < level < 1:
        raise TableError("level", "a confidence lies between 0 and 1", "Write .95 for 95 %.")
    reach = NormalDist().inv_cdf(0.5 + level / 2) * errors
    table = pd.DataFrame({"part": ["total", "mix", "rate"], "estimate": parts, "se": errors})
    return table.assign(low=table["estimate"] - reach, high=table["estimate"] + reach)
