"""Standards: the rate that groups would have if all were made of the same people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from segmentation.customers.limits import difference, limits
from segmentation.customers.strata import (
    Strata,
    cells_of,
    keys_of,
    share_data,
    strata_of,
    weights_of,
)
from segmentation.customers.vectors import Floats
from segmentation.data.errors import TableError

__all__ = ["standardised_rate"]

INTERVALS = ("auto", "wilson", "normal", "gamma")
RESERVED = (
    *("n", "unknown", "crude", "crude_low", "crude_high", "standardised", "low", "high"),
    *("overall", "difference", "difference_low", "difference_high", "borrowed", "interval"),
    *("observed", "expected", "ratio", "ratio_low", "ratio_high"),
)
EMPTY = ("refuse", "pool", "leave")


def standardised_rate(
    data: Any,
    rate: str | tuple[str, str],
    by: str | Iterable[str],
    standard: Any = "own",
    *,
    group: str | Iterable[str] | None = None,
    weight: str | None = None,
    method: str = "direct",
    empty: str = "refuse",
    interval: str = "auto",
    level: float = 0.95,
) -> pd.DataFrame:
    """Standardise rates, so that groups of unlike customers can be compared.

    Directly: ``Σ w_s·r_gs``, the group's own rate at each level s, weighed by the same standard for
    every group, ``Σ w_s = 1``. Indirectly: observed over expected, ``O/E = Σ n_gs·r_gs / Σ
    n_gs·R_s``, with R the rates of all groups together; groups are then comparable with all
    together, not with each other.

    Parameters
    ----------
    data : any frame Narwhals knows
        One row a customer, or one row a group and level with counts.
    rate : str or (str, str)
        A column of flags or numbers, whose mean is the rate; or the columns of a numerator and a
        denominator, added up by level. Rows whose rate is null or NaN are left out, and counted.
    by : str or several
        Columns of the levels to compare at, for example `cohort` from ``assign_cohort(…,
        "five_years")``; never null.
    standard : Series, dict, DataFrame or ``"own"``
        Weights by level (labels of several `by` are tuples), of any sum, as from
        `census_population`. ``"own"``: the customers of all groups together. Every level in `data`
        must have a weight, which may be 0.
    group : str or several, optional
        Columns of the groups, for example `branch_id`; without, all rows are one group.
    weight : str, optional
        The column of weights, where `standard` is a DataFrame with several others beside `by`.
    method : str
        ``direct`` or ``indirect`` (of the own standard only).
    empty : str
        What to do where a group has nobody at a level that the standard weighs: ``refuse``;
        ``pool`` takes the rate of all groups at that level, and shows as `borrowed` how much of the
        standard that was; ``leave`` gives no rate to such a group. Weights are never changed.
    interval : str
        ``wilson`` (shares): Wilson's interval at each level, squared and added. ``normal``: ``Σ
        w²·s²/n`` with Student's t and Satterthwaite's degrees of freedom. ``gamma`` (counts of
        events, or a numerator that may be above its denominator): Fay and Feuer's. ``auto`` takes
        the first for shares, the third for other numerators, the second for other numbers.
    level : float
        Confidence.

    Returns
    -------
    DataFrame
        One row a group, in order: the columns of `group`, n (customers, or the denominator),
        unknown (rows left out), crude, crude_low, crude_high, standardised, low, high; then

        - direct: overall (all groups together at the same standard) and, with groups, difference
          (standardised − overall), difference_low, difference_high; borrowed.
        - indirect: observed, expected, ratio, ratio_low, ratio_high. `standardised` is the ratio
          times the rate of all.

        and interval, the one that was taken. In the unit of the rate.

    Raises
    ------
    TableError
        If a column is missing, null or no number, levels of the data have no weight, levels of the
        standard have no customers, or as `empty` says.

    Notes
    -----
    The standard is taken as known, and so is E. The difference has no part of the group on both
    sides: it is ``Σ w_s·(1 − f_gs)·(r_gs − r_rest,s)``, f the group's part of a level.

    One number hides where rates cross: a branch that is better among the young and worse among the
    old may have the standard's rate. `kitagawa` shows it level by level. In one snapshot a rate at
    the same age compares generations as well: age, period and cohort cannot be told apart.

    References
    ----------
    Fay & Feuer (1997), Confidence intervals for directly standardized rates, Statistics in Medicine
    16; Yan & Su (2010), Stratified Wilson and Newcombe confidence intervals, Statistics in
    Biopharmaceutical Research 2; Zou & Donner (2008), Statistics in Medicine 27.

    Examples
    --------
    Two branches that are alike at every age, of which the second is older:

    >>> counts = pd.DataFrame({
    ...     "branch_id": ["B1", "B1", "B2", "B2"], "age": ["under 50", "50+"] * 2,
    ...     "mobile": [560, 60, 240, 140], "customers": [700, 200, 300, 466],
    ... })
    >>> rates = standardised_rate(
    ...     counts, ("mobile", "customers"), "age", {"under 50": 1, "50+": 1}, group="branch_id"
    ... )
    >>> rates[["branch_id", "crude", "standardised", "low", "high"]].round(3).values.tolist()
    [['B1', 0.689, 0.55, 0.517, 0.586], ['B2', 0.496, 0.55, 0.519, 0.58]]
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    groups = () if group is None else (group,) if isinstance(group, str) else tuple(group)
    _check(by, groups, standard, method, empty, interval, level)
    cells = cells_of(data, rate, by, groups)
    kind = _kind(interval, cells, not isinstance(rate, str))
    weights = _weights(cells, by, standard, weight)
    levels = weights.index[weights > 0]
    strata = strata_of(cells, by, groups, levels)
    found = _crude(cells, strata, by, groups, kind, level)
    if method == "indirect":
        _indirect(found, strata, kind, level)
    else:
        _direct(found, strata, weights[levels].to_numpy(float), empty, kind, level)
    return found.assign(interval=kind)


def _check(
    by: tuple[str, ...],
    groups: tuple[str, ...],
    standard: Any,
    method: str,
    empty: str,
    interval: str,
    level: float,
) -> None:
    if not by or set(by) & set(groups):
        raise TableError("by", "it names columns, none of them of `group`", "Name other columns.")
    if taken := sorted(set(groups) & set(RESERVED)):
        raise TableError("group", "its columns have names of their own", "Rename it.", taken[0])
    if not 0 < level < 1:
        raise TableError("level", "a confidence lies between 0 and 1", "Write .95 for 95 %.")
    own = isinstance(standard, str)
    if own and standard != "own":
        raise TableError("standard", "as text it is own", "Pass it, or weights by level.")
    for name, value, known in (
        ("method", method, ("direct", "indirect")),
        ("empty", empty, EMPTY),
        ("interval", interval, INTERVALS),
    ):
        if value not in known:
            raise TableError(name, f"it is one of {', '.join(known)}", "Pass one of them.")
    if method == "indirect" and not own:
        mend = "Leave the standard away, or take the direct method."
        raise TableError("standard", "of the indirect method it is own", mend)


def _kind(interval: str, cells: pd.DataFrame, counted: bool) -> str:
    """The interval to take, or why not."""
    shares = share_data(cells)
    if interval == "auto":
        return "wilson" if shares else "gamma" if counted else "normal"
    if not shares and (interval == "wilson" or (interval == "normal" and counted)):
        mend = "Take the gamma interval for counts, the normal one for numbers of customers."
        raise TableError("interval", "the rates are shares", mend)
    if interval == "gamma" and (cells["least"] < 0).any():
        raise TableError("interval", "events are not negative", "Take the normal interval.")
    return interval


def _weights(cells: pd.DataFrame, by: tuple[str, ...], standard: Any, weight: str | None) -> Any:
    """The standard, and that data and standard know the same levels."""
    present = cells.groupby(list(by), as_index=False, observed=True)["n"].sum()
    own = weights_of(present, by, "n")
    if isinstance(standard, str):
        return own
    weights = weights_of(standard, by, weight)
    strange = ~own.index.isin(weights.index)
    if strange.any():
        rows = int(present.loc[strange, "n"].sum())
        mend = "Give them a weight, or filter them away."
        raise TableError("standard", "it has all levels of the data", mend, rows=rows)
    known = own.index[own > 0]
    if not weights.index[weights > 0].isin(known).all():
        rows = int((~weights.index[weights > 0].isin(known)).sum())
        mend = "Leave them out of the standard (a census has from_age), or join levels."
        raise TableError("standard", "each level with a weight has customers", mend, rows=rows)
    return weights


def _crude(
    cells: pd.DataFrame,
    strata: Strata,
    by: tuple[str, ...],
    groups: tuple[str, ...],
    kind: str,
    level: float,
) -> pd.DataFrame:
    """Rates as they are, over all rows of a group."""
    every = keys_of(cells[list(by)]).unique()
    whole = strata_of(cells, by, groups, every)
    n, x = whole.n.sum(axis=1), whole.x.sum(axis=1)
    known = n > 0
    mean = np.divide(x, n, out=np.full(len(n), np.nan), where=known)
    within = ((whole.n - 1).clip(min=0) * whole.sd**2).sum(axis=1)
    between = (whole.n * (whole.r - np.nan_to_num(mean)[:, None]) ** 2).sum(axis=1)
    sd = np.sqrt((within + between) / np.where(n > 1, n - 1, np.nan))
    table = Strata(strata.groups, n[:, None], x[:, None], mean[:, None], sd[:, None])
    low, high = limits(table, np.ones((len(n), 1)), kind, level)
    unknown = strata_of(cells.assign(n=cells["unknown"]), by, groups, every).n
    numbers = n.astype("int64") if (n == np.floor(n)).all() else n
    return strata.groups.assign(
        n=numbers,
        unknown=unknown.sum(axis=1).astype("int64"),
        crude=mean,
        crude_low=np.where(known, low, np.nan),
        crude_high=np.where(known, high, np.nan),
    )


def _direct(
    found: pd.DataFrame, strata: Strata, weights: Floats, empty: str, kind: str, level: float
) -> None:
    none = strata.n == 0
    lacking = none.any(axis=1)
    if empty == "refuse" and lacking.any():
        mend = "Join levels, or pass empty='pool' or 'leave', or method='indirect'."
        rule = "each group has customers at each level that the standard weighs"
        raise TableError("data", rule, mend, rows=int(none.sum()))
    whole = strata.whole
    filled = Strata(
        strata.groups,
        *(
            np.where(none, all_, own)
            for own, all_ in (
                (strata.n, whole.n),
                (strata.x, whole.x),
                (strata.r, whole.r),
                (strata.sd, whole.sd),
            )
        ),
    )
    values = filled.r @ weights
    low, high = limits(filled, np.broadcast_to(weights, filled.n.shape), kind, level)
    overall = float((whole.r @ weights)[0])
    columns = {"standardised": values, "low": low, "high": high}
    if len(strata.groups.columns):
        change, lowest, highest = difference(strata, weights, kind, level)
        columns |= {"difference": change, "difference_low": lowest, "difference_high": highest}
    hidden = lacking & (empty == "leave")
    for name, column in columns.items():
        if name == "difference":
            found["overall"] = overall
        found[name] = np.where(hidden, np.nan, column)
    if "overall" not in found:
        found["overall"] = overall
    found["borrowed"] = np.where(hidden, 0.0, none @ weights)


def _indirect(found: pd.DataFrame, strata: Strata, kind: str, level: float) -> None:
    whole = strata.whole
    observed, expected = strata.x.sum(axis=1), strata.n @ whole.r[0]
    known = expected != 0
    scale = np.divide(1.0, expected, out=np.full(len(expected), np.nan), where=known)
    low, high = limits(strata, strata.n * np.nan_to_num(scale)[:, None], kind, level)
    crude = float(whole.x.sum() / whole.n.sum())
    ratio = observed * scale
    ends = {"low": np.where(known, low, np.nan), "high": np.where(known, high, np.nan)}
    found["standardised"] = ratio * crude
    found["low"], found["high"] = ends["low"] * crude, ends["high"] * crude
    found["observed"], found["expected"] = observed, expected
    found["ratio"], found["ratio_low"], found["ratio_high"] = ratio, ends["low"], ends["high"]
