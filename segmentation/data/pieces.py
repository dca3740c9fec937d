"""A table out of the pieces that a bank brings it in: files, sheets, tables of a database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.data.cells import FOOTER, TOTAL, read_cell
from segmentation.data.contract import TABLES
from segmentation.data.engines import connection
from segmentation.data.errors import TableError, TableErrors, missing_columns
from segmentation.data.headings import Headings
from segmentation.data.natives import NUMBER, WHOLE, figures, native_cell
from segmentation.data.phrases import Cell, Manner, name, nulled, text, trimmed

__all__ = ["Piece", "assemble", "header_row", "remark"]

TYPES = {"flag": "BOOLEAN", "date": "DATE", "month": "DATE", "time": "TIMESTAMP", "count": "BIGINT"}
WORDS = ("id", "text", "category")
AMOUNTS = ("money", "number", "share", "count")


@dataclass(frozen=True)
class Piece:
    """A part of a table as it lies there.

    Attributes
    ----------
    label : str
        Name of the file, with that of the sheet.
    sql : str
        What DuckDB reads it from.
    headers, names, types : tuple of str
        What its columns are called by the bank and by DuckDB, and their types.
    unit : float, optional
        What a title above the table says that amounts are multiplied by.
    cells : bool
        Whether it is made of cells of text, among which there may be rows of totals.
    serial : bool
        Whether a number may be a date, as in Excel.
    remarks : tuple of TableError
        What was left out.
    """

    label: str
    sql: str = field(repr=False)
    headers: tuple[str, ...]
    names: tuple[str, ...]
    types: tuple[str, ...]
    unit: float | None = None
    cells: bool = True
    serial: bool = False
    remarks: tuple[TableError, ...] = ()


def remark(table: str, label: str, rule: str, rows: int | None = None) -> TableError:
    """Return what is said of something that was left out: an error that is not raised."""
    return TableError(table, f"{rule} ({label})", "Nothing to do if that is meant.", rows=rows)


def header_row(rows: Sequence[Sequence[str]], table: str, headings: Headings) -> tuple[int, int]:
    """Return which row is the header, and how many columns of the table it names."""
    best = (0, 0)
    for index, row in enumerate(rows):
        filled = [cell for cell in row if cell.strip()]
        known = len({c for c, _ in (headings.column_of(table, cell) for cell in filled) if c})
        if known > best[1]:
            best = index, known
    return best


def assemble(
    table: str, pieces: Sequence[Piece], headings: Headings
) -> tuple[Any, list[TableError]]:
    """Return the table as a lazy DuckDB relation in the contract's types, and what was left out.

    Raises
    ------
    TableError
        If columns are missing or twice there, or cells cannot be read.
    """
    parts: list[_Part] = []
    errors: list[TableError] = []
    for piece in pieces:
        try:
            parts.append(_Part(table, piece, headings))
        except TableError as error:
            errors += error.errors
    if errors:
        raise TableErrors.of(errors)
    everywhere = [c for c in TABLES[table].columns if any(c in part.found for part in parts)]
    remarks = [said for part in parts for said in part.remarks]
    for part in parts:
        absent = [c for c in everywhere if c not in part.found]
        remarks += [
            TableError(
                table, f"the column is there in all files, and not in {part.piece.label}",
                "Add it, or leave its cells empty.", column,
            )
            for column in absent
        ]  # fmt: skip
    sql = " UNION ALL ".join(part.select(everywhere) for part in parts)
    return connection().sql(sql), remarks


class _Part:
    """A piece whose columns have been found and whose cells have been tried."""

    def __init__(self, table: str, piece: Piece, headings: Headings) -> None:
        self.table, self.piece, self.headings = table, piece, headings
        self.manner = Manner(
            dates=headings.setting(table, "dates") or "ymd",
            decimal=headings.setting(table, "decimal") or ".",
            timezone=headings.setting(table, "timezone"),
            nulls=headings.words(table, "nulls"),
            true=headings.words(table, "true"),
            false=headings.words(table, "false"),
            serial=piece.serial,
        )
        self.remarks = list(piece.remarks)
        self.found: dict[str, tuple[int, float | None]] = {}
        self._match()
        self.texts: dict[int, str] = {}
        self.cells = {column: self._cell(column) for column in self.found}
        self.dropped = ""
        self._try()

    def _match(self) -> None:
        unknown: list[str] = []
        spec = TABLES[self.table]
        for index, header in enumerate(self.piece.headers):
            column, factor = self.headings.column_of(self.table, header)
            if column in self.found:
                raise self._error(
                    "one column of a file is read as it, and there are two",
                    "Remove one, or say in columns.toml which is meant.",
                    column,
                )
            if column:
                self.found[column] = index, factor
            elif header.strip():
                unknown.append(header.strip())
        lacking = [c for c in spec.required if c not in self.found and c not in spec.either]
        if spec.either and not set(spec.either) & set(self.found):
            lacking.append(spec.either[0])
        if lacking:
            known = [
                *self.found,
                *(h for h in self.piece.headers if h.isascii() and h.isidentifier()),
            ]
            missing_columns(f"{self.table} ({self.piece.label})", lacking, known)
        if unknown:
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            said = f"columns not of the contract left out: {', '.join(unknown[:5])}{more}"
            self.remarks.append(remark(self.table, self.piece.label, said))

    def _error(
        self, rule: str, mend: str, column: str | None = None, rows: int | None = None
    ) -> TableError:
        return TableError(self.table, f"{rule} ({self.piece.label})", mend, column, rows)

    def _cell(self, column: str) -> Cell:
        index, header = self.found[column]
        spec = TABLES[self.table].columns[column]
        raw, dtype = name(self.piece.names[index]), self.piece.types[index]
        factor = self.headings.factor(self.table, spec, header, self.piece.unit)
        values = self.headings.values(self.table, spec)
        if dtype.startswith("ENUM"):
            raw, dtype = f"CAST({raw} AS VARCHAR)", "VARCHAR"
        if dtype == "VARCHAR" and spec.type in WORDS and not self.piece.cells:
            if spec.type == "id" or not values or not self._foreign(raw, values):
                return Cell(f"r{index}")
        elif dtype != "VARCHAR":
            cell = native_cell(spec, f"r{index}", f"v{index}", dtype, self.manner, factor)
            if cell is not None:
                return cell
            if not (WHOLE.fullmatch(dtype) or NUMBER.fullmatch(dtype) or dtype == "BOOLEAN"):
                raise self._error(
                    f"cells are of type {spec.type}, and they are {dtype.lower()}",
                    "Bring the column in its own type, or as text.",
                    column,
                )
            raw = figures(raw, dtype)
        self.texts[index] = raw
        return read_cell(spec, str(index), self.manner, values, factor)

    def _source(self, filtered: bool = True) -> str:
        """SQL of the rows with each column's steps: raw ``r``, cleaned ``c``, and value ``v``."""
        piece, used = self.piece, {index: self.cells[c] for c, (index, _) in self.found.items()}
        texts = dict(self.texts)
        if piece.cells and (self.dropped or not filtered):
            texts = {i: self.texts.get(i, name(n)) for i, n in enumerate(piece.names)}
        free = {
            i for c, (i, _) in self.found.items() if TABLES[self.table].columns[c].type == "text"
        }
        raw = {i: name(piece.names[i]) for i in used if i not in texts}
        kept = [f"r{i}" for i in raw]
        rows = ", ".join(
            [f"{trimmed(sql, i not in free)} AS t{i}" for i, sql in texts.items()]
            + [f"{sql} AS r{i}" for i, sql in raw.items()]
        )
        clean = [f"{nulled(f't{i}', self.manner.nulls)} AS c{i}" for i in texts]
        steps = f"SELECT {rows} FROM {piece.sql}"
        if texts:
            steps = f"SELECT {', '.join([*clean, *kept])} FROM ({steps})"
        if self.dropped and filtered:
            steps = f"SELECT * FROM ({steps}) WHERE NOT ({self.dropped})"
        prepared = [f"{cell.prepared} AS s{i}" for i, cell in used.items() if cell.prepared]
        if prepared:
            steps = f"SELECT *, {', '.join(prepared)} FROM ({steps})"
        values = [f"{cell.value} AS v{i}" for i, cell in used.items()]
        return f"(SELECT *, {', '.join(values)} FROM ({steps}))"

    def _foreign(self, raw: str, values: dict[str, str]) -> bool:
        """Whether any value is written otherwise than the contract has it."""
        few = f"SELECT DISTINCT {raw} FROM {self.piece.sql} LIMIT 1000"
        return any(v is not None and v not in values.values() for (v,) in self._run(few))

    def _run(self, sql: str) -> list[Any]:
        import duckdb

        try:
            return connection().sql(sql).fetchall()
        except duckdb.Error as error:  # its message holds the line itself, so it goes no further
            line = re.search(r"CSV Error on Line: (\d+)", str(error))
            at = f", as from line {int(line[1]):,} of the rows" if line else ""
            broken = self._error(
                f"each row has as many cells as the header and each quote ends{at}"
                if self.piece.cells
                else "the file can be read to its end",
                "Put cells that hold the delimiter in quotes, or export it again.",
            )
        raise broken

    def _try(self) -> None:
        """Count in one pass the rows to leave out and the cells that cannot be read."""
        doubtful = {c: cell for c, cell in self.cells.items() if cell.unreadable != "false"}
        if not self.piece.cells and not doubtful:
            return
        kinds = self._kinds() if self.piece.cells else {}
        out = " OR ".join(f"coalesce({sql}, false)" for sql in kinds.values()) or "false"
        counts = [f"count_if({sql})" for sql in kinds.values()]
        counts += [f"count_if(({c.unreadable}) AND NOT ({out}))" for c in doubtful.values()]
        kept, *found = self._run(
            f"SELECT count_if(NOT ({out})), {', '.join(counts)} FROM {self._source(filtered=False)}"
        )[0]
        bad = dict(zip(doubtful, found[len(kinds) :], strict=True))
        errors = [
            self._error(self.cells[column].rule, self.cells[column].mend, column, rows)
            for column, rows in bad.items()
            if rows
        ]
        if errors:
            raise TableErrors.of(errors)
        left = {kind: rows for kind, rows in zip(kinds, found, strict=False) if rows}
        self.dropped = " OR ".join(f"coalesce({kinds[kind]}, false)" for kind in left)
        self.remarks += [
            remark(self.table, self.piece.label, f"{kind} left out", rows)
            for kind, rows in left.items()
            if kind != "blank rows"
        ]
        if self.piece.cells and not kept:
            self.remarks.append(remark(self.table, self.piece.label, "a header without rows"))

    def _kinds(self) -> dict[str, str]:
        """Kinds of rows that are none of the table's, in SQL."""
        names = [f"c{i}" for i in range(len(self.piece.names))]
        first = next(i for i, header in enumerate(self.piece.headers) if header.strip())
        spec = TABLES[self.table].columns
        marked = {i for c, (i, _) in self.found.items() if spec[c].type not in ("text", *AMOUNTS)}
        totals = [f"regexp_matches(lower({names[i]}), {text(TOTAL)})" for i in {first} | marked]
        rest = [n for i, n in enumerate(names) if i != first]
        alone = f"coalesce({', '.join(rest)}) IS NULL AND " if rest else ""
        again = [
            f"{names[i]} = {text(self.piece.headers[i].strip())}"
            for i in [index for index, _ in self.found.values()][:2]
        ]
        total = f"coalesce({' OR '.join(totals)}, false)"
        blank = f"coalesce({', '.join(names)}) IS NULL"
        return {
            "blank rows": blank,
            "rows of totals": total,
            "notes below the table": alone
            + f"regexp_matches(lower({names[first]}), {text(FOOTER)}) AND NOT {total}",
            "repeated headers": " AND ".join(again),
        }

    def select(self, columns: Sequence[str]) -> str:
        """Return the SQL that reads `columns`; those that it lacks are null."""
        spec = TABLES[self.table].columns
        values = [
            f"CAST({f'v{self.found[c][0]}' if c in self.found else 'NULL'} AS "
            f"{TYPES.get(spec[c].type, 'VARCHAR' if spec[c].type in WORDS else 'DOUBLE')}) "
            f"AS {name(c)}"
            for c in columns
        ]
        return f"SELECT {', '.join(values)} FROM {self._source()}"
