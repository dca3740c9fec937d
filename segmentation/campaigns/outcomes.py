"""The data of a campaign: one row a customer, from assignment to outcome."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from segmentation.campaigns.covariates import attach_covariates
from segmentation.campaigns.measures import attach, empty, measure, read_outcome
from segmentation.campaigns.windows import Window, read_day
from segmentation.customers.dates import month_end
from segmentation.data.bank import Bank
from segmentation.data.engines import EAGER, collect, leave
from segmentation.data.errors import TableError

__all__ = ["campaign_data"]

COLUMNS = ("customer_id", "arm", "share", "stratum", "cluster", "contact", "outcome")


def campaign_data(
    bank: Bank,
    campaign_id: str,
    outcome: str,
    start: Any,
    end: Any,
    covariates: Iterable[str] = (),
    as_of: Any = None,
) -> Any:
    """Gather the data of a campaign: who was assigned to what, and what they did.

    Every customer assigned is one row, reached or not, still here or gone (intention to treat).

    Parameters
    ----------
    bank : Bank
        With the tables campaigns and assignments, and those that outcome and covariates need.
    campaign_id : str
        A campaign of `campaigns`.
    outcome : str
        A measure, or a comparison of one with a number, such as ``term >= 10000``, which is 1 where
        it holds and 0 where not; the signs are >= > <= < == !=. Measures are

        - ``aum``, ``debt`` or a product of `balances` (demand, term, wealth, …): the change in
          yuan from the last month-end before `start` to the month-end of the month of `end`; in a
          bank that has only averages, of the months' averages. ``products``: change in the number
          of balances above 0.
        - ``transactions``, ``turnover``: number and Σ \\|amount\\| of the active movements (not
          interest, fees or judicial entries) from `start` to `end`. ``signups``: services taken
          up. ``sold``: 1 with a visit in which something was sold, else 0; of customers whom the
          visit names.
        - ``contribution``: sum over the months that the window touches, where `rates` has them.
        - ``aum_average``, ``aum_end``, ``aum_quarter``, ``aum_year``, ``frequency``, ``monetary``,
          ``digital_share``, ``recency_days``, ``tenure_years``, ``age``: that of `monthly_panel` in
          the month of `end`.

        Who has no rows in the window did and holds nothing: 0, also after closing. Null is only
        what cannot be known: a balance or amount that is empty, the contribution of a product
        without rate, the share or recency of no movement.
    start, end : date, datetime, Timestamp or text like ``2025-06-01``
        First and last day of the outcome. Months are whole ones, so that a window of months from
        the first to the last day is what a reader expects.
    covariates : iterable of str
        What was known before `as_of`: the columns of `monthly_panel` but for members, as of the
        last month that was complete before it; ``tier`` and ``tier_code`` by the bank's rule; kind,
        gender and occupation of `customers`, which has one state only, so that a field which the
        campaign itself collects must not be taken; ``age`` on that day. ``outcome_before`` is the
        outcome in the window of equal length before `as_of`, of whole months where it is measured
        in months. ``other_campaigns`` counts those assigned by then that reach into the window.
        Customers who were not there yet have money and counts of 0, the lowest tier, else null.
    as_of : date, optional
        Not after the assignment, which is the default.

    Returns
    -------
    frame
        Of the bank's kind, lazy where that is lazy, else sorted by customer. Columns customer_id,
        arm, share (planned, of the arm), stratum (null without), cluster (of a campaign that
        assigned branches the branch on the day of the assignment, from `customer_branches` where
        that is there; else null), contact (1.0 where reached by `end`, else 0.0; null where the
        bank does not know), outcome (float), then the covariates by name.

    Raises
    ------
    TableError
        If `start` lies before the assignment, `end` before `start` or beyond the bank's data, or
        `as_of` after the assignment; if there is no such campaign, outcome or covariate; if a
        customer is in it twice or in two arms, or of a branch campaign a branch is in two; or if
        rows of the time are missing.
    MissingTable
        If the bank lacks a table.

    Notes
    -----
    A covariate measured after the assignment may itself be an effect, and adjusting for it can
    turn the sign of the estimate: hence the dates. Facure, Causal Inference for the Brave and True,
    ch. 7 (bad controls).

    Examples
    --------
    >>> from segmentation import simulate_bank
    >>> bank = simulate_bank(1, branches=2, customers=600, months=12)
    >>> data = campaign_data(bank, "K01", "term >= 10000", "2025-06-01", "2025-07-31", ["age"])
    >>> data.columns.tolist()[4:]
    ['cluster', 'contact', 'outcome', 'age']
    >>> sorted(set(data["outcome"]))
    [0.0, 1.0]
    """
    what = read_outcome(outcome)
    window = Window(read_day(start, "start"), read_day(end, "end"))
    names = tuple(dict.fromkeys([covariates] if isinstance(covariates, str) else covariates))
    bank.require("campaigns", "assignments")
    unit, assigned = _campaign(bank, campaign_id)
    known = assigned if as_of is None else read_day(as_of, "as_of")
    _dates(bank, window, assigned, known)
    lazy = _assigned(bank, campaign_id, window)
    if unit == "branch":
        lazy = _clusters(bank, lazy, assigned)
    else:
        lazy = lazy.with_columns(cluster=nw.lit(None, dtype=nw.String))
    lazy = attach(lazy, measure(bank, what, window, "outcome"), {"outcome": empty(what)})
    if names:
        lazy = attach_covariates(lazy, bank, campaign_id, names, known, what, window)
    lazy = lazy.select(*COLUMNS, *names)
    return leave(lazy.sort("customer_id") if bank.kind in EAGER else lazy, bank.kind)


def _campaign(bank: Bank, campaign_id: str) -> tuple[str, dt.date]:
    """Unit and day of the assignment."""
    lazy = bank.table("campaigns", "campaign_id", "unit", "assigned_on")
    rows = collect(lazy.filter(nw.col("campaign_id") == str(campaign_id)))
    if len(rows) != 1:
        rule = "a campaign has one row" if len(rows) else "there is such a campaign"
        mend = "Remove the others." if len(rows) else "Name one of the table, by its number."
        raise TableError("campaigns", rule, mend, "campaign_id", len(rows))
    unit, day = rows["unit"].iloc[0], rows["assigned_on"].iloc[0]
    if pd.isna(day) or unit not in ("customer", "branch"):
        raise TableError(
            "campaigns", "a campaign has its unit and the day of the assignment", "Fill them."
        )
    return str(unit), day.date()


def _dates(bank: Bank, window: Window, assigned: dt.date, known: dt.date) -> None:
    """Refuse dates that would compare what the assignment cannot have moved, or has."""
    if window.start < assigned:
        raise TableError(
            "start",
            "an outcome is measured from the assignment on, and this begins before",
            "Begin the window on campaigns.assigned_on or later.",
        )
    if window.end < window.start:
        raise TableError("end", "a window ends on or after its first day", "Exchange the two.")
    if known > assigned:
        raise TableError(
            "as_of",
            "covariates are of before the assignment, which may have moved what comes after",
            "Take campaigns.assigned_on or an earlier day.",
        )
    if bank.has("balances"):
        months = bank.months
        if not months or window.end > month_end(months[-1]):
            until = f"{months[-1]:%Y-%m}" if months else "no month"
            raise TableError(
                "end",
                f"the bank's data reach the end of the window; they have {until}",
                "End the window earlier.",
            )


def _assigned(bank: Bank, campaign_id: str, window: Window) -> nw.LazyFrame[Any]:
    """The customers of the campaign, each once and in one arm."""
    columns = ("customer_id", "arm", "share")
    optional = [name for name in ("stratum", "contacted_on") if bank.has("assignments", name)]
    lazy = bank.table("assignments", "campaign_id", *columns, *optional)
    lazy = lazy.filter(nw.col("campaign_id") == str(campaign_id))
    _once(lazy)
    stratum = nw.col("stratum") if "stratum" in optional else nw.lit(None, dtype=nw.String)
    contact = nw.lit(None, dtype=nw.Float64)
    if "contacted_on" in optional:
        reached = (nw.col("contacted_on") <= window.end).fill_null(False)
        contact = reached.cast(nw.Int64).cast(nw.Float64)
    return lazy.select(*columns, stratum=stratum, contact=contact)


def _once(lazy: nw.LazyFrame[Any]) -> None:
    empty_arm = nw.col("arm").is_null().cast(nw.Int64).alias("armless")
    units = (
        lazy.with_columns(empty_arm)
        .group_by("customer_id")
        .agg(
            nw.len().alias("rows"), nw.col("arm").n_unique().alias("arms"), nw.col("armless").sum()
        )
    )
    units = units.with_columns(
        twice=(nw.col("rows") > 1).cast(nw.Int64),
        apart=(nw.col("arms") > 1).cast(nw.Int64),
        nameless=nw.when(nw.col("customer_id").is_null()).then(nw.col("rows")).otherwise(0),
    )
    sums = ("rows", "nameless", "armless", "apart", "twice")
    found = collect(units.select(nw.col(*sums).sum())).iloc[0].fillna(0).astype(int)
    if not found["rows"]:
        raise TableError("assignments", "the campaign has customers", "Bring its assignment.")
    for name, column, rule, mend in (
        ("nameless", "customer_id", "every unit has a number", "Fill it."),
        ("armless", "arm", "every unit has an arm", "Leave out who was not assigned."),
        ("apart", "customer_id", "a customer is in one arm", "Keep the first assignment."),
        ("twice", "customer_id", "a customer is in a campaign once", "Remove the others."),
    ):
        if found[name]:
            raise TableError("assignments", rule, mend, column, int(found[name]))


def _clusters(bank: Bank, lazy: nw.LazyFrame[Any], day: dt.date) -> nw.LazyFrame[Any]:
    """Add the branch to which each customer belonged on the day of the assignment."""
    home = bank.table("customers", "customer_id", "branch_id")
    home = home.group_by("customer_id").agg(nw.col("branch_id").max().alias("cluster"))
    lazy = lazy.join(home, on="customer_id", how="left")
    if bank.has("customer_branches"):
        moves = bank.table("customer_branches", "customer_id", "branch_id", "from_date")
        moves = moves.filter(nw.col("from_date") <= day)
        dated = nw.concat_str(nw.col("from_date").cast(nw.String), nw.col("branch_id"))
        moves = moves.select("customer_id", then=dated)
        moves = moves.group_by("customer_id").agg(nw.col("then").max())
        moves = moves.with_columns(nw.col("then").str.slice(len("2024-01-31")))
        lazy = lazy.join(moves, on="customer_id", how="left")
        lazy = lazy.with_columns(cluster=nw.coalesce(nw.col("then"), nw.col("cluster")))
        lazy = lazy.drop("then")
    arms = lazy.filter(~nw.col("cluster").is_null()).group_by("cluster")
    split = collect(arms.agg(nw.col("arm").n_unique()).filter(nw.col("arm") > 1).select("arm"))
    if len(split):
        raise TableError(
            "assignments",
            "in a campaign that assigned branches each is in one arm, and some are in two",
            "Bring customer_branches, which says who belonged where on that day.",
            "arm",
            len(split),
        )
    return lazy
