"""What lies in a bank's folder, file or database, found and put together table by table."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segmentation.data.contract import TABLES
from segmentation.data.engines import connection
from segmentation.data.errors import TableError, TableErrors
from segmentation.data.headings import Headings
from segmentation.data.phrases import name, text
from segmentation.data.pieces import Piece, assemble, remark
from segmentation.data.texts import read_text
from segmentation.data.workbooks import read_workbook

__all__ = ["read_tables"]

TEXTS = (".csv", ".tsv", ".txt", ".dat", ".del", ".gz")
WORKBOOKS = (".xls", ".xlsx", ".xlsm", ".xlsb", ".ods")
DATABASES = (".duckdb", ".ddb", ".db")
PARQUET = (".parquet", ".parq", ".pq")
KINDS = {
    **dict.fromkeys(TEXTS, "text"),
    **dict.fromkeys(WORKBOOKS, "workbook"),
    **dict.fromkeys(DATABASES, "database"),
    **dict.fromkeys(PARQUET, "parquet"),
}
OWN = ("rules", "truth")
"""Folders within a bank's folder that hold no tables."""
NUMBERS = itertools.count()


def read_tables(path: Path, headings: Headings) -> tuple[dict[str, Any], list[TableError]]:
    """Return each table as a lazy DuckDB relation, and what was found and left out.

    Raises
    ------
    TableError
        If there is no table, or any table cannot be read; all such errors at once.
    """
    pieces: dict[str, list[Piece]] = {}
    kinds: dict[str, set[str]] = {}
    parquet: dict[str, list[Path]] = {}
    errors: list[TableError] = []
    left: list[TableError] = []
    for file, table in _files(path, headings, left):
        try:
            kind = _kind(file, table)
            if kind == "parquet":
                found: list[tuple[str, Piece]] = []
                if table:
                    parquet.setdefault(table, []).append(file)
                    kinds.setdefault(table, set()).add(kind)
            elif kind == "workbook":
                found, said = read_workbook(file, headings, table)
                left += said
            elif kind == "database":
                found, said = _database(file, headings)
                left += said
            else:
                found = [(table, read_text(file, table, headings))] if table else []
        except TableError as error:
            errors += error.errors
            kinds.setdefault(table or file.name, set())
            continue
        if not found and not (table and kind == "parquet"):
            left.append(
                remark(file.name, kind, "a file that is no table of the contract is left out")
            )
        for holder, piece in found:
            pieces.setdefault(holder, []).append(piece)
            kinds.setdefault(holder, set()).add(kind)
    for table, files in parquet.items():
        try:
            pieces.setdefault(table, []).append(_parquet(table, files, headings, left))
        except TableError as error:
            errors += error.errors
    if not kinds:
        raise TableError(
            "bank",
            "the folder has a table of the contract, and none is found",
            f"Name files after their tables: {', '.join(TABLES)}; or say in columns.toml which "
            "file is which. They may be Parquet, CSV, TSV, TXT, XLS, XLSX or a DuckDB file.",
        )
    tables: dict[str, Any] = {}
    for table in TABLES:
        if len(kinds.get(table, ())) > 1:
            errors.append(
                TableError(
                    table,
                    f"a table is there in one form, and it is in {len(kinds[table])}: "
                    f"{', '.join(sorted(kinds[table]))}",
                    "Keep one of them, so that no row is read twice.",
                )
            )
        elif table in pieces:
            try:
                tables[table], said = assemble(table, pieces[table], headings)
                left += said
            except TableError as error:
                errors += error.errors
    if errors:
        raise TableErrors.of(errors)
    return tables, left


def _files(
    path: Path, headings: Headings, left: list[TableError]
) -> Iterator[tuple[Path, str | None]]:
    """Files with the table that their own name, or that of their folder, stands for."""
    if path.is_file():
        yield path, headings.table_of(_stem(path))
        return
    for entry in sorted(path.iterdir()):
        if entry.name.startswith((".", "_", "~$")):
            continue
        table = headings.table_of(_stem(entry))
        if entry.is_file():
            if _suffix(entry) in KINDS:
                yield entry, table
        elif entry.name in OWN:
            continue
        elif table is None:
            left.append(remark(entry.name, "folder", "a folder that is no table is left out"))
        else:
            for file in sorted(entry.rglob("*")):
                parts = file.relative_to(entry).parts
                hidden = any(part.startswith((".", "_", "~$")) for part in parts)
                if file.is_file() and not hidden and _suffix(file) in KINDS:
                    yield file, table


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _stem(path: Path) -> str:
    """Name without endings: balances.csv.gz is balances."""
    stem = path.name
    while Path(stem).suffix.lower() in KINDS:
        stem = Path(stem).stem
    return stem


def _kind(path: Path, table: str | None) -> str:
    """The kind of file by its first bytes: exports often bear another's ending."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        raise TableError(
            table or path.name, f"the file can be read ({path.name})", "Check its permissions."
        ) from None
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "workbook"
    if head[8:12] == b"DUCK":
        return "database"
    page = re.match(
        rb"\s*<(!doctype|html|table|\?xml|meta|head)", head.removeprefix(b"\xef\xbb\xbf"), re.I
    )
    kind = KINDS[_suffix(path)]
    if kind in ("parquet", "database") or (page and table):
        raise TableError(
            table or path.name,
            "the file is what its ending says, and it is "
            f"{'a web page' if page else 'not'} ({path.name})",
            "Open it in Excel and save it as .xlsx or CSV." if page else "Export it again.",
        )
    return "text"


def _parquet(table: str, files: list[Path], headings: Headings, left: list[TableError]) -> Piece:
    """One piece of all files of a table; a column that only some have is named."""
    import duckdb

    own = connection()
    label = files[0].name if len(files) == 1 else f"{len(files)} Parquet files"
    listed = "[" + ", ".join(text(re.sub(r"([\[*?])", r"[\1]", str(f))) for f in files) + "]"
    hive = any("=" in part for file in files for part in file.parts)
    sql = f"read_parquet({listed}, union_by_name = true, hive_partitioning = {str(hive).lower()})"
    try:
        relation = own.sql(f"SELECT * FROM {sql}")
        names, types = tuple(relation.columns), tuple(str(dtype) for dtype in relation.types)
        uneven = own.sql(
            f"SELECT name FROM parquet_schema({listed}) WHERE num_children IS NULL "
            f"GROUP BY name HAVING count(DISTINCT file_name) < {len(files)}"
        ).fetchall()
    except duckdb.Error:
        raise TableError(
            table,
            f"the Parquet files are whole and have columns of the same types ({label})",
            "Export them again.",
        ) from None
    for header in (row[0] for row in uneven):
        column = headings.column_of(table, header)[0]
        if column is None:
            continue
        said = TableError(
            table, f"the column is there in all of {label}, and some lack it", "Add it.", column
        )
        if column in TABLES[table].required:
            raise said
        left.append(said)
    return Piece(label, sql, names, names, types, cells=False)


def _database(path: Path, headings: Headings) -> tuple[list[tuple[str, Piece]], list[TableError]]:
    """Tables and views of a DuckDB file, which stays attached, to read only."""
    import duckdb

    own, place = connection(), str(path.resolve())
    try:
        known = own.sql("SELECT path, database_name FROM duckdb_databases()").fetchall()
        alias = dict(known).get(place)
        if alias is None:
            alias = f"bank_{next(NUMBERS)}"
            own.execute(f"ATTACH {text(place)} AS {alias} (READ_ONLY)")
        listed = own.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE database_name = ? AND NOT internal UNION ALL SELECT schema_name, view_name "
            "FROM duckdb_views() WHERE database_name = ? AND NOT internal ORDER BY 1, 2",
            [alias, alias],
        ).fetchall()
        found, left = [], []
        for schema, title in listed:
            table = headings.table_of(title)
            if table is None:
                left.append(
                    remark(path.name, title, "a table that is not of the contract is left out")
                )
                continue
            sql = f"{name(alias)}.{name(schema)}.{name(title)}"
            relation = own.sql(f"SELECT * FROM {sql}")
            names, types = tuple(relation.columns), tuple(map(str, relation.types))
            found.append(
                (table, Piece(f"{path.name}, {title}", sql, names, names, types, cells=False))
            )
    except duckdb.Error:
        raise TableError(
            "bank",
            f"the file is a DuckDB database that nobody is writing to ({path.name})",
            "Close the program that has it open, or export its tables to Parquet.",
        ) from None
    return found, left
