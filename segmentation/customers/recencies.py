"""Recency, frequency and monetary value: scores whose edges are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.dates import days_since
from segmentation.customers.histories import checked, not_negative, read_day
from segmentation.data.engines import cents, collect, enter, frame_kind, leave
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["RFM", "rfm_scores"]

RULES = "rules/rfm.toml"
MEASURES = {"r": "recency_days", "f": "frequency", "m": "monetary"}
VALUES = tuple(MEASURES.values())


@dataclass(frozen=True)
class RFM:
    """Scores of customers, and the edges that made them.

    Attributes
    ----------
    scores : frame of the kind of the transactions
        One row a customer, in no order: customer_id (text), recency_days (from the last transaction
        to the day looked from), frequency (transactions), monetary (their sum to the cent), r, f
        and m (1 is worst), and score, their digits in a row: 543 for r 5, f 4, m 3. Of who has no
        transaction frequency and monetary are 0 and the rest is null.
    thresholds : DataFrame
        One row a measure and score: measure (r, f, m), score, sign (<, > or ≥) and edge, which
        its value must have passed and not that of the next better; null for the worst. customers:
        how many have the score.
    customers, absent : int
        Customers scored, and customers without a transaction.
    rule : str
        Key of the rule in `rfm.toml`.
    """

    scores: Any = field(repr=False)
    thresholds: pd.DataFrame = field(repr=False)
    customers: int
    absent: int
    rule: str


def rfm_scores(
    data: Any,
    as_of: Any,
    *,
    rule: str = "quantile",
    window: int | None = None,
    customers: Any = None,
    customer: str = "customer_id",
    date: str = "date",
    amount: str = "amount",
    rules: str | Path | None = None,
) -> RFM:
    """Score customers by how recently, how often and for how much they moved money.

    A score is one more than the number of edges that the value has passed; days pass an edge by
    being fewer. By ``quantile`` the edges are the quintiles of the customers, and who is at an edge
    has not passed it; so equal customers have equal scores, all customers alike have 1, and the
    fifths are as uneven as the ties make them. By ``rfm_r`` a bin begins at the quintile plus one.

    Parameters
    ----------
    data : any frame Narwhals knows
        One row a transaction. Amounts are 0 or more: score money in or money out, not their sum.
    as_of : date, or text like 2024-01-31
        The day looked from; no transaction is after it.
    rule : str
        A rule of scores in `rfm.toml`: ``quantile``, ``rfm_r``, or one of the bank's own.
    window : int, optional
        Days looked back, of which `as_of` is the first; all by default.
    customers : frame of the same kind, optional
        Everybody who could have a transaction, in a column named as `customer`. Who has none is
        counted and kept, without scores.
    customer, date, amount : str
        The columns.
    rules : path, optional
        The bank's own folder of rules, by default that of `SEGMENTATION_RULES`.

    Raises
    ------
    TableError
        If a column is missing or of another type, a value is null or infinite, an amount negative,
        a date after `as_of`, nobody has a transaction, a customer is twice in `customers` or lacks
        there, or there is no such rule.

    Notes
    -----
    Only the edges and the numbers of customers by score leave the engine.

    References
    ----------
    Hyndman & Fan (1996) for the quantiles: their type 7. R package rfm for ``rfm_r``.

    Examples
    --------
    >>> moves = pd.DataFrame({"customer_id": list("ABCDE"), "amount": [10.0, 20, 30, 40, 50],
    ...     "date": pd.to_datetime(["2025-01-05", "2025-01-04", "2025-01-03", "2025-01-02",
    ...                             "2025-01-01"])})
    >>> found = rfm_scores(moves, "2025-01-06")
    >>> found.scores.sort_values("customer_id")["score"].tolist()
    [511, 412, 313, 214, 115]
    >>> found.thresholds.query("measure == 'm'")["edge"].tolist()
    [nan, 18.0, 26.0, 34.0, 42.0]
    """
    bins, plus, at = _rule(rule, rules)
    if window is not None and (isinstance(window, bool) or window < 1):
        raise TableError("window", "it is a number of days from 1", "Pass another, or none.")
    day, kind = read_day(as_of, "as_of"), frame_kind(data, "data")
    lazy = not_negative(checked(data, customer, date, amount))
    lazy = lazy.with_columns(ago=days_since(nw.col("date"), day))
    _none_later(lazy, date)
    if window is not None:
        lazy = lazy.filter(nw.col("ago") < window)
    ago, count, money = nw.col("ago").min(), nw.len(), nw.col("amount").sum()
    lazy = lazy.group_by("customer_id").agg(
        ago.alias("recency_days"), count.alias("frequency"), money.alias("monetary")
    )
    lazy = lazy.with_columns(nw.col("frequency").cast(nw.Int64), cents(nw.col("monetary")))
    edges = _edges(lazy, bins, plus)
    lazy = lazy.with_columns(
        _score(name, steps, at).alias(name) for name, steps in edges.items()
    ).with_columns(score=nw.col("r") * 100 + nw.col("f") * 10 + nw.col("m"))
    if customers is not None:
        lazy = _everybody(lazy, customers, customer, kind)
    cells = collect(lazy.group_by("r", "f", "m").agg(nw.len().alias("customers")))
    unscored = cells["r"].isna()
    return RFM(
        scores=leave(lazy.select("customer_id", *VALUES, *MEASURES, "score"), kind),
        thresholds=_thresholds(cells[~unscored], edges, at),
        customers=int(cells.loc[~unscored, "customers"].sum()),
        absent=int(cells.loc[unscored, "customers"].sum()),
        rule=rule,
    )


def _rule(name: str, folder: str | Path | None) -> tuple[int, float, bool]:
    rules = load_rules("rfm", folder).get("scores", {})
    if name not in rules:
        known = ", ".join(sorted(rules))
        raise TableError(RULES, f"there is no such rule; there are {known}", "Name one of them.")
    entry = rules[name]
    bins, plus, at = entry.get("bins"), entry.get("plus"), entry.get("at")
    flaws = {
        "bins are a whole number from 2 to 9": type(bins) is not int or not 2 <= bins <= 9,
        "plus is a number": type(plus) not in (int, float),
        "at is true or false": type(at) is not bool,
    }
    for text, broken in flaws.items():
        if broken:
            raise TableError(RULES, text, "Mend it.", f"scores.{name}")
    return bins, float(plus), at


def _none_later(lazy: nw.LazyFrame[Any], column: str) -> None:
    later = lazy.select((nw.col("ago") < 0).cast(nw.Int64).alias("later"))
    count = int(collect(later.select(nw.col("later").sum()))["later"].fillna(0).iloc[0])
    if count:
        rule = "no date is after as_of"
        raise TableError("data", rule, "Leave these rows out, or look later.", column, count)


def _edges(lazy: nw.LazyFrame[Any], bins: int, plus: float) -> dict[str, list[float]]:
    """Edges by measure, lowest first; rounded, as engines differ in the last bit."""
    wanted = {
        f"{name}{step}": nw.col(value).cast(nw.Float64).quantile(step / bins, "linear")
        for name, value in MEASURES.items()
        for step in range(1, bins)
    }
    row = collect(lazy.select(**wanted)).iloc[0]
    if row.isna().any():
        raise TableError("data", "a customer has a transaction", "Look at a longer time.")
    return {
        name: [round(float(row[f"{name}{step}"]) + plus, 6) for step in range(1, bins)]
        for name in MEASURES
    }


def _score(name: str, edges: list[float], at: bool) -> nw.Expr:
    value = nw.col(MEASURES[name])
    score = nw.lit(1).cast(nw.Int64)
    for edge in edges:
        above = value >= edge if at else value > edge
        passed = value < edge if name == "r" else above
        score = score + passed.cast(nw.Int64)
    return score


def _everybody(
    lazy: nw.LazyFrame[Any], customers: Any, column: str, kind: str
) -> nw.LazyFrame[Any]:
    if frame_kind(customers, "customers") != kind:
        raise TableError("customers", "it is a frame of the kind of data", "Convert one of them.")
    people = enter(customers, "customers", (column,)).select(
        nw.col(column).cast(nw.String).alias("customer_id")
    )
    count = people.with_columns(nw.lit(1).alias("one")).group_by("customer_id")
    times = count.agg(nw.col("one").sum().alias("times"))
    twice = nw.col("times") > 1
    twice = twice | nw.col("customer_id").is_null()
    wrong = collect(times.filter(twice).select(nw.len().alias("rows")))["rows"].iloc[0]
    if wrong:
        rule = "a customer is there once, with a number"
        raise TableError("customers", rule, "Remove the others.", column, int(wrong))
    lacking = collect(
        lazy.join(people, on="customer_id", how="anti").select(nw.len().alias("rows"))
    )
    if lacking["rows"].iloc[0]:
        rule, count_ = "every customer of the transactions is there", int(lacking["rows"].iloc[0])
        raise TableError("customers", rule, "Add them, or leave them out.", column, count_)
    joined = people.join(lazy, on="customer_id", how="left")
    return joined.with_columns(nw.col("frequency").fill_null(0), nw.col("monetary").fill_null(0.0))


def _thresholds(cells: pd.DataFrame, edges: dict[str, list[float]], at: bool) -> pd.DataFrame:
    rows = []
    for name, steps in edges.items():
        have = cells.groupby(name)["customers"].sum()
        ordered = steps[::-1] if name == "r" else steps
        sign = "<" if name == "r" else "≥" if at else ">"
        for score in range(1, len(steps) + 2):
            edge = ordered[score - 2] if score > 1 else None
            rows.append((name, score, sign if score > 1 else "", edge, int(have.get(score, 0))))
    table = pd.DataFrame(rows, columns=["measure", "score", "sign", "edge", "customers"])
    return table.astype({"edge": float})
