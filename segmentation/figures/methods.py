"""How an estimate was made, in the reader's words: methods come as names joined by commas."""

from __future__ import annotations

import re

from segmentation.figures.language import N_, _
from segmentation.figures.numbers import format_number

__all__ = ["method_name"]

PARTS = {
    "Welch": N_("difference of means (Welch)"),
    "not causal": N_("not causal"),
    "Newcombe": N_("difference of shares (Newcombe)"),
    "Delta": N_("ratio (delta method)"),
    "ratio by the delta method": N_("ratio (delta method)"),
    "Lin": N_("adjusted for what was known before (Lin)"),
    "Cluster t": N_("errors by branch"),
    "Permutation": N_("permutation of branches"),
    "Wald IV": N_("for each customer reached (Wald)"),
    "AIPW": N_("doubly robust (AIPW)"),
    "IPW": N_("weighted (IPW)"),
    "Regression": N_("by regression"),
    "exact": N_("exact"),
    "adjusted": N_("adjusted"),
    "adjusted for covariates": N_("adjusted for covariates"),
    "capped": N_("capped"),
    "capped among amounts other than 0": N_("capped among amounts other than 0"),
    "missing covariates by indicator": N_("missing covariates by indicator"),
    "redundant covariates left out": N_("redundant covariates left out"),
    "errors from sums with n - k": N_("errors from sums with n − k"),
    "unbounded": N_("unbounded"),
    "interval unbounded": N_("interval unbounded"),
    "as contact rates are not told apart": N_("as contact rates are not told apart"),
    "no comparison": N_("no comparison"),
    "too few customers": N_("too few customers"),
    "no variance": N_("no variance"),
    "nothing to divide by": N_("nothing to divide by"),
    "poor overlap": N_("poor overlap"),
    "few clusters": N_("few clusters"),
}
COUNTS = {
    "assignments": N_("{n} assignments"),
    "draws": N_("{n} draws"),
    "clusters": N_("{n} clusters"),
}


def method_name(method: str) -> str:
    """Return what a reader calls a method.

    Examples
    --------
    >>> method_name("Permutation, exact, 66 assignments")
    'permutation of branches, exact, 66 assignments'
    """
    parts = re.split(r", (?!\d{3}\b)", method)
    return _(", ").join(_part(part) for part in parts)


def _part(part: str) -> str:
    number, space, noun = part.partition(" ")
    plain = number.replace(",", "")
    if space and plain.isdigit() and noun in COUNTS:
        return _(COUNTS[noun]).format(n=format_number(int(plain)))
    return _(PARTS.get(part, part))
