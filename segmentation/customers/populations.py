"""What each tier holds: customers, money, products; and tiers too small to show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.intervals import wilson
from segmentation.customers.tiers import TierRule, assign_tier, tier_rule
from segmentation.data.bank import Bank
from segmentation.data.contract import ASSETS, DEBTS, TABLES
from segmentation.data.engines import cents, collect, enter
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["AND_ABOVE", "RANGE", "merged_rule", "tier_table"]

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
        aum_share, mean_aum, and products_per_customer where the panel has `products`. Where it has
        `contribution`, mean_contribution (yuan in the month, over customers of whom it is known)
        with its 95 % interval ``…_low`` and ``…_high`` by Student's t. With
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
    earned = _earned(names)
    counted = lazy.group_by(*by).agg(
        nw.len().alias("customers"), *(nw.col(n).sum() for n in sums), *earned
    )
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
    if earned:
        table = table.assign(**_mean_contribution(table))
        columns += [name for name in table.columns if name.startswith("mean_contribution")]
    if balances is None:
        return table[columns]
    holders = _holders(lazy, balances, table["month"].iloc[0])
    return pd.concat([table[columns], _penetration(table, holders)], axis=1)


def _earned(names: list[str]) -> list[nw.Expr]:
    """Moments of what customers contribute, where the panel knows it."""
    if "contribution" not in names:
        return []
    value = nw.col("contribution")
    return [value.mean(), value.std().alias("spread"), value.count().alias("known")]


def _mean_contribution(table: pd.DataFrame) -> dict[str, Any]:
    from scipy.stats import t

    mean, known = table["contribution"], table["known"].astype(float)
    error = table["spread"] / known.where(known > 1) ** 0.5
    half = error * t.ppf(0.975, (known - 1).where(known > 1))
    return {
        "mean_contribution": mean,
        "mean_contribution_low": mean - half,
        "mean_contribution_high": mean + half,
    }


def merged_rule(
    rule: str | TierRule,
    *panels: Any,
    on: str = "aum_average",
    threshold: int | None = None,
) -> TierRule:
    """Return a rule in which tiers too small to show are merged with their neighbours.

    From the highest tier down, a tier with fewer than `threshold` customers joins the tier below;
    if the lowest is too small, the one above joins it. In each of the panels, for example those of
    two months, each tier of the rule then has `threshold` customers, if all together have. A merged
    tier begins where its lowest did, and is called ``{lower} and above``, or ``{lower} to
    {upper}`` where tiers above it remain.

    Parameters
    ----------
    rule : str or TierRule
        The rule, or its name.
    *panels : frames of any kind
        Panels that the rule is meant for.
    on : str
        The numeric column that the rule looks at.
    threshold : int, optional
        The least number of customers to show, by default that of `rules/disclosure.toml`.

    Raises
    ------
    TableError
        If there is no panel, the column is missing or `threshold` is below 1.

    Examples
    --------
    >>> panel = pd.DataFrame({"aum_average": [0.0, 500.0, 20_000.0, 30_000.0, 70_000.0]})
    >>> merged_rule("rural_commercial", panel, threshold=2).names
    ('Basic', 'Active and above')
    """
    rule = tier_rule(rule) if isinstance(rule, str) else rule
    if not panels:
        raise TableError("panels", "there is at least one", "Pass the panels to show.")
    least = _threshold(threshold)
    counts = [0] * len(rule.tiers)
    for place, panel in enumerate(panels):
        lazy = enter(assign_tier(panel, rule, on), "panel")
        of = collect(lazy.group_by("tier_code").agg(nw.len().alias("customers")))
        held = of.set_index("tier_code")["customers"].reindex(range(len(counts))).fillna(0)
        smaller = held if place == 0 else held.clip(upper=pd.Series(counts))
        counts = [int(n) for n in smaller]
    tiers = []
    for low, high in _groups(counts, least):
        lower, upper = rule.tiers[low], rule.tiers[high - 1]
        if high - low > 1:
            top = high == len(counts)
            form, zh = (AND_ABOVE, "{lower}及以上") if top else (RANGE, "{lower}至{upper}")
            name = form.format(lower=lower.name, upper=upper.name)
            lower = replace(lower, name=name, zh=zh.format(lower=lower.zh, upper=upper.zh))
        tiers.append(lower)
    return replace(rule, tiers=tuple(tiers))


def _threshold(threshold: int | None) -> int:
    least = load_rules("disclosure")["default"]["threshold"] if threshold is None else threshold
    if least < 1:
        raise TableError("threshold", "it is at least 1", "Take the bank's disclosure threshold.")
    return int(least)


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
