"""P-values of several claims at once: several arms, outcomes or groups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError, missing_columns

__all__ = ["METHODS", "adjust", "shared_control"]

METHODS = {
    "bonferroni": "bonferroni",
    "sidak": "sidak",
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "hommel": "hommel",
    "bh": "fdr_bh",
    "by": "fdr_by",
}
"""Methods of statsmodels by the names that papers use."""
GRID = np.linspace(-10, 10, 4001)
"""Values of the mean of control over which is integrated: all there is, to the last digit."""

Floats = npt.NDArray[np.float64]


def adjust(
    p: Any, method: str = "holm", alpha: float = 0.05, *, correlation: npt.ArrayLike | None = None
) -> pd.DataFrame:
    """Adjust p-values for how many there are.

    Every claim that might have been made belongs in: all outcomes looked at, not those that came
    out well. Where a table has an effect twice (unadjusted and adjusted for covariates), pass the
    rows that are to be claimed.

    Parameters
    ----------
    p : array, Series or table
        P-values, or a table with a column ``p`` such as that of `effect`. A missing one stays
        missing and does not count.
    method : str
        ``bonferroni``, ``sidak``, ``holm``, ``hochberg`` or ``hommel`` keep the chance of any false
        claim below alpha, the first and third whatever the dependence; ``bh`` and ``by``
        (whatever the dependence) keep the expected share of false claims below it. ``dunnett`` is
        for several arms against one control: it counts how much they have in common.
    alpha : float
        Level of `rejected`.
    correlation : array (k, k), optional
        Of the k estimates, for ``dunnett``. By default that of arms of equal variance,
        ``√(nᵢnⱼ / ((nᵢ+n₀)(nⱼ+n₀)))``, from the columns ``n_treated`` and ``n_control``.

    Returns
    -------
    DataFrame
        The table, or the p-values as its column ``p``, in the same order and index, with
        ``adjusted_p`` and ``rejected`` (False where p is missing).

    Raises
    ------
    TableError
        If a column is missing, a p-value is none, or ``dunnett`` gets an arm twice.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure; Benjamini & Hochberg
    (1995), Controlling the false discovery rate, JRSS B 57; Dunnett (1955), A multiple comparison
    procedure for comparing several treatments with a control, JASA 50.

    Examples
    --------
    >>> adjust([0.01, 0.04, None, 0.03])["adjusted_p"].round(3).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    if not 0 < alpha < 1:
        raise ValueError("alpha: a probability lies between 0 and 1")
    if method != "dunnett" and method not in METHODS:
        raise ValueError(f"method: one of {', '.join(METHODS)}, dunnett")
    table = _table(p)
    values = _values(table)
    known = ~np.isnan(values)
    adjusted, rejected = np.full(len(values), np.nan), np.zeros(len(values), bool)
    if known.any() and method == "dunnett":
        matrix = _correlation(table, known, correlation)
        adjusted[known] = shared_control(values[known], matrix)
        rejected = adjusted <= alpha
    elif known.any():
        from statsmodels.stats.multitest import multipletests

        with np.errstate(divide="ignore"):  # Šidák takes the logarithm of 1 − p, at p = 1 too
            found = multipletests(values[known], alpha, METHODS[method])
        rejected[known], adjusted[known] = found[0], found[1]
    return table.assign(adjusted_p=adjusted, rejected=rejected)


def _table(p: Any) -> pd.DataFrame:
    if isinstance(p, pd.DataFrame):
        missing_columns("p", ["p"], p.columns)
        return p
    if isinstance(p, pd.Series):
        return pd.DataFrame({"p": p})
    if hasattr(type(p), "columns"):
        return collect(enter(p, "p", ("p",)))
    return pd.DataFrame({"p": np.atleast_1d(np.asarray(p, dtype=float))})


def _values(table: pd.DataFrame) -> Floats:
    try:
        values = np.asarray(table["p"].astype(float), dtype=float)
    except (TypeError, ValueError):
        raise TableError("p", "p-values are numbers", "Convert them.", "p") from None
    if odd := int(((values < 0) | (values > 1)).sum()):
        raise TableError("p", "p-values lie between 0 and 1", "Pass p, not z.", "p", odd)
    return values


def _correlation(
    table: pd.DataFrame, known: npt.NDArray[np.bool_], correlation: npt.ArrayLike | None
) -> Floats:
    """Correlation of the estimates whose p-value is known."""
    several = [
        name for name in ("outcome", "by") if name in table and len(table[name].unique()) > 1
    ]
    if several or ("arm" in table and table.loc[known, "arm"].duplicated().any()):
        raise TableError(
            "p",
            "dunnett compares each arm with control once",
            "Pass one outcome, group and method at a time.",
            several[0] if several else "arm",
        )
    if correlation is not None:
        matrix = np.asarray(correlation, dtype=float)
        if matrix.shape != (len(table), len(table)):
            raise TableError("correlation", "it has a row and a column an estimate", "Pass k × k.")
        matrix = matrix[np.ix_(known, known)]
        if not (
            np.allclose(matrix, matrix.T)
            and np.allclose(np.diag(matrix), 1)
            and np.linalg.eigvalsh(matrix).min() > -1e-9
        ):
            raise TableError("correlation", "it is that of estimates", "Pass correlations.")
        return matrix
    missing_columns("p", ["n_control", "n_treated"], table.columns)
    below, above = (table.loc[known, name].to_numpy(float) for name in ("n_control", "n_treated"))
    if not ((below > 0) & (above > 0)).all():
        raise TableError("p", "arms have units", "Leave out the empty ones.", "n_treated")
    loadings = np.sqrt(above / (above + below))
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def shared_control(p: Floats, correlation: Floats) -> Floats:
    """Chance that the largest of correlated normal estimates is at least as extreme as each.

    ``P(max |Zⱼ| ≥ z(pᵢ))``. Where the correlations are products ``λᵢλⱼ``, as those of arms with
    one control are, the estimates are independent given the mean of control, and one integral
    over it is all there is; others go to the multivariate normal distribution.

    Examples
    --------
    >>> shared_control(np.array([0.05, 0.01]), np.array([[1.0, 0.5], [0.5, 1.0]])).round(4).tolist()
    [0.0907, 0.019]
    """
    from scipy import stats

    limits = stats.norm.isf(p / 2)
    loadings = _loadings(correlation)
    if loadings is None:
        normal = stats.multivariate_normal(
            np.zeros(len(p)), correlation, allow_singular=True, seed=0, abseps=1e-7, releps=1e-7
        )
        ones = np.ones(len(p))
        inside = [normal.cdf(z * ones, lower_limit=-z * ones) if z > 0 else 0.0 for z in limits]
        chances = 1 - np.array(inside)
    else:
        weights = stats.norm.pdf(GRID) * (GRID[1] - GRID[0])
        spread, shift = np.sqrt(1 - loadings**2), np.outer(GRID, loadings)
        chances = np.empty(len(p))
        for place, z in enumerate(limits):
            above, below = (z - shift) / spread, (-z - shift) / spread
            outside = stats.norm.sf(above) + stats.norm.cdf(below)
            with np.errstate(divide="ignore"):
                chances[place] = weights @ -np.expm1(np.log1p(-np.minimum(outside, 1)).sum(axis=1))
    # Never below what one estimate has alone, which rounding might bring about.
    adjusted: Floats = np.maximum(np.clip(chances, 0, 1), p)
    return adjusted


def _loadings(correlation: Floats) -> Floats | None:
    """λ with ``λᵢλⱼ`` as correlations, if there are such below 1."""
    k = len(correlation)
    if k == 1:
        return np.zeros(1)
    off = correlation[~np.eye(k, dtype=bool)]
    if k == 2:
        both = float(off[0])
        found = np.sqrt([abs(both)] * 2) * [1.0, math.copysign(1.0, both)]
    elif (off > 0).all():
        logs = np.log(np.where(np.eye(k, dtype=bool), 1.0, correlation))
        rows = logs.sum(axis=1)
        found = np.exp((rows - rows.sum() / (2 * (k - 1))) / (k - 2))
    else:
        return np.zeros(k) if not off.any() else None
    product = np.outer(found, found)
    fits = np.allclose(product[~np.eye(k, dtype=bool)], off, atol=1e-9)
    return found if fits and (np.abs(found) < 1 - 1e-4).all() else None
