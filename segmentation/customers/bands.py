"""Bands on both sides of thresholds, true and pretended, and what is counted in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals.stable.v2 as nw

from segmentation.customers.regressions import log
from segmentation.customers.tiers import TierRule

__all__ = ["PLACES", "SIDES", "Band", "bands_of", "counted"]

SIDES = ("below", "above")
PLACES = (-1, 0, 1)
APART = 3  # pretended thresholds lie so many bands away, clear of the true one's


@dataclass(frozen=True)
class Band:
    """A band on one side of the threshold where a tier begins, or of one pretended below or above.

    Attributes
    ----------
    code, tier : int, str
        The tier that begins at the true threshold.
    side, place : str, int
        below or above; 0 for the true threshold, -1 and 1 for those pretended.
    threshold, low, high : float
        Yuan; from `low` to under `high`.
    """

    code: int
    tier: str
    side: str
    place: int
    threshold: float
    low: float
    high: float

    @property
    def name(self) -> str:
        """What its columns begin with."""
        return name_of(self.code, self.side, self.place)


def name_of(code: int, side: str, place: int) -> str:
    """Return what the columns of a band begin with."""
    return f"sum_{code}_{side}_{place + 1}"


def bands_of(rule: TierRule, width: float) -> dict[str, Band]:
    """Return bands by name; those pretended are left out where they meet a true one."""
    true = rule.starts[1:]
    bands = {}
    for code, tier in enumerate(rule.tiers):
        for place in PLACES if code else ():
            start = round(tier.start * (1 + width) ** (APART * place), 2)
            low, high = round(start * (1 - width), 2), round(start * (1 + width), 2)
            clear = all(high <= t * (1 - width) or low >= t * (1 + width) for t in true)
            if place and not clear:
                continue
            for side, ends in zip(SIDES, ((low, start), (start, high)), strict=True):
                band = Band(code, tier.name, side, place, start, *ends)
                bands[band.name] = band
    return bands


def counted(bands: Mapping[str, Band]) -> list[nw.Expr]:
    """Columns of 0 and 1 by band: in it, moved, left; and of the log amounts of who kept one."""
    first, second = nw.col("panel_from"), nw.col("panel_to")
    left = second.is_null()
    kept = (second > 0).fill_null(False)
    x, change = log(first), log(second) - log(first)
    columns = []
    for name, band in bands.items():
        inside = ((first >= band.low) & (first < band.high)).fill_null(False)
        across = second >= band.threshold if band.side == "below" else second < band.threshold
        parts = {"n": inside, "moved": inside & across.fill_null(False), "left": inside & left}
        columns += [part.cast(nw.Int64).alias(f"{name}_{key}") for key, part in parts.items()]
        if not band.place:
            here = inside & kept
            values = {"kept": nw.lit(1.0), "x": x, "change": change, "square": change * change}
            columns += [
                nw.when(here).then(value).otherwise(0.0).alias(f"{name}_{key}")
                for key, value in values.items()
            ]
    return columns
