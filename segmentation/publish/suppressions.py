"""Cells of a cross-table that must not be shown, beside margins that are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from segmentation.data.aggregates import disclosure_rules
from segmentation.data.errors import TableError
from segmentation.publish.crosstables import (
    aligned,
    canonical_order,
    check_amounts,
    check_counts,
    without,
)
from segmentation.publish.margins import Floats, Truths
from segmentation.publish.patterns import smallest_pattern

__all__ = ["suppress_counts", "suppress_sums"]


def suppress_counts(table: pd.DataFrame, threshold: int | None = 10) -> pd.DataFrame:
    """Hide small counts of a cross-table, and what its margins would give away of them.

    A cell with ``0 < count < threshold`` is hidden. The totals of rows and columns and the grand
    total of `table` are taken to be published, so further cells are hidden: the fewest, and among
    those the ones with the smallest sum, such that for each hidden cell x

        min x < max x  over all tables x ≥ 0 with the same margins and visible cells.

    Parameters
    ----------
    table : DataFrame
        Counts of customers: a row a group, a column a category, no totals inside. Combinations
        that do not occur are 0.
    threshold : int, optional
        Smallest count that may be shown; None takes the bank's rule.

    Returns
    -------
    DataFrame
        The same shape, order and labels; hidden cells are null. Integers come back as pandas'
        nullable integers, floats as floats.

    Raises
    ------
    TableError
        If the table is customer-level, has totals, duplicate labels, text, nulls, negative or
        broken numbers.

    Notes
    -----
    What is protected: nobody can compute a hidden count from the margins, the visible cells and
    non-negativity; the margins fit at least two whole numbers in it. What is not: a range may be
    narrow. Who also knows this rule knows that some hidden counts lie between 1 and the threshold,
    that no smaller pattern would have served, and that this one was the cheapest; that can narrow a
    range, in a small table to one number. A zero that everyone knows to be one (a product that a
    group cannot hold) protects nothing, but may be among the hidden cells: leave such lines out.
    A margin that is itself under the threshold is a small count: merge its line first.

    In a table of one column the rows' totals are the cells, and are hidden with them; only the
    grand total is public then, and likewise for one row. If all counts stand in a single line of a
    larger table, or a single cell is all there is, its margins give it away whatever is hidden:
    then all cells are hidden, and the margins must not be published either.

    Exact up to 800 cells; a larger table, or a search that exceeds its limits, gets a pattern that
    protects as much and of which no cell can be shown again by itself.

    References
    ----------
    Hundepool et al., Handbook on Statistical Disclosure Control, chapter 4 and 5;
    Gusfield 1988, A graph theoretic approach to statistical data security;
    Fischetti and Salazar 2001, Solving the cell suppression problem.

    Examples
    --------
    >>> counts = pd.DataFrame(
    ...     {"Basic": [120, 80, 95], "Wealth": [40, 3, 25], "Private": [12, 15, 18]},
    ...     index=["North", "South", "East"],
    ... )
    >>> suppress_counts(counts)
           Basic  Wealth  Private
    North    120      40       12
    South     80    <NA>     <NA>
    East      95    <NA>     <NA>
    """
    if threshold is None:
        threshold = disclosure_rules()["threshold"]
    if isinstance(threshold, bool) or not isinstance(threshold, int | np.integer) or threshold < 1:
        raise TableError("threshold", "it is a whole number from 1", "Pass for example 10.")
    counts = check_counts(table, int(threshold))
    sensitive = (counts > 0) & (counts < threshold)
    return without(table, _pattern(table, counts, sensitive, np.ones_like(counts)))


def suppress_sums(
    table: pd.DataFrame,
    contributors: pd.DataFrame,
    largest: pd.DataFrame,
    second_largest: pd.DataFrame | None = None,
    *,
    threshold: int | None = None,
    dominance: float | None = None,
    p: float | None = None,
    folder: str | Path | None = None,
) -> pd.DataFrame:
    """Hide sums of a cross-table that tell of single customers, and what margins give away of them.

    A sum X of n customers, of whom the largest two hold x₁ ≥ x₂, is hidden if

    - few contribute: ``1 ≤ n < threshold``;
    - one dominates: ``x₁ > dominance · X``;
    - with `second_largest`, the second could work out the first: ``X − x₁ − x₂ < p · x₁``.

    Further cells are hidden as in `suppress_counts`, with one difference: a sum known to within a
    few yuan is known, so the least and the greatest value of each such cell that fit the published
    margins must be at least ``p · x₁`` apart.

    Parameters
    ----------
    table : DataFrame
        Sums in yuan, not negative: a row a group, a column a category, no totals inside.
    contributors : DataFrame
        Customers who contribute to each cell, labelled as `table`.
    largest : DataFrame
        The largest contribution of one customer to each cell, in yuan.
    second_largest : DataFrame, optional
        The next largest, in yuan.
    threshold, dominance, p : optional
        In place of the rules of `disclosure.toml` (10 customers, 0.70 and 0.10).
    folder : path, optional
        The bank's own folder of rules.

    Returns
    -------
    DataFrame
        `table` with hidden cells null, in the same shape, order and labels.

    Raises
    ------
    TableError
        If a table is customer-level, has totals, duplicate labels, text, nulls or negative numbers,
        or the four do not belong together.

    Notes
    -----
    Contributions must not be negative: protect assets and debts as two tables. Publish counts of
    the same cells through `suppress_counts`. If no pattern reaches far enough, all cells are
    hidden.

    References
    ----------
    Hundepool et al., Handbook on Statistical Disclosure Control, section 4.2: minimum frequency,
    (n,k)-dominance and p%-rule.

    Examples
    --------
    >>> names = {"index": ["North", "South"], "columns": ["Wealth", "Private"]}
    >>> sums = pd.DataFrame([[9e6, 8e6], [7e6, 9e6]], **names)
    >>> heads = pd.DataFrame([[40, 12], [30, 14]], **names)
    >>> top = pd.DataFrame([[5e5, 6e6], [6e5, 1e6]], **names)
    >>> suppress_sums(sums, heads, top).isna().sum().sum()
    np.int64(4)
    """
    rules = disclosure_rules(folder)
    given = {"threshold": threshold, "dominance": dominance, "p": p}
    rules.update({name: value for name, value in given.items() if value is not None})
    if rules["threshold"] < 1 or not (0 < rules["dominance"] <= 1 and 0 < rules["p"] <= 1):
        raise TableError(
            "rules", "threshold is at least 1, dominance and p are shares", "Mend the argument."
        )
    sums = check_amounts(table)
    heads = check_counts(aligned(contributors, table, "contributors"), 1, "contributors")
    first = check_amounts(aligned(largest, table, "largest"), "largest")
    second = np.zeros_like(first)
    if second_largest is not None:
        second = check_amounts(aligned(second_largest, table, "second_largest"), "second_largest")
    _belong_together(sums, heads, first, second)
    sensitive = (heads >= 1) & (heads < rules["threshold"])
    sensitive |= first > rules["dominance"] * sums + 1e-9
    if second_largest is not None:
        sensitive |= (heads > 0) & (sums - first - second < rules["p"] * first)
    least = sums[sums > 0].min(initial=np.inf)
    if not np.isfinite(least):
        least = 1.0
    return without(table, _pattern(table, sums, sensitive, np.maximum(rules["p"] * first, least)))


def _belong_together(sums: Floats, heads: Floats, first: Floats, second: Floats) -> None:
    # Sums of floats differ in their last bits from the sums of their parts.
    slack = 0.005 + 1e-9 * sums
    for name, wrong in (
        ("contributors", (heads == 0) & (sums > slack)),
        ("largest", first > sums + slack),
        ("second_largest", (second > first + slack) | (first + second > sums + slack)),
    ):
        if wrong.any():
            raise TableError(
                name, "the parts of a sum fit into it", "Aggregate all from the same rows.",
                rows=int(wrong.any(axis=1).sum()),
            )  # fmt: skip


def _pattern(table: pd.DataFrame, values: Floats, sensitive: Truths, reach: Floats) -> Truths:
    order = np.ix_(canonical_order(table.index), canonical_order(table.columns))
    hidden = np.zeros_like(sensitive)
    hidden[order] = smallest_pattern(values[order], sensitive[order], reach[order])
    return hidden
