"""Charts of denominators: both directions of a share, side by side."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.customers.cohorts import UNKNOWN
from segmentation.data.aggregates import disclosure_rules
from segmentation.data.errors import TableError
from segmentation.figures.cohorts import category_name
from segmentation.figures.language import N_, _
from segmentation.figures.numbers import format_percent
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, interval_dots, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS, wrap
from segmentation.figures.units import level_text

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_both_directions"]

WHAT = {
    "customers": N_("customers"),
    "movements": N_("movements"),
    "visits": N_("visits"),
}
"""What the rows of a table may be."""


def draw_both_directions(
    table: pd.DataFrame,
    bank: Bank | None = None,
    month: dt.date | None = None,
    focus: str | None = None,
    what: str = "customers",
    level: float = 0.95,
) -> Picture:
    """Draw one category's share of each other one, and each other one's share of it.

    Left the denominators are the categories of `other`, beside a line at the share of all; right
    the one denominator is `focus`.

    Parameters
    ----------
    table : DataFrame
        As `conditional_shares` gives it: two columns of categories, ``n``, and for each direction
        ``n_… share_of_… …_low …_high``.
    bank, month : optional
        For source and date below the chart.
    focus : str, optional
        The category of the first column, by default its last known one.
    what : str
        What a row was: ``customers``, ``visits`` or ``movements``.
    level : float
        Confidence of the intervals, as `conditional_shares` was asked for.

    Raises
    ------
    TableError
        If the table is customer-level, lacks a column, `focus` is none of its categories or `what`
        is none of those named.

    Examples
    --------
    >>> from segmentation import conditional_shares
    >>> visits = pd.DataFrame({"age": ["<50"] * 60 + ["50+"] * 90,
    ...                        "point": (["counter"] * 20 + ["device"] * 40) * 2
    ...                        + ["counter"] * 30})
    >>> draw_both_directions(conditional_shares(visits, "age", "point"), focus="50+", what="visits")
    Counter: 71.4% of its visits are those of 50+, who make up 60.0% of all. The other way round, \
55.6% of the visits of 50+ are at Counter.
    """
    one, other = _pair(table)
    if what not in WHAT:
        raise TableError("what", f"it is {', '.join(WHAT)}", "Name one of them.")
    known = [value for value in table[one].unique() if value != UNKNOWN]
    focus = (known or list(table[one]))[-1] if focus is None else focus
    if focus not in set(table[one]):
        raise TableError("focus", "it is a category of the first column", "Name one.")
    shares = [f"share_of_{name}" for name in (other, one, "all")]
    ends = [f"{name}{end}" for name in shares for end in ("", "_low", "_high")]
    shown = visible(table, *ends, counts="n")
    least = int(disclosure_rules()["threshold"])
    small = (table[[f"n_{name}" for name in (other, one)]] < least).any(axis=1)
    shown = shown.assign(**{name: shown[name].where(~small) for name in ends})
    rows = shown[shown[one] == focus].iloc[::-1]
    context = Context(bank, month)
    if rows[shares].isna().all(axis=None):
        return too_few(context)
    named = rows[(rows[other] != UNKNOWN) & rows[shares[0]].notna()]
    named = named if len(named) else rows
    top: Any = named.iloc[int(named[shares[0]].argmax())]
    texts = {
        "one": category_name(focus, one),
        "other": category_name(top[other], other),
        "of_other": format_percent(float(top[shares[0]])),
        "of_one": format_percent(float(top[shares[1]])),
        "of_all": format_percent(float(top[shares[2]])),
        "what": _(WHAT[what]),
        "level": level_text(level),
    }
    finding = _(
        "{other}: {of_other} of its {what} are those of {one}, who make up {of_all} of all."
    ).format(**texts)
    rest = _("The other way round, {of_one} of the {what} of {one} are at {other}.").format(**texts)
    foot = context.foot(
        _("Share of {what}, {level} intervals; dashed: share of all").format(**texts)
    )
    titles = (
        _("Share of {one} in each line").format(**texts),
        _("Share of each line in {one}").format(**texts),
    )
    with sheet(finding, foot, 0.4 * len(rows) + 0.95, 1, 2, sharey=True) as page:
        places = np.arange(len(rows), dtype=float)
        for axes, share, title in zip(page.axes, shares, titles, strict=False):
            names = (share, f"{share}_low", f"{share}_high")
            interval_dots(axes, places.tolist(), rows, format_percent, names=names)
            axes.set_title(wrap(title, 30), loc="left", color=COLOURS["ink"])
            axes.set_yticks(
                places, [category_name(v, other) for v in rows[other]], color=COLOURS["ink"]
            )
            axes.set_ylim(-0.6, len(rows) - 0.4)
            axes.set_xlim(0, 1.18)
            axes.set_xticks([0, 0.5, 1])
            axes.xaxis.set_major_formatter(lambda value, _place: format_percent(value, 0))
            axes.grid(True, axis="x")
        page.axes[0].axvline(float(top[shares[2]]), color=COLOURS["soft"], lw=1.4, ls=(0, (5, 3)))
        return page.picture(sentences(finding, rest))


def _pair(table: pd.DataFrame) -> tuple[str, str]:
    """Names of the two columns of categories, which come first."""
    names = [str(name) for name in table.columns]
    if len(names) < 3 or names[2] != "n":
        rule = "it has two columns of categories, and n"
        raise TableError("table", rule, "Pass what `conditional_shares` gives.")
    return names[0], names[1]
