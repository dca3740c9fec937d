"""Columns that have a type of their own, as in Parquet and DuckDB, read as the contract's."""

from __future__ import annotations

import re

from segmentation.data.contract import Column
from segmentation.data.phrases import Cell, Manner, text

__all__ = ["NUMBER", "WHOLE", "figures", "native_cell"]

WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(\d+,0\)")
NUMBER = re.compile(r"DOUBLE|FLOAT|DECIMAL\(.*\)")
"""Types of DuckDB: of whole numbers, and of others."""


def figures(raw: str, dtype: str) -> str:
    """SQL for a number or flag as the text that it would be written as."""
    if NUMBER.fullmatch(dtype) and not WHOLE.fullmatch(dtype):
        gone = f"isnan(CAST({raw} AS DOUBLE))"
        whole = f"TRY_CAST({raw} AS HUGEINT) = {raw}"
        number = f"CASE WHEN {whole} THEN CAST(TRY_CAST({raw} AS HUGEINT) AS VARCHAR)"
        return f"CASE WHEN {gone} THEN NULL ELSE {number} ELSE CAST({raw} AS VARCHAR) END END"
    return f"CAST({raw} AS VARCHAR)"


def native_cell(
    column: Column, raw: str, value_name: str, dtype: str, manner: Manner, factor: float
) -> Cell | None:
    """How a column that has a type of its own is read; None if only as text or not at all."""
    number = WHOLE.fullmatch(dtype) or NUMBER.fullmatch(dtype)
    if column.type in ("date", "month", "time"):
        if "TIME ZONE" in dtype or dtype.startswith("TIMESTAMPTZ"):  # the latter in nanoseconds
            raw = f"timezone({text(manner.timezone)}, CAST({raw} AS TIMESTAMPTZ))"
        elif not (dtype.startswith("TIMESTAMP") or (dtype == "DATE" and column.type != "time")):
            return None
        if column.type == "time":
            return Cell(raw)
        day = f"CAST({raw} AS DATE)"
        if column.required:  # bare, so that a filter reaches the file; `Bank.table` makes months
            return Cell(day)
        return Cell(f"nullif(nullif({day}, DATE '9999-12-31'), DATE '0001-01-01')")
    if column.type == "flag":
        return Cell(raw) if dtype == "BOOLEAN" else None
    if column.type in ("text", "category"):
        return Cell(figures(raw, dtype)) if number else None
    if column.type == "id":
        if WHOLE.fullmatch(dtype) or dtype == "UUID":
            return Cell(f"CAST({raw} AS VARCHAR)")
        if not number:
            return None
        inexact = f"(abs({raw}) >= 9007199254740992 OR floor({raw}) <> {raw})"
        return Cell(
            figures(raw, dtype),
            "",
            f"{inexact} AND NOT isnan(CAST({raw} AS DOUBLE))",
            "identifiers are whole numbers or text, and some have lost digits",
            "Bring the column as text.",
        )
    if not number:
        return None
    value = f"CAST({raw} AS DOUBLE)"
    if column.type == "count":
        if WHOLE.fullmatch(dtype):
            return Cell(f"CAST({raw} AS BIGINT)")
        is_whole = f"floor({value}) = {value} AND NOT isnan({value})"
        whole = f"CASE WHEN {is_whole} THEN TRY_CAST({value} AS BIGINT) END"
        return Cell(
            whole,
            "",
            f"{raw} IS NOT NULL AND NOT isnan({value}) AND {value_name} IS NULL",
            "counts are whole numbers, and some are not",
            "Correct the column.",
        )
    return Cell(value if factor == 1 else f"round({value} * {factor!r}, 4)")
