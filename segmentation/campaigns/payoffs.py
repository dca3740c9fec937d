"""Whether a campaign paid: income that it caused, what it cost, and what the holdout cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation.campaigns.quantities import Known, Pair, linear
from segmentation.campaigns.terms import check_numbers, join_baseline, read_effect
from segmentation.data.errors import TableError

__all__ = ["Payoff", "payoff"]

UNBOUNDED = "The cost is not told from 0, so the return has no bounds: read the profit."
VERDICTS = ("it paid", "it lost money", "not established")
CENT = 0.005


@dataclass(frozen=True, kw_only=True)
class Payoff:
    """What a campaign brought and cost, in yuan, with the limits that its effect allows.

    Attributes
    ----------
    table : DataFrame
        ``item value low high``: incremental income, cost of contact, incentives (where there are),
        fixed cost, profit, profit per treated customer, cost of the holdout.
    treated, holdout : int
        Customers whom the campaign was for, and of these held out.
    income, cost, profit : float
        Over all treated customers, each also with `_low` and `_high`.
    roi : float
        ``profit / cost``, with `roi_low` and `roi_high`: NaN between −∞ and ∞ where the cost is
        not told from 0, which `note` then says.
    holdout_cost : float
        Profit forgone by not treating the holdout, with `_low` and `_high`; negative where the
        holdout saved money.
    break_even : float
        Effect at which the profit is 0; ∞ where none is.
    break_even_margin : float
        Margin at which it is, with `_low` and `_high`; ∞ where none is.
    verdict : str
        "it paid", "it lost money", or "not established" where the profit's interval holds 0.
    note : str
        What cannot be said of the return, or nothing.
    """

    table: pd.DataFrame
    treated: int
    holdout: int
    income: float
    income_low: float
    income_high: float
    cost: float
    cost_low: float
    cost_high: float
    profit: float
    profit_low: float
    profit_high: float
    roi: float
    roi_low: float
    roi_high: float
    holdout_cost: float
    holdout_cost_low: float
    holdout_cost_high: float
    break_even: float
    break_even_margin: float
    break_even_margin_low: float
    break_even_margin_high: float
    verdict: str
    note: str

    @property
    def return_(self) -> float:
        """The return on cost, `roi`."""
        return self.roi


def payoff(
    effect: Any,
    customers: float,
    margin: float,
    cost: float,
    fixed: float = 0.0,
    holdout: float = 0.0,
    *,
    alpha: float = 0.05,
    contact_rate: float = 1.0,
    incentive: float = 0.0,
    baseline: float | None = None,
    baseline_se: float | None = None,
) -> Payoff:
    """Turn an effect into income, cost, profit and return.

    With N treated customers, effect e and mean of control b per customer::

        income = N · margin · e
        cost   = N · (contact_rate · cost + incentive · (b + e)) + fixed
        profit = income − cost,    return = profit / cost

    The cost is that of all who were treated: of those also who would have come anyway.

    Parameters
    ----------
    effect : row of `effect`, one-row DataFrame, Estimate, mapping, or (estimate, se)
        Effect per assigned customer. From its limits follow those of every amount, whether they
        are by t, Newcombe or permutation, and unbounded ones stay so; a pair of plain numbers is
        given normal limits. With the effect on those contacted (Wald IV), `customers` are those
        contacted. A ratio (Delta) is no effect per customer and is refused.
    customers : number
        All whom the campaign is for, the holdout among them.
    margin : float
        Yuan per unit of the outcome: per conversion, or per yuan of balance or spending.
    cost : float
        Yuan per customer contacted.
    fixed : float
        Yuan, once, in the cost of the campaign, not in that of the holdout.
    holdout : number
        Customers not treated, or below 1 the share of `customers`.
    alpha : float
        1 − level of the limits of `effect`; used where limits are made here.
    contact_rate : float
        Share of the treated who are contacted and so cost money.
    incentive : float
        Yuan per conversion (or yuan of outcome) in the treated arm, incremental or not. Its sum
        is as uncertain as the effect and correlated with it, which the limits follow.
    baseline, baseline_se : float
        With an incentive, the mean of control and its standard error. The error may be left out
        of shares with Newcombe's interval, which get Wilson's. The arms are taken as independent;
        with an effect adjusted for covariates this errs on the wide side.

    Returns
    -------
    Payoff

    Raises
    ------
    TableError
        If the effect is not one row, not known or not per customer; or if a number is negative or
        not finite, the margin is not positive, nobody is treated, or an incentive has no baseline.

    Notes
    -----
    Where only the effect is uncertain, limits are those of the effect, scaled. With an incentive
    the profit joins the limits of effect and baseline (Zou & Donner 2008), and the return is
    Fieller's, which excludes 0 where and only where the profit does.

    References
    ----------
    Fieller (1954), Some problems in interval estimation, JRSS B 16; Zou & Donner (2008),
    Construction of confidence limits about effect measures, Statistics in Medicine 27.

    Examples
    --------
    >>> it = payoff((0.02, 0.005), customers=12_000, margin=300, cost=2, fixed=5_000, holdout=2_000)
    >>> it.table.round(0).iloc[:4].values.tolist()  # doctest: +NORMALIZE_WHITESPACE
    [['incremental income', 60000.0, 30601.0, 89399.0],
     ['cost of contact', 20000.0, 20000.0, 20000.0],
     ['fixed cost', 5000.0, 5000.0, 5000.0],
     ['profit', 35000.0, 5601.0, 64399.0]]
    >>> round(it.roi, 2), round(it.break_even, 4), it.verdict
    (1.4, 0.0083, 'it paid')
    """
    row = read_effect(effect, alpha)
    check_numbers(
        row["method"],
        customers=customers,
        margin=margin,
        cost=cost,
        fixed=fixed,
        holdout=holdout,
        contact_rate=contact_rate,
        incentive=incentive,
    )
    held = round(holdout * customers) if holdout < 1 else round(holdout)
    n = round(customers) - held
    if n <= 0:
        raise TableError("holdout", "fewer are held out than there are customers", "Check both.")
    pair = join_baseline(row, alpha, incentive, baseline, baseline_se)
    each = linear(contact_rate * cost, incentive, incentive)
    income, costs = linear(0, n * margin), n * each + linear(fixed)
    profit = income - costs
    saved = held * (linear(0, margin) - each)
    amounts: list[tuple[str, Known]] = [
        ("incremental income", income),
        ("cost of contact", linear(n * contact_rate * cost)),
        *([("incentives", linear(0, n * incentive, n * incentive))] if incentive else []),
        ("fixed cost", linear(fixed)),
        ("profit", profit),
        ("profit per treated customer", profit / n),
        ("cost of the holdout", saved),
    ]
    rows = [(item, pair.value(part), *pair.limits(part)) for item, part in amounts]
    ratio = _roi(pair, profit, costs)
    return Payoff(
        table=pd.DataFrame(rows, columns=["item", "value", "low", "high"]),
        treated=n,
        holdout=held,
        **_named("income", pair, income),
        **_named("cost", pair, costs),
        **_named("profit", pair, profit),
        **dict(zip(("roi", "roi_low", "roi_high"), ratio, strict=True)),
        **_named("holdout_cost", pair, saved),
        break_even=_break_even(pair, profit),
        **_break_even_margin(pair, costs, n),
        verdict=_verdict(*pair.limits(profit)),
        note=UNBOUNDED if math.isnan(ratio[0]) else "",
    )


def _named(name: str, pair: Pair, quantity: Known) -> dict[str, float]:
    low, high = pair.limits(quantity)
    return {name: pair.value(quantity), f"{name}_low": low, f"{name}_high": high}


def _roi(pair: Pair, profit: Known, costs: Known) -> tuple[float, float, float]:
    if pair.value(costs) < CENT:
        return math.nan, -math.inf, math.inf
    return pair.ratio(profit, costs)


def _break_even(pair: Pair, profit: Known) -> float:
    """Effect at which the profit is 0; none where an incentive eats the margin."""
    constant, slope, baseline = profit
    if slope <= 0:
        return math.inf
    return float(-(constant + baseline * pair.baseline.value) / slope)


def _break_even_margin(pair: Pair, costs: Known, n: int) -> dict[str, float]:
    """Cost per unit of outcome that was caused: margins above it pay."""
    unit = linear(0, n)
    if costs[1:].any():
        value, low, high = pair.ratio(costs, unit)
        value, low = (math.inf if math.isnan(value) else value), max(low, 0.0)
    else:  # exact: the higher the effect, the lower the margin that it needs
        units = (pair.value(unit), *reversed(pair.limits(unit)))
        value, low, high = (float(costs[0]) / u if u > 0 else math.inf for u in units)
    names = ("break_even_margin", "break_even_margin_low", "break_even_margin_high")
    return dict(zip(names, (value, low, high), strict=True))


def _verdict(low: float, high: float) -> str:
    paid, lost, unknown = VERDICTS
    return paid if low > 0 else lost if high < 0 else unknown
