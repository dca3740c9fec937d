"""Charts of whether a campaign paid: from the income that it caused to its profit."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from segmentation.data.aggregates import disclosure_rules
from segmentation.figures.language import N_, _
from segmentation.figures.numbers import format_interval, format_number, format_percent
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet, too_few
from segmentation.figures.style import COLOURS
from segmentation.figures.units import level_text, span_of, unit_of

if TYPE_CHECKING:
    from segmentation.campaigns.payoffs import Payoff
    from segmentation.data.bank import Bank

__all__ = ["draw_payoff"]

BAR = 0.56
INCOME, PROFIT = "incremental income", "profit"
ITEMS = {
    INCOME: N_("Income that it caused"),
    "cost of contact": N_("Cost of contact"),
    "incentives": N_("Incentives"),
    "fixed cost": N_("Fixed cost"),
    PROFIT: N_("Profit"),
}
"""Steps of the waterfall, and what they are called."""
VERDICTS = {
    "it paid": N_("The campaign paid: profit {profit} ({level} interval {interval})."),
    "it lost money": N_("The campaign lost money: profit {profit} ({level} interval {interval})."),
    "not established": N_(
        "That the campaign paid is not established: profit {profit} ({level} interval {interval})."
    ),
}


def draw_payoff(
    payoff: Payoff,
    bank: Bank | None = None,
    month: dt.date | None = None,
    level: float = 0.95,
    kind: str = "number",
) -> Picture:
    """Draw a campaign's income, cost and profit as a waterfall, with the interval of each.

    Parameters
    ----------
    payoff : Payoff
        As `payoff` gives it.
    bank, month : optional
        For currency, source and date below the chart.
    level : float
        Of the intervals.
    kind : str
        How the effect at which it breaks even is written: percent, money or number.

    Examples
    --------
    >>> from segmentation.campaigns.payoffs import payoff
    >>> draw_payoff(payoff((0.02, 0.005), customers=12_000, margin=300, cost=2, fixed=5_000))
    The campaign paid: profit ¥43,000 (95% interval ¥7,721 to ¥78,279). It caused an income of \
¥72,000 at a cost of ¥29,000, a return of 148.3% (95% interval 26.6% to 269.9%). It breaks even \
at an effect of 0.00806 per customer.
    """
    context = Context(bank, month)
    if payoff.treated < int(disclosure_rules()["threshold"]):
        return too_few(context)
    table: Any = payoff.table.set_index("item").to_dict("index")
    items = [item for item in ITEMS if item in table]
    finding, rest = _say(payoff, context, level, kind)
    money = unit_of([payoff.income, payoff.cost, 1000.0], "money", context)
    n = format_number(payoff.treated, 0, exact=True)
    foot = context.foot(
        _("Income, cost and profit of {n} customers treated; {level} interval").format(
            n=n, level=level_text(level)
        ),
        [money.name],
    )
    with sheet(finding, foot, 0.52 * len(items) + 0.5) as page:
        (axes,) = page.axes
        lines = np.arange(len(items), dtype=float)[::-1]
        reached = 0.0
        tops = []
        for line, item in zip(lines, items, strict=True):
            value = table[item]["value"]
            step = -value if item not in (INCOME, PROFIT) else value
            start = 0.0 if item == PROFIT else reached
            axes.barh(line, step, BAR, left=start, color=COLOURS[_colour(item, payoff.verdict)])
            if item != PROFIT:
                reached = start + step
                axes.plot([reached] * 2, [line, line - 1], color=COLOURS["soft"], lw=0.9)
            tops.append(max(start, start + step))
        lows, highs = ([table[i][end] for i in (INCOME, PROFIT)] for end in ("low", "high"))
        low, high = span_of(lows, highs, [*tops, reached])
        for line, item, top in zip(lines, items, tops, strict=True):
            row = table[item]
            end = _whisker(axes, line, row, low, high) if item in (INCOME, PROFIT) else 0.0
            sign = "−" if item not in (INCOME, PROFIT) and row["value"] > 0 else ""
            text = f"{sign}{money.text(abs(row['value']) if sign else row['value'])}"
            axes.annotate(
                *(text, (max(top, end), line), (7, 0)),
                textcoords="offset points",
                va="center",
                annotation_clip=False,
            )
        axes.axvline(0, color=COLOURS["ink"], lw=1.2)
        axes.set_yticks(lines, [_(ITEMS[item]) for item in items], color=COLOURS["ink"])
        axes.set_ylim(-0.6, len(items) - 0.4)
        axes.set_xlim(low, high + 0.16 * (high - low))
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(lambda value, _place: money.bare(value))
        axes.grid(True, axis="x")
        return page.picture(sentences(finding, rest))


def _colour(item: str, verdict: str) -> str:
    if item == PROFIT:
        return {"it paid": "good", "it lost money": "accent"}.get(verdict, "third")
    return "actual" if item == INCOME else "previous"


def _whisker(axes: Any, line: float, row: Any, low: float, high: float) -> float:
    """Draw the interval of an amount; a limit that does not exist ends at the edge."""
    ends = [float(np.clip(row[end], low, high)) for end in ("low", "high")]
    axes.plot(ends, [line, line], color=COLOURS["ink"], lw=1.6, zorder=4)
    for end, edge, mark in zip(("low", "high"), ends, ("<", ">"), strict=True):
        mark = mark if np.isinf(row[end]) else "|"
        axes.plot(edge, line, mark, color=COLOURS["ink"], ms=8, mew=1.6, zorder=4, clip_on=False)
    return ends[1]


def _say(payoff: Payoff, context: Context, level: float, kind: str) -> tuple[str, str]:
    money = unit_of([1000.0], "money", context)
    texts = {
        "profit": money.text(payoff.profit),
        "interval": money.interval(payoff.profit_low, payoff.profit_high),
        "income": money.text(payoff.income),
        "cost": money.text(payoff.cost),
        "level": level_text(level),
        "return": format_percent(payoff.roi),
        "limits": format_interval(payoff.roi_low, payoff.roi_high),
    }
    parts = []
    if np.isnan(payoff.roi):
        parts.append(_("It caused an income of {income} at a cost of {cost}."))
        parts.append(_("The cost is not told from 0, so the return has no bounds."))
    else:
        parts.append(
            _(
                "It caused an income of {income} at a cost of {cost}, "
                "a return of {return} ({level} interval {limits})."
            )
        )
    if np.isfinite(payoff.break_even):
        point = unit_of([payoff.break_even], kind, context)
        texts["effect"] = point.text(payoff.break_even)
        parts.append(_("It breaks even at an effect of {effect} per customer."))
    if payoff.holdout:
        texts["held"] = money.text(payoff.holdout_cost)
        texts["limits_held"] = money.interval(payoff.holdout_cost_low, payoff.holdout_cost_high)
        parts.append(_("The holdout cost {held} ({level} interval {limits_held})."))
    finding = _(VERDICTS[payoff.verdict]).format(**texts)
    return finding, sentences(*(part.format(**texts) for part in parts))
