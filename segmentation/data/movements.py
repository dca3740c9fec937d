"""Transactions of the simulation: by whom, when, through which channel, with whom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.accounts import Paths
from segmentation.data.bookings import (
    CHANNELS,
    KINDS,
    OUTSIDE,
    Book,
    book_bank,
    book_companies,
    book_everyday,
    book_festival,
    book_income,
)
from segmentation.data.calendars import Window
from segmentation.data.draws import Array, dates, identifiers, named, stream

__all__ = ["transaction_table"]


def transaction_table(
    seed: int,
    people: pd.DataFrame,
    branches: pd.DataFrame,
    paths: Paths,
    deposits: pd.DataFrame,
    averages: pd.DataFrame,
    window: Window,
    rules: dict[str, Any],
) -> pd.DataFrame:
    """Return the table `transactions`.

    A sleeping account has interest, fees and rarely a judicial entry only. `averages` is the table
    `balances`, on which interest is paid at the end of each quarter.
    """
    book = Book(window)
    book_everyday(stream(seed, "transactions"), book, people, paths, window)
    book_income(stream(seed, "income"), book, people, paths, window)
    book_festival(stream(seed, "festival"), book, people, paths, window)
    book_companies(stream(seed, "companies"), book, people, paths, window)
    book_bank(stream(seed, "interest"), book, people, paths, averages, window, rules)
    brought = deposits[deposits["brought"] > 0]
    book.add(
        "transfer_in",
        brought["row"].to_numpy(),
        brought["opened"].to_numpy(),
        brought["brought"].to_numpy(),
    )
    rng = stream(seed, "counterparties")
    whole = {name: np.concatenate([part[name] for part in book.parts]) for name in book.parts[0]}
    opened, closed = people["opened"].to_numpy(), people["closed"].to_numpy()
    row, day = whole["row"], whole["day"]
    keep = (day >= opened[row]) & (day <= closed[row])
    order = np.flatnonzero(keep)
    order = order[np.lexsort((whole["kind"][order], row[order], day[order]))]
    whole = {name: values[order] for name, values in whole.items()}
    row, channel, kind = whole["row"], whole["channel"], whole["kind"]
    at_branch = (channel >= 0) & (channel <= 2)
    now, former = people["branch"].to_numpy(), people["former"].to_numpy()
    moved = window.starts[people["moved"].to_numpy()]
    branch = np.where(whole["day"] < moved[row], former[row], now[row])
    elsewhere = rng.random(len(row)) < 0.06
    branch = np.where(elsewhere, rng.integers(0, len(branches), len(row)), branch)
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"].array.take(row),
            "date": dates(whole["day"]),
            "channel": named(CHANNELS, channel),
            "kind": named(KINDS, kind),
            "amount": whole["amount"],
            "counterparty": _counterparties(rng, whole, people),
            "branch_id": named(branches["branch_id"].array, np.where(at_branch, branch, -1)),
        }
    )


def _counterparties(rng: np.random.Generator, whole: dict[str, Array], people: pd.DataFrame) -> Any:
    """Pseudonyms: merchants, employers, other people; a customer has few of them."""
    n, kind, row = len(people), whole["kind"], whole["row"]
    pools = {"payment": 400, "salary": 300, "pension": 3, "transfer_in": 0, "transfer_out": 0}
    code, offset = whole["other"].copy(), 0
    free = 4 * n  # people outside, four for each customer
    for name, size in pools.items():
        mask = (kind == KINDS.index(name)) & (code < 0)
        if name in ("transfer_in", "transfer_out"):
            code[mask] = OUTSIDE + (row[mask] * 4 + rng.integers(0, 4, mask.sum())) % max(free, 1)
        elif name == "payment":
            code[mask] = np.floor(size * rng.random(mask.sum()) ** 2)
        else:
            code[mask] = 1000 + offset + row[mask] % size
        offset += 300
    return named(identifiers("P", OUTSIDE + 1 + free, 6), code)
