"""The branches of the simulated network, the people in its posts, and its rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.calendars import Window
from segmentation.data.draws import NEVER, Array, dates, identifiers, named, pick

__all__ = [
    "branch_table",
    "draw_branches",
    "draw_staff",
    "name_managers",
    "rate_table",
    "staff_table",
]


def draw_branches(
    rng: np.random.Generator, window: Window, count: int, customers: int, rules: dict[str, Any]
) -> pd.DataFrame:
    """Draw branches with their size, surroundings and true quality, one row a branch.

    `weight` is the branch's part of the customers; `mobile`, `service`, `silver`, `profiles` and
    `referral_lobby`, `referral_counter`, `month_end` are the causes that its tables come from.
    """
    names, posts, lobby = rules["branches"]["names"], rules["branches"], rules["lobby"]
    weight = np.exp(0.35 * rng.standard_normal(count))
    weight /= weight.sum()
    size = weight * customers
    region = pick(rng, posts["region_shares"], count)
    light = (rng.random(count) < posts["light"]) & (count > 1)
    lobby_sd = lobby["referral_sd"]
    (low, high), (more, most) = (
        rules["motion"][name] for name in ("month_end_usual", "month_end_high")
    )
    lift = rng.uniform(low, high, count)
    pushed = round(rules["motion"]["month_end_high_share"] * count) if count > 2 else 0
    lift[rng.permutation(count)[:pushed]] = rng.uniform(more, most, pushed)
    posts_held = np.maximum(3, np.rint(4 + size / 300 - light)).astype("int64")
    area = np.rint(np.where(light, 120, 260) + size / 8 + 40 * rng.random(count))
    return pd.DataFrame(
        {
            "branch_id": identifiers("B", count),
            "name": [
                names[i % len(names)] + (f" {i // len(names) + 1}" if i >= len(names) else "")
                for i in range(count)
            ],
            "region": np.array(rules["branches"]["regions"], dtype=object)[region],
            "format": np.where(light, "light", "full"),
            "area": area,
            "opened": window.first - rng.integers(800, 11000, count),
            "annual_cost": np.rint(posts_held * 145e3 + area * 900 + 3e5 * rng.random(count)),
            "weight": weight,
            "size": size,
            "silver": rules["ages"]["branch_sd"] * rng.standard_normal(count),
            "mobile": rules["mobile"]["branch_sd"] * rng.standard_normal(count),
            "profiles": rng.standard_normal(count),
            "service": rng.standard_normal(count),
            "referral_lobby": np.clip(
                lobby["referral_lobby"] + lobby_sd * rng.standard_normal(count), 0.06, 0.14
            ),
            "referral_counter": np.clip(
                lobby["referral_counter"] + lobby_sd * rng.standard_normal(count), 0.02, 0.08
            ),
            "month_end": lift,
        }
    )


def branch_table(branches: pd.DataFrame) -> pd.DataFrame:
    """Return the table `branches` of the contract."""
    table = branches[["branch_id", "name", "region", "format", "area"]].copy()
    for column in ("name", "region", "format"):
        table[column] = table[column].astype("str")
    table["opened_on"] = dates(branches["opened"])
    table["annual_cost"] = branches["annual_cost"]
    return table


def _posts(size: float) -> dict[str, int]:
    """Posts of a branch with `size` customers, about 2 windows for 100 visits a day."""
    return {
        "head": 1,
        "manager": max(1, round(size / 450)),
        "lobby": max(1, round(size / 1500)),
        "teller": max(2, round(size / 500)),
    }


def draw_staff(
    rng: np.random.Generator, window: Window, branches: pd.DataFrame, rules: dict[str, Any]
) -> pd.DataFrame:
    """Draw who held which post when: leavers are followed the next day, some by promotion.

    One row a person and post: staff_id, branch (code), role, first and last (day numbers; NEVER
    while it lasts) and skill, a manager's true effect on what is collected and how much is done.
    """
    hazard, rows, person = rules["branches"]["turnover"] / 365, [], 0
    for branch, size in enumerate(branches["size"]):
        opened = int(branches["opened"].iloc[branch])
        for role, count in _posts(size).items():
            for _ in range(count):
                start = max(opened, window.first - 30 - int(rng.integers(0, 2500)))
                former = 0
                while True:
                    leaves = max(start + 90, window.first) + int(rng.exponential(1 / hazard))
                    skill = rng.standard_normal()
                    if former:  # this manager was a teller of the branch before
                        rows.append((person, branch, "teller", former, start - 1, skill))
                    ends = leaves if leaves <= window.last - 1 else NEVER
                    rows.append((person, branch, role, start, ends, skill))
                    person += 1
                    if ends == NEVER:
                        break
                    start = ends + 1
                    promoted = role == "manager" and rng.random() < 0.4
                    former = max(opened, start - 900) if promoted else 0
    staff = pd.DataFrame(rows, columns=["person", "branch", "role", "first", "last", "skill"])
    ids = identifiers("S", person, 4)
    staff.insert(0, "staff_id", named(ids, rng.permutation(person)[staff["person"]]))
    staff["role"] = staff["role"].astype("str")
    return staff


def name_managers(rng: np.random.Generator, people: pd.DataFrame, staff: pd.DataFrame) -> None:
    """Add to `people` their manager and who collected the profile, as rows of `staff`.

    Managers look after most customers from 50,000 yuan and few of the others; what others' profile
    holds was collected by anyone of the branch.
    """
    n, level = len(people), people["level"].to_numpy()
    chance = np.where(level >= 5e4, 0.85, np.where(level >= 1e4, 0.12, 0.01))
    chance = np.where(people["asleep"] | (people["closed"] < NEVER), 0, chance)
    managed = rng.random(n) < np.where(people["corporate"], 0.5 * chance, chance)
    now = ((staff["role"] == "manager") & (staff["last"] == NEVER)).to_numpy()
    anyone = (staff["role"] != "head").to_numpy()
    manager = _one_of(rng, staff["branch"].to_numpy(), now, people["branch"].to_numpy())
    other = _one_of(rng, staff["branch"].to_numpy(), anyone, people["branch"].to_numpy())
    people["manager"] = np.where(managed, manager, -1)
    people["collector"] = np.where(managed, manager, other)


def _one_of(rng: np.random.Generator, branch: Array, allowed: Array, wanted: Array) -> Array:
    """Draw for each branch wanted one of the allowed rows of that branch; each has at least one."""
    rows = np.flatnonzero(allowed)
    rows = rows[np.argsort(branch[rows], kind="stable")]
    starts = np.searchsorted(branch[rows], wanted)
    counts = np.searchsorted(branch[rows], wanted, side="right") - starts
    drawn: Array = rows[starts + np.floor(rng.random(len(wanted)) * counts).astype("int64")]
    return drawn


def staff_table(staff: pd.DataFrame, branches: pd.DataFrame) -> pd.DataFrame:
    """Return the table `staff` of the contract."""
    return pd.DataFrame(
        {
            "staff_id": staff["staff_id"],
            "branch_id": named(branches["branch_id"].array, staff["branch"]),
            "role": staff["role"],
            "from_date": dates(staff["first"]),
            "to_date": dates(staff["last"]),
        }
    )


def rate_table(window: Window, rules: dict[str, Any]) -> pd.DataFrame:
    """Return the table `rates`: each product's average, and each term of term deposits.

    Rates fall along a line from the start of 2024 to the end of 2025, as listed rates did.
    """
    # months before 2024 have the rates of 2024
    since = window.months.astype("int64") - np.datetime64("2024-01", "M").astype("int64")
    along: Array = np.clip(since / 23, 0, 1)
    terms = {("term", term): entry for term, entry in rules["rates"]["terms"].items()}
    products = {
        (name, None): entry for name, entry in rules["rates"].items() if isinstance(entry, list)
    }
    parts = []
    for (product, term), (start, end, margin) in {**products, **terms}.items():
        paid = np.rint((start + (end - start) * along) * 1e5) / 1e5
        transfer = np.rint((paid + margin) * 1e5) / 1e5
        months = window.months.astype("datetime64[us]")
        parts.append(
            pd.DataFrame(
                {
                    "product": product,
                    "month": months,
                    "term": pd.array([term] * window.count, dtype="str"),
                    "paid": paid,
                    "transfer": transfer,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
