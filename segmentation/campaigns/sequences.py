"""Looking at a campaign while it runs, as often as one likes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.arms import Trial, enter_trial
from segmentation.campaigns.sums import moments
from segmentation.data.engines import collect
from segmentation.data.errors import TableError

__all__ = ["boundary", "monitor", "tightest"]

LOOKS = 5000
"""Most looks that a table may have."""
AHEAD = 10
"""Times the units of the first look at which a sequence is tightest unless it is said otherwise."""

Floats = npt.NDArray[np.float64]


def monitor(
    data: Any,
    outcome: str | Iterable[str],
    arm: str,
    control: Any,
    time: str,
    *,
    alpha: float = 0.05,
    tuned_for: float | None = None,
    unit: str | None = "customer_id",
) -> pd.DataFrame:
    """Follow the effect over time, with intervals that stay right however often one looks.

    A 95 % interval of a single test, looked at 100 times, excludes a true 0 in more than a third
    of campaigns. A confidence sequence holds at all looks together with probability 1 − alpha, so
    that the campaign may be stopped at any look, for any reason:

    ``estimate ± se·√((s + 1)/s · ln((s + 1)/alpha²))`` with ``s = ρ²·n`` and n the units of both
    arms so far. ρ is chosen so that it is tightest at n = `tuned_for`, where it is 1.55 times as
    wide as the interval of a single test (alpha .05): what a test of fixed size would find takes
    2.4 times the customers. Where nobody will look before the end, `effect` is the better choice.

    Parameters
    ----------
    data : any frame
        One row a unit; all units whose outcome is known by now.
    outcome : str or several
        Columns of numbers or flags; of each, rows with a value count.
    arm, control
        Column of the arm, and its value for control.
    time : str
        Column of the look at which the outcome became known: a day, week or number, by whose order
        units are added up. Shares of arms stay the same over time.
    alpha : float
        Chance that any interval of an arm and outcome ever misses. It is not adjusted for several
        of them; for k of them pass alpha/k.
    tuned_for : float, optional
        Units of both arms together at which the sequence is tightest. It is planned once and not
        changed when results come in. By default ten times the units of the first look.
    unit : str or None
        Column that is checked for duplicates if the data have it.

    Returns
    -------
    DataFrame
        ``arm outcome time n_control n_treated estimate se low high stop``, one row a look;
        `estimate` in units of the outcome per unit; `low` and `high` are infinite while an arm has
        fewer than two units or nothing varies. `stop`: an interval, this or an earlier one,
        excludes 0.

    Raises
    ------
    TableError
        If data are no trial (see `effect`), a time is missing, or there are more than 5,000 looks.

    Notes
    -----
    The guarantee is one of large samples: the first look should have some hundred units, and of a
    rare outcome some tens of those who have it.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and
    asymptotic confidence sequences, Annals of Statistics 52, theorem 2.2 and appendix B.2.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"arm": ["call", "none"] * 300, "day": [1] * 200 + [2] * 400,
    ...                      "sold": [1.0, 0.0, 0.0, 1.0, 1.0, 0.0] * 100})
    >>> looks = monitor(data, "sold", "arm", "none", "day", tuned_for=600)
    >>> looks[["n_treated", "estimate", "stop"]].round(3).values.tolist()
    [[100, 0.34, True], [300, 0.333, True]]
    """
    if not 0 < alpha < 1:
        raise ValueError("alpha: a probability lies between 0 and 1")
    if tuned_for is not None and not 0 < tuned_for < math.inf:
        raise ValueError("tuned_for: a number of units above 0")
    outcomes = (outcome,) if isinstance(outcome, str) else tuple(dict.fromkeys(outcome))
    trial = _by_the_clock(enter_trial(data, arm, control, outcomes, (time,), unit), time)
    looks = _looks(trial, time)
    tables = []
    for name in outcomes:
        arms = _sums(trial, name, time, looks)
        for text in trial.treated:
            table = _sequence(arms[trial.control], arms[text], alpha, tuned_for)
            table.insert(0, "time", looks)
            table.insert(0, "outcome", name)
            table.insert(0, "arm", [trial.labels[text]] * len(looks))
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def tightest(alpha: float) -> float:
    """Return the s at which `boundary` is lowest: the root of ``s = ln((s + 1)/alpha²)``.

    ``s = −W₋₁(−alpha²/e) − 1`` with Lambert's W.

    Examples
    --------
    >>> round(tightest(0.05), 3), round(float(boundary(tightest(0.05), 0.05)), 3)
    (8.212, 3.035)
    """
    from scipy import special

    return float(-special.lambertw(-(alpha**2) / math.e, -1).real - 1)


def boundary(s: Any, alpha: float) -> Any:
    """Standard errors from which the sequence excludes a value: ``√((s+1)/s·ln((s+1)/alpha²))``."""
    return np.sqrt((s + 1) / s * np.log((s + 1) / alpha**2))


def _by_the_clock(trial: Trial, time: str) -> Trial:
    """Times of a zone as its clock showed them, so that every engine shows the same."""
    dtype = trial.rows.collect_schema()[time]
    if not (isinstance(dtype, nw.Datetime) and dtype.time_zone):
        return trial
    clock = nw.col(time).dt.replace_time_zone(None)
    return replace(trial, rows=trial.rows.with_columns(clock.alias(time)))


def _looks(trial: Trial, time: str) -> pd.Series:
    column = trial.rows.select(nw.col(time))
    if missing := int(
        collect(column.select(nw.col(time).is_null().cast(nw.Int64).sum()))[time].iloc[0]
    ):
        raise TableError("data", "every unit has its time", "Fill it.", time, missing)
    looks = collect(column.unique().head(LOOKS + 1))[time]
    if len(looks) > LOOKS:
        raise TableError(
            "data", f"there are at most {LOOKS:,} looks", "Take days or weeks, not moments.", time
        )
    return looks.sort_values(ignore_index=True)


def _sums(trial: Trial, outcome: str, time: str, looks: pd.Series) -> dict[str, Floats]:
    """Units, mean and variance (looks, 3) of each arm, of all units up to the look."""
    found = moments(trial.rows.to_native(), outcome, (trial.arm, time))
    origin = found.pool().means[0, 0]
    parts = found.groups[[trial.arm, time, "n"]].assign(
        n=found.n.astype(float), gap=found.means[:, 0] - origin, within=found.products[:, 0, 0]
    )
    parts = parts[parts["n"] > 0]
    parts = parts.assign(
        total=parts["n"] * parts["gap"], square=parts["within"] + parts["n"] * parts["gap"] ** 2
    )
    arms = {}
    for text in trial.labels:
        own = parts[parts[trial.arm].astype(str) == text].set_index(time)
        n, total, square = (
            own[["n", "total", "square"]].reindex(looks, fill_value=0.0).cumsum().to_numpy().T
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = total / n
            variance = np.where(n > 1, np.maximum(square - total * gap, 0.0) / (n - 1), np.nan)
        arms[text] = np.column_stack([n, origin + gap, variance])
    return arms


def _sequence(
    control: Floats, treated: Floats, alpha: float, tuned_for: float | None
) -> pd.DataFrame:
    """The sequence of one arm against control."""
    (m, below, v), (n, above, w) = control.T, treated.T
    total = m + n
    first = total[total > 0]
    plan = tuned_for if tuned_for is not None else AHEAD * (first[0] if len(first) else 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(v / m + w / n)
        wide = se * boundary(tightest(alpha) * total / plan, alpha)
    estimate = above - below
    known = se > 0
    low = np.where(known, estimate - wide, -np.inf)
    high = np.where(known, estimate + wide, np.inf)
    return pd.DataFrame(
        {
            "n_control": m.astype(np.int64),
            "n_treated": n.astype(np.int64),
            "estimate": estimate,
            "se": np.where(known, se, np.nan),
            "low": low,
            "high": high,
            "stop": np.logical_or.accumulate((low > 0) | (high < 0)),
        }
    )
