"""Charts of who the customers are: what tiers hold, and by which balance."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.errors import missing_columns
from segmentation.figures.labels import label
from segmentation.figures.language import _
from segmentation.figures.numbers import (
    format_number,
    format_percent,
)
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, interval_dots, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_basis", "draw_penetration", "draw_tiers"]

BAR = 0.36


def draw_tiers(
    table: pd.DataFrame, bank: Bank | None = None, month: dt.date | None = None
) -> Picture:
    """Draw each tier's share of customers beside its share of AUM.

    Parameters
    ----------
    table : DataFrame
        As `tier_table` gives it: ``tier customers customer_share aum_share``.
    bank : Bank, optional
        For the source below the chart.
    month : date, optional
        For the date below the chart.

    Raises
    ------
    TableError
        If the table is customer-level, or lacks a column or rows.

    Examples
    --------
    >>> draw_tiers(pd.DataFrame({"tier": ["Basic", "Wealth"], "customers": [900, 100],
    ...                          "customer_share": [0.9, 0.1], "aum_share": [0.2, 0.8]}))
    10.0% of customers hold 80.0% of AUM: Wealth. 90.0% are Basic and hold 20.0%.
    """
    shown = visible(table, "tier", "customer_share", "aum_share")
    if shown["customer_share"].isna().all():
        return too_few(Context(bank, month))
    names = [
        label(tier, "tier") if isinstance(tier, str) else label("unknown") for tier in shown["tier"]
    ]
    finding, rest = _tier_sentences(shown, names)
    foot = Context(bank, month).foot(
        _("Share of customers and of AUM, by month-average AUM")
        if bank is None or bank.has("balances", "average")
        else _("Share of customers and of AUM, by month-end AUM")
    )
    with sheet(finding, foot, 0.62 * len(shown) + 0.75) as page:
        (axes,) = page.axes
        texts = {
            column: ["·" if np.isnan(v) else format_percent(v) for v in shown[column]]
            for column in ("aum_share", "customer_share")
        }
        _pairs(axes, shown, names, texts, 1.12)
        _bare(axes)
        _key(page.figure, axes, [("light", _("Share of customers")), ("actual", _("Share of AUM"))])
        return page.picture(sentences(finding, rest))


def _tier_sentences(shown: pd.DataFrame, names: list[str]) -> tuple[str, str]:
    """Who holds most of the money, and where most customers are."""
    rich = shown["aum_share"].to_numpy(float)
    many = shown["customer_share"].to_numpy(float)
    crowd = int(np.nanargmax(many))
    rest = _("{customers} are {tier} and hold {aum}.").format(
        customers=format_percent(many[crowd]), tier=names[crowd], aum=format_percent(rich[crowd])
    )
    known = [place for place in range(len(shown)) if isinstance(shown["tier"].iloc[place], str)]
    held = heads = 0.0
    for place in reversed(known):
        held, heads = held + rich[place], heads + many[place]
        if np.isnan(held) or held >= 0.5:
            break
    if np.isnan(held):
        place = int(np.nanargmax(rich))
        held, heads = rich[place], many[place]
        tiers = names[place]
    elif place == known[-1]:
        tiers = names[place]
    else:
        tiers = _("{tier} and above").format(tier=names[place])
    finding = _("{customers} of customers hold {aum} of AUM: {tiers}.").format(
        customers=format_percent(heads), aum=format_percent(held), tiers=tiers
    )
    return finding, rest


def draw_penetration(
    table: pd.DataFrame, bank: Bank | None = None, month: dt.date | None = None
) -> Picture:
    """Draw the share of each tier's customers that hold each product, with intervals.

    Parameters
    ----------
    table : DataFrame
        As `tier_table(panel, balances)` gives it: ``tier customers`` and, for each product,
        ``penetration_<product>`` with ``…_low`` and ``…_high``.
    bank, month : optional
        For source and date below the chart.

    Raises
    ------
    TableError
        If the table is customer-level, or has no product or no rows.
    """
    shown = visible(table, "tier")
    names = [str(c) for c in shown.columns if str(c).startswith("penetration_")]
    products = [n for n in names if f"{n}_low" in names and f"{n}_high" in names]
    if not products:
        missing_columns("table", ["penetration_demand"], list(table.columns))
    if shown[products].isna().all(axis=None):
        return too_few(Context(bank, month))
    tiers = [
        label(tier, "tier") if isinstance(tier, str) else label("unknown") for tier in shown["tier"]
    ]
    gaps = {name: float(shown[name].max() - shown[name].min()) for name in products}
    widest = max(gaps, key=lambda name: gaps[name])
    low, high = int(shown[widest].argmin()), int(shown[widest].argmax())
    texts = {
        "product": label(widest.removeprefix("penetration_"), "product"),
        "most": format_percent(shown[widest].iloc[high], 0),
        "least": format_percent(shown[widest].iloc[low], 0),
        "upper": tiers[high],
        "lower": tiers[low],
    }
    finding = _("{product} sets tiers apart most: {most} of {upper} hold it, {least} of {lower}.")
    finding = finding.format(**texts)
    foot = Context(bank, month).foot(
        _("Share of a tier's customers who hold the product, 95% intervals")
    )
    rows = (len(products) + 1) // 2
    height = rows * (0.3 * len(tiers) + 0.45)
    with sheet(finding, foot, height, rows, 2, sharex=True, sharey=True) as page:
        lines = np.arange(len(tiers), dtype=float)
        for axes, name in zip(page.axes, products, strict=False):
            ends = (name, f"{name}_low", f"{name}_high")
            interval_dots(
                axes, lines.tolist(), shown, lambda v: format_percent(v, 0), names=ends, size=6.0
            )
            axes.set_title(
                label(name.removeprefix("penetration_"), "product"),
                loc="left",
                color=COLOURS["ink"],
            )
            axes.set_yticks(lines, tiers, color=COLOURS["ink"])
            axes.set_ylim(-0.6, len(tiers) - 0.4)
            axes.set_xlim(0, 1.18)
            axes.xaxis.set_major_formatter(lambda value, _place: format_percent(value, 0))
            axes.set_xticks([0, 0.5, 1])
            axes.grid(True, axis="x")
        for axes in page.axes[len(products) :]:
            axes.set_axis_off()
        top = shown[products].mean().idxmax()
        rest = _("Held most is {product}.").format(
            product=label(str(top).removeprefix("penetration_"), "product")
        )
        return page.picture(sentences(finding, rest))


def draw_basis(
    average: pd.DataFrame,
    end: pd.DataFrame,
    bank: Bank | None = None,
    month: dt.date | None = None,
) -> Picture:
    """Draw how many customers each tier has by month-average and by month-end balances.

    Parameters
    ----------
    average, end : DataFrame
        Two tables of `tier_table`, the panel tiered on ``aum_average`` and on ``aum_end``.
    bank, month : optional
        For source and date below the chart.

    Raises
    ------
    TableError
        If a table is customer-level, lacks a column or has no rows.
    """
    first, second = (
        visible(t, "tier", "tier_code").dropna(subset="tier_code") for t in (average, end)
    )
    both = first.merge(second, on=["tier", "tier_code"], how="outer", suffixes=("", "_end"))
    both = both.sort_values("tier_code", ignore_index=True)
    if both[["customers", "customers_end"]].isna().all(axis=None):
        return too_few(Context(bank, month))
    both["more"] = both["customers_end"] / both["customers"] - 1
    names = [label(tier, "tier") for tier in both["tier"]]
    known = both["more"].abs().where(both["customers"] > 0)
    if known.notna().any():
        place = int(known.fillna(-1).argmax())
        texts = {
            "tier": names[place],
            "average": format_number(both["customers"].iloc[place], 0, exact=True),
            "end": format_number(both["customers_end"].iloc[place], 0, exact=True),
            "more": _signed_percent(both["more"].iloc[place]),
        }
        finding = _(
            "{tier} has {end} customers by month-end balance, {average} by month average ({more})."
        )
        finding = finding.format(**texts)
    else:
        finding = _("Tiers by month-average and by month-end balances.")
    foot = Context(bank, month).foot(_("Customers"))
    with sheet(finding, foot, 0.62 * len(both) + 0.75) as page:
        (axes,) = page.axes
        words = {
            column: ["·" if np.isnan(n) else format_number(n, 0, exact=True) for n in both[column]]
            for column in ("customers", "customers_end")
        }
        words["customers_end"] = [
            text if np.isnan(more) else f"{text} ({_signed_percent(more)})"
            for text, more in zip(words["customers_end"], both["more"], strict=True)
        ]
        _pairs(axes, both, names, words, 1.22)
        _bare(axes)
        _key(
            page.figure,
            axes,
            [("light", _("by month-end balance")), ("actual", _("by month average"))],
        )
        total = both["customers_end"].iloc[1:].sum() - both["customers"].iloc[1:].sum()
        rest = (
            _("Above the lowest tier the month's end counts {n} more customers.")
            if total >= 0
            else _("Above the lowest tier the month's end counts {n} fewer customers.")
        )
        return page.picture(
            sentences(finding, rest.format(n=format_number(abs(total), 0, exact=True)))
        )


def _signed_percent(share: float) -> str:
    return f"{'+' if share > 0 else ''}{format_percent(share)}"


def _pairs(
    axes: Any, table: pd.DataFrame, names: list[str], texts: dict[str, list[str]], room: float
) -> None:
    """Draw two bars a row, the first column below in full colour, the second light above it."""
    lines = np.arange(len(table), dtype=float)
    for (column, words), colour, shift in zip(
        texts.items(), ("actual", "light"), (-BAR / 2, BAR / 2), strict=True
    ):
        values = np.nan_to_num(table[column].to_numpy(float))
        axes.barh(lines + shift, values, BAR, color=COLOURS[colour])
        for line, value, text in zip(lines + shift, values, words, strict=True):
            axes.annotate(text, (value, line), (5, 0), va="center", textcoords="offset points")
    axes.set_yticks(lines, names, color=COLOURS["ink"])
    axes.set_xlim(0, room * float(np.nanmax(table[list(texts)].to_numpy(float))))


def _bare(axes: Any) -> None:
    """Numbers stand at the bars; an axis would say them twice."""
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)


def _key(figure: Any, axes: Any, entries: list[tuple[str, str]]) -> None:
    """Say above the chart what the colours mean."""
    from matplotlib.patches import Patch

    handles = [Patch(color=COLOURS[colour], label=text) for colour, text in entries]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        borderaxespad=0,
        handlelength=1.2,
    )
