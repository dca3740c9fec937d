"""Each of the 30 pitfalls has its test, and no function takes a trial that is none."""

import ast
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import segmentation as seg

PITFALLS = {
    1: "complete cases only, counted by arm",
    2: "centred sums",
    3: "one row a unit, one arm a unit",
    4: "sample ratio",
    5: "covariates of before the assignment",
    6: "slopes within arms",
    7: "relative effects over the absolute unadjusted mean",
    8: "one p-value",
    9: "ratios by the delta method",
    10: "the cluster is the unit of the assignment",
    11: "few clusters",
    12: "power of clusters",
    13: "unequal arms",
    14: "one cap for all",
    15: "shares by Newcombe",
    16: "ties",
    17: "one definition of QINI and AUTOC",
    18: "errors that know of estimated ranks",
    19: "scores that have not seen the outcome",
    20: "the best of many",
    21: "subgroups",
    22: "costs of those who would have come anyway",
    23: "returns without bounds",
    24: "what the holdout costs",
    25: "looking often",
    26: "several outcomes and arms",
    27: "overlap, and one trimming for estimate and error",
    28: "staggered roll-outs",
    29: "the effect on those contacted",
    30: "interference and other campaigns",
}


def named():
    """Numbers of pitfalls in the names of tests, by number: where they are."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_pitfall_"):
                numbers = re.match(r"test_pitfall_(\d\d(?:_and_\d\d)*)", node.name).group(1)
                for number in numbers.split("_and_"):
                    found.setdefault(int(number), []).append((path.name, node))
    return found


def test_each_pitfall_has_its_test():
    found = named()
    assert sorted(found) == sorted(PITFALLS) == list(range(1, 31))
    for number, tests in found.items():
        # One of them at least is in `make test`, not only in the long simulations.
        quick = [node for _, node in tests if "calibrate" not in decorators(node)]
        assert quick, PITFALLS[number]


def decorators(node):
    """Marks of the whole test; those of single parameters leave the others in `make test`."""
    return " ".join(
        ast.unparse(each) for each in node.decorator_list if "parametrize" not in ast.unparse(each)
    )


# ------------------------------------------------------- trials that are none, by each function


def trial(n=240):
    rng = np.random.default_rng(30)
    return pd.DataFrame(
        {
            "customer_id": [f"C{i:04d}" for i in range(n)],
            "arm": np.where(np.arange(n) % 2, "call", "none"),
            "y": rng.normal(10, 1, n),
            "x": rng.normal(size=n),
            "score": rng.normal(size=n),
            "other": rng.normal(size=n),
            "day": np.arange(n) // 60,
            "branch": [f"B{i % 24:02d}" for i in range(n)],
        }
    )


FUNCTIONS = {
    "effect": lambda f: seg.effect(f, "y", "arm", "none", covariates="x"),
    "effect by cluster": lambda f: seg.effect(f, "y", "arm", "none", cluster="branch"),
    "quantile_effect": lambda f: seg.quantile_effect(f, "y", "arm", "none", q=0.5),
    "monitor": lambda f: seg.monitor(f, "y", "arm", "none", "day"),
    "uplift_curve": lambda f: seg.uplift_curve(f, "score", "y", "arm", "none"),
    "uplift_curve by bins": lambda f: seg.uplift_curve(f, "score", "y", "arm", "none", bins=9),
    "compare_curves": lambda f: seg.compare_curves(f, ["score", "other"], "y", "arm", "none"),
    "observed_effect": lambda f: seg.observed_effect(f, "y", "arm", "none", ["x"]),
    "learn": lambda f: seg.learn(f, "y", "arm", "none", ["x"], "t", LinearRegression()),
    "check_campaign": lambda f: seg.check_campaign(f, "y", "arm", "none", covariates="x"),
}
ESTIMATING = [name for name in FUNCTIONS if name not in ("learn", "check_campaign")]
BROKEN = {
    "a unit has one row": lambda f: pd.concat([f, f.head(3)]),
    "a unit is in one arm": lambda f: pd.concat(
        [f, f.head(3).assign(arm=["call", "none", "call"])]
    ),
    "an arm beside control": lambda f: f.assign(arm="none"),
    "the control arm has rows": lambda f: f.assign(arm="call"),
    "every unit has an arm": lambda f: f.assign(arm=f["arm"].where(f.index > 2)),
    "the table has rows": lambda f: f.head(0),
}


@pytest.mark.parametrize("rule", BROKEN)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_pitfall_03_no_function_takes_a_trial_that_is_none(name, rule):
    data = BROKEN[rule](trial())
    if name == "check_campaign" and rule.startswith("a unit"):  # which is there to show it
        table = FUNCTIONS[name](data).set_index("check")
        shown = "duplicates" if rule == "a unit has one row" else "two arms"
        assert table.loc[shown, "verdict"] == "stop"
        return
    with pytest.raises(seg.TableError, match=rule) as error:
        FUNCTIONS[name](data)
    assert "C0" not in str(error.value)


@pytest.mark.parametrize("name", ESTIMATING)
def test_pitfall_01_rows_without_outcome_are_as_though_they_were_not_there(name):
    data = trial()
    half = data.assign(y=data["y"].where(data.index % 4 > 1))
    one, other = FUNCTIONS[name](half), FUNCTIONS[name](half[half["y"].notna()])
    if isinstance(one, pd.DataFrame):
        numbers = ["estimate", "se"]
        assert one[numbers].to_numpy() == pytest.approx(other[numbers].to_numpy(), nan_ok=True)
    else:
        assert (one.qini, one.qini_se) == pytest.approx((other.qini, other.qini_se))


def test_pitfall_01_learners_and_checks_count_who_has_no_outcome():
    data = trial()
    half = data.assign(y=data["y"].where(data.index % 4 > 1))
    learnt = FUNCTIONS["learn"](half).scores
    assert learnt["score"].notna().all()
    table = FUNCTIONS["check_campaign"](half)
    missing = table[table["check"] == "missing outcome"]
    assert missing["verdict"].ne("ok").any()


@pytest.mark.parametrize("level", [3.0, 1e8 + 0.1, 0.1])
@pytest.mark.parametrize("name", ESTIMATING)
def test_without_variance_no_p_value_is_made_of_rounding(name, level):
    found = FUNCTIONS[name](trial().assign(y=level))
    if isinstance(found, pd.DataFrame):
        assert found["estimate"].fillna(0).eq(0).all()
        p = found["p"] if "p" in found else pd.Series(dtype=float)
        assert (p.isna() | p.eq(1)).all()
        if "stop" in found:
            assert not found["stop"].any()
    else:
        assert found.qini == pytest.approx(0, abs=1e-9 * level)
        assert math.isnan(found.qini_p)
        assert math.isnan(found.ate_p)


@pytest.mark.parametrize("name", ["effect", "effect by cluster", "quantile_effect"])
def test_pitfall_07_losses_that_shrink_are_gains(name):
    data = trial()
    losses = data.assign(y=2.0 * (data["arm"] == "call") - data["y"])
    row = FUNCTIONS[name](losses).iloc[0]
    assert row["estimate"] > 0
    assert row["relative"] > 0
    assert 0 < row["relative_low"] < row["relative"] < row["relative_high"]


@pytest.mark.parametrize("question", ["effect", "uplift_curve"])
def test_pitfall_03_arms_with_decimals_are_refused(question, to_engine):
    """A cast to text would take arms 0.25 and 0.75 for one."""
    rows = pd.DataFrame({"arm": [0.0, 0.25, 0.75, 1.0] * 3, "y": range(12), "s": range(12)})
    more = ("s", "y") if question == "uplift_curve" else ("y",)
    with pytest.raises(seg.TableError, match=r"numbers are whole \(6 rows\)"):
        getattr(seg, question)(to_engine(rows), *more, "arm", 0)
