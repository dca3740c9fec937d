"""The campaigns of the simulation: who was assigned what, who was reached, and what it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.calendars import Window
from segmentation.data.draws import NEVER, Array, dates, identifiers, named, pick

__all__ = [
    "SEGMENTS",
    "assignment_table",
    "campaign_span",
    "campaign_table",
    "campaign_truth",
    "draw_trials",
]

SEGMENTS = ("persuadable", "sure thing", "lost cause", "sleeping dog")
"""What contact does to a customer: helps, is not needed, is in vain, harms."""
STRATA = (
    "under 50, below 50k",
    "under 50, from 50k",
    "50 and over, below 50k",
    "50 and over, from 50k",
)
ACTIVE, CONTROL = "treatment", "control"


def campaign_span(window: Window) -> tuple[int, int]:
    """Return the first and last month (positions) of the two campaigns."""
    first = max(0, window.count - 7)
    return first, min(first + 1, window.count - 1)


def draw_trials(
    rng: np.random.Generator,
    people: pd.DataFrame,
    asleep: Array,
    window: Window,
    branches: int,
    rules: dict[str, Any],
) -> None:
    """Add to `people` what the campaigns do with each customer.

    A segment, drawn by age, level and channel, gives the probability of a fresh term deposit in
    two months when left alone (`p_alone`) and when contacted (`p_contacted`). `eligible` customers
    are randomised within strata, half to treatment; `contacted` is the day on which a customer of
    the treatment arm was reached. `treated_branch` are the branches of the second campaign.
    """
    n, trial = len(people), rules["campaign"]
    age, level = people["age"].to_numpy(), people["level"].to_numpy()
    size = np.log10(np.maximum(level, 1.0)) - 4
    digital = people["mobile_from"].to_numpy() < NEVER
    odds = np.column_stack(
        [
            0.07 * np.exp(1.0 * (age >= 55) + 0.3 * size),
            0.05 * np.exp(0.4 * size),
            np.full(n, 0.78),
            0.07 * np.exp(0.9 * ((age < 40) & digital)),
        ]
    )
    segment = pick(rng, odds)
    chances = np.array([trial[name.replace(" ", "_")] for name in SEGMENTS])
    can = ~people["corporate"].to_numpy() & (level >= trial["eligible_from"])
    people["segment"] = segment
    people["p_alone"], people["p_contacted"] = (chances[segment] * can[:, None]).T
    people["consent"] = rng.random(n) < 0.72
    first, last = campaign_span(window)
    start, end = int(window.starts[first]), int(window.ends[last])
    here = (people["opened"] < start) & (people["closed"] > start)
    settled = ~asleep[:, first] & ~asleep[:, max(first - 3, 0)] & (people["opened"] < start - 91)
    eligible = (can & here & people["consent"] & settled).to_numpy()
    stratum = (2 * (age >= 50) + (level >= 5e4)).astype("int64")
    order = rng.permutation(n)
    order = order[eligible[order]]
    order = order[np.argsort(stratum[order], kind="stable")]
    arm = np.full(n, -1)
    arm[order] = np.arange(len(order)) % 2  # every other customer of a shuffled stratum
    reached = (arm == 1) & (rng.random(n) < trial["reached"])
    day = start + np.floor(rng.random(n) * min(28, end - start))
    reached &= day < people["closed"].to_numpy()
    if eligible.sum() < 2:  # no comparison, no campaign
        eligible, reached = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    people["eligible"], people["stratum"], people["arm"] = eligible, stratum, arm
    people["contacted"] = np.where(reached, day, NEVER).astype("int64")
    chosen = np.zeros(branches, dtype=bool)
    if branches > 1:
        chosen[rng.permutation(branches)[: _treated(branches, rules)]] = True
    place = np.where(people["moved"] >= first, people["former"], people["branch"])
    people["treated_branch"] = chosen[place]
    inside = (here & ~people["corporate"]).to_numpy()
    both = len(np.unique(chosen[place][inside])) == 2
    people["in_branch_trial"] = inside & both


def _treated(branches: int, rules: dict[str, Any]) -> int:
    """Number of branches of the second campaign that are treated."""
    share: float = rules["campaign"]["branch_share"]
    return max(1, round(share * branches))


def campaign_table(people: pd.DataFrame, window: Window, rules: dict[str, Any]) -> pd.DataFrame:
    """Return the table `campaigns` of the contract."""
    first, last = campaign_span(window)
    trial = rules["campaign"]
    table = pd.DataFrame(
        {
            "campaign_id": identifiers("K", 2),
            "name": ["Calls before deposits mature", "Merchants' street festival"],
            "unit": ["customer", "branch"],
            "assigned_on": dates(np.full(2, window.starts[first] - 7)),
            "starts_on": dates(np.full(2, window.starts[first])),
            "ends_on": dates(np.full(2, window.ends[last])),
            "cost_per_contact": [trial["cost_per_contact"], 0.0],
            "fixed_cost": [trial["fixed_cost"], trial["branch_cost"]],
        }
    )
    table[["name", "unit"]] = table[["name", "unit"]].astype("str")
    return table[[bool(people["eligible"].any()), bool(people["in_branch_trial"].any())]]


def assignment_table(people: pd.DataFrame, branches: int, rules: dict[str, Any]) -> pd.DataFrame:
    """Return the table `assignments`: randomised customers, and all customers of every branch."""
    ids, codes = identifiers("K", 2), people["customer_id"].array
    first = np.flatnonzero(people["eligible"])
    second = np.flatnonzero(people["in_branch_trial"])
    rows = np.concatenate([first, second])
    calls = np.arange(len(rows)) < len(first)
    treated = np.where(
        calls, people["arm"].to_numpy()[rows] == 1, people["treated_branch"].to_numpy()[rows]
    )
    planned = _treated(branches, rules) / branches
    share = np.where(calls, 0.5, np.where(treated, planned, 1 - planned))
    day = np.where(calls, people["contacted"].to_numpy()[rows], NEVER)
    return pd.DataFrame(
        {
            "campaign_id": named(ids, np.where(calls, 0, 1)),
            "customer_id": codes.take(rows),
            "arm": named([CONTROL, ACTIVE], treated.astype("int64")),
            "share": share,
            "stratum": named(STRATA, np.where(calls, people["stratum"].to_numpy()[rows], -1)),
            "contacted_on": dates(day),
        }
    )


def campaign_truth(people: pd.DataFrame, outcomes: Array, rules: dict[str, Any]) -> pd.DataFrame:
    """Return the true effects, one row a campaign and outcome.

    `effect` is that of being assigned, `effect_reached` that of being reached, both expected over
    the eligible; `base` is the expected outcome of the control arm and `sample_effect_reached` the
    effect in the potential outcomes that were drawn.
    """
    trial, who = rules["campaign"], people["eligible"].to_numpy()
    rows = []
    if who.any():
        alone = people["p_alone"].to_numpy()[who].mean()
        reached = (people["p_contacted"] - people["p_alone"]).to_numpy()[who].mean()
        drawn = outcomes[who].mean(axis=0)
        effects = (reached * trial["reached"], reached, drawn[1] - drawn[0])
        rows.append(("fresh term deposit", alone, *effects, int(who.sum())))
    if people["in_branch_trial"].any():
        effect = trial["branch_effect"]
        rows.append(
            ("share of AUM", 0.0, effect, effect, effect, int(people["in_branch_trial"].sum()))
        )
    columns = ["outcome", "base", "effect", "effect_reached", "sample_effect_reached", "customers"]
    table = pd.DataFrame(rows, columns=columns)
    ids = identifiers("K", 2)[[bool(who.any()), bool(people["in_branch_trial"].any())]]
    table.insert(0, "campaign_id", ids)
    return table
