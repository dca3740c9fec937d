"""For whom a campaign works: scores that each customer gets from models that never saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.campaigns.arms import UNIT, as_text
from segmentation.campaigns.encodings import Floats, covariate_expressions, known_covariates
from segmentation.campaigns.estimators import classifier, one_thread, seeded, small_trees
from segmentation.campaigns.folds import fold_numbers
from segmentation.campaigns.metalearners import (
    METHODS,
    Effect,
    Lesson,
    cross_fitted,
    sequential,
)
from segmentation.campaigns.rolls import as_given, read_roll, units_once
from segmentation.campaigns.rosters import as_kind
from segmentation.campaigns.scores import CROSS_FITTED
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["Learned", "learn"]

LIMIT = 1_000_000
"""Customers that are brought into memory unasked."""


@dataclass(frozen=True, eq=False)
class Learned:
    """Effects by customer, and what they were learnt from.

    Attributes
    ----------
    scores : frame
        Of the caller's kind, one row a customer of the two arms, in the order of the unit's text:
        unit, cluster (if there is one), arm, outcome, and

        * `score`, the effect that models without its fold foretell, in units of the outcome;
        * `rank`, for `uplift_curve`: from 0 to 1 (the highest) within its fold, by models of
          earlier folds only; null in the first fold;
        * `fold`, from 0.
    method, outcome, arm, control, treated, covariates, unit
        As they were asked for.
    folds : int
    """

    scores: Any
    method: str
    outcome: str
    arm: str
    control: Any
    treated: Any
    covariates: tuple[str, ...]
    unit: str
    folds: int
    _effects: tuple[Effect, ...] = field(repr=False)
    _texts: tuple[bool, ...] = field(repr=False)
    _seen: frozenset[str] = field(repr=False)

    def score(self, new: Any) -> Any:
        """Foretell the effect on other customers: the mean of the folds' models.

        Parameters
        ----------
        new : any frame
            Unit and covariates, all of which come into memory.

        Returns
        -------
        frame
            Of the kind of `new`: unit and `score`, in the order of the unit's text.

        Raises
        ------
        TableError
            If a column is missing or of another type, a unit is missing or there twice, or one of
            the customers was learnt from: of those only `scores` are fair.
        """
        lazy = enter(new, "new", (self.unit, *self.covariates))
        schema = lazy.collect_schema()
        rows = collect(
            lazy.select(
                as_text("new", self.unit, schema[self.unit]).alias("unit"),
                *covariate_expressions("new", schema, self.covariates),
            )
        )
        units_once(rows, "new", self.unit)
        if seen := int(rows["unit"].isin(self._seen).sum()):
            raise TableError(
                "new",
                "a customer is scored by models that have not seen it",
                "Take the scores in `scores`.",
                self.unit,
                seen,
            )
        rows = rows.sort_values("unit", ignore_index=True)
        table = pd.DataFrame({self.unit: as_given(rows["unit"], schema[self.unit])})
        table["score"] = 0.0
        if len(rows):
            columns = known_covariates(rows, self.covariates, "new", self._texts)
            parts = [effect.of(columns, slice(None)) for effect in self._effects]
            table["score"] = np.mean(parts, axis=0)
        return as_kind(table, nw.to_native(new, pass_through=True))


def learn(
    data: Any,
    outcome: str,
    arm: str,
    control: Any,
    covariates: str | Sequence[str],
    method: str = "dr",
    model: Any = None,
    folds: int = 5,
    seed: int | str = 0,
    share: float | str | None = None,
    treated: Any = None,
    unit: str = UNIT,
    *,
    cluster: str | None = None,
    propensity: Any = None,
    limit: int = LIMIT,
) -> Learned:
    """Learn the effect of a campaign by customer, cross-fitted.

    Customers are put in folds by a keyed hash of their identifier, so that the order of rows does
    not matter. The score of a customer is what a model foretells that has seen no outcome of its
    fold. There is no way to scores of customers by models that saw them, which would find
    heterogeneity in pure noise.

    **Judge by `rank`, not by `score`.** Each cross-fitted score is fair, but together they are not:
    a fold is judged by models of the others, and they by models of it. A curve of `score` rejects
    pure noise in 15 to 25 % of trials at 5 %, and `uplift_curve` refuses it where it knows the
    column (pandas). A curve of `rank` keeps to 5 %: no fold is judged by a model that a later one
    has made (Wager 2024).

    With m₁ and m₀ regressions of the outcome in the arms, e the chance of treatment and w = 1 for
    the treated the score is

    * "dr": a regression of ``m₁ − m₀ + w/e·(y − m₁) − (1 − w)/(1 − e)·(y − m₀)``, whose m have
      seen neither that customer's fold nor that of the customers they speak of;
    * "s": ``m(x, 1) − m(x, 0)`` of one regression with the arm as a covariate;
    * "t": ``m₁(x) − m₀(x)``;
    * "x": ``e·d₀ + (1 − e)·d₁`` with d₁ a regression of ``y − m₀`` in treatment and d₀ one of
      ``m₁ − y`` in control.

    Parameters
    ----------
    data : any frame
        One row a customer. The two arms' columns come into memory, some 100 bytes a customer and
        8 a number, twice while a model is fitted.
    outcome : str
        Column of numbers or flags. Customers without it are scored, not learnt from.
    arm, control, treated
        Column of the arm, its value for control, and for the arm compared if there are several.
    covariates : str or sequence of str
        Text, numbers or flags, all from before the assignment. A text becomes a column for each of
        its 30 most frequent levels, missing being one; a missing number gets the median, and a
        column that says so.
    method : str
        "dr", "s", "t" or "x".
    model : estimator, optional
        An unfitted regressor of scikit-learn, for all regressions; of flags the mean is the
        chance. By default small boosted trees: ``HistGradientBoostingRegressor(max_iter=100,
        learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=50)``. A `random_state` that is not
        set follows the seed.
    folds : int
        2 or more, "dr" 3 or more; time grows with its square for "dr", for others with it.
    seed : int or str
        Key of the hash.
    share : float or str, optional
        Chance of treatment as planned, a number or a column; by default that of the customers
        learnt from. "s" and "t" do not use it.
    unit : str
        Column of the identifier; text or whole numbers.
    cluster : str, optional
        Column of clusters, such as the branch, each of which is in one fold.
    propensity : estimator or "logistic", optional
        For data that were not randomised: an unfitted classifier of scikit-learn that estimates
        the chance of treatment from the covariates, also cross-fitted; kept within 0.01 and 0.99.
    limit : int
        Most customers to bring into memory. For more learn from a sample and score the others.

    Returns
    -------
    Learned

    Raises
    ------
    TableError
        If a column is missing, of the wrong type or infinite, a covariate is the outcome, arm or
        unit, a customer is there twice, there are more than `limit`, or a fold lacks an arm.
    ValueError
        If method, folds, seed or share make no sense.

    References
    ----------
    Künzel, Sekhon, Bickel & Yu (2019), Metalearners for estimating heterogeneous treatment effects,
    PNAS 116; Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal
    effects, EJS 17; Wager (2024), Sequential validation of treatment heterogeneity,
    arXiv:2405.05534.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"customer_id": [f"C{i:04d}" for i in range(2000)],
    ...                      "arm": ["call", "none"] * 1000, "age": rng.normal(size=2000)})
    >>> data["bought"] = rng.normal(size=2000) + data["age"] * (data["arm"] == "call")
    >>> learned = learn(data, "bought", "arm", "none", ["age"], model=LinearRegression())
    >>> learned.scores.columns.tolist()
    ['customer_id', 'arm', 'bought', 'score', 'rank', 'fold']
    >>> from segmentation import uplift_curve
    >>> uplift_curve(learned.scores, "rank", "bought", "arm", "none").qini_p < 0.001
    True
    >>> new = pd.DataFrame({"customer_id": ["N1", "N2"], "age": [-1.0, 1.0]})
    >>> learned.score(new)["score"].round().tolist()
    [-1.0, 1.0]
    """
    covariates = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    _check(method, folds, share)
    roll = read_roll(data, outcome, arm, control, covariates, share, treated, unit, cluster, limit)
    rows = roll.rows
    halves = fold_numbers(rows["cluster" if cluster else "unit"], 2 * folds, seed)
    lesson = Lesson(
        columns=known_covariates(rows, covariates, "data"),
        y=rows["y"].to_numpy(float, na_value=np.nan),
        treated=rows["treated"].to_numpy(bool),
        fold=halves % folds,
        known=rows["y"].notna().to_numpy(bool),
        half=halves // folds,
        share=rows["share"].to_numpy(float) if "share" in rows else None,
        regressor=seeded(small_trees() if model is None else model, seed),
        propensity=None if propensity is None else seeded(classifier(propensity), seed),
    )
    _both_arms(lesson, folds, arm)
    with one_thread(len(rows)):
        effects = cross_fitted(lesson, method)
        score = _scores(lesson, effects, 0)
        earlier = pd.Series(_scores(lesson, sequential(lesson, method), 1))
    rank = earlier.groupby(lesson.fold).rank(pct=True)
    table = roll.given.assign(score=score, rank=rank, fold=lesson.fold)
    table.attrs[CROSS_FITTED] = ["score"]
    return Learned(
        scores=as_kind(table, nw.to_native(data, pass_through=True)),
        method=method,
        outcome=outcome,
        arm=arm,
        control=roll.control,
        treated=roll.treated,
        covariates=covariates,
        unit=unit,
        folds=folds,
        _effects=tuple(effects),
        _texts=tuple(values.dtype == object for values in lesson.columns),
        _seen=frozenset(rows["unit"]),
    )


def _check(method: str, folds: int, share: float | str | None) -> None:
    if method not in METHODS:
        raise ValueError(f"method: one of {', '.join(METHODS)}")
    least = 3 if method == "dr" else 2
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < least:
        raise ValueError(f"folds: a whole number of {least} or more for this method")
    if isinstance(share, float | int) and not 0 < share < 1:
        raise ValueError("share: the chance of treatment lies between 0 and 1")


def _scores(lesson: Lesson, effects: list[Effect], first: int) -> Floats:
    """Scores of the folds from `first` on, by one effect each; NaN before."""
    score = np.full(len(lesson.y), np.nan)
    for fold, effect in enumerate(effects, first):
        here = lesson.fold == fold
        score[here] = effect.of(lesson.columns, here)
    return score


def _both_arms(lesson: Lesson, folds: int, arm: str) -> None:
    for fold in range(folds):
        here = lesson.known & (lesson.fold == fold)
        if len(np.unique(lesson.treated[here])) < 2:
            raise TableError(
                "data",
                "every fold has customers of both arms whose outcome is known",
                "Take fewer folds, or more customers.",
                arm,
            )
