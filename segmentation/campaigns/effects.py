"""What a campaign caused: the effect of each arm on each outcome, with its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from segmentation.campaigns.arms import UNIT
from segmentation.campaigns.batches import Batch, Plan, measure_rows
from segmentation.campaigns.clusterings import cluster_table
from segmentation.campaigns.estimates import critical_value
from segmentation.campaigns.intakes import add_caps, add_groups, check_columns, take_rows
from segmentation.campaigns.levels import UNKNOWN
from segmentation.campaigns.readouts import lay_out
from segmentation.campaigns.sums import Moments
from segmentation.data.errors import TableError, missing_columns

if TYPE_CHECKING:
    from segmentation.campaigns.permutations import Design

__all__ = ["effect"]

ALL = "all"
"""Label of the one group without `by`."""


def effect(
    data: Any,
    outcome: str | Sequence[str],
    arm: str,
    control: Any,
    covariates: str | Sequence[str] = (),
    cluster: str | None = None,
    by: str | None = None,
    per: str | None = None,
    cap: float | None = None,
    design: Design | None = None,
    contacted: str | None = None,
    alpha: float = 0.05,
    unit: str | None = UNIT,
) -> pd.DataFrame:
    """Estimate what each arm caused, against control, per unit of the assignment.

    Parameters
    ----------
    data : any frame, or Moments
        One row a unit of the assignment (a customer). `Moments` by arm (and `by`) of all columns
        that are asked for do as well, without caps and clusters.
    outcome : str or several
        Numbers or flags. All are read in one scan; where covariates are given, one more scan gives
        the errors.
    arm, control
        Column of the arm, and its value for control. All other arms are compared with control.
    covariates : str or several
        Numbers, flags or text (at most 50 levels) known before the assignment. One that is missing
        drops nobody: it is filled beside a flag, and `method` says so.
    cluster : str, optional
        Column of what was assigned as a whole, such as the branch; that of `design` by default.
    by : str, optional
        Column of groups known before the assignment: text, whole numbers, flags or days. Null is
        the group "unknown".
    per : str, optional
        Denominator: the outcome is then a ratio of means, such as spend per visit.
    cap : float, optional
        Quantile, such as 0.99, at which money is cut off: one cap for all arms, from all customers
        together, for numerator and denominator alike. Comes beside the estimate without it.
        Where most are 0, the quantile is that of the other amounts; money below 0 is cut off as
        far on its side.
    design : Design, optional
        How clusters were assigned, for `cluster`.
    contacted : str, optional
        Flag (0, 1) of who was contacted, for the effect on those contacted because of their arm.
    alpha : float
        1 − confidence.
    unit : str or None
        Column that says whose row it is: where it is there, each is there once. None: no check.

    Returns
    -------
    DataFrame
        ``arm outcome by estimate se low high p relative relative_low relative_high n_control
        n_treated method`` (`Estimate`), by arm, outcome and group, the unadjusted row first. `by`
        is "all" without groups; with them there are also ``adjusted_p`` (Holm, over the groups),
        ``shrunken shrunken_low shrunken_high`` (`shrink`) and ``interaction_p`` (`interaction_p`:
        the same in all rows of one arm, outcome and method).

        ``table.attrs["dropped"]`` lists, for each arm, outcome and group, how many rows had no
        outcome and were left out; ``pandas.DataFrame(table.attrs["dropped"])`` shows them.

        ============ ====================================================================
        method       estimate
        ============ ====================================================================
        Welch        difference of means, t with Welch's degrees of freedom
        Newcombe     of flags: Newcombe's interval, and the p-value that inverts it
        Delta        with `per`: difference of ratios of means, by the delta method
        Lin          with `covariates`: separate slopes in each arm, at the covariates' mean
                     over the arm and control; HC2 errors, from `Moments` those over n − k
        Cluster t    with `cluster`: see `cluster_estimates`
        Permutation  the same where clusters are few or uneven
        Wald IV      with `contacted`: effect on all over the rise in the contact rate, with
                     the p-value of the effect on all (by Welch) and an interval that agrees
        ============ ====================================================================

        After the name, `method` says what else there is to know, such as "no comparison" where a
        group has one arm only, whose estimate is NaN, or "no variance", which allows no interval.
        The interval excludes 0 where and only where p < alpha, and so does that of the relative
        effect, where there is one: it is over the absolute unadjusted mean of control, and NaN
        where that is not told from 0.

    Raises
    ------
    TableError
        If a column is missing, no number, or asked for twice; an arm is null, or there is no
        control or nothing but it; a unit has two rows; a number is infinite; it is not known who
        was contacted; or `Moments` lack what is asked for.
    ValueError
        If alpha is no probability, or cap none above ½.

    Notes
    -----
    Errors are those of a trial in which arms were drawn by unit. Lin's are about the customers of
    the trial. Strata are allowed for by passing them as covariates. Several outcomes and arms are
    several chances to err: see `adjust`.

    References
    ----------
    Lin (2013), Agnostic notes on regression adjustments to experimental data, Annals of Applied
    Statistics 7. Newcombe (1998), Statistics in Medicine 17. Deng, Knoblich & Lu (2018), KDD.
    Anderson & Rubin (1949), Annals of Mathematical Statistics 20.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "arm": ["letter"] * 4 + ["none"] * 4,
    ...     "deposits": [5.0, 7.0, 9.0, 7.0, 4.0, 6.0, 5.0, 5.0],
    ... })
    >>> table = effect(frame, "deposits", "arm", control="none")
    >>> table[["arm", "estimate", "n_control", "n_treated", "method"]].round(3)
          arm  estimate  n_control  n_treated method
    0  letter       2.0          4          4  Welch
    >>> table[["se", "low", "high", "p"]].round(3)
          se    low   high      p
    0  0.913 -0.444  4.444  0.087
    """
    critical_value(alpha)
    names, known = _names(outcome), _names(covariates)
    if cluster is None and design is not None:
        cluster = design.cluster
    check_columns(names, arm, known, cluster, by, per, contacted)
    plan = Plan(names, arm, control, (), by, per, contacted, known, {}, alpha)
    if isinstance(data, Moments):
        if cluster is not None or cap is not None:
            name = "cluster" if cluster is not None else "cap"
            rule = "sums of customers know neither clusters nor quantiles"
            raise TableError(name, rule, "Pass the rows.")
        return _from_moments(plan, data)
    trial, plan, missing = take_rows(data, plan, cluster, unit)
    labels: dict[Any, Any] = {None: ALL}
    if by is not None:
        trial, plan, labels = add_groups(trial, plan, by)
    if cap is not None:
        trial, plan = add_caps(trial, plan, cap)
    if cluster is not None:
        return cluster_table(trial, plan, cluster, design, labels)
    batches = measure_rows(plan, trial.rows)
    batches = [replace(batch, missing=batch.missing or missing) for batch in batches]
    return lay_out(plan, batches, trial.labels, labels)


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([names] if isinstance(names, str) else names))


def _from_moments(plan: Plan, data: Moments) -> pd.DataFrame:
    missing_columns("by of the moments", plan.by, data.by)
    names = plan.measured(plan.outcomes)
    missing_columns("columns of the moments", (*names, *plan.covariates), data.columns)
    found = data.take(*names, *plan.covariates).pool(*plan.by)
    arms = list(dict.fromkeys(found.groups[plan.arm]))
    control = next((arm for arm in arms if arm == plan.control), None)
    if control is None:
        control = next((arm for arm in arms if str(arm) == str(plan.control)), None)
    rule = "the control arm has rows" if control is None else "every unit has an arm"
    if control is None or any(pd.isna(arm) for arm in arms):
        raise TableError("data", rule, "Name the arm that was left alone.", plan.arm)
    if len(arms) < 2:
        rule = "there is an arm beside control"
        raise TableError("data", rule, "Pass all arms of the trial.", plan.arm)
    labels: dict[Any, Any] = {None: ALL}
    if plan.group is not None:
        keys = list(
            dict.fromkeys(found.groups[plan.group].where(found.groups[plan.group].notna(), None))
        )
        labels = {key: UNKNOWN if key is None else key for key in keys}
    treated = tuple(arm for arm in arms if arm != control)
    plan = replace(plan, control=control, treated=treated)
    return lay_out(plan, [Batch(plan, found, None)], {arm: arm for arm in arms}, labels)
