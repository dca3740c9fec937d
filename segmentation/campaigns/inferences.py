"""From a value and its variance to what a curve says of it."""

from __future__ import annotations

import math

import numpy as np

from segmentation.campaigns.deviations import Deviations, slices
from segmentation.campaigns.estimates import critical_value
from segmentation.campaigns.rankings import spread

__all__ = ["check_arguments", "effect_spread", "inference"]


def check_arguments(share: float | None, bins: int | None, known_share: bool) -> None:
    """Raise a ValueError if one of the arguments is out of range."""
    if share is not None and not 0 < share < 1:
        raise ValueError("share: the share of treatment lies between 0 and 1")
    if share is not None and not known_share:
        raise ValueError("known_share: a share that is given is known")
    if bins is not None and not (isinstance(bins, int) and bins >= 2):
        raise ValueError("bins: a whole number of 2 or more")


def inference(
    name: str, value: float, variance: float, df: float, alpha: float
) -> dict[str, float]:
    """Value, standard error, interval and p-value; of a variance of 0 nothing but the value."""
    from scipy import stats

    se, reach, p = math.nan, math.nan, math.nan
    if variance > 0 and df > 0:
        se = math.sqrt(variance)
        reach = critical_value(alpha, df) * se
        p = float(2 * stats.t.sf(abs(value) / se, df))
    found = {"": value, "_se": se, "_low": value - reach, "_high": value + reach, "_p": p}
    return {name + ending: part for ending, part in found.items()}


def effect_spread(rows: Deviations) -> tuple[float, float]:
    """Variance of the effect on all and its degrees of freedom: Welch's, or those of clusters."""
    share = rows.counts[1] / rows.total  # the difference of means is by the observed share
    factors = np.array([(1 - rows.share) / (1 - share), rows.share / share])
    if rows.cluster is not None:
        parts = slices(len(rows.sums))
        weighted = ((p, factors[rows.treated[p].astype(np.int8)], np.zeros(1)) for p in parts)
        return spread(rows, weighted, False)
    squares = sum(rows.totals(part)[:, 2] for part in slices(len(rows.sums)))
    counts = np.array(rows.counts)
    parts = squares * factors**2 / rows.total**2 * counts / (counts - 1)
    return float(parts.sum()), float(parts.sum() ** 2 / (parts**2 / (counts - 1)).sum())
