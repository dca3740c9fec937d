"""Where customers will be if they go on moving as they did, and what that is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.data.errors import TableError

__all__ = ["markov_value", "project"]

Floats = npt.NDArray[np.float64]
TOLERANCE = 1e-9


def project(
    shares: Any,
    start: Any,
    periods: int,
    *,
    observed: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Expected customers a state, period by period, if they go on moving by the same shares.

    With s customers at the start, ``expected(t) = s·Pᵗ``. Each customer moves for himself, so the
    number in state j after t periods is the sum over starting states i of independent binomial
    numbers of ``sᵢ`` customers with chance ``(Pᵗ)ᵢⱼ``; its quantiles are taken from that exact
    distribution. Its variance is ``Σᵢ sᵢ·(Pᵗ)ᵢⱼ·(1 − (Pᵗ)ᵢⱼ)``. What is not in it: customers who
    move together, and shares that change. New customers do not arrive.

    Parameters
    ----------
    shares : square DataFrame or array
        Rows are where from, columns where to; rows add up to 1. `Migration.transition`, or
        `Migration.shares`: a column without a row ("left") is where customers stay for ever, a row
        without a column ("entered") is left out.
    start : mapping, Series or array
        Customers a state at the start; a state not named has none. If they are not whole numbers
        (money, shares) there is no counting them, and the limits are NaN.
    periods : int
        How many periods ahead.
    observed : mapping, Series or array, optional
        How many customers each row of `shares` was estimated from. With it the limits are those
        of a normal approximation that adds the uncertainty of the shares themselves (delta
        method), always wider; without it the shares are taken as known.
    level : float
        Confidence of the limits.

    Returns
    -------
    DataFrame
        ``period state customers low high``: a row a period (0 is the start) and state.

    Raises
    ------
    TableError
        If shares are not square, negative, empty or do not add up to 1, or the start is negative,
        empty or names a state that is not there, or `periods` is not a whole number.

    References
    ----------
    Bartholomew (1982), Stochastic Models for Social Processes, 3rd ed., chapter 2.

    Examples
    --------
    >>> project([[0.5, 0.5], [0.0, 1.0]], [100, 0], 2)["customers"].tolist()
    [100.0, 0.0, 50.0, 50.0, 25.0, 75.0]
    """
    states, matrix = _stochastic(shares, "shares")
    counts = _vector(start, states, "start")
    if (counts < 0).any():
        raise TableError("start", "customers are not negative", "Check the counts.")
    _whole(periods, "periods")
    whole = bool(np.allclose(counts, np.round(counts), rtol=0, atol=TOLERANCE))
    rows = None if observed is None else _vector(observed, states, "observed")
    frames = []
    power = np.eye(len(states))
    powers = [power]
    for period in range(periods + 1):
        if not whole:
            low = high = np.full(len(states), np.nan)
        elif rows is None:
            low, high = _limits(np.round(counts), power, level)
        else:
            low, high = _wider(counts, matrix, powers, rows, level)
        expected = counts @ power
        values = {
            "period": period,
            "state": states,
            "customers": expected,
            "low": low,
            "high": high,
        }
        frames.append(pd.DataFrame(values))
        power = power @ matrix
        powers.append(power)
    return pd.concat(frames, ignore_index=True)


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
    states, matrix = _stochastic(transition, "transition")
    rewards = _vector(reward, states, "reward", complete=True)
    if not np.isfinite(discount) or discount < 0:
        raise TableError("discount", "a rate is 0 or more", "Pass 0.03 for 3 %.")
    step = matrix / (1 + discount)
    if horizon is None:
        value = _for_ever(matrix, rewards, discount)
    else:
        _whole(horizon, "horizon")
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


def _limits(counts: Floats, power: Floats, level: float) -> tuple[Floats, Floats]:
    """Quantiles of the sum of independent binomial numbers, a column of `power` a state."""
    pairs = [_quantiles(counts, column, level) for column in power.T]
    low, high = zip(*pairs, strict=True)
    return np.array(low, float), np.array(high, float)


def _quantiles(counts: Floats, chances: Floats, level: float) -> tuple[int, int]:
    from scipy.signal import fftconvolve
    from scipy.stats import binom

    tail = (1 - level) / 2
    first, mass = 0, np.ones(1)
    for n, p in zip(counts.astype(int), np.clip(chances, 0, 1), strict=True):
        # Outside these bounds lies less than 1e-12, far below any tail that is asked for.
        lowest, highest = (int(binom.ppf(q, n, p)) for q in (1e-12, 1 - 1e-12))
        lowest = max(lowest, 0)
        first += lowest
        mass = fftconvolve(mass, binom.pmf(np.arange(lowest, max(highest, lowest) + 1), n, p))
    below = np.cumsum(np.clip(mass, 0, None))
    low, high = (int(np.searchsorted(below, q - 1e-10)) for q in (tail, 1 - tail))
    return first + low, first + min(high, len(below) - 1)


def _wider(
    counts: Floats, matrix: Floats, powers: list[Floats], rows: Floats, level: float
) -> tuple[Floats, Floats]:
    """Normal limits with the variance of chance and that of the estimated shares.

    ``∂(s·Pᵗ)ⱼ/∂Pᵢₗ = Σₖ (s·Pᵏ)ᵢ·(Pᵗ⁻¹⁻ᵏ)ₗⱼ``, and a row estimated from n customers has the
    covariance ``(diag(p) − p·pᵀ)/n``.
    """
    from scipy.stats import norm

    now = powers[-1]
    variance = counts @ (now * (1 - now))
    steps = len(powers) - 1
    for row, (chances, n) in enumerate(zip(matrix, rows, strict=True)):
        if np.count_nonzero(chances) > 1:  # a row that is certain was not estimated
            slope = np.zeros_like(matrix)
            for k in range(steps):
                slope += (counts @ powers[k])[row] * powers[steps - 1 - k]
            spread = chances @ slope**2 - (chances @ slope) ** 2
            if n <= 0 and (spread > 0).any():
                raise TableError("observed", "each row was seen", "Count its customers.")
            variance = variance + (spread / n if n > 0 else 0)
    expected, reach = counts @ now, norm.isf((1 - level) / 2) * np.sqrt(np.clip(variance, 0, None))
    return np.clip(expected - reach, 0, counts.sum()), np.clip(expected + reach, 0, counts.sum())


def _stochastic(shares: Any, name: str) -> tuple[list[Any], Floats]:
    """States and matrix, or an error that says what keeps it from being row-stochastic."""
    if isinstance(shares, pd.DataFrame):
        shares = _squared(shares)
        states = list(shares.columns)
        if not shares.columns.is_unique:
            raise TableError(name, "each state occurs once", "Name the states apart.")
    matrix = _numbers(shares, name)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise TableError(
            name, "rows and columns are the same states", "Pass `Migration.transition`."
        )
    if not isinstance(shares, pd.DataFrame):
        states = list(range(len(matrix)))
    if empty := int((~np.isfinite(matrix)).any(axis=1).sum()):
        raise TableError(
            name,
            "each state's shares are known",
            "Nobody was seen there: merge the tier with its neighbour.",
            rows=empty,
        )
    bad = (matrix < -TOLERANCE).any(axis=1) | (np.abs(matrix.sum(axis=1) - 1) > TOLERANCE)
    if bad.any():
        raise TableError(
            name,
            "shares of a row are not negative and add up to 1",
            "Divide each row by its sum, with those who left as a state.",
            rows=int(bad.sum()),
        )
    return states, matrix


def _squared(shares: pd.DataFrame) -> pd.DataFrame:
    """Columns without a row absorb; rows without a column are left out."""
    if not shares.index.is_unique:
        raise TableError("shares", "each state occurs once", "Name the states apart.")
    square = shares.reindex(index=[s for s in shares.columns if s in shares.index])
    for state in shares.columns.difference(square.index, sort=False):
        square.loc[state] = (shares.columns == state).astype(float)
    return square.reindex(shares.columns)


def _vector(values: Any, states: list[Any], name: str, complete: bool = False) -> Floats:
    """One number a state, by name where it has names."""
    if isinstance(values, Mapping):
        values = pd.Series(dict(values))
    if isinstance(values, pd.Series) and not values.index.equals(pd.RangeIndex(len(states))):
        strangers = [state for state in values.index if state not in states]
        lacking = [state for state in states if state not in values.index]
        if strangers or (complete and lacking) or not values.index.is_unique:
            raise TableError(name, "one number a state, by the names of the states", "Name them.")
        values = values.reindex(states, fill_value=0)
    vector = _numbers(values, name)
    if vector.shape != (len(states),):
        raise TableError(name, "one number a state", "Give as many as there are states.")
    if not np.isfinite(vector).all():
        raise TableError(name, "numbers are known and finite", "Fill them.")
    return vector


def _numbers(values: Any, name: str) -> Floats:
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError):
        raise TableError(name, "all of it is numbers", "Convert it, and square it.") from None


def _whole(number: Any, name: str) -> None:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
        raise TableError(name, "a whole number of periods, 0 or more", "Pass for example 12.")
