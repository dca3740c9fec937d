"""Files as Chinese core-banking systems export them: read right, or refused with a reason."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import gzip
import io
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation.data.errors import TableError
from segmentation.data.source import open_bank

CUSTOMERS = ["customer_id", "kind", "branch_id", "opened_on"]
MONTHLY = ["customer_id", "month", "product", "average", "end"]
DAY = dt.date(2024, 1, 31)
SECRET = "6217000012345678901"
"""An identifier that no message may hold."""

XLS = (
    "c-rk)O=uHA6#izDZIaTYX-$PzsG(rhSZrd|iqJ$w?Wwi3hpH9Y#)c>@i3BfI(P|qIL=ZeFUMltArRv2W^kBh*2ce<|"
    "K@bwflP5t@q0Rc{?QTqKg$A@(*>Bl5?`Phd*?BXwv-@JYA~SxsCX0Cp!-kyZLP>#6(Csn>FUYQGk~K>w-I|4E1(%Z&"
    "S)$^R`?*8rQ06-e1$XRIM1gm7AI5RCClfLM5@Hwkp<l>8v=9}zP8tuYxmT4;k1$=q^fuRg%yb89E-`JPx*2f@(~<VT"
    "He(haQ0my`fsA{fecrGpgep9fv-s>~q1RQhGj*(gXqg#m?PZt%CA2k`h^3_L#!b0C4-y*N8h2;lqf}4ei{=MDn``=s"
    "-_kFwUV!x9=IR~4(K{)H^YvF0J1_#RkC#ZACVSW}EvmTD(;Ut2OZFYTFoQ0X8e6vwZ1~z`*O^nNFLsk|dweX;I`lS2"
    "Kg3qYRUjA)ZEB*Z-+QKpX>9~UtlPY0E9-_jIVA5M-Z{I6n^#pC(E*e*U%_k3OAjz}>(k4&Xh)=%H6#4S(BCU-<by!N"
    "Iq5;p9=6z+N=tw}HZVQUQCBfv!_-F;pUV1<DudZO%5}!rT2JjXF<wR17VztcPk-!uP@8@qSx@|AYxbmX@^xe!bu?H5"
    "<S(yLG>8Uq?W)AXh*=6_4|>bA`j`F4sd$aPYsSm79J8DT(0EAbk{lh8mlR{Hbje1N&4?uyh$T3d-KZ}(mYSDjESZlp"
    "ij-{B-@sFaV<`*7QaF~w@Yb{D%u9u_6z<nXiWOEWaZftZj{6g(uwcQ01q&7|Sg`Q#Lhz|mKWWR8q-vbv9map1S-Nx9"
    "Z<7BO`;nyU1btTSL4wK@hKrg%E9q0yj3pN7WBxCc=%&_F7(|r&F<A8crLQni_&ket^!~XeRBZdXV*2@)+y4Que&`?"
)


def put(folder: Path, files: dict[str, Any], encoding: str = "utf-8") -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return folder


def rows(folder: Path, table: str, *columns: str) -> list[tuple[Any, ...]]:
    relation = getattr(open_bank(folder), table)
    return (
        relation.project(", ".join(f'"{c}"' for c in columns)).fetchall()
        if columns
        else (relation.fetchall())
    )


def one(folder: Path, header: str, cell: str, column: str, table: str = "customers") -> Any:
    """Read one cell of a table whose other columns are in order."""
    base = {
        "customers": {
            "customer_id": "1",
            "kind": "personal",
            "branch_id": "1",
            "opened_on": "20240131",
        },
        "balances": {"customer_id": "1", "month": "202401", "product": "demand", "end": "1"},
        "visits": {"visit_id": "1", "branch_id": "1", "arrived_at": "2024-01-31 09:05:00"},
        "rates": {"product": "demand", "month": "202401", "paid": "0.01", "transfer": "0.02"},
        "plans": {
            "branch_id": "1",
            "indicator": "x",
            "year": "2024",
            "target": "1",
            "basis": "flow",
        },
        "transactions": {"customer_id": "1", "date": "20240131", "channel": "atm", "amount": "1"},
        "surveys": {"branch_id": "1", "date": "20240131", "satisfied": "1"},
    }[table]
    base.pop(column, None)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*base, header])
    writer.writerow([*base.values(), cell])
    put(folder, {f"{table}.csv": text.getvalue()})
    return rows(folder, table, column)[0][0]


# --- cells -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "20240131",
        "2024/1/31",
        "2024-01-31",
        "2024.1.31",
        "2024年1月31日",
        "２０２４０１３１",
        " 2024-1-31 ",
        "2024-01-31 09:05:00",
        "2024-01-31T09:05:00.123",
        "20240131093000",
        "2024-01-31T23:59:59+08:00",
        "2024-01-30T16:00:00Z",
        "20240131 09:30:00",
        "\u30002024/01/31",
    ],
)
def test_dates(tmp_path: Path, cell: str) -> None:
    assert one(tmp_path, "开户日期", cell, "opened_on") == DAY


@pytest.mark.parametrize(
    "cell",
    ["202401", "2024-01", "2024/1", "2024.01", "2024年1月", "20240131", "2024-01-31 00:00:00"],
)
def test_months(tmp_path: Path, cell: str) -> None:
    assert one(tmp_path, "月份", cell, "month", "balances") == dt.date(2024, 1, 1)


@pytest.mark.parametrize(
    "cell",
    [
        "2024-01-31 09:05:00",
        "20240131090500",
        "20240131 090500",
        "2024/1/31 9:05",
        "2024年1月31日 09:05",
        "2024-01-31T09:05:00",
        "2024-01-31T01:05:00Z",
        "２０２４-01-31 09:05:00",
    ],
)
def test_times(tmp_path: Path, cell: str) -> None:
    assert one(tmp_path, "取号时间", cell, "arrived_at", "visits") == dt.datetime(2024, 1, 31, 9, 5)


@pytest.mark.parametrize(
    "column", ["closed_on", "income", "occupation", "marketing_consent", "manager_id"]
)
def test_nulls(tmp_path: Path, column: str) -> None:
    cells = ["", " ", "--", "-", "NULL", "null", "NaN", "\\N", "—", "\u3000", "n/a"]
    lines = [",".join(["1", "personal", "1", "20240131", cell]) for cell in cells]
    put(tmp_path, {"customers.csv": "\n".join([",".join([*CUSTOMERS, column]), *lines])})
    assert rows(tmp_path, "customers", column) == [(None,)] * len(cells)


@pytest.mark.parametrize("cell", ["99991231", "9999-12-31", "00000000", "0001-01-01"])
def test_dates_that_mean_none(tmp_path: Path, cell: str) -> None:
    assert one(tmp_path, "销户日期", cell, "closed_on") is None


@pytest.mark.parametrize(
    ("header", "cell", "value"),
    [
        ("月末余额", "1234.56", 1234.56),
        ("月末余额", "1,234.56", 1234.56),
        ("月末余额", "1，234.56", 1234.56),
        ("月末余额", "１２３４．５６", 1234.56),
        ("月末余额", "12,345,678", 12345678.0),
        ("月末余额", "¥1,234.56", 1234.56),
        ("月末余额", "￥ 1234.56", 1234.56),
        ("月末余额", "1234.56元", 1234.56),
        ("月末余额", "人民币1234.56", 1234.56),
        ("月末余额", "(1,234.56)", -1234.56),
        ("月末余额", "（1,234.56）", -1234.56),
        ("月末余额", "1234.56-", -1234.56),
        ("月末余额", "-1234.56", -1234.56),
        ("月末余额", "+.5", 0.5),
        ("月末余额", "1e-05", 0.00001),
        ("月末余额", "1.2万", 12000.0),
        ("月末余额", "3亿元", 3e8),
        ("月末余额（万元）", "1.1", 11000.0),
        ("月末余额(万元)", "1,234.5678", 12345678.0),
        ("月末余额［亿元］", "0.1", 1e7),
        ("月末余额_万元", "(1.1)", -11000.0),
        ("月末余额万元", "1.1", 11000.0),
        ("月末余额（单位：千元）", "1.1", 1100.0),
        ("月末\n余额\n(万元)", "1.1", 11000.0),
        ("月末余额(元)", "1.1", 1.1),
    ],
)
def test_amounts(tmp_path: Path, header: str, cell: str, value: float) -> None:
    assert one(tmp_path, header, cell, "end", "balances") == value


@pytest.mark.parametrize(
    ("header", "cell", "value"),
    [
        ("利率", "0.0135", 0.0135),
        ("利率", "1.35%", 0.0135),
        ("利率(%)", "1.35", 0.0135),
        ("利率（%）", "1.35%", 0.0135),
        ("执行利率", "1/3", None),
    ],
)
def test_shares(tmp_path: Path, header: str, cell: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(TableError, match="numbers are written"):
            one(tmp_path, header, cell, "paid", "rates")
    else:
        assert one(tmp_path, header, cell, "paid", "rates") == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("00123", "00123"),
        ("６２１７", "6217"),
        ("ＡＢ１", "AB1"),
        (f"'{SECRET}", SECRET),
        (f"{SECRET}\t", SECRET),
        ('="00123"', "00123"),
        ("123.0", "123"),
        (" 00123\u3000", "00123"),
        (SECRET, SECRET),
        ("客户甲", "客户甲"),
    ],
)
def test_identifiers(tmp_path: Path, cell: str, value: str) -> None:
    assert one(tmp_path, "客户编号", cell, "customer_id") == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("是", True),
        ("Y", True),
        ("1", True),
        ("true", True),
        ("Ｙ", True),
        ("1.0", True),
        ("√", True),
        ("否", False),
        ("n", False),
        ("0", False),
        ("FALSE", False),
    ],
)
def test_flags(tmp_path: Path, cell: str, value: bool) -> None:
    assert one(tmp_path, "营销授权", cell, "marketing_consent") is value


@pytest.mark.parametrize(
    ("table", "column", "header", "cell", "value"),
    [
        ("customers", "kind", "客户类型", "对私", "personal"),
        ("customers", "kind", "客户类型", "对公", "corporate"),
        ("customers", "kind", "客户类型", "PERSONAL", "personal"),
        ("customers", "gender", "性别", "男", "male"),
        ("customers", "gender", "性别", "女", "female"),
        ("customers", "risk_rating", "风险等级", "r3", "R3"),
        *(
            ("balances", "product", "产品", zh, en)
            for zh, en in [
                ("活期", "demand"),
                ("定期", "term"),
                ("理财", "wealth"),
                ("基金", "fund"),
                ("保险", "insurance"),
                ("贵金属", "metal"),
                ("贷款", "loan"),
                ("信用卡", "card"),
                ("外汇", "外汇"),
            ]
        ),
        *(
            ("transactions", "channel", "渠道", zh, en)
            for zh, en in [
                ("柜面", "counter"),
                ("手机银行", "mobile"),
                ("网银", "web"),
                ("ATM", "atm"),
                ("自助", "device"),
                ("POS", "pos"),
                ("ＡＴＭ", "atm"),
            ]
        ),
        ("transactions", "kind", "摘要", "代发工资", "salary"),
        ("transactions", "kind", "摘要", "Other", "Other"),
        ("surveys", "satisfied", "是否满意", "不满意", False),
        ("plans", "year", "年度", "2024年", 2024),
    ],
)
def test_values(
    tmp_path: Path, table: str, column: str, header: str, cell: str, value: object
) -> None:
    """A category that has no value is kept: `check_bank` names it."""
    assert one(tmp_path, header, cell, column, table) == value


# --- files -------------------------------------------------------------------------------------

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


# --- Excel -------------------------------------------------------------------------------------


def save(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, cells in sheets.items():
        sheet = book.create_sheet(name)
        for row in cells:
            sheet.append(row)
    book.save(path)


def test_a_workbook_of_several_tables(tmp_path: Path) -> None:
    head = ["客户号", "客户类型", "机构号", "开户日期", "年收入（万元）", "营销授权"]
    save(
        tmp_path / "导出.xlsx",
        {
            "客户信息表": [
                ["某行客户信息表"],
                [],
                head,
                ["00123", "对私", 101, DAY, 1.1, True],
                ["'00456", "对公", 101, 45322, None, "否"],
                [7, "对私", 101, dt.datetime(2024, 1, 31, 9, 5), "1,200", "是"],
                ["合计", None, None, None, 1201.1, None],
            ],
            "排队": [
                ["排队号", "机构号", "取号时间"],
                ["1", "101", dt.datetime(2024, 1, 31, 9, 5)],
                ["2", "101", 45322.5],
                ["3", "101", dt.datetime(2024, 1, 31)],
            ],
            "Sheet3": [],
            "说明": [["本表由系统导出"]],
        },
    )
    bank = open_bank(tmp_path)
    assert bank.customers.fetchall() == [
        ("00123", "personal", "101", DAY, 11000.0, True),
        ("00456", "corporate", "101", DAY, None, False),
        ("7", "personal", "101", DAY, 12000000.0, True),
    ]
    assert [row[2] for row in bank.visits.fetchall()] == [
        dt.datetime(2024, 1, 31, 9, 5),
        dt.datetime(2024, 1, 31, 12),
        dt.datetime(2024, 1, 31),
    ]
    assert {(remark.table, remark.rows) for remark in bank.remarks} == {
        ("customers", 1),
        ("导出.xlsx", None),
    }


def test_sheets_of_one_table(tmp_path: Path) -> None:
    head = ["客户号", "月份", "产品", "月末余额"]
    save(
        tmp_path / "余额表2024.xlsx",
        {
            "1月": [head, ["01", 202401, "活期", 5]],
            "2月": [head, ["01", "2024年2月", "活期", 6]],
        },
    )
    assert sorted(rows(tmp_path, "balances", "month", "end")) == [
        (dt.date(2024, 1, 1), 5.0),
        (dt.date(2024, 2, 1), 6.0),
    ]


def test_an_old_workbook_and_wrong_endings(tmp_path: Path) -> None:
    expected = [("00123", "personal", "01", DAY), ("00456", "corporate", "01", dt.date(2024, 2, 1))]
    old = zlib.decompress(base64.b85decode(XLS))
    for name in ("客户.xls", "客户.csv"):
        path = put(tmp_path / name, {name: old})
        assert rows(path, "customers") == expected
    put(
        tmp_path / "text",
        {"客户.xls": "客户号\t客户类型\t机构号\t开户日期\n00123\t对私\t01\t20240131\n"},
        "gb18030",
    )
    assert rows(tmp_path / "text", "customers") == expected[:1]


# --- Parquet and DuckDB ------------------------------------------------------------------------


def test_parquet_types(tmp_path: Path) -> None:
    zoned = pd.to_datetime(["2024-01-31 00:30"]).tz_localize("Asia/Shanghai")
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
    written = open_bank(tmp_path).branches.sql_query().upper()
    assert "PARQUET" in written
    assert not {word for word in ("CASE", "TRIM", "REGEXP", "WHERE") if word in written}


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


# --- broken ------------------------------------------------------------------------------------

GOOD = "customer_id,kind,branch_id,opened_on,income,marketing_consent\n"
ROW = f"{SECRET},personal,1,20240131,"


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


# --- round trip --------------------------------------------------------------------------------

WORDS = st.text(
    st.sampled_from("甲乙丙丁戊银行，。“”、—㐀𠮷ABab 0129,;|\t\"'\n-"), min_size=1, max_size=8
).filter(lambda text: text.strip() and text.strip().strip("-—") and text == text.strip(" \t\n"))
RECORDS = st.lists(
    st.tuples(
        st.from_regex(r"0{0,3}[1-9][0-9]{0,20}", fullmatch=True),
        st.dates(dt.date(1900, 1, 2), dt.date(2100, 1, 1)),
        st.integers(-(10**12), 10**12).map(lambda cents: cents / 100),
        WORDS,
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    RECORDS,
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    st.sampled_from([",", "\t", ";", "|"]),
    st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y年%m月%d日"]),
    st.sampled_from(["{:.2f}", "{:,.2f}", "¥{:,.2f}"]),
)
def test_what_is_written_is_read(
    records: list[tuple[str, dt.date, float, str]],
    encoding: str,
    delimiter: str,
    day: str,
    amount: str,
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["客户号", "交易日期", "渠道", "金额", "对手方", "摘要"])
    for number, date, value, words in records:
        written = amount.format(value) if value >= 0 else f"({amount.format(-value)})"
        writer.writerow([number, date.strftime(day), "柜面", written, number, words])
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), {"交易流水.csv": text.getvalue()}, encoding)
        found = rows(Path(folder), "transactions", "customer_id", "date", "amount", "kind")
    assert found == records
