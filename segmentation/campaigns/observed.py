"""The effect of a campaign that nobody drew lots for, adjusted for what was known before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.campaigns.arms import Trial, enter_trial
from segmentation.campaigns.confounders import texts_and_numbers
from segmentation.campaigns.estimates import critical_value, estimate_table
from segmentation.campaigns.judgements import ESTIMANDS, METHODS, OVERLAP, Question, compare
from segmentation.campaigns.propensities import LINKS
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["observed_effect"]


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
        `method` says "poor overlap" where `ess` is below 30 or `max_weight` above .05, and
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
    about 2 GB, in numbers alone. Band them first where that is too much.

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
    question = ask(
        outcome, method, estimand, trim, link, alpha, covariates, propensity or covariates
    )
    names = tuple(dict.fromkeys((*question.covariates, *question.propensity)))
    trial, texts = _enter(data, outcome, arm, control, names, cluster)
    arms = trial.treated if treated is None else _chosen(trial, treated)
    cells, sums = _cells(trial, outcome, names, texts, cluster)
    estimates, extra = [], []
    for text in arms:
        both = cells[arm].isin([trial.control, text])
        pair = cells[both].reset_index(drop=True), sums[both].reset_index(drop=True)
        counted = trial.counts[text] + trial.counts[trial.control]
        for estimate, more in compare(*pair, question, trial, text, cluster, counted):
            estimates.append(estimate)
            extra.append(more)
    return pd.concat(
        [estimate_table(estimates), pd.DataFrame(extra, columns=list(OVERLAP))], axis=1
    )


def ask(
    outcome: str,
    method: str,
    estimand: str,
    trim: float | str | None,
    link: str,
    alpha: float,
    covariates: Sequence[str],
    propensity: Sequence[str],
) -> Question:
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
    return Question(
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
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count customers of equal arm, covariates and cluster: who they are, and n mean squares."""
    keys = [trial.arm, *names, *([cluster] if cluster else [])]
    levels = [*texts, *([cluster] if cluster else [])]
    rows = trial.rows.filter(~nw.col(outcome).is_null()).select(
        nw.col(outcome).alias("y"),
        *(
            (nw.col(key).cast(nw.String) if key in levels else nw.col(key)).alias(f"k{i}")
            for i, key in enumerate(keys)
        ),
    )
    own = [f"k{i}" for i in range(len(keys))]
    y = nw.col("y")
    found = collect(
        rows.group_by(*own).agg(
            nw.len().alias("n"), y.mean().alias("mean"), y.var(ddof=1).alias("variance")
        )
    ).sort_values(own, ignore_index=True)
    if not np.isfinite(found["mean"].to_numpy(float)).all():
        raise TableError("data", "the outcome is finite", "Leave out what is not.", outcome)
    cells = found[own].set_axis(keys, axis=1)
    if cluster and cells[cluster].isna().any():
        missing = int(found.loc[cells[cluster].isna(), "n"].sum())
        raise TableError("data", "every customer has a cluster", "Fill it.", cluster, missing)
    n = found["n"].astype(float)
    squares = (found["variance"].astype(float) * (n - 1)).where(n > 1, 0.0)
    return cells, pd.DataFrame({"n": n, "mean": found["mean"], "squares": squares})
