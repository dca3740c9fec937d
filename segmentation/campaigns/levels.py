"""Groups by which effects are told apart: their text in the engine, their labels in the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.campaigns.arms import as_text
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["UNKNOWN", "group_labels", "group_text"]

UNKNOWN = "unknown"
"""Label of the rows whose group is null."""

MOST_GROUPS = 5_000
"""Groups above which a column is no group but a name."""


def group_text(rows: nw.LazyFrame[Any], by: str, name: str) -> nw.LazyFrame[Any]:
    """Add the group as text under `name`; null as "unknown".

    Raises
    ------
    TableError
        If the column holds neither text, whole numbers, flags nor days.
    """
    dtype = rows.collect_schema()[by]
    column = nw.col(by)
    if dtype.is_float():
        broken = (column != column.floor()).cast(nw.Int64).sum().alias("broken")
        count = collect(rows.select(broken))["broken"].iloc[0]
        if count and count == count:
            raise TableError(
                "data", "a group is text, a whole number, a flag or a day", "Cut it into bands.", by
            )
    if dtype == nw.Date or dtype == nw.Datetime:
        text = column.cast(nw.Date).cast(nw.String)
    else:
        text = as_text("data", by, dtype)
    return rows.with_columns(text.fill_null(UNKNOWN).alias(name))


def group_labels(texts: Iterable[str], dtype: Any, by: str) -> dict[str, Any]:
    """Labels as the caller has them by text, in their order, "unknown" last."""
    found = set(texts)
    if len(found) > MOST_GROUPS:
        raise TableError("data", "there are at most 5,000 groups", "Name a coarser column.", by)
    if dtype == nw.Boolean:
        read: Any = "1".__eq__
    elif dtype.is_numeric():
        read = int
    elif dtype == nw.Date or dtype == nw.Datetime:
        read = pd.Timestamp
    else:
        read = str
    labels = {text: read(text) for text in found - {UNKNOWN}}
    ordered = dict(sorted(labels.items(), key=lambda pair: pair[1]))
    return ordered | ({UNKNOWN: UNKNOWN} if UNKNOWN in found else {})
