"""Charts of the long tail: its heads beside its money, and who serves whom."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.aggregates import require_aggregate
from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.labels import label
from segmentation.figures.language import N_, _
from segmentation.figures.numbers import (
    format_interval,
    format_money,
    format_number,
    format_percent,
)
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, interval_dots, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS
from segmentation.figures.units import level_text

if TYPE_CHECKING:
    from segmentation.customers.workloads import Servicing
    from segmentation.data.bank import Bank

__all__ = ["draw_long_tail", "draw_servicing"]

MEASURES = {
    "customer": N_("Customers"),
    "balance": N_("Balance"),
    "turnover": N_("Turnover"),
    "movements": N_("Movements"),
}
ORDER = ("manager", "pooled", "digital", "unknown")
BAR = 0.36


def draw_long_tail(
    table: pd.DataFrame,
    bank: Bank | None = None,
    month: dt.date | None = None,
    level: float = 0.95,
) -> Picture:
    """Draw the long tail's share of customers, of balances, of turnover and of movements.

    Parameters
    ----------
    table : DataFrame
        As `long_tail_table` gives it, without groups: one row the tail's, one all others'.
    bank, month : optional
        For source and date below the chart.
    level : float
        Confidence of the intervals, as `long_tail_table` was asked for.

    Raises
    ------
    TableError
        If the table is customer-level, lacks a column or rows, or has groups.

    Examples
    --------
    >>> shares = {f"{name}_share{end}": [share, 1 - share]
    ...           for name, share in (("customer", 0.5), ("balance", 0.02), ("turnover", 0.01),
    ...                               ("movements", 0.1)) for end in ("", "_low", "_high")}
    >>> draw_long_tail(pd.DataFrame({"long_tail": [True, False], "customers": 150} | shares))
    50.0% of customers are in the long tail and hold 2.0% of balances. Of turnover they make 1.0%, \
of movements 10.0%.
    """
    ends = [f"{name}_share{end}" for name in MEASURES for end in ("", "_low", "_high")]
    shown = visible(table, "long_tail", *ends)
    if table["long_tail"].duplicated().any():
        raise TableError("table", "it is without groups", "Draw one of them.", "long_tail")
    inside = shown[table["long_tail"].astype(bool)]
    if shown["customers"].isna().any() or inside.empty:
        return too_few(Context(bank, month))
    row = inside.iloc[0]
    values = pd.DataFrame(
        [[row[f"{name}_share{end}"] for end in ("", "_low", "_high")] for name in MEASURES],
        columns=["share", "low", "high"],
    )
    texts = {name: _share(row[f"{name}_share"]) for name in MEASURES}
    finding = _("{customer} of customers are in the long tail and hold {balance} of balances.")
    rest = _("Of turnover they make {turnover}, of movements {movements}.")
    foot = Context(bank, month).foot(_("Share of the long tail; lines: {level} intervals"))
    foot = foot.format(level=level_text(level))
    with sheet(finding.format(**texts), foot, 2.4) as page:
        (axes,) = page.axes
        places = np.arange(len(values))[::-1].astype(float)
        colours = [COLOURS["light"], *[COLOURS["actual"]] * 3]
        axes.barh(places, np.nan_to_num(values["share"]), 0.5, color=colours)
        interval_dots(axes, places.tolist(), values, format_percent, "soft", size=0.0)
        axes.set_yticks(places, [_(text) for text in MEASURES.values()], color=COLOURS["ink"])
        axes.set_xlim(0, max(float(np.nanmax(values["high"])) * 1.15, 0.01))
        axes.xaxis.set_major_formatter(lambda share, _place: format_percent(share, 0))
        axes.locator_params(axis="x", nbins=6)
        axes.grid(True, axis="x")
        return page.picture(sentences(finding.format(**texts), rest.format(**texts)))


def _share(value: float) -> str:
    return format_percent(None if np.isnan(value) else value)


def draw_servicing(
    served: Servicing | pd.DataFrame, bank: Bank | None = None, month: dt.date | None = None
) -> Picture:
    """Draw who serves whom: each channel's share of customers beside its share of minutes.

    Parameters
    ----------
    served : Servicing or DataFrame
        What `servicing` gives, or its table: ``served_by customers minutes value value_low
        value_high``; groups are added up.
    bank, month : optional
        For currency, source and date.

    Raises
    ------
    TableError
        If the table is customer-level, or lacks a column or rows.

    Examples
    --------
    >>> draw_servicing(pd.DataFrame({"served_by": ["manager", "digital"], "customers": [100, 900],
    ...     "minutes": [2000.0, 180.0], "value": [12_000.0, 0.0], "value_low": [4_000.0, 0.0],
    ...     "value_high": [20_000.0, 0.0]}))
    Relationship manager: 10.0% of customers, 91.7% of the minutes. Serving as planned adds \
¥12,000 a month over serving all digitally (¥4,000 to ¥20,000 at the ends of the assumed gains).
    """
    table = served if isinstance(served, pd.DataFrame) else getattr(served, "table", None)
    if not isinstance(table, pd.DataFrame):
        raise TableError("served", "it is a Servicing", "Pass what `servicing` gives.")
    amounts = ["minutes", "value", "value_low", "value_high"]
    require_aggregate(table)
    missing_columns("served", ["served_by", "customers", *amounts], list(table.columns))
    if table.empty:
        raise TableError("served", "there is something to draw", "Pass a table with rows.")
    sums = table.groupby("served_by", sort=False)[["customers", *amounts]].sum()
    order = [name for name in ORDER if name in sums.index]
    order = [*(name for name in sums.index if name not in ORDER), *order]
    sums = sums.loc[order].reset_index()
    shown = visible(sums, "served_by")
    context = Context(bank, month)
    if shown["customers"].isna().all() or not shown["minutes"].sum() > 0:
        return too_few(context)
    heads, minutes = (sums[name].sum() for name in ("customers", "minutes"))
    shares = pd.DataFrame({"heads": shown["customers"] / heads, "time": shown["minutes"] / minutes})
    names = [label(key) for key in shown["served_by"]]
    finding, rest = _served_sentences(sums, shown, shares, names, context.currency)
    foot = context.foot(_("Share of customers and of minutes; gains of a channel are assumption"))
    with sheet(finding, foot, 0.62 * len(shown) + 0.75) as page:
        (axes,) = page.axes
        _pairs(axes, shares, shown, names)
        return page.picture(sentences(finding, rest))


def _served_sentences(
    sums: pd.DataFrame, shown: pd.DataFrame, shares: pd.DataFrame, names: list[str], currency: str
) -> tuple[str, str]:
    """What the dearest channel serves and takes, and what serving by the plan adds."""
    dear = [
        place for place, key in enumerate(sums["served_by"]) if key not in ("digital", "unknown")
    ]
    dear = [place for place in dear if not np.isnan(shares["heads"].iloc[place])]
    if dear:
        finding = _("{channel}: {share} of customers, {time} of the minutes.").format(
            channel=names[dear[0]],
            share=format_percent(shares["heads"].iloc[dear[0]]),
            time=format_percent(shares["time"].iloc[dear[0]]),
        )
    else:
        finding = _("Digital channels alone serve the customers shown.")
    if shown["value"].isna().any():
        return finding, ""
    rest = _(
        "Serving as planned adds {value} a month over serving all digitally "
        "({interval} at the ends of the assumed gains)."
    )
    total = {name: float(sums[name].sum()) for name in ("value", "value_low", "value_high")}
    interval = format_interval(total["value_low"], total["value_high"], "money", currency=currency)
    return finding, rest.format(value=format_money(total["value"], currency), interval=interval)


def _pairs(axes: Any, shares: pd.DataFrame, shown: pd.DataFrame, names: list[str]) -> None:
    """Two bars a channel, its customers light above its minutes, and their numbers."""
    from matplotlib.patches import Patch

    places = np.arange(len(shares))[::-1].astype(float)
    of = {"heads": ("customers", "light", BAR / 2), "time": ("minutes", "actual", -BAR / 2)}
    for name, (count, colour, shift) in of.items():
        values = shares[name].to_numpy(float)
        axes.barh(places + shift, np.nan_to_num(values), BAR, color=COLOURS[colour])
        for place, value, number in zip(places + shift, values, shown[count], strict=True):
            text = "·" if np.isnan(value) else f"{format_percent(value)} ({_whole(number)})"
            axes.annotate(
                text,
                (np.nan_to_num(value), place),
                (5, 0),
                va="center",
                textcoords="offset points",
                annotation_clip=False,
            )
    axes.set_yticks(places, names, color=COLOURS["ink"])
    axes.set_xlim(0, 1.45 * max(float(np.nanmax(shares.to_numpy(float))), 0.01))
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    texts = {"light": _("Share of customers"), "actual": _("Share of minutes a month")}
    axes.legend(
        handles=[Patch(color=COLOURS[colour], label=text) for colour, text in texts.items()],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        borderaxespad=0,
        handlelength=1.2,
    )


def _whole(number: float) -> str:
    return format_number(number, 0, exact=True)
