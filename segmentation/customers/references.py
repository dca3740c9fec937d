"""References: the slopes at which differences of covariates are valued, and how well known."""

from __future__ import annotations

import numpy as np

from segmentation.customers.crossproducts import Line, Sides
from segmentation.customers.vectors import Floats
from segmentation.data.errors import TableError

__all__ = ["REFERENCES", "solve"]

REFERENCES = ("pooled", "neumark", "cotton", "reimers", "base", "other")


def solve(sides: Sides, reference: str) -> tuple[Floats, list[Line]]:
    """Reference slopes, and the lines of base and other that they come from."""
    width, n = len(sides.covariates), sides.n
    means, y = sides.means[:, :width], sides.means[:, width]
    inside, with_y = sides.products[:, :width, :width], sides.products[:, :width, width]
    if reference in ("pooled", "neumark"):
        matrix, right, used = inside.sum(axis=0), with_y.sum(axis=0), width + 2
        centre, level, size = means, y, n
        if reference == "neumark":  # about the means of both together
            weight, step = n[0] * n[1] / n.sum(), means[1] - means[0]
            matrix = matrix + weight * np.outer(step, step)
            right, used = right + weight * step * (y[1] - y[0]), width + 1
            centre = np.broadcast_to(n @ means / n.sum(), means.shape)
            level = np.broadcast_to(n @ y / n.sum(), y.shape)
            size = np.full(2, n.sum())
        inverse, root = _inverse(matrix, sides.covariates, float(n.sum()), used)
        slopes = inverse @ right
        starts = level - centre @ slopes
        return slopes, [
            Line(inverse, centre[k], slopes, float(starts[k]), root, float(1 / size[k]))
            for k in (0, 1)
        ]
    weights = {
        "base": np.array([1.0, 0.0]),
        "other": np.array([0.0, 1.0]),
        "cotton": n / n.sum(),
        "reimers": np.array([0.5, 0.5]),
    }[reference]
    slopes, lines = np.zeros(width), []
    for k in (0, 1):
        if not weights[k]:
            nothing = np.zeros((width, width))
            lines.append(Line(nothing, means[k], np.zeros(width), 0.0, nothing, 0.0))
            continue
        inverse, root = _inverse(inside[k], sides.covariates, float(n[k]), width + 1)
        own = inverse @ with_y[k]
        slopes = slopes + weights[k] * own
        start = float(y[k] - means[k] @ own)
        lines.append(Line(inverse * weights[k], means[k], own, start, root, float(1 / n[k])))
    return slopes, lines


def _inverse(
    matrix: Floats, names: tuple[str, ...], rows: float, used: int
) -> tuple[Floats, Floats]:
    """The inverse of the products, and a root r of it: ``inverse = r'·r``."""
    _independent(matrix, names, rows, used)
    root = np.asarray(np.linalg.inv(np.linalg.cholesky(matrix)), np.float64)
    return root.T @ root, root


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
