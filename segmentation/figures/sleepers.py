"""Charts of who sleeps, by which definition, and of how many wake by themselves."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.labels import label
from segmentation.figures.language import N_, _
from segmentation.figures.numbers import (
    format_interval,
    format_month,
    format_number,
    format_percent,
)
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, interval_dots, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS
from segmentation.figures.units import level_text

if TYPE_CHECKING:
    from segmentation.customers.reactivations import Reactivation
    from segmentation.data.bank import Bank

__all__ = ["draw_dormancy", "draw_reactivation"]

LINE = 0.42
"""Inches a line."""
UNTOLD = N_("These tables do not reach back far enough to tell who is dormant.")
COUNTS = ("customers", "dormant", "unknown", "share", "low", "high")


def draw_dormancy(
    table: pd.DataFrame,
    bank: Bank | None = None,
    month: dt.date | None = None,
    level: float = 0.95,
) -> Picture:
    """Draw the share of customers that is dormant by each definition, or in each group.

    Where the tables cannot tell of some customers, the bounds of the share are drawn hollow.

    Parameters
    ----------
    table : DataFrame
        As `dormancy_table` gives it: ``rule definition customers dormant unknown share low high``,
        one row a definition, or one definition and a row a group.
    bank, month : optional
        For source and date below the chart.
    level : float
        Confidence of the intervals, as `dormancy_table` was asked for.

    Raises
    ------
    TableError
        If the table is customer-level, lacks a column or rows, or has several definitions of
        several groups.

    Examples
    --------
    >>> draw_dormancy(pd.DataFrame({"rule": ["a", "b"], "definition": ["10 yuan", "100 yuan"],
    ...     "customers": 1000, "dormant": [200, 400], "unknown": 0, "share": [0.2, 0.4],
    ...     "low": [0.176, 0.370], "high": [0.226, 0.431]}))
    From 20.0% (10 yuan) to 40.0% (100 yuan) of customers are dormant: the definition decides.
    """
    missing_columns("table", ("rule", "definition", *COUNTS), list(table.columns))
    shown = visible(table, *COUNTS[1:])
    names = [str(name) for name in table.columns]
    group = names[names.index("definition") + 1]
    if group == "customers":
        lines = [label(name) for name in shown["definition"]]
    elif len(set(table["rule"])) == 1:
        lines = [label(name, group) for name in shown[group]]
    else:
        rule = "it has several definitions, or one and several groups"
        raise TableError("table", rule, "Draw one definition of them.")
    if len(table) > 40:
        raise TableError("table", "it has at most forty rows", "Draw some of them.")
    if shown["customers"].isna().all():
        return too_few(Context(bank, month))
    known, told = shown["share"].notna(), shown["customers"].notna()
    finding = (
        _by_definition(shown, lines, level)
        if group == "customers"
        else _by_group(shown, lines, label(table["definition"].iloc[0]))
    )
    rest = ""
    if (told & ~known).any():
        rest = _("Where movements do not reach back far enough, only bounds can be given.")
    foot = Context(bank, month).foot(
        _("Share of customers; {level} intervals; hollow: bounds, where the tables cannot tell")
        if (told & ~known).any()
        else _("Share of customers; {level} intervals")
    )
    with sheet(finding, foot.format(level=level_text(level)), LINE * len(shown) + 0.5) as page:
        (axes,) = page.axes
        places = np.arange(len(shown))[::-1].astype(float)
        interval_dots(axes, places.tolist(), shown, format_percent)
        hollow = (told & ~known).to_numpy()
        limits = shown[["low", "high"]].to_numpy(float)
        for place, (low, high) in zip(places[hollow], limits[hollow], strict=True):
            _bounds(axes, place, low, high)
        _lines(axes, places, lines, float(np.nanmax(shown["high"])))
        return page.picture(sentences(finding, rest))


def _by_definition(shown: pd.DataFrame, lines: list[str], level: float) -> str:
    """The lowest and the highest share of those definitions that are for as many customers."""
    known = shown["share"].notna().to_numpy()
    if not known.any():
        return _(UNTOLD)
    heads = shown["customers"].to_numpy(float)
    places = np.flatnonzero(known & (heads == np.nanmax(heads[known])))
    share = shown["share"].to_numpy(float)[places]
    low, high = places[int(share.argmin())], places[int(share.argmax())]
    texts = {
        "least": format_percent(share.min()),
        "lower": lines[low],
        "most": format_percent(share.max()),
        "upper": lines[high],
        "level": level_text(level),
        "interval": format_interval(shown["low"].iloc[low], shown["high"].iloc[low]),
    }
    if low == high:
        text = _("{least} of customers are dormant: {lower} ({level} interval {interval}).")
    else:
        text = _(
            "From {least} ({lower}) to {most} ({upper}) of customers are dormant: "
            "the definition decides."
        )
    return text.format(**texts)


def _by_group(shown: pd.DataFrame, lines: list[str], definition: str) -> str:
    share = shown["share"].to_numpy(float)
    if np.isnan(share).all():
        return _(UNTOLD)
    low, high = int(np.nanargmin(share)), int(np.nanargmax(share))
    text = _("By “{definition}” {most} of {upper} are dormant, and {least} of {lower}.")
    apart = shown["low"].iloc[high] > shown["high"].iloc[low]
    note = "" if apart or low == high else _("Their intervals overlap.")
    finding = text.format(
        definition=definition,
        most=format_percent(share[high]),
        upper=lines[high],
        least=format_percent(share[low]),
        lower=lines[low],
    )
    return sentences(finding, note)


def draw_reactivation(
    hazard: Reactivation, bank: Bank | None = None, month: dt.date | None = None
) -> Picture:
    """Draw how many who sleep wake by themselves: by month, or by group where there are groups.

    Parameters
    ----------
    hazard : Reactivation
        What `reactivation` gives.
    bank, month : optional
        For source and date below the chart; by default the last month looked at.

    Raises
    ------
    TableError
        If it is none, or has too many groups.
    """
    if not isinstance(getattr(hazard, "table", None), pd.DataFrame):
        raise TableError("hazard", "it is a Reactivation", "Pass what `reactivation` gives.")
    context = Context(bank, month or hazard.end)
    if hazard.by is None:
        months = hazard.table
        steps = months.assign(
            customers=months["at_risk"], share=months["hazard"], of=months["month"]
        )
    else:
        groups = hazard.groups
        steps = groups.assign(share=groups["base_rate"], of=groups[hazard.by])
    if hazard.unknown and not hazard.customers:
        return _untold(context)
    if steps.empty or not np.isfinite(hazard.base_rate):
        return too_few(context)
    shown = visible(steps[["of", "customers", "share", "low", "high"]], "share", "low", "high")
    if shown["share"].isna().all():
        return too_few(context)
    if len(shown) > 40:
        raise TableError("hazard", "it has at most forty lines", "Merge groups.")
    lines = (
        [format_month(day, short=True) for day in shown["of"]]
        if hazard.by is None
        else [label(name, hazard.by) for name in shown["of"]]
    )
    texts = {
        "rate": format_percent(hazard.base_rate, 2),
        "level": level_text(hazard.level),
        "interval": format_interval(hazard.low, hazard.high, digits=2),
        "n": format_number(hazard.customers, 0, exact=True),
    }
    finding = _(
        "{rate} of those asleep wake by themselves in a month: a campaign must beat this rate."
    ).format(**texts)
    rest = _("The {level} interval is {interval}; {n} customers slept at the start.").format(
        **texts
    )
    foot = context.foot(
        _("Share of sleeping customers who move again in the month; {level} intervals; line: all")
    ).format(**texts)
    with sheet(finding, foot, LINE * len(shown) + 0.5) as page:
        (axes,) = page.axes
        places = np.arange(len(shown))[::-1].astype(float)
        axes.axvspan(hazard.low, hazard.high, color=COLOURS["light"], alpha=0.5, lw=0)
        axes.axvline(hazard.base_rate, color=COLOURS["accent"], lw=1.6)
        interval_dots(axes, places.tolist(), shown, lambda share: format_percent(share, 2))
        _lines(axes, places, lines, float(np.nanmax(shown["high"])))
        return page.picture(sentences(finding, rest, _most(shown, lines, hazard.by)))


def _untold(context: Context) -> Picture:
    """A picture that says that the tables tell of nobody."""
    with sheet(_(UNTOLD), context.foot(""), 0.3) as page:
        page.axes[0].set_axis_off()
        return page.picture(_(UNTOLD))


def _most(shown: pd.DataFrame, lines: list[str], by: str | None) -> str:
    """Which group wakes most often, where there are groups."""
    share = shown["share"].to_numpy(float)
    if by is None or np.isfinite(share).sum() < 2:
        return ""
    low, high = int(np.nanargmin(share)), int(np.nanargmax(share))
    return _("Most often {upper} ({most}), least often {lower} ({least}).").format(
        upper=lines[high],
        most=format_percent(share[high], 2),
        lower=lines[low],
        least=format_percent(share[low], 2),
    )


def _bounds(axes: Any, place: float, low: float, high: float) -> None:
    """Limits between which nothing is known, hollow."""
    axes.barh(
        place, high - low, 0.34, left=low, fill=False, ec=COLOURS["soft"], lw=1.2, ls=(0, (3, 2))
    )
    axes.annotate(
        format_interval(low, high),
        (high, place),
        (7, 0),
        textcoords="offset points",
        va="center",
        color=COLOURS["soft"],
        annotation_clip=False,
    )


def _lines(axes: Any, places: Any, names: list[str], high: float) -> None:
    axes.set_yticks(places, names, color=COLOURS["ink"])
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(0, high * 1.28 if high > 0 else 1)
    axes.xaxis.set_major_formatter(
        lambda share, _place: format_percent(share, 0 if high > 0.04 else 1)
    )
    axes.locator_params(axis="x", nbins=6)
    axes.grid(True, axis="x")
