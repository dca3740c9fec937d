"""Deposits that fall due: sums by hand, coverage with clustered deposits, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.customers.intervals import wilson

AS_OF = "2025-06-30"


def deposits(**columns: Any) -> pd.DataFrame:
    """Two fall due, one later; four matured, of which one is not known; one is too long ago."""
    days = ["2025-07-01", "2025-09-28", "2025-09-29", "2025-06-30", "2025-04-02"]
    base = {
        "deposit_id": [f"D{n}" for n in range(8)],
        "customer_id": ["A", "B", "B", "A", "A", "B", "C", "C"],
        "branch_id": ["B1", "B1", "B1", "B1", "B1", "B2", "B2", "B2"],
        "amount": [100.0, 200.0, 400.0, 300.0, 500.0, 250.0, 80.0, 9.0],
        "opened_on": pd.Timestamp("2024-06-01"),
        "matures_on": pd.to_datetime([*days, "2025-05-01", "2025-05-02", "2025-04-01"]),
        "kept": [None, None, None, 0.0, 200.0, 260.0, None, 9.0],
    }
    return pd.DataFrame(base | columns)


def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": ["A", "B", "C"],
            "kind": "personal",
            "branch_id": "B1",
            "opened_on": pd.Timestamp("2020-01-01"),
            "birth_date": pd.to_datetime(["1960-01-01", "1995-01-01", None]),
        }
    )


def held(amounts: dict[str, list[float]]) -> pd.DataFrame:
    months = pd.to_datetime(["2025-03-01", "2025-06-01"])
    rows = [(c, m, a) for c, held in amounts.items() for m, a in zip(months, held, strict=True)]
    return pd.DataFrame(rows, columns=["customer_id", "month", "average"]).assign(product="term")


def test_sums_by_hand_on_every_engine(to_engine: Callable[[Any], Any]) -> None:
    bank = seg.Bank(maturities=to_engine(deposits()))
    due = seg.maturities(bank, AS_OF, 90)
    assert due["branch_id"].tolist() == ["B1", "B2"]
    assert due[["deposits", "customers", "matured", "unknown"]].to_numpy().tolist() == [
        [2, 2, 2, 0],
        [0, 0, 1, 1],
    ]
    assert due["amount"].tolist() == [300.0, 0.0]
    assert due["matured_amount"].tolist() == [800.0, 250.0]
    assert due["kept_amount"].tolist() == [200.0, 250.0]  # no more than its amount
    assert due["kept"].tolist() == [0.5, 1.0]
    assert due["kept_rate"].tolist() == [0.25, 1.0]
    # one customer each: worth no more than one deposit
    low, high = wilson(np.array([0.5, 1.0, 0.25]), np.ones(3))
    assert due["kept_low"].to_numpy() == pytest.approx(low[:2], abs=1e-9)
    assert due["kept_rate_high"].to_numpy() == pytest.approx(high[[2, 1]], abs=1e-9)


def test_tiers_are_those_before_what_they_explain(to_engine: Callable[[Any], Any]) -> None:
    tables = {
        "maturities": deposits(),
        "customers": people(),
        "balances": held({"A": [60_000.0, 5.0], "B": [20.0, 20.0], "C": [20.0, 20.0]}),
    }
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in tables.items()})
    due = seg.maturities(bank, AS_OF, by=("tier",)).set_index("tier")
    assert due.index.tolist() == ["Basic", "Quality"]
    assert due.loc["Quality", ["deposits", "matured"]].tolist() == [0, 2]  # A before the window
    assert due.loc["Basic", ["deposits", "matured"]].tolist() == [2, 1]
    full = seg.maturities(bank, AS_OF)
    assert full.columns[:3].tolist() == ["branch_id", "tier", "cohort"]
    assert full["deposits"].sum() == 2
    assert full.loc[full["branch_id"] == "B2", "cohort"].tolist() == [
        "Young (under 35)",
        "unknown",
    ]


def test_limits_follow_the_formula() -> None:
    rows = 40
    bank = seg.Bank(
        maturities=pd.DataFrame(
            {
                "deposit_id": [str(n) for n in range(rows)],
                "customer_id": [str(n // 2) for n in range(rows)],
                "branch_id": "B",
                "amount": 100.0,
                "opened_on": pd.Timestamp("2024-01-01"),
                "matures_on": pd.Timestamp("2025-06-01"),
                "kept": [0.0 if n < 10 else 100.0 for n in range(rows)],
            }
        )
    )
    (row,) = seg.maturities(bank, AS_OF, by=()).to_dict("records")
    from scipy.stats import norm, t

    variance = 20 / 19 * (5 * 1.5**2 + 15 * 0.5**2) / rows**2
    number = 0.75 * 0.25 / variance * (norm.ppf(0.975) / t.ppf(0.975, 19)) ** 2
    low, high = wilson(0.75 * number, number)
    for name in ("kept", "kept_rate"):
        found = row[name], row[f"{name}_low"], row[f"{name}_high"]
        assert found == pytest.approx((0.75, low, high), abs=1e-9)
    assert number < 20  # less than one a customer: pairs go together


def test_limits_hold_what_they_should() -> None:
    """400 branches are 400 runs: customers who differ, with several deposits of uneven size."""
    rng = np.random.default_rng(11)
    runs, customers = 400, 80
    count = 1 + rng.poisson(0.8, runs * customers)
    who = np.repeat(np.arange(runs * customers), count)
    chance = rng.beta(4, 1, runs * customers)[who]
    amount = np.round(rng.lognormal(10, 0.8, len(who)), 2)
    share = np.where(rng.random(len(who)) < chance, 1.0, 0.0)
    share = np.where(rng.random(len(who)) < 0.1, share * 0.5, share)
    frame = pd.DataFrame(
        {
            "deposit_id": np.arange(len(who)).astype(str),
            "customer_id": who.astype(str),
            "branch_id": (who // customers).astype(str),
            "amount": amount,
            "opened_on": pd.Timestamp("2024-01-01"),
            "matures_on": pd.Timestamp("2025-06-01"),
            "kept": np.round(amount * share, 2),
        }
    )
    due = seg.maturities(seg.Bank(maturities=frame), AS_OF)
    assert len(due) == runs
    for name, truth in (("kept", 0.8), ("kept_rate", 0.8 * 0.95)):
        missed = ((due[f"{name}_low"] > truth) | (due[f"{name}_high"] < truth)).mean()
        assert 0.02 <= missed <= 0.0875, name
    # deposits taken as if each stood alone would be too sure
    low, high = wilson(due["kept"] * due["matured"], due["matured"])
    assert ((low > 0.8) | (high < 0.8)).mean() > 0.07


def test_the_simulated_bank_keeps_what_it_was_told() -> None:
    bank = seg.simulate_bank(3, branches=3, customers=1500, months=14)
    due = seg.maturities(bank, by=(), window=360)
    table = seg.maturities(bank, window=360, by=("branch_id",))
    assert table["amount"].sum() == pytest.approx(due["amount"].iloc[0])
    assert table["deposits"].sum() == due["deposits"].iloc[0]
    # 5 % of those that mature are not kept, and none of those whose holder leaves before
    assert 0.7 < due["kept"].iloc[0] < 0.95
    assert due["kept_low"].iloc[0] < due["kept"].iloc[0] < due["kept_high"].iloc[0]


def test_nothing_due_and_nothing_there() -> None:
    bank = seg.Bank(maturities=deposits())
    assert seg.maturities(bank, "2035-01-31").empty
    early = seg.maturities(seg.Bank(maturities=deposits().head(1)), AS_OF)
    assert early["kept"].isna().all()
    assert early["kept_rate_high"].isna().all()
    without = seg.maturities(seg.Bank(maturities=deposits().drop(columns="kept")), AS_OF, by=())
    assert without[["matured", "unknown"]].to_numpy().tolist() == [[0, 4]]
    zero = seg.maturities(seg.Bank(maturities=deposits(amount=0.0)), AS_OF, by=())
    assert zero["kept_rate"].isna().all()
    assert 0 <= zero["kept"].iloc[0] <= 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"amount": -1.0}, "negative"),
        ({"amount": np.nan}, "amount"),
        ({"kept": -1.0}, "kept"),
        ({"deposit_id": "D1"}, "deposit_id"),
        ({"customer_id": None}, "customer_id"),
        ({"opened_on": pd.Timestamp("2026-01-01")}, "before it opens"),
        ({"matures_on": pd.NaT}, "matures_on"),
    ],
)
def test_deposits_that_cannot_be(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(seg.TableError, match=message) as caught:
        seg.maturities(seg.Bank(maturities=deposits(**columns)), AS_OF)
    assert "D1" not in str(caught.value)


def test_questions_that_cannot_be() -> None:
    bank = seg.Bank(maturities=deposits())
    for days in (0, -1, 1.5, True, 10**6):
        with pytest.raises(seg.TableError, match="days"):
            seg.maturities(bank, AS_OF, days)
    with pytest.raises(seg.TableError, match="window"):
        seg.maturities(bank, AS_OF, window=0)
    with pytest.raises(seg.TableError, match="by"):
        seg.maturities(bank, AS_OF, by=("branch_id", "branch_id"))
    with pytest.raises(seg.TableError, match="by"):
        seg.maturities(bank, AS_OF, by=("amount",))
    with pytest.raises(seg.MissingTable):
        seg.maturities(bank, AS_OF, by=("tier",))
    with pytest.raises(seg.MissingTable):
        seg.maturities(bank, AS_OF, by=("cohort",))
    with pytest.raises(ValueError, match="level"):
        seg.maturities(bank, AS_OF, level=1.0)
    with pytest.raises(seg.TableError, match="matures_on"):
        seg.Bank(maturities=deposits().rename(columns={"matures_on": "maturs_on"}))
