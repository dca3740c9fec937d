"""Charts of whether the arms of a campaign are alike: standardised differences with their limit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.errors import TableError, missing_columns
from segmentation.figures.language import _
from segmentation.figures.numbers import format_number
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS
from segmentation.figures.units import named

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_balance"]

NEEDED = ("check", "arm", "column", "value", "limit", "n", "verdict")
BALANCE, CLUSTERS = "balance", "few clusters"
VERDICTS = {"ok": "actual", "look": "third", "stop": "accent"}


def draw_balance(
    checks: pd.DataFrame,
    bank: Bank | None = None,
    month: dt.date | None = None,
    names: Mapping[Any, str] | None = None,
) -> Picture:
    """Draw how far each arm was from control before the campaign, in standard deviations.

    Parameters
    ----------
    checks : DataFrame
        As `check_campaign` gives it: ``check arm column value limit n verdict``. Drawn are the rows
        of ``balance``; the sentence also counts the others that stop or need a look.
    bank, month : optional
        For source and date below the chart.
    names : mapping, optional
        What to call arms and covariates.

    Raises
    ------
    TableError
        If the table is customer-level, lacks a column, or has no covariates.

    Examples
    --------
    >>> draw_balance(pd.DataFrame({"check": "balance", "arm": "letter", "column": ["age", "debt"],
    ...     "value": [0.02, -0.14], "limit": 0.1, "n": 900, "verdict": ["ok", "look"]}))
    1 of 2 covariates differ between the arms by more than 0.10 standard deviations. Furthest \
apart is Debt with −0.14 (Letter). 1 of 2 checks need a look, and 0 stop.
    """
    missing_columns("checks", NEEDED, list(checks.columns))
    rows = checks[checks["check"] == BALANCE].reset_index(drop=True)
    if rows.empty:
        rule = "it has standardised differences"
        raise TableError("checks", rule, "Check the campaign with covariates.")
    whole = (checks["check"] == CLUSTERS).any()  # n then counts branches
    shown = rows if whole else visible(rows, *NEEDED, counts="n")
    shown = shown.dropna(subset="value")
    if shown.empty:
        return too_few(Context(bank, month))
    words = dict(names or {})
    limit = float(shown["limit"].max())
    finding, rest = _say(checks, shown, words, limit)
    foot = Context(bank, month).foot(
        _(
            "Difference to control before the campaign, in standard deviations; limit {limit}"
        ).format(limit=format_number(limit))
    )
    several = len(shown["arm"].unique()) > 1
    with sheet(finding, foot, 0.34 * len(shown) + 0.55) as page:
        (axes,) = page.axes
        lines = np.arange(len(shown), dtype=float)[::-1]
        far = max(1.3 * limit, 1.12 * float(shown["value"].abs().max()))
        axes.axvspan(-limit, limit, color=COLOURS["light"], alpha=0.45, lw=0)
        for edge in (-limit, limit):
            axes.axvline(edge, color=COLOURS["soft"], lw=1.2, ls=(0, (5, 3)))
        axes.axvline(0, color=COLOURS["ink"], lw=1.0)
        for line, row in zip(lines, shown.to_dict("records"), strict=True):
            colour = COLOURS[VERDICTS.get(str(row["verdict"]), "actual")]
            axes.plot([0, row["value"]], [line, line], color=colour, lw=2.0)
            axes.plot(row["value"], line, "o", color=colour, ms=7)
            right = row["value"] >= 0
            axes.annotate(
                *(format_number(row["value"], 2), (row["value"], line), (9 if right else -9, 0)),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
            )
        labels = [_label(row, words, several) for row in shown.to_dict("records")]
        axes.set_yticks(lines, labels, color=COLOURS["ink"])
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.set_xlim(-1.15 * far, 1.15 * far)
        axes.locator_params(axis="x", nbins=6)
        axes.xaxis.set_major_formatter(lambda value, _place: format_number(value, 2))
        return page.picture(sentences(finding, rest))


def _label(row: Any, words: dict[Any, str], several: bool) -> str:
    column = named(row["column"], words, "column")
    return f"{column} · {named(row['arm'], words)}" if several else column


def _say(
    checks: pd.DataFrame, shown: pd.DataFrame, words: dict[Any, str], limit: float
) -> tuple[str, str]:
    worst: Any = shown.iloc[int(shown["value"].abs().argmax())]
    over = shown.loc[shown["value"].abs() > limit, "column"].astype(str)
    counts = checks["verdict"].value_counts()
    texts = {
        "n": format_number(float(len(over.unique())), 0),
        "all": format_number(float(len(shown["column"].astype(str).unique())), 0),
        "limit": format_number(limit),
        "column": named(worst["column"], words, "column"),
        "value": format_number(float(worst["value"]), 2),
        "arm": named(worst["arm"], words),
        "look": format_number(float(counts.get("look", 0)), 0),
        "stop": format_number(float(counts.get("stop", 0)), 0),
        "checks": format_number(float(len(checks)), 0),
    }
    if len(over):
        text = _(
            "{n} of {all} covariates differ between the arms by more than {limit} "
            "standard deviations."
        )
    else:
        text = _(
            "The arms are alike: none of {all} covariates differs by more than {limit} "
            "standard deviations."
        )
    rest = _("Furthest apart is {column} with {value} ({arm}).")
    verdict = _("{look} of {checks} checks need a look, and {stop} stop.")
    return text.format(**texts), sentences(rest.format(**texts), verdict.format(**texts))
