"""Customers who may be one person entered twice (一人多户): how many, never who."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.quality import open_customers, reference_day
from segmentation.data.engines import collect
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

if TYPE_CHECKING:
    import datetime as dt

    from segmentation.data.bank import Bank

__all__ = ["duplicate_candidates"]

BIRTH, GENDER = "birth_date", "gender"


def duplicate_candidates(bank: Bank, as_of: Any = None) -> pd.DataFrame:
    """Count customers who agree in columns in which different people seldom do.

    A candidate is not a duplicate: twins, and strangers born on one day, agree as well. How many
    pairs of strangers would, is ``expected``: within a gender g, the pairs that agree in the rule's
    other columns o, times the share born on one day b among the pairs that do not,
    ``Σ_g pairs(o)·(pairs(b) − pairs(o and b)) / (pairs − pairs(o))``. What goes beyond it deserves
    a look at the documents. Counts of the whole file, not estimates from a sample: they have an n
    and no interval.

    Parameters
    ----------
    bank : Bank
        With `customers` and columns of at least one rule of `rules/quality.toml`: birth date and
        gender with household, branch and opening day, or branch and occupation.
    as_of : date, optional
        Day that customers are open on; by default the end of the bank's last month.

    Returns
    -------
    DataFrame
        ``rule columns n groups customers pairs expected``, a row a rule that the bank has the
        columns for: customers of whom all columns are known, groups of two or more who agree,
        customers in them, and pairs. `expected` is empty where all pairs of a gender agree in the
        other columns, and where a rule does without birth date or gender.

    Raises
    ------
    TableError
        If the bank has the columns of no rule.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import Bank
    >>> customers = pd.DataFrame({"customer_id": list("1234"), "kind": "personal",
    ...     "branch_id": ["B1", "B1", "B2", "B2"], "opened_on": pd.to_datetime("2020-01-01"),
    ...     "birth_date": pd.to_datetime(["1990-05-01", "1990-05-01", "1990-05-01", "1980-02-03"]),
    ...     "gender": "female"})
    >>> table = duplicate_candidates(Bank(customers=customers), as_of="2025-12-31")
    >>> table[["n", "groups", "customers", "pairs", "expected"]].values.tolist()
    [[4.0, 1.0, 2.0, 1.0, 1.0]]
    """
    bank.require("customers")
    day = reference_day(bank, as_of)
    given = bank.table("customers").collect_schema().names()
    rules = load_rules("quality", bank.rules)["duplicates"].values()
    usable = [rule for rule in rules if set(rule["columns"]) <= set(given)]
    if not usable:
        raise TableError(
            "customers",
            "it has the columns of a rule for duplicates",
            "Add birth_date and gender, and household_id where it is known.",
        )
    return pd.DataFrame([_count(bank, rule, day) for rule in usable])


def _count(bank: Bank, rule: dict[str, Any], day: dt.date) -> dict[str, Any]:
    columns: list[str] = rule["columns"]
    lazy = open_customers(bank, day, columns).select("customer_id", *columns)
    lazy = lazy.filter(*(~nw.col(name).is_null() for name in columns))
    apart = GENDER if {BIRTH, GENDER} <= set(columns) else None
    others = [name for name in columns if name != BIRTH]
    exact = _pairs(lazy, columns, None)
    row = {
        "rule": rule["en"],
        "columns": ", ".join(columns),
        **{name: int(exact[name].sum()) for name in ("n", "groups", "customers", "pairs")},
    }
    if apart is None:
        return {**row, "expected": float("nan")}
    agree, born, every, both = (
        _pairs(lazy, names, apart).set_index(apart)["pairs"].astype(float)
        for names in (others, [apart, BIRTH], [apart], columns)
    )
    differ = every - agree
    expected = (agree * (born - both) / differ.where(differ > 0)).where(agree > 0, 0.0)
    return {**row, "expected": float(expected.sum(skipna=False))}


def _pairs(lazy: Any, columns: list[str], apart: str | None) -> pd.DataFrame:
    """Rows, groups of two or more, rows in them and pairs, of rows that agree in `columns`."""
    groups = lazy.group_by(*columns).agg(nw.len().cast(nw.Int64).alias("n"))
    several = (nw.col("n") > 1).cast(nw.Int64)
    groups = groups.with_columns(
        groups=several,
        customers=several * nw.col("n"),
        pairs=nw.col("n") * (nw.col("n") - 1) // 2,
    )
    names = ("n", "groups", "customers", "pairs")
    if apart is None:
        return collect(groups.select(*(nw.col(name).sum() for name in names))).fillna(0)
    return collect(groups.group_by(apart).agg(*(nw.col(name).sum() for name in names)))
