"""Excel workbooks: each sheet's cells as text, which is then read like a file of text."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from segmentation.data.errors import TableError
from segmentation.data.headings import Headings, money_unit
from segmentation.data.phrases import text
from segmentation.data.pieces import Piece, header_row, remark
from segmentation.data.texts import HEAD, scratch

__all__ = ["read_workbook"]

EXACT = 10**15
"""Excel keeps 15 digits of a number."""
FAULT = re.compile(rb'<c\b(?=[^>]*\bt="e")[^>]*\br="([A-Z]+)(\d+)"')
BATCH = 50_000


def read_workbook(
    path: Path, headings: Headings, own: str | None
) -> tuple[list[tuple[str, Piece]], list[TableError]]:
    """Return the tables in a workbook's sheets, each with its piece, and what was left out.

    A sheet is the table that it is named after, or else `own`, that of the file.

    Raises
    ------
    TableError
        If it is no workbook, is locked by a password, or a table's sheet has no header.
    """
    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        return _read(path, book, headings, own)
    except TableError:
        raise
    except BaseException as error:
        # On some damaged files the reader panics, which is no Exception.
        damage: tuple[type[Exception], ...] = (calamine.CalamineError, zipfile.BadZipFile)
        damage += (zlib.error, OSError, ValueError, RuntimeError, KeyError)
        if not isinstance(error, damage) and type(error).__name__ != "PanicException":
            raise
    raise TableError(
        own or path.name,
        f"the file is a whole workbook that opens without a password ({path.name})",
        "Save it again as .xlsx in Excel, without a password.",
    )


def _read(
    path: Path, book: Any, headings: Headings, own: str | None
) -> tuple[list[tuple[str, Piece]], list[TableError]]:
    sheets = [(name, book.get_sheet_by_name(name)) for name in book.sheet_names]
    faults = _faults(path)
    found: list[tuple[str, Piece]] = []
    left: list[TableError] = []
    for sheet_name, sheet in sheets:
        table = headings.table_of(sheet_name) or own
        rows = _rows(sheet, faults.get(sheet_name, {}))
        head = [row for row, _ in zip(rows, range(HEAD), strict=False)]
        if not any("".join(row).strip() for row in head):
            continue
        label = f"{path.name}, {sheet_name}"
        at, known = header_row(head, table, headings) if table else (0, 0)
        if table is None or (known == 0 and len(sheets) > 1 and not headings.table_of(sheet_name)):
            left.append(remark(path.name, sheet_name, "a sheet that is no table is left out"))
        elif known == 0:
            raise TableError(
                table,
                f"the sheet has a header with the table's columns ({label})",
                "Add a header row, or say in columns.toml which header is which column.",
            )
        else:
            unit = money_unit(" ".join(cell for row in head[:at] for cell in row))
            whole = _rows(sheet, faults.get(sheet_name, {}))
            found.append((table, _piece(label, whole, at, unit)))
    if own and not found:
        raise TableError(
            own, f"the workbook has a sheet with rows ({path.name})", "Export it again."
        )
    return found, left


def _rows(sheet: Any, faults: dict[int, dict[int, str]]) -> Iterator[list[str]]:
    start = sheet.start[0] if sheet.start else 0
    left = sheet.start[1] if sheet.start else 0
    for index, row in enumerate(sheet.iter_rows(), 0):
        cells = [_text(cell) for cell in row]
        for column, fault in faults.get(index + start, {}).items():
            if 0 <= column - left < len(cells):
                cells[column - left] = fault
        yield cells


def _text(cell: Any) -> str:
    """A cell as text that is read like any other."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float | int):
        if float(cell).is_integer():
            # more digits than Excel keeps: written so that an identifier of it is refused
            return str(int(cell)) if abs(cell) < EXACT else f"{cell:e}"
        return repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(" ")
    if isinstance(cell, dt.timedelta):
        return str(cell)
    return str(cell.isoformat())


def _piece(label: str, rows: Iterator[list[str]], at: int, unit: float | None) -> Piece:
    """Write the rows below the header to the scratch folder, all as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for _ in range(at):
        next(rows)
    header = tuple(next(rows))
    names = tuple(f"c{i}" for i in range(len(header)))
    schema = pa.schema([(name, pa.string()) for name in names])
    handle, target = tempfile.mkstemp(suffix=".parquet", dir=scratch())
    with open(handle, "wb") as file, pq.ParquetWriter(file, schema) as writer:
        while batch := [row for row, _ in zip(rows, range(BATCH), strict=False)]:
            columns = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
            writer.write_table(pa.table(columns, schema=schema))
    sql = f"read_parquet({text(target)})"
    return Piece(label, sql, header, names, ("VARCHAR",) * len(names), unit, serial=True)


def _faults(path: Path) -> dict[str, dict[int, dict[int, str]]]:
    """Return where an .xlsx has cells with an error, which would else be read as empty."""
    if not zipfile.is_zipfile(path):
        return {}
    found: dict[str, dict[int, dict[int, str]]] = {}
    with zipfile.ZipFile(path) as archive:
        for sheet, part in _parts(archive):
            for letters, row in FAULT.findall(archive.read(part)):
                column = 0
                for letter in letters:
                    column = column * 26 + letter - 64
                found.setdefault(sheet, {}).setdefault(int(row) - 1, {})[column - 1] = "#N/A"
    return found


def _parts(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Names of the sheets, and where the archive holds them."""
    try:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    except (KeyError, ElementTree.ParseError):
        return []
    targets = {link.get("Id"): link.get("Target", "").removeprefix("/xl/") for link in links}
    parts = []
    for sheet in book.iter():
        if sheet.tag.endswith("}sheet"):
            link = next((v for k, v in sheet.attrib.items() if k.endswith("}id")), None)
            part = f"xl/{targets.get(link, '')}"
            if part in archive.namelist():
                parts.append((sheet.get("name", ""), part))
    return parts
