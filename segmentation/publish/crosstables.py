"""Cross-tables: what is one, and how to take cells out of it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.aggregates import disclosure_rules, refuse_identifiers
from segmentation.data.errors import TableError
from segmentation.publish.margins import Floats, Truths

__all__ = ["aligned", "canonical_order", "check_amounts", "check_counts", "without"]


def check_amounts(table: pd.DataFrame, name: str = "table") -> Floats:
    """Return the cells of a cross-table of amounts as floats, or say why it is none."""
    if not isinstance(table, pd.DataFrame):
        raise TableError(
            name,
            f"a cross-table is a pandas DataFrame, not a {type(table).__name__}",
            "Bring the aggregate back as pandas.",
        )
    rules = disclosure_rules()
    refuse_identifiers(
        [*table.columns, *table.columns.names, *table.index.names], rules["identifiers"], name
    )
    if len(table) > rules["cross_rows"]:
        raise TableError(
            name,
            f"a cross-table has at most {rules['cross_rows']:,} rows",
            "Group it first: a customer-level frame is never published.",
            rows=len(table),
        )
    for axis, labels in (("row", table.index), ("column", table.columns)):
        if not labels.is_unique:
            raise TableError(
                name, f"{axis} labels are unique", "Merge what bears the same label.",
                rows=int(labels.duplicated().sum()),
            )  # fmt: skip
        for label in labels:
            _refuse_total(label, rules["totals"], name, axis)
    cells = np.empty(table.shape)
    for place, column in enumerate(table.columns):
        values = table.iloc[:, place]
        where = str(column)
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            raise TableError(
                name, "cells are numbers", "Move labels into the index.", where, len(values)
            )
        if pd.api.types.is_complex_dtype(values):
            raise TableError(name, "cells are real numbers", "Check the table.", where)
        if values.isna().any():
            raise TableError(
                name,
                "no cell is null",
                "Fill combinations that do not occur with 0; pass the table before suppression.",
                where,
                int(values.isna().sum()),
            )
        cells[:, place] = values.to_numpy(dtype=float)
        wrong = (cells[:, place] < 0) | ~np.isfinite(cells[:, place])
        if wrong.any():
            raise TableError(
                name, "cells are finite and not negative",
                "Protect positive and negative parts as two tables.", where, int(wrong.sum()),
            )  # fmt: skip
    return cells


def check_counts(table: pd.DataFrame, threshold: int, name: str = "table") -> Floats:
    """Return the cells of a cross-table of counts as floats, or say why it is none."""
    cells = check_amounts(table, name)
    broken = (cells != np.floor(cells)).any(axis=1)
    if broken.any():
        raise TableError(
            name, "counts are whole numbers", "Pass amounts to suppress_sums.",
            rows=int(broken.sum()),
        )  # fmt: skip
    long = len(cells) >= threshold > 1
    if long and cells.max(initial=0) == 1:
        raise TableError(
            name,
            "no cell counts more than one: these are single customers",
            "Group it first: a customer-level frame is never published.",
            rows=len(cells),
        )
    few = cells.sum(axis=1) < threshold
    if len(cells) > 200 and few.mean() > 0.5:
        raise TableError(
            name,
            f"most rows count fewer than {threshold} in all",
            "Merge rows, or group first if a row is one customer.",
            rows=int(few.sum()),
        )
    return cells


def aligned(other: pd.DataFrame, table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return `other` in the order of `table`, whose labels it must have."""
    if not isinstance(other, pd.DataFrame):
        raise TableError(name, "it is a cross-table like the sums", "Pass a pandas DataFrame.")
    same = len(other.index) == len(table.index) and len(other.columns) == len(table.columns)
    unique = other.index.is_unique and other.columns.is_unique
    rows, columns = table.index.isin(other.index), table.columns.isin(other.columns)
    if not (same and unique and rows.all() and columns.all()):
        raise TableError(
            name, "it has the rows and columns of the sums", "Aggregate both by the same groups."
        )
    return other.loc[list(table.index), list(table.columns)]


def canonical_order(labels: pd.Index) -> list[int]:
    """Return an order that depends on the labels only, not on where they stand.

    Ties between equally good patterns then fall the same way however the table is sorted.
    """
    keys = [(type(label).__name__, repr(label)) for label in labels]
    return sorted(range(len(keys)), key=keys.__getitem__)


def without(table: pd.DataFrame, hidden: Truths) -> pd.DataFrame:
    """Return `table` with the cells `hidden` null, integers as pandas' nullable integers."""
    shown = {}
    for place in range(table.shape[1]):
        column = table.iloc[:, place]
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu":
            kind = {"i": "Int", "u": "UInt"}[column.dtype.kind]
            nullable: Any = f"{kind}{8 * column.dtype.itemsize}"
            column = column.astype(nullable)
        shown[place] = column.mask(hidden[:, place])
    result = pd.DataFrame(shown, index=table.index)
    result.columns = table.columns
    return result


def _refuse_total(label: Hashable, totals: list[str], name: str, axis: str) -> None:
    parts = label if isinstance(label, tuple) else (label,)
    if any(isinstance(part, str) and part.strip().casefold() in totals for part in parts):
        raise TableError(
            name,
            f"a total stands among the {axis}s",
            "Pass the table without its margins; they are taken to be published.",
            rows=1,
        )
