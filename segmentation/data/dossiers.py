"""Profile fields of the simulated customers: what is filled, valid and fresh, and why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.calendars import Window
from segmentation.data.draws import NEVER, Array, dates, logistic, named, stream

__all__ = ["draw_profiles", "field_truth", "profile_table"]

SLOPES = ("branch", "manager", "income", "age", "tier")
"""Causes of a field being filled; coefficients are log odds."""


def draw_profiles(
    seed: int,
    people: pd.DataFrame,
    branches: pd.DataFrame,
    staff: pd.DataFrame,
    window: Window,
    rules: dict[str, Any],
) -> dict[str, dict[str, Array]]:
    """Draw for each field whether it is filled and valid, and when it was confirmed.

    Log odds of filled = base + branch · b + manager · m + income · z + age · (age − 45)/10 +
    tier · (log10 level − 4), with b of the branch, m the skill of the customer's collector and z
    the standardised log of the true income, which is missing not at random: the rich and the young
    keep it to themselves.
    """
    n, log_income = len(people), np.log(people["income"].to_numpy())
    causes = {
        "branch": branches["profiles"].to_numpy()[people["branch"]],
        "manager": staff["skill"].to_numpy()[people["collector"]],
        "income": (log_income - 11.0) / 0.6,
        "age": (people["age"].to_numpy() - 45) / 10,
        "tier": np.clip(np.log10(np.maximum(people["level"], 1)) - 4, -3, 3).to_numpy(),
    }
    opened = people["opened"].to_numpy()
    end = np.minimum(people["closed"].to_numpy() - 1, window.last)
    drawn = {}
    for field, rule in rules["fields"].items():
        rng = stream(seed, f"profiles {field}")
        odds = rule["base"] + sum(rule.get(slope, 0.0) * causes[slope] for slope in SLOPES)
        filled, valid = rng.random(n) < logistic(odds), rng.random(n) >= rule["invalid"]
        age = np.floor(rng.exponential(380.0, n).clip(0, 1090))
        old = (end - opened) > 5 * 365
        stale = old & (rng.random(n) < rule.get("stale", 0.05) / max(old.mean(), 0.05))
        age = np.where(stale, 5 * 365 + np.floor(rng.random(n) * 1500), age)
        drawn[field] = {
            "filled": filled,
            "valid": valid,
            "updated": np.maximum(np.maximum(end - age, opened), opened).astype("int64"),
        }
    return drawn


def profile_table(
    drawn: dict[str, dict[str, Array]], people: pd.DataFrame, staff: pd.DataFrame
) -> pd.DataFrame:
    """Return the table `profiles` of the personal customers."""
    rows = np.flatnonzero(~people["corporate"].to_numpy())
    collector = people["collector"].to_numpy()[rows]
    fields = list(drawn)
    filled = np.column_stack([drawn[field]["filled"][rows] for field in fields]).ravel()
    valid = np.column_stack([drawn[field]["valid"][rows] for field in fields]).ravel()
    updated = np.column_stack([drawn[field]["updated"][rows] for field in fields]).ravel()
    day = np.where(filled, updated, NEVER)
    who = np.where(filled, np.repeat(collector, len(fields)), -1)
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"].array.take(np.repeat(rows, len(fields))),
            "field": named(fields, np.tile(np.arange(len(fields)), len(rows))),
            "filled": filled,
            "valid": pd.arrays.BooleanArray(valid, ~filled),
            "updated_on": dates(day),
            "collected_by": named(staff["staff_id"].array, who),
        }
    )


def field_truth(rules: dict[str, Any]) -> pd.DataFrame:
    """Return mechanism and coefficients of each field, one row a field."""
    rows = [
        {
            "field": field,
            "mechanism": rule["mechanism"],
            "base": rule["base"],
            **{slope: rule.get(slope, 0.0) for slope in SLOPES},
            "invalid": rule["invalid"],
            "stale": rule.get("stale", 0.05),
        }
        for field, rule in rules["fields"].items()
    ]
    return pd.DataFrame(rows)
