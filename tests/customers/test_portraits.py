"""Portraits of cohorts: by the definition, on each engine, with a known truth and with none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import segmentation as seg
from segmentation.customers.cohorts import UNKNOWN
from tests.campaigns.generators import inside, record, simulated
from tests.conftest import to_pandas

YOUNG, MIDDLE, SILVER = seg.cohort_scheme("silver_50").names
MONTH, NEXT = pd.Timestamp("2025-06-01"), pd.Timestamp("2025-12-01")


def draw(seed: int = 0, n: int = 600) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A panel with everything, and that of half a year later without a sixth of the customers."""
    rng = np.random.default_rng(seed)
    moved = rng.random(n) < 0.6
    panel = pd.DataFrame(
        {
            "customer_id": [f"C{i:05}" for i in range(n)],
            "month": MONTH,
            "branch_id": rng.choice(["B1", "B2"], n),
            "age": np.where(rng.random(n) < 0.05, np.nan, rng.integers(18, 90, n)),
            "aum_average": np.round(rng.lognormal(8, 1.5, n) * (rng.random(n) < 0.9), 2),
            "debt": np.where(rng.random(n) < 0.2, 1000.0, 0.0),
            "products": rng.integers(0, 5, n).astype(float),
            "contribution": np.where(rng.random(n) < 0.1, np.nan, rng.normal(20, 9, n)),
            "transactions": np.where(moved, rng.integers(1, 9, n), 0),
            "digital_share": np.where(moved, rng.choice([0.0, 0.5, 1.0], n), np.nan),
        }
    )
    later = panel[["customer_id", "month", "aum_average"]].assign(month=NEXT)
    later["aum_average"] = np.round(later["aum_average"] * rng.lognormal(0.05, 0.3, n), 2)
    return panel, later[rng.random(n) > 1 / 6].reset_index(drop=True)


def test_every_engine_agrees_with_the_definition(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    panel, later = draw()
    found = seg.cohort_profile(
        to_engine(panel), "silver_50", by=("branch_id",), later=to_engine(later)
    )
    assert found["cohort"].tolist() == [YOUNG, MIDDLE, SILVER, UNKNOWN] * 2
    assert found["customers"].sum() == len(panel)
    panel["then"] = panel["customer_id"].map(later.set_index("customer_id")["aum_average"])
    mine = panel[(panel["age"] >= 50) & (panel["branch_id"] == "B2")]
    branch = panel[panel["branch_id"] == "B2"]
    row = found[(found["cohort"] == SILVER) & (found["branch_id"] == "B2")].iloc[0]
    n, x = len(mine), mine["aum_average"]
    assert row["customers"] == n
    assert row["aum"] == pytest.approx(x.sum(), abs=0.006)
    assert row["aum_share"] == pytest.approx(x.sum() / branch["aum_average"].sum(), rel=1e-9)
    residual = branch["aum_average"] * ((branch["age"] >= 50) - row["aum_share"])
    half = stats.norm.ppf(0.975) * np.sqrt((residual**2).sum()) / branch["aum_average"].sum()
    assert row["aum_share_high"] - row["aum_share"] == pytest.approx(half, rel=1e-9)
    means = {
        "mean_aum": x,
        "products_per_customer": mine["products"],
        "mean_contribution": mine["contribution"].dropna(),
    }
    for name, values in means.items():
        limits = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        expected = (values.mean(), *limits)
        assert row[[name, f"{name}_low", f"{name}_high"]].tolist() == pytest.approx(expected)
    logs = np.log1p(x)
    limits = stats.t.interval(0.95, n - 1, logs.mean(), stats.sem(logs))
    assert row["typical_aum"] == pytest.approx(np.expm1(logs.mean()), rel=1e-9)
    assert row["typical_aum_low"] == pytest.approx(np.expm1(limits[0]), rel=1e-9)
    active = int((mine["transactions"] > 0).sum())
    shares = {
        "customer_share": (n, len(branch)),
        "debt_share": (int((mine["debt"] > 0).sum()), n),
        "active_share": (active, n),
        "digital_share_of_active": (int((mine["digital_share"] > 0).sum()), active),
        "retained_share": (int(mine["then"].notna().sum()), n),
    }
    assert row["active"] == active
    for name, (count, of) in shares.items():
        assert row[name] == pytest.approx(count / of, rel=1e-12)
        assert row[f"{name}_low"] == pytest.approx(seg.wilson(count, of)[0], rel=1e-9)
        assert row[f"{name}_high"] == pytest.approx(seg.wilson(count, of)[1], rel=1e-9)
    d = mine["then"].fillna(0) - x
    growth = d.sum() / x.sum()
    left = d - growth * x
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(left.var(ddof=1) / n) / x.mean()
    assert row["aum_growth"] == pytest.approx(growth, rel=1e-9)
    assert row["aum_growth_low"] == pytest.approx(growth - half, rel=1e-9)
    assert row["aum_growth_high"] == pytest.approx(growth + half, rel=1e-9)


def test_shares_of_a_whole_add_to_it() -> None:
    panel, _later = draw(1)
    panel = seg.assign_tier(panel)
    found = seg.cohort_profile(panel, "ten_years", by="tier")
    whole = found.groupby("tier")[["customer_share", "aum_share"]].sum()
    np.testing.assert_allclose(whole.iloc[1:], 1.0)
    tiers = found["tier_code"].to_numpy()
    assert (np.diff(tiers) >= 0).all()
    assert all(
        part["cohort_code"].dropna().is_monotonic_increasing for _t, part in found.groupby("tier")
    )


def test_a_panel_may_lack_all_but_age_and_money() -> None:
    panel, later = draw(2)
    found = seg.cohort_profile(panel[["age", "aum_average"]])
    assert not {"debt_share", "active_share", "aum_growth"} & set(found.columns)
    with pytest.raises(seg.TableError, match="customer_id missing"):
        seg.cohort_profile(panel[["age", "aum_average"]], later=later)


def test_cohorts_may_be_there_already() -> None:
    panel, _later = draw(3)
    own = seg.assign_cohort(panel, "silver_60")
    pd.testing.assert_frame_equal(
        seg.cohort_profile(own, None), seg.cohort_profile(panel, "silver_60")
    )


def test_one_customer_no_money_and_nobody() -> None:
    panel = pd.DataFrame({"age": [70], "aum_average": [0.0], "transactions": [0], "debt": [np.nan]})
    row = seg.cohort_profile(panel).iloc[0]
    assert row["customers"] == 1
    assert row["mean_aum"] == 0
    assert np.isnan([row["mean_aum_low"], row["aum_share"]]).all()
    assert row["debt_share"] == 0
    assert row["active_share"] == 0
    with pytest.raises(seg.TableError, match="it has rows"):
        seg.cohort_profile(panel.iloc[:0])


def test_nobody_has_an_age() -> None:
    panel = pd.DataFrame({"age": [np.nan] * 3, "aum_average": [1.0, 2.0, 3.0]})
    found = seg.cohort_profile(panel)
    assert found["cohort"].tolist() == [UNKNOWN]
    with pytest.raises(seg.TableError, match="two cohorts or more"):
        seg.cohort_effects(found)


def test_what_is_no_panel_is_refused() -> None:
    panel, later = draw(4)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"panel": panel.rename(columns={"aum_average": "aum_averge"})}, "Rename 'aum_averge'"),
        ({"panel": panel.assign(products="many")}, "it is a number"),
        ({"panel": pd.concat([panel, panel.assign(month=NEXT)])}, "it has one month"),
        ({"panel": panel, "later": later.assign(month=MONTH)}, "one month after the panel's"),
        ({"panel": panel, "later": pd.concat([later, panel])}, "one month after the panel's"),
        ({"panel": panel, "by": ("tier",)}, "tier missing"),
    ]
    for arguments, message in cases:
        with pytest.raises(seg.TableError, match=message):
            seg.cohort_profile(**arguments)


def test_effects_are_on_their_scales_and_change_sign() -> None:
    panel, later = draw(5)
    profile = seg.cohort_profile(panel, later=later)
    rows = profile.set_index("cohort")
    effects = seg.cohort_effects(profile, against=YOUNG).set_index(["measure", "cohort"])
    p, q = rows.loc[[SILVER, YOUNG], "debt_share"]
    h = 2 * np.arcsin(np.sqrt(p)) - 2 * np.arcsin(np.sqrt(q))
    assert effects.loc[("debt_share", SILVER), "effect"] == pytest.approx(h)
    ratio = rows.loc[SILVER, "typical_aum"] / rows.loc[YOUNG, "typical_aum"]
    assert effects.loc[("typical_aum", SILVER), "effect"] == pytest.approx(np.log(ratio))
    growth = (1 + rows.loc[SILVER, "aum_growth"]) / (1 + rows.loc[YOUNG, "aum_growth"])
    assert effects.loc[("aum_growth", SILVER), "effect"] == pytest.approx(np.log(growth))
    other = seg.cohort_effects(profile, against=SILVER).set_index(["measure", "cohort"])
    for measure in ("debt_share", "typical_aum", "aum_growth"):
        one, two = effects.loc[(measure, SILVER)], other.loc[(measure, YOUNG)]
        assert [two["effect"], two["low"], two["high"]] == pytest.approx(
            [-one["effect"], -one["high"], -one["low"]]
        )
    assert "customer_share" not in effects.index.get_level_values(0)
    assert UNKNOWN not in effects.index.get_level_values(1)


def test_effects_need_a_cohort_to_compare_with() -> None:
    panel, _later = draw(6)
    profile = seg.cohort_profile(panel)
    with pytest.raises(seg.TableError, match="a cohort of the profile"):
        seg.cohort_effects(profile, against="the old")
    biggest = profile.loc[profile["customers"].idxmax(), "cohort"]
    assert set(seg.cohort_effects(profile)["against"]) == {biggest}


@simulated
def test_two_cohorts_drawn_alike_differ_at_the_nominal_rate(runs: int) -> None:
    """Effects in each measure, of cohorts of 150 and 250 customers with the same causes."""
    rng = np.random.default_rng(11)
    n = 400
    size = (runs, n)
    panel = pd.DataFrame(
        {
            "run": np.repeat(np.arange(runs), n),
            "customer_id": np.arange(runs * n).astype(str),
            "age": np.tile(np.where(np.arange(n) < 150, 25, 65), runs),
            "aum_average": np.round(rng.lognormal(8, 1, size), 2).ravel(),
            "debt": (rng.random(size) < 0.15).ravel() * 100.0,
            "products": rng.poisson(1.8, size).ravel().astype(float),
            "transactions": (rng.random(size) < 0.6).ravel().astype(int),
            "digital_share": (rng.random(size) < 0.5).ravel().astype(float),
        }
    )
    later = panel[["customer_id"]].assign(
        aum_average=np.round(panel["aum_average"] * rng.lognormal(0, 0.3, runs * n), 2)
    )[(rng.random(size) < 0.87).ravel()]
    profile = seg.cohort_profile(panel, by="run", later=later)
    effects = seg.cohort_effects(profile, against=YOUNG)
    assert len(effects) == runs * 8
    beyond = (effects["low"] > 0) | (effects["high"] < 0)
    for measure, rejected in beyond.groupby(effects["measure"]).sum().items():
        record(f"cohort effect: {measure}", "two cohorts drawn alike", runs, rejected=rejected)
        assert inside(rejected, runs), (measure, rejected / runs)


@pytest.fixture(scope="module")
def network() -> seg.Bank:
    return seg.simulate_bank(21, branches=4, customers=6_000, months=14)


def test_use_of_mobile_banking_by_age_is_that_which_was_drawn(network: seg.Bank) -> None:
    """Of the customers who moved money in the last month, by mobile or web: from 30 on it falls."""
    panel = seg.monthly_panel(network, network.months[-1], kind="personal")
    profile = seg.cohort_profile(panel, "ten_years").query("active >= 60")
    shares = profile["digital_share_of_active"]
    assert shares[profile["cohort_code"] >= 3].is_monotonic_decreasing
    truth = network.truth["customers"][["customer_id", "mobile"]]
    ages = to_pandas(panel).merge(truth, on="customer_id")
    ages = ages[ages["transactions"] > 0]
    uses = ages["mobile"].groupby(ages["age"] // 10).mean()
    uses = uses[uses.index.isin(profile["cohort_code"])]
    assert np.corrcoef(uses, shares)[0, 1] > 0.98
    effects = seg.cohort_effects(seg.cohort_profile(panel, "silver_60"), against=YOUNG)
    row = effects[effects["measure"] == "digital_share_of_active"].set_index("cohort").iloc[-1]
    assert row["high"] < -0.8  # large, by Cohen


def test_signups_for_mobile_banking_recover_the_curve_of_its_causes(network: seg.Bank) -> None:
    """The interval of each cohort's share holds the mean of the chances that were drawn from."""
    from segmentation.data.population import logistic
    from segmentation.data.rules import load_rules

    truth, end = network.truth["customers"], pd.Timestamp("2025-12-31")
    customers = to_pandas(network.customers).query("kind == 'personal'")
    customers = customers[customers["closed_on"].isna()].drop_duplicates("customer_id")
    curve = np.array(load_rules("network")["mobile"]["curve"])
    age = (end - customers["birth_date"]).dt.days / 365.25
    chance = np.interp(age, curve[:, 0], curve[:, 1])
    branch = network.truth["branches"].set_index("branch_id")["mobile"]
    odds = np.log(chance / (1 - chance)) + customers["branch_id"].map(branch).to_numpy()
    customers = customers.assign(chance=logistic(odds)).merge(
        truth[["customer_id", "mobile"]], on="customer_id"
    )
    customers = seg.assign_cohort(customers, "ten_years", as_of=end)
    shares = seg.conditional_shares(customers, "mobile", "cohort").query("mobile == 'true'")
    shares = shares.set_index("cohort")
    for cohort, mean in customers.groupby("cohort")["chance"].mean().items():
        count, n = shares.loc[cohort, ["n", "n_cohort"]]
        low, high = seg.wilson(count, n, 0.999)
        assert low <= mean <= high, (cohort, mean, low, high)


def test_berka_has_cohorts(real_data: Path) -> None:
    bank = seg.read_berka(real_data / "berka")
    ages = to_pandas(seg.assign_cohort(bank.customers, "silver_60", as_of="1998-12-31"))
    panel = to_pandas(seg.monthly_panel(bank, "1998-12"))
    profile = seg.cohort_profile(panel, "silver_60", as_of="1998-12-31")
    assert profile["customers"].sum() == len(panel)
    assert profile["customers"].tolist() == [
        int((ages["cohort_code"] == code).sum()) for code in range(3)
    ]
