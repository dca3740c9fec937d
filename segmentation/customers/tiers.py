"""Tiers: which band of a rule a customer's money falls into, and what each band holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from segmentation.data.engines import EAGER, cents, enter, frame_kind, leave
from segmentation.data.errors import TableError, missing_columns
from segmentation.data.rules import load_rules

__all__ = ["Tier", "TierRule", "assign_tier", "near_threshold", "tier_rule"]

RULES = "rules/tiers.toml"


@dataclass(frozen=True)
class Tier:
    """A tier: its English and Chinese name and the amount that it begins at."""

    name: str
    zh: str
    start: float


@dataclass(frozen=True)
class TierRule:
    """A bank's tiers from the lowest up.

    Attributes
    ----------
    name, zh, en : str
        Key of the rule in `tiers.toml`, and the bank's Chinese and English name.
    currency : str
        Currency of the amounts, empty where they are points.
    basis, source : str
        The figure that the bank applies it to, and where the rule comes from.
    tiers : tuple of Tier
        Each begins at its `start`, included to the cent, and ends where the next begins.

    Raises
    ------
    TableError
        If there are no tiers, the first does not begin at 0, they do not rise, an amount has
        fractions of a cent, or a name is empty or occurs twice.
    """

    name: str
    zh: str
    en: str
    currency: str
    basis: str
    source: str
    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        starts = [tier.start for tier in self.tiers]
        names = [tier.name for tier in self.tiers]
        if not starts or starts[0] != 0:
            raise TableError(RULES, "the first tier begins at 0", "Mend it.", self.name)
        if not all(math.isfinite(s) and s == round(s * 100) / 100 for s in starts):
            raise TableError(RULES, "amounts are whole cents", "Round them.", self.name)
        if any(low >= high for low, high in pairwise(starts)):
            raise TableError(RULES, "tiers rise", "Sort them by `from`.", self.name)
        if not all(names) or len(set(names)) < len(names):
            raise TableError(RULES, "names are filled and differ", "Rename one.", self.name)

    @property
    def starts(self) -> tuple[float, ...]:
        """Where each tier begins."""
        return tuple(tier.start for tier in self.tiers)

    @property
    def names(self) -> tuple[str, ...]:
        """English names, lowest first."""
        return tuple(tier.name for tier in self.tiers)


def tier_rule(name: str, folder: str | Path | None = None) -> TierRule:
    """Return a tier rule that ships, or one of a bank's own folder of rules.

    Parameters
    ----------
    name : str
        Its key in `tiers.toml`: ``rural_commercial``, ``cmb``, ``boc_shanghai``, ``cib``, ``psbc``,
        ``icbc`` and others.
    folder : path, optional
        The bank's own folder, by default that of `SEGMENTATION_RULES`.

    Raises
    ------
    TableError
        If there is no such rule, or it breaks what `TierRule` asks.

    Examples
    --------
    >>> tier_rule("rural_commercial").names
    ('Basic', 'Active', 'Quality', 'Wealth', 'Affluent', 'Private')
    >>> tier_rule("cmb").starts[2:]
    (500000.0, 5000000.0, 10000000.0)
    """
    rules = load_rules("tiers", folder)
    if name not in rules:
        known = ", ".join(sorted(rules))
        raise TableError(RULES, f"there is no such rule; there are {known}", "Name one of them.")
    entry = rules[name]
    try:
        tiers = tuple(Tier(str(t["en"]), str(t["zh"]), float(t["from"])) for t in entry["tiers"])
        texts = {key: str(entry[key]) for key in ("zh", "en", "currency", "basis", "source")}
    except (KeyError, TypeError, ValueError):
        raise TableError(
            RULES,
            "a rule has zh, en, currency, basis, source and tiers of en, zh and from",
            "Complete it.",
            name,
        ) from None
    return TierRule(name=name, tiers=tiers, **texts)


def assign_tier(
    frame: Any, rule: str | TierRule = "rural_commercial", on: str = "aum_average"
) -> Any:
    """Add each row's tier to a frame.

    The amount is rounded to the cent, halves up, and ``tier_code`` is the number of tiers above the
    lowest whose start it reaches: tiers are left-closed, on every engine alike. What is below 0
    (a contribution can be) is in the lowest tier.

    Parameters
    ----------
    frame : any frame Narwhals knows
        One row a customer.
    rule : str or TierRule
        The rule, or its name.
    on : str
        The numeric column to tier by.

    Returns
    -------
    frame
        Of the same kind, lazy where it was, with `tier` (English name, text) and `tier_code` (0 is
        the lowest); both null where the amount is null or NaN. Columns of these names are replaced.

    Raises
    ------
    TableError
        If the column is missing or not numeric, or there is no such rule.

    Examples
    --------
    >>> import pandas as pd
    >>> assign_tier(pd.DataFrame({"aum_average": [49_999.99, 50_000.0]}))["tier"].tolist()
    ['Active', 'Quality']
    """
    rule = tier_rule(rule) if isinstance(rule, str) else rule
    kind = frame_kind(frame)
    if kind in EAGER:
        return _assign_eager(nw.from_native(frame, eager_only=True), rule, on)
    lazy = enter(frame, "frame", (on,))
    names = lazy.collect_schema().names()
    amount = _amount(on, lazy.collect_schema()[on])
    code = _ladder(cents(amount), rule.starts, range(len(rule.tiers)))
    code = nw.when(~amount.is_null()).then(code).cast(nw.Int64)
    lazy = lazy.with_columns(code.alias("tier_code"))
    label = _ladder(nw.col("tier_code"), range(len(rule.tiers)), rule.names)
    lazy = lazy.with_columns(nw.when(~nw.col("tier_code").is_null()).then(label).alias("tier"))
    return leave(lazy.select(*_others(names), "tier", "tier_code"), kind)


def near_threshold(
    panel: Any,
    rule: str | TierRule = "rural_commercial",
    band: float = 0.1,
    on: str = "aum_average",
) -> Any:
    """Keep the customers close to a tier's threshold (临界客户), and how far each is from it.

    A customer with amount x is near threshold t if ``t·(1 − band) <= x < t·(1 + band)``, x rounded
    to the cent.

    Parameters
    ----------
    panel : any frame Narwhals knows
        One row a customer.
    rule : str or TierRule
        The rule, or its name.
    band : float
        Share of the threshold, above 0, and so narrow that no two bands overlap.
    on : str
        The numeric column that the rule looks at.

    Returns
    -------
    frame
        Of the same kind, lazy where it was: the rows near a threshold, all columns, and
        `threshold` (yuan), `side` (``below`` or ``above``; the threshold itself is above) and `gap`
        (yuan): below, the headroom that is missing to the next tier; above, the cushion that may go
        before the customer falls. Sums of `gap` by threshold and side are what a campaign can
        reach. Customers move towards their mean with no campaign at all: compare with a hold-out.

    Raises
    ------
    TableError
        If the column is missing or not numeric, or the band is not as above.

    Examples
    --------
    >>> import pandas as pd
    >>> panel = pd.DataFrame({"aum_average": [47_000.0, 50_000.0, 70_000.0]})
    >>> near_threshold(panel, band=0.1)[["threshold", "side", "gap"]].values.tolist()
    [[50000.0, 'below', 3000.0], [50000.0, 'above', 0.0]]
    """
    rule = tier_rule(rule) if isinstance(rule, str) else rule
    starts = rule.starts[1:] or (math.inf,)  # one tier has no threshold to be near
    apart = all(a * (1 + band) <= b * (1 - band) for a, b in pairwise(starts))
    if not 0 < band < 1 or not apart:
        raise TableError(
            "band", "a share above 0 with which no two bands overlap", "Take a narrower band."
        )
    kind = frame_kind(panel)
    lazy = enter(panel, "panel", (on,))
    names = lazy.collect_schema().names()
    amount = cents(_amount(on, lazy.collect_schema()[on]))
    low = [round(s * (1 - band), 2) for s in starts]
    high = [round(s * (1 + band), 2) for s in starts]
    zones = [0.0, *high[:-1]]  # up to the end of a band, its threshold is the one in question
    lazy = lazy.filter(amount >= _ladder(amount, zones, low), amount < high[-1])
    lazy = lazy.with_columns(_ladder(amount, zones, starts).alias("threshold"))
    distance = amount - nw.col("threshold")
    side = nw.when(distance < 0).then(nw.lit("below")).otherwise(nw.lit("above"))
    lazy = lazy.with_columns(side.alias("side"), cents(distance.abs()).alias("gap"))
    new = ("threshold", "side", "gap")
    return leave(lazy.select(*_others(names, new), *new), kind)


def _assign_eager(frame: nw.DataFrame[Any], rule: TierRule, on: str) -> Any:
    """Tier a frame in memory: a code from comparisons, a label taken by code.

    It keeps index, column types and speed: twice through DuckDB would cost more than the tiers.
    """
    missing_columns("frame", [on], frame.columns)
    amount = frame.select(amount=_amount(on, frame.schema[on]))["amount"]
    kept = frame.select(*_others(frame.columns))
    unknown = amount.is_null().to_numpy()
    scaled = amount.to_numpy() * 100 + 0.5
    code = np.zeros(len(scaled), np.int64)
    reached = np.zeros(len(scaled), np.int8)
    for start in rule.starts[1:]:  # floor(scaled) reaches a whole number where scaled does
        reached += scaled >= round(start * 100)
    code += reached
    same = {"backend": frame.implementation}
    labels = nw.new_series("tier", [*rule.names, None], nw.String, **same)
    if not unknown.any():
        return kept.with_columns(labels[code], nw.new_series("tier_code", code, **same)).to_native()
    code[unknown] = len(rule.tiers)
    kept = kept.with_columns(labels[code], nw.new_series("tier_code", code, **same))
    known = nw.when(nw.col("tier_code") < len(rule.tiers)).then(nw.col("tier_code"))
    return kept.with_columns(known.alias("tier_code")).to_native()


def _ladder(value: nw.Expr, starts: Iterable[float], results: Iterable[Any]) -> nw.Expr:
    """The last of `results` whose start `value` reaches; the first where it reaches none."""
    first, *rest = [nw.lit(result) for result in results]
    chain = first
    for start, result in zip(list(starts)[1:], rest, strict=True):
        chain = nw.when(value >= start).then(result).otherwise(chain)
    return chain


def _amount(on: str, dtype: nw.dtypes.DType) -> nw.Expr:
    """The amount as a float, NaN as null."""
    if not dtype.is_numeric():
        raise TableError("frame", "the column to tier by is numeric", "Convert it.", on)
    value = nw.col(on).cast(nw.Float64)
    return nw.when(~value.is_nan()).then(value) if dtype.is_float() else value


def _others(names: Iterable[str], new: tuple[str, ...] = ("tier", "tier_code")) -> list[str]:
    return [name for name in names if name not in new]
