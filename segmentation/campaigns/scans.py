"""The scan that reads sums of differences by group from any engine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.arms import as_number
from segmentation.data.engines import collect, leave
from segmentation.data.errors import TableError

__all__ = ["Floats", "Scan", "scan"]

Floats = npt.NDArray[np.float64]

HEAD = 1000
"""Rows whose median is the rough centre."""

DIGITS = 1e-10
"""Relative error of a variance above which a scan from better centres follows."""


LARGEST = 1e300
"""Sums above this are refused: their products overflow."""


class Scan(NamedTuple):
    """What a scan found, in any order of the groups; as in `Moments`."""

    groups: pd.DataFrame
    means: Floats
    products: Floats
    lows: Floats
    highs: Floats
    flags: npt.NDArray[np.bool_]


def scan(lazy: nw.LazyFrame[Any], columns: Sequence[str], by: Sequence[str]) -> Scan:
    """Scan once, and again where the rough centre was too far from a group.

    Where nothing is missing in the first rows, it is tried whether nothing is at all: what would
    leave incomplete rows out costs as much as the sums do.
    """
    rows = _prepared(lazy, columns, by, whole=True)
    centres, whole = _centres(rows, len(columns))
    tried = _sums(rows, columns, by, centres, whole=True) if whole else None
    if tried is None:
        rows = _prepared(lazy, columns, by)
        tried = _sums(rows, columns, by, centres)
        assert tried is not None
    found, lost = tried
    if lost and by:
        better = _sums(_with_means(rows, centres, len(by)), columns, by, None)
    elif lost:
        better = _sums(rows, columns, by, [float(mean) for mean in found.means[0]])
    else:
        return found
    assert better is not None
    return better[0]


def _prepared(
    lazy: nw.LazyFrame[Any], columns: Sequence[str], by: Sequence[str], whole: bool = False
) -> nw.LazyFrame[Any]:
    """Name the numbers x0, x1, … and the groups b0, b1, …, which no engine stumbles over.

    Numbers are null in rows that are not complete; as they are if all rows are said to be `whole`.
    """
    schema = lazy.collect_schema()
    numbers = [as_number("data", name, schema[name]) for name in columns]
    if whole:
        floats = [schema[name].is_float() for name in columns]
        raw = [nw.col(name).cast(nw.Float64) for name in columns]
        numbers = [r if f else n for r, f, n in zip(raw, floats, numbers, strict=True)]
    rows = lazy.select(
        *(number.alias(f"x{k}") for k, number in enumerate(numbers)),
        *(_key(name, schema[name]).alias(f"b{i}") for i, name in enumerate(by)),
    )
    if len(columns) == 1 or whole:
        return rows
    names = [f"x{k}" for k in range(len(columns))]
    full = nw.all_horizontal(*(~nw.col(name).is_null() for name in names), ignore_nulls=False)
    return rows.with_columns(*(nw.when(full).then(nw.col(name)).alias(name) for name in names))


def _key(name: str, dtype: Any) -> nw.Expr:
    column = nw.col(name)
    if dtype in (nw.Categorical, nw.Enum):
        return column.cast(nw.String)
    if dtype.is_float():  # NaN is null, and −0 is 0
        return nw.when(~column.is_nan()).then(column.cast(nw.Float64) + 0.0)
    return column


def _centres(rows: nw.LazyFrame[Any], width: int) -> tuple[list[float], bool]:
    """Medians of the first rows, and whether nothing is missing in these."""
    head = collect(rows.select(*(f"x{k}" for k in range(width))).head(HEAD))
    values = head.to_numpy(dtype=float, na_value=np.nan)
    finite = (column[np.isfinite(column)] for column in values.T)
    medians = [float(np.median(column)) if len(column) else 0.0 for column in finite]
    return medians, not np.isnan(values).any()


def _with_means(rows: nw.LazyFrame[Any], centres: Sequence[float], depth: int) -> nw.LazyFrame[Any]:
    """Give each row the means of its group, as m0, m1, …; null matches null."""
    keys = [nw.col(f"b{i}").cast(nw.String).fill_null("").alias(f"k{i}") for i in range(depth)]
    nulls = [nw.col(f"b{i}").is_null().alias(f"o{i}") for i in range(depth)]
    rows = rows.with_columns(*keys, *nulls)
    on = [f"{letter}{i}" for letter in "ko" for i in range(depth)]
    gaps = [(nw.col(f"x{k}") - centre).alias(f"m{k}") for k, centre in enumerate(centres)]
    means = rows.with_columns(*gaps).group_by(*on)
    found = means.agg(*(nw.col(f"m{k}").mean() for k in range(len(centres)))).select(
        *(nw.col(name).alias(f"{name}_") for name in on),
        *((nw.col(f"m{k}") + centre).alias(f"m{k}") for k, centre in enumerate(centres)),
    )
    return rows.join(found, how="inner", left_on=on, right_on=[f"{name}_" for name in on])


def _sums(
    rows: nw.LazyFrame[Any],
    columns: Sequence[str],
    by: Sequence[str],
    centres: Sequence[float] | None,
    whole: bool = False,
) -> tuple[Scan, bool] | None:
    """Sum differences from the centres (None: m0, m1, …) and products; say if digits were lost.

    None if the rows were said to be `whole`, and are not.
    """
    width = range(len(columns))
    pairs = list(combinations_with_replacement(width, 2))
    middles = [nw.col(f"m{k}") if centres is None else nw.lit(centres[k]) for k in width]
    both = [(nw.col(f"x{k}") == 0.0) | (nw.col(f"x{k}") == 1.0) for k in width]
    ready = rows.with_columns(
        *((nw.col(f"x{k}") - middles[k]).alias(f"d{k}") for k in width),
        *(both[k].cast(nw.Int64).alias(f"f{k}") for k in width),
    ).with_columns(*((nw.col(f"d{k}") * nw.col(f"d{j}")).alias(f"p{k}_{j}") for k, j in pairs))
    wanted = [nw.len().alias("rows"), nw.col("x0").count().alias("n")]
    wanted += [nw.col(f"x{k}").count().alias(f"n{k}") for k in width] if whole else []
    for k in width:
        value = nw.col(f"x{k}")
        wanted += [value.min().alias(f"l{k}"), value.max().alias(f"h{k}")]
        wanted += [nw.col(f"d{k}").sum(), nw.col(f"f{k}").min()]
        wanted += [nw.col(f"m{k}").max()] if centres is None else []
    wanted += [nw.col(f"p{k}_{j}").sum() for k, j in pairs]
    keys = [f"b{i}" for i in range(len(by))]
    lazy = ready.group_by(*keys).agg(*wanted) if by else ready.select(*wanted)
    arrow = leave(lazy, "pyarrow")

    def read(letter: str) -> Floats:
        """Columns of one letter as floats, (G, K); null as NaN."""
        return np.column_stack([_floats(arrow, f"{letter}{k}") for k in width])

    if whole:
        counts = read("n")
        if (counts != _floats(arrow, "rows")[:, None]).any() or np.isnan(read("d")).any():
            return None
    lows, highs, sums = read("l"), read("h"), np.nan_to_num(read("d"))
    _finite(rows, columns, np.isinf(lows) | np.isinf(highs))
    n = _floats(arrow, "n").astype(np.int64)
    raw = np.zeros((len(n), len(columns), len(columns)))
    for k, j in pairs:
        raw[:, k, j] = raw[:, j, k] = np.nan_to_num(_floats(arrow, f"p{k}_{j}"))
    if not np.isfinite(raw).all() or (np.abs(raw) > LARGEST).any():
        k = int(np.abs(np.nan_to_num(raw[:, width, width])).max(axis=0).argmax())
        raise TableError("data", "numbers can be squared", "Use larger units.", columns[k])
    origin = read("m") if centres is None else np.broadcast_to(np.asarray(centres), lows.shape)
    below = np.where(n > 0, n, np.nan)[:, None]
    shifts = np.nan_to_num(sums / below)
    # A constant is known exactly, however far it lies from the centre.
    constant = (lows == highs) | (n[:, None] == 0)
    means = np.where(constant, lows, origin + sums / below)
    products = raw - n[:, None, None] * shifts[:, :, None] * shifts[:, None, :]
    products[constant[:, :, None] | constant[:, None, :]] = 0.0
    total, kept = raw[:, width, width], products[:, width, width]
    error = np.finfo(float).eps * np.sqrt(n)[:, None] * total
    lost = bool((~constant & (error > DIGITS * kept)).any())
    labels = {name: _labels(arrow.column(f"b{i}")) for i, name in enumerate(by)}
    dropped = _floats(arrow, "rows").astype(np.int64) - n
    groups = pd.DataFrame({**labels, "n": n, "dropped": dropped})
    flags = np.nan_to_num(read("f"), nan=1.0).astype(bool)
    return Scan(groups, means, products, lows, highs, flags), lost


def _floats(arrow: Any, name: str) -> Floats:
    values = arrow.column(name).to_numpy()
    return np.asarray(values, dtype=float)


def _labels(column: Any) -> pd.Series[Any]:
    """Labels of groups; with a null among them as objects, so that whole numbers stay whole."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type) and column.type.tz:  # the clock of its zone
        column = pc.local_timestamp(column)
    if not column.null_count:
        return pd.Series(column.to_pandas(date_as_object=False))
    whole = column.to_pylist()
    series = column.to_pandas(date_as_object=False)
    if series.dtype.kind == "M":
        whole = [None if pd.isna(label) else label for label in series]
    return pd.Series(whole, dtype=object)


def _finite(
    rows: nw.LazyFrame[Any], columns: Sequence[str], infinite: npt.NDArray[np.bool_]
) -> None:
    if not infinite.any():
        return
    k = int(np.flatnonzero(infinite.any(axis=0))[0])
    wrong = nw.col(f"x{k}").abs() == float("inf")
    count = collect(rows.select(wrong.cast(nw.Int64).sum().alias("wrong")))
    raise TableError(
        "data",
        "numbers are finite",
        "Find what was divided by 0, or leave these rows out.",
        columns[k],
        int(count["wrong"].iloc[0]),
    )
