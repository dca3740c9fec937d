"""The maximum of a binomial likelihood over levels of terms, separated levels included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["OTHER", "Maximum", "levels_of", "likelihood", "maximum", "pooled", "separated"]

Floats = npt.NDArray[np.float64]
OTHER = "other"
FEWEST = 5.0  # customers with and without the field that a level is expected to have
FAR = 12.0  # log odds beyond which an estimate is on its way to infinity


@dataclass(frozen=True)
class Maximum:
    """The maximum of the likelihood: its value, the rank of the design, estimate and error."""

    likelihood: float
    rank: int
    estimates: dict[tuple[str, str], tuple[float, float]]


def maximum(cells: pd.DataFrame, levels: dict[str, list[str]]) -> Maximum:
    """Maximise over all levels.

    In a level where all or none are missing the maximum is at an infinite estimate, where its cells
    add nothing to the log-likelihood: they are set apart, and the rest is fitted.
    """
    keys = [(term, name) for term, names in levels.items() for name in names[1:]]
    dummies = [(cells[term] == name).to_numpy(float) for term, name in keys]
    design: Floats = np.column_stack([np.ones(len(cells)), *dummies])
    rank = len(_independent(design))
    estimates = dict.fromkeys(keys, (np.nan, np.nan))
    rest, infinite = separated(cells, levels)
    estimates.update({key: (sign * np.inf, np.nan) for key, sign in infinite.items()})
    if not len(rest) or not 0 < rest["missing"].sum() < rest["n"].sum():
        return Maximum(0.0, rank, estimates)
    n, missing = rest["n"].to_numpy(float), rest["missing"].to_numpy(float)
    design = design[rest.index]
    columns = _independent(design)
    values, errors, means = _logistic(design[:, columns], n, missing)
    for column, value, error in zip(columns, values, errors, strict=True):
        if column and abs(value) > FAR:
            estimates[keys[column - 1]] = (np.sign(value) * np.inf, np.nan)
        elif column:
            estimates[keys[column - 1]] = (float(value), float(error))
    return Maximum(likelihood(n, missing, means), rank, estimates)


def separated(
    cells: pd.DataFrame, levels: dict[str, list[str]]
) -> tuple[pd.DataFrame, dict[tuple[str, str], int]]:
    """Cells without those of levels where all or none are missing, and the sign of these."""
    infinite: dict[tuple[str, str], int] = {}
    rest = cells
    while True:
        found = {}
        for term in levels:
            sums = rest.groupby(term)[["n", "missing"]].sum()
            for name in sums.index[sums["missing"] == 0]:
                found[term, name] = -1
            for name in sums.index[sums["missing"] == sums["n"]]:
                found[term, name] = 1
        if not found:
            return rest, infinite
        infinite.update(found)
        for term, name in found:
            rest = rest[rest[term] != name]


def _independent(design: Floats) -> list[int]:
    """Columns that are no combination of those before them (a manager is of one branch only).

    Gram and Schmidt on the cross-products, which are no larger than the columns are many.
    """
    left = design.T @ design
    sizes = np.diag(left).copy()
    kept = []
    for number, size in enumerate(sizes):
        if left[number, number] > 1e-9 * max(size, 1.0):
            kept.append(number)
            row = left[number].copy()
            left = left - np.outer(row, row) / row[number]
    return kept


def _logistic(design: Floats, n: Floats, missing: Floats) -> tuple[Floats, Floats, Floats]:
    """Estimates, standard errors and fitted shares of a logistic model, by Newton's method.

    On cross-products, which stay small for many cells; a step that lowers the likelihood is halved.
    """
    from scipy.special import expit

    rate = missing.sum() / n.sum()
    values: Floats = np.zeros(design.shape[1])
    values[0] = np.log(rate / (1 - rate))
    reached = likelihood(n, missing, expit(design @ values))
    for _ in range(100):
        means = expit(design @ values)
        information = (design * (n * means * (1 - means))[:, None]).T @ design
        step = np.linalg.solve(information, design.T @ (missing - n * means))
        while True:
            now = likelihood(n, missing, expit(design @ (values + step)))
            if now >= reached - 1e-9 or np.abs(step).max() < 1e-9:
                break
            step = step / 2
        values, gain, reached = values + step, now - reached, now
        if np.abs(step).max() < 1e-9 or (abs(gain) < 1e-9 and np.abs(values).max() > FAR):
            break
    errors = np.sqrt(np.diag(np.linalg.pinv(information, hermitian=True)))
    return values, errors, expit(design @ values)


def likelihood(n: Floats, missing: Floats, means: Floats) -> float:
    from scipy.special import xlog1py, xlogy

    return float((xlogy(missing, means) + xlog1py(n - missing, -means)).sum())


def pooled(cells: pd.DataFrame, term: str) -> pd.Series[Any]:
    """Levels too small for the test become "other", and that, if too small, the largest level."""
    rate = float(cells["missing"].sum() / cells["n"].sum())
    enough = FEWEST / min(rate, 1 - rate)
    labels = cells[term].astype(object)
    sums = cells["n"].groupby(labels).sum()
    labels = labels.where(labels.map(sums) >= enough, OTHER)
    sums = cells["n"].groupby(labels).sum()
    return labels.where(labels.map(sums) >= enough, sums.idxmax())


def levels_of(cells: pd.DataFrame, terms: list[str]) -> dict[str, list[str]]:
    """Names of each term's levels, the reference first: the largest that can be compared with.

    A term of one level has nothing to compare, and is left out.
    """
    sums = {term: cells.groupby(term)["n"].sum() for term in terms}
    _, infinite = separated(cells, {term: list(sums[term].index) for term in terms})
    levels = {}
    for term, sizes in sums.items():
        if len(sizes) < 2:
            continue
        usable = [name for name in sizes.index if (term, name) not in infinite]
        first = sizes[usable or list(sizes.index)].idxmax()
        levels[term] = [first, *(name for name in sizes.index if name != first)]
    return levels
