"""SQL for cells of text: quoting, cleaning, and the steps from a cell to its value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Cell", "Manner", "among", "name", "nulled", "text", "trimmed", "when"]

WIDE = "".join(chr(0xFF01 + i) for i in range(94)) + "\u3000\uffe5"
NARROW = "".join(chr(0x21 + i) for i in range(94)) + " ¥"
BLANKS = " \t\r\n\u3000\u00a0\ufeff\u200b"


def text(value: str) -> str:
    """Quote a string for SQL."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """Quote a name for SQL."""
    return '"' + value.replace('"', '""') + '"'


def among(cell: str, words: Iterable[str]) -> str:
    """SQL for whether a cell is one of some words, in any case.

    Not with IN, of which DuckDB makes a join that it does not leave out with an unused column.
    """
    pattern = "|".join(re.escape(word) for word in sorted(words))
    return f"regexp_full_match({cell}, {text(f'(?i)({pattern})')})"


def when(cell: str, cases: list[tuple[str, str]]) -> str:
    """SQL for the first value whose pattern matches all of a cell."""
    return " ".join(f"WHEN regexp_full_match({cell}, '{p}') THEN {v}" for p, v in cases)


@dataclass(frozen=True)
class Manner:
    """How a bank writes its cells.

    Attributes
    ----------
    dates : str
        Order of day, month and year where the year comes last: ``ymd`` refuses such dates.
    decimal, timezone : str
        Decimal sign, and the zone that times with an offset are brought to.
    nulls, true, false : frozenset of str
        What stands for null, yes and no.
    serial : bool
        Whether a number may be a date: days since 1899-12-30, as in Excel.
    """

    dates: str = "ymd"
    decimal: str = "."
    timezone: str = "Asia/Shanghai"
    nulls: frozenset[str] = frozenset()
    true: frozenset[str] = frozenset()
    false: frozenset[str] = frozenset()
    serial: bool = False


@dataclass(frozen=True)
class Cell:
    """A column as SQL, step by step, so that no step is written or done twice.

    Attributes
    ----------
    value : str
        Its value, over the cleaned cell ``c`` and the prepared one ``s``.
    prepared : str
        The step between, over ``c``; empty if there is none.
    unreadable : str
        Whether it cannot be read, over ``c`` and the value ``v``; ``false`` if it always can.
    rule, mend : str
        What to say of cells that cannot be read.
    """

    value: str
    prepared: str = ""
    unreadable: str = "false"
    rule: str = ""
    mend: str = field(default="", repr=False)


def trimmed(raw: str, narrow: bool = True) -> str:
    """Return SQL for a cell without blanks at its ends and, unless it is text, in half width.

    Plain cells take a short way: turning every cell into half width would cost more than all else.
    """
    sized = f"translate({raw}, {text(WIDE)}, {text(NARROW)})" if narrow else raw
    ascii_only = f"strlen({raw}) = length({raw}) AND NOT regexp_matches({raw}, '^\\s|\\s$')"
    odd = rf"^\s|\s$|[{'！-～￥' if narrow else ''}{BLANKS[4:]}]"
    chinese = f"NOT regexp_matches({raw}, {text(odd)})"
    trim = f"trim({sized}, {text(BLANKS)})"
    return f"CASE WHEN {ascii_only} THEN {raw} WHEN {chinese} THEN {raw} ELSE {trim} END"


def nulled(cell: str, nulls: Iterable[str]) -> str:
    """Return SQL for a trimmed cell, or null where it says that there is nothing."""
    return f"CASE WHEN {among(cell, {'', *nulls})} THEN NULL ELSE {cell} END"
