"""Vectors of numbers by level, brought into one order by their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.data.errors import TableError

__all__ = ["Floats", "aligned", "is_vector", "number"]

Floats = npt.NDArray[np.float64]


def is_vector(part: Any) -> bool:
    """Whether it has numbers by level, and is not one number for all."""
    return isinstance(part, pd.Series | pd.Index | Mapping) or np.ndim(part) > 0


def number(part: Any, name: str) -> float:
    """Return one finite number."""
    return float(_floats([part], name)[0])


def aligned(parts: Mapping[str, Any]) -> tuple[pd.Index, dict[str, Floats]]:
    """Return the levels, and each part's numbers in their order.

    Series and dicts are aligned by label, in the order of the first of them. Arrays have no labels:
    beside labelled parts they are taken by place, where these are all in one order.
    """
    labelled = {
        name: pd.Series(dict(part)) if isinstance(part, Mapping) else part
        for name, part in parts.items()
        if isinstance(part, pd.Series | Mapping)
    }
    bare = {name: part for name, part in parts.items() if name not in labelled}
    found: dict[str, Floats] = {}
    index: pd.Index | None = None
    for name, part in labelled.items():
        if not part.index.is_unique or part.index.hasnans:
            raise TableError(name, "labels are filled and differ", "Add up or rename levels.")
        index = part.index if index is None else index
        if len(part) != len(index) or not part.index.isin(index).all():
            raise TableError(
                name, "its levels are those of the others", "Give each the same labels."
            )
        if bare and not part.index.equals(index):
            raise TableError(
                name, "labels stand in one order beside arrays", "Give labels to all of them."
            )
        found[name] = _floats(part.reindex(index), name)
    for name, part in bare.items():
        found[name] = _floats(part, name)
        index = pd.RangeIndex(len(found[name])) if index is None else index
        if len(found[name]) != len(index):
            raise TableError(name, "it has as many levels as the others", "Give each all levels.")
    if index is None or not len(index):
        raise TableError(next(iter(parts), "data"), "there are levels", "Give one or more.")
    return index, found


def _floats(part: Any, name: str) -> Floats:
    try:
        values = np.asarray(part, dtype=float)
    except (TypeError, ValueError):
        raise TableError(name, "it is numbers", "Convert it.") from None
    if values.ndim != 1:
        raise TableError(name, "it has one number a level", "Pass a Series, a dict or a list.")
    unknown = ~np.isfinite(values)
    if unknown.any():
        mend = "Join a level without customers to another, or leave it out everywhere."
        raise TableError(name, "numbers are known and finite", mend, rows=int(unknown.sum()))
    return values
