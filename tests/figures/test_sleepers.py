"""Charts of sleepers: what they say by definition, group and month, and what they hide."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.customers.intervals import wilson
from segmentation.customers.reactivations import Reactivation
from segmentation.data.errors import TableError
from segmentation.figures.pictures import Picture
from segmentation.figures.sleepers import draw_dormancy, draw_reactivation

MONTH = dt.date(2025, 12, 1)
FEW = "Too few customers to draw."
NAMES = {rule.name: rule.en for rule in seg.dormancy_rules()}


@pytest.fixture
def bank() -> seg.Bank:
    branches = pd.DataFrame({"branch_id": ["B1"]})
    return seg.Bank(branches=branches, source="Simulated branch network, seed 7")


def definitions(dormant: tuple[int, ...] = (220, 400, 0), customers: int = 1000) -> pd.DataFrame:
    keys = ["cib", "six_months", "yuanan"][: len(dormant)]
    table = pd.DataFrame(
        {
            "rule": keys,
            "definition": [NAMES[key] for key in keys],
            "customers": customers,
            "dormant": dormant,
            "unknown": [0, 0, 300][: len(dormant)],
        }
    )
    sure = table["unknown"] == 0
    table["share"] = (table["dormant"] / table["customers"]).where(sure)
    table["low"] = wilson(table["dormant"], table["customers"])[0]
    table["high"] = wilson(table["dormant"] + table["unknown"], table["customers"])[1]
    return table


def grouped(*customers: int, share: tuple[float, ...] = (0.4, 0.2, 0.3)) -> pd.DataFrame:
    n = np.array(customers)
    low, high = wilson(n * np.array(share), n)
    return pd.DataFrame(
        {
            "rule": "cib",
            "definition": NAMES["cib"],
            "branch_id": ["B1", "B2", "B3"],
            "customers": n,
            "dormant": (n * np.array(share)).astype(int),
            "unknown": 0,
            "share": share,
            "low": low,
            "high": high,
        }
    )


def woken(by: str | None = None, customers: int = 500) -> Reactivation:
    months = pd.DataFrame(
        {
            "month": pd.to_datetime(["2025-11-01", "2025-12-01"]),
            "step": [1, 2],
            "at_risk": [customers, customers - 10],
            "reactivated": 5,
            "hazard": [0.01, 0.012],
            "low": 0.004,
            "high": 0.025,
        }
    )
    groups = pd.DataFrame(
        {
            "arm": ["held out", "called"],
            "customers": [customers, 40],
            "base_rate": [0.01, 0.03],
            "low": [0.004, 0.02],
            "high": [0.02, 0.05],
        }
    )
    return Reactivation(
        table=months,
        groups=groups if by else groups.drop(columns="arm"),
        base_rate=0.011,
        low=0.006,
        high=0.02,
        customers=customers,
        unknown=0,
        rule=seg.dormancy_rule("cib"),
        start=dt.date(2025, 10, 1),
        end=MONTH,
        by=by,
        level=0.95,
    )


def all_pictures(bank: seg.Bank | None) -> dict[str, Picture]:
    return {
        "definitions": draw_dormancy(definitions(), bank, MONTH),
        "groups": draw_dormancy(grouped(400, 300, 200), bank, MONTH),
        "months": draw_reactivation(woken(), bank),
        "arms": draw_reactivation(woken("arm"), bank),
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


def test_definitions_are_set_side_by_side() -> None:
    alt = draw_dormancy(definitions()).alt
    assert alt == (
        f"From 22.0% ({NAMES['cib']}) to 40.0% ({NAMES['six_months']}) of customers are dormant: "
        "the definition decides. "
        "Where movements do not reach back far enough, only bounds can be given."
    )
    assert "bounds" not in draw_dormancy(definitions((220, 400))).alt
    one = draw_dormancy(definitions((220,))).alt
    assert one == (f"22.0% of customers are dormant: {NAMES['cib']} (95% interval 19.5% to 24.7%).")


def test_definitions_for_others_do_not_enter_the_finding() -> None:
    firms = definitions((3,), customers=100).assign(rule="corporate", definition=NAMES["corporate"])
    table = pd.concat([definitions((220, 400)), firms], ignore_index=True)
    assert draw_dormancy(table).alt == draw_dormancy(definitions((220, 400))).alt


def test_nothing_known_is_said() -> None:
    alt = draw_dormancy(definitions().iloc[2:]).alt
    assert alt.startswith("These tables do not reach back far enough to tell who is dormant.")


def test_groups_are_compared_and_small_ones_hidden() -> None:
    alt = draw_dormancy(grouped(400, 300, 200)).alt
    assert alt == f"By “{NAMES['cib']}” 40.0% of B1 are dormant, and 20.0% of B2."
    assert draw_dormancy(grouped(30, 30, 30)).alt.endswith("Their intervals overlap.")
    small = draw_dormancy(grouped(9, 300, 200)).alt  # and with it one more, or it could be inferred
    assert "B1" not in small
    assert "B3" not in small
    assert draw_dormancy(grouped(3, 4, 5)).alt == FEW


def test_the_base_rate_is_what_a_campaign_must_beat() -> None:
    alt = draw_reactivation(woken()).alt
    assert alt == (
        "1.10% of those asleep wake by themselves in a month: a campaign must beat this rate. "
        "The 95% interval is 0.60% to 2.00%; 500 customers slept at the start."
    )
    assert draw_reactivation(woken("arm")).alt.endswith(
        "Most often Called (3.00%), least often held out (1.00%)."
    )
    assert draw_reactivation(woken(customers=9)).alt == FEW


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (definitions().drop(columns="low"), "low"),
        (definitions().iloc[:0], "something to draw"),
        (definitions().rename(columns={"dormant": "customer_id"}), "dormant"),
        (pd.concat([grouped(400, 300, 200)] * 2).assign(rule=["a"] * 3 + ["b"] * 3), "several"),
        (pd.concat([definitions()] * 20, ignore_index=True), "forty"),
    ],
)
def test_what_cannot_be_drawn_is_refused(table: pd.DataFrame, match: str) -> None:
    with pytest.raises(TableError, match=match):
        draw_dormancy(table)


def test_a_frame_of_customers_is_refused() -> None:
    data: Any = definitions().assign(customer_id="C1")
    with pytest.raises(TableError, match="never published"):
        draw_dormancy(data)
    with pytest.raises(TableError, match="Reactivation"):
        draw_reactivation("0.3 %")  # type: ignore[arg-type]


def test_a_bank_is_drawn() -> None:
    small = seg.simulate_bank(5, branches=2, customers=900, months=16)
    alt = draw_dormancy(seg.dormancy_table(small), small, small.months[-1]).alt
    assert "the definition decides" in alt
    woke = seg.reactivation(small, "six_months")
    assert "a campaign must beat" in draw_reactivation(woke, small).alt
    untold = draw_reactivation(seg.reactivation(small, "yuanan"), small).alt
    assert untold == "These tables do not reach back far enough to tell who is dormant."
