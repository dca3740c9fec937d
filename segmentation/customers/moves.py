"""Two panels joined unit by unit, and summed by move."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.data.engines import enter
from segmentation.data.errors import TableError

__all__ = ["ABSENT", "NO_TIER", "UNITS", "cells_of", "one_side", "refuse", "unit_of"]

UNITS = ("customer_id", "household_id")
NO_TIER, ABSENT = -1, -2  # codes of a customer without a tier, and of one not in the panel


def unit_of(panel_from: Any, panel_to: Any, unit: str | None) -> str:
    """The column that names a row's unit in both panels."""
    if unit is not None:
        return unit
    present = [
        set(enter(panel, name).collect_schema().names())
        for panel, name in ((panel_from, "panel_from"), (panel_to, "panel_to"))
    ]
    shared = [name for name in UNITS if name in present[0] & present[1]]
    return shared[0] if shared else UNITS[0]


def one_side(panel: Any, name: str, key: str, weight: str | None) -> Any:
    """One panel, a row a unit, with what is needed to find the rows that are not allowed."""
    side = name.removeprefix("panel_")
    lazy = enter(panel, name, (key, "tier", "tier_code", *([weight] if weight else [])))
    schema = lazy.collect_schema()
    money = _known(weight, schema[weight]).cast(nw.Float64) if weight else nw.lit(0.0)
    month = nw.col("month").cast(nw.Date) if "month" in schema else nw.lit(None).cast(nw.Date)
    lazy = lazy.select(
        nw.col(key).cast(nw.String),
        _known("tier_code", schema["tier_code"])
        .cast(nw.Int64)
        .fill_null(NO_TIER)
        .alias(f"code_{side}"),
        nw.col("tier").cast(nw.String).alias(f"tier_{side}"),
        money.fill_null(0.0).alias(f"money_{side}"),
        money.is_null().cast(nw.Int64).alias(f"empty_{side}"),
        month.alias(f"month_{side}"),
    )
    of = {part: f"{part}_{side}" for part in ("code", "tier", "money", "empty", "month")}
    return lazy.group_by(key).agg(
        *(nw.col(of[part]).max() for part in ("code", "tier", "month")),
        *(nw.col(of[part]).sum() for part in ("money", "empty")),
        nw.len().alias(f"rows_{side}"),
    )


def _known(column: str, dtype: nw.dtypes.DType) -> nw.Expr:
    value = nw.col(column)
    return nw.when(~value.is_nan()).then(value) if dtype.is_float() else value


def cells_of(first: Any, second: Any, key: str) -> Any:
    """Sums by move, in one pass over both panels."""
    if first.implementation is not second.implementation:
        raise TableError(
            "panel_to", "both panels are of one kind of frame", "Pass both in the same kind."
        )
    both = first.join(
        second.rename({key: f"{key}_to"}), left_on=key, right_on=f"{key}_to", how="full"
    )
    both = both.with_columns(
        *(nw.col(f"code_{side}").fill_null(ABSENT) for side in ("from", "to")),
        *(nw.col(f"money_{side}").fill_null(0.0) for side in ("from", "to")),
        *(
            (nw.col(f"rows_{side}").fill_null(1) - 1).cast(nw.Int64).alias(f"twice_{side}")
            for side in ("from", "to")
        ),
        nameless_from=(nw.col(key).is_null() & ~nw.col("rows_from").is_null()).cast(nw.Int64),
        nameless_to=(nw.col(f"{key}_to").is_null() & ~nw.col("rows_to").is_null()).cast(nw.Int64),
        square=(nw.col("money_from") * nw.col("money_from")).fill_null(0.0),
        negative=(nw.col("money_from") < 0).fill_null(False).cast(nw.Int64),
    )
    sums = [
        f"{part}_{side}"
        for part in ("money", "empty", "twice", "nameless")
        for side in ("from", "to")
    ]
    return both.group_by("code_from", "code_to").agg(
        nw.len().cast(nw.Int64).alias("customers"),
        *(nw.col(name).sum() for name in (*sums, "square", "negative")),
        *(nw.col(f"tier_{side}").max() for side in ("from", "to")),
        *(nw.col(f"tier_{side}").min().alias(f"other_{side}") for side in ("from", "to")),
        *(nw.col(f"month_{side}").max() for side in ("from", "to")),
    )


def refuse(cells: pd.DataFrame, side: str, name: str, key: str, weight: str | None) -> None:
    """Raise where rows of one panel cannot be counted."""
    if nameless := int(cells[f"nameless_{side}"].sum()):
        raise TableError(name, "identifiers are not empty", "Name each row's unit.", key, nameless)
    if twice := int(cells[f"twice_{side}"].sum()):
        raise TableError(
            name, "each unit occurs once", "Pass the panel of one month, a row a unit.", key, twice
        )
    if empty := int(cells[f"empty_{side}"].sum()):
        raise TableError(
            name, "money is not empty", "Fill it with 0 where there is none.", weight, empty
        )
    if not np.isfinite(cells[f"money_{side}"]).all():
        raise TableError(name, "money is finite", "Look for infinite amounts.", weight)
