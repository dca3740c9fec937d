"""How an estimate was made, in the reader's words: methods come as names joined by commas."""

from __future__ import annotations

import re

from segmentation.figures.language import N_, _
from segmentation.figures.numbers import format_number

__all__ = ["KINDS", "method_name", "short_method"]

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
CHECKS = {
    "duplicates": N_("One row a customer"),
    "missing unit": N_("Every customer has a number"),
    "two arms": N_("Every customer in one arm"),
    "another campaign": N_("No other campaign at the same time"),
    "contact unknown": N_("It is known who was reached"),
    "split clusters": N_("Clusters in one arm"),
    "few clusters": N_("Enough clusters"),
    "sample ratio": N_("Arms as large as planned"),
    "planned shares": N_("Planned shares are known"),
    "balance": N_("Arms alike in each covariate"),
    "joint balance": N_("Arms alike in all covariates together"),
    "missing covariate": N_("Covariates missing alike"),
    "missing outcome": N_("Outcomes missing alike"),
    "period before": N_("No effect in the period before"),
    "contact in control": N_("Nobody in control was reached"),
    "contacted": N_("Most of those asked were reached"),
    "split groups": N_("No household or branch in two arms"),
}
VERDICTS = {"ok": N_("ok"), "look": N_("look into it"), "stop": N_("stop")}
POLICIES = {
    "chosen": N_("Those above the cut"),
    "nobody": N_("Nobody"),
    "everyone": N_("Everyone"),
}
KINDS = {"check": CHECKS, "verdict": VERDICTS, "policy": POLICIES}
COUNTS = {
    "assignments": N_("{n} assignments"),
    "draws": N_("{n} draws"),
    "clusters": N_("{n} clusters"),
}


SHORT = {
    "Welch": N_("unadjusted"),
    "Newcombe": N_("unadjusted"),
    "Delta": N_("ratio"),
    "Lin": N_("adjusted"),
    "Cluster t": N_("by cluster"),
    "Permutation": N_("by permutation"),
    "Wald IV": N_("of those contacted"),
}
"""What a reader calls the methods of `effect`."""
MORE = {"adjusted": N_("adjusted"), "capped": N_("capped")}
"""What else their names say that tells rows apart."""


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


def short_method(method: str) -> str:
    """What a reader calls a method, with what tells it from others of the name."""
    name = str(method).partition(",")[0].partition(";")[0]
    parts = [SHORT.get(name, name), *(MORE[key] for key in MORE if key in str(method))]
    text = _(", ").join(dict.fromkeys(_(part) for part in parts))
    return text[:1].upper() + text[1:]
