"""Estimators of scikit-learn that learners are made of, and how they are kept repeatable."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from segmentation.campaigns.folds import seed_number

__all__ = ["classifier", "one_thread", "seeded", "small_trees"]

SMALL = 200_000
"""Customers below which a model is fitted on one thread."""


def one_thread(rows: int) -> AbstractContextManager[Any]:
    """Fit small models on one thread: to share out so little work takes longer than doing it."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return threadpool_limits(1) if rows < SMALL else nullcontext()


def small_trees() -> Any:
    """Boosted trees that are small enough for a few thousand customers."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_iter=100,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=50,
        early_stopping=False,
    )


def classifier(propensity: Any) -> Any:
    """Return the classifier that was asked for, by name or as it is."""
    if propensity != "logistic":
        return propensity
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())


def seeded(model: Any, seed: int | str) -> Any:
    """Return a copy of the model whose random states, where they are not set, follow the seed."""
    from sklearn.base import clone

    model = clone(model)
    free = [
        name
        for name, value in model.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    ]
    return model.set_params(**dict.fromkeys(free, seed_number(seed)))
