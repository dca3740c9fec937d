"""The customers to learn from, brought into memory in an order that no engine changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.campaigns.arms import as_text, enter_trial
from segmentation.campaigns.encodings import covariate_expressions
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["Roll", "as_given", "read_roll", "units_once"]

MADE = ("score", "fold")


@dataclass(frozen=True, eq=False)
class Roll:
    """Customers of two arms in the order of their unit's text.

    Attributes
    ----------
    rows : DataFrame
        ``unit treated y c0 c1 …``, and `cluster` and `share` where they were asked for.
    given : DataFrame
        Unit, cluster, arm and outcome with the names and labels that the data have.
    control, treated : label
    """

    rows: pd.DataFrame
    given: pd.DataFrame
    control: Any
    treated: Any


def read_roll(
    data: Any,
    outcome: str,
    arm: str,
    control: Any,
    covariates: tuple[str, ...],
    share: float | str | None,
    treated: Any,
    unit: str,
    cluster: str | None,
    limit: int,
) -> Roll:
    """Bring the customers of two arms into memory, if there are no more than `limit`."""
    column = share if isinstance(share, str) else None
    own = [outcome, arm, unit, *([cluster] if cluster else []), *MADE]
    _names(covariates, own)
    trial = enter_trial(
        data,
        arm,
        control,
        [outcome, *([column] if column else [])],
        dict.fromkeys([unit, *([cluster] if cluster else []), *covariates]),
        unit,
        limit,
    )
    chosen = _chosen(trial.labels, trial.treated, treated, arm)
    count = trial.counts[trial.control] + trial.counts[chosen]
    if count > limit:
        rule = "customers are no more than `limit`"
        raise TableError("data", rule, "Learn from a sample, and score the others.", rows=count)
    schema = trial.rows.collect_schema()
    columns = [
        as_text("data", unit, schema[unit]).alias("unit"),
        (nw.col(arm) == chosen).cast(nw.Int64).alias("treated"),
        nw.col(outcome).alias("y"),
        *covariate_expressions("data", schema, covariates),
    ]
    if cluster:
        columns.append(as_text("data", cluster, schema[cluster]).alias("cluster"))
    if column:
        columns.append(nw.col(column).alias("share"))
    both = nw.col(arm).is_in([trial.control, chosen])
    rows = collect(trial.rows.filter(both).select(*columns))
    units_once(rows, "data", unit)
    rows = rows.sort_values("unit", ignore_index=True)
    _sensible(rows, outcome, cluster, column)
    if isinstance(share, float | int):
        rows["share"] = float(share)
    given = pd.DataFrame({unit: as_given(rows["unit"], schema[unit])})
    if cluster:
        given[cluster] = as_given(rows["cluster"], schema[cluster])
    labels = {0: trial.labels[trial.control], 1: trial.labels[chosen]}
    given[arm] = rows["treated"].map(labels)
    given[outcome] = rows["y"]
    return Roll(rows, given, labels[0], labels[1])


def units_once(rows: pd.DataFrame, table: str, unit: str) -> None:
    """Raise if a unit is missing or there twice."""
    if missing := int(rows["unit"].isna().sum()):
        raise TableError(table, "every unit has a number", "Fill it.", unit, missing)
    if twice := int(rows["unit"].duplicated().sum()):
        raise TableError(table, "a unit has one row", "Remove the others.", unit, twice)


def as_given(texts: pd.Series, dtype: Any) -> pd.Series:
    """Turn the texts of identifiers back into whole numbers, if they were."""
    return texts.astype("int64") if dtype.is_integer() else texts


def _names(covariates: tuple[str, ...], own: list[str]) -> None:
    if not covariates:
        raise TableError("covariates", "there is one to learn from", "Name it.")
    for name in covariates:
        if name in own or covariates.count(name) > 1:
            raise TableError(
                "covariates",
                "a covariate is there once, and is neither unit, cluster, arm nor outcome",
                "Leave it out.",
                name,
            )
    if len(set(own)) < len(own):
        rule = "unit, cluster, arm, outcome, score and fold are different columns"
        raise TableError("data", rule, "Rename the column.")


def _chosen(labels: dict[str, Any], others: list[str], treated: Any, arm: str) -> str:
    if treated is None:
        if len(others) == 1:
            return others[0]
        rule = "one arm is compared with control, and there are several"
        raise TableError("data", rule, "Name it with `treated`.", arm)
    for text in others:
        if labels[text] == treated or text == str(treated):
            return text
    raise TableError("data", "the treated arm has rows", "Name an arm beside control.", arm)


def _sensible(rows: pd.DataFrame, outcome: str, cluster: str | None, share: str | None) -> None:
    infinite = int(rows["y"].isin([float("inf"), float("-inf")]).sum())
    if infinite:
        rule = "numbers are finite"
        raise TableError("data", rule, "Find what was divided by 0.", outcome, infinite)
    if cluster and (missing := int(rows["cluster"].isna().sum())):
        raise TableError("data", "every customer has a cluster", "Fill it.", cluster, missing)
    if share and (wrong := int((~rows["share"].between(0, 1, inclusive="neither")).sum())):
        rule = "the chance of treatment lies between 0 and 1"
        raise TableError("data", rule, "Leave out who could not be chosen.", share, wrong)
