"""Spans: how long each customer was there, whether that was the end, and from when it was seen."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.dates import days_since
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["UNITS", "Span", "spans"]

UNITS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
FAR = 1e9
ZERO = dt.date(2000, 1, 1)


@dataclass(frozen=True)
class Span:
    """Rows with `duration`, `end_kind` (empty for none) and `entry_time`; of days or numbers?"""

    lazy: nw.LazyFrame[Any]
    dated: bool
    several: bool


def spans(
    lazy: nw.LazyFrame[Any],
    start: str | None,
    end: str,
    event: str | None,
    entry: str | None,
    at: Any,
) -> Span:
    """Turn starts, ends and events into durations, once all rows are sound."""
    schema = lazy.collect_schema()
    dated = _is_date(schema[end])
    if dated and start is None:
        raise TableError("start", "dates of end need those of start", "Name the column.")
    for name in (start, end, entry):
        if name is not None and (
            _is_date(schema[name]) != dated or not (dated or schema[name].is_numeric())
        ):
            rule = "starts, ends and entries are all dates, or all numbers"
            raise TableError("data", rule, "Convert the column.", name)
    begin = nw.lit(0.0) if start is None else _moment(start, schema[start], dated)
    ended = _moment(end, schema[end], dated)
    came = begin if entry is None else _moment(entry, schema[entry], dated)
    last = _last(at, dated)
    kind, foul, several = _kind(event, schema, ~ended.is_null())
    open_, lost = ended.is_null(), nw.lit(False)
    until = ended
    flaws = [(foul, "an event is 0 or 1, and filled where there is an end", "Mend it.", event)]
    if last is None:
        flaws.append((open_, "ends are filled", "Fill them, or say until when with `at`.", end))
    else:
        until = nw.when(open_).then(nw.lit(float(last))).otherwise(ended)
        flaws.append((ended > last, "no end is after `at`", "Mend it, or pass a later day.", end))
    begins = came if entry is None else nw.when(came > begin).then(came).otherwise(begin)
    flaws += [
        (_far(begin) | _far(ended) | _far(came), "times are finite", "Mend it.", end),
        (begin.is_null(), "starts are filled", "Fill it, or leave the rows out.", start or end),
        (until < begin, "no end is before its start", "Mend it, or leave the rows out.", end),
        (lost if entry is None else until < begins, "no end is before its entry", "Mend it.", end),
        (open_ & (kind != ""), "an event has an end", "Fill the end.", end),
    ]
    _refuse(lazy, flaws)
    lazy = lazy.with_columns(duration=until - begin, end_kind=kind, entry_time=begins - begin)
    if entry is not None:  # who ends when observation begins was never at risk
        lazy = lazy.filter(
            (nw.col("entry_time") <= 0) | (nw.col("duration") > nw.col("entry_time"))
        )
    return Span(lazy, dated, several)


def _far(moment: nw.Expr) -> nw.Expr:
    return (moment.abs() > FAR).fill_null(False)


def _is_date(dtype: Any) -> bool:
    return dtype in (nw.Date, nw.Datetime)


def _moment(name: str, dtype: Any, dated: bool) -> nw.Expr:
    """A day number, or a number without NaN."""
    if dated:
        day = nw.col(name) if dtype == nw.Date else nw.col(name).cast(nw.Date)
        return (0 - days_since(day, ZERO)).cast(nw.Float64)
    value = nw.col(name)
    value = nw.when(~value.is_nan()).then(value) if dtype.is_float() else value
    return value.cast(nw.Float64)


def _last(at: Any, dated: bool) -> float | None:
    if at is None:
        return None
    if not dated:
        if isinstance(at, bool) or not isinstance(at, int | float) or at != at:
            raise TableError("at", "where ends are numbers it is one", "Pass a number.")
        return float(at)
    day = pd.to_datetime(at, errors="coerce")
    if not isinstance(day, pd.Timestamp):
        raise TableError("at", "it is a day", "Write it like 2025-12-31.")
    return float(day.toordinal() - ZERO.toordinal())


def _kind(event: str | None, schema: Any, known: nw.Expr) -> tuple[nw.Expr, nw.Expr, bool]:
    """The kind of end as text, where it cannot be, and whether there may be several."""
    if event is None:
        return nw.when(known).then(nw.lit("left")).otherwise(nw.lit("")), nw.lit(False), False
    dtype, value = schema[event], nw.col(event)
    if dtype == nw.Boolean:
        value = value.cast(nw.Int64)
    elif dtype.is_numeric():
        value = nw.when(~value.is_nan()).then(value) if dtype.is_float() else value
    elif dtype.is_temporal() or dtype.is_nested():
        raise TableError("data", "an event is a flag, 0 or 1, or text", "Convert it.", event)
    else:
        return value.cast(nw.String).fill_null(""), nw.lit(False), True
    foul = (value.is_null() & known) | ((value != 0) & (value != 1)).fill_null(False)
    return nw.when(value == 1).then(nw.lit("left")).otherwise(nw.lit("")), foul, False


def _refuse(lazy: nw.LazyFrame[Any], flaws: list[tuple[Any, str, str, str | None]]) -> None:
    """Count all flaws in one scan, and raise for the first that there is."""
    flags = {
        f"flaw_{n}": flaw.fill_null(False).cast(nw.Int64) for n, (flaw, *_rest) in enumerate(flaws)
    }
    counts = lazy.with_columns(**flags).select(*(nw.col(name).sum() for name in flags))
    found = collect(counts).iloc[0].fillna(0)
    for name, (_flaw, rule, mend, column) in zip(flags, flaws, strict=True):
        if rows := int(found[name]):
            raise TableError("data", rule, mend, column, rows)
