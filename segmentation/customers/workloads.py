"""Workloads: which customers are worth whose minutes, and who serves whom when minutes are few."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.intervals import wilson
from segmentation.data.engines import cents, collect, enter, frame_kind, leave
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["Channel", "Servicing", "servicing", "servicing_rule"]

RULES = "rules/servicing.toml"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Channel:
    """Who serves a customer, from the dearest to the cheapest.

    Attributes
    ----------
    name, zh, en : str
        Key in `servicing.toml`, Chinese and English name.
    minutes, cost : float
        Minutes a month for one customer, and yuan a minute.
    gain, gain_low, gain_high : float
        Share of the contribution that would be lost without the channel, and its range.
    """

    name: str
    zh: str
    en: str
    minutes: float
    cost: float
    gain: float
    gain_low: float
    gain_high: float

    @property
    def price(self) -> float:
        """Yuan a month for one customer."""
        return self.minutes * self.cost


@dataclass(frozen=True)
class Servicing:
    """Who is served by whom.

    Attributes
    ----------
    assigned : frame
        Of the caller's kind: all columns of the data, and break_even_minutes, the minutes of the
        dearest channel that the customer pays for in a month, and served_by, the channel's key or
        ``unknown`` without a contribution.
    table : DataFrame
        One row a group and channel that serves somebody: the group's column, served_by, customers,
        share of the group's with low and high (Wilson), contribution (yuan a month), minutes, cost
        (yuan a month), value ``Σ (gain·contribution − price)`` less that of the cheapest channel
        for the same customers, with value_low and value_high at the ends of the gains' ranges.
    break_even : DataFrame
        One row a channel: served_by, minutes, cost, gain, break_even, the contribution a month from
        which it is worth more than any cheaper one, with break_even_low and break_even_high at
        the ends of its gain's range, capacity (customers that the minutes suffice for), eligible
        (above break_even and not served by a dearer one), customers (served), above (the
        contribution that they are above, where the capacity decided). The cheapest channel has no
        break_even: it serves whom no other does.
    unknown : int
        Customers without a contribution.
    by : str or None
        The group's column.
    """

    assigned: Any
    table: pd.DataFrame
    break_even: pd.DataFrame
    unknown: int
    by: str | None


def servicing_rule(name: str = "default", folder: str | Path | None = None) -> tuple[Channel, ...]:
    """Return the channels of a rule that ships, or of one of a bank's own folder of rules.

    Raises
    ------
    TableError
        If there is no such rule, an entry is missing or no amount, or the channels do not fall in
        price and in gain.

    Examples
    --------
    >>> [(channel.name, round(channel.price, 2)) for channel in servicing_rule()]
    [('manager', 48.0), ('pooled', 3.6), ('digital', 0.06)]
    """
    rules = load_rules("servicing", folder)
    if name not in rules:
        known = ", ".join(sorted(rules))
        raise TableError(RULES, f"there is no such rule; there are {known}", "Name one of them.")
    amounts = ("minutes", "cost", "gain", "gain_low", "gain_high")
    try:
        channels = tuple(
            Channel(
                name=str(entry["key"]),
                zh=str(entry["zh"]),
                en=str(entry["en"]),
                **{key: float(entry[key]) for key in amounts},
            )
            for entry in rules[name]["channels"]
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        channels = ()
    return _sound(channels, name)


def _sound(channels: tuple[Channel, ...], name: str) -> tuple[Channel, ...]:
    whole = bool(channels) and all(
        0 <= c.minutes < math.inf
        and 0 <= c.cost < math.inf
        and 0 <= c.gain_low <= c.gain <= c.gain_high < math.inf
        for c in channels
    )
    keys = {c.name for c in channels}
    if not whole or UNKNOWN in keys or len(keys) < len(channels):
        rule = "channels have key, zh, en, minutes, cost and gain within its range, none negative"
        raise TableError(RULES, rule, "Complete them.", name)
    if any(a.price <= b.price or a.gain <= b.gain for a, b in pairwise(channels)):
        rule = "channels fall in price and in gain"
        raise TableError(RULES, rule, "Sort them; leave out what costs more and gains less.", name)
    return channels


def servicing(
    data: Any,
    capacity: Mapping[str, float] | None = None,
    by: str | None = "long_tail",
    *,
    value: str = "contribution",
    minutes: Mapping[str, float] | None = None,
    rule: str | tuple[Channel, ...] = "default",
    folder: str | Path | None = None,
) -> Servicing:
    """Decide who is served by whom: a manager, a pooled desk, or digitally.

    A channel is worth ``gain·contribution − minutes·cost`` a month. Of two channels the dearer one
    pays from the contribution ``(price − price') / (gain − gain')`` on; at it exactly, the cheaper
    serves. Where minutes are few, the dearest channel takes those of the highest contribution, then
    the next channel, which is the best that can be done because what a dearer channel adds rises
    with the contribution. Customers with the same contribution as the first for whom there
    is no place are left to the next channel, all of them.

    Parameters
    ----------
    data : any frame Narwhals knows
        One row a customer with the column `value`, such as `long_tail` gives it.
    capacity : mapping of str to float, optional
        Minutes a month that a channel has for these customers, by its key; without, no limit.
    by : str or None
        A column that the table is by; left out where `data` has no ``long_tail``.
    value : str
        Column of what a customer contributes, yuan a month.
    minutes : mapping of str to float, optional
        Minutes a month by channel, in place of the rule's.
    rule : str or tuple of Channel
        The channels, or the name of their rule.
    folder : path, optional
        The bank's own folder of rules.

    Returns
    -------
    Servicing

    Raises
    ------
    TableError
        If a column or the rule is missing, a channel is none of the rule's, minutes are negative,
        the last channel has a capacity, or there is no customer.

    Examples
    --------
    >>> people = pd.DataFrame({"contribution": [-5.0, 40.0, 80.0, 300.0, 900.0, 1200.0]})
    >>> servicing(people).assigned["served_by"].tolist()
    ['digital', 'digital', 'pooled', 'pooled', 'manager', 'manager']
    >>> few = servicing(people, capacity={"manager": 39})
    >>> few.assigned["served_by"].tolist()[-2:], few.break_even["break_even"].round(2).tolist()
    (['pooled', 'manager'], [317.14, 59.0, nan])
    """
    channels = servicing_rule(rule, folder) if isinstance(rule, str) else _sound(rule, "rule")
    channels = _with_minutes(channels, minutes)
    limits = _capacity(channels, capacity)
    kind = frame_kind(data, "data")
    lazy = enter(data, "data", (value,))
    names = lazy.collect_schema().names()
    group = by if by is not None and (by in names or by != "long_tail") else None
    if group is not None:
        enter(data, "data", (group,))
    if not lazy.collect_schema()[value].is_numeric():
        raise TableError("data", "it is an amount", "Convert it.", value)
    worth = nw.col(value).cast(nw.Float64)
    known = ~worth.is_null() & ~worth.is_nan()
    lazy = lazy.with_columns(worth=cents(nw.when(known).then(worth)))
    steps = _steps(lazy, channels, limits)
    served = nw.lit(channels[-1].name)
    for channel, above in reversed([*zip(channels, steps["above"], strict=True)][:-1]):
        served = nw.when(nw.col("worth") > above).then(nw.lit(channel.name)).otherwise(served)
    served = nw.when(nw.col("worth").is_null()).then(nw.lit(UNKNOWN)).otherwise(served)
    lazy = lazy.with_columns(served_by=served, break_even_minutes=_affordable(channels[0]))
    table = _table(lazy, channels, group)
    counts = table.groupby("served_by")["customers"].sum()
    steps["customers"] = steps["served_by"].map(counts).fillna(0).astype("int64")
    new = ("break_even_minutes", "served_by")
    kept = (name for name in names if name not in new)
    return Servicing(
        assigned=leave(lazy.select(*kept, *new), kind),
        table=table,
        break_even=steps.assign(above=steps["above"].where(steps["eligible"] > steps["customers"])),
        unknown=int(counts.get(UNKNOWN, 0)),
        by=group,
    )


def _affordable(channel: Channel) -> nw.Expr:
    """Minutes of a channel that a customer's contribution pays for."""
    paid = nw.col("worth") * channel.gain / channel.cost if channel.cost else nw.col("worth") * 0
    return cents(nw.when(paid > 0).then(paid).otherwise(nw.when(~paid.is_null()).then(0.0)))


def _with_minutes(
    channels: tuple[Channel, ...], minutes: Mapping[str, float] | None
) -> tuple[Channel, ...]:
    _named(channels, minutes, "minutes")
    given = minutes or {}
    changed = (replace(c, minutes=float(given.get(c.name, c.minutes))) for c in channels)
    return _sound(tuple(changed), "minutes")


def _capacity(channels: tuple[Channel, ...], capacity: Mapping[str, float] | None) -> list[float]:
    """Customers that each channel has place for."""
    _named(channels, capacity, "capacity")
    given = capacity or {}
    if channels[-1].name in given:
        rule = "the cheapest channel serves whom no other does, without a limit"
        raise TableError("capacity", rule, "Leave it out.")
    places = []
    for channel in channels:
        room = float(given.get(channel.name, math.inf))
        whole = math.inf if channel.minutes == 0 else room / channel.minutes
        places.append(math.floor(whole + 1e-9) if whole < math.inf else math.inf)
    return places


def _named(channels: tuple[Channel, ...], given: Mapping[str, float] | None, name: str) -> None:
    known = [channel.name for channel in channels]
    for key, minutes in (given or {}).items():
        if key not in known:
            rule = f"channels are {', '.join(known)}"
            raise TableError(name, rule, "Name one of them.")
        if not float(minutes) >= 0:
            raise TableError(name, "minutes are 0 or more", "Mend them.")


def _steps(
    lazy: nw.LazyFrame[Any], channels: tuple[Channel, ...], limits: list[float]
) -> pd.DataFrame:
    """For each channel the contribution from which it pays, and the one its customers are above."""
    cuts = [_cut(channels, place) for place in range(len(channels))]
    flags = {f"n{place}": (nw.col("worth") > cut[0]) for place, cut in enumerate(cuts[:-1])}
    columns = {name: flag.fill_null(False).cast(nw.Int64) for name, flag in flags.items()}
    columns["known"] = (~nw.col("worth").is_null()).cast(nw.Int64)
    counts = collect(lazy.select(**columns).select(nw.len().alias("all"), nw.col(*columns).sum()))
    if int(counts["all"].iloc[0]) == 0:
        raise TableError("data", "there is a customer", "Pass customers.")
    known, rows, used = int(counts["known"].fillna(0).iloc[0]), [], 0
    for place, (channel, cut, limit) in enumerate(zip(channels, cuts, limits, strict=True)):
        over = known if place == len(channels) - 1 else int(counts[f"n{place}"].fillna(0).iloc[0])
        eligible, above = max(over - used, 0), cut[0]
        if eligible > limit:
            above = math.inf if limit == 0 else _ranked(lazy, known, used + int(limit) + 1)
            taken = collect(lazy.filter(nw.col("worth") > above).select(nw.len().alias("n")))
            used = max(int(taken["n"].iloc[0]), used)
        else:
            used = max(over, used)
        own = (channel.name, channel.minutes, channel.cost, channel.gain)
        rows.append((*own, *cut, limit, eligible, above))
    names = ["served_by", "minutes", "cost", "gain", "break_even", "break_even_low"]
    return pd.DataFrame(rows, columns=[*names, "break_even_high", "capacity", "eligible", "above"])


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


def _ranked(lazy: nw.LazyFrame[Any], n: int, rank: int) -> float:
    """The contribution at a rank from the highest: a quantile that falls on a customer."""
    share = (n - rank) / (n - 1)
    worth = nw.col("worth").quantile(share, interpolation="linear")
    found = collect(lazy.select(worth.alias("worth")))["worth"].iloc[0]
    return math.floor(float(found) * 100 + 0.5) / 100


def _table(
    lazy: nw.LazyFrame[Any], channels: tuple[Channel, ...], group: str | None
) -> pd.DataFrame:
    keys = ["served_by"] if group is None else [group, "served_by"]
    sums = lazy.group_by(*keys).agg(nw.len().alias("customers"), nw.col("worth").sum())
    table = collect(sums.with_columns(cents(nw.col("worth")).alias("contribution")))
    order = {name: place for place, name in enumerate([*(c.name for c in channels), UNKNOWN])}
    table["place"] = table["served_by"].map(order)
    table = table.sort_values([*([] if group is None else [group]), "place"], ignore_index=True)
    whole = table.groupby(group)["customers"].transform("sum") if group else None
    n = table["customers"].sum() if whole is None else whole
    of, last = {c.name: c for c in channels}, channels[-1]
    table["share"] = table["customers"] / n
    table["low"], table["high"] = wilson(table["customers"], n, 0.95)
    served = [of.get(name) for name in table["served_by"]]
    heads, money = table["customers"], table["contribution"]
    table["contribution"] = money.where(table["served_by"] != UNKNOWN)
    table["minutes"] = heads * [c.minutes if c else math.nan for c in served]
    table["cost"] = heads * [c.price if c else math.nan for c in served]
    extra = heads * [c.price - last.price if c else math.nan for c in served]
    for name in ("gain", "gain_low", "gain_high"):
        gains = [getattr(c, name) - getattr(last, name) if c else math.nan for c in served]
        table[name.replace("gain", "value")] = money * gains - extra
    columns = ["customers", "share", "low", "high", "contribution", "minutes", "cost"]
    return table[[*keys, *columns, "value", "value_low", "value_high"]]
