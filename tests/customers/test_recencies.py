"""Scores of recency, frequency and money: both rules by hand, ties, engines and bad input."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import to_pandas
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.data.errors import TableError

DAY = dt.date(2025, 6, 30)
SCORED = ["recency_days", "frequency", "monetary", "r", "f", "m", "score"]


def moves(rows: list[tuple[str, int, float]]) -> pd.DataFrame:
    """Transactions from customer, days before the day looked from, and amount."""
    frame = pd.DataFrame(rows, columns=["customer_id", "ago", "amount"])
    frame["date"] = pd.Timestamp(DAY) - pd.to_timedelta(frame.pop("ago"), unit="D")
    return frame


def many(n: int, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    who = rng.integers(0, n, 6 * n)
    rows = zip((f"C{w:04d}" for w in who), rng.integers(0, 200, 6 * n), strict=True)
    return moves([(w, int(ago), round(float(rng.gamma(1, 50)), 2)) for w, ago in rows])


def by_customer(found: seg.RFM) -> pd.DataFrame:
    return to_pandas(found.scores).set_index("customer_id").sort_index()


SMALL = moves(
    [
        *[("A", 0, 0.1), ("A", 9, 0.2), ("A", 9, 9.7)],  # 10.00, though floats say 9.999…
        *[("B", 1, 10.0), ("C", 1, 20.0), ("D", 40, 20.0), ("D", 41, 20.0)],
        *[("E", 90, 500.0)],
    ]
)


def test_quintiles_by_hand_on_every_engine(to_engine: Callable[[Any], Any]) -> None:
    """Days 0 1 1 40 90: edges .8, 1, 16.6, 50; times 1 1 1 2 3; money 10 10 20 40 500."""
    data = to_engine(SMALL)
    found = seg.rfm_scores(data, DAY)
    assert type(found.scores) is type(data)
    table = by_customer(found)
    assert list(table) == SCORED
    assert table["recency_days"].tolist() == [0, 1, 1, 40, 90]
    assert table["frequency"].tolist() == [3, 1, 1, 2, 1]
    assert table["monetary"].tolist() == [10, 10, 20, 40, 500]
    assert table["r"].tolist() == [5, 3, 3, 2, 1]
    assert table["f"].tolist() == [5, 1, 1, 4, 1]
    assert table["m"].tolist() == [1, 1, 3, 4, 5]
    assert table["score"].tolist() == [551, 311, 313, 244, 115]
    edges = found.thresholds.set_index(["measure", "score"])
    assert edges.loc["r", "edge"].tolist()[1:] == pytest.approx([50, 16.6, 1, 0.8])
    assert edges.loc["f", "edge"].tolist()[1:] == pytest.approx([1, 1, 1.4, 2.2])
    assert edges.loc["m", "edge"].tolist()[1:] == pytest.approx([10, 16, 28, 132])
    assert edges.loc["r", "customers"].tolist() == [1, 1, 2, 0, 1]
    assert edges.loc["r", "sign"].tolist() == ["", "<", "<", "<", "<"]
    assert edges.loc["m", "sign"].tolist() == ["", ">", ">", ">", ">"]
    assert (found.customers, found.absent) == (5, 0)


def test_the_rule_of_the_r_package_by_hand(to_engine: Callable[[Any], Any]) -> None:
    """Its bins are [minimum, q1 + 1), [q1 + 1, q2 + 1) …, of which the days count backwards."""
    found = seg.rfm_scores(to_engine(SMALL), DAY, rule="rfm_r")
    table = by_customer(found)
    assert table["r"].tolist() == [5, 5, 5, 2, 1]  # bins begin at 1.8, 2, 17.6, 51
    assert table["f"].tolist() == [4, 1, 1, 3, 1]  # at 2, 2, 2.4, 3.2
    assert table["m"].tolist() == [1, 1, 3, 4, 5]  # at 11, 17, 29, 133
    assert found.thresholds.query("measure == 'f'")["sign"].tolist()[1] == "≥"


def bins_of_r(values: pd.Series[Any], reverse: bool) -> list[int]:
    """The intervals of the R package, one after the other, as its documentation says."""
    inner = [float(np.quantile(values, step / 5)) + 1 for step in range(1, 5)]
    lower, upper = [values.min(), *inner], [*inner, values.max() + 1]
    scores = []
    for value in values:
        place = [k for k in range(5) if lower[k] <= value < upper[k]]
        bin_ = place[0] if place else int(np.searchsorted(inner, value, side="right"))
        scores.append(5 - bin_ if reverse else bin_ + 1)
    return scores


def test_both_rules_on_many_customers_against_plain_pandas() -> None:
    data = many(300)
    table = by_customer(seg.rfm_scores(data, DAY, rule="rfm_r"))
    for measure, name in zip("rfm", SCORED, strict=False):
        assert table[measure].tolist() == bins_of_r(table[name], measure == "r")
    plain = data.groupby("customer_id").agg(last=("date", "max"), n=("amount", "size"))
    assert table["frequency"].tolist() == plain["n"].tolist()
    assert table["recency_days"].tolist() == (pd.Timestamp(DAY) - plain["last"]).dt.days.tolist()
    fifths = by_customer(seg.rfm_scores(data, DAY))["m"].value_counts()
    assert fifths.between(len(table) // 5 - 1, len(table) // 5 + 1).all()


def test_engines_agree(to_engine: Callable[[Any], Any]) -> None:
    data = many(200)
    wanted, found = seg.rfm_scores(data, DAY), seg.rfm_scores(to_engine(data), DAY)
    pd.testing.assert_frame_equal(
        by_customer(wanted), by_customer(found), check_dtype=False, rtol=1e-9
    )
    pd.testing.assert_frame_equal(wanted.thresholds, found.thresholds, rtol=1e-9)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ABCDEFGH"), st.integers(0, 5), st.integers(0, 4)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(["quantile", "rfm_r"]),
)
def test_equal_customers_have_equal_scores_and_better_ones_no_worse(
    rows: list[tuple[str, int, int]], rule: str
) -> None:
    found = seg.rfm_scores(moves([(w, a, float(m)) for w, a, m in rows]), DAY, rule=rule)
    table = by_customer(found)
    for measure, name in zip("rfm", SCORED, strict=False):
        alike = table.groupby(name)[measure]
        assert (alike.min() == alike.max()).all()
        ordered = table.sort_values(name)[measure]
        assert (
            ordered.is_monotonic_decreasing if measure == "r" else ordered.is_monotonic_increasing
        )
        assert ordered.between(1, 5).all()
    assert found.thresholds.groupby("measure")["customers"].sum().tolist() == [len(table)] * 3


def test_one_customer_and_all_alike() -> None:
    one = by_customer(seg.rfm_scores(moves([("A", 3, 5.0)]), DAY))
    assert one[["r", "f", "m"]].to_numpy().tolist() == [[1, 1, 1]]
    alike = by_customer(seg.rfm_scores(moves([(c, 3, 0.0) for c in "ABCD"]), DAY))
    assert alike["score"].tolist() == [111] * 4
    r = by_customer(seg.rfm_scores(moves([("A", 3, 5.0)]), DAY, rule="rfm_r"))
    assert r["score"].tolist() == [511]


def test_who_has_no_transaction_is_kept(to_engine: Callable[[Any], Any]) -> None:
    people = pd.DataFrame({"customer_id": [*"ABCDE", "F", "G"]})
    found = seg.rfm_scores(to_engine(SMALL), DAY, customers=to_engine(people), window=60)
    table = by_customer(found)
    assert (found.customers, found.absent) == (4, 3)  # E's was 90 days ago
    gone = table.loc[["E", "F", "G"]]
    assert gone[["recency_days", "r", "f", "m", "score"]].isna().all(axis=None)
    assert gone[["frequency", "monetary"]].to_numpy().tolist() == [[0, 0]] * 3
    named = to_pandas(seg.rfm_segments(found)).set_index("customer_id")["segment"]
    assert named[["E", "F", "G"]].tolist() == ["absent"] * 3


def test_the_window_ends_before_its_days() -> None:
    data = moves([("A", 0, 1.0), ("B", 29, 1.0), ("C", 30, 1.0)])
    assert by_customer(seg.rfm_scores(data, DAY, window=30)).index.tolist() == ["A", "B"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": [-5.0] * 2 + [1.0] * 6}, r"amount: an amount is 0 or more \(2 rows\)"),
        ({"amount": [math.nan] + [1.0] * 7}, r"amount: it is known and finite \(1 row\)"),
        ({"customer_id": [None] + ["A"] * 7}, r"customer_id: it is known \(1 row\)"),
        ({"date": [pd.Timestamp("2025-07-01")] * 8}, r"date: no date is after as_of \(8 rows\)"),
        ({"date": "<script>"}, "date: it is a date"),
    ],
)
def test_bad_rows_are_counted_not_shown(change: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=said):
        seg.rfm_scores(SMALL.assign(**change), DAY)


def test_other_bad_input(tmp_path: Path) -> None:
    people = pd.DataFrame({"customer_id": [*"ABCDE"]})
    for text, arguments in {
        "there is no such rule; there are quantile, rfm_r": {"rule": "rmf"},
        "window: it is a number of days from 1": {"window": 0},
        "as_of: it is a date": {"as_of": "never"},
        "column customer_id missing": {"customers": people.rename(columns={"customer_id": "id"})},
        r"customer_id: a customer is there once, .* \(1 row\)": {
            "customers": pd.concat([people, people[:1]])
        },
        r"every customer of the transactions is there \(2 rows\)": {"customers": people[:3]},
    }.items():
        with pytest.raises(TableError, match=text):
            seg.rfm_scores(SMALL, **({"as_of": DAY} | arguments))
    with pytest.raises(TableError, match="a customer has a transaction"):
        seg.rfm_scores(SMALL[:0], DAY)
    with pytest.raises(TableError, match="Rename 'amounts' to 'amount'"):
        seg.rfm_scores(SMALL.rename(columns={"amount": "amounts"}), DAY)
    rule = "[scores.thirds]\nbins = 3\nplus = 0\nat = true\n[scores.odd]\nbins = 1\n"
    (tmp_path / "rfm.toml").write_text(rule, "utf-8")
    thirds = by_customer(seg.rfm_scores(SMALL, DAY, rule="thirds", rules=tmp_path))
    assert thirds["m"].tolist() == [1, 1, 2, 3, 3]  # edges 13⅓ and 33⅓
    with pytest.raises(TableError, match="bins are a whole number from 2 to 9"):
        seg.rfm_scores(SMALL, DAY, rule="odd", rules=tmp_path)
