"""What to look at before an effect of a campaign is believed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.campaigns.arms import UNIT, Trial, enter_trial
from segmentation.campaigns.differences import Differences, contact_flags
from segmentation.campaigns.imbalances import Columns, measure
from segmentation.campaigns.mixtures import (
    OTHERS,
    cluster_findings,
    group_findings,
    unit_findings,
    with_others,
)
from segmentation.campaigns.ratios import ratio_findings
from segmentation.campaigns.verdicts import review_table
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["check_campaign"]


def check_campaign(
    data: Any,
    outcome: str | Iterable[str],
    arm: str,
    control: Any,
    *,
    shares: Mapping[Any, float] | None = None,
    covariates: str | Iterable[str] = (),
    before: str | None = None,
    unit: str = UNIT,
    stratum: str | None = None,
    cluster: str | None = None,
    groups: str | Iterable[str] = (),
    contact: str | None = None,
    others: Any = None,
    alpha: float = 0.001,
    limit: float = 0.1,
) -> pd.DataFrame:
    """Check whether the arms of a campaign can be compared at all.

    What is wrong is counted and said, not raised: the table is there to be shown.

    Parameters
    ----------
    data : any frame
        One row a customer, as `campaign_data` gives them.
    outcome : str or several
        Columns of outcomes; only whether they are missing is looked at, never their effect.
    arm, control
        Column of the arm, and its value for control.
    shares : mapping, optional
        Planned share by arm; without it the column ``share`` of the data, if there.
    covariates : str or several
        What was known before the assignment: numbers, flags, or texts of at most 50 levels.
    before : str, optional
        The outcome in the period before.
    unit : str
        Column of the customer; the default may be absent.
    stratum, cluster : str, optional
        Columns of the strata within which, and of the clusters (branches) that were assigned
        whole. Where there are clusters, sizes count clusters and p-values compare their means.
    groups : str or several
        Columns of those who may influence each other though they were assigned one by one
        (households).
    contact : str, optional
        Whether (flag or number above 0) or when (date) a customer was contacted.
    others : frame or str, optional
        Assignments of other campaigns at the time (`other_assignments`), or a column that counts
        them.
    alpha : float
        A p-value below it stops, one below ten times it (at most .05) is to be looked at.
    limit : float
        Standardised difference, or share, from which to look; from .25 a difference that is
        beyond chance stops.

    Returns
    -------
    DataFrame
        ``check arm column value limit p n verdict note``; `verdict` is ok, look or stop, `note` a
        sentence. By check, `value` is

        - ``duplicates``, ``missing unit``, ``two arms``, ``split clusters``: a count; any stops;
        - ``sample ratio``: χ² of the sizes against the planned shares, and over strata the sum of
          theirs; `limit` is its quantile at alpha. ``planned shares``: they are not known;
        - ``balance``: standardised difference to control, of a number
          ``(mean₁ − mean₂)/√((var₁ + var₂)/2)``, of a text Yang & Dalton's ``√(dᵀS⁻¹d)``;
        - ``joint balance``: number of covariates; p of Hotelling's T², a missing value being a
          level of its own;
        - ``missing outcome``, ``missing covariate``: share missing, p against control;
        - ``period before``: difference to control of complete cases;
        - ``contact in control``, ``contacted``: share of the arm contacted;
        - ``another campaign``: share of the arm in another campaign, p against control;
        - ``few clusters``: clusters in the arm; ``split groups``: share of groups of two or more
          with members in two arms.

        `n` is the number of rows, units or groups that it rests on.

    Raises
    ------
    TableError
        If a column is missing or of the wrong type, an arm is null, there is none beside control,
        planned shares do not add up to 1 or leave an arm out, or others are of another engine.

    References
    ----------
    Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled experiments, KDD;
    Yang & Dalton (2012), A unified approach to measuring the effect size between two groups; Imbens
    & Rubin (2015), Causal Inference, chapter 14.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({
    ...     "customer_id": [f"C{i}" for i in range(1000)],
    ...     "arm": ["call"] * 560 + ["none"] * 440, "sold": 1.0, "age": [40.0, 50.0] * 500,
    ... })
    >>> review = check_campaign(data, "sold", "arm", "none", shares={"call": .5, "none": .5},
    ...                         covariates="age")
    >>> review.set_index("check").loc[["sample ratio", "balance"], "verdict"].tolist()
    ['stop', 'ok']
    """
    if not (0 < alpha < 1 and 0 <= limit < math.inf):
        raise ValueError("alpha and limit: a probability, and a number of standard deviations")
    asked = _asked(data, outcome, covariates, groups, before, contact)
    schema = asked.schema
    share = "share" if shares is None and "share" in schema and arm != "share" else None
    known = [unit] if unit != UNIT or UNIT in schema or _frame(others) else []
    counted = [others] if isinstance(others, str) else []
    roles = [name for name in (stratum, cluster, contact) if name]
    trial = enter_trial(
        data,
        arm,
        control,
        (*asked.numbers, *asked.outcomes, *([share] if share else []), *counted),
        (*asked.texts, *asked.groups, *roles, *known),
        unit=None,
    )
    if cluster:
        _filled(trial, cluster)
    findings = [
        *(unit_findings(trial, unit) if known else []),
        *(cluster_findings(trial, cluster) if cluster else []),
        *group_findings(trial, asked.groups, limit),
    ]
    sizes, uneven = ratio_findings(trial, shares, share, stratum, cluster, alpha)
    rows, flags = trial.rows, contact_flags(contact, schema)
    if others is not None:
        rows, flags = with_others(rows, data, others, unit), {**flags, OTHERS: nw.col(OTHERS)}
    columns = Columns(asked.numbers, asked.texts, asked.outcomes, flags)
    found = measure(rows, arm, columns, cluster)
    several = Differences(trial, found, alpha, limit, uneven)
    covered = asked.covariates
    findings += [
        *sizes,
        *several.balance(covered),
        *several.missing(
            "missing covariate", dict.fromkeys([*covered, *([before] if before else [])])
        ),
        *several.missing("missing outcome", asked.outcomes),
        *(several.before(before) if before else []),
        *(several.contacts(contact) if contact else []),
        *(
            several.others(others if isinstance(others, str) else unit)
            if others is not None
            else []
        ),
    ]
    return review_table(findings)


@dataclass(frozen=True)
class _Asked:
    """The columns asked for, by what is done with them."""

    schema: dict[str, Any]
    outcomes: tuple[str, ...]
    covariates: tuple[str, ...]
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    groups: tuple[str, ...]


def _names(columns: str | Iterable[str]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(dict.fromkeys(columns))


def _asked(
    data: Any,
    outcome: str | Iterable[str],
    covariates: str | Iterable[str],
    groups: str | Iterable[str],
    before: str | None,
    contact: str | None,
) -> _Asked:
    outcomes, several, groups = _names(outcome), _names(covariates), _names(groups)
    if not outcomes:
        raise TableError("data", "there is an outcome", "Name its column.")
    needed = (*outcomes, *several, *groups, *[name for name in (before, contact) if name])
    schema = dict(enter(data, "data", tuple(dict.fromkeys(needed))).collect_schema())
    texts = tuple(c for c in several if schema[c] in (nw.String, nw.Categorical, nw.Enum))
    numbers = [name for name in several if name not in texts]
    numbers += [before] if before and before not in numbers else []
    return _Asked(schema, outcomes, several, tuple(numbers), texts, groups)


def _frame(others: Any) -> bool:
    return others is not None and not isinstance(others, str)


def _filled(trial: Trial, cluster: str) -> None:
    empty = trial.rows.select(nw.col(cluster).is_null().cast(nw.Int64).sum())
    if missing := int(collect(empty)[cluster].iloc[0]):
        raise TableError("data", "every unit has its cluster", "Fill it.", cluster, missing)
