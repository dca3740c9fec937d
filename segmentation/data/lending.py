"""Loans of the simulation: drawn, repaid on time, late or not at all, and what was recovered."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segmentation.data.calendars import Window
from segmentation.data.draws import NEVER, Array, dates, expand, identifiers, named, pick

__all__ = ["draw_loans", "loan_balances", "loan_table"]

PURPOSES = ("agriculture", "business", "housing", "consumption")
YEARS = np.array([1, 1, 20, 3])
MIDDLE = np.array([6e4, 2e5, 3.5e5, 5e4])
CLASSES = ("normal", "special_mention", "substandard", "doubtful", "loss")


def draw_loans(rng: np.random.Generator, people: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Draw loans, one row each. How often what happens is assumption.

    Agricultural and business loans are repaid at once when due, the others evenly. One in 12 turns
    bad: an even one stops on the way, the other is not repaid when due.
    """
    kind, corporate = people["archetype"].to_numpy(), people["corporate"].to_numpy()
    farmer = (people["occupation"] == "farmer").to_numpy()
    chance = np.select(
        [corporate, kind == "owner", farmer, kind == "payroll"], [0.3, 0.32, 0.2, 0.12], 0.02
    )
    chance = chance * ~people["asleep"].to_numpy() * (people["age"] < 66)
    count = np.where(rng.random(len(people)) < chance, 1 + rng.poisson(1.3, len(people)), 0)
    row, _ = expand(count)
    opened, closed = people["opened"].to_numpy()[row], people["closed"].to_numpy()[row]
    mix = np.where(corporate[row, None], [0.1, 0.9, 0, 0], [0.12, 0.1, 0.33, 0.45])
    mix = np.where(((kind[row] == "owner") & ~corporate[row])[:, None], [0.1, 0.7, 0.1, 0.1], mix)
    mix = np.where((farmer[row] & ~corporate[row])[:, None], [0.75, 0.1, 0.05, 0.1], mix)
    purpose = pick(rng, mix) if len(row) else np.zeros(0, dtype="int64")
    low = np.maximum(opened + 1, window.first - 300 * np.minimum(YEARS[purpose], 6))
    high = np.minimum(closed - 1, window.last)
    drawn = (low + np.floor(rng.random(len(row)) * (high - low + 1))).astype("int64")
    amount = MIDDLE[purpose] * np.exp(0.5 * rng.standard_normal(len(row)))
    amount = np.maximum(np.rint(amount * np.where(corporate[row], 5, 1) / 1000) * 1000, 1000)
    due = drawn + YEARS[purpose] * 365
    bad = (rng.random(len(row)) < 0.08) & (closed == NEVER)
    even = purpose >= 2
    stop = drawn + np.where(even, np.floor(rng.random(len(row)) * (due - drawn)), due - drawn)
    late = np.where(rng.random(len(row)) < 0.06, np.floor(5 + 55 * rng.random(len(row))), 0)
    repaid = np.where(bad, NEVER, due + np.where(even, 0, late))
    repaid = np.minimum(repaid, np.where(closed == NEVER, NEVER, closed - 1))
    since = np.maximum(window.last - stop, 0)
    part = np.where(rng.random(len(row)) < 0.5, rng.uniform(0.05, 0.6, len(row)), 0)
    loans = pd.DataFrame(
        {
            "row": row,
            "purpose": purpose,
            "amount": amount,
            "drawn": drawn,
            "due": due,
            "repaid_on": repaid.astype("int64"),
            "stop": np.where(bad, stop, NEVER).astype("int64"),
            "recovers_on": np.where(bad, stop + np.floor(0.6 * since) + 1, NEVER).astype("int64"),
            "recovers": np.where(bad & (since > 60), part, 0.0),
        }
    )
    possible = pd.Series(high >= low)
    return loans[possible].reset_index(drop=True)


def _outstanding(loans: pd.DataFrame, day: int | Array) -> Array:
    """What of each loan is outstanding at the end of a day."""
    drawn, due = loans["drawn"].to_numpy(), loans["due"].to_numpy()
    until = np.minimum(day, loans["stop"].to_numpy())
    gone = np.where(loans["purpose"] >= 2, np.clip((until - drawn) / (due - drawn), 0, 1), 0)
    left = loans["amount"].to_numpy() * (1 - gone)
    left = left * (1 - np.where(loans["recovers_on"] <= day, loans["recovers"], 0))
    there = (drawn <= day) & (loans["repaid_on"].to_numpy() > day)
    return np.where(there, np.floor(left * 100 + 0.5) / 100, 0)


def loan_balances(loans: pd.DataFrame, n: int, window: Window) -> tuple[Array, Array]:
    """Return loans outstanding, daily average and month's end, each of shape (n, months)."""
    average, end = np.zeros((n, window.count)), np.zeros((n, window.count))
    row = loans["row"].to_numpy()
    for month in range(window.count):
        days = range(int(window.starts[month]), int(window.ends[month]) + 1)
        daily = [_outstanding(loans, day) for day in days]
        average[:, month] = np.bincount(row, np.mean(daily, axis=0), n)
        end[:, month] = np.bincount(row, daily[-1], n)
    return average, end


def loan_table(
    loans: pd.DataFrame, people: pd.DataFrame, branches: pd.DataFrame, window: Window
) -> pd.DataFrame:
    """Return the table `loans` as it stands at the end of the window."""
    row, left = loans["row"].to_numpy(), _outstanding(loans, window.last)
    over = np.maximum(window.last - loans["stop"].to_numpy(), -1)
    bad = over > 0
    grade = np.where(bad, np.searchsorted([30, 90, 180, 360], over), 0)
    whole = loans["repaid_on"].to_numpy() <= window.last
    before = loans.assign(recovers=0.0)
    recovered = np.floor((_outstanding(before, window.last) - left) * 100 + 0.5) / 100
    return pd.DataFrame(
        {
            "loan_id": identifiers("L", len(loans), 5),
            "customer_id": people["customer_id"].array.take(row),
            "branch_id": named(branches["branch_id"].array, people["branch"].to_numpy()[row]),
            "purpose": named(PURPOSES, loans["purpose"]),
            "amount": loans["amount"],
            "drawn_on": dates(loans["drawn"]),
            "due_on": dates(loans["due"]),
            "repaid_on": dates(np.where(whole, loans["repaid_on"], NEVER)),
            "repaid": np.floor((loans["amount"].to_numpy() - left) * 100 + 0.5) / 100,
            "class": named(CLASSES, grade),
            "recovered": np.where(bad, recovered, np.nan),
        }
    )
