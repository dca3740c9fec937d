"""What the functions of this room find in simulated and real banks whose causes are known."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import segmentation as seg


@pytest.fixture(scope="module")
def network():
    return seg.simulate_bank(20, customers=12_000)


@pytest.fixture(scope="module")
def quarters(network):
    """Panels of the ends of four quarters, tiered."""
    months = network.months[-10::3]
    return [seg.assign_tier(seg.monthly_panel(network, m), network.tier_rule) for m in months]


def test_the_mechanism_of_what_is_missing_is_recovered(network):
    truth = network.truth["fields"].set_index("field")
    for field in ("phone", "marital_status"):
        assert truth.loc[field, "mechanism"] == "MCAR"
        fit = seg.missingness_model(network, field)
        assert fit.p > 1e-4, field
    for field in ("occupation", "employer", "education"):
        assert truth.loc[field, "mechanism"] == "MAR"
        fit = seg.missingness_model(network, field)
        assert fit.p < 1e-6, field
        terms = fit.terms.set_index("term")["p"]
        assert terms["branch_id"] < 1e-4
        assert terms["age"] < 1e-4
        ages = fit.table.query("term == 'age'")["estimate"].to_numpy()
        falls = truth.loc[field, "age"] > 0  # the table is of missing, the truth of filled
        assert (ages[-1] < ages[0]) == falls


def test_branches_that_collect_well_are_those_of_the_truth(network):
    fit = seg.missingness_model(network, "occupation")
    found = fit.table.query("term == 'branch_id'").set_index("level")["estimate"]
    truth = network.truth["branches"].set_index("branch_id")["profiles"]
    assert np.corrcoef(found, truth[found.index])[0, 1] < -0.7


def test_missing_not_at_random_looks_like_missing_at_random(network):
    assert network.truth["fields"].set_index("field").loc["income", "mechanism"] == "MNAR"
    fit = seg.missingness_model(network, "income")
    assert "depends on what is recorded" in fit.verdict
    assert "cannot be told" in fit.caution


def test_parts_of_completeness_are_those_that_were_drawn(network):
    parts = seg.completeness_parts(network).set_index(["field", "part"])
    truth = network.truth["fields"].set_index("field")
    for field in ("phone", "occupation"):
        rows = parts.loc[field]["count"]
        invalid = 1 - rows["valid"] / rows["filled"]
        stale = 1 - rows["fresh"] / rows["filled"]
        n = rows["filled"]
        for seen, planted in ((invalid, "invalid"), (stale, "stale")):
            drawn = truth.loc[field, planted]
            assert seen == pytest.approx(drawn, abs=4 * np.sqrt(drawn / n) + 0.02)
    complete = seg.completeness(network).set_index("field")
    assert complete.loc["all_nine", "complete"] <= complete["complete"].min()


def test_tiers_are_as_sticky_as_they_are_said_to_be(quarters):
    moves = [seg.migration(a, b) for a, b in pairwise(quarters)]
    counts = sum(
        m.counts.drop(index="entered").reindex(columns=quarters_columns(moves)) for m in moves
    )
    shares = counts.div(counts.sum(axis=1), axis=0)
    for tier in counts.index[counts.sum(axis=1) >= 100]:
        assert 0.75 <= shares.loc[tier, tier] <= 0.98
    up = sum(m.table.query("move == 'rose'")["customers"].sum() for m in moves)
    down = sum(m.table.query("move == 'fell'")["customers"].sum() for m in moves)
    assert 0.5 < up / down < 2


def quarters_columns(moves):
    return moves[0].counts.columns


def test_every_yuan_of_the_panels_is_in_the_moves(network, quarters):
    moves = seg.migration(quarters[0], quarters[1], "aum_average")
    for panel, matrix in ((quarters[0], moves.before), (quarters[1], moves.after)):
        assert matrix.to_numpy().sum() == pytest.approx(panel["aum_average"].sum(), rel=1e-12)
    change = quarters[1]["aum_average"].sum() - quarters[0]["aum_average"].sum()
    assert moves.parts["change"].sum() == pytest.approx(change, rel=1e-9)
    assert moves.table["customers"].sum() == len(
        set(quarters[0]["customer_id"]) | set(quarters[1]["customer_id"])
    )


def test_a_projected_quarter_holds_the_one_that_came(quarters):
    moves = seg.migration(quarters[0], quarters[1])
    start = quarters[1]["tier"].value_counts()
    observed = moves.counts.sum(axis=1).reindex(moves.transition.index, fill_value=0)
    table = seg.project(moves.transition, start, 1, observed=observed, level=0.999)
    ahead = table.query("period == 1").set_index("state")
    later = seg.migration(quarters[1], quarters[2]).counts.drop(index="entered").sum()
    big = ahead.index[ahead["customers"] > 100].drop("left")
    assert (later[big] >= ahead.loc[big, "low"] * 0.97).all()
    assert (later[big] <= ahead.loc[big, "high"] * 1.03).all()


def test_month_ends_stand_above_the_average_where_branches_press(network):
    lifts = seg.month_end_lift(network)
    assert len(lifts) == 12 * len(network.months)
    assert 0.01 < lifts["lift"].median() < 0.04
    assert 0 < lifts["flagged"].mean() < 0.5


@pytest.mark.data
def test_berka_has_no_profiles_and_no_averages(real_data):
    bank = seg.read_berka(real_data / "berka")
    table = seg.completeness(bank)
    assert table["field"].tolist() == ["gender", "birth_date"]
    assert (table["share"] == 1).all()
    assert set(table["customers"]) == {len(pd.DataFrame(bank.customers.df()))}
    with pytest.raises(seg.TableError, match="some customers have the field and some lack it"):
        seg.missingness_model(bank, "gender")
    with pytest.raises(seg.TableError, match=r"balances.average: the lift needs both"):
        seg.month_end_lift(bank)
    months = bank.months
    panels = [seg.assign_tier(seg.monthly_panel(bank, m), bank.tier_rule) for m in months[-4::3]]
    moves = seg.migration(*panels, "aum_average")
    assert moves.counts.to_numpy().sum() == len(bank.customers)
    assert moves.parts["change"].sum() == pytest.approx(
        moves.after.to_numpy().sum() - moves.before.to_numpy().sum(), rel=1e-9
    )
