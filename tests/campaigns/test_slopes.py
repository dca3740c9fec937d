"""Lin's estimator and its errors, against statsmodels on the full interacted regression."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import segmentation as seg
from segmentation.campaigns.slopes import fit


def trial(rng, n=300, share=0.5, level=0.0):
    frame = pd.DataFrame(
        {
            "arm": np.where(rng.random(n) < share, "letter", "none"),
            "x": rng.normal(level, 1, n),
            "z": rng.gamma(2, 3, n),
            "sex": rng.choice(["f", "m", "x"], n),
        }
    )
    treated = frame["arm"] == "letter"
    noise = rng.normal(size=n) * (1 + treated) * np.abs(frame["x"] - level + 0.5)
    frame["y"] = 3 + (frame["x"] - level) * (1 + 2 * treated) + 0.2 * frame["z"] + noise + treated
    frame["w"] = frame["y"] ** 2 - frame["z"]
    return frame


def regression(frame, outcome, covariates):
    """Estimate and HC2 error of the interacted regression, centred at the mean of both arms."""
    x = pd.get_dummies(frame[covariates], drop_first=True).astype(float)
    x = (x - x.mean()) / x.std()
    treated = (frame["arm"] == "letter").astype(float)
    design = pd.concat([treated, x, x.mul(treated, axis=0).add_suffix(" treated")], axis=1)
    found = sm.OLS(frame[outcome], sm.add_constant(design)).fit(cov_type="HC2")
    return found.params["arm"], found.bse["arm"]


@pytest.mark.parametrize("covariates", [["x"], ["x", "z"], ["x", "z", "sex"]])
@pytest.mark.parametrize("level", [0.0, 1e6])
def test_estimate_and_errors_are_those_of_the_interacted_regression(covariates, level):
    frame = trial(np.random.default_rng(3), level=level)
    table = seg.effect(frame, ["y", "w"], "arm", "none", covariates=covariates)
    for outcome in ("y", "w"):
        row = table[(table["outcome"] == outcome) & (table["method"] == "Lin")].iloc[0]
        assert (row["estimate"], row["se"]) == pytest.approx(
            regression(frame, outcome, covariates), rel=1e-9
        )


def test_arms_are_compared_at_the_mean_of_the_two_that_are_compared():
    frame = trial(np.random.default_rng(4))
    third = trial(np.random.default_rng(5)).assign(arm="call")
    third["x"] += 5
    both = pd.concat([frame, third])
    table = seg.effect(both, "y", "arm", "none", covariates="x").set_index(["arm", "method"])
    assert table.loc[("letter", "Lin"), ["estimate", "se"]].tolist() == pytest.approx(
        regression(frame, "y", ["x"]), rel=1e-9
    )


def test_groups_have_their_own_lines():
    rng = np.random.default_rng(6)
    frame = trial(rng, 4000).assign(place=rng.choice([f"b{k:03}" for k in range(80)], 4000))
    table = seg.effect(frame, "y", "arm", "none", covariates=["x", "sex"], by="place")
    lin = table[table["method"].str.startswith("Lin")].set_index("by")
    assert len(lin) == 80
    for place in ("b000", "b041", "b079"):
        own = frame[frame["place"] == place]
        alone = seg.effect(own, "y", "arm", "none", covariates=["x", "sex"]).iloc[1]
        for name in ("estimate", "se", "p", "relative_high"):
            assert lin.loc[place, name] == pytest.approx(alone[name], rel=1e-9)


def test_a_row_fitted_exactly_by_its_own_flag_breaks_nothing():
    frame = trial(np.random.default_rng(7), 60)
    frame["rare"] = 0.0
    frame.loc[[frame.index[frame["arm"] == "letter"][0]], "rare"] = 1.0
    row = seg.effect(frame, "y", "arm", "none", covariates=["x", "rare"]).iloc[1]
    assert row["method"] == "Lin, redundant covariates left out"  # constant in control
    without = frame[frame["rare"] == 0]
    near = seg.effect(without, "y", "arm", "none", covariates=["x"]).iloc[1]
    assert near["se"] * 0.9 < row["se"] < near["se"] * 1.5
    by = seg.effect(frame.assign(g="all of them"), "y", "arm", "none", ["x", "rare"], by="g")
    assert by.loc[1, ["estimate", "se"]].tolist() == pytest.approx(
        row[["estimate", "se"]].tolist(), rel=1e-9
    )


def test_collinear_and_constant_covariates_change_nothing():
    frame = trial(np.random.default_rng(8))
    frame["twice"], frame["one"] = 2 * frame["x"] - 1, 1.0
    plain = seg.effect(frame, "y", "arm", "none", covariates="x").iloc[1]
    table = seg.effect(frame, "y", "arm", "none", covariates=["x", "twice", "one"])
    row = table.iloc[1]
    assert row["method"] == "Lin, redundant covariates left out"
    for name in ("estimate", "se", "p"):
        assert row[name] == pytest.approx(plain[name], rel=1e-9)
    alone = seg.effect(frame, "y", "arm", "none", covariates="one")
    assert alone.loc[1, ["estimate", "se"]].tolist() == pytest.approx(
        alone.loc[0, ["estimate", "se"]].tolist(), rel=1e-9
    )


def test_more_covariates_than_customers_give_no_estimate():
    rng = np.random.default_rng(9)
    names = [f"x{k}" for k in range(12)]
    frame = pd.DataFrame(rng.normal(size=(20, 12)), columns=names)
    frame = frame.assign(arm=["a", "b"] * 10, y=rng.normal(size=20))
    row = seg.effect(frame, "y", "arm", "a", covariates=names).iloc[1]
    assert row["method"] == "Lin, too few customers"
    assert np.isnan(row["estimate"])
    assert (row["n_control"], row["n_treated"]) == (10, 10)


def test_pitfall_06_lin_does_not_lose_in_uneven_arms_with_slopes_that_differ():
    gains, pooled = [], []
    for seed in range(20):
        frame = trial(np.random.default_rng(seed), 1000, share=0.8)
        plain, lin = seg.effect(frame, "y", "arm", "none", covariates="x")["se"]
        gains.append(lin / plain)
        found = seg.moments(frame, ["y", "x"], by="arm")
        total = found.pool().covariances[0]
        theta = total[0, 1] / total[1, 1]
        variance = found.covariances[:, 0, 0] - 2 * theta * found.covariances[:, 0, 1]
        variance = variance + theta**2 * found.covariances[:, 1, 1]
        pooled.append(np.sqrt((variance / found.n).sum()) / plain)
    assert max(gains) < 1
    assert np.mean(gains) < np.mean(pooled)


def test_covariates_that_are_missing_drop_nobody():
    rng = np.random.default_rng(10)
    frame = trial(rng, 500)
    gaps = frame.assign(x=frame["x"].where(rng.random(500) < 0.8), z=frame["z"])
    gaps.loc[gaps.index[:40], "sex"] = None
    table = seg.effect(gaps, "y", "arm", "none", covariates=["x", "z", "sex"])
    row = table.iloc[1]
    assert row["method"] == "Lin, missing covariates by indicator"
    assert row["n_control"] + row["n_treated"] == 500
    filled = gaps.assign(
        x=gaps["x"].fillna(7.0),
        unknown=gaps["x"].isna().astype(float),
        sex=gaps["sex"].fillna("?"),
    )
    assert (row["estimate"], row["se"]) == pytest.approx(
        regression(filled, "y", ["x", "z", "sex", "unknown"]), rel=1e-9
    )


def test_a_fit_is_that_of_least_squares():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(50, 3)) * [1, 1e4, 1e-4]
    y = x @ [[1.0], [1e-4], [1e4]] + rng.normal(size=(50, 1))
    both = np.hstack([y, x])
    line = fit(50, both.mean(axis=0), 49 * np.cov(both.T), 1)
    found = sm.OLS(y, sm.add_constant(x)).fit()
    assert line.slopes[0] == pytest.approx(found.params[1:], rel=1e-8)
    assert line.residuals[0, 0] == pytest.approx(found.mse_resid, rel=1e-9)
    leverage = 1 / 50 + ((x - line.centre) @ line.whiten) ** 2 @ np.ones(3)
    assert leverage == pytest.approx(found.get_influence().hat_matrix_diag, rel=1e-8)
