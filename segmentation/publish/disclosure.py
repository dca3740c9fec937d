"""The gate that every table of a page passes: no customers, no small groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from segmentation.data.aggregates import disclosure_rules, require_aggregate
from segmentation.data.errors import TableError, missing_columns
from segmentation.publish.margins import Truths
from segmentation.publish.suppressions import suppress_counts, suppress_sums

__all__ = ["Disclosed", "disclose", "require_aggregate", "suppress_counts", "suppress_sums"]


class Disclosed(NamedTuple):
    """A table that may be shown.

    Attributes
    ----------
    table : DataFrame
        The table, hidden cells null.
    hidden : int
        Rows whose numbers are hidden.
    """

    table: pd.DataFrame
    hidden: int


def disclose(table: pd.DataFrame, counts: str | Sequence[str] | None = None) -> Disclosed:
    """Hide the numbers of small groups in a tidy table, one row a group.

    All numbers of a row are hidden if one of its counts is from 1 to ``threshold − 1``. The totals
    of the table, and of all rows that share a label other than a flag, may be shown elsewhere. So
    wherever the hidden rows are fewer than two, or count fewer than `threshold` together, the next
    smallest is hidden too.

    Parameters
    ----------
    table : DataFrame
        A row a group. Text, dates, categories, truth values and numeric codes (`year`, `…_code`,
        see `labels` in `disclosure.toml`) name the row and stay; text must hold no formatted
        numbers. A cross-table goes through `suppress_counts` or `suppress_sums` first.
    counts : str or sequence of str, optional
        Columns that count customers; by default those with a usual name (`customers`, `n`, …; see
        `counts` in `disclosure.toml`). An empty sequence says that the table has none.

    Returns
    -------
    Disclosed
        The table, of the same shape, and how many rows are hidden. If there are any, whole numbers
        are pandas' nullable integers. A null count is one hidden before.

    Raises
    ------
    TableError
        If the table is customer-level, or a count is missing, no number or negative.

    Notes
    -----
    This is stricter than `suppress_counts` on the rest, since a tidy table has many numbers a row
    and the rest of a total is a group of its own. It does not look for the fewest rows.

    Examples
    --------
    >>> tiers = pd.DataFrame({"tier": ["Basic", "Wealth", "Private"], "customers": [900, 80, 4]})
    >>> disclose(tiers).table
          tier  customers
    0    Basic        900
    1   Wealth       <NA>
    2  Private       <NA>
    """
    if not isinstance(table, pd.DataFrame):
        raise TableError("table", "a table is a pandas DataFrame", "Pass an aggregate.")
    require_aggregate(table)
    rules = disclosure_rules()
    columns = _count_columns(table, counts, rules["counts"])
    if not columns or table.empty:
        return Disclosed(table, 0)
    smallest, before = _smallest_counts(table, columns)
    hidden = before | ((smallest > 0) & (smallest < rules["threshold"]))
    # Rows hidden before were protected then; beside new ones they need no more than company.
    smallest[before] = rules["threshold"]
    for _ in range(len(table)):
        known = hidden.copy()
        for group in _groups(table, rules["labels"]):
            _hide_rest(hidden, smallest, group, rules["threshold"])
        if (hidden == known).all():
            break
    if not hidden.any():
        return Disclosed(table, 0)
    return Disclosed(_without_numbers(table, hidden, rules["labels"]), int(hidden.sum()))


def _count_columns(
    table: pd.DataFrame, counts: str | Sequence[str] | None, usual: list[str]
) -> list[Any]:
    if counts is None:
        return [name for name in table.columns if str(name).casefold() in usual]
    wanted = [counts] if isinstance(counts, str) else list(counts)
    missing_columns("table", wanted, list(table.columns))
    return wanted


def _smallest_counts(table: pd.DataFrame, columns: list[Any]) -> tuple[Any, Truths]:
    """Return each row's smallest positive count, and which rows are hidden already."""
    cells = np.empty((len(table), len(columns)))
    for place, name in enumerate(columns):
        values = table[name]
        if isinstance(values, pd.DataFrame):
            raise TableError("table", "column names are unique", "Rename one.", str(name))
        if not pd.api.types.is_numeric_dtype(values):
            raise TableError("table", "counts are numbers", "Format after the gate.", str(name))
        cells[:, place] = values.to_numpy(dtype=float, na_value=np.nan)
        if (cells[:, place] < 0).any():
            wrong = int((cells[:, place] < 0).sum())
            raise TableError("table", "counts are not negative", "Check it.", str(name), wrong)
    before: Truths = np.asarray(np.isnan(cells).any(axis=1))
    smallest = np.where(cells > 0, cells, np.inf).min(axis=1)
    return np.where(np.isinf(smallest), 0, smallest), before


def _groups(table: pd.DataFrame, labels: list[str]) -> Iterator[Any]:
    """Give the rows of each total that may be known: all rows, and all that share a label."""
    yield np.arange(len(table))
    for place, name in enumerate(table.columns):
        column = table.iloc[:, place]
        if _names_rows(column, name, labels) and not pd.api.types.is_bool_dtype(column):
            codes = pd.factorize(column.astype(str))[0]
            for code in np.unique(codes):
                rows = np.flatnonzero(codes == code)
                if 1 < len(rows) < len(table):
                    yield rows


def _hide_rest(hidden: Truths, smallest: Any, group: Any, threshold: int) -> None:
    mine = group[hidden[group]]
    if not len(mine):
        return
    # Empty groups hide nothing; they come last.
    spare = sorted(
        group[~hidden[group]], key=lambda row: (smallest[row] == 0, smallest[row], int(row))
    )
    number, heads = len(mine), smallest[mine].sum()
    for row in spare:
        if number >= 2 and (heads >= threshold or smallest[row] == 0):
            break
        hidden[row] = True
        number, heads = number + 1, heads + smallest[row]


def _names_rows(values: pd.Series[Any], name: Any, labels: list[str]) -> bool:
    text = str(name).casefold()
    if text in labels or text.endswith("_code"):
        return True
    if isinstance(values.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(values):
        return True
    if values.dtype == object:
        return bool(values.dropna().map(lambda value: isinstance(value, str)).all())
    kinds = pd.api.types
    return bool(kinds.is_string_dtype(values) or kinds.is_datetime64_any_dtype(values))


def _without_numbers(table: pd.DataFrame, hidden: Truths, labels: list[str]) -> pd.DataFrame:
    shown = {}
    for place, name in enumerate(table.columns):
        column = table.iloc[:, place]
        if not _names_rows(column, name, labels):
            if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu":
                column = column.astype("Int64")
            if column.dtype == object:
                # `mask` takes a tuple in a cell for several values.
                cells = [None if gone else cell for cell, gone in zip(column, hidden, strict=True)]
                column = pd.Series(cells, index=column.index, dtype=object)
            else:
                column = column.mask(hidden)
        shown[place] = column
    result = pd.DataFrame(shown, index=table.index)
    result.columns = table.columns
    return result
