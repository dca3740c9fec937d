"""What a campaign does to the middle and the top of an outcome, where a mean says little."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation.campaigns.arms import UNIT, enter_trial
from segmentation.campaigns.estimates import Estimate, critical_value, estimate_table
from segmentation.campaigns.positions import Orders, rank_limits
from segmentation.customers.intervals import square_and_add

__all__ = ["quantile_effect"]


@dataclass(frozen=True)
class _Level:
    """A quantile of an arm with its limits."""

    value: float
    low: float
    high: float


def quantile_effect(
    data: Any,
    outcome: str | Iterable[str],
    arm: str,
    control: Any,
    q: float | Iterable[float] = (0.5, 0.9, 0.99),
    alpha: float = 0.05,
    unit: str | None = UNIT,
) -> pd.DataFrame:
    """Compare quantiles of each arm with those of control.

    It is the difference of quantiles, not a quantile of differences: it says how far the level
    moved that a share q of the arm is below, not what happened to anybody.

    A quantile is the linear one, ``x₍ₖ₎`` at ``k = 1 + q(n − 1)``. Each arm has limits at two of
    its own values, whatever the distribution (`Woodruff`, mid-p), which are joined as Newcombe
    joins those of shares: ``d ∓ √((value₁ − limit₁)² + (limit₀ − value₀)²)``. Where many have the
    same value (no spend) and the quantile is there in both arms, the difference is 0 and so are
    its limits. With some ten values above the quantile the interval is on the wide side (97 % for
    95 %), with some fifty about right (96 %). Customers are taken to be independent: where clusters
    were assigned, the limits are too narrow.

    Parameters
    ----------
    data : any frame
        One row a unit.
    outcome : str or several
        Columns of numbers; of each, rows with a value count.
    arm, control
        Column of the arm, and its value for control.
    q : float or several
        Between 0 and 1. Adjust the p-values of several with `adjust`.
    alpha : float
        1 − confidence.
    unit : str or None
        Column that is checked for duplicates if the data have it.

    Returns
    -------
    DataFrame
        ``arm outcome q by estimate se low high p relative relative_low relative_high n_control
        n_treated method``, one row an arm, outcome and q, as of `effect`. `se` is the width of the
        interval over that of a normal one, and p follows from the side towards 0, so that the
        interval excludes 0 where and only where p < alpha. Where so few are above the quantile
        that its limit leaves the sample, `low` and `high` are infinite, and `se` and `p` NaN: the
        sample does not bound it. `relative` is over the absolute quantile of control; NaN where
        that is not told from 0 or is of another sign.

    Raises
    ------
    TableError
        If data are no trial (see `effect`), or a value is infinite.

    References
    ----------
    Woodruff (1952), Confidence intervals for medians and other position measures, JASA 47; Zou &
    Donner (2008), Construction of confidence limits about effect measures, Statistics in Medicine
    27; Donner & Zou (2012), Closed-form confidence intervals for functions of the normal mean and
    standard deviation, Statistical Methods in Medical Research 21 (ratios).

    Examples
    --------
    >>> import pandas as pd
    >>> spend = [2.0 * i for i in range(101)] + [1.0 * i for i in range(101)]
    >>> data = pd.DataFrame({"arm": ["call"] * 101 + ["none"] * 101, "spend": spend})
    >>> table = quantile_effect(data, "spend", "arm", "none", q=0.5)
    >>> table[["estimate", "low", "high", "relative"]].round(1).values.tolist()
    [[50.0, 27.6, 72.4, 1.0]]
    """
    levels = (float(q),) if isinstance(q, int | float) else tuple(float(one) for one in q)
    if not levels or not all(0 < one < 1 for one in levels):
        raise ValueError("q: shares between 0 and 1")
    critical = critical_value(alpha)
    outcomes = (outcome,) if isinstance(outcome, str) else tuple(dict.fromkeys(outcome))
    trial = enter_trial(data, arm, control, outcomes, (), unit)
    estimates, where = [], []
    for name in outcomes:
        orders = Orders(trial.rows, arm, name, trial.labels)
        found = _quantiles(orders, levels, alpha)
        for text in trial.treated:
            for level in levels:
                estimates.append(
                    _estimate(
                        found[text, level],
                        found[trial.control, level],
                        critical,
                        arm=trial.labels[text],
                        outcome=name,
                        n_control=orders.n[trial.control],
                        n_treated=orders.n[text],
                    )
                )
                where.append(level)
    table = estimate_table(estimates)
    table.insert(2, "q", where)
    return table


def _quantiles(
    orders: Orders, levels: Iterable[float], alpha: float
) -> dict[tuple[str, float], _Level]:
    """Quantiles of all arms, all ranks looked up together."""
    ranks: dict[tuple[str, float], tuple[int, int, int, int, float]] = {}
    for text, n in orders.n.items():
        for q in levels:
            place = 1 + q * (n - 1)
            whole = min(math.floor(place + 1e-9), n)
            above = min(whole + 1, n)
            ranks[text, q] = (whole, above, *rank_limits(n, q, alpha), max(place - whole, 0.0))
    values = orders.values((text, r) for (text, _), found in ranks.items() for r in found[:4])
    out = {}
    for (text, q), (whole, above, low, high, part) in ranks.items():
        if not orders.n[text]:
            out[text, q] = _Level(math.nan, -math.inf, math.inf)
            continue
        below = values[text, whole]
        value = below + part * (values[text, above] - below)
        # A linear quantile may lie a part of a step outside of limits that are values.
        out[text, q] = _Level(value, min(values[text, low], value), max(values[text, high], value))
    return out


def _estimate(treated: _Level, control: _Level, critical: float, **names: Any) -> Estimate:
    """The difference of two quantiles."""
    from scipy import stats

    estimate = treated.value - control.value
    _, low, high = (
        float(part)
        for part in square_and_add(
            (1, -1),
            (treated.value, control.value),
            (treated.low, control.low),
            (treated.high, control.high),
        )
    )
    known = math.isfinite(low) and math.isfinite(high)
    towards = estimate - low if estimate > 0 else high - estimate
    p = math.nan
    if known:
        # Limits are taken to move in proportion to the quantile of the normal distribution.
        z = critical * abs(estimate) / towards if towards > 0 else math.inf if estimate else 0.0
        p = float(2 * stats.norm.sf(z))
    elif math.isnan(estimate):
        low, high = -math.inf, math.inf
    relative, relative_low, relative_high = _relative(treated, control)
    bounded = "Order statistics" if known else "Order statistics, unbounded"
    return Estimate(
        estimate=estimate,
        se=(high - low) / (2 * critical) if known else math.nan,
        low=low,
        high=high,
        p=p,
        relative=relative,
        relative_low=relative_low,
        relative_high=relative_high,
        method=bounded,
        **names,
    )


def _relative(treated: _Level, control: _Level) -> tuple[float, float, float]:
    """Effect over the absolute quantile of control, with the limits that agree with the difference.

    The limits of a ratio r are where the joined limits of ``treated − r·control`` reach 0.
    """
    if control.value < 0:
        mirrored = [_Level(-part.value, -part.high, -part.low) for part in (treated, control)]
        value, low, high = _relative(*mirrored)
        return -value, -high, -low
    limits = (treated.low, treated.high, control.low, control.high)
    if not (control.low > 0 and treated.value >= 0 and all(map(math.isfinite, limits))):
        return math.nan, math.nan, math.nan
    both = treated.value * control.value
    under = treated.low * (2 * treated.value - treated.low)
    over = treated.high * (2 * treated.value - treated.high)
    wide = control.high * (2 * control.value - control.high)
    close = control.low * (2 * control.value - control.low)
    # Below 0 the other limit of control is the one that counts.
    root = math.sqrt(max(both**2 - (wide if under > 0 else close) * under, 0.0))
    low = under / (both + root) if under else 0.0
    high = (both + math.sqrt(max(both**2 - close * over, 0.0))) / close
    return treated.value / control.value - 1, low - 1, high - 1
