"""Checks of a bank's tables: every finding at once, and no row of them ever leaves the engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from difflib import get_close_matches
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from segmentation.data import findings as rules
from segmentation.data.bank import Bank
from segmentation.data.contract import TABLES
from segmentation.data.engines import collect
from segmentation.data.findings import Finding, findings_table
from segmentation.data.readings import Reading, broken_cells, read_table
from segmentation.data.reconciliations import ledger_findings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_bank"]


def check_bank(bank: Bank) -> pd.DataFrame:
    """Check a bank's tables against the contract, and report every finding at once.

    The rules come from the contract: keys, required cells, types, lists, ranges, the order of
    dates and references between tables; to them come complete months, plausible dates, balances
    within a customer's time with the bank, planned shares, and the ledger. One aggregate scan a
    table does for all rules of its rows, and the counts are all that is fetched: not a row, an
    identifier or a value.

    Parameters
    ----------
    bank : Bank
        Of frames of any engine.

    Returns
    -------
    DataFrame
        One row a finding, in the order of the contract: `table`, `column` (empty for the whole
        table, several with commas), `rule` (what is expected), `rows` (how many break it: rows,
        and for rules about months or the ledger's totals, months or totals), `share` (of all
        rows, months or totals, in [0, 1]) and `mend` (what to do). Empty if all is well.

    Examples
    --------
    >>> import pandas as pd
    >>> branches = pd.DataFrame({"branch_id": ["B1", "B1"], "format": ["full", "tiny"]})
    >>> check_bank(Bank(branches=branches))[["table", "column", "rule", "rows", "share"]]
          table     column                                  rule  rows  share
    0  branches  branch_id                    A key occurs once.     1    0.5
    1  branches     format  The value is in the contract's list.     1    0.5
    """
    readings = {name: read_table(bank, name) for name in TABLES if bank.has(name)}
    spans = {name: _months(reading) for name, reading in readings.items()}
    last = _last_day(spans.get("balances", []))
    sizes: dict[str, int] = {}
    found: list[Finding] = []
    for name, reading in readings.items():
        broken = broken_cells(reading, last)
        sizes[name], counts = _count(reading.lazy, list(broken.values()))
        pairs = zip(broken, counts, strict=True)
        found += [Finding(name, c, rule, n, sizes[name]) for (c, rule), n in pairs]
        found += [
            Finding(name, c, rules.NAME, sizes[name], sizes[name]) for c in _misspelt(reading)
        ]
    filled = {name: reading for name, reading in readings.items() if sizes[name]}
    found += [Finding(name, "", rules.ROWS, 0, 0) for name in readings if name not in filled]
    for name, reading in filled.items():
        found += _keys(reading, sizes[name])
        found += _references(reading, filled, sizes[name])
        found += _missing_months(reading, [m for m in spans[name] if m <= last])
    if "balances" in filled:
        found += _gaps(filled["balances"], [m for m in spans["balances"] if m <= last])
    if {"customers", "balances"} <= set(filled):
        found += _lifetimes(filled["customers"], filled["balances"], sizes["balances"])
    if "assignments" in filled:
        found += _arms(filled["assignments"], sizes["assignments"])
    if {"customers", "balances", "ledger"} <= set(filled):
        months = sorted(set(spans["balances"]) & set(spans["ledger"]))
        found += ledger_findings(filled, months)
    return findings_table(f for f in found if f.rows or f.rule is rules.ROWS)


def _count(lazy: nw.LazyFrame[Any], broken: list[nw.Expr]) -> tuple[int, list[int]]:
    """Count the rows, and those for which each expression is true, in one scan."""
    names = [f"broken_{i}" for i in range(len(broken))]
    flags = [e.cast(nw.Int64).alias(n) for e, n in zip(broken, names, strict=True)]
    flags.append(nw.lit(1).cast(nw.Int64).alias("rows"))
    counts = collect(lazy.select(*flags).select(nw.all().sum())).fillna(0).iloc[0]
    return int(counts["rows"]), [int(counts[name]) for name in names]


def _misspelt(reading: Reading) -> Iterator[str]:
    """Columns that are not read though they nearly bear the name of one that is absent."""
    absent = [c for c in reading.table.columns if c not in reading.dtypes]
    names = {c.strip().lower().replace(" ", "_"): c for c in reading.others}
    yield from (c for name, c in names.items() if get_close_matches(name, absent, 1, cutoff=0.85))


def _months(reading: Reading) -> list[dt.date]:
    """The months of a table that has months, in order."""
    if not reading.has("month"):
        return []
    months = collect(reading.lazy.select("month").unique())["month"].dropna()
    return sorted(month.date() for month in months)


def _last_day(months: list[dt.date]) -> dt.date:
    """The last day of the bank's last month; today, of a bank without balances.

    A month that has not begun is no month of the bank but a finding.
    """
    today = _today()
    begun = [month for month in months if month <= today]
    if not begun:
        return today
    return (begun[-1] + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


def _today() -> dt.date:
    return dt.date.today()


def _keys(reading: Reading, size: int) -> Iterator[Finding]:
    key = [c for c in reading.table.key if c in reading.dtypes]
    if not key or not reading.has(*key):
        return
    must = [c for c in key if reading.table.columns[c].required]
    lazy = reading.lazy.select(*key).filter(*(~nw.col(c).is_null() for c in must))
    repeated = lazy.group_by(*key).agg(nw.len().alias("n")).filter(nw.col("n") > 1)
    extra = _total(repeated.with_columns((nw.col("n") - 1).alias("n")))
    yield Finding(reading.table.name, ", ".join(key), rules.KEY, extra, size)


def _references(reading: Reading, others: dict[str, Reading], size: int) -> Iterator[Finding]:
    for name, column in reading.table.columns.items():
        table, _, target = column.to.partition(".")
        if table not in others or not reading.has(name) or not others[table].has(target):
            continue
        values = reading.lazy.filter(~nw.col(name).is_null())
        if column.required:  # a blank is not filled, which is a finding of its own
            values = values.filter(nw.col(name).str.strip_chars() != "")
        counts = values.group_by(name).agg(nw.len().alias("n"))
        known = others[table].lazy.select(nw.col(target).alias(name)).unique()
        orphans = _total(counts.join(known, on=name, how="anti"))
        yield Finding(reading.table.name, name, rules.REFERENCE, orphans, size)


def _total(lazy: nw.LazyFrame[Any]) -> int:
    """The sum of column `n`, 0 of no rows."""
    total = collect(lazy.select(nw.col("n").cast(nw.Int64).sum())).fillna(0)
    return int(total["n"].iloc[0])


def _missing_months(reading: Reading, months: list[dt.date]) -> Iterator[Finding]:
    months = [month for month in months if month.year >= 1900]
    if months:
        first, last = months[0], months[-1]
        span = 12 * (last.year - first.year) + last.month - first.month + 1
        yield Finding(reading.table.name, "month", rules.MONTHS, span - len(months), span)


def _gaps(balances: Reading, months: list[dt.date]) -> Iterator[Finding]:
    """Months that a customer lacks between two that it has, of those that the bank has."""
    if not balances.has("customer_id", "month") or not months:
        return
    lazy = balances.lazy.select("customer_id", "month").filter(
        ~nw.col("customer_id").is_null(), nw.col("month") <= months[-1]
    )
    month = nw.col("month")
    lives = (
        lazy.group_by("customer_id")
        .agg(month.min().alias("first"), month.max().alias("last"), month.n_unique().alias("n"))
        .group_by("first", "last")
        .agg(nw.len().alias("customers"), nw.col("n").sum().alias("n"))
    )
    spans = collect(lives)
    place = {m: i for i, m in enumerate(months)}
    length = spans["last"].map(lambda m: place[m.date()]) - spans["first"].map(
        lambda m: place[m.date()]
    )
    expected = int(((length + 1) * spans["customers"]).sum())
    missing = expected - int(spans["n"].sum())
    yield Finding("balances", "customer_id, month", rules.GAPS, missing, expected)


def _lifetimes(customers: Reading, balances: Reading, size: int) -> Iterator[Finding]:
    """Balances other than 0 before the month of opening or after that of closing."""
    amounts = [c for c in ("average", "end") if balances.has(c)]
    if not amounts or not balances.has("customer_id", "month"):
        return
    if not customers.has("customer_id", "opened_on"):
        return
    closes = customers.has("closed_on")
    closed = nw.col("closed_on") if closes else nw.col("opened_on")
    lives = (
        customers.lazy.with_columns(
            nw.col("opened_on").dt.truncate("1mo").cast(nw.Date).alias("first"),
            closed.dt.truncate("1mo").cast(nw.Date).alias("last"),
            (closed.is_null() if closes else nw.lit(True)).cast(nw.Int64).alias("open"),
        )
        .group_by("customer_id")
        .agg(nw.col("first").min(), nw.col("last").max(), nw.col("open").max())
    )
    held = balances.lazy.filter(reduce(or_, ((nw.col(c) != 0).fill_null(False) for c in amounts)))
    joined = held.select("customer_id", "month").join(lives, on="customer_id", how="inner")
    month = nw.col("month")
    broken = [month < nw.col("first"), (month > nw.col("last")) & (nw.col("open") == 0)]
    before, after = _count(joined, broken)[1]
    yield Finding("balances", "month", rules.BEFORE, before, size)
    yield Finding("balances", "month", rules.AFTER, after, size)


def _arms(assignments: Reading, size: int) -> Iterator[Finding]:
    """Arms with more than one planned share, and campaigns whose shares do not add up to 1.

    Where units are drawn in strata, an arm may have another share in each; that of the whole
    campaign is then not checked.
    """
    if not assignments.has("campaign_id", "arm", "share"):
        return
    strata = ["stratum"] if assignments.has("stratum") else []
    share = nw.col("share")
    lazy = assignments.lazy.filter(~share.is_null())
    arms = _shares(lazy, ["campaign_id", "arm", *strata])
    yield Finding("assignments", "share", rules.ARM, _total(arms.filter("varies")), size)
    campaigns = (
        _shares(lazy, ["campaign_id", "arm"])
        .with_columns(nw.col("varies").cast(nw.Int64))
        .group_by("campaign_id")
        .agg(nw.col("varies").max(), nw.col("low").sum().alias("sum"), nw.col("n").sum())
        .filter(nw.col("varies") == 0, (nw.col("sum") - 1).abs() > 1e-6)
    )
    yield Finding("assignments", "share", rules.SHARES, _total(campaigns), size)


def _shares(lazy: nw.LazyFrame[Any], by: list[str]) -> nw.LazyFrame[Any]:
    share = nw.col("share")
    shares = lazy.group_by(*by).agg(
        share.min().alias("low"), share.max().alias("high"), nw.len().alias("n")
    )
    return shares.with_columns((nw.col("high") - nw.col("low") > 1e-9).alias("varies"))
