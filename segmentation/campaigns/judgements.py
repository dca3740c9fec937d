"""From customers counted by arm and covariates to estimates: the plain one and the adjusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation.campaigns.arms import Trial
from segmentation.campaigns.confounders import confounder_matrix
from segmentation.campaigns.estimates import (
    COLUMNS,
    Estimate,
    critical_value,
    relative_change,
    without_variance,
)
from segmentation.campaigns.influences import (
    Cells,
    Influence,
    adjusted,
    covariance,
    difference,
    mean_of_control,
)
from segmentation.campaigns.propensities import (
    Overlap,
    arm_weights,
    fit_propensity,
    kept,
    overlap,
)
from segmentation.data.errors import TableError

__all__ = ["ESTIMANDS", "METHODS", "OVERLAP", "Question", "compare"]

METHODS = {"aipw": "AIPW", "ipw": "IPW", "regression": "Regression"}
ESTIMANDS = {"ate": "ATE", "att": "ATT", "atc": "ATC"}
OVERLAP = ("overlap_min", "overlap_max", "max_weight", "ess", "trimmed", "dropped")
"""Columns that `observed_effect` has beside those of every table of estimates."""

UNADJUSTED = "Welch, not causal"
POOR, FEW = ", poor overlap", ", few clusters"
SMALL = 10
"""Clusters below which, in an arm, standard errors are not to be believed."""


assert not set(OVERLAP) & set(COLUMNS)


@dataclass(frozen=True)
class Question:
    """What is asked, as the arguments of `observed_effect` have it."""

    outcome: str
    method: str
    estimand: str
    trim: float | str | None
    link: str
    alpha: float
    covariates: tuple[str, ...]
    propensity: tuple[str, ...]


def compare(
    pair: pd.DataFrame,
    sums: pd.DataFrame,
    question: Question,
    trial: Trial,
    text: str,
    cluster: str | None,
    counted: int,
) -> list[tuple[Estimate, list[float]]]:
    """Compare one arm with control: the plain difference, the adjusted, and their overlap."""
    treated = (pair[trial.arm] == text).to_numpy(float)
    n, mean, squares = (sums[name].to_numpy(float) for name in ("n", "mean", "squares"))
    for name, inside in (("control", 1 - treated), ("treated", treated)):
        if (n * inside).sum() < 2:
            raise TableError(
                "data",
                f"at least two customers of the {name} arm have an outcome",
                "Pass more of them.",
                question.outcome,
            )
    design, sources = confounder_matrix(pair, n, question.covariates)
    other = design
    if question.propensity != question.covariates:
        other, _ = confounder_matrix(pair, n, question.propensity)
    code = pd.factorize(pair[cluster])[0] if cluster else None
    cells = Cells(n, mean, squares, treated, design, sources, code)
    chance = fit_propensity(other, treated, n, question.link)
    keep = kept(chance.chance, n, question.trim, question.estimand)
    for inside in (treated, 1 - treated):
        if (n * keep * inside).sum() < 2:
            raise TableError(
                "data", "trimming leaves customers in both arms", "Trim less, or not.", trial.arm
            )
    up, down, *_ = arm_weights(chance, treated, question.estimand)
    found = overlap(chance.chance, n, (up * keep, down * keep))
    few = _few(cells)
    label = ", ".join((METHODS[question.method], ESTIMANDS[question.estimand]))
    label += (POOR if found.poor else "") + (FEW if few else "")
    effect = adjusted(cells, chance, keep, question.method, question.estimand)
    dropped = float(counted - n.sum())
    plain = _estimate(cells, difference(cells), np.ones(len(n)), question, trial, text)
    better = _estimate(cells, effect, keep, question, trial, text, label)
    trimmed = float((n * ~keep).sum())
    return [
        (plain, [math.nan, math.nan, math.nan, math.nan, 0.0, dropped]),
        (better, [*_shown(found), trimmed, dropped]),
    ]


def _shown(found: Overlap) -> list[float]:
    return [found.low, found.high, found.max_weight, found.ess]


def _few(cells: Cells) -> bool:
    if cells.cluster is None:
        return False
    arms = (np.unique(cells.cluster[cells.treated == arm]) for arm in (0, 1))
    return min(len(found) for found in arms) < SMALL


def _estimate(
    cells: Cells,
    effect: Influence,
    keep: Any,
    question: Question,
    trial: Trial,
    text: str,
    label: str | None = None,
) -> Estimate:
    """Put an influence into the form of every estimate; without a label, by Welch."""
    low = mean_of_control(cells)
    variance, below = covariance(cells, effect, effect), covariance(cells, low, low)
    shared = covariance(cells, effect, low)
    df = math.inf
    if cells.cluster is not None:
        df = float(cells.cluster.max())
    elif label is None:
        variance, below, df = _welch(cells)
        shared = -below
    se = math.sqrt(variance) if variance >= 0 else math.nan
    critical = critical_value(question.alpha, df) if df > 0 else math.nan
    relative = relative_change(effect.estimate, variance, low.estimate, below, shared, critical)
    n = cells.n * keep
    found = Estimate(
        arm=trial.labels[text],
        outcome=question.outcome,
        estimate=effect.estimate,
        se=se,
        low=effect.estimate - critical * se,
        high=effect.estimate + critical * se,
        p=_p_value(effect.estimate, se, df),
        relative=relative[0],
        relative_low=relative[1],
        relative_high=relative[2],
        n_control=round((n * (1 - cells.treated)).sum()),
        n_treated=round((n * cells.treated).sum()),
        method=UNADJUSTED + (FEW if _few(cells) else "") if label is None else label,
    )
    return without_variance(found, low.estimate)


def _welch(cells: Cells) -> tuple[float, float, float]:
    """Variances of the difference and of the mean of control, and Satterthwaite's df."""
    parts, dfs = [], []
    for arm in (cells.treated, 1 - cells.treated):
        n = (cells.n * arm).sum()
        mean = (cells.n * arm * cells.mean).sum() / n
        squares = (arm * (cells.squares + cells.n * (cells.mean - mean) ** 2)).sum()
        parts.append(squares / (n - 1) / n)
        dfs.append(n - 1)
    total = sum(parts)
    spread = sum(part**2 / df for part, df in zip(parts, dfs, strict=True))
    return total, parts[1], total**2 / spread if spread > 0 else math.inf


def _p_value(estimate: float, se: float, df: float) -> float:
    from scipy import stats

    if not se > 0 or df <= 0:
        return math.nan
    ratio = abs(estimate) / se
    return float(2 * (stats.norm.sf(ratio) if math.isinf(df) else stats.t.sf(ratio, df)))
