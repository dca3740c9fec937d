"""Months, days and completed years, by formulas that are the same on every engine."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.data.errors import TableError

__all__ = [
    "completed_years",
    "days_in_month",
    "days_since",
    "month_end",
    "months_before",
    "quarter_start",
    "read_month",
]

WRITTEN = re.compile(r"(\d{4})-(\d{1,2})(-\d{1,2})?")


def read_month(month: Any) -> dt.date:
    """Return the first day of a month.

    Parameters
    ----------
    month : date, datetime, pandas Timestamp or Period, or text like ``2024-01`` or ``2024-01-31``

    Raises
    ------
    TableError
        If it is none of these.

    Examples
    --------
    >>> read_month("2024-01-31")
    datetime.date(2024, 1, 1)
    """
    if isinstance(month, str):
        found = WRITTEN.fullmatch(month.strip())
        parts: tuple[Any, Any] = (int(found[1]), int(found[2])) if found else (0, 0)
    else:
        parts = getattr(month, "year", None), getattr(month, "month", None)
    year, number = parts
    if isinstance(year, int) and isinstance(number, int) and year > 0 and 1 <= number <= 12:
        return dt.date(year, number, 1)
    raise TableError("month", "a month is a date, or text like 2024-01", "Write it so.")


def month_end(first: dt.date) -> dt.date:
    """Return the last day of the month that begins on `first`."""
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])


def quarter_start(first: dt.date) -> dt.date:
    """Return the first day of the quarter of `first`."""
    return first.replace(month=first.month - (first.month - 1) % 3)


def months_before(first: dt.date, count: int) -> dt.date:
    """Return the first day of the month `count` months before that of `first`.

    Parameters
    ----------
    first : datetime.date
        A day of the month to count from.
    count : int
        How many months before; negative for months after.

    Examples
    --------
    >>> months_before(dt.date(2025, 2, 1), 3)
    datetime.date(2024, 11, 1)
    """
    months = first.year * 12 + first.month - 1 - count
    return dt.date(months // 12, months % 12 + 1, 1)


def days_in_month(day: nw.Expr, year: int) -> nw.Expr:
    """Length in days of the months of `day`, all of which lie in `year`."""
    month = day.dt.month()
    short = nw.when(month.is_in([4, 6, 9, 11])).then(30).otherwise(31)
    return nw.when(month == 2).then(calendar.monthrange(year, 2)[1]).otherwise(short)


def days_since(day: nw.Expr, until: dt.date) -> nw.Expr:
    """Days from `day` to `until`.

    The number of a day, counted from 1 March of the year 0 so that the leap day is the last of its
    year, is ``365·y + y div 4 − y div 100 + y div 400 + (153·m + 2) div 5 + d``, with m = 0 for
    March and y the year that began that March. Python counts from 306 days later.
    """
    month = day.dt.month().cast(nw.Int64)
    early = (month <= 2).cast(nw.Int64)
    year = day.dt.year().cast(nw.Int64) - early
    leaps = year // 4 - year // 100 + year // 400
    number = 365 * year + leaps + (153 * (month + 12 * early - 3) + 2) // 5 + day.dt.day()
    return until.toordinal() + 306 - number


def completed_years(since: nw.Expr, until: dt.date) -> nw.Expr:
    """Years completed from a day to a day by the calendar, null where `since` is later.

    A year is complete on the anniversary, and one that began on 29 February is complete on 1 March
    of a common year.
    """
    month, day = since.dt.month(), since.dt.day()
    ahead = (month > until.month) | ((month == until.month) & (day > until.day))
    years = until.year - since.dt.year().cast(nw.Int64) - ahead.cast(nw.Int64)
    return nw.when(since <= until).then(years)
