"""Sheets: a chart with its finding above, and unit, date and source below."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.aggregates import disclosure_rules, require_aggregate
from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.language import _
from segmentation.figures.numbers import format_month
from segmentation.figures.pictures import Picture
from segmentation.figures.style import COLOURS, WIDTH, styled, text_width, wrap

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["Context", "Sheet", "interval_dots", "sentences", "sheet", "too_few", "visible"]

TITLE, FOOT = 15.0, 10.5
"""Points of the finding and of the foot."""
MARGIN = 0.12
"""Inches around."""


@dataclass(frozen=True)
class Context:
    """What a chart is about: whose tables, and which month."""

    bank: Bank | None = None
    month: dt.date | None = None

    @property
    def currency(self) -> str:
        """ISO code of the money."""
        return "CNY" if self.bank is None else self.bank.currency

    def foot(self, unit: str, notes: Iterable[str] = ()) -> str:
        """Return unit, month, source and notes in one line."""
        month = "" if self.month is None else format_month(self.month)
        source = "" if self.bank is None else source_of(self.bank)
        return " · ".join(part for part in (unit, *notes, month, source) if part)


def source_of(bank: Bank) -> str:
    """Where a bank's tables come from, in the language of the moment."""
    made, number = _("Simulated branch network, seed {seed}"), bank.source.rpartition(" ")[2]
    if bank.source == f"Simulated branch network, seed {number}":
        return made.format(seed=number)
    return _(bank.source)


@dataclass
class Sheet:
    """A figure under way, its axes, and how to end it."""

    figure: Any
    axes: list[Any]

    def picture(self, alt: str) -> Picture:
        """Return the finished picture."""
        return Picture(self.figure, alt)


@contextmanager
def sheet(
    finding: str,
    foot: str,
    height: float,
    rows: int = 1,
    columns: int = 1,
    **options: Any,
) -> Iterator[Sheet]:
    """Draw on a sheet of the width of a page; `height` is that of the charts, in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    lines, below = wrap(finding, _columns(TITLE)), wrap(foot, _columns(FOOT))
    head = _tall(lines, TITLE) + 0.14
    tail = _tall(below, FOOT) + 0.12
    total = head + height + tail + 2 * MARGIN
    with styled():
        edge, base = MARGIN / WIDTH, (MARGIN + tail) / total
        room = ConstrainedLayoutEngine(
            rect=(edge, base, 1 - 2 * edge, height / total), w_pad=0.05, h_pad=0.05
        )
        figure = Figure(figsize=(WIDTH, total), layout=room)
        place: dict[str, Any] = {"va": "top", "ha": "left", "linespacing": 1.25}
        top = 1 - MARGIN / total
        figure.text(edge, top, lines, size=TITLE, color=COLOURS["ink"], **place)
        figure.text(
            edge, (MARGIN + tail - 0.1) / total, below, size=FOOT, color=COLOURS["soft"], **place
        )
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        yield Sheet(figure, list(axes.flat))


def too_few(context: Context) -> Picture:
    """A picture that says that no group is large enough to be drawn.

    A small bank gets its report all the same, with the chart's place taken by this sentence.
    """
    with sheet(_("Too few customers to draw."), context.foot(""), 0.3) as page:
        page.axes[0].set_axis_off()
        return page.picture(_("Too few customers to draw."))


def _columns(size: float) -> int:
    """Columns of text that fit the width; a Chinese character of n points takes n points."""
    return int((WIDTH - 2 * MARGIN) * 72 / size * 1.78)


def _tall(text: str, size: float) -> float:
    return (text.count("\n") + 1) * size * 1.25 / 72


def visible(table: pd.DataFrame, *columns: str, counts: str = "customers") -> pd.DataFrame:
    """Return an aggregate whose small groups are empty, as a table of a page would hide them.

    Raises
    ------
    TableError
        If it is customer-level, lacks a column, or has no rows.
    """
    require_aggregate(table)
    missing_columns("table", [counts, *columns], list(table.columns))
    if table.empty:
        raise TableError("table", "there is something to draw", "Pass a table with rows.")
    least = int(disclosure_rules()["threshold"])
    heads = table[counts].to_numpy(float, na_value=np.nan)
    hidden = np.isnan(heads) | ((heads > 0) & (heads < least))
    if not hidden.any():
        return table
    while True:
        before = hidden.copy()
        for group in _groups(table):
            _hide_rest(hidden, heads, group, least)
        if (before == hidden).all():
            break
    numbers = [c for c in table.columns if pd.api.types.is_numeric_dtype(table[c])]
    kept = table.copy()
    kept[numbers] = kept[numbers].astype(float)
    kept.loc[hidden, [c for c in numbers if not str(c).endswith("_code")]] = np.nan
    return kept


def _groups(table: pd.DataFrame) -> Iterator[Any]:
    """Rows of each total that may be known: all, and all that share a label."""
    yield np.arange(len(table))
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            codes = pd.factorize(table[name].astype(str))[0]
            for code in range(codes.max() + 1):
                rows = np.flatnonzero(codes == code)
                if 1 < len(rows) < len(table):
                    yield rows


def _hide_rest(hidden: Any, heads: Any, group: Any, least: int) -> None:
    """Hide the next smallest rows, or the total of the group would tell the hidden one."""
    if not hidden[group].any():
        return
    for row in sorted(group[~hidden[group]], key=lambda row: (heads[row] == 0, heads[row], row)):
        mine = group[hidden[group]]
        if len(mine) >= 2 and (np.nansum(heads[mine]) >= least or heads[row] == 0):
            break
        hidden[row] = True


def interval_dots(
    axes: Any,
    places: Sequence[float],
    table: pd.DataFrame,
    write: Callable[[float], str],
    colour: str = "actual",
    names: tuple[str, str, str] = ("share", "low", "high"),
    **options: Any,
) -> None:
    """Draw estimates as dots with their intervals and numbers, one to a line."""
    marker = {"marker": "o", "size": 7.0, "face": COLOURS[colour]} | options
    for place, (value, low, high) in zip(places, table[list(names)].to_numpy(float), strict=True):
        if np.isnan(value):
            continue
        axes.plot([low, high], [place, place], color=COLOURS[colour], lw=2.2, solid_capstyle="butt")
        axes.plot(
            value,
            place,
            marker["marker"],
            ms=marker["size"],
            mfc=marker["face"],
            mec=COLOURS[colour],
            mew=1.6,
            zorder=3,
        )
        text = write(value)
        axes.annotate(
            text,
            (high, place),
            (7, 0),
            textcoords="offset points",
            va="center",
            color=COLOURS["ink"],
            annotation_clip=False,
        )


def sentences(*parts: str) -> str:
    """Join sentences; Chinese ones have no space between."""
    texts = [part for part in parts if part]
    return "".join(
        text + (" " if n < len(texts) - 1 and text_width(text[-1]) == 1 else "")
        for n, text in enumerate(texts)
    )
