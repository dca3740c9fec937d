"""Decompositions: how much of a difference of two rates is who the customers are, and how much not.

A difference between two crude rates mixes two questions: whether the groups are made of the same
people, and whether like people behave alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.customers.mixes import (
    errors_of,
    intervals_of,
    shares_of,
    size_of,
    variance_of,
)
from segmentation.customers.vectors import Floats, aligned, is_vector, number
from segmentation.data.errors import TableError

__all__ = ["Kitagawa", "das_gupta", "kitagawa"]

Vector = pd.Series | Mapping[Any, float] | Sequence[float] | npt.NDArray[Any]
"""Numbers by level: with labels, or in one order."""


@dataclass(frozen=True)
class Kitagawa:
    """A difference of two rates, taken apart.

    Attributes
    ----------
    total : float
        Rate of b minus rate of a; exactly ``mix + rate``.
    mix : float
        What b would differ by if only its weights were other ones.
    rate : float
        What b would differ by if only its rates at each level were other ones.
    rate_a, rate_b : float
        The two crude rates.
    table : DataFrame
        One row a level: ``level rate_a rate_b weight_a weight_b mix rate mix_about_mean``, weights
        as shares. `mix` and `rate` add up to the two parts. The mix of one level by itself depends
        on where rates are counted from: ``r̄·Δw`` is positive of every level that grew.
        `mix_about_mean` counts rates from the mean of both crude rates, and so is positive of a
        level that grew and is above it; it adds up to the same mix.
    intervals : DataFrame or None
        Where counts were given: ``part estimate se low high n_a n_b`` of total, mix and rate.
    level : float
        Confidence of the intervals.
    """

    total: float
    mix: float
    rate: float
    rate_a: float
    rate_b: float
    table: pd.DataFrame
    intervals: pd.DataFrame | None
    level: float


def kitagawa(
    rate_a: Vector,
    weight_a: Vector,
    rate_b: Vector,
    weight_b: Vector,
    *,
    n_a: float | Vector | None = None,
    n_b: float | Vector | None = None,
    sd_a: Vector | None = None,
    sd_b: Vector | None = None,
    level: float = 0.95,
) -> Kitagawa:
    """Take the difference of two crude rates apart into mix and rate, without a remainder.

    With shares w and rates r by level, ``R = Σ w·r``, and

    ``R_b − R_a = Σ (w_b − w_a)·(r_a + r_b)/2 + Σ (r_b − r_a)·(w_a + w_b)/2``,

    the first sum the mix, the second the rate. Exchanging a and b turns every sign.

    Parameters
    ----------
    rate_a, rate_b : Series, dict or array
        Rates by level: shares, or means of any amount.
    weight_a, weight_b : Series, dict or array
        Weights by level, shares or counts: each is divided by its sum. Series and dicts are aligned
        by label, arrays by place.
    n_a, n_b : number or weights by level, optional
        Customers that the rates and weights were counted from: their number in all, or by level,
        which must then be in proportion to the weights. Both give the intervals.
    sd_a, sd_b : Series, dict or array, optional
        Standard deviations by level, where rates are means and not shares of customers.
    level : float
        Confidence of the intervals.

    Returns
    -------
    Kitagawa

    Raises
    ------
    TableError
        If labels differ or are there twice, lengths differ, a number is not finite, a weight is
        negative or all are 0, counts do not fit, or an interval is asked for rates outside [0, 1]
        without standard deviations. A level without customers has no rate: join it to another.

    Notes
    -----
    The intervals are those of the delta method for two independent groups: customers fall into
    levels as multinomial draws, and rates have the variance ``v/(n·w)``, of shares
    ``v = p̃(1 − p̃)``, where ``p̃ = (r·n·w + ½)/(n·w + 1)`` keeps a level of none or all from being
    certain. They are about customers like these, not about those who were counted in full.

    The parts are arithmetic, not causes: what differs at every level may itself come from something
    that was not looked at. Of one snapshot, levels of age cannot tell what comes with age from what
    comes with the generation; of two years, nor from the year (age = year − birth year).

    References
    ----------
    Kitagawa (1955), Components of a difference between two rates, Journal of the American
    Statistical Association 50; Das Gupta (1993), Standardization and decomposition of rates.

    Examples
    --------
    Mobile banking at two branches, of which the second is older:

    >>> parts = kitagawa(
    ...     rate_a={"young": .8, "silver": .4}, weight_a={"young": 70, "silver": 30},
    ...     rate_b={"young": .8, "silver": .3}, weight_b={"young": 40, "silver": 60},
    ...     n_a=100, n_b=100,
    ... )
    >>> round(parts.total, 3), round(parts.mix, 3), round(parts.rate, 3)
    (-0.18, -0.135, -0.045)
    >>> parts.intervals.set_index("part").loc["mix", ["low", "high"]].round(3).tolist()
    [-0.206, -0.064]
    """
    given: dict[str, Any] = {
        "rate_a": rate_a,
        "weight_a": weight_a,
        "rate_b": rate_b,
        "weight_b": weight_b,
    }
    given |= {name: sd for name, sd in (("sd_a", sd_a), ("sd_b", sd_b)) if sd is not None}
    given |= {name: n for name, n in (("n_a", n_a), ("n_b", n_b)) if is_vector(n)}
    labels, numbers = aligned(given)
    rates = numbers["rate_a"], numbers["rate_b"]
    shares = shares_of(numbers["weight_a"], "weight_a"), shares_of(numbers["weight_b"], "weight_b")
    middle, change = (rates[0] + rates[1]) / 2, shares[1] - shares[0]
    crude = float(shares[0] @ rates[0]), float(shares[1] @ rates[1])
    mixes, parts = change * middle, (rates[1] - rates[0]) * (shares[0] + shares[1]) / 2
    table = pd.DataFrame(
        {
            "level": labels,
            "rate_a": rates[0],
            "rate_b": rates[1],
            "weight_a": shares[0],
            "weight_b": shares[1],
            "mix": mixes,
            "rate": parts,
            "mix_about_mean": change * (middle - sum(crude) / 2),
        }
    )
    mix, rate = float(mixes.sum()), float(parts.sum())
    intervals = None
    if n_a is not None or n_b is not None:
        sizes = (
            size_of(numbers.get("n_a", n_a), shares[0], "n_a"),
            size_of(numbers.get("n_b", n_b), shares[1], "n_b"),
        )
        spread = (
            variance_of(numbers.get("sd_a"), rates[0], shares[0] * sizes[0], "sd_a"),
            variance_of(numbers.get("sd_b"), rates[1], shares[1] * sizes[1], "sd_b"),
        )
        errors = errors_of(rates, shares, spread, sizes)
        intervals = intervals_of((mix + rate, mix, rate), errors, level)
        intervals["n_a"], intervals["n_b"] = sizes
    return Kitagawa(mix + rate, mix, rate, *crude, table, intervals, level)


def das_gupta(
    factors_a: Mapping[str, Any] | pd.Series | pd.DataFrame | Sequence[Any],
    factors_b: Mapping[str, Any] | pd.Series | pd.DataFrame | Sequence[Any],
) -> pd.Series:
    """Take the difference of two products apart into an effect of each factor.

    For ``R = Π f`` the effect of a factor is the mean, over all orders in which factors could be
    changed from a to b one by one, of what its own change adds (Das Gupta's formula, the Shapley
    value). It equals ``(f_b − f_a)·∫₀¹ Π_{g≠f} (g_a + t·(g_b − g_a)) dt``, which Gauss and
    Legendre's rule gives exactly, of any number of factors. Where factors are vectors over levels,
    ``R = Σ Π f``, and effects are added up over levels. With two factors, shares and rates, they
    are the mix and the rate of `kitagawa`.

    Parameters
    ----------
    factors_a, factors_b : dict, Series, DataFrame or list
        The factors of a and of b, by name or, in a list, by place. Each is a number, or a vector
        by level; a DataFrame has a column a factor and a row a level. Vectors with labels are
        aligned by them. Factors are taken as they are: make shares of counts first.

    Returns
    -------
    Series
        The effect of each factor, in the order of `factors_a` and the unit of the product. They add
        up to the product of b minus that of a.

    Raises
    ------
    TableError
        If the names or levels differ, there is no factor, or a number is missing or infinite.

    References
    ----------
    Das Gupta (1993), Standardization and decomposition of rates: a user's manual, U.S. Bureau of
    the Census, chapters 2 to 5; Shapley (1953); Owen (1972), Multilinear extensions of games.

    Examples
    --------
    AUM is customers × share with a balance × balance of those:

    >>> effects = das_gupta(
    ...     {"customers": 100.0, "holding": 0.5, "balance": 20.0},
    ...     {"customers": 120.0, "holding": 0.5, "balance": 22.0},
    ... )
    >>> effects.round(6).to_dict()
    {'customers': 210.0, 'holding': 0.0, 'balance': 110.0}
    """
    first, second = _factors(factors_a, "factors_a"), _factors(factors_b, "factors_b")
    if set(first) != set(second):
        raise TableError("factors_b", "its factors are those of factors_a", "Name them alike.")
    sides = {"factors_a": first, "factors_b": second}
    given = {
        f"{side}: {name}": part for side, parts in sides.items() for name, part in parts.items()
    }
    vectors = {name: part for name, part in given.items() if is_vector(part)}
    levels, numbers = aligned(vectors) if vectors else (pd.RangeIndex(1), {})
    a, b = (
        np.array(
            [
                numbers[key] if key in numbers else np.full(len(levels), number(given[key], key))
                for key in (f"{side}: {name}" for name in first)
            ]
        )
        for side in sides
    )
    return pd.Series(_effects(a, b), index=list(first), name="effect")


def _factors(factors: Any, name: str) -> dict[Any, Any]:
    """The factors by name, in order."""
    if isinstance(factors, pd.DataFrame | pd.Series):
        names = factors.columns if isinstance(factors, pd.DataFrame) else factors.index
        if not names.is_unique:
            raise TableError(name, "a factor is there once", "Rename or multiply them.")
        found = {each: factors[each] for each in names}
    elif isinstance(factors, Mapping):
        found = dict(factors)
    else:
        found = dict(enumerate(factors))
    if not found:
        raise TableError(name, "there is a factor", "Give one or more.")
    return found


def _effects(a: Floats, b: Floats) -> Floats:
    """The integral of each factor's change times all others along the way from a to b.

    The others' product is a polynomial of t of a degree one below the number of factors, which a
    rule of half as many points integrates exactly.
    """
    points, weights = np.polynomial.legendre.leggauss((len(a) + 1) // 2)
    effects = np.zeros(len(a))
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        between = a + point * (b - a)
        for place in range(len(a)):
            others = np.delete(between, place, axis=0).prod(axis=0)
            effects[place] += weight * float(((b[place] - a[place]) * others).sum())
    return effects
