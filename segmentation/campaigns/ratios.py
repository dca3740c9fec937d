"""Sizes of the arms against those planned: the check that finds lost customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.campaigns.arms import Trial
from segmentation.campaigns.samples import chi_square
from segmentation.campaigns.verdicts import Finding, by_p
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["ratio_findings"]


def ratio_findings(
    trial: Trial,
    shares: Mapping[Any, float] | None,
    share: str | None,
    stratum: str | None,
    cluster: str | None,
    alpha: float,
) -> tuple[list[Finding], bool]:
    """Sizes of the arms against the planned shares, and whether those differ by stratum."""
    column = cluster or trial.arm
    sizes = _sizes(trial, share, stratum, cluster)
    texts = sorted({*trial.labels, *(_text(name) for name in shares or ())})
    sizes["stratum"] = sizes["stratum"].fillna("unknown").astype(str)
    observed = sizes.pivot_table(
        index="stratum", columns="arm", values="rows", aggfunc="sum", fill_value=0
    ).reindex(columns=texts, fill_value=0)
    total = int(observed.to_numpy().sum())
    if shares is None and share is None:
        unknown = Finding(
            check="planned shares", verdict="look", column=column, value=np.nan, n=total
        )
        return [unknown], False
    if shares is not None:
        planned = pd.DataFrame([{_text(k): v for k, v in shares.items()}] * len(observed))
        planned = planned.set_axis(observed.index).reindex(columns=texts)
    else:
        planned = _planned(sizes, texts)
    if planned.isna().any(axis=None) or not np.allclose(planned.sum(axis=1), 1, atol=1e-6):
        raise TableError(
            "shares", "planned shares of all arms add up to 1", "Pass them as `shares`.", share
        )
    expected = planned.mul(observed.sum(axis=1), axis=0)
    tests = [(column, observed.sum().to_frame().T, expected.sum().to_frame().T)]
    if stratum and len(observed) > 1:
        tests.append((stratum, observed, expected))
    findings = []
    for name, seen, wanted in tests:
        square, freedom, p = chi_square(seen.to_numpy(float), wanted.to_numpy(float))
        findings.append(
            Finding(
                check="sample ratio",
                column=name,
                value=square,
                limit=_critical(alpha, freedom),
                p=p,
                n=total,
                verdict=by_p(p, alpha),
            )
        )
    spread = planned.max() - planned.min()
    return findings, bool((spread > 1e-9).any())


def _text(name: Any) -> str:
    """Text of an arm, as `enter_trial` has it."""
    return str(int(name)) if isinstance(name, bool | int | float) else str(name)


def _sizes(
    trial: Trial, share: str | None, stratum: str | None, cluster: str | None
) -> pd.DataFrame:
    """``stratum arm rows low high``: units (or clusters), and the planned share of their rows."""
    planned = nw.col(share) if share else nw.lit(0.0)
    level = nw.col(stratum).cast(nw.String) if stratum else nw.lit("all")
    rows = trial.rows.select(
        arm=nw.col(trial.arm),
        stratum=level,
        low=planned,
        high=planned,
        **({"cluster": nw.col(cluster)} if cluster else {}),
    )
    limits = (nw.col("low").min(), nw.col("high").max())
    if cluster:
        rows = rows.filter(~nw.col("cluster").is_null())
        rows = rows.group_by("arm", "stratum", "cluster").agg(*limits)
    return collect(rows.group_by("arm", "stratum").agg(nw.len().alias("rows"), *limits))


def _planned(sizes: pd.DataFrame, texts: Sequence[str]) -> pd.DataFrame:
    """Planned shares (strata, arms) from those that the rows of each arm carry."""
    apart = (sizes["high"] - sizes["low"]).abs() > 1e-9
    if apart.any() or sizes["low"].isna().any():
        raise TableError(
            "data",
            "an arm has one planned share in a stratum",
            "Fill it alike, or pass `shares`.",
            "share",
            int(sizes.loc[apart | sizes["low"].isna(), "rows"].sum()),
        )
    one = sizes.groupby("arm")["low"].agg(["min", "max"]).reindex(list(texts))
    strata = sorted(sizes["stratum"].unique())
    if (one["max"] - one["min"] <= 1e-9).all():
        values = np.tile(one["min"].to_numpy(), (len(strata), 1))
        return pd.DataFrame(values, index=strata, columns=list(texts))
    wide = sizes.pivot_table(index="stratum", columns="arm", values="low", aggfunc="max")
    wide = wide.reindex(index=strata, columns=list(texts))
    # An arm that nobody of a stratum is in was planned to get what the others do not.
    alone = wide.isna().sum(axis=1) == 1
    rest = (1 - wide.sum(axis=1)).where(alone)
    for text in texts:
        wide[text] = wide[text].fillna(rest)
    return wide


def _critical(alpha: float, freedom: int) -> float:
    from scipy import stats

    return float(stats.chi2.isf(alpha, freedom)) if freedom else 0.0
