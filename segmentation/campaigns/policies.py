"""What treating parts of score cells costs and brings, with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from segmentation.campaigns.steps import Cells, Floats, Step

__all__ = ["Policies", "chosen", "comparison", "steps_table"]


@dataclass(frozen=True, eq=False)
class Policies:
    """Amounts of treating shares f (K, A) of cells.

    Attributes
    ----------
    cells : Cells
        On which amounts are judged.
    margins, costs : array (A,)
        Yuan per unit of the outcome, and per treated customer.
    customers, fixed : float
        Customers whom amounts are for, and yuan once if anybody is treated.
    critical : float
        Standard errors from estimate to limit.
    marginal : float or None
        Of shares of one ranking: effect at the cut-off, which is estimated, too. None: cells are
        taken as they are.
    """

    cells: Cells
    margins: Floats
    costs: Floats
    customers: float
    fixed: float
    critical: float
    marginal: float | None

    def at(self, marginal: float) -> Policies:
        """Return the same with another effect at the cut-off, if that matters."""
        return self if self.marginal is None else replace(self, marginal=marginal)

    def share(self, treated: Floats) -> float:
        """Share of customers treated."""
        return float(self.cells.shares @ treated.sum(axis=1))

    def spend(self, treated: Floats) -> float:
        """Yuan spent."""
        each = float(self.cells.shares @ treated @ self.costs)
        return self.customers * each + self.fixed * bool(treated.any())

    def gain(self, treated: Floats) -> float:
        """Units of the outcome that are caused."""
        return self.customers * float(self.cells.shares @ (treated * self.cells.uplift).sum(axis=1))

    def profit(self, treated: Floats) -> tuple[float, float, float]:
        """Profit and its limits."""
        return self.ahead(treated, np.zeros_like(treated))

    def ahead(self, treated: Floats, other: Floats) -> tuple[float, float, float]:
        """By how much one policy earns more than another, and limits of that."""
        weights = treated - other
        fixed = self.fixed * (int(treated.any()) - int(other.any()))
        worth = self.margins * self.cells.uplift - self.costs
        value = self.customers * float(self.cells.shares @ (weights * worth).sum(axis=1)) - fixed
        reach = self.critical * self.customers * self._error(weights)
        return value, value - reach, value + reach

    def _error(self, weights: Floats) -> float:
        """Standard error per customer: of the effects, and of who is above the cut-off."""
        if self.marginal is not None:
            return float(self.margins[0]) * self._ranked_error(self.share(weights))
        cells = self.cells
        # Arms of a cell share its control: their errors are added as if wholly correlated.
        within = (np.abs(weights) * self.margins * cells.errors).sum(axis=1) * cells.shares
        values = (weights * (self.margins * cells.uplift - self.costs)).sum(axis=1)
        middle = float(cells.shares @ values)
        between = float(cells.shares @ (values - middle) ** 2) / cells.n
        return math.sqrt(float(within @ within) + between)

    def _ranked_error(self, share: float) -> float:
        """Of the gain from the share at the top, or (negative) the loss without that at the bottom.

        The variance of ``(G − m)·[U ≤ u]``, with m the effect at the cut-off.
        """
        cells, m = self.cells, self.marginal or 0.0
        if cells.prefix is None:
            raise TypeError("cells of one arm have a prefix")
        u = share if share >= 0 else 1 + share
        gain, variance, covariance = (
            float(np.interp(u, cells.edges, part)) for part in cells.prefix
        )
        caused, rest = gain, 1 - u
        if share < 0:
            total, last = cells.prefix.gain[-1], cells.prefix.variance[-1]
            caused, rest, variance = total - gain, u, last + variance - 2 * covariance
        share = abs(share)
        moved = (m * m * share * rest - 2 * m * caused * rest) / cells.n
        return math.sqrt(max(variance + moved, 0.0))


def chosen(policies: Policies, steps: list[Step], budget: float) -> Floats:
    """Take the steps that pay, as far as the budget goes; none if they do not earn the fixed."""
    treated = np.zeros_like(policies.cells.uplift)
    left, earned = budget - policies.fixed, -policies.fixed
    for step in steps:
        customers = policies.customers * policies.cells.shares[step.cell]
        price = step.cost * customers
        if step.income <= step.cost or left < 0:
            break
        part = 1.0 if price <= left * (1 + 1e-12) else left / price
        _take(treated, step, part)
        left -= part * price
        earned += part * (step.income - step.cost) * customers
        if part < 1:
            break
    return treated if earned > 0 else np.zeros_like(treated)


def _take(treated: Floats, step: Step, part: float) -> None:
    treated[step.cell, step.after] = part
    if step.before >= 0:
        treated[step.cell, step.before] -= part


def steps_table(policies: Policies, steps: list[Step], uplift: Floats) -> pd.DataFrame:
    """Return share, score, spend, gain and profit after each step, beginning with nobody."""
    treated = np.zeros_like(uplift)
    rows = [(0.0, math.nan, 0.0, 0.0, 0.0, 0.0, 0.0)]
    for step in steps:
        _take(treated, step, 1.0)
        here = policies.at(float(uplift[step.cell, 0]))
        score = float(policies.cells.scores[step.cell])
        amounts = here.spend(treated), here.gain(treated), *here.profit(treated)
        rows.append((min(here.share(treated), 1.0), score, *amounts))
    columns = ["share", "score", "spend", "gain", "profit", "profit_low", "profit_high"]
    return pd.DataFrame(rows, columns=columns)


def comparison(policies: Policies, treated: Floats) -> pd.DataFrame:
    """Return what was chosen beside nobody and everyone, of each arm."""
    arms = policies.cells.arms
    rivals: list[tuple[str, Floats]] = [("chosen", treated), ("nobody", np.zeros_like(treated))]
    for index, arm in enumerate(arms):
        every = np.zeros_like(treated)
        every[:, index] = 1.0
        rivals.append(("everyone" if len(arms) == 1 else f"everyone: {arm}", every))
    rows = [
        (
            name,
            policies.share(rival),
            policies.spend(rival),
            *policies.profit(rival),
            *policies.ahead(treated, rival),
        )
        for name, rival in rivals
    ]
    columns = ["policy", "share", "spend", "profit", "profit_low", "profit_high"]
    return pd.DataFrame(rows, columns=[*columns, "ahead", "ahead_low", "ahead_high"])
