"""What was known of a customer before the assignment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.campaigns.measures import (
    EMPTY,
    Outcome,
    attach,
    empty,
    measure,
    panel_columns,
    unknown_name,
)
from segmentation.campaigns.windows import Window, month_before
from segmentation.customers.dates import completed_years
from segmentation.customers.tiers import assign_tier, tier_rule
from segmentation.data.bank import Bank
from segmentation.data.engines import enter

__all__ = ["KNOWN", "attach_covariates"]

PERSON = ("kind", "gender", "occupation")
PLACE = ("branch_id", "manager_id", "household_id")
TIER = ("tier", "tier_code")
BEFORE, OTHERS = "outcome_before", "other_campaigns"
PANEL = (*(name for name in EMPTY if name != "age"), *PLACE)
KNOWN = (*PANEL, *TIER, *PERSON, "age", BEFORE, OTHERS)
"""Names of all covariates."""


def attach_covariates(
    lazy: nw.LazyFrame[Any],
    bank: Bank,
    campaign_id: str,
    names: Sequence[str],
    as_of: dt.date,
    outcome: Outcome,
    window: Window,
) -> nw.LazyFrame[Any]:
    """Join covariates by customer, as they were known on the day before `as_of`.

    Raises
    ------
    TableError
        If one is not known, or a table, column or month that it needs is missing.
    """
    for name in names:
        if name not in KNOWN:
            raise unknown_name("covariates", name, KNOWN)
    panel = [name for name in names if name in PANEL]
    month = month_before(as_of)
    if panel or set(TIER) & set(names):
        wanted = dict.fromkeys((*panel, "aum_average"))
        found = panel_columns(bank, month, wanted)
        fills: dict[str, Any] = {name: EMPTY.get(name) for name in panel}
        if set(TIER) & set(names):
            rule = tier_rule(bank.tier_rule, bank.rules)
            found = enter(assign_tier(found.to_native(), rule))
            fills |= {"tier": rule.names[0], "tier_code": 0}
        fills = {name: value for name, value in fills.items() if name in names}
        lazy = attach(lazy, found.select("customer_id", *fills), fills)
    person = [name for name in names if name in (*PERSON, "age")]
    if person:
        lazy = attach(lazy, _person(bank, person, as_of), {})
    if BEFORE in names:
        earlier = window.before(as_of, outcome.whole_months)
        found = measure(bank, outcome, earlier, BEFORE)
        lazy = attach(lazy, found, {BEFORE: empty(outcome)})
    if OTHERS in names:
        lazy = attach(lazy, _others(bank, campaign_id, as_of, window), {OTHERS: 0})
    return lazy


def _person(bank: Bank, names: Sequence[str], as_of: dt.date) -> nw.LazyFrame[Any]:
    """What `customers` says of a person; one who is there twice is one."""
    columns = ["birth_date" if name == "age" else name for name in names]
    lazy = bank.table("customers", "customer_id", *columns)
    lazy = lazy.group_by("customer_id").agg(nw.col(*columns).max())
    if "age" in names:
        lazy = lazy.with_columns(age=completed_years(nw.col("birth_date"), as_of))
    return lazy.select("customer_id", *names)


def _others(bank: Bank, campaign_id: str, as_of: dt.date, window: Window) -> nw.LazyFrame[Any]:
    """Number of other campaigns that a customer was put in by then, and that reach the window."""
    others = bank.table("campaigns", "campaign_id", "assigned_on", "starts_on", "ends_on")
    others = others.filter(
        nw.col("campaign_id") != campaign_id,
        nw.col("assigned_on") <= as_of,
        nw.col("starts_on") <= window.end,
        nw.col("ends_on") >= window.start,
    )
    lazy = bank.table("assignments", "campaign_id", "customer_id")
    lazy = lazy.join(others.select("campaign_id").unique(), on="campaign_id", how="inner")
    return lazy.group_by("customer_id").agg(nw.len().alias(OTHERS))
