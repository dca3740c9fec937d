"""How an effect is written: in percentage points, money or a number; a limit may be none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from segmentation.data.errors import TableError
from segmentation.figures.language import N_, _, current_language
from segmentation.figures.numbers import NOTHING, format_money, format_number
from segmentation.figures.sheets import Context

__all__ = ["KINDS", "Unit", "level_text", "named", "p_text", "span_of", "unit_of"]

KINDS = ("percent", "money", "number")
NAMES = {
    "arm": N_("Arm"),
    "control": N_("Control"),
    "outcome": N_("Outcome"),
    "treatment": N_("Treatment"),
}
"""What columns and arms of a campaign are called that nobody named better."""


@dataclass(frozen=True)
class Unit:
    """Unit of an effect: `kind` is percent (shares of 1), money or number; with so many decimals.

    Examples
    --------
    >>> unit = Unit("percent", 2)
    >>> unit.short(0.00681), unit.text(0.00681), unit.interval(-0.001, 0.01)
    ('+0.68', '0.68 percentage points', '−0.10 to 1.00')
    """

    kind: str
    digits: int
    currency: str = "CNY"

    def short(self, value: float) -> str:
        """With its sign and without unit, for a chart whose foot names it."""
        plain = self.bare(value)
        return f"+{plain}" if value > 0 and plain.strip("0.,") else plain

    def tick(self, value: float) -> str:
        """With its sign, and no more decimals than the value has."""
        text = self.short(value)
        return text.rstrip("0").rstrip(".") if "." in text else text

    def bare(self, value: float) -> str:
        """Without the sign of a gain and without unit."""
        factor = 100.0 if self.kind == "percent" else 1.0
        large = self.kind == "money" and self.digits == 0
        if large and math.isfinite(value):
            return format_number(round(value))
        return format_number(float(value) * factor, self.digits)

    def text(self, value: float) -> str:
        """With its unit, as a sentence says it; what does not exist is a dash or ∞."""
        if not math.isfinite(value):
            return format_number(value)
        if self.kind == "money":
            return self._money(value)
        plain = self.bare(value)
        return plain if self.kind != "percent" else _("{n} percentage points").format(n=plain)

    def interval(self, low: float, high: float) -> str:
        """Both limits, in the unit of the value that they follow; one that does not exist is ∞."""
        if math.isnan(low) or math.isnan(high):
            return NOTHING
        write = self.text if self.kind == "money" else self.bare
        return (" to " if current_language() == "en" else "～").join(map(write, (low, high)))

    @property
    def name(self) -> str:
        """For the foot of a chart."""
        if self.kind == "percent":
            return _("percentage points")
        return self.currency if self.kind == "money" else ""

    def _money(self, value: float) -> str:
        if self.digits == 0 or value == 0:
            return format_money(value, self.currency)
        whole = format_money(math.copysign(1, value), self.currency)
        return whole.replace("1", format_number(abs(value), self.digits))


def unit_of(values: Iterable[Any], kind: str, context: Context) -> Unit:
    """Return the unit with as many decimals as give the largest of `values` three figures.

    Raises
    ------
    TableError
        If there is no such kind.
    """
    if kind not in KINDS:
        raise TableError("kind", f"it is {', '.join(KINDS)}", "Name one of them.")
    sizes = np.abs(np.asarray(list(values), float))
    top = float(max(sizes[np.isfinite(sizes)], default=0.0)) * (100 if kind == "percent" else 1)
    digits = min(max(2 - math.floor(math.log10(top)), 0), 6) if top > 0 else 2
    return Unit(kind, digits, context.currency)


def span_of(lows: Any, highs: Any, values: Any) -> tuple[float, float]:
    """Ends of an axis that has room for all finite limits, all values and 0."""
    parts = [np.asarray(part, float).ravel() for part in (lows, highs, values, [0.0])]
    numbers = np.concatenate(parts)
    numbers = numbers[np.isfinite(numbers)]
    low, high = float(numbers.min()), float(numbers.max())
    room = 0.08 * ((high - low) or 1.0)
    return low - room, high + room


def level_text(level: float) -> str:
    """A level of confidence, as ``95%``."""
    return f"{100 * level:g}%"


def p_text(p: float) -> str:
    """A p-value, which is never 0."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def named(name: Any, names: dict[Any, str] | None, kind: str = "") -> str:
    """What a reader calls an arm, an outcome or a group: the caller's word for it, or its label."""
    from segmentation.figures.labels import label

    if names and name in names:
        return names[name]
    text = str(name)
    return _(NAMES[text]) if text in NAMES else label(text, kind)
