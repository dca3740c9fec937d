"""Charts of where movement leads: the tiers of the coming periods."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd

from segmentation.data.aggregates import disclosure_rules, require_aggregate
from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.labels import label
from segmentation.figures.language import _
from segmentation.figures.numbers import (
    format_interval,
    format_number,
    format_percent,
)
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet, too_few
from segmentation.figures.style import COLOURS

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_projection"]

STATES = ("entered", "left", "unknown")
"""States that are no tier."""


def draw_projection(
    table: pd.DataFrame, bank: Bank | None = None, month: dt.date | None = None
) -> Picture:
    """Draw expected customers a tier over the coming periods, with limits, one panel a tier.

    Tiers that begin with fewer customers than the threshold of `disclosure.toml` are left out.

    Parameters
    ----------
    table : DataFrame
        As `project` gives it: ``period state customers low high``.
    bank, month : optional
        For the source below the chart; the month is that of period 0.

    Raises
    ------
    TableError
        If the table is customer-level, lacks a column, or has no rows.
    """
    require_aggregate(table)
    missing_columns("table", ["period", "state", "customers", "low", "high"], list(table.columns))
    if table.empty:
        raise TableError("table", "it has rows", "Pass what `project` gives.")
    least = int(disclosure_rules()["threshold"])
    start = table[table["period"] == 0].set_index("state")["customers"]
    states = [s for s in start.index if start[s] >= least and s not in STATES]
    if not states:
        return too_few(Context(bank, month))
    last = int(table["period"].max())
    end = table[table["period"] == last].set_index("state")
    change = (end["customers"] / start - 1).loc[states]
    most = str(change.abs().idxmax())
    texts = {
        "tier": label(most, "tier"),
        "start": format_number(start[most], 0, exact=True),
        "end": format_number(end["customers"][most], 0, exact=True),
        "interval": format_interval(end["low"][most], end["high"][most], "number", 0),
        "change": f"{'+' if change[most] > 0 else ''}{format_percent(change[most])}",
        "periods": format_number(last, 0),
    }
    finding = _(
        "If moves go on as they were, {tier} goes from {start} to {end} customers "
        "in {periods} periods ({change})."
    )
    finding = finding.format(**texts)
    rest = _("The 95% limits are {interval}.").format(**texts)
    foot = Context(bank, month).foot(
        _("Customers; dashed is forecast, shaded its 95% limits; no new customers")
    )
    rows = (len(states) + 1) // 2
    with sheet(finding, foot, 1.55 * rows + 0.2, rows, 2, sharex=True) as page:
        for axes, state in zip(page.axes, states, strict=False):
            path = table[table["state"] == state].sort_values("period")
            axes.fill_between(
                path["period"], path["low"], path["high"], color=COLOURS["light"], alpha=0.6, lw=0
            )
            axes.plot(path["period"], path["customers"], color=COLOURS["actual"], ls=(0, (4, 2)))
            axes.plot(0, start[state], "o", color=COLOURS["actual"], ms=7, clip_on=False, zorder=4)
            value = format_number(path["customers"].iloc[-1], 0, exact=True)
            axes.annotate(
                value,
                (last, path["customers"].iloc[-1]),
                (5, 0),
                va="center",
                textcoords="offset points",
                annotation_clip=False,
            )
            axes.set_title(
                f"{label(state, 'tier')}: {format_number(start[state], 0, exact=True)}",
                loc="left",
                color=COLOURS["ink"],
            )
            axes.yaxis.set_major_formatter(
                lambda value, _place: format_number(value, 0, exact=True)
            )
            axes.locator_params(axis="y", nbins=4)
            axes.locator_params(axis="x", integer=True, nbins=7)
            axes.set_xlim(0, last)
            axes.margins(y=0.15)
            axes.grid(True, axis="y")
        for axes in page.axes[len(states) :]:
            axes.set_axis_off()
        return page.picture(sentences(finding, rest))
