"""Term deposits about to mature: how much by whom, and how much of it the bank kept before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.cohorts import UNKNOWN, cohort_scheme
from segmentation.customers.dates import month_end, months_before
from segmentation.customers.intervals import wilson
from segmentation.customers.members import as_day, balance_month, grouped
from segmentation.customers.panels import monthly_panel
from segmentation.customers.tiers import assign_tier, tier_rule
from segmentation.data.bank import Bank
from segmentation.data.engines import cents, collect, enter
from segmentation.data.errors import TableError

__all__ = ["maturities"]

LONGEST = 3660
DUE = ("deposits", "customers", "amount")
BEFORE = ("matured", "unknown", "matured_amount", "kept_amount")
SHARES = ("kept", "kept_low", "kept_high", "kept_rate", "kept_rate_low", "kept_rate_high")


def maturities(
    bank: Bank,
    as_of: Any = None,
    days: int = 90,
    *,
    by: Sequence[str] | None = None,
    window: int | None = None,
    cohorts: str = "silver_50",
    level: float = 0.95,
) -> pd.DataFrame:
    """Term deposits that fall due soon, beside the share kept of those that matured (到期承接率).

    Due are those opened by `as_of` that mature in the `days` after it; the shares are of those that
    matured in the `window` days up to it. A deposit counts as kept if anything of it was, and with
    no more than its amount. By number ``kept = Σ [kept > 0] / matured``, by yuan
    ``kept_rate = Σ kept / Σ amount``.

    Parameters
    ----------
    bank : Bank
        With `maturities`; with customers and balances where `by` asks for what is in them.
    as_of : day, optional
        As of `dormancy`: by default the end of the last month of `balances`.
    days : int
        How far ahead.
    by : sequence of str, optional
        ``branch_id`` (of the deposit), ``tier`` (the bank's rule, on `aum_average`), ``cohort``
        (at `as_of`), columns of `customers`; empty for all in one row. By default those of the
        first three that the bank's tables can tell.
    window : int, optional
        How far back; by default as far as ahead.
    cohorts : str
        Scheme of `cohorts.toml`.
    level : float
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        One row a group of `by`, then deposits, customers and amount (yuan) that fall due; matured
        (deposits, known what was kept), unknown (not known), matured_amount and kept_amount (yuan);
        kept and kept_rate, each with limits ``_low`` and ``_high``, null where nothing is known.

    Raises
    ------
    TableError
        If days are no whole number from 1, a column of `by` is not there or there twice, the months
        before `as_of` and before the window are not in `balances` (for ``tier``), or deposits have
        no number, customer, day or amount, occur twice, are negative, or mature before they open.

    Notes
    -----
    Deposits of one customer go together, and few deposits hold most yuan. So Wilson's interval is
    taken at the effective number ``n* = p(1 − p)/V · (z/t)²``, V being the variance of the ratio
    between customers and t Student's with one degree less than customers, and not above the number
    that these deposits would be worth if each stood alone: their number, or by yuan
    ``(Σ amount)²/Σ amount²``, which is taken where V is 0 or there is one customer.

    The tier of a deposit that matured is that before the window: by the tier at `as_of` those who
    took their money away would be in lower ones. What the season changes, an equal window before
    does not show: compare with `as_of` a year earlier.

    References
    ----------
    Korn & Graubard (1998), Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, Survey Methodology 24; Dean & Pagano (2015),
    Evaluating confidence interval methods for binomial proportions in clustered surveys, Journal
    of Survey Statistics and Methodology 3.

    Examples
    --------
    >>> deposits = pd.DataFrame({"deposit_id": ["D1", "D2", "D3"], "customer_id": ["A", "B", "A"],
    ...     "branch_id": "B1", "amount": [100.0, 300.0, 500.0], "kept": [100.0, 0.0, None],
    ...     "opened_on": pd.Timestamp("2024-06-01"),
    ...     "matures_on": pd.to_datetime(["2025-06-01", "2025-06-02", "2025-08-01"])})
    >>> due = maturities(Bank(maturities=deposits), "2025-06-30", 60)
    >>> due[["branch_id", "deposits", "amount", "matured", "kept", "kept_rate"]].values.tolist()
    [['B1', 1, 500.0, 2, 0.5, 0.25]]
    """
    back = days if window is None else window
    for name, count in (("days", days), ("window", back)):
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= LONGEST:
            raise TableError(name, "it is a whole number of days from 1", "Pass 90.")
    wilson(0, 1, level)  # refuses what is no level
    day = as_day(bank, as_of)
    start = day - dt.timedelta(days=back)
    deposits = _deposits(bank, start, day, day + dt.timedelta(days=days))
    heads = _heads(bank, by, start, day)
    past = nw.col("matures_on") <= day
    due = _told(bank, deposits.filter(~past), heads, day, day, cohorts)
    matured = _told(bank, deposits.filter(past), heads, start, day, cohorts)
    ahead = collect(
        due.group_by(*heads, "whole", "customer_id")
        .agg(nw.len().alias("deposits"), nw.col("amount").sum())
        .with_columns(customers=nw.lit(1))
        .group_by(*heads, "whole")
        .agg(*(nw.col(name).sum() for name in DUE))
    )
    words = dict.fromkeys(heads, object)  # pandas cannot merge two empty columns of Arrow text
    before = _before(matured, heads).astype(words)
    table = ahead.astype(words).merge(before, on=[*heads, "whole"], how="outer")
    table = _shares(table.astype(dict.fromkeys(heads, "str")), level)
    for name in ("deposits", "customers", "matured", "unknown"):
        table[name] = table[name].fillna(0).astype("int64")
    for name in ("amount", "matured_amount", "kept_amount"):
        table[name] = table[name].fillna(0.0).round(2)
    orders = {"tier": tier_rule(bank.tier_rule, bank.rules).names} if "tier" in heads else {}
    if "cohort" in heads:
        orders["cohort"] = cohort_scheme(cohorts, bank.rules).names
    keys = [_place(table[name], orders.get(name, ())) for name in reversed(heads)]
    if keys:
        table = table.iloc[np.lexsort(keys)]
    return table[[*heads, *DUE, *BEFORE, *SHARES]].reset_index(drop=True)


def _deposits(bank: Bank, start: dt.date, day: dt.date, end: dt.date) -> nw.LazyFrame[Any]:
    """Deposits opened by the day that mature between start and end, once they are sound."""
    ids, days = ("deposit_id", "customer_id", "branch_id"), ("opened_on", "matures_on")
    lazy = bank.table("maturities", *ids, *days, "amount", optional=["kept"])
    if "kept" not in lazy.collect_schema().names():
        lazy = lazy.with_columns(kept=nw.lit(None, dtype=nw.Float64))
    due = nw.col("matures_on")
    empty = {name: nw.col(name).is_null() for name in (*ids, *days, "amount")}
    flaws = {
        **{name: (flaw, "it is filled", "Fill it.") for name, flaw in empty.items()},
        "negative": (nw.col("amount") < 0, "amounts are not negative", "Check the sign."),
        "less": (nw.col("kept") < 0, "what is kept is not negative", "Check the sign."),
        "before": (due < nw.col("opened_on"), "no deposit matures before it opens", "Mend days."),
    }
    of = {"negative": "amount", "less": "kept", "before": "matures_on"}
    inside = (due > start) & (due <= end) & (nw.col("opened_on") <= day)
    counted = lazy.with_columns(
        **{f"flaw_{n}": flaw.fill_null(False).cast(nw.Int64) for n, (flaw, *_) in flaws.items()}
    ).select(*(nw.col(f"flaw_{name}").sum() for name in flaws))
    found = collect(counted).iloc[0].fillna(0)
    for name, (_flaw, rule, mend) in flaws.items():
        if rows := int(found[f"flaw_{name}"]):
            raise TableError("maturities", rule, mend, of.get(name, name), rows)
    lazy = lazy.filter(inside)
    each = lazy.group_by("deposit_id").agg(nw.len().alias("rows"))
    twice = collect(each.filter(nw.col("rows") > 1).select(nw.len().alias("rows")))
    if rows := int(twice["rows"].iloc[0]):
        raise TableError("maturities", "numbers are there once", "Mend.", "deposit_id", rows)
    kept = nw.when(nw.col("kept") > nw.col("amount")).then(nw.col("amount"))
    return lazy.with_columns(kept=kept.otherwise(nw.col("kept")))


def _heads(bank: Bank, by: Sequence[str] | None, start: dt.date, day: dt.date) -> list[str]:
    if by is not None:
        heads = [by] if isinstance(by, str) else list(by)
        taken = {*DUE, *BEFORE, *SHARES, "customer_id", "deposit_id"} & set(heads)
        if len(set(heads)) < len(heads) or taken:
            raise TableError("by", "columns differ from each other and the results'", "Mend it.")
        return heads
    heads = ["branch_id"]
    if bank.has("customers") and bank.has("balances"):
        ended = {month_end(month) for month in bank.months}
        if {_ended(start), _ended(day)} <= ended:
            heads.append("tier")
    return [*heads, "cohort"] if bank.has("customers", "birth_date") else heads


def _ended(day: dt.date) -> dt.date:
    """The last month's end up to a day."""
    end = month_end(day)
    return end if end == day else month_end(months_before(day, 1))


def _told(
    bank: Bank,
    lazy: nw.LazyFrame[Any],
    heads: list[str],
    tier_day: dt.date,
    day: dt.date,
    cohorts: str,
) -> nw.LazyFrame[Any]:
    """Add the columns that the results are told by, ``unknown`` where they are empty."""
    for name in heads:
        if name == "branch_id":
            continue
        if name == "tier":
            month = balance_month(bank, tier_day)
            panel = monthly_panel(bank, month)
            tiers = enter(assign_tier(panel, tier_rule(bank.tier_rule, bank.rules)))
            lazy = lazy.join(tiers.select("customer_id", "tier"), on="customer_id", how="left")
            lazy = lazy.with_columns(nw.col("tier").fill_null(UNKNOWN))
        else:
            lazy, _name = grouped(bank, lazy, cohorts if name == "cohort" else name, day)
    return lazy.with_columns(whole=nw.lit(1)).select(
        *heads, "whole", "customer_id", "amount", "kept"
    )


def _before(lazy: nw.LazyFrame[Any], heads: list[str]) -> pd.DataFrame:
    """Sums over customers of what matured (n, a), what of it left (m, l), and their products."""
    keys, known = [*heads, "whole"], ~nw.col("kept").is_null()
    a, kept = nw.col("amount"), nw.col("kept")
    lazy = lazy.with_columns(
        n=nw.when(known).then(1).otherwise(0),
        m=nw.when(known & (kept <= 0)).then(1).otherwise(0),
        a=nw.when(known).then(a).otherwise(0.0),
        l=nw.when(known).then(cents(a - kept)).otherwise(0.0),
        aa=nw.when(known).then(a * a).otherwise(0.0),
        unknown=nw.when(known).then(0).otherwise(1),
    )
    sums = ("n", "m", "a", "l", "aa", "unknown")
    each = lazy.group_by(*keys, "customer_id").agg(*(nw.col(name).sum() for name in sums))
    n, m, a, lost = (nw.col(name).cast(nw.Float64) for name in ("n", "m", "a", "l"))
    each = each.with_columns(
        c=nw.when(nw.col("n") > 0).then(1).otherwise(0),
        n_n=n * n,
        n_m=n * m,
        m_m=m * m,
        a_a=a * a,
        a_l=a * lost,
        l_l=lost * lost,
    )
    more = ("c", "n_n", "n_m", "m_m", "a_a", "a_l", "l_l")
    return collect(each.group_by(*keys).agg(*(nw.col(name).sum() for name in (*sums, *more))))


def _shares(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Both shares with Wilson's limits at their effective numbers."""
    one = {name: table[name].to_numpy(float) for name in table.columns if len(name) <= 3}
    c = np.nan_to_num(one["c"])
    for part, whole, alone, name in (
        ("m", "n", one["n"], "kept"),
        ("l", "a", one["a"] ** 2 / np.where(one["aa"] > 0, one["aa"], np.nan), "kept_rate"),
    ):
        x, y = one[part], np.where(one[whole] > 0, one[whole], np.nan)
        left = x / y
        cross = "n_m" if part == "m" else "a_l"
        squares = one[f"{part}_{part}"] - 2 * left * one[cross] + left**2 * one[f"{whole}_{whole}"]
        number = _effective(left, squares / y**2, c, alone, level)
        number = np.where(np.isfinite(left) & (number > 0), number, 0.0)
        table[name] = 1 - left
        low, high = wilson(np.nan_to_num(1 - left).clip(0, 1) * number, number, level)
        table[f"{name}_low"], table[f"{name}_high"] = low, high
    table["matured"], table["matured_amount"] = table["n"], table["a"]
    table["kept_amount"] = table["a"] - table["l"]
    return table


def _effective(share: Any, variance: Any, clusters: Any, alone: Any, level: float) -> Any:
    """Number of independent deposits that tell as much as these of some customers."""
    from scipy.stats import t

    more = clusters > 1
    z = NormalDist().inv_cdf((1 + level) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = (z / t.ppf((1 + level) / 2, np.where(more, clusters - 1, 1))) ** 2
        spread = variance * clusters / np.where(more, clusters - 1, 1)
        # a variance of rounding errors is none
        spread = np.where(spread > 1e-12 * share**2, spread, 0.0)
        number = np.where(spread > 0, share * (1 - share) / spread * factor, np.inf)
    return np.where(more, np.minimum(number, alone), np.minimum(alone, 1.0))


def _place(values: pd.Series[Any], order: Iterable[str]) -> Any:
    """Sort key: by the order given, then by name."""
    ranks = {name: f"{place:04d}" for place, name in enumerate(order)}
    return np.array([ranks.get(str(v), "9" + str(v) if ranks else str(v)) for v in values], str)
