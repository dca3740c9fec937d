"""`effect` and `uplift_curve` say the same on each engine, by every method, from the same data."""

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest

from segmentation import Design, effect, uplift_curve

ARMS = ["call", "letter", "none"]
SAME = {"rtol": 1e-9, "atol": 1e-9}
N = 2400


def trial():
    """Three arms of branches with customers, in which every column but the ids has holes."""
    rng = np.random.default_rng(20)
    branch = rng.permutation(np.arange(N) % 36)
    arm = np.array(ARMS)[branch % 3]
    before = rng.lognormal(8, 1, size=N)
    score = np.round(np.log(before) + rng.normal(size=N), 2)  # with ties
    contacted = (arm != "none") & (rng.random(N) < 0.6)
    bought = rng.random(N) < 0.1 + 0.08 * contacted
    branches = rng.normal(size=36)[branch]
    frame = pd.DataFrame(
        {
            "customer_id": [f"C{i:05d}" for i in range(N)],
            "arm": arm,
            "branch": [f"支行 {i:02d}" for i in branch],
            "town": pd.Series(np.where(branch % 2, "east", "west"), dtype="str"),
            "before": before,
            "kind": pd.Series(rng.choice(["new", "old", "staff"], size=N), dtype="str"),
            "score": score,
            "aum": 0.8 * before + 200 * contacted + 100 * branches + rng.normal(0, 500, size=N),
            "bought": bought.astype(float),
            "spend": np.where(bought, rng.lognormal(5, 1.2, size=N), 0.0),
            "visits": 1.0 + rng.poisson(1.5, size=N),
            "contacted": contacted.astype(float),
        }
    )
    for place, name in enumerate(["before", "kind", "score", "aum", "bought", "spend", "visits"]):
        holes = rng.random(N) < 0.02 * (1 + place)
        frame[name] = frame[name].mask(holes)
    return frame


FRAME = trial()
SMALL = FRAME[FRAME["branch"].isin([f"支行 {i:02d}" for i in range(18)])].reset_index(drop=True)

EFFECTS = {
    "Welch": (["aum", "spend"], {}),
    "Newcombe": ("bought", {}),
    "Delta": ("spend", {"per": "visits"}),
    "Lin": (["aum", "bought"], {"covariates": ["before", "kind"]}),
    "Wald IV": ("aum", {"contacted": "contacted"}),
    "Cluster t": (["aum", "bought"], {"cluster": "branch", "covariates": "before"}),
    "groups": ("aum", {"by": "town", "covariates": "before"}),
    "cap": ("spend", {"cap": 0.98, "per": "visits"}),
}


def by_method(method, frame):
    outcome, options = EFFECTS[method]
    return effect(frame, outcome, "arm", "none", **options)


@cache
def here_by_method(method):
    """The table that pandas gives, once for all engines."""
    return by_method(method, FRAME)


@pytest.mark.parametrize("method", EFFECTS)
def test_effects(method, to_engine):
    here, there = here_by_method(method), by_method(method, to_engine(FRAME))
    pd.testing.assert_frame_equal(here, there, **SAME)
    assert set(here["arm"]) == {"call", "letter"}
    assert here["estimate"].notna().all()
    if method not in ("groups", "cap"):
        assert here["method"].str.startswith(method).any()


@pytest.mark.parametrize("planned", [False, True])
def test_effects_by_permutation(planned, to_engine):
    design = Design.from_arms(SMALL, "branch", "arm", "town") if planned else None
    found = [
        effect(
            frame,
            ["aum", "spend"],
            "arm",
            "none",
            covariates="before",
            cluster="branch",
            design=design,
        )
        for frame in (SMALL, to_engine(SMALL))
    ]
    pd.testing.assert_frame_equal(*found, **SAME)
    assert found[0]["method"].str.startswith("Permutation, exact").all()


CURVES = {
    "exact": {},
    "few scores": {"score": "coarse"},
    "bins": {"bins": 20},
    "share": {"share": 0.5, "treated": "call"},
    "cluster": {"cluster": "branch", "bins": 20},
}


@pytest.mark.parametrize(
    ("kind", "outcome"), [*((kind, "aum") for kind in CURVES), ("exact", "bought")]
)
def test_curves(kind, outcome, to_engine):
    frame = FRAME.assign(coarse=np.floor(FRAME["score"]))
    options = {"score": "score", "treated": "letter", **CURVES[kind]}
    found = [
        uplift_curve(rows, outcome=outcome, arm="arm", control="none", **options)
        for rows in (frame, to_engine(frame))
    ]
    here, there = (dataclasses.asdict(curve) for curve in found)
    pd.testing.assert_frame_equal(here.pop("table"), there.pop("table"), **SAME)
    assert here["qini_se"] > 0
    assert here["autoc_se"] > 0
    for name, value in here.items():
        if isinstance(value, float):
            assert there[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name
        else:
            assert there[name] == value, name
