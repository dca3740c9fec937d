"""Frequency, recency and age from purchases: by hand on every engine, and bad input."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from conftest import to_pandas

import segmentation as seg
from segmentation.data.errors import TableError

BOUGHT = pd.DataFrame(
    [
        ("A", "2025-01-01 09:00", 10.0),
        ("A", "2025-01-01 18:00", 5.0),  # the first day, which is not counted
        ("A", "2025-01-08 10:00", 7.0),
        ("A", "2025-01-08 10:01", 0.005),  # the same day: one purchase of 7.005
        ("A", "2025-01-29 00:00", 3.0),
        ("A", "2025-01-30 00:00", 99.0),  # after the last day
        ("B", "2025-01-29 23:59", 1.0),
        ("C", "2025-02-01 00:00", 1.0),  # not yet a customer
        ("D", "2024-02-29 12:00", 2.0),  # a leap day
        ("D", "2024-03-01 12:00", 0.0),
    ],
    columns=["customer_id", "date", "amount"],
).assign(date=lambda rows: pd.to_datetime(rows["date"]))


def test_by_hand_on_every_engine(to_engine: Callable[[Any], Any]) -> None:
    found = seg.purchase_summary(to_engine(BOUGHT), "2025-01-29", amount="amount")
    table = to_pandas(found).sort_values("customer_id", ignore_index=True)
    assert list(table) == ["customer_id", "frequency", "recency", "age", "spend"]
    assert table["customer_id"].tolist() == ["A", "B", "D"]
    assert table["frequency"].tolist() == [2, 0, 1]
    assert table["recency"].tolist() == pytest.approx([4, 0, 1 / 7])
    assert table["age"].tolist() == pytest.approx([4, 0, 335 / 7])
    assert table["spend"].isna().tolist() == [False, True, False]
    assert table["spend"][[0, 2]].tolist() == [5.0, 0.0]


def test_the_kind_of_frame_comes_back(to_engine: Callable[[Any], Any]) -> None:
    data = to_engine(BOUGHT)
    assert type(seg.purchase_summary(data, dt.date(2025, 1, 29))) is type(data)


def test_units_names_and_numbers_as_identifiers() -> None:
    rows = BOUGHT.rename(columns={"customer_id": "who", "date": "when"})
    rows["who"] = rows["who"].map(ord)
    names = {"customer": "who", "date": "when"}
    for unit, days in {"day": 1, "week": 7, "month": 30.4375, "year": 365.25}.items():
        table = seg.purchase_summary(rows, "2025-01-29", unit=unit, **names)
        table = table.sort_values("customer_id", ignore_index=True)
        assert table["customer_id"].tolist() == ["65", "66", "68"]
        assert table["age"].tolist() == pytest.approx([28 / days, 0, 335 / days])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": [-1.0, *BOUGHT["amount"][1:]]}, r"amount: an amount is 0 or more \(1 row\)"),
        ({"amount": [math.nan, *BOUGHT["amount"][1:]]}, r"amount: .* known and finite \(1 row\)"),
        ({"amount": [math.inf, *BOUGHT["amount"][1:]]}, r"amount: .* known and finite \(1 row\)"),
        ({"date": [pd.NaT, *BOUGHT["date"][1:]]}, r"date: it is known \(1 row\)"),
        (
            {"customer_id": [None, *BOUGHT["customer_id"][1:]]},
            r"customer_id: it is known \(1 row\)",
        ),
        ({"date": "2025-01-01"}, "date: it is a date"),
        ({"amount": "<script>"}, "amount: it is a number"),
        ({"customer_id": 1.5}, "customer_id: it is text or a whole number"),
    ],
)
def test_bad_rows_are_counted_not_shown(change: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=said) as caught:
        seg.purchase_summary(BOUGHT.assign(**change), "2025-01-29", amount="amount")
    assert "script" not in str(caught.value)


def test_other_bad_input() -> None:
    for until in ("yesterday", None, 20250129, pd.NaT, True):
        with pytest.raises(TableError, match="until: it is a date"):
            seg.purchase_summary(BOUGHT, until)
    with pytest.raises(TableError, match="unit: it is day, week, month, year"):
        seg.purchase_summary(BOUGHT, "2025-01-29", unit="fortnight")
    with pytest.raises(TableError, match="Rename 'dates' to 'date'"):
        seg.purchase_summary(BOUGHT.rename(columns={"date": "dates"}), "2025-01-29")
    assert len(seg.purchase_summary(BOUGHT.iloc[:0], "2025-01-29", amount="amount")) == 0
    assert len(seg.purchase_summary(BOUGHT, "2020-01-01")) == 0
