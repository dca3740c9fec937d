"""Definitions of dormancy, as banks state them: rules as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmentation.customers.movements import activity_rule
from segmentation.data.contract import ASSETS, DEBTS, TABLES
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["DormancyRule", "dormancy_rule", "dormancy_rules"]

RULES = "rules/dormancy.toml"
KINDS = TABLES["customers"].columns["kind"].values


@dataclass(frozen=True)
class DormancyRule:
    """A definition of dormancy.

    Attributes
    ----------
    name, zh, en, source : str
        Key in `dormancy.toml`, Chinese and English name, and where it comes from.
    kinds : tuple of str
        Kinds of customers that it is for.
    months : int
        Completed months without an active movement, at least.
    max_balance : float or None
        Highest balance in the bank's currency, None where it does not matter.
    inclusive : bool
        Whether `max_balance` itself is dormant.
    products, exempt : tuple of str
        Products that are counted as balance, and those that keep a customer from being dormant.
    exempt_under : int or None
        Age in completed years under which nobody is dormant.
    not_activity : tuple of str
        Kinds of movements that wake nobody.

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
    max_balance: float | None
    inclusive: bool
    products: tuple[str, ...]
    exempt: tuple[str, ...]
    exempt_under: int | None
    not_activity: tuple[str, ...]

    def __post_init__(self) -> None:
        limit, age = self.max_balance, self.exempt_under
        flaws = {
            "kinds are personal, corporate or both": not set(self.kinds) <= set(KINDS)
            or not self.kinds,
            "months are a whole number from 1": not _whole(self.months, 1),
            "max_balance is an amount of 0 or more": limit is not None
            and not 0 <= limit < math.inf,
            "products are assets of the contract": not set(self.products) <= set(ASSETS),
            "exempt are products of the contract": not set(self.exempt) <= {*ASSETS, *DEBTS},
            "exempt_under is a whole number of years": age is not None and not _whole(age, 0),
        }
        for rule, broken in flaws.items():
            if broken:
                raise TableError(RULES, rule, "Mend it.", self.name)


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def dormancy_rule(name: str, folder: str | Path | None = None) -> DormancyRule:
    """Return a definition of dormancy that ships, or one of a bank's own folder of rules.

    Parameters
    ----------
    name : str
        Its key in `dormancy.toml`: ``cib``, ``cib_before``, ``six_months``, ``two_years``,
        ``yuanan`` or ``corporate``.
    folder : path, optional
        The bank's own folder, by default that of `SEGMENTATION_RULES`.

    Raises
    ------
    TableError
        If there is no such definition, or it breaks what `DormancyRule` asks.

    Examples
    --------
    >>> rule = dormancy_rule("cib")
    >>> rule.months, rule.max_balance, rule.exempt, rule.not_activity
    (12, 10.0, ('loan', 'fund', 'wealth'), ('interest', 'fee', 'judicial'))
    """
    return _read(name, load_rules("dormancy", folder), folder)


def dormancy_rules(folder: str | Path | None = None) -> tuple[DormancyRule, ...]:
    """Return all definitions that ship and those of a bank's own folder, in their order.

    Examples
    --------
    >>> [rule.months for rule in dormancy_rules()]
    [12, 6, 6, 24, 36, 12]
    """
    rules = load_rules("dormancy", folder)
    return tuple(_read(name, rules, folder) for name in rules)


def _read(name: str, rules: dict[str, Any], folder: str | Path | None) -> DormancyRule:
    if name not in rules:
        known = ", ".join(sorted(rules))
        rule = f"there is no such definition; there are {known}"
        raise TableError(RULES, rule, "Name one of them.")
    entry = rules[name]
    try:
        limit = entry.get("max_balance")
        return DormancyRule(
            name=name,
            **{key: str(entry[key]) for key in ("zh", "en", "source")},
            kinds=_texts(entry["kinds"]),
            months=entry["months"],
            max_balance=None if limit is None else float(limit),
            inclusive=bool(entry.get("inclusive", True)),
            products=_texts(entry.get("products", ASSETS)),
            exempt=_texts(entry.get("exempt", ())),
            exempt_under=entry.get("exempt_under"),
            not_activity=_texts(entry["not_activity"])
            if "not_activity" in entry
            else activity_rule(folder).not_activity,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(
            RULES, "a definition has zh, en, source, kinds and months", "Complete it.", name
        ) from None


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError("a list of texts")
    return tuple(map(str, value))
