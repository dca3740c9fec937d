"""Frames in and out: every kind comes back as it was, and what cannot be read is named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.data.engines import cents, collect, connection, enter, frame_kind, leave
from segmentation.data.errors import TableError

FRAME = pd.DataFrame({"a": ["x", "y", "x"], "b": [1.0, 2.5, None]})


def test_each_kind_comes_back_as_it_was(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    frame = to_engine(FRAME)
    kind = frame_kind(frame)
    back = leave(enter(frame), kind)
    assert frame_kind(back) == kind
    assert type(back) is type(frame)
    pd.testing.assert_frame_equal(
        collect(enter(back)).sort_values("b", ignore_index=True).astype({"a": "str"}),
        FRAME.sort_values("b", ignore_index=True).astype({"a": "str"}),
    )


def test_a_missing_column_is_named_on_every_engine(
    to_engine: Callable[[pd.DataFrame], Any],
) -> None:
    with pytest.raises(TableError, match=r"balances\.aum: column aum missing"):
        enter(to_engine(FRAME), "balances", ("a", "aum"))


@pytest.mark.parametrize("thing", [5, "text", [1], {"a": [1]}, None, np.zeros(3)])
def test_what_is_no_frame(thing: object) -> None:
    with pytest.raises(TableError, match="is not a frame"):
        enter(thing, "panel")


def test_counts_are_int64_and_dates_datetime64() -> None:
    lazy = enter(pd.DataFrame({"day": [dt.date(2024, 1, 31), None], "n": [1, 2]}))
    found = collect(lazy.select(nw.col("day").max(), nw.col("n").sum()))
    assert str(found["n"].dtype) == "int64"
    assert pd.api.types.is_datetime64_dtype(found["day"])


TWICE: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "pyarrow": lambda: pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]),
    "duckdb": lambda: connection().sql("SELECT 1 AS a, 2 AS a"),
}


@pytest.mark.parametrize("kind", TWICE)
def test_a_column_that_is_there_twice(kind: str) -> None:
    with pytest.raises(TableError, match="is there once"):
        enter(TWICE[kind](), "customers")


def test_names_that_are_no_text() -> None:
    with pytest.raises(TableError, match="column names are text"):
        enter(pd.DataFrame({1: [1]}))


@pytest.mark.parametrize(
    "cells", [[1, "a"], [[1], {"a": 2}], [object()], [1 + 2j], [b"ab"], [dt.timedelta(1), "a"]]
)
def test_cells_that_no_engine_holds(cells: list[object]) -> None:
    with pytest.raises(TableError, match=r"panel\.a: the cells of a column are of one type") as e:
        enter(pd.DataFrame({"b": 1, "a": pd.Series(cells, dtype=object)}), "panel")
    assert "object at" not in str(e.value)


def test_complex_numbers_of_their_own_type() -> None:
    with pytest.raises(TableError, match=r"panel\.a: the cells of a column are of one type"):
        enter(pd.DataFrame({"b": [1], "a": [1 + 2j]}), "panel")


@pytest.mark.parametrize(
    "cells",
    [["a", None], [True, None], [dt.date(2024, 1, 31), None], [Decimal("1.25"), None], [1, 2.5]],
)
def test_objects_that_are_of_one_type(cells: list[object]) -> None:
    found = collect(enter(pd.DataFrame({"a": pd.Series(cells, dtype=object)})))["a"]
    assert found.isna().tolist() == [cell is None for cell in cells]


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "America/New_York"])
def test_a_zone_shows_its_own_clock(zone: str) -> None:
    """The day is that of the zone, whatever the machine's is."""
    times = pd.to_datetime(["2024-01-31 00:30", "2024-01-31 23:30"])
    frame = pd.DataFrame({"at": times.tz_localize(zone)})
    for given_frame in (frame, pa.Table.from_pandas(frame)):
        found = collect(enter(given_frame).select(nw.col("at").cast(nw.Date)))
        assert found["at"].dt.strftime("%Y-%m-%d").tolist() == ["2024-01-31"] * 2


def test_periods_are_their_first_day() -> None:
    found = collect(enter(pd.DataFrame({"month": pd.period_range("2024-01", periods=2, freq="M")})))
    assert found["month"].dt.strftime("%Y-%m-%d").tolist() == ["2024-01-01", "2024-02-01"]


def test_the_users_own_duckdb_is_left_alone() -> None:
    import duckdb

    assert connection() is connection()
    assert connection() is not duckdb.default_connection()


@given(st.integers(-(10**13), 10**13))
def test_cents_keeps_what_has_cents(amount: int) -> None:
    frame = pl.DataFrame({"x": [amount / 100]}).lazy()
    assert collect(enter(frame).select(cents(nw.col("x"))))["x"].iloc[0] == amount / 100


def test_cents_are_the_same_on_every_engine(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    """Halves go up, which `round` does on DuckDB alone; sums lose their last bit."""
    values = pd.DataFrame({"x": [0.125, 0.375, -0.125, sum([0.1] * 500_000), 49999.999999999, 2e9]})
    found = collect(enter(to_engine(values)).select(cents(nw.col("x"))))["x"]
    assert found.tolist() == [0.13, 0.38, -0.12, 50000.0, 50000.0, 2e9]
