"""The maximum of a likelihood of a few positive parameters, and how well it determines them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.data.errors import TableError

__all__ = ["covariance", "interval_table", "maximum"]

Floats = npt.NDArray[np.float64]
Surface = Callable[[Floats], tuple[float, Floats]]
"""The log-likelihood at the logarithms of the parameters, and its gradient."""

EDGE = math.log(1e6)  # how far a logarithm may go from that of the unit
VAGUE = math.log(1e3)  # a standard error of a logarithm beyond which nothing is known


def maximum(surface: Surface, total: float, starts: Sequence[Sequence[float]]) -> Floats:
    """Search by Newton's steps in a region of trust, from each start until a maximum is found.

    Raises
    ------
    TableError
        If the slope, per one of `total` customers, is not 0 where the search ended.
    """
    from scipy.optimize import minimize

    def minus(logs: Floats) -> tuple[float, Floats]:
        value, gradient = surface(logs)
        beyond = np.sign(logs) * np.maximum(np.abs(logs) - EDGE, 0)  # a soft wall
        return beyond @ beyond - value / total, 2 * beyond - gradient / total

    def bend(logs: Floats) -> Floats:
        wall = np.diag(2.0 * (np.abs(logs) > EDGE))
        return np.asarray(_curvature(surface, logs) / total + wall)

    best, lowest = np.zeros(len(starts[0])), math.inf
    for start in starts:
        found = minimize(
            minus, start, jac=True, hess=bend, method="trust-exact", options={"gtol": 1e-9}
        )
        flat = np.abs(minus(found.x)[1]).max() < 1e-5
        if flat and found.fun < lowest:
            best, lowest = np.asarray(found.x, float), float(found.fun)
        if flat and np.abs(found.x).max() < EDGE:
            break  # a maximum inside; at an edge another start may do better
    if lowest == math.inf:
        rule = "the likelihood has a maximum that can be found"
        raise TableError("summary", rule, "Look at more customers, or at a longer time.")
    return best


def covariance(
    surface: Surface, logs: Floats, bound: Sequence[tuple[int, ...]]
) -> tuple[Floats, set[int]]:
    """Covariance of the logarithms, and the places of those that are not determined.

    Of parameters that are `bound` together, of which perhaps only a ratio is known, none is
    determined if one is not. What varies freely has zeros in the covariance.
    """
    matrix = _curvature(surface, logs)
    free = list(np.flatnonzero(np.abs(logs) < EDGE))
    spread = np.zeros_like(matrix)
    while free:
        part = matrix[np.ix_(free, free)]
        values, vectors = np.linalg.eigh(part)
        if values[0] > VAGUE**-2:
            spread[np.ix_(free, free)] = np.linalg.inv(part)
            break
        free.pop(int(np.abs(vectors[:, 0]).argmax()))  # who moves most where it is flat
    return spread, {place for group in bound if not set(group) <= set(free) for place in group}


def interval_table(
    names: Sequence[str], logs: Floats, spread: Floats, vague: set[int], level: float
) -> pd.DataFrame:
    """Return parameter, estimate, se, low and high, by the normal law of the logarithms."""
    from scipy.stats import norm

    estimate, error = np.exp(logs), np.sqrt(np.diag(spread))
    reach = norm.isf((1 - level) / 2) * error
    known = np.array([place not in vague for place in range(len(logs))])
    columns = {
        "estimate": estimate,
        "se": np.where(known, estimate * error, np.nan),
        "low": np.where(known, estimate * np.exp(-reach), 0.0),
        "high": np.where(known, estimate * np.exp(reach), np.inf),
    }
    return pd.DataFrame({"parameter": list(names), **columns})


def _curvature(surface: Surface, logs: Floats) -> Floats:
    """Second derivatives of minus the log-likelihood, from differences of its gradient."""
    step, columns = 1e-4, []
    for place in range(len(logs)):
        move = np.zeros(len(logs))
        move[place] = step
        columns.append((surface(logs - move)[1] - surface(logs + move)[1]) / (2 * step))
    matrix = np.array(columns)
    return np.asarray((matrix + matrix.T) / 2)
