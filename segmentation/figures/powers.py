"""Charts of what a campaign can find: the smallest effect that so many customers show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segmentation.data.errors import TableError
from segmentation.figures.labels import label
from segmentation.figures.language import _
from segmentation.figures.numbers import format_number, format_percent
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, sentences, sheet
from segmentation.figures.style import COLOURS
from segmentation.figures.units import unit_of

if TYPE_CHECKING:
    from segmentation.campaigns.designs import CampaignDesign
    from segmentation.data.bank import Bank

__all__ = ["draw_power"]

LINES = ("actual", "accent", "second", "third")


def draw_power(
    designs: Sequence[CampaignDesign] | Mapping[str, Sequence[CampaignDesign]],
    planned: CampaignDesign | None = None,
    bank: Bank | None = None,
    month: dt.date | None = None,
    kind: str | None = None,
) -> Picture:
    """Draw the smallest effect that can be found against the number of customers.

    Parameters
    ----------
    designs : sequence of CampaignDesign, or mapping of names to sequences
        Designs of several n with the same power, a line a name: for example
        ``[design_campaign(metric, n=n, power=0.8) for n in (500, 1000, 2000)]``.
    planned : CampaignDesign, optional
        The one to mark and to speak of; by default that of the first line with most customers.
    bank, month : optional
        For currency, source and date below the chart.
    kind : str, optional
        ``percent``, ``money`` or ``number``; by default percent of shares, else number.

    Raises
    ------
    TableError
        If a line has fewer than two designs, there are more than four lines, the designs are of
        several powers, or `kind` is none of the three.

    Examples
    --------
    >>> from segmentation import Metric, design_campaign
    >>> sizes = (500, 1000, 2000, 4000)
    >>> draw_power([design_campaign(Metric.share(0.1), n=n, power=0.8) for n in sizes])
    With 4,000 customers an effect of 2.81 percentage points is found in 80% of campaigns. With \
500 customers it must be 8.69 percentage points.
    """
    lines = dict(designs) if isinstance(designs, Mapping) else {"": designs}
    lines = {name: sorted(line, key=lambda design: design.n) for name, line in lines.items()}
    if not 1 <= len(lines) <= len(LINES) or min(map(len, lines.values())) < 2:
        rule = "one to four lines of two designs or more each"
        raise TableError("designs", rule, "Pass designs of several n.")
    every = [design for line in lines.values() for design in line]
    chosen = planned or next(iter(lines.values()))[-1]
    # Each was asked for the same power, which whole customers pass by a little.
    if max(design.power for design in every) - min(design.power for design in every) > 0.02:
        raise TableError("designs", "they have one power", "Design all with the same power.")
    context = Context(bank, month)
    if kind is None:
        kind = "percent" if chosen.metric.kind == "share" else "number"
    unit = unit_of([chosen.effect], kind, context)
    small = next(iter(lines.values()))[0]
    texts = {
        "n": format_number(float(chosen.n), 0, exact=True),
        "effect": unit.text(chosen.effect),
        "power": format_percent(chosen.power, 0),
        "few": format_number(float(small.n), 0, exact=True),
        "large": unit.text(small.effect),
    }
    finding = _("With {n} customers an effect of {effect} is found in {power} of campaigns.")
    rest = _("With {few} customers it must be {large}.") if small.n < chosen.n else ""
    finding, rest = finding.format(**texts), rest.format(**texts)
    foot = context.foot(
        _("Smallest effect found with power {power}, two arms compared at {alpha}").format(
            alpha=format_percent(chosen.alpha, 0), **texts
        ),
        [unit.name],
    )
    with sheet(finding, foot, 3.2) as page:
        (axes,) = page.axes
        for colour, (name, line) in zip(LINES, lines.items(), strict=False):
            ns, effects = [d.n for d in line], [d.effect for d in line]
            axes.plot(ns, effects, "-o", color=COLOURS[colour], ms=5)
            axes.annotate(
                *(label(name) if name else "", (ns[-1], effects[-1]), (8, 0)),
                textcoords="offset points",
                va="center",
                color=COLOURS[colour],
                annotation_clip=False,
            )
        axes.plot(chosen.n, chosen.effect, "o", ms=10, mfc="none", mec=COLOURS["ink"], mew=1.6)
        axes.annotate(
            *(unit.bare(chosen.effect), (chosen.n, chosen.effect), (0, 9)),
            textcoords="offset points",
            ha="center",
            va="bottom",
        )
        axes.set_ylim(0, 1.12 * max(design.effect for design in every))
        axes.set_xscale("log")
        ticks = _ticks([design.n for design in every])
        axes.set_xticks(ticks, [format_number(tick, 0, exact=True) for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_formatter(lambda value, _place: unit.tick(value).lstrip("+"))
        axes.set_xlabel(_("Customers in all arms"))
        axes.grid(True, axis="y")
        return page.picture(sentences(finding, rest))


def _ticks(ns: Sequence[int]) -> list[float]:
    """Numbers of 1, 2 and 5 times a power of ten within the range, or its ends."""
    low, high = min(ns), max(ns)
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [float(m * 10**k) for k in powers for m in (1, 2, 5) if low <= m * 10**k <= high]
    return ticks if len(ticks) >= 2 else [float(low), float(high)]
