"""Moves between tiers: every head and every yuan is accounted for, on every engine."""

import datetime as dt
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.customers.intervals import wilson

NAMES = ["Basic", "Active", "Wealth"]


def panel(codes, month="2025-01-01", money=None, key="customer_id"):
    """A panel from a mapping of unit to tier code."""
    frame = pd.DataFrame({key: list(codes), "tier_code": list(codes.values())})
    frame["tier"] = [NAMES[code] for code in frame["tier_code"]]
    frame["month"] = pd.Timestamp(month)
    frame["aum_average"] = [float((money or {}).get(unit, 100.0)) for unit in codes]
    return frame


FIRST = panel({"a": 0, "b": 0, "c": 0, "d": 1, "e": 2}, money={"e": 900.0, "d": 300.0})
SECOND = panel({"a": 0, "b": 1, "d": 0, "e": 2, "f": 2}, "2025-02-01", {"e": 950, "b": 400, "f": 7})


def test_every_engine_counts_the_same(to_engine):
    moves = seg.migration(to_engine(FIRST), to_engine(SECOND), "aum_average")
    assert moves.counts.to_numpy().tolist() == [
        [1, 1, 0, 1],
        [1, 0, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 1, 0],
    ]
    assert moves.counts.index.tolist() == [*NAMES, "entered"]
    assert moves.counts.columns.tolist() == [*NAMES, "left"]
    assert moves.before.loc["Basic"].tolist() == [100, 100, 0, 100]
    assert moves.after.loc["Basic"].tolist() == [100, 400, 0, 0]
    assert moves.after.loc["entered", "Wealth"] == 7
    assert (moves.month_from, moves.month_to) == (dt.date(2025, 1, 1), dt.date(2025, 2, 1))
    assert moves.unit == "customer_id"


def test_shares_are_of_the_row_and_carry_wilsons_interval():
    moves = seg.migration(FIRST, SECOND)
    row = moves.table.set_index(["from", "to"]).loc[("Basic", "Active")]
    assert row["share"] == pytest.approx(1 / 3)
    assert (row["low"], row["high"]) == pytest.approx(wilson(1, 3))
    assert moves.shares.loc["Basic", "Active"] == row["share"]
    assert moves.low.loc["Basic", "Active"] == row["low"]
    assert moves.high.loc["Basic", "Active"] == row["high"]
    assert moves.before is None
    assert "before" not in moves.table


def test_moves_have_names():
    moves = seg.migration(FIRST, SECOND).table.set_index(["from", "to"])["move"]
    assert moves[("Basic", "Wealth")] == "rose"
    assert moves[("Wealth", "Basic")] == "fell"
    assert moves[("Active", "Active")] == "stayed"
    assert moves[("entered", "Wealth")] == "entered"
    assert moves[("Wealth", "left")] == "left"
    assert ("entered", "left") not in moves.index


def test_the_change_of_money_is_taken_apart_without_a_remainder():
    moves = seg.migration(FIRST, SECOND, "aum_average")
    parts = moves.parts.set_index("move")
    assert parts.index.tolist() == ["stayed", "rose", "fell", "entered", "left"]
    assert parts["change"].tolist() == [50, 300, -200, 7, -100]
    total = SECOND["aum_average"].sum() - FIRST["aum_average"].sum()
    assert parts["change"].sum() == pytest.approx(total)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.integers(0, 40), st.integers(0, 2), min_size=1),
    st.dictionaries(st.integers(0, 40), st.integers(0, 2), min_size=1),
    st.integers(0, 2**32 - 1),
)
def test_nobody_is_lost_and_rows_add_up(first, second, seed):
    draws = np.random.default_rng(seed)
    one = panel(
        {str(k): v for k, v in first.items()},
        money=dict(zip(map(str, first), draws.exponential(1e4, len(first)), strict=True)),
    )
    two = panel({str(k): v for k, v in second.items()}, "2025-02-01")
    moves = seg.migration(one, two, "aum_average")
    assert moves.counts.to_numpy().sum() == len({*first, *second})
    tiers = moves.counts.index[:-1]
    for code, name in enumerate(NAMES):
        if name in tiers:
            assert moves.counts.loc[name].sum() == list(first.values()).count(code)
            assert moves.counts[name].sum() == list(second.values()).count(code)
    sums = moves.transition.dropna().sum(axis=1)
    assert np.allclose(sums, 1)
    assert moves.transition.loc["left", "left"] == 1
    assert moves.before.to_numpy().sum() == pytest.approx(one["aum_average"].sum())
    assert moves.after.to_numpy().sum() == pytest.approx(two["aum_average"].sum())
    assert (moves.table["low"].dropna() <= moves.table["share"].dropna() + 1e-12).all()
    assert (moves.table["high"].dropna() >= moves.table["share"].dropna() - 1e-12).all()


def test_a_share_of_money_is_wider_than_one_of_heads_where_one_customer_is_rich():
    first = panel({str(k): 0 for k in range(100)}, money={"0": 1e6})
    second = panel({str(k): int(k < 20) for k in range(100)}, "2025-02-01")
    row = seg.migration(first, second, "aum_average").table.set_index(["from", "to"])
    rose = row.loc[("Basic", "Active")]
    assert rose["money_share"] == pytest.approx((1e6 + 1900) / (1e6 + 9900))
    assert rose["money_low"] < 0.25 < rose["money_share"] <= rose["money_high"]
    effective = (1e6 + 9900) ** 2 / (1e12 + 99e4)
    limits = wilson(rose["money_share"] * effective, effective)
    assert (rose["money_low"], rose["money_high"]) == pytest.approx(limits)


def test_negative_money_has_no_shares_but_its_sums():
    first = panel({"a": 0, "b": 0}, money={"a": -5})
    moves = seg.migration(first, first, "aum_average")
    assert moves.table["money_share"].isna().all()
    assert moves.parts["before"].sum() == 95


def test_households_are_moved_as_one():
    first = panel({"h1": 0, "h2": 1}, key="household_id")
    assert seg.migration(first, first).unit == "household_id"
    named = first.rename(columns={"household_id": "group"})
    assert seg.migration(named, named, unit="group").counts.loc["Basic", "Basic"] == 1


def test_a_tier_nobody_was_in_has_no_shares():
    moves = seg.migration(panel({"a": 0}), panel({"a": 2}))
    assert moves.shares.loc["Wealth"].isna().all()
    assert moves.transition.loc["Wealth"].isna().all()
    assert moves.shares.loc["Basic", "Wealth"] == 1


def test_customers_without_a_tier_are_kept_apart():
    first = panel({"a": 0, "b": 0})
    second = panel({"a": 0, "b": 1}, "2025-02-01")
    second["tier_code"] = [0, None]
    second["tier"] = ["Basic", None]
    moves = seg.migration(first, second, "aum_average")
    assert moves.counts.loc["Basic", "unknown"] == 1
    assert moves.parts.set_index("move").loc["unknown", "customers"] == 1


def test_one_customer_and_one_empty_panel():
    one = panel({"a": 0})
    assert seg.migration(one, one).shares.loc["Basic", "Basic"] == 1
    gone = seg.migration(one, one.iloc[:0])
    assert gone.counts.loc["Basic", "left"] == 1
    assert gone.month_to is None
    with pytest.raises(seg.TableError, match="empty"):
        seg.migration(one.iloc[:0], one.iloc[:0])


def test_hostile_names_are_only_names():
    first = panel({"'; drop table--": 0, "客户": 0, "": 0, " ": 0})
    assert seg.migration(first, first).counts.loc["Basic", "Basic"] == 4


def bad(change):
    frame = FIRST.copy()
    return change(frame)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="tier_code"), "panel_to.tier_code: column tier_code missing"),
        (lambda f: f.rename(columns={"tier": "tire"}), "Rename 'tire' to 'tier'"),
        (lambda f: f.rename(columns={"customer_id": "no"}), "column customer_id missing"),
        (lambda f: pd.concat([f, f.iloc[:2]]), r"each unit occurs once \(2 rows\)"),
        (lambda f: f.assign(customer_id=[None, *"bcde"]), r"identifiers are not empty \(1 row\)"),
        (lambda f: f.assign(aum_average=[np.nan, 1, 2, 3, 4]), r"money is not empty \(1 row\)"),
        (lambda f: f.assign(aum_average=[np.inf, 1, 2, 3, 4]), "money is finite"),
        (lambda f: f.assign(tier="Low"), "one name in both panels"),
    ],
)
def test_panels_that_cannot_be_compared_are_refused(change, message):
    with pytest.raises(seg.TableError, match=message) as error:
        seg.migration(FIRST, bad(change), "aum_average")
    assert "panel_to" in str(error.value)


def test_a_weight_that_is_not_there_is_refused():
    with pytest.raises(seg.TableError, match="column aum_averag missing"):
        seg.migration(FIRST, SECOND, "aum_averag")


def test_panels_of_two_engines_are_refused():
    import polars as pl

    with pytest.raises(seg.TableError, match="kind of frame"):
        seg.migration(FIRST, pl.from_pandas(SECOND))


def test_the_result_can_be_kept():
    moves = seg.migration(FIRST, SECOND)
    again = pickle.loads(pickle.dumps(moves))
    pd.testing.assert_frame_equal(again.table, moves.table)
