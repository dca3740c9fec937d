"""Tables, headline figures and readings as they appear on a page."""

from __future__ import annotations

import datetime as dt
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from segmentation.data.bank import Bank
from segmentation.data.errors import TableError
from segmentation.figures.style import text_width
from segmentation.publish.answers import MIME, Headline, headlines, reading
from segmentation.publish.disclosure import suppress_counts
from segmentation.publish.outputs import pieces
from segmentation.publish.tables import show_table

TIERS = pd.DataFrame(
    {
        "tier": ["Basic", "Active", "Wealth"],
        "tier_code": [0, 1, 2],
        "customers": [9000, 800, 200],
        "customer_share": [0.9, 0.08, 0.02],
        "aum": [9.1e6, 3.2e7, 5.9e7],
        "penetration_fund": [0.1, 0.2, 0.5],
        "penetration_fund_low": [0.09, 0.17, 0.43],
        "penetration_fund_high": [0.11, 0.23, 0.57],
    }
)
CROSS = pd.DataFrame(
    [[100, 20, 3], [12, 50, 30], [15, 10, 70]],
    index=pd.Index(["Basic", "Active", "entered"], name="from"),
    columns=pd.Index(["Basic", "Active", "left"], name="to"),
)


class Cells(HTMLParser):
    """Reads the cells of a table, row by row, and checks that elements close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][-1] += data


def test_numbers_are_written_by_the_meaning_of_their_column():
    shown = Cells(show_table(TIERS, "Tiers").html)
    assert shown.rows[0] == [
        "Tier",
        "Customers",
        "Share of customers",
        "AUM (¥ m)",
        "Fund, penetration",
        "95% interval",
    ]
    assert shown.rows[1] == ["Basic", "9,000", "90.0%", "9.10", "10.0%", "9.0% to 11.0%"]
    assert [t for t, _ in shown.tags].count("caption") == 1


def test_the_same_table_in_chinese(monkeypatch):
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    shown = Cells(show_table(TIERS, currency="CNY").html)
    assert shown.rows[0][:4] == ["客户层级", "客户数", "客户占比", "AUM (万元)"]
    assert shown.rows[2] == ["有效", "800", "8.0%", "3,200", "20.0%", "17.0%～23.0%"]


def test_headings_of_rows_and_columns_have_a_scope_and_numbers_stand_right():
    shown = Cells(show_table(TIERS).html)
    assert ("table", {"class": "seg"}) in shown.tags
    heads = [attrs for tag, attrs in shown.tags if tag == "th"]
    assert [h["scope"] for h in heads].count("row") == len(TIERS)
    assert [h["scope"] for h in heads].count("col") == 6
    cells = [attrs for tag, attrs in shown.tags if tag == "td"]
    assert all(attrs == {"class": "number"} for attrs in cells)


def test_the_exporter_takes_what_tables_headlines_and_readings_give():
    from nbformat.v4 import new_code_cell, new_output

    bank = Bank(branches=pd.DataFrame({"branch_id": ["B1"]}))
    for thing in (
        show_table(TIERS, "Tiers"),
        show_table(TIERS.head(0)),
        show_table(CROSS),
        reading("All {x}.", x="well"),
        headlines(bank, dt.date(2025, 12, 1), Headline("a", "1", "note")),
    ):
        data = thing._repr_mimebundle_()
        assert pieces(new_code_cell(outputs=[new_output("display_data", data)]), 1)


def test_small_groups_are_hidden_and_a_footnote_says_so(monkeypatch):
    small = TIERS.assign(customers=[9000, 800, 4])
    shown = show_table(small)
    rows = Cells(shown.html).rows
    assert rows[3][1:] == ["·"] * 5
    assert rows[2][1:] == ["·"] * 5, "the total would tell the hidden one"
    assert "Not shown, as it would tell of too few customers." in shown.html
    assert "59" not in shown.plain
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    assert "户数过少，不予列示。" in show_table(small).html
    assert "户数过少" not in show_table(TIERS).html


def test_the_gate_looks_at_columns_that_are_not_shown():
    small = TIERS.assign(customers=[9000, 800, 4])
    rows = Cells(show_table(small, columns=["tier", "aum"]).html).rows
    assert rows[3] == ["Wealth", "·"]


def test_a_hidden_number_is_no_missing_one():
    holes = TIERS.assign(aum=[9.1e6, np.nan, 5.9e7])
    rows = Cells(show_table(holes).html).rows
    assert rows[2][3] == "–"


def test_a_customer_level_frame_is_refused():
    with pytest.raises(TableError, match="identifier"):
        show_table(TIERS.assign(customer_id=["1", "2", "3"]))
    with pytest.raises(TableError, match="identifier"):
        show_table(TIERS.set_index(pd.Index(["1", "2", "3"], name="customer_id")))
    with pytest.raises(TableError, match="at most"):
        show_table(pd.concat([TIERS] * 300))
    with pytest.raises(TableError, match="pandas DataFrame"):
        show_table([1, 2])


def test_a_cross_table_of_counts_is_suppressed():
    shown = Cells(show_table(CROSS).html).rows
    hidden = suppress_counts(CROSS).isna()
    assert hidden.to_numpy().any()
    for row, cells in zip(hidden.to_numpy(), shown[1:], strict=True):
        assert [cell == "·" for cell in cells[1:]] == row.tolist()
    assert shown[0] == ["From ↓ To →", "Basic", "Active", "Left"]
    assert [cells[0] for cells in shown[1:]] == ["Basic", "Active", "Entered"]


def test_a_cross_table_suppressed_before_stays_so():
    before = suppress_counts(CROSS)
    assert show_table(before).html == show_table(CROSS).html


def test_shares_of_a_cross_table_need_the_counts_behind_them():
    shares = CROSS.div(CROSS.sum(axis=1), axis=0)
    with pytest.raises(TableError, match="counts"):
        show_table(shares)
    with pytest.raises(TableError, match="labelled as the table"):
        show_table(shares, counts=CROSS.iloc[:2])
    rows = Cells(show_table(shares, counts=CROSS, shares=["all"]).html).rows
    hidden = suppress_counts(CROSS).isna()
    assert [cell == "·" for cell in rows[1][1:]] == hidden.iloc[0].tolist()
    assert all(cell.endswith(("%", "·")) for row in rows[1:] for cell in row[1:])


def test_hostile_text_is_escaped():
    evil = "<script>alert('x')</script>&\"\n| {0} $x$"
    table = pd.DataFrame({evil: [evil], "customers": [20]})
    shown = show_table(table, evil)
    assert "<script>" not in shown.html
    tags = {tag for tag, _attrs in Cells(shown.html).tags}
    assert tags == {"div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert "<script>" not in reading("{x}", x=evil).html
    bank = Bank(branches=pd.DataFrame({"branch_id": ["B1"]}), source=evil, notes=[evil])
    opened = headlines(bank, dt.date(2025, 12, 1), Headline(evil, evil, evil))
    assert "<script>" not in opened.html


def test_equal_tables_give_equal_html():
    assert show_table(TIERS).html == show_table(TIERS.copy()).html
    assert " id=" not in show_table(TIERS).html


def test_kinds_of_cells():
    table = pd.DataFrame(
        {
            "month": pd.to_datetime(["2025-01-01", None]),
            "opened_on": [dt.date(2025, 1, 31), None],
            "branch_id": ["demand", "B2"],
            "flagged": [True, False],
            "p": [0.00001, 0.25],
            "year": [2024, 2025],
            "estimate": [1.23456, -0.5],
            "low": [1.0, -1.0],
            "high": [2.0, 0.0],
            "rule": ["The table has rows.", "x"],
        }
    )
    rows = Cells(show_table(table, counts=()).html).rows
    days = ["January 2025", "31 January 2025"]
    numbers = ["Yes", "<0.001", "2024", "1.23", "1.00 to 2.00"]
    assert rows[1][:8] == [*days, "demand", *numbers]
    assert rows[2][:8] == ["–", "–", "B2", "No", "0.250", "2025", "−0.50", "−1.00 to 0.00"]


def test_amounts_that_are_compared_are_in_one_unit():
    parts = pd.DataFrame(
        {
            "move": ["stayed", "left"],
            "customers": [50, 20],
            "before": [4e8, 6e6],
            "after": [4.1e8, 0.0],
            "change": [1e7, -6e6],
        }
    )
    rows = Cells(show_table(parts).html).rows
    assert rows[0][2:] == ["Money before (¥ m)", "Money after (¥ m)", "Change (¥ m)"]
    assert rows[2] == ["Left", "20", "6", "0", "−6"]


def test_what_stands_beside_a_share_is_a_share():
    table = pd.DataFrame(
        {"share": [0.4], "expected": [0.3], "expected_low": [0.2], "expected_high": [0.35]}
    )
    assert Cells(show_table(table).html).rows[1] == ["40.0%", "30.0%", "20.0% to 35.0%"]
    assert Cells(show_table(table.drop(columns="share")).html).rows[1][0] == "0.30"


def test_cells_that_name_columns_and_factors(monkeypatch):
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    twice = pd.DataFrame({"columns": ["birth_date, gender"], "customers": [40]})
    assert Cells(show_table(twice).html).rows[1][0] == "出生日期，性别"
    terms = pd.DataFrame({"term": ["tier", "age"], "df": [4, 5], "lr": [12.5, 3.25]})
    assert Cells(show_table(terms).html).rows[0] == ["因素", "自由度", "似然比"]
    assert repr(reading("{a} {b}", a="甲。", b="乙。")) == "甲。乙。"


def test_text_is_aligned_where_characters_are_two_columns_wide(monkeypatch):
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    lines = show_table(TIERS).plain.split("\n")
    ends = {text_width(line) for line in lines}
    assert len(ends) == 1
    assert show_table(TIERS, "题").plain.startswith("题\n")


def test_an_empty_table_says_so():
    assert show_table(TIERS.head(0), "Tiers").plain == "Tiers – Nothing to show."
    assert show_table(pd.DataFrame()).plain == "Nothing to show."


def test_headings_and_formats_can_be_given():
    table = pd.DataFrame({"tier": ["Basic"], "customers": [50], "x": [0.5], "y": [1e4]})
    given = show_table(table, shares=["x"], money=["y"], headings={"x": "Stayed"}, currency="CZK")
    rows = Cells(given.html).rows
    assert rows[0] == ["Tier", "Customers", "Stayed", "Y (CZK)"]
    assert rows[1] == ["Basic", "50", "50.0%", "10,000"]


def test_headlines_say_what_they_are_about(monkeypatch):
    customers = pd.DataFrame(
        {
            "customer_id": ["1", "2"],
            "kind": "personal",
            "branch_id": "B1",
            "opened_on": pd.to_datetime("2020-01-01"),
        }
    )
    notes = ["All customers, branches and amounts are simulated; none is real."]
    bank = Bank(
        customers=customers,
        branches=pd.DataFrame({"branch_id": ["B1"]}),
        source="Simulated branch network, seed 7",
        notes=notes,
    )
    month = dt.date(2024, 2, 1)
    facts = headlines(bank, month, Headline("Gini", "0.91", "n"))._repr_mimebundle_()[MIME]
    assert facts["as_of"] == "29 February 2024"
    assert facts["scope"] == "1 branches, 2 customers"
    assert facts["figures"] == [{"label": "Gini", "value": "0.91", "note": "n"}]
    assert facts["notes"] == notes
    assert facts["version"].count(".") == 1
    monkeypatch.setenv("SEGMENTATION_LANGUAGE", "zh_CN")
    facts = headlines(bank, month, Headline("基尼系数", "0.91"))._repr_mimebundle_()[MIME]
    assert facts["source"] == "模拟网点网络，随机种子7"
    assert facts["scope"] == "1家网点，2户客户"
    assert facts["currency"] == "人民币（CNY）"
    assert facts["notes"] == ["客户、网点和金额均为模拟数据，并非真实数据。"]


def test_a_page_opens_with_one_to_five_figures_that_are_text():
    bank = Bank(branches=pd.DataFrame({"branch_id": ["B1"]}))
    for figures in ([], [Headline("a", "1")] * 6):
        with pytest.raises(ValueError, match="1 to 5"):
            headlines(bank, dt.date(2025, 12, 1), *figures)
    with pytest.raises(TypeError, match="format_number"):
        Headline("a", 1)


def test_a_reading_writes_its_numbers():
    said = reading("{n} customers, {share}.", n=12345, share="81.4%")
    assert repr(said) == "12,345 customers, 81.4%."
    assert said.html == '<p class="seg reading">12,345 customers, 81.4%.</p>'
    with pytest.raises(KeyError):
        reading("{n} customers")
