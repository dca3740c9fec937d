"""The effect on those who were contacted, where not all of an arm were."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from segmentation.campaigns.contrasts import FEW, Contrast, Mean, tail, welch_df
from segmentation.campaigns.estimates import CONSTANT, critical_value, fieller

__all__ = ["wald"]

Floats = npt.NDArray[np.float64]

UNBOUNDED = "unbounded, as contact rates are not told apart"


def wald(
    treated: tuple[Floats, Floats],
    control: tuple[Floats, Floats],
    df: tuple[float, float],
    alpha: float,
) -> Contrast:
    """Effect on those contacted because of their arm: the effect on all over the rise in contacts.

    ``θ = (ȳ₁ − ȳ₀)/(c̄₁ − c̄₀)``, with delta-method `se`. The interval holds the θ for which
    ``y − θc`` does not differ between the arms (Anderson & Rubin), so that p is that of the effect
    on all, and the interval stays honest where few were contacted: it becomes unbounded.
    The arm may act through contact alone, and nobody is contacted just because of being in control.

    Parameters
    ----------
    treated, control : (means, covariance)
        Means of outcome and contact, shape (2,), and the covariance of these means, (2, 2).
    df : (float, float)
        Degrees of freedom of either.

    References
    ----------
    Anderson & Rubin (1949); Gerber & Green (2012), Field Experiments, chapter 5.

    Examples
    --------
    >>> found = wald(
    ...     (np.array([3.0, 0.5]), np.diag([0.01, 0.0])),
    ...     (np.array([2.0, 0.0]), np.diag([0.01, 0.0])),
    ...     (99, 99),
    ...     0.05,
    ... )
    >>> found.estimate, round(found.se, 4)
    (2.0, 0.2828)
    """
    if min(df) < 1:
        return Contrast(math.nan, notes=(FEW,))
    effect, rise = (treated[0] - control[0]).tolist()
    whole = treated[1] + control[1]
    variance, below, shared = float(whole[0, 0]), float(whole[1, 1]), float(whole[0, 1])
    theta = effect / rise if rise else math.nan
    if not variance > 0:
        return Contrast(theta, notes=(CONSTANT,))
    freedom = welch_df(
        Mean(effect, float(treated[1][0, 0]), 0, df[0]),
        Mean(effect, float(control[1][0, 0]), 0, df[1]),
    )
    critical = critical_value(alpha, freedom)
    low, high = fieller(effect, rise, variance, below, shared, critical)
    p = tail(effect / math.sqrt(variance), freedom)
    spread = variance - 2 * theta * shared + theta**2 * below
    se = math.sqrt(max(spread, 0.0)) / abs(rise) if rise else math.nan
    notes = () if math.isfinite(low) else (UNBOUNDED,)
    return Contrast(theta, se, low, high, p, notes=notes)
