"""Uplift curves: is the effect larger where a score says so, and what is that worth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segmentation.campaigns.deviations import Deviations, slices
from segmentation.campaigns.estimates import critical_value
from segmentation.campaigns.gains import gain_table
from segmentation.campaigns.inferences import check_arguments, effect_spread, inference
from segmentation.campaigns.rankers import ranked_cells, ranked_customers
from segmentation.campaigns.rankings import MEASURES, Influence, Ranks, spread
from segmentation.campaigns.scores import enter_scores
from segmentation.campaigns.sums import Moments
from segmentation.campaigns.tallies import cells_of_sums

__all__ = ["UpliftCurve", "uplift_curve"]

POINTS = 1000
"""Rows of the table of an exact curve, at most."""
CLUSTERS = 10
"""With fewer clusters in an arm an interval is not to be trusted."""

SAME_SCORE = "All customers have the same score: it ranks nobody."
NO_VARIANCE = "The outcome does not vary within the arms."
FEW_CLUSTERS = (
    "An arm has fewer than 10 clusters: intervals are too narrow, and p-values too small."
)


@dataclass(frozen=True)
class UpliftCurve:
    """How the effect falls with the rank by a score, in units of the outcome per customer.

    Attributes
    ----------
    score, outcome : str
        Columns.
    arm, control : label
        The two arms compared.
    qini, qini_se, qini_low, qini_high, qini_p : float
        ``∫ q·TOC(q) dq``, the area between the gain and that of as many drawn by lot, with its
        standard error, interval and two-sided p-value.
    autoc, autoc_se, autoc_low, autoc_high, autoc_p : float
        ``∫ TOC(q) dq``, where TOC(q) is the effect on the share q with the highest scores minus
        that on all. It weighs the top more, where few respond.
    ate, ate_se, ate_low, ate_high, ate_p : float
        Effect on all.
    n_control, n_treated : int
        Complete cases.
    dropped_control, dropped_treated : int
        Customers without score or outcome, left out.
    share : float
        Of treatment among the two arms, as planned or as observed.
    loss, autoc_loss : float
        By how much at most QINI and AUTOC can differ from those of the exact curve, because
        customers with different scores share a bin. 0 for an exact curve.
    largest : float
        Share of the customers in the largest bin of different scores; 0 for an exact curve.
    alpha : float
        Intervals are of confidence ``1 − alpha``.
    notes : tuple of str
        Why an estimate is missing, or not to be trusted.
    table : DataFrame
        The curve, from the highest score down, one row a bin of about equal counts that splits no
        tie: `share` of the customers at or above, their lowest `score`; customers of the bin,
        `n_control n_treated`, with their `uplift uplift_se`; `toc` (the effect on those at or
        above minus that on all) and `gain` (outcome gained per customer of all, if only those at
        or above are treated rather than nobody), each with `_se _low _high` for that score as the
        cut-off. Lowest scores are single customers' values.
    """

    score: str
    outcome: str
    arm: Any
    control: Any
    qini: float
    qini_se: float
    qini_low: float
    qini_high: float
    qini_p: float
    autoc: float
    autoc_se: float
    autoc_low: float
    autoc_high: float
    autoc_p: float
    ate: float
    ate_se: float
    ate_low: float
    ate_high: float
    ate_p: float
    n_control: int
    n_treated: int
    dropped_control: int
    dropped_treated: int
    share: float
    loss: float
    autoc_loss: float
    largest: float
    alpha: float
    notes: tuple[str, ...]
    table: pd.DataFrame = field(repr=False)


def uplift_curve(
    data: Any,
    score: str,
    outcome: str,
    arm: str,
    control: Any,
    treated: Any = None,
    share: float | None = None,
    cluster: str | None = None,
    bins: int | None = None,
    alpha: float = 0.05,
    known_share: bool = True,
) -> UpliftCurve:
    """Measure whether the effect of a campaign is larger on those whom a score ranks higher.

    With arm means m₁ and m₀, share of treatment e and w = 1 for the treated, each customer has

    ``G = m₁ − m₀ + w/e·(y − m₁) − (1 − w)/(1 − e)·(y − m₀)``,

    whose mean over any group fixed beforehand estimates the effect on that group. U is the share
    of customers ranked at or above. Then

    ``QINI = E[G·(½ − U)]``,  ``AUTOC = E[G·(−ln U − 1)]``.

    Parameters
    ----------
    data : any frame, or Moments
        One row a unit of the assignment; or the sums of the outcome by arm and score. Only two
        arms are used, whatever others there are.
    score : str
        Column to rank by, highest first; only the order matters. **It must be held out**: not
        learnt from the outcomes of these customers. A score that was ranks them by their noise,
        and seems to find heterogeneity where there is none. `learn` gives only scores that may be
        judged. A pandas column marked ``attrs["in_sample"] = True``, or named in the frame's
        ``attrs["in_sample_scores"]``, is refused; of others nobody can know.
    outcome : str
        Column of numbers or flags; money may be negative.
    arm, control, treated
        Column of the arm, and its values for control and for the arm compared with it, which must
        be named if there are several.
    share : float, optional
        Share of treatment that was planned, among these two arms; by default the observed one.
    cluster : str, optional
        Column of the unit of assignment, such as the branch, if that is not the customer:
        influence is summed by cluster, and t has G − 1 degrees of freedom. A row for each cluster
        and bin comes back from the engine.
    bins : int, optional
        By default the curve is exact: scores and outcomes of all customers come into memory
        (about 50 bytes a customer), unless the scores are few. With `bins`, customers are
        summed in the engine in one scan, in about 32 times as many cells, all of which are used;
        `bins` is the number of rows of `table`. Another scan follows if one cell of different
        scores has more than 1/bins of the customers.
    alpha : float
        1 minus the confidence.
    known_share : bool
        True: standard errors take the share as given, as grf's influence function does. They are
        right if `share` is the planned one, and too wide if it is the observed one and the score
        also foretells the outcome itself: for a correlation of .7 a true null is rejected in 2 %
        rather than 5 % for QINI. False, with the observed share: its estimation counts, which
        makes intervals narrower. QINI's are right then; AUTOC, which rests on few customers at
        the top, rejects 7 % with 400 customers, and comes near 5 % only with thousands.

    Returns
    -------
    UpliftCurve

    Raises
    ------
    TableError
        If a column is missing or no number, an arm is missing or has fewer than two complete
        cases, a number is infinite, a customer is there twice, or a score was learnt from these
        customers.
    ValueError
        If `share`, `alpha` or `bins` is out of range.

    Notes
    -----
    Customers with equal scores share the mean of the weights of their ranks, so that the order of
    rows means nothing and a constant score has 0. For QINI this equals the mean over ranks of
    ``q·TOC(q)`` exactly; for AUTOC it is the integral, which the sum over ranks approaches with
    (ln N)/N. The value does not depend on the share of treatment.

    The variance is that of the influence function ``G·h(U) − θ + R(U) − mean R`` with
    ``R(u) = ∫ᵤ¹ h′(v)·m(v) dv``, m(v) the mean of G at rank v: the term R is for ranks being
    estimated too. Intervals are Student's, with Welch's degrees of freedom.

    **At least five numbers are called Qini.** For y = 0 0 0 0 1 0 0 1 1 1 with control first and
    score 0 .1 .2 .3 .4 in each arm: (1) causalml 0.124, the mean of its curve above the diagonal,
    by (2) 0.062 divided by the final gain; (3) scikit-uplift 0.133, the area above the diagonal by
    that of a perfect model, or (4) 0.25 without negative effects in it; (5) here, as in grf's
    `rank_average_treatment_effect`, 0.04 in units of the outcome per customer, which can be
    compared between campaigns. It grows with the effect, and is not divided by anything.

    The best of many scores looks good by chance: see `compare_curves`.

    References
    ----------
    Yadlowsky, Fleming, Shah, Brunskill & Wager (2025), Evaluating treatment prioritization rules
    via rank-weighted average treatment effects, JASA 120.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({
    ...     "arm": ["control"] * 5 + ["letter"] * 5,
    ...     "score": [0, .1, .2, .3, .4] * 2,
    ...     "bought": [0, 0, 0, 0, 1, 0, 0, 1, 1, 1],
    ... })
    >>> curve = uplift_curve(data, "score", "bought", "arm", "control")
    >>> round(curve.qini, 4), round(curve.ate, 4)
    (0.04, 0.4)
    >>> curve.table[["share", "score", "gain"]].round(3).head(2).to_dict("list")
    {'share': [0.2, 0.4], 'score': [0.4, 0.3], 'gain': [0.0, 0.2]}
    """
    check_arguments(share, bins, known_share)
    critical_value(alpha)
    if isinstance(data, Moments):
        if cluster is not None:
            raise ValueError("cluster: sums have no clusters; pass the customers")
        scored, cells = cells_of_sums(data, score, outcome, arm, control, treated)
        rows, ranked, scores, losses = ranked_cells(cells, share)
    else:
        scored = enter_scores(data, [score], outcome, arm, control, treated, cluster)
        rows, ranked, scores, losses = ranked_customers(scored, share, bins)
    notes = _notes(rows, ranked)
    found: dict[str, Any] = {}
    for measure in MEASURES:
        part = Influence(ranked, measure)
        known = (math.nan, math.nan)
        if not {SAME_SCORE, NO_VARIANCE} & set(notes):
            known = spread(rows, part, known_share)
        found |= inference(measure, part.value, *known, alpha)
    variance, df = (math.nan, math.nan) if NO_VARIANCE in notes else effect_spread(rows)
    found |= inference("ate", rows.effect, variance, df, alpha)
    table = gain_table(rows, ranked, scores, bins or POINTS, known_share, alpha, df)
    return UpliftCurve(
        score=scored.scores[0],
        outcome=outcome,
        arm=scored.treated,
        control=scored.control,
        n_control=rows.counts[0],
        n_treated=rows.counts[1],
        dropped_control=scored.control_rows - rows.counts[0],
        dropped_treated=scored.treated_rows - rows.counts[1],
        share=rows.share,
        loss=losses[0],
        autoc_loss=losses[1],
        largest=losses[2],
        alpha=alpha,
        notes=notes,
        table=table,
        **found,
    )


def _notes(rows: Deviations, ranked: Ranks) -> tuple[str, ...]:
    notes = []
    scale = 1e-12 * max(abs(mean) for mean in rows.means)
    squares = sum(rows.totals(part)[:, 2].sum() for part in slices(len(rows.sums)))
    if squares <= rows.total * scale**2:
        notes.append(NO_VARIANCE)
    if ranked.groups == 1:
        notes.append(SAME_SCORE)
    if rows.cluster is not None:
        arms = [len(np.unique(rows.cluster[rows.treated == arm])) for arm in (False, True)]
        if min(arms) < CLUSTERS:
            notes.append(FEW_CLUSTERS)
    return tuple(notes)
