"""Magnitudes: how large a difference between cohorts is, on a scale that can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from segmentation.customers.cohorts import UNKNOWN
from segmentation.customers.intervals import square_and_add
from segmentation.data.errors import TableError, missing_columns

__all__ = ["COHENS_H", "LOG_RATIO", "cohort_effects"]

COHENS_H = "Cohen's h"
LOG_RATIO = "log ratio"
WHOLE = ("customer_share", "aum_share")
"""Shares that cohorts divide among them, and so no property of one of them."""


def cohort_effects(profile: pd.DataFrame, against: str | None = None) -> pd.DataFrame:
    """Say how far each cohort is from one of them, in every measure of a profile.

    For shares it is Cohen's ``h = 2·arcsin √p − 2·arcsin √p₀``, which counts the step from .01 to
    .02 for more than that from .50 to .51; Cohen calls .2 small, .5 medium and .8 large. For means
    of amounts and counts it is the log ratio ``log m − log m₀``: .10 is about 10 % more. For growth
    it is ``log(1 + g) − log(1 + g₀)``.

    Parameters
    ----------
    profile : DataFrame
        Of `cohort_profile`.
    against : str, optional
        The cohort to compare with, by default the one with most customers.

    Returns
    -------
    DataFrame
        One row a measure and other cohort (within each value of the profile's `by`): the columns
        before `cohort` in the profile, measure, cohort, against, scale (``Cohen's h`` or ``log
        ratio``), effect, low, high. The limits are those of the profile's two intervals, squared
        and added on the scale, and of its level. Unknown, as null, where a mean or a limit of it is
        not above 0: a heavy tail in a small group. Customers of unknown cohort are left out.

    Raises
    ------
    TableError
        If it is no profile, has one cohort only, or no cohort `against`.

    Notes
    -----
    With k cohorts and m measures these are (k − 1)·m comparisons: of twenty, one is beyond 0 by
    chance.

    References
    ----------
    Cohen (1988), Statistical power analysis for the behavioral sciences, chapter 6; Zou & Donner
    (2008), Construction of confidence limits about effect measures, Statistics in Medicine 27.

    Examples
    --------
    >>> from segmentation.customers.portraits import cohort_profile
    >>> panel = pd.DataFrame({"age": [20] * 50 + [70] * 40, "aum_average": 100.0})
    >>> panel["debt"] = [1.0] * 30 + [0.0] * 20 + [1.0] * 8 + [0.0] * 32
    >>> effects = cohort_effects(cohort_profile(panel)).query("measure == 'debt_share'")
    >>> effects[["cohort", "effect", "low", "high"]].round(2).values.tolist()
    [['Silver (50 and over)', -0.84, -1.22, -0.41]]
    """
    missing_columns("profile", ("cohort", "cohort_code", "customers"), map(str, profile.columns))
    known = profile[profile["cohort"] != UNKNOWN]
    totals = known.groupby("cohort")["customers"].sum()
    if len(totals) < 2:
        raise TableError("profile", "it has two cohorts or more", "Take another scheme.")
    if against is None:
        against = str(totals.idxmax())
    if against not in totals.index:
        raise TableError("against", "it is a cohort of the profile", "Name one of them.")
    names = [str(name) for name in profile.columns]
    by = names[: names.index("cohort")]
    base, others = (known[known["cohort"].eq(against) == same] for same in (True, False))
    columns = [*by, "measure", "cohort", "against", "scale", "effect", "low", "high"]
    found = [_effects(others, base, by, measure) for measure in _measures(names)]
    if not found:
        return pd.DataFrame(columns=columns)
    return pd.concat(found, ignore_index=True).assign(against=against)[columns]


def _effects(others: pd.DataFrame, base: pd.DataFrame, by: list[str], measure: str) -> pd.DataFrame:
    """The effects in one measure, of each cohort beside that of the same `by`."""
    ends = [measure, f"{measure}_low", f"{measure}_high"]
    pairs = others[[*by, "cohort", *ends]].merge(
        base[[*by, *ends]], on=by or None, how="inner" if by else "cross", suffixes=("", "_base")
    )
    one, zero = (
        tuple(_scaled(pairs[f"{name}{suffix}"].to_numpy(float), measure) for name in ends)
        for suffix in ("", "_base")
    )
    effect, low, high = square_and_add((1, -1), *zip(one, zero, strict=True))
    scale = COHENS_H if _is_share(measure) else LOG_RATIO
    found = pairs[[*by, "cohort"]].assign(measure=measure, scale=scale)
    return found.assign(effect=effect, low=low, high=high)


def _measures(names: list[str]) -> Iterator[str]:
    """Columns with an interval that are properties of a cohort."""
    for name in names:
        if {f"{name}_low", f"{name}_high"} <= set(names) and name not in WHOLE:
            yield name


def _is_share(measure: str) -> bool:
    return measure.endswith("_share") or "_share_of_" in measure


def _scaled(value: Any, measure: str) -> Any:
    """A value on the scale of its effects."""
    if _is_share(measure):
        return 2 * np.arcsin(np.sqrt(value))
    value = 1 + value if measure.endswith("_growth") else value
    return np.log(value, out=np.full(value.shape, np.nan), where=value > 0)
