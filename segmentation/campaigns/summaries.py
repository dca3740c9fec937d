"""Several uplift curves side by side."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from segmentation.campaigns.curves import UpliftCurve

__all__ = ["curve_table"]

COLUMNS = (
    *("score", "outcome", "arm", "qini", "qini_se", "qini_low", "qini_high", "qini_p"),
    *("autoc", "autoc_se", "autoc_low", "autoc_high", "autoc_p", "n_control", "n_treated"),
)


def curve_table(curves: Iterable[UpliftCurve]) -> pd.DataFrame:
    """Return what several curves say, one row a curve.

    Curves of different outcomes are in different units. To compare scores on the same customers
    use `compare_curves`, which takes them in pairs.

    Parameters
    ----------
    curves : iterable of UpliftCurve

    Returns
    -------
    DataFrame
        ``score outcome arm qini qini_se qini_low qini_high qini_p autoc autoc_se autoc_low
        autoc_high autoc_p n_control n_treated``.

    Examples
    --------
    >>> from segmentation import hillstrom_sums, uplift_curve
    >>> question = ("womens", "visit", "segment", "No E-Mail", "Womens E-Mail")
    >>> table = curve_table([uplift_curve(hillstrom_sums(), *question)])
    >>> table[["qini", "qini_se"]].round(5).values.tolist()
    [[0.00768, 0.00079]]
    """
    rows = [[getattr(curve, name) for name in COLUMNS] for curve in curves]
    return pd.DataFrame(rows, columns=list(COLUMNS))
