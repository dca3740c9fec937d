"""Charts of the month-end lift of deposits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from segmentation.figures.labels import label
from segmentation.figures.language import _
from segmentation.figures.numbers import (
    format_month,
    format_number,
    format_percent,
)
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet, visible
from segmentation.figures.style import COLOURS

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_lift"]


def draw_lift(table: pd.DataFrame, limit: float = 0.04, bank: Bank | None = None) -> Picture:
    """Draw the month-end lift of deposits by month, a line a branch, with the limit.

    Parameters
    ----------
    table : DataFrame
        As `month_end_lift` gives it: ``month <group> customers lift flagged``.
    limit : float
        The limit to draw.
    bank : Bank, optional
        For the source below the chart.

    Raises
    ------
    TableError
        If the table is customer-level, lacks a column or has no rows.
    """
    shown = visible(table, "month", "lift")
    group = next((c for c in ("branch_id", *shown.columns[1:2]) if c in shown.columns), "month")
    wide = shown.set_index(["month", group])["lift"].unstack(group).sort_index()  # noqa: PD010
    above = wide > limit + 1e-12
    counts = above.sum()
    worst = str(counts.idxmax())
    texts = {
        "n": format_number(float(above.to_numpy().sum()), 0),
        "all": format_number(float(wide.notna().to_numpy().sum()), 0),
        "limit": format_percent(limit, 0),
        "branch": label(worst, group),
        "times": format_number(float(counts.max()), 0),
        "months": format_number(float(wide[worst].notna().sum()), 0),
        "highest": format_percent(float(np.nanmax(wide.to_numpy()))),
    }
    if not above.to_numpy().any():
        finding = _("Deposits at month-end never stand more than {limit} above the daily average.")
        rest = _("The highest lift is {highest}.")
    else:
        finding = _(
            "{n} of {all} month-ends stand more than {limit} above the daily average, "
            "most often at {branch}."
        )
        rest = _(
            "{branch} is above the limit in {times} of {months} months; "
            "the highest lift is {highest}."
        )
    finding, rest = finding.format(**texts), rest.format(**texts)
    foot = Context(bank).foot(
        _("Lift: month-end over daily-average deposits, less 1; a line a branch")
    )
    with sheet(finding, foot, 3.6) as page:
        (axes,) = page.axes
        months = pd.to_datetime(wide.index)
        places = np.arange(len(months))
        for name in wide.columns:
            mark = name == worst and counts.max() > 0
            axes.plot(
                places,
                wide[name],
                color=COLOURS["accent" if mark else "previous"],
                lw=2.4 if mark else 1.0,
                alpha=1.0 if mark else 0.75,
                zorder=3 if mark else 2,
            )
        axes.axhline(limit, color=COLOURS["ink"], lw=1.3, ls=(0, (5, 3)), zorder=4)
        axes.axhline(0, color=COLOURS["soft"], lw=0.8)
        axes.annotate(
            _("limit {limit}").format(**texts),
            (1, limit),
            (2, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        )
        if counts.max() > 0:
            axes.annotate(
                texts["branch"],
                (1, float(wide[worst].dropna().iloc[-1])),
                (2, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                color=COLOURS["accent"],
                annotation_clip=False,
            )
        every = max(1, -(-len(months) // 6))
        axes.set_xticks(places[::every], [format_month(m, short=True) for m in months[::every]])
        axes.set_xlim(0, max(len(months) - 1, 1))
        axes.yaxis.set_major_formatter(lambda value, _place: format_percent(value, 0))
        axes.grid(True, axis="y")
        return page.picture(sentences(finding, rest))
