"""What the simulated staff do: contacts with customers, targets they are given, and incidents."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segmentation.data.calendars import Window, working_days
from segmentation.data.draws import NEVER, Array, dates, expand, identifiers, named, pick, stream

__all__ = ["contact_table", "incident_table", "plan_table"]

KINDS = ("call", "valid_call", "invitation", "meeting", "deal", "group")
SHARES = (0.52, 0.20, 0.10, 0.07, 0.02, 0.09)
MINUTES = np.array([0.6, 4.0, 3.0, 25.0, 35.0, 2.0])
INCIDENTS = ("cash difference", "complaint escalated", "fraud attempt", "breach of procedure")


def contact_table(
    seed: int, people: pd.DataFrame, staff: pd.DataFrame, window: Window
) -> pd.DataFrame:
    """Return the table `contacts` of the last year: managers' own, and those of the campaign.

    A manager makes about 6 contacts on a working day, more with more skill: an assumption; what
    banks ask for is 15 valid calls. Counts vary more than a Poisson law.
    """
    rng = stream(seed, "contacts")
    days = working_days(window.first, window.last)
    days = days[days > window.last - 365]
    manager = people["manager"].to_numpy()
    order = np.argsort(manager, kind="stable")
    order = order[manager[order] >= 0]
    own = np.bincount(manager[order], minlength=len(staff))
    starts = np.cumsum(own) - own
    # a manager keeps the portfolio of today since the day in the post
    mean = 6 * np.exp(0.25 * staff["skill"].to_numpy()) * (own > 0)
    in_post = (days >= staff["first"].to_numpy()[:, None]) & (mean > 0)[:, None]
    who, when = np.nonzero(in_post)
    cell, _ = expand(rng.poisson(mean[who] * rng.gamma(4.0, 0.25, len(who))))
    who, day = who[cell], days[when[cell]]
    spot = np.floor(rng.random(len(who)) * own[who]).astype("int64")
    row = order[starts[who] + spot] if len(who) else np.zeros(0, dtype="int64")
    kind = pick(rng, SHARES, len(who))
    there = (day >= people["opened"].to_numpy()[row]) & (day < people["closed"].to_numpy()[row])
    who, day, row, kind = who[there], day[there], row[there], kind[there]
    called = np.flatnonzero(people["contacted"].to_numpy() < NEVER)
    on = people["contacted"].to_numpy()[called]
    by = _callers(rng, people["branch"].to_numpy()[called], on, staff)
    who, day, row = (np.concatenate(v) for v in ((who, by), (day, on), (row, called)))
    kind = np.concatenate([kind, np.full(len(called), 1)])
    campaign = np.where(np.arange(len(row)) < len(row) - len(called), -1, 0)
    minutes = MINUTES[kind] * np.exp(0.4 * rng.standard_normal(len(row)))
    table = pd.DataFrame(
        {
            "staff_id": staff["staff_id"].array.take(who),
            "customer_id": people["customer_id"].array.take(row),
            "date": dates(day),
            "kind": named(KINDS, kind),
            "minutes": np.rint(minutes * 10) / 10,
            "campaign_id": named(identifiers("K", 2), campaign),
        }
    )
    return table.sort_values(["date", "staff_id"], kind="stable", ignore_index=True)


def _callers(rng: np.random.Generator, branch: Array, day: Array, staff: pd.DataFrame) -> Array:
    """A member of staff in post at the branch on the day, managers first."""
    chosen: Array = np.zeros(len(day), dtype="int64")
    home, role = staff["branch"].to_numpy(), staff["role"].to_numpy()
    first, last = staff["first"].to_numpy(), staff["last"].to_numpy()
    draw = rng.random(len(day))
    for key in np.unique(branch):
        mine = np.flatnonzero(branch == key)
        there = (home == key) & (first <= day[mine, None]) & (last >= day[mine, None])
        managers = there & (role == "manager")
        there = np.where(managers.any(axis=1)[:, None], managers, there)
        count = there.sum(axis=1)
        nth = np.floor(draw[mine] * count)
        chosen[mine] = np.argmax(np.cumsum(there, axis=1) > nth[:, None], axis=1)
    return chosen


def plan_table(
    seed: int, tables: dict[str, pd.DataFrame], branches: pd.DataFrame, window: Window
) -> pd.DataFrame:
    """Return the table `plans`, one row a branch, indicator and year.

    Targets are stale: they were set by habit, so that actual over target spreads from .6 to 6.5
    around 1.4. The spread is an assumption that follows the one branch whose report is known.
    """
    rng = stream(seed, "plans")
    years = np.unique(window.months.astype("datetime64[Y]").astype("int64") + 1970)
    parts = []
    for year in years:
        actual = _actuals(tables, branches["branch_id"], int(year), window)
        for indicator, (basis, values) in actual.items():
            done = np.exp(0.33 + 0.55 * rng.standard_normal(len(branches)))
            done = np.clip(done, 0.6, 6.5)
            if basis == "level":
                done = np.clip(1.02 + 0.05 * rng.standard_normal(len(branches)), 0.9, 1.15)
            size = np.maximum(np.abs(values).mean(), 1.0)
            base = np.where(values > 0, values, 0.5 * size)  # no branch is asked to shrink
            unit = 1 if size < 1e4 else 10_000
            target = np.maximum(np.rint(base / done / unit), 1) * unit
            parts.append(
                pd.DataFrame(
                    {
                        "branch_id": branches["branch_id"],
                        "indicator": indicator,
                        "year": int(year),
                        "target": target,
                        "basis": basis,
                    }
                )
            )
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["year", "branch_id", "indicator"], ignore_index=True)


def _actuals(
    tables: dict[str, pd.DataFrame], branch: pd.Series, year: int, window: Window
) -> dict[str, tuple[str, Array]]:
    """What the branches did in a year, by indicator, with its basis."""
    signups, loans, ledger = tables["signups"], tables["loans"], tables["ledger"]

    def per_branch(frame: pd.DataFrame, amount: str | None = None) -> Array:
        groups = frame.groupby("branch_id", observed=True)
        totals = groups.size() if amount is None else groups[amount].sum()
        return totals.reindex(branch).fillna(0).to_numpy(dtype="float64")

    def level(products: tuple[str, ...], month: np.datetime64) -> Array:
        stamp = ledger["month"].to_numpy().astype("datetime64[M]") == month
        return per_branch(ledger[stamp & ledger["product"].isin(products)], "amount")

    found: dict[str, tuple[str, Array]] = {}
    opened, closed = signups["opened_on"].dt.year == year, signups["closed_on"].dt.year == year
    for service, name in (("sms", "sms_net"), ("mobile", "mobile_net")):
        mine = signups["service"] == service
        net = per_branch(signups[mine & opened]) - per_branch(signups[mine & closed])
        found[name] = ("increment", net)
    for service, name in (
        ("web", "web_gross"),
        ("merchant", "merchants"),
        ("agri_point", "agri_points"),
    ):
        found[name] = ("flow", per_branch(signups[(signups["service"] == service) & opened]))
    drawn = loans["drawn_on"].dt.year == year
    found["agri_loans"] = ("flow", per_branch(loans[drawn & (loans["purpose"] == "agriculture")]))
    inside = window.months[window.months.astype("datetime64[Y]").astype("int64") + 1970 == year]
    before = inside[0] - 1 if inside[0] > window.months[0] else inside[0]
    for name, products in (("loans", ("loan",)), ("deposits", ("demand", "term"))):
        change = level(products, inside[-1]) - level(products, before)
        found[name] = ("increment", change)
    assets = ("demand", "term", "wealth", "fund", "insurance", "metal")
    found["aum"] = ("level", level(assets, inside[-1]))
    return found


def incident_table(seed: int, branches: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Return the table `incidents`: one in two years at a branch, more where service is poor."""
    rng = stream(seed, "incidents")
    mean = 0.5 * window.count / 12 * np.exp(-0.4 * branches["service"].to_numpy())
    place, _ = expand(rng.poisson(mean))
    day = window.first + np.floor(rng.random(len(place)) * (window.last - window.first + 1))
    table = pd.DataFrame(
        {
            "branch_id": named(branches["branch_id"].array, place),
            "date": dates(day),
            "kind": named(INCIDENTS, rng.integers(0, 4, len(place))),
        }
    )
    return table.sort_values("date", kind="stable", ignore_index=True)
