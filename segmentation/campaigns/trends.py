"""Effects by first treated period and time, from differences of changes, and their influences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segmentation.campaigns.timelines import NEVER, Timeline

__all__ = ["Change", "changes", "deviations"]


@dataclass(frozen=True)
class Change:
    """Comparison of the change from one period to another, of a cohort with its controls.

    Attributes
    ----------
    cohort, time, base : int
        First treated period, period of the effect, and period that it is measured from.
    now, before : int
        Place of time and base among the periods.
    treated, control : array (rows,) of bool
        Rows of the timeline that are compared.
    before_treatment : bool
        Whether both periods lie before any effect.
    """

    cohort: int
    time: int
    base: int
    now: int
    before: int
    treated: Any
    control: Any
    before_treatment: bool


def changes(line: Timeline, control: str, base: str, anticipation: int) -> list[Change]:
    """List the comparisons that the data allow, by cohort and time.

    From the first period that may be affected on, the base is the last one before. Earlier, it is
    the period just before (varying) or that same one (universal). Controls are the units that are
    not treated (never, or not yet by the later of the two periods and `anticipation` more); units
    without an outcome in either period are in neither side.
    """
    last = line.times[-1] + anticipation
    untreated = (line.first == NEVER) | (line.first > last)
    found = []
    for cohort in sorted(set(line.first[~untreated])):
        clean = np.flatnonzero(line.times < cohort - anticipation)
        if not len(clean):
            continue
        for now, time in enumerate(line.times):
            affected = time >= cohort - anticipation
            before = clean[-1] if affected or base == "universal" else now - 1
            if before < 0 or before == now:
                continue
            both = line.present[:, now] & line.present[:, before]
            kept = untreated
            if control == "not_yet":
                later = max(time, line.times[before])
                kept = untreated | (line.first > later + anticipation)
            own = line.first == cohort
            change = Change(
                int(cohort),
                int(time),
                int(line.times[before]),
                now,
                int(before),
                own & both,
                kept & both & ~own,
                not affected,
            )
            if line.n[change.treated].sum() and line.n[change.control].sum():
                found.append(change)
    return found


def deviations(line: Timeline, cells: Sequence[Change]) -> tuple[Any, Any, Any]:
    """Return each change's effect, and the weight and deviation of a unit of each row in it.

    The effect is the mean change of the treated less that of the controls. A unit weighs 1/n of
    its side, controls with a minus; its influence is that times its change less the side's mean.

    Returns
    -------
    effect : array (changes,)
    weight, gap : array (changes, rows)
    """
    weight = np.zeros((len(cells), len(line.n)))
    gap, effect = np.zeros_like(weight), np.zeros(len(cells))
    for k, cell in enumerate(cells):
        change = line.means[:, cell.now] - line.means[:, cell.before]
        for side, sign in ((cell.treated, 1.0), (cell.control, -1.0)):
            n = line.n[side].sum()
            mean = (line.n[side] * change[side]).sum() / n
            effect[k] += sign * mean
            weight[k, side] = sign / n
            gap[k, side] = change[side] - mean
    return effect, weight, gap
