"""Both directions of a share: by the definition, on each engine, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.customers.cohorts import UNKNOWN
from tests.campaigns.generators import inside, record, simulated
from tests.conftest import to_pandas

YOUNG, MIDDLE, SILVER = seg.cohort_scheme("silver_50").names


def movements(seed: int = 0, n: int = 500) -> pd.DataFrame:
    """Movements of 80 customers by channel, some of them by the bank itself."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, 80)
    who = rng.integers(0, 80, n)
    return pd.DataFrame(
        {
            "customer_id": np.char.add("C", who.astype(str)),
            "age": age[who],
            "channel": rng.choice(np.array(["counter", "mobile", None], object), n),
        }
    )


def test_every_engine_counts_rows_and_customers(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    frame = movements()
    data = seg.assign_cohort(to_engine(frame), "silver_50")
    cohort = np.select([frame["age"] < 35, frame["age"] < 50], [YOUNG, MIDDLE], SILVER)
    channel = frame["channel"].fillna(UNKNOWN)
    for unit in (None, "customer_id"):
        found = seg.conditional_shares(data, "cohort", "channel", unit=unit)
        assert found["cohort"].tolist() == [name for name in (YOUNG, MIDDLE, SILVER) for _ in "123"]
        assert found["channel"].tolist() == ["counter", "mobile", UNKNOWN] * 3
        for row in found.to_dict("records"):
            old, at = cohort == row["cohort"], (channel == row["channel"]).to_numpy()

            def count(which: Any, unit: str | None = unit) -> int:
                return frame[which]["customer_id"].nunique() if unit else int(which.sum())

            n, of_channel, of_cohort = count(old & at), count(at), count(old)
            everyone = count(np.ones(len(frame), bool))
            expected = [n, of_channel, of_cohort, everyone]
            assert [row[f"n{x}"] for x in ("", "_channel", "_cohort", "_all")] == expected
            for name, top, whole in (
                *(("channel", n, of_channel), ("cohort", n, of_cohort)),
                ("all", of_cohort, everyone),
            ):
                ends = seg.wilson(top, whole)
                values = [row[f"share_of_{name}{end}"] for end in ("", "_low", "_high")]
                assert values == pytest.approx([top / whole, *ends], rel=1e-12)


CELLS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", "z", None])), min_size=1
)


@settings(max_examples=25, deadline=None)
@given(cells=CELLS)
def test_one_direction_follows_from_the_other_by_bayes(cells: list[tuple[str, str | None]]) -> None:
    found = seg.conditional_shares(pd.DataFrame(cells, columns=["one", "other"]), "one", "other")
    back = found["share_of_one"] * found["share_of_all"] * found["n_all"] / found["n_other"]
    np.testing.assert_allclose(found["share_of_other"], back)
    assert found["n"].sum() == len(cells)
    sums = found.groupby("other")["share_of_other"].sum()
    np.testing.assert_allclose(sums, 1)


def test_a_half_of_the_old_and_a_third_of_the_counter_are_told_apart() -> None:
    """The text's fact: more than a third of offline customers are 50 or over."""
    rows = [("50+", "counter")] * 40 + [("50+", "mobile")] * 10
    rows += [("<50", "counter")] * 60 + [("<50", "mobile")] * 190
    table = seg.conditional_shares(pd.DataFrame(rows, columns=["age", "at"]), "age", "at")
    row = table.set_index(["age", "at"]).loc[("50+", "counter")]
    assert row["share_of_at"] == pytest.approx(0.4)
    assert row["share_of_age"] == pytest.approx(0.8)
    assert row["share_of_all"] == pytest.approx(1 / 6)


def test_flags_numbers_and_hostile_text_are_categories() -> None:
    data = pd.DataFrame(
        {"flag": [True, False, True], "number": [1, 2, 2], "text": ["<b>'", "", "#"]}
    )
    assert seg.conditional_shares(data, "flag", "number")["flag"].tolist() == [
        *("false", "false", "true", "true")
    ]
    assert set(seg.conditional_shares(data, "text", "number")["text"]) == {"<b>'", "", "#"}


def test_the_order_is_that_of_the_codes_and_the_unknown_last() -> None:
    data = pd.DataFrame({"age": [70, 20, np.nan, 40], "at": list("abab")})
    data = seg.assign_cohort(data, "silver_50")
    found = seg.conditional_shares(data, "cohort", "at")
    assert found["cohort"].unique().tolist() == [YOUNG, MIDDLE, SILVER, UNKNOWN]


def test_pairs_that_do_not_occur_are_there() -> None:
    data = pd.DataFrame({"one": ["a", "b"], "other": ["x", "y"]})
    found = seg.conditional_shares(data, "one", "other").set_index(["one", "other"])
    assert found.loc[("a", "y"), "n"] == 0
    assert found.loc[("a", "y"), "share_of_other_high"] < 1


def test_what_is_no_pair_of_categories_is_refused() -> None:
    data = movements()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"one": "channel", "other": "channel"}, "the columns are different"),
        ({"one": "age", "other": "channel", "unit": "age"}, "the columns are different"),
        ({"one": "chanel", "other": "age"}, "Rename 'channel'"),
        ({"one": "channel", "other": "share"}, "it is a category"),
        ({"one": "channel", "other": "row"}, "at most 10,000 pairs"),
    ]
    data["share"], data["row"] = 0.5, range(len(data))
    wide = pd.concat([data.assign(row=data["row"] + 500 * k) for k in range(21)])
    for arguments, message in cases:
        with pytest.raises(seg.TableError, match=message):
            seg.conditional_shares(wide, **arguments)
    with pytest.raises(seg.TableError, match="it has rows"):
        seg.conditional_shares(data.iloc[:0], "channel", "age")
    nobody = data.assign(customer_id=pd.Series([None] * len(data), dtype="str"))
    with pytest.raises(seg.TableError, match="it has rows"):
        seg.conditional_shares(nobody, "channel", "age", unit="customer_id")


def test_visits_and_movements_and_panels_of_a_bank() -> None:
    bank = seg.simulate_bank(22, branches=3, customers=1_500, months=14)
    visits = seg.assign_cohort(bank.visits, "silver_50")
    found = seg.conditional_shares(visits, "cohort", "point").set_index(["cohort", "point"])
    counter = found.loc[(SILVER, "counter")]
    assert counter["n_all"] == len(to_pandas(bank.visits))
    # The old come more often and to the counter: their share of it is far above that of customers.
    panel = seg.monthly_panel(bank, bank.months[-1], kind="personal")
    panel = seg.assign_tier(seg.assign_cohort(panel, "silver_50"))
    base = seg.conditional_shares(panel, "cohort", "tier").set_index("cohort")
    assert counter["share_of_point_low"] > base.loc[SILVER, "share_of_all_high"].iloc[0]
    born = to_pandas(bank.customers)[["customer_id", "birth_date"]].drop_duplicates("customer_id")
    moved = to_pandas(bank.transactions).merge(born, on="customer_id")
    moved = seg.assign_cohort(moved, "silver_50", as_of="2025-12-31")
    heads = seg.conditional_shares(moved, "cohort", "channel", unit="customer_id")
    rows = seg.conditional_shares(moved, "cohort", "channel")
    assert (heads["n"] <= rows["n"]).all()


@simulated
def test_intervals_of_both_directions_hold_the_truth(runs: int) -> None:
    rng = np.random.default_rng(5)
    n = 300
    one = rng.random((runs, n)) < 0.35
    other = rng.random((runs, n)) < np.where(one, 0.6, 0.25)
    truth = {"share_of_other": 0.35 * 0.6 / (0.35 * 0.6 + 0.65 * 0.25), "share_of_one": 0.6}
    tables = {"share_of_other": (one & other, other), "share_of_one": (one & other, one)}
    for name, (both, whole) in tables.items():
        low, high = seg.wilson(both.sum(axis=1), whole.sum(axis=1))
        covered = int(((low <= truth[name]) & (truth[name] <= high)).sum())
        record(f"conditional_shares: {name}", "two dependent flags", runs, covered=covered)
        assert inside(runs - covered, runs), (name, covered / runs)
    data = pd.DataFrame({"one": one[0], "other": other[0]})
    row = seg.conditional_shares(data, "one", "other").iloc[-1]
    assert row["share_of_other_low"] == seg.wilson((one & other)[0].sum(), other[0].sum())[0]
