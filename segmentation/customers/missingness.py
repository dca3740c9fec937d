"""Is a field missing at random? A model of who lacks it, fitted to a table of counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.dates import completed_years
from segmentation.customers.likelihoods import OTHER, levels_of, likelihood, maximum, pooled
from segmentation.customers.profiles import Field, flags
from segmentation.customers.quality import (
    UNKNOWN,
    fields_of,
    open_customers,
    reference_day,
    tiers_of,
)
from segmentation.data.engines import collect
from segmentation.data.errors import TableError, missing_columns
from segmentation.data.rules import load_rules

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["Missingness", "missingness_model"]

TERMS = ("branch_id", "tier", "age", "tenure")

DEPENDS = (
    "Not missing completely at random: how often it is missing depends on what is recorded of the "
    "customer."
)
NO_SIGN = "No sign that how often it is missing depends on what is recorded of the customer."
CAUTION = (
    "Whether it is missing because of the value itself cannot be told from these data, whatever "
    "the test says."
)


@dataclass(frozen=True)
class Missingness:
    """A logistic model of a field being missing, and its test against missing at random.

    Attributes
    ----------
    field : str
        The field.
    table : DataFrame
        ``term level customers missing estimate low high separated``: a row a level of each term.
        `estimate` is the log odds of missing against the term's reference level, the largest,
        which has 0 and no limits; `low` and `high` are Wald's. In a `separated` level all or none
        are missing: the estimate is infinite and has no limits. It is empty where other terms
        decide the level, as a manager's branch does.
    terms : DataFrame
        ``term df lr p``: the likelihood ratio that leaving this term out costs.
    lr, df, p : float, int, float
        Likelihood-ratio test of the model against one rate for everybody: missing completely at
        random (MCAR) as far as the terms see.
    n, missing : int
        Customers, and those who lack the field.
    level : float
        Confidence of the limits.
    as_of : datetime.date
        Day that customers are counted on.
    """

    field: str
    table: pd.DataFrame
    terms: pd.DataFrame
    lr: float
    df: int
    p: float
    n: int
    missing: int
    level: float
    as_of: dt.date

    @property
    def verdict(self) -> str:
        """What the test says at the confidence of the model, in a sentence."""
        return DEPENDS if self.p < 1 - self.level else NO_SIGN

    @property
    def caution(self) -> str:
        """What no such test can say."""
        return CAUTION


def missingness_model(
    bank: Bank,
    field: str,
    on: Sequence[str] | None = None,
    as_of: Any = None,
    level: float = 0.95,
) -> Missingness:
    """Model who lacks a field, and test whether it is missing completely at random.

    ``log odds of missing = a + Σ b(level of each term)``, fitted by maximum likelihood to the table
    of customers and missing by cell of the terms: customers' own rows are not needed. Under MCAR
    ``lr = 2·(ℓ(model) − ℓ(one rate))`` follows χ² with as many degrees of freedom as levels beyond
    the first of each term. Levels expected to have fewer than five customers with, or without, the
    field are pooled as "other", for the χ² to hold.

    A small p says that it is not missing completely at random, so that complete rows are not a fair
    sample; the model then describes how it depends on what is recorded (MAR). It can never say that
    it does not depend, beyond that, on the unrecorded value itself (MNAR): with the same counts
    either may be true. Customers kept by one manager may resemble each other more than the model
    supposes; then p is too small.

    Parameters
    ----------
    bank : Bank
        With `customers`, and `profiles` or the columns that stand in for them (see `completeness`).
    field : str
        A field of `profiles`; missing is what is not filled.
    on : sequence of str, optional
        Terms: ``branch_id``, ``tier``, ``age`` and ``tenure`` (bands of `rules/quality.toml`), or
        other columns of `customers`, ``manager_id`` for one. By default the four, as far as the
        bank has them.
    as_of : date, optional
        Day that customers are open on and bands are taken at; by default the last month's end.
    level : float
        Confidence of the limits.

    Raises
    ------
    TableError
        If there is no such field or term, nobody or everybody lacks the field, or every customer is
        alike in all terms.

    References
    ----------
    Little (1988), A test of missing completely at random, JASA 83; Rubin (1976), Biometrika 63.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import Bank
    >>> customers = pd.DataFrame({"customer_id": [str(k) for k in range(200)], "kind": "personal",
    ...     "branch_id": ["B1"] * 120 + ["B2"] * 80, "opened_on": pd.to_datetime("2020-01-01")})
    >>> customers["gender"] = [None, *["female"] * 5] * 20 + [None, "male"] * 40
    >>> model = missingness_model(Bank(customers=customers), "gender", as_of="2025-12-31")
    >>> model.n, model.missing, model.df, round(model.lr, 2)
    (200, 60, 1, 25.31)
    >>> model.table[["level", "estimate"]].round(3).values.tolist()
    [['B1', 0.0], ['B2', 1.609]]
    """
    bank.require("customers")
    day = reference_day(bank, as_of)
    known = {entry.name: entry for entry in fields_of(bank)}
    missing_columns("profiles.field", [field], known)
    terms = _terms(bank, known[field], on)
    cells = _cells(bank, known[field], terms, day)
    n, missing = int(cells["n"].sum()), int(cells["missing"].sum())
    if not 0 < missing < n:
        raise TableError(
            "profiles",
            "some customers have the field and some lack it",
            "There is nothing to explain where all or none do.",
            "field",
        )
    model = _fit(cells, terms, level, field, day)
    return replace(model, table=_sorted(model.table, _order(bank)))


def _sorted(table: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Levels of each term in their order, others by name, and last those that are no level."""
    term = table["term"].map({name: k for k, name in enumerate(table["term"].unique())})
    place = table["level"].map({name: k for k, name in enumerate(order)}).fillna(-1)
    last = table["level"].isin([OTHER, UNKNOWN])
    keys = table.assign(term=term, last=last, place=place)
    index = keys.sort_values(["term", "last", "place", "level"]).index
    return table.loc[index].reset_index(drop=True)


def _terms(bank: Bank, field: Field, on: Sequence[str] | None) -> list[str]:
    """Terms that the bank can say, without those that the field itself decides."""
    source = {"age": "birth_date", "tenure": "opened_on"}
    given = bank.table("customers").collect_schema().names()
    if on is None:
        able = [
            t for t in TERMS if source.get(t, t) in given or (t == "tier" and bank.has("balances"))
        ]
        return [t for t in able if source.get(t, t) not in (field.column, field.name)]
    terms = list(dict.fromkeys(on))
    wanted = [source.get(term, term) for term in terms if term != "tier"]
    missing_columns("customers", wanted, given)
    if not terms:
        raise TableError("on", "there is a term", "Name one, for example branch_id.")
    return terms


def _cells(bank: Bank, field: Field, terms: list[str], day: dt.date) -> pd.DataFrame:
    """Customers and missing by cell of the terms."""
    source = {"age": "birth_date", "tenure": "opened_on"}
    columns = [source.get(term, term) for term in terms if term != "tier"]
    lazy = open_customers(bank, day, columns)
    if "tier" in terms:
        lazy = lazy.join(tiers_of(bank, day), on="customer_id", how="left")
    bands = load_rules("quality", bank.rules)["bands"]
    labels = []
    for number, term in enumerate(terms):
        if term in source:
            label = _band(completed_years(nw.col(source[term]), day), bands[term])
        else:
            label = nw.col(term).cast(nw.String)
        labels.append(label.fill_null(UNKNOWN).alias(f"term_{number}"))
    names = [f"term_{number}" for number in range(len(terms))]
    lazy = lazy.select("customer_id", *labels)
    lazy = lazy.join(flags(bank, [field], day, ["filled"]), on="customer_id", how="left")
    lazy = lazy.with_columns(missing=1 - nw.col("filled_0").fill_null(0))
    lazy = lazy.group_by(*names).agg(nw.len().cast(nw.Int64).alias("n"), nw.col("missing").sum())
    cells = collect(lazy).rename(columns=dict(zip(names, terms, strict=True)))
    return cells.sort_values(terms, ignore_index=True)


def _band(years: nw.Expr, starts: list[int]) -> nw.Expr:
    """The band of completed years."""
    first, *others = _names(starts)
    label: Any = nw.lit(first)
    for start, name in zip(starts, others, strict=True):
        label = nw.when(years >= start).then(nw.lit(name)).otherwise(label)
    return nw.when(~years.is_null()).then(label)


def _names(starts: list[int]) -> list[str]:
    """Names of bands by their limits, like ``25–34``."""
    middle = [f"{start}–{end - 1}" for start, end in pairwise(starts)]
    return [f"under {starts[0]}", *middle, f"{starts[-1]}+"]


def _order(bank: Bank) -> list[str]:
    """Names of bands and tiers as they follow each other, for the table to be read."""
    from segmentation.customers.tiers import tier_rule

    bands = load_rules("quality", bank.rules)["bands"]
    tiers = tier_rule(bank.tier_rule, bank.rules).names
    return [*tiers, *_names(bands["age"]), *_names(bands["tenure"])]


def _fit(
    cells: pd.DataFrame, terms: list[str], level: float, field: str, day: dt.date
) -> Missingness:
    """Fit the model to cells, each term leaving out its reference level."""
    from scipy.stats import chi2, norm

    n, missing = cells["n"].to_numpy(float), cells["missing"].to_numpy(float)
    cells = cells.assign(**{term: pooled(cells, term) for term in terms})
    levels = levels_of(cells, terms)
    if not levels:
        raise TableError(
            "customers",
            "customers differ in some term, and enough of them have and lack the field",
            "Name other terms in `on`; a few cases cannot be compared.",
        )
    full = maximum(cells, levels)
    alone = likelihood(n, missing, np.full(len(n), missing.sum() / n.sum()))
    reach = norm.isf((1 - level) / 2)
    rows, tests = [], []
    for term, names in levels.items():
        less = maximum(cells, {t: v for t, v in levels.items() if t != term})
        lr, df = max(2 * (full.likelihood - less.likelihood), 0.0), full.rank - less.rank
        tests.append((term, df, lr, float(chi2.sf(lr, df)) if df else np.nan))
        sums = cells.groupby(term)[["n", "missing"]].sum()
        for name in names:
            estimate, error = full.estimates.get((term, name), (0.0, np.nan))
            count, lacking = sums.loc[name].to_numpy(int)
            low, high = estimate - reach * error, estimate + reach * error
            rows.append((term, name, count, lacking, estimate, low, high, np.isinf(estimate)))
    columns = ["term", "level", "customers", "missing", "estimate", "low", "high", "separated"]
    lr, df = max(2 * (full.likelihood - alone), 0.0), full.rank - 1
    return Missingness(
        field=field,
        table=pd.DataFrame(rows, columns=columns),
        terms=pd.DataFrame(tests, columns=["term", "df", "lr", "p"]),
        lr=lr,
        df=df,
        p=float(chi2.sf(lr, df)),
        n=int(n.sum()),
        missing=int(missing.sum()),
        level=level,
        as_of=day,
    )
