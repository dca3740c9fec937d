"""Ageing: how old the base will be in some years if customers go on leaving and coming as now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.customers.intervals import wilson
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["Ageing", "project_ageing"]

Floats = npt.NDArray[np.float64]
OLDEST = 120
UNKNOWN = OLDEST + 1
"""Place of those whose age is not known: they stay there."""
BAND, DRAWS, LONGEST = 5, 2000, 50


@dataclass(frozen=True)
class Ageing:
    """The base's ages year by year.

    Attributes
    ----------
    table : DataFrame
        One row a year (0 is the second panel) and age: customers expected, low, high. Age is null
        for those whose age is not known.
    shares : DataFrame
        One row a year and cut: share of those of known age who are at least `cut` years old, low,
        high, and customers (of known age, expected).
    rates : DataFrame
        One row a band of five years of age in the first panel (null: unknown): from_age, customers,
        left, rate with low and high (Wilson), and entered, those who came within the year at these
        ages.
    level : float
        Confidence of the intervals.
    """

    table: pd.DataFrame
    shares: pd.DataFrame
    rates: pd.DataFrame
    level: float


def project_ageing(
    panel_from: Any,
    panel_to: Any,
    years: int = 5,
    *,
    cuts: Sequence[int] = (50, 60),
    level: float = 0.95,
    seed: int = 0,
) -> Ageing:
    """Project the age structure by the cohort-component method from two panels a year apart.

    ``N(a + 1, t + 1) = N(a, t)·(1 − q(a)) + E(a + 1)``: who stays is a year older. q is the share
    of those of the first panel, by five years of age, who are not in the second; E those of the
    second, by age, who were not in the first. Ages of 120 and above are one.

    Parameters
    ----------
    panel_from, panel_to : any frame Narwhals knows
        Panels with customer_id and age, twelve months apart, of one kind of frame: those of
        ``monthly_panel(bank, month, kind="personal")``.
    years : int
        How many years on, at most 50.
    cuts : sequence of int
        Ages at which customers become silver.
    level : float
        Confidence of the intervals.
    seed : int
        Of the draws that the intervals are quantiles of.

    Returns
    -------
    Ageing
        Expected numbers add up: those of a year are those of the year before, less those who leave,
        and those who come. The limits hold chance in years to come, and that of the year measured:
        2,000 draws of rates (beta with Jeffreys' prior), of entries (gamma) and then of leavers
        (binomial) and entries (Poisson) of each year.

    Raises
    ------
    TableError
        If columns are missing, months are not a year apart, a customer is there twice or without a
        number, an age is below 0 or above 120, there is nobody, or years or cuts are not whole.

    Notes
    -----
    The limits do not hold that leaving or coming may change. Who comes back after a year counts as
    leaving and coming.

    References
    ----------
    Smith, Tayman & Swanson (2013), A practitioner's guide to state and local population
    projections, chapter 7.

    Examples
    --------
    >>> old = pd.DataFrame({"customer_id": list("abcd"), "age": [48, 48, 49, 49]})
    >>> new = pd.DataFrame({"customer_id": list("abc"), "age": [49, 49, 50]})
    >>> ageing = project_ageing(old, new, 1, cuts=(50,))
    >>> ageing.rates[["customers", "left", "rate"]].values.tolist()
    [[4.0, 1.0, 0.25]]
    >>> ageing.shares["share"].round(3).tolist()
    [0.333, 1.0]
    """
    if isinstance(years, bool) or not isinstance(years, int) or not 1 <= years <= LONGEST:
        raise TableError("years", f"it is a whole number from 1 to {LONGEST}", "Pass 5.")
    if not cuts or not all(isinstance(cut, int) and 0 < cut <= OLDEST for cut in cuts):
        raise TableError("cuts", "they are whole ages", "Pass (50, 60).")
    wilson(0, 1, level)  # refuses what is no level
    before, after = _side(panel_from, "panel_from"), _side(panel_to, "panel_to")
    start, at_risk, left, came = _counts(before, after)
    if not start.sum():
        raise TableError("panel_to", "there are customers", "Pass a panel with rows.")
    band = np.minimum(np.arange(UNKNOWN + 1) // BAND, OLDEST // BAND)
    band[UNKNOWN] = OLDEST // BAND + 1
    n, gone, entered = (
        np.asarray(np.bincount(band, part), float) for part in (at_risk, left, came)
    )
    overall = gone.sum() / n.sum() if n.sum() else 0.0
    share = np.where(n > 0, gone / np.where(n > 0, n, 1), overall)
    expected = [start]
    for _year in range(years):
        expected.append(_older(expected[-1] * (1 - share[band])) + came)
    draws = _draws(start, n, gone, came, band, years, seed)
    rates = _rates(n, gone, entered, level)
    return Ageing(
        _table(expected, draws, level), _shares(expected, draws, cuts, level), rates, level
    )


def _side(panel: Any, name: str) -> nw.LazyFrame[Any]:
    """One row a customer: how many, age (−1 for unknown) and month, once it is sound."""
    lazy = enter(panel, name, ("customer_id", "age"))
    schema = lazy.collect_schema()
    if not schema["age"].is_numeric():
        raise TableError(name, "ages are numbers", "Convert the column.", "age")
    age = nw.col("age")
    age = nw.when(~age.is_nan()).then(age) if schema["age"].is_float() else age
    month = nw.lit(0)
    if "month" in schema and schema["month"].is_temporal():
        month = nw.col("month").dt.year() * 12 + nw.col("month").dt.month()
    lazy = lazy.select(
        nw.col("customer_id").cast(nw.String),
        age.fill_null(-1).cast(nw.Int64).alias("age"),
        month.cast(nw.Int64).alias("month"),
        beyond=((age < 0) | (age > OLDEST)).fill_null(False).cast(nw.Int64),
        nameless=nw.col("customer_id").is_null().cast(nw.Int64),
    )
    return lazy.group_by("customer_id").agg(
        nw.col("age", "month").max(), nw.col("beyond", "nameless").sum(), nw.len().alias("rows")
    )


def _counts(
    before: nw.LazyFrame[Any], after: nw.LazyFrame[Any]
) -> tuple[Floats, Floats, Floats, Floats]:
    """By age: customers of the second panel, those of the first and who left, and who came."""
    if before.implementation is not after.implementation:
        raise TableError("panel_to", "panels are of one kind of frame", "Pass the same kind.")
    names = ["age", "month", "beyond", "nameless", "rows"]
    after = after.rename({name: f"{name}_to" for name in ("customer_id", *names)})
    both = before.join(after, left_on="customer_id", right_on="customer_id_to", how="full")
    both = both.with_columns(
        *(nw.col(name).fill_null(0) for name in ("beyond", "nameless", "beyond_to", "nameless_to")),
        twice=(nw.col("rows").fill_null(1) - 1).cast(nw.Int64),
        twice_to=(nw.col("rows_to").fill_null(1) - 1).cast(nw.Int64),
        here=(~nw.col("rows").is_null()).cast(nw.Int64),
        there=(~nw.col("rows_to").is_null()).cast(nw.Int64),
    )
    flaws = {
        "nameless": ("customer_id", "identifiers are filled", "Fill it."),
        "twice": ("customer_id", "each customer occurs once", "Pass the panel of one month."),
        "beyond": ("age", "ages are 0 to 120 years, or empty", "Empty them."),
    }
    counted = [f"{name}{side}" for name in flaws for side in ("", "_to")]
    cells = collect(
        both.group_by("here", "there", "age", "age_to", "month", "month_to").agg(
            nw.len().alias("customers"), *(nw.col(name).sum() for name in counted)
        )
    )
    for flaw, (column, rule, mend) in flaws.items():
        for side, name in (("", "panel_from"), ("_to", "panel_to")):
            if rows := int(cells[f"{flaw}{side}"].sum()):
                raise TableError(name, rule, mend, column, rows)
    first, second = cells[cells["here"] == 1], cells[cells["there"] == 1]
    months = set(first["month"].dropna()), set(second["month_to"].dropna())
    dated = all(months) and 0 not in months[0] | months[1]
    if dated and {m + 12 for m in months[0]} != months[1]:
        raise TableError("panel_to", "it is of twelve months later", "Pass that month's panel.")

    def by_age(rows: pd.DataFrame, age: str) -> Floats:
        place = rows[age].replace(-1, UNKNOWN).to_numpy(int)
        return np.asarray(np.bincount(place, rows["customers"], UNKNOWN + 1), float)

    came, gone = second[second["here"] == 0], first[first["there"] == 0]
    return (
        by_age(second, "age_to"),
        by_age(first, "age"),
        by_age(gone, "age"),
        by_age(came, "age_to"),
    )


def _older(counts: Floats) -> Floats:
    """A year on: each age is the next, the oldest stay in theirs, and so do the unknown."""
    result = np.zeros_like(counts)
    result[..., 1 : OLDEST + 1] = counts[..., :OLDEST]
    result[..., OLDEST] += counts[..., OLDEST]
    result[..., UNKNOWN] = counts[..., UNKNOWN]
    return result


def _draws(
    start: Floats, n: Floats, gone: Floats, came: Floats, band: Any, years: int, seed: int
) -> list[Floats]:
    """Draws (2000, ages) of each year, from rates and entries as uncertain as they are."""
    rng = np.random.default_rng(seed)
    rates = rng.beta(gone + 0.5, n - gone + 0.5, (DRAWS, len(n)))[:, band]
    means = rng.gamma(np.maximum(came, 1e-9), 1.0, (DRAWS, len(came))) * (came > 0)
    found = [np.broadcast_to(start, (DRAWS, len(start)))]
    for _year in range(years):
        stay = rng.binomial(found[-1].astype(np.int64), 1 - rates).astype(float)
        found.append(_older(stay) + rng.poisson(means))
    return found


def _table(expected: list[Floats], draws: list[Floats], level: float) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    ages = np.append(np.arange(OLDEST + 1, dtype=float), np.nan)
    for year, (counts, drawn) in enumerate(zip(expected, draws, strict=True)):
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        rows = {"year": year, "age": ages, "customers": counts, "low": low, "high": high}
        frames.append(pd.DataFrame(rows)[(counts > 0) | (high > 0)])
    return pd.concat(frames, ignore_index=True)


def _shares(
    expected: list[Floats], draws: list[Floats], cuts: Sequence[int], level: float
) -> pd.DataFrame:
    rows = []
    for year, (counts, drawn) in enumerate(zip(expected, draws, strict=True)):
        known, total = float(counts[:UNKNOWN].sum()), drawn[:, :UNKNOWN].sum(axis=1)
        for cut in cuts:
            old = drawn[:, cut:UNKNOWN].sum(axis=1)
            parts = np.divide(old, total, out=np.full(len(old), np.nan), where=total > 0)
            low = high = np.nan
            if np.isfinite(parts).any():
                low, high = np.nanquantile(parts, [(1 - level) / 2, (1 + level) / 2])
            share = float(counts[cut:UNKNOWN].sum()) / known if known else np.nan
            rows.append((year, cut, share, low, high, known))
    return pd.DataFrame(rows, columns=["year", "cut", "share", "low", "high", "customers"])


def _rates(n: Floats, gone: Floats, came: Floats, level: float) -> pd.DataFrame:
    low, high = wilson(gone, n, level)
    ages = np.append(np.arange(len(n) - 1) * float(BAND), np.nan)
    table = pd.DataFrame({"from_age": ages, "customers": n, "left": gone})
    table["rate"] = (table["left"] / table["customers"]).where(table["customers"] > 0)
    table["low"], table["high"], table["entered"] = low, high, came
    return pd.DataFrame(table[(n > 0) | (came > 0)]).reset_index(drop=True)
