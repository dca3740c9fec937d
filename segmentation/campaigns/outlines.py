"""What happened in each arm, before anything is said about causes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation.campaigns.arms import enter_trial
from segmentation.campaigns.estimates import critical_value
from segmentation.campaigns.sums import moments
from segmentation.customers.intervals import wilson

__all__ = ["arm_table"]


def arm_table(
    data: Any, outcome: str, arm: str, control: Any, *, alpha: float = 0.05
) -> pd.DataFrame:
    """Count customers and the outcome in each arm, control first.

    The mean of a column that holds only 0 and 1 is a share with Wilson's interval, else
    ``mean ± t·sd/√n``. Nothing here is caused by anything: see `effect`.

    Parameters
    ----------
    data : any frame
        One row a customer.
    outcome, arm, control
        Columns, and the arm that was left alone.
    alpha : float
        1 minus the confidence.

    Returns
    -------
    DataFrame
        ``arm customers total mean low high``; NaN limits with fewer than two customers.

    Raises
    ------
    TableError
        As `effect` does.

    Examples
    --------
    >>> data = pd.DataFrame({"arm": ["a", "a", "b", "b"], "sold": [0, 1, 1, 1]})
    >>> arm_table(data, "sold", "arm", "a")[["arm", "customers", "total", "mean"]].values.tolist()
    [['a', 2, 1.0, 0.5], ['b', 2, 2.0, 1.0]]
    """
    trial = enter_trial(data, arm, control, numbers=(outcome,))
    found = moments(trial.rows, outcome, by=arm)
    n, means = found.n.astype(float), found.means[:, 0]
    if found.binary[0]:
        lows, highs = wilson(np.round(n * means), n, 1 - alpha)
    else:
        spread = np.sqrt(found.covariances[:, 0, 0] / np.where(n > 1, n, np.nan))
        reach = np.array([critical_value(alpha, max(k - 1, 1)) for k in n]) * spread
        lows, highs = means - reach, means + reach
    texts = found.groups[arm]
    table = pd.DataFrame(
        {
            "arm": [trial.labels[text] for text in texts],
            "customers": found.n,
            "total": n * means,
            "mean": means,
            "low": lows,
            "high": highs,
        }
    )
    order = np.argsort(texts.to_numpy() != trial.control, kind="stable")
    return table.iloc[order].reset_index(drop=True)
