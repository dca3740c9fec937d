"""A trial that comes as sums: the moments of an outcome by arm and score."""

from __future__ import annotations

import numpy as np

from segmentation.campaigns.bins import ScoreCells
from segmentation.campaigns.scores import Scored
from segmentation.campaigns.sums import Moments
from segmentation.data.errors import TableError, missing_columns

__all__ = ["cells_of_sums"]


def cells_of_sums(
    data: Moments, score: str, outcome: str, arm: str, control: object, treated: object
) -> tuple[Scored, ScoreCells]:
    """Return two arms of a trial, and a cell for each arm and score.

    Raises
    ------
    TableError
        If the sums are not by arm and score or not of the outcome, an arm is missing, several are
        there and none is named, or a score is no number.
    """
    missing_columns("data", [arm, score], data.by)
    missing_columns("data", [outcome], data.columns)
    sums = data.pool(arm, score).take(outcome)
    arms = list(dict.fromkeys(sums.groups[arm]))
    if control not in arms:
        raise TableError("data", "the control arm has rows", "Name the arm left alone.", arm)
    others = [label for label in arms if label != control]
    if treated is None and len(others) != 1:
        mend = "Name one with `treated`."
        raise TableError("data", "a curve compares one arm with control", mend, arm)
    chosen = others[0] if treated is None else treated
    if chosen not in others:
        mend = "Name an arm beside control."
        raise TableError("data", "the treated arm has rows", mend, arm)
    labels = sums.groups[arm].to_numpy()
    rows = np.flatnonzero(((labels == control) | (labels == chosen)) & (sums.n > 0))
    try:
        scores = sums.groups[score].to_numpy(dtype=float, na_value=np.nan)[rows]
    except (TypeError, ValueError):
        mend = "Sum by the number itself."
        raise TableError("data", "a score is a number", mend, score) from None
    if not np.isfinite(scores).all():
        unknown = int(sums.n[rows][~np.isfinite(scores)].sum())
        raise TableError("data", "a score is a number", "Leave them out.", score, unknown)
    n, means = sums.n[rows].astype(float), sums.means[rows, 0]
    centre = float(n @ means / n.sum())
    gaps = means - centre
    is_treated = labels[rows] == chosen
    cells = ScoreCells(
        cells=np.unique(scores, return_inverse=True)[1].astype(np.int64)[:, None],
        treated=is_treated,
        n=n,
        sums=n * gaps,
        squares=sums.products[rows, 0, 0] + n * gaps**2,
        lows=scores[:, None],
        highs=scores[:, None],
        cluster=None,
        centre=centre,
    )
    dropped = sums.groups["dropped"].to_numpy(dtype=np.int64)[rows]
    total = n.astype(np.int64) + dropped
    counts = int(total[~is_treated].sum()), int(total[is_treated].sum())
    nowhere = None  # there are no customers to read
    return Scored(nowhere, (score,), outcome, control, chosen, *counts, False), cells  # type: ignore[arg-type]
