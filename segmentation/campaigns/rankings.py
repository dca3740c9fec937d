"""Weights of the ranks that a score gives, and what a weighted mean varies by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segmentation.campaigns.deviations import Deviations, Whole, by_arm, dot, slices
from segmentation.campaigns.scores import Floats

__all__ = ["MEASURES", "Influence", "Ranks", "Weighted", "spread"]

MEASURES = ("qini", "autoc")


@dataclass(frozen=True)
class Ranks:
    """Groups of equal scores, the highest first, in rows that are in this order.

    Attributes
    ----------
    sums : array (R,)
        Σ g of each row.
    n : array (R,) or None
        Customers of each row; None: one.
    starts : array (K,) or None
        First row of each group; None: each row is a group.
    """

    sums: Floats
    n: Floats | None
    starts: Whole | None

    @cached_property
    def groups(self) -> int:
        return len(self.sums if self.starts is None else self.starts)

    @cached_property
    def total(self) -> float:
        return float(len(self.sums) if self.n is None else self.n.sum())

    @cached_property
    def ends(self) -> Floats:
        """Customers in each group and above it."""
        starts = np.arange(len(self.sums)) if self.starts is None else self.starts
        after = np.append(starts[1:], len(self.sums))
        return after.astype(float) if self.n is None else np.cumsum(self.n)[after - 1]

    def rows(self, start: int, end: int) -> slice:
        """Rows of the groups from `start` to before `end`."""
        if self.starts is None:
            return slice(start, end)
        last = int(self.starts[end]) if end < self.groups else len(self.sums)
        return slice(int(self.starts[start]), last)

    def part(self, block: slice) -> tuple[Floats, Floats, Floats]:
        """Of a block of groups: customers in each and above it, and Σ g in it."""
        rows = self.rows(block.start, block.stop)
        if self.starts is None and self.n is None:
            before = np.arange(block.start, block.stop, dtype=float)
            return np.ones(len(before)), before, self.sums[rows]
        ends = self.ends[block]
        first = self.ends[block.start - 1] if block.start else 0.0
        before = np.append(first, ends[:-1])
        if self.starts is None:
            return ends - before, before, self.sums[rows]
        sums = np.add.reduceat(self.sums[rows], self.starts[block] - rows.start)
        return ends - before, before, sums

    def by_row(self, block: slice, values: Floats) -> Floats:
        """Give each row of a block of groups the value of its group."""
        if self.starts is None:
            return values
        rows = self.rows(block.start, block.stop)
        return np.repeat(values, np.diff(np.append(self.starts[block], rows.stop)))


Weighted = tuple[slice, Floats, Floats]
"""Rows, and the parts of their ``ψ = g·weight + shift``."""


@dataclass(frozen=True)
class Influence:
    """A weighted mean of G over ranks.

    A group that takes up the ranks from a to b (shares of all customers) has as weight the mean of
    h between them: for QINI, of ``½ − u``, it is ``½ − (a + b)/2``; for AUTOC, of ``−ln u − 1``,
    ``−(b·ln b − a·ln a)/(b − a)``. Its shift is the mean of ``R(u) = ∫ᵤ¹ h′(v)·m(v) dv`` between
    them, with m the mean of g at rank v: what one more customer there does to the ranks of others.
    """

    ranked: Ranks
    measure: str

    def _parts(self, block: slice) -> tuple[Floats, Floats, Floats, Floats]:
        """Σ g, weight, ``∫ h′·m`` over the group, and the shift from the group itself."""
        counts, before, sums = self.ranked.part(block)
        total = self.ranked.total
        if self.measure == "qini":
            changes = sums / -total
            return sums, 0.5 - (before + counts / 2) / total, changes, changes / 2
        part, logs = _logs(counts, before)
        means = sums / counts
        weights = -np.log((before + counts) / total) - part
        return sums, weights, -logs * means, (part - 1) * means

    @cached_property
    def _sums(self) -> tuple[float, float]:
        value = changed = 0.0
        for block in slices(self.ranked.groups):
            sums, weights, changes, _ = self._parts(block)
            value += dot(sums, weights)
            changed += float(changes.sum())
        return value / self.ranked.total, changed

    @property
    def value(self) -> float:
        """The estimate."""
        return self._sums[0]

    def __iter__(self) -> Iterator[Weighted]:
        """Go through the rows in blocks."""
        below = self._sums[1]
        for block in slices(self.ranked.groups):
            _, weights, changes, own = self._parts(block)
            shifts = below - np.cumsum(changes) + own
            below -= float(changes.sum())
            rows = self.ranked.rows(block.start, block.stop)
            yield rows, self.ranked.by_row(block, weights), self.ranked.by_row(block, shifts)


def _logs(counts: Floats, before: Floats) -> tuple[Floats, Floats]:
    """``ln(1 + x)/x`` and ``ln(1 + x)`` for x = counts/before; 0 and 0 where nobody is before."""
    x = np.divide(counts, before, out=np.full_like(before, np.inf), where=before > 0)
    logs = np.log1p(x)
    part = logs / np.where(before > 0, x, 1.0)
    part[before == 0] = logs[before == 0] = 0.0
    return part, logs


def spread(
    rows: Deviations, weighted: Iterable[Weighted], known_share: bool
) -> tuple[float, float]:
    """Variance of the mean of ``ψ = g·weight + shift``, and its degrees of freedom.

    ``Σ(ψ − mean ψ)²/N²``, with Welch's degrees of freedom; of clusters, ``G/(G − 1)·Σ(Σψ)²/N²``
    with G − 1. Where the share of treatment is not known but taken from the data, ψ is centred
    within each arm.
    """
    counts, total = np.array(rows.counts), rows.total
    sums, squares, groups = np.zeros(2), np.zeros(2), 0
    if rows.cluster is not None:
        groups = int(rows.cluster.max()) + 1
    held, found = np.zeros((2, groups)), np.zeros(groups)
    for block, weight, shift in weighted:
        g, w = rows.sums[block], rows.treated[block].astype(float)
        n = None if rows.n is None else rows.n[block]
        psi = g * weight + (shift if n is None else n * shift)
        sums += by_arm(psi, w)
        if rows.cluster is not None:
            place, each = rows.cluster[block], np.ones(len(g)) if n is None else n
            found += np.bincount(place, weights=psi, minlength=groups)
            held[0] += np.bincount(place, weights=each * (1 - w), minlength=groups)
            held[1] += np.bincount(place, weights=each * w, minlength=groups)
            continue
        square = psi * psi
        if n is not None and rows.squares is not None:  # several customers vary within a row, too
            square = square / n + (rows.squares[block] - g * g / n) * weight**2
        squares += by_arm(square, w)
    middles = np.full(2, sums.sum() / total) if known_share else sums / counts
    if rows.cluster is not None:
        found -= middles @ held
        if groups < 2:
            return math.nan, math.nan
        return float(groups / (groups - 1) * (found**2).sum() / total**2), groups - 1.0
    parts = np.maximum(squares - 2 * middles * sums + counts * middles**2, 0.0) / total**2
    below = float((parts**2 / (counts - 1)).sum())
    return float(parts.sum()), float(parts.sum()) ** 2 / below if below > 0 else math.inf
