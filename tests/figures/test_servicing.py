"""Charts of the long tail and of who serves whom: what they say, and what they hide."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

import segmentation as seg
from segmentation.data.errors import TableError
from segmentation.figures.pictures import Picture
from segmentation.figures.workloads import draw_long_tail, draw_servicing

MONTH = dt.date(2025, 12, 1)
FEW = "Too few customers to draw."


@pytest.fixture
def bank() -> seg.Bank:
    branches = pd.DataFrame({"branch_id": ["B1"]})
    return seg.Bank(branches=branches, currency="CZK", source="Simulated branch network, seed 7")


def tail(inside: int = 60, others: int = 40) -> pd.DataFrame:
    data = pd.DataFrame(
        {
            "long_tail": [True] * inside + [False] * others,
            "balance": [1.0] * inside + [27.0] * others,
            "turnover": [1.0] * inside + [147.0] * others,
            "movements": [1.0] * inside + [6.0] * others,
        }
    )
    return seg.long_tail_table(data)


def served(scale: int = 1) -> seg.Servicing:
    contribution = [900.0] * 20 * scale + [100.0] * 100 * scale + [1.0] * 880 * scale
    data = pd.DataFrame({"contribution": contribution})
    data["long_tail"] = data["contribution"] < 100
    return seg.servicing(data)


def all_pictures(bank: seg.Bank | None) -> dict[str, Picture]:
    return {
        "tail": draw_long_tail(tail(), bank, MONTH),
        "served": draw_servicing(served(), bank, MONTH),
    }


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_chart_is_drawn_in_both_languages(
    bank: seg.Bank, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", language)
    for name, picture in all_pictures(bank).items():
        width, height = picture.size
        assert width == 720, name
        assert 150 < height < 900, name
        assert len(picture.png) < 60_000, name
        assert "{" not in picture.alt, name
        assert "nan" not in picture.alt.lower(), name


def test_heads_stand_beside_money() -> None:
    assert draw_long_tail(tail()).alt == (
        "60.0% of customers are in the long tail and hold 5.3% of balances. "
        "Of turnover they make 1.0%, of movements 20.0%."
    )
    zero = tail().assign(balance_share=float("nan"), balance_share_low=float("nan"))
    assert "hold – of balances" in draw_long_tail(zero).alt


def test_a_small_tail_is_hidden_and_so_is_one_that_is_all_but_a_few() -> None:
    assert draw_long_tail(tail(9, 91)).alt == FEW
    assert draw_long_tail(tail(91, 9)).alt == FEW
    assert draw_long_tail(tail(0, 91)).alt == FEW


def test_serving_says_heads_minutes_and_what_it_adds() -> None:
    result = served()
    whole = 20 * (900 * 0.2 - 47.94) + 100 * (100 * 0.06 - 3.54)
    low = 20 * (900 * 0.1 - 47.94) + 100 * (100 * 0.03 - 3.54)
    high = 20 * (900 * 0.3 - 47.94) + 100 * (100 * 0.09 - 3.54)
    time = 400 / (400 + 300 + 176)
    assert draw_servicing(result).alt == (
        f"Relationship manager: 2.0% of customers, {time:.1%} of the minutes. "
        f"Serving as planned adds ¥{whole:,.0f} a month over serving all digitally "
        f"(¥{low:,.0f} to ¥{high:,.0f} at the ends of the assumed gains)."
    )
    assert draw_servicing(result.table).alt == draw_servicing(result).alt


def test_few_served_are_hidden() -> None:
    contribution = [900.0] * 5 + [100.0] * 100 + [1.0] * 880
    alt = draw_servicing(seg.servicing(pd.DataFrame({"contribution": contribution}))).alt
    assert "manager" not in alt.lower()
    assert "adds" not in alt  # the sum would tell what the few bring
    none = draw_servicing(seg.servicing(pd.DataFrame({"contribution": [1.0] * 50}))).alt
    assert none.startswith("Digital channels alone serve the customers shown.")
    assert draw_servicing(seg.servicing(pd.DataFrame({"contribution": [1.0] * 9}))).alt == FEW


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(TableError, match="without groups"):
        draw_long_tail(pd.concat([tail(), tail()], ignore_index=True))
    with pytest.raises(TableError, match="turnover_share"):
        draw_long_tail(tail().drop(columns="turnover_share"))
    with pytest.raises(TableError, match="Servicing"):
        draw_servicing("all")  # type: ignore[arg-type]
    with pytest.raises(TableError, match="minutes"):
        draw_servicing(served().table.drop(columns="minutes"))
    with pytest.raises(TableError, match="something to draw"):
        draw_servicing(served().table.iloc[:0])
    with pytest.raises(TableError, match="never published"):
        draw_servicing(served().table.assign(customer_id="C1"))
