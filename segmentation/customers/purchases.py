"""How often customers buy until they drop out: the BG/NBD process of purchases."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.customers.lifetimes import Cells, Floats, alive, expected, newcomer
from segmentation.customers.maxima import covariance, interval_table, maximum
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["PurchaseProcess", "purchase_process"]

COLUMNS = ("frequency", "recency", "age")
NAMES = ("r", "alpha", "a", "b")
STARTS = ((0.0, 0.0, 0.0, 0.0), (-1.5, -1.0, -0.5, 1.0), (1.0, 1.0, -2.0, 1.0))


@dataclass(frozen=True)
class PurchaseProcess:
    """A fitted BG/NBD process.

    Attributes
    ----------
    r, alpha : float
        Shape and rate of the gamma distribution of purchase rates; alpha is in the unit of age.
    a, b : float
        Of the beta distribution of the chance to drop out after a purchase.
    log_likelihood : float
    table : DataFrame
        One row a parameter: parameter, estimate, se, low, high. The interval is on the scale of
        the logarithm, from the likelihood's curvature. A parameter at the edge has se null, and
        an interval from 0 to infinity.
    customers, cells : int
        Customers, and how many different combinations of frequency, recency and age they have.
    boundary : tuple of str
        Parameters that the customers do not determine: those at the edge of what was searched, or
        of a likelihood that is flat. If a or b is one, the chance to drop out is near 0, near 1 or
        much the same for everyone; what is expected may be well determined nevertheless.
    level : float
        Confidence of the intervals.
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    table: pd.DataFrame = field(repr=False)
    customers: int
    cells: int
    boundary: tuple[str, ...]
    level: float
    _covariance: Floats = field(repr=False)

    def expected(self, t: npt.ArrayLike) -> Any:
        """Expected purchases of a new customer within t of the first, which is not counted.

        Parameters
        ----------
        t : number, or array of numbers
            In the unit of age, 0 or more.

        Returns
        -------
        float, or array as `t`
            ``(a+b−1)/(a−1) · (1 − (α/(α+t))^r · ₂F₁(r, b; a+b−1; t/(α+t)))``, by a quadrature that
            holds at a = 1 too.

        Raises
        ------
        TableError
            If a time is negative or not finite.
        """
        times = _times(t)
        found = newcomer(np.log([self.r, self.alpha, self.a, self.b]), times.ravel())
        return float(found[0]) if times.ndim == 0 else found.reshape(times.shape)

    def expected_table(self, t: npt.ArrayLike) -> pd.DataFrame:
        """Return the same with intervals: columns t, expected, low, high.

        The interval is that of the expected number, on its logarithm's scale by the delta method;
        one customer's number of purchases spreads far more.
        """
        from scipy.stats import norm

        times = np.atleast_1d(_times(t)).ravel()
        logs = np.log([self.r, self.alpha, self.a, self.b])
        middle, step, slopes = newcomer(logs, times), 1e-4, []
        for place in range(4):
            move = np.zeros(4)
            move[place] = step
            slopes.append(
                (newcomer(logs + move, times) - newcomer(logs - move, times)) / (2 * step)
            )
        slope = np.array(slopes)
        spread = np.sqrt(np.einsum("it,ij,jt->t", slope, self._covariance, slope))
        reach = norm.isf((1 - self.level) / 2) * spread / np.where(middle > 0, middle, 1.0)
        limits = {"low": middle * np.exp(-reach), "high": middle * np.exp(reach)}
        return pd.DataFrame({"t": times, "expected": middle, **limits})

    def p_alive(self, summary: Any) -> Floats:
        """Chance that each customer has not dropped out.

        ``1 / (1 + δ·a/(b+x−1)·((α+T)/(α+t))^(r+x))``: 1 for who has not bought again yet.

        Parameters
        ----------
        summary : any frame Narwhals knows
            Columns frequency, recency and age, as for `purchase_process`.

        Returns
        -------
        array
            In the order of the rows of `summary`, which come to this machine: 24 bytes a customer.
            A lazy frame has an order only if it was sorted.

        Raises
        ------
        TableError
            As `purchase_process`.
        """
        x, t, age = _rows(summary)
        return alive(x, t, age, self.r, self.alpha, self.a, self.b)

    def expected_for(self, summary: Any, t: float) -> Floats:
        """Purchases expected of each customer within the next `t`.

        The chance of being alive times the expected number of a customer with r + x for r, α + T
        for α and b + x for b.

        Parameters
        ----------
        summary : any frame Narwhals knows
            As for `p_alive`.
        t : float
            In the unit of age.

        Raises
        ------
        TableError
            As `purchase_process`, or if `t` is negative or not finite.
        """
        x, recency, age = _rows(summary)
        until = float(_times(t))
        future = np.empty_like(x)
        for level in np.unique(x):
            mine = x == level
            ages, place = np.unique(age[mine], return_inverse=True)  # days, which are few
            shape = np.full_like(ages, self.r + level)
            each = expected(until, shape, self.alpha + ages, self.a, self.b + level)
            future[mine] = each[place]
        return future * alive(x, recency, age, self.r, self.alpha, self.a, self.b)


def purchase_process(summary: Any, *, level: float = 0.95) -> PurchaseProcess:
    """Fit the BG/NBD process to what customers bought so far.

    Parameters
    ----------
    summary : any frame Narwhals knows
        One row a customer: frequency (repeat purchases, 0 or more), recency (from the first
        purchase to the last, 0 without a repeat) and age (from the first purchase to the end of
        what was looked at), both in the same unit. `purchase_summary` makes it.
    level : float
        Confidence of the intervals.

    Returns
    -------
    PurchaseProcess
        The maximum of the likelihood over r, α, a and b.

    Raises
    ------
    TableError
        If a column is missing, a value is null, negative, infinite or against the others (recency
        over age, or of 0 with a repeat purchase, or above 0 without one; a frequency that is not
        whole), there is no customer, nobody bought again, or no maximum was found.

    Notes
    -----
    It is for spending that nobody ends by a notice: merchant QR codes and cards. For balances it
    is the wrong model. A depositor does not die, he goes dormant and may wake: use `migration`,
    `dormancy` and `reactivation`.

    Customers are counted by their three numbers in the engine, and only the counts come back.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way: an alternative to the
    Pareto/NBD model, Marketing Science 24.

    Examples
    --------
    >>> import pandas as pd
    >>> seen = pd.DataFrame({"frequency": [0, 0, 0, 0, 0, 1, 1, 2, 3, 9],
    ...                      "recency": [0, 0, 0, 0, 0, 5.0, 30, 20, 12, 37], "age": 38.0})
    >>> process = purchase_process(seen)
    >>> process.customers, process.p_alive(seen)[:2].tolist()
    (10, [1.0, 1.0])
    >>> bool(0 < process.expected(26) < process.expected(52))
    True
    """
    if not 0 < level < 1:
        raise TableError("level", "a confidence level lies between 0 and 1", "Pass another.")
    lazy = _typed(summary)
    counted = collect(lazy.group_by(*COLUMNS).agg(nw.len().alias("n")))
    x, t, age, n = (counted[name].to_numpy(float, na_value=np.nan) for name in (*COLUMNS, "n"))
    _check(x, t, age, n)
    if not len(n) or (x == 0).all():
        rule = "a customer bought again" if len(n) else "there is a customer"
        raise TableError("summary", rule, "Look at a longer time, or at more customers.")
    order = np.lexsort((age, t, x))  # sums in one order whatever the engine
    unit = float(np.average(age, weights=n))
    cells = Cells(x[order], t[order] / unit, age[order] / unit, n[order])
    logs = maximum(cells.value, n.sum(), STARTS)
    value = cells.value(logs)[0] - x @ n * math.log(unit)
    spread, vague = covariance(cells.value, logs, ((0, 1), (2, 3)))
    logs = logs + np.array([0, math.log(unit), 0, 0])
    r, alpha, a, b = (float(each) for each in np.exp(logs))
    return PurchaseProcess(
        r=r,
        alpha=alpha,
        a=a,
        b=b,
        log_likelihood=float(value),
        table=interval_table(NAMES, logs, spread, vague, level),
        customers=int(n.sum()),
        cells=len(n),
        boundary=tuple(name for place, name in enumerate(NAMES) if place in vague),
        level=level,
        _covariance=spread,
    )


def _typed(summary: Any) -> nw.LazyFrame[Any]:
    lazy = enter(summary, "summary", COLUMNS)
    schema = lazy.collect_schema()
    for name in COLUMNS:
        if not schema[name].is_numeric():
            raise TableError("summary", "it is a number", "Convert the column.", name)
    return lazy.select(nw.col(name).cast(nw.Float64) for name in COLUMNS)


def _rows(summary: Any) -> tuple[Floats, Floats, Floats]:
    frame = collect(_typed(summary))
    x, t, age = (frame[name].to_numpy(float, na_value=np.nan) for name in COLUMNS)
    _check(x, t, age, np.ones(len(x)))
    return x, t, age


def _check(x: Floats, t: Floats, age: Floats, n: Floats) -> None:
    unknown = [~np.isfinite(part) for part in (x, t, age)]
    flaws = [
        *(
            (each, name, "it is known and finite")
            for each, name in zip(unknown, COLUMNS, strict=True)
        ),
        ((x < 0) | (x != np.floor(x)), "frequency", "it is a whole number from 0"),
        ((t < 0) | (t > age * (1 + 1e-12)), "recency", "it lies between 0 and age"),
        ((x > 0) != (t > 0), "recency", "it is above 0 where there was a repeat purchase, else 0"),
    ]
    for broken, column, rule in flaws:
        if broken.any():
            raise TableError("summary", rule, "Correct these rows.", column, int(n[broken].sum()))


def _times(t: npt.ArrayLike) -> Floats:
    times = np.asarray(t, float)
    if not (np.isfinite(times) & (times >= 0)).all():
        raise TableError("t", "a time is 0 or more, and finite", "Pass another.")
    return times
