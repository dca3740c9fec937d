"""What is asked of a design, and whether it can be."""

from __future__ import annotations

import math
from collections.abc import Mapping

from segmentation.campaigns.metrics import Metric
from segmentation.campaigns.powers import LARGEST, impossible
from segmentation.campaigns.sums import Moments

__all__ = ["METHODS", "arm_shares", "as_metric", "check_demands", "check_procedure"]

METHODS = {"share": ("arcsine", "normal"), "mean": ("t", "normal"), "ratio": ("normal", "t")}
"""Methods of each kind of metric, its default first."""


def as_metric(metric: Metric | Moments) -> Metric:
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, Moments) and len(metric.columns) == 1:
        return Metric.of(metric, metric.columns[0])
    raise impossible(
        "metric",
        "the metric is a Metric, or the moments of one column",
        "Make one with `Metric.share`, `Metric.mean`, `Metric.ratio` or `Metric.of`.",
    )


def arm_shares(share: float | Mapping[str, float], holdout: float) -> dict[str, float]:
    """Shares of all customers: control first, then the treated arms, last the holdout."""
    treated = dict(share) if isinstance(share, Mapping) else {"treated": share}
    if not treated or not all(part > 0 for part in treated.values()) or sum(treated.values()) >= 1:
        raise impossible(
            "share", "shares of treated arms are above 0 and leave some control", "Lower them."
        )
    if {"control", "holdout"} & set(treated):
        raise impossible("share", "control and holdout are no treated arms", "Leave them out.")
    if not 0 <= holdout < 1:
        raise impossible("holdout", "a holdout is a share of customers below 1", "Lower it.")
    trial = {"control": 1 - sum(treated.values()), **treated}
    return {**{arm: part * (1 - holdout) for arm, part in trial.items()}, "holdout": holdout}


def check_procedure(
    metric: Metric,
    alpha: float,
    r2: float,
    size: float | None,
    icc: float,
    cv: float,
    comparisons: int,
    method: str,
    sided: int,
) -> None:
    mend = "Correct it."
    if not 0 < alpha < 1:
        raise impossible("alpha", "an error probability lies between 0 and 1", mend)
    if not 0 <= r2 < 1:
        raise impossible("r2", "covariates explain a share of the variance, and not all", mend)
    if not 0 <= icc <= 1:
        raise impossible("icc", "the correlation within clusters lies between 0 and 1", mend)
    if size is not None and not 1 <= size < math.inf:
        raise impossible("cluster_size", "a cluster has at least one customer", mend)
    if size is None and (icc or cv):
        raise impossible(
            "cluster_size", "clusters that matter have a size", "Give their mean size."
        )
    if not 0 <= cv < math.inf:
        raise impossible("cluster_cv", "a coefficient of variation is not negative", mend)
    if not (comparisons >= 1 and comparisons == int(comparisons)):
        raise impossible("comparisons", "there is at least one comparison", mend)
    if method not in METHODS[metric.kind]:
        rule = "a share is tested by arcsine or normal, a mean or a ratio by t or normal"
        raise impossible("method", rule, mend)
    if sided not in (1, 2):
        raise impossible("sided", "a test has one side or two", mend)


def check_demands(
    metric: Metric, effect: float | None, n: float | None, power: float | None, alpha: float
) -> None:
    mend = "Correct it."
    if power is not None and not alpha < power < 1:
        raise impossible("power", "power lies above alpha and below 1", mend)
    if effect is not None and not (math.isfinite(effect) and (effect or n is not None)):
        raise impossible("effect", "an effect to be found is a number other than 0", mend)
    if effect is not None and metric.kind == "share" and not 0 <= metric.baseline + effect <= 1:
        raise impossible("effect", "a share that is moved stays in [0, 1]", "Lower the effect.")
    if n is not None and not 3 <= n <= LARGEST:
        raise impossible("n", "a trial has at least three customers", mend)
