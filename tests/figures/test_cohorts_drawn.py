"""Charts of cohorts, of both directions of a share and of gaps: what they say, what they hide."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.data.bank import Bank
from segmentation.data.errors import TableError
from segmentation.figures.cohorts import draw_cohorts
from segmentation.figures.denominators import draw_both_directions
from segmentation.figures.gaps import draw_gap
from segmentation.figures.pictures import Picture

YOUNG, MIDDLE, SILVER = seg.cohort_scheme("silver_50").names
MONTH = dt.date(2025, 12, 1)
FEW = "Too few customers to draw."


@pytest.fixture
def bank() -> Bank:
    branches = pd.DataFrame({"branch_id": ["B1"]})
    return Bank(branches=branches, currency="CZK", source="Simulated branch network, seed 7")


def profile(
    debt: tuple[float, ...] = (0.5, 0.3, 0.1), customers: tuple[int, ...] = (400, 500, 300)
) -> pd.DataFrame:
    n = len(debt)
    share = np.array(debt)
    return pd.DataFrame(
        {
            "cohort": [YOUNG, MIDDLE, SILVER, "unknown"][:n],
            "cohort_code": [0, 1, 2, np.nan][:n],
            "customers": customers,
            "typical_aum": 100.0,
            "typical_aum_low": 90.0,
            "typical_aum_high": 110.0,
            "debt_share": share,
            "debt_share_low": share - 0.05,
            "debt_share_high": share + 0.05,
        }
    )


def tiered() -> pd.DataFrame:
    parts = {"Basic": profile(), "Wealth": profile((0.5, 0.48, 0.46))}
    return pd.concat([part.assign(tier=tier) for tier, part in parts.items()], ignore_index=True)[
        ["tier", *profile().columns]
    ]


VISITS = seg.conditional_shares(
    pd.DataFrame(
        {
            "cohort": [SILVER] * 90 + [YOUNG] * 60,
            "point": ["counter"] * 60 + ["device"] * 30 + ["counter"] * 20 + ["device"] * 40,
        }
    ),
    "cohort",
    "point",
)
GAP = seg.kitagawa([0.8, 0.4], [70, 30], [0.8, 0.3], [40, 60], n_a=1000, n_b=1000)


def all_pictures(bank: Bank | None) -> dict[str, Picture]:
    return {
        "cohorts": draw_cohorts(profile(), bank, MONTH),
        "cohorts by tier": draw_cohorts(tiered(), bank, MONTH),
        "both": draw_both_directions(VISITS, bank, MONTH, focus=SILVER, what="visits"),
        "gap": draw_gap(GAP, bank, MONTH, names=("2024年", "2025年")),
    }


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_chart_is_drawn_in_both_languages(
    bank: Bank, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", language)
    for name, picture in all_pictures(bank).items():
        width, height = picture.size
        assert width == 720, name
        assert 200 < height < 1000, name
        assert len(picture.png) < 70_000, name
        assert "{" not in picture.alt, name
        assert "nan" not in picture.alt.lower(), name
        if language == "zh_CN":
            words = "".join(c for c in picture.alt if c.isascii() and c.isalpha())
            assert words.replace("AUM", "") == "", (name, picture.alt)
            assert picture.alt.endswith("。"), name


def test_cohorts_say_the_measure_that_sets_them_apart_most() -> None:
    assert draw_cohorts(profile()).alt == (
        f"Cohorts differ most in “Customers with debt”: 50.0% for {YOUNG}, 10.0% for {SILVER}. "
        "Of 2 measures, 1 sets two cohorts apart beyond their intervals."
    )
    other = profile().assign(debt_share=0.3, debt_share_low=0.2, debt_share_high=0.4)
    assert draw_cohorts(other).alt.startswith("Nothing sets the cohorts apart beyond")


def test_a_measure_by_tier_is_a_panel_a_tier() -> None:
    alt = draw_cohorts(tiered(), measures=["debt_share"]).alt
    assert alt.startswith("“Customers with debt” differs most in Basic: 50.0% for Young")
    assert alt.endswith("In 1 of 2 groups two cohorts are apart beyond their intervals.")


def test_a_profile_of_a_bank_is_drawn_with_all_schemes() -> None:
    bank = seg.simulate_bank(23, branches=3, customers=900, months=14)
    panel = seg.monthly_panel(bank, bank.months[-8])
    later = seg.monthly_panel(bank, bank.months[-1])
    for scheme in ("silver_50", "ten_years", "five_years"):
        picture = draw_cohorts(seg.cohort_profile(panel, scheme, later=later), bank)
        assert picture.size[1] < 1000
        assert scheme != "silver_50" or "Mobile or web" in picture.alt


def test_small_and_unknown_cohorts_are_neither_drawn_nor_said() -> None:
    small = profile((0.5, 0.3, 0.1), (400, 500, 4))
    alt = draw_cohorts(small).alt
    assert SILVER not in alt
    assert "10.0%" not in alt
    unknown = profile((0.5, 0.3, 0.1, 0.9), (400, 500, 300, 200))
    assert "90.0%" not in draw_cohorts(unknown).alt
    assert draw_cohorts(profile((0.5, 0.3), (400, 4))).alt == FEW
    one = draw_cohorts(profile((0.5,), (400,))).alt
    assert one == "One cohort only is large enough to be shown."


def test_both_directions_name_both_denominators() -> None:
    assert draw_both_directions(VISITS, focus=SILVER, what="visits").alt == (
        f"Counter: 75.0% of its visits are those of {SILVER}, who make up 60.0% of all. "
        f"The other way round, 66.7% of the visits of {SILVER} are at Counter."
    )
    other = draw_both_directions(VISITS, focus=YOUNG).alt
    assert f"57.1% of its customers are those of {YOUNG}" in other
    assert draw_both_directions(VISITS, focus=VISITS["cohort"].iloc[-1]).alt == (
        draw_both_directions(VISITS).alt
    )


def test_small_cells_are_neither_drawn_nor_said() -> None:
    rows = [(SILVER, "counter")] * 4 + [(SILVER, "device")] * 60 + [(YOUNG, "counter")] * 50
    data = pd.DataFrame(rows, columns=["cohort", "point"])
    table = seg.conditional_shares(data, "cohort", "point")
    alt = draw_both_directions(table, focus=SILVER).alt
    assert "Counter" not in alt
    few = pd.DataFrame({"cohort": [SILVER] * 5, "point": ["counter"] * 5})
    assert draw_both_directions(seg.conditional_shares(few, "cohort", "point")).alt == FEW


def test_a_share_of_few_is_neither_drawn_nor_said() -> None:
    rows = [(SILVER, "counter")] * 60 + [(YOUNG, "counter")] * 50 + [(YOUNG, "device")] * 4
    data = pd.DataFrame(rows, columns=["cohort", "point"])
    table = seg.conditional_shares(data, "cohort", "point")
    assert table.loc[table["cohort"] == SILVER, "n"].tolist() == [60, 0]
    for focus in (YOUNG, SILVER):
        assert "device" not in draw_both_directions(table, focus=focus).alt
    wide = table.assign(n=table["n"] + 100)  # the pairs are large, and the whole is not
    assert "device" not in draw_both_directions(wide, focus=SILVER).alt


def test_where_nobody_knows_the_point_nothing_is_called_the_highest() -> None:
    rows = [(SILVER, None)] * 90 + [(SILVER, "device")] * 20 + [(YOUNG, "device")] * 50
    table = seg.conditional_shares(pd.DataFrame(rows, columns=["cohort", "point"]), *COLUMNS)
    assert draw_both_directions(table, focus=SILVER).alt.startswith("Self-service device")


COLUMNS = ("cohort", "point")


def test_the_gap_says_whether_what_remains_may_be_chance() -> None:
    assert draw_gap(GAP, names=("Nanhu", "Xihe")).alt == (
        "Of a gap of −18.0 percentage points, −13.5 is who the customers are and −4.5 remains "
        "among like customers. Xihe less Nanhu is −18.0 percentage points (−22.2 to −13.8); "
        "what remains is −4.5 (−8.5 to −0.5)."
    )
    small = seg.kitagawa([0.8, 0.4], [70, 30], [0.8, 0.3], [40, 60], n_a=200, n_b=200)
    assert "left among like customers may be chance" in draw_gap(small).alt
    plain = seg.kitagawa([0.8, 0.4], [70, 30], [0.8, 0.3], [40, 60])
    assert "how sure that is was not counted" in draw_gap(plain).alt
    tiny = seg.kitagawa([0.8, 0.4], [70, 30], [0.8, 0.3], [40, 60], n_a=9, n_b=200)
    assert draw_gap(tiny).alt == FEW


def test_the_groups_of_a_decomposition_are_named() -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"group": ["B01"] * 300 + ["B02"] * 300, "age": rng.integers(18, 90, 600)})
    data["mobile"] = rng.random(600) < 0.9 - 0.008 * data["age"] - 0.2 * (data["group"] == "B02")
    gap = seg.gap_decomposition(data, "mobile", "group", "age")
    alt = draw_gap(gap).alt
    assert f"B02 less B01 is −{abs(100 * gap.gap):.1f} percentage points" in alt
    few = seg.gap_decomposition(data.iloc[295:], "mobile", "group", "age")
    assert draw_gap(few).alt == FEW


def test_a_gap_of_money_is_in_money() -> None:
    table = pd.DataFrame(
        {
            "part": ["gap", "explained", "unexplained"],
            "estimate": [5000.0, 2000.0, 3000.0],
            "low": [4000.0, 1000.0, 1500.0],
            "high": [6000.0, 3000.0, 4500.0],
        }
    )
    alt = draw_gap(table, kind="money", names=("<b>$a_b", "B2")).alt
    assert "¥3,000" in alt
    assert "<b>$a_b" in alt


@pytest.mark.parametrize(
    ("draw", "arguments", "message"),
    [
        (draw_cohorts, (profile().assign(customer_id="x"),), "identifier"),
        (draw_cohorts, (profile().iloc[:0],), "something to draw"),
        (draw_cohorts, (profile().drop(columns="customers"),), "missing"),
        (draw_cohorts, (profile(), None, None, ["products"]), "missing"),
        (draw_cohorts, (profile()[["cohort", "cohort_code", "customers"]],), "there is a measure"),
        (draw_both_directions, (VISITS.rename(columns={"n": "k"}),), "two columns of categories"),
        (draw_both_directions, (VISITS, None, None, "the old"), "focus"),
        (draw_both_directions, (VISITS, None, None, None, "rows"), "what"),
        (draw_gap, (pd.DataFrame({"part": ["gap"]}),), "missing"),
        (draw_gap, (GAP.intervals.iloc[:2],), "each once"),
        (draw_gap, ("a gap",), "a gap with its parts"),
        (draw_gap, (GAP, None, None, None, "per cent"), "kind"),
    ],
)
def test_what_is_no_such_table_is_refused(
    draw: Any, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        draw(*arguments)
