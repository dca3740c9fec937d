"""Term deposits of the simulation: chains of deposits that mature and are kept or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.calendars import Window
from segmentation.data.draws import NEVER, Array, dates, expand, identifiers, named, pick
from segmentation.data.trials import campaign_span

__all__ = ["deposit_balances", "draw_chains", "draw_fresh", "maturity_table", "roll_chains"]


def draw_chains(
    rng: np.random.Generator,
    people: pd.DataFrame,
    share: Array,
    awake: Array,
    window: Window,
    rules: dict[str, Any],
) -> pd.DataFrame:
    """Draw the deposits that holders start from: `share` of the level of AUM in 1 to 3 parts.

    `awake` are the day numbers between which each customer uses the account, shape (n, 2).
    """
    want = share * people["level"].to_numpy()
    rows, part = expand(np.where(want >= 1000, 1 + np.minimum(rng.poisson(0.5, len(want)), 2), 0))
    parts = np.bincount(rows, minlength=len(want))[rows]
    months = np.array(rules["deposits"]["terms"])[pick(rng, rules["deposits"]["shares"], len(rows))]
    length = np.floor(months * 30.4375).astype("int64")
    amount = want[rows] / parts * (1 + 0.3 * (part - (parts - 1) / 2))
    begin = awake[rows, 0]
    old = window.first - 1 - np.floor(rng.random(len(rows)) * length).astype("int64")
    new = begin + 3 + rng.integers(0, 40, len(rows))
    start = np.where(begin < window.first, np.maximum(old, begin + 1), new)
    chains = pd.DataFrame(
        {
            "row": rows,
            "amount": np.rint(amount / 100) * 100,
            "start": start,
            "length": length,
            "fresh": False,
            "brought": 0.0,
        }
    )
    possible = (chains["amount"] >= 1000) & (chains["start"] < awake[rows, 1])
    return pd.DataFrame(chains[possible])


def draw_fresh(
    rng: np.random.Generator,
    people: pd.DataFrame,
    awake: Array,
    window: Window,
    rules: dict[str, Any],
) -> tuple[pd.DataFrame, Array]:
    """Draw fresh deposits month by month, and what each customer would do in either arm.

    Returns the chains, and the potential outcomes (n, 2): a fresh deposit within the campaign's
    months if left alone, and if reached. One draw a customer and month decides both, so that
    contact moves only whom it moves.
    """
    n, months = len(people), window.count
    first, last = campaign_span(window)
    draws, span = rng.random((n, months)), last - first + 1
    here = (awake[:, :1] < window.starts) & (awake[:, 1:] > window.ends)
    alone = 1 - np.sqrt(1 - people["p_alone"].to_numpy())
    called = 1 - (1 - people["p_contacted"].to_numpy()) ** (1 / span)
    before = 1 - (1 - people["p_alone"].to_numpy()) ** (1 / span)
    chance = np.repeat(alone[:, None], months, axis=1)
    within = slice(first, last + 1)
    chance[:, within] = before[:, None]
    outcomes = np.column_stack(
        [((draws[:, within] < p[:, None]) & here[:, within]).any(axis=1) for p in (before, called)]
    )
    reached = people["contacted"].to_numpy() < NEVER
    chance[reached, within] = called[reached, None]
    row, month = np.nonzero((draws < chance) & here)
    level = people["level"].to_numpy()[row]
    amount = np.maximum(10_000, np.rint(level * rng.uniform(0.2, 0.55, len(row)) / 1000) * 1000)
    inside = (month >= first) & (month <= last)
    contact = np.where(inside & reached[row], people["contacted"].to_numpy()[row], 0)
    lowest = np.maximum(window.starts[month], np.minimum(contact, window.ends[month]))
    room = np.maximum(window.ends[month] - lowest, 0)
    chains = pd.DataFrame(
        {
            "row": row,
            "amount": amount,
            "start": (lowest + np.floor(rng.random(len(row)) * (room + 1))).astype("int64"),
            "length": 365,
            "fresh": True,
            "brought": amount * (rng.random(len(row)) < rules["deposits"]["brought"]),
        }
    )
    return chains, outcomes


def roll_chains(
    rng: np.random.Generator,
    chains: pd.DataFrame,
    awake: Array,
    window: Window,
    rules: dict[str, Any],
) -> pd.DataFrame:
    """Roll each chain to the end of the window: at maturity all, a part or nothing is kept.

    Returns one row a deposit: row, amount, opened, matures, kept (NaN before maturity), fresh,
    brought. A customer who closes the account or stops using it ends a deposit early.
    """
    deposits: list[pd.DataFrame] = []
    rule = rules["deposits"]
    left = chains.reset_index(drop=True)
    while len(left) or not deposits:
        limit = awake[left["row"], 1]
        due = (left["start"] + left["length"]).to_numpy()
        u, part = rng.random(len(left)), rng.uniform(0.3, 0.9, len(left))
        kept = np.where(u < rule["kept_none"], 0.0, 1.0)
        kept = np.where(u > 1 - rule["kept_part"], part, kept)
        kept = np.rint(left["amount"] * kept / 100) * 100
        kept = np.where(limit <= due, 0.0, kept)
        due = np.minimum(due, limit)
        over = due <= window.last
        left = left.assign(opened=left["start"], matures=due, kept=np.where(over, kept, np.nan))
        deposits.append(left[["row", "amount", "opened", "matures", "kept", "fresh", "brought"]])
        left = left.assign(amount=kept, start=due, fresh=False, brought=0.0)
        left = left[over & (kept >= 100)][["row", "amount", "start", "length", "fresh", "brought"]]
        left = left.reset_index(drop=True)
    return pd.concat(deposits, ignore_index=True)


def deposit_balances(deposits: pd.DataFrame, n: int, window: Window) -> tuple[Array, Array]:
    """Return term balances, daily average and month's end, each of shape (n, months)."""
    opened, matures = deposits["opened"].to_numpy(), deposits["matures"].to_numpy()
    low = np.maximum(window.month_of(opened), 0)
    high = np.minimum(window.month_of(matures), window.count - 1)
    rows, step = expand(np.maximum(high - low + 1, 0))
    month = low[rows] + step
    days = np.minimum(matures[rows], window.ends[month] + 1) - np.maximum(
        opened[rows], window.starts[month]
    )
    amount = deposits["amount"].to_numpy()[rows]
    cell = deposits["row"].to_numpy()[rows] * window.count + month
    size = n * window.count
    average = np.bincount(cell, amount * np.maximum(days, 0) / window.lengths[month], size)
    held = (opened[rows] <= window.ends[month]) & (matures[rows] > window.ends[month])
    end = np.bincount(cell, amount * held, size)
    return average.reshape(n, -1), end.reshape(n, -1)


def maturity_table(
    deposits: pd.DataFrame, people: pd.DataFrame, branches: pd.DataFrame, window: Window
) -> pd.DataFrame:
    """Return the table `maturities`: deposits that were there at some time of the window."""
    seen = (deposits["matures"] >= window.first) & (deposits["opened"] <= window.last)
    deposits = deposits[seen & (deposits["matures"] > deposits["opened"])]
    row = deposits["row"].to_numpy()
    return pd.DataFrame(
        {
            "deposit_id": identifiers("D", len(deposits), 6),
            "customer_id": people["customer_id"].array.take(row),
            "branch_id": named(branches["branch_id"].array, people["branch"].to_numpy()[row]),
            "amount": deposits["amount"].to_numpy(),
            "opened_on": dates(deposits["opened"]),
            "matures_on": dates(deposits["matures"]),
            "kept": deposits["kept"].to_numpy(),
        }
    )
