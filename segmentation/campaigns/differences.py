"""Each arm against control, check by check."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.campaigns.arms import Trial
from segmentation.campaigns.imbalances import Imbalances
from segmentation.campaigns.mixtures import OTHERS
from segmentation.campaigns.verdicts import Finding, by_p

__all__ = ["Differences", "contact_flags"]

FAR = 0.25
"""Standardised difference from which no adjustment is trusted."""
HALF = 0.5
CONTACTED, UNKNOWN = "contacted", "contact unknown"


def contact_flags(contact: str | None, schema: Mapping[str, Any]) -> dict[str, nw.Expr]:
    """Flags of who was contacted, and of whom it is not known."""
    if not contact:
        return {}
    column, dtype = nw.col(contact), schema[contact]
    if dtype == nw.Boolean or dtype.is_numeric():
        number = column.cast(nw.Int64) if dtype == nw.Boolean else column.cast(nw.Float64)
        reached = number > 0
        unknown = column.is_null() | (number.is_nan() if dtype.is_float() else nw.lit(False))
    else:  # a day, which is empty for those who were not contacted
        reached, unknown = ~column.is_null(), nw.lit(False)
    flag = nw.when(reached & ~unknown).then(1.0).otherwise(0.0)
    return {
        CONTACTED: flag,
        UNKNOWN: nw.when(unknown).then(1.0).otherwise(0.0),
    }


@dataclass(frozen=True)
class Differences:
    """Each arm against control, as `check_campaign` describes its checks."""

    trial: Trial
    found: Imbalances
    alpha: float
    limit: float
    uneven: bool

    def _arms(self) -> Iterator[tuple[str, Any]]:
        for text in self.trial.treated:
            yield text, self.trial.labels[text]

    def _verdict(self, p: float) -> str:
        """By chance alone; where shares differ by stratum, arms differ by design."""
        verdict = by_p(p, self.alpha)
        return "look" if verdict == "stop" and self.uneven else verdict

    def balance(self, names: Sequence[str]) -> Iterator[Finding]:
        control = self.trial.control
        for text, label in self._arms():
            for name in names:
                value, n = self.found.distance(text, control, name)
                p = self.found.p(text, control, [name])
                far = abs(value) > max(FAR, self.limit) and by_p(p, self.alpha) == "stop"
                verdict = "look" if abs(value) > self.limit else "ok"
                yield Finding(
                    check="balance",
                    arm=label,
                    column=name,
                    value=value,
                    limit=self.limit,
                    p=p,
                    n=n,
                    verdict="stop" if far and not self.uneven else verdict,
                )
            if names:
                parts = [
                    *names,
                    *(f"missing {c}" for c in names if f"missing {c}" in self.found.places),
                ]
                p = self.found.p(text, control, parts)
                yield Finding(
                    check="joint balance",
                    arm=label,
                    column="covariates",
                    value=len(names),
                    p=p,
                    n=self.found.units(text) + self.found.units(control),
                    verdict=self._verdict(p),
                )

    def missing(self, check: str, names: Iterable[str]) -> Iterator[Finding]:
        for name in names:
            flag = f"missing {name}"
            if flag not in self.found.places:
                total = sum(self.trial.counts.values())
                yield Finding(check=check, column=name, value=0.0, n=total, verdict="ok")
                continue
            many = self.limit if check == "missing outcome" else math.inf
            yield from self._shares(check, name, flag, many)

    def _shares(self, check: str, column: str, flag: str, many: float) -> Iterator[Finding]:
        """Share of each arm that has a flag: more than in control, or more than `many`."""
        control = self.trial.control
        for text, label in self.trial.labels.items():
            value = self.found.share(text, flag)
            p = math.nan if text == control else self.found.p_share(text, control, flag)
            verdict = self._verdict(p)
            yield Finding(
                check=check,
                arm=label,
                column=column,
                value=value,
                limit=many if many < math.inf else math.nan,
                p=p,
                n=self.found.units(text),
                verdict="look" if verdict == "ok" and value > many else verdict,
            )

    def before(self, name: str) -> Iterator[Finding]:
        control = self.trial.control
        n, mean, _ = self.found.known(control, name)
        for text, label in self._arms():
            m, above, _ = self.found.known(text, name)
            p = self.found.p(text, control, [name])
            yield Finding(
                check="period before",
                arm=label,
                column=name,
                value=above - mean,
                p=p,
                n=n + m,
                verdict=self._verdict(p),
            )

    def contacts(self, column: str) -> Iterator[Finding]:
        arms = self.trial.labels
        if all(self.found.share(text, UNKNOWN) == 1 for text in arms):
            total = sum(self.trial.counts.values())
            yield Finding(
                check="contact unknown", column=column, value=math.nan, n=total, verdict="look"
            )
            return
        for text, label in arms.items():
            known = 1 - self.found.share(text, UNKNOWN)
            value = self.found.share(text, CONTACTED) / known if known else math.nan
            inside = text == self.trial.control
            if inside:
                verdict = "stop" if value > self.limit else "look" if value > 0 else "ok"
            else:
                verdict = "stop" if value == 0 else "ok" if value >= HALF else "look"
            yield Finding(
                check="contact in control" if inside else "contacted",
                arm=label,
                column=column,
                value=value,
                limit=0.0 if inside else HALF,
                n=round(known * self.found.units(text)),
                verdict=verdict,
            )

    def others(self, column: str) -> Iterator[Finding]:
        if not any(self.found.share(text, OTHERS) for text in self.trial.labels):
            total = sum(self.trial.counts.values())
            yield Finding(
                check="another campaign", column=column, value=0.0, limit=0.0, n=total, verdict="ok"
            )
            return
        yield from self._shares("another campaign", column, OTHERS, 0.0)
