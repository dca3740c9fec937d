"""What a customer holds in a month: daily averages, debt, products, and the margin on them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.customers.dates import days_in_month, month_end, quarter_start
from segmentation.data.bank import Bank
from segmentation.data.contract import ASSETS, DEBTS
from segmentation.data.engines import cents, collect

__all__ = ["holdings"]


def holdings(bank: Bank, first: dt.date, days: float | None = None) -> nw.LazyFrame[Any]:
    """Return one row a customer with a balance since the year began, amounts to the cent.

    Columns customer_id, aum_average, aum_quarter, aum_year, debt, products, present (balances of
    the month that are not 0), aum_end where the bank has `end`; with `days`, the day count of
    yearly rates, margin and unpriced (balances of the month whose product has no rate).
    """
    amounts = [name for name in ("average", "end") if bank.has("balances", name)]
    year, quarter, last = first.replace(month=1), quarter_start(first), month_end(first)
    lazy = bank.table("balances", "customer_id", "month", "product", *amounts)
    month, average = nw.col("month"), nw.col(amounts[0])
    lazy = lazy.filter(month >= year, month <= first)
    lazy = lazy.with_columns(
        (month == first).alias("now"),
        nw.col("product").is_in(ASSETS).alias("asset"),
        (average * days_in_month(month, first.year)).alias("weighted"),
        _any(*(nw.col(name) > 0 for name in amounts)).alias("held"),
        _any(*(nw.col(name) != 0 for name in amounts)).alias("some"),
    )
    now, asset, weighted = nw.col("now"), nw.col("asset"), nw.col("weighted")
    sums: dict[str, nw.Expr] = {
        "aum_average": nw.when(now & asset).then(average),
        "aum_quarter": nw.when((month >= quarter) & asset).then(weighted),
        "aum_year": nw.when(asset).then(weighted),
        "debt": nw.when(now & nw.col("product").is_in(DEBTS)).then(average),
    }
    counts = {"products": now & nw.col("held"), "present": now & nw.col("some")}
    if "end" in amounts:
        sums["aum_end"] = nw.when(now & asset).then(nw.col("end"))
    if days is not None:
        lazy = lazy.with_columns(nw.when(now).then(_margin_rate(bank, first)).alias("rate"))
        sums["margin"] = average * nw.col("rate")
        counts["unpriced"] = now & nw.col("some") & nw.col("rate").is_null()
    flags = {name: nw.when(flag).then(nw.lit(1)) for name, flag in counts.items()}
    lazy = lazy.select("customer_id", **sums, **flags)
    lazy = lazy.group_by("customer_id").agg(
        *(nw.col(name).sum() for name in sums),
        *(nw.col(name).count() for name in counts),  # of what is not null: cheaper than a sum
    )
    value = {name: cents(nw.col(name)) for name in sums}
    value["aum_quarter"] = _quotient("aum_quarter", (last - quarter).days + 1)
    value["aum_year"] = _quotient("aum_year", (last - year).days + 1)
    if days is not None:
        value["margin"] = _quotient("margin", days, last.day, 10_000)
    return lazy.with_columns(expr.alias(name) for name, expr in value.items())


def _quotient(name: str, over: float, times: int = 1, parts: int = 1) -> nw.Expr:
    """A sum times a number over another, to the cent.

    It may lie exactly between two cents. So the sum is a whole number of cents, or of parts of a
    cent, before it is divided: no last bit is left to decide, and each engine rounds up.
    """
    whole = (nw.col(name) * (100 * parts) + 0.5).floor()
    return (whole * times / (over * parts) + 0.5).floor() / 100


def _any(*flags: nw.Expr) -> nw.Expr:
    return nw.any_horizontal(*flags, ignore_nulls=True)


def _margin_rate(bank: Bank, first: dt.date) -> nw.Expr:
    """The bank's yearly margin on a product: transfer − paid on assets, paid − transfer on debt.

    The rates of a month are a dozen rows: they become an expression. Of a product with several
    terms the row without term is its average; where there is none, the mean of the terms.
    """
    lazy = bank.table("rates", "product", "month", "paid", "transfer", optional=["term"])
    rates = collect(lazy.filter(nw.col("month") == first)).dropna(subset=["paid", "transfer"])
    rates["margin"] = rates["transfer"] - rates["paid"]
    if "term" in rates:
        whole = rates["term"].isna() | (rates["term"] == "")
        rates = rates[whole | ~rates["product"].isin(rates.loc[whole, "product"])]
    chain = nw.lit(None).cast(nw.Float64)
    for product, margin in rates.groupby("product")["margin"].mean().items():
        signed = -margin if product in DEBTS else margin
        chain = nw.when(nw.col("product") == product).then(signed).otherwise(chain)
    return chain
