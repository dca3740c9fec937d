"""Broken exports: each is refused with its reason, and no value is told."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from exports import DAY, GOOD, ROW, SECRET, put, save

from segmentation.data.errors import TableError
from segmentation.data.source import open_bank


def parquet(**columns: Any) -> Callable[[Path], None]:
    return lambda folder: pd.DataFrame(columns).to_parquet(folder / "customers.parquet")


def workbook(*cells: list[Any]) -> Callable[[Path], None]:
    head = ["客户号", "客户类型", "机构号", "开户日期", "年收入"]
    return lambda folder: save(folder / "客户.xlsx", {"客户": [head, *cells]})


def formula_error(folder: Path) -> None:
    workbook(["1", "对私", "1", DAY, 1])(folder)
    book = openpyxl.load_workbook(folder / "客户.xlsx")
    book.active["E2"] = "#N/A"
    book.active["E2"].data_type = "e"
    book.save(folder / "客户.xlsx")


def cut_off(folder: Path) -> None:
    workbook(["1", "对私", "1", DAY, 1])(folder)
    whole = (folder / "客户.xlsx").read_bytes()
    (folder / "客户.xlsx").write_bytes(whole[: len(whole) // 2])


def scratched(folder: Path) -> None:
    """The directory of the archive says another thing than its entries."""
    workbook(["1", "对私", "1", DAY, 1])(folder)
    whole = bytearray((folder / "客户.xlsx").read_bytes())
    at = whole.index(b"PK\x01\x02")
    whole[at + 16 : at + 20] = b"\0\0\0\0"
    for part in (b"xl/workbook.xml", b"xl/worksheets/sheet1.xml"):
        at = whole.rindex(part) - 46
        whole[at + 16 : at + 20] = b"\0\0\0\0"
    (folder / "客户.xlsx").write_bytes(bytes(whole))


def locked(folder: Path) -> None:
    (folder / "bank.duckdb").write_bytes(b"\0" * 8 + b"DUCK" + b"junk" * 100)


BROKEN: dict[str, tuple[dict[str, Any] | Callable[[Path], None], str]] = {
    "no table at all": ({"readme.txt": "x"}, "none is found"),
    "an empty folder": ({}, "none is found"),
    "a zero-byte file": ({"customers.csv": b""}, "it is empty"),
    "blanks only": ({"customers.csv": b"\n \n"}, "it is empty"),
    "a mark and nothing more": ({"customers.csv": b"\xef\xbb\xbf"}, "header"),
    "binary junk": ({"customers.csv": bytes(range(256)) * 9}, "something else"),
    "junk with the mark of Excel": ({"customers.csv": b"PK\x03\x04" + b"x" * 99}, "workbook"),
    "junk named Excel": ({"customers.xlsx": b"\0junk" * 99}, "something else"),
    "a web page named Excel": (
        {"客户.xls": "<html><table><tr><td>1</td></tr></table>"},
        "web page",
    ),
    "a truncated sign, GB18030": (
        {"客户.csv": "客户号,客户类型\n1,对私".encode("gb18030")[:-1]},
        "damaged, cut off",
    ),
    "a truncated sign, UTF-8": (
        {"客户.csv": (GOOD + ROW + ",是").encode()[:-1]},
        "damaged, cut off",
    ),
    "a damaged place, UTF-8": (
        {"客户.csv": (GOOD.replace("kind", "客户类型") + ROW).encode() + b"\xff\n"},
        "damaged",
    ),
    "two encodings": (
        {
            "客户.csv": "客户号,客户类型,机构号\n对私对公\n".encode()
            + "对公\xff".encode("latin-1", "ignore")
        },
        "damaged",
    ),
    "cut off UTF-16": ({"客户.csv": GOOD.encode("utf-16")[:-1]}, "damaged"),
    "cut off compression": (
        {"customers.csv.gz": gzip.compress((GOOD + ROW * 99).encode())[:-20]},
        "can be read",
    ),
    "not compressed": ({"customers.csv.gz": GOOD + ROW}, "can be read"),
    "no header": ({"customers.csv": ROW + "5,1\n" + ROW + "6,1\n"}, "has a header"),
    "a missing column": (
        {"customers.csv": "customer_id,kind,branch_id\n1,personal,1\n"},
        "column opened_on missing",
    ),
    "a misspelt column": (
        {"customers.csv": GOOD.replace("opened_on", "open_on") + ROW + "5,1\n"},
        "Rename 'open_on'",
    ),
    "one column twice": (
        {"customers.csv": GOOD.replace("income", "客户号") + ROW + "5,1\n"},
        "there are two",
    ),
    "neither balance": (
        {"balances.csv": "客户号,月份,产品\n1,202401,活期\n"},
        "column average missing",
    ),
    "too many cells": ({"customers.csv": GOOD + ROW + "1,234.50,1\n"}, "as many cells"),
    "too few cells": (
        {"customers.csv": GOOD + ROW + "5,1\n" + SECRET + ",personal\n"},
        "as many cells",
    ),
    "a quote without end": (
        {"customers.csv": GOOD + ROW + '"5,1\n' + ROW + "5,1\n"},
        "as many cells",
    ),
    "an impossible date": (
        {"customers.csv": GOOD + ROW.replace("0131", "0231") + "5,1\n"},
        r"opened_on: dates exist.*\(1 row\)",
    ),
    "the 13th month": (
        {"balances.csv": "客户号,月份,产品,余额\n1,202413,活期,1\n"},
        "month: dates exist",
    ),
    "an ambiguous date": (
        {"customers.csv": GOOD + ROW.replace("20240131", "03/04/2024") + "5,1\n"},
        "dates = ",
    ),
    "a year of two digits": (
        {"customers.csv": GOOD + ROW.replace("20240131", "24-01-31") + "5,1\n"},
        "dates exist",
    ),
    "an English month": (
        {"customers.csv": GOOD + ROW.replace("20240131", "31-Jan-24") + "5,1\n"},
        "dates exist",
    ),
    "a serial number outside Excel": (
        {"customers.csv": GOOD + ROW.replace("20240131", "45322") + "5,1\n"},
        "dates exist",
    ),
    "a month where a day is due": (
        {"customers.csv": GOOD + ROW.replace("20240131", "202401") + "5,1\n"},
        "dates exist",
    ),
    "a European amount": ({"customers.csv": GOOD + ROW + '"1.234,56",1\n'}, "decimal = "),
    "two decimals and a comma": (
        {"customers.csv": GOOD + ROW + '"12,34",1\n'},
        "numbers are written",
    ),
    "words for an amount": ({"customers.csv": GOOD + ROW + "约五万,1\n"}, "numbers are written"),
    "an amount with lost digits": (
        {"customers.csv": GOOD + ROW + "1.23E+11,1\n"},
        "numbers are written",
    ),
    "an infinite amount": ({"customers.csv": GOOD + ROW + "inf,1\n"}, "numbers are written"),
    "another currency": ({"customers.csv": GOOD + ROW + "$5,1\n"}, "numbers are written"),
    "a unit in header and cell": (
        {"customers.csv": GOOD.replace("income", "年收入(万元)") + ROW + "5万,1\n"},
        "numbers are",
    ),
    "an error of Excel": ({"customers.csv": GOOD + ROW + "#REF!,1\n"}, "numbers are written"),
    "an error of Excel for an identifier": (
        {"customers.csv": GOOD + "#N/A,personal,1,20240131,5,1\n"},
        "error of Excel",
    ),
    "an identifier with lost digits": (
        {"customers.csv": GOOD + "6.217E+18,personal,1,20240131,5,1\n"},
        "scientific",
    ),
    "a flag of neither kind": ({"customers.csv": GOOD + ROW + "5,maybe\n"}, "flags are yes or no"),
    "half a child": (
        {"surveys.csv": "branch_id,date,satisfied,recommend\n1,20240131,1,7.5\n"},
        "numbers are written",
    ),
    "a time without a clock": (
        {"visits.csv": "排队号,机构号,取号时间\n1,1,20240131\n"},
        "day and hour",
    ),
    "a time with the 25th hour": (
        {"visits.csv": "排队号,机构号,取号时间\n1,1,20240131 25:00:00\n"},
        "day and hour",
    ),
    "two forms of a table": (
        {"branches.csv": "branch_id\n1\n", "branches/a.parquet": b"PAR1"},
        "twice|whole",
    ),
    "a damaged Parquet file": (
        {"customers.parquet": b"PAR1" + b"x" * 50},
        "Parquet files are whole",
    ),
    "a text named Parquet": ({"customers.parquet": GOOD + ROW}, "what its ending says"),
    "Parquet with a timestamp for an amount": (
        parquet(
            customer_id=["1"],
            kind=["personal"],
            branch_id=["1"],
            opened_on=[DAY],
            income=[pd.Timestamp(DAY)],
        ),
        "cells are of type money",
    ),
    "Parquet with an impossible date": (
        parquet(customer_id=["1"], kind=["personal"], branch_id=["1"], opened_on=[20240231]),
        "dates exist",
    ),
    "Parquet with a fractional identifier": (
        parquet(customer_id=[1.5], kind=["personal"], branch_id=["1"], opened_on=[DAY]),
        "identifiers are whole",
    ),
    "Parquet with a bool for a date": (
        parquet(customer_id=["1"], kind=["personal"], branch_id=["1"], opened_on=[True]),
        "dates exist",
    ),
    "a damaged database": (locked, "DuckDB database"),
    "an identifier too long for Excel": (
        workbook([int(SECRET), "对私", "1", DAY, 1]),
        "scientific",
    ),
    "a workbook that is cut off": (cut_off, "whole workbook"),
    "a workbook with a damaged part": (scratched, "whole workbook"),
    "a formula's error": (formula_error, "numbers are written"),
    "a sheet without header": (
        lambda f: save(f / "客户.xlsx", {"客户": [["甲", "乙"], [1, 2]]}),
        "has a header",
    ),
    "a workbook without rows": (
        lambda f: save(f / "客户.xlsx", {"客户": []}),
        "has a sheet with rows",
    ),
    "columns.toml that is none": (
        {"columns.toml": "a = ", "branches.csv": "branch_id\n1\n"},
        "valid TOML",
    ),
    "columns.toml in GB18030": (
        {"columns.toml": '"客户" = 1'.encode("gb18030")},
        "valid TOML in UTF-8",
    ),
    "columns.toml with a wrong column": (
        {"columns.toml": '[columns]\n"x" = "nothing"\n'},
        "there is",
    ),
    "columns.toml with a wrong table": (
        {"columns.toml": '[tables]\n"x" = "nothing"\n'},
        "there is",
    ),
    "columns.toml with a wrong unit": ({"columns.toml": 'unit = "斤"\n'}, "unit is known"),
    "columns.toml with a wrong unit of a column": (
        {"columns.toml": '[loans.units]\namount = "斤"\n'},
        "there is",
    ),
    "columns.toml with a wrong setting": (
        {"columns.toml": "colour = 1\n"},
        "setting in its own form",
    ),
    "columns.toml with a wrong order": ({"columns.toml": 'dates = "ydm"\n'}, "order of dates"),
    "columns.toml with a wrong decimal": ({"columns.toml": 'decimal = ";"\n'}, "decimal sign"),
    "columns.toml with a wrong delimiter": ({"columns.toml": 'delimiter = "||"\n'}, "one sign"),
    "columns.toml with a wrong encoding": (
        {"columns.toml": 'encoding = "gbx"\n'},
        "encoding is known",
    ),
    "columns.toml with values of no column": (
        {"columns.toml": '[values.x]\na = "b"\n'},
        "given for a column",
    ),
    "columns.toml with a wrong zone": (
        {"columns.toml": 'timezone = "Mars"\n'},
        "time zone is known",
    ),
    "bank.toml that is none": ({"bank.toml": "a = "}, "valid TOML"),
    "bank.toml with a wrong entry": ({"bank.toml": "currency = 5\n"}, "bank.toml.currency"),
    "bank.toml with wrong notes": ({"bank.toml": "notes = [5]\n"}, "bank.toml.notes"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_exports_are_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    content, said = BROKEN[name]
    if callable(content):
        content(tmp_path)
    else:
        put(tmp_path, content)
    with pytest.raises(TableError, match=said) as caught:
        open_bank(tmp_path)
    chain: list[BaseException | None] = [caught.value]
    while chain[-1] is not None and not chain[-1].__suppress_context__:
        chain.append(chain[-1].__context__)
    for error in chain:
        assert error is None or isinstance(error, TableError)  # no other is shown to the user
        assert SECRET not in str(error)
    assert caught.value.mend


def test_every_error_at_once(tmp_path: Path) -> None:
    put(
        tmp_path,
        {"customers.csv": GOOD + ROW.replace("0131", "0231") + "x,maybe\n", "网点.csv": b""},
    )
    with pytest.raises(TableError) as caught:
        open_bank(tmp_path)
    assert {(e.table, e.column, e.rows) for e in caught.value.errors} == {
        ("customers", "opened_on", 1),
        ("customers", "income", 1),
        ("customers", "marketing_consent", 1),
        ("branches", None, None),
    }
    assert len(str(caught.value).splitlines()) == 4
