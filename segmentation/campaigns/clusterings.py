"""Trials of whole clusters, handed over group by group, without and with caps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.campaigns.arms import Trial
from segmentation.campaigns.batches import Plan
from segmentation.campaigns.estimates import Estimate
from segmentation.campaigns.readouts import ALONE, Readout, cap_notes, finish
from segmentation.data.engines import collect

if TYPE_CHECKING:
    from segmentation.campaigns.permutations import Design

__all__ = ["cluster_table"]


def cluster_table(
    trial: Trial, plan: Plan, cluster: str, design: Design | None, labels: Mapping[Any, Any]
) -> pd.DataFrame:
    """Estimate by `cluster_estimates` within each group, and lay out as other estimates are."""
    parts = {group: _part(trial, plan, group) for group in labels}
    blocks: dict[tuple[Any, str, Any], list[Readout]] = {}
    for group, label in labels.items():
        for capped in plan.variants:
            for key, readout in _estimates(parts[group], plan, cluster, design, label, capped):
                blocks.setdefault((*key, group), []).append(readout)
    found = []
    for arm in plan.treated:
        for outcome in plan.outcomes:
            of_arm = []
            for group, label in labels.items():
                none = [_alone(parts[group], plan, arm, outcome, trial.labels[arm], label)]
                of_arm.append(blocks.get((trial.labels[arm], outcome, group), none))
            found.append(of_arm)
    dropped = [
        row for group, label in labels.items() for row in _dropped(parts[group], plan, label)
    ]
    return finish(found, dropped, plan)


def _part(trial: Trial, plan: Plan, group: Any) -> Trial:
    """The rows of a group, as a trial of its own."""
    if plan.group is None:
        return trial
    rows = trial.rows.filter(nw.col(plan.group) == group)
    found = collect(rows.group_by(plan.arm).agg(nw.len().alias("rows")))
    counts = dict(sorted(zip(found[plan.arm].astype(str), found["rows"].astype(int), strict=True)))
    labels = {key: trial.labels[key] for key in counts}
    return replace(trial, rows=rows, labels=labels, counts=counts)


def _estimates(
    part: Trial, plan: Plan, cluster: str, design: Design | None, label: Any, capped: bool
) -> list[tuple[tuple[Any, str], Readout]]:
    from segmentation.campaigns.clusters import cluster_estimates

    if part.control not in part.counts or len(part.counts) < 2:
        return []
    columns = {plan.columns(outcome, capped)[0]: outcome for outcome in plan.outcomes}
    per = plan.columns(plan.outcomes[0], capped)[1] if plan.per else None
    found = cluster_estimates(
        part, list(columns), cluster, plan.covariates, per, design, plan.alpha
    )
    out = []
    seen: set[tuple[Any, str]] = set()
    for estimate in found:
        outcome = columns[estimate.outcome]
        key = (estimate.arm, outcome)
        kind = f"{'adjusted' if key in seen else 'plain'} {'capped' if capped else ''}"
        seen.add(key)
        notes = cap_notes(plan, outcome) if capped else ()
        method = ", ".join((estimate.method, *notes))
        named = replace(estimate, outcome=outcome, by=label, method=method)
        out.append((key, Readout(kind, named)))
    return out


def _alone(part: Trial, plan: Plan, arm: str, outcome: str, name: Any, label: Any) -> Readout:
    """What is said of a group in which there is nothing to compare."""
    known = part.rows.filter(*(~nw.col(column).is_null() for column in plan.columns(outcome)))
    found = collect(known.group_by(plan.arm).agg(nw.len().alias("rows")))
    counts = dict(zip(found[plan.arm].astype(str), found["rows"].astype(int), strict=True))
    nothing = dict.fromkeys(("estimate", "se", "low", "high", "p"), float("nan"))
    estimate = Estimate(
        arm=name,
        outcome=outcome,
        by=label,
        n_control=counts.get(plan.control, 0),
        n_treated=counts.get(arm, 0),
        method=f"Cluster t, {ALONE}",
        **nothing,
    )
    return Readout("plain ", estimate)


def _dropped(part: Trial, plan: Plan, label: Any) -> list[dict[str, Any]]:
    """Rows by arm and outcome that are not known."""
    exprs = []
    for k, outcome in enumerate(plan.outcomes):
        lacking = nw.any_horizontal(
            *(nw.col(column).is_null() for column in plan.columns(outcome)), ignore_nulls=False
        )
        exprs.append(lacking.cast(nw.Int64).alias(f"d{k}"))
    names = [f"d{k}" for k in range(len(exprs))]
    rows = part.rows.with_columns(*exprs).group_by(plan.arm).agg(*(nw.col(n).sum() for n in names))
    found = collect(rows).set_index(plan.arm)
    return [
        {"arm": name, "outcome": outcome, "by": label, "dropped": int(found[f"d{k}"][arm])}
        for arm, name in part.labels.items()
        for k, outcome in enumerate(plan.outcomes)
    ]
