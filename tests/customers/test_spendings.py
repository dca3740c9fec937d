"""The process of amounts: CDNOW's published numbers, planted parameters and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.data.errors import TableError

SEEN = pd.DataFrame(
    {
        "frequency": [0, 1, 1, 2, 2, 3, 4, 7],
        "spend": [None, 20.0, 35.0, 18.0, 90.0, 40.0, 22.0, 31.0],
    }
)


def spent(n: int, rng: np.random.Generator, p: float, q: float, v: float) -> pd.DataFrame:
    x = rng.geometric(0.4, n) - 1
    rate = rng.gamma(q, 1 / v, n)
    mean = rng.gamma(p * np.maximum(x, 1), 1 / rate) / np.maximum(x, 1)
    return pd.DataFrame({"frequency": x, "spend": np.where(x > 0, mean, np.nan)})


@pytest.mark.data
def test_the_published_fit_of_cdnow_on_every_engine(
    real_data: Path, to_engine: Callable[[Any], Any]
) -> None:
    """Fader & Hardie (2013): p 6.25, q 3.74, γ 15.44, from 946 customers with repeat purchases."""
    names = ["number", "customer_id", "date", "cds", "amount"]
    path = real_data / "cdnow" / "CDNOW_sample.txt.gz"
    bought = pd.read_csv(path, sep=r"\s+", names=names, dtype={"customer_id": str})
    bought["date"] = pd.to_datetime(bought["date"].astype(str))
    found = seg.purchase_summary(to_engine(bought), "1997-09-30", amount="amount")
    process = seg.spend_process(found)
    assert (process.customers, process.left_out) == (946, 1411)
    assert [round(process.p, 2), round(process.q, 2)] == [6.25, 3.74]
    assert process.v == pytest.approx(15.44, abs=0.01)
    assert round(process.log_likelihood, 2) == -4055.92
    assert round(process.mean, 2) == 35.17
    # customer 0001 bought twice again, for 22.35 on average
    row = pd.DataFrame({"frequency": [2], "spend": [22.35]})
    assert process.expected_for(row)[0] == pytest.approx(24.66, abs=0.005)
    assert process.correlation_low < 0.114 < process.correlation_high


def test_a_planted_process_comes_back() -> None:
    rng = np.random.default_rng(11)
    process = seg.spend_process(spent(6_000, rng, 6.0, 4.0, 15.0))
    table = process.table.set_index("parameter")
    for name, truth in {"p": 6.0, "q": 4.0, "v": 15.0}.items():
        assert table.loc[name, "low"] < truth < table.loc[name, "high"]
        assert getattr(process, name) == pytest.approx(truth, rel=0.2)
    assert process.low < 6 * 15 / 3 < process.high
    assert process.correlation_low < 0 < process.correlation_high


def test_the_interval_of_the_mean_covers() -> None:
    rng, hits = np.random.default_rng(20131), 0
    for _ in range(100):
        process = seg.spend_process(spent(300, rng, 6.0, 4.0, 15.0))
        hits += process.low <= 30 <= process.high
    assert 88 <= hits <= 99


def test_who_buys_often_is_expected_to_spend_as_before() -> None:
    process = seg.spend_process(SEEN)
    rows = pd.DataFrame({"frequency": [0, 1, 10, 1000], "spend": [None, 90.0, 90.0, 90.0]})
    expected = process.expected_for(rows)
    assert expected[0] == pytest.approx(process.mean)
    assert (np.diff(expected) > 0).all()
    assert expected[3] == pytest.approx(90, rel=0.01)


def test_amounts_of_0_have_no_say_and_money_has_a_unit() -> None:
    one = seg.spend_process(SEEN)
    more = seg.spend_process(
        pd.concat([SEEN, pd.DataFrame({"frequency": [3], "spend": [0.0]})], ignore_index=True)
    )
    assert (more.p, more.left_out) == (one.p, one.left_out + 1)
    cents = seg.spend_process(SEEN.assign(spend=SEEN["spend"] * 100))
    assert (cents.p, cents.q, cents.v / 100) == pytest.approx((one.p, one.q, one.v), rel=1e-5)
    assert (cents.low / 100, cents.high / 100) == pytest.approx((one.low, one.high), rel=1e-4)


def test_equal_amounts_are_at_the_boundary() -> None:
    alike = seg.spend_process(SEEN.assign(spend=20.0))
    assert alike.boundary == ("p", "q", "v")
    assert alike.table["high"].tolist() == [math.inf] * 3
    assert alike.mean == pytest.approx(20, rel=1e-3)
    assert (alike.low, alike.high) == (0, math.inf)
    assert math.isnan(alike.correlation)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spend": [None, 20, 35, 18, 90, -40, 22, 31.0]}, r"spend: .* \(1 row\)"),
        ({"spend": [None, 20, 35, 18, 90, math.inf, 22, 31.0]}, r"spend: .* \(1 row\)"),
        ({"spend": [None, None, 35, 18, 90, np.nan, 22, 31.0]}, r"spend: .* \(2 rows\)"),
        ({"frequency": [0, 1, 1, 2, 2, 3, 4, 7.5]}, r"frequency: .* \(1 row\)"),
        ({"spend": ["<b>"] * 8}, "spend: it is a number"),
        ({"frequency": 0}, "a customer bought again"),
    ],
)
def test_bad_rows_are_counted_not_shown(change: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=said):
        seg.spend_process(SEEN.assign(**change))


def test_other_bad_input() -> None:
    with pytest.raises(TableError, match="column spend missing"):
        seg.spend_process(SEEN[["frequency"]])
    with pytest.raises(TableError, match="a customer bought again"):
        seg.spend_process(SEEN.iloc[:0])
    with pytest.raises(TableError, match="level"):
        seg.spend_process(SEEN, level=0)
