"""What a check of a campaign may say: ok, look or stop, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["ALL", "COLUMNS", "Finding", "by_p", "review_table"]

ALL = "all"
"""Arm of a row that is about all of them together."""
COLUMNS = ("check", "arm", "column", "value", "limit", "p", "n", "verdict", "note")
"""Columns of a review, in their order."""

NOTES: dict[str, dict[str, str]] = {
    "duplicates": {
        "ok": "Every unit has one row.",
        "stop": "Units have more than one row: aggregate to one row a unit first.",
    },
    "missing unit": {"stop": "Rows without an identifier cannot be told apart: fill it."},
    "two arms": {
        "ok": "Every unit is in one arm.",
        "stop": "Units are in two arms: analyse them as they were first assigned.",
    },
    "sample ratio": {
        "ok": "The arms are as large as planned, up to chance.",
        "look": "The arms are not quite as large as planned: see who is missing.",
        "stop": "The arms are not as large as planned: somebody was lost or added, and no "
        "estimate repairs that. Find the cause first.",
    },
    "planned shares": {
        "look": "The planned shares are not known, so that the sizes of the arms cannot be checked."
    },
    "balance": {
        "ok": "The arms are alike in this.",
        "look": "The arms differ in this before the campaign: adjust for it.",
        "stop": "The arms differ in this more than chance explains: the assignment was not random.",
    },
    "joint balance": {
        "ok": "All covariates together tell the arms apart no better than chance.",
        "look": "All covariates together tell the arms apart: see which do.",
        "stop": "All covariates together tell the arms apart: the assignment was not random.",
    },
    "missing covariate": {
        "ok": "It is missing alike in all arms.",
        "look": "It is missing more in one arm than in another: see why.",
        "stop": "It is missing more in one arm than in another: it was not measured before the "
        "campaign, or not for all.",
    },
    "missing outcome": {
        "ok": "It is missing alike in all arms.",
        "look": "It is missing for many, or more in one arm than in another: see why.",
        "stop": "It is missing more in one arm than in another: those who are left cannot be "
        "compared.",
    },
    "period before": {
        "ok": "Before the campaign there is no effect, as it must be.",
        "look": "There may be an effect before the campaign began: adjust for the period before.",
        "stop": "There is an effect before the campaign began: the arms were not comparable.",
    },
    "contact in control": {
        "ok": "Nobody in control was contacted.",
        "look": "Some in control were contacted, which makes the effect look smaller.",
        "stop": "Many in control were contacted: the arms are not what they were meant to be.",
    },
    "contacted": {
        "ok": "Most of the arm were contacted.",
        "look": "Less than half of the arm were contacted: the effect of assignment is diluted.",
        "stop": "Nobody in the arm was contacted: the campaign did not take place.",
    },
    "contact unknown": {"look": "It is not known who was contacted."},
    "another campaign": {
        "ok": "Nobody is in another campaign at the time.",
        "look": "Some are in another campaign at the time: the effect is one in its presence.",
        "stop": "One arm is in another campaign more than control is: the two effects are mixed.",
    },
    "split clusters": {
        "ok": "Every cluster is in one arm.",
        "stop": "Clusters are in two arms, though they were assigned whole: take the cluster of "
        "the day of the assignment.",
    },
    "few clusters": {
        "ok": "There are enough clusters for a t-test.",
        "look": "There are few clusters in the arm: only a permutation of the design is right.",
    },
    "split groups": {
        "ok": "Few groups have members in two arms.",
        "look": "Many groups have members in two arms, who may influence each other: assign groups "
        "whole next time.",
    },
}
"""A sentence for each verdict of each check. They are translated as they stand."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A row of a review; see `check_campaign` for its columns."""

    check: str
    verdict: str
    column: str
    value: float
    n: int
    arm: Any = ALL
    limit: float = math.nan
    p: float = math.nan

    @property
    def note(self) -> str:
        """What the verdict means."""
        return NOTES[self.check][self.verdict]


def by_p(p: float, alpha: float) -> str:
    """Stop below alpha, look below ten times alpha (at most 5 %), else ok.

    Examples
    --------
    >>> by_p(0.0005, 0.001), by_p(0.005, 0.001), by_p(0.02, 0.001), by_p(math.nan, 0.001)
    ('stop', 'look', 'ok', 'ok')
    """
    if p < alpha:
        return "stop"
    return "look" if p < min(10 * alpha, max(alpha, 0.05)) else "ok"


def review_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings as a table, in the order of the checks."""
    order = list(NOTES)
    ranked = sorted(findings, key=lambda finding: order.index(finding.check))
    rows = [[getattr(finding, name) for name in COLUMNS] for finding in ranked]
    return pd.DataFrame(rows, columns=list(COLUMNS))
