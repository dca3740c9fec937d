"""Channels: who can serve a customer, at what price, and for what gain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["UNKNOWN", "Channel", "servicing_rule", "sound"]

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
    return sound(channels, name)


def sound(channels: tuple[Channel, ...], name: str) -> tuple[Channel, ...]:
    """Return the channels, or raise `TableError` where they cannot be chosen between."""
    whole = 1 <= len(channels) <= 3 and all(
        0 <= c.minutes < math.inf
        and 0 <= c.cost < math.inf
        and 0 <= c.gain_low <= c.gain <= c.gain_high < math.inf
        for c in channels
    )
    keys = {c.name for c in channels}
    if not whole or UNKNOWN in keys or len(keys) < len(channels):
        rule = "one to three channels have key, zh, en, minutes, cost and gain within its range"
        raise TableError(RULES, rule, "Complete them.", name)
    if any(a.price <= b.price or a.gain <= b.gain for a, b in pairwise(channels)):
        rule = "channels fall in price and in gain"
        raise TableError(RULES, rule, "Sort them; leave out what costs more and gains less.", name)
    return channels
