"""The same results in pandas, as one would write them by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

FIRST, LAST = pd.Timestamp("2025-12-01"), pd.Timestamp("2025-12-31")
COST = {"counter": 4.7, "device": 1.6, "atm": 1.8, "mobile": 1.0, "web": 1.0, "pos": 1.0}
STARTS = [10_000, 50_000, 200_000, 500_000, 6_000_000]
NAMES = ["Basic", "Active", "Quality", "Wealth", "Affluent", "Private"]
TABLES = ("customers", "balances", "transactions", "rates", "customer_branches")


def cents(amount: pd.Series) -> pd.Series:
    return np.floor(amount * 100 + 0.5) / 100


def daily(total: pd.Series, days: int) -> pd.Series:
    """A sum over days; the quotient may lie between two cents, so that the sum is whole cents."""
    return np.floor(np.floor(total * 100 + 0.5) / days + 0.5) / 100


def read(path: str) -> dict[str, pd.DataFrame]:
    """The tables in memory, dates as datetime64."""
    frames = {}
    for name in TABLES:
        place = f"{path}/{name}" if name == "transactions" else f"{path}/{name}.parquet"
        frame = pd.read_parquet(place)
        for column in frame.columns.intersection(
            ["month", "date", "opened_on", "closed_on", "birth_date", "from_date"]
        ):
            frame[column] = pd.to_datetime(frame[column])
        frames[name] = frame
    return frames


def years(since: pd.Series) -> pd.Series:
    month, day = since.dt.month, since.dt.day
    ahead = (month > LAST.month) | ((month == LAST.month) & (day > LAST.day))
    return LAST.year - since.dt.year - ahead


def panel(
    customers: pd.DataFrame,
    balances: pd.DataFrame,
    transactions: pd.DataFrame,
    rates: pd.DataFrame,
    customer_branches: pd.DataFrame,
) -> pd.DataFrame:
    """The panel of December 2025."""
    key = "customer_id"
    debts = ("loan", "card")
    year = balances[(balances["month"] >= "2025-01-01") & (balances["month"] <= FIRST)]
    year = year[~year["product"].isin(debts)]
    weighted = year["average"] * year["month"].dt.days_in_month
    quarter = year["month"] >= "2025-10-01"
    now = balances[balances["month"] == FIRST]
    debt = now["product"].isin(debts)
    rate = rates[rates["month"] == FIRST].set_index("product")
    rate = (rate["transfer"] - rate["paid"]) * np.where(rate.index.isin(debts), -1, 1)
    margin = now["average"] * now["product"].map(rate) * 31 / 365
    some = (now["average"] != 0) | (now["end"] != 0)
    above = (now["average"] > 0) | (now["end"] > 0)
    asset = now[~debt].groupby(key)[["average", "end"]].sum()
    held = pd.DataFrame(
        {
            "aum_average": cents(asset["average"]),
            "aum_end": cents(asset["end"]),
            "aum_quarter": daily(weighted[quarter].groupby(year[key][quarter]).sum(), 92),
            "aum_year": daily(weighted.groupby(year[key]).sum(), 365),
            "debt": cents(now[debt].groupby(key)["average"].sum()),
            "products": above.groupby(now[key]).sum(),
            "present": some.groupby(now[key]).sum(),
            "margin": margin.groupby(now[key]).sum(),
        }
    )
    moves = transactions[transactions["date"] <= LAST]
    active = moves[~moves["kind"].isin(["interest", "fee", "judicial"])]
    last12 = active[active["date"] >= "2025-01-01"]
    month = active[active["date"] >= FIRST]
    fees = moves[(moves["date"] >= FIRST) & (moves["kind"] == "fee")]
    spent = last12["amount"].abs().groupby(last12[key])
    moved = pd.DataFrame(
        {
            "transactions": month.groupby(key).size(),
            "digital": month["channel"].isin(["mobile", "web"]).groupby(month[key]).sum(),
            "recency_days": (LAST - active.groupby(key)["date"].max()).dt.days,
            "frequency": spent.size(),
            "monetary": cents(spent.sum()),
            "fees": -fees.groupby(key)["amount"].sum(),
            "cost": month["channel"].map(COST).fillna(0).groupby(month[key]).sum(),
        }
    )
    places = customer_branches[customer_branches["from_date"] <= LAST]
    places = places.sort_values("from_date").groupby(key)["branch_id"].last().rename("then")
    whole = customers.set_index(key).join(held, how="outer").join(moved).join(places)
    still = (whole["opened_on"] <= LAST) & ~(whole["closed_on"] <= LAST)
    whole = whole[still | (whole["present"] > 0)]
    recency = whole["recency_days"]
    numbers = [*held.columns, *moved.columns.drop("recency_days")]
    whole = whole.fillna(dict.fromkeys(numbers, 0))
    whole["branch_id"] = whole["then"].fillna(whole["branch_id"])
    whole["contribution"] = cents(whole["margin"] + whole["fees"] - whole["cost"])
    whole["digital_share"] = whole["digital"] / whole["transactions"].where(lambda n: n > 0)
    whole["recency_days"] = recency
    whole["tenure_years"], whole["age"] = years(whole["opened_on"]), years(whole["birth_date"])
    whole["month"] = FIRST
    drop = ["opened_on", "closed_on", "birth_date", "present", "margin", "digital", "fees", "cost"]
    whole = whole.astype(dict.fromkeys(["products", "transactions", "frequency"], int))
    return whole.drop(columns=[*drop, "then"]).reset_index()


def tiers(frame: pd.DataFrame) -> pd.DataFrame:
    """Tier and code of each customer."""
    edges = [-np.inf, *STARTS, np.inf]
    tier = pd.cut(cents(frame["aum_average"]), edges, right=False, labels=NAMES)
    return frame.assign(tier=tier, tier_code=tier.cat.codes)


def migration(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Customers and money by tier in two months, with those who came and left."""
    both = first[["customer_id", "tier_code", "aum_average"]].merge(
        second[["customer_id", "tier_code", "aum_average"]], on="customer_id", how="outer"
    )
    both = both.fillna({"tier_code_x": -1, "tier_code_y": -1})
    cells = both.groupby(["tier_code_x", "tier_code_y"])
    return cells.agg(
        customers=("customer_id", "size"),
        before=("aum_average_x", "sum"),
        after=("aum_average_y", "sum"),
    ).reset_index()


def concentration(amount: pd.Series) -> dict[str, object]:
    """Gini coefficient, top shares and 1,000 points of the Lorenz curve."""
    ordered = amount.sort_values(ignore_index=True)
    n, held = len(ordered), ordered.cumsum() / ordered.sum()
    at = np.linspace(0, n - 1, 1_000).astype(int)
    curve = pd.DataFrame({"customer_share": (at + 1) / n, "value_share": held.to_numpy()[at]})
    tops = [0.001, 0.01, 0.02, 0.05, 0.10, 0.20]
    part = np.interp([1 - top for top in tops], (held.index + 1) / n, held)
    gini = 1 + 1 / n - 2 * held.sum() / n
    return {"gini": gini, "shares": 1 - part, "curve": curve}
