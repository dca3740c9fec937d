"""Units over time, some of them treated from some period on, as sums that an engine can take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.campaigns.sums import moments
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["NEVER", "Timeline", "read_timeline"]

NEVER = 0
"""First treated period of a unit that never was."""
PERIODS = 240
PATTERNS = 5000
"""Most sets of units with the same gaps, beyond which the gaps are no pattern."""


@dataclass(frozen=True)
class Timeline:
    """Units of equal first treatment, gaps and cluster, one row each.

    Attributes
    ----------
    times : array (periods,) of int
        Periods found, in order; months are counted from the year 0.
    first : array (rows,) of int
        First treated period; 0 for never.
    present : array (rows, periods) of bool
        Periods in which the units have an outcome.
    n : array (rows,)
        Units.
    means : array (rows, periods)
        Mean outcome less the mean of all units in that period. Only where present is it of use.
    products : array (rows, periods, periods) or None
        Centred sums of products over units; None where there are clusters.
    cluster : array (rows,) of int, or None
        Number of the cluster.
    months : bool
        Whether periods are months of dates.
    dropped : int
        Rows without an outcome.
    """

    times: Any
    first: Any
    present: Any
    n: Any
    means: Any
    products: Any
    cluster: Any
    months: bool
    dropped: int

    def label(self, period: int) -> Any:
        """Return a period as the caller's data have it: a number, or the first of a month."""
        if not self.months:
            return int(period)
        return pd.Timestamp(year=int(period) // 12, month=int(period) % 12 + 1, day=1)

    def keep(self, rows: Any) -> Timeline:
        """Keep some of the rows; clusters are numbered anew."""
        return replace(
            self,
            first=self.first[rows],
            present=self.present[rows],
            n=self.n[rows],
            means=self.means[rows],
            products=None if self.products is None else self.products[rows],
            cluster=None if self.cluster is None else pd.factorize(self.cluster[rows])[0],
        )


def read_timeline(
    data: Any, outcome: str, unit: str, time: str, first_treated: str, cluster: str | None
) -> Timeline:
    """Sum a panel by first treatment, gaps and cluster.

    Raises
    ------
    TableError
        If a column is missing or of the wrong type, a unit has two rows in a period, two first
        treated periods or two clusters, or there is but one period.
    """
    rows, months = _rows(data, outcome, unit, time, first_treated, cluster)
    found = _periods(rows, unit, time, cluster)
    times, centres = found["t"].to_numpy(np.int64), found["mean"].to_numpy(float)
    wide = _wide(rows, times, centres, cluster is not None)
    keys = ("first", "pattern", "trouble")
    if cluster is None:
        names = [f"y{k}" for k in range(len(times))]
        sums = moments(wide, names, by=keys)
        groups, means, products = sums.groups, sums.means, sums.products
    else:
        groups = collect(
            wide.group_by(*keys, "cluster").agg(
                nw.len().alias("n"), *(nw.col(f"y{k}").mean() for k in range(len(times)))
            )
        )
        groups = groups.sort_values([*keys, "cluster"], ignore_index=True)
        means = groups[[f"y{k}" for k in range(len(times))]].to_numpy(float)
        products = None
    _check(groups, unit, time, first_treated, cluster)
    patterns = groups["pattern"].unique()
    if len(patterns) > PATTERNS:
        raise TableError(
            "data",
            "units miss periods in some common pattern",
            "Fill the periods in which a unit had nothing with 0, or keep units without gaps.",
            time,
        )
    return Timeline(
        times=times,
        first=groups["first"].to_numpy(np.int64),
        present=np.array([[mark == "1" for mark in text] for text in groups["pattern"]]),
        n=groups["n"].to_numpy(float),
        means=means,
        products=products,
        cluster=None if cluster is None else pd.factorize(groups["cluster"])[0],
        months=months,
        dropped=int(found["rows"].sum() - found["used"].sum()),
    )


def _rows(
    data: Any, outcome: str, unit: str, time: str, first_treated: str, cluster: str | None
) -> tuple[nw.LazyFrame[Any], bool]:
    columns = (outcome, unit, time, first_treated, *([cluster] if cluster else []))
    lazy = enter(data, "data", tuple(dict.fromkeys(columns)))
    schema = lazy.collect_schema()
    dates = [schema[name] in (nw.Date, nw.Datetime) for name in (time, first_treated)]
    unknown = schema[first_treated] == nw.Unknown  # all null, and of no type
    if dates[0] != dates[1] and not unknown:
        raise TableError(
            "data",
            "time and first treatment are both dates, or both whole numbers",
            "Convert one of them.",
            first_treated,
        )
    first = nw.lit(NEVER) if unknown else _period(schema, first_treated).fill_null(NEVER)
    rows = lazy.select(
        nw.col(unit).alias("unit"),
        _period(schema, time).alias("t"),
        first.cast(nw.Int64).alias("first"),
        _outcome(schema, outcome).alias("y"),
        *([nw.col(cluster).cast(nw.String).alias("cluster")] if cluster else []),
    )
    return rows, dates[0]


def _period(schema: Any, name: str) -> nw.Expr:
    column, dtype = nw.col(name), schema[name]
    if dtype in (nw.Date, nw.Datetime):
        year, month = column.dt.year().cast(nw.Int64), column.dt.month().cast(nw.Int64)
        return year * 12 + month - 1
    if dtype.is_integer():
        return column.cast(nw.Int64)
    if dtype.is_float():
        finite = (~column.is_nan()) & (column.abs() < 1e15)
        return nw.when(finite & (column == column.floor())).then(column).cast(nw.Int64)
    raise TableError("data", "a period is a whole number or a date", "Convert it.", name)


def _outcome(schema: Any, name: str) -> nw.Expr:
    column, dtype = nw.col(name), schema[name]
    if dtype == nw.Boolean:
        return column.cast(nw.Int64).cast(nw.Float64)
    if not dtype.is_numeric():
        raise TableError("data", "the outcome holds numbers or flags", "Convert it.", name)
    number = column.cast(nw.Float64)
    return nw.when(~number.is_nan()).then(number) if dtype.is_float() else number


def _periods(rows: nw.LazyFrame[Any], unit: str, time: str, cluster: str | None) -> pd.DataFrame:
    """Periods, their rows and means; and whether all rows have unit, period and cluster."""
    marks = rows.with_columns(
        nw.col("unit").is_null().cast(nw.Int64).alias("lost"),
        (~nw.col("y").is_null()).cast(nw.Int64).alias("used"),
        nw.col("cluster").is_null().cast(nw.Int64).alias("lone")
        if cluster
        else nw.lit(0).alias("lone"),
    )
    found = collect(
        marks.group_by("t").agg(
            nw.len().alias("rows"),
            nw.col("used").sum(),
            nw.col("lost").sum(),
            nw.col("lone").sum(),
            nw.col("y").mean().alias("mean"),
        )
    )
    for column, name in (("lost", unit), ("lone", cluster)):
        if len(found) and (missing := int(found[column].sum())):
            raise TableError(
                "data", "every row has its unit and cluster", "Fill it.", name, missing
            )
    if found["t"].isna().any():
        missing = int(found.loc[found["t"].isna(), "rows"].sum())
        raise TableError(
            "data", "every row has its period, a date or a whole number", "Fill it.", time, missing
        )
    known = found[found["used"] > 0].sort_values("t", ignore_index=True)
    if not np.isfinite(known["mean"].to_numpy(float)).all():
        raise TableError("data", "the outcome is finite", "Leave out what is not.", None)
    if not 2 <= len(known) <= PERIODS:
        raise TableError(
            "data",
            "outcomes are known in 2 to 240 periods",
            "Pass periods before and after, or aggregate to months.",
            time,
        )
    return found.sort_values("t", ignore_index=True).loc[lambda frame: frame["used"] > 0]


def _wide(rows: nw.LazyFrame[Any], times: Any, centres: Any, clustered: bool) -> nw.LazyFrame[Any]:
    """One row a unit: its outcome in each period, less the mean of the period.

    Where it has none, its mean stands, so that no digits are lost: nothing is ever made of it.
    """
    rows = rows.filter(~nw.col("y").is_null())
    known = range(len(times))
    at = [nw.col("t") == int(period) for period in times]
    centred = nw.col("y") - _chosen(at, centres)
    rows = rows.with_columns(centred.alias("y"))
    rows = rows.with_columns(
        *(nw.when(at[k]).then(nw.col("y")).alias(f"y{k}") for k in known),
        *(at[k].cast(nw.Int64).alias(f"c{k}") for k in known),
    )
    spans = ["first", *(["cluster"] if clustered else [])]
    wide = rows.group_by("unit").agg(
        *(nw.col(f"y{k}").sum() for k in known),
        *(nw.col(f"c{k}").sum() for k in known),
        nw.col("y").mean().alias("own"),
        *(nw.col(name).min().alias(name) for name in spans),
        *(nw.col(name).max().alias(f"{name}_last") for name in spans),
    )
    marks = [
        nw.when(nw.col(f"c{k}") == 0)
        .then(nw.lit("0"))
        .otherwise(nw.when(nw.col(f"c{k}") == 1).then(nw.lit("1")).otherwise(nw.lit("2")))
        for k in known
    ]
    trouble = nw.when(nw.col("first") != nw.col("first_last")).then(nw.lit(1)).otherwise(nw.lit(0))
    if clustered:
        moved = nw.col("cluster") != nw.col("cluster_last")
        trouble = nw.when(moved).then(nw.lit(2)).otherwise(trouble)
    return wide.select(
        "first",
        *(["cluster"] if clustered else []),
        nw.concat_str(*marks).alias("pattern"),
        trouble.alias("trouble"),
        *(
            nw.when(nw.col(f"c{k}") > 0)
            .then(nw.col(f"y{k}"))
            .otherwise(nw.col("own"))
            .alias(f"y{k}")
            for k in known
        ),
    )


def _chosen(at: list[nw.Expr], values: Any) -> nw.Expr:
    chain: nw.Expr = nw.lit(0.0)
    for condition, value in zip(at, values, strict=True):
        chain = nw.when(condition).then(nw.lit(float(value))).otherwise(chain)
    return chain


def _check(
    groups: pd.DataFrame, unit: str, time: str, first_treated: str, cluster: str | None
) -> None:
    for sign, column, rule, mend in (
        (1, first_treated, "a unit is first treated once", "Give each unit one period, or none."),
        (2, cluster, "a unit stays in one cluster", "Give it the cluster it was in at the start."),
    ):
        if wrong := int(groups.loc[groups["trouble"] == sign, "n"].sum()):
            raise TableError("data", rule, mend, column, wrong)
    twice = groups["pattern"].str.contains("2", regex=False)
    if wrong := int(groups.loc[twice, "n"].sum()):
        raise TableError(
            "data", "a unit has one row a period", "Aggregate to one row a period.", unit, wrong
        )
