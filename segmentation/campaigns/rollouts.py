"""The effect of what branches began at different times, by differences of changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation.campaigns.cautions import (
    ALWAYS_NOTE,
    FEW_NOTE,
    GAPS_NOTE,
    LONE_NOTE,
    MANY_NOTE,
    MIXED_NOTE,
)
from segmentation.campaigns.estimates import critical_value
from segmentation.campaigns.relabelings import Relabelings, permutable
from segmentation.campaigns.spreads import Mean, few_clusters, spread
from segmentation.campaigns.timelines import NEVER, Timeline, read_timeline
from segmentation.campaigns.timetables import (
    all_sides,
    count,
    cut,
    led,
    permuted,
    pretrend,
    sides,
    with_bases,
)
from segmentation.campaigns.trends import Change, changes
from segmentation.data.errors import TableError

__all__ = ["Rollout", "did"]

UNITS = 1000
"""Units up to which each is taken as a cluster of its own, if few of them are treated."""

USUAL, PERMUTED = "Callaway & Sant'Anna, t", "Callaway & Sant'Anna, permutation"


@dataclass(frozen=True, eq=False)
class Rollout:
    """Effects of a staggered roll-out.

    Every table has `estimate se low high p`; intervals are pointwise. `group` and `time` are the
    caller's periods, months as their first day.

    Attributes
    ----------
    group_time : DataFrame
        ``group time estimate se low high p n_treated n_control clusters_treated
        clusters_control``: the effect at `time` on the units first treated at `group`. Rows with
        time before group are the trend before: they should be nothing.
    simple : DataFrame
        One row, ``estimate se low high p n_treated n_control clusters_treated clusters_control
        method``: the mean over all effects from the first treated period on, weighted by the units
        of each group.
    dynamic : DataFrame
        ``event time estimate se low high p groups``: by periods since the first treated one, 0 for
        that itself, with the number of groups that are seen so long.
    group, calendar : DataFrame
        ``group estimate …`` and ``time estimate …``: means over time, and over groups.
    pretrend : DataFrame
        One row, ``statistic df df_residual p method``: test that all rows of `group_time` before
        any effect are nothing, by F or by permutation. A large p does not prove it.
    counts : DataFrame
        One row, ``units clusters never always_treated incomplete rows_dropped``: units compared;
        of them never treated, and with gaps; units left out as always treated; rows without an
        outcome.
    notes : tuple of str
        What to know before believing the tables.
    """

    group_time: pd.DataFrame
    simple: pd.DataFrame
    dynamic: pd.DataFrame
    group: pd.DataFrame
    calendar: pd.DataFrame
    pretrend: pd.DataFrame
    counts: pd.DataFrame
    notes: tuple[str, ...]


def did(
    data: Any,
    outcome: str,
    unit: str,
    time: str,
    first_treated: str,
    cluster: str | None = None,
    control: str = "never",
    *,
    base: str = "varying",
    anticipation: int = 0,
    alpha: float = 0.05,
) -> Rollout:
    """Estimate the effect of a roll-out that began at different times in different places.

    For units first treated at g, the effect at t is their mean change since the last period before
    g, less that of units not treated by then,
    ``ATT(g, t) = mean(Y_t − Y_b | g) − mean(Y_t − Y_b | controls)``.
    It is the effect if, untreated, both would have changed alike. A regression with effects of unit
    and period is not: it takes those already treated for controls, and may get the sign wrong.

    Parameters
    ----------
    data : any frame
        One row a unit and period.
    outcome : str
        Column of numbers or flags; rows where it is null are left out and counted.
    unit, time : str
        Columns of the unit (customer or branch) and of the period: whole numbers, or dates, which
        stand for their month.
    first_treated : str
        Column of the first treated period, the same in all rows of a unit; null or 0 for never.
    cluster : str, optional
        Column of what the roll-out was decided for as a whole: the branch, where units are its
        customers. Without it every unit counts as decided by itself, which makes standard errors of
        customers in branches far too small.
    control : {"never", "not_yet"}
        Compare with units never treated within the panel, or also with those not treated yet.
    base : {"varying", "universal"}
        Before treatment, changes since the period before, or since the last one before treatment.
    anticipation : int
        Periods before the first treated one in which there may be an effect already.
    alpha : float
        One less the level of the intervals.

    Returns
    -------
    Rollout

    Raises
    ------
    TableError
        If columns are missing or of the wrong type, a unit has two rows in a period, two first
        treated periods or two clusters, nobody is treated within the panel, or there are no
        controls.
    ValueError
        If control, base, anticipation or alpha are none of those above.

    Notes
    -----
    Standard errors are from influence functions summed by cluster, as in the reference, but divide
    by n − 1 where that divides by n; intervals are Student's. With fewer than ten clusters treated
    or never treated, or sizes of a coefficient of variation above .5, `simple` has p-value and
    interval by permutation, as has `pretrend` its p-value, and `notes` say so: of 12 branches, 2 of
    them treated, a usual test at 5 % rejects a fifth of true nulls.

    The engine sums units to one row for each group and set of gaps: means, and covariances over
    periods. No customer's row leaves it. With `cluster` there is a row for each cluster too, so
    that clusters should be thousands, not millions.

    References
    ----------
    Callaway & Sant'Anna (2021), Difference-in-differences with multiple time periods, Journal of
    Econometrics 225. Goodman-Bacon (2021) on the regression that is wrong.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.DataFrame({
    ...     "branch": [b for b in range(6) for _ in range(3)],
    ...     "month": [1, 2, 3] * 6,
    ...     "since": [2] * 9 + [0] * 9,
    ...     "sales": [5, 9, 9, 4, 8, 9, 6, 9, 9, 5, 6, 7, 4, 5, 5, 6, 7, 6],
    ... })
    >>> found = did(months, "sales", "branch", "month", "since")
    >>> found.group_time[["group", "time", "estimate"]].round(2).to_dict("list")
    {'group': [2, 2], 'time': [2, 3], 'estimate': [2.67, 3.0]}
    >>> found.simple["p"].item()
    0.1
    """
    if control not in ("never", "not_yet"):
        raise ValueError("control: never or not_yet")
    if base not in ("varying", "universal"):
        raise ValueError("base: varying or universal")
    if isinstance(anticipation, bool) or not isinstance(anticipation, int) or anticipation < 0:
        raise ValueError("anticipation: a number of periods, 0 or more")
    critical_value(alpha)
    line = read_timeline(data, outcome, unit, time, first_treated, cluster)
    line, always = _compared(line, anticipation)
    cells = _comparisons(line, control, base, anticipation, first_treated)
    few = few_clusters(line)
    if few and line.cluster is None and line.n.sum() <= UNITS:
        # So few units are clusters of their own, whose treatment can be permuted.
        line, _ = _compared(
            read_timeline(data, outcome, unit, time, first_treated, unit), anticipation
        )
        cells = changes(line, control, base, anticipation)
    return tabulate(line, cells, base, alpha, few, always, cluster is not None)


def _compared(line: Timeline, anticipation: int) -> tuple[Timeline, int]:
    """Leave out who was treated from the first period on; they are counted."""
    always = (line.first != NEVER) & (line.first <= line.times[0] + anticipation)
    return line.keep(~always), round(line.n[always].sum())


def _comparisons(
    line: Timeline, control: str, base: str, anticipation: int, column: str
) -> list[Change]:
    untreated = (line.first == NEVER) | (line.first > line.times[-1] + anticipation)
    if untreated.all():
        raise TableError(
            "data",
            "some units are first treated within the panel, after its first period",
            "Pass periods before and after.",
            column,
        )
    if control == "never" and not untreated.any():
        raise TableError(
            "data",
            "some units are never treated",
            'Compare with those not treated yet: control="not_yet".',
            column,
        )
    cells = changes(line, control, base, anticipation)
    if not any(cell.time >= cell.cohort for cell in cells):
        raise TableError(
            "data",
            "someone is not treated yet when others are, with outcomes before and after",
            "Pass units never treated, or earlier periods.",
            column,
        )
    return cells


def tabulate(
    line: Timeline,
    cells: list[Change],
    base: str,
    alpha: float,
    few: bool,
    always: int,
    clustered: bool,
) -> Rollout:
    """Put all changes and their means into tables."""
    after = [k for k, cell in enumerate(cells) if cell.time >= cell.cohort]
    cohorts = sorted({cells[k].cohort for k in after})
    events = sorted({cell.time - cell.cohort for cell in cells})
    times = sorted({cells[k].time for k in after})
    before = [k for k, cell in enumerate(cells) if cell.before_treatment]
    by_event = [[k for k, c in enumerate(cells) if c.time - c.cohort == e] for e in events]
    means = [
        *(Mean([k]) for k in range(len(cells))),
        Mean(after),
        *(Mean(which) for which in by_event),
        *(Mean([k for k in after if cells[k].cohort == g], by_size=False) for g in cohorts),
        *(Mean([k for k in after if cells[k].time == t]) for t in times),
    ]
    found = spread(line, cells, means)
    tables = cut(found, alpha, [len(cells), 1, len(events), len(cohorts), len(times)])
    cell_table, simple, dynamic, group, calendar = tables
    compared = sides(line, cells)
    heads = {
        "group": [line.label(cell.cohort) for cell in cells],
        "time": [line.label(cell.time) for cell in cells],
    }
    group_time = pd.concat([pd.DataFrame(heads), cell_table, compared], axis=1)
    if base == "universal":
        group_time = with_bases(group_time, line, cells)
    simple = pd.concat([simple, all_sides(line, cells, after)], axis=1).assign(method=USUAL)
    notes = []
    trend = pretrend(found, [] if few else before)
    if few and line.cluster is not None and permutable(line):
        draws = Relabelings(line, cells)
        test = draws.mean(after, alpha)
        simple = simple.assign(p=test.p, low=test.low, high=test.high, method=PERMUTED)
        trend = permuted(draws, before)
        notes.append(FEW_NOTE)
    elif few:
        notes.append(MANY_NOTE if line.cluster is None else MIXED_NOTE)
    gaps = ~line.present.all(axis=1)
    for wrong, note in (
        (group_time["se"].isna().any(), LONE_NOTE),
        (always, ALWAYS_NOTE),
        (gaps.any(), GAPS_NOTE),
    ):
        if wrong:
            notes.append(note)
    groups = [len({cells[k].cohort for k in which}) for which in by_event]
    return Rollout(
        group_time=group_time,
        simple=simple,
        dynamic=dynamic.assign(groups=groups).pipe(led, "event time", events),
        group=led(group, "group", [line.label(g) for g in cohorts]),
        calendar=led(calendar, "time", [line.label(t) for t in times]),
        pretrend=trend,
        counts=count(line, gaps, always, clustered),
        notes=tuple(notes),
    )
