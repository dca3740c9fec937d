"""Segments of scores: the first that fits, none unreached, and their table by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas

import segmentation as seg
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

SEGMENTS = load_rules("rfm")["segments"]
CUBE = pd.DataFrame(list(product(range(1, 6), repeat=3)), columns=["r", "f", "m"])


def test_the_first_that_fits_on_every_engine(to_engine: Callable[[Any], Any]) -> None:
    data = to_engine(CUBE)
    found = seg.rfm_segments(data)
    assert type(found) is type(data)
    table = to_pandas(found)
    for row in table.itertuples():
        fitting = [
            key
            for key, entry in SEGMENTS.items()
            if all(entry[c][0] <= getattr(row, c) <= entry[c][1] for c in "rfm")
        ]
        assert row.segment == (fitting[0] if fitting else "unassigned")
    assert set(SEGMENTS) <= set(table["segment"])  # each is reached by some score


def test_segments_have_names_and_sources() -> None:
    for entry in [*SEGMENTS.values(), *load_rules("rfm")["scores"].values()]:
        assert entry["en"]
        assert entry["zh"]
        assert entry["source"]


def test_own_segments_in_their_order() -> None:
    low, high = {"r": [1, 5], "f": [1, 5], "m": [1, 2]}, {"r": [1, 5], "f": [1, 5], "m": [2, 4]}
    own = {"low": {"en": "Low", **low}, "high": {"en": "High", **high}}
    found = seg.rfm_segments(CUBE, own)
    assert found.groupby("m")["segment"].first().tolist() == [
        *["low", "low", "high", "high", "unassigned"]
    ]
    turned = seg.rfm_segments(CUBE, dict(reversed(own.items())))
    assert turned.groupby("m")["segment"].first().tolist()[1] == "high"


def test_a_table_by_hand() -> None:
    data = pd.DataFrame(
        {
            "segment": ["champions"] * 3 + ["lost", "unassigned", "absent"],
            "frequency": [4, 5, 9, 1, 1, 0],
            "monetary": [10.0, 20.0, 60.0, 7.0, 3.0, 0.0],
        }
    )
    table = seg.rfm_table(data).set_index("segment")
    assert table.index.tolist() == [*SEGMENTS, "unassigned", "absent"]
    assert table["customers"].sum() == 6
    first = table.loc["champions"]
    assert (first["customers"], first["share"], first["frequency"]) == (3, 0.5, 6)
    assert (first["low"], first["high"]) == pytest.approx(seg.wilson(3, 6))
    assert (first["monetary"], first["monetary_share"], first["monetary_mean"]) == (90, 0.9, 30)
    reach = 4.302653 * np.std([10, 20, 60], ddof=1) / np.sqrt(3)  # Student's t, 2 degrees
    assert (first["mean_low"], first["mean_high"]) == pytest.approx((30 - reach, 30 + reach))
    assert np.isnan(table.loc["lost", "mean_low"])
    assert table.loc["lost", "monetary_mean"] == 7
    assert table.loc["new", ["customers", "share"]].tolist() == [0, 0]
    assert np.isnan(table.loc["new", "monetary_mean"])
    assert table.loc["absent", "name"] == "No transaction"


def test_engines_agree_from_transactions_to_table(to_engine: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 150, 900).astype(str),
            "date": pd.Timestamp("2025-06-30") - pd.to_timedelta(rng.integers(0, 90, 900), "D"),
            "amount": rng.gamma(1, 50, 900).round(2),
        }
    )
    tables = [
        seg.rfm_table(seg.rfm_segments(seg.rfm_scores(frame, "2025-06-30")))
        for frame in (data, to_engine(data))
    ]
    pd.testing.assert_frame_equal(*tables, rtol=1e-9)
    assert tables[0]["customers"].sum() == data["customer_id"].nunique()
    assert tables[0]["monetary"].sum() == pytest.approx(data["amount"].sum())


def test_bad_input() -> None:
    with pytest.raises(TableError, match="column m missing"):
        seg.rfm_segments(CUBE[["r", "f"]])
    with pytest.raises(TableError, match="the rules are rfm, or a mapping"):
        seg.rfm_segments(CUBE, "rmf")
    for entry in ({"en": "A", "r": [1, 2]}, {"en": "A", "r": [3, 1], "f": [1, 5], "m": [1, 5]}):
        with pytest.raises(TableError, match="a segment has a name, and lowest and highest scores"):
            seg.rfm_segments(CUBE, {"a": entry})
    with pytest.raises(TableError, match="there is a segment"):
        seg.rfm_segments(CUBE, {})
    odd = pd.DataFrame({"segment": ["<b>"], "frequency": [1], "monetary": [1.0]})
    with pytest.raises(TableError, match=r"a segment is one of the rules \(1 row\)") as caught:
        seg.rfm_table(odd)
    assert "<b>" not in str(caught.value)
    with pytest.raises(TableError, match="level"):
        seg.rfm_table(odd, level=1)
    assert seg.rfm_table(odd[:0])["customers"].sum() == 0
