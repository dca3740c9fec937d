"""Charts of what chance does: the difference under every way the arms might have been assigned."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segmentation.data.errors import TableError
from segmentation.figures.language import _
from segmentation.figures.numbers import format_number
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet
from segmentation.figures.style import COLOURS
from segmentation.figures.units import named, p_text, unit_of

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["draw_permutation"]

BINS = 40


def draw_permutation(
    observed: float,
    draws: npt.ArrayLike,
    bank: Bank | None = None,
    month: dt.date | None = None,
    kind: str = "number",
    outcome: Any = None,
    names: Mapping[Any, str] | None = None,
    alpha: float = 0.05,
) -> Picture:
    """Draw the difference between the arms under each possible assignment, and the actual one.

    Parameters
    ----------
    observed, draws
        As `permutation_distribution` gives them: the effect, and the statistic of each assignment
        under no effect, the actual one among them. What an assignment leaves undefined (NaN)
        counts as at least as large.
    bank, month : optional
        For currency, source and date below the chart.
    kind : str
        ``percent``, ``money`` or ``number``.
    outcome : optional
        What differs, for the sentence.
    names : mapping, optional
        What to call the outcome.
    alpha : float
        What is rarer than this is no chance.

    Raises
    ------
    TableError
        If there are no two assignments, a number is infinite, or `kind` is none of the three.

    Examples
    --------
    >>> draw_permutation(7.0, [-3.67, -2.33, -1.0, 7.0])
    Chance alone gives a difference as large as the actual 7.00 in 1 of 4 possible assignments \
(p = 0.25): no effect is established. Assigned otherwise, the arms would differ by −3.67 to 7.00. \
With 4 possible assignments no difference, however large, is established.
    """
    values = np.asarray(draws, float)
    if values.ndim != 1 or len(values) < 2 or np.isinf(values).any() or not math.isfinite(observed):
        raise TableError(
            "draws", "they are numbers of two assignments or more", "Pass permutations."
        )
    known = values[~np.isnan(values)]
    slack = 1e-9 * float(np.abs(known).max(initial=0.0))
    extreme = np.isnan(values) | (np.abs(values) >= abs(observed) - slack)
    p = float(extreme.mean())
    context = Context(bank, month)
    unit = unit_of([observed, *known], kind, context)
    texts = {
        "estimate": unit.text(observed),
        "n": format_number(float(extreme.sum()), 0, exact=True),
        "all": format_number(float(len(values)), 0, exact=True),
        "p": p_text(p),
        "range": unit.interval(float(known.min()), float(known.max())),
    }
    finding = (
        _(
            "Chance alone gives a difference as large as the actual {estimate} "
            "in only {n} of {all} possible assignments ({p})."
        )
        if p < alpha
        else _(
            "Chance alone gives a difference as large as the actual {estimate} in {n} of {all} "
            "possible assignments ({p}): no effect is established."
        )
    ).format(**texts)
    rest = _("Assigned otherwise, the arms would differ by {range}.").format(**texts)
    fewest = math.ceil(alpha * len(values) - 1e-9) - 1
    if fewest < 1:
        rest = sentences(
            rest,
            _(
                "With {all} possible assignments no difference, however large, is established."
            ).format(**texts),
        )
    what = "" if outcome is None else named(outcome, dict(names or {}))
    foot = _("Difference between the arms in each possible assignment, if there is no effect")
    with sheet(
        finding, context.foot(foot, [part for part in (what, unit.name) if part]), 3.0
    ) as page:
        (axes,) = page.axes
        edges = _edges(known)
        inside = known[np.abs(known) < abs(observed) - slack]
        outside = known[np.abs(known) >= abs(observed) - slack]
        axes.hist(
            [inside, outside],
            edges,
            stacked=True,
            color=[COLOURS["light"], COLOURS["accent"]],
            edgecolor="white",
            linewidth=0.6,
        )
        axes.axvline(observed, color=COLOURS["accent"], lw=2.0)
        axes.axvline(0, color=COLOURS["ink"], lw=1.0)
        right = observed < edges.mean()
        axes.annotate(
            _("actual {value}").format(value=unit.short(observed)),
            (observed, 0.97),
            (6 if right else -6, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="left" if right else "right",
            va="top",
            color=COLOURS["accent"],
        )
        axes.set_ylabel(_("Assignments"))
        axes.margins(y=0.2)
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.yaxis.set_major_formatter(lambda value, _place: format_number(value, 0, exact=True))
        axes.xaxis.set_major_formatter(lambda value, _place: unit.tick(value))
        return page.picture(sentences(finding, rest))


def _edges(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Bins as narrow as the number of draws allows."""
    count = int(np.clip(2 * math.sqrt(len(values)), 5, BINS))
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, count + 1)
