"""Retention: published flies, peers' packages, late entries, coverage, and what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import segmentation as seg
from segmentation.customers.incidences import follow, risk_of


@pytest.fixture(scope="module")
def flies() -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines.datasets import load_waltons

        return pd.DataFrame(load_waltons())


def drawn(seed: int, n: int = 300) -> pd.DataFrame:
    """Durations of two groups with three kinds of end, and censored ones."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["closed", "dormant", "moved", ""], n, p=[0.3, 0.2, 0.1, 0.4])
    return pd.DataFrame(
        {
            "months": rng.integers(1, 25, n).astype(float),
            "end": pd.Series(np.where(kind == "", None, kind), dtype="str"),
            "cohort": rng.choice(["a", "b"], n),
        }
    )


def test_published_flies(flies: pd.DataFrame) -> None:
    """lifelines' documentation: median 56, S(50) = .6168, log-rank χ² = 122.25."""
    whole = seg.retention(flies, None, "T", "E")
    table = whole.table
    assert table[table["time"] <= 50]["survival"].iloc[-1] == pytest.approx(0.6168, abs=5e-5)
    assert whole.medians[["customers", "events", "median"]].to_numpy().tolist() == [[163, 156, 56]]
    assert whole.cumulative_incidence is None
    parted = seg.retention(flies, None, "T", "E", "group")
    assert parted.log_rank.chi2 == pytest.approx(122.25, abs=5e-3)
    assert parted.log_rank.df == 1
    assert parted.log_rank.p < 1e-25
    assert parted.table.columns[0] == "group"


def test_as_statsmodels_and_lifelines_have_it(flies: pd.DataFrame) -> None:
    from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight, survdiff

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines import KaplanMeierFitter

        fitted = KaplanMeierFitter().fit(flies["T"], flies["E"])
    band = fitted.confidence_interval_.iloc[1:]
    mine = seg.retention(flies, None, "T", "E").table.set_index("time")
    theirs = SurvfuncRight(flies["T"], flies["E"])
    inside = mine[(mine["events"] > 0) & (mine["survival"] > 0)]
    expected = pd.Series(theirs.surv_prob, theirs.surv_times).loc[inside.index]
    assert inside["survival"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-12)
    low, high = band.loc[inside.index].to_numpy().T
    assert inside["low"].to_numpy() == pytest.approx(low, abs=1e-9)
    assert inside["high"].to_numpy() == pytest.approx(high, abs=1e-9)
    frame = drawn(3)
    several = seg.retention(frame, None, "months", "end", "cohort")
    event = frame["end"].notna()
    chi2, p = survdiff(frame["months"], event, frame["cohort"])
    assert several.log_rank[::2] == pytest.approx((chi2, p), abs=1e-9)
    whole = seg.retention(frame, None, "months", "end").cumulative_incidence
    assert whole is not None
    codes = frame["end"].map({"closed": 1, "dormant": 2, "moved": 3}).fillna(0).astype(int)
    theirs = CumIncidenceRight(frame["months"], codes)
    for place, kind in enumerate(("closed", "dormant", "moved")):
        own = whole[whole["event"] == kind].set_index("time")
        f = pd.Series(theirs.cinc[place], theirs.times).loc[own.index]
        se = pd.Series(theirs.cinc_se[place], theirs.times).loc[own.index]
        assert own["incidence"].to_numpy() == pytest.approx(f.to_numpy(), abs=1e-12)
        within = (se > 0) & (f > 0)
        power = np.exp(norm.ppf(0.975) * se / np.abs(f * np.log(f)))
        assert own["low"][within].to_numpy() == pytest.approx(f[within] ** power[within], abs=1e-9)


def test_every_engine_and_shares_that_add_up(to_engine: Callable[[Any], Any]) -> None:
    frame = drawn(5)
    found = seg.retention(to_engine(frame), None, "months", "end", "cohort")
    expected = seg.retention(frame, None, "months", "end", "cohort")
    pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-9)
    parts = found.cumulative_incidence
    assert parts is not None
    pd.testing.assert_frame_equal(parts, expected.cumulative_incidence, rtol=1e-9)
    total = parts.groupby(["cohort", "time"])["incidence"].sum()
    stay = found.table.set_index(["cohort", "time"])["survival"]
    assert (total + stay).to_numpy() == pytest.approx(1.0, abs=1e-12)
    assert found.table["events"].sum() == parts["events"].sum() == frame["end"].notna().sum()
    assert found.medians["customers"].sum() == len(frame)


def test_dates_are_counted_by_the_day_and_told_by_the_month(
    to_engine: Callable[[Any], Any],
) -> None:
    rng = np.random.default_rng(8)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 200), "D")
    end = start + pd.to_timedelta(rng.integers(0, 900, 200), "D")
    last = pd.Timestamp("2025-12-31")
    frame = pd.DataFrame({"start": start, "end": end.where(end <= last)})
    months = seg.retention(to_engine(frame), "start", "end", at="2025-12-31")
    days = (frame["end"].fillna(last) - frame["start"]).dt.days
    plain = pd.DataFrame({"days": days, "left": frame["end"].notna()})
    exact = seg.retention(plain, None, "days", "left").table
    assert months.table["time"].tolist()[:23] == list(range(1, 24))
    for row in months.table.itertuples():
        before = exact[exact["time"] <= row.time * 365.25 / 12 + 1e-9]
        assert row.survival == pytest.approx(before["survival"].iloc[-1])
        assert row.low == pytest.approx(before["low"].iloc[-1])
    assert months.table["events"].sum() == plain["left"].sum()
    assert months.table["n_at_risk"].iloc[0] == len(frame)
    assert months.unit == "months"
    by_day = seg.retention(to_engine(frame), "start", "end", at="2025-12-31", unit="days")
    assert by_day.table["survival"].tolist() == pytest.approx(exact["survival"].tolist())


def test_late_entries_by_hand() -> None:
    """Two seen from the start (leave at 1, 4), two from 2 on (one leaves at 3)."""
    frame = pd.DataFrame(
        {
            "joined": [0, 0, 0, 0],
            "left": [1, 4, 3, 5],
            "event": [True, True, True, False],
            "seen": [None, 0.0, 2.0, 2.0],
        }
    )
    table = seg.retention(frame, "joined", "left", "event", entry="seen").table
    assert table["time"].tolist() == [1, 3, 4, 5]
    assert table["n_at_risk"].tolist() == [2, 3, 2, 1]
    assert table["survival"].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 6, 1 / 6])
    # as if all had been seen from the start: those who would have left before are missed
    naive = seg.retention(frame, "joined", "left", "event").table
    assert naive["survival"].iloc[0] == 0.75


def test_late_entries_follow_statsmodels() -> None:
    from statsmodels.duration.survfunc import survdiff

    rng = np.random.default_rng(9)
    entry = rng.integers(0, 12, 400).astype(float)
    time = rng.geometric(0.05, 400).astype(float)
    kept = time > entry
    frame = pd.DataFrame(
        {"zero": 0.0, "entry": entry, "time": time, "event": rng.random(400) < 0.7}
    )
    frame["group"] = rng.choice(["a", "b"], 400)
    frame = frame[kept].reset_index(drop=True)
    mine = seg.retention(frame, "zero", "time", "event", "group", entry="entry")
    # statsmodels has nobody at risk on the day of entry, and no more does this
    chi2, _p = survdiff(
        frame["time"], frame["event"], frame["group"], entry=frame["entry"].to_numpy()
    )
    assert mine.log_rank.chi2 == pytest.approx(chi2, rel=1e-6)


def test_bands_hold_the_truth() -> None:
    """400 runs of 80 customers: survival of 0.9ᵗ, a third leave by moving, censored evenly."""
    rng = np.random.default_rng(10)
    missed = np.zeros((2, 400))
    for run in range(400):
        leave, lost = rng.geometric(0.1, 80), rng.integers(4, 30, 80)
        kind = np.where(leave <= lost, 1 + (rng.random(80) < 1 / 3), 0)
        time = np.minimum(leave, lost).astype(float)
        course = follow(risk_of(time, kind, np.ones(80), 2, None), 0.95)
        place = np.searchsorted(course.times, 8, "right") - 1
        stay = 0.9**8
        missed[0, run] = not course.low[place] <= stay <= course.high[place]
        gone = (1 - stay) / 3
        low, high = course.incidence_low[place, 1], course.incidence_high[place, 1]
        missed[1, run] = not low <= gone <= high
    assert ((missed.mean(axis=1) >= 0.02) & (missed.mean(axis=1) <= 0.0875)).all()


def test_groups_drawn_alike_differ_at_the_nominal_rate() -> None:
    rng = np.random.default_rng(12)
    rejected = 0
    from segmentation.customers.incidences import log_rank

    for _ in range(400):
        risks = []
        for n in (60, 90, 40):
            leave, lost = rng.geometric(0.1, n), rng.integers(4, 30, n)
            kind = (leave <= lost).astype(np.int64)
            time = np.minimum(leave, lost).astype(float)
            risks.append(risk_of(time, kind, np.ones(n), 1, None))
        test = log_rank(risks)
        assert test.df == 2
        rejected += test.p < 0.05
    assert 0.02 <= rejected / 400 <= 0.0875


def test_nobody_left_one_customer_and_all_left() -> None:
    stay = seg.retention(pd.DataFrame({"t": [3.0] * 50, "e": 0}), None, "t", "e")
    assert stay.table[["time", "survival", "high"]].to_numpy().tolist() == [[3.0, 1.0, 1.0]]
    assert stay.table["low"].iloc[0] == pytest.approx(seg.wilson(50, 50)[0])
    assert stay.medians["median"].isna().all()
    assert np.isnan(stay.log_rank.p)
    one = seg.retention(pd.DataFrame({"t": [3.0], "e": [1]}), None, "t", "e").table
    assert one["survival"].tolist() == [0.0]
    assert one["high"].iloc[0] > 0.7
    fall = seg.retention(pd.DataFrame({"t": [1.0, 2.0, 3.0], "e": True}), None, "t", "e").table
    assert fall["survival"].iloc[-1] == 0
    assert fall["low"].iloc[-1] == 0
    assert fall["high"].iloc[-1] == fall["high"].iloc[-2]
    alone = drawn(1).assign(cohort=["z"] + ["a"] * 299)
    parted = seg.retention(alone, None, "months", "end", "cohort")
    assert np.isfinite(parted.log_rank.chi2)


def test_hostile_text_and_unknown_groups_are_only_names() -> None:
    frame = drawn(2).assign(cohort=['"; DROP TABLE x; --'] * 100 + [None] * 200)
    kinds = ["closed", "dormant", "moved"]
    found = seg.retention(frame, None, "months", "end", "cohort", kinds=kinds)
    assert set(found.table["cohort"]) == {'"; DROP TABLE x; --', "unknown"}
    told = seg.retention(frame, None, "months", "end", kinds=[*kinds, "died"])
    assert told.cumulative_incidence is not None
    died = told.cumulative_incidence[told.cumulative_incidence["event"] == "died"]
    assert (died["incidence"] == 0).all()
    assert (died["high"] > 0).all()


def dated(**columns: Any) -> pd.DataFrame:
    base = {
        "start": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"]),
        "end": pd.to_datetime(["2024-06-01", None, "2024-09-09"]),
        "event": [1.0, None, 0.0],
    }
    return pd.DataFrame(base | columns)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"end": pd.Timestamp("2023-01-01"), "event": 1.0}, {}, "before its start"),
        ({"start": pd.NaT}, {}, "starts are filled"),
        ({}, {"at": "2024-08-31"}, "after `at`"),
        ({}, {"at": None}, "ends are filled"),
        ({}, {"at": "never"}, "at: it is a day"),
        ({"event": 1.0}, {}, "an event has an end"),
        ({"event": [0.0, None, 2.0]}, {}, "0 or 1"),
        ({"event": [None, None, 1.0]}, {}, "0 or 1"),
        ({"event": ["closed", None, "SECRET"]}, {"kinds": ["closed"]}, "kinds"),
        ({"start": [1.0, 2.0, 3.0]}, {}, "start"),
        ({"end": ["a", "b", "c"]}, {}, "start|end"),
        ({"seen": pd.Timestamp("2024-12-01")}, {"entry": "seen"}, "before its entry"),
        ({}, {"unit": "fortnights"}, "unit"),
        ({}, {"by": ("start", "start")}, "by"),
        ({}, {"by": "cohort"}, "cohort"),
    ],
)
def test_rows_that_cannot_be(
    columns: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    asked = {"at": "2024-12-31", **options}
    with pytest.raises(seg.TableError, match=message) as caught:
        seg.retention(dated(**columns), "start", "end", "event", **asked)
    assert "SECRET" not in str(caught.value)


def test_durations_that_cannot_be() -> None:
    for values in ([-1.0, 2.0], [np.nan, 1.0], [np.inf, 1.0]):
        with pytest.raises(seg.TableError, match="months"):
            seg.retention(pd.DataFrame({"months": values}), None, "months", None)
    empty = pd.DataFrame({"months": pd.Series([], dtype=float)})
    with pytest.raises(seg.TableError, match="rows"):
        seg.retention(empty, None, "months")
    with pytest.raises(seg.TableError, match="months"):
        seg.retention(pd.DataFrame({"month": [1.0]}), None, "months")
    with pytest.raises(ValueError, match="level"):
        seg.retention(pd.DataFrame({"months": [1.0]}), None, "months", level=2)
