"""Reactivation: a life table by hand, closings, coverage, and the rate that the truth was given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

import segmentation as seg
from segmentation.customers import reactivations
from segmentation.customers.intervals import wilson


def sleepers(count: int = 10, **columns: Any) -> pd.DataFrame:
    base = {
        "customer_id": [f"C{n}" for n in range(count)],
        "kind": "personal",
        "branch_id": ["B1", "B2"] * (count // 2),
        "opened_on": pd.Timestamp("2015-01-01"),
        "closed_on": pd.Series(pd.NaT, index=range(count)),
    }
    return pd.DataFrame(base | columns)


def tables(moves: list[tuple[str, str]], people: pd.DataFrame) -> dict[str, pd.DataFrame]:
    months = pd.date_range("2025-01-01", "2025-06-01", freq="MS")
    rows = pd.DataFrame([("Z", "2020-01-01"), *moves], columns=["customer_id", "date"])
    held = pd.DataFrame({"month": months, "product": "demand", "end": 0.0})
    return {
        "customers": people,
        "balances": people[["customer_id"]].merge(held, how="cross"),
        "transactions": rows.assign(
            date=pd.to_datetime(rows["date"]), channel=None, kind="deposit", amount=1.0
        ),
    }


def life() -> dict[str, pd.DataFrame]:
    """Ten sleepers: two wake in February, one in April, one in April after closing in March …"""
    closed = pd.to_datetime(
        [None, None, None, "2025-03-09", "2025-02-20", "2025-05-31", None, None, None, None]
    )
    moves = [
        *[("C0", "2025-02-01"), ("C0", "2025-03-01"), ("C1", "2025-02-28")],
        *[("C2", "2025-04-30"), ("C3", "2025-04-02"), ("C4", "2025-02-19"), ("C5", "2025-04-02")],
    ]
    return tables(moves, sleepers(closed_on=closed))


def test_a_life_table_by_hand_on_every_engine(to_engine: Callable[[Any], Any]) -> None:
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in life().items()})
    woken = seg.reactivation(bank, "cib", "2025-01", "2025-06")
    table = woken.table
    assert table["month"].dt.strftime("%m").tolist() == ["02", "03", "04", "05", "06"]
    assert table["step"].tolist() == [1, 2, 3, 4, 5]
    # C4 moves and closes in February: the movement took the rest; C3 closes before it moves
    assert table["closed"].tolist() == [1, 1, 0, 0, 0]
    assert table["reactivated"].tolist() == [2, 0, 2, 0, 0]
    assert table["at_risk"].tolist() == [9, 6, 6, 4, 4]
    np.testing.assert_allclose(table["hazard"], [2 / 9, 0, 2 / 6, 0, 0])
    returned = 1 - np.cumprod([7 / 9, 1, 4 / 6, 1, 1])
    np.testing.assert_allclose(table["returned"], returned)
    np.testing.assert_allclose(table["low"], wilson([2, 0, 2, 0, 0], [9, 6, 6, 4, 4])[0])
    assert (table["returned_low"] < table["returned"]).all()
    assert (table["returned_high"] > table["returned"]).all()
    assert (woken.customers, woken.unknown) == (10, 0)
    assert woken.base_rate == pytest.approx(4 / 29)
    assert (woken.low, woken.high) == pytest.approx(wilson(4, 29))
    groups = woken.groups.iloc[0]
    assert (groups["customers"], groups["customer_months"], groups["reactivated"]) == (10, 29, 4)
    assert groups["returned"] == pytest.approx(returned[-1])


def test_the_limits_of_the_product_are_kalbfleisch_and_prentices() -> None:
    last = seg.reactivation(seg.Bank(**life()), "cib", "2025-01", "2025-06").table.iloc[-1]
    kept = 7 / 9 * 4 / 6
    spread = np.sqrt(2 / (9 * 7) + 2 / (6 * 4)) / abs(np.log(kept))
    ends = 1 - kept ** np.exp(np.array([-1, 1]) * 1.959964 * spread)
    assert last[["returned_low", "returned_high"]].tolist() == pytest.approx(ends.tolist(), 1e-6)


def test_groups_are_told_apart_and_add_up(to_engine: Callable[[Any], Any]) -> None:
    plain = life()
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in plain.items()})
    whole = seg.reactivation(bank, "cib", "2025-01", "2025-06")
    arms = plain["customers"][["customer_id"]].assign(arm=["held out"] * 4 + ["called"] * 6)
    for by, column in (("branch_id", "branch_id"), (to_engine(arms), "arm")):
        parts = seg.reactivation(bank, "cib", "2025-01", "2025-06", by)
        assert parts.by == column
        assert len(parts.groups) == 2
        assert len(parts.table) == 10
        assert parts.base_rate == pytest.approx(whole.base_rate)
        sums = parts.table.groupby("step")[["at_risk", "reactivated", "closed"]].sum()
        expected = whole.table.set_index("step")[["at_risk", "reactivated", "closed"]]
        pd.testing.assert_frame_equal(sums, expected)
    called = parts.groups.set_index("arm").loc["called"]
    assert (called["customers"], called["reactivated"]) == (6, 1)


def test_only_those_asleep_at_the_start_are_followed() -> None:
    moves = [("C0", "2025-01-30"), ("C1", "2025-01-30"), ("C1", "2025-02-02")]
    woken = seg.reactivation(seg.Bank(**tables(moves, sleepers(4))), "cib", "2025-01", "2025-06")
    assert (woken.customers, int(woken.table["reactivated"].sum())) == (2, 0)
    assert woken.base_rate == 0
    assert woken.low == pytest.approx(0, abs=1e-12)
    assert 0 < woken.high < 1  # nobody of ten customer-months is not nobody ever
    assert woken.table["returned_high"].between(0.3, 0.9).all()


def test_who_cannot_be_judged_is_left_out_and_counted() -> None:
    plain = life()
    late = plain["transactions"]["date"] > "2024-12-01"
    plain["transactions"] = plain["transactions"][late]
    woken = seg.reactivation(seg.Bank(**plain), "cib", "2025-01", "2025-06", "branch_id")
    assert (woken.customers, woken.unknown) == (0, 10)
    assert np.isnan(woken.base_rate)
    assert woken.table.empty
    assert woken.groups["unknown"].tolist() == [5, 5]
    assert woken.groups["customers"].tolist() == [0, 0]


def test_all_wake_or_one_customer() -> None:
    moves = [(f"C{n}", "2025-02-03") for n in range(2)]
    woken = seg.reactivation(seg.Bank(**tables(moves, sleepers(2))), "cib", "2025-01", "2025-03")
    assert woken.table["at_risk"].tolist() == [2, 0]
    assert woken.table["returned"].tolist() == [1, 1]
    assert np.isnan(woken.table["hazard"].iloc[1])
    assert 0 < woken.table["returned_low"].iloc[0] < 1
    assert woken.table["returned_high"].iloc[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("start", "end"), [("2025-06", "2025-06"), ("2025-06", "2025-01"), ("2025-01", "2025-07")]
)
def test_months_that_cannot_be_are_refused(start: str, end: str) -> None:
    with pytest.raises(seg.TableError, match="after start"):
        seg.reactivation(seg.Bank(**life()), "cib", start, end)
    with pytest.raises(seg.TableError, match="2025-01 to 2025-06"):
        seg.reactivation(seg.Bank(**life()), "cib", "2024-06", "2025-06")


def test_the_start_is_half_a_year_back() -> None:
    bank = seg.simulate_bank(3, branches=2, customers=400, months=20)
    woken = seg.reactivation(bank, "six_months")
    assert (woken.start.isoformat(), woken.end.isoformat()) == ("2025-06-01", "2025-12-01")
    assert woken.table["step"].tolist() == [1, 2, 3, 4, 5, 6]


# --- coverage ------------------------------------------------------------------------------------


def covered(runs: int, seed: int) -> tuple[float, float]:
    """Shares of runs whose intervals miss the base rate and the share returned after six months."""
    rng, people, steps, hazard, leaves = np.random.default_rng(seed), 400, 6, 0.02, 0.01
    woke = rng.geometric(hazard, (runs, people))
    left = rng.geometric(leaves, (runs, people))
    cells = pd.DataFrame(
        {
            "run": np.repeat(np.arange(runs), people),
            "woke": np.where(woke <= steps, woke, 0).ravel(),
            "left": np.where(left <= steps, left, 0).ravel(),
        }
    )
    cells = cells.groupby(["run", "woke", "left"]).size().rename("customers").reset_index()
    counted = reactivations._counted(cells, "run", steps)
    table = reactivations._hazards(counted, "run", pd.Timestamp("2025-01-01").date(), 0.95)
    none = pd.Series(dtype="int64")
    groups = reactivations._totals(table, none, "run", 0.95)
    truth = 1 - (1 - hazard) ** steps
    rate = (groups["low"] > hazard) | (groups["high"] < hazard)
    share = (groups["returned_low"] > truth) | (groups["returned_high"] < truth)
    assert len(groups) == runs
    return float(rate.mean()), float(share.mean())


def test_intervals_miss_the_truth_as_often_as_they_say() -> None:
    for missed in covered(400, 8):
        assert 0.02 <= missed <= 0.0875


@pytest.mark.calibrate
def test_intervals_miss_the_truth_as_often_as_they_say_in_many_runs() -> None:
    for missed in covered(4000, 9):
        assert 0.040 <= missed <= 0.061


# --- planted truth -------------------------------------------------------------------------------


def test_the_planted_rate_of_waking_is_recovered() -> None:
    """In the network, 0.25 % of the old accounts change state in a month, whatever the cause."""
    bank = seg.simulate_bank(21, branches=3, customers=4000, months=24)
    woken = seg.reactivation(bank, "six_months", "2024-06", "2025-12")
    assert woken.customers > 1000
    assert woken.low < 0.0025 < woken.high
    # a cause known of those still asleep at the end tells of the future: none of them ever woke
    causes = bank.truth["customers"][["customer_id", "dormant_cause"]]
    groups = seg.reactivation(bank, "six_months", "2024-06", "2025-12", causes).groups
    known = groups[groups["dormant_cause"] != "unknown"]
    assert len(known) == 4
    assert known["reactivated"].sum() <= 3
    cohorts = seg.reactivation(bank, "six_months", "2024-06", "2025-12", "silver_50").groups
    assert (cohorts["low"] < 0.0025).all()
    assert (cohorts["high"] > 0.0025).all()


@pytest.mark.data
def test_berka_has_too_few_sleepers_to_say(real_data: Path) -> None:
    bank = seg.read_berka(real_data / "berka")
    woken = seg.reactivation(bank, "corporate", "1998-06", "1998-12")
    assert woken.customers == 0
    assert np.isnan(woken.base_rate)


def test_results_come_back_as_pandas(to_engine: Callable[[Any], Any]) -> None:
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in life().items()})
    woken = seg.reactivation(bank, "cib", "2025-01", "2025-06")
    assert isinstance(woken.table, pd.DataFrame)
    assert "customer_id" not in woken.table
    assert len(to_pandas(woken.table)) == 5
