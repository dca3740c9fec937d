"""Real public data, read from the files' original layout: a Czech bank, and an e-mail campaign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segmentation.data.bank import Bank
from segmentation.data.berka import BORN, EMPTY, LAYOUT, ORPHANS, OWNER, QUERIES, WOMAN
from segmentation.data.engines import connection
from segmentation.data.errors import MissingTable, TableError, missing_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_berka", "read_hillstrom"]

SOURCE = "PKDD'99 Discovery Challenge, financial data set of a Czech bank (Berka 1999)"
NOTES = (
    "Balances are the last observed ones of each month, carried over months without a "
    "transaction; there are no month averages.",
    "A district stands in for the branch, and the account owner for the customer.",
    "Loan balances follow the agreed schedule, not what was paid; what was overdrawn at the end "
    "of a month is added to them.",
    "The five-level class of a loan is mapped from the source's four: in order, finished unpaid "
    "is doubtful, running in debt is substandard.",
    "The source does not say how a transfer was ordered, so that transfers have no channel; "
    "withdrawals by card are taken to be made at an ATM.",
)
PARTIAL = (
    "Only part of the transactions is here: counts and sums of them are too low, and a last "
    "observed balance may not be the last of its month."
)


def read_berka(folder: str | Path) -> Bank:
    """Read the real Czech bank of 1993–1998 from the files' original layout.

    A customer is the owner of an account, a branch the account's district. `balances` hold, for
    each month from an account's first transaction to the last month of all, the last observed
    balance (product ``demand``, at least 0) and debt (product ``loan``): what is still due by the
    agreed schedule, ``amount − payments · (12ths of the month passed)``, plus what is overdrawn.
    Cards and standing orders (`card.asc`, `order.asc`) have no place in the contract and are not
    read; the bank has no profiles, staff, visits or campaigns.

    Parameters
    ----------
    folder : path
        Folder of `account.asc`, `client.asc`, `disp.asc`, `district.asc`, `loan.asc`, and either
        `trans.asc` or `trans_partial.parquet` with the rows that are publicly known.

    Returns
    -------
    Bank
        Amounts in Czech crowns (CZK), tables as DuckDB relations.

    Raises
    ------
    MissingTable
        If a file is missing.
    TableError
        If a file lacks a column or its cells cannot be read.

    References
    ----------
    Berka, P. (1999), "Guide to the financial data set", PKDD'99 Discovery Challenge.

    Examples
    --------
    >>> read_berka("no such folder")
    Traceback (most recent call last):
    ...
    segmentation.data.errors.MissingTable: account.asc: file missing. Add it to the folder.
    """
    files = {name: _file(Path(folder), name) for name in LAYOUT}
    for name, path in files.items():
        _validate(path, LAYOUT[name])
    scans = {name: f"({_scan(path, LAYOUT[name])})" for name, path in files.items()}
    scans |= {"woman": WOMAN, "born": BORN, "owner": OWNER.format(**scans)}
    for name in ("account", "loan", "trans"):
        _no_orphans(files[name].name, ORPHANS.format(file=scans[name], owner=scans["owner"]))
    own = connection()
    found = {name: own.sql(query.format(**scans)) for name, query in QUERIES.items()}
    # All but the transactions are computed once, into Arrow memory that goes when they do.
    kept: dict[str, Any] = {
        n: t if n == "transactions" else own.from_arrow(t.to_arrow_table())
        for n, t in found.items()
    }
    partial = files["trans"].suffix == ".parquet"
    notes = (*NOTES, PARTIAL) if partial else NOTES
    return Bank(currency="CZK", source=SOURCE, notes=notes, tier_rule="berka", **kept)


def _file(folder: Path, name: str) -> Path:
    names = [f"{name}.asc", *(["trans_partial.parquet"] if name == "trans" else [])]
    for path in (folder / each for each in names):
        if path.is_file():
            return path
    raise MissingTable(names[0], "file missing", "Add it to the folder.")


def _from(path: Path) -> str:
    """The expression of SQL that reads a file, every cell of a text file as text."""
    quoted = "'" + str(path.resolve()).replace("'", "''") + "'"
    if path.suffix == ".parquet":
        return f"read_parquet({quoted})"
    options = "delim = ';', quote = '\"', header = true, all_varchar = true, auto_detect = false"
    return f"read_csv({quoted}, {options}, columns = {_header(path)})"


def _header(path: Path) -> str:
    """The first line of a text file, as the argument `columns` of ``read_csv``."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        names = [name.strip().strip('"').strip() for name in lines.readline().split(";")]
    quoted = ("'" + name.replace("'", "''") + "'" for name in names)
    return "{" + ", ".join(f"{name}: 'VARCHAR'" for name in quoted) + "}"


def _scan(path: Path, layout: dict[str, str]) -> str:
    text = path.suffix != ".parquet"
    cells = (f"{_cell(name, kind, text)} AS {name}" for name, kind in layout.items())
    return f"SELECT {', '.join(cells)} FROM {_from(path)}"


def _cell(name: str, kind: str, text: bool) -> str:
    """The expression that reads a cell as `kind`, null where that cannot be done."""
    # A cast of the bare column would be left to DuckDB's reader of CSV, which fails instead.
    cell = f"trim({name})" if text or kind == "VARCHAR" else name
    if kind == "DATE":  # YYMMDD, all of one century
        return f"try_strptime('19' || {cell}, '%Y%m%d')::DATE" if text else f"{cell}::DATE"
    if kind == "BIRTH":
        number = f"TRY_CAST({cell} AS BIGINT)"
        return f"CASE WHEN {BORN.replace(name, number)} IS NOT NULL THEN {number} END"
    return cell if kind == "VARCHAR" else f"TRY_CAST({cell} AS {kind})"


def _validate(path: Path, layout: dict[str, str]) -> None:
    """Raise if a file cannot be read; never with a cell of it, which DuckDB's messages hold."""
    import duckdb

    try:
        present = connection().sql(f"SELECT * FROM {_from(path)}").columns
        missing_columns(path.name, layout, present)
        filled = [name for name in layout if name not in EMPTY]
        unread = ", ".join(f"count(*) - count({name})" for name in filled)
        scan = f"SELECT count(*), {unread} FROM ({_scan(path, layout)})"
        rows, *counts = connection().sql(scan).fetchall()[0]
    except duckdb.Error:
        raise TableError(
            path.name,
            "the file cannot be read in the original layout",
            "Download it again: semicolons between the columns, and one header line.",
        ) from None
    if not rows:
        raise TableError(path.name, "the file has no rows", "Download it again.")
    for name, count in zip(filled, counts, strict=True):
        if count:
            mend = "Download the file again; dates are YYMMDD, numbers have a decimal point."
            raise TableError(path.name, "every cell can be read", mend, name, count)


def _no_orphans(file: str, query: str) -> None:
    count = connection().sql(query).fetchall()[0][0]
    if count:
        mend = "Download account.asc, client.asc and disp.asc again: they belong together."
        raise TableError(file, "each account has an owner", mend, "account_id", count)


HILLSTROM = (
    *("recency", "history_segment", "history", "mens", "womens", "zip_code", "newbie", "channel"),
    *("segment", "visit", "conversion", "spend"),
)
ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
NUMBERS = ("recency", "history", "mens", "womens", "newbie", "visit", "conversion", "spend")


def read_hillstrom(path: str | Path) -> pd.DataFrame:
    """Read Hillstrom's randomised e-mail campaign of 2008.

    Parameters
    ----------
    path : path
        The file, as published (``.csv``) or packed (``.csv.gz``).

    Returns
    -------
    DataFrame
        One row a customer: `customer_id`, made from the row's number, and the source's columns:
        recency (months), history_segment, history (dollars of the past year), mens, womens,
        zip_code, newbie, channel, segment (the arm), visit, conversion and spend of two weeks.

    Raises
    ------
    MissingTable
        If the file does not exist.
    TableError
        If a column is missing, empty or no number, or an arm is none of the three.

    References
    ----------
    Hillstrom, K. (2008), "The MineThatData e-mail analytics and data mining challenge".

    Examples
    --------
    >>> read_hillstrom("no such file.csv")
    Traceback (most recent call last):
    ...
    segmentation.data.errors.MissingTable: hillstrom: file missing. Check the path.
    """
    import pandas as pd

    if not Path(path).is_file():
        raise MissingTable("hillstrom", "file missing", "Check the path.")
    try:
        frame = pd.read_csv(path, encoding="utf-8")
    except (ValueError, OSError, EOFError):  # pandas' messages may hold a cell
        raise TableError(
            "hillstrom", "the file is no CSV in UTF-8", "Download it again, as .csv or .csv.gz."
        ) from None
    missing_columns("hillstrom", HILLSTROM, frame.columns)
    mend = "Download the file again."
    if not len(frame):
        raise TableError("hillstrom", "the file has no rows", mend)
    for name in HILLSTROM:
        empty = int(frame[name].isna().sum())
        if empty:
            raise TableError("hillstrom", "the cell is filled", mend, name, empty)
        if name in NUMBERS and not pd.api.types.is_numeric_dtype(frame[name]):
            raise TableError("hillstrom", "the column holds numbers", mend, name)
    strange = int((~frame["segment"].isin(ARMS)).sum())
    if strange:
        raise TableError("hillstrom", "the arm is one of the three", mend, "segment", strange)
    width = max(5, len(str(len(frame))))
    ids = pd.Series(np.arange(1, len(frame) + 1).astype(str), index=frame.index)
    frame.insert(0, "customer_id", ids.str.zfill(width))
    return frame[["customer_id", *HILLSTROM]]
