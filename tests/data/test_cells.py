"""Cells in every form that banks write them, read right."""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
from pathlib import Path

import pytest
from exports import CUSTOMERS, DAY, SECRET, one, put, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation.data.errors import TableError


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
