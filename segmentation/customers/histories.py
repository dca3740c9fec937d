"""What customers bought so far: how often, until when, since when, and for how much."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.dates import days_since
from segmentation.data.bank import typed
from segmentation.data.contract import TABLES
from segmentation.data.engines import cents, collect, enter, frame_kind, leave
from segmentation.data.errors import TableError

__all__ = ["checked", "not_negative", "purchase_summary", "read_day"]

UNITS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}
MOVEMENT = TABLES["transactions"].columns


def purchase_summary(
    data: Any,
    until: Any,
    *,
    unit: str = "week",
    customer: str = "customer_id",
    date: str = "date",
    amount: str | None = None,
) -> Any:
    """Sum purchases up to frequency, recency and age of each customer, for `purchase_process`.

    Purchases of one day are one. The first day is the customer's beginning and is not counted.

    Parameters
    ----------
    data : any frame Narwhals knows
        One row a purchase.
    until : date, or text like 2024-01-31
        The last day looked at; later purchases are left out, and with them who first bought then.
    unit : str
        day, week, month (365.25 / 12 days) or year.
    customer, date : str
        The columns.
    amount : str, optional
        Column of amounts, 0 or more, for `spend_process`. Refunds are no purchases: take them out.

    Returns
    -------
    frame of the kind of `data`
        One row a customer, in no order: customer_id (text), frequency (days with a purchase after
        the first), recency (from the first day to the last), age (from the first day to `until`),
        both in `unit`; with `amount`, spend: its mean over the days counted, to the cent and null
        where there are none.

    Raises
    ------
    TableError
        If a column is missing or of another type, a customer or date is null, an amount is null,
        negative or infinite, or `until` is no date.

    References
    ----------
    Fader & Hardie (2008), Computing P(alive) using the BG/NBD model, and the notes to the CDNOW
    data, on what is counted.

    Examples
    --------
    >>> import pandas as pd
    >>> bought = pd.DataFrame({"customer_id": ["A", "A", "A", "B"], "date": pd.to_datetime(
    ...     ["2025-01-01", "2025-01-15", "2025-01-15", "2025-01-08"])})
    >>> purchase_summary(bought, "2025-01-29").sort_values("customer_id").values.tolist()
    [['A', 1, 2.0, 4.0], ['B', 0, 0.0, 3.0]]
    """
    if unit not in UNITS:
        raise TableError("unit", f"it is {', '.join(UNITS)}", "Name one of them.")
    day, kind = read_day(until, "until"), frame_kind(data, "data")
    lazy = checked(data, customer, date, amount)
    if amount is not None:
        lazy = not_negative(lazy)
    lazy = lazy.filter(nw.col("date") <= day)
    lazy = lazy.with_columns(ago=days_since(nw.col("date"), day))
    sums = [nw.col("amount").sum()] if amount is not None else []
    days = lazy.group_by("customer_id", "ago").agg(nw.len().alias("count"), *sums)
    x = nw.col("ago")
    found = days.group_by("customer_id").agg(
        (nw.len()).alias("days"), x.max().alias("first"), x.min().alias("last")
    )
    if amount is not None:
        found = _with_spend(found, days)
    counts = {"frequency": (nw.col("days") - 1).cast(nw.Int64)}
    spans = {
        "recency": (nw.col("first") - nw.col("last")) / UNITS[unit],
        "age": nw.col("first") / UNITS[unit],
    }
    names = ["customer_id", "frequency", "recency", "age", *(["spend"] if sums else [])]
    return leave(found.with_columns(**counts, **spans).select(names), kind)


def not_negative(lazy: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return a frame of `checked`, whose amounts are all 0 or more."""
    below = nw.col("amount") < 0
    row = collect(lazy.select((below).cast(nw.Int64).alias("below")).select(nw.col("below").sum()))
    count = int(row["below"].fillna(0).iloc[0])
    if count:
        rule = "an amount is 0 or more"
        raise TableError("data", rule, "Take refunds and money out away.", "amount", count)
    return lazy


def _with_spend(found: nw.LazyFrame[Any], days: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Join the mean amount of the days after the first."""
    begun = found.select("customer_id", "first")
    later = days.join(begun, on="customer_id", how="inner").filter(nw.col("ago") < nw.col("first"))
    means = later.group_by("customer_id").agg(nw.col("amount").mean().alias("spend"))
    means = means.with_columns(cents(nw.col("spend")).alias("spend"))
    return found.join(means, on="customer_id", how="left")


def checked(data: Any, customer: str, date: str, amount: str | None) -> nw.LazyFrame[Any]:
    """Return customer_id, date and amount of a frame, typed, without anything unknown."""
    asked = {"customer_id": customer, "date": date}
    if amount is not None:
        asked["amount"] = amount
    lazy = enter(data, "data", tuple(asked.values()))
    schema = lazy.collect_schema()
    for name, column in asked.items():
        dtype = schema[column]
        fits = {
            "customer_id": not (dtype.is_float() or dtype.is_nested() or dtype.is_temporal()),
            "date": dtype in (nw.Date, nw.Datetime),
            "amount": dtype.is_numeric(),
        }
        kinds = {"customer_id": "text or a whole number", "date": "a date", "amount": "a number"}
        if not fits[name]:
            raise TableError("data", f"it is {kinds[name]}", "Convert the column.", column)
    lazy = lazy.select(nw.col(column).alias(name) for name, column in asked.items())
    lazy = lazy.select(typed(MOVEMENT[name], schema[asked[name]]).alias(name) for name in asked)
    bad = {name: nw.col(name).is_null() for name in asked}
    if amount is not None:
        bad["amount"] = bad["amount"] | (nw.col("amount").abs() == math.inf)
    flags = lazy.select(flag.cast(nw.Int64).alias(name) for name, flag in bad.items())
    counts = collect(flags.select(nw.col(*bad).sum())).fillna(0).iloc[0]
    for name, column in asked.items():
        if counts[name]:
            rule = "it is known and finite" if name == "amount" else "it is known"
            mend = "Correct these rows, or leave them out."
            raise TableError("data", rule, mend, column, int(counts[name]))
    return lazy


def read_day(day: Any, name: str) -> dt.date:
    """Return the date that `day` is, or is the text of."""
    stamp = (
        pd.to_datetime(day, errors="coerce") if not isinstance(day, bool | int | float) else None
    )
    if not isinstance(stamp, pd.Timestamp) or pd.isna(stamp):
        raise TableError(name, "it is a date, or text like 2024-01-31", "Write it so.")
    return stamp.date()
