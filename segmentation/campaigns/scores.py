"""Scores that rank the customers of a trial, refused where they have seen the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.arms import as_text, enter_trial
from segmentation.data.engines import leave
from segmentation.data.errors import TableError

__all__ = ["CROSS_FITTED", "Customers", "Floats", "Scored", "collect_customers", "enter_scores"]

Floats = npt.NDArray[np.float64]

IN_SAMPLE = "in_sample_scores"
"""In the `attrs` of a pandas frame: columns of scores of customers from whom they were learnt."""
CROSS_FITTED = "cross_fitted_scores"
"""And columns of scores by models that shared customers, so that together they are no fair test."""


class Scored(NamedTuple):
    """Two arms of a trial in their engine: columns s0, s1, …, y, t (1 if treated) and c (cluster).

    Attributes
    ----------
    rows : LazyFrame
    scores, outcome : tuple of str, str
        Names that the caller's data have for s0, s1, … and y.
    control, treated : label
        As the caller's data have them.
    control_rows, treated_rows : int
        Rows of each arm, whether complete or not.
    clustered : bool
        Whether there is a column c.
    """

    rows: nw.LazyFrame[Any]
    scores: tuple[str, ...]
    outcome: str
    control: Any
    treated: Any
    control_rows: int
    treated_rows: int
    clustered: bool


class Customers(NamedTuple):
    """Complete cases of two arms in memory: one row a customer, without identifier."""

    scores: tuple[Floats, ...]
    y: Floats
    treated: npt.NDArray[np.bool_]
    cluster: npt.NDArray[np.int64] | None


def enter_scores(
    data: Any,
    scores: Sequence[Any],
    outcome: str,
    arm: str,
    control: Any,
    treated: Any,
    cluster: str | None,
) -> Scored:
    """Take in two arms of a trial with their scores, or say what is wrong with them.

    Raises
    ------
    TableError
        As `enter_trial` does; and if the trial has more than one arm beside control and `treated`
        names none, or scores are marked as those of customers from whom they were learnt.
    """
    names = tuple(_column(score) for score in scores)
    _held_out(data, names)
    others = [cluster] if cluster is not None else []
    trial = enter_trial(data, arm, control, numbers=(*names, outcome), others=others)
    chosen = _treated(arm, trial.labels, trial.treated, treated)
    columns = [nw.col(name).alias(f"s{place}") for place, name in enumerate(names)]
    columns += [nw.col(outcome).alias("y"), (nw.col(arm) == chosen).cast(nw.Int64).alias("t")]
    if cluster is not None:
        kind = trial.rows.collect_schema()[cluster]
        columns.append(as_text("data", cluster, kind).alias("c"))
    rows = trial.rows
    if len(trial.counts) > 2:
        rows = rows.filter(nw.col(arm).is_in([trial.control, chosen]))
    return Scored(
        rows.select(*columns),
        names,
        outcome,
        trial.labels[trial.control],
        trial.labels[chosen],
        trial.counts[trial.control],
        trial.counts[chosen],
        cluster is not None,
    )


def _column(score: Any) -> str:
    if isinstance(score, str):
        return score
    if getattr(score, "attrs", {}).get("in_sample"):
        raise _seen(getattr(score, "name", None))
    raise TableError("data", "a score is a column", "Add it to the data, and pass its name.")


def _held_out(data: Any, names: Sequence[str]) -> None:
    marked = getattr(data, "attrs", {}).get(IN_SAMPLE, ()) if hasattr(data, "attrs") else ()
    for name in names:
        own = data[name].attrs if isinstance(data, pd.DataFrame) and name in data else {}
        if name in marked or own.get("in_sample"):
            raise _seen(name)
        if name in getattr(data, "attrs", {}).get(CROSS_FITTED, ()):
            raise TableError(
                "data",
                "a curve is judged by models that no later fold has made",
                "Use the column `rank` of what `learn` gave.",
                name,
            )


def _seen(name: Any) -> TableError:
    return TableError(
        "data",
        "a score is judged on customers from whom it was not learnt",
        "Use cross-fitted scores, or score customers that were held out.",
        None if name is None else str(name),
    )


def _treated(arm: str, labels: dict[str, Any], others: list[str], treated: Any) -> str:
    if treated is None:
        if len(others) > 1:
            raise TableError(
                "data",
                "a curve compares one arm with control, and there are several",
                "Name it with `treated`.",
                arm,
            )
        return others[0]
    wanted = str(int(treated)) if isinstance(treated, bool | int | float) else str(treated)
    for text in others:
        if text == wanted or labels[text] == treated:
            return text
    raise TableError("data", "the treated arm has rows", "Name an arm beside control.", arm)


def collect_customers(scored: Scored) -> Customers:
    """Bring the complete cases into memory: 8 bytes a score and outcome, 1 for the arm.

    Raises
    ------
    TableError
        If a score or an outcome is infinite, or a customer has no cluster.
    """
    places = [f"s{place}" for place in range(len(scored.scores))]
    whole = [~nw.col(name).is_null() for name in (*places, "y")]
    rows = scored.rows.filter(nw.all_horizontal(*whole, ignore_nulls=False))
    table = leave(rows.with_columns(nw.col("t").cast(nw.Int8)), "pyarrow")
    names = dict(zip((*places, "y"), (*scored.scores, scored.outcome), strict=True))
    columns = {}
    for place, name in names.items():
        columns[place] = np.asarray(table.column(place).to_numpy(), dtype=float)
        table = table.drop_columns([place])  # lets go of its memory
        finite(columns[place], name)
    cluster = None
    if scored.clustered:
        codes = table.column("c").combine_chunks().dictionary_encode()
        if codes.null_count:
            raise no_cluster(int(codes.null_count))
        cluster = np.asarray(codes.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    arms = np.asarray(table.column("t").to_numpy()).astype(bool)
    return Customers(tuple(columns[place] for place in places), columns["y"], arms, cluster)


def finite(values: Floats, name: str) -> None:
    """Raise if one of `values` of column `name` is infinite, or a sum of them not a number."""
    if not np.isfinite(np.sum(values)):
        wrong = int((~np.isfinite(values)).sum())
        if wrong:
            raise TableError(
                "data", "numbers are finite", "Find what was divided by 0.", name, wrong
            )


def no_cluster(rows: int) -> TableError:
    return TableError("data", "every customer has a cluster", "Fill it.", "cluster", rows)
