"""Dates, months and times in all the forms that banks write them, as SQL."""

from __future__ import annotations

from segmentation.data.phrases import Cell, Manner, among, text, when

__all__ = ["read_date", "read_time"]

NO_DATE = ("00000000", "0000-00-00", "00010101", "0001-01-01", "99991231", "9999-12-31")
"""What core systems write where there is no date, and where something has no end yet."""

EIGHT = r"\d{8}"
DAY = r"\d{4}(-\d{1,2}-\d{1,2}|/\d{1,2}/\d{1,2}|\.\d{1,2}\.\d{1,2}|年\d{1,2}月\d{1,2}日)"
MONTH = r"\d{4}([-/.]\d{1,2}|年\d{1,2}月)"
CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)"


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


def read_date(cell: str, empty: str, manner: Manner, month: bool) -> Cell:
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
    none = among(cell, NO_DATE)
    value = f"CASE WHEN {none} THEN NULL {when(cell, cases)} END"
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


def read_time(cell: str, empty: str, manner: Manner) -> Cell:
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
    value = f"CASE {when(cell, cases)} END"
    return Cell(
        value,
        "",
        empty,
        "times are written like 2024-01-31 09:05:00 with day and hour, and some are not",
        "Export them so.",
    )
