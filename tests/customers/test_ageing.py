"""Ageing: a year by hand, sums that lose nobody, limits that hold the years to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.customers import ageing


def panels(seed: int = 1, n: int = 600) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    old = pd.DataFrame(
        {
            "customer_id": np.arange(n).astype(str),
            "age": rng.integers(18, 95, n).astype(float),
            "month": pd.Timestamp("2024-12-01"),
        }
    )
    old.loc[rng.random(n) < 0.05, "age"] = np.nan
    stay = old[rng.random(n) > 0.1].assign(age=lambda t: t["age"] + 1)
    fresh = {"customer_id": [f"N{k}" for k in range(50)], "age": rng.integers(18, 40, 50)}
    new = pd.concat([stay, pd.DataFrame(fresh)]).assign(month=pd.Timestamp("2025-12-01"))
    return old, new.reset_index(drop=True)


def test_a_year_by_hand_on_every_engine(to_engine: Callable[[Any], Any]) -> None:
    old, new = panels()
    found = seg.project_ageing(to_engine(old), to_engine(new), 2)
    first = old.set_index("customer_id")["age"]
    gone = ~first.index.isin(new["customer_id"])
    band = (first // 5 * 5).fillna(-1)
    rates = found.rates.assign(from_age=found.rates["from_age"].fillna(-1)).set_index("from_age")
    expected = pd.Series(gone, first.index).groupby(band).mean()
    assert rates["rate"].loc[expected.index].tolist() == pytest.approx(expected.tolist())
    now = new["age"].value_counts()
    came = new[~new["customer_id"].isin(old["customer_id"])]["age"].value_counts()
    table = found.table.assign(age=found.table["age"].fillna(-1)).set_index(["year", "age"])
    for age in (30, 61):
        stay = now.get(age - 1, 0) * (1 - expected[(age - 1) // 5 * 5])
        assert table.loc[(1, age), "customers"] == pytest.approx(stay + came.get(age, 0))
    unknown = new["age"].isna().sum()
    assert table.loc[(0, -1), "customers"] == unknown
    assert table.loc[(1, -1), "customers"] == pytest.approx(unknown * (1 - expected[-1]))
    known = new["age"].dropna()
    row = found.shares.query("year == 0 and cut == 60").iloc[0]
    share = (known >= 60).mean()
    assert row[["share", "low", "high"]].tolist() == pytest.approx([share] * 3)


def test_nobody_is_lost() -> None:
    old, new = panels(2)
    found = seg.project_ageing(old, new, 5)
    total = found.table.groupby("year")["customers"].sum()
    rates = found.rates.assign(band=found.rates["from_age"].fillna(-1)).set_index("band")["rate"]
    overall = found.rates["left"].sum() / found.rates["customers"].sum()
    entered = found.rates["entered"].sum()
    for year in range(5):
        rows = found.table[found.table["year"] == year]
        rate = (rows["age"] // 5 * 5).fillna(-1).map(rates).fillna(overall)
        stay = (rows["customers"] * (1 - rate)).sum()
        assert total[year + 1] == pytest.approx(stay + entered, rel=1e-12)
    assert total[0] == len(new)
    table = found.table
    inside = (table["low"] <= table["customers"] + 1) & (table["customers"] <= table["high"] + 1)
    assert inside.mean() > 0.99


def test_draws_do_not_change_and_their_mean_is_what_is_expected() -> None:
    old, new = panels(3, 4000)
    one, two = (seg.project_ageing(old, new, 3) for _ in range(2))
    pd.testing.assert_frame_equal(one.shares, two.shares)
    last = one.shares[one.shares["year"] == 3]
    assert (last["low"] < last["share"]).all()
    assert (last["share"] < last["high"]).all()


def test_limits_hold_the_years_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """400 bases: the year measured and two more are drawn from the same rates."""
    monkeypatch.setattr(ageing, "DRAWS", 300)
    rng = np.random.default_rng(4)
    place = np.arange(ageing.UNKNOWN + 1)
    band = np.minimum(place // 5, 24)
    band[-1] = 25
    base = np.where((place >= 20) & (place < 80), 8.0, 0.0)
    truth = np.where(place < 50, 0.15, 0.06)
    mean = np.where((place >= 20) & (place < 30), 5.0, 0.0)
    missed = 0
    for run in range(400):
        left = rng.binomial(base.astype(int), truth).astype(float)
        came = rng.poisson(mean).astype(float)
        start = ageing._older(base - left) + came
        n, gone = np.bincount(band, base), np.bincount(band, left)
        drawn = ageing._draws(start, n, gone, came, band, 2, run)[-1]
        future = start
        for _ in range(2):
            stay = rng.binomial(future.astype(int), 1 - truth).astype(float)
            future = ageing._older(stay) + rng.poisson(mean)
        shares = drawn[:, 50:].sum(axis=1) / drawn.sum(axis=1)
        low, high = np.quantile(shares, [0.025, 0.975])
        missed += not low <= future[50:].sum() / future.sum() <= high
    assert 0.02 <= missed / 400 <= 0.0875


def test_of_a_simulated_bank() -> None:
    bank = seg.simulate_bank(4, branches=2, customers=800, months=14)
    months = bank.months[-13], bank.months[-1]
    old, new = (seg.monthly_panel(bank, month, kind="personal") for month in months)
    found = seg.project_ageing(old, new)
    assert found.shares["year"].max() == 5
    assert found.shares["share"].between(0, 1).all()


def test_odd_bases() -> None:
    one = pd.DataFrame({"customer_id": ["a"], "age": [70]})
    alone = seg.project_ageing(one, one.assign(age=71), 1)
    assert alone.shares["share"].tolist() == [1.0] * 4
    none = one.assign(age=np.nan)
    unknown = seg.project_ageing(none, none, 1)
    assert unknown.shares["share"].isna().all()
    eldest = seg.project_ageing(one.assign(age=120), one.assign(age=120), 3)
    assert eldest.table["age"].tolist() == [120.0] * 4


def test_panels_that_cannot_be() -> None:
    old, new = panels()
    bad: list[tuple[pd.DataFrame, pd.DataFrame, str]] = [
        (old.rename(columns={"age": "ages"}), new, "panel_from.age"),
        (old, new.assign(age=121.0), "panel_to.age"),
        (old.assign(age=-1.0), new, "panel_from.age"),
        (old, new.assign(month=pd.Timestamp("2025-06-01")), "twelve months"),
        (pd.concat([old, old.head(2)]), new, "occurs once"),
        (old.assign(customer_id=None), new, "filled"),
        (old, new.head(0), "there are customers"),
        (old.assign(age="old"), new, "numbers"),
    ]
    for first, second, message in bad:
        with pytest.raises(seg.TableError, match=message):
            seg.project_ageing(first, second)
    for years in (0, 2.5, True, 99):
        with pytest.raises(seg.TableError, match="years"):
            seg.project_ageing(old, new, years)
    with pytest.raises(seg.TableError, match="cuts"):
        seg.project_ageing(old, new, cuts=())
    with pytest.raises(ValueError, match="level"):
        seg.project_ageing(old, new, level=0)
