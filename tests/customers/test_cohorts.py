"""Cohorts: who is in which, on each engine, at the edges, and what is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segmentation as seg
from segmentation.customers.cohorts import UNKNOWN, Cohort
from tests.conftest import to_pandas

YOUNG, MIDDLE, SILVER = seg.cohort_scheme("silver_50").names
NAMES = ("birth_year", "five_years", "silver_50", "silver_60", "ten_years")


def people(*births: str | None, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"birth_date": pd.to_datetime(list(births)), **columns})


@pytest.mark.parametrize("name", NAMES)
def test_schemes_that_ship(name: str) -> None:
    scheme = seg.cohort_scheme(name)
    assert scheme.source
    assert scheme.en
    assert all(cohort.zh for cohort in scheme.cohorts)
    assert scheme.until > scheme.starts[-1]


def test_decades_are_those_of_their_chinese_names() -> None:
    cohorts = seg.cohort_scheme("birth_year").cohorts
    assert [c.zh for c in cohorts[1:]] == [f"{c.start % 100:02}后" for c in cohorts[1:]]


def test_every_engine_assigns_by_birth_year(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    frame = people("1959-12-31", "1960-01-01", "1999-12-31", "2000-01-01", None, "2019-07-01")
    frame["customer_id"] = [f"C{n}" for n in range(6)]
    found = to_pandas(seg.assign_cohort(to_engine(frame))).sort_values("customer_id")
    code = found["cohort_code"].astype(float).tolist()
    np.testing.assert_equal(code, [0.0, 1.0, 4.0, 5.0, np.nan, 6.0])
    assert found["cohort"].tolist() == [
        *("Born before 1960", "Born 1960s", "Born 1990s", "Born 2000s", UNKNOWN, "Born 2010s")
    ]


def test_every_engine_assigns_by_age(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    frame = pd.DataFrame({"row": range(7), "age": [0, 34, 35, 49, 50, 120, None]})
    found = to_pandas(seg.assign_cohort(to_engine(frame), "silver_50")).sort_values("row")
    expected = [YOUNG, YOUNG, MIDDLE, MIDDLE, SILVER, SILVER, UNKNOWN]
    assert found["cohort"].tolist() == expected


def test_every_engine_completes_years_by_the_calendar(
    to_engine: Callable[[pd.DataFrame], Any],
) -> None:
    births = ["1976-02-29", "1976-02-28", "1976-03-01", "1976-01-31", "1975-12-31"]
    frame = people(*births, row=range(5))

    def silver(day: str) -> list[bool]:
        found = to_pandas(seg.assign_cohort(to_engine(frame), "silver_50", as_of=day))
        return (found.sort_values("row")["cohort"] == SILVER).tolist()

    assert silver("2026-02-28") == [False, True, False, True, True]
    assert silver("2026-03-01") == [True] * 5


DAYS = st.dates(dt.date(1910, 1, 1), dt.date(2020, 12, 31))


@settings(max_examples=20, deadline=None)
@given(
    births=st.lists(DAYS, min_size=1, max_size=30),
    day=st.dates(dt.date(2021, 1, 1), dt.date(2030, 1, 1)),
)
def test_age_is_that_of_the_definition(births: list[dt.date], day: dt.date) -> None:
    ages = [
        day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
        for birth in births
    ]
    frame = people(*(birth.isoformat() for birth in births))
    code = seg.assign_cohort(frame, "five_years", as_of=day)["cohort_code"]
    assert code.tolist() == [min(age // 5, 17) for age in ages]


def test_text_dates_and_stamps_and_dates_are_read_alike() -> None:
    days = ["1975-05-17", "1998-11-30"]
    forms = [days, pd.to_datetime(days), [dt.date.fromisoformat(day) for day in days]]
    codes = [
        seg.assign_cohort(pd.DataFrame({"birth_date": form}))["cohort_code"].tolist()
        for form in forms
    ]
    assert codes == [[2, 4]] * 3


def test_pandas_keeps_its_index_types_and_rows() -> None:
    frame = people("1990-01-01", "1950-01-01", tier=pd.Categorical(["a", "b"]))
    frame.index = pd.Index([7, 7])
    found = seg.assign_cohort(frame.assign(cohort="old"))
    pd.testing.assert_frame_equal(
        found.drop(columns=["cohort", "cohort_code"]), frame, check_names=True
    )
    assert found["cohort"].tolist() == ["Born 1990s", "Born before 1960"]
    assert found["cohort_code"].dtype == "int64"


def test_lazy_kinds_stay_lazy() -> None:
    import polars as pl

    lazy = pl.LazyFrame({"age": [20, 60]})
    assert isinstance(seg.assign_cohort(lazy, "silver_60"), pl.LazyFrame)


def test_a_panel_has_its_own_ages() -> None:
    panel = pd.DataFrame({"age": [49.0, 50.0], "month": pd.to_datetime(["2025-06-01"] * 2)})
    found = seg.assign_cohort(panel, "silver_50", as_of="2025-06-30")
    assert found["cohort"].tolist() == [MIDDLE, SILVER]
    for day in ("2025-06-29", "2025-07-31"):
        with pytest.raises(seg.TableError, match="ages of a panel are those of its month's end"):
            seg.assign_cohort(panel, "silver_50", as_of=day)


def test_a_given_day_decides_for_the_date_of_birth() -> None:
    frame = people("1975-06-15", age=[50])
    assert seg.assign_cohort(frame, "silver_50")["cohort"].tolist() == [SILVER]
    found = seg.assign_cohort(frame, "silver_50", as_of="2025-06-14")
    assert found["cohort"].tolist() == [MIDDLE]


def test_companies_have_no_cohort() -> None:
    frame = people("1990-01-01", "1990-01-01", None, kind=["personal", "corporate", "corporate"])
    assert seg.assign_cohort(frame)["cohort"].tolist() == ["Born 1990s", UNKNOWN, UNKNOWN]


def test_nobody_has_a_birth_date() -> None:
    for empty in (pd.to_datetime([None, None]), [None, None], [np.nan, np.nan], ["", " "]):
        found = seg.assign_cohort(pd.DataFrame({"birth_date": empty}))
        assert found["cohort"].tolist() == [UNKNOWN] * 2
        assert found["cohort_code"].isna().all()


def test_no_customer_and_one_customer() -> None:
    none = seg.assign_cohort(people())
    assert len(none) == 0
    assert {"cohort", "cohort_code"} <= set(none.columns)
    assert seg.assign_cohort(people("2001-01-01"))["cohort"].tolist() == ["Born 2000s"]


@pytest.mark.parametrize(
    ("frame", "scheme", "as_of", "rule"),
    [
        (people("2025-07-01"), "birth_year", "2025-06-30", "births lie within the cohorts"),
        (people("2025-07-01"), "silver_50", "2025-06-30", "births lie within the cohorts"),
        (people("1904-06-30"), "silver_50", "2025-06-30", "births lie within the cohorts"),
        (people("1904-06-30"), "birth_year", "2025-06-30", "births lie within the cohorts"),
        (people("1879-12-31"), "birth_year", None, "births lie within the cohorts"),
        (people("2030-01-01"), "birth_year", None, "births lie within the cohorts"),
        (pd.DataFrame({"age": [-1]}), "silver_50", None, "ages are 0 to 120 years"),
        (pd.DataFrame({"age": [121]}), "silver_50", None, "ages are 0 to 120 years"),
        (pd.DataFrame({"age": [30], "tenure_years": [31]}), "silver_50", None, "younger than the"),
        (
            people("2001-01-02", opened_on=pd.to_datetime(["2001-01-01"])),
            *("birth_year", None, "born after the account was opened"),
        ),
        (pd.DataFrame({"birth_date": ["17.05.1990"]}), "birth_year", None, "days like 1990-05-17"),
        (pd.DataFrame({"birth_date": ["1990-13-01"]}), "birth_year", None, "days like 1990-05-17"),
    ],
)
def test_what_cannot_be_is_refused_or_unknown(
    frame: pd.DataFrame, scheme: str, as_of: str | None, rule: str
) -> None:
    column = "age" if "age" in frame else "birth_date"
    good = frame.iloc[[0, 0]].assign(**{column: frame[column].iloc[0]})
    good.iloc[0, good.columns.get_loc(column)] = None if column == "birth_date" else 40
    with pytest.raises(seg.TableError, match=rule) as caught:
        seg.assign_cohort(good, scheme, as_of)
    assert caught.value.rows == 1
    assert caught.value.column == column
    assert "17.05.1990" not in str(caught.value)
    found = seg.assign_cohort(frame, scheme, as_of, implausible="unknown")
    assert found["cohort"].tolist() == [UNKNOWN]
    assert found["cohort_code"].isna().all()


def test_the_day_of_birth_and_of_opening_may_be_one() -> None:
    same = people("2001-01-01", opened_on=pd.to_datetime(["2001-01-01"]))
    assert seg.assign_cohort(same)["cohort"].tolist() == ["Born 2000s"]


@pytest.mark.parametrize(
    ("frame", "scheme", "as_of", "message"),
    [
        (pd.DataFrame({"birthdate": []}), "birth_year", None, "Rename 'birthdate'"),
        (pd.DataFrame({"age": [3]}), "birth_year", None, "birth_date missing"),
        (pd.DataFrame({"x": [3]}), "silver_50", None, "it has birth_date or age"),
        (people("1990-01-01"), "silver_50", None, "an age is that of a day"),
        (people("1990-01-01"), "silver_50", "soon", "it is a day"),
        (people("1990-01-01"), "generations", None, "there is no such scheme"),
        (pd.DataFrame({"birth_date": [19900101]}), "birth_year", None, "it is a date"),
        (pd.DataFrame({"age": ["old"]}), "silver_50", None, "it is a number of years"),
    ],
)
def test_what_cannot_be_read_is_named(
    frame: pd.DataFrame, scheme: str, as_of: str | None, message: str
) -> None:
    with pytest.raises(seg.TableError, match=message):
        seg.assign_cohort(frame, scheme, as_of)


def test_other_ways_than_two_of_the_implausible_are_refused() -> None:
    with pytest.raises(seg.TableError, match="refuse or unknown"):
        seg.assign_cohort(people("1990-01-01"), implausible="drop")


OWN = """
[own]
en = "Own"
zh = "自有"
unit = "age"
source = "test"
until = 121
cohorts = [
  { en = "<b>Children</b>", zh = "儿童", from = 0 }, { en = "Grown'up", zh = "成人", from = 18 },
]
[half]
en = "Half"
"""


def test_a_bank_cuts_its_own_cohorts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.joinpath("cohorts.toml").write_text(OWN, "utf-8")
    with pytest.raises(seg.TableError, match="a scheme has zh, en"):
        seg.cohort_scheme("half", tmp_path)
    monkeypatch.setenv("SEGMENTATION_RULES", str(tmp_path))
    found = seg.assign_cohort(pd.DataFrame({"age": [17, 18]}), "own")
    assert found["cohort"].tolist() == ["<b>Children</b>", "Grown'up"]
    assert seg.cohort_scheme("silver_50", tmp_path).starts == (0, 35, 50)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "month"}, "the unit is"),
        ({"cohorts": ()}, "there are cohorts"),
        ({"until": 18}, "rise up to"),
        ({"cohorts": (Cohort("a", "a", 5),)}, "ages begin at 0"),
        ({"cohorts": (Cohort("a", "a", 0), Cohort("a", "b", 9))}, "names are filled and differ"),
        ({"cohorts": (Cohort(UNKNOWN, "a", 0),)}, "names are filled and differ"),
    ],
)
def test_schemes_that_are_none(change: dict[str, Any], message: str) -> None:
    parts: dict[str, Any] = {
        **dict.fromkeys(("name", "zh", "en", "source"), "x"),
        "unit": "age",
        "until": 121,
        "cohorts": (Cohort("a", "a", 0), Cohort("b", "b", 18)),
    }
    assert seg.Cohorts(**parts).names == ("a", "b")
    with pytest.raises(seg.TableError, match=message):
        seg.Cohorts(**parts | change)


@pytest.mark.data
def test_berka_has_the_clients_counted_by_others(real_data: Path) -> None:
    """1,864 of the 5,369 clients are 35 or younger at the end of 1998, and 1,150 are 60 or older.

    These count all clients, authorised users of an account among them; the bank's customers are
    the owners, 4,500 of the clients.
    """
    client = pd.read_csv(real_data / "berka" / "client.asc", sep=";")
    number = client["birth_number"]
    month = number // 100 % 100 % 50
    born = pd.to_datetime({"year": 1900 + number // 10_000, "month": month, "day": number % 100})
    ages = (Cohort("Up to 35", "", 0), Cohort("36–59", "", 36), Cohort("60 and over", "", 60))
    scheme = seg.Cohorts("test", "", "Test", "age", "shared data's README", 121, ages)
    clients = seg.assign_cohort(pd.DataFrame({"birth_date": born}), scheme, as_of="1998-12-31")
    assert clients["cohort_code"].value_counts().sort_index().tolist() == [1864, 2355, 1150]
    owners = to_pandas(
        seg.assign_cohort(seg.read_berka(real_data / "berka").customers, scheme, "1998-12-31")
    )
    counts = owners["cohort_code"].value_counts().sort_index().tolist()
    assert sum(counts) == 4500
    assert all(a < b for a, b in zip(counts, (1864, 2355, 1150), strict=True))
