"""Effects of many groups side by side: which are found, do they differ, and what to expect."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from segmentation.campaigns.estimates import critical_value

__all__ = ["GROUP_COLUMNS", "compare_groups", "interaction_p", "shrink"]

Floats = npt.NDArray[np.float64]

GROUP_COLUMNS = ("adjusted_p", "shrunken", "shrunken_low", "shrunken_high", "interaction_p")
"""What a table of effects by group has beside the columns of all estimates."""

FEWEST = 4
"""Groups below which their spread cannot be told, so that nothing is shrunken."""


def compare_groups(
    estimates: Floats, lows: Floats, highs: Floats, p: Floats, alpha: float
) -> dict[str, Floats]:
    """The columns `GROUP_COLUMNS` for estimates of one effect in several groups.

    Standard errors are taken from the intervals, ``(high − low)/2z``: so they allow for few
    degrees of freedom, and shares without a success have one as well. Groups without an interval
    take no part and get NaN.
    """
    spread = (highs - lows) / (2 * critical_value(alpha))
    used = np.isfinite(estimates) & np.isfinite(spread) & (spread > 0)
    columns = {name: np.full(len(estimates), np.nan) for name in GROUP_COLUMNS}
    known = np.isfinite(p)
    columns["adjusted_p"][known] = holm(p[known])
    columns["interaction_p"][:] = interaction_p(estimates[used], spread[used])
    middle, low, high = shrink(estimates[used], spread[used], alpha)
    for name, values in zip(GROUP_COLUMNS[1:4], (middle, low, high), strict=True):
        columns[name][used] = values
    return columns


def holm(p: Floats) -> Floats:
    """P-values adjusted by Holm's method, for the chance that any is below alpha without effect."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def interaction_p(estimates: Floats, errors: Floats) -> float:
    """P-value of the hypothesis that all groups have one effect (Cochran's Q).

    ``Q = Σ w(d − d̄)²`` with ``w = 1/se²`` and d̄ the mean by these weights, against χ² with one
    degree of freedom less than groups. NaN for a single group.

    References
    ----------
    Cochran (1954), The combination of estimates from different experiments, Biometrics 10.

    Examples
    --------
    >>> round(interaction_p(np.array([1.0, 3.0]), np.array([1.0, 1.0])), 4)
    0.1573
    """
    from scipy.special import chdtrc

    if len(estimates) < 2:
        return math.nan
    weights = errors**-2
    mean = float(weights @ estimates / weights.sum())
    return float(chdtrc(len(estimates) - 1, float(weights @ (estimates - mean) ** 2)))


def shrink(estimates: Floats, errors: Floats, alpha: float) -> tuple[Floats, Floats, Floats]:
    """Draw noisy estimates towards their common mean, with intervals (empirical Bayes).

    Effects are taken as normal about μ with variance A, estimates as normal about the effects:
    ``shrunken = (1 − B)·d + B·μ̂`` with ``B = se²/(se² + A)``. A is found by maximising ``A·L(A)``,
    L the restricted likelihood, which never calls groups equal just because they may be. The
    variance ``se²(1 − B) + B²·Var μ̂ + (d − μ̂)²·Var B`` allows for μ and A being estimated.
    Fewer than four groups are left as they are.

    Returns
    -------
    shrunken, low, high

    References
    ----------
    Morris & Lysy (2012), Shrinkage estimation in multilevel normal models, Statistical Science 27.

    Examples
    --------
    >>> errors = np.full(6, 1.0)
    >>> middle, low, high = shrink(np.array([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0]), errors, 0.05)
    >>> bool(0 < np.ptp(middle) < 4)
    True
    """
    z = critical_value(alpha)
    if len(estimates) < FEWEST:
        return estimates, estimates - z * errors, estimates + z * errors
    square = errors**2
    scale = float(np.median(square))

    def mean(between: float) -> tuple[float, float]:
        weights = 1 / (square + between)
        return float(weights @ estimates / weights.sum()), float(1 / weights.sum())

    def fall(log: float) -> float:
        between = scale * math.exp(log)
        middle, variance = mean(between)
        total = square + between
        fit = np.log(total).sum() - math.log(variance) + ((estimates - middle) ** 2 / total).sum()
        return float(fit / 2 - log)

    from scipy.optimize import minimize_scalar

    widest = math.log(1 + float(np.ptp(estimates)) ** 2 / scale) + 5
    log = float(minimize_scalar(fall, bounds=(-15.0, widest), method="bounded").x)
    step = 0.01
    curve = (fall(log + step) - 2 * fall(log) + fall(log - step)) / step**2
    between = scale * math.exp(log)
    middle, variance = mean(between)
    pull = square / (square + between)
    unsure = (pull * (1 - pull)) ** 2 / max(curve, 1e-3)
    shrunken = (1 - pull) * estimates + pull * middle
    error = np.sqrt(square * (1 - pull) + pull**2 * variance + (estimates - middle) ** 2 * unsure)
    return shrunken, shrunken - z * error, shrunken + z * error
