"""Cells of text read as what the contract says they are, as SQL that DuckDB runs.

A cell is read right, or it is empty, or it counts as unreadable and the table is refused: nothing
that cannot be read becomes null in silence.
"""

from __future__ import annotations

from collections.abc import Mapping

from segmentation.data.contract import Column
from segmentation.data.phrases import Cell, Manner, among, text, when
from segmentation.data.times import read_date, read_time

__all__ = ["FOOTER", "TOTAL", "read_cell"]

TOTAL = r"(合|小|总|共)\s*计([^划算]|$)|^((sub|grand)[\s-]*)?totals?\s*:?$"
"""What a row of totals calls itself, in its first column or where an identifier should be."""
FOOTER = (
    r"^(制表|打印|填报|填表|审核|复核|备注|说明|注:|导出|生成|数据来源|以上|"
    r"共\s*\d+|合计|小计|总计|共计|已选择\s*\d+|\d+ rows?\b|-*\s*(end|结束))"
)
"""How a line below a table begins that is no row of it."""

WHOLE = r"\d+|\d{1,3}(,\d{3})+"
DIGITS = rf"({WHOLE})(\.\d*)?|\.\d+"


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
        return read_date(cell, empty, manner, column.type == "month")
    if column.type == "time":
        return read_time(cell, empty, manner)
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
    value = f"CASE WHEN {among(cell, true)} THEN true WHEN {among(cell, false)} THEN false END"
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
    value = f"CASE {when(signed, cases)} END"
    if factor > 1:  # 1.1 × 10,000 is 11,000, not 11,000.000000000002
        value = f"round({value}, 4)"
    return Cell(
        value,
        prepared,
        empty,
        "numbers are written like 1234.56, 1,234.56 or (1,234.56), and some are not",
        'Export them so, or set decimal = "," in columns.toml if 1.234,56 is meant.',
    )
