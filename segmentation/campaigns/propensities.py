"""How likely each customer was to be chosen, and how far the two arms overlap."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from segmentation.campaigns.confounders import Matrix
from segmentation.data.errors import TableError

__all__ = ["Overlap", "Propensity", "arm_weights", "fit_propensity", "kept", "overlap"]

LINKS = ("logit", "probit")


@dataclass(frozen=True)
class Propensity:
    """Fitted chance of treatment, and what its own error does to what rests on it.

    Attributes
    ----------
    chance, slope : array (rows,)
        p, and its derivative by the linear predictor.
    influence : array (rows, columns)
        Influence of one customer of each row on the coefficients.
    design : array (rows, columns)
        Columns of the regression.
    """

    chance: Any
    slope: Any
    influence: Any
    design: Matrix


def fit_propensity(design: Matrix, treated: Any, n: Any, link: str = "logit") -> Propensity:
    """Fit the chance of treatment to rows that stand for `n` customers each.

    Raises
    ------
    TableError
        If the covariates foretell the arm of some customers for sure.
    """
    import statsmodels.api as sm

    chosen = sm.families.links.Probit() if link == "probit" else sm.families.links.Logit()
    model = sm.GLM(treated, design, family=sm.families.Binomial(chosen), freq_weights=n)
    with warnings.catch_warnings():
        # Separation is told from the fitted chances, the same way by every version.
        warnings.simplefilter("ignore")
        try:
            fit = model.fit(maxiter=200, tol=1e-13, tol_criterion="params", rtol=1e-10)
        except Exception as error:  # statsmodels raises several kinds when weights vanish
            raise _separated() from error
    predictor = design @ fit.params
    chance = chosen.inverse(predictor)
    if not fit.converged or not (np.minimum(chance, 1 - chance) > 1e-9).all():
        raise _separated()
    slope = chosen.inverse_deriv(predictor)
    if link == "probit":
        sign = 2 * treated - 1
        score = sign * slope / np.where(treated == 1, chance, 1 - chance)
        bend = score * (score + predictor)
    else:
        score, bend = treated - chance, slope
    bread = np.linalg.inv(design.T @ (design * (n * bend)[:, None]))
    return Propensity(chance, slope, (score[:, None] * design) @ bread, design)


def _separated() -> TableError:
    return TableError(
        "data",
        "customers with the same covariates are found in both arms",
        "Leave out who could only have been in one arm, or the covariate that decided it.",
    )


def kept(chance: Any, n: Any, trim: float | str | None, estimand: str) -> Any:
    """Tell the rows that trimming leaves.

    A number α keeps α ≤ p ≤ 1 − α; for the effect on the treated only the upper bound counts, on
    the untreated only the lower, since their weights grow on one side only. ``"crump"`` takes the
    α that makes the variance least: with g = 1/(p(1 − p)), the largest bound λ on g for which
    ``λ ≤ 2·E[g | g ≤ λ]``, and everybody where max g is.

    References
    ----------
    Crump, Hotz, Imbens & Mitnik (2009), Dealing with limited overlap in estimation of average
    treatment effects, Biometrika 96.
    """
    if trim is None:
        return np.ones(len(chance), bool)
    if trim == "crump":
        if estimand != "ate":
            raise ValueError('trim: "crump" is for the effect on all (estimand="ate")')
        spread = 1 / (chance * (1 - chance))
        order = np.argsort(spread)
        below = np.cumsum((spread * n)[order]) / np.cumsum(n[order])
        inside = np.flatnonzero(spread[order] <= 2 * below)
        # Ties of the bound go in together.
        return spread <= spread[order][inside[-1]] * (1 + 1e-12)
    if isinstance(trim, str) or not 0 < trim < 0.5:
        raise ValueError('trim: a share between 0 and 0.5, "crump" or None')
    low = chance >= trim if estimand != "att" else np.ones(len(chance), bool)
    high = chance <= 1 - trim if estimand != "atc" else np.ones(len(chance), bool)
    return low & high


def arm_weights(fit: Propensity, treated: Any, estimand: str) -> tuple[Any, Any, Any, Any]:
    """Return the weights of treated and control, and their derivatives by the linear predictor.

    On all: t/p and (1 − t)/(1 − p). On the treated: t and (1 − t)·p/(1 − p). On the untreated:
    t·(1 − p)/p and 1 − t.
    """
    p, slope, t = fit.chance, fit.slope, treated
    zero = np.zeros(len(p))
    up, down = -t * slope / p**2, (1 - t) * slope / (1 - p) ** 2
    if estimand == "att":
        return t, (1 - t) * p / (1 - p), zero, down
    if estimand == "atc":
        return t * (1 - p) / p, 1 - t, up, zero
    return t / p, (1 - t) / (1 - p), up, down


@dataclass(frozen=True)
class Overlap:
    """How far two arms overlap.

    Attributes
    ----------
    low, high : float
        Least and largest fitted chance of treatment.
    max_weight : float
        Largest share of the weight of its arm that one customer bears.
    ess : float
        Effective number of customers ``(Σw)²/Σw²`` of the arm where it is least.
    poor : bool
        Whether that is fewer than 30, or one customer bears more than a twentieth.
    """

    low: float
    high: float
    max_weight: float
    ess: float
    poor: bool


def overlap(chance: Any, n: Any, weights: tuple[Any, Any]) -> Overlap:
    """Return the overlap of two arms with these weights, one row standing for `n` customers."""
    largest, sizes = 0.0, []
    for weight in weights:
        total = (n * weight).sum()
        largest = max(largest, float(weight.max() / total))
        sizes.append(float(total**2 / (n * weight**2).sum()))
    ess = min(sizes)
    used = n * (weights[0] + weights[1]) > 0
    low, high = float(chance[used].min()), float(chance[used].max())
    return Overlap(low, high, largest, ess, ess < 30 or largest > 0.05)
