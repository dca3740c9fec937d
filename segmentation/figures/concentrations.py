"""Charts of concentration: how much of the money how few hold."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd

from segmentation.data.aggregates import disclosure_rules
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
    from segmentation.customers.concentrations import Concentration
    from segmentation.data.bank import Bank

__all__ = ["draw_lorenz"]


def draw_lorenz(
    concentration: Concentration, bank: Bank | None = None, month: dt.date | None = None
) -> Picture:
    """Draw the Lorenz curve of a concentration, with its Gini coefficient.

    Points that would tell what fewer customers hold than the threshold of `disclosure.toml` are
    left out.

    Parameters
    ----------
    concentration : Concentration
        As `concentration` gives it.
    bank, month : optional
        For source and date below the chart.
    """
    least = int(disclosure_rules()["threshold"])
    tops = concentration.top_shares
    tops = tops[tops["customers"] >= least].reset_index(drop=True)
    if concentration.n < 2 * least or tops.empty:
        return too_few(Context(bank, month))
    curve = _shown_points(concentration, least)
    top = tops.iloc[int((tops["top"] - 0.02).abs().argmin())]
    texts = {
        "top": format_percent(top["top"], 0),
        "share": format_percent(top["share"]),
        "interval": format_interval(top["low"], top["high"]),
        "gini": format_number(concentration.gini, 2),
        "spread": format_interval(concentration.low, concentration.high, "number", 2),
    }
    finding = _("The richest {top} of customers hold {share} of AUM.").format(**texts)
    foot = Context(bank, month).foot(
        _("Cumulated shares, smallest AUM first; {n} customers").format(
            n=format_number(concentration.n, 0, exact=True)
        )
    )
    with sheet(finding, foot, 4.3) as page:
        (axes,) = page.axes
        axes.plot([0, 1], [0, 1], color=COLOURS["previous"], lw=1.4)
        axes.annotate(
            _("all hold the same"),
            (0.42, 0.42),
            (-6, 6),
            ha="right",
            color=COLOURS["soft"],
            textcoords="offset points",
        )
        axes.plot(curve["customer_share"], curve["value_share"], color=COLOURS["actual"], lw=2.6)
        axes.fill_between(
            curve["customer_share"],
            curve["value_share"],
            curve["customer_share"],
            color=COLOURS["light"],
            alpha=0.35,
            lw=0,
        )
        axes.plot(1 - top["top"], 1 - top["share"], "o", color=COLOURS["accent"], ms=9, zorder=4)
        low_enough = top["share"] > 0.35
        text = _("richest {top}: {share}\n(95%: {interval})").format(**texts)
        axes.annotate(
            text,
            (1 - top["top"], 1 - top["share"]),
            (-14, 16 if low_enough else -12),
            ha="right",
            va="bottom" if low_enough else "top",
            color=COLOURS["accent"],
            textcoords="offset points",
            linespacing=1.35,
        )
        gini = _("Gini {gini} (95%: {spread})").format(**texts)
        axes.annotate(gini, (0.05, 0.9), xycoords="axes fraction", color=COLOURS["actual"], size=13)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _place: format_percent(value, 0))
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=_("Share of customers"), ylabel=_("Share of AUM"))
        axes.grid(True)
        rest = _("The Gini coefficient is {gini} (95% interval {spread}).").format(**texts)
        return page.picture(sentences(finding, rest))


def _shown_points(concentration: Concentration, least: int) -> pd.DataFrame:
    """Return the points of a curve that leave at least `least` customers on either side."""
    curve = concentration.curve
    heads = curve["customer_share"].to_numpy(float) * concentration.n
    ends = (curve["customer_share"] == 0) | (curve["customer_share"] == 1)
    inside = (heads >= least) & (concentration.n - heads >= least)
    return curve[inside | ends]
