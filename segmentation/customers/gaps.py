"""Gaps: how much of the difference of two means goes with what the customers are known to be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation.customers.crossproducts import SCALES, Sides, influences, sides_of
from segmentation.customers.references import REFERENCES, solve
from segmentation.customers.vectors import Floats
from segmentation.data.errors import TableError

__all__ = ["Gap", "gap_decomposition"]


@dataclass(frozen=True)
class Gap:
    """The difference of two groups' means, taken apart.

    Attributes
    ----------
    explained, unexplained, gap : float
        ``gap = explained + unexplained`` is the mean of `other` less the mean of `base`.
    table : DataFrame
        ``part estimate se low high`` of gap, explained and unexplained.
    details : DataFrame
        One row a covariate: ``covariate estimate se low high mean_base mean_other slope``. The
        estimates add up to `explained`. Means and slope are empty of text, which has several.
    base, other : object
        Names of the groups.
    n_base, n_other : int
        Rows of each.
    dropped : int
        Rows left out since outcome, group or a covariate is not known.
    outcome, reference, scale : str
        As they were asked for.
    level : float
        Confidence of the intervals.
    """

    explained: float
    unexplained: float
    gap: float
    table: pd.DataFrame
    details: pd.DataFrame
    base: Any
    other: Any
    n_base: int
    n_other: int
    dropped: int
    outcome: str
    reference: str
    scale: str
    level: float


def gap_decomposition(
    data: Any,
    outcome: str,
    group: str,
    covariates: str | Iterable[str],
    *,
    reference: str = "pooled",
    base: Any = None,
    scale: str = "amount",
    level: float = 0.95,
) -> Gap:
    """Take the gap between two groups' means apart by Oaxaca and Blinder's method.

    ``ȳ_o − ȳ_b = (x̄_o − x̄_b)'β + rest``: the first part is what goes with the covariates, at
    reference slopes β, and is called explained; the rest is unexplained.

    Parameters
    ----------
    data : any frame Narwhals knows
        One row a customer.
    outcome : str
        A column of numbers or flags.
    group : str
        A column of two values.
    covariates : str or several
        Columns of numbers, flags or text. Text becomes a column of 0 and 1 for each level but the
        most frequent one; a constant is always in, and never to be given.
    reference : str
        Where β comes from: ``pooled``, one regression of both groups with a constant each (Jann);
        ``neumark``, the same with one constant, which books part of the group's own effect as
        explained; ``base`` or ``other``, that group's regression; ``cotton`` and ``reimers``, the
        mean of both, by size and in equal parts.
    base : optional
        The group that is subtracted; by default the first of the two in order.
    scale : str
        ``amount``; ``log``, the logarithm of the outcome, whose gap g means a ratio of geometric
        means of ``exp(g)``, the usual choice for AUM; ``log1p``, of 1 plus the outcome, where some
        have nothing.
    level : float
        Confidence of the intervals.

    Returns
    -------
    Gap

    Raises
    ------
    TableError
        If a column is missing, of another type, infinite or constant, a covariate is a combination
        of the others (within groups, or within one where its own slopes are asked for), there are
        not two groups, one has too few rows, or a logarithm is asked for of what has none.

    Notes
    -----
    Errors are of the delta method, from what each row moves each part by: covariates are drawn as
    the customers are, and outcomes may spread differently from customer to customer (HC3). Limits
    take Student's t with Welch's degrees of freedom, so that those of the gap are Welch's.
    Customers are taken as independent of each other; where branches differ, they are not quite.

    Nothing but counts, means and sums of products leaves the engine, in a few scans. Beware of
    statsmodels' ``OaxacaBlinder``: its default ``hasconst=True`` takes the covariates to hold a
    constant, and gives other numbers without a warning when they do not. With ``hasconst=False``
    its two parts are these.

    The explained part is given by covariate, the unexplained is not: what of it belongs to one
    covariate depends on where its numbers begin and which level of a text is left out, so that any
    answer can be had (Oaxaca and Ransom). For flags the regression is a linear probability model.

    Explained is not caused. A gap between cohorts in one snapshot may come with age or with the
    generation, and between two years with the year as well: age = year − birth year, so that no
    covariate of such data tells them apart.

    References
    ----------
    Oaxaca (1973), International Economic Review 14; Blinder (1973), Journal of Human Resources 8;
    Jann (2008), The Blinder–Oaxaca decomposition for linear regression models, Stata Journal 8;
    Oaxaca & Ransom (1999), Identification in detailed wage decompositions, Review of Economics and
    Statistics 81.

    Examples
    --------
    Two branches, of which B2 is older by 20 years (−2 by age) and pays 1 less at each age:

    >>> rng = np.random.default_rng(1)
    >>> age = np.r_[rng.normal(40, 8, 400), rng.normal(60, 8, 400)]
    >>> frame = pd.DataFrame({"age": age, "branch_id": ["B1"] * 400 + ["B2"] * 400})
    >>> frame["fees"] = 20 - 0.1 * age - (frame["branch_id"] == "B2") + rng.normal(0, 1, 800)
    >>> gap = gap_decomposition(frame, "fees", "branch_id", ["age"])
    >>> f"{gap.gap:.1f} = {gap.explained:.1f} + {gap.unexplained:.1f}, {gap.other} less {gap.base}"
    '-3.0 = -2.1 + -0.9, B2 less B1'
    """
    chosen = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    if not chosen:
        raise TableError("covariates", "there is one", "Name a column.")
    for name, value, known in (("reference", reference, REFERENCES), ("scale", scale, SCALES)):
        if value not in known:
            raise TableError(name, f"it is one of {', '.join(known)}", "Pass one of them.")
    if not 0 < level < 1:
        raise TableError("level", "a confidence lies between 0 and 1", "Write .95 for 95 %.")
    sides = sides_of(data, outcome, group, chosen, base, scale)
    slopes, lines = solve(sides, reference)
    width = len(sides.covariates)
    apart = sides.means[1] - sides.means[0]
    owners = np.array(sides.covariates)
    masks = {f"covariate_{k}": owners == name for k, name in enumerate(chosen)}
    estimates = {name: float((apart[:width] * slopes)[mask].sum()) for name, mask in masks.items()}
    explained, gap = float(apart[:width] @ slopes), float(apart[width])
    estimates |= {"gap": gap, "explained": explained, "unexplained": gap - explained}
    masks |= {"gap": owners == "", "explained": owners != "", "unexplained": owners != ""}
    moves = []
    for side, sign in ((0, -1.0), (1, 1.0)):
        parts = {}
        for name in estimates:
            lean = np.r_[np.where(masks[name], slopes, 0.0), 0.0] * sign / sides.n[side]
            cross = (apart[:width] * masks[name]) @ lines[side].inverse
            if name in ("gap", "unexplained"):
                lean, cross = np.r_[np.zeros(width), sign / sides.n[side]] - lean, -cross
            parts[name] = (lean, cross)
        moves.append(parts)
    free = sides.n - 1
    variances = influences(sides, lines, moves).to_numpy().clip(min=0) * (sides.n / free)[:, None]
    table = _intervals(estimates, variances, free, level)
    table[["estimate", "se", "low", "high"]] *= sides.spread[width]
    return _gap(sides, table, chosen, slopes, (outcome, reference, scale), level)


def _intervals(
    estimates: dict[str, float], variances: Floats, free: Floats, level: float
) -> pd.DataFrame:
    """Student's limits, with the degrees of freedom of two variances that are added."""
    from scipy.stats import t

    total = variances.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = total**2 / (variances**2 / free[:, None]).sum(axis=0)
        reach = np.where(total > 0, t.ppf(0.5 + level / 2, df) * np.sqrt(total), 0.0)
    table = pd.DataFrame({"part": list(estimates), "estimate": list(estimates.values())})
    low, high = table["estimate"] - reach, table["estimate"] + reach
    return table.assign(se=np.sqrt(total), low=low, high=high)


def _gap(
    sides: Sides,
    table: pd.DataFrame,
    chosen: tuple[str, ...],
    slopes: Floats,
    asked: tuple[str, str, str],
    level: float,
) -> Gap:
    count, width = len(chosen), len(sides.covariates)
    details = table.iloc[:count].rename(columns={"part": "covariate"})
    details["covariate"] = chosen
    raw = sides.means[:, :width] * sides.spread[:width] + sides.centre[:width]
    steep = slopes * sides.spread[width] / sides.spread[:width]
    columns = pd.DataFrame(
        {"mean_base": raw[0], "mean_other": raw[1], "slope": steep}, index=sides.covariates
    )
    alone = columns[~columns.index.duplicated(keep=False)].reindex(list(chosen))
    for name in columns:
        details[name] = alone[name].to_numpy(float)
    parts = table.iloc[count:].reset_index(drop=True)
    value = parts.set_index("part")["estimate"]
    return Gap(
        explained=float(value["explained"]),
        unexplained=float(value["unexplained"]),
        gap=float(value["gap"]),
        table=parts,
        details=details,
        base=sides.labels[0],
        other=sides.labels[1],
        n_base=int(sides.n[0]),
        n_other=int(sides.n[1]),
        dropped=sides.dropped,
        outcome=asked[0],
        reference=asked[1],
        scale=asked[2],
        level=level,
    )
