"""What columns, tiers, products and other categories are called before a reader."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from segmentation.data.contract import TABLES
from segmentation.data.rules import load_rules
from segmentation.figures.headings import COLUMNS
from segmentation.figures.language import N_, _, current_language
from segmentation.figures.methods import KINDS, method_name

__all__ = ["label"]

CATEGORIES = {
    "visit": N_("Visit to the shop"),
    "conversion": N_("Purchase"),
    "womens": N_("Bought women's goods before"),
    "history_segment": N_("Spent before"),
    "Mens E-Mail": N_("E-mail with men's goods"),
    "Womens E-Mail": N_("E-mail with women's goods"),
    "No E-Mail": N_("No e-mail"),
    "under 50, below 50k": N_("Under 50, below 50,000 yuan"),
    "under 50, from 50k": N_("Under 50, from 50,000 yuan"),
    "50 and over, below 50k": N_("50 and over, below 50,000 yuan"),
    "50 and over, from 50k": N_("50 and over, from 50,000 yuan"),
    "above": N_("just above"),
    "all_nine": N_("All nine elements"),
    "agri_point": N_("Rural service point"),
    "all": N_("All"),
    "atm": N_("ATM"),
    "below": N_("just below"),
    "call": N_("Call"),
    "card": N_("Credit card"),
    "complete": N_("Complete"),
    "corporate": N_("Corporate"),
    "counter": N_("Counter"),
    "deal": N_("Deal"),
    "demand": N_("Demand deposit"),
    "device": N_("Self-service device"),
    "false": N_("No"),
    "education": N_("Education"),
    "employer": N_("Employer"),
    "female": N_("Female"),
    "fund": N_("Fund"),
    "filled": N_("Filled"),
    "fresh": N_("Up to date"),
    "full": N_("Full branch"),
    "group": N_("Group contact"),
    "head": N_("Head of branch"),
    "insurance": N_("Insurance"),
    "invitation": N_("Invitation"),
    "light": N_("Light branch"),
    "loan": N_("Loan"),
    "lobby": N_("Lobby"),
    "male": N_("Male"),
    "manager": N_("Relationship manager"),
    "marital_status": N_("Marital status"),
    "meeting": N_("Meeting"),
    "merchant": N_("Merchant"),
    "metal": N_("Precious metal"),
    "mobile": N_("Mobile bank"),
    "personal": N_("Personal"),
    "pos": N_("POS"),
    "sms": N_("SMS service"),
    "teller": N_("Teller"),
    "term": N_("Term deposit"),
    "true": N_("Yes"),
    "valid": N_("Valid"),
    "valid_call": N_("Valid call"),
    "wealth": N_("Wealth product"),
    "web": N_("Online bank"),
    "revived": N_("Sudden revival"),
    "pass_through": N_("In and out the same day"),
    "single_counterparty": N_("One counterparty"),
    "any": N_("Any flag"),
    "pooled": N_("Pooled desk"),
    "digital": N_("Digital"),
}
FIELDS = "fields"
"""The section of rules whose keys are names of profile fields."""
TABLE_NAMES = {
    "alliance": N_("Alliance"),
    "assignments": N_("Assignments"),
    "balances": N_("Balances"),
    "branches": N_("Branches"),
    "campaigns": N_("Campaigns"),
    "contacts": N_("Contacts"),
    "customer_branches": N_("Branches of customers"),
    "incidents": N_("Incidents"),
    "ledger": N_("Ledger"),
    "loans": N_("Loans"),
    "maturities": N_("Maturities"),
    "plans": N_("Plans"),
    "profiles": N_("Profiles"),
    "rates": N_("Rates"),
    "signups": N_("Signups"),
    "staff": N_("Staff"),
    "surveys": N_("Surveys"),
    "visits": N_("Visits"),
}
ABOVE, RANGE = " and above", " to "
PENETRATION = "penetration_"
WHOLES = {"n_": N_("Number, {whole}"), "share_of_": N_("Share of {whole}")}
"""Columns that name the whole that they are out of, or count it."""


def label(name: Any, kind: str = "") -> str:
    """Return what a reader calls a column, a tier, a product or another category.

    Parameters
    ----------
    name : str
        Its name in tables and rules.
    kind : str, optional
        ``column``, ``tier`` or the column that the category stands in, where the same name has
        two meanings (the product `term` and the column `term`). By default a category comes
        before a column.

    Returns
    -------
    str
        In the language of the moment. What nobody gave a label is tidied in English, and taken
        from the contract in Chinese where it is a column of it.

    Examples
    --------
    >>> label("aum_share"), label("demand"), label("Basic"), label("some_column")
    ('Share of AUM', 'Demand deposit', 'Basic', 'Some column')
    """
    text = str(name)
    if kind == "method":
        return method_name(text)
    if text in KINDS.get(kind, ()):
        return _(KINDS[kind][text])
    if kind != "column":
        found = _category(text)
        if found is not None:
            return found
    if text.startswith(PENETRATION):
        return _("{product}, penetration").format(product=label(text.removeprefix(PENETRATION)))
    for prefix, whole in WHOLES.items():
        if text.startswith(prefix) and text not in COLUMNS:
            return _(whole).format(whole=label(text.removeprefix(prefix), kind))
    if text in COLUMNS or text in TABLE_NAMES:
        return _(COLUMNS.get(text) or TABLE_NAMES[text])
    if current_language() != "en" and text in _contract_names():
        return _contract_names()[text]
    tidy = text.replace("_", " ").strip()
    return _(tidy[:1].upper() + tidy[1:] if text.isidentifier() and text.islower() else text)


def _category(text: str) -> str | None:
    names = _rule_names(os.environ.get("SEGMENTATION_RULES"))
    if text.endswith(ABOVE):
        return _("{tier} and above").format(tier=label(text.removesuffix(ABOVE)))
    lower, _to, upper = text.partition(RANGE)
    if lower in names and upper in names:
        return _("{lower} to {upper}").format(lower=label(lower), upper=label(upper))
    if text in CATEGORIES:
        return _(CATEGORIES[text])
    return names[text][current_language() != "en"] if text in names else None


@cache
def _contract_names() -> dict[str, str]:
    """Chinese names of tables' columns; the first table that has a name decides."""
    names: dict[str, str] = {}
    for table in TABLES.values():
        for column in table.columns.values():
            names.setdefault(column.name, column.zh)
    return names


@cache
def _rule_names(folder: str | None) -> dict[str, tuple[str, str]]:
    """English and Chinese names that rules give, by English name, and by key for profile fields.

    The bank's own folder is read too; where two rules use a name, the first decides.
    """
    names: dict[str, tuple[str, str]] = {}
    for path in sorted(p.name for p in files("segmentation.rules").iterdir()):
        if path.endswith(".toml"):
            rules = load_rules(path.removesuffix(".toml"), folder)
            for key, entry in rules.get(FIELDS, {}).items():
                if isinstance(entry, dict) and {"en", "zh"} <= set(entry):
                    names.setdefault(key, (str(entry["en"]), str(entry["zh"])))
            for english, chinese in _pairs(rules):
                names.setdefault(english, (english, chinese))
    return names


def _pairs(rules: Any) -> Iterator[tuple[str, str]]:
    if isinstance(rules, dict):
        if {"en", "zh"} <= set(rules):
            yield str(rules["en"]), str(rules["zh"])
        for entry in rules.values():
            yield from _pairs(entry)
    elif isinstance(rules, list):
        for entry in rules:
            yield from _pairs(entry)


def shown_names() -> frozenset[str]:
    """All Chinese names that rules and contract show, for the font."""
    root = files("segmentation")
    rules = [path for path in root.joinpath("rules").iterdir() if path.name.endswith(".toml")]
    texts = [p.read_text("utf-8") for p in (*rules, root.joinpath("data", "contract.toml"))]
    return frozenset("".join(texts))
