"""The monthly panel: one row a customer and month, from which everything else is computed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.customers.dates import completed_years, month_end, read_month
from segmentation.customers.holdings import holdings
from segmentation.customers.movements import activity_rule, movements
from segmentation.data.bank import Bank
from segmentation.data.contract import TABLES
from segmentation.data.engines import cents, collect, leave
from segmentation.data.errors import TableError

__all__ = ["monthly_panel", "monthly_panels"]

UNITS = ("customer_id", "household_id")
KINDS = TABLES["customers"].columns["kind"].values
COLUMNS = (
    *("customer_id", "month", "kind", "branch_id", "manager_id", "household_id", "members"),
    *("aum_average", "aum_end", "aum_quarter", "aum_year", "debt", "products", "contribution"),
    *("transactions", "digital_share", "recency_days", "frequency", "monetary"),
    *("tenure_years", "age"),
)


def monthly_panel(
    bank: Bank, month: Any, unit: str = "customer_id", kind: str | None = None
) -> Any:
    """Build the panel of a month: one row a customer.

    Rows are the customers open at the month's end, and whoever else has a balance in the month,
    known to `customers` or not, so that no yuan is lost: the sum of `aum_average` is that of the
    assets in `balances`. A customer who occurs twice in `customers` is one row.

    Parameters
    ----------
    bank : Bank
        With the tables customers and balances; of transactions, rates and customer_branches, those
        that it has.
    month : date, Timestamp, Period or text like ``2024-01``
        A month of `balances`.
    unit : str
        ``customer_id``, or ``household_id`` for one row a household (家庭). A customer without
        household is one of its own, whose number is ``customer:`` and the customer's.
    kind : str, optional
        ``personal`` or ``corporate``: only customers of that kind, and so without those whom
        `customers` does not know.

    Returns
    -------
    frame
        Of the bank's kind, lazy where that is lazy. Columns whose source the bank lacks are absent.

        - customer_id or household_id, month (its first day), kind, branch_id (as of the month's
          end, from `customer_branches` where that is there), manager_id, household_id; of
          households, members.
        - aum_average: Σ `average` of the assets in the month (月日均), or Σ `end` in a bank that
          has only that. aum_end: Σ `end`. aum_quarter, aum_year: daily averages to date (季日均,
          年日均) ``Σ average·days of the month / days to date``; a month without balance counts 0.
          debt: Σ `average` of loans and cards. Yuan, to the cent.
        - products: number of balances above 0.
        - contribution, where `rates` has the products: ``Σ assets average·(transfer − paid)·days /
          365 + Σ debts average·(paid − transfer)·days / 365 + fees − cost of transactions``, yuan
          in the month; null for a customer with a product that has no rate. The costs are those of
          `rules/activity.toml`, and in its currency.
        - transactions: active movements in the month, those that the customer makes: not interest,
          fees or judicial entries. digital_share: share of them by mobile or web, null without
          any. recency_days: from the last one ever to the month's end. frequency, monetary: number
          and Σ \\|amount\\| of those of the 12 months to the month's end.
        - tenure_years, age: completed years at the month's end; null where the date is later.

        A household has the sums of money, products (holdings, so that a product of two members
        counts twice) and movements of its members; `digital_share` of those movements; the least
        `recency_days`; tenure and age of the longest and the eldest; kind, branch and manager of
        the member with the highest `aum_average`. `contribution` is null if a member's is.

    Raises
    ------
    TableError
        If a table or column is missing, `month` is none of the months of `balances`, or `unit` or
        `kind` is none of those named.

    Examples
    --------
    >>> import pandas as pd
    >>> bank = Bank(
    ...     customers=pd.DataFrame(
    ...         {"customer_id": ["C1"], "kind": ["personal"], "branch_id": ["B1"],
    ...          "opened_on": ["2020-05-17"]}
    ...     ),
    ...     balances=pd.DataFrame(
    ...         {"customer_id": ["C1", "C1"], "month": ["2024-01", "2024-02"],
    ...          "product": ["demand"] * 2, "average": [100.0, 400.0]}
    ...     ).assign(month=lambda b: pd.to_datetime(b["month"])),
    ... )
    >>> monthly_panel(bank, "2024-02")[["aum_average", "aum_year", "tenure_years"]].iloc[0].tolist()
    [400.0, 245.0, 3.0]
    """
    if unit not in UNITS:
        raise TableError("unit", "it is customer_id or household_id", "Name one of them.")
    if kind not in (None, *KINDS):
        raise TableError("kind", f"it is {' or '.join(KINDS)}", "Name one of them, or none.")
    bank.require("customers", "balances")
    if unit == "household_id" and not bank.has("customers", "household_id"):
        bank.table("customers", "household_id")
    first = read_month(month)
    _check_month(bank, first)
    return leave(_panel(bank, first, unit, kind), bank.kind)


def monthly_panels(
    bank: Bank, months: Iterable[Any], unit: str = "customer_id", kind: str | None = None
) -> Any:
    """Build the panels of several months, one below the other.

    Parameters
    ----------
    bank, unit, kind
        As of `monthly_panel`.
    months : iterable of months
        For example ``bank.months``; a month named twice is there once.

    Returns
    -------
    frame
        As of `monthly_panel`, in the order of the months. Each month is a scan of its own, which
        takes the time of one dense grid of customers and months in a fraction of its memory.

    Raises
    ------
    TableError
        As of `monthly_panel`, and if there is no month.
    """
    firsts = sorted({read_month(month) for month in months})
    if not firsts:
        raise TableError("months", "there is at least one", "Name months of the balances.")
    panels = [monthly_panel(bank, first, unit, kind) for first in firsts]
    joined = nw.concat([nw.from_native(panel) for panel in panels], how="vertical")
    return joined.to_native()


def _check_month(bank: Bank, first: dt.date) -> None:
    """Look for one balance of the month, which is quicker than to list all months."""
    lazy = bank.table("balances", "month").filter(nw.col("month") == first)
    if len(collect(lazy.head(1))):
        return
    months = bank.months
    span = f"{months[0]:%Y-%m} to {months[-1]:%Y-%m}" if months else "no month at all"
    raise TableError("balances", f"the month is there; it has {span}", "Name one of its months.")


def _panel(bank: Bank, first: dt.date, unit: str, kind: str | None) -> nw.LazyFrame[Any]:
    rule = activity_rule(bank.rules)
    earning = bank.has("rates") and rule.currency == bank.currency
    moving = bank.has("transactions")
    lazy = _customers(bank, first, holdings(bank, first, rule.days if earning else None))
    if kind is not None:
        lazy = lazy.filter(nw.col("kind") == kind)
    if bank.has("customer_branches"):
        lazy = lazy.join(_branches(bank, first), on="customer_id", how="left")
        branch = nw.coalesce(nw.col("branch_then"), nw.col("branch_id"))
        lazy = lazy.with_columns(branch.alias("branch_id")).drop("branch_then")
    if moving:
        lazy = lazy.join(movements(bank, first, rule), on="customer_id", how="left")
        counted = ("transactions", "digital", "frequency", "monetary", "fees", "cost")
        lazy = lazy.with_columns(nw.col(*counted).fill_null(0))
    if earning:
        earned = nw.col("margin") + (nw.col("fees") - nw.col("cost") if moving else 0)
        known = nw.when(nw.col("unpriced") == 0).then(cents(earned))
        lazy = lazy.with_columns(known.alias("contribution"))
    if unit == "household_id":
        lazy = _households(lazy)
    if moving:
        some = nw.col("transactions") > 0
        share = nw.when(some).then(nw.col("digital") / nw.col("transactions"))
        lazy = lazy.with_columns(share.alias("digital_share"))
    lazy = lazy.with_columns(nw.lit(first).alias("month"))
    present = lazy.collect_schema().names()
    return lazy.select(unit, *(name for name in COLUMNS if name in present and name != unit))


def _customers(bank: Bank, first: dt.date, held: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Customers open at the month's end or with a balance in it, each once."""
    last = month_end(first)
    known = bank.table(
        *("customers", "customer_id", "kind", "branch_id", "opened_on"),
        optional=["closed_on", "manager_id", "household_id", "birth_date"],
    )
    traits = [name for name in known.collect_schema().names() if name != "customer_id"]
    known = known.filter(~nw.col("customer_id").is_null())
    known = known.group_by("customer_id").agg(*(nw.col(name).max() for name in traits))
    opened = nw.col("opened_on").fill_null(last) <= last
    if "closed_on" in traits:
        opened = opened & (nw.col("closed_on").is_null() | (nw.col("closed_on") > last))
    known = known.with_columns(opened.alias("open"))
    lazy = known.join(held, on="customer_id", how="full", suffix="_held")
    number = nw.coalesce(nw.col("customer_id"), nw.col("customer_id_held"))
    lazy = lazy.with_columns(number.alias("customer_id")).drop("customer_id_held")
    sums = [name for name in held.collect_schema().names() if name != "customer_id"]
    lazy = lazy.with_columns(nw.col(*sums).fill_null(0))
    lazy = lazy.filter(nw.col("open").fill_null(False) | (nw.col("present") > 0))
    years = {"tenure_years": "opened_on", "age": "birth_date"}
    return lazy.with_columns(
        completed_years(nw.col(day), last).alias(name)
        for name, day in years.items()
        if day in traits
    )


def _branches(bank: Bank, first: dt.date) -> nw.LazyFrame[Any]:
    """Each customer's branch at the month's end: that of the greatest date, written before it."""
    lazy = bank.table("customer_branches", "customer_id", "branch_id", "from_date")
    lazy = lazy.filter(nw.col("from_date") <= month_end(first))
    dated = nw.concat_str(nw.col("from_date").cast(nw.String), nw.col("branch_id"))
    lazy = lazy.select("customer_id", branch_then=dated)
    lazy = lazy.group_by("customer_id").agg(nw.col("branch_then").max())
    return lazy.with_columns(nw.col("branch_then").str.slice(len("2024-01-31")))


def _households(lazy: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Sum customers to households; a customer without one is a household of its own."""
    names = lazy.collect_schema().names()
    own = nw.concat_str(nw.lit("customer:"), nw.col("customer_id"))
    lazy = lazy.with_columns(nw.coalesce(nw.col("household_id"), own).alias("household_id"))
    richest = nw.col("aum_average").max().over("household_id")
    lazy = lazy.with_columns(leads=nw.when(nw.col("aum_average") == richest).then("customer_id"))
    lazy = lazy.with_columns(nw.col("leads").min().over("household_id"))
    lead = nw.col("customer_id") == nw.col("leads")
    traits = [name for name in ("kind", "branch_id", "manager_id") if name in names]
    least = [name for name in ("recency_days",) if name in names]
    most = [name for name in ("tenure_years", "age") if name in names]
    known = ("aum_", "debt", "products", "contribution", "transactions", "digital", "frequency")
    sums = [name for name in names if name.startswith((*known, "monetary"))]
    lazy = lazy.with_columns(
        *(nw.when(lead).then(name).alias(name) for name in traits),
        members=nw.lit(1),
        unknown=nw.col("contribution").is_null().cast(nw.Int64)
        if "contribution" in names
        else nw.lit(0),
    )
    lazy = lazy.group_by("household_id").agg(
        *(nw.col(name).max() for name in (*traits, *most)),
        *(nw.col(name).min() for name in least),
        *(nw.col(name).sum() for name in (*sums, "members", "unknown")),
    )
    whole = {"products", "transactions", "digital", "frequency"}
    lazy = lazy.with_columns(cents(nw.col(name)).alias(name) for name in sums if name not in whole)
    if "contribution" in names:
        known_all = nw.when(nw.col("unknown") == 0).then(nw.col("contribution"))
        lazy = lazy.with_columns(known_all.alias("contribution"))
    return lazy
