"""Real public data: counts that the files' readme publishes, both layouts, and broken files."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import pandas as pd
import pytest
from conftest import to_pandas

from segmentation.data.bank import Bank
from segmentation.data.checks import check_bank
from segmentation.data.errors import MissingTable, TableError
from segmentation.data.public import read_berka, read_hillstrom
from segmentation.data.rules import load_rules


@pytest.fixture(scope="module")
def berka(real_data: Path) -> Bank:
    return read_berka(real_data / "berka")


def frame(bank: Bank, table: str) -> pd.DataFrame:
    return to_pandas(getattr(bank, table))


@pytest.mark.data
def test_the_czech_bank_has_the_published_rows(berka: Bank) -> None:
    # Berka (1999): 4,500 accounts, 77 districts, 682 loans of status A 203, B 31, C 403, D 45.
    assert berka.tables == ("customers", "balances", "transactions", "branches", "loans")
    assert (berka.kind, berka.currency, berka.tier_rule) == ("duckdb", "CZK", "berka")
    customers, loans = frame(berka, "customers"), frame(berka, "loans")
    assert len(customers) == customers["customer_id"].nunique() == 4500
    assert len(frame(berka, "branches")) == customers["branch_id"].nunique() == 77
    assert loans["class"].value_counts().to_dict() == {
        "normal": 203 + 403,
        "substandard": 45,
        "doubtful": 31,
    }
    assert loans["repaid"].notna().sum() == 203
    assert (loans["due_on"] > pd.Timestamp("1998-12-31")).sum() == 403 + 45
    assert len(frame(berka, "transactions")) == 515_783
    assert (berka.months[0], berka.months[-1]) == (dt.date(1993, 1, 1), dt.date(1998, 12, 1))
    assert len(berka.months) == 72


@pytest.mark.data
def test_the_clients_behind_the_customers(real_data: Path, berka: Bank) -> None:
    # 5,369 clients, of whom 1,864 are 35 or younger at 1998, and 1,150 are 60 or older (readme);
    # the birth numbers are decoded here once more, by hand.
    clients = pd.read_csv(real_data / "berka" / "client.asc", sep=";", dtype=str)
    assert len(clients) == 5369
    number = clients["birth_number"]
    month = number.str[2:4].astype(int)
    born = pd.to_datetime(
        "19" + number.str[:2] + (month % 50).astype(str).str.zfill(2) + number.str[4:]
    )
    age = 1998 - born.dt.year
    assert ((age <= 35).sum(), (age >= 60).sum()) == (1864, 1150)
    clients = clients.assign(born=born, gender=(month > 50).map({True: "female", False: "male"}))
    owners = frame(berka, "customers").merge(
        clients, left_on="customer_id", right_on="client_id", suffixes=("", "_client")
    )
    assert len(owners) == 4500
    assert (owners["birth_date"] == owners["born"]).all()
    assert (owners["gender"] == owners["gender_client"]).all()


@pytest.mark.data
def test_months_with_a_row(berka: Bank) -> None:
    # 93.3 % of the account-months from opening to 1998-12 have at least one row (readme).
    customers, rows = frame(berka, "customers"), frame(berka, "transactions")
    seen = rows.assign(month=rows["date"].dt.to_period("M"))[["customer_id", "month"]]
    opened = customers["opened_on"]
    months = (12 * (1998 - opened.dt.year) + 12 - opened.dt.month + 1).sum()
    assert len(seen.drop_duplicates()) / months == pytest.approx(0.933, abs=0.0005)


@pytest.mark.data
def test_the_last_row_of_a_month_is_where_the_next_month_starts(
    real_data: Path, berka: Bank
) -> None:
    # To 1994-03 every transaction is there: the first row after a month, where it is alone on its
    # day, starts from the balance at the month's end.
    rows = pd.read_parquet(real_data / "berka" / "trans_partial.parquet")
    rows = rows[rows["in_complete_prefix"]].sort_values(["account_id", "date"])
    rows["signed"] = rows["amount"].where(rows["type"] == "PRIJEM", -rows["amount"])
    rows["month"] = rows["date"].dt.to_period("M").dt.to_timestamp()
    alone = ~rows.duplicated(["account_id", "date"], keep=False)
    first = rows.drop_duplicates(["account_id", "month"])
    first = first[alone.loc[first.index]]
    first = first.assign(month=first["month"] - pd.DateOffset(months=1))
    first["start"] = first["balance"] - first["signed"]
    disp = pd.read_csv(real_data / "berka" / "disp.asc", sep=";", dtype=str)
    owners = disp[disp["type"] == "OWNER"].set_index("account_id")["client_id"]
    first["customer_id"] = first["account_id"].astype(str).map(owners)
    ends = frame(berka, "balances")
    ends = ends[ends["product"] == "demand"]
    both = ends.merge(first, on=["customer_id", "month"])
    assert len(both) > 8000
    assert ((both["end"] - both["start"].clip(lower=0)).abs() < 0.11).mean() > 0.999


@pytest.mark.data
def test_loan_payments_fall_on_the_twelfth(real_data: Path, berka: Bank) -> None:
    rows = pd.read_parquet(real_data / "berka" / "trans_partial.parquet")
    paid = rows[rows["k_symbol"] == "UVER"]
    assert len(paid) == 6190
    assert (paid["date"].dt.day == 12).all()
    balances = frame(berka, "balances")
    loan = balances[balances["product"] == "loan"]
    assert loan["customer_id"].nunique() > 682  # those overdrawn, too
    assert balances["end"].min() == 0


@pytest.mark.data
def test_checks_find_nothing_in_the_czech_bank(berka: Bank) -> None:
    assert check_bank(berka).empty


@pytest.mark.data
def test_channels_and_kinds(berka: Bank) -> None:
    rows = frame(berka, "transactions")
    kinds = rows["kind"].value_counts()
    # Counted in the file by its codes: UROK and SANKC. UROK, SLUZBY, DUCHOD.
    assert kinds["interest"] == 89_627 + 763
    assert kinds["fee"] == 74_639
    assert kinds["pension"] == 14_604
    own = rows[rows["kind"].isin(["interest", "fee"])]
    assert own["channel"].isna().all()
    assert (rows["channel"] == "atm").sum() == 3670
    assert set(rows["channel"].dropna()) == {"atm", "counter"}
    assert (rows.loc[rows["kind"] == "withdrawal", "amount"] < 0).all()
    assert (rows.loc[rows["kind"] == "deposit", "amount"] > 0).all()
    assert rows["counterparty"].notna().sum() > 100_000


@pytest.mark.data
def test_notes_say_what_the_balances_are(berka: Bank) -> None:
    notes = " ".join(berka.notes)
    assert "last observed" in notes
    assert "Only part of the transactions" in notes
    assert "Berka" in berka.source


def test_the_tier_rule_of_the_bank_ships() -> None:
    rule = load_rules("tiers")["berka"]
    assert rule["currency"] == "CZK"
    starts = [tier["from"] for tier in rule["tiers"]]
    assert starts == sorted(set(starts))
    assert starts[0] == 0


# --- a small bank in the original layout -----------------------------------------------------

FILES = {
    "account": [
        '"account_id";"district_id";"frequency";"date"',
        '1;1;"POPLATEK MESICNE";930105',
        '2;2;"POPLATEK TYDNE";930220',
    ],
    "client": [
        '"client_id";"birth_number";"district_id"',
        '11;"706213";1',
        '12;"450204";2',
        '13;"406009";1',
    ],
    "disp": [
        '"disp_id";"client_id";"account_id";"type"',
        '1;11;1;"OWNER"',
        '2;12;2;"OWNER"',
        '3;13;2;"DISPONENT"',
    ],
    "loan": [
        '"loan_id";"account_id";"date";"amount";"duration";"payments";"status"',
        '7;1;930111;1200;12;100.00;"D"',
        '8;2;930312;300;3;100.00;"A"',
    ],
    "district": [
        ";".join(f"A{i}" for i in range(1, 17)),
        '1;"Hl.m. Praha";"Prague"' + ";0" * 13,
        '2;"O\'Ware; Ltd";"central Bohemia"' + ";0" * 13,
    ],
    "trans": [
        '"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";'
        '"bank";"account"',
        # One day, to be put in order: 0 + 900, + 50 of interest, − 300, − 14.6 of fee.
        '4;1;930131;"VYDAJ";"VYBER";14.60;635.40;"SLUZBY";"";',
        '3;1;930131;"VYDAJ";"VYBER";300.00;650.00;"";"";',
        '1;1;930105;"PRIJEM";"VKLAD";900.00;900.00;"";"";',
        '2;1;930131;"PRIJEM";"";50.00;950.00;"UROK";"";',
        # Nothing in February; overdrawn in March; in April in credit again.
        '5;1;930312;"VYDAJ";"PREVOD NA UCET";1000.00;-364.60;"UVER";"YZ";"123"',
        '6;1;930402;"PRIJEM";"PREVOD Z UCTU";4364.60;4000.00;"DUCHOD";"AB";"77"',
        '7;1;930403;"VYBER";"VYBER";500.00;3500.00;"";"";',
        '8;2;930301;"PRIJEM";"PREVOD Z UCTU";70.00;70.00;" ";"CD";"5"',
        '9;2;930302;"VYDAJ";"VYBER KARTOU";20.00;50.00;"";"";',
    ],
}


def write_berka(folder: Path, partial: bool = False, **changed: list[str] | None) -> Path:
    folder.mkdir(exist_ok=True)
    for name, lines in {**FILES, **changed}.items():
        if lines is not None:
            folder.joinpath(f"{name}.asc").write_bytes("\r\n".join([*lines, ""]).encode())
    if partial:
        rows = pd.read_csv(folder / "trans.asc", sep=";", dtype=str, keep_default_na=False)
        rows["date"] = pd.to_datetime("19" + rows["date"])
        rows = rows.astype({"trans_id": int, "account_id": int, "amount": float, "balance": float})
        rows["account"] = rows["account"].replace("", "0").astype(int)
        rows["k_symbol"] = rows["k_symbol"].str.strip()
        flags = ("in_complete_prefix", "in_before_loan", "in_scattered", "in_random_sample")
        rows.assign(**dict.fromkeys(flags, True)).to_parquet(folder / "trans_partial.parquet")
        folder.joinpath("trans.asc").unlink()
    return folder


def test_both_layouts_give_the_same_bank(tmp_path: Path) -> None:
    whole = read_berka(write_berka(tmp_path / "whole"))
    part = read_berka(write_berka(tmp_path / "it's part", partial=True))
    assert whole.tables == part.tables
    for name in whole.tables:
        pd.testing.assert_frame_equal(
            frame(whole, name).sort_values(frame(whole, name).columns.tolist(), ignore_index=True),
            frame(part, name).sort_values(frame(part, name).columns.tolist(), ignore_index=True),
        )
    assert set(part.notes) - set(whole.notes) == {part.notes[-1]}
    assert whole.months == tuple(dt.date(1993, m, 1) for m in (1, 2, 3, 4))


def test_the_small_bank_by_hand(tmp_path: Path) -> None:
    bank = read_berka(write_berka(tmp_path))
    assert check_bank(bank).empty
    ends = frame(bank, "balances").pivot_table(
        index=["customer_id", "product"], columns="month", values="end"
    )
    ends.columns = [month.month for month in ends.columns]
    # The last row of 31 January is the one whose balance no other row starts from; February
    # carries it on; March is overdrawn by 364.60. The loan of 1,200 of 11 January owes 100 on
    # each 12th from January on; that of 300 of 12 March from April on.
    assert ends.loc[("11", "demand")].tolist() == [635.4, 635.4, 0, 3500]
    assert ends.loc[("11", "loan")].tolist() == pytest.approx([1100, 1000, 900 + 364.6, 800])
    assert ends.loc[("12", "demand"), [3, 4]].tolist() == [50, 50]
    assert ends.loc[("12", "loan"), [3, 4]].tolist() == [300, 200]
    people = frame(bank, "customers")
    assert people["customer_id"].tolist() == ["11", "12"]
    assert people["gender"].tolist() == ["female", "male"]
    assert people["birth_date"].tolist() == [pd.Timestamp(1970, 12, 13), pd.Timestamp(1945, 2, 4)]
    assert frame(bank, "branches")["name"].tolist() == ["Hl.m. Praha", "O'Ware; Ltd"]
    rows = frame(bank, "transactions").sort_values(["customer_id", "date", "amount"])
    assert rows["kind"].tolist() == [
        *("deposit", "withdrawal", "fee", "interest", "payment", "pension", "withdrawal"),
        *("transfer_in", "withdrawal"),
    ]
    assert rows["channel"].fillna("").tolist() == [
        *("counter", "counter", "", "", "", "", "counter", "", "atm"),
    ]
    assert rows["amount"].sum() == pytest.approx(3500 + 50)
    assert rows["counterparty"].dropna().tolist() == ["YZ-123", "AB-77", "CD-5"]
    loans = frame(bank, "loans")
    assert loans["due_on"].tolist() == [pd.Timestamp("1994-01-11"), pd.Timestamp("1993-06-12")]
    assert loans["class"].tolist() == ["substandard", "normal"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingTable, match=f"{name}.asc: file missing"):
        read_berka(write_berka(tmp_path, **{name: None}))


SECRET = "706213SECRET"
BROKEN = {
    "a column is missing": ("client", [FILES["client"][0].replace("birth_number", "x")], "birth"),
    "no rows": ("loan", FILES["loan"][:1], "no rows"),
    "an empty file": ("loan", [], "cannot be read"),
    "a number is none": ("trans", [*FILES["trans"], '9;1;930401;"VYDAJ";"";x;1;"";"";'], "amount"),
    "a date is none": ("account", [*FILES["account"], '3;1;"";931301'], "date"),
    "a birth number is none": ("client", [*FILES["client"], f'14;"{SECRET}";1'], "birth_number"),
    "a birth number of no day": ("client", [*FILES["client"], '14;"701313";1'], "birth_number"),
    "another separator": ("disp", [line.replace(";", ",") for line in FILES["disp"]], "missing"),
    "too many cells": ("disp", [*FILES["disp"], f'4;{SECRET};1;"OWNER";5;6'], "cannot be read"),
    "an account without an owner": ("loan", [*FILES["loan"], '9;3;930111;1;1;1;"A"'], "owner"),
    "an owner without a client": ("client", FILES["client"][:2], "owner"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_without_its_cells(tmp_path: Path, name: str) -> None:
    file, lines, word = BROKEN[name]
    with pytest.raises(TableError, match=word) as caught:
        read_berka(write_berka(tmp_path, **{file: lines}))
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    folder = write_berka(tmp_path, trans=None)
    folder.joinpath("trans_partial.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(TableError, match="the file cannot be read"):
        read_berka(folder)


# --- Hillstrom --------------------------------------------------------------------------------


@pytest.mark.data
def test_hillstrom_has_the_published_rates(real_data: Path) -> None:
    # Hillstrom (2008): three arms, and their visit rates.
    table = read_hillstrom(real_data / "hillstrom" / "hillstrom.csv.gz")
    assert len(table) == table["customer_id"].nunique() == 64_000
    assert table["customer_id"].iloc[[0, -1]].tolist() == ["00001", "64000"]
    arms = table.groupby("segment")["visit"]
    assert arms.size().to_dict() == {
        "No E-Mail": 21_306,
        "Mens E-Mail": 21_307,
        "Womens E-Mail": 21_387,
    }
    rates = (100 * arms.mean()).round(3).to_dict()
    assert rates == {"No E-Mail": 10.617, "Mens E-Mail": 18.276, "Womens E-Mail": 15.140}
    assert "Surburban" in set(table["zip_code"])


HEADER = (
    "recency,history_segment,history,mens,womens,zip_code,newbie,channel,segment,visit,"
    "conversion,spend"
)
ROW = "10,2) $100 - $200,142.44,1,0,Surburban,0,Phone,Womens E-Mail,0,0,0"


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def test_hillstrom_packed_and_unpacked_are_the_same(tmp_path: Path) -> None:
    plain = write_csv(tmp_path / "h.csv", HEADER, ROW, ROW)
    packed = tmp_path / "h.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    pd.testing.assert_frame_equal(read_hillstrom(plain), read_hillstrom(packed))
    assert read_hillstrom(plain)["customer_id"].tolist() == ["00001", "00002"]


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ((HEADER.replace("visit", "visits"), ROW), "Rename 'visits' to 'visit'"),
        ((HEADER,), "no rows"),
        ((HEADER, ROW, ROW.replace("142.44", "")), r"history.*filled \(1 row\)"),
        ((HEADER, ROW.replace("142.44", "SECRET")), "history: the column holds numbers"),
        ((HEADER, ROW.replace("Womens E-Mail", "SECRET")), r"segment.*three \(1 row\)"),
        ((HEADER, ROW, ROW + ',"SECRET,1'), "no CSV"),
        ((), "no CSV"),
    ],
)
def test_a_broken_campaign_is_named(tmp_path: Path, lines: tuple[str, ...], word: str) -> None:
    path = tmp_path / "h.csv"
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(TableError, match=word) as caught:
        read_hillstrom(path)
    assert "SECRET" not in str(caught.value)


def test_a_campaign_that_is_no_archive(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "h.csv.gz", HEADER, ROW)
    with pytest.raises(TableError, match="no CSV"):
        read_hillstrom(path)
    with pytest.raises(MissingTable):
        read_hillstrom(tmp_path / "none.csv")
