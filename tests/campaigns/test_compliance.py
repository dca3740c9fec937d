"""The effect on those who were contacted."""

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.campaigns.compliance import wald


def contacts(rng, n=4000, rate=0.6, effect=2.0, kind=3.0):
    """A trial in which `rate` of the treated are contacted, and only contact has an effect."""
    treated = rng.random(n) < 0.5
    reached = rng.random(n) < rate
    x = rng.normal(size=n)
    frame = pd.DataFrame({"arm": np.where(treated, "call", "none"), "x": x})
    frame["contact"] = (treated & reached).astype(int)
    # Who can be reached is another kind of customer.
    frame["y"] = 10 + kind * reached + x + effect * frame["contact"] + rng.normal(size=n)
    return frame


def test_it_is_the_effect_on_all_over_the_rise_in_contacts(to_engine):
    frame = contacts(np.random.default_rng(1))
    table = seg.effect(to_engine(frame), "y", "arm", "none", contacted="contact")
    assert table["method"].tolist() == ["Welch", "Wald IV"]
    every, reached = table.iloc[0], table.iloc[1]
    rate = frame.loc[frame["arm"] == "call", "contact"].mean()
    assert reached["estimate"] == pytest.approx(every["estimate"] / rate, rel=1e-9)
    assert reached["p"] == pytest.approx(every["p"], rel=1e-9)
    assert reached["low"] < 2.0 < reached["high"]
    assert np.isnan(reached["relative"])


def test_pitfall_29_diluting_by_half_leaves_the_effect_and_doubles_its_error():
    whole = contacts(np.random.default_rng(2), 100_000, rate=0.8, kind=0.0)
    half = contacts(np.random.default_rng(3), 100_000, rate=0.4, kind=0.0)
    one = seg.effect(whole, "y", "arm", "none", contacted="contact").iloc[1]
    other = seg.effect(half, "y", "arm", "none", contacted="contact").iloc[1]
    assert other["estimate"] == pytest.approx(one["estimate"], abs=4 * other["se"])
    assert other["se"] / one["se"] == pytest.approx(2, rel=0.05)


def test_pitfall_29_comparing_the_contacted_with_the_others_is_no_effect():
    frame = contacts(np.random.default_rng(3), 20_000, rate=0.4)
    row = seg.effect(frame, "y", "arm", "none", contacted="contact").iloc[1]
    naive = frame.groupby("contact")["y"].mean().diff().iloc[-1]
    assert naive > row["high"] > 2.0 > row["low"]


def test_covariates_sharpen_it():
    frame = contacts(np.random.default_rng(4))
    table = seg.effect(frame, "y", "arm", "none", covariates="x", contacted="contact")
    assert table["method"].tolist() == ["Welch", "Lin", "Wald IV", "Wald IV, adjusted"]
    table = table.set_index("method")
    assert table.loc["Wald IV, adjusted", "se"] < table.loc["Wald IV", "se"]
    assert table.loc["Wald IV, adjusted", "p"] == pytest.approx(table.loc["Lin", "p"], rel=1e-9)
    moments = seg.moments(frame, ["y", "x", "contact"], by="arm")
    sums = seg.effect(moments, "y", "arm", "none", covariates="x", contacted="contact")
    assert sums["method"].iloc[-1] == "Wald IV, adjusted, errors from sums with n - k"
    assert sums["estimate"].iloc[-1] == pytest.approx(table["estimate"].iloc[-1], rel=1e-9)


def test_few_contacts_make_an_interval_that_is_unbounded_and_says_so():
    rng = np.random.default_rng(5)
    frame = contacts(rng, 300, rate=0.0)
    frame.loc[frame.index[frame["arm"] == "call"][:2], "contact"] = 1
    row = seg.effect(frame, "y", "arm", "none", contacted="contact").iloc[1]
    assert (row["low"], row["high"]) == (-np.inf, np.inf)
    assert row["method"] == "Wald IV, unbounded, as contact rates are not told apart"
    nobody = seg.effect(frame.assign(contact=0), "y", "arm", "none", contacted="contact").iloc[1]
    assert np.isnan(nobody["estimate"])
    assert (nobody["low"], nobody["high"]) == (-np.inf, np.inf)


def test_the_interval_holds_the_effects_that_its_test_does_not_reject():
    frame = contacts(np.random.default_rng(6), 600)
    row = seg.effect(frame, "y", "arm", "none", contacted="contact", alpha=0.1).iloc[1]
    for end in (row["low"], row["high"]):
        rest = frame.assign(y=frame["y"] - end * frame["contact"])
        assert seg.effect(rest, "y", "arm", "none")["p"].iloc[0] == pytest.approx(0.1, abs=0.003)


def test_the_interval_covers():
    rng = np.random.default_rng(7)
    frames = [contacts(rng, 300, rate=0.2).assign(run=run) for run in range(400)]
    table = seg.effect(pd.concat(frames), "y", "arm", "none", by="run", contacted="contact")
    table = table[table["method"].str.startswith("Wald")]
    missed = ((table["low"] > 2) | (table["high"] < 2)).sum()
    assert 0.02 <= missed / 400 <= 0.0875


def test_who_was_contacted_is_known_and_a_flag():
    frame = contacts(np.random.default_rng(8), 100)
    for broken, rule in ((np.nan, "known"), (0.5, "flag")):
        bad = frame.assign(contact=frame["contact"].astype(float))
        bad.loc[3, "contact"] = broken
        with pytest.raises(seg.TableError, match=rule):
            seg.effect(bad, "y", "arm", "none", contacted="contact")
    with pytest.raises(seg.TableError, match="one part"):
        seg.effect(frame, "y", "arm", "none", covariates="contact", contacted="contact")
    with pytest.raises(seg.TableError, match="per"):
        seg.effect(frame.assign(v=1.0), "y", "arm", "none", per="v", contacted="contact")


def test_plain_numbers_without_variance_or_customers():
    means, none = np.array([1.0, 0.5]), np.zeros((2, 2))
    assert wald((means, none), (means * 0, none), (9, 9), 0.05).notes == ("no variance",)
    assert wald((means, none), (means * 0, none), (9, 0), 0.05).notes == ("too few customers",)
