"""Segments by the scores of recency, frequency and monetary value, and what each is worth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.intervals import wilson
from segmentation.customers.recencies import RFM, RULES
from segmentation.data.engines import collect, enter, frame_kind, leave
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["rfm_segments", "rfm_table"]

SCORES = ("r", "f", "m")
UNASSIGNED, ABSENT = "unassigned", "absent"


def rfm_segments(
    scores: Any,
    rules: str | Mapping[str, Mapping[str, Any]] = "rfm",
    *,
    folder: str | Path | None = None,
) -> Any:
    """Name the segment of each customer: the first of the rules that fits.

    Parameters
    ----------
    scores : RFM or frame
        Of `rfm_scores`; a frame has columns r, f and m.
    rules : str or mapping
        ``rfm``, the segments of `rfm.toml`, or segments in their order, each with a name en and
        the lowest and highest scores r, f and m.
    folder : path, optional
        The bank's own folder of rules, by default that of `SEGMENTATION_RULES`.

    Returns
    -------
    frame of the kind of the scores
        With column segment: the key of a segment, ``unassigned`` where none fits, ``absent`` for
        who has no transaction.

    Raises
    ------
    TableError
        If a column is missing, or a segment of the rules is not made of lowest and highest scores.

    Examples
    --------
    >>> scored = pd.DataFrame({"r": [5, 1, 1], "f": [5, 5, 1], "m": [4, 4, 3]})
    >>> rfm_segments(scored)["segment"].tolist()
    ['champions', 'cannot_lose', 'unassigned']
    """
    frame = scores.scores if isinstance(scores, RFM) else scores
    lazy, kind = enter(frame, "scores", SCORES), frame_kind(frame, "scores")
    name = nw.lit(UNASSIGNED)
    for key, limits in reversed(list(_segments(rules, folder).items())):
        fits = [nw.col(c).is_between(*limits[c]) for c in SCORES]
        name = nw.when(fits[0] & fits[1] & fits[2]).then(nw.lit(key)).otherwise(name)
    known = ~(nw.col("r").is_null() | nw.col("f").is_null() | nw.col("m").is_null())
    return leave(
        lazy.with_columns(segment=nw.when(known).then(name).otherwise(nw.lit(ABSENT))), kind
    )


def rfm_table(
    data: Any,
    rules: str | Mapping[str, Mapping[str, Any]] = "rfm",
    *,
    folder: str | Path | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Count customers and money by segment.

    Parameters
    ----------
    data : any frame Narwhals knows
        As of `rfm_segments`, with segment, frequency and monetary.
    rules, folder
        As of `rfm_segments`.
    level : float
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        One row a segment of the rules, in their order, also those without customers, then
        unassigned and absent: segment, name (English), customers, share with low and high (Wilson),
        frequency (mean), monetary (sum, yuan), monetary_share, monetary_mean with mean_low and
        mean_high (Student's t; null for fewer than two customers).

    Raises
    ------
    TableError
        If a column is missing, or a segment is none of the rules.
    """
    from scipy.stats import t

    if not 0 < level < 1:
        raise TableError("level", "a confidence level lies between 0 and 1", "Pass another.")
    lazy = enter(data, "data", ("segment", "frequency", "monetary"))
    money = nw.col("monetary").cast(nw.Float64)
    lazy = lazy.select("segment", "frequency", monetary=money, square=money * money)
    sums = [nw.col(c).sum() for c in ("frequency", "monetary", "square")]
    found = collect(lazy.group_by("segment").agg(nw.len().alias("customers"), *sums))
    names = {key: str(entry["en"]) for key, entry in _segments(rules, folder).items()}
    names |= {UNASSIGNED: "Unassigned", ABSENT: "No transaction"}
    strange = ~found["segment"].isin(list(names))
    if strange.any():
        rows = int(found.loc[strange, "customers"].sum())
        raise TableError("data", "a segment is one of the rules", "Assign again.", "segment", rows)
    table = found.set_index("segment").reindex(list(names)).fillna(0).astype(float)
    n, total, times = table["customers"], table["monetary"], table["frequency"]
    mean = (total / n).where(n > 0)
    variance = ((table["square"] - n * mean**2) / (n - 1)).where(n > 1).clip(lower=0)
    reach = t.ppf(0.5 + level / 2, (n - 1).where(n > 1)) * np.sqrt(variance / n)
    low, high = wilson(n, np.full(len(n), n.sum()), level)
    columns = {
        "name": list(names.values()),
        "customers": n.astype("int64"),
        "share": (n / n.sum()) if n.sum() else np.nan,
        "low": low,
        "high": high,
        "frequency": (times / n).where(n > 0),
        "monetary": total.round(2),
        "monetary_share": (total / total.sum()) if total.sum() > 0 else np.nan,
        "monetary_mean": mean,
        "mean_low": mean - reach,
        "mean_high": mean + reach,
    }
    return pd.DataFrame(columns, index=table.index).reset_index()


def _segments(
    rules: str | Mapping[str, Mapping[str, Any]], folder: str | Path | None
) -> Mapping[str, Mapping[str, Any]]:
    if isinstance(rules, str) and rules != "rfm":
        raise TableError("rules", "the rules are rfm, or a mapping", "Pass one of these.")
    shipped = load_rules("rfm", folder).get("segments", {}) if isinstance(rules, str) else rules
    segments: Mapping[str, Mapping[str, Any]] = shipped
    if not segments:
        raise TableError(RULES, "there is a segment", "Add one.", "segments")
    for key, entry in segments.items():
        ranges = [entry.get(name) for name in SCORES]
        right = all(
            isinstance(each, list)
            and len(each) == 2
            and all(type(end) is int for end in each)
            and 1 <= each[0] <= each[1] <= 9
            for each in ranges
        )
        if not right or key in (UNASSIGNED, ABSENT) or not isinstance(entry.get("en"), str):
            rule = "a segment has a name, and lowest and highest scores r, f and m"
            raise TableError(RULES, rule, "Mend it.", f"segments.{key}")
    return segments
