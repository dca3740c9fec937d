"""Numbers as each language writes them."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.figures.numbers import (
    NOTHING,
    format_interval,
    format_money,
    format_month,
    format_number,
    format_percent,
    money_scale,
)

NULLS = [None, float("nan"), pd.NA, pd.NaT]


@pytest.mark.parametrize(
    ("amount", "english", "chinese"),
    [
        (0, "¥0", "0元"),
        (5300, "¥5,300", "5,300元"),
        (9999.6, "¥10,000", "1万元"),
        (25_000, "¥25,000", "2.5万元"),
        (-25_300, "−¥25,300", "−2.53万元"),
        (999_999.9, "¥1 m", "100万元"),
        (99_999_999, "¥100 m", "1亿元"),
        (123_456_789, "¥123.5 m", "1.23亿元"),
        (1.23e9, "¥1.23 bn", "12.3亿元"),
        (2.5e12, "¥2.5 tn", "2.5万亿元"),
    ],
)
def test_money_in_both_languages(amount, english, chinese):
    assert format_money(amount, language="en") == english
    assert format_money(amount, language="zh_CN") == chinese


def test_another_currency_is_named():
    assert format_money(25_300, "CZK", "en") == "CZK 25,300"
    assert format_money(-25_300, "CZK", "en") == "−CZK 25,300"
    assert format_money(25_300, "CZK", "zh_CN") == "2.53万捷克克朗"


@pytest.mark.parametrize("null", NULLS)
def test_what_is_not_there_is_a_dash(null):
    written = [format_number(null), format_percent(null), format_money(null), format_month(null)]
    assert written == [NOTHING] * 4
    assert format_interval(null, 0.5) == format_interval(0.5, null) == NOTHING


def test_large_numbers_in_chinese_by_10_000_or_in_full():
    assert format_number(18_000, language="zh_CN") == "1.8万"
    assert format_number(18_000, exact=True, language="zh_CN") == "18,000"
    assert format_number(9_999, language="zh_CN") == "9,999"
    assert format_number(float("inf")) == "∞"


@pytest.mark.parametrize("tiny", [-1e-9, -0.0, 0.0])
def test_there_is_no_minus_before_zero(tiny):
    assert format_percent(tiny) == "0.0%"
    assert format_number(tiny, 2) == "0.00"


@given(st.floats(0, 1e14), st.sampled_from(["en", "zh_CN"]))
def test_money_reads_back_to_half_a_percent(amount, language):
    text = format_money(amount, language=language).strip("¥元").replace(",", "")
    scales = {" tn": 1e12, " bn": 1e9, " m": 1e6, "万亿": 1e12, "亿": 1e8, "万": 1e4}
    scale = next((v for name, v in scales.items() if text.endswith(name)), 1.0)
    number = float(text.rstrip(" tnbm万亿")) * scale
    assert number == pytest.approx(amount, rel=0.0051, abs=0.0051)


@given(st.lists(st.floats(-1e12, 1e12), min_size=1))
def test_one_unit_a_column_leaves_no_amount_invisible(amounts):
    scale, _unit, digits = money_scale(amounts)
    for amount in amounts:
        if abs(amount) >= 0.005:
            assert float(f"{abs(amount) / scale:.{digits}f}") > 0


def test_intervals_of_each_kind(monkeypatch):
    assert format_interval(0.112, 0.134) == "11.2% to 13.4%"
    assert format_interval(-0.01, 0.02) == "−1.0% to 2.0%"
    assert format_interval(1, 12_345, "number") == "1 to 12,345"
    assert format_interval(1e4, 2e4, "money", currency="CZK") == "CZK 10,000 to CZK 20,000"
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    assert format_interval(0.112, 0.134) == "11.2%～13.4%"
    with pytest.raises(ValueError, match="percent, number or money"):
        format_interval(0, 1, "share")


def test_months_and_days():
    day = dt.date(2025, 2, 28)
    assert format_month(day, "en") == "February 2025"
    assert format_month(day, "en", day=True) == "28 February 2025"
    assert format_month(day, "en", short=True) == "Feb 2025"
    assert format_month(pd.Timestamp(day), "zh_CN", day=True) == "2025年2月28日"
    assert format_month(day, "zh_CN", short=True) == "2025-02"
