"""Charts of cohorts: what their customers hold and do, and what sets them apart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from segmentation.customers.cohorts import UNKNOWN
from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.labels import label
from segmentation.figures.language import _
from segmentation.figures.numbers import format_money, format_number, format_percent
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, interval_dots, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS
from segmentation.figures.units import level_text

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["category_name", "draw_cohorts"]

MEASURES = (
    *("digital_share_of_active", "typical_aum", "products_per_customer", "active_share"),
    *("debt_share", "retained_share", "aum_growth"),
)
"""What is drawn where nothing else is asked for."""
PAGE = 8.0
"""Inches that charts of a page may take."""
MONEY = ("mean_aum", "typical_aum", "mean_contribution")


def draw_cohorts(
    profile: pd.DataFrame,
    bank: Bank | None = None,
    month: dt.date | None = None,
    measures: Sequence[str] | None = None,
    level: float = 0.95,
) -> Picture:
    """Draw what sets cohorts apart: a panel a measure, a dot with its interval a cohort.

    Of a profile with a further column, such as `tier`, it is one measure, and a panel a value of
    that column. Customers of unknown cohort are not drawn.

    Parameters
    ----------
    profile : DataFrame
        As `cohort_profile` gives it: ``cohort cohort_code customers`` and measures with ``…_low``
        and ``…_high``.
    bank, month : optional
        For source and date below the chart.
    measures : sequence of str, optional
        Columns to draw, by default those of `MEASURES` that the profile has and a page has room
        for; with a further column the first of them, by default the share of those active who use
        mobile or web.
    level : float
        Confidence of the intervals, as `cohort_profile` was asked for.

    Raises
    ------
    TableError
        If the profile is customer-level, lacks a column or has no rows.

    Examples
    --------
    >>> draw_cohorts(pd.DataFrame({"cohort": ["Young", "Silver"], "cohort_code": [0, 1],
    ...     "customers": [400, 300], "debt_share": [0.5, 0.2], "debt_share_low": [0.45, 0.16],
    ...     "debt_share_high": [0.55, 0.25]}))
    Cohorts differ most in “Customers with debt”: 50.0% for Young, 20.0% for Silver. Of 1 \
measures, 1 sets two cohorts apart beyond their intervals.
    """
    missing_columns("profile", ("cohort", "cohort_code", "customers"), map(str, profile.columns))
    names = [str(name) for name in profile.columns]
    by = [name for name in names[: names.index("cohort")] if not name.endswith("_code")]
    wanted = _wanted(names, measures, bool(by))
    shown = visible(profile, *by, *wanted)
    context = Context(bank, month)
    shown = shown[shown["cohort"] != UNKNOWN]
    if shown[wanted].isna().all(axis=None):
        return too_few(context)
    if by:
        groups = shown.groupby(by[0], sort=False, dropna=False)
        panels = [Panel(category_name(value, by[0]), rows, wanted[0]) for value, rows in groups]
    else:
        panels = [Panel(label(name, "column"), shown, name) for name in wanted]
    panels = [panel for panel in panels if panel.rows[panel.measure].notna().any()]
    if measures is None:
        room = 2 * max(1, int(PAGE / _tall(max(len(panel.rows) for panel in panels))))
        panels = panels[:room]
    unit = _("Dots with {level} intervals, one cohort a line").format(level=level_text(level))
    if by:
        unit = f"{label(wanted[0], 'column')} · {unit}"
    return _panels(panels, context, unit)


def _tall(lines: int) -> float:
    """Inches of a small chart of so many lines."""
    return 0.3 * lines + 0.5


class Panel(NamedTuple):
    """A small chart: its heading, a row a cohort, and the measure that is drawn."""

    title: str
    rows: pd.DataFrame
    measure: str


def _wanted(names: list[str], measures: Sequence[str] | None, one: bool) -> list[str]:
    """Measures to draw: those asked for, or those that are there."""
    if measures is not None:
        wanted = [measures] if isinstance(measures, str) else list(measures)
        ends = [f"{name}{end}" for name in wanted for end in ("", "_low", "_high")]
        missing_columns("profile", ends, names)
    else:
        has_ends = [name for name in names if {f"{name}_low", f"{name}_high"} <= set(names)]
        wanted = [name for name in MEASURES if name in has_ends] or has_ends
    if not wanted:
        rule = "there is a measure with its interval"
        raise TableError("profile", rule, "Pass what `cohort_profile` gives.")
    return wanted[:1] if one else wanted


def _panels(panels: list[Panel], context: Context, unit: str) -> Picture:
    finding, rest = _apart(panels, context.currency)
    lines = max(len(panel.rows) for panel in panels)
    down, across = ((len(panels) + 1) // 2, 2) if len(panels) > 1 else (1, 1)
    same = len({panel.measure for panel in panels}) == 1
    height = down * _tall(lines)
    options = {"sharey": True, "sharex": same}
    with sheet(finding, context.foot(unit), height, down, across, **options) as page:
        for axes, panel in zip(page.axes, panels, strict=False):
            rows = panel.rows.sort_values("cohort_code", ascending=False)
            _dots(axes, rows, panel.measure, _writer(panel.measure, context.currency))
            axes.set_title(panel.title, loc="left", color=COLOURS["ink"])
        if same:
            _span(page.axes[0], pd.concat([p.rows for p in panels]), panels[0].measure)
        for axes in page.axes[len(panels) :]:
            axes.set_axis_off()
        return page.picture(sentences(finding, rest))


def _dots(axes: Any, rows: pd.DataFrame, measure: str, write: Callable[[float], str]) -> None:
    """A line a cohort, the eldest or youngest above as the scheme has it."""
    places = np.arange(len(rows), dtype=float)
    ends = (measure, f"{measure}_low", f"{measure}_high")
    interval_dots(axes, places.tolist(), rows, write, names=ends, size=6.0)
    axes.set_yticks(
        places, [category_name(c, "cohort") for c in rows["cohort"]], color=COLOURS["ink"]
    )
    axes.set_ylim(-0.6, len(rows) - 0.4)
    for place in places[rows[measure].isna()]:
        axes.annotate("·", (0, place), (5, 0), va="center", textcoords="offset points")
    _span(axes, rows, measure)
    share = write is format_percent
    axes.xaxis.set_major_formatter(
        lambda value, _place: format_percent(value, 0) if share else write(value)
    )
    axes.locator_params(axis="x", nbins=3)
    axes.grid(True, axis="x")


def _span(axes: Any, rows: pd.DataFrame, measure: str) -> None:
    """From 0, or below it where a value is, to the highest limit with room for its number."""
    high = float(np.nanmax(rows[f"{measure}_high"].to_numpy(float)))
    low = min(0.0, float(np.nanmin(rows[f"{measure}_low"].to_numpy(float))))
    axes.set_xlim(low, low + 1.3 * ((high - low) or 1.0))


def _apart(panels: list[Panel], currency: str) -> tuple[str, str]:
    """Where the highest and the lowest cohort are furthest apart, and where beyond doubt."""
    found = []
    for panel in panels:
        name = panel.measure
        rows = panel.rows[panel.rows[name].notna()]
        if len(rows) < 2:
            continue
        top = rows.iloc[int(rows[name].argmax())]
        least = rows.iloc[int(rows[name].argmin())]
        clear = float(top[f"{name}_low"]) > float(least[f"{name}_high"])
        found.append((clear, _distance(top[name], least[name], name), panel, top, least))
    if not found:
        return _("One cohort only is large enough to be shown."), ""
    clear, _size, panel, top, least = max(found, key=lambda each: each[:2])
    write = _writer(panel.measure, currency)
    texts = {
        "measure": label(panel.measure, "column"),
        "group": panel.title,
        "most": write(float(top[panel.measure])),
        "upper": category_name(top["cohort"], "cohort"),
        "least": write(float(least[panel.measure])),
        "lower": category_name(least["cohort"], "cohort"),
        "n": format_number(float(len(found)), 0),
        "clear": format_number(float(sum(each[0] for each in found)), 0),
    }
    several = len({each.measure for each in panels}) < len(panels)
    if not clear:
        finding = _("Nothing sets the cohorts apart beyond their intervals.")
        rest = _("Widest is “{measure}”: {most} for {upper}, {least} for {lower}.")
        return finding, rest.format(**texts)
    if several:
        finding = _("“{measure}” differs most in {group}: {most} for {upper}, {least} for {lower}.")
        rest = _("In {clear} of {n} groups two cohorts are apart beyond their intervals.")
    else:
        finding = _("Cohorts differ most in “{measure}”: {most} for {upper}, {least} for {lower}.")
        rest = _("Of {n} measures, {clear} sets two cohorts apart beyond their intervals.")
    return finding.format(**texts), rest.format(**texts)


def _distance(one: float, other: float, measure: str) -> float:
    """Cohen's h of shares; of the rest half their log ratio, e times as much is a medium."""
    if _is_share(measure):
        return float(abs(2 * np.arcsin(np.sqrt(one)) - 2 * np.arcsin(np.sqrt(other))))
    if measure.endswith("_growth"):
        one, other = 1 + one, 1 + other
    return float(abs(np.log(one / other)) / 2) if min(one, other) > 0 else 0.0


def _is_share(measure: str) -> bool:
    return measure.endswith("_share") or "share_of_" in measure


def _writer(measure: str, currency: str) -> Callable[[float], str]:
    if _is_share(measure) or measure.endswith("_growth"):
        return format_percent
    if measure in MONEY:
        return lambda value: format_money(value, currency)
    return lambda value: format_number(value, 2)


def category_name(value: Any, column: str) -> str:
    """What a reader calls a category; one that is not known, so."""
    return label(value, column) if isinstance(value, str) else label("unknown", "column")
