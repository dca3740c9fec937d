"""Crossproducts: what two groups' regressions need to know of their rows, read in the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from segmentation.customers.strata import value_of
from segmentation.customers.vectors import Floats
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["SCALES", "Line", "Sides", "influences", "sides_of"]

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


@dataclass(frozen=True)
class Line:
    """The regression that a group's rows have a part in.

    Attributes
    ----------
    inverse : array (K, K)
        A row moves the reference slopes by ``inverse·(x − centre)·e``.
    centre, slopes : array (K,)
    start : float
        ``e = y − slopes·x − start``.
    root : array (K, K)
    least : float
        The leverage of a row is ``|root·(x − centre)|² + least``.
    """

    inverse: Floats
    centre: Floats
    slopes: Floats
    start: float
    root: Floats
    least: float


def sides_of(
    data: Any, outcome: str, group: str, covariates: Sequence[str], base: Any, scale: str
) -> Sides:
    """Read group sizes, means and products of outcome and covariates."""
    names = (outcome, group, *covariates)
    if len(set(names)) < len(names):
        raise TableError("covariates", "each column is named once", "Leave the others away.")
    lazy = enter(data, "data", names)
    schema = lazy.collect_schema()
    if schema[outcome] != nw.Boolean and not schema[outcome].is_numeric():
        raise TableError("data", "it is a number or a flag", "Convert it.", outcome)
    texts = [name for name in covariates if _is_text(schema[name], name)]
    numbers = [name for name in covariates if name not in texts]
    plain: dict[str, nw.Expr] = {name: value_of(name, schema[name]) for name in (*numbers, outcome)}
    kind = schema[group]
    text = _is_text(kind, group)
    key = nw.col(group).cast(nw.String) if text else value_of(group, kind)
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
    if n.min() < 2:
        raise TableError("data", "each group has two rows or more", "Join groups.", group)
    names_of = tuple(_named(label, kind) for label in labels)
    dropped = rows - int(n.sum())
    return Sides(
        lazy, owners, (names_of[0], names_of[1]), n, centre, spread, means, products, dropped
    )


def influences(
    sides: Sides, lines: Sequence[Line], moves: Sequence[Mapping[str, tuple[Floats, Floats]]]
) -> pd.DataFrame:
    """Spread within each group of what its rows move each part by, in one scan.

    `moves` has for base and other the parts by name; a part ``(a, u)`` is moved by
    ``a·(z − z̄) + (u·(x − m))·e/(1 − h)``, e the residual of the group's line. A row with a leverage
    h draws the line to itself, and its residual is too small by this factor (HC3). A row a group, a
    column a part: sums of squares about the group's mean.
    """
    width = len(sides.covariates)
    z = [nw.col(f"z_{k}") for k in range(width + 1)]
    errors = {f"error_{side}": _error(z, line) for side, line in enumerate(lines)}
    columns: dict[str, nw.Expr] = {}
    for side, parts in enumerate(moves):
        here = nw.col("side") == side
        for place, (lean, cross) in enumerate(parts.values()):
            moved = _form(z, lean, float(lean @ sides.means[side]))
            if cross.any():
                form = _form(z, np.r_[cross, 0.0], float(cross @ lines[side].centre))
                moved = moved + form * nw.col(f"error_{side}")
            columns[f"m_{side}_{place}"] = nw.when(here).then(moved).otherwise(0.0)
    lazy = sides.lazy.with_columns(**errors).select(**columns)
    squares = {f"{name}_square": nw.col(name) * nw.col(name) for name in columns}
    row = collect(lazy.with_columns(**squares).select(nw.all().sum())).iloc[0]
    found = {
        part: [
            float(row[f"m_{side}_{place}_square"])
            - float(row[f"m_{side}_{place}"]) ** 2 / sides.n[side]
            for side in (0, 1)
        ]
        for place, part in enumerate(moves[0])
    }
    return pd.DataFrame(found, index=list(ROWS))


def _error(z: Sequence[nw.Expr], line: Line) -> nw.Expr:
    """Residual over 1 less the leverage, ``h = |root·(x − m)|² + least``; 0 where h is 1."""
    leverage: nw.Expr = nw.lit(line.least)
    for row in line.root:
        form = _form(z, np.r_[row, 0.0], float(row @ line.centre))
        leverage = leverage + form * form
    left = 1 - leverage
    error = _form(z, np.r_[-line.slopes, 1.0], line.start)
    return nw.when(left > 1e-6).then(error / left).otherwise(0.0)


def _form(z: Sequence[nw.Expr], slopes: Floats, start: float) -> nw.Expr:
    """``slopes·z − start``."""
    total: nw.Expr = nw.lit(-start)
    for column, slope in zip(z, slopes, strict=True):
        if slope:
            total = total + column * float(slope)
    return total


def _is_text(dtype: Any, name: str) -> bool:
    if dtype == nw.Boolean or dtype.is_numeric():
        return False
    if dtype in (nw.String, nw.Categorical, nw.Enum) or isinstance(dtype, nw.Enum):
        return True
    raise TableError("data", "it is a number, a flag or text", "Convert it.", name)


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
