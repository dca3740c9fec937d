"""What mixes the arms up: units there twice, groups in two arms, other campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.campaigns.arms import Trial
from segmentation.campaigns.verdicts import Finding
from segmentation.data.engines import collect, enter, frame_kind, leave
from segmentation.data.errors import TableError

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = [
    "OTHERS",
    "cluster_findings",
    "group_findings",
    "other_assignments",
    "unit_findings",
    "with_others",
]

OTHERS = "in another campaign"
"""Flag that `with_others` adds."""
FEW = 10
"""Clusters in an arm below which a t-test is not to be trusted."""


def other_assignments(bank: Bank, campaign_id: str) -> Any:
    """Assignments of the other campaigns that run while this one does.

    A campaign runs from `starts_on` to `ends_on`; one without an end runs on.

    Parameters
    ----------
    bank : Bank
        With `campaigns` and `assignments`.
    campaign_id : str
        A campaign of `campaigns`.

    Returns
    -------
    frame
        ``campaign_id customer_id arm``, of the bank's kind: what `check_campaign` takes as
        `others`.

    Raises
    ------
    TableError
        If there is no such campaign.
    MissingTable
        If the bank lacks a table.

    Examples
    --------
    >>> from segmentation import simulate_bank
    >>> bank = simulate_bank(1, branches=2, customers=600, months=12)
    >>> sorted(set(other_assignments(bank, "K01")["campaign_id"]))
    ['K02']
    """
    bank.require("campaigns", "assignments")
    spans = bank.table("campaigns", "campaign_id", "starts_on", "ends_on")
    own = collect(spans.filter(nw.col("campaign_id") == str(campaign_id)))
    if len(own) != 1:
        mend = "Name one of the table, by its number."
        raise TableError("campaigns", "there is such a campaign", mend, "campaign_id", len(own))
    start, end = own["starts_on"].iloc[0], own["ends_on"].iloc[0]
    other = (nw.col("campaign_id") != str(campaign_id)) & (
        nw.col("ends_on").is_null() | (nw.col("ends_on") >= start.date())
    )
    if not pd.isna(end):
        other = other & (nw.col("starts_on") <= end.date())
    live = spans.filter(other).select("campaign_id").unique()
    lazy = bank.table("assignments", "campaign_id", "customer_id", "arm")
    return leave(lazy.join(live, on="campaign_id", how="inner"), bank.kind)


def with_others(lazy: nw.LazyFrame[Any], data: Any, others: Any, unit: str) -> nw.LazyFrame[Any]:
    """Add the flag `OTHERS`: whether a unit is in one of the other campaigns."""
    if isinstance(others, str):
        number = nw.col(others)
        flag = nw.when(number > 0).then(1.0).otherwise(0.0)
        return lazy.with_columns(flag.alias(OTHERS))
    if frame_kind(others, "others") != frame_kind(data, "data"):
        raise TableError("others", "a frame of the kind of the data", "Bring both in one kind.")
    found = enter(others, "others", (unit,))
    found = found.select(nw.col(unit)).filter(~nw.col(unit).is_null()).unique()
    found = found.with_columns(nw.lit(1.0).alias(OTHERS))
    joined = lazy.join(found, on=unit, how="left")
    return joined.with_columns(nw.col(OTHERS).fill_null(0.0))


def unit_findings(trial: Trial, unit: str) -> list[Finding]:
    """Units with more than one row, or in two arms."""
    arm = nw.col(trial.arm)
    units = trial.rows.filter(~nw.col(unit).is_null())
    units = units.with_columns(first=arm, last=arm)
    units = units.group_by(unit).agg(
        nw.len().alias("rows"), nw.col("first").min(), nw.col("last").max()
    )
    apart = (nw.col("first") != nw.col("last")).cast(nw.Int64)
    sums = units.select(nw.col("rows"), one=nw.lit(1), apart=apart)
    found = collect(sums.select(nw.col("rows", "one", "apart").sum())).iloc[0].fillna(0)
    rows, once, two = (int(found[name]) for name in ("rows", "one", "apart"))
    total = sum(trial.counts.values())
    findings = [
        _count("duplicates", unit, rows - once, total),
        _count("two arms", unit, two, once),
    ]
    if total > rows:
        findings.append(_count("missing unit", unit, total - rows, total))
    return findings


def _count(check: str, column: str, count: int, n: int) -> Finding:
    verdict = "stop" if count else "ok"
    return Finding(check=check, verdict=verdict, column=column, value=count, n=n, limit=0.0)


def cluster_findings(trial: Trial, cluster: str) -> list[Finding]:
    """Clusters in two arms though assigned whole, and arms of few clusters."""
    pairs = collect(trial.rows.select(cluster, trial.arm).unique())
    pairs = pairs.dropna()
    split = int(pairs[cluster].duplicated().sum())
    findings = [_count("split clusters", cluster, split, pairs[cluster].nunique())]
    sizes = pairs[trial.arm].value_counts()
    for text in trial.labels:
        number = int(sizes.get(text, 0))
        findings.append(
            Finding(
                check="few clusters",
                arm=trial.labels[text],
                column=cluster,
                value=number,
                limit=FEW,
                n=trial.counts[text],
                verdict="look" if number < FEW else "ok",
            )
        )
    return findings


def group_findings(trial: Trial, groups: Sequence[str], limit: float) -> list[Finding]:
    """Share of the groups of two or more that have members in two arms."""
    findings = []
    for name in groups:
        arm = nw.col(trial.arm)
        members = trial.rows.filter(~nw.col(name).is_null()).with_columns(first=arm, last=arm)
        members = members.group_by(name).agg(
            nw.len().alias("rows"), nw.col("first").min(), nw.col("last").max()
        )
        members = members.filter(nw.col("rows") > 1)
        apart = (nw.col("first") != nw.col("last")).cast(nw.Int64)
        sums = members.select(one=nw.lit(1), apart=apart).select(nw.col("one", "apart").sum())
        found = collect(sums).iloc[0].fillna(0).astype(int)
        share = found["apart"] / found["one"] if found["one"] else 0.0
        findings.append(
            Finding(
                check="split groups",
                column=name,
                value=float(share),
                limit=limit,
                n=int(found["one"]),
                verdict="look" if share > limit else "ok",
            )
        )
    return findings
