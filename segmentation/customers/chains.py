"""Markov chains read from what is passed: states, a row-stochastic matrix, a number a state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.data.errors import TableError

__all__ = ["stochastic", "vector", "whole"]

Floats = npt.NDArray[np.float64]
TOLERANCE = 1e-9


def stochastic(shares: Any, name: str) -> tuple[list[Any], Floats]:
    """States and matrix, or an error that says what keeps it from being row-stochastic."""
    if isinstance(shares, pd.DataFrame):
        shares = _squared(shares)
        states = list(shares.columns)
        if not shares.columns.is_unique:
            raise TableError(name, "each state occurs once", "Name the states apart.")
    matrix = _numbers(shares, name)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise TableError(
            name, "rows and columns are the same states", "Pass `Migration.transition`."
        )
    if not isinstance(shares, pd.DataFrame):
        states = list(range(len(matrix)))
    if empty := int((~np.isfinite(matrix)).any(axis=1).sum()):
        raise TableError(
            name,
            "each state's shares are known",
            "Nobody was seen there: merge the tier with its neighbour.",
            rows=empty,
        )
    bad = (matrix < -TOLERANCE).any(axis=1) | (np.abs(matrix.sum(axis=1) - 1) > TOLERANCE)
    if bad.any():
        raise TableError(
            name,
            "shares of a row are not negative and add up to 1",
            "Divide each row by its sum, with those who left as a state.",
            rows=int(bad.sum()),
        )
    return states, matrix


def _squared(shares: pd.DataFrame) -> pd.DataFrame:
    """Columns without a row absorb; rows without a column are left out."""
    if not shares.index.is_unique:
        raise TableError("shares", "each state occurs once", "Name the states apart.")
    square = shares.reindex(index=[s for s in shares.columns if s in shares.index])
    for state in shares.columns.difference(square.index, sort=False):
        square.loc[state] = (shares.columns == state).astype(float)
    return square.reindex(shares.columns)


def vector(values: Any, states: list[Any], name: str, complete: bool = False) -> Floats:
    """One number a state, by name where it has names."""
    if isinstance(values, Mapping):
        values = pd.Series(dict(values))
    if isinstance(values, pd.Series) and not values.index.equals(pd.RangeIndex(len(states))):
        strangers = [state for state in values.index if state not in states]
        lacking = [state for state in states if state not in values.index]
        if strangers or (complete and lacking) or not values.index.is_unique:
            raise TableError(name, "one number a state, by the names of the states", "Name them.")
        values = values.reindex(states, fill_value=0)
    vector = _numbers(values, name)
    if vector.shape != (len(states),):
        raise TableError(name, "one number a state", "Give as many as there are states.")
    if not np.isfinite(vector).all():
        raise TableError(name, "numbers are known and finite", "Fill them.")
    return vector


def _numbers(values: Any, name: str) -> Floats:
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError):
        raise TableError(name, "all of it is numbers", "Convert it, and square it.") from None


def whole(number: Any, name: str) -> None:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
        raise TableError(name, "a whole number of periods, 0 or more", "Pass for example 12.")
