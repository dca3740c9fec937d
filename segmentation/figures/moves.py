"""Charts of movement: migration between tiers, and customers near thresholds."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation.data.aggregates import disclosure_rules
from segmentation.data.errors import TableError
from segmentation.figures.labels import label
from segmentation.figures.language import _
from segmentation.figures.numbers import (
    format_month,
    format_number,
    format_percent,
)
from segmentation.figures.pictures import Picture
from segmentation.figures.sheets import Context, interval_dots, sentences, sheet, too_few, visible
from segmentation.figures.style import COLOURS, SEQUENCE, wrap

if TYPE_CHECKING:
    from segmentation.customers.migrations import Migration
    from segmentation.data.bank import Bank

__all__ = ["draw_migration", "draw_near_threshold"]


def draw_migration(
    migration: Migration, counts: pd.DataFrame | None = None, bank: Bank | None = None
) -> Picture:
    """Draw the matrix of moves between tiers as shares of each row.

    Parameters
    ----------
    migration : Migration
        As `migration` gives it.
    counts : DataFrame, optional
        Its counts as `suppress_counts` leaves them; cells hidden there are hidden here. Without
        it no cell may count fewer customers than the threshold of `disclosure.toml`.
    bank : Bank, optional
        For the source below the chart.

    Raises
    ------
    TableError
        If small counts are not suppressed, or the counts are not those of the migration.
    """
    shown = _row_shares(migration, counts)
    moves = migration.table[~migration.table["move"].isin(["entered", "unknown"])]
    heads = moves.groupby("move")["customers"].sum()
    parts = {
        m: format_percent(heads.get(m, 0) / heads.sum()) for m in ("stayed", "rose", "fell", "left")
    }
    finding = _("{stayed} of customers stayed in their tier, {rose} rose and {fell} fell.")
    finding = finding.format(**parts)
    rest = _("{left} left the bank.").format(**parts)
    months = ""
    if migration.month_from and migration.month_to:
        months = _("from {first} to {last}").format(
            first=format_month(migration.month_from), last=format_month(migration.month_to)
        )
    foot = Context(bank).foot(_("Share of the customers of each row"), [months])
    totals = migration.counts.sum(axis=1)
    totals = totals.where(totals.eq(0) | totals.ge(int(disclosure_rules()["threshold"])))
    heads_of = ["·" if np.isnan(n) else format_number(n, 0, exact=True) for n in totals]
    names = [f"{label(row)} ({n})" for row, n in zip(shown.index, heads_of, strict=True)]
    with sheet(finding, foot, 0.46 * len(shown) + 0.7) as page:
        (axes,) = page.axes
        _matrix(axes, shown, migration)
        axes.set_yticks(range(len(shown)), names, color=COLOURS["ink"])
        axes.set_xticks(
            range(shown.shape[1]), [wrap(label(c), 12) for c in shown.columns], color=COLOURS["ink"]
        )
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        return page.picture(sentences(finding, rest))


def _row_shares(migration: Migration, counts: pd.DataFrame | None) -> pd.DataFrame:
    least = int(disclosure_rules()["threshold"])
    raw = migration.counts
    if counts is None:
        if ((raw > 0) & (raw < least)).to_numpy().any():
            raise TableError(
                "migration",
                "some moves are of too few customers to be drawn",
                "Pass counts=seg.suppress_counts(moves.counts).",
            )
        counts = raw
    if not (counts.index.equals(raw.index) and counts.columns.equals(raw.columns)):
        raise TableError("counts", "they are those of the migration", "Suppress `.counts`.")
    small = counts.notna() & (raw > 0) & (raw < least)
    if small.to_numpy().any():
        raise TableError("counts", "small counts are hidden", "Pass them through suppress_counts.")
    totals = raw.sum(axis=1)
    rows = (totals == 0) | (totals >= least)
    return migration.shares.where(counts.notna().to_numpy() & rows.to_numpy()[:, None])


def _matrix(axes: Any, shown: pd.DataFrame, migration: Migration) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    scale = LinearSegmentedColormap.from_list("shares", SEQUENCE)
    empty = migration.counts.sum(axis=1).to_numpy() == 0
    for (row, column), share in np.ndenumerate(shown.to_numpy(float)):
        hidden = np.isnan(share)
        fill = COLOURS["ground"] if hidden else scale(min(1.0, share) ** 0.6)
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fc=fill, ec="white", lw=2))
        text = "0" if share == 0 else format_percent(share)
        if hidden:
            text = "–" if empty[row] else "·"
        dark = not hidden and share > 0.3
        axes.text(
            column, row, text, ha="center", va="center", color="white" if dark else COLOURS["ink"]
        )
        if shown.index[row] == shown.columns[column]:
            axes.add_patch(
                Rectangle(
                    (column - 0.46, row - 0.44), 0.92, 0.88, fc="none", ec=COLOURS["accent"], lw=1.6
                )
            )
    axes.set_xlim(-0.5, shown.shape[1] - 0.5)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    for side in axes.spines.values():
        side.set_visible(False)


def draw_near_threshold(
    table: pd.DataFrame, bank: Bank | None = None, month: dt.date | None = None
) -> Picture:
    """Draw how many customers near a threshold cross it, beside how many would with none there.

    Parameters
    ----------
    table : DataFrame
        As `threshold_movement` gives it: ``tier side customers share low high expected
        expected_low expected_high``.
    bank, month : optional
        For source and date below the chart.

    Raises
    ------
    TableError
        If the table is customer-level, or lacks a column.
    """
    ends = ("expected", "expected_low", "expected_high")
    shown = visible(table, "tier", "side", "share", "low", "high", *ends).dropna(subset="share")
    if shown.empty:
        return too_few(Context(bank, month))
    sides = [side for side in ("below", "above") if (shown["side"] == side).any()]
    titles = {
        "below": _("Just below: rise within the period"),
        "above": _("Just above: fall within the period"),
    }
    first = shown[shown["side"] == sides[0]]
    one: Any = first.iloc[int(first["customers"].argmax())]
    texts = {
        "side": label(one["side"], "side"),
        "tier": label(one["tier"], "tier"),
        "share": format_percent(one["share"]),
        "expected": format_percent(one["expected"]),
    }
    finding = _(
        "Of customers {side} the threshold of {tier} {share} cross it; "
        "{expected} would with no threshold there."
    )
    finding = finding.format(**texts)
    known = shown.dropna(subset="expected")
    apart = int(
        ((known["low"] > known["expected_high"]) | (known["high"] < known["expected_low"])).sum()
    )
    rest = _("In {n} of {all} cases the two intervals do not overlap.").format(
        n=apart, all=len(known)
    )
    foot = Context(bank, month).foot(_("Share of the customers near a threshold, 95% intervals"))
    tiers = list(dict.fromkeys(shown["tier"]))
    with sheet(
        finding, foot, 0.62 * len(tiers) + 1.1, 1, len(sides), sharex=True, sharey=True
    ) as page:
        for axes, side in zip(page.axes, sides, strict=True):
            rows = shown[shown["side"] == side]
            lines = np.array([tiers.index(tier) for tier in rows["tier"]], dtype=float)
            interval_dots(axes, (lines + 0.17).tolist(), rows, format_percent)
            interval_dots(
                axes,
                (lines - 0.17).tolist(),
                rows,
                format_percent,
                "third",
                ends,
                marker="D",
                size=6.0,
            )
            axes.set_xlabel(wrap(titles[side], 24), color=COLOURS["ink"])
            axes.set_yticks(
                range(len(tiers)), [label(tier, "tier") for tier in tiers], color=COLOURS["ink"]
            )
            axes.set_ylim(-0.6, len(tiers) - 0.4)
            axes.set_xlim(0, 1.35 * float(shown[["high", "expected_high"]].max().max()))
            axes.xaxis.set_major_formatter(lambda value, _place: format_percent(value, 0))
            axes.grid(True, axis="x")
        _explain(page.axes[0])
        return page.picture(sentences(finding, rest))


def _explain(axes: Any) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker="o", color=COLOURS["actual"], label=_("crossed")),
        Line2D([], [], marker="D", color=COLOURS["third"], label=_("expected without a threshold")),
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        frameon=False,
        borderaxespad=0,
    )
