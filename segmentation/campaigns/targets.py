"""Whom to treat next: those whose effect is worth more than it costs, within a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from segmentation.campaigns.estimates import critical_value
from segmentation.campaigns.policies import Policies, chosen, comparison, steps_table
from segmentation.campaigns.steps import (
    Cells,
    Floats,
    carried,
    path,
    ranked,
    read_cells,
    smoothed,
    together,
)
from segmentation.data.errors import TableError

__all__ = ["Target", "target"]

SOME, ALL, NONE = "target some", "target everyone", "target nobody"
SAME, FRESH = "the data that chose it", "fresh data"


@dataclass(frozen=True, eq=False, kw_only=True)
class Target:
    """Whom to treat, and what that should bring.

    Attributes
    ----------
    share : float
        Share of the customers to treat, from the highest score down (several arms: in any).
    cut : float
        Lowest score treated; NaN for nobody, and for several arms, where `cells` says who.
    spend, profit, profit_low, profit_high : float
        Yuan over all `customers`, with the fixed cost.
    verdict : str
        "target some", "target everyone" or "target nobody".
    judged : str
        What the profit was judged on: "the data that chose it", which is optimistic, or "fresh
        data".
    table : DataFrame
        ``share score spend gain profit profit_low profit_high``: the path from nobody to everyone
        (several arms: to whom it does not pay any more), one row a step; `gain` in units of the
        outcome. Always on the data that chose.
    cells : DataFrame
        ``score share`` of each cell of customers and, by arm, the share of the cell to treat.
    comparison : DataFrame
        ``policy share spend profit profit_low profit_high ahead ahead_low ahead_high``: what was
        chosen, nobody, and everyone (of each arm), whatever the budget; `ahead` is how much more
        the chosen earns, on what `judged` says.
    customers : int
        Customers whom amounts are for.
    """

    share: float
    cut: float
    spend: float
    profit: float
    profit_low: float
    profit_high: float
    verdict: str
    judged: str
    table: pd.DataFrame
    cells: pd.DataFrame
    comparison: pd.DataFrame
    customers: int


def target(
    curve: Any,
    margin: float | Mapping[Any, float],
    cost: float | Mapping[Any, float],
    budget: float | None = None,
    fixed: float = 0.0,
    *,
    customers: float | None = None,
    evaluate: Any = None,
    alpha: float = 0.05,
) -> Target:
    """Choose whom to treat so that the expected profit is the highest that a budget allows.

    With the uplift τ(k) in score cell k and its share w(k) of N customers, treating shares f(k)::

        profit = N · Σ w(k) f(k) (margin · τ(k) − cost) − fixed · [anybody is treated]

    Of one arm those from the highest score down are treated, as long as the slope of the concave
    hull of the gain is worth more than the cost: a cell that is high or low by noise moves nothing
    by itself. Of several arms each cell climbs the upper hull of income over cost, and the steps
    of all cells are taken by their income per yuan until it falls to 1 or the budget is spent; the
    last step may be for a part of its cell only, drawn at random or by finer score.

    Parameters
    ----------
    curve : UpliftCurve, frame like its table, or mapping of arm to either
        ``share score n_control n_treated uplift``, one row a cell from the highest score down;
        `share` counts from the top. The errors are in `gain_se toc_se`, as a curve has them, or,
        for frames without these and for several arms, in `uplift_se`. Curves of several arms are
        of one score and have cells large enough to believe (`bins` of 5 to 20).
    margin : float or mapping of arm to float
        Yuan per unit of the outcome.
    cost : float or mapping of arm to float
        Yuan per treated customer.
    budget : float, optional
        Most to spend, the fixed cost included; yuan.
    fixed : float
        Yuan, once, if anybody is treated.
    customers : number, optional
        Customers to choose from, by default those of the curve. Budget and amounts are for them.
    evaluate : as `curve`
        A curve on customers who had no part in choosing (a fresh fold), on which to judge.
    alpha : float
        1 − level of the intervals.

    Returns
    -------
    Target

    Raises
    ------
    TableError
        If columns are missing, cells have no effect or error, shares do not rise to 1, arms
        differ between arguments, or an amount is negative or not finite.

    Notes
    -----
    The profit of the best share, judged on the data that chose it, is optimistic: its noise was
    chosen, too, and its interval is right only for a share fixed beforehand. Pass `evaluate`.

    With the fixed share u of one arm the variance of the profit per customer is that of
    ``margin · (G − m(u)) · [U ≤ u]``, where m(u) is the effect at the margin: whom the cut-off lets
    in is estimated, too. A curve's errors, which may be of clusters, are used as they are. For
    several arms the cells are taken as fixed, and their customers as independent.

    References
    ----------
    Sverdrup, Wu, Athey & Wager (2025), Qini curves for multi-armed treatment rules, JCGS 34;
    Yadlowsky et al. (2025), Evaluating treatment prioritization rules, JASA 120.

    Examples
    --------
    >>> curve = pd.DataFrame({
    ...     "share": [0.25, 0.5, 0.75, 1.0], "score": [4.0, 3.0, 2.0, 1.0],
    ...     "n_control": 500, "n_treated": 500,
    ...     "uplift": [0.08, 0.05, 0.01, -0.01], "uplift_se": 0.01})
    >>> best = target(curve, margin=100, cost=2, customers=10_000)
    >>> best.share, best.cut, round(best.profit), best.verdict
    (0.5, 3.0, 22500, 'target some')
    """
    cells = _cells(curve, "curve")
    margins, costs = _by_arm(margin, cells, "margin"), _by_arm(cost, cells, "cost")
    if (margins == 0).any():
        raise TableError("margin", "the number is above 0", "Check it.")
    size = cells.n if customers is None else float(customers)
    for name, number in (("fixed", fixed), ("customers", size), ("budget", budget or 0.0)):
        if not (math.isfinite(number) and number >= 0):
            raise TableError(name, "the number is finite and not negative", "Check it.")
    if size == 0:
        raise TableError("customers", "there are customers", "Check it.")
    one = len(cells.arms) == 1
    uplift = smoothed(cells) if one else cells.uplift
    steps = ranked(margins * uplift, costs) if one else path(margins * uplift, costs)
    critical = critical_value(alpha)
    plan = Policies(cells, margins, costs, size, fixed, critical, 0.0 if one else None)
    treated = chosen(plan, steps, math.inf if budget is None else budget)
    inside = np.flatnonzero(treated.any(axis=1))
    judge, judged = plan, treated
    if evaluate is not None:
        fresh = _cells(evaluate, "evaluate")
        if fresh.arms != cells.arms:
            raise TableError("evaluate", "arms are those of the curve", "Pass the same arms.")
        judge, judged = replace(plan, cells=fresh), carried(treated, cells, fresh)
    judge = judge.at(float(uplift[inside[-1], 0]) if one and len(inside) else 0.0)
    profit, low, high = judge.profit(judged)
    share = plan.share(treated)
    return Target(
        share=share,
        cut=float(cells.scores[inside].min()) if one and len(inside) else math.nan,
        spend=plan.spend(treated),
        profit=profit,
        profit_low=low,
        profit_high=high,
        verdict=NONE if share == 0 else ALL if share > 1 - 1e-12 else SOME,
        judged=SAME if evaluate is None else FRESH,
        table=steps_table(plan, steps, uplift),
        cells=_allocation(cells, treated),
        comparison=comparison(judge, judged),
        customers=round(size),
    )


def _cells(curve: Any, name: str) -> Cells:
    if not isinstance(curve, Mapping):
        return read_cells(curve, "treated", name)
    if not curve:
        raise TableError(name, "there is an arm", "Pass arm: curve.")
    parts = [read_cells(part, arm, name) for arm, part in curve.items()]
    return parts[0] if len(parts) == 1 else together(parts)


def _by_arm(amount: float | Mapping[Any, float], cells: Cells, name: str) -> Floats:
    if isinstance(amount, Mapping):
        if set(amount) != set(cells.arms):
            raise TableError(name, "arms are those of the curve", "Pass one amount an arm.")
        amounts = np.array([float(amount[arm]) for arm in cells.arms])
    else:
        amounts = np.full(len(cells.arms), float(amount))
    if not (np.isfinite(amounts).all() and (amounts >= 0).all()):
        raise TableError(name, "the number is finite and not negative", "Check it.")
    return amounts


def _allocation(cells: Cells, treated: Floats) -> pd.DataFrame:
    table = pd.DataFrame({"score": cells.scores, "share": cells.shares})
    for index, arm in enumerate(cells.arms):
        table[arm] = treated[:, index]
    return table
