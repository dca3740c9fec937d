"""Files as Chinese core-banking systems export them, of every encoding and form."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from exports import CUSTOMERS, DAY, put, rows

from segmentation.data.source import open_bank

CHINESE = [
    ["客户号", "客户类型", "机构号", "开户日期", "职业"],
    ["00123", "对私", "0101", "2024年1月31日", '教师，"高级"'],
    ["00456", "对公", "0102", "2024/1/31", "两行\n文字"],
]
READ = [
    ("00123", "personal", "0101", DAY, '教师，"高级"'),
    ("00456", "corporate", "0102", DAY, "两行\n文字"),
]


def table_text(cells: list[list[str]], delimiter: str = ",", ending: str = "\n") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=ending).writerows(cells)
    return text.getvalue()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"]
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_encodings_delimiters_and_line_ends(
    tmp_path: Path, encoding: str, delimiter: str, ending: str
) -> None:
    put(tmp_path, {"客户信息表.csv": table_text(CHINESE, delimiter, ending)}, encoding)
    assert rows(tmp_path, "customers", *CUSTOMERS, "occupation") == READ


def test_line_ends_of_an_old_mac_and_mixed_ones(tmp_path: Path) -> None:
    text = "customer_id,kind,branch_id,opened_on\r1,personal,1,20240131\r2,personal,1,20240131\r"
    put(tmp_path, {"customers.csv": text})
    assert len(rows(tmp_path, "customers")) == 2
    put(tmp_path, {"customers.csv": text.replace("\r", "\r\n", 2)})
    assert len(rows(tmp_path, "customers")) == 2


def test_another_encoding_is_told(tmp_path: Path) -> None:
    put(tmp_path, {"branches.csv": "機構編號,機構名稱\n01,臺灣\n"}, "big5")
    toml = 'encoding = "big5"\n[columns]\n"機構編號" = "branch_id"\n"機構名稱" = "name"\n'
    put(tmp_path, {"columns.toml": toml})
    assert rows(tmp_path, "branches") == [("01", "臺灣")]


def test_a_compressed_file(tmp_path: Path) -> None:
    put(tmp_path, {"customers.csv.gz": gzip.compress(table_text(CHINESE).encode("gb18030"))})
    assert rows(tmp_path, "customers", *CUSTOMERS, "occupation") == READ


def test_titles_units_totals_and_notes(tmp_path: Path) -> None:
    text = (
        "某农商行客户余额表,,,,\n统计日期：2024年1月,,,单位：万元,\n\n"
        "客户号,月份,产品,月日均余额,月末余额（元）\n"
        "001,202401,活期,1.1,5\n,,,,\n小计,,,1.1,5\n002,202401,定期,2.2,6\n"
        "客户号,月份,产品,月日均余额,月末余额（元）\n"
        "合　计,,,3.3,11\n制表人：某某,,,,\n共 2 条\n\n"
    )
    put(tmp_path, {"余额表202401.csv": text}, "gb18030")
    bank = open_bank(tmp_path)
    assert bank.balances.order("customer_id").fetchall() == [
        ("001", dt.date(2024, 1, 1), "demand", 11000.0, 5.0),
        ("002", dt.date(2024, 1, 1), "term", 22000.0, 6.0),
    ]
    said = {remark.rule.split(" left")[0].split(" are")[0]: remark.rows for remark in bank.remarks}
    assert said == {
        "rows of totals": 2,
        "notes below the table": 1,
        "repeated headers": 1,
        "lines below the table": 1,
    }


@pytest.mark.parametrize(
    "total", ["Total", "grand total", "总计", "合计：", "共计", "网点合计", "TOTAL:"]
)
def test_totals_in_any_marked_column(tmp_path: Path, total: str) -> None:
    head = "end,customer_id,month,product\n"
    put(tmp_path, {"balances.csv": f"{head}5,1,202401,demand\n5,{total},,\n5,,,{total}\n"})
    bank = open_bank(tmp_path)
    assert len(bank.balances.fetchall()) == 1
    assert [remark.rows for remark in bank.remarks] == [2]


def test_a_total_alone_in_its_row_counts_once(tmp_path: Path) -> None:
    put(tmp_path, {"网点.csv": "机构号\n01\n合计\n"})
    bank = open_bank(tmp_path)
    assert bank.branches.fetchall() == [("01",)]
    assert [(remark.rule, remark.rows) for remark in bank.remarks] == [
        ("rows of totals left out (网点.csv)", 1)
    ]


def test_text_that_holds_the_word_for_a_total_is_no_total(tmp_path: Path) -> None:
    text = "机构号,机构名称\n01,合计支行\n02,小计划支行\n"
    put(tmp_path, {"网点.csv": text})
    assert len(rows(tmp_path, "branches")) == 2


def test_lines_that_end_with_a_delimiter(tmp_path: Path) -> None:
    put(tmp_path, {"branches.dat": "branch_id|name|\n1|甲|\n2|乙|\n"}, "gb18030")
    put(tmp_path, {"incidents.txt": "branch_id|date|kind\n1|20240131|x|\n2|20240131|y|\n"})
    assert rows(tmp_path, "branches", "branch_id", "name") == [("1", "甲"), ("2", "乙")]
    assert rows(tmp_path, "incidents") == [("1", DAY, "x"), ("2", DAY, "y")]


def test_duplicate_headers_matter_only_where_they_are_read(tmp_path: Path) -> None:
    put(tmp_path, {"branches.csv": "机构号,备注,备注\n01,a,b\n"})
    assert rows(tmp_path, "branches") == [("01",)]
    put(
        tmp_path,
        {"branches.csv": "机构号,网点号\n01,02\n", "columns.toml": '[columns]\n"网点号" = ""\n'},
    )
    assert rows(tmp_path, "branches") == [("01",)]


def test_a_header_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    put(tmp_path, {"incidents.csv": "branch_id,date,kind\n"})
    bank = open_bank(tmp_path)
    assert bank.incidents.fetchall() == []
    assert [remark.rule for remark in bank.remarks] == ["a header without rows (incidents.csv)"]


def test_several_files_are_one_table(tmp_path: Path) -> None:
    head = "customer_id,month,product,end"
    put(tmp_path, {"balances_2024.csv": f"{head}\n1,202401,demand,5\n"})
    put(
        tmp_path,
        {"balances_2025.csv": "客户号;产品;月份;月末余额;日均余额\n1;活期;202501;5;4\n"},
        "gb18030",
    )
    bank = open_bank(tmp_path)
    assert sorted(bank.balances.project("month, average").fetchall()) == [
        (dt.date(2024, 1, 1), None),
        (dt.date(2025, 1, 1), 4.0),
    ]
    assert [(remark.column, "balances_2024.csv" in remark.rule) for remark in bank.remarks] == [
        ("average", True)
    ]


def test_a_folder_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "balances" / "month=2024-01-01").mkdir(parents=True)
    (tmp_path / "branches.parquet").mkdir()
    frame = pd.DataFrame({"customer_id": ["1"], "product": ["活期"], "end": [5.0]})
    frame.to_parquet(tmp_path / "balances" / "month=2024-01-01" / "part-0.parquet")
    pd.DataFrame({"branch_id": [1, 2]}).to_parquet(tmp_path / "branches.parquet" / "part-0.parquet")
    (tmp_path / "branches.parquet" / "_SUCCESS").touch()
    assert rows(tmp_path, "balances", "customer_id", "month", "product", "end") == [
        ("1", dt.date(2024, 1, 1), "demand", 5.0)
    ]
    assert rows(tmp_path, "branches") == [("1",), ("2",)]


def test_unknown_files_are_said_and_not_used(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "branches.csv": "branch_id\n1\n",
            "foo.csv": "a\n1\n",
            "branches (1).csv": "branch_id\n2\n",
        },
    )
    put(
        tmp_path,
        {
            "branches 副本.csv": "branch_id\n3\n",
            "old/branches.csv": "branch_id\n4\n",
            "notes.md": "",
        },
    )
    bank = open_bank(tmp_path)
    assert bank.branches.fetchall() == [("1",)]
    assert {remark.table for remark in bank.remarks} == {
        "foo.csv",
        "branches (1).csv",
        "branches 副本.csv",
        "old",
    }


def test_names_with_signs_that_duckdb_would_match(tmp_path: Path) -> None:
    put(
        tmp_path,
        {"it's [1]/branches.csv": "branch_id\n1\n", "it's 1/branches.csv": "branch_id\n2\n"},
    )
    assert rows(tmp_path / "it's [1]", "branches") == [("1",)]


def test_a_single_file(tmp_path: Path) -> None:
    put(tmp_path, {"网点.csv": "机构号\n01\n"})
    assert rows(tmp_path / "网点.csv", "branches") == [("01",)]


def test_own_headings(tmp_path: Path) -> None:
    toml = """
    unit = "千元"
    dates = "dmy"
    [tables]
    "零售清单" = "customers"
    [customers.columns]
    "客户代号" = "customer_id"
    [customers.values.kind]
    "1" = "personal"
    [customers.units]
    income = "万元"
    [balances]
    decimal = ","
    delimiter = ";"
    [balances.values.product]
    "101" = "demand"
    """
    put(
        tmp_path,
        {
            "columns.toml": toml,
            "零售清单.csv": ("客户代号,kind,branch_id,opened_on,income\n7,1,1,31/01/2024,2\n"),
        },
    )
    put(
        tmp_path,
        {"balances.csv": "customer_id;month;product;end;average(元)\n7;202401;101;1.234,56;1,5\n"},
    )
    assert rows(tmp_path, "customers", *CUSTOMERS, "income") == [
        ("7", "personal", "1", DAY, 20000.0)
    ]
    assert rows(tmp_path, "balances", "product", "end", "average") == [("demand", 1234560.0, 1.5)]


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_parquet_types(tmp_path: Path, unit: str) -> None:
    zoned = pd.DatetimeIndex(["2024-01-31 00:30"]).as_unit(unit).tz_localize("Asia/Shanghai")
    frame = pd.DataFrame(
        {
            "客户号": [123],
            "kind": pd.Categorical(["对私"]),
            "branch_id": [7.0],
            "opened_on": [20240131],
            "closed_on": zoned,
            "birth_date": ["1990/1/1"],
            "年收入(万元)": [1.1],
            "marketing_consent": [1],
        }
    )
    frame.to_parquet(tmp_path / "customers.parquet")
    assert rows(
        tmp_path, "customers", *CUSTOMERS, "closed_on", "birth_date", "income", "marketing_consent"
    ) == [("123", "personal", "7", DAY, DAY, dt.date(1990, 1, 1), 11000.0, True)]


def test_plain_parquet_is_passed_on_as_it_is(tmp_path: Path) -> None:
    """Nothing stands between a well-typed file and a query: no cell is cleaned once more."""
    pd.DataFrame({"branch_id": ["1"], "area": [1.0], "format": ["full"]}).to_parquet(
        tmp_path / "branches.parquet"
    )
    pd.DataFrame({"branch_id": ["1"], "date": [DAY], "kind": ["x"]}).to_parquet(
        tmp_path / "incidents.parquet"
    )
    bank = open_bank(tmp_path)
    written = (bank.branches.sql_query() + bank.incidents.sql_query()).upper()
    assert "PARQUET" in written
    assert not {word for word in ("CASE", "TRIM", "REGEXP", "WHERE", "NULLIF") if word in written}


def test_a_database(tmp_path: Path) -> None:
    path = tmp_path / "bank.duckdb"
    with duckdb.connect(str(path)) as own:
        own.execute(
            "CREATE TABLE 客户信息表 AS SELECT '01' AS 客户号, '对私' AS kind, 7 AS 机构号, "
            "'2024年1月31日' AS 开户日期"
        )
        own.execute("CREATE SCHEMA dm")
        own.execute("CREATE VIEW dm.branches AS SELECT 7 AS branch_id")
        own.execute("CREATE TABLE other AS SELECT 1 AS a")
    bank = open_bank(path)
    assert bank.customers.fetchall() == [("01", "personal", "7", DAY)]
    assert bank.branches.fetchall() == [("7",)]
    assert [remark.rule for remark in bank.remarks if "other" in remark.rule]
    assert open_bank(tmp_path).customers.fetchall() == bank.customers.fetchall()
