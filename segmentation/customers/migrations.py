"""Who moved between two months from tier to tier, who came and who left, in heads and in money."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation.customers.intervals import wilson
from segmentation.customers.moves import ABSENT, NO_TIER, cells_of, one_side, refuse, unit_of
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["ENTERED", "LEFT", "UNKNOWN", "Migration", "migration"]

ENTERED, LEFT, UNKNOWN = "entered", "left", "unknown"
MOVES = ("stayed", "rose", "fell", ENTERED, LEFT, UNKNOWN)


@dataclass(frozen=True)
class Migration:
    """Moves between the tiers of two months.

    Attributes
    ----------
    table : DataFrame
        A row a move: ``from to move customers share low high``. `move` is stayed, rose, fell,
        entered, left or unknown (no tier in one of the months); `share` is of the customers of
        the row's `from`, with Wilson's interval. With a weight also ``before after change``, the
        money of those customers in both months, and ``money_share money_low money_high``, the
        share of the money of `from`.
    counts, shares, low, high : DataFrame
        The same as matrices. Rows are the tiers from low to high and "entered", columns the
        tiers and "left".
    transition : DataFrame
        Tiers and "left" by tiers and "left", rows adding up to 1, "left" absorbing; for `project`
        and `markov_value`. The row of a tier that nobody was in is empty.
    before, after : DataFrame or None
        With a weight: the money that each cell's customers had in the first and in the second
        month.
    parts : DataFrame or None
        With a weight: ``move customers before after change``, a row a kind of move. The changes
        add up to the change of the whole bank's money.
    month_from, month_to : datetime.date or None
        The months, where the panels carry one.
    unit, weight : str, str or None
        What a row of the panels is, and the column that money was taken from.
    level : float
        Confidence of the intervals.
    """

    table: pd.DataFrame
    counts: pd.DataFrame
    shares: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame
    transition: pd.DataFrame
    before: pd.DataFrame | None
    after: pd.DataFrame | None
    parts: pd.DataFrame | None
    month_from: dt.date | None
    month_to: dt.date | None
    unit: str
    weight: str | None
    level: float


def migration(
    panel_from: Any,
    panel_to: Any,
    weight: str | None = None,
    *,
    unit: str | None = None,
    level: float = 0.95,
) -> Migration:
    """Count the moves between the tiers of two months.

    The share of a move is ``customers(from, to) / customers(from)``, leavers included. Its
    interval is Wilson's: both months are known in full, so it is that of the rate at which
    customers like these move, each for himself, not of what happened. With a `weight`, money m
    is divided in the same way, and the bank's change taken apart without a remainder:
    ``Σ after − Σ before = Σ over moves (after − before)``, where entrants bring what they have and
    leavers take what they had. The interval of a share of money is Wilson's with the effective
    number of customers ``(Σ m)² / Σ m²``: one rich customer among many makes it wide.

    Parameters
    ----------
    panel_from, panel_to : frame of any kind, both of the same
        A row a customer (or household) of one month, with `tier` and `tier_code` as `assign_tier`
        gives them.
    weight : str, optional
        A column of money in both panels, for example ``aum_average``; never empty.
    unit : str, optional
        Column that names the unit: by default `customer_id`, else `household_id`.
    level : float
        Confidence of the intervals.

    Raises
    ------
    TableError
        If a column is missing, a unit occurs twice or is empty, money is empty, a code has two
        names, or both panels are empty.

    Examples
    --------
    >>> import pandas as pd
    >>> def panel(**tiers):
    ...     names = ["Basic", "Wealth"]
    ...     codes = [names.index(tier) for tier in tiers.values()]
    ...     return pd.DataFrame(
    ...         {"customer_id": list(tiers), "tier": list(tiers.values()), "tier_code": codes}
    ...     )
    >>> moves = migration(panel(a="Basic", b="Basic", c="Wealth"), panel(a="Basic", b="Wealth"))
    >>> moves.counts.loc["Basic"].to_dict()
    {'Basic': 1, 'Wealth': 1, 'left': 0}
    >>> row = moves.table.loc[1]
    >>> row["move"], row["share"].round(3), row["low"].round(3), row["high"].round(3)
    ('rose', np.float64(0.5), np.float64(0.095), np.float64(0.905))
    """
    key = unit_of(panel_from, panel_to, unit)
    first = one_side(panel_from, "panel_from", key, weight)
    second = one_side(panel_to, "panel_to", key, weight)
    cells = collect(cells_of(first, second, key))
    if cells.empty:
        raise TableError("panel_from", "both panels are empty", "Pass the panels of two months.")
    for side, name in (("from", "panel_from"), ("to", "panel_to")):
        refuse(cells, side, name, key, weight)
    tiers = _tiers(cells)
    rows, columns = [*tiers.values(), ENTERED], [*tiers.values(), LEFT]
    table = _table(cells, tiers, weight is not None, level)
    matrices = {name: _matrix(table, name, rows, columns) for name in ("share", "low", "high")}
    counts = _matrix(table, "customers", rows, columns).fillna(0).astype("int64")
    money = weight is not None
    return Migration(
        table=table,
        counts=counts,
        shares=matrices["share"],
        low=matrices["low"],
        high=matrices["high"],
        transition=_transition(matrices["share"], list(tiers.values())),
        before=_matrix(table, "before", rows, columns).fillna(0.0) if money else None,
        after=_matrix(table, "after", rows, columns).fillna(0.0) if money else None,
        parts=_parts(table) if money else None,
        month_from=_month(cells, "from"),
        month_to=_month(cells, "to"),
        unit=key,
        weight=weight,
        level=level,
    )


def _tiers(cells: pd.DataFrame) -> dict[int, str]:
    """Name of each code that occurs, from the lowest to the highest; last, those without one."""
    names: dict[int, set[str]] = {}
    for side in ("from", "to"):
        for column in (f"tier_{side}", f"other_{side}"):
            for code, name in zip(cells[f"code_{side}"], cells[column], strict=True):
                if code >= 0:
                    names.setdefault(int(code), set()).add(name)
    if any(len(labels) > 1 or pd.isna([*labels]).any() for labels in names.values()):
        raise TableError(
            "panel_to",
            "a tier code has one name in both panels",
            "Assign and merge the tiers of both months by the same rule.",
            "tier",
        )
    ordered = {code: names[code].pop() for code in sorted(names)}
    without = (cells[["code_from", "code_to"]] == NO_TIER).to_numpy().any()
    return {**ordered, NO_TIER: UNKNOWN} if without else ordered


def _table(cells: pd.DataFrame, tiers: dict[int, str], money: bool, level: float) -> pd.DataFrame:
    """Every move that is possible, in order of the tiers, with shares and intervals."""
    pairs = [
        (start, end)
        for start in (*tiers, ABSENT)
        for end in (*tiers, ABSENT)
        if (start, end) != (ABSENT, ABSENT)
    ]
    grid = pd.DataFrame(pairs, columns=["code_from", "code_to"])
    sums = ["customers", "money_from", "money_to", "square", "negative"]
    grid = grid.merge(cells[["code_from", "code_to", *sums]], how="left").fillna(0)
    row = grid.groupby("code_from")[sums].transform("sum")
    customers = grid["customers"].astype("int64")
    low, high = wilson(customers, row["customers"], level)
    start, end = grid["code_from"], grid["code_to"]
    table = pd.DataFrame(
        {
            "from": start.map({**tiers, ABSENT: ENTERED}),
            "to": end.map({**tiers, ABSENT: LEFT}),
            "move": np.select(
                [
                    start == ABSENT,
                    end == ABSENT,
                    (start < 0) | (end < 0),
                    start == end,
                    start < end,
                ],
                [ENTERED, LEFT, UNKNOWN, "stayed", "rose"],
                "fell",
            ),
            "customers": customers,
            "share": customers / row["customers"].where(row["customers"] > 0),
            "low": low,
            "high": high,
        }
    )
    return table.assign(**_money(grid, row, level)) if money else table


def _money(grid: pd.DataFrame, row: pd.DataFrame, level: float) -> dict[str, Any]:
    """Columns of money of each move; a share only where no money of the row is negative."""
    before, after = grid["money_from"].astype(float), grid["money_to"].astype(float)
    usable = (row["negative"] == 0) & (row["money_from"] > 0)
    share = (before / row["money_from"].where(usable)).clip(0, 1)
    effective = (row["money_from"] ** 2 / row["square"].where(usable)).fillna(0)
    low, high = wilson((share * effective).fillna(0), effective, level)
    return {
        "before": before,
        "after": after,
        "change": after - before,
        "money_share": share,
        "money_low": low,
        "money_high": high,
    }


def _matrix(table: pd.DataFrame, value: str, rows: list[str], columns: list[str]) -> pd.DataFrame:
    wide = table.set_index(["from", "to"])[value].unstack("to")  # noqa: PD010
    return wide.reindex(index=pd.Index(rows, name="from"), columns=pd.Index(columns, name="to"))


def _transition(shares: pd.DataFrame, tiers: list[str]) -> pd.DataFrame:
    """Row-stochastic over the tiers and those who left, who stay away."""
    square = shares.loc[tiers].copy()
    square.loc[LEFT] = 0.0
    square.loc[LEFT, LEFT] = 1.0
    return square


def _parts(table: pd.DataFrame) -> pd.DataFrame:
    """The change of the money by kind of move, in a fixed order."""
    kinds = [move for move in MOVES if (table["move"] == move).any() or move != UNKNOWN]
    sums = table.groupby("move")[["customers", "before", "after", "change"]].sum()
    parts = sums.reindex(kinds, fill_value=0).rename_axis("move").reset_index()
    return parts.astype({"customers": "int64"})


def _month(cells: pd.DataFrame, side: str) -> dt.date | None:
    month = pd.to_datetime(cells[f"month_{side}"]).max()
    return None if pd.isna(month) else month.date()
