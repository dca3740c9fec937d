"""A bank of any frames: read in the contract's types, or refused with a reason."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from segmentation.data.bank import Bank
from segmentation.data.engines import collect, connection
from segmentation.data.errors import MissingTable, TableError, TableErrors, missing_columns

DAY = pd.Timestamp(2024, 1, 31)
CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["001", "002"],
        "kind": ["personal", "corporate"],
        "branch_id": ["1", "2"],
        "opened_on": [DAY, pd.NaT],
        "income": [1.5, np.nan],
    }
)
BALANCES = pd.DataFrame(
    {
        "customer_id": ["001", "001", "002"],
        "month": [DAY, pd.Timestamp(2023, 12, 1), DAY],
        "product": ["demand", "demand", "term"],
        "end": [1.0, np.nan, 3.0],
    }
)


def read(frame: Any, *columns: str, table: str = "customers") -> pd.DataFrame:
    return collect(Bank(**{table: frame}).table(table, *columns))


def test_a_bank_of_each_engine(to_engine: Callable[[pd.DataFrame], Any]) -> None:
    frames = {"customers": to_engine(CUSTOMERS), "balances": to_engine(BALANCES)}
    bank = Bank(**frames, currency="EUR", source="a test", notes=["one", "two"])
    assert bank.tables == ("customers", "balances")
    assert bank.customers is frames["customers"]
    assert bank.months == (dt.date(2023, 12, 1), dt.date(2024, 1, 1))
    assert (bank.currency, bank.source, bank.notes) == ("EUR", "a test", ("one", "two"))
    assert bank.has("balances", "end")
    assert not bank.has("balances", "average")
    assert not bank.has("visits")
    found = collect(bank.table("customers")).sort_values("customer_id")
    assert found["customer_id"].tolist() == ["001", "002"]
    assert found["opened_on"].iloc[0] == DAY
    assert found["income"].isna().tolist() == [False, True]
    ends = collect(bank.table("balances", "end").filter(~bank_null("end")))
    assert sorted(ends["end"]) == [1.0, 3.0]  # NaN is null


def bank_null(column: str) -> Any:
    import narwhals.stable.v2 as nw

    return nw.col(column).is_null()


def test_polars_beside_pandas() -> None:
    bank = Bank(customers=CUSTOMERS, balances=pl.from_pandas(BALANCES))
    assert bank.kind == "pandas"
    joined = bank.table("balances").join(bank.table("customers"), on="customer_id", how="inner")
    assert len(collect(joined)) == 3


def test_engines_that_cannot_be_joined() -> None:
    with pytest.raises(TableError, match="cannot be joined: pandas, polars-lazy"):
        Bank(customers=CUSTOMERS, balances=pl.from_pandas(BALANCES).lazy())


def test_a_table_that_is_none() -> None:
    with pytest.raises(TableError, match="Did you mean 'customers'"):
        Bank(custmers=CUSTOMERS)
    with pytest.raises(TableError, match="There are customers"):
        Bank(weather=CUSTOMERS)
    assert Bank(customers=None).tables == ()


def test_missing_columns_and_tables() -> None:
    with pytest.raises(TableError, match="columns kind, opened_on missing"):
        Bank(customers=CUSTOMERS.drop(columns=["kind", "opened_on"]))
    with pytest.raises(TableError, match="column average missing"):
        Bank(balances=BALANCES.drop(columns="end"))
    bank = Bank(customers=CUSTOMERS)
    with pytest.raises(MissingTable, match="tables balances, visits missing"):
        bank.require("balances", "customers", "visits")
    with pytest.raises(MissingTable, match="balances: table missing"):
        bank.balances
    with pytest.raises(TableError, match=r"Rename 'income' to 'incomes'"):
        bank.table("customers", "incomes")
    with pytest.raises(AttributeError):
        bank.nothing


def test_optional_columns_come_if_they_are_there() -> None:
    found = Bank(customers=CUSTOMERS).table("customers", "kind", optional=("income", "gender"))
    assert found.collect_schema().names() == ["kind", "income"]


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("opened_on", [20240131, 20240201]),
        ("opened_on", [True, False]),
        ("income", ["1,234", "5"]),
        ("marketing_consent", ["是", "否"]),
        ("customer_id", [DAY, DAY]),
        ("customer_id", [[1], [2]]),
    ],
)
def test_types_that_cannot_be_read(
    column: str, cells: list[Any], to_engine: Callable[[pd.DataFrame], Any]
) -> None:
    frame = CUSTOMERS.assign(**{column: cells})
    with pytest.raises(TableError, match=column) as caught:
        read(to_engine(frame), column)
    assert "Convert the column" in caught.value.mend
    assert "1,234" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "cells", "values"),
    [
        ("opened_on", ["2024-01-31", None], [DAY, None]),
        ("opened_on", [dt.date(2024, 1, 31), None], [DAY, None]),
        ("closed_on", [None, None], [None, None]),
        ("income", [None, None], [None, None]),
        ("income", [7, 8], [7.0, 8.0]),
        ("marketing_consent", [1.0, np.nan], [True, None]),
        ("marketing_consent", [True, None], [True, None]),
        ("manager_id", [7.0, np.nan], ["7", None]),
        ("manager_id", [7, 8], ["7", "8"]),
        ("gender", pd.Categorical(["male", None]), ["male", None]),
        ("birth_date", pd.period_range(DAY, periods=2, freq="D"), [DAY, DAY + pd.Timedelta("1D")]),
        ("birth_date", pd.to_datetime([DAY, None]).tz_localize("Asia/Shanghai"), [DAY, None]),
    ],
)  # fmt: skip
def test_types_that_are_read(column: str, cells: Any, values: list[Any]) -> None:
    """Each from pandas, and through Arrow and Polars where these have the type."""
    frame = CUSTOMERS.assign(**{column: cells})
    kinds: list[Callable[[pd.DataFrame], Any]] = [lambda f: f]
    if not isinstance(frame[column].dtype, pd.PeriodDtype):
        kinds += [pa.Table.from_pandas, pl.from_pandas]
    for kind in kinds:
        found = read(kind(frame), column)[column]
        assert [None if pd.isna(value) else value for value in found] == values


def test_counts_that_pandas_made_float() -> None:
    visits = pd.DataFrame(
        {"visit_id": ["1", "2"], "branch_id": "1", "arrived_at": DAY, "age": [70, np.nan]}
    )
    assert read(visits, "age", table="visits")["age"].dropna().tolist() == [70]
    for made in (
        pa.Table.from_pandas(visits),
        pl.from_pandas(visits),
        connection().from_df(visits),
    ):
        assert read(made, "age", table="visits")["age"].dropna().tolist() == [70]


def test_an_empty_table_and_a_single_customer() -> None:
    assert read(CUSTOMERS.iloc[:0]).empty
    assert len(read(CUSTOMERS.iloc[:1])) == 1
    assert Bank(balances=BALANCES.iloc[:0]).months == ()


def test_hostile_text_stays_text() -> None:
    hostile = "'; DROP TABLE customers; --\u0000\u202e=1+1"
    assert read(CUSTOMERS.assign(occupation=hostile), "occupation")["occupation"].iloc[0] == hostile


def test_errors_travel_between_processes() -> None:
    first = TableError("loans", "a rule", "A mend.", "amount", 3)
    both = TableErrors.of([first, MissingTable("visits", "table missing", "Add it.")])
    assert TableErrors.of([first]) is first
    assert [str(error) for error in both.errors] == str(both).splitlines()
    assert str(first) == "loans.amount: a rule (3 rows). A mend."
    for error in (first, both):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert (again.table, again.column, again.rows) == ("loans", "amount", 3)
        assert len(again.errors) == len(error.errors)


def test_columns_that_are_there_are_not_missed() -> None:
    missing_columns("loans", ["a"], ["a", "b"])
    with pytest.raises(TableError, match="Add 'zz'"):
        missing_columns("loans", ["zz"], ["a"])
