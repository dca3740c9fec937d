"""Candidates for duplicate customers: counts, and how many of them chance would make."""

import numpy as np
import pandas as pd
import pytest

import segmentation as seg

DAY = "2025-12-31"


def people(n, seed=0):
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame({"customer_id": [f"{k:05}" for k in range(n)], "kind": "personal"})
    frame["branch_id"] = draws.choice(["B1", "B2"], n)
    frame["opened_on"] = pd.Timestamp("2020-01-01")
    frame["gender"] = draws.choice(["female", "male"], n)
    frame["birth_date"] = pd.Timestamp("1990-01-01") + pd.to_timedelta(
        draws.integers(0, 500, n), "D"
    )
    frame["occupation"] = draws.choice(["farmer", "teacher", "driver"], n)
    return frame


def test_every_engine_counts_pairs_and_what_chance_makes(to_engine):
    frame = people(300)
    frame.loc[7, "birth_date"] = pd.NaT
    frame.loc[8, "kind"] = "corporate"
    table = seg.duplicate_candidates(seg.Bank(customers=to_engine(frame)), as_of=DAY)
    assert table["columns"].tolist() == [
        "birth_date, gender, branch_id, opened_on",
        "birth_date, gender, branch_id, occupation",
    ]
    known = frame.drop(index=[7, 8])
    for row, names in zip(table.itertuples(), table["columns"], strict=True):
        columns = names.split(", ")
        sizes = known.groupby(columns).size()
        assert row.n == 298
        assert row.groups == (sizes > 1).sum()
        assert row.customers == sizes[sizes > 1].sum()
        assert row.pairs == (sizes * (sizes - 1) // 2).sum()
        expected = 0.0
        for _, one in known.groupby("gender"):
            pairs = one.merge(one, how="cross", suffixes=("", "_other"))
            pairs = pairs[pairs["customer_id"] < pairs["customer_id_other"]]
            born = pairs["birth_date"] == pairs["birth_date_other"]
            others = [name for name in columns if name != "birth_date"]
            agree = np.all([pairs[name] == pairs[f"{name}_other"] for name in others], axis=0)
            expected += agree.sum() * born[~agree].mean()
        assert row.expected == pytest.approx(expected, rel=1e-9)
    assert not set(frame["customer_id"]) & {str(cell) for cell in table.to_numpy().ravel()}


def test_strangers_agree_as_often_as_expected_and_duplicates_more():
    found, expected = [], []
    for seed in range(12):
        row = seg.duplicate_candidates(seg.Bank(customers=people(500, seed)), as_of=DAY).iloc[0]
        found.append(row["pairs"])
        expected.append(row["expected"])
    assert np.sum(found) == pytest.approx(np.sum(expected), abs=4 * np.sqrt(np.sum(expected)))
    frame = people(500)
    twice = frame.iloc[:60].assign(customer_id=[f"x{k}" for k in range(60)])
    row = seg.duplicate_candidates(
        seg.Bank(customers=pd.concat([frame, twice], ignore_index=True)), as_of=DAY
    ).iloc[0]
    assert row["pairs"] - row["expected"] > 40


def test_households_are_the_first_rule():
    frame = people(4).assign(
        household_id=["H1", "H1", "H2", None], gender="male", birth_date=pd.Timestamp("1980-01-01")
    )
    row = seg.duplicate_candidates(seg.Bank(customers=frame), as_of=DAY).iloc[0]
    assert row["columns"] == "birth_date, gender, household_id"
    assert (row["n"], row["groups"], row["customers"], row["pairs"]) == (3, 1, 2, 1)


def test_one_customer_has_no_pair():
    table = seg.duplicate_candidates(seg.Bank(customers=people(1)), as_of=DAY)
    assert table["n"].tolist() == [1, 1]
    assert table[["groups", "pairs", "expected"]].to_numpy().tolist() == [[0, 0, 0], [0, 0, 0]]


def test_a_bank_without_the_columns_is_refused():
    frame = people(3).drop(columns="birth_date")
    with pytest.raises(seg.TableError, match="columns of a rule"):
        seg.duplicate_candidates(seg.Bank(customers=frame), as_of=DAY)
