"""Large outflows: by hand against the customer's own habit, on every engine, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

import segmentation as seg

AS_OF = "2025-12-31"
DAYS = pd.date_range(end="2025-12-15", periods=13, freq="30D")
"""One day in each of the 13 periods of 30 days."""


def tables() -> dict[str, pd.DataFrame]:
    """A grows tenfold, B pays much always, C is erratic, D new, E takes little, F never did."""
    rows: list[tuple[str, Any, float, str]] = [("Z", "2024-12-01", -1.0, "payment")]
    erratic = [0.0, 200_000.0] * 6
    for place, day in enumerate(DAYS):
        now = place == len(DAYS) - 1
        rows += [
            ("A", day, -100_000.0 if now else -10_000.0, "transfer_out"),
            ("B", day, -90_000.0 if now else -80_000.0, "transfer_out"),
            ("C", day, -250_000.0 if now else -erratic[place], "withdrawal"),
            ("D", day, -500_000.0 if now else 0.0, "withdrawal"),
            ("E", day, -40_000.0 if now else -10.0, "payment"),
            ("F", day, -60_000.0 if now else 1_000.0, "payment"),
            ("G", day, -999_999.0, "judicial"),
        ]
    moves = pd.DataFrame(rows, columns=["customer_id", "date", "amount", "kind"])
    people = pd.DataFrame(
        {
            "customer_id": list("ABCDEFGZ"),
            "kind": "personal",
            "branch_id": ["B1"] * 4 + ["B2"] * 4,
            "opened_on": pd.Timestamp("2020-01-01"),
        }
    )
    people.loc[3, "opened_on"] = pd.Timestamp("2025-09-01")
    moves["date"] = pd.to_datetime(moves["date"])
    return {"customers": people, "transactions": moves.assign(channel=None)}


def test_by_hand_on_every_engine(to_engine: Callable[[Any], Any]) -> None:
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in tables().items()})
    found = seg.large_outflows(bank, AS_OF)
    flags = to_pandas(found.flags).set_index("customer_id").sort_index()
    assert flags.index.tolist() == ["A", "B", "C", "D", "F"]
    assert flags["outflow"].tolist() == [100_000, 90_000, 250_000, 500_000, 60_000]
    assert flags["habit"].fillna(-1).tolist() == [10_000, 80_000, 100_000, -1, 0]
    expected = [50_000, 240_000, 100_000 + 3 * 1.4826 * 100_000, -1, 50_000]
    assert flags["threshold"].fillna(-1).tolist() == pytest.approx(expected)
    large = [None if pd.isna(flag) else bool(flag) for flag in flags["large"]]
    assert large == [True, False, False, None, True]
    assert flags["periods"].tolist() == [12, 12, 12, 3, 12]
    table = found.table.set_index("branch_id")
    assert table.loc["B1", ["customers", "large", "unjudged", "outflow"]].tolist() == [
        4,
        1,
        1,
        100_000,
    ]
    assert table.loc["B2", ["customers", "large", "unjudged", "outflow"]].tolist() == [
        4,
        1,
        0,
        60_000,
    ]
    assert table.loc["B1", "share"] == pytest.approx(1 / 3)
    assert tuple(table.loc["B2", ["low", "high"]]) == pytest.approx(seg.wilson(1, 4))


def test_options_move_the_threshold() -> None:
    bank = seg.Bank(**tables())
    low = seg.large_outflows(bank, AS_OF, floor=30_000, by=None)
    assert low.flags.set_index("customer_id").loc["E", "large"]
    assert low.table["large"].tolist() == [3]
    high = seg.large_outflows(bank, AS_OF, times=20, floor=70_000, least=3, periods=6, by=None)
    assert high.table["large"].tolist() == [1]
    flags = high.flags.set_index("customer_id")
    assert flags.loc["D", "large"]  # three periods are enough now
    assert flags.loc["A", ["habit", "periods"]].tolist() == [10_000, 6]


def test_medians_as_numpy_has_them() -> None:
    """The simulated bank against hand-written numpy."""
    bank = seg.simulate_bank(6, branches=2, customers=500, months=15)
    found = seg.large_outflows(bank, floor=2_000, by=None)
    flags = to_pandas(found.flags).set_index("customer_id")
    moves, last = (
        to_pandas(bank.transactions),
        pd.Timestamp(bank.months[-1]) + pd.offsets.MonthEnd(0),
    )
    moves = moves[(moves["amount"] < 0) & ~moves["kind"].isin(["interest", "fee", "judicial"])]
    moves = moves.assign(period=(last - moves["date"]).dt.days // 30).query("period <= 12")
    wide = -moves.pivot_table(
        index="customer_id", columns="period", values="amount", aggfunc="sum", fill_value=0
    )
    full = flags[flags["periods"] == 12]
    assert len(full) > 30
    past = wide.loc[full.index, range(1, 13)].to_numpy()
    habit = np.median(past, axis=1)
    spread = np.median(np.abs(past - habit[:, None]), axis=1)
    threshold = np.maximum(np.maximum(3 * habit, habit + 3 * 1.4826 * spread), 2_000)
    assert full["habit"].to_numpy() == pytest.approx(habit, abs=0.011)
    assert full["threshold"].to_numpy() == pytest.approx(threshold, abs=0.05)
    assert full["outflow"].to_numpy() == pytest.approx(wide.loc[full.index, 0], abs=0.011)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"days": 0}, "days"),
        ({"periods": True}, "periods"),
        ({"least": 13}, "least"),
        ({"times": 0.5}, "times"),
        ({"floor": float("nan")}, "floor"),
        ({"periods": 24}, "reach back"),
        ({"by": "colour"}, "colour"),
    ],
)
def test_questions_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(seg.TableError, match=message):
        seg.large_outflows(seg.Bank(**tables()), AS_OF, **options)


def test_nobody_and_nothing() -> None:
    own = tables()
    quiet = seg.large_outflows(seg.Bank(**own), AS_OF, floor=1e9)
    assert quiet.flags.empty
    assert quiet.table["large"].tolist() == [0, 0]
    nobody = {**own, "customers": own["customers"].head(0)}
    assert seg.large_outflows(seg.Bank(**nobody), AS_OF).table.empty
    plain = {**own, "transactions": own["transactions"].drop(columns="kind")}
    judged = seg.large_outflows(seg.Bank(**plain), AS_OF).flags
    assert "G" in judged["customer_id"].tolist()  # without kinds every movement counts
