"""Learners of the effect by customer: S, T, X and DR, from a regression of any kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segmentation.campaigns.encodings import Encoding, Floats, encode

__all__ = ["METHODS", "Effect", "Lesson", "cross_fitted", "sequential"]

METHODS = ("dr", "s", "t", "x")
CLIP = 0.01
"""An estimated chance of treatment is kept so far from 0 and from 1."""

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learnt from: one row a customer, in the order of the identifier.

    Attributes
    ----------
    columns : list of array
        Covariates, as `known_covariates` gives them.
    y, treated, fold : array
    known : array of bool
        Whose outcome is known.
    half : array
        0 or 1 within each fold.
    share : array or None
        Chance of treatment of each; None: the share of those learnt from.
    regressor, propensity : estimators, the latter or None
    """

    columns: list[Any]
    y: Floats
    treated: Rows
    fold: npt.NDArray[np.int64]
    known: Rows
    half: npt.NDArray[np.int64]
    share: Floats | None
    regressor: Any
    propensity: Any


@dataclass(frozen=True)
class Effect:
    """An effect by customer that was learnt without one of the folds."""

    encoding: Encoding
    predict: Callable[[Floats], Floats]

    def of(self, columns: list[Any], rows: Any) -> Floats:
        """Return the effect on the customers of some rows."""
        return self.predict(self.encoding.matrix(columns, rows))


def cross_fitted(lesson: Lesson, method: str) -> list[Effect]:
    """Return one effect a fold, learnt without any outcome of it."""
    folds = range(int(lesson.fold.max()) + 1)
    if method == "dr":
        return _doubly_robust(lesson, folds)
    learn = {"s": _single, "t": _two, "x": _crossed}[method]
    return [learn(lesson, lesson.known & (lesson.fold != fold)) for fold in folds]


def sequential(lesson: Lesson, method: str) -> list[Effect]:
    """Return one effect for each fold but the first, learnt from earlier folds only."""
    learn = {"s": _single, "t": _two, "x": _crossed, "dr": _doubly_robust_once}[method]
    folds = range(1, int(lesson.fold.max()) + 1)
    return [learn(lesson, lesson.known & (lesson.fold < fold)) for fold in folds]


def _fit(model: Any, matrix: Floats, values: Any) -> Any:
    from sklearn.base import clone

    return clone(model).fit(matrix, values)


def _arms(lesson: Lesson, rows: Rows, encoding: Encoding) -> tuple[Any, Any]:
    """Regressions of the outcome in control and in treatment."""
    control, treated = (
        _fit(lesson.regressor, encoding.matrix(lesson.columns, part), lesson.y[part])
        for part in (rows & ~lesson.treated, rows & lesson.treated)
    )
    return control, treated


def _single(lesson: Lesson, rows: Rows) -> Effect:
    """One regression with the arm as a covariate."""
    encoding = encode(lesson.columns, rows)
    matrix = encoding.matrix(lesson.columns, rows)
    model = _fit(lesson.regressor, np.column_stack([matrix, lesson.treated[rows]]), lesson.y[rows])

    def predict(new: Floats) -> Floats:
        ones = np.ones(len(new))
        found: Floats = model.predict(np.column_stack([new, ones]))
        found -= model.predict(np.column_stack([new, 0 * ones]))
        return found

    return Effect(encoding, predict)


def _two(lesson: Lesson, rows: Rows) -> Effect:
    """One regression an arm."""
    encoding = encode(lesson.columns, rows)
    control, treated = _arms(lesson, rows, encoding)
    return Effect(encoding, lambda new: treated.predict(new) - control.predict(new))


def _crossed(lesson: Lesson, rows: Rows) -> Effect:
    """Regressions of each arm's outcome less what the other arm's regression says."""
    encoding = encode(lesson.columns, rows)
    models = _arms(lesson, rows, encoding)
    effects = []
    for arm, other in ((False, models[1]), (True, models[0])):
        part = rows & (lesson.treated == arm)
        matrix = encoding.matrix(lesson.columns, part)
        gap = (lesson.y[part] - other.predict(matrix)) * (1 if arm else -1)
        effects.append(_fit(lesson.regressor, matrix, gap))
    chance = _chance(lesson, rows, encoding)

    def predict(new: Floats) -> Floats:
        e = chance(new)
        found: Floats = e * effects[0].predict(new) + (1 - e) * effects[1].predict(new)
        return found

    return Effect(encoding, predict)


def _chance(lesson: Lesson, rows: Rows, encoding: Encoding) -> Callable[[Floats], Any]:
    """Chance of treatment: estimated, or the same for all."""
    if lesson.propensity is None:
        share = lesson.treated if lesson.share is None else lesson.share
        mean = float(np.mean(share[rows]))
        return lambda new: mean
    matrix = encoding.matrix(lesson.columns, rows)
    model = _fit(lesson.propensity, matrix, lesson.treated[rows].astype(int))
    return lambda new: np.clip(model.predict_proba(new)[:, 1], CLIP, 1 - CLIP)


def _doubly_robust(lesson: Lesson, folds: range) -> list[Effect]:
    """Regress ``m₁ − m₀ + w/e·(y − m₁) − (1 − w)/(1 − e)·(y − m₀)`` on the covariates.

    Of fold k the regressions m that enter the effect for fold j have seen neither k nor j, so that
    there is one of them for every pair of folds.
    """
    target = np.full((len(folds), len(lesson.y)), np.nan)
    for k in folds:
        for j in range(k):
            rows = lesson.known & (lesson.fold != k) & (lesson.fold != j)
            own, other = (lesson.known & (lesson.fold == fold) for fold in (k, j))
            target[j, own], target[k, other] = _pseudo_outcomes(lesson, rows, (own, other))
    return [
        _on_pseudo_outcomes(lesson, lesson.known & (lesson.fold != k), target[k]) for k in folds
    ]


def _doubly_robust_once(lesson: Lesson, rows: Rows) -> Effect:
    """Do the same within some rows: by their folds, or the halves of the only one."""
    group = lesson.fold if len(np.unique(lesson.fold[rows])) > 1 else lesson.half
    target = np.full(len(lesson.y), np.nan)
    for number in np.unique(group[rows]):
        here = rows & (group == number)
        target[here] = _pseudo_outcomes(lesson, rows & ~here, (here,))[0]
    return _on_pseudo_outcomes(lesson, rows, target)


def _pseudo_outcomes(lesson: Lesson, rows: Rows, others: tuple[Rows, ...]) -> list[Floats]:
    """Effects of other rows by regressions on `rows`, made unbiased by what these leave over."""
    encoding = encode(lesson.columns, rows)
    control, treated = _arms(lesson, rows, encoding)
    chance = _chance(lesson, rows, encoding)
    found = []
    for here in others:
        matrix = encoding.matrix(lesson.columns, here)
        m0, m1 = control.predict(matrix), treated.predict(matrix)
        e = chance(matrix)
        if lesson.propensity is None and lesson.share is not None:
            e = lesson.share[here]
        y, w = lesson.y[here], lesson.treated[here]
        found.append(m1 - m0 + np.where(w, (y - m1) / e, -(y - m0) / (1 - e)))
    return found


def _on_pseudo_outcomes(lesson: Lesson, rows: Rows, target: Floats) -> Effect:
    encoding = encode(lesson.columns, rows)
    model = _fit(lesson.regressor, encoding.matrix(lesson.columns, rows), target[rows])
    return Effect(encoding, model.predict)
