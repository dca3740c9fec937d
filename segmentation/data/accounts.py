"""Balances of the simulation: what customers own and owe in each product, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.calendars import Window
from segmentation.data.contract import ASSETS
from segmentation.data.draws import NEVER, Array, logistic, named, stream, yuan
from segmentation.data.trials import campaign_span

__all__ = ["Paths", "balance_table", "branch_at", "draw_holdings", "draw_paths", "ledger_table"]

OTHERS = ("demand", "wealth", "fund", "insurance", "metal")
"""Assets that are not made of single deposits."""


@dataclass(frozen=True)
class Paths:
    """How each customer's money moves, arrays of shape (n, months) but for `awake`."""

    asleep: Array
    """Whether the account sleeps in the month."""
    part: Array
    """Part of the month during which the customer was there."""
    persistent: Array
    """AUM without noise, season and what the bank did: the level that matters."""
    aum: Array
    """AUM as a daily average of the month, had the customer been there all of it."""
    awake: Array
    """Day numbers between which the account is used, shape (n, 2)."""


def draw_paths(
    seed: int, people: pd.DataFrame, asleep: Array, window: Window, rules: dict[str, Any]
) -> Paths:
    """Move AUM: level · exp(persistent component + drift) · mean-reverting noise · season.

    Both components are stationary, so that as many customers move up a tier as down, and a
    customer near a threshold by noise goes back.
    """
    rng, motion, months = stream(seed, "balances"), rules["motion"], window.count
    n, steps = len(people), np.arange(months)
    opened, closed = people["opened"].to_numpy()[:, None], people["closed"].to_numpy()[:, None]
    slow = _reverting(rng, n, months, motion["persistence"], motion["persistent_sd"])
    noise = _reverting(rng, n, months, motion["noise_persistence"], motion["noise_sd"])
    since = steps - people["slides_at"].to_numpy()[:, None]
    slide = people["slide"].to_numpy()[:, None]
    slide = slide * np.where(slide < 0, np.maximum(since, 0), np.minimum(since, 0))
    drift = people["drift"].to_numpy()[:, None] * (steps - (months - 1) / 2)
    level = people["level"].to_numpy()[:, None]
    persistent = level * np.exp(slow + drift + slide)
    quiet = people["sleeping_level"].to_numpy()[:, None]
    persistent = np.where(asleep, quiet, persistent)
    part = (np.minimum(window.ends, closed - 1) - np.maximum(window.starts, opened) + 1).clip(0)
    fresh = np.maximum(window.ends - opened, 0)  # money comes within weeks of the opening
    goes = np.minimum(np.maximum(closed - window.starts, 0), 120)  # and leaves before the closing
    shape = np.where(opened >= window.first, np.minimum(0.4 + 0.6 * fresh / 75, 1), 1)
    shape = shape * np.where(closed <= window.last, 0.15 + 0.85 * goes / 120, 1)
    season = np.array(rules["season"]["aum"])[window.calendar_months]
    moved = np.exp(season * people["season"].to_numpy()[:, None] + noise)
    aum = persistent * np.where(asleep, 1.0, moved) * shape
    turns, starts = people["turns"].to_numpy(), window.starts
    turned = np.where(turns < months, starts[np.minimum(turns, months - 1)], NEVER)
    sleeps = people["asleep"].to_numpy()
    begins = np.where(sleeps, turned, people["opened"])
    ends = np.where(sleeps, people["closed"], np.minimum(people["closed"], turned))
    awake = np.column_stack([begins, np.maximum(ends, begins)])
    return Paths(asleep, part / window.lengths, persistent, aum, awake)


def _reverting(
    rng: np.random.Generator, n: int, months: int, persistence: float, sd: float
) -> Array:
    """A stationary first-order autoregression around −sd²/2, so that exp of it has mean 1."""
    shocks = rng.standard_normal((n, months)) * sd
    shocks[:, 1:] *= np.sqrt(1 - persistence**2)
    for month in range(1, months):
        shocks[:, month] += persistence * shocks[:, month - 1]
    return shocks - sd**2 / 2


def draw_holdings(
    seed: int, people: pd.DataFrame, window: Window, rules: dict[str, Any]
) -> tuple[dict[str, Array], Array]:
    """Draw which products a customer holds in each month, and their weights in AUM.

    Returns boolean arrays of shape (n, months) by product, and the share of AUM that a holder of
    term deposits wants in them.
    """
    rng, n = stream(seed, "holdings"), len(people)
    size = np.clip(np.log10(np.maximum(people["level"], 1)) - 4, -2.5, 2).to_numpy()
    age = (people["age"].to_numpy() - 45) / 10
    years = np.maximum(window.last - people["opened"].to_numpy(), 0) / 365.25
    latent = 0.5 * people["attachment"].to_numpy()  # attachment deepens and keeps
    latent = latent + 0.5 * (np.log1p(years) - 1.7)
    firm = people["corporate"].to_numpy()
    held = {"demand": np.ones((n, window.count), dtype=bool)}
    weights = np.ones(n)
    for product, rule in rules["products"].items():
        odds = rule["base"] + rule["size"] * size + rule["age"] * age + latent
        chance = logistic(odds) * np.where(firm, product == "term", 1.0)
        has, weight = rng.random(n) < chance, rule["weight"] * rng.gamma(2.0, 0.5, n)
        start = np.where(rng.random(n) < 0.12, np.floor(rng.random(n) * window.count), 0)
        end = np.where(rng.random(n) < 0.05, np.floor(rng.random(n) * window.count), window.count)
        steps = np.arange(window.count)
        held[product] = has[:, None] & (steps >= start[:, None]) & (steps < end[:, None])
        people[f"weight_{product}"] = weight
        weights = weights + np.where(has, weight, 0)
    term = np.where(held["term"].any(axis=1), people["weight_term"] / weights, 0)
    return held, term


def balance_table(
    seed: int,
    people: pd.DataFrame,
    branches: pd.DataFrame,
    paths: Paths,
    held: dict[str, Array],
    term: tuple[Array, Array],
    loan: tuple[Array, Array],
    brought: Array,
    window: Window,
    rules: dict[str, Any],
) -> pd.DataFrame:
    """Return the table `balances`.

    Term deposits and loans come from their own tables; what is left of AUM is divided among the
    other products. Money spent between paydays lets average and month's end differ; at the month's
    end a branch adds to its demand deposits what its true practice says.
    """
    rng = stream(seed, "month end")
    effect = 1 + rules["campaign"]["branch_effect"] * _festival(people, window)
    here, gone = paths.part > 0, people["closed"].to_numpy()[:, None] <= window.ends
    rest = np.maximum(paths.aum * effect + brought - term[0] / np.maximum(paths.part, 1e-9), 0)
    rest = np.maximum(rest, 0.04 * paths.aum)
    rest = np.where(here, rest, 0)
    awake = ~paths.asleep
    mine = {name: held[name] & (awake | (name == "demand")) for name in OTHERS}
    total = np.ones(rest.shape)
    for name in OTHERS[1:]:
        total = total + np.where(mine[name], people[f"weight_{name}"].to_numpy()[:, None], 0)
    tooth = _tooth(people)[:, None] * np.exp(0.08 * rng.standard_normal(rest.shape) - 0.0032)
    tooth = np.where(awake, tooth, 1.0)
    averages, ends = {"term": term[0], "loan": loan[0]}, {"term": term[1], "loan": loan[1]}
    for name in OTHERS:
        weight = people[f"weight_{name}"].to_numpy()[:, None] if name != "demand" else 1.0
        full = np.where(mine[name], rest * weight / total, 0)
        averages[name] = full * paths.part
        ends[name] = np.where(gone, 0, full * (tooth if name == "demand" else 1.0))
    card = np.where(held["card"] & awake & here, people["income"].to_numpy()[:, None] / 40, 0)
    card = card * rng.gamma(2.0, 0.5, card.shape)
    averages["card"], ends["card"] = card * paths.part, np.where(gone, 0, card * 1.05)
    averages = {name: yuan(values) for name, values in averages.items()}
    _push_month_end(rng, people, branches, averages, ends, awake & ~gone & here, window)
    return _long(people, averages, ends, here, window)


def _festival(people: pd.DataFrame, window: Window) -> Array:
    """Months in which the branch campaign works, for the customers whom it reaches."""
    on = np.arange(window.count) >= campaign_span(window)[0]
    treated = people["treated_branch"] & people["in_branch_trial"]
    works: Array = on & treated.to_numpy()[:, None]
    return works


def _tooth(people: pd.DataFrame) -> Array:
    """Month's end relative to the month's average for those who live from payday to payday."""
    kind, payday = people["archetype"].to_numpy(), people["payday"].to_numpy()
    tooth = np.where((kind == "payroll") & (payday == 10), 0.82, 1.0)
    return np.where(np.isin(kind, ("payroll", "pensioner")) & (payday == 15), 0.97, tooth)


def branch_at(people: pd.DataFrame, window: Window) -> Array:
    """Return the branch (position) of each customer in each month, shape (n, months)."""
    before = np.arange(window.count) < people["moved"].to_numpy()[:, None]
    now, former = people["branch"].to_numpy()[:, None], people["former"].to_numpy()[:, None]
    return np.where(before, former, now)


def _push_month_end(
    rng: np.random.Generator,
    people: pd.DataFrame,
    branches: pd.DataFrame,
    averages: dict[str, Array],
    ends: dict[str, Array],
    present: Array,
    window: Window,
) -> None:
    """Bring each branch's deposits at the month's end to its practice above their average.

    The money is that of the customers whom a manager can ask, in proportion to what they keep.
    """
    count = len(branches)
    cell = branch_at(people, window) * window.count + np.arange(window.count)
    size = count * window.count
    quarter = np.where(window.calendar_months % 3 == 2, 1.15, 0.95)
    lift = (branches["month_end"].to_numpy()[:, None] * quarter).ravel()
    lift = lift * np.exp(0.06 * rng.standard_normal(size))
    average = np.bincount(cell.ravel(), (averages["demand"] + averages["term"]).ravel(), size)
    end = np.bincount(cell.ravel(), (ends["demand"] + ends["term"]).ravel(), size)
    asked = (people["level"].to_numpy() >= 2e4) & (rng.random(len(people)) < 0.12)
    base = ends["demand"] * present
    willing = base * np.where(asked[:, None], 1.0, 0.0)
    gap = (1 + lift) * average - end
    pool = np.bincount(cell.ravel(), willing.ravel(), size)
    few = pool < 0.5 * np.abs(gap)  # too few to ask: everyone is
    everyone = np.bincount(cell.ravel(), base.ravel(), size)
    factor = np.where(few, gap / np.maximum(everyone, 1e-9), gap / np.maximum(pool, 1e-9))
    factor = np.clip(factor, -0.5, 3.0)
    ends["demand"] = ends["demand"] + np.where(few[cell], base, willing) * factor[cell]


def _long(
    people: pd.DataFrame,
    averages: dict[str, Array],
    ends: dict[str, Array],
    here: Array,
    window: Window,
) -> pd.DataFrame:
    products = [*ASSETS, "loan", "card"]
    rows, months, codes, first, second = [], [], [], [], []
    for code, name in enumerate(products):
        average, end = averages[name], yuan(ends[name])
        some = here & ((average > 0) | (end > 0) | (name == "demand"))
        row, month = np.nonzero(some)
        rows.append(row)
        months.append(month)
        codes.append(np.full(len(row), code))
        first.append(average[some])
        second.append(end[some])
    row, month = np.concatenate(rows), np.concatenate(months)
    order = np.lexsort((row, month))
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"].array.take(row[order]),
            "month": window.months.astype("datetime64[us]")[month[order]],
            "product": named(products, np.concatenate(codes)[order]),
            "average": np.concatenate(first)[order],
            "end": np.concatenate(second)[order],
        }
    )


def ledger_table(
    balances: pd.DataFrame, people: pd.DataFrame, branches: pd.DataFrame, window: Window
) -> pd.DataFrame:
    """Return the table `ledger`: end balances by the branch of the month, summed in whole cents."""
    position = pd.Series(np.arange(len(people)), index=people["customer_id"])
    row = position.loc[balances["customer_id"]].to_numpy()
    month = window.month_of(balances["month"].to_numpy().astype("datetime64[D]").astype("int64"))
    branch = branch_at(people, window)[row, month]
    frame = pd.DataFrame(
        {
            "month": balances["month"],
            "branch_id": named(branches["branch_id"].array, branch),
            "product": balances["product"],
            "amount": np.rint(balances["end"].to_numpy() * 100).astype("int64"),
        }
    )
    keys = ["month", "branch_id", "product"]
    table = frame.groupby(keys)["amount"].sum().reset_index()
    return table.assign(amount=table["amount"] / 100)
