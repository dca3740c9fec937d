"""Caps: the same for all arms, from all customers together, and never past 0."""

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.campaigns.caps import find_caps
from segmentation.data.engines import enter


def spenders(rng, n=400, buyers=0.3):
    frame = pd.DataFrame({"arm": rng.choice(["letter", "none"], n)})
    frame["spend"] = np.where(rng.random(n) < buyers, np.exp(rng.normal(3, 1, n)), 0.0)
    frame["visits"] = 1.0 + rng.poisson(2, n)
    return frame


def test_pitfall_14_one_cap_for_all_arms_with_and_without(to_engine):
    frame = spenders(np.random.default_rng(1))
    table = seg.effect(to_engine(frame), "spend", "arm", "none", cap=0.95)
    assert table["method"].tolist() == ["Welch", "Welch, capped"]
    top = frame["spend"].quantile(0.95)
    by_hand = frame.assign(spend=frame["spend"].clip(upper=top))
    wanted = seg.effect(by_hand, "spend", "arm", "none").iloc[0]
    for name in ("estimate", "se", "p", "low"):
        assert table[name].iloc[1] == pytest.approx(wanted[name], rel=1e-9)


def test_pitfall_14_twenty_buyers_of_100_keep_their_20():
    frame = pd.DataFrame({"arm": ["a", "b"] * 50, "spend": [20.0] * 20 + [0.0] * 80})
    frame["buyers"] = (frame["spend"] > 0).astype(float)
    frame.loc[0, "spend"] = 20.0
    table = seg.effect(frame, "spend", "arm", "a", per="buyers", cap=0.75)
    assert table["method"].tolist() == [
        "Delta, no variance",
        "Delta, capped among amounts other than 0, no variance",
    ]
    assert table["estimate"].tolist() == [0.0, 0.0]
    caps = find_caps(enter(frame), ["spend", "buyers"], 0.75, ["buyers"])
    assert (caps["spend"].high, caps["buyers"].high) == (20.0, 1.0)


def test_pitfall_14_numerator_and_denominator_are_capped_on_the_same_customers():
    frame = spenders(np.random.default_rng(2))
    frame.loc[frame.index[:100], "visits"] = np.nan
    frame.loc[frame.index[:50], "spend"] = 1e6
    caps = find_caps(enter(frame), ["spend", "visits"], 0.9, ["visits"])
    kept = frame[frame["visits"].notna()]
    assert caps["spend"].high == pytest.approx(kept["spend"].quantile(0.9), rel=1e-12)
    assert caps["visits"].high == pytest.approx(kept["visits"].quantile(0.9), rel=1e-12)


def test_negative_money_is_capped_on_its_side():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"y": rng.normal(0, 100, 1000)})
    cap = find_caps(enter(frame), ["y"], 0.99)["y"]
    assert (cap.low, cap.high) == pytest.approx(
        (frame["y"].quantile(0.01), frame["y"].quantile(0.99)), rel=1e-9
    )
    flipped = find_caps(enter(-frame), ["y"], 0.99)["y"]
    assert (flipped.low, flipped.high) == pytest.approx((-cap.high, -cap.low), rel=1e-12)


def test_a_cap_never_moves_a_value_past_0():
    frame = pd.DataFrame({"y": [0.0] * 96 + [-5.0, -50.0, 7.0, 70.0]})
    cap = find_caps(enter(frame), ["y"], 0.9)["y"]
    assert cap.low == pytest.approx(np.quantile([-5.0, -50.0], 0.1))
    assert cap.high == pytest.approx(np.quantile([7.0, 70.0], 0.9))
    assert cap.sparse
    below = find_caps(enter(pd.DataFrame({"y": [-1.0, -2.0, -3.0]})), ["y"], 0.9)["y"]
    assert (below.low, below.high) == pytest.approx((-2.8, 0.0))
    assert find_caps(enter(pd.DataFrame({"y": [0.0, 0.0]})), ["y"], 0.9)["y"][:2] == (0.0, 0.0)


def test_flags_are_not_capped():
    frame = spenders(np.random.default_rng(4)).assign(bought=lambda f: (f["spend"] > 0) * 1)
    table = seg.effect(frame, ["bought", "spend"], "arm", "none", cap=0.95, covariates="visits")
    assert table["method"].tolist() == [
        *("Newcombe", "Lin"),
        *("Welch", "Lin", "Welch, capped", "Lin, capped"),
    ]


@pytest.mark.parametrize("q", [0.5, 1.0, 99, float("nan")])
def test_a_cap_is_a_quantile(q):
    with pytest.raises(ValueError, match="cap"):
        seg.effect(spenders(np.random.default_rng(5)), "spend", "arm", "none", cap=q)
