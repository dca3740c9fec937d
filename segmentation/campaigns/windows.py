"""The days in which an outcome is measured, and those before the assignment to compare with."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

from segmentation.customers.dates import month_end, months_before
from segmentation.data.errors import TableError

__all__ = ["Window", "month_before", "read_day"]


def read_day(day: Any, argument: str) -> dt.date:
    """Return a day given as date, datetime, Timestamp or text like ``2025-06-01``.

    Raises
    ------
    TableError
        If it is none of these.

    Examples
    --------
    >>> read_day("2025-06-01", "start")
    datetime.date(2025, 6, 1)
    """
    if isinstance(day, str):
        try:
            return dt.date.fromisoformat(day.strip())
        except ValueError:
            pass
    if isinstance(day, dt.date) and not math.isnan(day.year):  # NaT is a date without year
        return dt.date(day.year, day.month, day.day)
    raise TableError(argument, "a day is a date, or text like 2025-06-01", "Write it so.")


def month_before(day: dt.date) -> dt.date:
    """First day of the last month that was complete before `day`."""
    return months_before(day, 1)


@dataclass(frozen=True)
class Window:
    """Days from `start` to `end`, both included."""

    start: dt.date
    end: dt.date

    @property
    def base(self) -> dt.date:
        """First day of the last month that ended before the window."""
        return month_before(self.start)

    @property
    def last(self) -> dt.date:
        """First day of the month of the window's end."""
        return self.end.replace(day=1)

    @property
    def months(self) -> tuple[dt.date, ...]:
        """First days of the months that the window touches."""
        count = (self.last.year - self.base.year) * 12 + self.last.month - self.base.month
        return tuple(months_before(self.last, back) for back in reversed(range(count)))

    def before(self, as_of: dt.date, whole_months: bool) -> Window:
        """The window of equal length that ends before `as_of`.

        Parameters
        ----------
        as_of : datetime.date
        whole_months : bool
            Whether it has as many whole months as this one touches, up to the last that was
            complete before `as_of`, or as many days, up to the day before.

        Examples
        --------
        >>> window = Window(dt.date(2025, 6, 1), dt.date(2025, 7, 31))
        >>> [str(day) for day in vars(window.before(dt.date(2025, 5, 25), True)).values()]
        ['2025-03-01', '2025-04-30']
        >>> [str(day) for day in vars(window.before(dt.date(2025, 5, 25), False)).values()]
        ['2025-03-25', '2025-05-24']
        """
        if whole_months:
            last = month_before(as_of)
            return Window(months_before(last, len(self.months) - 1), month_end(last))
        day = dt.timedelta(days=1)
        return Window(as_of - (self.end - self.start) - day, as_of - day)
