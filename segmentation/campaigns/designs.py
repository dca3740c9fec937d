"""How many customers a campaign needs, what it can find, and how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segmentation.campaigns.demands import (
    METHODS,
    arm_shares,
    as_metric,
    check_demands,
    check_procedure,
)
from segmentation.campaigns.metrics import Metric
from segmentation.campaigns.powers import (
    LARGEST,
    Floats,
    Procedure,
    design_effect,
    impossible,
    reachable,
    solve,
)
from segmentation.campaigns.sums import Moments

__all__ = ["CampaignDesign", "design_campaign"]


@dataclass(frozen=True, eq=False)
class CampaignDesign:
    """A campaign as designed.

    Attributes
    ----------
    metric : Metric
        What it is meant to move.
    effect : float
        Effect in units of the metric (of a share: 0.02 is two points).
    power : float
        Chance to find that effect in the arm that has the least, with whole units.
    alpha, alpha_each : float
        Error of the first kind of all tests together, and of each.
    n : int
        Customers in all arms and the holdout.
    n_exact : float
        The same before anything is rounded up.
    n_control, n_treated, n_holdout : int
        Customers in control, in all treated arms, and set aside.
    design_effect : float
        Factor by which clusters blow up the variance; 1 without.
    clusters : int or None
        Clusters in all arms and the holdout.
    method : str
        arcsine, normal or t.
    table : DataFrame
        One row an arm: `arm share n clusters effect relative power`; `share` is of all customers,
        `relative` the effect over the absolute baseline. Control and holdout have no effect.
    """

    metric: Metric
    effect: float
    power: float
    alpha: float
    alpha_each: float
    n: int
    n_exact: float
    n_control: int
    n_treated: int
    n_holdout: int
    design_effect: float
    clusters: int | None
    method: str
    table: pd.DataFrame


def design_campaign(
    metric: Metric | Moments,
    effect: float | None = None,
    n: float | None = None,
    power: float | None = None,
    *,
    alpha: float = 0.05,
    share: float | Mapping[str, float] = 0.5,
    r2: float | None = None,
    cluster_size: float | None = None,
    icc: float = 0.0,
    cluster_cv: float = 0.0,
    comparisons: int | None = None,
    holdout: float = 0.0,
    method: str | None = None,
    sided: int = 2,
    strict: bool = True,
) -> CampaignDesign:
    """Find whichever of effect, n and power is not given.

    Each treated arm is tested against control. With standard error ``s = sd·√((1/n₀ + 1/n₁)·F)``
    the power is the chance that a noncentral t (or normal) variable with mean ``effect/s`` passes
    the critical value of ``alpha/comparisons``; ``F = (1 − R²)·(1 + ((cv² + 1)·m − 1)·icc)``.

    Parameters
    ----------
    metric : Metric, or Moments of one column
        The outcome as it is without the campaign.
    effect : float
        Effect of each treated arm in units of the metric. Where it is sought it is the smallest
        positive one that has the power.
    n : number
        Customers in all arms and the holdout together.
    power : float
        Chance of finding the effect in each arm by itself.
    alpha : float
        Error of the first kind of all comparisons together.
    share : float, or mapping of treated arm to float
        Shares of the arms within the trial; what they leave is control.
    r2 : float, optional
        Share of the variance that the covariates of the analysis explain; by default the metric's.
    cluster_size, icc, cluster_cv : float
        Where whole clusters (branches, households) are assigned: their mean size, the correlation
        of two customers of one, and the coefficient of variation of their sizes. The test then
        refers to Student's t with clusters − 2 degrees of freedom.
    comparisons : int, optional
        Tests that share alpha by Bonferroni's rule; by default one a treated arm.
    holdout : float
        Share of all customers set aside: in no arm, left alone by this campaign and by the next
        ones, and no part of these tests. For a holdout that is the control, say it with `share`.
    method : str, optional
        Shares: ``arcsine`` (variance made equal by 2·arcsin√p) or ``normal`` (pooled variance under
        no effect). Means: ``t`` or ``normal``. Ratios: ``normal`` (delta method) or ``t``.
    sided : int
        2, or 1 for a test in the direction of the effect only.
    strict : bool
        Whether a two-sided test's finding of the wrong direction counts as one.

    Returns
    -------
    CampaignDesign
        Whole customers, or whole clusters, in every arm: rounded up where n is sought, else by the
        largest remainder of the n given, which loses what fills no cluster. Power and effect are
        those of the rounded arms.

    Raises
    ------
    TableError
        If not exactly two of effect, n and power are given, if they are impossible (power not above
        alpha, a share moved out of [0, 1], one cluster an arm, fewer than 3 customers …), or if no
        design does what is asked.

    References
    ----------
    Cohen (1988), Statistical power analysis, ch. 2 and 6; Eldridge, Ashby & Kerry (2006), Sample
    size for cluster randomized trials, International Journal of Epidemiology 35.

    Examples
    --------
    Raise a conversion of 10 % to 12 %, as the textbooks do:

    >>> design = design_campaign(Metric.share(0.10), effect=0.02, power=0.8)
    >>> design.n_control, design.n_treated
    (3835, 3835)

    What twelve branches of 500 customers can find, two of them treated:

    >>> few = design_campaign(
    ...     Metric.share(0.10), n=6000, power=0.8, share=2 / 12, cluster_size=500, icc=0.05
    ... )
    >>> round(few.effect, 2), few.clusters
    (0.22, 12)
    """
    metric = as_metric(metric)
    if [effect, n, power].count(None) != 1:
        raise impossible("effect", "two of effect, n and power are given", "Leave out one.")
    r2 = metric.r2 if r2 is None else r2
    shares = arm_shares(share, holdout)
    comparisons = len(shares) - 2 if comparisons is None else comparisons
    method = METHODS[metric.kind][0] if method is None else method
    check_procedure(metric, alpha, r2, cluster_size, icc, cluster_cv, comparisons, method, sided)
    check_demands(metric, effect, n, power, alpha)
    growth = design_effect(cluster_size, icc, cluster_cv) if cluster_size else 1.0
    factor = growth * (1 - r2)
    plan = Procedure(alpha / comparisons, sided, strict, method, factor, cluster_size or 0.0)
    parts = np.array(list(shares.values()))
    if n is None:
        assert effect is not None
        assert power is not None
        exact = _customers(plan, metric, effect, parts, power)
        counts = _rounded_up(plan, exact * parts)
    else:
        exact, counts = float(n), _divided(plan, n, parts)
    if effect is None:
        assert power is not None
        effect = _smallest(plan, metric, counts, power)
    table = _table(plan, metric, effect, counts, shares)
    treated = table["power"].notna()
    return CampaignDesign(
        metric=metric,
        effect=float(effect),
        power=float(table["power"].min()),
        alpha=alpha,
        alpha_each=plan.alpha,
        n=int(table["n"].sum()),
        n_exact=exact,
        n_control=int(table["n"].iloc[0]),
        n_treated=int(table.loc[treated, "n"].sum()),
        n_holdout=int(table.loc[table["arm"] == "holdout", "n"].sum()),
        design_effect=growth,
        clusters=int(table["clusters"].sum()) if plan.size else None,
        method=method,
        table=table,
    )


def _least(plan: Procedure, metric: Metric, effect: float, counts: Floats) -> float:
    """Power of the smallest treated arm, which has the least."""
    return plan.power(metric, effect, counts[0], counts[1:-1].min())


def _customers(
    plan: Procedure, metric: Metric, effect: float, parts: Floats, power: float
) -> float:
    """Customers in all, not rounded, with which the smallest arm has the power."""
    floor = 2 * (plan.size or 1) / parts[:-1].min()
    found = solve(lambda n: _least(plan, metric, effect, n * parts), power, floor, LARGEST)
    if found is None:
        raise impossible("effect", "no number of customers finds the effect", "Plan a larger one.")
    return found


def _smallest(plan: Procedure, metric: Metric, counts: Floats, power: float) -> float:
    """Smallest positive effect that the smallest arm finds with the power."""
    share = metric.kind == "share"
    top = 1 - metric.baseline if share else metric.sd * LARGEST
    start = min(top, metric.sd) * 1e-12
    found = solve(lambda effect: _least(plan, metric, effect, counts), power, start, top)
    if found is None:
        raise impossible("n", "no effect is found with this power", "Plan for more customers.")
    return found


def _rounded_up(plan: Procedure, wanted: Floats) -> Floats:
    """Whole customers or clusters in each arm, clusters enough to be permuted."""
    unit = plan.size or 1
    units = np.ceil(wanted / unit * (1 - 1e-12))
    while plan.size and not _permutable(plan, units):
        units[:-1] += 1
    return units * unit


def _divided(plan: Procedure, n: float, parts: Floats) -> Floats:
    """The n given, divided by largest remainder into whole customers or clusters."""
    unit = plan.size or 1
    exact = math.floor(n / unit * (1 + 1e-12)) * parts
    units = np.floor(exact * (1 + 1e-12))
    left = round(exact.sum() - units.sum())
    units[np.argsort(units - exact, kind="stable")[:left]] += 1
    if units[:-1].min() < 2:
        rule = "every arm has two clusters or more" if plan.size else "every arm has two customers"
        raise impossible("n", rule, "Plan for more, or for larger shares of the small arms.")
    if plan.size and not _permutable(plan, units):
        raise impossible(
            "n",
            "clusters can be assigned in enough ways for a p-value below alpha",
            "Plan for more clusters.",
        )
    return units * unit


def _permutable(plan: Procedure, units: Floats) -> bool:
    control, *treated = (int(unit) for unit in units[:-1])
    return all(reachable(plan.alpha, control, arm, plan.sided) for arm in treated)


def _table(
    plan: Procedure, metric: Metric, effect: float, counts: Floats, shares: dict[str, float]
) -> pd.DataFrame:
    table = pd.DataFrame({"arm": list(shares), "share": list(shares.values()), "n": counts})
    treated = np.arange(len(counts)) % (len(counts) - 1) > 0
    powers = [plan.power(metric, effect, counts[0], n) for n in counts[treated]]
    table["clusters"] = counts / plan.size if plan.size else np.nan
    table["effect"] = np.where(treated, effect, np.nan)
    table["relative"] = table["effect"] / (abs(metric.baseline) or math.nan)
    table.loc[treated, "power"] = powers
    table["n"] = np.rint(counts).astype(np.int64)
    if plan.size:
        table["clusters"] = table["clusters"].round().astype(np.int64)
    return table if shares["holdout"] else table.iloc[:-1]
