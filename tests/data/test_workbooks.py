"""Workbooks of Excel, new and old."""

from __future__ import annotations

import base64
import datetime as dt
import zlib
from pathlib import Path

from exports import DAY, put, rows, save

from segmentation.data.source import open_bank

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
