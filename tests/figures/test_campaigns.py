"""Charts of the campaigns room: what their sentences say, and what they refuse to show."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from segmentation.campaigns.clusters import permutation_distribution
from segmentation.campaigns.curves import uplift_curve
from segmentation.campaigns.designs import design_campaign
from segmentation.campaigns.effects import effect
from segmentation.campaigns.metrics import Metric
from segmentation.campaigns.payoffs import payoff
from segmentation.campaigns.reviews import check_campaign
from segmentation.data.bank import Bank
from segmentation.data.errors import TableError
from segmentation.figures.balances import draw_balance
from segmentation.figures.campaigns import draw_effects
from segmentation.figures.payoffs import draw_payoff
from segmentation.figures.permutations import draw_permutation
from segmentation.figures.powers import draw_power
from segmentation.figures.units import Unit, level_text, p_text, unit_of
from segmentation.figures.uplifts import _points, draw_uplift_curve

MONTH = dt.date(2025, 7, 1)
SIZES = (500, 1000, 2000, 4000)


def trial(n=4_000, seed=2, lift=0.06):
    """A trial whose effect is on those with a high score."""
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    arm = rng.permutation(np.arange(n) % 2)
    bought = rng.random(n) < 0.1 + lift * 2 * score * arm
    return pd.DataFrame(
        {
            "arm": np.where(arm, "treatment", "control"),
            "score": score,
            "level": np.where(score > 0.5, "high", "low"),
            "age": rng.normal(45, 12, n),
            "bought": bought.astype(float),
            "deposits": bought * rng.lognormal(9, 1, n),
            "branch_id": [f"B{i % 12:02d}" for i in range(n)],
        }
    )


def branches(seed=3):
    data = trial(seed=seed)
    return data.assign(arm=np.where(data["branch_id"].isin(["B00", "B05"]), "treatment", "control"))


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return trial()


@pytest.fixture(scope="module")
def curve(data):
    return uplift_curve(data, "score", "bought", "arm", "control")


@pytest.fixture
def bank() -> Bank:
    frame = pd.DataFrame({"branch_id": ["B1"]})
    return Bank(branches=frame, source="Simulated branch network, seed 7")


PAYOFF = payoff((0.02, 0.005), customers=12_000, margin=300, cost=2, fixed=5_000, holdout=2_000)
DESIGNS = [design_campaign(Metric.share(0.1), n=n, power=0.8) for n in SIZES]
ROW = {
    "arm": "treatment",
    "outcome": "deposits",
    "by": "all",
    "estimate": 0.02,
    "low": 0.01,
    "high": 0.03,
    "p": 0.001,
    "n_control": 900,
    "n_treated": 900,
    "method": "Newcombe",
}


def table(*changes):
    return pd.DataFrame([ROW | change for change in changes or ({},)])


def groups(**columns):
    """Six groups, of which one shows an effect."""
    frame = table(*({"by": name} for name in ("A", "B", "C", "D", "E", "F")))
    estimates = np.array([0.05, 0.01, 0.0, -0.01, 0.02, 0.01])
    frame["estimate"], frame["shrunken"] = estimates, estimates * 0.6
    for name, reach in (("low", -0.02), ("high", 0.02)):
        frame[name] = estimates + reach
        frame[f"shrunken_{name}"] = frame["shrunken"] + reach * 0.8
    frame["adjusted_p"] = [0.004, 1, 1, 1, 0.3, 1]
    frame["interaction_p"] = 0.01
    return frame.assign(**columns)


def all_pictures(bank, data, curve):
    both = effect(data, ["bought", "deposits"], "arm", "control", covariates=["age"])
    kinds = {"bought": "percent", "deposits": "money"}
    checks = check_campaign(data, "bought", "arm", "control", covariates=["age", "level", "score"])
    permuted = permutation_distribution(branches(), "deposits", "arm", "control", "branch_id")
    words = {"bought": "定期存款", "deposits": "存款额", "score": "评分", "level": "层级"}
    words |= {"high": "高", "low": "低", "deposits": "存款"}
    by = effect(data, "bought", "arm", "control", by="level")
    return {
        "effects": draw_effects(both, bank, MONTH, kinds, words),
        "one": draw_effects(both[both["outcome"] == "bought"], bank, MONTH, "percent", words),
        "groups": draw_effects(by, bank, MONTH, "percent", words),
        "tiers": draw_effects(groups(by=list("东西南北中外")), bank, MONTH, "percent", words),
        "balance": draw_balance(checks, bank, MONTH, words),
        "curve": draw_uplift_curve(curve, bank, MONTH, "percent", words),
        "toc": draw_uplift_curve(curve, bank, MONTH, "percent", words, "toc"),
        "payoff": draw_payoff(PAYOFF, bank, MONTH),
        "permutation": draw_permutation(*permuted, bank, MONTH, "money", "deposits", words),
        "power": draw_power(DESIGNS, bank=bank, month=MONTH),
    }


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_chart_is_drawn_in_both_languages(bank, data, curve, language, monkeypatch):
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", language)
    for name, picture in all_pictures(bank, data, curve).items():
        width, height = picture.size
        assert width == 720, name
        assert 200 < height < 1000, name
        assert len(picture.png) < 70_000, name
        assert "{" not in picture.alt, name
        assert "nan" not in picture.alt.lower(), name
        assert "inf" not in picture.alt.lower(), name
        if language == "zh_CN":
            words = "".join(c for c in picture.alt if c.isascii() and c.isalpha())
            assert words.replace("QINI", "").replace("p", "") == "", name
            assert picture.alt.endswith("。"), name


def test_an_effect_is_said_with_its_interval_and_which_way_it_goes():
    up = draw_effects(table(), kind="percent").alt
    assert up.startswith(
        "Treatment raises Deposits by 2.00 percentage points (95% interval 1.00 to 3.00)."
    )
    down = table({"estimate": -0.02, "low": -0.03, "high": -0.01})
    assert draw_effects(down, kind="percent").alt.startswith(
        "Treatment lowers Deposits by 2.00 percentage points (95% interval −3.00 to −1.00)."
    )
    none = table({"estimate": 0.02, "low": -0.01, "high": 0.05})
    assert draw_effects(none, kind="percent").alt.startswith(
        "No effect of Treatment on Deposits is established: 2.00 percentage points "
        "(95% interval −1.00 to 5.00)."
    )


def test_the_other_method_is_said_too(data):
    found = effect(data, "bought", "arm", "control", covariates=["age"])
    alt = draw_effects(found, kind="percent").alt
    other = found.iloc[1]
    assert f"Adjusted: {100 * other['estimate']:.2f} percentage points" in alt
    relative = found.iloc[0]["relative"]
    assert f"That is {100 * relative:.1f}% of the mean of control" in alt


def test_of_several_effects_the_clearest_is_told():
    several = table(
        {"outcome": "visits", "p": 0.5, "low": -0.01},
        {"outcome": "deposits", "p": 0.0001, "estimate": -0.02, "low": -0.03, "high": -0.01},
    )
    assert draw_effects(several).alt == (
        "1 of 2 effects are established. Treatment lowers Deposits by 0.0200 "
        "(95% interval −0.0300 to −0.0100)."
    )
    nothing = table({"outcome": "visits", "low": -1.0}, {"outcome": "sales", "low": -1.0})
    assert draw_effects(nothing).alt == "0 of 2 effects are established."


def test_a_limit_that_does_not_exist_is_said_and_drawn():
    open_ended = table({"low": -np.inf, "high": np.inf, "method": "Permutation, exact, 12"})
    picture = draw_effects(open_ended, kind="money")
    assert picture.alt == (
        "No effect of Treatment on Deposits is established: ¥0.0200 (95% interval −∞ to ∞)."
    )
    both = draw_effects(groups(high=np.inf), kind="percent")
    assert both.size[0] == 720


def test_groups_are_told_by_their_interaction():
    assert draw_effects(groups(), kind="percent").alt == (
        "The effect of Treatment on Deposits differs by group (p = 0.010): "
        "−0.60 percentage points in D, 3.00 percentage points in A. "
        "1 of 6 groups show an effect, allowing for their number."
    )
    alike = draw_effects(groups(interaction_p=0.4, adjusted_p=1.0), kind="percent").alt
    assert alike.startswith(
        "That the effect of Treatment on Deposits differs by group is not established (p = 0.40)."
    )
    raw = groups().drop(columns=["shrunken", "adjusted_p", "interaction_p"])
    assert draw_effects(raw).alt == "1 of 6 groups show an effect."


def test_groups_of_several_outcomes_or_arms_are_refused():
    for column in ("arm", "outcome"):
        two = pd.concat([groups(), groups(**{column: "other"})])
        with pytest.raises(TableError, match="one arm and one outcome"):
            draw_effects(two)


def test_a_small_group_is_neither_drawn_nor_said():
    small = groups(n_treated=[4, 900, 900, 900, 900, 900], interaction_p=0.01)
    alt = draw_effects(small, kind="percent").alt
    assert "3.00" not in alt  # the effect of A
    assert "in A" not in alt
    assert "of 4 groups" in alt  # another is hidden beside it
    assert draw_effects(table({"n_control": 9})).alt == "Too few customers to draw."


def test_groups_without_comparison_are_left_out():
    lacking = groups(estimate=[0.05, 0.01, 0.0, -0.01, 0.02, np.nan])
    assert "1 of 5 groups" in draw_effects(lacking).alt


def test_effects_refuse_what_they_cannot_draw():
    with pytest.raises(TableError, match="identifier"):
        draw_effects(table().assign(customer_id="x"))
    with pytest.raises(TableError, match="something to draw"):
        draw_effects(table().head(0))
    with pytest.raises(TableError, match="missing"):
        draw_effects(table().drop(columns="n_treated"))
    with pytest.raises(TableError, match="kind"):
        draw_effects(table(), kind="yuan")
    with pytest.raises(TableError, match="at most"):
        draw_effects(pd.concat([table()] * 600))


def test_hostile_names_are_drawn_as_they_are():
    bad = "$\\frac{<b>"
    assert bad in draw_effects(table({"arm": bad})).alt
    assert bad in draw_effects(table(), names={"treatment": bad}).alt
    assert bad in draw_balance(CHECKS.assign(column=[bad, "age", "debt"])).alt


CHECKS = pd.DataFrame(
    {
        "check": ["balance", "balance", "sample ratio"],
        "arm": ["treatment", "treatment", "all"],
        "column": ["debt", "age", None],
        "value": [-0.14, 0.02, 0.2],
        "limit": [0.1, 0.1, 10.8],
        "n": [900, 900, 900],
        "verdict": ["look", "ok", "stop"],
    }
)


def test_balance_says_what_differs_and_what_else_is_wrong():
    assert draw_balance(CHECKS).alt == (
        "1 of 2 covariates differ between the arms by more than 0.10 standard deviations. "
        "Furthest apart is Debt with −0.14 (Treatment). 1 of 3 checks need a look, and 1 stop."
    )
    fine = draw_balance(CHECKS.assign(value=0.05, verdict="ok")).alt
    assert fine.startswith("The arms are alike: none of 2 covariates differs by more than 0.10")
    assert fine.endswith("0 of 3 checks need a look, and 0 stop.")
    arms = pd.concat([CHECKS.assign(arm="letter"), CHECKS.assign(arm="call")])
    assert "1 of 2 covariates" in draw_balance(arms).alt


def test_balance_of_few_branches_is_drawn_and_of_few_customers_is_not():
    small = CHECKS.assign(n=8)
    assert draw_balance(small).alt == "Too few customers to draw."
    few = pd.DataFrame([{"check": "few clusters", "arm": "treatment", "verdict": "look", "n": 2}])
    assert "Furthest apart is Debt" in draw_balance(pd.concat([small, few])).alt


def test_balance_refuses_what_it_cannot_draw():
    with pytest.raises(TableError, match="standardised differences"):
        draw_balance(CHECKS[CHECKS["check"] == "sample ratio"])
    with pytest.raises(TableError, match="missing"):
        draw_balance(CHECKS.drop(columns="limit"))
    with pytest.raises(TableError, match="identifier"):
        draw_balance(CHECKS.assign(customer_id="x"))


def test_the_curve_says_whether_the_score_helps(curve, data):
    alt = draw_uplift_curve(curve, kind="percent").alt
    assert alt.startswith("Those whom Score ranks high gain more than as many drawn by lot: QINI ")
    assert f"QINI {100 * curve.qini:.2f}" in alt
    assert f"treating all {100 * curve.ate:.2f} percentage points." in alt
    assert "Treating the 30% ranked highest gains" in alt
    turned = uplift_curve(data.assign(score=-data["score"]), "score", "bought", "arm", "control")
    assert "gain less than as many drawn by lot" in draw_uplift_curve(turned).alt
    lots = data.assign(score=np.random.default_rng(1).random(len(data)))
    nothing = uplift_curve(lots, "score", "bought", "arm", "control")
    assert "is not established" in draw_uplift_curve(nothing).alt
    same = uplift_curve(data.assign(score=1.0), "score", "bought", "arm", "control")
    assert draw_uplift_curve(same).alt.startswith("Whether Score tells whom to treat cannot be")


def test_no_point_of_the_curve_has_fewer_customers_than_the_threshold(curve):
    kept = _points(curve.table)
    assert 20 < len(kept) <= 100
    assert kept["share"].iloc[-1] == pytest.approx(1)
    arms = curve.table[["n_control", "n_treated"]].cumsum()
    steps = np.diff(arms.loc[kept.index].to_numpy(), axis=0, prepend=0)
    assert steps.min() >= 10
    few = trial(n=120)
    short = _points(uplift_curve(few, "score", "bought", "arm", "control").table)
    assert 2 <= len(short) <= 6
    tiny = uplift_curve(few.head(16), "score", "age", "arm", "control")
    assert draw_uplift_curve(tiny).alt == "Too few customers to draw."


def test_the_curve_refuses_what_it_cannot_draw(curve):
    for wrong in ({"what": "lift"}, {"mark": 1.0}, {"mark": 0.0}, {"kind": "yuan"}):
        with pytest.raises(TableError, match=next(iter(wrong))):
            draw_uplift_curve(curve, **wrong)


def test_the_payoff_says_profit_return_and_what_the_holdout_cost():
    assert draw_payoff(PAYOFF).alt == (
        "The campaign paid: profit ¥35,000 (95% interval ¥5,601 to ¥64,399). "
        "It caused an income of ¥60,000 at a cost of ¥25,000, a return of 140.0% "
        "(95% interval 22.4% to 257.6%). It breaks even at an effect of 0.00833 per customer. "
        "The holdout cost ¥8,000 (95% interval ¥2,120 to ¥13,880)."
    )
    lost = draw_payoff(payoff((0.001, 0.001), customers=9_000, margin=100, cost=5)).alt
    assert lost.startswith("The campaign lost money: profit −¥44,100")
    unsure = draw_payoff(payoff((0.02, 0.01), customers=9_000, margin=100, cost=1)).alt
    assert unsure.startswith("That the campaign paid is not established")


def test_a_payoff_without_cost_or_without_limits_is_drawn():
    free = draw_payoff(payoff((0.02, 0.005), customers=9_000, margin=100, cost=0)).alt
    assert "The cost is not told from 0, so the return has no bounds." in free
    open_ended = table({"low": -np.inf, "high": np.inf}).iloc[0]
    drawn = draw_payoff(payoff(open_ended, customers=9_000, margin=100, cost=1)).alt
    assert "(95% interval −∞ to ∞)" in drawn
    few = payoff((0.02, 0.005), customers=9, margin=100, cost=1)
    assert draw_payoff(few).alt == "Too few customers to draw."


def test_incentives_are_a_step_of_the_waterfall(monkeypatch):
    found = payoff(
        *((0.02, 0.005), 12_000, 300, 2, 5_000),
        incentive=20,
        baseline=0.05,
        baseline_se=0.002,
    )
    texts = []
    from matplotlib.axes import Axes

    before = Axes.annotate
    monkeypatch.setattr(
        Axes,
        "annotate",
        lambda self, text, *a, **k: texts.append(text) or before(self, text, *a, **k),
    )
    draw_payoff(found)
    assert texts == ["¥72,000", "−¥24,000", "−¥16,800", "−¥5,000", "¥26,200"]


def test_the_permutation_counts_assignments_as_far_out():
    draws = [3.0, -3.0, 1.0, *np.linspace(-2, 2, 97)]
    alt = draw_permutation(3.0, draws).alt
    assert alt.startswith(
        "Chance alone gives a difference as large as the actual 3.00 in only 2 of 100 possible "
        "assignments (p = 0.020)."
    )
    undefined = draw_permutation(3.0, [*draws[:-4], *[np.nan] * 4]).alt
    assert "6 of 100 possible assignments (p = 0.060): no effect is established." in undefined
    assert "no difference, however large, is established" not in alt


def test_the_permutation_agrees_with_the_p_value_of_the_effect():
    data = branches()
    found = effect(data, "deposits", "arm", "control", cluster="branch_id").iloc[0]
    observed, draws = permutation_distribution(data, "deposits", "arm", "control", "branch_id")
    assert (
        f"of 66 possible assignments (p = {found['p']:.2f})"
        in draw_permutation(observed, draws).alt
    )


def test_too_few_assignments_are_said():
    alt = draw_permutation(7.0, [7.0, -1.0, -2.0]).alt
    assert "With 3 possible assignments no difference, however large, is established." in alt
    assert draw_permutation(0.0, [0.0, 0.0]).size[0] == 720


def test_permutations_refuse_what_they_cannot_draw():
    for draws in ([1.0], [], [1.0, np.inf], [[1.0, 2.0]]):
        with pytest.raises(TableError, match="two assignments"):
            draw_permutation(1.0, draws)
    with pytest.raises(TableError, match="two assignments"):
        draw_permutation(np.nan, [1.0, 2.0])


def test_power_says_the_smallest_effect_of_the_plan():
    alt = draw_power(DESIGNS).alt
    big, small = DESIGNS[-1], DESIGNS[0]
    assert alt == (
        f"With 4,000 customers an effect of {100 * big.effect:.2f} percentage points is found in "
        f"80% of campaigns. With 500 customers it must be {100 * small.effect:.2f} "
        "percentage points."
    )
    assert draw_power({"line": DESIGNS}, planned=DESIGNS[1]).alt.startswith("With 1,000 customers")
    money = [design_campaign(Metric.mean(500, 900), n=n, power=0.9) for n in SIZES]
    assert "an effect of ¥92.3 is found in 90%" in draw_power(money, kind="money").alt


def test_powers_refuse_what_they_cannot_draw():
    other = design_campaign(Metric.share(0.1), n=900, power=0.9)
    for wrong in (DESIGNS[:1], {}, {str(k): DESIGNS for k in range(5)}, [*DESIGNS, other]):
        with pytest.raises(TableError, match="designs"):
            draw_power(wrong)


def test_units_write_three_figures_and_no_limit_as_infinite():
    from segmentation.figures.sheets import Context

    unit = unit_of([0.00681, np.inf], "percent", Context())
    assert (unit.short(0.00681), unit.text(-0.00681)) == ("+0.681", "−0.681 percentage points")
    assert unit.interval(-np.inf, 0.01) == "−∞ to 1.000"
    assert unit.interval(np.nan, 0.01) == "–"
    assert Unit("money", 0, "CZK").text(-12_345.6) == "−CZK 12,346"
    assert Unit("money", 2).interval(-0.5, 12.25) == "−¥0.50 to ¥12.25"
    assert (unit.tick(0.01), unit.tick(0.0), unit.tick(0.1)) == ("+1", "0", "+10")
    assert (level_text(0.95), level_text(0.9)) == ("95%", "90%")
    assert [p_text(p) for p in (0, 0.0123, 0.5)] == ["p < 0.001", "p = 0.012", "p = 0.50"]
    assert unit_of([], "number", Context()).text(0.0) == "0.00"


def test_the_effect_at_which_it_breaks_even_is_written_as_what_it_is():
    assert "an effect of 0.833 percentage points per customer" in (
        draw_payoff(PAYOFF, kind="percent").alt
    )
