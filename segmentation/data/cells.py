"""Cells of text read as what the contract says they are, as SQL that DuckDB runs.

A cell is read right, or it is empty, or it counts as unreadable and the table is refused: nothing
that cannot be read becomes null in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from segmentation.data.contract import Column

__all__ = ["FOOTER", "TOTAL", "Cell", "Manner", "name", "nulled", "read_cell", "text", "trimmed"]

WIDE = "".join(chr(0xFF01 + i) for i in range(94)) + "\u3000\uffe5"
NARROW = "".join(chr(0x21 + i) for i in range(94)) + " ¥"
BLANKS = " \t\r\n\u3000\u00a0\ufeff\u200b"
NO_DATE = ("00000000", "0000-00-00", "00010101", "0001-01-01", "99991231", "9999-12-31")
"""What core systems write where there is no date, and where something has no end yet."""

TOTAL = r"(合|小|总|共)\s*计([^划算]|$)|^((sub|grand)[\s-]*)?totals?\s*:?$"
"""What a row of totals calls itself, in its first column or where an identifier should be."""
FOOTER = (
    r"^(制表|打印|填报|填表|审核|复核|备注|说明|注:|导出|生成|数据来源|以上|"
    r"共\s*\d+|合计|小计|总计|共计|已选择\s*\d+|\d+ rows?\b|-*\s*(end|结束))"
)
"""How a line below a table begins that is no row of it."""

WHOLE = r"\d+|\d{1,3}(,\d{3})+"
DIGITS = rf"({WHOLE})(\.\d*)?|\.\d+"
EIGHT = r"\d{8}"
DAY = r"\d{4}(-\d{1,2}-\d{1,2}|/\d{1,2}/\d{1,2}|\.\d{1,2}\.\d{1,2}|年\d{1,2}月\d{1,2}日)"
MONTH = r"\d{4}([-/.]\d{1,2}|年\d{1,2}月)"
CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)"


def text(value: str) -> str:
    """Quote a string for SQL."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """Quote a name for SQL."""
    return '"' + value.replace('"', '""') + '"'


def _words(values: Iterable[str]) -> str:
    return ", ".join(text(value) for value in sorted(values))


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
    short = f"strlen({raw}) = length({raw}) AND NOT regexp_matches({raw}, '^\\s|\\s$')"
    return f"CASE WHEN {short} THEN {raw} ELSE trim({sized}, {text(BLANKS)}) END"


def nulled(cell: str, nulls: Iterable[str]) -> str:
    """Return SQL for a trimmed cell, or null where it says that there is nothing."""
    return f"CASE WHEN lower({cell}) IN ({_words({'', *nulls})}) THEN NULL ELSE {cell} END"


def read_cell(
    column: Column, tag: str, manner: Manner, values: Mapping[str, str], factor: float = 1.0
) -> Cell:
    """Return how a cell of text is read as `column`.

    Parameters
    ----------
    column : Column
        What the contract says of it.
    tag : str
        What follows ``c``, ``s`` and ``v`` in the names of the cell's steps.
    manner : Manner
        How the bank writes.
    values : mapping
        What cells stand for, by their plain form; of categories, kinds and flags.
    factor : float
        What amounts are multiplied by: 10,000 for 万元.
    """
    cell, empty = f"c{tag}", f"c{tag} IS NOT NULL AND v{tag} IS NULL"
    if column.type == "id":
        return _identifier(cell)
    if column.type in ("text", "category"):
        return _word(cell, values)
    if column.type == "flag":
        return _flag(cell, empty, manner, values)
    if column.type in ("date", "month"):
        return _date(cell, empty, manner, column.type == "month")
    if column.type == "time":
        return _time(cell, empty, manner)
    return _number(column, cell, f"s{tag}", empty, manner, factor)


def _word(cell: str, values: Mapping[str, str]) -> Cell:
    """Map cells to values; what has no value stays as it is, for `check_bank` to name."""
    cases = " ".join(f"WHEN {text(key)} THEN {text(value)}" for key, value in values.items())
    return Cell(
        f"CASE lower({cell}) {cases} ELSE {cell} END" if values else cell,
        "",
        f"regexp_full_match({cell}, '#(N/A|REF!|VALUE!|DIV/0!|NAME\\?|NUM!|NULL!)')",
        "no cell holds an error of Excel, and some do",
        "Mend the formula and export again.",
    )


def _identifier(cell: str) -> Cell:
    """Text without Excel's leading apostrophe, ="…" and the .0 of a number with gaps."""
    bare = (
        f"CASE WHEN regexp_full_match({cell}, '''.+|=\".*\"|\\d+\\.0+') "
        f"THEN regexp_replace(regexp_replace({cell}, '^''|^=\"|\"$', '', 'g'), "
        f"'^(\\d+)\\.0+$', '\\1') ELSE {cell} END"
    )
    broken = r"^\d(\.\d+)?[eE]\+?\d+$|^#(N/A|REF!|VALUE!|DIV/0!|NAME)|\x{FFFD}"
    damaged = f"regexp_matches({cell}, {text(broken)})"
    return Cell(
        bare,
        "",
        damaged,
        "identifiers are whole, and some are in scientific notation or an error of Excel",
        "Export the column as text: digits that Excel dropped cannot be had back.",
    )


def _flag(cell: str, empty: str, manner: Manner, values: Mapping[str, str]) -> Cell:
    said = dict.fromkeys(manner.true, "true") | dict.fromkeys(manner.false, "false") | dict(values)
    true, false = ([key for key, value in said.items() if value == v] for v in ("true", "false"))
    value = (
        f"CASE WHEN lower({cell}) IN ({_words(true)}) THEN true "
        f"WHEN lower({cell}) IN ({_words(false)}) THEN false END"
    )
    return Cell(
        value,
        "",
        empty,
        "flags are yes or no, 是 or 否, Y or N, 1 or 0, and some are not",
        "Say in columns.toml under values which cells stand for true and false.",
    )


def _number(
    column: Column, cell: str, signed: str, empty: str, manner: Manner, factor: float
) -> Cell:
    number = f"translate({cell}, '.,', ',.')" if manner.decimal == "," else cell
    bare = f"regexp_replace(upper({number}), '\\s*(¥|CNY|RMB|人民币|元|圆)\\s*', '', 'g')"
    if column.type == "count":
        bare = f"regexp_replace({number}, '[年岁]$', '')"
    opened = f"regexp_replace({bare}, '^\\((.+)\\)$', '-\\1')"
    plain = f"regexp_full_match({cell}, '[+-]?\\d+')"
    prepared = (
        f"CASE WHEN {plain} THEN {cell} ELSE regexp_replace({opened}, '^([^-+].*)-$', '-\\1') END"
    )
    digits = f"CAST(replace(regexp_extract({signed}, '^[+-]?[\\d.,]+'), ',', '') AS DOUBLE)"
    times = "" if factor == 1 else f" * {factor!r}"
    cases = [(f"[+-]?({DIGITS})(E[+-]?0+)?", f"{digits}{times}")]
    cases += [("[+-]?[\\d.]+[eE]-\\d+", f"TRY_CAST({signed} AS DOUBLE){times}")]
    if column.type == "money" and factor == 1:
        scales = "WHEN '千' THEN 1e3 WHEN '百万' THEN 1e6 WHEN '亿' THEN 1e8 ELSE 1e4"
        scale = f"CASE regexp_extract({signed}, '(千|百万|万|亿)$') {scales} END"
        cases += [(f"[+-]?({DIGITS})(千|百万|万|亿)", f"round({digits} * {scale}, 4)")]
    if column.type == "count":  # 7 and 7.0, not 7.5
        cases = [(f"[+-]?({WHOLE})(\\.0*)?", f"TRY_CAST({digits} AS BIGINT)")]
    if column.type == "share":
        cases += [(f"[+-]?({DIGITS})\\s*%", f"{digits} / 100")]
    value = f"CASE {_when(signed, cases)} END"
    if factor > 1:  # 1.1 × 10,000 is 11,000, not 11,000.000000000002
        value = f"round({value}, 4)"
    return Cell(
        value,
        prepared,
        empty,
        "numbers are written like 1234.56, 1,234.56 or (1,234.56), and some are not",
        'Export them so, or set decimal = "," in columns.toml if 1.234,56 is meant.',
    )


def _day(cell: str, manner: Manner) -> list[tuple[str, str]]:
    """Patterns of a day, and SQL for its ISO form."""
    eight = f"substr({cell}, 1, 4) || '-' || substr({cell}, 5, 2) || '-' || substr({cell}, 7, 2)"
    iso = f"regexp_replace({cell}, '^(\\d+)[-/.年](\\d+)[-/.月](\\d+).*$', '\\1-\\2-\\3')"
    found = [(EIGHT, eight), (DAY, iso)]
    if manner.dates != "ymd":
        order = "\\3-\\2-\\1" if manner.dates == "dmy" else "\\3-\\1-\\2"
        last = f"regexp_replace({cell}, '^(\\d+)[-/.](\\d+)[-/.](\\d{{4}}).*$', '{order}')"
        found.append(("\\d{1,2}[-/.]\\d{1,2}[-/.]\\d{4}", last))
    return found


def _date(cell: str, empty: str, manner: Manner, month: bool) -> Cell:
    cases = [
        (
            f"({pattern})([ T]{CLOCK})?" if pattern != "\\d{8}" else pattern,
            f"TRY_CAST({iso} AS DATE)",
        )
        for pattern, iso in _day(cell, manner)
    ]
    cases += [(f"{DAY}[ T]{CLOCK} ?{OFFSET}", f"CAST({_zoned(cell, manner)} AS DATE)")]
    cases += [(f"{EIGHT} ?({CLOCK}|\\d{{6}})", f"TRY_CAST({_day(cell, manner)[0][1]} AS DATE)")]
    if month:
        first = (
            f"regexp_extract({cell}, '^\\d{{4}}') || '-' || regexp_extract({cell}, '(\\d+)月?$', 1)"
        )
        six = f"substr({cell}, 1, 4) || '-' || substr({cell}, 5, 2)"
        cases += [(MONTH, f"TRY_CAST({first} || '-01' AS DATE)")]
        cases += [("\\d{6}", f"TRY_CAST({six} || '-01' AS DATE)")]
    if manner.serial:
        serial = f"DATE '1899-12-30' + CAST(floor(CAST({cell} AS DOUBLE)) AS INTEGER)"
        cases += [("\\d{3,5}(\\.\\d+)?", serial)]
    none = f"{cell} IN ({_words(NO_DATE)})"
    value = f"CASE WHEN {none} THEN NULL {_when(cell, cases)} END"
    if month:
        value = f"CAST(date_trunc('month', {value}) AS DATE)"
    return Cell(
        value,
        "",
        f"{empty} AND NOT {none}",
        "dates exist and are written with the year first, like 2024-01-31, 20240131 or "
        "2024年1月31日, and some are not",
        'Mend them, or set dates = "dmy" or "mdy" in columns.toml if the year stands last.',
    )


def _zoned(cell: str, manner: Manner) -> str:
    iso = f"regexp_replace({cell}, '^(\\d+)[/.年](\\d+)[/.月](\\d+)日?', '\\1-\\2-\\3')"
    return f"timezone({text(manner.timezone)}, TRY_CAST({iso} AS TIMESTAMPTZ))"


def _time(cell: str, empty: str, manner: Manner) -> Cell:
    clock = f"regexp_extract({cell}, '{CLOCK}$')"
    cases = []
    for pattern, iso in _day(cell, manner):
        both = f"TRY_CAST({iso.replace('.*$', '.*$')} || ' ' || {clock} AS TIMESTAMP)"
        cases.append(
            (f"({pattern})[ T]?{CLOCK}" if pattern == "\\d{8}" else f"({pattern})[ T]{CLOCK}", both)
        )
    cases += [(f"{DAY}[ T]{CLOCK} ?{OFFSET}", _zoned(cell, manner))]
    digits = f"regexp_replace({cell}, '\\D', '', 'g')"
    cases += [("\\d{8} ?\\d{6}", f"TRY_CAST(try_strptime({digits}, '%Y%m%d%H%M%S') AS TIMESTAMP)")]
    if manner.serial:
        seconds = f"CAST(round(CAST({cell} AS DOUBLE) * 86400) AS BIGINT)"
        cases += [("\\d{3,5}(\\.\\d+)?", f"TIMESTAMP '1899-12-30' + to_seconds({seconds})")]
        cases += [(DAY, f"TRY_CAST({cell} AS TIMESTAMP)")]
    value = f"CASE {_when(cell, cases)} END"
    return Cell(
        value,
        "",
        empty,
        "times are written like 2024-01-31 09:05:00 with day and hour, and some are not",
        "Export them so.",
    )


def _when(cell: str, cases: list[tuple[str, str]]) -> str:
    return " ".join(f"WHEN regexp_full_match({cell}, '{p}') THEN {v}" for p, v in cases)
