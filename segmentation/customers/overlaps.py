"""Definitions side by side: how many sleep by each, and how far they mean the same people."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.customers.definitions import DormancyRule, dormancy_rule, dormancy_rules
from segmentation.customers.dormancies import judged
from segmentation.customers.intervals import wilson
from segmentation.customers.members import as_day, grouped
from segmentation.data.bank import Bank
from segmentation.data.engines import cents, collect
from segmentation.data.errors import TableError

__all__ = ["dormancy_overlap", "dormancy_table"]


def dormancy_table(
    bank: Bank,
    as_of: Any = None,
    rules: Iterable[str | DormancyRule] | None = None,
    by: Any = None,
    *,
    since: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Count who is dormant by each definition, with what they have.

    Parameters
    ----------
    bank, as_of, since
        As of `dormancy`.
    rules : iterable of str or DormancyRule, optional
        The definitions, by default all of `dormancy.toml`.
    by : str or frame, optional
        A column of `customers`, a scheme of `cohorts.toml` (column `cohort`), or a frame of the
        bank's kind with customer_id and one more column.
    level : float
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        One row a definition, and group; no group without customers. Columns

        - rule, definition: its key, and its English name;
        - the group, with `by`;
        - customers: those whom the definition is for; dormant, unknown: how many of them are, and
          of how many the tables cannot tell;
        - share: dormant over customers, null where someone is unknown; low, high: Wilson's
          interval. With unknown customers it begins at the lower limit of the share if none of
          them were dormant and ends at the upper limit if all were, which is all that can be said;
        - balance: of the dormant, yuan; balance_share: over the balance of all its customers. Both
          are null where someone is unknown.

    Raises
    ------
    TableError
        As `dormancy`, and if there is no rule, or a rule is there twice.

    Examples
    --------
    >>> from segmentation import simulate_bank
    >>> table = dormancy_table(simulate_bank(1, 2, 400, 14), rules=["cib", "six_months", "yuanan"])
    >>> table["rule"].tolist(), table["share"].isna().tolist()
    (['cib', 'six_months', 'yuanan'], [False, False, True])
    >>> bool(table["share"][1] > table["share"][0])
    True
    """
    day, chosen = as_day(bank, as_of), _chosen(bank, rules)
    lazy, group = grouped(bank, judged(bank, day, chosen, since), by, day)
    patterns = _patterns(lazy, chosen, group)
    rows: list[dict[str, Any]] = []
    for place, rule in enumerate(chosen):
        mine = patterns[patterns[f"state_{place}"].notna()]
        parts = [(None, mine)] if group is None else mine.groupby(group, sort=True)
        for name, part in parts:
            state, n, money = part[f"state_{place}"], part["customers"], part[f"balance_{place}"]
            head = {} if group is None else {group: name}
            rows.append(
                {
                    "rule": rule.name,
                    "definition": rule.en,
                    **head,
                    "customers": int(n.sum()),
                    "dormant": int(n[state == "dormant"].sum()),
                    "unknown": int(n[state == "unknown"].sum()),
                    "balance": float(money[state == "dormant"].sum()),
                    "of": float(money.sum()),
                }
            )
    heads = ["rule", "definition", *([] if group is None else [group])]
    names = [*heads, "customers", "dormant", "unknown", "balance", "of"]
    table = pd.DataFrame(rows, columns=names)
    table = table[table["customers"] > 0].reset_index(drop=True)
    n, yes, open_ = table["customers"], table["dormant"], table["unknown"]
    table["share"] = (yes / n).where(open_ == 0)
    table["low"] = wilson(yes, n, level)[0]
    table["high"] = wilson(yes + open_, n, level)[1]
    table["balance"] = table["balance"].round(2).where(open_ == 0)
    table["balance_share"] = (table["balance"] / table["of"]).where(table["of"] > 0)
    counts = ["customers", "dormant", "unknown"]
    return table[[*heads, *counts, "share", "low", "high", "balance", "balance_share"]]


def dormancy_overlap(
    bank: Bank,
    as_of: Any = None,
    rules: Iterable[str | DormancyRule] | None = None,
    *,
    since: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Count how far each two definitions mean the same customers.

    Parameters
    ----------
    bank, as_of, rules, since, level
        As of `dormancy_table`.

    Returns
    -------
    DataFrame
        One row a pair of definitions that are for the same customers: rule, other, customers whom
        both are for, both (dormant by both), only_rule, only_other, unknown (by either), share
        ``both / (both + only_rule + only_other)``, of those dormant by either (Jaccard's index),
        with Wilson's interval low and high. Where anyone is unknown the share is null.

    Raises
    ------
    TableError
        As `dormancy_table`.
    """
    day, chosen = as_day(bank, as_of), _chosen(bank, rules)
    patterns = _patterns(judged(bank, day, chosen, since), chosen, None)
    rows = []
    for first, second in combinations(range(len(chosen)), 2):
        one, two = patterns[f"state_{first}"], patterns[f"state_{second}"]
        n = patterns["customers"].where(one.notna() & two.notna(), 0)
        if n.sum() == 0:
            continue
        a, b = one == "dormant", two == "dormant"
        counts = {
            "customers": n.sum(),
            "both": n[a & b].sum(),
            "only_rule": n[a & ~b].sum(),
            "only_other": n[~a & b].sum(),
            "unknown": n[(one == "unknown") | (two == "unknown")].sum(),
        }
        counts = {name: int(count) for name, count in counts.items()}
        either = counts["both"] + counts["only_rule"] + counts["only_other"]
        ends = {"share": math.nan, "low": math.nan, "high": math.nan}
        if counts["unknown"] == 0 and either:
            low, high = wilson(counts["both"], either, level)
            ends = {"share": counts["both"] / either, "low": float(low), "high": float(high)}
        rows.append((chosen[first].name, chosen[second].name, *counts.values(), *ends.values()))
    columns = ["rule", "other", "customers", "both", "only_rule", "only_other", "unknown"]
    return pd.DataFrame(rows, columns=[*columns, "share", "low", "high"])


def _chosen(bank: Bank, rules: Iterable[str | DormancyRule] | None) -> tuple[DormancyRule, ...]:
    if rules is None:
        return dormancy_rules(bank.rules)
    names = [rules] if isinstance(rules, str | DormancyRule) else list(rules)
    chosen = [r if isinstance(r, DormancyRule) else dormancy_rule(r, bank.rules) for r in names]
    if not chosen or len({rule.name for rule in chosen}) < len(chosen):
        raise TableError("rules", "there is one or more, each once", "Name definitions.")
    return tuple(chosen)


def _patterns(
    lazy: nw.LazyFrame[Any], rules: tuple[DormancyRule, ...], group: str | None
) -> pd.DataFrame:
    """Customers and their balances by how all definitions judge them, and by group."""
    states = [f"state_{place}" for place in range(len(rules))]
    money = [f"balance_{place}" for place in range(len(rules))]
    keys = [*states, *([] if group is None else [group])]
    lazy = lazy.select(*keys, *money)
    lazy = lazy.group_by(*keys).agg(nw.len().alias("customers"), *(nw.col(m).sum() for m in money))
    found = collect(lazy.with_columns(cents(nw.col(name)).alias(name) for name in money))
    found[money] = found[money].fillna(0.0)
    return found.sort_values(keys, ignore_index=True)
