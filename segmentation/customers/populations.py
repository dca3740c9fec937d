"""What each tier holds: customers, money, products; and tiers too small to show."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.intervals import wilson
from segmentation.data.bank import Bank
from segmentation.data.contract import ASSETS, DEBTS, TABLES
from segmentation.data.engines import cents, collect, enter, frame_kind, leave
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["AND_ABOVE", "RANGE", "merge_small_tiers", "tier_table"]

AND_ABOVE = "{lower} and above"
"""Label of a tier that took in all tiers above it."""
RANGE = "{lower} to {upper}"
"""Label of a tier that took in tiers above it, but not the highest."""


def tier_table(panel: Any, balances: Any = None) -> pd.DataFrame:
    """Count the customers of each tier, their money and their products.

    Parameters
    ----------
    panel : any frame Narwhals knows
        One month's panel with `tier` and `tier_code` of `assign_tier`: one row a customer.
    balances : frame, optional
        The bank's balances, of the same engine, for the penetration of each product; the panel
        then needs customer_id and month.

    Returns
    -------
    DataFrame
        One row a tier that has customers, the lowest first, and last those without a tier, if there
        are any. Columns tier, tier_code, customers, customer_share, aum (yuan, Σ `aum_average`),
        aum_share, mean_aum, and products_per_customer where the panel has `products`. With
        balances, for each product that somebody holds in that month ``penetration_<product>``, the
        share of the tier's customers with a balance above 0, with Wilson's 95 % interval ``…_low``
        and ``…_high`` (n is `customers`), and ``index_<product>``, the penetration over that of all
        customers.

    Raises
    ------
    TableError
        If a column is missing, the panel is empty or has several months, or the balances are of
        another engine.

    Examples
    --------
    >>> from segmentation import assign_tier
    >>> panel = assign_tier(pd.DataFrame({"aum_average": [100.0, 900.0, 99_000.0]}))
    >>> tier_table(panel)[["tier", "customers", "aum_share"]].values.tolist()
    [['Basic', 2, 0.01], ['Quality', 1, 0.99]]
    """
    keys = ("customer_id", "month") if balances is not None else ()
    lazy = enter(panel, "panel", ("tier", "tier_code", "aum_average", *keys))
    names = lazy.collect_schema().names()
    by = ["tier_code", "tier", *(["month"] if "month" in names else [])]
    sums = [name for name in ("aum_average", "products") if name in names]
    counted = lazy.group_by(*by).agg(nw.len().alias("customers"), *(nw.col(n).sum() for n in sums))
    table = collect(counted.with_columns(cents(nw.col("aum_average")).alias("aum")))
    if table.empty:
        raise TableError("panel", "it has rows", "Pass a month's panel.")
    if "month" in names and len(table["month"].unique()) > 1:
        raise TableError("panel", "it has one month", "Filter it to one.", "month")
    table = table.sort_values("tier_code", ignore_index=True)
    if not table["tier_code"].hasnans:
        table["tier_code"] = table["tier_code"].astype("int64")
    customers, aum = table["customers"], table["aum"]
    table["customer_share"] = customers / customers.sum()
    table["aum_share"] = aum / aum.sum() if aum.sum() > 0 else float("nan")
    table["mean_aum"] = aum / customers
    columns = ["tier", "tier_code", "customers", "customer_share", "aum", "aum_share", "mean_aum"]
    if "products" in names:
        table["products_per_customer"] = table["products"] / customers
        columns.append("products_per_customer")
    if balances is None:
        return table[columns]
    holders = _holders(lazy, balances, table["month"].iloc[0])
    return pd.concat([table[columns], _penetration(table, holders)], axis=1)


def merge_small_tiers(frame: Any, threshold: int | None = None) -> Any:
    """Merge tiers with few customers into the next lower one, so that the table may be shown.

    From the highest tier down, a tier with customers, but fewer than `threshold`, joins the tier
    below; if the lowest is too small, the one above joins it.

    Parameters
    ----------
    frame : any frame Narwhals knows
        One row a customer, with `tier` and `tier_code`.
    threshold : int, optional
        The least number of customers to show, by default that of `rules/disclosure.toml`.

    Returns
    -------
    frame
        Of the same kind, lazy where it was. A merged tier has the code of its lowest and the label
        ``{lower} and above``, or ``{lower} to {upper}`` where tiers above it remain.

    Raises
    ------
    TableError
        If a column is missing or `threshold` is below 1.

    Examples
    --------
    >>> frame = pd.DataFrame({"tier": ["Basic", "Basic", "Active"], "tier_code": [0, 0, 1]})
    >>> merge_small_tiers(frame, threshold=2)["tier"].unique().tolist()
    ['Basic and above']
    """
    if threshold is None:
        threshold = int(load_rules("disclosure")["default"]["threshold"])
    if threshold < 1:
        raise TableError("threshold", "it is at least 1", "Take the bank's disclosure threshold.")
    kind = frame_kind(frame)
    lazy = enter(frame, "frame", ("tier", "tier_code"))
    names = lazy.collect_schema().names()
    known = lazy.filter(~nw.col("tier_code").is_null()).group_by("tier_code", "tier")
    counts = collect(known.agg(nw.len().alias("customers"))).sort_values("tier_code")
    groups = _groups(counts["customers"].tolist(), threshold)
    code, label = nw.col("tier_code"), nw.col("tier")
    for low, high in groups:
        lower, upper = counts.iloc[low], counts.iloc[high - 1]
        if high - low == 1:
            continue
        text = (AND_ABOVE if high == len(counts) else RANGE).format(
            lower=lower["tier"], upper=upper["tier"]
        )
        inside = (nw.col("tier_code") > int(lower["tier_code"]) - 1) & (
            nw.col("tier_code") <= int(upper["tier_code"])
        )
        code = nw.when(inside).then(int(lower["tier_code"])).otherwise(code)
        label = nw.when(inside).then(nw.lit(text)).otherwise(label)
    return leave(
        lazy.with_columns(code.alias("tier_code"), label.alias("tier")).select(names), kind
    )


def _groups(counts: list[int], threshold: int) -> list[tuple[int, int]]:
    """Ranges of neighbours, each with at least `threshold` customers if all together have."""
    groups: list[tuple[int, int]] = []
    high = len(counts)
    for low in reversed(range(len(counts))):
        if sum(counts[low:high]) >= threshold:
            groups.append((low, high))
            high = low
    if high > 0:  # the lowest are too few: the group above takes them in
        groups.append((0, groups.pop()[1] if groups else len(counts)))
    return groups[::-1]


def _holders(panel: nw.LazyFrame[Any], balances: Any, month: Any) -> pd.DataFrame:
    """Customers of each tier with a balance above 0, by product."""
    lazy = Bank(balances=balances).table(
        *("balances", "customer_id", "month", "product"), optional=("average", "end")
    )
    if lazy.implementation != panel.implementation:
        raise TableError("balances", "they are of the panel's engine", "Bring both in one kind.")
    amounts = [n for n in lazy.collect_schema().names() if n in TABLES["balances"].either]
    above = nw.any_horizontal(*(nw.col(n).fill_null(0.0) > 0 for n in amounts), ignore_nulls=True)
    lazy = lazy.filter(nw.col("month") == pd.Timestamp(month).date(), above)
    lazy = lazy.select("customer_id", "product").unique(["customer_id", "product"])
    tiers = panel.select("customer_id", "tier_code")
    held = lazy.join(tiers, on="customer_id", how="inner").group_by("tier_code", "product")
    return collect(held.agg(nw.len().alias("holders")))


def _penetration(table: pd.DataFrame, holders: pd.DataFrame) -> pd.DataFrame:
    """Share of each tier's customers with each product, its interval and its index."""
    columns: dict[str, Any] = {}
    n = table["customers"].to_numpy(float)
    for product in [p for p in (*ASSETS, *DEBTS) if p in set(holders["product"])]:
        of = holders[holders["product"] == product].set_index("tier_code")["holders"]
        count = of.reindex(table["tier_code"]).fillna(0).to_numpy(float)
        low, high = wilson(count, n)
        columns[f"penetration_{product}"] = count / n
        columns[f"penetration_{product}_low"] = low
        columns[f"penetration_{product}_high"] = high
        columns[f"index_{product}"] = count / n / (count.sum() / n.sum())
    return pd.DataFrame(columns)
