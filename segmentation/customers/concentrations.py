"""Concentration: how much of the money how few customers hold, and how heavy the tail is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.ranks import (
    ENDLESS,
    NEGATIVE,
    NULL,
    ArrayRanks,
    EngineRanks,
    Floats,
    Ranks,
)
from segmentation.data.engines import EAGER, collect, enter, frame_kind
from segmentation.data.errors import TableError, missing_columns

__all__ = ["Concentration", "ParetoTail", "concentration", "pareto_tail"]

TOP = (0.001, 0.01, 0.02, 0.05, 0.10, 0.20)


@dataclass(frozen=True)
class Concentration:
    """How concentrated an amount is among customers.

    Attributes
    ----------
    gini : float
        ``Σᵢ Σⱼ |xᵢ − xⱼ| / (2·n²·mean)``: 0 if all have the same, near 1 if one has all.
    low, high : float
        Its 95 % interval; NaN for one customer.
    n, nulls : int
        Customers, and rows without an amount, which are left out.
    total : float
        Sum of the amounts.
    top_shares : DataFrame
        Columns top (.001 to .20), customers (top·n, not rounded), share (of the total that the
        largest hold; of a fraction of a customer, that fraction), low, high (95 %).
    curve : DataFrame
        The Lorenz curve, smallest first: columns customer_share, value_share, both from 0 to 1; at
        most about 1,000 points, which are the edges of bins of value, all of them on the curve.
    """

    gini: float
    low: float
    high: float
    n: int
    nulls: int
    total: float
    top_shares: pd.DataFrame = field(repr=False)
    curve: pd.DataFrame = field(repr=False)


@dataclass(frozen=True)
class ParetoTail:
    """A Pareto tail ``P(X > x) = (xmin/x)^alpha``.

    Attributes
    ----------
    alpha, low, high : float
        Exponent with its 95 % interval; smaller is heavier.
    n : int
        Customers in the tail.
    xmin : float
        Where the tail begins, included.
    """

    alpha: float
    low: float
    high: float
    n: int
    xmin: float

    @property
    def gini(self) -> float:
        """Gini coefficient within the tail, ``1/(2α − 1)``; NaN for α ≤ 1, where no mean exists."""
        return 1 / (2 * self.alpha - 1) if self.alpha > 1 else math.nan

    def top_share(self, top: float) -> float:
        """Share of the tail's sum that its largest `top` hold, ``top^(1 − 1/α)``; NaN for α ≤ 1."""
        return float(top ** (1 - 1 / self.alpha)) if self.alpha > 1 else math.nan


def concentration(values: Any, on: str | None = None) -> Concentration:
    """Measure the concentration of an amount among customers.

    Parameters
    ----------
    values : array, Series, or any frame Narwhals knows
        Amounts of 0 or more, one a customer; null and NaN are counted and left out.
    on : str, optional
        The frame's column; needed if it has several.

    Returns
    -------
    Concentration
        Gini coefficient, top shares and Lorenz curve. Intervals are from the influence function of
        each statistic and take the customers for a sample of those whom the bank could have; for
        the bank's own file as it stands the numbers are exact. With a tail of α < 2 they are too
        narrow, because one more very rich customer changes everything.

    Raises
    ------
    TableError
        If an amount is negative or infinite, or the sum is 0.

    Notes
    -----
    Customers stay in the engine. They are ranked within about 800 bins of value, and only sums of
    each bin come back: for customer i in a bin that has O customers worth P below it,
    ``Σⱼ |xᵢ − xⱼ| = xᵢ·(2·O − n) + T − 2·P + 2·wᵢ``, with T the total and ``wᵢ = Σ (xᵢ − xⱼ)`` over
    those before i in the bin, whatever the order of ties. A second query looks into the bins that
    the top shares cut through.

    References
    ----------
    Langel & Tillé (2013), Variance estimation of the Gini index, JRSS-A 176.

    Examples
    --------
    >>> round(concentration([1, 2, 3, 4, 5]).gini, 5)
    0.26667
    >>> concentration([0, 0, 0, 1]).gini
    0.75
    """
    amounts = _values(values, on)
    ranks: Ranks = ArrayRanks(amounts) if isinstance(amounts, np.ndarray) else EngineRanks(amounts)
    bins = ranks.bins()
    nulls = int(bins["n"].get(NULL, 0))
    for bad, rule in ((NEGATIVE, "amounts are not negative"), (ENDLESS, "amounts are finite")):
        if bad in bins.index:
            raise TableError("values", rule, "Mend them.", on, int(bins["n"].loc[bad]))
    bins = bins.drop(index=NULL, errors="ignore").astype(float)
    n, total = int(bins["n"].sum()), float(bins["x"].sum())
    if not total > 0:
        raise TableError("values", "their sum is above 0", "Without any there are no shares.", on)
    gini, error = _gini(bins, n, total)
    curve = pd.DataFrame(
        {
            "customer_share": np.append(0.0, bins["n"].cumsum() / n),
            "value_share": np.append(0.0, bins["x"].cumsum() / total),
        }
    )
    low, high = _between(gini, error)
    return Concentration(
        *(gini, low, high, n, nulls, total),
        top_shares=_top_shares(ranks, bins, n, total),
        curve=curve.clip(0, 1),
    )


def pareto_tail(values: Any, above: float, on: str | None = None) -> ParetoTail:
    """Fit a Pareto tail to the amounts from `above` on.

    Maximum likelihood (Hill): ``α = n / Σ ln(x/xmin)``. ``2·n·α_true/α`` is χ² with 2·n degrees of
    freedom, which makes the interval exact where the tail is a Pareto tail. Few are: look at
    several `above`, and expect α to move.

    Parameters
    ----------
    values, on
        As of `concentration`; amounts below `above`, null and NaN are left out.
    above : float
        Where the tail begins, included; above 0.

    Returns
    -------
    ParetoTail

    Raises
    ------
    TableError
        If `above` is not above 0, an amount is infinite, or fewer than two customers, or only
        customers with the same amount as `above`, are in the tail.

    References
    ----------
    Hill (1975), A simple general approach to inference about the tail of a distribution.

    Examples
    --------
    >>> tail = pareto_tail([1, 1, 2, 4, 8], above=1)
    >>> round(tail.alpha, 4), tail.n
    (1.2022, 5)
    """
    from scipy.stats import chi2

    if not 0 < above < math.inf:
        raise TableError("above", "it is an amount above 0", "Take one, such as 200,000.")
    amounts, start = _values(values, on), above * (1 - 1e-12)  # a sum's last bit keeps nobody out
    if isinstance(amounts, np.ndarray):
        tail = amounts[amounts >= start]
        n, logs = len(tail), float(np.log(tail / above).sum())
    else:
        lazy = amounts.filter(nw.col("x") >= start)
        lazy = lazy.with_columns(log=(nw.col("x") / above).log())
        row = collect(lazy.select(nw.len().alias("n"), nw.col("log").sum())).iloc[0]
        n, logs = int(row["n"]), float(row["log"])
    if n < 2 or not 0 < logs < math.inf:
        rule = "two customers or more, of different and finite amounts, are in the tail"
        raise TableError("values", rule, "Begin the tail lower.", on)
    alpha = n / logs
    low, high = (float(alpha * chi2.ppf(q, 2 * n) / (2 * n)) for q in (0.025, 0.975))
    return ParetoTail(alpha, low, high, n, float(above))


def _values(values: Any, on: str | None) -> Floats | nw.LazyFrame[Any]:
    """Amounts in memory as an array, others as a lazy frame's column x; NaN is null."""
    if not hasattr(type(values), "columns"):  # a lazy frame warns when asked itself
        return _array(values, on)
    kind = frame_kind(values, "values")
    if kind in EAGER:
        eager = nw.from_native(values, eager_only=True)
        missing_columns("values", [_only(eager.columns, on)], eager.columns)
        return _array(eager[_only(eager.columns, on)].to_native(), on)
    lazy = enter(values, "values")
    name = _only(lazy.collect_schema().names(), on)
    missing_columns("values", [name], lazy.collect_schema().names())
    dtype = lazy.collect_schema()[name]
    if not dtype.is_numeric():
        raise TableError("values", "amounts are numbers", "Convert them.", on)
    x = nw.col(name).cast(nw.Float64)
    return lazy.select(x=nw.when(~x.is_nan()).then(x) if dtype.is_float() else x)


def _only(names: list[str], on: str | None) -> str:
    if on is not None:
        return on
    if len(names) != 1:
        raise TableError("values", "a frame of several columns", "Name one with `on`.")
    return names[0]


def _array(values: Any, on: str | None) -> Floats:
    series = pd.Series(values.to_pandas() if hasattr(values, "to_pandas") else values)
    numeric = pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)
    if len(series) and not numeric:
        raise TableError("values", "amounts are numbers", "Convert them.", on)
    return series.to_numpy(np.float64, na_value=math.nan)


def _gini(bins: pd.DataFrame, n: int, total: float) -> tuple[float, float]:
    """Gini coefficient and its standard error from the sums of the bins."""
    count, x = bins["n"], bins["x"]
    under, worth = count.cumsum() - count, x.cumsum() - x
    slope, level, mean = (2 * under - n) / n, (total - 2 * worth) / n, total / n
    spread = float((slope * x + level * count + 2 / n * bins["w"]).sum()) / n
    gini = max(spread / (2 * mean), 0.0)
    # the influence of a customer is (a·x + b + c·w) / mean
    a, b, c = slope - gini, level - spread + gini * mean, 2 / n
    squares = a**2 * bins["q"] + b**2 * count + c**2 * bins["ww"]
    squares += 2 * (a * b * x + a * c * bins["wx"] + b * c * bins["w"])
    return gini, _error(float(squares.sum()), n, mean)


def _top_shares(ranks: Ranks, bins: pd.DataFrame, n: int, total: float) -> pd.DataFrame:
    """Shares of the largest: the sums of the bins below each cut, and of part of the cut one."""
    sums = np.vstack([np.zeros(3), bins[["n", "x", "q"]].to_numpy().cumsum(axis=0)])
    wanted = n * (1 - np.array(TOP))
    at = np.minimum(np.searchsorted(sums[:, 0], wanted, side="right"), len(bins)) - 1
    parts = ranks.below(
        [(float(bins.index[i]), r - sums[i, 0]) for i, r in zip(at, wanted, strict=True)]
    )
    mean, rows = total / n, []
    for top, i, (worth, squared, value) in zip(TOP, at, parts, strict=True):
        under = np.array([n * (1 - top), sums[i, 1] + worth, sums[i, 2] + squared])
        over, held = sums[-1] - under, under[1] / total
        # the influence of a customer is ((1 − top)·value + min(x − value, 0) − held·x) / mean
        spread = _squares(-top * value, 1 - held, under) + _squares((1 - top) * value, -held, over)
        share = float(min(max(1 - held, 0.0), 1.0))
        rows.append((top, top * n, share, *_between(share, _error(spread, n, mean))))
    return pd.DataFrame(rows, columns=["top", "customers", "share", "low", "high"])


def _squares(constant: float, slope: float, sums: Floats) -> float:
    """``Σ (constant + slope·x)²`` from the number, the sum and the sum of squares of x."""
    return float(constant**2 * sums[0] + 2 * constant * slope * sums[1] + slope**2 * sums[2])


def _error(squares: float, n: int, mean: float) -> float:
    return math.sqrt(max(squares, 0.0) / n / (n - 1)) / mean if n > 1 else math.nan


def _between(value: float, error: float) -> tuple[float, float]:
    half = NormalDist().inv_cdf(0.975) * error
    return max(value - half, 0.0), min(value + half, 1.0)
