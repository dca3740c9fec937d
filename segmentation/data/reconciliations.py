"""The customers' balances against the general ledger."""

from __future__ import annotations

import datetime as dt
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.data import findings as rules
from segmentation.data.engines import collect
from segmentation.data.findings import Finding
from segmentation.data.readings import Reading

__all__ = ["ledger_findings"]

CELL = ("month", "branch_id", "product")
HALF_CENT = 0.005


def ledger_findings(readings: dict[str, Reading], months: list[dt.date]) -> list[Finding]:
    """Count the ledger's totals that the customers' balances do not add up to.

    A total may differ by half a cent for each number that is rounded to the cent: every balance
    in it, and the ledger's own. Compared are the months that both have; a total that only one of
    them has counts as 0 in the other. Customers who moved are counted at the branch that
    `customer_branches`, if it is there, gives for the end of the month.

    Parameters
    ----------
    readings : dict of str to Reading
        customers, balances and ledger, and customer_branches if the bank has it.
    months : list of date
        Months to compare.
    """
    balances, ledger = readings["balances"], readings["ledger"]
    if not months or not balances.has("customer_id", "end", "month", "product"):
        return []
    if not ledger.has(*CELL, "amount") or not readings["customers"].has("customer_id", "branch_id"):
        return []
    held = _placed(balances.lazy.filter(nw.col("month").is_in(months)), readings)
    sums = held.group_by(*CELL).agg(nw.col("end").sum().alias("amount"), nw.len().alias("n"))
    totals = ledger.lazy.filter(nw.col("month").is_in(months)).select(
        *CELL, (-nw.col("amount")).alias("amount"), nw.lit(1).cast(nw.Int64).alias("n")
    )
    sums = sums.select(*CELL, "amount", nw.col("n").cast(nw.Int64))
    cells = nw.concat([sums, totals]).group_by(*CELL).agg(nw.col("amount").sum(), nw.col("n").sum())
    differs = nw.col("amount").abs() > HALF_CENT * (nw.col("n") + 1)
    counts = cells.select(
        differs.cast(nw.Int64).alias("differs"), nw.lit(1).cast(nw.Int64).alias("all")
    )
    found = collect(counts.select(nw.all().sum())).fillna(0).iloc[0]
    return [
        Finding("ledger", "amount", rules.LEDGER, int(found["differs"]), int(found["all"])),
    ]


def _placed(held: nw.LazyFrame[Any], readings: dict[str, Reading]) -> nw.LazyFrame[Any]:
    """Balances with the branch of their customer at the end of the month."""
    customers = (
        readings["customers"]
        .lazy.group_by("customer_id")
        .agg(nw.col("branch_id").min().alias("branch_id"))
    )
    held = held.select("customer_id", "month", "product", "end")
    held = held.join(customers, on="customer_id", how="inner")
    moves = readings.get("customer_branches")
    if moves is None or not moves.has("customer_id", "branch_id", "from_date"):
        return held
    start = nw.col("from_date").dt.truncate("1mo").cast(nw.Date)
    stays = moves.lazy.select(
        "customer_id", nw.col("branch_id").alias("stayed_at"), start.alias("since")
    )
    stays = stays.with_columns(
        nw.col("since").shift(1).over("customer_id", order_by="since").alias("earlier"),
        nw.col("since").shift(-1).over("customer_id", order_by="since").alias("until"),
    )
    joined = held.join(stays, on="customer_id", how="left")
    here = nw.col("since").is_null() | (
        (nw.col("earlier").is_null() | (nw.col("since") <= nw.col("month")))
        & (nw.col("until").is_null() | (nw.col("month") < nw.col("until")))
    )
    return joined.filter(here).with_columns(
        nw.coalesce("stayed_at", "branch_id").alias("branch_id")
    )
