"""Covariates that sharpen an effect: lines of the outcomes on them, separate in each arm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Fit", "adjusted", "fit"]

Floats = npt.NDArray[np.float64]

COLLINEAR = 1e-10
"""Eigenvalue of the correlations, as a share of the largest, below which a direction is none."""


class Fit(NamedTuple):
    """Least-squares lines of K outcomes on L covariates among the customers of one arm.

    Attributes
    ----------
    n, rank : int
        Customers, and covariates that are no combination of others.
    means : array (K,)
        Of the outcomes.
    centre : array (L,)
        Means of the covariates.
    slopes : array (K, L)
    whiten : array (L, L)
        W with WW' the inverse of the covariates' sums of products: leverage is 1/n + |W'z|².
        Its last L − rank columns are 0.
    residuals : array (K, K)
        Covariances of the residuals, over n − 1 − rank.
    """

    n: int
    rank: int
    means: Floats
    centre: Floats
    slopes: Floats
    whiten: Floats
    residuals: Floats

    @property
    def df(self) -> float:
        """Degrees of freedom left."""
        return float(self.n - 1 - self.rank)


def fit(n: int, means: Floats, products: Floats, outcomes: int) -> Fit:
    """Fit the first `outcomes` columns on all others, from means and centred sums of products.

    Covariates that are constant, or combinations of others, take no part.
    """
    y, x = slice(0, outcomes), slice(outcomes, None)
    inner, across = products[x, x], products[y, x]
    scale = np.sqrt(np.clip(np.diag(inner), 0, None))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(inner / np.outer(scale, scale))
    keep = values > COLLINEAR * max(float(values.max(initial=0.0)), 1e-300)
    rank = int(keep.sum())
    whiten = np.zeros_like(inner)
    whiten[:, :rank] = (vectors[:, keep] / np.sqrt(values[keep])) / scale[:, None]
    loads = across @ whiten
    slopes = loads @ whiten.T
    left = products[y, y] - loads @ loads.T
    spread = np.diag(products)[y]
    gone = np.diag(left) <= 1e-12 * spread
    left[gone, :] = left[:, gone] = 0.0
    free = n - 1 - rank
    residuals = left / free if free > 0 else np.full_like(left, np.nan)
    return Fit(n, rank, means[y], means[x], slopes, whiten, residuals)


def adjusted(line: Fit, point: Floats) -> tuple[Floats, Floats]:
    """Means of the outcomes at a `point` of the covariates, and their covariance over n − k.

    ``ȳ + b(x* − x̄)``, with covariance ``Σ·(1/n + |W'(x* − x̄)|²)``, Σ that of the residuals.
    """
    gap = point - line.centre
    turn = line.whiten.T @ gap
    return line.means + line.slopes @ gap, line.residuals * (1 / line.n + float(turn @ turn))
