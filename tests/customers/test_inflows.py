"""Salaries and pensions that stopped: by hand, at the edges, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas

import segmentation as seg

AS_OF = "2025-12-31"
HABIT = [f"2025-{month:02d}-10" for month in range(5, 11)]


def tables(**more: Any) -> dict[str, pd.DataFrame]:
    """Eight months: A goes on, B stopped, C skipped one month and stopped, D was never regular."""
    moves = [("Z", "2025-04-30", "deposit", 1.0)]
    moves += [("A", day, "salary", 5_000.0) for day in [*HABIT, "2025-11-10"]]
    moves += [("B", day, "salary", 4_000.0) for day in HABIT]
    moves += [("B", "2025-12-10", "transfer_in", 4_000.0), ("B", "2025-12-11", "salary", -1.0)]
    moves += [("C", day, "pension", 2_000.0) for day in HABIT[1:]] + [
        ("C", HABIT[-1], "pension", 500.0)
    ]
    moves += [("D", day, "salary", 3_000.0) for day in HABIT[2:]]
    moves += [("E", day, "salary", 9_000.0) for day in HABIT]  # closed since
    moves += [("F", day, "salary", 6_000.0) for day in HABIT] + [("F", "2026-01-05", "salary", 1.0)]
    people = pd.DataFrame(
        {
            "customer_id": list("ABCDEFZ"),
            "kind": "personal",
            "branch_id": ["B1", "B1", "B2", "B2", "B1", "B1", "B1"],
            "opened_on": pd.Timestamp("2020-01-01"),
            "closed_on": pd.to_datetime([None, None, None, None, "2025-11-30", None, None]),
        }
    )
    rows = pd.DataFrame(moves, columns=["customer_id", "date", "kind", "amount"])
    rows["date"] = pd.to_datetime(rows["date"])
    return {"customers": people, "transactions": rows.assign(channel=None)} | more


def test_by_hand_on_every_engine(to_engine: Callable[[Any], Any]) -> None:
    bank = seg.Bank(**{name: to_engine(frame) for name, frame in tables().items()})
    found = seg.stopped_inflows(bank, AS_OF)
    flags = to_pandas(found.flags).sort_values("customer_id").reset_index(drop=True)
    assert flags["customer_id"].tolist() == ["A", "B", "C", "F"]
    assert flags["stopped"].tolist() == [False, True, True, True]
    assert flags["months_seen"].tolist() == [6, 6, 5, 6]
    assert flags["monthly"].tolist() == [5_000.0, 4_000.0, 2_100.0, 6_000.0]
    assert flags["last_on"].dt.strftime("%m-%d").tolist() == ["11-10", "10-10", "10-10", "10-10"]
    columns = ["branch_id", "kind", "regular", "stopped", "monthly"]
    assert found.table[columns].to_numpy().tolist() == [
        ["B1", "salary", 3, 2, 10_000.0],
        ["B1", "pension", 0, 0, 0.0],
        ["B2", "salary", 0, 0, 0.0],
        ["B2", "pension", 1, 1, 2_100.0],
    ]
    assert found.table["share"].iloc[0] == pytest.approx(2 / 3)
    assert tuple(found.table.loc[0, ["low", "high"]]) == pytest.approx(seg.wilson(2, 3))
    assert found.table["share"].isna().tolist() == [False, True, True, False]
    assert (str(found.start), str(found.end)) == ("2025-05-01", "2025-12-31")


def test_money_since_the_last_month_is_no_stop() -> None:
    bank = seg.Bank(**tables())
    found = seg.stopped_inflows(bank, "2026-01-15", by=None)
    flags = found.flags.set_index("customer_id")["stopped"]
    assert not flags["F"]
    assert flags["B"]
    earlier = seg.stopped_inflows(bank, "2026-01-04", by=None).flags.set_index("customer_id")
    assert earlier.loc["F", "stopped"]


def test_stricter_and_looser_habits() -> None:
    bank = seg.Bank(**tables())
    strict = seg.stopped_inflows(bank, AS_OF, least=6, by=None)
    assert strict.table.set_index("kind")["regular"].to_dict() == {"salary": 3, "pension": 0}
    loose = seg.stopped_inflows(bank, AS_OF, least=4, by=None)
    assert loose.table.set_index("kind")["regular"].to_dict() == {"salary": 4, "pension": 1}
    patient = seg.stopped_inflows(bank, AS_OF, months=5, least=5, absent=3, by=None)
    assert patient.table["stopped"].sum() == 0  # October is among the three


def test_groups_of_the_users_own_and_of_cohorts() -> None:
    own = tables()
    own["customers"] = own["customers"].assign(birth_date=pd.Timestamp("1950-01-01"))
    bank = seg.Bank(**own)
    tiers = pd.DataFrame({"customer_id": list("ABCF"), "tier": ["x", "x", "y", "y"]})
    table = seg.stopped_inflows(bank, AS_OF, by=tiers).table
    assert table.set_index(["tier", "kind"])["regular"].to_dict()[("y", "salary")] == 1
    cohort = seg.stopped_inflows(bank, AS_OF, by="silver_60").table
    assert cohort["cohort"].unique().tolist() == ["Silver (60 and over)"]
    assert cohort["regular"].sum() == 4


def test_in_the_simulated_bank_they_stop_for_those_who_fell_asleep() -> None:
    bank = seg.simulate_bank(5, branches=2, customers=1500, months=24)
    people = bank.truth["customers"].set_index("customer_id")
    stopped: list[str] = []
    for month in ("2024-10", "2025-08", "2025-12"):
        found = seg.stopped_inflows(bank, f"{month}-01", by=None)
        assert (found.table["regular"] > 50).all()
        stopped += to_pandas(found.flags).query("stopped")["customer_id"].tolist()
    assert len(stopped) >= 5
    assert people.loc[stopped, "asleep"].all()
    assert people["asleep"].mean() < 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"months": 0}, "months"),
        ({"least": 7}, "least"),
        ({"absent": 1.5}, "absent"),
        ({"kinds": ()}, "kinds"),
        ({"kinds": (None,)}, "kinds"),
        ({"months": 12}, "reach back"),
        ({"as_of": "2025-13-01"}, "month"),
        ({"by": "colour"}, "colour"),
    ],
)
def test_questions_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(seg.TableError, match=message):
        seg.stopped_inflows(seg.Bank(**tables()), **{"as_of": AS_OF, **options})


def test_tables_that_are_not_there_or_empty() -> None:
    own = tables()
    without = seg.Bank(**{**own, "transactions": own["transactions"].drop(columns="kind")})
    with pytest.raises(seg.TableError, match="kind"):
        seg.stopped_inflows(without, AS_OF)
    with pytest.raises(seg.MissingTable):
        seg.stopped_inflows(seg.Bank(customers=own["customers"]), AS_OF)
    with pytest.raises(seg.TableError, match="reach back"):
        seg.stopped_inflows(seg.Bank(**{**own, "transactions": own["transactions"].head(0)}), AS_OF)
    alone = {**own, "customers": own["customers"].tail(1)}
    assert seg.stopped_inflows(seg.Bank(**alone), AS_OF).table.empty
    hostile = own["customers"].assign(branch_id="'; DROP TABLE customers; --")
    table = seg.stopped_inflows(seg.Bank(**{**own, "customers": hostile}), AS_OF).table
    assert table["branch_id"].unique().tolist() == ["'; DROP TABLE customers; --"]
