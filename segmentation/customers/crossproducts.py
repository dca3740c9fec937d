"""Crossproducts: what two groups' regressions need to know of their rows, read in the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.vectors import Floats
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["Sides", "influences", "sides_of"]

LEVELS = 50
"""Levels beyond which a text covariate is no category."""
SCALES = ("amount", "log", "log1p")
ROWS = ("base", "other")


@dataclass(frozen=True)
class Sides:
    """Two groups, base and other, in columns of mean 0 and standard deviation 1 of both together.

    Attributes
    ----------
    lazy : LazyFrame
        ``side`` (0 base, 1 other), ``z_0 … z_K``, of which the last is the outcome.
    covariates : tuple of str
        The covariate that each of the first K columns is of.
    labels : tuple
        The two groups' names.
    n : array (2,)
    centre, spread : array (K + 1,)
        What was taken off and divided by.
    means : array (2, K + 1)
    products : array (2, K + 1, K + 1)
        Sums of products about each group's own means.
    dropped : int
        Rows that lack the outcome, the group or a covariate.
    """

    lazy: nw.LazyFrame[Any]
    covariates: tuple[str, ...]
    labels: tuple[Any, Any]
    n: Floats
    centre: Floats
    spread: Floats
    means: Floats
    products: Floats
    dropped: int


def sides_of(
    data: Any, outcome: str, group: str, covariates: Sequence[str], base: Any, scale: str
) -> Sides:
    """Read group sizes, means and products of outcome and covariates."""
    names = (outcome, group, *covariates)
    if len(set(names)) < len(names):
        raise TableError("covariates", "each column is named once", "Leave the others away.")
    lazy = enter(data, "data", names)
    schema = lazy.collect_schema()
    texts = [name for name in covariates if _is_text(schema[name], name)]
    numbers = [name for name in covariates if name not in texts]
    plain: dict[str, nw.Expr] = {name: _value(name, schema[name]) for name in (*numbers, outcome)}
    if schema[outcome] != nw.Boolean and not schema[outcome].is_numeric():
        raise TableError("data", "it is a number or a flag", "Convert it.", outcome)
    kind = schema[group]
    text = _is_text(kind, group)
    key = nw.col(group).cast(nw.String) if text else _value(group, kind)
    lazy = lazy.select(
        key.alias("group"),
        *(value.alias(f"number_{place}") for place, value in enumerate(plain.values())),
        *(nw.col(name).cast(nw.String).alias(f"text_{k}") for k, name in enumerate(texts)),
    )
    known = ~nw.any_horizontal(
        *(nw.col(name).is_null() for name in lazy.collect_schema().names()), ignore_nulls=True
    )
    rows = int(collect(lazy.select(nw.len().alias("rows")))["rows"].iloc[0])
    lazy = lazy.filter(known)
    labels = _labels(lazy, group, base)
    columns, owners = _columns(lazy, texts, numbers)
    value = _scaled(nw.col(f"number_{len(numbers)}"), scale)
    columns.append(value)
    lazy = lazy.select(
        nw.when(nw.col("group") == labels[1]).then(1).otherwise(0).cast(nw.Int64).alias("side"),
        nw.col(f"number_{len(numbers)}").alias("raw"),
        *(column.alias(f"x_{k}") for k, column in enumerate(columns)),
    )
    centre, spread = _scales(lazy, [*owners, outcome], scale)
    lazy = lazy.select(
        "side",
        *(
            ((nw.col(f"x_{k}") - float(centre[k])) / float(spread[k])).alias(f"z_{k}")
            for k in range(len(columns))
        ),
    )
    n, means, products = _products(lazy, len(columns))
    names_of = tuple(_named(label, kind) for label in labels)
    dropped = rows - int(n.sum())
    return Sides(
        lazy, owners, (names_of[0], names_of[1]), n, centre, spread, means, products, dropped
    )


def influences(
    sides: Sides, side: int, residual: tuple[Floats, float], parts: Mapping[str, Any]
) -> pd.Series:
    """Spread within a group of what each row moves each part by: the sum of squares about its mean.

    A part is ``(a, u)``: a row moves it by ``a·z + (u·(z − m))·e``, where e is the residual
    ``y − slopes·x − start`` and ``m`` stands in ``u`` as a third item.
    """
    width = len(sides.covariates)
    slopes, start = residual
    lazy = sides.lazy.filter(nw.col("side") == side)
    error = nw.col(f"z_{width}") - float(start)
    for k in range(width):
        error = error - nw.col(f"z_{k}") * float(slopes[k])
    lazy = lazy.with_columns(error=error)
    moved = {}
    for name, (linear, crossed, middle) in parts.items():
        lean: nw.Expr = nw.lit(0.0)
        for k in range(width + 1):
            if linear[k]:
                lean = lean + (nw.col(f"z_{k}") - float(sides.means[side, k])) * float(linear[k])
        form: nw.Expr = nw.lit(0.0)
        for k in range(width):
            form = form + (nw.col(f"z_{k}") - float(middle[k])) * float(crossed[k])
        moved[name] = lean + form * nw.col("error")
    lazy = lazy.select(**moved)
    lazy = lazy.select(nw.all(), **{f"{name}_square": nw.col(name) ** 2 for name in moved})
    sums = collect(lazy.select(nw.all().sum())).iloc[0]
    squares = {
        name: float(sums[f"{name}_square"]) - float(sums[name]) ** 2 / sides.n[side]
        for name in moved
    }
    return pd.Series(squares)


def _is_text(dtype: Any, name: str) -> bool:
    if dtype == nw.Boolean or dtype.is_numeric():
        return False
    if dtype in (nw.String, nw.Categorical, nw.Enum) or isinstance(dtype, nw.Enum):
        return True
    raise TableError("data", "it is a number, a flag or text", "Convert it.", name)


def _value(name: str, dtype: Any) -> nw.Expr:
    value = nw.col(name)
    if dtype == nw.Boolean:
        return value.cast(nw.Int64).cast(nw.Float64)
    value = value.cast(nw.Float64)
    return nw.when(~value.is_nan()).then(value) if dtype.is_float() else value


def _named(label: Any, dtype: Any) -> Any:
    """A group's name as the column has it."""
    if dtype == nw.Boolean:
        return bool(label)
    return int(label) if not isinstance(label, str) and float(label).is_integer() else label


def _labels(lazy: nw.LazyFrame[Any], group: str, base: Any) -> tuple[Any, Any]:
    """The two groups, the base first."""
    found = collect(lazy.group_by("group").agg(nw.len().alias("n")).head(3))["group"]
    if len(found) != 2:
        mend = "Filter the rows to two groups that have complete rows, or make a flag."
        raise TableError("data", "there are two groups", mend, group)
    first, second = sorted(found.tolist())
    if base is None or base == first:
        return first, second
    if base == second:
        return second, first
    raise TableError("base", "it is one of the two groups", "Name one of them.")


def _columns(
    lazy: nw.LazyFrame[Any], texts: list[str], numbers: list[str]
) -> tuple[list[nw.Expr], tuple[str, ...]]:
    """Columns of the regression, each with the covariate that it is of."""
    columns: list[nw.Expr] = [nw.col(f"number_{place}") for place in range(len(numbers))]
    owners = list(numbers)
    for place, name in enumerate(texts):
        column = f"text_{place}"
        counts = collect(lazy.group_by(column).agg(nw.len().alias("n")).head(LEVELS + 1))
        if len(counts) > LEVELS:
            raise TableError("data", "text has at most 50 levels", "Group its values.", name)
        counts = counts.sort_values(["n", column], ascending=[False, True])
        for level in counts[column].tolist()[1:] or counts[column].tolist():
            flag = nw.when(nw.col(column) == level).then(1.0).otherwise(0.0)
            columns.append(flag)
            owners.append(name)
    return columns, tuple(owners)


def _scaled(value: nw.Expr, scale: str) -> nw.Expr:
    if scale == "amount":
        return value
    value = value if scale == "log" else value + 1
    return nw.when(value > 0).then(value).otherwise(1.0).log()


def _scales(lazy: nw.LazyFrame[Any], names: Sequence[str], scale: str) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column; none may be constant or infinite."""
    moments = [
        part
        for k in range(len(names))
        for part in (
            nw.col(f"x_{k}").mean().alias(f"mean_{k}"),
            nw.col(f"x_{k}").std().alias(f"sd_{k}"),
            nw.col(f"x_{k}").min().alias(f"low_{k}"),
            nw.col(f"x_{k}").max().alias(f"high_{k}"),
        )
    ]
    row = collect(lazy.select(*moments, least=nw.col("raw").min())).iloc[0]
    if scale != "amount" and not (row["least"] > 0 or (scale == "log1p" and row["least"] == 0)):
        mend = "Filter the rows, or take another scale: log1p allows 0, amount everything."
        raise TableError("data", "a logarithm is of amounts above 0", mend, names[-1])
    for k, name in enumerate(names):
        if not np.isfinite([row[f"low_{k}"], row[f"high_{k}"]]).all():
            raise TableError("data", "numbers are finite", "Mend them.", name)
        if row[f"low_{k}"] == row[f"high_{k}"] and k == len(names) - 1:
            raise TableError("data", "the outcome differs between rows", "Take another.", name)
        if row[f"low_{k}"] == row[f"high_{k}"]:
            mend = "Leave it away: the constant is always there already."
            raise TableError("data", "a covariate differs between rows", mend, name)
    columns = range(len(names))
    centre: Floats = np.array([row[f"mean_{k}"] for k in columns], float)
    spread: Floats = np.array([row[f"sd_{k}"] for k in columns], float)
    return centre, spread


def _products(lazy: nw.LazyFrame[Any], width: int) -> tuple[Floats, Floats, Floats]:
    """Counts, means and centred products of both sides."""
    pairs = [(i, j) for i in range(width) for j in range(i, width)]
    lazy = lazy.with_columns(
        **{f"p_{i}_{j}": nw.col(f"z_{i}") * nw.col(f"z_{j}") for i, j in pairs}
    )
    sums = [nw.col(f"z_{k}").sum() for k in range(width)]
    sums += [nw.col(f"p_{i}_{j}").sum() for i, j in pairs]
    table = collect(lazy.group_by("side").agg(nw.len().alias("n"), *sums)).sort_values("side")
    n = table["n"].to_numpy(float)
    means = table[[f"z_{k}" for k in range(width)]].to_numpy(float) / n[:, None]
    products: Floats = np.zeros((2, width, width))
    for i, j in pairs:
        raw = table[f"p_{i}_{j}"].to_numpy(float) - n * means[:, i] * means[:, j]
        products[:, i, j] = products[:, j, i] = raw
    return n, means, products
