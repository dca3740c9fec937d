"""Completeness of profiles: the count, its denominators and its groups, on every engine."""

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.customers.intervals import wilson

DAY = "2025-12-31"
NINE = [
    *("name", "gender", "nationality", "occupation", "address", "phone"),
    *("id_type", "id_number", "id_expiry"),
]


def customers():
    frame = pd.DataFrame(
        {
            "customer_id": ["01", "02", "03", "04", "05", "06", "07"],
            "kind": ["personal"] * 6 + ["corporate"],
            "branch_id": ["B1", "B1", "B2", "B2", None, "B1", "B1"],
            "opened_on": pd.to_datetime(["2020-01-01"] * 5 + ["2026-01-01", "2020-01-01"]),
            "closed_on": pd.to_datetime([None, None, None, "2025-12-31", None, None, None]),
            "gender": ["female", "male", None, "male", "", " ", "female"],
            "birth_date": pd.to_datetime(["1990-01-01", None, None, None, None, None, None]),
        }
    )
    return frame.astype({"closed_on": "datetime64[us]"})


def profiles():
    rows = [
        ("01", "phone", True, True, "2025-01-01"),
        ("02", "phone", True, True, "2022-12-31"),  # 36 months ago to the day: still fresh
        ("03", "phone", True, True, "2022-12-30"),  # a day older
        ("05", "phone", True, None, "2025-01-01"),  # nobody knows whether it is valid
        ("01", "name", True, True, None),  # a name does not go out of date
        ("02", "name", True, False, "2025-01-01"),
        ("03", "name", False, None, None),
        ("04", "name", True, True, "2025-01-01"),  # closed on the day
        ("06", "name", True, True, "2025-01-01"),  # opened later
        ("07", "name", True, True, "2025-01-01"),  # corporate
        ("99", "name", True, True, "2025-01-01"),  # nobody's
        ("01", "hobby", True, True, "1999-01-01"),
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "field", "filled", "valid", "updated_on"])
    frame["valid"] = frame["valid"].astype("boolean")
    frame["updated_on"] = pd.to_datetime(frame["updated_on"])
    return frame


def counts(table):
    return {(r.field, r.by): (r.complete, r.customers) for r in table.itertuples()}


def test_every_engine_counts_the_same(to_engine):
    bank = seg.Bank(customers=to_engine(customers()), profiles=to_engine(profiles()))
    table = seg.completeness(bank, as_of=DAY)
    assert table.columns.tolist() == [
        "field",
        "by",
        "customers",
        "complete",
        "share",
        "low",
        "high",
    ]
    assert counts(table) == {
        ("name", "all"): (1, 4),
        ("phone", "all"): (2, 4),
        ("hobby", "all"): (1, 4),
    }
    assert table["field"].tolist() == ["name", "phone", "hobby"]
    assert table["share"].tolist() == [0.25, 0.5, 0.25]
    low, high = wilson([1, 2, 1], [4, 4, 4])
    assert table["low"].tolist() == pytest.approx(low)
    assert table["high"].tolist() == pytest.approx(high)
    branches = seg.completeness(bank, by="branch_id", as_of=DAY)
    assert branches["by"].tolist()[:3] == ["B1", "B2", "unknown"]
    assert counts(branches)["phone", "B1"] == (2, 2)
    assert counts(branches)["phone", "B2"] == (0, 1)
    assert counts(branches)["phone", "unknown"] == (0, 1)


def test_parts_say_what_is_lacking():
    bank = seg.Bank(customers=customers(), profiles=profiles())
    parts = seg.completeness_parts(bank, as_of=DAY)
    assert parts.columns.tolist() == [
        *("field", "by", "part", "customers", "count", "share", "low", "high")
    ]
    phone = parts.query("field == 'phone'").set_index("part")["count"]
    assert phone.to_dict() == {"filled": 4, "valid": 3, "fresh": 3, "complete": 2}


def test_columns_that_are_not_there_are_not_judged():
    bank = seg.Bank(
        customers=customers(), profiles=profiles().drop(columns=["valid", "updated_on"])
    )
    assert counts(seg.completeness(bank, as_of=DAY))["phone", "all"] == (4, 4)
    parts = seg.completeness_parts(bank, as_of=DAY)
    assert set(parts["part"]) == {"filled", "complete"}


def test_all_nine_is_given_where_all_nine_are_kept():
    rows = [(who, field) for who in ("01", "02") for field in NINE]
    frame = pd.DataFrame(rows, columns=["customer_id", "field"])
    frame["filled"] = [True] * 17 + [False]
    bank = seg.Bank(customers=customers(), profiles=frame)
    table = seg.completeness(bank, as_of=DAY)
    assert table["field"].tolist() == [*NINE, "all_nine"]
    assert counts(table)["all_nine", "all"] == (1, 4)
    other = frame.replace({"gender": "sex", "phone": "contact"})
    table = seg.completeness(seg.Bank(customers=customers(), profiles=other), as_of=DAY)
    assert counts(table)["sex", "all"] == (2, 4)
    assert counts(table)["all_nine", "all"] == (1, 4)
    fewer = seg.Bank(customers=customers(), profiles=frame[frame["field"] != "name"])
    assert "all_nine" not in set(seg.completeness(fewer, as_of=DAY)["field"])


def test_without_profiles_the_columns_of_customers_stand_in(to_engine):
    bank = seg.Bank(customers=to_engine(customers()))
    table = seg.completeness(bank, by="branch_id", as_of=DAY)
    assert table["field"].unique().tolist() == ["gender", "birth_date"]
    assert counts(table)["gender", "B1"] == (2, 2)
    assert counts(table)["gender", "B2"] == (0, 1)
    assert counts(table)["gender", "unknown"] == (0, 1)  # an empty text is not filled
    assert counts(table)["birth_date", "B1"] == (1, 2)


def test_tiers_are_in_their_order_and_the_day_is_the_last_months():
    balances = pd.DataFrame(
        {
            "customer_id": ["01", "02", "03"],
            "month": pd.Timestamp("2025-12-01"),
            "product": "demand",
            "average": [60_000.0, 20_000.0, 0.0],
        }
    )
    bank = seg.Bank(customers=customers(), profiles=profiles(), balances=balances)
    table = seg.completeness(bank, by="tier").query("field == 'phone'")
    assert table["by"].tolist() == ["Basic", "Active", "Quality"]
    assert table["customers"].tolist() == [2, 1, 1]
    assert table["complete"].tolist() == [0, 1, 1]
    with pytest.raises(seg.TableError, match="later day"):
        seg.completeness(bank, by="tier", as_of="2024-01-31")


def test_a_customer_who_occurs_twice_counts_once():
    twice = pd.concat([customers(), customers()])
    bank = seg.Bank(customers=twice, profiles=pd.concat([profiles(), profiles()]))
    assert counts(seg.completeness(bank, as_of=DAY))["phone", "all"] == (2, 4)


def test_hostile_field_names_are_only_names():
    frame = pd.DataFrame({"customer_id": "01", "field": ["'; drop--", "姓名", ""], "filled": True})
    bank = seg.Bank(customers=customers(), profiles=frame)
    table = seg.completeness(bank, as_of=DAY)
    assert sorted(table["field"]) == sorted(["'; drop--", "姓名", ""])
    assert table["complete"].tolist() == [1, 1, 1]


def test_a_banks_own_rules_replace_those_that_ship(tmp_path):
    (tmp_path / "quality.toml").write_text(
        "[fields.phone]\nfresh_months = 240\n[fields.hobby]\nfresh_months = 12\n"
        '[nine]\nkinds = ["personal", "corporate"]\nelements = ["phone"]\n'
    )
    bank = seg.Bank(customers=customers(), profiles=profiles(), rules=tmp_path)
    table = counts(seg.completeness(bank, as_of=DAY))
    assert table["phone", "all"] == (3, 5)
    assert table["hobby", "all"] == (0, 5)
    assert table["all_nine", "all"] == (3, 5)


@pytest.mark.parametrize(
    ("by", "as_of", "message"),
    [
        ("brnch_id", DAY, "column brnch_id missing"),
        ("tier", DAY, "balances: table missing"),
        (None, "1999-01-01", "some are open"),
        (None, "yesterday", "it is a day"),
        (None, None, "it has no default"),
    ],
)
def test_bad_arguments_are_refused(by, as_of, message):
    bank = seg.Bank(customers=customers(), profiles=profiles())
    with pytest.raises(seg.TableError, match=message):
        seg.completeness(bank, by, as_of)


def test_a_bank_of_no_field_is_refused():
    bare = customers().drop(columns=["gender", "birth_date"])
    with pytest.raises(seg.TableError, match="some field"):
        seg.completeness(seg.Bank(customers=bare), as_of=DAY)
    with pytest.raises(seg.MissingTable, match="customers: table missing"):
        seg.completeness(seg.Bank(profiles=profiles()), as_of=DAY)


def test_groups_add_up_to_all():
    draws = np.random.default_rng(3)
    many = pd.DataFrame({"customer_id": [str(k) for k in range(400)], "kind": "personal"})
    many["branch_id"] = draws.choice(["B1", "B2", "B3"], 400)
    many["opened_on"] = pd.Timestamp("2020-01-01")
    frame = many[["customer_id"]].merge(pd.DataFrame({"field": NINE}), how="cross")
    frame["filled"] = draws.random(len(frame)) < 0.9
    bank = seg.Bank(customers=many, profiles=frame)
    every, groups = (seg.completeness(bank, by, DAY) for by in (None, "branch_id"))
    sums = groups.groupby("field", sort=False)[["customers", "complete"]].sum()
    assert sums["complete"].tolist() == every["complete"].tolist()
    assert sums["customers"].tolist() == every["customers"].tolist()
    complete = frame.groupby("customer_id")["filled"].all()
    assert every["complete"].iloc[-1] == complete.sum()
