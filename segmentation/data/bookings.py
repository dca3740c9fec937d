"""Movements of the simulation as they come about: everyday life, income, companies, the bank."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.accounts import Paths
from segmentation.data.calendars import Window, spring_festivals, working_days
from segmentation.data.draws import Array, expand, pick, yuan

__all__ = [
    "CHANNELS",
    "KINDS",
    "OUTSIDE",
    "Book",
    "book_bank",
    "book_companies",
    "book_everyday",
    "book_festival",
    "book_income",
]

CHANNELS = ("counter", "device", "atm", "mobile", "web", "pos")
NONE, MOBILE = -1, 3
# Channel shares of a customer with and without mobile banking, by kind of movement: assumption.
SHARES = {
    "payment": ([0.01, 0.01, 0, 0.82, 0.06, 0.10], [0.16, 0.20, 0, 0, 0.02, 0.62]),
    "transfer_out": ([0.04, 0.03, 0, 0.84, 0.09, 0], [0.58, 0.36, 0, 0, 0.06, 0]),
    "withdrawal": ([0.15, 0.10, 0.75, 0, 0, 0], [0.52, 0.20, 0.28, 0, 0, 0]),
    "deposit": ([0.35, 0.45, 0.20, 0, 0, 0], [0.60, 0.28, 0.12, 0, 0, 0]),
}
KINDS = (
    "salary",
    "pension",
    "payment",
    "transfer_in",
    "transfer_out",
    "withdrawal",
    "deposit",
    "interest",
    "fee",
    "judicial",
)
# Mean number a month of an awake personal customer: assumption.
RATES = {
    "payment": 2.9,
    "transfer_in": 0.55,
    "transfer_out": 0.75,
    "withdrawal": 0.5,
    "deposit": 0.3,
}
SIGNS = {"payment": -1, "transfer_out": -1, "withdrawal": -1, "transfer_in": 1, "deposit": 1}
MEDIANS = {
    "payment": 90.0,
    "transfer_out": 900.0,
    "withdrawal": 800.0,
    "transfer_in": 900.0,
    "deposit": 1800.0,
}
OUTSIDE = 3000
"""Counterparties below it are merchants, employers and pension funds, the others people."""


@dataclass
class Book:
    """Movements as they are drawn, column by column."""

    window: Window
    parts: list[dict[str, Array]] = field(default_factory=list)

    def add(
        self,
        kind: str,
        row: Array,
        day: Array,
        amount: Array,
        channel: Any = NONE,
        other: Any = NONE,
    ) -> None:
        """Add movements of one kind; days outside the window and amounts of 0.00 are left out."""
        whole = {
            "kind": np.full(len(row), KINDS.index(kind)),
            "row": row,
            "day": day.astype("int64"),
            "amount": yuan(np.abs(amount)) * np.sign(amount),
            "channel": np.broadcast_to(channel, len(row)),
            "other": np.broadcast_to(other, len(row)),
        }
        keep = (whole["day"] >= self.window.first) & (whole["day"] <= self.window.last)
        keep &= whole["amount"] != 0
        self.parts.append({name: values[keep] for name, values in whole.items()})


def _day_in(rng: np.random.Generator, low: Array, high: Array) -> Array:
    day: Array = low + np.floor(rng.random(len(low)) * (high - low + 1)).astype("int64")
    return day


def _at_work(days: Array, channel: Array, window: Window) -> tuple[Array, Array]:
    """Move what happens at a counter or device to a working day at or after it, or else before."""
    work = working_days(window.first, window.last)
    inside = (channel == 0) | (channel == 1)
    at = np.minimum(np.searchsorted(work, days), len(work) - 1)
    later = work[at]
    same = window.month_of(later) == window.month_of(days)
    earlier = work[np.maximum(np.where(later > days, at - 1, at), 0)]
    return np.where(inside, np.where(same, later, earlier), days), channel


def _cells(people: pd.DataFrame, paths: Paths, window: Window) -> tuple[Array, Array, Array, Array]:
    """Awake personal customer-months with their first and last day."""
    awake = ~paths.asleep & (paths.part > 0) & ~people["corporate"].to_numpy()[:, None]
    row, month = np.nonzero(awake)
    low = np.maximum(window.starts[month], people["opened"].to_numpy()[row])
    high = np.minimum(window.ends[month], people["closed"].to_numpy()[row] - 1)
    return row, month, low, high


def book_everyday(
    rng: np.random.Generator, book: Book, people: pd.DataFrame, paths: Paths, window: Window
) -> None:
    row, month, low, high = _cells(people, paths, window)
    busy = rng.gamma(4.0, 0.25, len(people))
    size = np.clip(people["level"].to_numpy() / 2e4, 0.15, 6) ** 0.45
    part = (high - low + 1) / window.lengths[month]
    for kind, rate in RATES.items():
        repeat, _ = expand(rng.poisson(rate * busy[row] * part))
        who, day = row[repeat], _day_in(rng, low[repeat], high[repeat])
        amount = MEDIANS[kind] * size[who] * np.exp(0.9 * rng.standard_normal(len(who)))
        channel: Array = np.full(len(who), NONE)
        if kind in SHARES:
            mobile = day >= people["mobile_from"].to_numpy()[who]
            channel = np.where(mobile, *(pick(rng, shares, len(who)) for shares in SHARES[kind]))
            day, channel = _at_work(day, channel, window)
        book.add(kind, who, day, SIGNS[kind] * amount, channel)


def book_income(
    rng: np.random.Generator, book: Book, people: pd.DataFrame, paths: Paths, window: Window
) -> None:
    """Salaries on the 10th or 15th, pensions on the 15th, for those who have theirs here."""
    row, month, low, high = _cells(people, paths, window)
    archetype, income = people["archetype"].to_numpy(), people["income"].to_numpy()
    for kind, who in (("salary", "payroll"), ("pension", "pensioner")):
        day = window.starts[month] + people["payday"].to_numpy()[row] - 1
        mine = (archetype[row] == who) & (day >= low) & (day <= high)
        amount = (
            income[row]
            / 12
            * np.where(kind == "salary", np.exp(0.08 * rng.standard_normal(len(row))), 1)
        )
        book.add(kind, row[mine], day[mine], amount[mine])


def book_festival(
    rng: np.random.Generator, book: Book, people: pd.DataFrame, paths: Paths, window: Window
) -> None:
    """Cash for the Spring Festival, drawn in the two weeks before it, wherever it falls."""
    for festival in spring_festivals():
        month = int(window.month_of(np.array([festival - 7]))[0])
        if festival - 14 < window.first or festival > window.last:
            continue
        awake = ~paths.asleep[:, month] & ~people["corporate"].to_numpy()
        row = np.flatnonzero(awake & (rng.random(len(people)) < 0.45))
        day = festival - 1 - np.floor(14 * rng.random(len(row)) ** 1.3)
        mobile = day >= people["mobile_from"].to_numpy()[row]
        shares = SHARES["withdrawal"]
        channel = np.where(mobile, *(pick(rng, share, len(row)) for share in shares))
        work = working_days(window.first, window.last)
        at = np.maximum(np.searchsorted(work, day, side="right") - 1, 0)
        day = np.where(channel <= 1, work[at], day)
        book.add(
            "withdrawal", row, day, -1500 * np.exp(0.7 * rng.standard_normal(len(row))), channel
        )


def book_companies(
    rng: np.random.Generator, book: Book, people: pd.DataFrame, paths: Paths, window: Window
) -> None:
    """Receipts and payments of companies: half have fewer than two a month, a few look odd."""
    firms = people["corporate"].to_numpy()
    kind = people["archetype"].to_numpy()
    rate = np.where(kind == "regular", 8.0, 1.5) * np.exp(0.8 * rng.standard_normal(len(people)))
    rate = np.where(kind == "pass-through", 6.0, rate)
    late = np.arange(window.count) >= window.count - 3
    active = ~paths.asleep & (paths.part > 0) & firms[:, None]
    revived = (kind == "revived")[:, None]
    active = np.where(revived, late & firms[:, None] & (paths.part > 0), active)
    row, month = np.nonzero(active)
    mean = np.where(kind[row] == "revived", 14.0, rate[row])
    repeat, _ = expand(rng.poisson(mean))
    who, span = row[repeat], month[repeat]
    day = _day_in(rng, window.starts[span], window.ends[span])
    through = kind[who] == "pass-through"
    scale = 0.25 * people["level"].to_numpy() / np.maximum(mean.mean() if len(mean) else 1, 1) + 800
    amount = scale[who] * np.exp(0.8 * rng.standard_normal(len(who)))
    amount = np.where(through | (kind[who] == "revived"), amount * 6, amount)
    sign = np.where(through | (rng.random(len(who)) < 0.5), 1, -1)
    channel = pick(rng, [0.2, 0.1, 0, 0.2, 0.5, 0], len(who))
    one = kind[who] == "single counterparty"
    other = OUTSIDE + (who * 4 + np.where(one, 0, rng.integers(0, 400, len(who)))) % (
        4 * len(people)
    )
    for name, mask in (("transfer_in", sign > 0), ("transfer_out", sign < 0)):
        out = np.where(mask & (sign < 0), channel, NONE)
        when, out = _at_work(day, out, window)
        book.add(name, who[mask], when[mask], (sign * amount)[mask], out[mask], other[mask])
    web = np.full(int(through.sum()), 4)
    kept = rng.uniform(0.97, 0.999, len(who))
    book.add(
        "transfer_out",
        who[through],
        day[through],
        -(amount * kept)[through],
        web,
        other[through] + 1,
    )


def book_bank(
    rng: np.random.Generator,
    book: Book,
    people: pd.DataFrame,
    paths: Paths,
    averages: pd.DataFrame,
    window: Window,
    rules: dict[str, Any],
) -> None:
    """Interest on demand deposits on the 21st of a quarter's last month, fees, judicial entries."""
    demand = averages[(averages["product"] == "demand")]
    position = pd.Series(np.arange(len(people)), index=people["customer_id"])
    row = position.loc[demand["customer_id"]].to_numpy()
    month = window.month_of(demand["month"].to_numpy().astype("datetime64[D]").astype("int64"))
    end = window.calendar_months[month] % 3 == 2
    rate = rules["rates"]["demand"][0] / 4
    book.add(
        "interest",
        row[end],
        window.starts[month[end]] + 20,
        demand["average"].to_numpy()[end] * rate,
    )
    card = people["weight_card"].to_numpy()[row] > 1.2
    fee = end & card & ~paths.asleep[row, month] & (rng.random(len(row)) < 0.25)
    fee |= end & paths.asleep[row, month] & (rng.random(len(row)) < 0.05)
    book.add(
        "fee",
        row[fee],
        window.starts[month[fee]] + 19,
        np.where(paths.asleep[row, month], -1.0, -9.0)[fee],
    )
    court = rng.random(len(row)) < 2e-5
    book.add(
        "judicial",
        row[court],
        window.starts[month[court]] + 4,
        -demand["average"].to_numpy()[court] * 0.5,
    )
