"""Exports written for the tests: files of text and workbooks, and what is read of them."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import openpyxl

from segmentation.data.source import open_bank

CUSTOMERS = ["customer_id", "kind", "branch_id", "opened_on"]
DAY = dt.date(2024, 1, 31)
SECRET = "6217000012345678901"
"""An identifier that no message may hold."""


GOOD = "customer_id,kind,branch_id,opened_on,income,marketing_consent\n"
ROW = f"{SECRET},personal,1,20240131,"


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


def save(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, cells in sheets.items():
        sheet = book.create_sheet(name)
        for row in cells:
            sheet.append(row)
    book.save(path)
