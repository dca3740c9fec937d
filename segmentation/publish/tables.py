"""Tables of a page: aggregates that passed the gate, written in the reader's language."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pandas as pd

from segmentation.data.aggregates import require_aggregate
from segmentation.data.errors import TableError
from segmentation.figures.labels import label
from segmentation.figures.language import N_, _
from segmentation.figures.style import text_width
from segmentation.publish.columns import HIDDEN, Meanings, Written, write_columns
from segmentation.publish.disclosure import disclose, suppress_counts

__all__ = ["Shown", "show_table"]

FOOTNOTE = N_("Not shown, as it would tell of too few customers.")
EMPTY = N_("Nothing to show.")


@dataclass(frozen=True, repr=False)
class Shown:
    """Something for a page: HTML for readers and plain text for a terminal."""

    html: str
    plain: str
    other: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return self.plain

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {**self.other, "text/html": self.html, "text/plain": self.plain}


def show_table(
    table: pd.DataFrame,
    caption: str | None = None,
    counts: str | Sequence[str] | pd.DataFrame | None = None,
    *,
    money: Collection[str] = (),
    shares: Collection[str] = (),
    points: Collection[str] = (),
    currency: str = "CNY",
    columns: Sequence[str] | None = None,
    headings: Mapping[str, str] | None = None,
) -> Shown:
    """Show an aggregate as a table of a page, small groups hidden.

    Numbers are written by what their column means: money in one unit a column, shares as
    percentages, and a lower and an upper end (``low high``, ``x_low x_high``) as one interval.
    Headings and categories appear in the language of the moment.

    Parameters
    ----------
    table : DataFrame
        A tidy table, one row a group; or a cross-table, whose columns have a name (``from`` by
        ``to``).
    caption : str, optional
        Heading of the table.
    counts : str, sequence of str or DataFrame, optional
        Of a tidy table the columns that count customers; by default those of a usual name, none
        if empty. Of a cross-table the counts behind its cells, labelled alike; a cross-table of
        whole numbers is taken for counts itself, and empty says that it passed `suppress_sums`.
    money, shares : collection of str
        Columns that are money and shares, beside those known by name; ``"all"`` in it means all
        cells of a cross-table.
    points : collection of str
        Columns that are differences of shares, written in percentage points.
    currency : str
        ISO code of the money.
    columns : sequence of str, optional
        Columns to show, in this order; the gate looks at all of them.
    headings : mapping, optional
        Headings in place of the usual ones.

    Returns
    -------
    Shown
        A notebook shows it as ``<table class="seg">``, a terminal as aligned text.

    Raises
    ------
    TableError
        If the table is customer-level, or a cross-table of numbers that are no counts comes
        without them.

    Examples
    --------
    >>> tiers = pd.DataFrame({"tier": ["Basic", "Wealth"], "customers": [900, 100],
    ...                       "aum_share": [0.2, 0.8]})
    >>> show_table(tiers, "Customers by tier")
    Customers by tier
    Tier    Customers  Share of AUM
    Basic         900         20.0%
    Wealth        100         80.0%
    """
    if not isinstance(table, pd.DataFrame):
        raise TableError("table", "a table is a pandas DataFrame", "Call `to_frame()` first.")
    crossed = table.columns.name is not None or isinstance(counts, pd.DataFrame)
    shown, hidden = _crossed(table, counts) if crossed else _tidy(table, counts)
    if columns is not None:
        shown, hidden = shown[list(columns)], hidden[list(columns)]
    if crossed and "all" in money:
        money = [*map(str, shown.columns)]
    if crossed and "all" in shares:
        shares = [*map(str, shown.columns)]
    named = dict(headings or {})
    if crossed:
        first = str(shown.columns[0])
        named = {str(name): label(name) for name in shown.columns[1:]} | named
        named.setdefault(first, _corner(table))
    written = write_columns(shown, hidden, Meanings(money, shares, points, currency), named)
    written = [_label_column(written[0], shown), *written[1:]] if written else written
    note = f"{HIDDEN} {_(FOOTNOTE)}" if _any_hidden(written) else ""
    return Shown(_html(written, caption, note), _plain(written, caption, note))


def _tidy(
    table: pd.DataFrame, counts: str | Sequence[str] | pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table behind the gate, and which of its cells the gate hid."""
    if not _plain_index(table):
        table = table.reset_index()
    table = table.reset_index(drop=True)
    names = None if isinstance(counts, pd.DataFrame) else counts
    shown = disclose(table, counts=names).table
    return shown, shown.isna() & (table.notna() | _hidden_before(table, shown))


def _hidden_before(table: pd.DataFrame, shown: pd.DataFrame) -> pd.DataFrame:
    """Rows of which nothing but labels is left: their nulls are hidden numbers."""
    numbers = [pd.api.types.is_numeric_dtype(dtype) for dtype in shown.dtypes]
    rows = shown.loc[:, numbers].isna().all(axis=1) & any(numbers)
    return pd.DataFrame({place: rows & on for place, on in enumerate(numbers)}).set_axis(
        shown.columns, axis=1
    )


def _crossed(
    table: pd.DataFrame, counts: str | Sequence[str] | pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    require_aggregate(table)
    if isinstance(counts, pd.DataFrame):
        if not (counts.index.equals(table.index) and counts.columns.equals(table.columns)):
            raise TableError(
                "counts", "they are labelled as the table", "Pass the counts of the same cells."
            )
        shown = table.mask(suppress_counts(counts, None).isna())
    elif counts is not None:
        shown = table
    elif all(pd.api.types.is_integer_dtype(dtype) for dtype in table.dtypes):
        # Nulls among whole numbers are what `suppress_counts` left.
        shown = table if table.isna().any(axis=None) else suppress_counts(table, None)
    else:
        raise TableError(
            "table",
            "a cross-table of numbers comes with the counts of customers behind its cells",
            "Pass `counts=`, a table of the same shape.",
        )
    gone = shown.isna().reset_index(drop=True)
    names = [str(name) for name in shown.columns]
    flat = shown.reset_index(names=str(table.index.name or "index"), allow_duplicates=True)
    gone.insert(0, "", False, allow_duplicates=True)
    flat.columns = pd.Index([flat.columns[0], *names])
    gone.columns = flat.columns
    return flat, gone


def _plain_index(table: pd.DataFrame) -> bool:
    return table.index.name is None and isinstance(table.index, pd.RangeIndex)


def _corner(table: pd.DataFrame) -> str:
    """What rows and columns of a cross-table are."""
    rows = label(table.index.name, "column") if table.index.name is not None else ""
    columns = label(table.columns.name, "column") if table.columns.name is not None else ""
    return f"{rows} ↓ {columns} →" if rows and columns else rows or columns


def _label_column(first: Written, table: pd.DataFrame) -> Written:
    """The first column names the rows, also where it is a number."""
    return Written(first.heading, first.cells, first.number and table.shape[1] > 1)


def _any_hidden(written: Sequence[Written]) -> bool:
    return any(HIDDEN in column.cells for column in written)


def _html(written: Sequence[Written], caption: str | None, note: str) -> str:
    if not written or not written[0].cells:
        lead = f"<strong>{escape(caption)}</strong> – " if caption else ""
        return f'<p class="seg">{lead}{escape(_(EMPTY))}</p>'
    parts = ['<div class="seg"><table class="seg">']
    if caption:
        parts.append(f"<caption>{escape(caption)}</caption>")
    heads = "".join(f'<th scope="col"{_css(c)}>{escape(c.heading)}</th>' for c in written)
    parts.append(f"<thead><tr>{heads}</tr></thead>")
    rows = []
    for cells in zip(*(column.cells for column in written), strict=True):
        first = f'<th scope="row"{_css(written[0])}>{escape(cells[0])}</th>'
        rest = zip(written[1:], cells[1:], strict=True)
        rows.append(f"<tr>{first}{''.join(_cell(column, text) for column, text in rest)}</tr>")
    parts.append(f"<tbody>{''.join(rows)}</tbody></table>")
    if note:
        parts.append(f'<p class="note">{escape(note)}</p>')
    return "\n".join([*parts, "</div>"])


def _cell(column: Written, text: str) -> str:
    return f"<td{_css(column)}>{escape(text)}</td>"


def _css(column: Written) -> str:
    return ' class="number"' if column.number else ""


def _plain(written: Sequence[Written], caption: str | None, note: str) -> str:
    if not written or not written[0].cells:
        return " – ".join(filter(None, (caption, _(EMPTY))))
    blocks = []
    for column in written:
        cells = [" ".join(str(cell).split()) for cell in (column.heading, *column.cells)]
        width = max(map(text_width, cells))
        blocks.append([_pad(cell, width, column.number) for cell in cells])
    lines = ["  ".join(row).rstrip() for row in zip(*blocks, strict=True)]
    return "\n".join(filter(None, (caption, *lines, note)))


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - text_width(text))
    return space + text if right else text + space
