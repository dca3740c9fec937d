"""The simulation's months, and the days on which Chinese branches are open."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segmentation.data.draws import Array
from segmentation.data.rules import load_rules

__all__ = ["LAST_MONTH", "Window", "spring_festivals", "working_days"]

LAST_MONTH = np.datetime64("2025-12", "M")
"""The month that every simulated network ends with."""


@dataclass(frozen=True)
class Window:
    """The `count` months up to `LAST_MONTH`, in days since 1970."""

    count: int

    @cached_property
    def months(self) -> Array:
        """The months, in order."""
        return LAST_MONTH - np.arange(self.count)[::-1]

    @cached_property
    def starts(self) -> Array:
        """First day of each month, as a day number."""
        return self.months.astype("datetime64[D]").astype("int64")

    @cached_property
    def ends(self) -> Array:
        """Last day of each month, as a day number."""
        after: Array = (self.months + 1).astype("datetime64[D]").astype("int64") - 1
        return after

    @property
    def first(self) -> int:
        """First day of the first month."""
        return int(self.starts[0])

    @property
    def last(self) -> int:
        """Last day of the last month."""
        return int(self.ends[-1])

    @cached_property
    def lengths(self) -> Array:
        """Number of days of each month."""
        return self.ends - self.starts + 1

    @cached_property
    def calendar_months(self) -> Array:
        """0 for January to 11 for December."""
        return self.months.astype("int64") % 12

    def month_of(self, days: Array) -> Array:
        """Return the position of the month that each day number lies in."""
        return np.searchsorted(self.starts, days, side="right") - 1


def working_days(first: int, last: int) -> Array:
    """Return the day numbers from `first` to `last` on which branches are open.

    Monday to Friday without public holidays, with the weekend days worked in their stead. Holidays
    are those of 2024 and 2025; other years have weekends only.
    """
    rules = load_rules("network")["calendar"]
    days = np.arange(first, last + 1)
    open_ = (days + 3) % 7 < 5  # day 0 was a Thursday
    for start, end in rules["holidays"]:
        spell = np.array([start, end], dtype="datetime64[D]").astype("int64")
        open_ &= (days < spell[0]) | (days > spell[1])
    worked = np.array(rules["make_up"], dtype="datetime64[D]").astype("int64")
    chosen: Array = days[open_ | np.isin(days, worked)]
    return chosen


def spring_festivals() -> Array:
    """Return the day numbers of the Spring Festivals that the calendar knows."""
    dates = np.array(load_rules("network")["calendar"]["spring_festivals"], dtype="datetime64[D]")
    return dates.astype("int64")
