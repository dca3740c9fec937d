"""The scans behind `effect`: outcomes that share their complete cases are measured together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from segmentation.campaigns.caps import Cap
from segmentation.campaigns.leverages import Wanted, sandwiches
from segmentation.campaigns.regressors import count_nulls, flag_missing
from segmentation.campaigns.slopes import Fit, fit
from segmentation.campaigns.sums import Moments, moments
from segmentation.data.errors import TableError

__all__ = ["Batch", "Plan", "measure_rows"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What is asked of a trial, by names of columns.

    Attributes
    ----------
    outcomes : tuple of str
    arm, control : str
        Column of the arm, and the key of control.
    treated : tuple
        Keys of the other arms.
    group : str or None
        Column of the group.
    per, contacted : str or None
    covariates : tuple of str
        Columns of numbers.
    caps : dict
        Cap by column of money, and the name of the column that is drawn to it.
    alpha : float
    """

    outcomes: tuple[str, ...]
    arm: str
    control: Any
    treated: tuple[Any, ...]
    group: str | None = None
    per: str | None = None
    contacted: str | None = None
    covariates: tuple[str, ...] = ()
    caps: Mapping[str, tuple[str, Cap]] = field(default_factory=dict)
    alpha: float = 0.05

    @property
    def by(self) -> tuple[str, ...]:
        """Columns of the groups of moments."""
        return (self.arm,) if self.group is None else (self.group, self.arm)

    def columns(self, outcome: str, capped: bool = False) -> tuple[str, ...]:
        """The column of the outcome, and that which it is divided by."""
        names = (outcome,) if self.per is None else (outcome, self.per)
        return tuple(self.caps[name][0] for name in names) if capped else names

    @property
    def variants(self) -> tuple[bool, ...]:
        """Without caps, and with them where there are any."""
        return (False, True) if self.caps else (False,)

    def measured(self, outcomes: Sequence[str]) -> tuple[str, ...]:
        """All columns that some outcomes need beside the covariates, each once."""
        names = [
            name
            for capped in self.variants
            for each in outcomes
            for name in self.columns(each, capped)
        ]
        names += [self.contacted] if self.contacted else []
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Batch:
    """Moments of outcomes that share their complete cases, by arm and group.

    Attributes
    ----------
    plan : Plan
        With the outcomes and covariates of this batch alone.
    found : Moments
        Of `plan.measured(plan.outcomes)` and then `plan.covariates`, by `plan.by`.
    rows : LazyFrame or None
        The complete cases, for errors that moments do not give; None where there are only moments.
    missing : bool
        Whether covariates were missing, and flags stand for that.
    """

    plan: Plan
    found: Moments
    rows: nw.LazyFrame[Any] | None
    missing: bool = False

    @cached_property
    def places(self) -> dict[tuple[Any, Any], int]:
        """Row of the moments by (group, arm)."""
        groups = self.found.groups
        arms = groups[self.plan.arm]
        labels = groups[self.plan.group] if self.plan.group is not None else [None] * len(arms)
        return {(g, a): row for row, (g, a) in enumerate(zip(labels, arms, strict=True))}

    def dropped(self, group: Any, arm: Any) -> int | None:
        """Rows without an outcome; None where the group has nobody of this arm."""
        row = self.places.get((group, arm))
        return None if row is None else int(self.found.groups["dropped"].iloc[row])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns that are measured beside the covariates."""
        return self.plan.measured(self.plan.outcomes)

    def at(self, columns: Sequence[str]) -> list[int]:
        """Positions of columns."""
        return [self.names.index(name) for name in columns]

    @cached_property
    def covariances(self) -> Floats:
        """Covariances of customers by row, of all columns."""
        return self.found.covariances

    @cached_property
    def fits(self) -> dict[tuple[Any, Any], Fit]:
        """Lines by (group, arm) on the covariates; none where there are too few customers."""
        found = self.found
        width = len(self.names)
        lines = {
            key: fit(int(found.n[row]), found.means[row], found.products[row], width)
            for key, row in self.places.items()
            if found.n[row] > 1
        }
        return {key: line for key, line in lines.items() if line.df >= 1}

    def point(self, group: Any, arm: Any) -> Floats:
        """Mean of the covariates over an arm and control together."""
        width = len(self.names)
        rows = [self.places[group, key] for key in (arm, self.plan.control)]
        weights = self.found.n[rows] / self.found.n[rows].sum()
        return np.asarray(weights @ self.found.means[rows, width:], dtype=float)

    @cached_property
    def sandwiches(self) -> dict[tuple[Any, Any, Any], Floats]:
        """HC2 covariances of adjusted means by (group, arm, against), from one scan for all."""
        plan = self.plan
        if self.rows is None or not plan.covariates:
            return {}
        wanted = []
        for group in dict.fromkeys(key[0] for key in self.fits):
            for arm in plan.treated:
                if (group, arm) in self.fits and (group, plan.control) in self.fits:
                    point = self.point(group, arm)
                    for key in (arm, plan.control):
                        line = self.fits[group, key]
                        wanted.append(Wanted(group, key, arm, line, point))
        if not wanted:
            return {}
        width = len(self.names)
        reach = (
            np.nanmin(self.found.lows[:, width:], axis=0),
            np.nanmax(self.found.highs[:, width:], axis=0),
        )
        return sandwiches(
            self.rows,
            plan.group,
            plan.arm,
            self.names,
            plan.covariates,
            self._pairs(),
            wanted,
            reach,
        )

    def _pairs(self) -> list[tuple[int, int]]:
        """Pairs of columns whose covariance some estimate needs."""
        plan = self.plan
        pairs: dict[tuple[int, int], None] = {}
        for outcome in plan.outcomes:
            sets = [plan.columns(outcome, capped) for capped in plan.variants]
            sets += [(outcome, plan.contacted)] if plan.contacted else []
            for columns in sets:
                where = self.at(columns)
                pairs |= dict.fromkeys((a, b) for a in where for b in where if a <= b)
        return list(pairs)


def measure_rows(plan: Plan, rows: nw.LazyFrame[Any]) -> list[Batch]:
    """Measure all outcomes in one scan; where something is missing, in one for each that lacks it.

    Covariates that are missing are filled, beside a flag, and drop nobody.
    """
    names = plan.measured(plan.outcomes)
    found = moments(rows, (*names, *plan.covariates), by=plan.by)
    if not found.groups["dropped"].any():
        return [Batch(plan, found, rows)]
    own = [name for outcome in plan.outcomes for name in plan.columns(outcome)]
    own += [plan.contacted] if plan.contacted else []
    nulls = count_nulls(rows, (*dict.fromkeys(own), *plan.covariates))
    if plan.contacted and nulls[plan.contacted]:
        raise TableError(
            "data",
            "it is known who was contacted",
            "Fill with 0 who was not.",
            plan.contacted,
            nulls[plan.contacted],
        )
    whole = [o for o in plan.outcomes if not any(nulls[name] for name in plan.columns(o))]
    parts = [whole] if whole else []
    parts += [[outcome] for outcome in plan.outcomes if outcome not in whole]
    ready = flag_missing(rows, plan.covariates, nulls)
    batches = []
    for part in parts:
        own_plan = replace(plan, outcomes=tuple(part), covariates=ready.columns)
        columns = own_plan.measured(part)
        found = moments(ready.rows, (*columns, *ready.columns), by=plan.by)
        lacking = [name for name in columns if nulls.get(name)]
        complete = ready.rows
        if lacking:
            complete = complete.filter(*(~nw.col(name).is_null() for name in lacking))
        batches.append(Batch(own_plan, found, complete, ready.missing))
    return batches
