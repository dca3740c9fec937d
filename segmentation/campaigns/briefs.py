"""What a campaign of the bank wants: its question, as `rules/campaigns.toml` has it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.data.engines import collect
from segmentation.data.errors import MissingTable, TableError
from segmentation.data.rules import load_rules

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["Brief", "campaign_brief"]

UNITS = ("customer", "branch")
COMPARISONS = (">", "<", "=")


@dataclass(frozen=True)
class Brief:
    """A campaign, what is to be measured of it, and what that is worth.

    Attributes
    ----------
    campaign_id, name : str
    question : tuple
        Campaign, outcome, first and last day: what `campaign_data` takes after the bank.
    before : tuple of str
        Covariates known before the assignment.
    control : str
        Arm that is left alone.
    margin : float
        Yuan for each unit of the outcome: for a conversion, or for a yuan of balances.
    cost, fixed : float
        Yuan for each contact, and for the campaign as a whole.
    kind : str
        How the outcome is written: "percent" for a conversion, else "money".
    """

    campaign_id: str
    name: str
    question: tuple[str, str, dt.date, dt.date]
    before: tuple[str, ...]
    control: str
    margin: float
    cost: float
    fixed: float
    kind: Literal["percent", "money"]


def campaign_brief(bank: Bank, unit: str = "customer") -> Brief:
    """Return the brief of the bank's latest campaign of a unit.

    Parameters
    ----------
    bank : Bank
        With campaigns and assignments. A bank writes what its campaigns want into the
        `campaigns.toml` of its folder of rules.
    unit : str
        ``customer`` or ``branch``: what was assigned.

    Raises
    ------
    MissingTable
        If the bank has no campaign of the unit that has ended within its months.
    TableError
        If the unit or a part of the rules is none of those known.

    Examples
    --------
    >>> from segmentation import open_bank
    >>> brief = campaign_brief(open_bank())
    >>> brief.campaign_id, brief.kind, brief.cost
    ('K01', 'percent', 8.0)
    """
    if unit not in UNITS:
        raise TableError("unit", "it is customer or branch", "Name one of them.")
    bank.require("campaigns", "assignments")
    rows = bank.table(
        "campaigns",
        *("campaign_id", "unit", "starts_on", "ends_on"),
        optional=("name", "cost_per_contact", "fixed_cost"),
    )
    table = collect(rows.filter(nw.col("unit") == unit))
    last = pd.Timestamp(bank.months[-1]) + pd.offsets.MonthEnd(0)
    table = table[table["ends_on"] <= last]
    if table.empty:
        raise MissingTable(
            "campaigns",
            f"no campaign by {unit} has ended within the months of balances",
            "Add one, with its assignments.",
        )
    chosen = table.sort_values(["ends_on", "campaign_id"]).iloc[-1]
    number = str(chosen["campaign_id"])
    rules = _rules(bank, number)
    outcome = rules["outcome"]
    return Brief(
        campaign_id=number,
        name=_text(chosen.get("name"), number),
        question=(number, outcome, chosen["starts_on"].date(), chosen["ends_on"].date()),
        before=tuple(rules["before"]),
        control=rules["control"],
        margin=float(rules["margin"]),
        cost=_yuan(chosen.get("cost_per_contact")),
        fixed=_yuan(chosen.get("fixed_cost")),
        kind="percent" if any(sign in outcome for sign in COMPARISONS) else "money",
    )


def _rules(bank: Bank, number: str) -> dict[str, Any]:
    known = load_rules("campaigns", bank.rules)
    rules: dict[str, Any] = {**known["default"], **known.get(number, {})}
    margin, before = rules.get("margin"), rules.get("before")
    fit = (
        isinstance(rules.get("outcome"), str)
        and isinstance(rules.get("control"), str)
        and isinstance(margin, int | float)
        and isinstance(before, list)
        and all(isinstance(name, str) for name in before)
    )
    if not fit:
        raise TableError(
            "rules/campaigns.toml",
            "outcome and control are text, margin a number, before a list of columns",
            "Mend the rule.",
        )
    return rules


def _yuan(cost: Any) -> float:
    return 0.0 if cost is None or pd.isna(cost) else float(cost)


def _text(name: Any, number: str) -> str:
    return number if name is None or pd.isna(name) else str(name)
