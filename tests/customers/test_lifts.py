"""Month-end lift of deposits, by branch, on every engine."""

import numpy as np
import pandas as pd
import pytest

import segmentation as seg

MONTHS = pd.to_datetime(["2025-01-01", "2025-02-01"])


def tables():
    customers = pd.DataFrame(
        {
            "customer_id": ["01", "02", "03", "04"],
            "kind": "personal",
            "branch_id": ["B1", "B1", "B2", None],
            "opened_on": pd.Timestamp("2020-01-01"),
        }
    )
    rows = [
        ("01", 0, "demand", 1000.10, 1100.00),
        ("01", 0, "term", 500.20, 400.00),
        ("02", 0, "demand", 499.70, 580.00),
        ("01", 0, "wealth", 1.0, 9999.0),  # no deposit
        ("03", 0, "demand", 100.0, 104.0),  # exactly the limit
        ("03", 1, "demand", 0.0, 50.0),
        ("02", 1, "term", 200.0, 150.0),
        ("04", 1, "term", 10.0, 10.0),
        ("01", 1, "demand", 0.0, 0.0),
    ]
    balances = pd.DataFrame(rows, columns=["customer_id", "month", "product", "average", "end"])
    balances["month"] = MONTHS[balances["month"]]
    return customers, balances


def test_every_engine_flags_the_same(to_engine):
    customers, balances = tables()
    bank = seg.Bank(customers=to_engine(customers), balances=to_engine(balances))
    lifts = seg.month_end_lift(bank)
    assert lifts.columns.tolist() == [
        *("month", "branch_id", "customers", "average", "end", "lift", "flagged")
    ]
    assert lifts["month"].tolist() == [MONTHS[0]] * 2 + [MONTHS[1]] * 3
    assert lifts["branch_id"].tolist() == ["B1", "B2", "B1", "B2", "unknown"]
    assert lifts["customers"].tolist() == [2, 1, 1, 1, 1]
    assert lifts["average"].tolist() == pytest.approx([2000, 100, 200, 0, 10], abs=1e-9)
    assert lifts["end"].tolist() == pytest.approx([2080, 104, 150, 50, 10], abs=1e-9)
    expected = [0.04, 0.04, -0.25, np.nan, 0.0]
    assert lifts["lift"].tolist() == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert lifts["flagged"].tolist() == [False, False, False, True, False]


def test_limit_and_group_are_the_callers():
    customers, balances = tables()
    bank = seg.Bank(customers=customers, balances=balances)
    assert seg.month_end_lift(bank, 0.0399)["flagged"].tolist() == [True, True, False, True, False]
    whole = seg.month_end_lift(bank, by=None)
    assert whole["branch_id"].tolist() == ["all", "all"]
    branches = seg.month_end_lift(bank).groupby("month")[["average", "end", "customers"]].sum()
    assert whole["end"].tolist() == pytest.approx(branches["end"].tolist())
    assert whole["customers"].tolist() == branches["customers"].tolist()
    assert seg.month_end_lift(seg.Bank(balances=balances), by=None).shape == whole.shape
    kinds = seg.month_end_lift(bank, by="kind")
    assert kinds["kind"].tolist() == ["personal", "personal"]


def test_sums_of_many_small_balances_meet_the_limit_to_the_cent():
    customers = pd.DataFrame(
        {"customer_id": [str(k) for k in range(1000)], "kind": "personal", "branch_id": "B"}
    )
    customers["opened_on"] = pd.Timestamp("2020-01-01")
    balances = customers[["customer_id"]].assign(
        month=MONTHS[0], product="demand", average=0.1, end=0.104
    )
    lift = seg.month_end_lift(seg.Bank(customers=customers, balances=balances))
    assert lift["lift"].tolist() == [0.04]
    assert not lift["flagged"].any()


@pytest.mark.parametrize("lacking", ["average", "end"])
def test_both_figures_are_needed(lacking):
    customers, balances = tables()
    bank = seg.Bank(customers=customers, balances=balances.drop(columns=lacking))
    with pytest.raises(seg.TableError, match=f"balances.{lacking}: the lift needs both"):
        seg.month_end_lift(bank)
    balances[lacking] = balances[lacking].where(balances.index > 1)
    bank = seg.Bank(customers=customers, balances=balances)
    with pytest.raises(seg.TableError, match=rf"balances.{lacking}: .*filled.*\(2 rows\)"):
        seg.month_end_lift(bank)


def test_bad_arguments_are_refused():
    customers, balances = tables()
    bank = seg.Bank(customers=customers, balances=balances)
    with pytest.raises(seg.TableError, match="column brnch_id missing"):
        seg.month_end_lift(bank, by="brnch_id")
    with pytest.raises(seg.TableError, match="limit"):
        seg.month_end_lift(bank, np.nan)
    with pytest.raises(seg.MissingTable, match="table missing"):
        seg.month_end_lift(seg.Bank(customers=customers))


def test_no_deposits_no_rows():
    customers, balances = tables()
    bank = seg.Bank(customers=customers, balances=balances.iloc[3:4])
    lifts = seg.month_end_lift(bank)
    assert lifts.empty
    assert lifts["flagged"].dtype == bool
