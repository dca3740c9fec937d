"""References: the slopes at which differences of covariates are valued, and how well known."""

from __future__ import annotations

import numpy as np

from segmentation.customers.crossproducts import Sides
from segmentation.customers.vectors import Floats
from segmentation.data.errors import TableError

__all__ = ["REFERENCES", "solve"]

REFERENCES = ("pooled", "neumark", "cotton", "reimers", "base", "other")
Solved = tuple[Floats, Floats, tuple[Floats, float], float]
"""Inverse products, centre, residual (slopes and start), and the factor for its freedom."""


def solve(sides: Sides, reference: str) -> tuple[Floats, list[Solved]]:
    """Reference slopes; and of each side the inverse products, centre, residual and its freedom.

    A row moves the slopes by ``inverse·(x − centre)·e``.
    """
    width, n = len(sides.covariates), sides.n
    means, y = sides.means[:, :width], sides.means[:, width]
    inside, with_y = sides.products[:, :width, :width], sides.products[:, :width, width]

    def invert(
        matrix: Floats, right: Floats, rows: float, used: int
    ) -> tuple[Floats, Floats, float]:
        _independent(matrix, sides.covariates, rows, used)
        inverse = np.asarray(np.linalg.inv(matrix), np.float64)
        return inverse @ right, inverse, float(np.sqrt(rows / (rows - used)))

    if reference in ("pooled", "neumark"):
        matrix, right, used = inside.sum(axis=0), with_y.sum(axis=0), width + 2
        centre, level = means, y
        if reference == "neumark":  # about the means of both together
            weight = n[0] * n[1] / n.sum()
            step = means[1] - means[0]
            matrix = matrix + weight * np.outer(step, step)
            right, used = right + weight * step * (y[1] - y[0]), width + 1
            centre = np.broadcast_to(n @ means / n.sum(), means.shape)
            level = np.broadcast_to(n @ y / n.sum(), y.shape)
        slopes, inverse, size = invert(matrix, right, float(n.sum()), used)
        residuals = [(slopes, float(level[k] - centre[k] @ slopes)) for k in (0, 1)]
        return slopes, [(inverse, centre[k], residuals[k], size) for k in (0, 1)]
    weights = {
        "base": np.array([1.0, 0.0]),
        "other": np.array([0.0, 1.0]),
        "cotton": n / n.sum(),
        "reimers": np.array([0.5, 0.5]),
    }[reference]
    slopes, solved = np.zeros(width), []
    for k in (0, 1):
        if not weights[k]:
            nothing = np.zeros((width, width))
            solved.append((nothing, means[k], (np.zeros(width), 0.0), 1.0))
            continue
        own, inverse, size = invert(inside[k], with_y[k], float(n[k]), width + 1)
        slopes = slopes + weights[k] * own
        residual = (own, float(y[k] - means[k] @ own))
        solved.append((inverse * weights[k], means[k], residual, size))
    return slopes, solved


def _independent(matrix: Floats, names: tuple[str, ...], rows: float, used: int) -> None:
    """Refuse covariates that are combinations of those before them, by Gram and Schmidt."""
    if rows <= used:
        mend = "Take fewer covariates, or join levels."
        raise TableError("data", "there are more rows than columns of the regression", mend)
    left = matrix.copy()
    for place, size in enumerate(np.diag(matrix).copy()):
        if not left[place, place] > 1e-9 * max(size, 1e-6 * rows):
            mend = "Leave it away, join its levels, or take the pooled reference."
            rule = "a covariate is no combination of the others and of the group"
            raise TableError("data", rule, mend, names[place])
        row = left[place].copy()
        left = left - np.outer(row, row) / row[place]
