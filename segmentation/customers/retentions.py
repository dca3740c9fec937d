"""Retention: the share of customers still there as time passes, by group and by how they left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.cohorts import UNKNOWN
from segmentation.customers.incidences import (
    Course,
    LogRank,
    Risk,
    follow,
    log_rank,
    points_of,
    risk_of,
)
from segmentation.customers.intervals import wilson
from segmentation.customers.spans import UNITS, Span, spans
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["Retention", "retention"]

GROUPS, KINDS, CELLS = 60, 12, 200_000
TAKEN = ("time", "n_at_risk", "events", "survival", "incidence", "event", "low", "high")


@dataclass(frozen=True)
class Retention:
    """Who is still there.

    Attributes
    ----------
    table : DataFrame
        The columns of `by`, time, n_at_risk (just before it; of days counted by week, month or
        year: when that begins), events (in it), survival with low and high.
    medians : DataFrame
        One row a group: customers, events, the median time, low, high; null where not reached.
    log_rank : LogRank
        ``chi2``, ``df`` and ``p`` of the groups' leaving alike, NaN for one group.
    cumulative_incidence : DataFrame or None
        Where there are kinds of end: the columns of `by`, event, time, n_at_risk, events, and
        incidence, the share that left so by then, with low and high. At each time survival and the
        incidences of all kinds add up to 1.
    by, unit, level
        As they were asked for; unit is None for durations as they came.
    """

    table: pd.DataFrame
    medians: pd.DataFrame
    log_rank: LogRank
    cumulative_incidence: pd.DataFrame | None
    by: tuple[str, ...]
    unit: str | None
    level: float


def retention(
    data: Any,
    start: str | None,
    end: str,
    event: str | None = None,
    by: str | Sequence[str] | None = None,
    *,
    at: Any = None,
    entry: str | None = None,
    unit: str = "months",
    kinds: Sequence[str] | None = None,
    level: float = 0.95,
) -> Retention:
    """Follow customers from their start to their end, those still there as far as they were seen.

    Survival is Kaplan and Meier's ``S(t) = Π (1 − dᵢ/nᵢ)`` over times up to t, with Greenwood's
    variance on the scale log(−log S). Where customers leave in several ways, the share that left in
    way k is Aalen and Johansen's ``Fₖ(t) = Σ S(tᵢ−)·dₖᵢ/nᵢ``: one less Kaplan and Meier's curve for
    k alone would count those who left otherwise as if they could still leave so.

    Parameters
    ----------
    data : any frame Narwhals knows
        One row a customer (or account).
    start, end : str
        Columns of dates, or of numbers. Null ends are still there at `at`. Without `start`, `end`
        holds durations.
    event : str, optional
        Whether the end was one: flags or 0 and 1 (0 was there when last seen), or the kind of end
        as text, null for none. By default each end that is filled.
    by : str or sequence of str, optional
        Columns of groups to compare, at most 60 groups.
    at : date or number, optional
        Until when all ends are known.
    entry : str, optional
        Column from when on a customer was observed, where that is later than the start: who had
        left before is not in the table, so such a customer is at risk only after it (left
        truncation), and who ends on that day is left out. Null for from the start.
    unit : str
        ``days``, ``weeks``, ``months`` (365.25/12 days) or ``years`` of the times in the results of
        dates. Computed is by the day, in whichever unit.
    kinds : sequence of str, optional
        The kinds of end that there are; another is an error. By default those that occur.
    level : float
        Confidence of the intervals.

    Returns
    -------
    Retention

    Raises
    ------
    TableError
        If a column is missing or of another type, a start is empty, an end is before its start or
        its entry or after `at`, an end is empty though `at` is not given or an event is filled,
        there are unknown kinds, no rows, or too many groups or kinds.

    Notes
    -----
    It is computed from counts by duration, group and kind, so that any number of customers brings a
    few thousand rows back. Customers must end and be seen independently of each other, and being
    lost from sight may have nothing to do with leaving.

    References
    ----------
    Kaplan & Meier (1958), JASA 53; Kalbfleisch & Prentice (2002), The statistical analysis of
    failure time data, section 1.4 for the limits; Brookmeyer & Crowley (1982), Biometrics 38, for
    those of the median; Aalen & Johansen (1978), Scandinavian Journal of Statistics 5; Marubini &
    Valsecchi (1995), Analysing survival data, section 10.3 for the variance of an incidence.

    Examples
    --------
    Of 6 customers one leaves after 1 month, one after 3; two are not seen longer than 2.

    >>> customers = pd.DataFrame({"months": [1, 2, 2, 3, 4, 4], "left": [1, 0, 0, 1, 0, 0]})
    >>> curve = retention(customers, None, "months", "left").table
    >>> curve[["time", "n_at_risk", "survival"]].round(3).values.tolist()
    [[1.0, 6.0, 0.833], [3.0, 3.0, 0.556], [4.0, 2.0, 0.556]]
    """
    heads = (by,) if isinstance(by, str) else tuple(by or ())
    if len(set(heads)) < len(heads) or set(heads) & set(TAKEN):
        raise TableError("by", "columns differ from each other and the results'", "Rename one.")
    if unit not in UNITS:
        raise TableError("unit", f"it is {', '.join(UNITS)}", "Name one of them.")
    wilson(0, 1, level)  # refuses what is no level
    wanted = tuple(c for c in (start, end, event, entry, *heads) if c is not None)
    lazy = enter(data, "data", tuple(dict.fromkeys(wanted)))
    span = spans(lazy, start, end, event, entry, at)
    cells, late = _cells(span, heads, entry is not None)
    names = _kinds(cells, kinds, span.several)
    groups = list(dict.fromkeys(_groups(cells)))
    if len(groups) > GROUPS:
        raise TableError("by", f"there are at most {GROUPS} groups", "Merge groups.")
    scale = UNITS[unit] if span.dated else 1.0
    risks = [_risk(cells, late, group, names) for group in groups]
    courses = [follow(risk, level) for risk in risks]
    whole = span.dated and unit != "days"
    points = [points_of(risk, scale, whole) for risk in risks]
    parts = list(zip(groups, risks, courses, points, strict=True))
    table = pd.concat([_curve(heads, *part, scale, None) for part in parts])
    incidence = None
    if span.several:
        each = [
            _curve(heads, *part, scale, (place, name))
            for part in parts
            for place, name in enumerate(names)
        ]
        incidence = pd.concat(each).reset_index(drop=True)
    return Retention(
        table=table.reset_index(drop=True),
        medians=pd.DataFrame([_median(heads, g, r, c, scale) for g, r, c, _points in parts]),
        log_rank=log_rank(risks),
        cumulative_incidence=incidence,
        by=heads,
        unit=unit if span.dated else None,
        level=level,
    )


def _cells(
    span: Span, heads: tuple[str, ...], late: bool
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Customers by duration, kind and group, and by entry and group."""
    texts = {f"by_{n}": nw.col(name).cast(nw.String) for n, name in enumerate(heads)}
    lazy = span.lazy.select(
        "duration",
        "end_kind",
        "entry_time",
        **{name: text.fill_null(UNKNOWN) for name, text in texts.items()},
    )
    keys = list(texts)

    def counted(*more: str) -> pd.DataFrame:
        found = collect(lazy.group_by(*keys, *more).agg(nw.len().alias("rows")).head(CELLS + 1))
        if len(found) > CELLS:
            rule = f"there are at most {CELLS:,} durations by group and kind"
            raise TableError("data", rule, "Round durations, or merge groups.")
        return found.sort_values([*keys, *more]).reset_index(drop=True)

    cells = counted("duration", "end_kind")
    if cells.empty:
        raise TableError("data", "there are rows", "Pass customers.")
    return cells, counted("entry_time") if late else None


def _groups(cells: pd.DataFrame) -> list[tuple[str, ...]]:
    keys = [name for name in cells.columns if name.startswith("by_")]
    return [tuple(row) for row in cells[keys].itertuples(index=False)]


def _kinds(cells: pd.DataFrame, kinds: Sequence[str] | None, several: bool) -> list[str]:
    """The kinds of end; the empty text is none."""
    seen = sorted(set(cells["end_kind"]) - {""})
    if kinds is not None and several:
        unknown = set(seen) - set(kinds)
        if unknown:
            rows = int(cells.loc[cells["end_kind"].isin(unknown), "rows"].sum())
            rule = "kinds of end are those of `kinds`"
            raise TableError("data", rule, "Name all of them.", "event", rows)
        seen = list(dict.fromkeys(kinds))
    if len(seen) > KINDS:
        raise TableError("data", f"there are at most {KINDS} kinds of end", "Merge some.", "event")
    return seen or ["left"]


def _risk(
    cells: pd.DataFrame, late: pd.DataFrame | None, group: tuple[str, ...], names: list[str]
) -> Risk:
    def mine(table: pd.DataFrame) -> pd.DataFrame:
        return table[[row == group for row in _groups(table)]] if group else table

    own = mine(cells)
    code = own["end_kind"].map({"": 0, **{name: n for n, name in enumerate(names, 1)}})
    entries = None
    if late is not None:
        rows = mine(late)[["entry_time", "rows"]].to_numpy(float)
        rows[rows[:, 0] <= 0, 0] = -np.inf  # seen from the start
        entries = rows
    return risk_of(
        own["duration"].to_numpy(float),
        code.to_numpy(dtype=float).astype(np.int64),
        own["rows"].to_numpy(float),
        len(names),
        entries,
    )


def _curve(
    heads: tuple[str, ...],
    group: tuple[str, ...],
    risk: Risk,
    course: Course,
    points: Any,
    scale: float,
    kind: tuple[int, str] | None,
) -> pd.DataFrame:
    """Rows of one group: of survival, or of the incidence of one kind."""
    before = np.concatenate([[-np.inf], points[:-1]])
    place = np.searchsorted(risk.times, points, "right")
    columns = slice(1, None) if kind is None else slice(kind[0] + 1, kind[0] + 2)
    total = np.concatenate([[0.0], np.cumsum(risk.ends[:, columns].sum(axis=1))])
    began = np.searchsorted(risk.times, before, "right")
    n = risk.at(points) if scale == 1.0 else risk.at(np.maximum(before, -1.0), after=True)

    def then(values: Any, first: float) -> Any:
        return np.concatenate([[first], values])[place]

    rows: dict[str, Any] = dict(zip(heads, group, strict=True))
    rows |= {} if kind is None else {"event": kind[1]}
    rows["time"] = points / scale
    rows["n_at_risk"] = n.astype("int64")
    rows["events"] = (total[place] - total[began]).astype("int64")
    if kind is None:
        start = float(wilson(n[0], n[0])[0]) if n[0] else float("nan")
        rows["survival"], rows["low"] = then(course.survival, 1.0), then(course.low, start)
        rows["high"] = then(course.high, 1.0)
    else:
        start = float(wilson(0, n[0])[1]) if n[0] else float("nan")
        k = kind[0]
        rows["incidence"] = then(course.incidence[:, k], 0.0)
        rows["low"] = then(course.incidence_low[:, k], 0.0)
        rows["high"] = then(course.incidence_high[:, k], start)
    return pd.DataFrame(rows)


def _median(
    heads: tuple[str, ...], group: tuple[str, ...], risk: Risk, course: Course, scale: float
) -> dict[str, Any]:
    median, low, high = course.median()
    return {
        **dict(zip(heads, group, strict=True)),
        "customers": int(risk.ends.sum()),
        "events": int(risk.ends[:, 1:].sum()),
        "median": median / scale,
        "low": low / scale,
        "high": high / scale,
    }
