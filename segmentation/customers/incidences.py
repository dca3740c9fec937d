"""Survival and incidence from counts: who is at risk, who left when and how, with limits."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from segmentation.customers.intervals import wilson

__all__ = ["Course", "LogRank", "Risk", "follow", "log_rank", "points_of", "risk_of"]

Floats = npt.NDArray[np.float64]
NEAR = 1e-12
"""Shares as near to 0 or 1 are 0 or 1 but for rounding."""


class LogRank(NamedTuple):
    """The log-rank test that all groups leave alike: its χ², degrees of freedom and p."""

    chi2: float
    df: int
    p: float


@dataclass(frozen=True)
class Risk:
    """Who was under observation and who left, of one group.

    Attributes
    ----------
    times : array (T,)
        Distinct times at which someone's observation ends, rising.
    ends : array (T, 1 + K)
        How many ended then: unseen to leave, and by each of K kinds.
    entries, entered : arrays
        Times at which customers came under observation, rising, and how many; −∞ for the start.
    """

    times: Floats
    ends: Floats
    entries: Floats
    entered: Floats

    def at(self, times: Floats, after: bool = False) -> Floats:
        """Customers at risk just before each time, or just after it."""
        side: Literal["left", "right"] = "right" if after else "left"
        came = np.concatenate([[0.0], np.cumsum(self.entered)])
        gone = np.concatenate([[0.0], np.cumsum(self.ends.sum(axis=1))])
        result: Floats = (
            came[np.searchsorted(self.entries, times, side)]
            - gone[np.searchsorted(self.times, times, side)]
        )
        return result

    def events(self, times: Floats) -> Floats:
        """How many left, in any way, at each time."""
        left = np.append(self.ends[:, 1:].sum(axis=1), 0.0)
        place = np.searchsorted(self.times, times)
        same = np.append(self.times, np.nan)[place] == times
        return np.where(same, left[place], 0.0)


@dataclass(frozen=True)
class Course:
    """Survival and incidences of a group after each of its times, with limits.

    Attributes
    ----------
    times, survival, low, high : arrays (T,)
    incidence, incidence_low, incidence_high : arrays (T, K)
    """

    times: Floats
    survival: Floats
    low: Floats
    high: Floats
    incidence: Floats
    incidence_low: Floats
    incidence_high: Floats

    def median(self) -> tuple[float, float, float]:
        """First time at which no more than half are there, with Brookmeyer and Crowley's limits."""

        def first(curve: Floats) -> float:
            reached = curve <= 0.5 + 1e-12
            return float(self.times[reached.argmax()]) if reached.any() else float("nan")

        return first(self.survival), first(self.low), first(self.high)


def risk_of(
    time: Floats, kind: npt.NDArray[np.int64], count: Floats, kinds: int, late: Floats | None
) -> Risk:
    """Gather counts by time and kind (0 unseen to leave); `late` has rows (entry, count)."""
    times, place = np.unique(time, return_inverse=True)
    ends = np.zeros((len(times), kinds + 1))
    np.add.at(ends, (place, kind), count)
    if late is None:
        return Risk(times, ends, np.array([-np.inf]), np.array([count.sum()]))
    entries, where = np.unique(late[:, 0], return_inverse=True)
    entered = np.asarray(np.bincount(where, late[:, 1]), float)
    return Risk(times, ends, entries, entered)


def points_of(risk: Risk, scale: float, whole: bool) -> Floats:
    """Times to tell: each month or the like up to the last, or those at which someone left."""
    last = float(risk.times[-1])
    if whole:
        steps = np.arange(1, np.floor(last / scale) + 1) * scale
        return np.unique(np.append(steps, last))
    return np.unique(np.append(risk.times[risk.ends[:, 1:].sum(axis=1) > 0], last))


def follow(risk: Risk, level: float) -> Course:
    """Kaplan and Meier's survival, and Aalen and Johansen's incidence of each kind of end."""
    n, kinds = risk.at(risk.times), risk.ends[:, 1:]
    d = kinds.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        keeps = np.where(d > 0, 1 - d / n, 1.0)
        greenwood = np.where((d > 0) & (n > d), d / (n * (n - d)), 0.0)
    survival: Floats = np.asarray(np.cumprod(keeps), float)
    before = np.concatenate([[1.0], survival[:-1]])
    steps = np.where(n[:, None] > 0, kinds / np.where(n > 0, n, 1.0)[:, None], 0.0)
    incidence = np.cumsum(before[:, None] * steps, axis=0)
    variance = np.empty_like(incidence)
    for place in range(kinds.shape[1]):
        variance[:, place] = _spread(n, kinds[:, place], greenwood, before, incidence[:, place])
    spread = survival**2 * np.cumsum(greenwood)
    low, high = _limits(survival, spread, n, level)
    found = [_limits(incidence[:, k], variance[:, k], n, level) for k in range(kinds.shape[1])]
    lows = np.column_stack([each[0] for each in found])
    highs = np.column_stack([each[1] for each in found])
    _carry(high, survival < NEAR)
    for place in range(kinds.shape[1]):
        _carry(lows[:, place], incidence[:, place] > 1 - NEAR)
    return Course(risk.times, survival, low, high, incidence, lows, highs)


def _carry(limits: Floats, done: npt.NDArray[np.bool_]) -> None:
    """When the last one leaves nothing new is learnt: the limit stays as it was."""
    if done.any() and done.argmax() > 0:
        limits[done] = limits[done.argmax() - 1]


def _spread(n: Floats, d: Floats, greenwood: Floats, before: Floats, incidence: Floats) -> Floats:
    """Marubini and Valsecchi's variance of an incidence F, with its square multiplied out:

    ``Σ (F(t) − Fᵢ)²·gᵢ + Σ S²·d(n − d)/n³ − 2 Σ (F(t) − Fᵢ)·S·d/n²``.
    """
    n = np.where(n > 0, n, 1.0)
    own = before**2 * d * (n - d) / n**3
    cross = before * d / n**2
    f = incidence
    squares = (
        f**2 * np.cumsum(greenwood) - 2 * f * np.cumsum(greenwood * f) + np.cumsum(greenwood * f**2)
    )
    both = f * np.cumsum(cross) - np.cumsum(cross * f)
    result: Floats = np.maximum(squares + np.cumsum(own) - 2 * both, 0.0)
    return result


def _limits(share: Floats, variance: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    """Limits on the scale log(−log p); where p is 0 or 1 yet, Wilson's of those at risk."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    inside = (share > NEAR) & (share < 1 - NEAR) & (variance > 0)
    p = np.where(inside, share, 0.5)
    reach = z * np.sqrt(variance) / np.abs(p * np.log(p))
    low, high = p ** np.exp(reach), p ** np.exp(-reach)
    whole = np.where(share >= 0.5, n, 0.0)
    bare = wilson(whole, n, level)
    return np.where(inside, low, bare[0]), np.where(inside, high, bare[1])


def log_rank(risks: list[Risk]) -> LogRank:
    """Test that all groups leave alike: ``(O − E)ᵀ V⁻¹ (O − E)``, V hypergeometric by time."""
    from scipy.stats import chi2

    seen = [risk.times[risk.ends[:, 1:].sum(axis=1) > 0] for risk in risks]
    times = np.unique(np.concatenate(seen)) if seen else np.array([])
    if len(risks) < 2 or not len(times):
        return LogRank(float("nan"), max(len(risks) - 1, 0), float("nan"))
    n = np.column_stack([risk.at(times) for risk in risks])
    d = np.column_stack([risk.events(times) for risk in risks])
    total, left = n.sum(axis=1), d.sum(axis=1)
    share = n / total[:, None]
    gap = (d - left[:, None] * share).sum(axis=0)
    scale = left * (total - left) / np.maximum(total - 1, 1)
    between = np.einsum("t,ti,tj->ij", scale, share, share)
    variance = np.diag((scale[:, None] * share).sum(axis=0)) - between
    rank = int(np.linalg.matrix_rank(variance, 1e-9 * float(variance.max()), hermitian=True))
    if rank == 0:
        return LogRank(float("nan"), len(risks) - 1, float("nan"))
    value = float(gap @ np.linalg.pinv(variance, 1e-9, hermitian=True) @ gap)
    return LogRank(value, rank, float(chi2.sf(value, rank)))
