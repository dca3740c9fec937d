"""Gaps: statsmodels' published numbers, regressions on rows, closed forms, chance, causes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.oaxaca import OaxacaBlinder

import segmentation as seg
from tests.campaigns.generators import inside, record, simulated

CARD = ["AGE", "INCOME", "INCOMESQ"]


@pytest.fixture(scope="module")
def ccard() -> pd.DataFrame:
    frame: pd.DataFrame = sm.datasets.ccard.load_pandas().data
    return frame


def test_expenditure_of_owners_and_tenants(ccard: pd.DataFrame) -> None:
    """statsmodels' ccard (Greene), checked by its authors against Stata's oaxaca."""
    gap = seg.gap_decomposition(ccard, "AVGEXP", "OWNRENT", CARD)
    assert gap.unexplained == pytest.approx(27.94091, abs=5e-6)
    assert gap.explained == pytest.approx(130.80954, abs=5e-6)
    assert gap.gap == pytest.approx(158.75044, abs=5e-6)
    assert (gap.base, gap.other, gap.n_base, gap.n_other, gap.dropped) == (0, 1, 45, 27, 0)
    assert gap.details["estimate"].sum() == pytest.approx(gap.explained)


def test_the_default_of_statsmodels_is_a_trap(ccard: pd.DataFrame) -> None:
    """`hasconst=True` is its default and, without a constant, silently gives other numbers."""
    exog = ccard[["OWNRENT", *CARD]]
    trapped = OaxacaBlinder(ccard["AVGEXP"], exog, "OWNRENT").two_fold().params
    assert trapped[:2] == pytest.approx((63.297, 93.249), abs=5e-4)
    with pytest.raises(seg.TableError, match=r"data\.const: a covariate differs between rows"):
        seg.gap_decomposition(ccard.assign(const=1.0), "AVGEXP", "OWNRENT", [*CARD, "const"])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("pooled", "pooled"), ("neumark", "nuemark"), ("cotton", "cotton"), ("reimers", "reimers")],
)
def test_every_reference_is_that_of_statsmodels(
    ccard: pd.DataFrame, ours: str, theirs: str
) -> None:
    """Without its `swap`, which exchanges the groups but not the sizes that `cotton` weighs by."""
    model = OaxacaBlinder(
        ccard["AVGEXP"], ccard[["OWNRENT", *CARD]], "OWNRENT", hasconst=False, swap=False
    )
    expected = model.two_fold(two_fold_type=theirs).params
    gap = seg.gap_decomposition(ccard, "AVGEXP", "OWNRENT", CARD, reference=ours, base=1)
    assert (gap.unexplained, gap.explained, gap.gap) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("reference", ["base", "other"])
def test_the_slopes_of_one_group_are_its_regression(ccard: pd.DataFrame, reference: str) -> None:
    gap = seg.gap_decomposition(ccard, "AVGEXP", "OWNRENT", CARD, reference=reference)
    own = ccard[ccard["OWNRENT"] == (reference == "other")]
    slopes = sm.OLS(own["AVGEXP"], sm.add_constant(own[CARD])).fit().params[CARD]
    assert gap.details.set_index("covariate")["slope"].to_numpy() == pytest.approx(
        slopes.to_numpy(), rel=1e-7
    )
    means = ccard.groupby("OWNRENT")[CARD].mean()
    assert gap.explained == pytest.approx(float((means.loc[1] - means.loc[0]) @ slopes), rel=1e-7)


def people(seed: int = 1, n: int = 700) -> pd.DataFrame:
    """Two branches: B2 older, with other jobs, and 0.3 lower in log AUM at equal age and job."""
    rng = np.random.default_rng(seed)
    old = rng.random(n) < 0.4
    age = np.clip(rng.normal(np.where(old, 58, 42), 10), 18, 95).round()
    job = np.where(rng.random(n) < np.where(old, 0.5, 0.25), "retired", "clerk")
    job = np.where(rng.random(n) < 0.2, "shop", job)
    log_aum = 8 + 0.02 * age + 0.5 * (job == "shop") - 0.3 * old
    return pd.DataFrame(
        {
            "branch_id": np.where(old, "B2", "B1"),
            "age": age,
            "job": job,
            "consent": rng.random(n) < 0.5,
            "aum": np.exp(log_aum + (0.5 + 0.01 * age) * rng.normal(size=n)),
        }
    )


COVARIATES = ["age", "job", "consent"]


def test_every_engine_agrees(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    data = people()
    expected = seg.gap_decomposition(data, "aum", "branch_id", COVARIATES, scale="log")
    found = seg.gap_decomposition(to_engine(data), "aum", "branch_id", COVARIATES, scale="log")
    pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-9)
    pd.testing.assert_frame_equal(found.details, expected.details, rtol=1e-9, check_dtype=False)
    assert (found.base, found.other) == ("B1", "B2")
    assert found.gap == pytest.approx(
        np.log(data["aum"]).groupby(data["branch_id"]).mean().diff().iloc[-1], rel=1e-9
    )


def test_unexplained_is_the_coefficient_of_the_group_with_its_robust_error() -> None:
    """Pooled, with a constant each: the regression of the rows with a flag of the group."""
    data = people(seed=2, n=2000)
    design = pd.get_dummies(data[["branch_id", "age", "job"]], drop_first=True, dtype=float)
    fit = sm.OLS(np.log(data["aum"]), sm.add_constant(design)).fit(cov_type="HC1")
    gap = seg.gap_decomposition(data, "aum", "branch_id", ["age", "job"], scale="log")
    row = gap.table.set_index("part").loc["unexplained"]
    assert row["estimate"] == pytest.approx(fit.params["branch_id_B2"], rel=1e-9)
    assert row["se"] == pytest.approx(fit.bse["branch_id_B2"], rel=5e-3)
    assert row["low"] < -0.3 < row["high"]


def test_the_interval_of_the_gap_is_welchs() -> None:
    data = people()
    gap = seg.gap_decomposition(data, "aum", "branch_id", "age")
    sides = [data.loc[data["branch_id"] == branch, "aum"] for branch in ("B2", "B1")]
    welch = stats.ttest_ind(*sides, equal_var=False).confidence_interval(0.95)
    row = gap.table.set_index("part").loc["gap"]
    assert (row["low"], row["high"]) == pytest.approx((welch.low, welch.high), rel=1e-9)


def test_by_bands_alone_it_is_kitagawas_mix_and_rate() -> None:
    data = people(n=30_000)
    data["band"] = pd.cut(data["age"], [0, 35, 50, 60, 120], labels=["a", "b", "c", "d"]).astype(
        str
    )
    data["rich"] = data["aum"] > 9000
    gap = seg.gap_decomposition(data, "rich", "branch_id", "band", reference="reimers")
    groups = [data[data["branch_id"] == branch].groupby("band")["rich"] for branch in ("B1", "B2")]
    sizes = [group.size() for group in groups]
    parts = seg.kitagawa(
        groups[0].mean(), sizes[0], groups[1].mean(), sizes[1], n_a=sizes[0], n_b=sizes[1]
    )
    assert (gap.explained, gap.unexplained) == pytest.approx((parts.mix, parts.rate), abs=1e-12)
    assert parts.intervals is not None
    found, expected = gap.table.set_index("part")["se"], parts.intervals.set_index("part")["se"]
    assert found["explained"] == pytest.approx(expected["mix"], rel=0.01)
    assert found["unexplained"] == pytest.approx(expected["rate"], rel=0.01)


@pytest.mark.parametrize("reference", ["pooled", "neumark", "cotton", "other"])
def test_errors_are_those_of_the_bootstrap(reference: str) -> None:
    """Rows drawn again within each group, and the parts taken from regressions on them."""
    data, rng = people(n=500), np.random.default_rng(5)
    y, old = np.log(data["aum"]).to_numpy(), (data["branch_id"] == "B2").to_numpy()
    x = np.column_stack([data["age"], data["job"] == "shop", data["job"] == "retired"]).astype(
        float
    )
    places = [np.flatnonzero(old == side) for side in (False, True)]

    def slopes(rows: Any, *more: Any) -> Any:
        design = np.column_stack([x[rows], np.ones(len(rows)), *more])
        return np.linalg.lstsq(design, y[rows], rcond=None)[0][:3]

    draws = []
    for _ in range(400):
        one, two = (rng.choice(place, len(place)) for place in places)
        both = np.r_[one, two]
        beta = {
            "pooled": lambda both=both: slopes(both, old[both]),
            "neumark": lambda both=both: slopes(both),
            "other": lambda two=two: slopes(two),
            "cotton": lambda one=one, two=two: (
                (len(one) * slopes(one) + len(two) * slopes(two)) / len(y)
            ),
        }[reference]()
        explained = (x[two].mean(axis=0) - x[one].mean(axis=0)) @ beta
        draws.append((explained, y[two].mean() - y[one].mean() - explained))
    gap = seg.gap_decomposition(
        data, "aum", "branch_id", ["age", "job"], scale="log", reference=reference
    )
    errors = gap.table.set_index("part")["se"][["explained", "unexplained"]]
    assert errors.to_numpy() == pytest.approx(np.std(draws, axis=0), rel=0.15)


@pytest.mark.parametrize(
    "reference", ["pooled", pytest.param("cotton", marks=pytest.mark.calibrate)]
)
@simulated
def test_intervals_cover_what_is_true(runs: int, reference: str) -> None:
    """Covariates and outcome are drawn; spread grows with age; nothing is unexplained."""
    import polars as pl

    rng, missed, n = np.random.default_rng(17), np.zeros(3), 240
    old = np.arange(n) < 90
    for _ in range(runs):
        age = np.where(old, 2.0, 0.0) + 0.5 * rng.exponential(1.0, n)
        y = age + (0.4 + 0.5 * age) * rng.normal(size=n)
        data = pl.LazyFrame({"y": y, "age": age, "old": old})
        table = seg.gap_decomposition(data, "y", "old", "age", reference=reference).table
        truth = np.array([2.0, 2.0, 0.0])
        missed += (table["low"].to_numpy() > truth) | (table["high"].to_numpy() < truth)
    for part, count in zip(("gap", "explained", "unexplained"), missed, strict=True):
        record(f"{part}, Oaxaca {reference}", "uneven spread", runs, covered=runs - count)
        assert inside(count, runs), part


numbers = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(-50, 50), st.booleans()), min_size=8, max_size=30
).filter(
    lambda rows: (
        all(len({row[0] for row in rows if row[2] is side}) > 2 for side in (True, False))
        and len({row[1] for row in rows}) > 1
    )
)


@settings(max_examples=20, deadline=None)
@given(numbers)
def test_parts_add_up_turn_with_the_base_and_keep_their_unit(
    rows: list[tuple[int, int, bool]],
) -> None:
    import polars as pl

    x, y, side = (np.array(column) for column in zip(*rows, strict=True))
    data = pl.DataFrame({"x": x, "y": y, "side": side, "z": 1000.0 - 7.0 * x, "w": 3.0 * y})
    gap = seg.gap_decomposition(data, "y", "side", "x")
    assert gap.explained + gap.unexplained == pytest.approx(gap.gap, abs=1e-9)
    assert gap.gap == pytest.approx(y[side].mean() - y[~side].mean(), abs=1e-9)
    back = seg.gap_decomposition(data, "y", "side", "x", base=True)
    assert back.explained == pytest.approx(-gap.explained, abs=1e-9)
    assert back.table["se"].to_numpy() == pytest.approx(gap.table["se"].to_numpy(), abs=1e-9)
    other = seg.gap_decomposition(data, "w", "side", "z")
    assert other.explained == pytest.approx(3 * gap.explained, abs=1e-7)
    assert other.table["se"].to_numpy() == pytest.approx(3 * gap.table["se"].to_numpy(), abs=1e-7)


def test_groups_alike_have_no_gap() -> None:
    half = people()[["age", "aum"]]
    data = pd.concat([half.assign(side="a"), half.assign(side="b")])
    gap = seg.gap_decomposition(data, "aum", "side", "age")
    assert (gap.gap, gap.explained) == pytest.approx((0, 0), abs=1e-9)
    assert (gap.table["low"] < 0).all()
    assert (gap.table["high"] > 0).all()


def test_rows_that_lack_anything_are_left_out_and_counted(
    to_engine: Callable[[pd.DataFrame], Any],
) -> None:
    data = people()
    holes = data.copy()
    place = np.arange(len(data))
    holes["age"] = holes["age"].where(place % 10 != 0)
    holes["aum"] = holes["aum"].where(place % 10 != 1)
    holes["job"] = holes["job"].where(place % 10 != 2, None)
    holes["branch_id"] = holes["branch_id"].where(place % 10 != 3, None)
    found = seg.gap_decomposition(to_engine(holes), "aum", "branch_id", ["age", "job"])
    kept = seg.gap_decomposition(data[place % 10 > 3], "aum", "branch_id", ["age", "job"])
    assert found.dropped == (place % 10 <= 3).sum()
    assert found.n_base + found.n_other + found.dropped == len(data)
    pd.testing.assert_frame_equal(found.table, kept.table, rtol=1e-9)


def test_the_level_left_out_of_a_text_does_not_matter() -> None:
    """The most frequent level is left out: other weights leave another one out."""
    data = people()
    as_text = seg.gap_decomposition(data, "aum", "branch_id", ["age", "job"])
    flags = data.assign(clerk=data["job"] == "clerk", retired=data["job"] == "retired")
    as_flags = seg.gap_decomposition(flags, "aum", "branch_id", ["age", "clerk", "retired"])
    assert as_text.explained == pytest.approx(as_flags.explained, rel=1e-9)
    rows = as_flags.details.set_index("covariate")["estimate"]
    assert as_text.details["estimate"].iloc[1] == pytest.approx(rows["clerk"] + rows["retired"])
    assert as_text.details["mean_base"].isna().tolist() == [False, True]


def test_logs_are_of_amounts_above_nought() -> None:
    data = people().assign(aum=lambda d: d["aum"].where(d["aum"] > 3000, 0.0))
    with pytest.raises(seg.TableError, match=r"data\.aum: a logarithm is of amounts above 0"):
        seg.gap_decomposition(data, "aum", "branch_id", "age", scale="log")
    gap = seg.gap_decomposition(data, "aum", "branch_id", "age", scale="log1p")
    means = np.log1p(data["aum"]).groupby(data["branch_id"]).mean()
    assert gap.gap == pytest.approx(means["B2"] - means["B1"], rel=1e-9)
    with pytest.raises(seg.TableError, match="a logarithm is of amounts above 0"):
        seg.gap_decomposition(
            data.assign(aum=-data["aum"]), "aum", "branch_id", "age", scale="log1p"
        )


def test_a_branch_low_because_old_and_one_low_at_every_age() -> None:
    """Planted in the simulated network: branches' silver tilt and effect on mobile use."""
    bank = seg.simulate_bank(9, branches=12, customers=9000, months=3)
    people = bank.customers.merge(bank.truth["customers"], on="customer_id", suffixes=("", "_true"))
    people = people[people["closed_on"].isna() & (people["kind"] == "personal")]
    age = (pd.Timestamp("2025-12-31") - people["birth_date"]).dt.days / 365.25
    people["band"] = pd.cut(age, [0, 35, 50, 60, 70, 120]).astype(str)
    causes = bank.truth["branches"].set_index("branch_id")
    found = {}
    for branch in causes.index:
        here = people["branch_id"] == branch
        gap = seg.gap_decomposition(people.assign(here=here), "mobile", "here", "band")
        rows = gap.table.set_index("part")[["estimate", "low", "high"]].to_dict("index")
        found[branch] = {(part, name): row[name] for part, row in rows.items() for name in row}
    table = pd.DataFrame(found).T
    oldest, weakest = causes["silver"].idxmax(), causes["mobile"].idxmin()
    assert table.loc[oldest, ("explained", "high")] < 0
    assert table.loc[weakest, ("unexplained", "high")] < 0
    assert table[("explained", "estimate")].corr(-causes["silver"], "spearman") > 0.9
    assert table[("unexplained", "estimate")].corr(causes["mobile"], "spearman") > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": "aums"}, "Rename 'aum' to 'aums'"),
        ({"outcome": "born"}, r"data\.born: it is a number or a flag"),
        ({"outcome": "name"}, r"data\.name: it is a number or a flag"),
        ({"group": "one"}, r"data\.one: there are two groups"),
        ({"group": "job", "covariates": "age"}, r"data\.job: there are two groups"),
        ({"group": "born"}, r"data\.born: it is a number, a flag or text"),
        ({"covariates": []}, "covariates: there is one"),
        ({"covariates": ["age", "age"]}, "covariates: each column is named once"),
        ({"covariates": ["age", "branch_id"]}, "covariates: each column is named once"),
        ({"covariates": ["born"]}, r"data\.born: it is a number, a flag or text"),
        ({"covariates": ["age", "days"]}, r"data\.days: a covariate is no combination of the"),
        ({"covariates": ["age", "flag"]}, r"data\.flag: a covariate is no combination of the"),
        ({"covariates": ["name"]}, r"data\.name: text has at most 50 levels"),
        ({"covariates": ["one"]}, r"data\.one: a covariate differs between rows"),
        ({"covariates": ["far"]}, r"data\.far: numbers are finite"),
        ({"outcome": "const"}, r"data\.const: the outcome differs between rows"),
        ({"reference": "mean"}, "reference: it is one of pooled"),
        ({"scale": "root"}, "scale: it is one of amount"),
        ({"base": "B9"}, "base: it is one of the two groups"),
        ({"level": 95}, "level: a confidence lies between 0 and 1"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    data = people(n=200)
    data = data.assign(
        days=data["age"] * 365.25 + 7,
        flag=data["branch_id"] == "B1",
        name=[f"secret {k}" for k in range(len(data))],
        one="x",
        const=4.0,
        far=np.where(np.arange(len(data)) == 3, np.inf, 1.0),
        born=pd.Timestamp("1990-05-17"),
    )
    arguments: dict[str, Any] = {
        "outcome": "aum",
        "group": "branch_id",
        "covariates": ["age", "job"],
    }
    with pytest.raises(seg.TableError, match=message) as caught:
        seg.gap_decomposition(data, **{**arguments, **change})
    assert "secret" not in str(caught.value)


def test_few_rows_one_group_and_an_empty_table_are_refused() -> None:
    data = people(n=300)
    for rows in (data[:0], data[:1], data[data["branch_id"] == "B1"]):
        with pytest.raises(seg.TableError, match="there are two groups"):
            seg.gap_decomposition(rows, "aum", "branch_id", "age")
    two = data.groupby("branch_id").head(1)
    with pytest.raises(seg.TableError, match="each group has two rows or more"):
        seg.gap_decomposition(two, "aum", "branch_id", "age")
    few = pd.concat([data[data["branch_id"] == "B1"], data[data["branch_id"] == "B2"][:2]])
    seg.gap_decomposition(few, "aum", "branch_id", "age")
    with pytest.raises(seg.TableError, match="more rows than columns of the regression"):
        seg.gap_decomposition(few, "aum", "branch_id", "age", reference="other")


def test_hostile_names_are_only_names() -> None:
    name = '"; DROP TABLE x; --'
    data = people(n=200).rename(columns={"job": name, "aum": "z_0", "branch_id": "side"})
    data[name] = data[name].replace({"shop": "'; --"})
    gap = seg.gap_decomposition(data, "z_0", "side", ["age", name])
    plain = seg.gap_decomposition(people(n=200), "aum", "branch_id", ["age", "job"])
    assert gap.explained == pytest.approx(plain.explained, rel=1e-9)
