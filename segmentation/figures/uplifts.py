"""Charts of whom a campaign moves: what treating those first gains whom a score ranks high."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.aggregates import disclosure_rules
from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.language import _
from segmentation.figures.numbers import format_number, format_percent
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet, too_few
from segmentation.figures.style import COLOURS
from segmentation.figures.units import Unit, level_text, named, unit_of

if TYPE_CHECKING:
    from segmentation.campaigns.curves import UpliftCurve
    from segmentation.data.bank import Bank

__all__ = ["draw_uplift_curve"]

POINTS = 100
"""Points drawn at most."""


def draw_uplift_curve(
    curve: UpliftCurve,
    bank: Bank | None = None,
    month: dt.date | None = None,
    kind: str = "number",
    names: Mapping[Any, str] | None = None,
    what: str = "gain",
    mark: float = 0.3,
) -> Picture:
    """Draw what is gained by treating the share that a score ranks highest, beside drawing lots.

    Between two points lie at least as many customers of each arm as the threshold of
    `disclosure.toml`.

    Parameters
    ----------
    curve : UpliftCurve
        As `uplift_curve` gives it, on customers from whom the score was not learnt.
    bank, month : optional
        For currency, source and date below the chart.
    kind : str
        ``percent`` of an outcome that is 1 or 0, ``money``, or ``number``.
    names : mapping, optional
        What to call score, outcome and arm.
    what : str
        ``gain``: outcome gained per customer of all, which ends at the effect on all. ``toc``:
        effect on those treated less that on all, which ends at 0.
    mark : float
        Share of customers whose gain the sentence tells.

    Raises
    ------
    TableError
        If `kind` or `what` is none of those named, `mark` is no share, or the curve has no points.

    Examples
    --------
    >>> from segmentation.campaigns.curves import uplift_curve
    >>> data = pd.DataFrame({"arm": ["control", "letter"] * 600, "score": np.arange(1200) // 2})
    >>> data["bought"] = ((data["score"] >= 300) & (data["arm"] == "letter")).astype(float)
    >>> curve = uplift_curve(data, "score", "bought", "arm", "control")
    >>> print(draw_uplift_curve(curve, kind="percent").alt.partition(":")[0])
    Those whom Score ranks high gain more than as many drawn by lot
    """
    if what not in ("gain", "toc"):
        raise TableError("what", "it is gain or toc", "Name one of them.")
    if not 0 < mark < 1:
        raise TableError("mark", "it is a share of the customers", "Pass one, such as 0.3.")
    ends = [what, f"{what}_low", f"{what}_high"]
    missing_columns("curve.table", ["share", "n_control", "n_treated", *ends], curve.table.columns)
    context = Context(bank, month)
    points = _points(curve.table)
    if points.empty:
        return too_few(context)
    unit = unit_of([*points[ends].to_numpy(float).ravel(), curve.ate], kind, context)
    finding, rest = _say(curve, points, unit, dict(names or {}), mark)
    n = format_number(float(curve.n_control + curve.n_treated), 0, exact=True)
    texts = {"level": level_text(1 - curve.alpha), "n": n}
    foot = (
        _("Gain per customer of all, if those at or above are treated; {level} interval; n = {n}")
        if what == "gain"
        else _("Effect on those at or above less that on all; {level} interval; n = {n}")
    )
    with sheet(finding, context.foot(foot.format(**texts), [unit.name]), 3.6) as page:
        (axes,) = page.axes
        start = {"share": 0.0, **dict.fromkeys(ends, 0.0)}
        path = pd.concat([pd.DataFrame([start]), points]) if what == "gain" else points
        known = path.dropna(subset=ends)
        band = {"color": COLOURS["light"], "alpha": 0.6, "lw": 0}
        axes.fill_between(known["share"], known[ends[1]], known[ends[2]], **band)
        axes.plot(path["share"], path[what], color=COLOURS["actual"], lw=2.4)
        top = float(path[what].iloc[-1]) if what == "gain" else 0.0
        axes.plot([0, 1], [0, top], color=COLOURS["soft"], ls=(0, (5, 3)), lw=1.4)
        axes.axhline(0, color=COLOURS["ink"], lw=0.8)
        _name(axes, path, what, named(curve.score, dict(names or {})), top)
        axes.set_xlim(0, 1)
        axes.margins(y=0.12)
        axes.set_xlabel(_("Share of customers treated, highest scores first"))
        axes.xaxis.set_major_formatter(lambda value, _place: format_percent(value, 0))
        axes.yaxis.set_major_formatter(lambda value, _place: unit.tick(value))
        axes.grid(True, axis="y")
        return page.picture(sentences(finding, rest))


def _points(table: pd.DataFrame) -> pd.DataFrame:
    """Keep points between which each arm has enough customers, and the end."""
    least = int(disclosure_rules()["threshold"])
    arms = table[["n_control", "n_treated"]].to_numpy(float)
    steps = np.minimum(arms.sum(axis=1).cumsum() * POINTS / max(arms.sum(), 1.0), POINTS)
    kept: list[int] = []
    since, before = np.zeros(2), 0.0
    for place in range(len(table)):
        since = since + arms[place]
        left = arms[place + 1 :].sum(axis=0)
        last = place == len(table) - 1
        if since.min() < least or (not last and left.min() < least):
            continue
        if last or steps[place] - before >= 1:
            kept.append(place)
            since, before = np.zeros(2), steps[place]
    return table.iloc[kept]


def _say(
    curve: UpliftCurve, points: pd.DataFrame, unit: Unit, words: dict[Any, str], mark: float
) -> tuple[str, str]:
    fine = unit_of([curve.qini, curve.qini_low, curve.qini_high], unit.kind, Context())
    texts = {
        "score": named(curve.score, words),
        "qini": Unit(unit.kind, fine.digits, unit.currency).text(curve.qini),
        "interval": Unit(unit.kind, fine.digits, unit.currency).interval(
            curve.qini_low, curve.qini_high
        ),
        "level": level_text(1 - curve.alpha),
    }
    if np.isnan(curve.qini_se):
        text = _("Whether {score} tells whom to treat cannot be said of these customers.")
    elif curve.qini_low > 0:
        text = _(
            "Those whom {score} ranks high gain more than as many drawn by lot: "
            "QINI {qini} ({level} interval {interval})."
        )
    elif curve.qini_high < 0:
        text = _(
            "Those whom {score} ranks high gain less than as many drawn by lot: "
            "QINI {qini} ({level} interval {interval})."
        )
    else:
        text = _(
            "That {score} tells whom to treat is not established: "
            "QINI {qini} ({level} interval {interval})."
        )
    point = points.iloc[int((points["share"] - mark).abs().argmin())]
    rest = ""
    if {"gain", "gain_low", "gain_high"} <= set(points.columns):
        rest = _(
            "Treating the {share} ranked highest gains {gain} per customer of all "
            "({level} interval {interval}), treating all {all}."
        ).format(
            share=format_percent(point["share"], 0),
            gain=unit.text(float(point["gain"])),
            interval=unit.interval(float(point["gain_low"]), float(point["gain_high"])),
            all=unit.text(curve.ate),
            level=texts["level"],
        )
    return text.format(**texts), rest


def _name(axes: Any, path: pd.DataFrame, what: str, score: str, top: float) -> None:
    """Name the two lines where they are far apart."""
    gap = path[what].to_numpy(float) - top * path["share"].to_numpy(float)
    place = int(np.nanargmax(np.abs(gap)))
    up = gap[place] >= 0
    share, value = float(path["share"].iloc[place]), float(path[what].iloc[place])
    side: dict[str, Any] = {"textcoords": "offset points", "ha": "left" if share < 0.6 else "right"}
    shift = 10 if side["ha"] == "left" else -10
    axes.annotate(
        *(score, (share, value), (shift, 12 if up else -12)),
        color=COLOURS["actual"],
        va="bottom" if up else "top",
        **side,
    )
    axes.annotate(
        *(_("by lot"), (0.78, top * 0.78), (6, -6 if up else 6)),
        color=COLOURS["soft"],
        va="top" if up else "bottom",
        textcoords="offset points",
    )
