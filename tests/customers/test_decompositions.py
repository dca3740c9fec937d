"""Decompositions: Das Gupta's published tables, properties, coverage, and planted causes."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segmentation as seg
from segmentation.data.rules import load_rules
from tests.campaigns.generators import inside, record, simulated

AGES = [*(f"{age}-{age + 4}" for age in range(15, 75, 5)), "75+"]
SHARE_1970 = [12.9, 10.9, 9.5, 8.0, 7.8, 8.4, 8.6, 7.8, 7.0, 5.9, 4.7, 3.6, 4.9]
SHARE_1985 = [10.1, 11.2, 11.6, 10.9, 9.4, 7.7, 6.3, 6.0, 6.3, 5.9, 5.1, 4.0, 5.5]
HEADS_1970 = [1.9, 25.8, 45.7, 49.6, 51.2, 51.6, 51.8, 54.9, 58.7, 60.4, 62.8, 66.6, 66.8]
HEADS_1985 = [2.2, 24.3, 45.8, 52.5, 56.1, 55.6, 56.0, 57.4, 57.2, 61.2, 63.9, 68.6, 72.2]


def by_age(values: list[float]) -> pd.Series:
    return pd.Series(values, index=AGES)


def test_headship_rates_by_thirteen_ages() -> None:
    """Das Gupta (1993), example 5.1: household heads per 100 persons, U.S. 1970 and 1985."""
    parts = seg.kitagawa(
        by_age(HEADS_1970), by_age(SHARE_1970), by_age(HEADS_1985), by_age(SHARE_1985)
    )
    assert (parts.rate_a, parts.rate_b) == pytest.approx((44.7268, 47.6940), abs=5e-5)
    assert parts.total == pytest.approx(2.9672, abs=5e-5)
    assert parts.mix == pytest.approx(1.2269, abs=5e-5)
    assert parts.rate == pytest.approx(1.7403, abs=5e-5)
    assert parts.table["level"].tolist() == AGES
    assert parts.intervals is None
    for part in ("mix", "mix_about_mean"):
        assert parts.table[part].sum() == pytest.approx(parts.mix)
    assert parts.table["rate"].sum() == pytest.approx(parts.rate)


def test_headship_rates_as_factors_are_the_same() -> None:
    old = pd.DataFrame({"age": SHARE_1970, "rate": HEADS_1970}, index=AGES) / [100, 1]
    new = pd.DataFrame({"age": SHARE_1985, "rate": HEADS_1985}, index=AGES) / [100, 1]
    effects = seg.das_gupta(old, new[::-1])
    assert effects.round(4).to_dict() == {"age": 1.2269, "rate": 1.7403}


PUBLISHED: list[tuple[str, dict[str, tuple[float, float]], list[float]]] = [
    (
        "2.1: earnings of two populations",
        {"average": (10930, 16591), "earners": (0.717892, 0.825974)},
        [4369.913, 1487.262],
    ),
    (
        "2.3: birth rates of Austria and Chile",
        {
            "births": (51.78746, 84.90502),
            "ages": (0.45919, 0.75756),
            "women": (0.52638, 0.51065),
        },
        [10.4340333, 10.5608476, -0.6670084],
    ),
    (
        "2.5: births outside marriage, 1971 and 1979",
        {
            "births": (25.3, 32.7),
            "pregnancies": (0.214, 0.290),
            "active": (0.279, 0.473),
            "women": (0.949, 0.986),
        },
        [0.6889411, 0.8125381, 1.3829055, 0.1047547],
    ),
    (
        "2.7: proximate causes of fertility, 1970 and 1980",
        {
            "married": (0.58, 0.72),
            "contraception": (0.76, 0.97),
            "abortion": (0.84, 0.97),
            "nursing": (0.66, 0.56),
            "fecundity": (16.573, 16.158),
        },
        [1.0909785, 1.2298438, 0.7278399, -0.8398707, -0.1290187],
    ),
]


@pytest.mark.parametrize(("name", "factors", "expected"), PUBLISHED)
def test_products_of_two_to_five_factors(
    name: str, factors: dict[str, tuple[float, float]], expected: list[float]
) -> None:
    """Das Gupta (1993), the examples of chapter 2."""
    first = {key: pair[0] for key, pair in factors.items()}
    second = pd.Series({key: pair[1] for key, pair in reversed(factors.items())})
    effects = seg.das_gupta(first, second)
    assert effects.index.tolist() == list(factors), name
    assert effects.tolist() == pytest.approx(expected, rel=1e-6)


def test_three_factors_by_seven_ages() -> None:
    """Das Gupta (1993), example 4.5: births outside marriage, 1960 and 1970."""
    of_1960 = {
        "births": [393, 407, 369, 274, 184, 90, 16],
        "married": [0.122, 0.622, 0.903, 0.930, 0.916, 0.873, 0.800],
        "women": [0.043, 0.041, 0.036, 0.032, 0.026, 0.020, 0.018],
    }
    of_1970 = {
        "births": [488, 452, 338, 156, 63, 22, 3],
        "married": [0.082, 0.527, 0.866, 0.941, 0.942, 0.923, 0.876],
        "women": [0.058, 0.038, 0.032, 0.030, 0.026, 0.023, 0.019],
    }
    effects = seg.das_gupta(of_1960, of_1970)
    assert effects.tolist() == pytest.approx([-7.285632, -2.720633, -1.565181], rel=1e-6)


numbers = st.floats(-5, 5).map(lambda x: round(x, 3))


def pairs_of(count: Any) -> Any:
    return count.flatmap(
        lambda p: st.tuples(*(st.lists(numbers, min_size=p, max_size=p) for _ in range(2)))
    )


@given(pairs_of(st.integers(1, 5)))
def test_factors_have_their_shapley_values(pair: tuple[list[float], list[float]]) -> None:
    """What each adds, averaged over every order: the definition, by brute force."""
    a, b = map(np.array, pair)
    expected, orders = np.zeros(len(a)), list(permutations(range(len(a))))
    for order in orders:
        now = a.copy()
        for factor in order:
            before = now.prod()
            now[factor] = b[factor]
            expected[factor] += (now.prod() - before) / len(orders)
    assert seg.das_gupta(a.tolist(), b.tolist()).to_numpy() == pytest.approx(expected, abs=1e-9)


@given(pairs_of(st.integers(1, 12)))
def test_effects_add_up_turn_with_the_sides_and_vanish(
    pair: tuple[list[float], list[float]],
) -> None:
    a, b = pair
    effects = seg.das_gupta(a, b)
    size = 1 + np.prod(np.maximum(np.abs(a), np.abs(b)))
    assert effects.sum() == pytest.approx(np.prod(b) - np.prod(a), abs=1e-10 * size)
    assert seg.das_gupta(b, a).to_numpy() == pytest.approx(-effects.to_numpy(), abs=1e-10 * size)
    assert (seg.das_gupta(a, a) == 0).all()
    assert (effects[np.equal(a, b)] == 0).all()


levels = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 500), st.floats(0, 1), st.integers(0, 500)),
    min_size=1,
    max_size=9,
).filter(lambda rows: sum(row[1] for row in rows) > 0 and sum(row[3] for row in rows) > 0)


@given(levels)
def test_mix_and_rate_add_up_turn_and_vanish(rows: list[tuple[float, int, float, int]]) -> None:
    rate_a, weight_a, rate_b, weight_b = map(np.array, zip(*rows, strict=True))
    parts = seg.kitagawa(rate_a, weight_a, rate_b, weight_b)
    crude = np.average(rate_b, weights=weight_b) - np.average(rate_a, weights=weight_a)
    assert parts.total == pytest.approx(crude, abs=1e-12)
    assert parts.mix + parts.rate == parts.total
    back = seg.kitagawa(rate_b, weight_b, rate_a, weight_a)
    assert (back.mix, back.rate) == pytest.approx((-parts.mix, -parts.rate), abs=1e-12)
    assert seg.kitagawa(rate_a, weight_a, rate_a, weight_b).rate == 0
    assert seg.kitagawa(rate_a, weight_a, rate_b, weight_a).mix == 0
    shares = [{"w": w / w.sum(), "r": r} for w, r in ((weight_a, rate_a), (weight_b, rate_b))]
    assert seg.das_gupta(*shares).to_numpy() == pytest.approx([parts.mix, parts.rate], abs=1e-12)
    scaled = seg.kitagawa(rate_a, weight_a * 0.01, rate_b, weight_b * 7)
    assert scaled.mix == pytest.approx(parts.mix, abs=1e-12)


def test_labels_decide_and_not_the_order() -> None:
    rate = {"young": 0.8, "silver": 0.4}
    shuffled = pd.Series([30, 70], index=["silver", "young"])
    parts = seg.kitagawa(rate, shuffled, rate, {"silver": 60, "young": 40})
    assert parts.table["weight_a"].tolist() == [0.7, 0.3]
    assert parts.total == pytest.approx(0.3 * (0.4 - 0.8))
    assert parts.rate == 0


# Four levels of age, their shares and rates at two branches: one old, one bad at every age.
WEIGHTS = np.array([[0.35, 0.3, 0.2, 0.15], [0.15, 0.25, 0.25, 0.35]])
RATES = np.array([[0.85, 0.7, 0.5, 0.2], [0.75, 0.6, 0.45, 0.15]])


def drawn(rng: np.random.Generator, weights: Any, rates: Any, n: int) -> tuple[Any, Any]:
    """Counts and rates of n customers by level, none of them empty."""
    counts = rng.multinomial(n, weights)
    while (counts == 0).any():
        counts = rng.multinomial(n, weights)
    return rng.binomial(counts, rates) / counts, counts


@simulated
def test_intervals_cover_what_is_true(runs: int) -> None:
    truth = seg.kitagawa(RATES[0], WEIGHTS[0], RATES[1], WEIGHTS[1])
    true = np.array([truth.total, truth.mix, truth.rate])
    rng, missed = np.random.default_rng(7), np.zeros(3)
    for _ in range(runs):
        (ra, na), (rb, nb) = (drawn(rng, WEIGHTS[i], RATES[i], n) for i, n in ((0, 260), (1, 400)))
        found = seg.kitagawa(ra, na, rb, nb, n_a=260, n_b=nb).intervals
        assert found is not None
        missed += (true < found["low"].to_numpy()) | (found["high"].to_numpy() < true)
    for part, count in zip(("total", "mix", "rate"), missed, strict=True):
        record(f"kitagawa {part}", "two branches of four ages", runs, covered=runs - count)
        assert inside(count, runs), part


@simulated
def test_two_branches_drawn_alike_differ_at_the_nominal_rate(runs: int) -> None:
    rng, rejected = np.random.default_rng(11), np.zeros(3)
    for _ in range(runs):
        (ra, na), (rb, nb) = (drawn(rng, WEIGHTS[0], RATES[0], n) for n in (300, 300))
        found = seg.kitagawa(ra, na, rb, nb, n_a=300, n_b=300).intervals
        assert found is not None
        rejected += (found["low"].to_numpy() > 0) | (found["high"].to_numpy() < 0)
    for part, count in zip(("total", "mix", "rate"), rejected, strict=True):
        record(f"kitagawa {part}", "two branches drawn alike", runs, rejected=count)
        assert inside(count, runs), part


def test_errors_of_the_total_are_those_of_a_difference_of_shares() -> None:
    """Nothing of how levels are cut is in the error of two crude rates: r(1 − r)/n of both."""
    found = seg.kitagawa(RATES[0], WEIGHTS[0], RATES[1], WEIGHTS[1], n_a=1e6, n_b=2e6)
    expected = sum(r * (1 - r) / n for r, n in ((found.rate_a, 1e6), (found.rate_b, 2e6)))
    assert found.intervals is not None
    assert found.intervals["se"].iloc[0] == pytest.approx(np.sqrt(expected), rel=1e-4)


def test_means_need_standard_deviations_and_then_have_intervals() -> None:
    """Of one level only the mean differs, and the interval is that of two means."""
    found = seg.kitagawa([120.0], [1], [100.0], [1], n_a=50, n_b=80, sd_a=[30.0], sd_b=[20.0])
    assert found.intervals is not None
    row = found.intervals.set_index("part").loc["rate"]
    assert row["se"] == pytest.approx(np.sqrt(30**2 / 50 + 20**2 / 80))
    assert row["low"] == pytest.approx(-20 - 1.959964 * row["se"], rel=1e-6)
    assert found.intervals.set_index("part").loc["mix", "se"] == 0
    with pytest.raises(seg.TableError, match=r"rate_b: rates are shares of customers\. Give sd_b"):
        seg.kitagawa([0.5], [1], [100.0], [1], n_a=50, n_b=80)


def test_a_level_of_none_is_not_certain() -> None:
    found = seg.kitagawa([0.0, 0.0], [30, 20], [0.0, 0.0], [10, 40], n_a=50, n_b=50)
    assert found.intervals is not None
    row = found.intervals.set_index("part").loc["rate"]
    assert row["low"] < 0 < row["high"]


def test_branches_low_because_old_or_at_every_age_are_told_apart() -> None:
    """Planted in the simulated network: how old each branch is, and its effect on mobile use.

    The truth takes for each customer the probability that the network drew with, at the customers
    that each branch has.
    """
    bank = seg.simulate_bank(5, branches=24, customers=16_000, months=3)
    people = bank.customers.merge(bank.truth["customers"], on="customer_id", suffixes=("", "_true"))
    people = people[people["closed_on"].isna() & (people["kind"] == "personal")]
    age = (pd.Timestamp("2025-12-31") - people["birth_date"]).dt.days / 365.25
    curve = np.array(load_rules("network")["mobile"]["curve"])
    base = np.interp(age, curve[:, 0], curve[:, 1])
    causes = bank.truth["branches"].set_index("branch_id")
    odds = np.log(base / (1 - base)) + people["branch_id"].map(causes["mobile"])
    people = people.assign(
        chance=1 / (1 + np.exp(-odds)),
        band=pd.cut(age, [0, 35, 50, 60, 70, 120], right=False).astype(str),
    )
    found = []
    for branch in causes.index:
        here = people["branch_id"] == branch
        groups = [people[side].groupby("band") for side in (~here, here)]
        counts = [group.size() for group in groups]
        sizes = {"n_a": counts[0], "n_b": counts[1]}
        seen, true = (
            seg.kitagawa(groups[0][y].mean(), counts[0], groups[1][y].mean(), counts[1], **sizes)
            for y in ("mobile", "chance")
        )
        assert seen.intervals is not None
        row = seen.intervals.set_index("part")
        found.append(
            {
                "covered_mix": row.loc["mix", "low"] <= true.mix <= row.loc["mix", "high"],
                "covered_rate": row.loc["rate", "low"] <= true.rate <= row.loc["rate", "high"],
                "sure": row.loc["rate", "low"] > 0 or row.loc["rate", "high"] < 0,
                "mix": seen.mix,
                "rate": seen.rate,
                "silver": causes.loc[branch, "silver"],
                "mobile": causes.loc[branch, "mobile"],
            }
        )
    table = pd.DataFrame(found)
    assert table[["covered_mix", "covered_rate"]].mean().min() >= 0.875
    sure = table[table["sure"]]
    assert len(sure) >= 6
    assert (np.sign(sure["rate"]) == np.sign(sure["mobile"] - table["mobile"].mean())).all()
    ranks = table[["mix", "rate", "silver", "mobile"]].corr("spearman")
    assert ranks.loc["rate", "mobile"] > 0.9
    assert ranks.loc["mix", "silver"] < -0.9


OK: dict[str, Any] = {
    "rate_a": {"x": 0.5, "y": 0.2},
    "weight_a": {"x": 10, "y": 20},
    "rate_b": {"x": 0.6, "y": 0.1},
    "weight_b": {"x": 20, "y": 20},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate_b": {"x": 0.6, "z": 0.1}}, "rate_b: its levels are those of the others"),
        ({"rate_b": {"x": 0.6}}, "rate_b: its levels are those of the others"),
        ({"rate_b": pd.Series([0.6, 0.1], ["x", "x"])}, "rate_b: labels are filled and differ"),
        ({"rate_b": pd.Series([0.6, 0.1], ["x", None])}, "rate_b: labels are filled and differ"),
        ({"rate_b": [0.6, 0.1, 0.2]}, "rate_b: it has as many levels as the others"),
        ({"rate_b": {"x": 0.6, "y": np.nan}}, r"numbers are known and finite \(1 row\)"),
        ({"rate_b": {"x": 0.6, "y": "secret"}}, "rate_b: it is numbers"),
        ({"rate_b": [[0.6, 0.1]]}, "rate_b: it has one number a level"),
        ({"weight_a": {"x": -1, "y": 20}}, r"weight_a: weights are not negative \(1 row\)"),
        ({"weight_b": {"x": 0, "y": 0}}, "weight_b: some weight is above 0"),
        ({"n_a": 30}, "n_b: an interval needs the customers of both"),
        ({"n_a": 30, "n_b": 0}, "n_b: it is above 0"),
        ({"n_a": 30, "n_b": {"x": 1, "y": 9}}, "n_b: customers by level are in proportion"),
        ({"n_a": 30, "n_b": 40, "level": 95}, "level: a confidence lies between 0 and 1"),
        ({"n_a": 9, "n_b": 9, "sd_a": {"x": -1, "y": 1}}, "sd_a: standard deviations are not"),
        (
            {"n_a": 30, "n_b": 40, "weight_a": {"x": 30, "y": 0}},
            "weight_a: an interval needs customers at each level",
        ),
        ({key: [] for key in OK}, "rate_a: there are levels"),
    ],
)
def test_bad_levels_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(seg.TableError, match=message) as caught:
        seg.kitagawa(**{**OK, **change})
    assert "secret" not in str(caught.value)


def test_arrays_beside_labels_need_one_order() -> None:
    mixed = {**OK, "rate_a": [0.5, 0.2]}
    assert seg.kitagawa(**mixed).total == pytest.approx(seg.kitagawa(**OK).total)
    with pytest.raises(seg.TableError, match="labels stand in one order beside arrays"):
        seg.kitagawa(**{**mixed, "rate_b": {"y": 0.1, "x": 0.6}})


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ({"x": 1.0}, {"y": 1.0}, "factors_b: its factors are those of factors_a"),
        ({}, {}, "factors_a: there is a factor"),
        ({"x": 1.0}, {"x": np.inf}, "factors_b: x: numbers are known and finite"),
        ({"x": 1.0}, {"x": None}, "factors_b: x: numbers are known and finite"),
        ({"x": [1.0, 2.0]}, {"x": [1.0]}, "factors_b: x: it has as many levels"),
        (pd.Series([1.0, 2.0], ["x", "x"]), {"x": 1.0}, "factors_a: a factor is there once"),
    ],
)
def test_bad_factors_are_refused(a: Any, b: Any, message: str) -> None:
    with pytest.raises(seg.TableError, match=message):
        seg.das_gupta(a, b)


def test_a_number_beside_levels_is_that_of_each() -> None:
    effects = seg.das_gupta(
        {"customers": 100, "share": [0.4, 0.6], "rate": [0.5, 0.1]},
        {"customers": 90, "share": [0.5, 0.5], "rate": [0.5, 0.2]},
    )
    assert effects.sum() == pytest.approx(90 * 0.35 - 100 * 0.26)
    assert effects["customers"] < 0 < effects["share"]
