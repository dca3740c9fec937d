"""How much customers spend when they buy: the gamma–gamma process of amounts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.customers.maxima import covariance, interval_table, maximum
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["SpendProcess", "spend_process"]

Floats = npt.NDArray[np.float64]
COLUMNS = ("frequency", "spend")
NAMES = ("p", "q", "v")
STARTS = ((0.0, 1.0, 0.0), (2.0, 1.5, -0.5))


@dataclass(frozen=True)
class SpendProcess:
    """A fitted gamma–gamma process.

    Attributes
    ----------
    p, q, v : float
        An amount has a gamma distribution of shape p and a rate of the customer's own, and the
        rates have one of shape q and rate v (γ in the paper) over the customers; v is in yuan.
    mean : float
        Expected amount of a customer of whom nothing is known, ``p·v/(q − 1)``; infinite for q ≤ 1.
    low, high : float
        Its interval, on the scale of the logarithm by the delta method.
    correlation, correlation_low, correlation_high : float
        Of frequency and mean spend, with Fisher's interval; null for fewer than four customers,
        or where all are alike. The process holds for a correlation near 0 only.
    log_likelihood : float
    table : DataFrame
        One row a parameter: parameter, estimate, se, low, high, as of `PurchaseProcess`.
    customers, left_out : int
        Customers with repeat purchases of more than 0, and the others.
    boundary : tuple of str
        Parameters that the customers do not determine.
    level : float
        Confidence of the intervals.
    """

    p: float
    q: float
    v: float
    mean: float
    low: float
    high: float
    correlation: float
    correlation_low: float
    correlation_high: float
    log_likelihood: float
    table: pd.DataFrame = field(repr=False)
    customers: int
    left_out: int
    boundary: tuple[str, ...]
    level: float

    def expected_for(self, summary: Any) -> Floats:
        """Amount expected of each customer's next purchase, ``p·(v + m·x)/(p·x + q − 1)``.

        With few purchases it is near the mean of all, with many near the customer's own.

        Parameters
        ----------
        summary : any frame Narwhals knows
            Columns frequency and spend, as for `spend_process`.

        Returns
        -------
        array
            In the order of the rows, which come to this machine: 16 bytes a customer. Infinite
            where ``p·x + q ≤ 1``.

        Raises
        ------
        TableError
            As `spend_process`.
        """
        x, m = _values(collect(_typed(summary)))
        x, m = (np.where((x > 0) & (m > 0), part, 0.0) for part in (x, m))
        below = self.p * x + self.q - 1
        with np.errstate(divide="ignore"):
            return np.where(below > 0, self.p * (self.v + m * x) / below, math.inf)


def spend_process(summary: Any, *, level: float = 0.95) -> SpendProcess:
    """Fit the gamma–gamma process to the mean amounts of repeat purchases.

    The likelihood of the mean m of x amounts is
    ``Γ(p·x+q)/(Γ(p·x)·Γ(q)) · v^q · m^(p·x−1) · x^(p·x) / (v + m·x)^(p·x+q)``.

    Parameters
    ----------
    summary : any frame Narwhals knows
        One row a customer: frequency (repeat purchases) and spend (their mean amount, null where
        there is none), as of `purchase_summary` with `amount`.
    level : float
        Confidence of the intervals.

    Returns
    -------
    SpendProcess
        The maximum of the likelihood over p, q and v. Customers without a repeat purchase, or
        with a mean of 0, have no say.

    Raises
    ------
    TableError
        If a column is missing, a frequency is null, negative or not whole, a spend is negative or
        infinite, or null with a repeat purchase, no customer is left, or no maximum was found.

    Notes
    -----
    It assumes that the amount has nothing to do with how often a customer buys: look at
    `correlation`. Like `purchase_process` it is for merchant QR and card spending, not balances.
    Customers are counted by their two numbers in the engine; as amounts differ, that is nearly
    one row a customer.

    References
    ----------
    Fader & Hardie (2013), The gamma-gamma model of monetary value.

    Examples
    --------
    >>> import pandas as pd
    >>> seen = pd.DataFrame({"frequency": [0, 1, 1, 2, 2, 3, 4, 7],
    ...                      "spend": [None, 20, 35, 18, 90, 40, 22, 31.0]})
    >>> process = spend_process(seen)
    >>> process.customers, process.left_out, process.low < process.mean < process.high
    (7, 1, True)
    """
    if not 0 < level < 1:
        raise TableError("level", "a confidence level lies between 0 and 1", "Pass another.")
    counted = collect(_typed(summary).group_by(*COLUMNS).agg(nw.len().alias("n")))
    counted = counted.sort_values(list(COLUMNS), ignore_index=True)
    x, m = _values(counted)
    n = counted["n"].to_numpy(float)
    used = (x > 0) & (m > 0)
    left_out = int(n[~used].sum())
    x, m, n = x[used], m[used], n[used]
    if not len(n):
        rule = "a customer bought again for more than 0"
        raise TableError("summary", rule, "Look at a longer time, or at more customers.")
    unit = float(np.average(m, weights=n))

    def surface(logs: Floats) -> tuple[float, Floats]:
        return _likelihood(x, m / unit, n, logs)

    logs = maximum(surface, n.sum(), STARTS)
    value = surface(logs)[0] - n.sum() * math.log(unit)
    spread, vague = covariance(surface, logs, ((0, 1, 2),))
    logs = logs + np.array([0, 0, math.log(unit)])
    p, q, v = (float(each) for each in np.exp(logs))
    mean = p * v / (q - 1) if q > 1 else math.inf
    slope = np.array([1, -q / (q - 1) if q > 1 else 0.0, 1])
    z = NormalDist().inv_cdf((1 + level) / 2)
    unknown = q <= 1 or bool(vague)
    reach = math.inf if unknown else z * math.sqrt(max(float(slope @ spread @ slope), 0.0))
    correlation, low, high = _correlation(x, m, n, z)
    return SpendProcess(
        p=p,
        q=q,
        v=v,
        mean=mean,
        low=0.0 if unknown else mean * math.exp(-reach),
        high=mean * math.exp(reach),
        correlation=correlation,
        correlation_low=low,
        correlation_high=high,
        log_likelihood=float(value),
        table=interval_table(NAMES, logs, spread, vague, level),
        customers=int(n.sum()),
        left_out=left_out,
        boundary=tuple(name for place, name in enumerate(NAMES) if place in vague),
        level=level,
    )


def _likelihood(x: Floats, m: Floats, n: Floats, logs: Floats) -> tuple[float, Floats]:
    from scipy.special import digamma, gammaln

    p, q, v = np.exp(logs)
    shape, worth = p * x, m * x
    whole = np.log(v + worth)
    value = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(v)
    value += (shape - 1) * np.log(m) + shape * np.log(x) - (shape + q) * whole
    by_p = x * (digamma(shape + q) - digamma(shape) + np.log(worth) - whole)
    by_q = digamma(shape + q) - digamma(q) + np.log(v) - whole
    by_v = q / v - (shape + q) / (v + worth)
    return float(n @ value), np.array([n @ by_p * p, n @ by_q * q, n @ by_v * v])


def _correlation(x: Floats, m: Floats, n: Floats, z: float) -> tuple[float, float, float]:
    if n.sum() < 4 or np.ptp(x) == 0 or np.ptp(m) == 0:
        return math.nan, math.nan, math.nan
    table = np.cov(x, m, fweights=n.astype(int))
    found = float(table[0, 1] / math.sqrt(table[0, 0] * table[1, 1]))
    middle = math.atanh(min(max(found, -1 + 1e-15), 1 - 1e-15))
    reach = z / math.sqrt(n.sum() - 3)
    return found, math.tanh(middle - reach), math.tanh(middle + reach)


def _typed(summary: Any) -> nw.LazyFrame[Any]:
    lazy = enter(summary, "summary", COLUMNS)
    schema = lazy.collect_schema()
    for name in COLUMNS:
        if not schema[name].is_numeric():
            raise TableError("summary", "it is a number", "Convert the column.", name)
    lazy = lazy.select(nw.col(name).cast(nw.Float64) for name in COLUMNS)
    spend = nw.col("spend")
    return lazy.with_columns(nw.when(~spend.is_nan()).then(spend).alias("spend"))


def _values(frame: pd.DataFrame) -> tuple[Floats, Floats]:
    x, m = (frame[name].to_numpy(float, na_value=np.nan) for name in COLUMNS)
    n = frame["n"].to_numpy(float) if "n" in frame else np.ones(len(x))
    flaws = [
        (
            ~np.isfinite(x) | (x < 0) | (x != np.floor(x)),
            "frequency",
            "it is a whole number from 0",
        ),
        ((m < 0) | np.isinf(m) | (np.isnan(m) & (x > 0)), "spend", "it is 0 or more, and known"),
    ]
    for broken, column, rule in flaws:
        if broken.any():
            raise TableError("summary", rule, "Correct these rows.", column, int(n[broken].sum()))
    return x, m
