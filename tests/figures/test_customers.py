"""Charts of the customers room: what their sentences say, and what they refuse to show."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from segmentation.customers.concentrations import concentration
from segmentation.customers.intervals import wilson
from segmentation.customers.migrations import migration
from segmentation.customers.projections import project
from segmentation.data.bank import Bank
from segmentation.data.errors import TableError
from segmentation.figures.concentrations import draw_lorenz
from segmentation.figures.customers import draw_basis, draw_penetration, draw_tiers
from segmentation.figures.lifts import draw_lift
from segmentation.figures.moves import draw_migration, draw_near_threshold
from segmentation.figures.projections import draw_projection
from segmentation.figures.quality import draw_completeness, draw_completeness_by
from segmentation.figures.sheets import visible
from segmentation.publish.disclosure import disclose, suppress_counts

NAMES = ["Basic", "Active", "Quality", "Wealth", "Affluent", "Private"]
MONTH = dt.date(2025, 12, 1)


@pytest.fixture
def bank() -> Bank:
    branches = pd.DataFrame({"branch_id": ["B1"]})
    return Bank(branches=branches, currency="CZK", source="Simulated branch network, seed 7")


def tiers(customers: list[int], aum: list[float]) -> pd.DataFrame:
    heads, money = np.array(customers), np.array(aum)
    low, high = wilson(heads * 0.3, heads)
    return pd.DataFrame(
        {
            "tier": NAMES[: len(customers)],
            "tier_code": range(len(customers)),
            "customers": heads,
            "customer_share": heads / heads.sum(),
            "aum_share": money / money.sum(),
            "penetration_fund": 0.3,
            "penetration_fund_low": low,
            "penetration_fund_high": high,
            "penetration_term": np.linspace(0.1, 0.9, len(customers)),
            "penetration_term_low": np.linspace(0.1, 0.9, len(customers)) - 0.05,
            "penetration_term_high": np.linspace(0.1, 0.9, len(customers)) + 0.05,
        }
    )


def members(codes: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": [str(n) for n in range(len(codes))],
            "tier": [NAMES[code] for code in codes],
            "tier_code": codes,
        }
    )


TIERS = tiers([800, 150, 40, 10], [10, 20, 30, 40])
MOVES = migration(members([0] * 100 + [1] * 100), members([0] * 80 + [1] * 95 + [0] * 25))
LIFTS = pd.DataFrame(
    {
        "month": pd.to_datetime(["2025-01-01", "2025-02-01"] * 2),
        "branch_id": ["B1", "B1", "B2", "B2"],
        "customers": 50,
        "lift": [0.05, 0.06, 0.01, 0.02],
        "flagged": [True, True, False, False],
    }
)
FIELDS = pd.DataFrame(
    {
        "field": ["name", "income", "all_nine"],
        "by": "all",
        "customers": 900,
        "complete": [890, 450, 300],
        "share": [890 / 900, 0.5, 1 / 3],
        "low": [0.98, 0.46, 0.30],
        "high": [0.99, 0.54, 0.37],
    }
)
GROUPS = pd.DataFrame(
    {
        "field": "income",
        "by": ["B1", "B2", "B3"],
        "customers": [400, 400, 400],
        "complete": [200, 205, 80],
        "share": [0.5, 0.5125, 0.2],
    }
)
NEAR = pd.DataFrame(
    {
        "tier": ["Active", "Active"],
        "side": ["below", "above"],
        "customers": [100, 90],
        "share": [0.4, 0.1],
        "low": [0.3, 0.05],
        "high": [0.5, 0.15],
        "expected": [0.38, 0.3],
        "expected_low": [0.3, 0.2],
        "expected_high": [0.45, 0.4],
    }
)
PATH = project(
    pd.DataFrame([[0.9, 0.1], [0.2, 0.8]], NAMES[:2], NAMES[:2]), {"Basic": 500, "Active": 100}, 4
)


def all_pictures(bank: Bank) -> dict[str, object]:
    amounts = np.random.default_rng(1).lognormal(8, 2, 400)
    return {
        "tiers": draw_tiers(TIERS, bank, MONTH),
        "basis": draw_basis(TIERS, tiers([790, 155, 44, 11], [1, 1, 1, 1]), bank, MONTH),
        "penetration": draw_penetration(TIERS, bank, MONTH),
        "lorenz": draw_lorenz(concentration(amounts), bank, MONTH),
        "lift": draw_lift(LIFTS, bank=bank),
        "completeness": draw_completeness(FIELDS, bank, MONTH),
        "completeness_by": draw_completeness_by(GROUPS, "income", bank, MONTH),
        "migration": draw_migration(MOVES, bank=bank),
        "near": draw_near_threshold(NEAR, bank, MONTH),
        "projection": draw_projection(PATH, bank, MONTH),
    }


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_chart_is_drawn_in_both_languages(bank, language, monkeypatch):
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
            words = words.replace("AUM", "").replace("B", "")
            assert words == "", name
            assert picture.alt.endswith("。"), name


def test_tiers_say_who_holds_most_and_where_most_are():
    assert draw_tiers(TIERS).alt == (
        "5.0% of customers hold 70.0% of AUM: Quality and above. 80.0% are Basic and hold 10.0%."
    )
    flat = tiers([100, 100], [20, 80])
    assert draw_tiers(flat).alt.startswith("50.0% of customers hold 80.0% of AUM: Active.")


def test_the_basis_names_the_tier_that_differs_most():
    end = tiers([790, 155, 44, 11], [1, 1, 1, 1])
    alt = draw_basis(TIERS, end).alt
    assert "Quality has 44 customers by month-end balance, 40 by month average (+10.0%)." in alt
    assert "counts 10 more customers" in alt


def test_penetration_names_the_product_that_sets_tiers_apart():
    alt = draw_penetration(TIERS).alt
    assert alt.startswith(
        "Term deposit sets tiers apart most: 90% of Wealth hold it, 10% of Basic."
    )


def test_lorenz_says_share_and_gini_with_their_intervals():
    values = np.arange(1, 1001, dtype=float)
    result = concentration(values)
    alt = draw_lorenz(result).alt
    held = values[-20:].sum() / values.sum()
    assert f"The richest 2% of customers hold {held:.1%} of AUM." in alt
    assert f"The Gini coefficient is {result.gini:.2f}" in alt
    assert f"{result.low:.2f} to {result.high:.2f}" in alt


def test_lift_says_how_often_the_limit_is_passed_and_by_whom():
    assert draw_lift(LIFTS).alt == (
        "2 of 4 month-ends stand more than 4% above the daily average, most often at B1. "
        "B1 is above the limit in 2 of 2 months; the highest lift is 6.0%."
    )
    assert "never" in draw_lift(LIFTS, limit=0.1).alt
    one = draw_lift(LIFTS[LIFTS["branch_id"] == "B2"]).alt
    assert "the highest lift is 2.0%" in one.lower()


def test_completeness_says_the_weakest_field_and_all_nine():
    assert draw_completeness(FIELDS).alt == (
        "Least complete is Income, with 50.0% of customers. Most complete is Name with 98.9%. "
        "All nine elements are complete for 33.3% (95% interval 30.0% to 37.0%)."
    )
    with pytest.raises(TableError, match="one row a field"):
        draw_completeness(pd.concat([FIELDS, FIELDS]))


def test_groups_within_the_funnel_do_not_differ():
    same = GROUPS.assign(complete=[200, 205, 195], share=[0.5, 0.5125, 0.4875])
    assert "0 of 3 groups differ by more than chance from 50.0%" in (
        draw_completeness_by(same, "income").alt
    )
    assert "3 of 3 groups" in draw_completeness_by(GROUPS, "income").alt
    with pytest.raises(TableError, match="field"):
        draw_completeness_by(GROUPS, "no such field")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_groups_that_are_all_complete_or_all_empty_do_not_differ(share):
    same = GROUPS.assign(complete=(GROUPS["customers"] * share).astype(int), share=share)
    assert "0 of 3 groups differ" in draw_completeness_by(same, "income").alt


def test_a_small_group_at_the_edge_is_not_outside_for_that():
    # Of 20 customers all have it, where 90 % do: chance 0.9^20 = 12 %.
    edge = GROUPS.assign(customers=[4000, 4000, 20], complete=[3600, 3600, 20], share=[0.9, 0.9, 1])
    assert "0 of 3 groups differ" in draw_completeness_by(edge, "income").alt


def test_funnel_limits_are_those_of_the_exact_binomial():
    from scipy.stats import binom

    from segmentation.figures.quality import _limits

    sizes = np.array([50.0, 200.0, 1000.0])
    low, high = _limits(0.3, sizes, 0.05)
    # Between the two whole numbers whose tail chances enclose 2.5 %.
    assert (binom.cdf(np.floor(low * sizes) - 1, sizes, 0.3) <= 0.025).all()
    assert (binom.cdf(np.ceil(low * sizes), sizes, 0.3) >= 0.025).all()
    assert (binom.sf(np.ceil(high * sizes), sizes, 0.3) <= 0.025).all()
    assert (np.diff(high - low) < 0).all()


def test_migration_says_who_stayed_rose_and_fell():
    # 100 Basic: 80 stay, 20 rise; 100 Active: 75 stay, 25 fall.
    assert draw_migration(MOVES).alt == (
        "77.5% of customers stayed in their tier, 10.0% rose and 12.5% fell. 0.0% left the bank."
    )


def test_small_moves_are_refused_until_they_are_suppressed():
    codes = [0] * 100 + [1] * 100
    small = migration(members(codes), members([0] * 97 + [1] * 3 + [1] * 96 + [0] * 4))
    with pytest.raises(TableError, match="suppress_counts"):
        draw_migration(small)
    with pytest.raises(TableError, match="small counts"):
        draw_migration(small, small.counts)
    with pytest.raises(TableError, match="those of the migration"):
        draw_migration(small, small.counts.iloc[:1])
    assert draw_migration(small, suppress_counts(small.counts)).alt.startswith("96.5%")


def test_near_threshold_sets_seen_beside_expected():
    assert draw_near_threshold(NEAR).alt == (
        "Of customers just below the threshold of Active 40.0% cross it; 38.0% would with no "
        "threshold there. In 1 of 2 cases the two intervals do not overlap."
    )


def test_projection_says_the_largest_change_with_its_limits():
    end = PATH[(PATH["period"] == 4) & (PATH["state"] == "Active")].iloc[0]
    alt = draw_projection(PATH).alt
    assert f"Active goes from 100 to {end['customers']:.0f} customers in 4 periods" in alt
    assert f"{end['low']:.0f} to {end['high']:.0f}" in alt


DRAWS = [
    (draw_tiers, TIERS),
    (draw_penetration, TIERS),
    (draw_lift, LIFTS),
    (draw_completeness, FIELDS),
    (draw_near_threshold, NEAR),
    (draw_projection, PATH),
]


@pytest.mark.parametrize(("draw", "table"), DRAWS)
def test_customer_level_empty_and_incomplete_tables_are_refused(draw, table):
    with pytest.raises(TableError, match="identifier"):
        draw(table.assign(customer_id="x"))
    with pytest.raises(TableError):
        draw(table.head(0))
    with pytest.raises(TableError, match="missing"):
        draw(table.drop(columns="customers"))
    many = pd.concat([table] * (600 // len(table)), ignore_index=True)
    with pytest.raises(TableError, match="at most"):
        draw(many)
    with pytest.raises(TableError):
        draw([1, 2, 3])


def test_a_small_tier_is_neither_drawn_nor_said():
    small = tiers([800, 150, 46, 4], [10, 20, 25, 45])
    alt = draw_tiers(small).alt
    assert "Private" not in alt
    assert "45.0%" not in alt
    assert "·" not in alt


@pytest.mark.parametrize("counts", [[800, 150, 46, 4], [5, 5, 30, 40], [0, 3, 50, 60], [9, 1, 2]])
def test_charts_hide_the_rows_that_tables_hide(counts):
    table = tiers(counts, [1] * len(counts))
    drawn = visible(table)["customers"].isna()
    shown = disclose(table).table["customers"].isna()
    assert drawn.tolist() == shown.tolist()


def test_lorenz_shows_no_point_of_fewer_customers_than_the_threshold():
    from segmentation.figures.concentrations import _shown_points

    result = concentration(np.arange(1, 201, dtype=float))
    points = _shown_points(result, 10)
    inner = points[(points["customer_share"] > 0) & (points["customer_share"] < 1)]
    assert ((1 - inner["customer_share"]) * 200 >= 10 - 1e-9).all()
    assert len(points) < len(result.curve)


def test_groups_too_small_to_draw_are_said_and_not_drawn():
    few = draw_lorenz(concentration(np.arange(1, 12, dtype=float)))
    assert few.alt == "Too few customers to draw."
    field = pd.DataFrame({"field": ["name"], "customers": 4, "share": 0.5, "low": 0.2, "high": 0.8})
    assert draw_completeness(field).alt == few.alt


def test_hostile_names_are_drawn_as_they_are():
    bad = LIFTS.assign(branch_id=LIFTS["branch_id"].replace("B1", "$\\frac{<b>"))
    assert "<b>" in draw_lift(bad).alt


def test_a_wrong_share_changes_the_sentence():
    wrong = TIERS.assign(aum_share=[0.4, 0.3, 0.2, 0.1])
    assert draw_tiers(wrong).alt != draw_tiers(TIERS).alt


def test_the_source_stands_below(monkeypatch):
    from segmentation.figures.sheets import Context, source_of

    made = SimpleNamespace(source="Simulated branch network, seed 7", currency="CNY")
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    assert source_of(made) == "模拟网点网络，随机种子7"
    assert Context(made, MONTH).foot("户数") == "户数 · 2025年12月 · 模拟网点网络，随机种子7"


def test_tiers_say_which_balances_they_stand_on(monkeypatch):
    """A bank without averages is tiered by month-end balances, and its chart says so."""
    from segmentation.figures import sheets

    feet = []
    monkeypatch.setattr(
        sheets.Context, "foot", lambda self, unit, notes=(): feet.append(unit) or unit
    )
    balances = pd.DataFrame(
        {"customer_id": ["1"], "month": [MONTH], "product": ["demand"], "end": [1.0]}
    ).astype({"month": "datetime64[us]"})
    draw_tiers(TIERS, Bank(balances=balances.assign(average=1.0)))
    draw_tiers(TIERS, Bank(balances=balances))
    assert ["month-average" in feet[0], "month-end" in feet[1]] == [True, True]
