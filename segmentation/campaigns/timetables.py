"""Tables of a roll-out: estimates with their intervals, who was compared, and the trend before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from segmentation.campaigns.estimates import critical_value
from segmentation.campaigns.relabelings import Relabelings
from segmentation.campaigns.spreads import Spread, cluster_counts
from segmentation.campaigns.timelines import NEVER, Timeline
from segmentation.campaigns.trends import Change

__all__ = ["all_sides", "count", "cut", "led", "permuted", "pretrend", "sides", "with_bases"]

NUMBERS = ("estimate", "se", "low", "high", "p")
SIDES = ("n_treated", "n_control", "clusters_treated", "clusters_control")


def led(table: pd.DataFrame, name: str, labels: Sequence[Any]) -> pd.DataFrame:
    """Put a column first."""
    table.insert(0, name, labels)
    return table


def cut(found: Spread, alpha: float, lengths: Iterable[int]) -> list[pd.DataFrame]:
    """Return estimates with interval and p-value, cut into tables of these lengths."""
    from scipy import stats

    variance = np.diag(found.covariance)
    se = np.where(found.df > 0, np.sqrt(np.maximum(variance, 0.0)), np.nan)
    critical = np.array([critical_value(alpha, df) if df > 0 else np.nan for df in found.df])
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(np.abs(found.estimate) / se, np.where(found.df > 0, found.df, np.nan))
    critical = np.where(se > 0, critical, np.nan)  # no interval where nothing varies
    p = np.where(se > 0, p, np.nan)
    whole = pd.DataFrame(
        {
            "estimate": found.estimate,
            "se": se,
            "low": found.estimate - critical * se,
            "high": found.estimate + critical * se,
            "p": p,
        },
        columns=list(NUMBERS),
    )
    ends = np.cumsum([0, *lengths])
    return [whole.iloc[start:end].reset_index(drop=True) for start, end in pairwise(ends)]


def sides(line: Timeline, cells: list[Change]) -> pd.DataFrame:
    """Return the units and clusters of each comparison."""
    units = [[line.n[side].sum() for side in (cell.treated, cell.control)] for cell in cells]
    both = np.column_stack([units, cluster_counts(line, cells)])
    return pd.DataFrame(np.rint(both).astype(np.int64), columns=list(SIDES))


def all_sides(line: Timeline, cells: list[Change], after: list[int]) -> pd.DataFrame:
    """Units and clusters in any of the comparisons after treatment; some may be on both sides."""
    pair = [
        np.logical_or.reduce([getattr(cells[k], side) for k in after])
        for side in ("treated", "control")
    ]
    units = [line.n[side].sum() for side in pair]
    groups = (
        units
        if line.cluster is None
        else [float(len(np.unique(line.cluster[side]))) for side in pair]
    )
    return pd.DataFrame([np.rint([*units, *groups]).astype(np.int64)], columns=list(SIDES))


def with_bases(table: pd.DataFrame, line: Timeline, cells: list[Change]) -> pd.DataFrame:
    """Show each group's base, too, where the change is nothing by definition."""
    bases = sorted({(cell.cohort, cell.base) for cell in cells})
    rows = pd.DataFrame(
        {
            "group": [line.label(cohort) for cohort, _ in bases],
            "time": [line.label(period) for _, period in bases],
            "estimate": 0.0,
        }
    )
    whole = pd.concat([table, rows], ignore_index=True)
    whole[list(SIDES)] = whole[list(SIDES)].fillna(0).astype(np.int64)
    return whole.sort_values(["group", "time"], ignore_index=True)


def pretrend(found: Spread, before: list[int]) -> pd.DataFrame:
    """F-test of all changes before treatment: W·(ν − q + 1)/(ν·q) for W of q changes.

    With V the sum of independent parts V_h of ν_h degrees of freedom and P_h = V_h·V⁻¹,
    ``ν = (q + q²) / Σ (tr(P_h²) + tr(P_h)²)/ν_h``, which for q = 1 is Satterthwaite's.

    References
    ----------
    Krishnamoorthy & Yu (2004), Modified Nel and Van der Merwe test for the multivariate
    Behrens-Fisher problem, Statistics & Probability Letters 66.
    """
    from scipy import stats

    q = len(before)
    statistic = residual = p = math.nan
    grid = np.ix_(before, before)
    size = np.sqrt(np.diag(found.covariance[grid]))
    if q and (found.df[before] > 0).all() and (size > 0).all():
        scale = np.outer(size, size)
        whole = found.covariance[grid] / scale
        if np.linalg.matrix_rank(whole, tol=1e-9) == q:
            below = 0.0
            for part, own in found.parts:
                relative = np.linalg.solve(whole, part[grid] / scale)
                below += (np.trace(relative @ relative) + np.trace(relative) ** 2) / own
            freedom = (q + q * q) / below
            if freedom - q + 1 > 0:
                ratio = found.estimate[before] / size
                residual = freedom - q + 1
                statistic = float(ratio @ np.linalg.solve(whole, ratio)) * residual / (freedom * q)
                p = float(stats.f.sf(statistic, q, residual))
    return _test(statistic, q, residual, p, "F")


def permuted(draws: Relabelings, before: list[int]) -> pd.DataFrame:
    """Test of all changes before treatment by permutation."""
    statistic, p = draws.joint(before) if before else (math.nan, math.nan)
    return _test(statistic, len(before), math.nan, p, "permutation")


def _test(statistic: float, q: int, residual: float, p: float, method: str) -> pd.DataFrame:
    columns = ["statistic", "df", "df_residual", "p", "method"]
    return pd.DataFrame([[statistic, q, residual, p, method]], columns=columns)


def count(line: Timeline, gaps: Any, always: int, clustered: bool) -> pd.DataFrame:
    """Count who was compared, and who was not."""
    numbers = {
        "units": line.n.sum(),
        "clusters": line.cluster.max() + 1 if clustered else line.n.sum(),
        "never": line.n[(line.first == NEVER) | (line.first > line.times[-1])].sum(),
        "always_treated": always,
        "incomplete": line.n[gaps].sum(),
        "rows_dropped": line.dropped,
    }
    return pd.DataFrame({name: [round(float(number))] for name, number in numbers.items()})
