"""Customers near a threshold: how many cross it, and how many would with no threshold there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.bands import PLACES, Band, bands_of, counted, name_of
from segmentation.customers.intervals import square_and_add, wilson
from segmentation.customers.moves import UNITS
from segmentation.customers.regressions import Regression, log, moments, regress
from segmentation.customers.tiers import TierRule, tier_rule
from segmentation.data.engines import cents, collect, enter
from segmentation.data.errors import TableError

__all__ = ["ThresholdMovement", "threshold_movement"]

MIDDLE = 10.0  # logarithms are taken from here (22,026 yuan), which keeps their powers small


@dataclass(frozen=True)
class ThresholdMovement:
    """What customers near thresholds did, beside what customers do anyway.

    Attributes
    ----------
    table : DataFrame
        A row a threshold and side: ``tier threshold side customers moved left share low high
        expected expected_low expected_high difference difference_low difference_high placebos
        log_change log_change_low log_change_high log_change_expected``. From below `moved` is who
        rose to the threshold or beyond, from above who fell under it; who left is counted in `left`
        and among the customers. `expected` is the share at the pretended thresholds, of which there
        are `placebos`, empty where there is none; `difference` is share less expected.
        `log_change` is the mean change of the log amount of those who kept one,
        `log_change_expected` what regression to the mean gives them.
    regression : Regression
        Of the log amount in the second month on that in the first, over all customers with money in
        both.
    reversal : Regression or None
        With a panel of an earlier month: of the log change from the second to the third month on
        that from the first to the second.
    band, level : float
        Width of the bands as a share of the threshold, and confidence of the intervals.
    """

    table: pd.DataFrame
    regression: Regression
    reversal: Regression | None
    band: float
    level: float


def threshold_movement(
    panel_from: Any,
    panel_to: Any,
    rule: str | TierRule = "rural_commercial",
    band: float = 0.1,
    panel_before: Any = None,
    *,
    on: str = "aum_average",
    level: float = 0.95,
) -> ThresholdMovement:
    """Compare movement across tier thresholds with what happens without them.

    Balances swing: of customers just below a threshold some rise, and of those just above some
    fall, with no campaign and no neglect. Three figures say how many:

    - **Pretended thresholds.** The same bands are laid around ``t·(1 + b)³`` and ``t/(1 + b)³``,
      where no tier begins; `expected` is the mean of the two shares that cross there, and the
      difference has Newcombe's square-and-add interval. It assumes no more than that crossing
      changes evenly with the log amount. A threshold that nobody minds has differences around 0.
    - **Regression to the mean.** With x and y the log amounts of both months a customer with x is
      expected to change by ``E(y − x | x) = (ȳ − x̄) + (β − 1)·(x − x̄)``, β being the slope of y on
      x over everybody. One line for all amounts is coarse: trust the pretended thresholds first.
    - **Reversal**, with `panel_before`: the slope of a change on the change before it, 0 where all
      change lasts and −½ where amounts only swing about levels of their own. Customers who came to
      a band by a swing swing back, and a campaign on customers chosen by one month's amount is
      credited with it unless it has a hold-out.

    All of it comes from one pass over the joined panels that returns sums, never rows.

    Parameters
    ----------
    panel_from, panel_to : frame of any kind, both of the same
        Panels of two months, a row a customer (or household).
    rule : str or TierRule
        Tiers whose thresholds are meant.
    band : float
        b: below is ``[t·(1 − b), t)`` and above ``[t, t·(1 + b))``, to the cent.
    panel_before : frame, optional
        The panel of a month before `panel_from`.
    on : str
        The amount that the rule looks at.
    level : float
        Confidence of the intervals.

    Raises
    ------
    TableError
        If a column is missing, a customer occurs twice, the band is not between 0 and ½, or
        the rule has one tier.

    References
    ----------
    Galton (1886), Regression towards mediocrity in hereditary stature; Barnett, van der Pols &
    Dobson (2005), Regression to the mean: what it is and how to deal with it, International
    Journal of Epidemiology 34.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> draws = np.random.default_rng(1)
    >>> log = draws.normal(np.log(50_000), 0.6, 20_000)
    >>> first, second = (
    ...     pd.DataFrame({"customer_id": range(20_000), "aum_average": np.exp(x)})
    ...     for x in (log, log + draws.normal(0, 0.1, 20_000))
    ... )
    >>> table = threshold_movement(first, second).table.query("tier == 'Quality'")
    >>> table[["side", "share", "expected"]].round(2).values.tolist()
    [['below', 0.31, 0.29], ['above', 0.32, 0.32]]
    """
    if not 0 < band < 0.5:
        raise TableError("band", "a share between 0 and one half", "Take 0.1 for 10 %.")
    rule = tier_rule(rule) if isinstance(rule, str) else rule
    if len(rule.tiers) < 2:
        raise TableError("rule", "it has a threshold", "Take a rule of two tiers or more.")
    bands = bands_of(rule, band)
    panels = {"panel_from": panel_from, "panel_to": panel_to}
    if panel_before is not None:
        panels["panel_before"] = panel_before
    lazy = _joined(panels, on)
    columns = [*counted(bands), *_lines(panel_before is not None)]
    names = [f"twice_{name}" for name in panels]
    lazy = lazy.with_columns(nw.col(*names).fill_null(0), *columns)
    made = [name for name in lazy.collect_schema().names() if name.startswith("sum_")]
    row = collect(lazy.select(nw.col(*names, *made).sum())).iloc[0].fillna(0)
    for name in panels:
        if row[f"twice_{name}"]:
            raise TableError(
                name,
                "each customer occurs once",
                "Pass the panel of one month.",
                rows=int(row[f"twice_{name}"]),
            )
    sums = {str(name): float(value) for name, value in row.items()}
    line = regress(sums, "sum_level", level)
    line = replace(line, mean_x=line.mean_x + MIDDLE, mean_y=line.mean_y + MIDDLE)
    true = [one for one in bands.values() if not one.place]
    table = pd.DataFrame([_row(bands, sums, line, one, level) for one in true])
    reversal = regress(sums, "sum_change", level) if panel_before is not None else None
    return ThresholdMovement(table, line, reversal, band, level)


def _joined(panels: Mapping[str, Any], on: str) -> Any:
    """A row a customer of the first panel, with the amounts of all and how often each occurs."""
    entered = {name: enter(panel, name, (on,)) for name, panel in panels.items()}
    schemas = [set(lazy.collect_schema().names()) for lazy in entered.values()]
    shared = [unit for unit in UNITS if all(unit in names for names in schemas)]
    key = shared[0] if shared else UNITS[0]
    joined: Any = None
    for name, panel in panels.items():
        lazy = enter(panel, name, (key, on))
        value = nw.col(on)
        if lazy.collect_schema()[on].is_float():
            value = nw.when(~value.is_nan()).then(value)
        lazy = lazy.select(nw.col(key).cast(nw.String), value.cast(nw.Float64).alias(name))
        lazy = lazy.filter(~nw.col(key).is_null())
        lazy = lazy.group_by(key).agg(
            nw.col(name).sum(), (nw.len().cast(nw.Int64)).alias(f"twice_{name}")
        )
        lazy = lazy.with_columns(cents(nw.col(name)).alias(name), nw.col(f"twice_{name}") - 1)
        if joined is None:
            joined = lazy
            continue
        if joined.implementation is not lazy.implementation:
            raise TableError(name, "all panels are of one kind of frame", "Pass the same kind.")
        joined = joined.join(lazy, on=key, how="left")
    return joined


def _lines(before: bool) -> list[nw.Expr]:
    """Columns whose sums give the regressions."""
    first, second = nw.col("panel_from"), nw.col("panel_to")
    both = ((first > 0) & (second > 0)).fill_null(False)
    columns = moments(log(first) - MIDDLE, log(second) - MIDDLE, both, "sum_level")
    if before:
        earlier = nw.col("panel_before")
        three = both & (earlier > 0).fill_null(False)
        last, change = log(first) - log(earlier), log(second) - log(first)
        columns += moments(last, change, three, "sum_change")
    return columns


def _row(
    bands: Mapping[str, Band], sums: Mapping[str, float], line: Regression, band: Band, level: float
) -> dict[str, Any]:
    """One band: what was seen, and what pretended thresholds and the line expect."""
    n, moved, left = (int(sums[f"{band.name}_{part}"]) for part in ("n", "moved", "left"))
    low, high = wilson(moved, n, level)
    seen = (moved / n if n else np.nan, low, high)
    places = [name_of(band.code, band.side, place) for place in PLACES if place]
    usable = [name for name in places if name in bands and sums[f"{name}_n"]]
    expected: tuple[Any, ...] = (np.nan,) * 3
    difference: tuple[Any, ...] = (np.nan,) * 3
    if usable:
        counts = [(sums[f"{name}_moved"], sums[f"{name}_n"]) for name in usable]
        parts = [(k / m, *wilson(k, m, level)) for k, m in counts]
        expected = square_and_add((1 / len(parts),) * len(parts), *zip(*parts, strict=True))
        difference = square_and_add((1.0, -1.0), *zip(seen, expected, strict=True))
    return {
        "tier": band.tier,
        "threshold": band.threshold,
        "side": band.side,
        "customers": n,
        "moved": moved,
        "left": left,
        **_named(("share", "low", "high"), seen),
        **_named(("expected", "expected_low", "expected_high"), expected),
        **_named(("difference", "difference_low", "difference_high"), difference),
        "placebos": len(usable),
        **_change(band, sums, line, level),
    }


def _named(names: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _change(
    band: Band, sums: Mapping[str, float], line: Regression, level: float
) -> dict[str, float]:
    """Mean log change of who kept an amount, its limits, and that which the line gives them."""
    from scipy.stats import norm

    kept = sums[f"{band.name}_kept"]
    names = tuple(f"log_change{part}" for part in ("", "_low", "_high", "_expected"))
    if not kept:
        return dict.fromkeys(names, np.nan)
    x, change, square = (sums[f"{band.name}_{part}"] / kept for part in ("x", "change", "square"))
    reach = np.nan
    if kept > 1:
        variance = max(square - change**2, 0.0) * kept / (kept - 1)
        reach = norm.isf((1 - level) / 2) * np.sqrt(variance / kept)
    expected = line.mean_y - line.mean_x + (line.slope - 1) * (x - line.mean_x)
    return _named(names, (change, change - reach, change + reach, expected))
