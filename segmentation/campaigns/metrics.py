"""What a campaign is meant to move: the mean and spread of its outcome before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segmentation.campaigns.sums import Moments
from segmentation.data.errors import TableError

__all__ = ["Metric"]


@dataclass(frozen=True)
class Metric:
    """An outcome as it is without the campaign.

    Made by `share`, `mean`, `ratio`, or from data by `of`.

    Attributes
    ----------
    kind : str
        share, mean or ratio.
    baseline : float
        Mean of the outcome a unit; of a ratio, total over total.
    sd : float
        Standard deviation a unit; of a ratio, that of its linearised form.
    r2 : float
        Share of the variance that covariates known before the campaign explain.
    """

    kind: Literal["share", "mean", "ratio"]
    baseline: float
    sd: float
    r2: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("share", "mean", "ratio"):
            raise _impossible("kind", "a metric is a share, a mean or a ratio")
        if self.kind == "share" and not 0 < self.baseline < 1:
            raise _impossible("baseline", "a share lies between 0 and 1, and is neither")
        if not math.isfinite(self.baseline):
            raise _impossible("baseline", "the mean is a number")
        if not (self.sd > 0 and math.isfinite(self.sd)):
            raise _impossible("sd", "the standard deviation is above 0")
        if not 0 <= self.r2 < 1:
            raise _impossible("r2", "covariates explain a share of the variance, and not all")

    @classmethod
    def share(cls, p: float) -> Metric:
        """Share of units that do something: ``sd = √(p(1 − p))``.

        Examples
        --------
        >>> Metric.share(0.5)
        Metric(kind='share', baseline=0.5, sd=0.5, r2=0.0)
        """
        return cls("share", p, math.sqrt(max(p * (1 - p), 0.0)))

    @classmethod
    def mean(cls, mean: float, sd: float) -> Metric:
        """Mean of an amount, such as yuan a customer."""
        return cls("mean", mean, sd)

    @classmethod
    def ratio(
        cls,
        numerator: tuple[float, float],
        denominator: tuple[float, float],
        correlation: float,
    ) -> Metric:
        """Ratio of two totals, such as sales a visit, of which a customer has several.

        By the delta method, with the customer as the unit:
        ``sd² = (s₁² − 2R·ρ·s₁·s₂ + R²·s₂²) / m₂²`` for ``R = m₁/m₂``.

        Parameters
        ----------
        numerator, denominator : (mean, sd)
            A unit's mean and standard deviation of each.
        correlation : float
            Of the two over units.

        Examples
        --------
        >>> metric = Metric.ratio((0.5, 0.9), (2.0, 1.0), correlation=0.6)
        >>> metric.baseline, round(metric.sd, 4)
        (0.25, 0.3881)

        References
        ----------
        Deng, Knoblich & Lu (2018), Applying the delta method in metric analytics, KDD.
        """
        (above, sd_above), (below, sd_below) = numerator, denominator
        if not abs(below) > 0:
            raise _impossible("denominator", "the mean of the denominator is not 0")
        if not -1 <= correlation <= 1:
            raise _impossible("correlation", "a correlation lies between −1 and 1")
        ratio = above / below
        variance = sd_above**2 - 2 * ratio * correlation * sd_above * sd_below
        variance += ratio**2 * sd_below**2
        return cls("ratio", ratio, math.sqrt(max(variance, 0.0)) / abs(below))

    @classmethod
    def of(
        cls,
        data: Moments,
        column: str,
        per: str | None = None,
        covariates: tuple[str, ...] = (),
    ) -> Metric:
        """Metric measured in earlier data, all groups together.

        Parameters
        ----------
        data : Moments
            Of `column`, and of `per` and `covariates` if given.
        column : str
            The outcome; a share if it holds only 0 and 1.
        per : str, optional
            Column that the total of `column` is divided by.
        covariates : tuple of str
            What the analysis will adjust for; gives `r2`.

        Examples
        --------
        >>> import pandas as pd
        >>> from segmentation.campaigns.sums import moments
        >>> past = pd.DataFrame({"sales": [0, 1, 2, 3, 3, 3], "before": [1, 1, 2, 2, 3, 4]})
        >>> metric = Metric.of(moments(past, ["sales", "before"]), "sales", covariates=("before",))
        >>> metric.baseline, round(metric.sd, 3), round(metric.r2, 3)
        (2.0, 1.265, 0.659)
        """
        names = tuple(dict.fromkeys((column, *([per] if per else []), *covariates)))
        pooled = data.pool().take(*names)
        if pooled.n[0] < 3:
            raise _impossible("n", "at least three complete cases are needed")
        means, covariance = pooled.means[0], pooled.covariances[0]
        place = [names.index(name) for name in covariates]
        weights = np.zeros(len(names))
        weights[0] = 1.0
        baseline = float(means[0])
        kind: Literal["share", "mean", "ratio"] = "share" if pooled.binary[0] else "mean"
        if per is not None:
            if means[names.index(per)] == 0:
                raise _impossible("denominator", "the mean of the denominator is not 0")
            kind, below = "ratio", float(means[names.index(per)])
            baseline /= below
            weights = weights / below
            weights[names.index(per)] -= baseline / below
        variance = float(weights @ covariance @ weights)
        explained = 0.0
        if place and variance > 0:
            cross = covariance[place] @ weights
            inner = np.linalg.pinv(covariance[np.ix_(place, place)], hermitian=True)
            explained = float(np.clip(cross @ inner @ cross / variance, 0.0, 1.0))
        sd = math.sqrt(max(variance, 0.0))
        if kind == "share":
            sd = math.sqrt(baseline * (1 - baseline))
        return cls(kind, baseline, sd, explained)


def _impossible(column: str, rule: str) -> TableError:
    return TableError("metric", rule, "Describe the outcome as it is without the campaign.", column)
