"""Movement across thresholds beside pretended ones, and regression to the mean."""

import numpy as np
import pandas as pd
import pytest

import segmentation as seg
from segmentation.customers.tiers import Tier

N = 4000


def months(count=2, n=N, seed=0, lasting=0.1, swing=0.0):
    """Panels of months: log amounts that walk by `lasting` and swing by `swing`."""
    draws = np.random.default_rng(seed)
    level = draws.normal(np.log(50_000), 0.8, n)
    panels = []
    for _ in range(count):
        amount = np.round(np.exp(level + draws.normal(0, swing, n)), 2)
        panels.append(
            pd.DataFrame({"customer_id": np.arange(n).astype(str), "aum_average": amount})
        )
        level = level + draws.normal(0, lasting, n)
    return panels


def test_every_engine_counts_what_is_in_the_bands(to_engine):
    first, second, before = months(3, n=1500)
    second = second.iloc[:1400]
    first.loc[0, "aum_average"] = 0.0
    first.loc[1, "aum_average"] = np.nan
    first.loc[2:4, "aum_average"] = [50_000.0, 45_000.0, 49_999.99]
    moves = seg.threshold_movement(
        to_engine(first), to_engine(second), panel_before=to_engine(before)
    )
    assert moves.table["tier"].tolist() == [
        name for name in ("Active", "Quality", "Wealth", "Affluent", "Private") for _ in "ab"
    ]
    assert moves.table["side"].tolist() == ["below", "above"] * 5
    both = first.merge(second, on="customer_id", how="left", suffixes=("", "_to"))
    x, y = both["aum_average"], both["aum_average_to"]
    for row in moves.table.itertuples():
        t = row.threshold
        below = row.side == "below"
        inside = x.between(t * 0.9, t, "left") if below else x.between(t, t * 1.1, "left")
        crossed = (y >= t) if below else (y < t)
        assert row.customers == inside.sum()
        assert row.moved == (inside & crossed).sum()
        assert row.left == (inside & y.isna()).sum()
        kept = inside & (y > 0)
        if kept.sum():
            change = np.log(y[kept] / x[kept])
            assert row.log_change == pytest.approx(change.mean(), abs=1e-9)
            if kept.sum() > 1:
                half = 1.959964 * change.std() / np.sqrt(kept.sum())
                assert row.log_change_high - row.log_change == pytest.approx(half, rel=1e-6)
    known = (x > 0) & (y > 0)
    assert moves.regression.n == known.sum()
    assert moves.reversal.n == (known & (before["aum_average"] > 0)).sum()


def test_the_line_is_that_of_least_squares_with_robust_errors():
    from statsmodels.regression.linear_model import OLS

    first, second = months(2, lasting=0.3)
    second["aum_average"] *= np.where(first["aum_average"] > 60_000, 1.4, 1.0)
    line = seg.threshold_movement(first, second).regression
    x, y = np.log(first["aum_average"]), np.log(second["aum_average"].round(2))
    fit = OLS(y.to_numpy(), np.column_stack([np.ones(N), x])).fit(cov_type="HC1")
    assert line.slope == pytest.approx(fit.params[1], rel=1e-9)
    assert (line.low, line.high) == pytest.approx(tuple(fit.conf_int()[1]), rel=1e-6)
    assert line.correlation == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-9)
    assert (line.mean_x, line.mean_y, line.n) == pytest.approx((x.mean(), y.mean(), N))


def test_regression_to_the_mean_is_foretold_where_amounts_swing():
    first, second = months(2, n=40_000, lasting=0.0, swing=0.3)
    moves = seg.threshold_movement(first, second)
    seen = moves.table.query("tier == 'Wealth'")  # far above the mean: all of it falls back
    assert (seen["log_change"] < -0.05).all()
    assert (seen["log_change_low"] <= seen["log_change_expected"]).all()
    assert (seen["log_change_high"] >= seen["log_change_expected"]).all()
    assert moves.regression.slope == pytest.approx(0.64 / (0.64 + 0.09), abs=0.02)


def test_reversal_tells_swings_from_changes_that_last():
    before, first, second = months(3, n=20_000, lasting=0.0, swing=0.2)
    swings = seg.threshold_movement(first, second, panel_before=before).reversal
    assert swings.low < -0.5 < swings.high
    before, first, second = months(3, n=20_000, lasting=0.2)
    lasts = seg.threshold_movement(first, second, panel_before=before).reversal
    assert lasts.low < 0 < lasts.high
    assert lasts.high - lasts.low < 0.06


def test_a_threshold_that_nobody_minds_differs_from_none():
    outside = []
    for seed in range(4):
        first, second = months(2, n=8000, seed=seed)
        table = seg.threshold_movement(first, second).table.query("tier in ('Quality', 'Wealth')")
        assert (table["placebos"] == 2).all()
        outside += list((table["difference_low"] > 0) | (table["difference_high"] < 0))
    assert sum(outside) <= 4  # of 16 intervals of 95 %: more in 1 case of 1,000


def test_a_push_over_the_threshold_is_found():
    first, second = months(2, n=30_000)
    near = first["aum_average"].between(45_000, 50_000, "left")
    pushed = near & (np.arange(30_000) % 5 == 0)
    second.loc[pushed, "aum_average"] = second.loc[pushed, "aum_average"].clip(lower=50_000)
    table = seg.threshold_movement(first, second).table.set_index(["tier", "side"])
    row = table.loc[("Quality", "below")]
    assert row["difference_low"] > 0
    share = 0.2 * (1 - row["expected"])
    assert row["difference_low"] < share < row["difference_high"]
    assert table.loc[("Quality", "above"), "difference_low"] < 0.01


def test_pretended_thresholds_keep_clear_of_true_ones():
    rule = seg.TierRule(
        "close",
        "",
        "",
        "CNY",
        "",
        "",
        tuple(Tier(n, n, s) for n, s in (("a", 0), ("b", 10), ("c", 13.31))),
    )
    first, second = months(2, n=50)
    table = seg.threshold_movement(first, second, rule).table
    assert table["placebos"].max() == 0  # nobody is there
    assert table["expected"].isna().all()
    amounts = pd.DataFrame({"customer_id": list("abcd"), "aum_average": [7.2, 9.5, 13.2, 17.0]})
    table = seg.threshold_movement(amounts, amounts, rule).table.set_index(["tier", "side"])
    assert table.loc[("b", "below"), "placebos"] == 1  # 10·1.1³ is a threshold itself
    assert table.loc[("c", "below"), "placebos"] == 1


def test_households_and_other_amounts():
    first, second = (
        p.rename(columns={"customer_id": "household_id", "aum_average": "points"}) for p in months()
    )
    moves = seg.threshold_movement(first, second, on="points")
    assert moves.table["customers"].sum() > 0
    assert moves.reversal is None


def test_nobody_has_no_share():
    first, second = months(2, n=2)
    moves = seg.threshold_movement(first.iloc[:0], second)
    assert moves.table["customers"].sum() == 0
    assert moves.table[["share", "expected", "difference", "log_change"]].isna().all(axis=None)
    assert np.isnan(moves.regression.slope)


@pytest.mark.parametrize(
    ("change", "others", "message"),
    [
        (
            lambda f: f.rename(columns={"aum_average": "aum_averag"}),
            {},
            "column aum_average missing",
        ),
        (lambda f: f.drop(columns="customer_id"), {}, "column customer_id missing"),
        (lambda f: pd.concat([f, f.head(3)]), {}, r"each customer occurs once \(3 rows\)"),
        (lambda f: f, {"band": 0}, "between 0 and one half"),
        (lambda f: f, {"band": 0.5}, "between 0 and one half"),
        (lambda f: f, {"rule": "no such"}, "no such rule"),
    ],
)
def test_bad_arguments_are_refused(change, others, message):
    first, second = months(2, n=20)
    with pytest.raises(seg.TableError, match=message):
        seg.threshold_movement(first, change(second), **others)


def test_panels_of_two_engines_are_refused():
    import polars as pl

    first, second = months(2, n=20)
    with pytest.raises(seg.TableError, match="same kind"):
        seg.threshold_movement(first, pl.from_pandas(second))
