"""The chart of how the base ages: what it says, and what it hides."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from segmentation.customers.ageing import Ageing, project_ageing
from segmentation.data.errors import TableError
from segmentation.figures.ageing import _bars, draw_ageing


def project(n: int = 900, years: int = 5, cuts: tuple[int, ...] = (50, 60)) -> Ageing:
    """A base in which a tenth leave and as many young come."""
    rng = np.random.default_rng(4)
    age = rng.integers(18, 85, n)
    first = pd.DataFrame({"customer_id": np.arange(n).astype(str), "age": age})
    stays = first[rng.random(n) > 0.1].assign(age=lambda rows: rows["age"] + 1)
    came = pd.DataFrame({"customer_id": [f"N{i}" for i in range(n // 10)], "age": 25})
    return project_ageing(first, pd.concat([stays, came], ignore_index=True), years, cuts=cuts)


PROJECTION = project()


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_ageing_is_drawn_in_both_languages(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", language)
    picture = draw_ageing(PROJECTION)
    assert picture.size[0] == 720
    assert 200 < picture.size[1] < 700
    assert len(picture.png) < 70_000
    assert "{" not in picture.alt
    if language == "zh_CN":
        assert not any(c.isascii() and c.isalpha() for c in picture.alt), picture.alt


def test_the_shares_of_today_and_then_are_said() -> None:
    shares = PROJECTION.shares.set_index(["cut", "year"])
    now, then = shares.loc[(50, 0)], shares.loc[(50, 5)]
    alt = draw_ageing(PROJECTION).alt
    assert alt.startswith(
        f"If customers leave and come as now, {then['share']:.1%} are 50 or older in 5 years; "
        f"{now['share']:.1%} are today. "
        f"The 95% limits are {then['low']:.1%} to {then['high']:.1%}."
    )
    assert f"Of 60 or older there are {shares.loc[(60, 0), 'share']:.1%} today" in alt


def test_bars_hold_all_of_known_age_and_none_that_is_small() -> None:
    bars = _bars(PROJECTION.table, 5)
    ages = PROJECTION.table[PROJECTION.table["year"] == 0]
    assert bars["now"].sum() == ages["customers"].sum()
    small = _bars(project(60).table, 5)
    seen = small[["now", "then"]].to_numpy(float)
    assert (np.isnan(seen) | (seen >= 10) | (seen == 0)).all()


def test_few_customers_are_not_drawn() -> None:
    assert draw_ageing(project(9)).alt == "Too few customers to draw."
    assert "90 or older" not in draw_ageing(project(900, cuts=(50, 90))).alt


def test_what_is_no_projection_is_refused() -> None:
    shares, table = PROJECTION.shares, PROJECTION.table
    cases = [
        (PROJECTION.table, "it has shares and a table"),
        (SimpleNamespace(shares=shares.drop(columns="low"), table=table), "missing"),
        (SimpleNamespace(shares=shares, table=table.assign(customer_id="x")), "identifier"),
        (project(cuts=(30, 40, 50, 60, 70)), "one to four cuts"),
    ]
    for projection, message in cases:
        with pytest.raises(TableError, match=message):
            draw_ageing(projection)
