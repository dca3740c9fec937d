"""Charts of the customer file: how complete its fields are, and at which branch."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.data.errors import TableError
from segmentation.figures.labels import label
from segmentation.figures.language import _
from segmentation.figures.numbers import format_interval, format_number, format_percent
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, interval_dots, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_completeness", "draw_completeness_by"]

ALL_NINE = "all_nine"
INNER, OUTER = 0.05, 0.002
"""Chances of lying outside the limits of a funnel."""
NAMED = 6
"""At most so many groups outside the limits are named."""


def draw_completeness(
    table: pd.DataFrame, bank: Bank | None = None, month: dt.date | None = None
) -> Picture:
    """Draw how complete each field of the customer file is, with its interval.

    Parameters
    ----------
    table : DataFrame
        As `completeness` gives it for the whole bank: ``field customers share low high``.
    bank, month : optional
        For source and date below the chart.

    Raises
    ------
    TableError
        If the table is customer-level, lacks a column, or has several groups.

    Examples
    --------
    >>> draw_completeness(pd.DataFrame({"field": ["name", "income"], "customers": 900,
    ...     "share": [0.99, 0.5], "low": [0.98, 0.47], "high": [1.0, 0.53]}))
    Least complete is Income, with 50.0% of customers. Most complete is Name with 99.0%.
    """
    shown = visible(table, "field", "share", "low", "high").dropna(subset="share")
    if shown["field"].duplicated().any():
        raise TableError("table", "one row a field", "Draw groups with draw_completeness_by.")
    if shown.empty:
        return too_few(Context(bank, month))
    shown = shown.sort_values("share", kind="stable", ignore_index=True)
    single = shown[shown["field"] != ALL_NINE]
    ends: Any = (single if len(single) else shown).to_dict("records")
    worst, best = ends[0], ends[-1]
    finding = _("Least complete is {field}, with {share} of customers.").format(
        field=label(worst["field"], "field"), share=format_percent(worst["share"])
    )
    parts = [
        _("Most complete is {field} with {share}.").format(
            field=label(best["field"], "field"), share=format_percent(best["share"])
        )
    ]
    nine = shown[shown["field"] == ALL_NINE]
    if len(nine):
        whole = nine.iloc[0]
        parts.append(
            _("All nine elements are complete for {share} (95% interval {interval}).").format(
                share=format_percent(whole["share"]),
                interval=format_interval(whole["low"], whole["high"]),
            )
        )
    foot = Context(bank, month).foot(
        _(
            "Share of {n} customers with 95% interval; complete is filled, valid and up to date"
        ).format(n=format_number(float(shown["customers"].max()), 0, exact=True))
    )
    with sheet(finding, foot, 0.36 * len(shown) + 0.5) as page:
        (axes,) = page.axes
        lines = np.arange(len(shown), dtype=float)[::-1]
        marked = (shown["field"] == ALL_NINE).to_numpy()
        for colour, mask in (("actual", ~marked), ("accent", marked)):
            interval_dots(axes, lines[mask].tolist(), shown[mask], format_percent, colour)
        axes.set_yticks(lines, [label(f, "field") for f in shown["field"]], color=COLOURS["ink"])
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.set_xlim(0, 1.14)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
        axes.xaxis.set_major_formatter(lambda value, _place: format_percent(value, 0))
        axes.grid(True, axis="x")
        return page.picture(sentences(finding, *parts))


def draw_completeness_by(
    table: pd.DataFrame,
    field: str = ALL_NINE,
    bank: Bank | None = None,
    month: dt.date | None = None,
) -> Picture:
    """Draw the completeness of a field by group against the group's size, in a funnel.

    The funnel says how far chance alone takes a group of n customers from the share p of all:
    exact binomial limits of 95 % and 99.8 %. Only groups outside the outer limits are named, since
    the rest differ by no more than chance; a ranking would not say so.

    Parameters
    ----------
    table : DataFrame
        As ``completeness(bank, by=…)`` gives it: ``field by customers complete share``.
    field : str
        The field to draw.
    bank, month : optional
        For source and date below the chart.

    Raises
    ------
    TableError
        If the table is customer-level, lacks a column, or has no such field.

    References
    ----------
    Spiegelhalter (2005), Funnel plots for comparing institutional performance.
    """
    if "field" in table and field not in set(table["field"]):
        raise TableError("table", "it has the field to draw", "Pass another field.", "field")
    rows = table[table["field"] == field] if "field" in table else table
    shown = visible(rows.reset_index(drop=True), "field", "by", "complete", "share")
    hidden = int(shown["share"].isna().sum())
    shown = shown.dropna(subset="share")
    if shown.empty:
        return too_few(Context(bank, month))
    heads, share = shown["customers"].to_numpy(float), shown["share"].to_numpy(float)
    mean = float(shown["complete"].sum() / heads.sum())
    outside = _chance(shown["complete"].to_numpy(float), heads, mean) < OUTER
    texts = {
        "field": label(field, "field"),
        "n": format_number(float(outside.sum()), 0),
        "all": format_number(float(len(shown)), 0),
        "mean": format_percent(mean),
    }
    finding = _("{field}: {n} of {all} groups differ by more than chance from {mean}.")
    finding = finding.format(**texts)
    order = np.argsort(share)
    texts["lowest"], texts["highest"] = (label(shown["by"].iloc[k], "by") for k in order[[0, -1]])
    texts["least"], texts["most"] = (format_percent(share[k]) for k in order[[0, -1]])
    rest = _("The lowest is {lowest} with {least}, the highest {highest} with {most}.")
    notes = []
    if hidden:
        notes.append(_("{n} small groups left out").format(n=hidden))
    foot = Context(bank, month).foot(
        _("Share complete by size of group; limits 95% and 99.8%"), notes
    )
    with sheet(finding, foot, 3.9) as page:
        (axes,) = page.axes
        sizes = np.unique(np.linspace(max(1.0, 0.6 * heads.min()), 1.08 * heads.max(), 160).round())
        for alpha, style in ((INNER, (0, (4, 3))), (OUTER, "-")):
            under, over = _limits(mean, sizes, alpha)
            for edge in (under, over):
                axes.plot(sizes, edge, color=COLOURS["soft"], lw=1.1, ls=style)
        axes.axhline(mean, color=COLOURS["second"], lw=1.4)
        for mask, colour in ((~outside, "actual"), (outside, "accent")):
            axes.plot(heads[mask], share[mask], "o", color=COLOURS[colour], ms=7, mec="white")
        far = sorted(np.flatnonzero(outside), key=lambda k: -abs(share[k] - mean) * heads[k] ** 0.5)
        for k in far[:NAMED]:
            name, up = label(shown["by"].iloc[k], "by"), share[k] > mean
            axes.annotate(
                name,
                (heads[k], share[k]),
                (0, 7 if up else -7),
                textcoords="offset points",
                ha="center",
                va="bottom" if up else "top",
                color=COLOURS["accent"],
            )
        mean_text = _("all {mean}").format(**texts)
        axes.annotate(
            mean_text,
            (1, mean),
            (3, 0),
            xycoords=("axes fraction", "data"),
            va="center",
            textcoords="offset points",
            color=COLOURS["second"],
            annotation_clip=False,
        )
        axes.set_xlim(sizes[0], sizes[-1])
        axes.margins(y=0.12)
        axes.set_xlabel(_("Customers of the group"))
        axes.xaxis.set_major_formatter(lambda value, _place: format_number(value, 0, exact=True))
        axes.yaxis.set_major_formatter(lambda value, _place: format_percent(value, 0))
        axes.grid(True, axis="y")
        return page.picture(sentences(finding, rest.format(**texts)))


def _chance(
    counts: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], mean: float
) -> npt.NDArray[np.float64]:
    """Twice the exact binomial chance of a count as far out as this one, or further."""
    from scipy.stats import binom

    tails = binom.cdf(counts, sizes, mean), binom.sf(counts - 1, sizes, mean)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(*tails)), float)


def _limits(
    mean: float, sizes: npt.NDArray[np.float64], alpha: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Binomial quantiles of a share, interpolated between whole numbers so that lines are smooth.

    The funnel of Spiegelhalter (2005, appendix A.1.1): r is the smallest number with
    P(X ≤ r) ≥ q, and the limit is r − (P(X ≤ r) − q) / P(X = r).
    """
    from scipy.stats import binom

    ends = []
    for level in (alpha / 2, 1 - alpha / 2):
        count = binom.ppf(level, sizes, mean)
        mass = binom.pmf(count, sizes, mean)
        over = (binom.cdf(count, sizes, mean) - level) / np.where(mass > 0, mass, 1)
        ends.append(np.clip((count - over) / sizes, 0, 1))
    return ends[0], ends[1]
