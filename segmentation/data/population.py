"""The simulated customers: who they are, how long they stay, and what moves their money."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.calendars import Window
from segmentation.data.draws import (
    NEVER,
    Array,
    dates,
    expand,
    identifiers,
    logistic,
    named,
    pick,
    stream,
)
from segmentation.data.wealth import configuration, draw_awake, draw_dormant

__all__ = ["customer_branch_table", "customer_table", "draw_people", "keep_holders"]

CAUSES = ("card replaced", "moved away", "opened for one purpose", "banks elsewhere")
JOBS = ("farmer", "factory worker", "shop owner", "teacher", "civil servant", "services", "driver")
INDUSTRIES = ("agriculture", "manufacturing", "retail", "construction", "services", "transport")


def draw_people(
    seed: int, window: Window, branches: pd.DataFrame, customers: int, rules: dict[str, Any]
) -> pd.DataFrame:
    """Draw all customers with the causes of what they do, one row a customer, personal ones first.

    Days are day numbers (`NEVER` for what does not happen), branches and months are positions.
    """
    corporate = np.arange(customers + round(customers * 400 / 18_000)) >= customers
    n, rng = len(corporate), stream(seed, "customers")
    people = pd.DataFrame({"corporate": corporate})
    people["branch"] = rng.choice(len(branches), n, p=branches["weight"])
    people["attachment"] = rng.standard_normal(n)
    _draw_ages(rng, people, window, branches, rules)
    _draw_life(rng, people, window, rules)
    _draw_wealth(stream(seed, "wealth"), people, window, rules)
    _draw_work(stream(seed, "work"), people)
    _draw_mobile(stream(seed, "mobile"), people, window, branches, rules)
    _draw_homes(stream(seed, "households"), people)
    _draw_moves(stream(seed, "customer_branches"), people, window, len(branches), rules)
    codes = stream(seed, "identifiers").permutation(n)
    people.insert(0, "customer_id", named(identifiers("C", n, 6), codes))
    return people


def _draw_ages(
    rng: np.random.Generator,
    people: pd.DataFrame,
    window: Window,
    branches: pd.DataFrame,
    rules: dict[str, Any],
) -> None:
    bands, shares = np.array(rules["ages"]["bands"]), np.array(rules["ages"]["shares"])
    tilt = np.exp(branches["silver"].to_numpy()[:, None] * (bands[:, 0] >= 50))
    band = pick(rng, (shares * tilt)[people["branch"]])
    age = bands[band, 0] + rng.random(len(people)) * (bands[band, 1] - bands[band, 0])
    people["age"] = age
    people["birth"] = (window.last - np.floor(age * 365.25)).astype("int64")
    people["gender"] = np.where(rng.random(len(people)) < 0.51, "female", "male")


def _draw_life(
    rng: np.random.Generator, people: pd.DataFrame, window: Window, rules: dict[str, Any]
) -> None:
    """Openings make up for closings; attachment lengthens tenure and lowers the hazard."""
    life, n = rules["life"], len(people)
    inflow = life["hazard"] * window.count
    new = rng.random(n) < inflow / (1 + inflow)
    attachment = people["attachment"].to_numpy()
    tenure = rng.exponential(7.0, n) * np.exp(0.4 * attachment)
    oldest = np.where(people["corporate"], 20.0, np.maximum(people["age"] - 16, 0.1))
    tenure = np.minimum(tenure, np.minimum(oldest, 30) * rng.uniform(0.6, 1.0, n))
    before = window.first - 1 - np.floor(tenure * 365.25)
    within = window.first + np.floor(rng.random(n) * (window.last - window.first + 1))
    people["opened"] = np.where(new, within, before).astype("int64")
    slope = life["attachment"] * attachment
    hazard = life["hazard"] * np.exp(slope - life["attachment"] ** 2 / 2)
    stays = rng.exponential(1.0, n) / hazard * 30.4
    closed = np.maximum(people["opened"], window.first) + 1 + np.floor(stays)
    people["closed"] = np.where(closed <= window.last, closed, NEVER).astype("int64")


def keep_holders(
    rng: np.random.Generator, people: pd.DataFrame, products: Array, rules: dict[str, Any]
) -> None:
    """Let each product beyond the first prevent a closing in 33: the true effect of depth is small.

    That customers with many products leave less is mostly attachment, which causes both.
    """
    stays = rng.random(len(people)) >= np.exp(rules["life"]["product_effect"] * (products - 1))
    people["closed"] = np.where(stays, NEVER, people["closed"])


def _draw_wealth(
    rng: np.random.Generator, people: pd.DataFrame, window: Window, rules: dict[str, Any]
) -> None:
    """Level of AUM awake and asleep, when it sleeps, and what moves it from month to month."""
    n, life, motion = len(people), rules["life"], rules["motion"]
    rural, corporate = configuration("rural"), people["corporate"].to_numpy()
    age = people["age"].to_numpy()
    draws = draw_awake(rng, n, rural)
    score = rng.standard_normal(n) + 0.25 * np.minimum((age - 45) / 10, 2)
    score += 0.2 * people["attachment"].to_numpy()
    level = np.empty(n)
    for group in (corporate, ~corporate):  # the richer draws go to the higher scores
        level[np.flatnonzero(group)[np.argsort(score[group], kind="stable")]] = np.sort(
            draws[group]
        )
    people["level"] = np.where(corporate, np.exp(10 + 2.0 * rng.standard_normal(n)), level)
    people["sleeping_level"] = draw_dormant(rng, n, rural)
    old = people["opened"].to_numpy() < window.first
    chance = np.where(old, life["dormant_old"], life["dormant_new"]) * np.where(corporate, 0.4, 1)
    people["asleep"] = rng.random(n) < chance
    turn = np.floor(rng.exponential(1 / life["toggles"], n))
    seen = (turn >= 1) & (turn < window.count) & old
    people["turns"] = np.where(seen, turn, NEVER).astype("int64")
    ends_asleep = people["asleep"] ^ seen
    people["cause"] = np.where(ends_asleep, pick(rng, [0.3, 0.25, 0.25, 0.2], n), -1)
    people["drift"] = motion["drift_sd"] * rng.standard_normal(n)
    slides = pick(rng, [motion["sliders"], motion["sliders"], 1 - 2 * motion["sliders"]], n)
    people["slide"] = np.array([-motion["slide"], motion["slide"], 0.0])[slides]
    people["slides_at"] = np.floor(rng.random(n) * (window.count + 12)) - 6
    people["season"] = rng.exponential(1.0, n)


def _draw_work(rng: np.random.Generator, people: pd.DataFrame) -> None:
    """Archetype, occupation, yearly income and the day on which salary or pension comes."""
    n, age, corporate = len(people), people["age"].to_numpy(), people["corporate"].to_numpy()
    u, level = rng.random(n), people["level"].to_numpy()
    kind = np.full(n, "saver", dtype=object)
    kind[(age < 60) & (u < 0.52)] = "payroll"
    kind[(age < 60) & (u > 0.88)] = "owner"
    kind[(level >= 3e5) & (u > 0.5)] = "investor"
    kind[(age >= 60) & (u < 0.75)] = "pensioner"
    forms = ["regular", "long tail", "single counterparty", "pass-through", "revived"]
    firm = np.array(forms, dtype=object)[pick(rng, [0.42, 0.46, 0.06, 0.03, 0.03], n)]
    kind[corporate] = firm[corporate]
    people["archetype"] = kind
    job = pick(rng, [0.22, 0.2, 0.08, 0.06, 0.06, 0.28, 0.1], n)
    occupation = np.array(JOBS, dtype=object)[job]
    occupation[kind == "pensioner"] = "retired"
    occupation[kind == "owner"] = "shop owner"
    people["occupation"] = occupation
    people["industry"] = np.array(INDUSTRIES, dtype=object)[rng.integers(0, 6, n)]
    rank = (np.log(np.maximum(level, 1)) - 9) / 2.8
    base = np.where(kind == "pensioner", 10.5, 11.0)
    income = np.exp(base + 0.3 * np.clip(rank, -2, 3) + 0.45 * rng.standard_normal(n))
    people["income"] = np.rint(np.clip(income, 6e3, 5e6) / 100) * 100
    people["payday"] = np.where(kind == "pensioner", 15, np.where(rng.random(n) < 0.5, 10, 15))


def _draw_mobile(
    rng: np.random.Generator,
    people: pd.DataFrame,
    window: Window,
    branches: pd.DataFrame,
    rules: dict[str, Any],
) -> None:
    """Since when a customer uses mobile banking: by age and branch, a fifth of it in the window."""
    n, curve = len(people), np.array(rules["mobile"]["curve"])
    chance = np.interp(people["age"], curve[:, 0], curve[:, 1])
    odds = np.log(chance / (1 - chance)) + branches["mobile"].to_numpy()[people["branch"]]
    uses = (rng.random(n) < logistic(odds)) & ~people["corporate"].to_numpy()
    opened = people["opened"].to_numpy()
    late = rng.random(n) < 0.15
    within = window.first + np.floor(rng.random(n) * (window.last - window.first + 1))
    early = opened + np.floor(rng.random(n) * np.minimum(window.first - opened, 1500).clip(0))
    start = np.maximum(np.where(late, within, early), opened)
    people["mobile_from"] = np.where(uses & (start < people["closed"]), start, NEVER).astype(
        "int64"
    )


def _draw_homes(rng: np.random.Generator, people: pd.DataFrame) -> None:
    """True households within a branch, what the bank knows of them, and doubled customers."""
    n, corporate = len(people), people["corporate"].to_numpy()
    order = rng.permutation(n)
    order = order[np.lexsort((people["branch"].to_numpy()[order], corporate[order]))]
    branch = people["branch"].to_numpy()[order]
    first = np.ones(n, dtype=bool)
    first[1:] = (rng.random(n - 1) < 0.6) | (branch[1:] != branch[:-1])
    first |= corporate[order]
    home = np.empty(n, dtype="int64")
    home[order] = np.cumsum(first) - 1
    alone = np.bincount(home)[home] == 1
    known = rng.random(n) < 0.6  # by household: the draw of its number decides for all
    people["home"] = np.where(alone, -1, home)
    people["home_known"] = known[home] & ~alone
    doubled = np.zeros(n, dtype=bool)
    doubled[1:] = ~first[1:] & (rng.random(n - 1) < 0.02)
    doubled &= ~np.roll(doubled, 1)
    twins, originals = order[doubled], order[np.roll(doubled, -1)]
    adult = people["opened"].to_numpy()[twins] > people["birth"].to_numpy()[originals] + 16 * 366
    twins, originals = twins[adult], originals[adult]
    for column in ("birth", "age", "gender", "occupation"):
        values = people[column].to_numpy().copy()
        values[twins] = values[originals]
        people[column] = values
    people["same_as"] = -1
    people.loc[twins, "same_as"] = originals


def _draw_moves(
    rng: np.random.Generator,
    people: pd.DataFrame,
    window: Window,
    branches: int,
    rules: dict[str, Any],
) -> None:
    """Some customers came from another branch at the beginning of a month."""
    n = len(people)
    month = np.floor(rng.exponential(1 / rules["life"]["moves"], n))
    step = rng.integers(1, max(branches, 2), n)
    moved = (month >= 1) & (month < window.count) & (branches > 1)
    start = window.starts[np.where(moved, month, 0).astype("int64")]
    moved &= (start > people["opened"]) & (start < people["closed"])
    people["moved"] = np.where(moved, month, 0).astype("int64")
    former = (people["branch"].to_numpy() + step) % branches
    people["former"] = np.where(moved, former, people["branch"])


def _text(values: Any, where: Array | None = None) -> Any:
    codes, labels = pd.factorize(np.asarray(values, dtype=object))
    return named(labels, codes if where is None else np.where(where, codes, -1))


def customer_table(
    people: pd.DataFrame, branches: pd.DataFrame, staff: pd.DataFrame, filled: dict[str, Array]
) -> pd.DataFrame:
    """Return the table `customers`: what of the people the bank knows.

    `filled` says for income and occupation whether the profile field is filled.
    """
    personal = ~people["corporate"].to_numpy()
    homes = identifiers("H", int(people["home"].max()) + 1, 5)
    wealth = np.searchsorted([1e4, 5e4, 2e5], people["level"])
    rating = np.clip(wealth + (people["age"] < 45).to_numpy() - (people["age"] >= 65), 0, 4)
    rated = personal & (people["level"].to_numpy() >= 5e3) & ~people["asleep"].to_numpy()
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"],
            "kind": _text(np.where(personal, "personal", "corporate")),
            "branch_id": named(branches["branch_id"].array, people["branch"]),
            "opened_on": dates(people["opened"]),
            "closed_on": dates(people["closed"]),
            "birth_date": dates(np.where(personal, people["birth"], NEVER)),
            "gender": _text(people["gender"], personal & filled["gender"]),
            "manager_id": named(staff["staff_id"].array, people["manager"]),
            "household_id": named(homes, np.where(people["home_known"], people["home"], -1)),
            "occupation": _text(people["occupation"], personal & filled["occupation"]),
            "industry": _text(people["industry"], ~personal),
            "income": np.where(personal & filled["income"], people["income"], np.nan),
            "risk_rating": named(
                ["R1", "R2", "R3", "R4", "R5"], np.where(rated, rating, -1).astype("int64")
            ),
            "marketing_consent": people["consent"],
        }
    )


def customer_branch_table(
    people: pd.DataFrame, branches: pd.DataFrame, window: Window
) -> pd.DataFrame:
    """Return the table `customer_branches`: one row from the opening, one more for each move."""
    moved = (people["moved"] > 0).to_numpy()
    rows, position = expand(1 + moved)
    later = position == 1
    branch = np.where(later | ~moved[rows], people["branch"].to_numpy()[rows], 0)
    branch = np.where(~later & moved[rows], people["former"].to_numpy()[rows], branch)
    month = people["moved"].to_numpy()[rows]
    day = np.where(later, window.starts[month], people["opened"].to_numpy()[rows])
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"].array.take(rows),
            "branch_id": named(branches["branch_id"].array, branch),
            "from_date": dates(day),
        }
    )
