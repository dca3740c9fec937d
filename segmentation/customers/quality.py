"""How complete the customer file is: what is filled, valid and fresh, by whom it is kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.dates import month_end
from segmentation.customers.intervals import wilson
from segmentation.customers.profiles import Field, flags
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError, missing_columns
from segmentation.data.rules import load_rules

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["ALL_NINE", "completeness", "completeness_parts", "fields_of", "flags"]

ALL_NINE = "all_nine"
UNKNOWN = "unknown"
PARTS = ("filled", "valid", "fresh", "complete")
RULES = "rules/quality.toml"


def completeness(bank: Bank, by: str | None = None, as_of: Any = None) -> pd.DataFrame:
    """Share of customers whose profile is complete, field by field.

    A field is complete if it is filled, and valid, and fresh, as far as `profiles` has the columns
    to say so (`valid`, `updated_on`): ``complete = filled · valid · fresh``. It is fresh if it was
    last confirmed within the months that `rules/quality.toml` gives the field. What is not known
    to hold does not: a customer without a row in `profiles` is not complete, nor is one with an
    empty `valid` or, where a field goes out of date, an empty `updated_on`.

    In a bank without `profiles` the columns of `customers` that the rules name stand in: complete
    means filled, since nothing says whether they are valid or fresh.

    Parameters
    ----------
    bank : Bank
        With `customers`, and `profiles` unless the rule above is enough.
    by : str, optional
        ``branch_id``, ``manager_id``, ``tier`` (by the bank's rule, in the month of `as_of`) or any
        other column of `customers`.
    as_of : date, optional
        Customers are counted who are open on that day; by default the end of the bank's last month.
        Only kinds of customer of whom the nine elements are asked, by the rules.

    Returns
    -------
    DataFrame
        ``field by customers complete share low high``: a row a field and group, in the order of the
        rules; last "all_nine", customers with all nine elements (九要素) complete, where the bank
        keeps all nine. `by` is the group, "unknown" where the customer has none, "all" without
        `by`; `low` and `high` are Wilson's interval.

    Raises
    ------
    TableError
        If a table or column is missing, no field is known, or no customer is open on the day.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import Bank
    >>> customers = pd.DataFrame({"customer_id": ["1", "2"], "kind": "personal", "branch_id": "B1",
    ...                           "opened_on": pd.to_datetime("2020-01-01")})
    >>> profiles = pd.DataFrame({"customer_id": ["1"], "field": ["name"], "filled": [True]})
    >>> bank = Bank(customers=customers, profiles=profiles)
    >>> completeness(bank, as_of="2025-01-31").round(3).values.tolist()
    [['name', 'all', 2, 1, 0.5, 0.095, 0.905]]
    """
    long = _long(bank, by, as_of, ("complete",))
    return long.rename(columns={"count": "complete"}).drop(columns="part")


def completeness_parts(bank: Bank, by: str | None = None, as_of: Any = None) -> pd.DataFrame:
    """What keeps fields from being complete: how many are filled, and of those valid and fresh.

    Parameters
    ----------
    bank, by, as_of
        As for `completeness`.

    Returns
    -------
    DataFrame
        ``field by part customers count share low high``. Of the part "filled" the customers whose
        field is filled, of "valid" and "fresh" those where it is filled and so, of "complete"
        those where it is all of them; each share is of all customers of the group. Parts that the
        bank has no columns for are left out.

    Raises
    ------
    TableError
        As for `completeness`.
    """
    missing = [
        part
        for part, column in (("valid", "valid"), ("fresh", "updated_on"))
        if not bank.has("profiles", column)
    ]
    return _long(bank, by, as_of, tuple(part for part in PARTS if part not in missing))


def reference_day(bank: Bank, as_of: Any) -> dt.date:
    """Return the day that `as_of` names, by default the end of the bank's last month."""
    if as_of is None:
        months = bank.months if bank.has("balances") else ()
        if not months:
            raise TableError("as_of", "without balances it has no default", "Pass a day.")
        return month_end(months[-1])
    day = pd.to_datetime(as_of, errors="coerce")
    if not isinstance(day, pd.Timestamp):
        raise TableError("as_of", "it is a day", "Write it like 2025-12-31.")
    return day.date()


def fields_of(bank: Bank) -> list[Field]:
    """Fields that the bank can judge: those of the rules in their order, then its others."""
    rules = load_rules("quality", bank.rules)
    entries, elements = rules["fields"], set(rules["nine"]["elements"])
    if not bank.has("profiles"):
        given = bank.table("customers").collect_schema().names()
        own = {name: entry.get("column") for name, entry in entries.items()}
        return [
            Field(name, name in elements, None, column)
            for name, column in own.items()
            if column in given
        ]
    lazy = bank.table("profiles", "field").unique().filter(~nw.col("field").is_null())
    present = sorted(collect(lazy)["field"])
    fields = []
    for name, entry in entries.items():
        known = [n for n in (name, *entry.get("also", ())) if n in present][:1]
        fields += [Field(n, name in elements, entry.get("fresh_months")) for n in known]
    named = {field.name for field in fields}
    return fields + [Field(name) for name in present if name not in named]


def open_customers(bank: Bank, day: dt.date, columns: Iterable[str] = ()) -> Any:
    """Customers whom the nine elements are asked of and who are open on `day`, each once."""
    kinds = load_rules("quality", bank.rules)["nine"]["kinds"]
    wanted = [*dict.fromkeys(c for c in columns if c not in ("customer_id", "opened_on", "kind"))]
    lazy = bank.table(
        *("customers", "customer_id", "kind", "opened_on", *wanted), optional=["closed_on"]
    )
    traits = [name for name in lazy.collect_schema().names() if name != "customer_id"]
    lazy = lazy.filter(~nw.col("customer_id").is_null())
    lazy = lazy.group_by("customer_id").agg(*(nw.col(name).max() for name in traits))
    lazy = lazy.filter(nw.col("kind").is_in(kinds), nw.col("opened_on").fill_null(day) <= day)
    if "closed_on" in traits:
        lazy = lazy.filter(nw.col("closed_on").is_null() | (nw.col("closed_on") > day))
    return lazy


def tiers_of(bank: Bank, day: dt.date) -> Any:
    """Each customer's tier by the bank's rule in the last month that begins by `day`."""
    from segmentation.customers.panels import monthly_panel
    from segmentation.customers.tiers import assign_tier, tier_rule

    bank.require("balances")
    months = [month for month in bank.months if month <= day]
    if not months:
        raise TableError("balances", "a month begins by the day asked for", "Take a later day.")
    panel = monthly_panel(bank, months[-1])
    tiered = assign_tier(panel, tier_rule(bank.tier_rule, bank.rules))
    return enter(tiered, "panel").select("customer_id", "tier", "tier_code")


def _long(bank: Bank, by: str | None, as_of: Any, parts: tuple[str, ...]) -> pd.DataFrame:
    """Counts of customers by field, group and part, with shares and intervals."""
    bank.require("customers")
    day, fields = reference_day(bank, as_of), fields_of(bank)
    if not fields:
        raise TableError(
            "profiles", "some field of customers is known", "Add profiles, or columns of customers."
        )
    lazy, order = _grouped(bank, by, day)
    lazy = lazy.join(flags(bank, fields, day, parts), on="customer_id", how="left")
    columns = {
        (field.name, part): f"{part}_{k}" for k, field in enumerate(fields) for part in parts
    }
    lazy = lazy.with_columns(nw.col(*columns.values()).fill_null(0))
    nine = [k for k, field in enumerate(fields) if field.element]
    if len(nine) == len(load_rules("quality", bank.rules)["nine"]["elements"]):
        for part in parts:
            count = nw.sum_horizontal(*(f"{part}_{k}" for k in nine))
            lazy = lazy.with_columns((count == len(nine)).cast(nw.Int64).alias(f"{part}_all"))
            columns[ALL_NINE, part] = f"{part}_all"
    sums = collect(
        lazy.group_by("by", *order).agg(
            nw.len().cast(nw.Int64).alias("customers"),
            *(nw.col(name).sum() for name in columns.values()),
        )
    )
    if sums.empty:
        raise TableError("customers", "some are open on the day", "Take another day.")
    sums = sums.assign(last=sums["by"] == UNKNOWN).sort_values(["last", *order, "by"])
    return _shares(sums, columns)


def _grouped(bank: Bank, by: str | None, day: dt.date) -> tuple[Any, list[str]]:
    """Open customers with their group in `by`, and the columns that put the groups in order."""
    if by is None:
        return open_customers(bank, day).select("customer_id", by=nw.lit("all")), []
    if by == "tier":
        lazy = open_customers(bank, day).join(tiers_of(bank, day), on="customer_id", how="left")
        label = nw.col("tier").fill_null(UNKNOWN).alias("by")
        return lazy.select("customer_id", label, "tier_code"), ["tier_code"]
    missing_columns("customers", [by], bank.table("customers").collect_schema().names())
    lazy = open_customers(bank, day, [by])
    label = nw.col(by).cast(nw.String).fill_null(UNKNOWN)
    return lazy.select("customer_id", label.alias("by")), []


def _shares(sums: pd.DataFrame, columns: dict[tuple[str, str], str]) -> pd.DataFrame:
    frames = []
    for (field, part), column in columns.items():
        customers, count = sums["customers"].to_numpy(), sums[column].to_numpy()
        low, high = wilson(count, customers)
        frames.append(
            pd.DataFrame(
                {
                    "field": field,
                    "by": sums["by"].to_numpy(),
                    "part": part,
                    "customers": customers.astype("int64"),
                    "count": count.astype("int64"),
                    "share": count / customers,
                    "low": low,
                    "high": high,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
