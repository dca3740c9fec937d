"""Portraits: what the customers of each cohort hold and do, and how large the differences are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.cohorts import Cohorts, assign_cohort
from segmentation.customers.intervals import wilson
from segmentation.customers.regressions import log
from segmentation.data.engines import cents, collect, enter
from segmentation.data.errors import TableError, missing_columns

__all__ = ["cohort_profile"]

UNITS = ("customer_id", "household_id")
MEANS = {
    "mean_aum": "aum_average",
    "log_aum": "aum_average",
    "products_per_customer": "products",
    "mean_contribution": "contribution",
}
"""Means over customers, and the column of the panel that each is of."""
SHARES = {
    "debt_share": ("debt", "customers"),
    "active_share": ("transactions", "customers"),
    "digital_share_of_active": ("digital_share", "active"),
    "retained_share": ("", "customers"),
}
"""Shares of customers, the column that is above 0, and the count that they are out of."""
Moments = dict[str, nw.Expr]


def cohort_profile(
    panel: Any,
    scheme: str | Cohorts | None = "silver_50",
    as_of: Any = None,
    by: Iterable[str] = (),
    later: Any = None,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Describe the customers of each cohort: money, products, credit, activity, channel, growth.

    Parameters
    ----------
    panel : any frame Narwhals knows
        One month's panel of `monthly_panel`: one row a customer. It needs `aum_average`; what rests
        on a column that it lacks is left out.
    scheme : str, Cohorts or None
        As of `assign_cohort`; None takes the columns `cohort` and `cohort_code` that it has.
    as_of : date, optional
        As of `assign_cohort`.
    by : iterable of str
        Columns to divide cohorts by, for example ``("tier",)``. All shares and intervals are then
        within each of their values.
    later : frame, optional
        The panel of a later month, of the same engine, for growth and retention.
    level : float
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        One row a cohort that has customers (and value of `by`), in the order of the scheme and
        ``unknown`` last, so that no customer is lost. Columns, each from customer_share on with
        ``…_low`` and ``…_high``:

        - the columns of `by`, with their ``_code`` where the panel has it, cohort, cohort_code,
          customers.
        - customer_share: of the customers with the same `by`, those of the cohort. Wilson.
        - aum (yuan, Σ `aum_average`) and aum_share: of the AUM with the same `by`. The interval is
          that of a ratio of sums, ``S ∓ z·√(Σ x²(1[in cohort] − S)²)/Σx``, cut to [0, 1].
        - mean_aum: yuan; Student's t. typical_aum: ``exp(mean log(1 + aum)) − 1``, the geometric
          mean; t on the logs.
        - products_per_customer; mean_contribution (yuan in the month, over customers of whom it is
          known): t.
        - debt_share: customers with debt. active_share: customers who moved money themselves in
          the month; active is their number. digital_share_of_active: of these, who did so at least
          once by mobile or web. Wilson.
        - with `later`: retained_share, customers that are in it; Wilson. aum_growth, their AUM then
          over the AUM of all now, less 1: who left counts 0, who came is not counted; the interval
          is that of a ratio, ``g = Σd/Σx``, ``g ∓ t·√(var(d − g·x)/n)/mean x``, d the change.

    Raises
    ------
    TableError
        If a column is missing, the panel is empty, has several months or `later` is not later, or
        as of `assign_cohort`.

    Notes
    -----
    AUM is heavy-tailed: a mean's interval by Student's t comes out too short, and less than
    `level` of them hold the true mean, while one customer may decide it. typical_aum is not so; it
    is another question. The mean of an amount is never compared by eye alone: see `cohort_effects`.

    A difference between cohorts in one snapshot may come with age or with the generation, and in
    two snapshots with the year as well: age = year − birth year, so that no table of them can tell
    the three apart.

    Examples
    --------
    >>> panel = pd.DataFrame({"age": [24, 31, 66, 71], "aum_average": [100.0, 300.0, 0.0, 600.0]})
    >>> profile = cohort_profile(panel)
    >>> profile[["cohort", "customers", "aum_share", "mean_aum"]].values.tolist()
    [['Young (under 35)', 2, 0.4, 200.0], ['Silver (50 and over)', 2, 0.6, 300.0]]
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    native = panel if scheme is None else assign_cohort(panel, scheme, as_of)
    lazy = enter(native, "panel", ("cohort", "cohort_code", "aum_average", *by))
    lazy = _numbers(lazy, "panel")
    names = lazy.collect_schema().names()
    by = tuple(each for name in by for each in (name, f"{name}_code") if each in names)
    months = ["month"] if "month" in names and "month" not in by else []
    if later is not None:
        lazy = _with_later(lazy, later)
    columns, sums = _columns(names, later is not None)
    keys = (*by, "cohort", "cohort_code")
    lazy = lazy.with_columns(**columns)
    table = collect(lazy.group_by(*keys, *months).agg(nw.len().alias("customers"), *sums))
    if table.empty:
        raise TableError("panel", "it has rows", "Pass a month's panel.")
    if months and len(table["month"].unique()) > 1:
        raise TableError("panel", "it has one month", "Filter it to one.", "month")
    order = [name for name in by if f"{name}_code" not in by]
    table = table.sort_values([*order, "cohort_code"], ignore_index=True)
    for code in [name for name in (*by, "cohort_code") if str(name).endswith("_code")]:
        if not table[code].hasnans:
            table[code] = table[code].astype("int64")
    return _profile(table, by, level)


def _columns(names: list[str], later: bool) -> tuple[Moments, list[nw.Expr]]:
    """What is made of each row, and the moments that are taken of it."""
    columns: Moments = {}
    for mean, column in MEANS.items():
        if column in names:
            value = nw.col(column)
            columns[mean] = (
                log(1 + nw.when(value > 0).then(value).otherwise(0.0))
                if mean == "log_aum"
                else value
            )
    flags: Moments = {
        share: (nw.col(column) > 0).fill_null(False).cast(nw.Int64)
        for share, (column, _whole) in SHARES.items()
        if column in names
    }
    if "active_share" in flags and "digital_share_of_active" in flags:
        flags["digital_share_of_active"] *= flags["active_share"]
    else:
        flags.pop("digital_share_of_active", None)
    if later:
        columns["change"] = nw.col("aum_later").fill_null(0.0) - nw.col("aum_average")
        columns["then"] = nw.col("aum_later").fill_null(0.0)
        flags["retained_share"] = (~nw.col("aum_later").is_null()).cast(nw.Int64)
    sums = [nw.col("mean_aum").sum().alias("aum")]
    for name in columns:
        value = nw.col(name)
        sums += [
            value.mean().alias(f"{name}_mean"),
            value.std().alias(f"{name}_sd"),
            value.count().alias(f"{name}_n"),
        ]
    sums += [nw.col(name).sum().alias(f"{name}_count") for name in flags]
    return columns | flags, sums


def _numbers(lazy: nw.LazyFrame[Any], table: str) -> nw.LazyFrame[Any]:
    """Columns of amounts as floats, NaN as null; no amount is above all others."""
    schema = lazy.collect_schema()
    wanted = {*MEANS.values(), *(column for column, _whole in SHARES.values())}
    found = [name for name in schema.names() if name in wanted]
    for name in found:
        if not schema[name].is_numeric():
            raise TableError(table, "it is a number", "Convert it.", name)
    values = {name: nw.col(name).cast(nw.Float64) for name in found}
    known = {
        n: nw.when(~v.is_nan()).then(v) if schema[n].is_float() else v for n, v in values.items()
    }
    known["aum_average"] = cents(known["aum_average"].fill_null(0.0))
    return lazy.with_columns(**known)


def _with_later(lazy: nw.LazyFrame[Any], later: Any) -> nw.LazyFrame[Any]:
    """Join the AUM of the later month, null of who is no longer there."""
    names = lazy.collect_schema().names()
    unit = next((name for name in UNITS if name in names), None)
    if unit is None:
        missing_columns("panel", UNITS[:1], names)
    other = enter(later, "later", (str(unit), "aum_average"))
    if other.implementation != lazy.implementation:
        raise TableError("later", "it is of the panel's engine", "Bring both in one kind.")
    other = _numbers(other, "later")
    dated = ["month"] if {"month"} <= set(names) & set(other.collect_schema().names()) else []
    if dated:
        ends = [
            collect(each.select(low=nw.col("month").min(), high=nw.col("month").max())).iloc[0]
            for each in (lazy, other)
        ]
        if not ends[0]["high"] < ends[1]["low"] <= ends[1]["high"] <= ends[1]["low"]:
            raise TableError("later", "it is of one month after the panel's", "Pass that.", "month")
    known = other.filter(~nw.col(str(unit)).is_null())
    then = known.group_by(str(unit)).agg(nw.col("aum_average").sum().alias("aum_later"))
    return lazy.join(then, on=str(unit), how="left")


def _profile(table: pd.DataFrame, by: tuple[str, ...], level: float) -> pd.DataFrame:
    """The columns of the profile, from counts and moments."""
    found = table[[*by, "cohort", "cohort_code", "customers"]].copy()
    n = table["customers"].to_numpy(float)
    whole = table.groupby(list(by), dropna=False) if by else table.groupby(lambda _row: 0)
    _share(found, "customer_share", n, whole["customers"].transform("sum"), level)
    found["aum"] = np.floor(table["aum"] * 100 + 0.5) / 100
    _aum_share(found, table, by, level)
    _mean(found, "mean_aum", table, level)
    _mean(found, "log_aum", table, level)
    for end in ("", "_low", "_high"):
        found[f"typical_aum{end}"] = np.expm1(found.pop(f"log_aum{end}"))
    for mean in ("products_per_customer", "mean_contribution"):
        if f"{mean}_mean" in table:
            _mean(found, mean, table, level)
    for share, (_column, out_of) in SHARES.items():
        if f"{share}_count" in table:
            _share(found, share, table[f"{share}_count"], found[out_of], level)
            if share == "active_share":
                found["active"] = table[f"{share}_count"]
    if "change_mean" in table:
        _growth(found, table, level)
    return found


def _share(found: pd.DataFrame, name: str, count: Any, n: Any, level: float) -> None:
    count, n = np.asarray(count, float), np.asarray(n, float)
    found[name] = np.divide(count, n, out=np.full(len(n), np.nan), where=n > 0)
    found[f"{name}_low"], found[f"{name}_high"] = wilson(count, n, level)


def _mean(found: pd.DataFrame, name: str, table: pd.DataFrame, level: float) -> None:
    n = table[f"{name}_n"].to_numpy(float)
    _limits(found, name, table[f"{name}_mean"], table[f"{name}_sd"] / np.sqrt(n), n, level)


def _limits(found: pd.DataFrame, name: str, value: Any, error: Any, n: Any, level: float) -> None:
    """Student's limits; unknown of one customer."""
    from scipy.stats import t

    half = error * t.ppf(0.5 + level / 2, np.where(n > 1, n - 1, np.nan))
    found[name], found[f"{name}_low"], found[f"{name}_high"] = value, value - half, value + half


def _aum_share(found: pd.DataFrame, table: pd.DataFrame, by: tuple[str, ...], level: float) -> None:
    from statistics import NormalDist

    n, mean = table["customers"], table["mean_aum_mean"]
    squares = table["mean_aum_sd"].fillna(0) ** 2 * (n - 1) + n * mean**2
    frame = pd.DataFrame({"aum": table["aum"], "squares": squares})
    keys = [table[name] for name in by] or [pd.Series(0, index=table.index)]
    total = frame.groupby(keys, dropna=False).transform("sum")
    share = table["aum"] / total["aum"].where(total["aum"] > 0)
    spread = (1 - share) ** 2 * squares + share**2 * (total["squares"] - squares)
    half = NormalDist().inv_cdf(0.5 + level / 2) * np.sqrt(spread) / total["aum"]
    found["aum_share"] = share
    found["aum_share_low"] = (share - half).clip(0, 1)
    found["aum_share_high"] = (share + half).clip(0, 1)


def _growth(found: pd.DataFrame, table: pd.DataFrame, level: float) -> None:
    """Growth of a sum as a ratio of means, with the variance of what the ratio leaves over."""
    x, n = table["mean_aum_mean"], table["customers"].to_numpy(float)
    growth = table["change_mean"] / x.where(x > 0)
    now, change, then = (table[f"{name}_sd"] ** 2 for name in ("mean_aum", "change", "then"))
    common = (then - change - now) / 2  # the covariance: then = now + change
    left = (change + growth**2 * now - 2 * growth * common).clip(lower=0)
    _limits(found, "aum_growth", growth, np.sqrt(left / n) / x, n, level)
