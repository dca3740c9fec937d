"""The terms of a payoff as they come in: an effect with its limits, and numbers that hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from segmentation.campaigns.estimates import Estimate, critical_value
from segmentation.campaigns.quantities import Measured, Pair
from segmentation.customers.intervals import wilson
from segmentation.data.errors import TableError

__all__ = ["check_numbers", "join_baseline", "read_effect"]


def read_effect(effect: Any, alpha: float) -> dict[str, Any]:
    """Read estimate, se, low, high, method and n_control of whatever holds them."""
    if isinstance(effect, Estimate):
        effect = {field.name: getattr(effect, field.name) for field in fields(effect)}
    elif isinstance(effect, pd.DataFrame):
        if len(effect) != 1:
            raise TableError("effect", "one row is one effect", "Choose arm, outcome and method.")
        effect = effect.iloc[0]
    if isinstance(effect, tuple | list):
        if len(effect) != 2:
            raise TableError("effect", "a pair is (estimate, se)", "Or pass a row of `effect`.")
        effect = {"estimate": effect[0], "se": effect[1]}
    if not isinstance(effect, pd.Series | Mapping):
        raise TableError(
            "effect", "an effect comes with its error", "Pass a row of `effect`, or (estimate, se)."
        )
    names = ("estimate", "se", "low", "high", "n_control")
    row: dict[str, Any] = {name: _float(effect.get(name)) for name in names}
    row["method"] = str(effect.get("method", ""))
    if not math.isfinite(row["estimate"]):
        raise TableError("effect", "the effect is known", "Estimate it first.", "estimate")
    if math.isnan(row["low"]) or math.isnan(row["high"]):
        if not 0 <= row["se"] < math.inf:
            raise TableError("effect", "an effect has limits, or an error", "Add them.", "se")
        reach = critical_value(alpha) * row["se"]
        row["low"], row["high"] = row["estimate"] - reach, row["estimate"] + reach
    if not row["low"] <= row["estimate"] <= row["high"]:
        raise TableError("effect", "the limits lie on both sides of the estimate", "Check them.")
    return row


def _float(value: Any) -> float:
    return math.nan if value is None or value is pd.NA else float(value)


def check_numbers(method: str, **amounts: float) -> None:
    """Refuse what is no number of customers or yuan, and effects that are not per customer."""
    for name, amount in amounts.items():
        if not (math.isfinite(amount) and amount >= 0):
            raise TableError(name, "the number is finite and not negative", "Check it.")
    for name in ("customers", "margin"):
        if amounts[name] == 0:
            raise TableError(name, "the number is above 0", "Check it.")
    if amounts["contact_rate"] > 1:
        raise TableError("contact_rate", "a share is at most 1", "Pass 0.8 for 80 %.")
    if method.startswith("Delta"):
        raise TableError(
            "effect",
            "the effect is per customer, and this is one of a ratio",
            "Pass the effect on its numerator, without `per`.",
        )
    if method.startswith("Wald") and amounts["contact_rate"] != 1:
        raise TableError(
            "contact_rate",
            "an effect on those contacted is not thinned again",
            "Pass the number contacted as `customers`.",
        )


def join_baseline(
    row: dict[str, Any],
    alpha: float,
    incentive: float,
    baseline: float | None,
    baseline_se: float | None,
) -> Pair:
    """Effect and mean of control, the latter only where an incentive makes it matter."""
    estimate, low, high = row["estimate"], row["low"], row["high"]
    effect = Measured(estimate, estimate - low, high - estimate)
    if not incentive:
        return Pair(effect)
    if baseline is None or not math.isfinite(baseline) or baseline < 0:
        raise TableError("baseline", "an incentive is paid on a mean of control", "Pass it.")
    n, se = row["n_control"], baseline_se
    if se is None:
        if not (row["method"].startswith("Newcombe") and n > 0 and baseline <= 1):
            raise TableError("baseline_se", "the mean of control has an error", "Pass it.")
        below, above = wilson(round(baseline * n), n, 1 - alpha)
        se = math.sqrt(baseline * (1 - baseline) / n)
        known = Measured(baseline, baseline - float(below), float(above) - baseline)
    elif not 0 <= se < math.inf:
        raise TableError("baseline_se", "the number is finite and not negative", "Check it.")
    else:
        half = (high - low) / 2
        usual = math.isfinite(half) and row["se"] > 0
        reach = (half / row["se"] if usual else critical_value(alpha)) * se
        known = Measured(baseline, reach, reach)
    # The effect is treated less control: what control has too much, the effect has too little.
    return Pair(effect, known, -min(se / row["se"], 1.0) if row["se"] > 0 else 0.0)
