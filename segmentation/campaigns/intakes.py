"""The rows of a trial made ready: covariates as numbers, groups as text, caps as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from segmentation.campaigns.arms import Trial, enter_trial
from segmentation.campaigns.batches import Plan
from segmentation.campaigns.caps import Cap, capped, find_caps
from segmentation.campaigns.levels import MOST_GROUPS, group_labels, group_text
from segmentation.campaigns.regressors import flag_levels, fresh_name, is_text
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["add_caps", "add_groups", "check_columns", "take_rows"]


def check_columns(
    outcomes: Sequence[str],
    arm: str,
    covariates: Sequence[str],
    cluster: str | None,
    by: str | None,
    per: str | None,
    contacted: str | None,
) -> None:
    """Refuse columns in two parts that exclude each other."""
    if not outcomes:
        raise TableError("outcome", "there is an outcome", "Name a column of numbers.")
    after = [*outcomes, *([per] if per else []), *([contacted] if contacted else [])]
    groups = [by] if by else []
    for table, names, others in (
        ("outcome", outcomes, [arm, *groups, *([cluster] if cluster else []), per]),
        ("covariates", covariates, [arm, *after, cluster]),
        ("by", groups, [arm, *after]),
        ("per", [per] if per else [], [arm, contacted]),
        ("contacted", [contacted] if contacted else [], [arm, *groups, cluster]),
    ):
        twice = next((name for name in names if name in others), None)
        if twice is not None:
            mend = "Covariates and groups are known before the assignment, and outcomes are not."
            raise TableError(table, "a column has one part in a trial", mend, twice)
    if contacted and (per or cluster):
        with_what = "per" if per else "cluster"
        raise TableError(
            "contacted",
            f"the effect on those contacted is not estimated with `{with_what}`",
            f"Leave out `{with_what}` or `contacted`.",
        )


def take_rows(
    data: Any, plan: Plan, cluster: str | None, unit: str | None
) -> tuple[Trial, Plan, bool]:
    """Take in the rows, with covariates of text as flags; say if some of these were missing."""
    own = [*plan.outcomes, *(name for name in (plan.per, plan.contacted) if name)]
    others = [name for name in (plan.group, cluster) if name]
    lazy = enter(data, "data", (plan.arm, *own, *plan.covariates, *others))
    schema = lazy.collect_schema()
    texts = [name for name in plan.covariates if is_text(schema[name])]
    numbers = [name for name in plan.covariates if name not in texts and name not in others]
    trial = enter_trial(
        lazy, plan.arm, plan.control, [*own, *numbers], dict.fromkeys([*others, *texts]), unit=unit
    )
    flags = flag_levels(trial.rows, texts)
    columns = (*(n for n in plan.covariates if n in numbers), *flags.columns)
    trial = replace(trial, rows=flags.rows)
    plan = replace(plan, control=trial.control, treated=tuple(trial.treated), covariates=columns)
    return trial, plan, flags.missing


def add_groups(trial: Trial, plan: Plan, by: str) -> tuple[Trial, Plan, dict[Any, Any]]:
    """Add the group as text; return the labels of groups by their text as well."""
    schema = trial.rows.collect_schema()
    name = fresh_name("group", schema.names())
    rows = group_text(trial.rows, by, name)
    texts = collect(rows.select(name).unique().head(MOST_GROUPS + 1))[name]
    labels = group_labels(texts, schema[by], by)
    return replace(trial, rows=rows), replace(plan, group=name), labels


def add_caps(trial: Trial, plan: Plan, q: float) -> tuple[Trial, Plan]:
    """Add what outcomes and denominator are once capped, over the customers that have both."""
    rows = trial.rows
    among = [plan.per] if plan.per else []
    taken = set(rows.collect_schema().names())
    caps: dict[str, tuple[str, Cap]] = {}
    found = find_caps(rows, [*plan.outcomes, *among], q, among)
    exprs = []
    for name, cap in found.items():
        column = fresh_name(f"{name} capped", taken)
        taken.add(column)
        caps[name] = (column, cap)
        exprs.append(capped(name, cap).alias(column))
    return replace(trial, rows=rows.with_columns(*exprs)), replace(plan, caps=caps)
