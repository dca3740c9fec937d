"""Charts of who is still there as time passes: curves by group with their bands."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from segmentation.data.aggregates import disclosure_rules, require_aggregate
from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.cohorts import category_name
from segmentation.figures.labels import label
from segmentation.figures.language import N_, _
from segmentation.figures.numbers import format_interval, format_number, format_percent
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS
from segmentation.figures.units import level_text, p_text

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_retention"]

UNITS = {
    "days": N_("days"),
    "weeks": N_("weeks"),
    "months": N_("months"),
    "years": N_("years"),
    "periods": N_("periods"),
}
LINES = ("actual", "accent", "good", "third", "second", "soft", "previous")
SURVIVAL = ("time", "n_at_risk", "survival", "low", "high")
INCIDENCE = ("time", "n_at_risk", "incidence", "low", "high")


class Curve(NamedTuple):
    """A group's name, its colour, and its steps, as far as enough of it are left."""

    name: str
    colour: str
    steps: pd.DataFrame


def draw_retention(
    curves: Any,
    bank: Bank | None = None,
    month: dt.date | None = None,
    kind: str | None = None,
    unit: str | None = None,
    level: float | None = None,
) -> Picture:
    """Draw the share that is still there as time passes, or the share that left in one way.

    A curve ends where fewer are left under observation than the threshold of `disclosure.toml`.

    Parameters
    ----------
    curves : Retention or DataFrame
        What `retention` gives, or a table of it: ``time n_at_risk survival low high`` (with `kind`,
        ``… event incidence low high``), after the columns of groups where there are several, at
        most seven.
    bank, month : optional
        For source and date below the chart.
    kind : str, optional
        Draw the cumulative incidence of this kind of end, for example ``closed``.
    unit : str, optional
        Unit of the times: ``days``, ``weeks``, ``months``, ``years`` or ``periods``; by default
        that of `curves`, which of a table is months.
    level : float, optional
        Confidence of the bands, by default that of `curves`, which of a table is .95.

    Raises
    ------
    TableError
        If a table is customer-level, lacks a column or rows, has no such kind or too many groups.

    Examples
    --------
    >>> draw_retention(pd.DataFrame({"time": [6, 12], "n_at_risk": [100, 80],
    ...     "survival": [0.8, 0.6], "low": [0.7, 0.5], "high": [0.87, 0.69]}))
    After 12 months 60.0% are still there (95% interval 50.0% to 69.0%). Drawn while 10 or more \
are under observation.
    """
    unit = unit or getattr(curves, "unit", "months") or "periods"
    level = float(getattr(curves, "level", 0.95)) if level is None else level
    if unit not in UNITS:
        raise TableError("unit", f"it is {', '.join(UNITS)}", "Name one of them.")
    table, value = _table(curves, kind)
    context = Context(bank, month)
    least = int(disclosure_rules()["threshold"])
    groups = _shown(table, least)
    if not groups:
        return too_few(context)
    finding = _say(groups, value, kind, unit, level)
    rest = _("Drawn while {n} or more are under observation.").format(n=format_number(least))
    rest = sentences(_tested(curves), rest)
    foot = context.foot(
        _("Share of customers by time in {unit}; shaded: {level} intervals").format(
            unit=_(UNITS[unit]), level=level_text(level)
        )
    )
    with sheet(finding, foot, 3.4) as page:
        (axes,) = page.axes
        for curve in groups:
            _draw(axes, curve, value)
        _names(axes, groups, value)
        last = max(float(curve.steps["time"].iloc[-1]) for curve in groups)
        low = min(float(curve.steps[["low", value]].min().min()) for curve in groups)
        high = max(float(curve.steps[["high", value]].max().max()) for curve in groups)
        axes.set_xlim(0, last)
        floor = 0.0 if value == "incidence" or low < 0.5 else max(0.0, low - 0.05)
        axes.set_ylim(floor, min(1.0, high * 1.1) if value == "incidence" else 1.0)
        axes.yaxis.set_major_formatter(lambda share, _place: format_percent(share, 0))
        axes.locator_params(axis="x", integer=True, nbins=8)
        axes.locator_params(axis="y", nbins=5)
        axes.grid(True, axis="y")
        return page.picture(sentences(finding, rest))


def _table(curves: Any, kind: str | None) -> tuple[pd.DataFrame, str]:
    """The rows to draw, and the column of their share."""
    table, value, needed = curves, "survival", SURVIVAL
    if kind is not None:
        value, needed = "incidence", INCIDENCE
    if not isinstance(table, pd.DataFrame):
        table = getattr(curves, "table" if kind is None else "cumulative_incidence", None)
    if not isinstance(table, pd.DataFrame):
        rule = "it has the table to draw"
        raise TableError("curves", rule, "Pass what `retention` gives, with kinds of end for one.")
    if kind is not None:
        missing_columns("curves", ("event",), list(table.columns))
        table = table[table["event"] == kind].drop(columns="event")
        if table.empty:
            raise TableError("curves", "there is such a kind of end", "Name one of its events.")
    missing_columns("curves", needed, list(table.columns))
    require_aggregate(table.head(1))  # steps may be many: what counts is whose they are
    if table.empty:
        raise TableError("curves", "it has rows", "Pass what `retention` gives.")
    return table, value


def _shown(table: pd.DataFrame, least: int) -> list[Curve]:
    """The curves of groups that are large enough, as far as they are."""
    columns = [str(name) for name in table.columns]
    by = columns[: columns.index("time")]
    parts = [[category_name(v, name) for v in table[name]] for name in by]
    names = [" · ".join(row) for row in zip(*parts, strict=True)] if by else [""] * len(table)
    keyed = table.assign(group=pd.Series(names, index=table.index, dtype=object))
    keyed = keyed.sort_values("time", kind="stable")
    starts = keyed.groupby("group", sort=False)["n_at_risk"].max().rename("customers")
    order = list(keyed.sort_index()["group"].unique())
    large = visible(starts.loc[order].reset_index(), "group")
    large = large[large["customers"].notna()]
    if len(large) > len(LINES):
        rule = "there are at most seven groups"
        raise TableError("curves", rule, "Merge groups, or draw some of them.")
    found = []
    for colour, group in zip(LINES, large["group"], strict=False):
        steps = keyed[(keyed["group"] == group) & (keyed["n_at_risk"] >= least)]
        steps = steps.dropna(subset=["time"])
        if len(steps):
            found.append(Curve(str(group), COLOURS[colour], steps))
    return found


def _draw(axes: Any, curve: Curve, value: str) -> None:
    """Steps from the start of all to the last time, with a band where limits are known."""
    first = 0.0 if value == "incidence" else 1.0
    times = np.concatenate([[0.0], curve.steps["time"].to_numpy(float)])
    share, low, high = (
        np.concatenate([[first], curve.steps[name].to_numpy(float)])
        for name in (value, "low", "high")
    )
    axes.fill_between(times, low, high, step="post", color=curve.colour, alpha=0.18, lw=0)
    axes.step(times, share, where="post", color=curve.colour)


def _names(axes: Any, groups: list[Curve], value: str) -> None:
    """Each curve's last value, and its name where there are several, none over another."""
    ends = sorted(groups, key=lambda curve: float(curve.steps[value].iloc[-1]))
    for place, curve in enumerate(ends):
        last = curve.steps.iloc[-1]
        below = float(ends[place - 1].steps[value].iloc[-1]) if place else -np.inf
        above = float(ends[place + 1].steps[value].iloc[-1]) if place + 1 < len(ends) else np.inf
        share = float(last[value])
        close = 0.04
        shift = 7 * ((share - below < close) - (above - share < close))
        text = format_percent(share)
        axes.annotate(
            f"{curve.name} {text}" if curve.name else text,
            (float(last["time"]), share),
            (6, shift),
            textcoords="offset points",
            va="center",
            color=curve.colour,
            annotation_clip=False,
        )


def _say(groups: list[Curve], value: str, kind: str | None, unit: str, level: float) -> str:
    """The shares at the last time that all curves reach."""
    time = min(float(curve.steps["time"].iloc[-1]) for curve in groups)
    found = []
    for curve in groups:
        row = curve.steps[curve.steps["time"] <= time].iloc[-1:]
        if len(row):
            found.append((float(row[value].iloc[0]), curve.name, row.iloc[0]))
    top, least = max(found, key=lambda each: each[0]), min(found, key=lambda each: each[0])
    texts = {
        "time": format_number(time, 0 if time.is_integer() else 1),
        "unit": _(UNITS[unit]),
        "most": format_percent(top[0]),
        "upper": top[1],
        "least": format_percent(least[0]),
        "lower": least[1],
        "level": level_text(level),
        "interval": format_interval(float(top[2]["low"]), float(top[2]["high"])),
        "kind": label(kind or ""),
    }
    if len(found) == 1:
        text = (
            _("After {time} {unit} {most} are still there ({level} interval {interval}).")
            if kind is None
            else _("After {time} {unit} {most} are “{kind}” ({level} interval {interval}).")
        )
    elif kind is None:
        text = _("After {time} {unit} {most} of {upper} are still there, {least} of {lower}.")
    else:
        text = _("After {time} {unit} {most} of {upper} are “{kind}”, {least} of {lower}.")
    return text.format(**texts)


def _tested(curves: Any) -> str:
    """Whether the groups' curves differ, where the log-rank test was made."""
    test = getattr(curves, "log_rank", None)
    p = getattr(test, "p", None) if not isinstance(test, dict) else test.get("p")
    if p is None or not np.isfinite(float(p)):
        return ""
    return _("The log-rank test of no difference gives {p}.").format(p=p_text(float(p)))
