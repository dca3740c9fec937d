"""Conditions of the long tail: rules as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segmentation.data.contract import ASSETS, TABLES
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["MEASURES", "LongTailRule", "long_tail_rule"]

RULES = "rules/long_tail.toml"
KINDS = TABLES["customers"].columns["kind"].values
MEASURES = ("balance", "turnover", "movements")


@dataclass(frozen=True)
class LongTailRule:
    """A rule of who is in the long tail.

    Attributes
    ----------
    name, zh, en, source : str
        Key in `long_tail.toml`, Chinese and English name, and where it comes from.
    kinds : tuple of str
        Kinds of customers that it is for.
    months : int
        Months looked back.
    products : tuple of str
        Products that are counted as balance.
    conditions : mapping of str to (str, float)
        For balance, turnover and movements ``("below", limit)`` or ``("quantile", share)``; all
        must hold.

    Raises
    ------
    TableError
        If an entry is none of these.
    """

    name: str
    zh: str
    en: str
    source: str
    kinds: tuple[str, ...]
    months: int
    products: tuple[str, ...]
    conditions: Mapping[str, tuple[str, float]]

    def __post_init__(self) -> None:
        whole = isinstance(self.months, int) and not isinstance(self.months, bool)
        forms = self.conditions.values()
        flaws = {
            "kinds are personal, corporate or both": not self.kinds
            or not set(self.kinds) <= set(KINDS),
            "months are a whole number from 1": not whole or self.months < 1,
            "products are assets of the contract": not set(self.products) <= set(ASSETS),
            "there is a condition on balance, turnover or movements": not self.conditions
            or not set(self.conditions) <= set(MEASURES),
            "a condition is below an amount, or at a quantile between 0 and 1": not all(
                (form == "below" and 0 <= x < math.inf) or (form == "quantile" and 0 < x < 1)
                for form, x in forms
            ),
        }
        for rule, broken in flaws.items():
            if broken:
                raise TableError(RULES, rule, "Mend it.", self.name)


def long_tail_rule(name: str, folder: str | Path | None = None) -> LongTailRule:
    """Return a rule of the long tail that ships, or one of a bank's own folder of rules.

    Parameters
    ----------
    name : str
        Its key in `long_tail.toml`: ``corporate``, ``corporate_quantile``, ``personal`` or
        ``personal_quantile``.
    folder : path, optional
        The bank's own folder, by default that of `SEGMENTATION_RULES`.

    Raises
    ------
    TableError
        If there is no such rule, or it breaks what `LongTailRule` asks.

    Examples
    --------
    >>> long_tail_rule("corporate").conditions
    {'balance': ('below', 50000.0), 'movements': ('below', 4.0)}
    """
    rules = {key: entry for key, entry in load_rules("long_tail", folder).items() if key != "flags"}
    if name not in rules:
        known = ", ".join(sorted(rules))
        raise TableError(RULES, f"there is no such rule; there are {known}", "Name one of them.")
    entry = rules[name]
    try:
        conditions = {}
        for measure in MEASURES:
            if measure in entry:
                ((form, limit),) = entry[measure].items()
                conditions[measure] = (str(form), float(limit))
        return LongTailRule(
            name=name,
            **{key: str(entry[key]) for key in ("zh", "en", "source")},
            kinds=tuple(entry["kinds"]),
            months=entry["months"],
            products=tuple(entry.get("products", ASSETS)),
            conditions=conditions,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        rule = "a rule has zh, en, source, kinds, months and conditions of one limit each"
        raise TableError(RULES, rule, "Complete it.", name) from None
