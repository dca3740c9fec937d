"""Services and partner purchases of the simulated customers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segmentation.data.accounts import Paths
from segmentation.data.calendars import Window
from segmentation.data.draws import NEVER, Array, dates, expand, identifiers, named, stream, yuan

__all__ = ["alliance_table", "signup_table"]

SERVICES = ("sms", "mobile", "web", "merchant", "agri_point")
# Share of suitable customers that take up the service, and the yearly rate of giving it up:
# assumption.
TAKEN = {
    "sms": (0.5, 0.07),
    "web": (0.12, 0.05),
    "merchant": (0.35, 0.1),
    "agri_point": (0.03, 0.1),
}


def signup_table(
    seed: int, people: pd.DataFrame, branches: pd.DataFrame, window: Window
) -> pd.DataFrame:
    """Return the table `signups`.

    Those who use mobile banking signed up on the day they began; a tenth of the others did too,
    and never used it.
    """
    rng, n = stream(seed, "signups"), len(people)
    opened, closed = people["opened"].to_numpy(), people["closed"].to_numpy()
    kind, firm = people["archetype"].to_numpy(), people["corporate"].to_numpy()
    suits = {
        "sms": ~firm,
        "web": ~people["asleep"].to_numpy(),
        "merchant": firm | (kind == "owner"),
        "agri_point": (people["occupation"] == "farmer").to_numpy() & ~firm,
    }
    uses = people["mobile_from"].to_numpy()
    rows, days, ends, codes = [], [], [], []
    for code, service in enumerate(SERVICES):
        late = window.first + np.floor(rng.random(n) * (window.last - window.first + 1))
        early = opened + np.floor(1500 * rng.random(n) ** 2)
        start = np.maximum(np.where(rng.random(n) < 0.25, late, early), opened)
        if service == "mobile":
            unused = (uses == NEVER) & ~firm & (rng.random(n) < 0.1)
            start = np.where(uses < NEVER, uses, start)
            chosen, gives_up = (uses < NEVER) | unused, np.where(uses < NEVER, 0.0, 0.25)
        else:
            share, rate = TAKEN[service]
            chosen, gives_up = suits[service] & (rng.random(n) < share), np.full(n, rate)
        years = rng.exponential(1.0, n) / np.maximum(gives_up, 1e-6)
        end = np.minimum(np.minimum(start + 1 + np.floor(years * 365), NEVER), closed)
        chosen = chosen & (start <= window.last) & (start < closed)
        row = np.flatnonzero(chosen)
        rows.append(row)
        days.append(start[row])
        ends.append(np.where(end[row] <= window.last, end[row], NEVER))
        codes.append(np.full(len(row), code))
    row = np.concatenate(rows)
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"].array.take(row),
            "branch_id": named(branches["branch_id"].array, people["branch"].to_numpy()[row]),
            "service": named(SERVICES, np.concatenate(codes)),
            "opened_on": dates(np.concatenate(days)),
            "closed_on": dates(np.concatenate(ends)),
        }
    )


def alliance_table(
    seed: int, people: pd.DataFrame, branches: pd.DataFrame, paths: Paths, window: Window
) -> pd.DataFrame:
    """Return the table `alliance`: purchases of the last half year at three merchants a branch."""
    rng, n = stream(seed, "alliance"), len(people)
    part: Array = rng.random(n) < 0.12
    part &= ~people["corporate"].to_numpy()
    recent = np.arange(window.count) >= window.count - 6
    row, month = np.nonzero(part[:, None] & ~paths.asleep & (paths.part == 1) & recent)
    cell, _ = expand(rng.poisson(1.6, len(row)))
    row, month = row[cell], month[cell]
    day = window.starts[month] + np.floor(rng.random(len(row)) * window.lengths[month])
    spend = yuan(np.exp(4.5 + 0.7 * rng.standard_normal(len(row))))
    place = people["branch"].to_numpy()[row]
    merchant = 3 * place + rng.integers(0, 3, len(row))
    table = pd.DataFrame(
        {
            "merchant_id": named(identifiers("M", 3 * len(branches), 3), merchant),
            "customer_id": people["customer_id"].array.take(row),
            "date": dates(day),
            "spend": spend,
            "saving": yuan(0.1 * spend),
            "subsidy": yuan(0.06 * spend),
            "margin": yuan(spend * rng.uniform(0.15, 0.35, len(row)) - 0.04 * spend),
        }
    )
    return table.sort_values("date", kind="stable", ignore_index=True)
