"""Totals by cluster: all that a trial whose branches or households were assigned can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.arms import Trial, as_text
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["ClusterTotals", "Totals", "cluster_totals"]

Floats = npt.NDArray[np.float64]

ROUNDING = 1e-14
"""Share of the outcome's level up to which what is left of every total is rounding."""


@dataclass(frozen=True, eq=False)
class Totals:
    """One outcome of G clusters, in the order of their text.

    Attributes
    ----------
    clusters, arms : array (G,)
        Text of the cluster, and of the arm that it was assigned to.
    n : array (G,)
        Complete cases.
    y : array (G,)
        Total of the outcome less `origin` times that of the denominator.
    d : array (G,)
        Total of the denominator: of customers, that is `n`.
    x : array (G, K)
        Means of the covariates less their means in the trial; a missing one counts as the mean,
        and the share of missing ones is a covariate of its own.
    origin : float
        Outcome over denominator in the whole trial, so that no digit is lost far from 0.
    """

    clusters: npt.NDArray[Any]
    arms: npt.NDArray[Any]
    n: Floats
    y: Floats
    d: Floats
    x: Floats
    origin: float

    def only(self, *arms: str) -> Totals:
        """Totals of the clusters of these arms that have a complete case."""
        kept = np.isin(self.arms, arms) & (self.d > 0)
        return replace(
            self,
            clusters=self.clusters[kept],
            arms=self.arms[kept],
            n=self.n[kept],
            y=self.y[kept],
            d=self.d[kept],
            x=self.x[kept],
        )

    def rounded(self) -> Totals:
        """Totals that are 0 where an outcome that never varies left nothing but rounding."""
        if (np.abs(self.y) > ROUNDING * abs(self.origin) * self.d).any():
            return self
        return replace(self, y=np.zeros_like(self.y))


@dataclass(frozen=True)
class ClusterTotals:
    """Totals of several outcomes, still in their engine.

    Attributes
    ----------
    lazy : LazyFrame
        ``cluster arm`` and for outcome i ``n{i} y{i} d{i} x{i}_{k}``, one row a cluster.
    origins : tuple of float
        By outcome.
    width : int
        Covariates, with those that tell where one is missing.
    count : int
        How many clusters there are.
    columns : tuple
        Names of the cluster and the denominator in the caller's data.
    """

    lazy: nw.LazyFrame[Any]
    origins: tuple[float, ...]
    width: int
    count: int
    columns: tuple[str, str | None]

    def collect(self) -> list[Totals]:
        """Bring the totals of each outcome back.

        Raises
        ------
        TableError
            As `check`.
        """
        frame = collect(self.lazy).sort_values("cluster", ignore_index=True)
        self.check(nw.from_native(frame).lazy())
        clusters, arms = frame["cluster"].to_numpy(object), frame["arm"].to_numpy(object)
        found = []
        for i, origin in enumerate(self.origins):
            n, y, d = (_floats(frame, f"{letter}{i}") for letter in "nyd")
            sums = [_floats(frame, f"x{i}_{k}") for k in range(self.width)]
            x = np.column_stack(sums) if sums else np.empty((len(n), 0))
            x = x / np.maximum(n, 1.0)[:, None]
            found.append(Totals(clusters, arms, n, y, d, x, origin))
        return found

    def check(self, totals: nw.LazyFrame[Any] | None = None) -> None:
        """Say what is wrong with the totals, by default in their engine.

        Raises
        ------
        TableError
            If a cluster is in two arms, or its denominator is negative, or 0 where its outcome
            is not.
        """
        lazy = self.lazy if totals is None else totals
        cluster, per = self.columns
        several = lazy.group_by("cluster").agg(nw.len().alias("arms"))
        several = several.select((nw.col("arms") > 1).cast(nw.Int64).sum())
        if rows := int(collect(several)["arms"].fillna(0).iloc[0]):
            rule = "a cluster is in one arm"
            raise TableError("data", rule, "Name what was assigned as a whole.", cluster, rows)
        if per is None:
            return
        places = range(len(self.origins))
        below = {i: nw.col(f"d{i}") for i in places}
        bad = {i: (d < 0) | ((d == 0) & (nw.col(f"y{i}") != 0)) for i, d in below.items()}
        counts = lazy.select(**{f"b{i}": bad[i].cast(nw.Int64) for i in places})
        found = collect(counts.select(nw.all().sum()))
        if rows := int(found.max(axis=1).iloc[0]):
            rule = "a cluster has a denominator above 0"
            raise TableError("data", rule, "Check the denominator.", per, rows)


def cluster_totals(
    trial: Trial,
    outcomes: Sequence[str],
    cluster: str,
    covariates: Sequence[str] = (),
    per: str | None = None,
) -> ClusterTotals:
    """Total outcomes and covariates by cluster in the engine, over complete cases of each outcome.

    Raises
    ------
    TableError
        If a customer has no cluster, or an outcome or covariate has no value or an infinite one.
    """
    dtype = trial.rows.collect_schema()[cluster]
    below = nw.lit(1.0) if per is None else nw.col(per)
    columns = {"arm": nw.col(trial.arm), "cluster": as_text("data", cluster, dtype)}
    for i, outcome in enumerate(outcomes):
        complete = ~nw.col(outcome).is_null()
        if per is not None:
            complete = complete & ~nw.col(per).is_null()
        columns[f"y{i}"] = nw.when(complete).then(nw.col(outcome))
        columns[f"d{i}"] = nw.when(complete).then(below)
    columns |= {f"x{k}": nw.col(name) for k, name in enumerate(covariates)}
    rows = trial.rows.select(**columns)
    seen = _overview(rows, len(outcomes), len(covariates))
    if missing := int(seen["missing"]):
        raise TableError(
            "data",
            "every customer has a cluster",
            "Leave those out who were not assigned with one.",
            cluster,
            missing,
        )
    origins = []
    for i, outcome in enumerate(outcomes):
        y, d = float(seen[f"y{i}"]), float(seen[f"d{i}"])
        if not math.isfinite(y) or not math.isfinite(d):
            raise TableError("data", "an outcome has finite values", "Check the column.", outcome)
        origins.append(y / d if d > 0 else 0.0)
    for k, name in enumerate(covariates):
        if not math.isfinite(float(seen[f"x{k}"])):
            raise TableError("data", "a covariate has finite values", "Leave it out.", name)
    holes = [k for k in range(len(covariates)) if int(seen[f"holes{k}"])]
    lazy = _sums(rows, origins, [float(seen[f"x{k}"]) for k in range(len(covariates))], holes)
    width = len(covariates) + len(holes)
    return ClusterTotals(lazy, tuple(origins), width, int(seen["clusters"]), (cluster, per))


def _overview(rows: nw.LazyFrame[Any], outcomes: int, covariates: int) -> pd.Series[Any]:
    missing = nw.col("cluster").is_null().cast(nw.Int64)
    holes = {f"holes{k}": nw.col(f"x{k}").is_null().cast(nw.Int64) for k in range(covariates)}
    rows = rows.with_columns(missing=missing, **holes)
    sums = [f"{letter}{i}" for letter in "yd" for i in range(outcomes)]
    found = collect(
        rows.select(
            nw.col("cluster").n_unique().alias("clusters"),
            *(nw.col(name).sum() for name in ["missing", *holes, *sums]),
            *(nw.col(f"x{k}").mean() for k in range(covariates)),
        )
    )
    return found.astype(float).fillna(dict.fromkeys(sums, 0.0)).iloc[0]


def _sums(
    rows: nw.LazyFrame[Any], origins: Sequence[float], means: Sequence[float], holes: Sequence[int]
) -> nw.LazyFrame[Any]:
    filled = [(nw.col(f"x{k}") - mean).fill_null(0.0) for k, mean in enumerate(means)]
    filled += [nw.col(f"x{k}").is_null().cast(nw.Float64) for k in holes]
    columns: dict[str, nw.Expr] = {}
    for i, origin in enumerate(origins):
        complete = ~nw.col(f"y{i}").is_null()
        columns[f"n{i}"] = complete.cast(nw.Float64)
        columns[f"y{i}"] = (nw.col(f"y{i}") - origin * nw.col(f"d{i}")).fill_null(0.0)
        columns[f"d{i}"] = nw.col(f"d{i}").fill_null(0.0)
        for k, value in enumerate(filled):
            columns[f"x{i}_{k}"] = nw.when(complete).then(value).otherwise(nw.lit(0.0))
    rows = rows.select("arm", "cluster", **columns)
    return rows.group_by("cluster", "arm").agg(nw.col(*columns).sum())


def _floats(frame: pd.DataFrame, name: str) -> Floats:
    return frame[name].to_numpy(np.float64)
