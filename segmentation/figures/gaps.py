"""Charts of a gap between two groups: how much is who they are, and how much is not."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.aggregates import disclosure_rules, require_aggregate
from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.labels import label
from segmentation.figures.language import N_, _
from segmentation.figures.numbers import NOTHING
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet, too_few
from segmentation.figures.style import COLOURS
from segmentation.figures.units import Unit, level_text, span_of, unit_of

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_gap"]

PARTS = (
    (("total", "gap"), N_("Gap: {b} less {a}")),
    (("mix", "explained"), N_("Who the customers are")),
    (("rate", "unexplained"), N_("What remains among like customers")),
)
"""Names of the three rows in the two decompositions, and what a reader calls them."""
COUNTS = ("n_a", "n_b", "n_base", "n_other")


def draw_gap(
    decomposition: Any,
    bank: Bank | None = None,
    month: dt.date | None = None,
    names: tuple[str, str] | None = None,
    kind: str = "percent",
    level: float | None = None,
) -> Picture:
    """Draw a gap and its two parts as bars with their intervals.

    Parameters
    ----------
    decomposition : Kitagawa, Gap or DataFrame
        What `kitagawa` or `gap_decomposition` gives, or a table ``part estimate low high`` of the
        parts total (or gap), mix (or explained) and rate (or unexplained).
    bank, month : optional
        For source and date below the chart.
    names : (str, str), optional
        What to call the two groups; the gap is the second less the first. `gap_decomposition`
        knows them.
    kind : str
        Unit of the gap: ``percent`` (of shares), ``money`` or ``number`` (such as logs).
    level : float, optional
        Confidence of the intervals, by default that of the decomposition, else .95.

    Raises
    ------
    TableError
        If there is no gap with two parts, or no such kind.

    Examples
    --------
    >>> from segmentation import kitagawa
    >>> draw_gap(kitagawa([.8, .4], [70, 30], [.8, .3], [40, 60], n_a=1000, n_b=1000),
    ...          names=("Nanhu", "Xihe"))
    Of a gap of −18.0 percentage points, −13.5 is who the customers are and −4.5 remains among \
like customers. Xihe less Nanhu is −18.0 percentage points (−22.2 to −13.8); what remains is \
−4.5 (−8.5 to −0.5).
    """
    first, second = names or _names(decomposition)
    level = float(getattr(decomposition, "level", 0.95)) if level is None else level
    rows = _rows(decomposition)
    context = Context(bank, month)
    least = int(disclosure_rules()["threshold"])
    if any(n < least for n in _counts(decomposition, rows)):
        return too_few(context)
    unit = unit_of([*rows["estimate"], *rows["low"], *rows["high"]], kind, context)
    finding, rest = _say(rows, unit, first, second)
    known = bool(rows["low"].notna().any())
    foot = context.foot(
        " · ".join(
            part
            for part in (
                unit.name,
                _("{level} intervals").format(level=level_text(level)) if known else "",
            )
            if part
        )
    )
    with sheet(finding, foot, 0.55 * len(rows) + 0.55) as page:
        (axes,) = page.axes
        _bars(axes, rows, unit)
        labels = [_(text).format(a=first, b=second) for _keys, text in PARTS]
        axes.set_yticks(np.arange(len(rows), dtype=float)[::-1], labels, color=COLOURS["ink"])
        return page.picture(sentences(finding, rest))


def _names(decomposition: Any) -> tuple[str, str]:
    """The groups that the decomposition names, else their places."""
    if hasattr(decomposition, "base") and hasattr(decomposition, "other"):
        return label(decomposition.base), label(decomposition.other)
    return _("the first group"), _("the second group")


def _counts(decomposition: Any, rows: pd.DataFrame) -> list[float]:
    """Customers of each group, where they are known."""
    given = [getattr(decomposition, name) for name in COUNTS if hasattr(decomposition, name)]
    return [float(n) for n in (*given, *(rows[name].min() for name in COUNTS if name in rows))]


def _rows(decomposition: Any) -> pd.DataFrame:
    """The gap and its two parts, with limits where there are any."""
    table = decomposition
    if not isinstance(table, pd.DataFrame):
        table = getattr(decomposition, "intervals", None)
        if table is None and hasattr(decomposition, "mix"):
            parts = ("total", "mix", "rate")
            values = [float(getattr(decomposition, part)) for part in parts]
            table = pd.DataFrame({"part": parts, "estimate": values, "low": np.nan, "high": np.nan})
        if table is None:
            table = getattr(decomposition, "table", None)
    if not isinstance(table, pd.DataFrame):
        raise TableError("decomposition", "it is a gap with its parts", "Pass a decomposition.")
    require_aggregate(table)
    missing_columns("decomposition", ("part", "estimate", "low", "high"), list(table.columns))
    places = [table.index[table["part"].isin(keys)] for keys, _text in PARTS]
    if any(len(place) != 1 for place in places):
        rule = "it has the gap and its two parts, each once"
        raise TableError("decomposition", rule, "Pass a decomposition.")
    return table.loc[[place[0] for place in places]].reset_index(drop=True)


def _bars(axes: Any, rows: pd.DataFrame, unit: Unit) -> None:
    lines = np.arange(len(rows), dtype=float)[::-1]
    colours = (COLOURS["actual"], COLOURS["light"], COLOURS["accent"])
    for line, colour, row in zip(lines, colours, rows.to_dict("records"), strict=True):
        value, low, high = (float(row[name]) for name in ("estimate", "low", "high"))
        axes.barh(line, value, 0.5, color=colour)
        known = np.isfinite([low, high]).all()
        if known:
            axes.plot([low, high], [line, line], color=COLOURS["ink"], lw=1.6)
            for end in (low, high):
                axes.plot([end, end], [line - 0.09, line + 0.09], color=COLOURS["ink"], lw=1.6)
        right = value >= 0
        end = max(value, high) if right and known else min(value, low) if known else value
        axes.annotate(
            *(unit.short(value), (end, line), (7 if right else -7, 0)),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
        )
    axes.axvline(0, color=COLOURS["ink"], lw=1.0)
    low, high = span_of(rows["low"], rows["high"], rows["estimate"])
    room = 0.14 * (high - low)
    axes.set_xlim(low - (room if low < 0 else 0), high + room)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _place: unit.tick(value))
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)


def _say(rows: pd.DataFrame, unit: Unit, first: str, second: str) -> tuple[str, str]:
    gap, mix, left = rows.to_dict("records")
    write = unit.text if unit.kind == "money" else unit.bare
    texts = {
        "a": first,
        "b": second,
        "gap": unit.text(float(gap["estimate"])),
        "mix": write(float(mix["estimate"])),
        "left": write(float(left["estimate"])),
        "gap_interval": unit.interval(float(gap["low"]), float(gap["high"])),
        "left_interval": unit.interval(float(left["low"]), float(left["high"])),
    }
    known = texts["left_interval"] != NOTHING
    if known and float(left["low"]) <= 0 <= float(left["high"]):
        finding = _(
            "Of a gap of {gap}, {mix} is who the customers are; "
            "the {left} left among like customers may be chance."
        )
    else:
        finding = _(
            "Of a gap of {gap}, {mix} is who the customers are and "
            "{left} remains among like customers."
        )
    rest = (
        _("{b} less {a} is {gap} ({gap_interval}); what remains is {left} ({left_interval}).")
        if known
        else _("{b} less {a} is {gap}; how sure that is was not counted.")
    )
    return finding.format(**texts), rest.format(**texts)
