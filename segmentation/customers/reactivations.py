"""Reactivation: how many who sleep wake by themselves, which is what a campaign must beat."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.dates import month_end, months_before, read_month
from segmentation.customers.definitions import DormancyRule, dormancy_rule
from segmentation.customers.dormancies import active, judged
from segmentation.customers.intervals import wilson
from segmentation.customers.members import as_day, grouped
from segmentation.data.bank import Bank
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["Reactivation", "reactivation"]


@dataclass(frozen=True)
class Reactivation:
    """How those who were dormant at a month's end woke in the months after it.

    Attributes
    ----------
    table : DataFrame
        One row a month, and group: the group's column, month (its first day), step (months since),
        at_risk, reactivated, closed (in the month, without having woken), hazard with low and high
        (Wilson), returned ``1 − Π (1 − hazard)`` with returned_low and returned_high (Greenwood's
        variance on the log(−log) scale).
    groups : DataFrame
        One row a group: the group's column, customers (dormant at the start), unknown (of whom the
        tables cannot tell, who are left out), months at risk ``customer_months``, reactivated,
        base_rate ``reactivated / customer_months`` with low and high (Wilson), and returned by the
        last month with its limits.
    base_rate, low, high : float
        Of all together, per customer and month: who wakes though nobody called. A campaign is
        worth what it adds to this, not what it counts.
    customers, unknown : int
        Dormant at the start, and of whom it cannot be known.
    rule : DormancyRule
        The definition.
    start, end : datetime.date
        First days of the month at whose end they were dormant, and of the last month looked at.
    by : str or None
        The group's column.
    level : float
        Confidence of the intervals.
    """

    table: pd.DataFrame
    groups: pd.DataFrame
    base_rate: float
    low: float
    high: float
    customers: int
    unknown: int
    rule: DormancyRule
    start: dt.date
    end: dt.date
    by: str | None
    level: float


def reactivation(
    bank: Bank,
    rule: str | DormancyRule = "cib",
    start: Any = None,
    end: Any = None,
    by: Any = None,
    *,
    since: Any = None,
    level: float = 0.95,
) -> Reactivation:
    """Follow those dormant at the end of a month until they move again.

    The discrete hazard of month t is ``dₜ / nₜ``: of those who had not woken or closed before it,
    the share with an active movement in it. Who closes the account in the month of the first
    movement has not come back: the movement took the rest. Such a customer counts as closed, and is
    at risk until the month before.

    Parameters
    ----------
    bank, rule, since
        As of `dormancy`.
    start : month, optional
        At the end of which the customers are dormant; by default half a year before `end`.
    end : month, optional
        The last month looked at, by default the last of `balances`; `transactions` must be complete
        up to its end.
    by : str or frame, optional
        A column of `customers` (at the start), a scheme of `cohorts.toml` (column `cohort`), or a
        frame of the bank's kind with customer_id and one more column, such as a cause.
    level : float
        Confidence of the intervals.

    Raises
    ------
    TableError
        As `dormancy`, and if `end` is not after `start`, or is after the last month of `balances`.

    Notes
    -----
    It is the rate without a campaign only if there was none in these months. Where there was one,
    take the hold-out's: give it as `by`.

    References
    ----------
    Singer & Willett (1993), It's about time: using discrete-time survival analysis, Journal of
    Educational Statistics 18. Kalbfleisch & Prentice (2002), The statistical analysis of failure
    time data, section 1.4, for the limits of `returned`.

    Examples
    --------
    >>> from segmentation import simulate_bank
    >>> woken = reactivation(simulate_bank(1, 2, 900, 16), "six_months", "2025-06", "2025-12")
    >>> woken.table["step"].tolist(), woken.by
    ([1, 2, 3, 4, 5, 6], None)
    >>> bool(0 <= woken.low <= woken.base_rate <= woken.high < 0.05)
    True
    """
    if not bank.months:
        raise TableError("balances", "there is a month", "Bring balances.")
    last = bank.months[-1] if end is None else read_month(end)
    first = months_before(last, 6) if start is None else read_month(start)
    if last > bank.months[-1] or last <= first:
        rule_text = "end is a month after start, and not after the last of balances"
        raise TableError("end", rule_text, "Name another month.")
    definition = dormancy_rule(rule, bank.rules) if isinstance(rule, str) else rule
    day = as_day(bank, first)
    lazy = judged(bank, day, (definition,), since)
    state = nw.col("state_0")
    lazy = lazy.filter((state == "dormant") | (state == "unknown"))
    lazy, group = grouped(bank, lazy, by, day)
    lazy = lazy.join(_woken(bank, definition, day, last), on="customer_id", how="left")
    lazy = lazy.with_columns(
        woke=_step(nw.col("woke_on"), first),
        left=_step(nw.when(nw.col("closed_on") <= month_end(last)).then("closed_on"), first),
    )
    keys = [*([] if group is None else [group]), "state_0", "woke", "left"]
    cells = collect(lazy.group_by(*keys).agg(nw.len().alias("customers")))
    column = group or "group"
    if group is None:
        cells = cells.assign(group="all")
    steps = (last.year - first.year) * 12 + last.month - first.month
    unknown = cells[cells["state_0"] == "unknown"]
    asleep = _counted(cells[cells["state_0"] == "dormant"], column, steps)
    table = _hazards(asleep, column, first, level)
    groups = _totals(table, unknown.groupby(column)["customers"].sum(), column, level)
    events, months = int(table["reactivated"].sum()), int(table["at_risk"].sum())
    low, high = wilson(events, months, level)
    if group is None:
        table, groups = table.drop(columns=column), groups.drop(columns=column)
    return Reactivation(
        table=table,
        groups=groups,
        base_rate=events / months if months else math.nan,
        low=float(low),
        high=float(high),
        customers=int(groups["customers"].sum()),
        unknown=int(groups["unknown"].sum()),
        rule=definition,
        start=first,
        end=last,
        by=group,
        level=level,
    )


def _woken(bank: Bank, rule: DormancyRule, day: dt.date, last: dt.date) -> nw.LazyFrame[Any]:
    """Day of the first active movement after a day."""
    lazy = bank.table("transactions", "customer_id", "date", optional=["kind"])
    lazy = lazy.filter(nw.col("date") > day, nw.col("date") <= month_end(last), active(bank, rule))
    return lazy.group_by("customer_id").agg(nw.col("date").min().alias("woke_on"))


def _step(day: nw.Expr, first: dt.date) -> nw.Expr:
    """Months from the start to the month of a day, 0 for none."""
    months = day.dt.year().cast(nw.Int64) * 12 + day.dt.month().cast(nw.Int64)
    return (months - (first.year * 12 + first.month)).fill_null(0)


def _counted(cells: pd.DataFrame, column: str, steps: int) -> pd.DataFrame:
    """Those at risk, woken and closed by group and month since the start."""
    woke, left = cells["woke"], cells["left"]
    back = (woke > 0) & ((left == 0) | (woke < left))
    gone = ~back & (left > 0)
    rows = []
    for name, part in cells.groupby(column, sort=True):
        n, mine = part["customers"], part.index
        at_risk = int(n.sum())
        for step in range(1, steps + 1):
            came = int(n[back.loc[mine] & (woke.loc[mine] == step)].sum())
            closed = int(n[gone.loc[mine] & (left.loc[mine] == step)].sum())
            # who closes in the month is not at risk of waking in it
            rows.append((name, step, at_risk - closed, came, closed))
            at_risk -= came + closed
    return pd.DataFrame(rows, columns=[column, "step", "at_risk", "reactivated", "closed"])


def _hazards(table: pd.DataFrame, column: str, first: dt.date, level: float) -> pd.DataFrame:
    n, d = table["at_risk"].to_numpy(float), table["reactivated"].to_numpy(float)
    table["month"] = pd.to_datetime([months_before(first, -step) for step in table["step"]])
    with np.errstate(divide="ignore", invalid="ignore"):
        table["hazard"] = np.where(n > 0, d / n, np.nan)
        still = 1 - table["hazard"].fillna(0)
        kept = still.groupby(table[column]).cumprod()
        terms = pd.Series(np.where(n > d, d / (n * (n - d)), np.where(d > 0, np.inf, 0.0)))
        spread = np.sqrt(terms.groupby(table[column]).cumsum()) / np.abs(np.log(kept))
        z = NormalDist().inv_cdf((1 + level) / 2)
        low, high = 1 - kept ** np.exp(-z * spread), 1 - kept ** np.exp(z * spread)
    table["low"], table["high"] = wilson(d, n, level)
    inside = (kept > 0) & (kept < 1)
    # without any event, or with nothing else, the product's limits are those of a share
    start = table.groupby(column)["at_risk"].transform("first").to_numpy(float)
    ends = wilson(((1 - kept) * start).round(), start, level)
    table["returned"] = 1 - kept
    table["returned_low"] = low.where(inside, ends[0])
    table["returned_high"] = high.where(inside, ends[1])
    order = ["month", "step", "at_risk", "reactivated", "closed", "hazard", "low", "high"]
    return table[[column, *order, "returned", "returned_low", "returned_high"]]


def _totals(
    table: pd.DataFrame, unknown: pd.Series[Any], column: str, level: float
) -> pd.DataFrame:
    first = table[table["step"] == 1].set_index(column)
    sums = table.groupby(column)[["at_risk", "reactivated"]].sum()
    last = table.groupby(column)[["returned", "returned_low", "returned_high"]].last()
    customers = first["at_risk"] + first["closed"]
    groups = pd.DataFrame({"customers": customers}).join(unknown.rename("unknown"), how="outer")
    groups = groups.join(sums.rename(columns={"at_risk": "customer_months"})).join(last)
    counts = ["customers", "unknown", "customer_months", "reactivated"]
    groups[counts] = groups[counts].fillna(0).astype("int64")
    n, d = groups["customer_months"], groups["reactivated"]
    groups["base_rate"] = (d / n).where(n > 0)
    groups["low"], groups["high"] = wilson(d, n, level)
    order = [*counts, "base_rate", "low", "high", "returned", "returned_low", "returned_high"]
    return groups[order].rename_axis(column).reset_index()
