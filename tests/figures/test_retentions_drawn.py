"""Charts of who is still there: what they say, where they end, what they hide."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.customers.retentions import retention
from segmentation.data.errors import TableError
from segmentation.figures.retentions import draw_retention

YOUNG, MIDDLE, SILVER = seg.cohort_scheme("silver_50").names
MONTH = dt.date(2025, 12, 1)


def curve(group: str, hazard: float, n: int, times: int = 24) -> pd.DataFrame:
    """A group of which the same share leaves each month."""
    time = np.arange(1, times + 1)
    survival = (1 - hazard) ** time
    return pd.DataFrame(
        {
            "cohort": group,
            "time": time,
            "n_at_risk": np.rint(n * (1 - hazard) ** (time - 1)).astype(int),
            "survival": survival,
            "low": survival - 0.05,
            "high": np.minimum(survival + 0.05, 1),
        }
    )


TWO = pd.concat([curve(YOUNG, 0.05, 500), curve(SILVER, 0.01, 400)], ignore_index=True)
ENDS = TWO.rename(columns={"survival": "incidence"}).assign(event="corporate")
ENDS["incidence"] = 1 - ENDS["incidence"]
ENDS[["low", "high"]] = np.column_stack([ENDS["incidence"] - 0.02, ENDS["incidence"] + 0.02])


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_curves_are_drawn_in_both_languages(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", language)
    one = TWO[TWO["cohort"] == SILVER].drop(columns="cohort")
    result = SimpleNamespace(
        table=TWO, cumulative_incidence=ENDS, log_rank=SimpleNamespace(chi2=30.0, df=1, p=1e-9)
    )
    pictures = (
        draw_retention(one, month=MONTH),
        draw_retention(result, month=MONTH, unit="weeks"),
        draw_retention(result, month=MONTH, kind="corporate"),
    )
    for picture in pictures:
        assert picture.size[0] == 720
        assert 200 < picture.size[1] < 600
        assert "{" not in picture.alt
        if language == "zh_CN":
            words = "".join(c for c in picture.alt if c.isascii() and c.isalpha())
            assert words.replace("p", "") == "", picture.alt


def test_curves_say_the_shares_at_the_last_common_time() -> None:
    alt = draw_retention(TWO).alt
    assert alt.startswith(f"After 24 months 78.6% of {SILVER} are still there, 29.2% of {YOUNG}.")
    short = pd.concat([curve(YOUNG, 0.05, 500, times=12), curve(SILVER, 0.01, 400)])
    assert draw_retention(short).alt.startswith(
        f"After 12 months 88.6% of {SILVER} are still there, 54.0% of {YOUNG}."
    )


def test_a_test_of_the_curves_is_said() -> None:
    result = SimpleNamespace(table=TWO, log_rank={"chi2": 1.0, "df": 1, "p": 0.3173})
    assert "The log-rank test of no difference gives p = 0.32." in draw_retention(result).alt


def test_ends_of_one_kind_rise() -> None:
    alt = draw_retention(SimpleNamespace(cumulative_incidence=ENDS), kind="corporate").alt
    assert alt.startswith(f"After 24 months 70.8% of {YOUNG} are “Corporate”, 21.4% of {SILVER}.")


def test_retention_of_customers_is_drawn() -> None:
    """Customers drawn with a monthly hazard of 2 and of 5 %, in two ways of leaving."""
    rng = np.random.default_rng(8)
    n = 2_000
    group = np.where(np.arange(n) < n / 2, "B01", "B02")
    time = np.ceil(rng.exponential(1 / np.where(group == "B01", 0.02, 0.05)))
    way = np.where(rng.random(n) < 0.7, "personal", "corporate")
    data = pd.DataFrame({"branch_id": group, "kind": "personal", "time_left": np.minimum(time, 24)})
    data["how"] = pd.Series(way).where(time <= 24, None)
    found = retention(data, None, "time_left", "how", by=["branch_id", "kind"], level=0.9)
    alt = draw_retention(found).alt
    assert alt.startswith("After 24 periods")
    assert "B01 · Personal" in alt
    assert "p < 0.001" in alt
    ends = draw_retention(found, kind="personal", unit="months").alt
    assert "of B02 · Personal are “Personal”" in ends
    one = retention(data, None, "time_left", "how", level=0.9)
    assert "(90% interval" in draw_retention(one).alt


def test_a_curve_ends_where_few_are_left() -> None:
    thin = curve(YOUNG, 0.2, 40)
    kept = thin[thin["n_at_risk"] >= 10]["time"].max()
    assert draw_retention(thin).alt.startswith(f"After {kept} months")


def test_a_small_group_is_neither_drawn_nor_said() -> None:
    three = pd.concat([TWO, curve(MIDDLE, 0.3, 6)], ignore_index=True)
    assert MIDDLE not in draw_retention(three).alt
    assert draw_retention(curve(MIDDLE, 0.3, 6)).alt == "Too few customers to draw."


def test_a_group_without_a_name_is_unknown() -> None:
    some = TWO.assign(cohort=TWO["cohort"].where(TWO["cohort"] != YOUNG, None))
    assert "29.2% of Unknown" in draw_retention(some).alt


def test_what_is_no_table_of_curves_is_refused() -> None:
    many = pd.concat([curve(f"B{n}", 0.1, 500) for n in range(8)])
    cases = [
        (TWO.drop(columns="low"), {}, "missing"),
        (TWO.iloc[:0], {}, "it has rows"),
        (TWO.rename(columns={"cohort": "customer_id"}), {}, "identifier"),
        (many, {}, "at most seven groups"),
        (TWO, {"unit": "moons"}, "unit"),
        (SimpleNamespace(table=TWO), {"kind": "closed"}, "has the table to draw"),
        (SimpleNamespace(cumulative_incidence=ENDS), {"kind": "moved"}, "such a kind of end"),
    ]
    for curves, arguments, message in cases:
        with pytest.raises(TableError, match=message):
            draw_retention(curves, **arguments)
