"""Lobby tickets of the simulation: arrivals, a queue in order of arrival, referrals, surveys."""

from __future__ import annotations

from heapq import heapify, heapreplace
from typing import Any

import numpy as np
import pandas as pd

from segmentation.data.calendars import Window, working_days
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
    yuan,
)

__all__ = ["add_servers", "survey_table", "visit_table"]

POINTS = ("counter", "device", "lobby")
BUSINESS = (
    ("cash", "transfer", "passbook", "account"),
    ("card", "mobile service", "statement", "transfer"),
    ("advice", "wealth products", "enquiry", "complaint"),
)
SILVER = 60
"""Age from which a visitor keeps the pension day."""


def visit_table(
    seed: int,
    people: pd.DataFrame,
    branches: pd.DataFrame,
    staff: pd.DataFrame,
    asleep: Array,
    window: Window,
    rules: dict[str, Any],
) -> pd.DataFrame:
    """Return the table `visits` of the last working days.

    Arrivals are an inhomogeneous Poisson process with peaks at 9:30 and 14:30, more on Mondays and,
    for those of 60 and over, on the pension day. Service times are lognormal; each point serves in
    order of arrival with as many servers as the branch has; who waits longer than their patience
    leaves.
    """
    rng, lobby = stream(seed, "visits"), rules["lobby"]
    days = working_days(window.first, window.last)[-lobby["days"] :]
    row, day, place = _draw_visitors(rng, people, branches, asleep, days, window, lobby)
    silver = people["age"].to_numpy()[row] >= SILVER
    second = _draw_times(rng, len(row), silver & np.isin(day, _pension_days(days)), lobby)
    point = _draw_points(rng, people, row, lobby)
    order = np.lexsort((second, point, day, place))
    row, day, place, second, point = (v[order] for v in (row, day, place, second, point))
    service = branches["service"].to_numpy()[place]
    start, end = _serve(rng, day, place, second, point, service, branches, staff, lobby)
    order = np.lexsort((second, day, place))
    values = (row, day, place, second, point, start, end)
    row, day, place, second, point, start, end = (v[order] for v in values)
    served = start >= 0
    midnight = day * 86_400
    known = rng.random(len(row)) < 0.75
    aged = rng.random(len(row)) < np.where(known, 0.97, 0.85)
    age = np.floor(people["age"].to_numpy()[row]).astype("int64")
    kind = rng.integers(0, 4, len(row))
    labels = [name for names in BUSINESS for name in names]
    table = pd.DataFrame(
        {
            "visit_id": identifiers("V", len(row), 6),
            "branch_id": named(branches["branch_id"].array, place),
            "arrived_at": _moments(midnight + second),
            "called_at": _moments(np.where(served, midnight + start, NEVER)),
            "finished_at": _moments(np.where(served, midnight + end, NEVER)),
            "point": named(POINTS, np.where(served, point, -1)),
            "business": named(labels, 4 * point + kind),
            "customer_id": named(people["customer_id"].array, np.where(known, row, -1)),
            "age": pd.arrays.IntegerArray(age, ~aged),
        }
    )
    return table.assign(**_draw_referrals(rng, people, branches, row, place, point, served))


def _moments(seconds: Array) -> Array:
    """Seconds since 1970 as moments; `NEVER`, a day number, is null."""
    found = seconds.astype("datetime64[s]").astype("datetime64[us]")
    found[seconds == NEVER] = np.datetime64("NaT")
    return found


def _pension_days(days: Array) -> Array:
    """The 15th of each month, or the first working day after it."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    middle = months.astype("datetime64[D]").astype("int64") + 14
    after = days >= middle
    first = np.ones(len(days), dtype=bool)
    first[1:] = ~(after[:-1] & (months[1:] == months[:-1]))
    # a window that begins after the 15th does not hold its first day
    near = days - middle < 7
    chosen: Array = days[after & first & near]
    return chosen


def _draw_visitors(
    rng: np.random.Generator,
    people: pd.DataFrame,
    branches: pd.DataFrame,
    asleep: Array,
    days: Array,
    window: Window,
    lobby: dict[str, Any],
) -> tuple[Array, Array, Array]:
    """Who comes on which day: the old, those without mobile banking and the awake come more."""
    here = (people["opened"] < days[0]) & (people["closed"] == NEVER) & ~people["corporate"]
    age = people["age"].to_numpy()
    keen = np.exp(0.027 * (np.clip(age, 20, 75) - 45))
    keen = keen * np.where(people["mobile_from"] < NEVER, 0.75, 1.25)
    keen = keen * np.where(asleep[:, -1], 0.12, 1.0) * here.to_numpy()
    pension = np.isin(days, _pension_days(days))
    factor = np.where((days + 3) % 7 == 0, lobby["monday"], 1.0)
    factor = factor * np.exp(0.05 * rng.standard_normal(len(days)))
    rows, when, where = [], [], []
    for place in range(len(branches)):
        mine = people["branch"].to_numpy() == place
        total = keen[mine].sum()
        rate = (mine & here.to_numpy()).sum() * lobby["visits_per_customer"]
        for old in (False, True):
            group = np.flatnonzero(mine & ((age >= SILVER) == old) & (keen > 0))
            if len(group) == 0:
                continue
            mean = rate * keen[group].sum() / total * factor
            mean = mean * np.where(pension & old, lobby["pension_day"], 1.0)
            day, _ = expand(rng.poisson(mean))
            limits = np.cumsum(keen[group])
            spot = np.searchsorted(limits, rng.random(len(day)) * limits[-1], side="right")
            rows.append(group[np.minimum(spot, len(group) - 1)])
            when.append(days[day])
            where.append(np.full(len(day), place))
    if not rows:
        none = np.zeros(0, dtype="int64")
        return none, none, none
    return np.concatenate(rows), np.concatenate(when), np.concatenate(where)


def _draw_times(rng: np.random.Generator, n: int, early: Array, lobby: dict[str, Any]) -> Array:
    """Second of the day at which the ticket is drawn; on pension days many elders come early."""
    grid = np.arange(lobby["opens"], lobby["closes"] - 0.25, 1 / 12)
    density = 0.16 + np.exp(-0.5 * ((grid - 9.5) / 0.75) ** 2)
    density += 0.75 * np.exp(-0.5 * ((grid - 14.5) / 0.9) ** 2)
    limits = np.cumsum(density) / density.sum()
    slot = np.minimum(np.searchsorted(limits, rng.random(n)), len(grid) - 1)
    hour = grid[slot] + rng.random(n) / 12
    rush = early & (rng.random(n) < 0.4)
    hour = np.where(rush, lobby["opens"] + 0.5 * rng.random(n), hour)
    return np.floor(hour * 3600).astype("int64")


def _draw_points(
    rng: np.random.Generator, people: pd.DataFrame, row: Array, lobby: dict[str, Any]
) -> Array:
    """Where they are served: the old at the counter, users of mobile banking at devices."""
    old = people["age"].to_numpy()[row] >= SILVER
    mobile = people["mobile_from"].to_numpy()[row] < NEVER
    shares = np.tile(lobby["point_shares"], (len(row), 1))
    shares[:, 0] *= np.where(old, 1.4, 0.85)
    shares[:, 1] *= np.where(mobile, 1.35, 0.85)
    return pick(rng, shares) if len(row) else np.zeros(0, dtype="int64")


def _serve(
    rng: np.random.Generator,
    day: Array,
    place: Array,
    second: Array,
    point: Array,
    skill: Array,
    branches: pd.DataFrame,
    staff: pd.DataFrame,
    lobby: dict[str, Any],
) -> tuple[Array, Array]:
    """Second of the day when called and when finished; −1 for those who left.

    Visits come sorted by branch, day, point and arrival. A better branch serves faster.
    """
    cv2 = np.log(1 + lobby["service_cv"] ** 2)
    middle = np.array([lobby[f"{name}_minutes"] for name in POINTS])[point] * 60
    takes = middle * np.exp(np.sqrt(cv2) * rng.standard_normal(len(day)) - cv2 / 2)
    takes = np.maximum(np.rint(takes * np.exp(-0.1 * skill)), 15).astype("int64").tolist()
    patience = np.rint(rng.exponential(lobby["patience_minutes"] * 60, len(day)) + 300).tolist()
    points_at = add_servers(branches, staff)[["windows", "devices", "hosts"]]
    servers: list[list[int]] = points_at.to_numpy().tolist()
    key = ((place * 100_000 + day) * 3 + point).tolist()
    arrived, places, points = second.tolist(), place.tolist(), point.tolist()
    called, done = [-1] * len(key), [-1] * len(key)
    free: list[int] = []
    last = -1
    for i, group in enumerate(key):
        if group != last:
            free, last = [int(lobby["opens"] * 3600)] * servers[places[i]][points[i]], group
            heapify(free)
        start = max(arrived[i], free[0])
        if start - arrived[i] <= patience[i]:
            called[i], done[i] = start, start + takes[i]
            heapreplace(free, done[i])
    return np.array(called, dtype="int64"), np.array(done, dtype="int64")


def add_servers(branches: pd.DataFrame, staff: pd.DataFrame) -> pd.DataFrame:
    """Return `branches` with windows, devices and hosts: who serves at counter, device and lobby.

    One teller of three or more is always in the back office.
    """
    now = staff[staff["last"] == NEVER]
    count = len(branches)
    tellers = np.bincount(now.loc[now["role"] == "teller", "branch"], minlength=count)
    hosts = np.bincount(now.loc[now["role"].isin(["lobby", "manager"]), "branch"], minlength=count)
    devices = np.maximum(1, np.rint(branches["size"].to_numpy() / 700)).astype("int64")
    windows = np.maximum(np.where(tellers > 2, tellers - 1, 1), 1)
    return branches.assign(windows=windows, devices=devices, hosts=np.maximum(hosts, 1))


def _draw_referrals(
    rng: np.random.Generator,
    people: pd.DataFrame,
    branches: pd.DataFrame,
    row: Array,
    place: Array,
    point: Array,
    served: Array,
) -> dict[str, Array]:
    """Referred, accepted, met, sold and the amount; the branch's true rate is of accepted ones."""
    rate = np.where(
        point == 0,
        branches["referral_counter"].to_numpy()[place],
        branches["referral_lobby"].to_numpy()[place],
    )
    u = rng.random((4, len(row)))
    referred = served & (u[0] < rate / 0.85)
    accepted = referred & (u[1] < 0.85)
    met = accepted & (u[2] < 0.65)
    sold = met & (u[3] < 0.35)
    level = np.clip(people["level"].to_numpy()[row], 1e4, 2e6)
    amount = np.rint(0.3 * level * np.exp(0.5 * rng.standard_normal(len(row))) / 1000) * 1000
    amount = np.where(sold, yuan(np.maximum(amount, 1000)), np.nan)
    return {"referred": referred, "accepted": accepted, "met": met, "sold": sold, "amount": amount}


def survey_table(seed: int, branches: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Return the table `surveys`: satisfaction hangs on the true service of the branch."""
    rng, count = stream(seed, "surveys"), len(branches)
    mean = np.repeat(35 * branches["size"].to_numpy() / 1500, window.count)
    cell, _ = expand(rng.poisson(mean))
    place, month = cell // window.count, cell % window.count
    day = window.starts[month] + np.floor(rng.random(len(cell)) * window.lengths[month])
    odds = 2.0 + 0.35 * branches["service"].to_numpy()[place % max(count, 1)]
    satisfied = rng.random(len(cell)) < logistic(odds)
    happy = pick(rng, [0, 0, 0, 0, 0, 0.02, 0.05, 0.13, 0.25, 0.25, 0.30], len(cell))
    sad = pick(rng, [0.08, 0.05, 0.07, 0.1, 0.12, 0.25, 0.16, 0.1, 0.07, 0, 0], len(cell))
    table = pd.DataFrame(
        {
            "branch_id": named(branches["branch_id"].array, place),
            "date": dates(day),
            "satisfied": satisfied,
            "recommend": np.where(satisfied, happy, sad).astype("int64"),
        }
    )
    return table.sort_values(["date", "branch_id"], kind="stable", ignore_index=True)
