"""Allotments: how many places of each channel are best filled, and down to which contribution."""

from __future__ import annotations

import math
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.channels import Channel
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["allotted"]

TRIES = 16
"""Ranks that are looked up in one query."""


def allotted(
    lazy: nw.LazyFrame[Any], channels: tuple[Channel, ...], limits: list[float]
) -> pd.DataFrame:
    """For each channel the contribution from which it pays, and the one its customers are above."""
    cuts = [_cut(channels, place) for place in range(len(channels))]
    over = _counts(lazy, channels)
    aboves, used = [], 0
    for place in range(len(channels) - 1):
        worthwhile = over[place]
        wanted = max(worthwhile - used, 0)
        if place == 0 and len(channels) == 3:
            wanted = _heads(lazy, channels, limits, over)
        room = int(min(limits[place], wanted))
        above = cuts[place][0]
        if used + room != worthwhile:
            above = _first_without(lazy, over[-1], used + room)
            taken = collect(lazy.filter(nw.col("worth") > above).select(nw.len().alias("n")))
            used = max(int(taken["n"].iloc[0]), used)
        else:
            used += room
        aboves.append(above)
    rows = []
    for place, (channel, above) in enumerate(zip(channels, [*aboves, math.nan], strict=True)):
        own = (channel.name, channel.minutes, channel.cost, channel.gain)
        rows.append((*own, *cuts[place], limits[place], over[place], above))
    names = ["served_by", "minutes", "cost", "gain", "break_even", "break_even_low"]
    return pd.DataFrame(rows, columns=[*names, "break_even_high", "capacity", "eligible", "above"])


def _first_without(lazy: nw.LazyFrame[Any], known: int, places: int) -> float:
    """The contribution of the first for whom there is no place."""
    if places in (0, known):
        return -math.inf if places else math.inf
    return _ranked(lazy, known, [places + 1])[0]


def _counts(lazy: nw.LazyFrame[Any], channels: tuple[Channel, ...]) -> list[int]:
    """Customers above the break-even of each channel, and for the cheapest all who are known."""
    worth = nw.col("worth")
    columns = {
        f"n{place}": (worth > _cut(channels, place)[0]).fill_null(False).cast(nw.Int64)
        for place in range(len(channels) - 1)
    }
    columns["known"] = (~worth.is_null()).cast(nw.Int64)
    counts = collect(lazy.select(**columns).select(nw.len().alias("all"), nw.col(*columns).sum()))
    if int(counts["all"].iloc[0]) == 0:
        raise TableError("data", "there is a customer", "Pass customers.")
    return [int(counts[name].fillna(0).iloc[0]) for name in columns]


def _cut(channels: tuple[Channel, ...], place: int) -> tuple[float, float, float]:
    """The contribution from which a channel beats each cheaper one, and it at its gain's ends."""
    mine = channels[place]
    ends = []
    for gain in (mine.gain, mine.gain_high, mine.gain_low):
        rest = channels[place + 1 :]
        beats = (
            (mine.price - other.price) / (gain - other.gain) if gain > other.gain else math.inf
            for other in rest
        )
        ends.append(max(beats, default=math.nan))
    return ends[0], ends[1], ends[2]


def _heads(
    lazy: nw.LazyFrame[Any],
    channels: tuple[Channel, ...],
    limits: list[float],
    over: list[int],
) -> int:
    """How many the dearest of three channels serves best.

    With a customers there, the next one is worth more there than in the second channel by
    ``m(a) = c₍ₐ₊₁₎·Δgain − Δprice``, and where the second is full, the place left free goes to
    the first who had none: ``+ c₍ₐ₊ₚ₊₁₎·Δgain' − Δprice'``. Contributions fall with the rank, so m
    falls too, and the a at which it ends to be positive is found by search.
    """
    first, _second, third = channels
    room, known = limits[1], over[-1]
    low = int(min(limits[0], over[0]))
    if over[1] - low <= room:
        return low
    worth = nw.col("worth")
    above = (first.price - third.price) / (first.gain - third.gain)
    most = collect(lazy.filter(worth > above).select(nw.len().alias("n")))["n"].iloc[0]
    high = int(min(limits[0], most))
    while low < high:  # the answer is from low to high
        tries = sorted({low + (high - low) * k // TRIES for k in range(TRIES)})
        ranks = [a + 1 for a in tries]
        freed = [min(a + int(room) + 1, known) for a in tries]
        values = _ranked(lazy, known, [*ranks, *freed])
        ended = [
            _margin(channels, value, spare if a + room < over[1] else 0.0, a >= over[1]) <= 0
            for a, value, spare in zip(
                tries, values[: len(tries)], values[len(tries) :], strict=True
            )
        ]
        if ended[0]:
            return low
        last = ended.index(True) if True in ended else len(tries)
        low = tries[last - 1] + 1
        high = tries[last] if last < len(tries) else high
    return low


def _margin(channels: tuple[Channel, ...], value: float, spare: float, past: bool) -> float:
    """What one more customer in the first channel adds."""
    first, second, third = channels
    other = third if past else second
    gained = value * (first.gain - other.gain) - (first.price - other.price)
    return gained + max(0.0, spare * (second.gain - third.gain) - (second.price - third.price))


def _ranked(lazy: nw.LazyFrame[Any], n: int, ranks: list[int]) -> list[float]:
    """Contributions at ranks from the highest: quantiles that fall on a customer."""
    worth = nw.col("worth")
    shares = {f"q{rank}": (n - rank) / (n - 1) if n > 1 else 0.5 for rank in ranks}
    found = collect(
        lazy.select(
            worth.quantile(share, interpolation="linear").alias(name)
            for name, share in shares.items()
        )
    )
    return [math.floor(float(found[f"q{rank}"].iloc[0]) * 100 + 0.5) / 100 for rank in ranks]
