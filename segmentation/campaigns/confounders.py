"""What is known of customers before they were chosen, as columns that a regression takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.data.errors import TableError

__all__ = ["Matrix", "confounder_matrix", "dependent", "texts_and_numbers"]

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def texts_and_numbers(schema: Any, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the columns that hold text, and become levels, from those that hold numbers."""
    texts = [name for name in names if schema[name] in (nw.String, nw.Categorical, nw.Enum)]
    return texts, [name for name in names if name not in texts]


def confounder_matrix(
    cells: pd.DataFrame, weight: Any, names: Sequence[str], table: str = "data"
) -> tuple[Matrix, list[str]]:
    """Return the constant and the covariates as columns of a regression.

    Text becomes one column a level but the first. A null is a level of its own: for numbers the
    mean is put in its place, and a further column tells where. Numbers are brought to mean 0 and
    spread 1, which changes no estimate and keeps the digits of large amounts.

    Parameters
    ----------
    cells : DataFrame
        With the covariates.
    weight : array (rows,)
        Customers of each row.
    names : sequence of str
        The covariates.

    Returns
    -------
    matrix : array (rows, columns)
        Its first column is 1.
    sources : list of str
        Covariate from which each column comes; the constant's is "".

    Raises
    ------
    TableError
        If a covariate is infinite or tells nothing beside those before it.
    """
    columns, sources = [np.ones(len(cells))], [""]
    for name in names:
        for column in _columns(cells[name], weight, table):
            columns.append(column)
            sources.append(name)
    matrix = np.column_stack(columns)
    twice = dependent(matrix, weight)
    if twice is not None:
        raise TableError(
            table,
            "a covariate varies and does not follow from those before it",
            "Leave it out.",
            sources[twice] or names[0],
        )
    return matrix, sources


def dependent(matrix: Matrix, weight: Any) -> int | None:
    """Return the first column that follows from those before it, if one does."""
    # The triangle of a thin QR shows each column's part that is new, at the size of the rounding.
    scaled = matrix * np.sqrt(weight / weight.sum())[:, None]
    if len(scaled) < scaled.shape[1]:
        return len(scaled)
    new = np.abs(np.diag(np.linalg.qr(scaled, mode="r")))
    size = np.linalg.norm(scaled, axis=0)
    found = np.flatnonzero(new <= 1e-9 * np.maximum(size, 1e-12))
    return int(found[0]) if len(found) else None


def _columns(values: pd.Series, weight: Any, table: str) -> list[Any]:
    missing = values.isna().to_numpy()
    if not pd.api.types.is_numeric_dtype(values) and not missing.all():
        text = values.astype(object).where(~missing, None)
        levels = sorted(text.dropna().unique())
        columns = [(text == level).to_numpy(float) for level in levels[1:]]
        return [*columns, missing.astype(float)] if missing.any() else columns
    number = values.to_numpy(float, na_value=np.nan).copy()
    if np.isinf(number).any():
        raise TableError(
            table, "a covariate is finite", "Cap or leave out what is not.", str(values.name)
        )
    if missing.all():
        return [np.zeros(len(number))]
    seen = ~missing
    mean = np.average(number[seen], weights=weight[seen])
    number[missing] = mean
    number -= mean
    spread = np.sqrt(np.average(number[seen] ** 2, weights=weight[seen]))
    if spread > 1e-12 * max(abs(mean), 1e-300):
        number /= spread
    else:
        number[:] = 0.0
    return [number, missing.astype(float)] if missing.any() else [number]
