"""Charts of how the base ages: the share of the old in coming years, and who they will be."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.aggregates import disclosure_rules, require_aggregate
from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.language import _
from segmentation.figures.numbers import format_interval, format_number, format_percent
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS
from segmentation.figures.units import level_text

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_ageing"]

BAND, OLDEST = 10, 80
"""Years of age in a bar, and the age from which on there is one."""
LINES = ("actual", "accent", "good", "third")


def draw_ageing(projection: Any, bank: Bank | None = None, month: dt.date | None = None) -> Picture:
    """Draw the share of the old year by year, and the ages of today beside those of the last year.

    Parameters
    ----------
    projection : Ageing
        What `project_ageing` gives: ``shares`` with ``year cut share low high customers`` of at
        most four cuts, and ``table`` with ``year age customers``. Bars of fewer customers than the
        threshold of `disclosure.toml` are left out.
    bank, month : optional
        For the source below the chart; the month is that of year 0.

    Raises
    ------
    TableError
        If it is no projection, or has too many cuts.
    """
    shares, ages = _tables(projection)
    context = Context(bank, month)
    least = int(disclosure_rules()["threshold"])
    last = int(shares["year"].max())
    start = shares[shares["year"] == 0]
    few = start["share"] * start["customers"] < least
    cuts = [int(cut) for cut in start["cut"][~few]]
    bars = _bars(ages, last)
    if start["customers"].max() < least or not cuts or bars[["now", "then"]].isna().all(axis=None):
        return too_few(context)
    level = float(getattr(projection, "level", 0.95))
    finding, rest = _say(shares, cuts, last, level)
    foot = context.foot(
        _("Left: share by year; dashed is forecast, shaded its {level} limits").format(
            level=level_text(level)
        ),
        [_("right: customers by age, known ages only")],
    )
    with sheet(finding, foot, 3.6, 1, 2) as page:
        left, right = page.axes
        _paths(left, shares, cuts, last)
        _structure(right, bars, last)
        return page.picture(sentences(finding, rest))


def _tables(projection: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    shares, table = (getattr(projection, name, None) for name in ("shares", "table"))
    if not isinstance(shares, pd.DataFrame) or not isinstance(table, pd.DataFrame):
        rule = "it has shares and a table"
        raise TableError("projection", rule, "Pass what `project_ageing` gives.")
    needed = ("year", "cut", "share", "low", "high", "customers")
    missing_columns("projection", needed, list(shares.columns))
    missing_columns("projection", ("year", "age", "customers"), list(table.columns))
    require_aggregate(shares)
    require_aggregate(table.head(1))  # ages and years may be many rows
    if shares.empty or len(shares["cut"].unique()) > len(LINES):
        raise TableError("projection", "it has one to four cuts", "Project with fewer.")
    return shares, table


def _bars(ages: pd.DataFrame, last: int) -> pd.DataFrame:
    """Customers of each ten years of age today and in the last year, small ones left out."""
    known = ages[ages["age"].notna() & ages["year"].isin([0, last])]
    band = (known["age"] // BAND * BAND).clip(upper=OLDEST).astype(int)
    counts = known.assign(band=band).pivot_table(
        index="band", columns="year", values="customers", aggfunc="sum", fill_value=0
    )
    bars = counts.reindex(columns=[0, last], fill_value=0.0)
    bars = bars.set_axis(["now", "then"], axis=1).reset_index(names="band_code")
    for name in ("now", "then"):
        rounded = bars[[name]].round().rename(columns={name: "customers"})
        bars[name] = visible(rounded.assign(band=bars["band_code"].astype(str)))["customers"]
    return bars


def _say(shares: pd.DataFrame, cuts: list[int], last: int, level: float) -> tuple[str, str]:
    found = []
    for cut in cuts:
        path = shares[shares["cut"] == cut].sort_values("year")
        end = path.iloc[-1]
        texts = {
            "years": format_number(last, 0),
            "cut": format_number(cut, 0),
            "now": format_percent(float(path["share"].iloc[0])),
            "then": format_percent(float(end["share"])),
            "level": level_text(level),
            "interval": format_interval(float(end["low"]), float(end["high"])),
        }
        found.append(texts)
    finding = _(
        "If customers leave and come as now, {then} are {cut} or older in {years} years; "
        "{now} are today."
    )
    limits = _("The {level} limits are {interval}.")
    more = _("Of {cut} or older there are {now} today and {then} then ({interval}).")
    rest = [limits.format(**found[0]), *(more.format(**texts) for texts in found[1:])]
    return finding.format(**found[0]), sentences(*rest)


def _paths(axes: Any, shares: pd.DataFrame, cuts: list[int], last: int) -> None:
    for cut, name in zip(cuts, LINES, strict=False):
        colour = COLOURS[name]
        path = shares[shares["cut"] == cut].sort_values("year")
        axes.fill_between(path["year"], path["low"], path["high"], color=colour, alpha=0.18, lw=0)
        axes.plot(path["year"], path["share"], color=colour, ls=(0, (4, 2)))
        first, end = float(path["share"].iloc[0]), float(path["share"].iloc[-1])
        axes.plot(0, first, "o", color=colour, ms=7, clip_on=False, zorder=4)
        axes.annotate(
            *(format_percent(first), (0, first), (6, 13)),
            textcoords="offset points",
            color=colour,
        )
        axes.annotate(
            format_percent(end),
            (last, end),
            (5, 0),
            va="center",
            textcoords="offset points",
            color=colour,
            annotation_clip=False,
        )
        axes.annotate(
            *(_("{cut} or older").format(cut=cut), (last / 2, float(path["high"].max())), (0, 8)),
            textcoords="offset points",
            ha="center",
            color=colour,
        )
    axes.set_title(_("Share by years from now"), loc="left", color=COLOURS["ink"])
    axes.set_xlim(0, last)
    axes.set_ylim(0, min(1.0, 1.25 * float(shares.loc[shares["cut"].isin(cuts), "high"].max())))
    axes.yaxis.set_major_formatter(lambda value, _place: format_percent(value, 0))
    axes.locator_params(axis="x", integer=True, nbins=7)
    axes.locator_params(axis="y", nbins=5)
    axes.grid(True, axis="y")


def _structure(axes: Any, bars: pd.DataFrame, last: int) -> None:
    """Two bars a band: today solid, the last year hatched, as a forecast is."""
    lines = np.arange(len(bars), dtype=float)
    style = {"now": {"color": COLOURS["actual"]}, "then": {}}
    style["then"] = {"facecolor": COLOURS["ground"], "edgecolor": COLOURS["actual"]}
    style["then"]["hatch"] = "////"
    names = {
        "now": _("today"),
        "then": _("in {years} years").format(years=format_number(last, 0)),
    }
    for name, shift in (("now", 0.19), ("then", -0.19)):
        values = np.nan_to_num(bars[name].to_numpy(float))
        axes.barh(lines + shift, values, 0.36, label=names[name], **style[name])
    labels = [
        _("{age} and over").format(age=age) if age >= OLDEST else f"{age}–{age + BAND - 1}"
        for age in bars["band_code"]
    ]
    axes.set_yticks(lines, labels, color=COLOURS["ink"])
    axes.set_title(_("Customers by age"), loc="left", color=COLOURS["ink"])
    axes.xaxis.set_major_formatter(lambda value, _place: format_number(value, 0))
    axes.locator_params(axis="x", nbins=4)
    axes.grid(True, axis="x")
    axes.legend(frameon=False, loc="best", handlelength=1.4)
