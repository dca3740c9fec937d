"""The effect of a campaign that nobody drew lots for, adjusted for what was known before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.campaigns.arms import Trial, enter_trial
from segmentation.campaigns.confounders import confounder_matrix, texts_and_numbers
from segmentation.campaigns.estimates import (
    COLUMNS,
    Estimate,
    critical_value,
    estimate_table,
    relative_change,
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
    LINKS,
    Overlap,
    arm_weights,
    fit_propensity,
    kept,
    overlap,
)
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["OVERLAP", "observed_effect"]

METHODS = {"aipw": "AIPW", "ipw": "IPW", "regression": "Regression"}
ESTIMANDS = {"ate": "ATE", "att": "ATT", "atc": "ATC"}
OVERLAP = ("overlap_min", "overlap_max", "max_weight", "ess", "trimmed", "dropped")
"""Columns that `observed_effect` has beside those of every table of estimates."""

UNADJUSTED = "Welch, not causal"
POOR, FEW = ", poor overlap", ", few clusters"
SMALL = 10
"""Clusters below which, in an arm, standard errors are not to be believed."""


@dataclass(frozen=True)
class _Question:
    outcome: str
    method: str
    estimand: str
    trim: float | str | None
    link: str
    alpha: float
    covariates: tuple[str, ...]
    propensity: tuple[str, ...]


def observed_effect(
    data: Any,
    outcome: str,
    arm: str,
    control: Any,
    covariates: Sequence[str],
    method: str = "aipw",
    estimand: str = "ate",
    trim: float | str | None = None,
    *,
    alpha: float = 0.05,
    cluster: str | None = None,
    treated: Any = None,
    propensity: Sequence[str] | None = None,
    link: str = "logit",
) -> pd.DataFrame:
    """Estimate what an action did where customers or managers chose who had it.

    The answer is an effect only if the covariates hold everything that both decided who was chosen
    and moves the outcome, and all of it was known before. No table can show that. The first row is
    the plain difference, which is no effect; the second is adjusted:

    - ``"regression"``: a straight line of the outcome on the covariates within each arm, whose
      predictions are averaged;
    - ``"ipw"``: means weighted by the inverse of the chance of being where one is (Hájek);
    - ``"aipw"``: the regression, whose residuals are so weighted: right if either model is.

    Parameters
    ----------
    data : any frame
        One row a customer.
    outcome : str
        Column of numbers or flags. Rows where it is null are left out and counted. Shares, too,
        are regressed by straight lines.
    arm, control
        Column of the arm, and its value for those left alone. Each other arm is compared with
        control by itself, among the customers of the two.
    covariates : sequence of str
        What was known before: numbers, flags or text. Text is taken by its levels. A null is a
        level of its own (numbers: the mean, and a flag that it was not known).
    method : {"aipw", "ipw", "regression"}
    estimand : {"ate", "att", "atc"}
        Effect on all, on those treated, or on those not treated.
    trim : float, "crump" or None
        Leave out customers whose chance p is below `trim` or above 1 − `trim` (on the treated:
        above only; on the untreated: below only), or outside of Crump's optimal bounds. The answer
        is then about the others. The chances are not fitted anew: the same go into the estimate
        and into its standard error. Nobody is left out unless asked.
    alpha : float
        One less the level of the intervals.
    cluster : str, optional
        Column of what was chosen as a whole, such as the branch.
    treated : label, optional
        Only this arm against control.
    propensity : sequence of str, optional
        Covariates of the chance, if they are others than those of the outcome.
    link : {"logit", "probit"}
        Form of the chance.

    Returns
    -------
    DataFrame
        The columns of `effect` for each arm, in two rows, and
        `overlap_min`, `overlap_max` (least and largest chance among those compared),
        `max_weight` (largest share of the weight of its arm that one customer bears),
        `ess` (effective number of customers ``(Σw)²/Σw²`` of the arm where it is least),
        `trimmed` (customers left out by `trim`) and `dropped` (without an outcome).
        `method` says "poor overlap" where `ess` is below 30 or a tenth of its arm, and
        "few clusters" where an arm has less than 10: such rows prove little.

    Raises
    ------
    TableError
        If columns are missing or hold no numbers, an arm is missing, a customer has two rows, a
        covariate is collinear or infinite, or the covariates foretell the arm (no overlap).
    ValueError
        If method, estimand, link, trim or alpha are none of those above.

    Notes
    -----
    Standard errors are those of the stacked estimating equations (chance, regressions, effect), so
    that they allow for all that was estimated; they divide by n as Stata's ``teffects`` does, and
    intervals are normal. With clusters they are summed over each, times G/(G − 1), with t(G − 1).

    The engine counts customers of equal arm, covariates and cluster, with the mean and the squared
    deviations of their outcome: these give the same answer to the last digit as the customers do.
    If the covariates are bands and levels, a hundred million customers come to a few thousand rows;
    with amounts to the cent each customer is one, and a million of them with ten covariates take
    about 0.5 GB. Band them first where that is too much.

    References
    ----------
    Lunceford & Davidian (2004), Stratification and weighting via the propensity score; Crump,
    Hotz, Imbens & Mitnik (2009), Biometrika 96.

    Examples
    --------
    >>> import pandas as pd
    >>> chosen = pd.DataFrame({
    ...     "rich": [0] * 60 + [1] * 60,
    ...     "called": ([0] * 40 + [1] * 20) + ([0] * 20 + [1] * 40),
    ...     "bought": ([0, 1] * 30) + ([2, 3] * 30),
    ... })
    >>> table = observed_effect(chosen, "bought", "called", 0, ["rich"])
    >>> table["method"].tolist(), table["estimate"].round(3).abs().tolist()
    (['Welch, not causal', 'AIPW, ATE'], [0.667, 0.0])
    """
    question = _question(
        outcome, method, estimand, trim, link, alpha, covariates, propensity or covariates
    )
    names = tuple(dict.fromkeys((*question.covariates, *question.propensity)))
    trial, texts = _enter(data, outcome, arm, control, names, cluster)
    arms = trial.treated if treated is None else _chosen(trial, treated)
    cells = _cells(trial, outcome, names, texts, cluster)
    estimates, extra = [], []
    for text in arms:
        pair = cells[cells[arm].isin([trial.control, text])].reset_index(drop=True)
        counted = trial.counts[text] + trial.counts[trial.control]
        for estimate, more in _rows(pair, question, trial, text, cluster, counted):
            estimates.append(estimate)
            extra.append(more)
    return pd.concat(
        [estimate_table(estimates), pd.DataFrame(extra, columns=list(OVERLAP))], axis=1
    )


def _question(
    outcome: str,
    method: str,
    estimand: str,
    trim: float | str | None,
    link: str,
    alpha: float,
    covariates: Sequence[str],
    propensity: Sequence[str],
) -> _Question:
    for name, value, known in (
        ("method", method, METHODS),
        ("estimand", estimand, ESTIMANDS),
        ("link", link, LINKS),
    ):
        if value not in known:
            raise ValueError(f"{name}: one of {', '.join(known)}")
    if isinstance(covariates, str) or not len(covariates):
        raise ValueError("covariates: a list of columns, and at least one")
    critical_value(alpha)
    return _Question(
        outcome, method, estimand, trim, link, alpha, tuple(covariates), tuple(propensity)
    )


def _enter(
    data: Any, outcome: str, arm: str, control: Any, names: tuple[str, ...], cluster: str | None
) -> tuple[Trial, list[str]]:
    others = (cluster,) if cluster else ()
    schema = enter(data, "data", (arm, outcome, *names, *others)).collect_schema()
    for name in names:
        if name in (arm, outcome, cluster):
            raise TableError(
                "data",
                "a covariate is neither arm nor outcome nor cluster",
                "Leave it out.",
                name,
            )
    texts, numbers = texts_and_numbers(schema, names)
    trial = enter_trial(data, arm, control, (outcome, *numbers), (*texts, *others))
    return trial, texts


def _chosen(trial: Trial, treated: Any) -> list[str]:
    found = [text for text in trial.treated if trial.labels[text] == treated]
    if not found:
        raise TableError(
            "data", "the treated arm has rows", "Name an arm other than control.", trial.arm
        )
    return found


def _cells(
    trial: Trial, outcome: str, names: tuple[str, ...], texts: list[str], cluster: str | None
) -> pd.DataFrame:
    keys = [trial.arm, *names, *([cluster] if cluster else [])]
    levels = [*texts, *([cluster] if cluster else [])]
    rows = trial.rows.filter(~nw.col(outcome).is_null())
    if levels:
        rows = rows.with_columns(nw.col(*levels).cast(nw.String))
    y = nw.col(outcome)
    cells = collect(
        rows.group_by(*keys).agg(
            nw.len().alias("__n"), y.mean().alias("__mean"), y.var(ddof=1).alias("__var")
        )
    )
    if len(cells) and not np.isfinite(cells["__mean"]).all():
        raise TableError("data", "the outcome is finite", "Leave out what is not.", outcome)
    if cluster and cells[cluster].isna().any():
        missing = int(cells.loc[cells[cluster].isna(), "__n"].sum())
        raise TableError("data", "every customer has a cluster", "Fill it.", cluster, missing)
    squares = (cells["__var"].astype(float) * (cells["__n"] - 1)).where(cells["__n"] > 1, 0.0)
    cells = cells.assign(n=cells["__n"].astype(float), mean=cells["__mean"], squares=squares)
    return cells.sort_values(keys, ignore_index=True)


def _rows(
    pair: pd.DataFrame,
    question: _Question,
    trial: Trial,
    text: str,
    cluster: str | None,
    counted: int,
) -> list[tuple[Estimate, list[float]]]:
    treated = (pair[trial.arm] == text).to_numpy(float)
    n = pair["n"].to_numpy(float)
    for name, inside in (("control", 1 - treated), ("treated", treated)):
        if (n * inside).sum() < 2:
            raise TableError(
                "data",
                f"at least two customers of the {name} arm have an outcome",
                "Pass more of them.",
                question.outcome,
            )
    design, sources = confounder_matrix(pair, question.covariates)
    other = design
    if question.propensity != question.covariates:
        other, _ = confounder_matrix(pair, question.propensity)
    code = pd.factorize(pair[cluster])[0] if cluster else None
    cells = Cells(
        n,
        pair["mean"].to_numpy(float),
        pair["squares"].to_numpy(float),
        treated,
        design,
        sources,
        code,
    )
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
    question: _Question,
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
    return Estimate(
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

    if math.isnan(se) or df <= 0:
        return math.nan
    if se == 0:
        return 1.0 if estimate == 0 else 0.0
    ratio = abs(estimate) / se
    return float(2 * (stats.norm.sf(ratio) if math.isinf(df) else stats.t.sf(ratio, df)))


assert not set(OVERLAP) & set(COLUMNS)
