"""Two samples compared by their moments: is a difference more than chance?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Sample", "chi_square", "hotelling", "same_share"]

Floats = npt.NDArray[np.float64]
FLAT = 1e-10
"""Share of the variance of a column below which a direction is taken to have none."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Number of units, means (K,) and centred sums of products (K, K) of K columns."""

    n: int
    means: Floats
    products: Floats

    @classmethod
    def of(cls, values: Floats) -> Sample:
        """Moments of a table (units, K)."""
        means = values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
        gaps = values - means
        return cls(len(values), means, gaps.T @ gaps)

    def take(self, places: list[int]) -> Sample:
        """Moments of some of the columns."""
        return Sample(self.n, self.means[places], self.products[np.ix_(places, places)])


def hotelling(one: Sample, other: Sample) -> tuple[float, float]:
    """Hotelling's T² of two samples, and its p-value.

    ``T² = n₁n₂/(n₁+n₂) · dᵀS⁻¹d`` with the pooled covariance S; of one column it is the square of
    Student's t. Columns that follow from others count once. A difference in a direction that does
    not vary within the samples has p-value 0.

    Returns
    -------
    T², p
        NaN where there are too few units for so many columns.

    References
    ----------
    Hotelling (1931), The generalization of Student's ratio, Ann. Math. Statist. 2.

    Examples
    --------
    >>> a, b = Sample.of(np.array([[1.0], [2.0], [3.0]])), Sample.of(np.array([[4.0], [6.0]]))
    >>> [round(part, 4) for part in hotelling(a, b)]
    [8.1, 0.0653]
    """
    from scipy import stats

    n = one.n + other.n
    if one.n < 1 or other.n < 1 or n < 3:
        return math.nan, math.nan
    gap = one.means - other.means
    pooled = (one.products + other.products) / (n - 2)
    weight = one.n * other.n / n
    spread = np.sqrt(np.diag(pooled))
    varied = spread > FLAT * (1 + np.abs(one.means))
    if (np.abs(gap[~varied]) > FLAT * (1 + np.abs(one.means[~varied]))).any():
        return math.inf, 0.0
    gap, scale = gap[varied] / spread[varied], np.outer(spread[varied], spread[varied])
    pooled = pooled[np.ix_(varied, varied)] / scale
    lengths, directions = np.linalg.eigh(pooled)
    along = directions.T @ gap
    live = lengths > FLAT * len(gap)
    rank = int(live.sum())
    if not rank:
        return 0.0, 1.0
    if len(gap) > n - 2:  # too few units to tell a direction without variance from chance
        return math.nan, math.nan
    if (np.abs(along[~live]) > 1e-6).any():
        return math.inf, 0.0
    square = float(weight * (along[live] ** 2 / lengths[live]).sum())
    freedom = n - rank - 1
    return square, float(stats.f.sf(square * freedom / (rank * (n - 2)), rank, freedom))


def chi_square(observed: Floats, expected: Floats) -> tuple[float, int, float]:
    """Pearson's χ² of counts (strata, arms) with those expected, its freedom and its p-value.

    One row of two arms of which one is expected to be below 5 gets the exact p-value of a binomial.

    Examples
    --------
    >>> [round(x, 4) for x in chi_square(np.array([[505.0, 495.0]]), np.array([[500.0, 500.0]]))]
    [0.1, 1, 0.7518]
    """
    from scipy import stats

    rows = expected.sum(axis=1) > 0
    observed, expected = observed[rows], expected[rows]
    cells = np.where(
        expected > 0, (observed - expected) ** 2 / np.where(expected > 0, expected, 1), 0
    )
    if ((expected == 0) & (observed > 0)).any():
        return math.inf, 1, 0.0
    square = float(cells.sum())
    freedom = int((np.count_nonzero(expected, axis=1) - 1).sum())
    if freedom < 1:
        return square, 0, 1.0
    if expected.shape == (1, 2) and expected.min() < 5:
        total = int(observed.sum())
        share = float(expected[0, 0] / expected.sum())
        return square, 1, float(stats.binomtest(int(observed[0, 0]), total, share).pvalue)
    return square, freedom, float(stats.chi2.sf(square, freedom))


def same_share(count: float, n: float, other: float, m: float) -> float:
    """P-value of equal shares in two samples: Pearson's, and Fisher's where few are expected.

    Examples
    --------
    >>> round(same_share(10, 100, 20, 100), 4), round(same_share(0, 8, 4, 8), 4)
    (0.0477, 0.0769)
    """
    from scipy import stats

    if min(n, m) < 1:
        return math.nan
    table = np.rint([[count, n - count], [other, m - other]])
    total = table.sum(axis=0)
    if not total.all():
        return 1.0
    expected = np.outer(table.sum(axis=1), total) / table.sum()
    if expected.min() < 5:
        return float(stats.fisher_exact(table.astype(int)).pvalue)
    return float(stats.chi2.sf(((table - expected) ** 2 / expected).sum(), 1))
