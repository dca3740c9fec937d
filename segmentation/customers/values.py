"""What a customer is worth who moves from state to state."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.customers.chains import Floats, stochastic, vector, whole
from segmentation.data.errors import TableError

__all__ = ["markov_value"]


def markov_value(
    transition: Any, reward: Any, discount: float, horizon: int | None = None
) -> pd.Series[float] | Floats:
    """Expected discounted value of a customer in each state.

    ``V = Σ_{t=0}^{T} (P/(1+d))ᵗ·R``, and for ever ``V = (I − P/(1+d))⁻¹·R``: the reward of the
    state that a customer is in now is received at once, the next one a period later. It follows
    from its inputs without an error of its own; that of the transition is what `migration` gives.

    Parameters
    ----------
    transition : square DataFrame or array
        Row-stochastic: rows where from, columns where to.
    reward : mapping, Series or array
        Yuan a period, one a state.
    discount : float
        d, a period (0.03 is 3 %).
    horizon : int, optional
        Last period T that counts; by default for ever.

    Returns
    -------
    Series or array
        Yuan, one a state: a Series where `transition` is a DataFrame.

    Raises
    ------
    TableError
        If the transition is not square or its rows do not add up to 1, a reward is missing, the
        discount is negative, or the sum for ever is not finite: without a discount, customers may
        not stay for ever where there is a reward.

    References
    ----------
    Pfeifer & Carraway (2000), Modeling customer relationships as Markov chains, Journal of
    Interactive Marketing 14(2).

    Examples
    --------
    A customer stays with chance 0.8 and brings 10 a period: 10 · (1 + d)/(1 + d − 0.8).

    >>> markov_value([[0.8, 0.2], [0.0, 1.0]], [10, 0], 0.2).round(2).tolist()
    [30.0, 0.0]
    """
    states, matrix = stochastic(transition, "transition")
    rewards = vector(reward, states, "reward", complete=True)
    if not np.isfinite(discount) or discount < 0:
        raise TableError("discount", "a rate is 0 or more", "Pass 0.03 for 3 %.")
    step = matrix / (1 + discount)
    if horizon is None:
        value = _for_ever(matrix, rewards, discount)
    else:
        whole(horizon, "horizon")
        value = rewards
        for _ in range(horizon):
            value = rewards + step @ value
    if isinstance(transition, pd.DataFrame):
        return pd.Series(value, index=pd.Index(states, name="state"), name="value")
    return value


def _for_ever(matrix: Floats, rewards: Floats, discount: float) -> Floats:
    """(I − P/(1+d))⁻¹·R; without a discount over the states that customers leave for good."""
    value = np.zeros(len(rewards))
    moving = np.ones(len(rewards), bool)
    if discount == 0:
        moving = ~_lasting(matrix)
        if (rewards[~moving] != 0).any():
            raise TableError(
                "discount",
                "without a discount the value for ever is finite only where customers end in "
                "states without reward",
                "Pass a discount, a horizon, or the state of those who left with reward 0.",
            )
    inner = np.eye(int(moving.sum())) - matrix[np.ix_(moving, moving)] / (1 + discount)
    value[moving] = np.linalg.solve(inner, rewards[moving])
    return value


def _lasting(matrix: Floats) -> npt.NDArray[np.bool_]:
    """The states that, once a customer is among them, are never all left: recurrent ones."""
    reach = (matrix > 0) | np.eye(len(matrix), dtype=bool)
    for middle in range(len(matrix)):
        reach |= reach[:, [middle]] & reach[[middle], :]
    return np.asarray((~reach | reach.T).all(axis=1))
