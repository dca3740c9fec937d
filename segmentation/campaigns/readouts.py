"""What a batch of moments says of one arm, one outcome and one group, by every method asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.batches import Batch, Plan
from segmentation.campaigns.compliance import wald
from segmentation.campaigns.contrasts import (
    FEW,
    NO_RATIO,
    Contrast,
    Mean,
    difference,
    newcombe,
    ratio_gradient,
    ratio_mean,
)
from segmentation.campaigns.estimates import Estimate, estimate_table
from segmentation.campaigns.slopes import adjusted
from segmentation.campaigns.subgroups import GROUP_COLUMNS, compare_groups
from segmentation.data.errors import TableError

__all__ = ["ALONE", "Readout", "cap_notes", "finish", "lay_out", "read_out"]

Floats = npt.NDArray[np.float64]

CAPPED = "capped"
SPARSE = "capped among amounts other than 0"
RATIO = "ratio by the delta method"
BY_SUMS = "errors from sums with n - k"
MISSING = "missing covariates by indicator"
REDUNDANT = "redundant covariates left out"
ALONE = "no comparison"


class Readout(NamedTuple):
    """An estimate, and the kind of its method, by which groups are compared."""

    kind: str
    estimate: Estimate


class _Side(NamedTuple):
    """Means of some columns in one arm, as measured or adjusted."""

    n: int
    means: Floats
    errors: Floats
    df: float


_Sides = tuple[_Side, _Side]


def read_out(
    batch: Batch, arm: Any, outcome: str, group: Any, labels: tuple[Any, Any]
) -> list[Readout]:
    """Estimates of one outcome: unadjusted and then adjusted, without and then with a cap.

    `labels` are those of the arm and the group, which the estimates bear.
    """
    rows = list(_contrasts(batch, arm, outcome, group))
    counts = [_count(batch, group, key) for key in (batch.plan.control, arm)]
    out = []
    for kind, name, contrast in rows:
        notes = contrast.notes if min(counts) else (ALONE,)
        estimate = Estimate(
            arm=labels[0],
            outcome=outcome,
            by=labels[1],
            n_control=counts[0],
            n_treated=counts[1],
            method=", ".join((name, *notes)),
            **{k: v for k, v in contrast._asdict().items() if k != "notes"},
        )
        out.append(Readout(kind, estimate))
    return out


def _count(batch: Batch, group: Any, arm: Any) -> int:
    row = batch.places.get((group, arm))
    return 0 if row is None else int(batch.found.n[row])


def _contrasts(
    batch: Batch, arm: Any, outcome: str, group: Any
) -> Iterator[tuple[str, str, Contrast]]:
    plan = batch.plan
    flag = plan.per is None and batch.found.binary[batch.names.index(outcome)]
    name = "Newcombe" if flag else "Welch" if plan.per is None else "Delta"
    # A cap draws no 1 to 0.
    for capped in (False,) if flag else plan.variants:
        columns = plan.columns(outcome, capped)
        notes = cap_notes(plan, outcome) if capped else ()
        plain = _sides(batch, arm, group, columns)
        contrast = _shares(plain, plan.alpha) if flag else _compare(plain, plan.alpha)
        yield f"{name} {capped}", name, _noted(contrast, notes)
        if plan.covariates:
            contrast = _lin(batch, arm, group, columns, plain[1])
            yield f"Lin {capped}", "Lin", _noted(contrast, notes)
    if plan.contacted:
        columns = (outcome, plan.contacted)
        sides = _sides(batch, arm, group, columns)
        yield "Wald IV", "Wald IV", _wald(sides, plan.alpha)
        if plan.covariates:
            sides, notes = _adjusted(batch, arm, group, columns)
            found = _noted(_wald(sides, plan.alpha), ("adjusted", *notes))
            yield "Wald IV adjusted", "Wald IV", found


def _noted(contrast: Contrast, notes: tuple[str, ...]) -> Contrast:
    return contrast._replace(notes=(*notes, *contrast.notes))


def cap_notes(plan: Plan, outcome: str) -> tuple[str, ...]:
    """What a method says of the outcome's cap."""
    return (SPARSE,) if plan.caps[outcome][1].sparse else (CAPPED,)


def _sides(batch: Batch, arm: Any, group: Any, columns: tuple[str, ...]) -> _Sides:
    """Means of an arm and control as measured."""
    return _plain(batch, group, arm, columns), _plain(batch, group, batch.plan.control, columns)


def _plain(batch: Batch, group: Any, arm: Any, columns: tuple[str, ...]) -> _Side:
    where = batch.at(columns)
    row = batch.places.get((group, arm))
    if row is None or not batch.found.n[row]:
        empty = np.full(len(where), np.nan)
        return _Side(0, empty, np.outer(empty, empty), 0.0)
    n = int(batch.found.n[row])
    errors = batch.covariances[row][np.ix_(where, where)] / n
    return _Side(n, batch.found.means[row][where], errors, n - 1.0)


def _mean(side: _Side) -> Mean:
    if len(side.means) == 2:
        return ratio_mean(side.means, side.errors, side.n, side.df)
    return Mean(float(side.means[0]), float(side.errors[0, 0]), side.n, side.df)


def _compare(sides: _Sides, alpha: float) -> Contrast:
    return difference(_mean(sides[0]), _mean(sides[1]), alpha)


def _shares(sides: _Sides, alpha: float) -> Contrast:
    counts = [(float(side.means[0]) * side.n, side.n) for side in sides]
    if min(side.n for side in sides) < 2:
        return Contrast(math.nan, notes=(FEW,))
    return newcombe(*counts[0], *counts[1], alpha)


def _wald(sides: _Sides, alpha: float) -> Contrast:
    treated, control = sides
    return wald(
        (treated.means, treated.errors),
        (control.means, control.errors),
        (treated.df, control.df),
        alpha,
    )


def _adjusted(
    batch: Batch, arm: Any, group: Any, columns: tuple[str, ...]
) -> tuple[_Sides, tuple[str, ...]]:
    """Adjusted means of an arm and control at the mean of their covariates together."""
    where = batch.at(columns)
    plan = batch.plan
    notes = [MISSING] if batch.missing else []
    if any((group, key) not in batch.fits for key in (arm, plan.control)):
        none = np.full(len(where), np.nan)
        empty = _Side(0, none, np.outer(none, none), 0.0)
        return (empty, empty), tuple(notes)
    point = batch.point(group, arm)
    sides = []
    for key in (arm, plan.control):
        line = batch.fits[group, key]
        means, errors = adjusted(line, point)
        if batch.rows is not None:
            errors = batch.sandwiches[group, key, arm]
        sides.append(_Side(line.n, means[where], errors[np.ix_(where, where)], line.df))
        if line.rank < len(plan.covariates) and REDUNDANT not in notes:
            notes.append(REDUNDANT)
    if batch.rows is None:
        notes.append(BY_SUMS)
    return (sides[0], sides[1]), tuple(notes)


def _lin(batch: Batch, arm: Any, group: Any, columns: tuple[str, ...], plain: _Side) -> Contrast:
    """Lin's estimator, whose relative effect is over the unadjusted mean of control."""
    sides, notes = _adjusted(batch, arm, group, columns)
    if len(columns) == 2:
        notes = (RATIO, *notes)
    if min(side.n for side in sides) == 0:
        return Contrast(math.nan, notes=(*notes, FEW))
    if len(columns) == 2 and not plain.means[1]:
        return Contrast(math.nan, notes=(*notes, NO_RATIO))
    line = batch.fits[group, batch.plan.control]
    where = batch.at(columns)
    left = line.residuals[np.ix_(where, where)] / line.n
    # What the covariates leave of control's mean is what effect and baseline share.
    weights = ratio_gradient(plain.means) if len(columns) == 2 else np.ones(1)
    shared = -float(weights @ left @ weights)
    contrast = difference(_mean(sides[0]), _mean(sides[1]), batch.plan.alpha, _mean(plain), shared)
    return _noted(contrast, notes)


def lay_out(
    plan: Plan, batches: Sequence[Batch], arms: Mapping[Any, Any], groups: Mapping[Any, Any]
) -> pd.DataFrame:
    """Read all estimates out of the batches, by arm, outcome and group."""
    where = {outcome: batch for batch in batches for outcome in batch.plan.outcomes}
    for batch in batches:
        _check_contacts(batch)
    found = [
        [
            read_out(where[outcome], arm, outcome, group, (arms[arm], label))
            for group, label in groups.items()
        ]
        for arm in plan.treated
        for outcome in plan.outcomes
    ]
    dropped = [
        {"arm": arms[arm], "outcome": outcome, "by": label, "dropped": dropped}
        for arm in (plan.control, *plan.treated)
        for outcome in plan.outcomes
        for group, label in groups.items()
        if (dropped := where[outcome].dropped(group, arm)) is not None
    ]
    return finish(found, dropped, plan)


def _check_contacts(batch: Batch) -> None:
    name = batch.plan.contacted
    if name and batch.found.n.sum() and not batch.found.binary[batch.names.index(name)]:
        raise TableError("data", "who was contacted is a flag (0, 1)", "Convert it.", name)


def finish(
    found: Sequence[Sequence[Sequence[Readout]]], dropped: list[dict[str, Any]], plan: Plan
) -> pd.DataFrame:
    """Make the table of estimates by (arm and outcome), group, and kind; compare the groups."""
    readouts = [
        (part, readout)
        for part, blocks in enumerate(found)
        for block in blocks
        for readout in block
    ]
    table = estimate_table(readout.estimate for _, readout in readouts)
    if plan.group is not None:
        alike: dict[tuple[int, str], list[int]] = {}
        for row, (part, readout) in enumerate(readouts):
            alike.setdefault((part, readout.kind), []).append(row)
        added = {name: np.full(len(table), np.nan) for name in GROUP_COLUMNS}
        numbers = [table[name].to_numpy(float) for name in ("estimate", "low", "high", "p")]
        for rows in alike.values():
            estimate, low, high, p = (column[rows] for column in numbers)
            for name, column in compare_groups(estimate, low, high, p, plan.alpha).items():
                added[name][rows] = column
        table = table.assign(**added)
    table.attrs["dropped"] = dropped
    return table
