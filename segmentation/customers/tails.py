"""The long tail: customers of little money and few movements, and what is odd about some."""

from __future__ import annotations

import datetime as dt
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.customers.alerts import FLAGS, alerts, flag_rules, quiet_since
from segmentation.customers.conditions import MEASURES, LongTailRule, long_tail_rule
from segmentation.customers.dates import days_since, month_end, months_before
from segmentation.customers.members import as_day, balance_month, complete_since, members
from segmentation.customers.movements import activity_rule
from segmentation.customers.panels import monthly_panel
from segmentation.data.bank import Bank
from segmentation.data.engines import cents, collect, enter, leave
from segmentation.data.errors import TableError

__all__ = ["long_tail"]


def long_tail(
    bank: Bank, rule: str | LongTailRule = "corporate", as_of: Any = None, *, since: Any = None
) -> Any:
    """Say of each customer whether they are in the long tail, and what asks for a look.

    The rule's months end with the last month that had ended by `as_of`. Of a younger customer, or
    where a table begins later, they are the months since, so that nobody is in the tail for being
    new.

    Parameters
    ----------
    bank : Bank
        With customers, balances and transactions; of rates and customer_branches what it has. A
        bank that does not say the kinds of its transactions has active ones only.
    rule : str or LongTailRule
        The rule, or its name: ``corporate``, ``corporate_quantile``, ``personal``,
        ``personal_quantile``, or one of the bank's own.
    as_of : date, Timestamp, Period or text, optional
        A day; a month, or the first day of one, is its last day. By default the last month of
        `balances`.
    since : date or text, optional
        The day from which on `transactions` is complete, by default the first day of the month of
        its earliest movement.

    Returns
    -------
    frame
        Of the bank's kind, lazy where that is lazy: one row a customer of the rule's kinds there
        at the month's end. Columns

        - customer_id, kind, branch_id, opened_on;
        - months: how many the next three come from;
        - balance: daily average ``Σ average·days / days`` of the rule's products (`end` in a bank
          that has only that), yuan;
        - turnover: ``Σ |amount|`` of active movements, yuan a month; movements: their number a
          month, to the hundredth;
        - contribution, where the bank has rates: of the last month, as of `monthly_panel`;
        - long_tail: whether all conditions of the rule hold;
        - revived, pass_through, single_counterparty: the flags of `rules/long_tail.toml`. Without
          counterparties the last is absent, and so is the first where `transactions` does not reach
          back over its months.

    Raises
    ------
    TableError
        If a table or column is missing, the month is not in `balances`, `transactions` has nothing
        up to its end, or there is no such rule.

    Examples
    --------
    >>> from segmentation import simulate_bank
    >>> firms = long_tail(simulate_bank(1, 2, 900, 14), "corporate")
    >>> bool(firms.loc[firms["long_tail"], "balance"].max() < 50_000)
    True
    """
    definition = long_tail_rule(rule, bank.rules) if isinstance(rule, str) else rule
    bank.require("customers", "balances", "transactions")
    first = balance_month(bank, as_day(bank, as_of))
    last, known = month_end(first), complete_since(bank, since)
    if known is None or known > last:
        raise TableError("transactions", "it has movements up to as_of", "Bring them.", "date")
    begin = max(months_before(first, definition.months - 1), bank.months[0], known.replace(day=1))
    lazy = members(bank, last).filter(nw.col("kind").is_in(definition.kinds))
    moves = _moves(bank, last)
    parts = [_balances(bank, begin, first, definition.products), _turnover(moves, begin)]
    flags = alerts(bank, moves, first, known, begin, flag_rules(bank.rules))
    for part in (*parts, flags):
        lazy = lazy.join(part, on="customer_id", how="left")
    lazy = lazy.with_columns(*_spans(begin, first))
    sums = {name: nw.col(name).fill_null(0) for name in ("weighted", "moved", "count")}
    rates = {
        "balance": _per(sums["weighted"], "days"),
        "turnover": _per(sums["moved"], "months"),
        "movements": cents(sums["count"] / nw.col("months")),
    }
    found = [name for name in FLAGS if name in flags.collect_schema().names()]
    lazy = lazy.with_columns(**rates).with_columns(nw.col(*found).fill_null(False))
    lazy = lazy.with_columns(long_tail=_tail(lazy, definition))
    if "revived" in found:
        old = nw.col("opened_on") < quiet_since(first, flag_rules(bank.rules)["revived"])
        old = old.fill_null(True)
        lazy = lazy.with_columns((nw.col("revived") & old).alias("revived"))
    lazy, earned = _earned(bank, lazy, first)
    names = ("customer_id", "kind", "branch_id", "opened_on", "months", *MEASURES)
    return leave(lazy.select(*names, *earned, "long_tail", *found), bank.kind)


def _moves(bank: Bank, last: dt.date) -> nw.LazyFrame[Any]:
    """Active movements up to a day."""
    optional = ["kind", "counterparty"]
    lazy = bank.table("transactions", "customer_id", "date", "amount", optional=optional)
    lazy = lazy.filter(nw.col("date") <= last, ~nw.col("customer_id").is_null())
    if bank.has("transactions", "kind"):
        passive = activity_rule(bank.rules).not_activity
        lazy = lazy.filter(~nw.col("kind").fill_null("").is_in(passive)).drop("kind")
    return lazy


def _balances(
    bank: Bank, begin: dt.date, first: dt.date, products: tuple[str, ...]
) -> nw.LazyFrame[Any]:
    """Sum of balance times days over the months."""
    amount = "average" if bank.has("balances", "average") else "end"
    lazy = bank.table("balances", "customer_id", "month", "product", amount)
    month = nw.col("month")
    lazy = lazy.filter(month >= begin, month <= first, nw.col("product").is_in(products))
    weighted = nw.col(amount).fill_null(0.0) * _days(month)
    lazy = lazy.select("customer_id", weighted=weighted)
    return lazy.group_by("customer_id").agg(nw.col("weighted").sum())


def _days(month: nw.Expr) -> nw.Expr:
    """Length of a month in days."""
    number, year = month.dt.month(), month.dt.year().cast(nw.Int64)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    february = nw.when(leap).then(29).otherwise(28)
    other = nw.when(number.is_in([4, 6, 9, 11])).then(30).otherwise(31)
    return nw.when(number == 2).then(february).otherwise(other)


def _turnover(moves: nw.LazyFrame[Any], begin: dt.date) -> nw.LazyFrame[Any]:
    lazy = moves.filter(nw.col("date") >= begin)
    lazy = lazy.select("customer_id", moved=nw.col("amount").fill_null(0.0).abs(), count=nw.lit(1))
    return lazy.group_by("customer_id").agg(nw.col("moved", "count").sum())


def _spans(begin: dt.date, first: dt.date) -> tuple[nw.Expr, nw.Expr]:
    """Months and days that each customer was there of those looked at, by whole months."""
    opened, last = nw.col("opened_on"), month_end(first)
    whole = (first.year - begin.year) * 12 + first.month - begin.month + 1
    number = opened.dt.year().cast(nw.Int64) * 12 + opened.dt.month().cast(nw.Int64)
    months = first.year * 12 + first.month - number + 1
    days = days_since(opened, last) + opened.dt.day().cast(nw.Int64)
    late = (opened >= begin).fill_null(False)
    return (
        nw.when(late).then(months).otherwise(nw.lit(whole)).alias("months"),
        nw.when(late).then(days).otherwise(nw.lit((last - begin).days + 1)).alias("days"),
    )


def _per(total: nw.Expr, name: str) -> nw.Expr:
    """A sum over a number, to the cent; whole cents are divided, so no last bit decides."""
    whole = (total * 100 + 0.5).floor()
    return (whole / nw.col(name) + 0.5).floor() / 100


def _tail(lazy: nw.LazyFrame[Any], rule: LongTailRule) -> nw.Expr:
    """Whether all conditions hold; limits that are quantiles are looked up."""
    wanted = {m: share for m, (form, share) in rule.conditions.items() if form == "quantile"}
    limits: dict[str, float] = {}
    if wanted:
        found = collect(
            lazy.select(
                nw.col(name).quantile(share, interpolation="linear").alias(name)
                for name, share in wanted.items()
            )
        )
        limits = {str(name): float(found[name].iloc[0]) for name in wanted}
    tests = []
    for name, (form, limit) in rule.conditions.items():
        if form == "below":
            tests.append(nw.col(name) < limit)
        else:  # the interpolated limit may miss its own value by the last bit
            tests.append(nw.col(name) <= limits[name] + 1e-9 * max(1.0, abs(limits[name])))
    return nw.all_horizontal(*tests, ignore_nulls=False)


def _earned(
    bank: Bank, lazy: nw.LazyFrame[Any], first: dt.date
) -> tuple[nw.LazyFrame[Any], tuple[str, ...]]:
    """Add the contribution of the last month, where it can be known."""
    if not bank.has("rates") or activity_rule(bank.rules).currency != bank.currency:
        return lazy, ()
    panel = enter(monthly_panel(bank, first), "panel").select("customer_id", "contribution")
    return lazy.join(panel, on="customer_id", how="left"), ("contribution",)
