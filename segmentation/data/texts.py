"""Files of text: their encoding, delimiter and header found out, so that DuckDB can read them."""

from __future__ import annotations

import atexit
import codecs
import csv
import gzip
import io
import re
import shutil
import tempfile
import zlib
from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from segmentation.data.cells import FOOTER
from segmentation.data.errors import TableError
from segmentation.data.headings import Headings, money_unit, plain
from segmentation.data.phrases import text
from segmentation.data.pieces import Piece, header_row, remark

__all__ = ["read_text", "scratch"]

CHUNK = 1 << 22
TAIL = 1 << 16
HEAD = 50
DELIMITERS = (",", "\t", ";", "|", "\x01", "^")
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@cache
def scratch() -> Path:
    """Return a folder of this process for what has to be written anew, removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="segmentation-"))  # readable by its owner only
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _chunks(path: Path) -> Iterator[bytes]:
    with _open(path) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _encoding(path: Path, table: str, told: str | None) -> tuple[str, bool]:
    """Return the encoding, and whether DuckDB can read the line ends.

    The encoding is what the file's first bytes say, or columns.toml, or UTF-8 where all of the
    file is, or else GB18030.
    """
    with _open(path) as file:
        head = file.read(1 << 16)
    if not head.strip():
        raise _unreadable(table, path, "the file has content, and it is empty", "Export it again.")
    marked = next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
    encoding = marked or told or _wide(head)
    if encoding is None and b"\0" in head:
        raise _unreadable(
            table,
            path,
            "the file is text, and it is something else",
            "Export it as CSV, Excel or Parquet.",
        )
    tidy = _scan(path, encoding or "utf-8")
    if tidy is not None:
        return encoding or "utf-8", tidy
    if encoding is None and _is_chinese(path) and (tidy := _scan(path, "gb18030")) is not None:
        return "gb18030", tidy
    raise _unreadable(
        table,
        path,
        "the file is text of one encoding to its end, and it is damaged, cut off or of an encoding "
        "that is not recognised",
        "Export it again, as UTF-8, or give its encoding in columns.toml.",
    )


def _wide(head: bytes) -> str | None:
    """UTF-16 without its mark: of digits and commas every other byte is zero."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < len(head) / 8 or min(even, odd) * 10 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_chinese(path: Path) -> bool:
    """Whether it is no UTF-8 at all, rather than UTF-8 with a damaged place.

    Most of the damaged file would decode as GB18030 too, into other signs.
    """
    good = bad = 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in _chunks(path):
        read = decoder.decode(chunk)
        bad += read.count("\ufffd")
        good += len(re.findall(r"[\u2e80-\u9fff\uff00-\uffef]", read))
    return bad > 0 and good <= bad


def _scan(path: Path, encoding: str) -> bool | None:
    """Return whether the line ends are of one kind; None if the file is not of this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    both = feeds = returns = 0
    last = b""
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
            both += (last + chunk).count(b"\r\n")
            feeds, returns = feeds + chunk.count(b"\n"), returns + chunk.count(b"\r")
            last = chunk[-1:] if chunk[-1:] == b"\r" else b""
        decoder.decode(b"", final=True)
    except UnicodeError:
        return None
    return returns == 0 or both == feeds == returns


def _unreadable(table: str, path: Path, rule: str, mend: str) -> TableError:
    return TableError(table, f"{rule} ({path.name})", mend)


def _lines(path: Path, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(cast(Any, _open(path)), encoding=encoding, newline=None)


def read_text(path: Path, table: str, headings: Headings) -> Piece:
    """Return a text file as a piece of `table`, whatever its encoding and delimiter.

    UTF-8 is read where it lies; all else is written anew as UTF-8 into the scratch folder.

    Raises
    ------
    TableError
        If it is empty, no text, damaged, or has no header with columns of the table.
    """
    try:
        encoding, tidy = _encoding(path, table, headings.setting(table, "encoding"))
        with _lines(path, encoding) as file:
            head = list(islice(file, 400))
        tail = _tail(path, encoding)
    except (OSError, EOFError, zlib.error):
        raise _unreadable(
            table, path, "the file can be read", "Check its permissions, or export it again."
        ) from None
    delimiter, rows, lines, at = _layout(head, table, headings, path)
    width = _width(rows[at:])
    header = (*rows[at], *[""] * (width - len(rows[at])))
    footer, notes = _footer(tail, delimiter, width)
    straight = encoding in ("utf-8", "utf-8-sig") and tidy and path.suffix.lower() != ".gz"
    source, skip = path, lines[at]
    if not straight or footer or skip != at + 1:
        source, skip = _rewritten(path, encoding, lines[at], footer), 0
    names = tuple(f"c{i}" for i in range(width))
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    sql = (
        f"read_csv({text(_literal(source))}, auto_detect = false, header = false, skip = {skip}, "
        f"delim = {text(delimiter)}, quote = '\"', escape = '\"', columns = {{{columns}}})"
    )
    said = [remark(table, path.name, "lines below the table are left out", notes)] if notes else []
    unit = money_unit(" ".join(cell for row in rows[:at] for cell in row))
    return Piece(path.name, sql, header, names, ("VARCHAR",) * width, unit, remarks=tuple(said))


def _literal(path: Path) -> str:
    """A path in which DuckDB sees no pattern."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))


def _layout(
    head: list[str], table: str, headings: Headings, path: Path
) -> tuple[str, list[list[str]], list[int], int]:
    """Return the delimiter, the first rows, the line each ends at, and which is the header."""
    told = headings.setting(table, "delimiter")
    best: tuple[int, str, list[list[str]], list[int], int] | None = None
    for delimiter in [told] if told else DELIMITERS:
        rows: list[list[str]] = []
        lines: list[int] = []
        reader = csv.reader(head, delimiter=delimiter)
        try:
            for row in reader:
                rows.append(row)
                lines.append(reader.line_num)
        except csv.Error:  # a cell longer than any cell is
            continue
        at, known = header_row(rows[:HEAD], table, headings)
        if best is None or known > best[0]:
            best = known, delimiter, rows, lines, at
    if best is None or best[0] == 0:
        raise TableError(
            table,
            f"the file has a header with the table's columns ({path.name})",
            "Add a header row, or say in columns.toml which header is which column.",
        )
    return best[1:]


def _width(rows: list[list[str]]) -> int:
    """Cells of a row: more than the header has, where every line ends with a delimiter."""
    header = len(rows[0])
    longer = {len(row) for row in rows[1:-1] if len(row) > header}
    if longer == {header + 1} and all(
        not row[header].strip() for row in rows[1:-1] if row[header:]
    ):
        return header + 1
    return header


def _tail(path: Path, encoding: str) -> list[str]:
    """Return the last few lines."""
    if encoding.startswith("utf-8") and path.suffix.lower() != ".gz":
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - TAIL))
            return file.read().decode("utf-8", "ignore").splitlines()[-8:]
    with _lines(path, encoding) as lines:
        return list(deque(lines, maxlen=8))


def _footer(tail: list[str], delimiter: str, width: int) -> tuple[int, int]:
    """Return how many last lines to leave out, and how many of these are not blank.

    They are totals and notes, of fewer cells than a row has.
    """
    dropped = notes = 0
    for count, line in enumerate(reversed(tail), 1):
        cells = [
            c.strip(" \t\r\n\x1a\u3000") for c in next(csv.reader([line], delimiter=delimiter), [])
        ]
        if not any(cells):
            dropped = count if line.strip("\r\n") and len(cells) != width else dropped
        elif len(cells) != width and any(re.match(FOOTER, plain(cell)) for cell in cells[:3]):
            dropped, notes = count, notes + 1
        else:
            break
    return dropped, notes


def _rewritten(path: Path, encoding: str, skip: int, footer: int) -> Path:
    """Write the rows anew as UTF-8, without what stands above and below them, once a process."""
    about = path.stat()
    return _written(path.resolve(), about.st_mtime_ns, about.st_size, encoding, skip, footer)


@cache
def _written(path: Path, time: int, size: int, encoding: str, skip: int, footer: int) -> Path:
    handle, target = tempfile.mkstemp(suffix=".csv", dir=scratch())
    waiting: deque[str] = deque()
    with _lines(path, encoding) as lines, open(handle, "w", encoding="utf-8", newline="\n") as out:
        for line in islice(lines, skip, None):
            waiting.append(line)
            if len(waiting) > footer:
                out.write(waiting.popleft())
    return Path(target)
