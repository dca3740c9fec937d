"""The simulated branch network: all tables of the contract from causes it knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.data import (
    accounts,
    deposits,
    dossiers,
    efforts,
    lending,
    lobby_days,
    movements,
    population,
    posts,
    services,
    trials,
)
from segmentation.data.bank import Bank
from segmentation.data.calendars import Window
from segmentation.data.draws import NEVER, Array, stream
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["simulate_bank"]


def simulate_bank(seed: int, branches: int = 12, customers: int = 18_000, months: int = 24) -> Bank:
    """Simulate a bank's branch network with its truth.

    Parameters
    ----------
    seed : int
        Seed of all draws; each table has its own stream of it.
    branches : int
        Number of branches.
    customers : int
        Number of personal customers, those included who came or left within the months. Corporate
        customers come on top, 400 for 18,000.
    months : int
        Number of months, up to December 2025.

    Returns
    -------
    Bank
        pandas frames, all tables of the contract, in CNY. Visits are those of the last 60 working
        days, contacts those of the last year. `truth` holds the causes, one frame each:

        - ``customers``: archetype, whether asleep at the end and why, log drift a month and slide
          (log points a month of those who leave silently), AUM without noise at the end, income and
          occupation, attachment, use of mobile banking; segment, probability of a fresh term
          deposit left alone and contacted, their difference tau; household, and the customer that
          a doubled one is the same as.
        - ``branches``: true effects on mobile use (log odds), age, profiles and service, the two
          referral rates, the lift at the month's end, and who serves.
        - ``staff``: each one's skill. ``fields``: mechanism and log odds of each profile field.
        - ``campaigns``: base, effect of assignment and of being reached, by campaign and outcome.

    Raises
    ------
    TableError
        If an argument is not a whole number, is not positive, or the seed is negative.

    Notes
    -----
    Calibration stands in ``rules/network.toml``; each entry names its source or says that it is an
    assumption.

    Examples
    --------
    >>> bank = simulate_bank(1, branches=2, customers=50, months=3)
    >>> [month.isoformat() for month in bank.months]
    ['2025-10-01', '2025-11-01', '2025-12-01']
    >>> len(bank.truth["branches"])
    2
    """
    seed = _whole("seed", seed, 0)
    branches = _whole("branches", branches, 1)
    customers, months = _whole("customers", customers, 1), _whole("months", months, 1)
    rules, window = load_rules("network"), Window(months)
    return _simulate(seed, branches, customers, window, rules)


def _whole(name: str, value: Any, least: int) -> int:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:
        raise TableError(name, f"not a whole number of at least {least}", "Pass an int.")
    return int(value)


def _simulate(seed: int, count: int, customers: int, window: Window, rules: dict[str, Any]) -> Bank:
    """Causes first, then the tables that they leave behind."""
    branches = posts.draw_branches(stream(seed, "branches"), window, count, customers, rules)
    staff = posts.draw_staff(stream(seed, "staff"), window, branches, rules)
    people = population.draw_people(seed, window, branches, customers, rules)
    held, share = accounts.draw_holdings(seed, people, window, rules)
    depth = np.sum([product.any(axis=1) for product in held.values()], axis=0)
    population.keep_holders(stream(seed, "closings"), people, depth, rules)
    posts.name_managers(stream(seed, "managers"), people, staff)
    turned = np.arange(window.count) >= people["turns"].to_numpy()[:, None]
    asleep = people["asleep"].to_numpy()[:, None] ^ turned
    trials.draw_trials(stream(seed, "campaigns"), people, asleep, window, count, rules)
    paths = accounts.draw_paths(seed, people, asleep, window, rules)
    chains = deposits.draw_chains(
        stream(seed, "deposits"), people, share, paths.awake, window, rules
    )
    fresh, outcomes = deposits.draw_fresh(stream(seed, "fresh"), people, paths.awake, window, rules)
    chains = pd.concat([chains, fresh], ignore_index=True)
    rolled = deposits.roll_chains(stream(seed, "maturities"), chains, paths.awake, window, rules)
    loans = lending.draw_loans(stream(seed, "loans"), people, window)
    profiles = dossiers.draw_profiles(seed, people, branches, staff, window, rules)
    term = deposits.deposit_balances(rolled, len(people), window)
    debt = lending.loan_balances(loans, len(people), window)
    brought = _brought(rolled, len(people), window)
    balances = accounts.balance_table(
        seed, people, branches, paths, held, term, debt, brought, window, rules
    )
    filled = {name: profiles[name]["filled"] for name in ("gender", "occupation", "income")}
    tables = {
        "customers": population.customer_table(people, branches, staff, filled),
        "profiles": dossiers.profile_table(profiles, people, staff),
        "balances": balances,
        "transactions": movements.transaction_table(
            seed, people, branches, paths, rolled, balances, window, rules
        ),
        "branches": posts.branch_table(branches),
        "staff": posts.staff_table(staff, branches),
        "loans": lending.loan_table(loans, people, branches, window),
        "campaigns": trials.campaign_table(people, window, rules),
        "assignments": trials.assignment_table(people, count, rules),
        "maturities": deposits.maturity_table(rolled, people, branches, window),
        "rates": posts.rate_table(window, rules),
        "customer_branches": population.customer_branch_table(people, branches, window),
        "ledger": accounts.ledger_table(balances, people, branches, window),
    }
    tables |= {
        "visits": lobby_days.visit_table(seed, people, branches, staff, asleep, window, rules),
        "surveys": lobby_days.survey_table(seed, branches, window),
        "signups": services.signup_table(seed, people, branches, window),
        "contacts": efforts.contact_table(seed, people, staff, window),
        "alliance": services.alliance_table(seed, people, branches, paths, window),
        "incidents": efforts.incident_table(seed, branches, window),
    }
    tables["plans"] = efforts.plan_table(seed, tables, branches, window)
    truth = {
        "customers": _customer_truth(people, paths, asleep, branches),
        "branches": lobby_days.add_servers(branches, staff).drop(
            columns=["opened", "annual_cost", "area", "format"]
        ),
        "staff": staff[["staff_id", "skill"]].drop_duplicates("staff_id", ignore_index=True),
        "fields": dossiers.field_truth(rules),
        "campaigns": trials.campaign_truth(people, outcomes, rules),
    }
    frames: dict[str, Any] = tables
    source = f"Simulated branch network, seed {seed}"
    return Bank(currency="CNY", source=source, notes=NOTES, truth=truth, **frames)


NOTES = (
    "All customers, branches and amounts are simulated; none is real.",
    "Where no published evidence exists, the calibration is an assumption.",
)


def _brought(rolled: pd.DataFrame, n: int, window: Window) -> Array:
    """Money that fresh deposits brought from elsewhere, from the month after on."""
    month = window.month_of(rolled["opened"].to_numpy())
    came = (rolled["brought"] > 0).to_numpy()
    cell = rolled["row"].to_numpy()[came] * window.count + month[came]
    money = np.bincount(cell, rolled["brought"].to_numpy()[came], n * window.count)
    return np.cumsum(money.reshape(n, -1), axis=1)


def _customer_truth(
    people: pd.DataFrame, paths: accounts.Paths, asleep: Array, branches: pd.DataFrame
) -> pd.DataFrame:
    """Causes by customer: what the tables of the bank do not say."""
    cause = np.array([*population.CAUSES, None], dtype=object)[people["cause"]]
    home = people["home"].to_numpy()
    twin = people["same_as"].to_numpy()
    ids = people["customer_id"].array
    tau = people["p_contacted"] - people["p_alone"]
    return pd.DataFrame(
        {
            "customer_id": ids,
            "archetype": people["archetype"].astype("str"),
            "asleep": asleep[:, -1],
            "dormant_cause": pd.array(cause, dtype="str"),
            "drift": people["drift"],
            "slide": people["slide"],
            "true_aum": paths.persistent[:, -1],
            "income": people["income"],
            "occupation": people["occupation"].astype("str"),
            "attachment": people["attachment"],
            "mobile": people["mobile_from"] < NEVER,
            "segment": pd.array(np.array(trials.SEGMENTS)[people["segment"]], dtype="str"),
            "p_alone": people["p_alone"],
            "p_contacted": people["p_contacted"],
            "tau": tau,
            "household": np.where(home < 0, np.arange(len(people)) + len(people), home),
            "same_as": ids.take(twin, allow_fill=True),
        }
    )
