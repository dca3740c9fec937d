"""Charts of what a campaign caused: effects with their intervals, by outcome, arm or group."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.language import _
from segmentation.figures.methods import short_method
from segmentation.figures.numbers import format_interval, format_number, format_percent
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, interval_dots, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS
from segmentation.figures.units import Unit, level_text, named, p_text, span_of, unit_of

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_effects"]

NEEDED = ("arm", "outcome", "by", "estimate", "low", "high", "p", "n_control", "n_treated")
SHRUNKEN = ("shrunken", "shrunken_low", "shrunken_high")
KEY = ["arm", "outcome", "by"]


def draw_effects(
    table: pd.DataFrame,
    bank: Bank | None = None,
    month: dt.date | None = None,
    kind: str | Mapping[str, str] = "number",
    names: Mapping[Any, str] | None = None,
    level: float = 0.95,
) -> Picture:
    """Draw effects as dots with their intervals beside 0, a panel an outcome.

    Of a table with groups, raw and shrunken effects are drawn. A limit that does not exist ends in
    an arrow at the edge.

    Parameters
    ----------
    table : DataFrame
        As `effect` gives it: ``arm outcome by estimate low high p n_control n_treated method``, and
        with groups ``shrunken shrunken_low shrunken_high adjusted_p interaction_p``. Several
        tables may be put one below the other. With groups, of one arm and outcome; of several
        methods the first is drawn.
    bank, month : optional
        For currency, source and date below the chart.
    kind : str or mapping of outcome to str
        ``percent`` of outcomes that are 1 or 0, ``money``, or ``number``.
    names : mapping, optional
        What to call arms, outcomes and groups.
    level : float
        Of the intervals.

    Raises
    ------
    TableError
        If the table is customer-level, lacks a column or has no rows, has groups of several arms
        or outcomes, or `kind` is none of the three.

    Examples
    --------
    >>> draw_effects(pd.DataFrame({"arm": ["letter"], "outcome": ["deposits"], "by": ["all"],
    ...     "estimate": [0.02], "low": [0.01], "high": [0.03], "p": [0.0001],
    ...     "n_control": [900], "n_treated": [900], "method": ["Newcombe"]}), kind="percent")
    Letter raises Deposits by 2.00 percentage points (95% interval 1.00 to 3.00).
    """
    missing_columns("table", NEEDED, list(table.columns))
    fewest = table[["n_control", "n_treated"]].min(axis=1)
    shown = visible(table.assign(customers=fewest), *NEEDED).dropna(subset="estimate")
    if shown.empty:
        return too_few(Context(bank, month))
    context = Context(bank, month)
    words = dict(names or {})
    grouped = _several(shown["by"])
    if grouped:
        if _several(shown["arm"]) or _several(shown["outcome"]):
            rule = "groups are drawn of one arm and one outcome"
            raise TableError("table", rule, "Filter the table.")
        shown = shown.drop_duplicates(KEY)
    panels = [part for _name, part in shown.groupby("outcome", sort=False)]
    units = [unit_of(_finite(part), _kind(kind, part), context) for part in panels]
    say = _say_groups if grouped else _say_effects
    finding, rest = say(panels, units, words, level)
    unit = {u.name for u in units}
    count = shown["n_control"].sum() if grouped else shown["n_control"].max()
    treated = shown.drop_duplicates("by" if grouped else "arm")["n_treated"].sum()
    foot = context.foot(
        _("Effect against control with {level} interval; n = {n}").format(
            level=level_text(level), n=format_number(float(count + treated), 0, exact=True)
        ),
        [*(unit - {""} if len(unit) == 1 else ())],
    )
    sizes = [len(part) + 0.6 for part in panels]
    height = sum(0.42 * size + 0.55 for size in sizes)
    ratios = {"height_ratios": sizes}
    with sheet(finding, foot, height, len(panels), gridspec_kw=ratios) as page:
        for axes, part, unit_here in zip(page.axes, panels, units, strict=True):
            _draw_panel(axes, part, unit_here, words, grouped)
            if len(panels) > 1:
                title = named(part["outcome"].iloc[0], words)
                title = f"{title} ({unit_here.name})" if unit_here.name else title
                axes.set_title(title, loc="left", color=COLOURS["ink"])
        if grouped and set(SHRUNKEN) <= set(shown.columns):
            _key(page.axes[0])
        return page.picture(sentences(finding, rest))


def _several(labels: pd.Series) -> bool:
    return len(labels.astype(str).unique()) > 1


def _kind(kind: str | Mapping[str, str], part: pd.DataFrame) -> str:
    return kind if isinstance(kind, str) else kind.get(part["outcome"].iloc[0], "number")


def _finite(part: pd.DataFrame) -> list[float]:
    """What decides the decimals: the limits, or the estimates where they do not exist."""
    ends = part[["estimate", "low", "high"]].to_numpy(float).ravel()
    return [float(end) for end in ends if np.isfinite(end)]


def _texts(row: Any, unit: Unit, words: dict[Any, str], level: float) -> dict[str, str]:
    return {
        "arm": named(row["arm"], words),
        "outcome": named(row["outcome"], words),
        "estimate": unit.text(abs(row["estimate"])),
        "signed": unit.text(row["estimate"]),
        "interval": unit.interval(row["low"], row["high"]),
        "level": level_text(level),
    }


def _say(row: Any, unit: Unit, words: dict[Any, str], level: float) -> str:
    """Whether an effect is established, and how large it is."""
    if row["low"] > 0:
        text = _("{arm} raises {outcome} by {estimate} ({level} interval {interval}).")
    elif row["high"] < 0:
        text = _("{arm} lowers {outcome} by {estimate} ({level} interval {interval}).")
    else:
        text = _(
            "No effect of {arm} on {outcome} is established: {signed} "
            "({level} interval {interval})."
        )
    return text.format(**_texts(row, unit, words, level))


def _established(row: Any) -> bool:
    return bool(row["low"] > 0 or row["high"] < 0)


def _say_effects(
    panels: list[pd.DataFrame], units: list[Unit], words: dict[Any, str], level: float
) -> tuple[str, str]:
    rows = [
        (row, unit)
        for part, unit in zip(panels, units, strict=True)
        for row in part.drop_duplicates(KEY).to_dict("records")
    ]
    row, unit = min(rows, key=lambda pair: (not _established(pair[0]), pair[0]["p"]))
    finding, rest = _say(row, unit, words, level), []
    found = sum(_established(other) for other, _unit in rows)
    if len(rows) > 1:
        count = _("{n} of {all} effects are established.").format(n=found, all=len(rows))
        finding = sentences(count, finding) if found else count
    ends = [row.get(name, np.nan) for name in ("relative", "relative_low", "relative_high")]
    if np.isfinite(ends).all() and (found or len(rows) == 1):
        text = _("That is {relative} of the mean of control ({level} interval {interval}).")
        parts = {"relative": format_percent(ends[0]), "level": level_text(level)}
        rest.append(text.format(interval=format_interval(ends[1], ends[2]), **parts))
    if len(rows) == 1:
        rest += [
            _("{method}: {signed} ({level} interval {interval}).").format(
                method=short_method(other["method"]), **_texts(other, unit, words, level)
            )
            for other in panels[0].to_dict("records")[1:]
        ]
    return finding, sentences(*rest)


def _say_groups(
    panels: list[pd.DataFrame], units: list[Unit], words: dict[Any, str], level: float
) -> tuple[str, str]:
    (table,), (unit,) = panels, units
    texts = _texts(table.iloc[0], unit, words, level)
    if "adjusted_p" in table:
        found = int((table["adjusted_p"] < 1 - level).sum())
        count = _("{n} of {all} groups show an effect, allowing for their number.")
    else:
        found = int(((table["low"] > 0) | (table["high"] < 0)).sum())
        count = _("{n} of {all} groups show an effect.")
    count = count.format(n=found, all=len(table))
    p = float(table["interaction_p"].iloc[0]) if "interaction_p" in table else np.nan
    if np.isnan(p):
        return count, ""
    texts["p"] = p_text(p)
    if p >= 1 - level:
        text = _("That the effect of {arm} on {outcome} differs by group is not established ({p}).")
        return text.format(**texts), count
    value = table["shrunken"] if set(SHRUNKEN) <= set(table.columns) else table["estimate"]
    for key, place in (("lowest", int(value.argmin())), ("highest", int(value.argmax()))):
        texts[key] = named(table["by"].iloc[place], words)
        texts[f"{key}_effect"] = unit.text(float(value.iloc[place]))
    text = _(
        "The effect of {arm} on {outcome} differs by group ({p}): "
        "{lowest_effect} in {lowest}, {highest_effect} in {highest}."
    )
    return text.format(**texts), count


def _labels(part: pd.DataFrame, words: dict[Any, str]) -> list[str]:
    """Name each line by whatever differs between lines."""
    columns = [c for c in ("arm", "by") if _several(part[c])]
    labels = [
        " · ".join(named(row[c], words, "by" if c == "by" else "") for c in columns)
        for row in part.to_dict("records")
    ]
    if part.duplicated(KEY).any() or not columns:
        methods = [short_method(method) for method in part["method"]]
        labels = [" · ".join(filter(None, pair)) for pair in zip(labels, methods, strict=True)]
    return labels


def _draw_panel(
    axes: Any, part: pd.DataFrame, unit: Unit, words: dict[Any, str], grouped: bool
) -> None:
    lines = np.arange(len(part), dtype=float)[::-1]
    both = grouped and set(SHRUNKEN) <= set(part.columns)
    ends = ["low", "high", "estimate", *(SHRUNKEN if both else ())]
    low, high = span_of(part[ends], part[ends], part[ends])
    raw = _clipped(axes, part, lines + (0.17 if both else 0), ("low", "high"), low, high)
    if both:
        interval_dots(
            *(axes, (lines + 0.17).tolist(), raw, lambda _value: "", "previous"),
            names=("estimate", "low", "high"),
            size=5.5,
        )
        drawn = _clipped(axes, part, lines - 0.17, SHRUNKEN[1:], low, high)
        interval_dots(axes, (lines - 0.17).tolist(), drawn, lambda _value: "", names=SHRUNKEN)
        ends = np.fmax(raw["high"].to_numpy(float), drawn[SHRUNKEN[2]].to_numpy(float))
        for line, end, value in zip(lines, ends, part["shrunken"], strict=True):
            place: dict[str, Any] = {"va": "center", "annotation_clip": False}
            text = "" if np.isnan(value) else unit.short(value)
            axes.annotate(text, (end, line), (7, 0), textcoords="offset points", **place)
    else:
        interval_dots(axes, lines.tolist(), raw, unit.short, names=("estimate", "low", "high"))
    axes.axvline(0, color=COLOURS["ink"], lw=1.2, zorder=1)
    axes.set_yticks(lines, _labels(part, words), color=COLOURS["ink"])
    axes.set_ylim(-0.7, len(part) - 0.3)
    axes.set_xlim(low, high + 0.14 * (high - low))
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter(lambda value, _place: unit.tick(value))
    axes.grid(True, axis="x")


def _clipped(
    axes: Any, part: pd.DataFrame, lines: Any, ends: tuple[str, ...], low: float, high: float
) -> pd.DataFrame:
    """Let limits that do not exist end at the edge, in an arrow."""
    drawn = part.copy()
    for end, edge, mark in zip(ends, (low, high), ("<", ">"), strict=True):
        open_ended = np.isinf(drawn[end].to_numpy(float))
        for line in np.asarray(lines)[open_ended]:
            axes.plot(edge, line, mark, color=COLOURS["actual"], ms=8, clip_on=False)
        drawn.loc[open_ended, end] = edge
    return drawn


def _key(axes: Any) -> None:
    from matplotlib.lines import Line2D

    entries = (("previous", _("as measured")), ("actual", _("shrunken towards the mean of groups")))
    handles = [
        Line2D([], [], color=COLOURS[colour], marker="o", lw=2.2, label=text)
        for colour, text in entries
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        borderaxespad=0,
    )
