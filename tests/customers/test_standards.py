"""Standardised rates: by the definition, by closed forms, by chance, and on every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import segmentation as seg
from segmentation.customers.limits import difference, limits
from segmentation.customers.strata import Strata
from tests.campaigns.generators import inside, record, simulated
from tests.conftest import to_pandas

LEVELS = ["20-34", "35-49", "50+"]
SHARES = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.35, 0.35, 0.3]])
CHANCE = np.array([0.8, 0.6, 0.3])
CENSUS = pd.Series([290, 330, 480], index=LEVELS)


def rows(seed: int = 3, n: int = 900, shift: tuple[float, ...] = (0.0, 0.0, -0.15)) -> pd.DataFrame:
    """Customers of three branches: B1 young, B2 old, B3 worse at every age."""
    rng = np.random.default_rng(seed)
    branch = rng.integers(0, 3, n)
    age = (rng.random(n)[:, None] > SHARES[branch].cumsum(axis=1)[:, :2]).sum(axis=1)
    mobile = rng.random(n) < CHANCE[age] + np.array(shift)[branch]
    return pd.DataFrame(
        {
            "branch_id": np.array(["B1", "B2", "B3"])[branch],
            "age": np.array(LEVELS)[age],
            "mobile": mobile.astype(float),
            "aum": np.round(rng.lognormal(8, 1, n) + 500.0 * age, 2),
        }
    )


def test_every_engine_agrees_with_the_definition(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    data = rows()
    for rate in ("mobile", "aum"):
        table = seg.standardised_rate(to_engine(data), rate, "age", CENSUS, group="branch_id")
        assert table["branch_id"].tolist() == ["B1", "B2", "B3"]
        means = data.pivot_table(index="branch_id", columns="age", values=rate)[LEVELS]
        weights = (CENSUS / CENSUS.sum()).to_numpy()
        assert table["standardised"].to_numpy() == pytest.approx(
            means.to_numpy() @ weights, rel=1e-9
        )
        crude = data.groupby("branch_id")[rate].agg(["mean", "size"])
        assert table["crude"].to_numpy() == pytest.approx(crude["mean"].to_numpy(), rel=1e-9)
        assert table["n"].tolist() == crude["size"].tolist()
        overall = float(data.groupby("age")[rate].mean()[LEVELS].to_numpy() @ weights)
        assert table["overall"].to_numpy() == pytest.approx(overall, rel=1e-9)
        assert (table["difference"] + overall).to_numpy() == pytest.approx(
            table["standardised"].to_numpy(), rel=1e-9
        )
        assert (table["borrowed"] == 0).all()
        assert table["interval"].unique().tolist() == ["wilson" if rate == "mobile" else "normal"]
        same = seg.standardised_rate(data, rate, "age", CENSUS, group="branch_id")
        numbers = table.columns.drop(["branch_id", "interval"])
        assert table[numbers].to_numpy(float) == pytest.approx(
            same[numbers].to_numpy(float), rel=1e-9
        )


def test_flags_counts_and_rows_are_the_same_table(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    data = rows()
    flags = data.assign(mobile=data["mobile"] == 1)
    counts = data.groupby(["branch_id", "age"], as_index=False).agg(
        users=("mobile", "sum"), customers=("mobile", "size")
    )
    expected = seg.standardised_rate(data, "mobile", "age", group="branch_id")
    for found in (
        seg.standardised_rate(to_engine(flags), "mobile", "age", group="branch_id"),
        seg.standardised_rate(
            to_engine(counts), ("users", "customers"), "age", group="branch_id", interval="auto"
        ),
    ):
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9)


def test_the_order_of_branches_turns_round_when_ages_are_held_alike() -> None:
    """B3 is worse at every age, B2 only older: crude rates say the opposite."""
    data = rows(n=30_000)
    table = seg.standardised_rate(data, "mobile", "age", group="branch_id").set_index("branch_id")
    assert table.loc["B2", "crude"] < table.loc["B1", "crude"] - 0.1
    assert table.loc["B2", "difference_low"] > 0 > table.loc["B3", "difference_high"]
    assert table.loc["B1", "standardised"] == pytest.approx(
        table.loc["B2", "standardised"], abs=0.02
    )
    assert table.loc["B3", "standardised"] == pytest.approx(
        table.loc["B1", "standardised"] - 0.15, abs=0.02
    )


def test_one_level_and_group_is_the_interval_of_textbooks() -> None:
    data = pd.DataFrame({"flag": [1] * 81 + [0] * 182, "level": "x"})
    row = seg.standardised_rate(data, "flag", "level").iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe 1998
    assert (row["crude_low"], row["crude_high"]) == pytest.approx((row["low"], row["high"]))
    assert "difference" not in row
    values = pd.DataFrame({"x": [3.0, 5.0, 9.0, 11.0], "level": "x"})
    row = seg.standardised_rate(values, "x", "level").iloc[0]
    expected = stats.t.interval(0.95, 3, loc=7, scale=stats.sem([3, 5, 9, 11]))
    assert (row["low"], row["high"]) == pytest.approx(expected)
    events = pd.DataFrame({"x": [12], "n": [4.5], "level": "x"})
    row = seg.standardised_rate(events, ("x", "n"), "level").iloc[0]
    exact = stats.chi2.ppf(0.025, 24) / 2 / 4.5, stats.chi2.ppf(0.975, 26) / 2 / 4.5
    assert (row["low"], row["high"]) == pytest.approx(exact)  # Garwood's, as Fay & Feuer prove
    assert row["interval"] == "gamma"


def test_two_groups_of_one_level_differ_as_newcombe_says() -> None:
    """Of two equal groups each is half the difference of both away from all together."""
    data = pd.DataFrame({"x": [56, 48], "n": [70, 80], "group": ["a", "b"], "level": ["l", "l"]})
    row = seg.standardised_rate(data, ("x", "n"), "level", group="group").iloc[0]
    part = 80 / 150
    found = (row["difference"] / part, row["difference_low"] / part, row["difference_high"] / part)
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_gamma_limits_of_fay_and_feuer_by_their_moments() -> None:
    """Equations 3 and 4 written out with gamma distributions instead of χ²."""
    x, n, w = np.array([4.0, 9, 2]), np.array([100.0, 350, 80]), np.array([0.5, 0.3, 0.2])
    strata = Strata(pd.DataFrame(index=[0]), n[None], x[None], (x / n)[None], np.zeros((1, 3)))
    low, high = limits(strata, w[None], "gamma", 0.95)
    y, v, step = w @ (x / n), w**2 @ (x / n**2), (w / n).max()
    assert low[0] == pytest.approx(stats.gamma.ppf(0.025, y**2 / v, scale=v / y))
    shape, scale = (y + step) ** 2 / (v + step**2), (v + step**2) / (y + step)
    assert high[0] == pytest.approx(stats.gamma.ppf(0.975, shape, scale=scale))


def test_the_indirect_ratio_is_observed_over_expected() -> None:
    data = rows()
    table = seg.standardised_rate(data, "mobile", "age", group="branch_id", method="indirect")
    chance = data["age"].map(data.groupby("age")["mobile"].mean())
    sums = data.assign(chance=chance).groupby("branch_id")[["mobile", "chance"]].sum()
    assert table["observed"].tolist() == pytest.approx(sums["mobile"].tolist())
    assert table["expected"].tolist() == pytest.approx(sums["chance"].tolist())
    assert table["ratio"].tolist() == pytest.approx((sums["mobile"] / sums["chance"]).tolist())
    assert table["expected"].sum() == pytest.approx(table["observed"].sum())
    assert (table["standardised"] / table["ratio"]).to_numpy() == pytest.approx(
        data["mobile"].mean()
    )
    assert ((table["ratio_low"] < table["ratio"]) & (table["ratio"] < table["ratio_high"])).all()
    assert table.loc[2, "ratio_high"] < 1  # B3


def test_levels_of_several_columns_and_any_form_of_the_standard() -> None:
    data = rows().assign(sex=lambda d: np.where(np.arange(len(d)) % 3 == 0, "f", "m"))
    weights = {(age, sex): CENSUS[age] * (1 + (sex == "f")) for age in LEVELS for sex in "fm"}
    frame = pd.DataFrame([(*key, w) for key, w in weights.items()], columns=["age", "sex", "w"])
    forms: list[Any] = [
        weights,
        pd.Series(weights),
        frame,
        frame.assign(other=1.0).sample(frac=1, random_state=1),
    ]
    found = [
        seg.standardised_rate(data, "mobile", ("age", "sex"), form, group="branch_id", weight="w")[
            "standardised"
        ].tolist()
        for form in forms
    ]
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(found[0])
    assert found[3] == pytest.approx(found[0])
    alone = seg.standardised_rate(data, "mobile", "age", frame.groupby("age")["w"].sum())
    assert "branch_id" not in alone
    assert len(alone) == 1


def test_the_own_standard_of_one_group_is_its_crude_rate() -> None:
    row = seg.standardised_rate(rows(), "aum", "age").iloc[0]
    assert row["standardised"] == pytest.approx(row["crude"])
    assert row["overall"] == pytest.approx(row["crude"])


def sparse() -> pd.DataFrame:
    """B1 has nobody of 50 and over."""
    data = rows()
    return data[(data["branch_id"] != "B1") | (data["age"] != "50+")]


def test_a_level_without_customers_is_refused_pooled_or_left() -> None:
    with pytest.raises(seg.TableError, match=r"each level that the standard weighs \(1 row\)"):
        seg.standardised_rate(sparse(), "mobile", "age", CENSUS, group="branch_id")
    pooled, left = (
        seg.standardised_rate(
            sparse(), "mobile", "age", CENSUS, group="branch_id", empty=empty
        ).set_index("branch_id")
        for empty in ("pool", "leave")
    )
    means = sparse().groupby(["branch_id", "age"])["mobile"].mean()["B1"]
    every = sparse().groupby("age")["mobile"].mean()
    weights = CENSUS / CENSUS.sum()
    known = means.reindex(LEVELS).fillna(every)
    assert pooled.loc["B1", "standardised"] == pytest.approx(float(known @ weights))
    assert pooled.loc["B1", "borrowed"] == pytest.approx(weights["50+"])
    assert pooled.loc["B2", "borrowed"] == 0
    assert pooled.loc["B1", "low"] < pooled.loc["B1", "standardised"] < pooled.loc["B1", "high"]
    assert left.loc["B1", ["standardised", "low", "high", "difference"]].isna().all()
    assert left.loc["B1", "n"] == pooled.loc["B1", "n"]
    pd.testing.assert_series_equal(left.loc["B2"], pooled.loc["B2"])


def test_unknown_rates_are_left_out_and_counted(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    data = rows()
    holes = data.assign(mobile=data["mobile"].where(np.arange(len(data)) % 10 != 0))
    found = seg.standardised_rate(to_engine(holes), "mobile", "age", CENSUS, group="branch_id")
    assert found["unknown"].sum() == (len(data) + 9) // 10
    kept = seg.standardised_rate(
        holes[holes["mobile"].notna()], "mobile", "age", CENSUS, group="branch_id"
    )
    assert found["standardised"].tolist() == pytest.approx(kept["standardised"].tolist())
    assert found["n"].tolist() == kept["n"].tolist()


counts = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60)), min_size=2, max_size=5
)


@settings(max_examples=25)
@given(counts)
def test_limits_hold_the_rate_and_rows_may_be_split(
    cells: list[tuple[int, int, int]],
) -> None:
    import polars as pl

    table = pd.DataFrame(cells, columns=["yes", "no", "other"])
    table["level"] = [f"L{k}" for k in range(len(table))]
    table["n"] = table["yes"] + table["no"] + 1
    base = table.assign(group="b", yes=table["other"] // 2, n=table["other"])
    data = pd.concat([table.assign(group="a"), base])
    found = seg.standardised_rate(pl.from_pandas(data), ("yes", "n"), "level", group="group")
    within = (found["low"] <= found["standardised"]) & (found["standardised"] <= found["high"])
    assert within.all()
    assert ((found["low"] >= -1e-12) & (found["high"] <= 1 + 1e-12)).all()
    assert (found["difference_low"] <= found["difference"]).all()
    assert (found["difference"] <= found["difference_high"]).all()
    halves = [
        data.assign(yes=half, n=data["n"] / 2) for half in (data["yes"] // 2, -(-data["yes"] // 2))
    ]
    twice = seg.standardised_rate(
        pl.from_pandas(pd.concat(halves)), ("yes", "n"), "level", group="group", interval="gamma"
    )
    assert twice["standardised"].tolist() == pytest.approx(found["standardised"].tolist())


def trials(rng: np.random.Generator, runs: int, n: int) -> Strata:
    """Groups of n customers each, drawn alike, three levels, none empty."""
    counts = rng.multinomial(n, SHARES[0], runs)
    x = rng.binomial(counts, CHANCE).astype(float)
    frame = pd.DataFrame(index=range(runs))
    rate = x / counts
    sd = np.sqrt(rate * (1 - rate) * counts / (counts - 1))
    return Strata(frame, counts.astype(float), x, rate, sd)


@simulated
@pytest.mark.parametrize("kind", ["wilson", "normal"])
def test_intervals_of_a_rate_cover_what_is_true(runs: int, kind: str) -> None:
    weights = (CENSUS / CENSUS.sum()).to_numpy()
    strata = trials(np.random.default_rng(23), runs, 150)
    low, high = limits(strata, np.broadcast_to(weights, strata.n.shape), kind, 0.95)
    missed = int(((low > weights @ CHANCE) | (high < weights @ CHANCE)).sum())
    record(f"standardised rate, {kind}", "three ages", runs, covered=runs - missed)
    assert inside(missed, runs)


@simulated
@pytest.mark.parametrize("kind", ["wilson", "normal"])
def test_groups_drawn_alike_differ_at_the_nominal_rate(runs: int, kind: str) -> None:
    weights = (CENSUS / CENSUS.sum()).to_numpy()
    both = trials(np.random.default_rng(29), 2 * runs, 160)
    rejected = 0
    for run in range(runs):
        pair = slice(2 * run, 2 * run + 2)
        two = Strata(both.groups[pair], both.n[pair], both.x[pair], both.r[pair], both.sd[pair])
        _value, low, high = difference(two, weights, kind, 0.95)
        rejected += bool(low[0] > 0 or high[0] < 0)
    record(f"standardised difference, {kind}", "two groups alike", runs, rejected=rejected)
    assert inside(rejected, runs)


@simulated
def test_gamma_limits_are_never_too_narrow(runs: int) -> None:
    """Fay and Feuer's are conservative: they miss no more than 5 %."""
    rng, exposure = np.random.default_rng(31), np.array([40.0, 60.0, 25.0])
    weights = (CENSUS / CENSUS.sum()).to_numpy()
    n = np.broadcast_to(exposure, (runs, 3))
    x = rng.poisson(n * CHANCE).astype(float)
    strata = Strata(pd.DataFrame(index=range(runs)), n, x, x / n, np.zeros_like(n))
    low, high = limits(strata, np.broadcast_to(weights, n.shape), "gamma", 0.95)
    missed = int(((low > weights @ CHANCE) | (high < weights @ CHANCE)).sum())
    record("standardised rate, gamma", "three ages", runs, covered=runs - missed)
    assert 0 < missed <= stats.binom.ppf(0.999, runs, 0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": "mobil"}, "Rename 'mobile' to 'mobil'"),
        ({"rate": "branch_id"}, r"data\.branch_id: it is a number or a flag"),
        ({"by": "branch_id"}, "by: it names columns, none of them of `group`"),
        ({"by": ()}, "by: it names columns"),
        ({"standard": CENSUS[:2]}, r"standard: it has all levels of the data \(\d+ rows\)"),
        (
            {"standard": pd.concat([CENSUS, pd.Series({"0-19": 3})])},
            r"each level with a weight has customers \(1 row\)",
        ),
        ({"standard": -CENSUS}, r"weights are known and not negative \(3 rows\)"),
        ({"standard": CENSUS * 0}, "some weight is above 0"),
        ({"standard": pd.concat([CENSUS, CENSUS])}, "a level is there once"),
        ({"standard": dict.fromkeys(LEVELS, "secret")}, "weights are known and not negative"),
        ({"standard": 3}, "standard: it has weights by level"),
        ({"standard": "census"}, "standard: as text it is own"),
        ({"standard": CENSUS.reset_index().assign(more=1)}, "it has age|column age missing"),
        ({"method": "both"}, "method: it is one of direct, indirect"),
        ({"empty": "drop"}, "empty: it is one of refuse, pool, leave"),
        ({"interval": "wald"}, "interval: it is one of auto"),
        ({"method": "indirect"}, "of the indirect method it is own"),
        ({"rate": "aum", "interval": "wilson"}, "interval: the rates are shares"),
        ({"level": 95}, "level: a confidence lies between 0 and 1"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"rate": "mobile", "by": "age", "standard": CENSUS}
    with pytest.raises(seg.TableError, match=message) as caught:
        seg.standardised_rate(rows(), **{**arguments, **change}, group="branch_id")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age": None}, r"data\.age: it is filled \(900 rows\)"),
        ({"branch_id": None}, r"data\.branch_id: it is filled"),
        ({"mobile": np.nan}, r"data\.mobile: it has rows with a known rate"),
        ({"mobile": np.inf}, r"data\.mobile: numbers are finite"),
    ],
)
def test_bad_columns_are_refused(change: dict[str, Any], message: str) -> None:
    data = rows().assign(**change)
    data = data.astype({name: "str" for name in change if name != "mobile"})
    if "mobile" not in change:
        data[next(iter(change))] = pd.Series(pd.NA, index=data.index, dtype="string")
    with pytest.raises(seg.TableError, match=message):
        seg.standardised_rate(data, "mobile", "age", group="branch_id")


def test_bad_counts_and_an_empty_table_are_refused() -> None:
    data = pd.DataFrame({"x": [1.0, 2], "n": [0.0, 9], "age": ["a", "b"]})
    with pytest.raises(seg.TableError, match=r"none is of nothing \(1 row\)"):
        seg.standardised_rate(data, ("x", "n"), "age")
    with pytest.raises(seg.TableError, match="interval: events are not negative"):
        seg.standardised_rate(rows().assign(mobile=-1.5), "mobile", "age", interval="gamma")
    with pytest.raises(seg.TableError, match="it has rows with a known rate"):
        seg.standardised_rate(rows()[:0], "mobile", "age")
    with pytest.raises(seg.TableError, match=r"group\.n: its columns have names of their own"):
        seg.standardised_rate(data, ("x", "n"), "age", group="n")


def test_one_customer_and_hostile_names_are_a_row() -> None:
    name = '"; DROP TABLE x; --'
    data = pd.DataFrame({"rate": [1], "level": [name], name: ["g"]})
    row = seg.standardised_rate(data, "rate", "level", {name: 2.0}, group=name).iloc[0]
    assert (row[name], row["n"], row["standardised"]) == ("g", 1, 1.0)
    assert row["low"] == pytest.approx(seg.wilson(1, 1)[0])
    amount = seg.standardised_rate(data.assign(rate=7.5), "rate", "level").iloc[0]
    assert amount["standardised"] == 7.5
    assert np.isnan(amount["low"])


@pytest.mark.data
def test_chinas_census_is_read_by_cohort(real_data: Path) -> None:
    """Seventh national census: 1,409,778,724 persons, 264,018,766 of them 60 or older announced.

    The announced figure counts military personnel, whom the tables by age do not have.
    """
    folder = real_data / "china_census_2020"
    five = seg.census_population(folder)
    assert five.sum() == 1_409_778_724
    assert five.index.tolist() == list(seg.cohort_scheme("five_years").names)
    assert five["0–4"] == 6_312_409 + 5_675_648 + 34_656_922 + 31_238_909
    silver = seg.census_population(folder / "age_by_province.csv", "silver_60", from_age=20)
    assert silver.iloc[-1] == pytest.approx(264_018_766, rel=1e-5)
    assert silver.sum() == five.iloc[4:].sum()
    women = seg.census_population(folder, province="上海市", sex="female", from_age=85)
    assert women.index.tolist() == ["85 and over"]
    data = pd.DataFrame({"birth_date": pd.to_datetime(["1990-05-01", "1950-05-01"] * 40)})
    data["mobile"] = [1, 0] * 40
    cohorts = seg.assign_cohort(data, "silver_60", as_of="2020-11-01")
    middle = silver.index[1]
    with pytest.raises(seg.TableError, match="each level with a weight has customers"):
        seg.standardised_rate(cohorts, "mobile", "cohort", silver)
    rate = seg.standardised_rate(cohorts, "mobile", "cohort", silver.drop(middle)).iloc[0]
    assert rate["standardised"] == pytest.approx(silver.iloc[0] / silver.drop(middle).sum())


BANDS = [(0, 14, 10), (15, 34, 20), (35, 49, 30), (50, 59, 40), (60, None, 50)]


def census(tmp_path: Path, bands: list[tuple[Any, ...]], **columns: Any) -> Path:
    table = pd.DataFrame(bands, columns=["age_from", "age_to", "population"])
    table = table.assign(province="P", sex="male").assign(**columns)
    table.to_csv(tmp_path / "census.csv", index=False)
    return tmp_path / "census.csv"


@pytest.mark.parametrize(
    ("bands", "arguments", "message"),
    [
        (BANDS, {"scheme": "birth_year"}, "scheme: it is one of age"),
        (BANDS, {"scheme": "ten_years"}, "scheme: a cohort is made of whole bands"),
        (BANDS, {"from_age": 18}, "from_age: a band of the census begins there"),
        (BANDS, {"province": "Q"}, "province: it is in the census"),
        (BANDS, {"sex": "female"}, "sex: it is in the census"),
        ([*BANDS, BANDS[0]], {}, "census: a band is there once a sex"),
        (BANDS[:2] + BANDS[3:], {}, "census: bands follow one another"),
        (BANDS[:-1], {}, "census: bands follow one another"),
        ([*BANDS[:-1], (60, None, -1)], {}, r"census\.population: numbers are whole and not negat"),
        (
            [*BANDS[:-1], (60, "secret", 1)],
            {},
            r"census\.age_to: numbers are whole and not negative",
        ),
    ],
)
def test_bad_censuses_are_refused(
    tmp_path: Path, bands: list[tuple[Any, ...]], arguments: dict[str, Any], message: str
) -> None:
    path = census(tmp_path, bands)
    with pytest.raises(seg.TableError, match=message) as caught:
        seg.census_population(path, **{"scheme": "silver_60", "province": "P", **arguments})
    assert "secret" not in str(caught.value)


def test_a_census_is_a_file_with_its_columns(tmp_path: Path) -> None:
    path = census(tmp_path, BANDS)
    found = seg.census_population(path, "silver_60", province="P", from_age=15)
    assert found.tolist() == [20, 70, 50]
    with pytest.raises(seg.TableError, match="path: there is no such file"):
        seg.census_population(tmp_path)
    pd.read_csv(path).rename(columns={"population": "persons"}).to_csv(path, index=False)
    with pytest.raises(seg.TableError, match="column population missing"):
        seg.census_population(path, province="P")


def test_the_answer_is_pandas_of_every_engine(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    table = seg.standardised_rate(to_engine(rows(n=60)), "mobile", "age")
    assert isinstance(table, pd.DataFrame)
    assert len(to_pandas(to_engine(rows(n=60)))) == table["n"].iloc[0]
