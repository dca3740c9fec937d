"""A real trial as sums: what left Hillstrom's campaign of 2008, and suffices to judge it."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
import pandas as pd

from segmentation.campaigns.sums import Moments

__all__ = ["hillstrom_sums"]

BY = ("segment", "womens", "history_segment")
OUTCOMES = ("visit", "conversion", "spend")


def hillstrom_sums() -> Moments:
    """Sums of Hillstrom's randomised e-mail campaign, which `effect` and `uplift_curve` take.

    64,000 customers of a shop were drawn into three arms: an e-mail with men's goods, one with
    women's, none. Two weeks later it was known who visited, who bought, and for how much. Here are
    counts and sums only, of 42 groups; `read_hillstrom` reads the customers where one has them.

    Returns
    -------
    Moments
        Of visit, conversion (0 or 1) and spend (dollars), by segment (the arm), womens (1: bought
        women's goods in the past year) and history_segment (what was spent then, 1 least to 7).

    References
    ----------
    Hillstrom, K. (2008), The MineThatData e-mail analytics and data mining challenge.

    Examples
    --------
    >>> sums = hillstrom_sums()
    >>> int(sums.n.sum()), sums.binary
    (64000, (True, True, False))
    """
    text = files("segmentation.campaigns").joinpath("hillstrom.csv").read_text("utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    n, visits, sales, spend, spread = (
        np.array([float(row[name]) for row in rows])
        for name in ("n", "visits", "conversions", "spend", "spend_products")
    )
    groups = pd.DataFrame(
        {
            "segment": [row["segment"] for row in rows],
            "womens": [int(row["womens"]) for row in rows],
            "history_segment": [int(row["history_segment"]) for row in rows],
            "n": n.astype("int64"),
            "dropped": 0,
        }
    )
    means = np.column_stack([visits, sales, spend]) / n[:, None]
    # Who bought has visited, and who spent has bought: products follow from the counts.
    raw = np.empty((len(n), 3, 3))
    raw[:, 0, 0], raw[:, 0, 1], raw[:, 1, 1] = visits, sales, sales
    raw[:, 0, 2] = raw[:, 1, 2] = spend
    raw[:, 1, 0], raw[:, 2, 0], raw[:, 2, 1] = raw[:, 0, 1], raw[:, 0, 2], raw[:, 1, 2]
    products = raw - n[:, None, None] * means[:, :, None] * means[:, None, :]
    products[:, 2, 2] = spread
    highs = np.column_stack([visits > 0, sales > 0, spend]).astype(float)
    flags = np.tile([True, True, False], (len(n), 1))
    return Moments(BY, OUTCOMES, groups, means, products, np.zeros_like(means), highs, flags)
