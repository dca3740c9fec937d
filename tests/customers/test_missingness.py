"""The model of what is missing: closed forms, statsmodels on rows, size, power, separation."""

import numpy as np
import pandas as pd
import pytest

import segmentation as seg

DAY = "2025-12-31"


def bank(seed=0, n=900, chance=lambda frame: 0.3, wrap=lambda frame: frame):
    """Customers of three branches, of whom each lacks a phone with a chance of his own."""
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame({"customer_id": [f"{k:04}" for k in range(n)], "kind": "personal"})
    frame["branch_id"] = draws.choice(["B1", "B2", "B3"], n, p=[0.5, 0.3, 0.2])
    frame["birth_date"] = pd.Timestamp("2005-06-30") - pd.to_timedelta(
        draws.integers(0, 60 * 365, n), "D"
    )
    frame["opened_on"] = pd.Timestamp("2025-06-30") - pd.to_timedelta(
        draws.integers(0, 15 * 365, n), "D"
    )
    profiles = frame[["customer_id"]].assign(field="phone")
    profiles["filled"] = draws.random(n) >= chance(frame)
    return seg.Bank(customers=wrap(frame), profiles=wrap(profiles))


def two_branches(lacking):
    """Customers and those who lack the field, branch by branch."""
    rows = [(branch, k >= missing) for branch, (n, missing) in lacking.items() for k in range(n)]
    frame = pd.DataFrame(rows, columns=["branch_id", "filled"])
    frame["customer_id"] = [str(k) for k in range(len(frame))]
    customers = frame[["customer_id", "branch_id"]].assign(
        kind="personal", opened_on=pd.Timestamp("2020-01-01")
    )
    profiles = frame[["customer_id", "filled"]].assign(field="phone")
    return seg.Bank(customers=customers, profiles=profiles)


def model(tables, on=("branch_id",), **others):
    return seg.missingness_model(tables, "phone", on, DAY, **others)


def test_two_groups_have_the_closed_form():
    fit = model(two_branches({"B1": (120, 20), "B2": (80, 40)}))
    row = fit.table.set_index("level").loc["B2"]
    assert row["estimate"] == pytest.approx(np.log((40 / 40) / (20 / 100)))
    error = np.sqrt(1 / 20 + 1 / 100 + 1 / 40 + 1 / 40)
    assert row["high"] - row["estimate"] == pytest.approx(1.959964 * error, rel=1e-6)
    assert row["estimate"] - row["low"] == pytest.approx(1.959964 * error, rel=1e-6)
    expected = np.array([[36, 84], [24, 56]])
    observed = np.array([[20, 100], [40, 40]])
    assert fit.lr == pytest.approx(2 * (observed * np.log(observed / expected)).sum())
    assert (fit.df, fit.n, fit.missing) == (1, 200, 60)
    assert fit.terms["lr"].tolist() == pytest.approx([fit.lr])
    assert "Not missing completely at random" in fit.verdict
    assert "cannot be told" in fit.caution


def test_the_table_of_counts_gives_what_the_rows_give(to_engine):
    tables = bank(4, chance=lambda f: np.where(f["branch_id"] == "B2", 0.5, 0.3), wrap=to_engine)
    fit = seg.missingness_model(tables, "phone", as_of=DAY)
    assert fit.terms["term"].tolist() == ["branch_id", "age", "tenure"]
    rows = bank(4, chance=lambda f: np.where(f["branch_id"] == "B2", 0.5, 0.3))
    frame = rows.customers.merge(rows.profiles, on="customer_id")
    day = pd.Timestamp(DAY)
    years = {
        "age": (frame["birth_date"], [25, 35, 45, 55, 65]),
        "tenure": (frame["opened_on"], [1, 3, 5, 10]),
    }
    parts = [pd.get_dummies(frame["branch_id"], dtype=float)]
    for since, starts in years.values():
        past = (since.dt.month * 100 + since.dt.day) > day.month * 100 + day.day
        completed = day.year - since.dt.year - past
        bands = pd.cut(completed, [-1, *(start - 1 for start in starts), 200])
        parts.append(pd.get_dummies(bands, dtype=float))
    from scipy.stats import chi2
    from statsmodels.discrete.discrete_model import Logit

    dummies = [part.drop(columns=part.sum().idxmax()) for part in parts]
    design = np.column_stack([np.ones(len(frame)), *dummies])
    logit = Logit(1.0 - frame["filled"].to_numpy(float), design).fit(disp=False)
    assert fit.lr == pytest.approx(logit.llr, rel=1e-8)
    assert fit.df == logit.df_model
    assert fit.p == pytest.approx(chi2.sf(logit.llr, logit.df_model))
    estimates = fit.table.query("estimate != 0").set_index("level")["estimate"]
    assert estimates["B2"] == pytest.approx(
        logit.params[list(dummies[0]).index("B2") + 1], rel=1e-6
    )
    assert sorted(estimates) == pytest.approx(sorted(logit.params[1:]), rel=1e-6)


def test_size_under_missing_completely_at_random():
    ps = np.array([seg.missingness_model(bank(k, 400), "phone", as_of=DAY).p for k in range(40)])
    assert (ps < 0.5).mean() == pytest.approx(0.5, abs=0.26)
    assert (ps < 0.05).mean() <= 0.175  # the 99.9 % limit of 40 draws


@pytest.mark.calibrate
def test_size_of_many_draws():
    ps = np.array([seg.missingness_model(bank(k), "phone", as_of=DAY).p for k in range(3000)])
    for size in (0.01, 0.05, 0.2):
        assert (ps < size).mean() == pytest.approx(size, abs=4 * np.sqrt(size * (1 - size) / 3000))


def test_what_was_planted_is_found():
    def chance(frame):
        age = 2025 - frame["birth_date"].dt.year
        odds = -1 + 1.2 * (frame["branch_id"] == "B3") + 1.0 * (age < 35)
        return 1 / (1 + np.exp(-odds))

    fit = seg.missingness_model(bank(8, 4000, chance), "phone", as_of=DAY)
    assert fit.p < 1e-10
    terms = fit.terms.set_index("term")["p"]
    assert (terms[["branch_id", "age"]] < 1e-10).all()
    assert terms["tenure"] > 0.001
    row = fit.table.set_index("level").loc["B3"]
    assert row["low"] < 1.2 < row["high"]
    assert row["estimate"] == pytest.approx(1.2, abs=0.35)


def test_a_level_where_all_or_none_lack_it_has_no_finite_estimate():
    fit = model(two_branches({"B1": (100, 30), "B2": (60, 0), "B3": (50, 50), "B4": (90, 30)}))
    rows = fit.table.set_index("level")
    assert rows["separated"].to_dict() == {"B1": False, "B2": True, "B3": True, "B4": False}
    assert rows.loc["B2", "estimate"] == -np.inf
    assert rows.loc["B3", "estimate"] == np.inf
    assert rows.loc[["B2", "B3"], ["low", "high"]].isna().all(axis=None)
    counts = np.array([[30, 70], [0, 60], [50, 0], [30, 60]], float)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = counts * np.log(counts / expected)
    assert fit.lr == pytest.approx(2 * np.nansum(terms))
    assert fit.df == 3
    assert fit.p < 1e-10


def test_only_separated_levels_still_have_a_test():
    fit = model(two_branches({"B1": (100, 0), "B2": (60, 60)}))
    assert fit.lr == pytest.approx(2 * (100 * np.log(160 / 100) + 60 * np.log(160 / 60)))
    assert fit.table["separated"].all()


def test_levels_too_small_for_the_test_are_pooled():
    groups = {"B1": (300, 90), "B2": (300, 60), "B3": (9, 9), "B4": (12, 0)}
    fit = model(two_branches(groups))
    assert fit.table["level"].tolist() == ["B1", "B2", "other"]
    assert fit.table["customers"].tolist() == [300, 300, 21]
    assert model(two_branches({**groups, "B4": (2, 0)})).df == 1


def test_a_manager_of_one_branch_adds_nothing_to_it():
    tables = bank(2)
    customers = tables.customers.assign(manager_id=tables.customers["branch_id"])
    both = seg.Bank(customers=customers, profiles=tables.profiles)
    fit = model(both, ("branch_id", "manager_id"))
    assert fit.df == 2
    assert fit.terms["df"].tolist() == [0, 0]
    assert fit.terms["p"].isna().all()
    assert fit.table.query("term == 'manager_id'")["estimate"].isna().sum() == 2
    assert fit.lr == pytest.approx(model(both, ("branch_id",)).lr)


def test_tiers_are_a_term_where_there_are_balances():
    tables = bank(5, chance=lambda f: np.where(f["customer_id"] < "0450", 0.6, 0.2))
    balances = tables.customers[["customer_id"]].assign(
        month=pd.Timestamp("2025-12-01"),
        product="demand",
        average=lambda f: np.where(f["customer_id"] < "0450", 80_000.0, 900.0),
    )
    rich = seg.Bank(customers=tables.customers, profiles=tables.profiles, balances=balances)
    fit = seg.missingness_model(rich, "phone")
    assert str(fit.as_of) == DAY
    assert fit.terms.set_index("term").loc["tier", "p"] < 1e-10
    assert set(fit.table.query("term == 'tier'")["level"]) == {"Basic", "Quality"}


def test_a_column_of_customers_stands_in_and_is_not_its_own_cause():
    tables = bank(3)
    customers = tables.customers.copy()
    customers.loc[customers.index[:200], "birth_date"] = pd.NaT
    fit = seg.missingness_model(seg.Bank(customers=customers), "birth_date", as_of=DAY)
    assert fit.terms["term"].tolist() == ["branch_id", "tenure"]
    assert fit.missing == 200


@pytest.mark.parametrize("missing", [0, 50])
def test_none_or_all_missing_cannot_be_explained(missing):
    with pytest.raises(seg.TableError, match="some customers have the field and some lack it"):
        model(two_branches({"B1": (50, missing), "B2": (50, missing)}))


def test_one_group_or_a_few_cases_cannot_be_compared():
    for groups in ({"B1": (50, 10)}, {"B1": (50, 1), "B2": (50, 1)}, {"B1": (2, 1)}):
        with pytest.raises(seg.TableError, match="customers differ in some term"):
            model(two_branches(groups))


@pytest.mark.parametrize(
    ("field", "on", "message"),
    [
        ("phon", None, "column phon missing"),
        ("phone", ["brnch_id"], "column brnch_id missing"),
        ("phone", ["tier"], "balances: table missing"),
        ("phone", [], "there is a term"),
    ],
)
def test_bad_arguments_are_refused(field, on, message):
    with pytest.raises(seg.TableError, match=message):
        seg.missingness_model(bank(1, 60), field, on, DAY)


def test_terms_that_separate_only_together_are_found_out():
    """Branch and gender together leave cells of none and of all, each level has some of both."""
    cells = {
        ("B1", "f"): (50, 0),
        ("B1", "m"): (40, 20),
        ("B2", "f"): (40, 20),
        ("B2", "m"): (45, 45),
    }
    rows = [(*cell, k >= m) for cell, (n, m) in cells.items() for k in range(n)]
    frame = pd.DataFrame(rows, columns=["branch_id", "gender", "filled"])
    frame["customer_id"] = [str(k) for k in range(len(frame))]
    customers = frame.drop(columns="filled").assign(
        kind="personal", opened_on=pd.Timestamp("2020-01-01")
    )
    profiles = frame[["customer_id", "filled"]].assign(field="phone")
    fit = model(seg.Bank(customers=customers, profiles=profiles), ("branch_id", "gender"))
    alone = 85 * np.log(85 / 175) + 90 * np.log(90 / 175)
    assert fit.lr == pytest.approx(2 * (80 * np.log(0.5) - alone), abs=1e-6)
    assert fit.table.groupby("term")["separated"].sum().to_dict() == {"branch_id": 1, "gender": 1}
    assert fit.table.query("separated")[["low", "high"]].isna().all(axis=None)
