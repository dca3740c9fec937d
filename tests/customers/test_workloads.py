"""Workloads: break-evens by hand, the best that minutes can do, ties, and odd input."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.customers.intervals import wilson

MANAGER, POOLED, DIGITAL = seg.servicing_rule()


def people(*contribution: float | None, **columns: Any) -> pd.DataFrame:
    ids = [f"C{n:03}" for n in range(len(contribution))]
    return pd.DataFrame({"customer_id": ids, "contribution": contribution} | columns)


def served(result: seg.Servicing) -> list[str]:
    return to_pandas(result.assigned).sort_values("customer_id")["served_by"].tolist()


def test_break_evens_by_hand() -> None:
    steps = seg.servicing(people(1.0)).break_even.set_index("served_by")
    manager = max((48 - 3.6) / (0.20 - 0.06), (48 - 0.06) / 0.20)
    assert steps.loc["manager", "break_even"] == pytest.approx(manager)
    assert steps.loc["pooled", "break_even"] == pytest.approx((3.6 - 0.06) / 0.06)
    assert np.isnan(steps.loc["digital", "break_even"])
    assert steps.loc["pooled", "break_even_low"] == pytest.approx(3.54 / 0.09)
    assert steps.loc["pooled", "break_even_high"] == pytest.approx(3.54 / 0.03)
    # at the low end of its gain the manager is compared with the desk's usual gain
    assert steps.loc["manager", "break_even_high"] == pytest.approx(44.4 / 0.04)


def test_at_the_break_even_the_cheaper_serves() -> None:
    channels = (
        seg.Channel("manager", "经理", "Manager", 10, 1.0, 0.5, 0.5, 0.5),
        seg.Channel("digital", "线上", "Digital", 0, 0.0, 0.0, 0.0, 0.0),
    )
    result = seg.servicing(people(19.98, 20.0, 20.02), rule=channels)
    assert served(result) == ["digital", "digital", "manager"]
    assert result.assigned["break_even_minutes"].tolist() == [9.99, 10.0, 10.01]


def test_minutes_in_place_of_the_rules() -> None:
    result = seg.servicing(people(100.0, 400.0), minutes={"manager": 4})
    assert served(result) == ["manager", "manager"]
    assert result.break_even["minutes"].tolist() == [4, 3, 0.2]
    with pytest.raises(seg.TableError, match="fall in price"):
        seg.servicing(people(1.0), minutes={"manager": 0})


def test_sums_are_those_of_the_customers_on_every_engine(
    to_engine: Callable[[Any], Any],
) -> None:
    rng = np.random.default_rng(4)
    worth = np.round(rng.normal(150, 250, 200), 2)
    data = people(*worth, long_tail=rng.random(200) < 0.6)
    data.loc[7, "contribution"] = None
    result = seg.servicing(to_engine(data), {"manager": 300, "pooled": 120})
    found = to_pandas(result.assigned).sort_values("customer_id", ignore_index=True)
    assert found["customer_id"].tolist() == data["customer_id"].tolist()
    ranked = data["contribution"].rank(ascending=False)
    expected = np.select(
        [data["contribution"].isna(), ranked <= 15, ranked <= 55],
        ["unknown", "manager", "pooled"],
        "digital",
    )
    assert (data["contribution"].nlargest(15) > 317.15).all()
    assert (data["contribution"].nlargest(55) > 59).all()
    assert found["served_by"].tolist() == expected.tolist()
    assert result.unknown == 1
    by = {c.name: c for c in (MANAGER, POOLED, DIGITAL)}
    data["served_by"] = expected
    for row in result.table.itertuples():
        group = data[data["long_tail"] == row.long_tail]
        mine = group[group["served_by"] == row.served_by]
        assert row.customers == len(mine)
        assert row.share == pytest.approx(len(mine) / len(group))
        assert (row.low, row.high) == pytest.approx(wilson(len(mine), len(group)))
        if row.served_by == "unknown":
            assert np.isnan(row.contribution)
            assert np.isnan(row.value)
            continue
        channel = by[row.served_by]
        assert row.contribution == pytest.approx(mine["contribution"].sum())
        assert row.minutes == pytest.approx(len(mine) * channel.minutes)
        assert row.cost == pytest.approx(len(mine) * channel.price)
        for name in ("", "_low", "_high"):
            gain = getattr(channel, f"gain{name}")
            value = mine["contribution"] * gain - (channel.price - DIGITAL.price)
            assert getattr(row, f"value{name}") == pytest.approx(value.sum())
    assert result.table["customers"].sum() == 200
    assert result.break_even["customers"].tolist() == [15, 40, 144]
    assert (result.break_even["eligible"] > [15, 55, 144]).tolist() == [True, True, True]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-100, 600), min_size=1, max_size=7, unique=True),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_nothing_does_better_with_these_minutes(
    worth: list[int], managers: int, desks: int
) -> None:
    """Against all ways of serving a few customers, in brute force."""
    capacity = {"manager": 20 * managers, "pooled": 3 * desks}
    result = seg.servicing(people(*map(float, worth)), capacity)
    got = served(result)
    by = {c.name: c for c in (MANAGER, POOLED, DIGITAL)}
    assert got.count("manager") <= managers
    assert got.count("pooled") <= desks

    def value(names: Any) -> float:
        return sum(
            w * by[n].gain - (by[n].price - DIGITAL.price)
            for w, n in zip(worth, names, strict=True)
        )

    ways = (
        names
        for names in product(by, repeat=len(worth))
        if names.count("manager") <= managers and names.count("pooled") <= desks
    )
    best = max(map(value, ways))
    assert value(got) == pytest.approx(best)
    assert result.table["value"].sum() == pytest.approx(best, abs=0.01)


def test_equal_customers_without_a_place_are_left_together() -> None:
    result = seg.servicing(people(900.0, 500.0, 500.0, 500.0, 70.0), {"manager": 59})
    assert served(result) == ["manager", "pooled", "pooled", "pooled", "pooled"]
    step = result.break_even.iloc[0]
    assert (step["capacity"], step["eligible"], step["customers"], step["above"]) == (2, 4, 1, 500)
    all_equal = seg.servicing(people(*[500.0] * 5), {"manager": 40, "pooled": 6})
    assert served(all_equal) == ["digital"] * 5
    enough = seg.servicing(people(*[500.0] * 5), {"manager": 100})
    assert served(enough) == ["manager"] * 5


def test_one_customer_none_negative_and_unknown() -> None:
    assert served(seg.servicing(people(1000.0))) == ["manager"]
    assert served(seg.servicing(people(1000.0), {"manager": 0})) == ["pooled"]
    assert served(seg.servicing(people(-40.0, 0.0))) == ["digital", "digital"]
    unknown = seg.servicing(people(None, np.nan, 1.0))
    assert served(unknown) == ["unknown", "unknown", "digital"]
    assert unknown.unknown == 2
    assert unknown.assigned["break_even_minutes"].isna().tolist() == [True, True, False]
    with pytest.raises(seg.TableError, match="there is a customer"):
        seg.servicing(people(1.0).iloc[:0])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"capacity": {"managers": 3}}, "channels are manager, pooled, digital"),
        ({"capacity": {"manager": -1}}, "0 or more"),
        ({"capacity": {"manager": np.nan}}, "0 or more"),
        ({"capacity": {"digital": 5}}, "without a limit"),
        ({"minutes": {"phone": 5}}, "channels are"),
        ({"value": "contributions"}, "contribution"),
        ({"value": "customer_id"}, "amount"),
        ({"by": "branch"}, "branch"),
        ({"rule": "other"}, "no such rule"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(seg.TableError, match=match):
        seg.servicing(people(1.0), **options)


@pytest.mark.parametrize(
    "channels",
    [
        "[]",
        '[{ key = "a", zh = "a", en = "a", minutes = 1, cost = 1, gain = 1 }]',
        '[{ key = "a", zh = "a", en = "a", minutes = -1, cost = 1, gain = 0, gain_low = 0, '
        "gain_high = 0 }]",
        '[{ key = "a", zh = "a", en = "a", minutes = 1, cost = 1, gain = 2, gain_low = 3, '
        "gain_high = 4 }]",
    ],
)
def test_broken_channels_are_refused(tmp_path: Path, channels: str) -> None:
    text = f'[default]\nzh = "我"\nen = "mine"\nsource = "own"\nchannels = {channels}\n'
    (tmp_path / "servicing.toml").write_text(text, "utf-8")
    with pytest.raises(seg.TableError, match=r"servicing\.toml"):
        seg.servicing_rule(folder=tmp_path)


def test_the_frame_keeps_its_columns_and_kind() -> None:
    data = people(1.0, 500.0, served_by="before", branch_id=["B1", "B2"])
    result = seg.servicing(data, by="branch_id")
    assert isinstance(result.assigned, pd.DataFrame)
    assert result.assigned.columns.tolist() == [
        *("customer_id", "contribution", "branch_id", "break_even_minutes", "served_by")
    ]
    assert result.by == "branch_id"
    assert result.table["branch_id"].tolist() == ["B1", "B2"]
    assert seg.servicing(data).by is None


def test_a_bank_is_served_from_its_long_tail() -> None:
    firms = seg.long_tail(seg.simulate_bank(2, branches=2, customers=3000, months=14), "personal")
    result = seg.servicing(firms, {"manager": 600})
    steps = result.break_even.set_index("served_by")
    assert steps.loc["manager", "customers"] <= 30
    assert result.table["customers"].sum() == len(firms)
    shares = result.table.set_index(["long_tail", "served_by"])["share"]
    assert shares[True, "digital"] > shares[False, "digital"]
    assert result.table["value"].sum() > 0


@pytest.mark.parametrize("seed", range(12))
def test_many_customers_are_served_as_well_as_can_be(seed: int) -> None:
    """Against all numbers of places taken by those of the highest contribution."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(50, 400))
    worth = np.round(rng.gamma(1.5, 150, n) + rng.random(n), 2)
    places = rng.integers(0, n, 2) // rng.integers(1, 6, 2)
    capacity = {"manager": 20.0 * places[0], "pooled": 3.0 * places[1]}
    got = seg.servicing(people(*worth), capacity).table
    sums = np.concatenate([[0.0], np.cumsum(np.sort(worth)[::-1])])
    managers, desks = np.meshgrid(np.arange(places[0] + 1), np.arange(places[1] + 1))
    fits = managers + desks <= n
    managers, desks = managers[fits], desks[fits]
    first, both = sums[managers], sums[managers + desks]
    value = first * MANAGER.gain + (both - first) * POOLED.gain
    value -= managers * (MANAGER.price - DIGITAL.price) + desks * (POOLED.price - DIGITAL.price)
    assert got["value"].sum() == pytest.approx(value.max(), abs=0.02)
    counts = got.set_index("served_by")["customers"]
    assert counts.get("manager", 0) <= places[0]
    assert counts.get("pooled", 0) <= places[1]
