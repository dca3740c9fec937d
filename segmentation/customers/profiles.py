"""Profiles: which fields of a customer are filled, valid and fresh, as flags in the engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from segmentation.customers.dates import month_end, months_before
from segmentation.data.contract import TABLES

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["Field", "flags"]


@dataclass(frozen=True)
class Field:
    """A field of a profile: its name in the bank, and the rule it is judged by."""

    name: str
    element: bool = False
    fresh_months: int | None = None
    column: str = ""


def flags(bank: Bank, fields: list[Field], day: dt.date, parts: Iterable[str]) -> Any:
    """A row a customer and a column of 0 and 1 a part and field: ``complete_0`` is of the first."""
    if not bank.has("profiles"):
        return _own_flags(bank, fields, parts)
    lazy = bank.table(
        *("profiles", "customer_id", "field", "filled"), optional=["valid", "updated_on"]
    )
    given = lazy.collect_schema().names()
    filled = nw.col("filled").fill_null(False)
    valid = filled & nw.col("valid").fill_null(False) if "valid" in given else filled
    fresh = filled & _fresh(fields, day) if "updated_on" in given else filled
    judged = {"filled": filled, "valid": valid, "fresh": fresh, "complete": valid & fresh}
    parts = tuple(parts)
    lazy = lazy.with_columns(judged[part].alias(f"is_{part}") for part in parts)
    hits = [
        ((nw.col("field") == field.name) & nw.col(f"is_{part}"))
        .fill_null(False)
        .cast(nw.Int64)
        .alias(f"{part}_{number}")
        for number, field in enumerate(fields)
        for part in parts
    ]
    names = [f"{part}_{number}" for number in range(len(fields)) for part in parts]
    lazy = lazy.select("customer_id", *hits)
    return lazy.group_by("customer_id").agg(*(nw.col(name).max() for name in names))


def _fresh(fields: list[Field], day: dt.date) -> nw.Expr:
    """Confirmed after the day that is the field's months before `day`; true without a limit."""
    fresh: nw.Expr = nw.lit(True)
    for months in sorted({field.fresh_months for field in fields if field.fresh_months}):
        names = [field.name for field in fields if field.fresh_months == months]
        first = months_before(day, months)
        limit = min(first.replace(day=1) + dt.timedelta(day.day - 1), month_end(first))
        recent = (nw.col("updated_on") >= limit).fill_null(False)
        fresh = nw.when(nw.col("field").is_in(names)).then(recent).otherwise(fresh)
    return fresh


def _own_flags(bank: Bank, fields: list[Field], parts: Iterable[str]) -> Any:
    columns = [field.column for field in fields]
    lazy = bank.table("customers", "customer_id", *columns)
    hits = []
    for number, column in enumerate(columns):
        filled = ~nw.col(column).is_null()
        if TABLES["customers"].columns[column].type in ("id", "text", "category"):
            filled = (nw.col(column).str.strip_chars() != "").fill_null(False)
        hits += [filled.cast(nw.Int64).alias(f"{part}_{number}") for part in parts]
    names = [f"{part}_{number}" for number in range(len(columns)) for part in parts]
    lazy = lazy.select("customer_id", *hits)
    return lazy.group_by("customer_id").agg(*(nw.col(name).max() for name in names))
