"""Workloads: which customers are worth whose minutes, and who serves whom when minutes are few."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.allotments import allotted
from segmentation.customers.channels import UNKNOWN, Channel, servicing_rule, sound
from segmentation.customers.intervals import wilson
from segmentation.data.engines import cents, collect, enter, frame_kind, leave
from segmentation.data.errors import TableError

__all__ = ["Servicing", "servicing"]


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
        (all above break_even), customers (served), above (the contribution that they are above,
        where the capacities decided). The cheapest channel has no break_even: it serves whom no
        other does.
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
    the next channel: what a dearer channel adds rises with the contribution, so no other order is
    worth more. Where the second of three channels is full, the first takes as many as are worth the
    place that each leaves free there. Customers with the same contribution as the first for whom
    there is no place are left to the next channel, all of them.

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
    channels = servicing_rule(rule, folder) if isinstance(rule, str) else sound(rule, "rule")
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
    steps = allotted(lazy, channels, limits)
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
        break_even=steps.assign(above=steps["above"].where(steps["above"] != steps["break_even"])),
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
    return sound(tuple(changed), "minutes")


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
