"""One way in and one way out for every kind of frame.

Customer-level rows stay where they are: a DuckDB relation, a Spark or a Polars frame is used as it
is, lazily. pandas and PyArrow frames are read by DuckDB in place, which is faster than grouping
them in pandas, and come back as what they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
from narwhals.exceptions import DuplicateError

from segmentation.data.errors import TableError, missing_columns

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

__all__ = ["cents", "collect", "connection", "enter", "frame_kind", "leave"]

EAGER = ("pandas", "pyarrow", "polars")
UNCLEAR = ("mixed", "mixed-integer", "complex", "bytes", "interval", "period", "timedelta")
"""What pandas says of columns of Python objects that no engine can hold."""


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """Return the package's own DuckDB connection: in memory, one a process.

    It is not DuckDB's default connection, so that no setting of the user's is touched.
    """
    import duckdb

    own = duckdb.connect(":memory:")
    # Jupyter without ipywidgets has no bar, and lets nobody switch it off.
    with suppress(duckdb.InvalidInputException):
        own.execute("SET enable_progress_bar = false")
    return own


def frame_kind(frame: Any, table: str = "frame") -> str:
    """Name the kind of `frame`: pandas, pyarrow, polars, polars-lazy, duckdb, pyspark or ibis."""
    if isinstance(frame, nw.DataFrame | nw.LazyFrame):
        frame = frame.to_native()
    try:
        wrapped = nw.from_native(frame)
    except DuplicateError:
        raise TableError(
            table, "a column is there once, and one is not", "Remove or rename the other."
        ) from None
    except TypeError:
        raise TableError(
            table,
            f"a {type(frame).__name__} is not a frame",
            "Pass a pandas, Polars, PyArrow, DuckDB or Spark frame.",
        ) from None
    kind = wrapped.implementation.value
    lazy = isinstance(wrapped, nw.LazyFrame)
    return "polars-lazy" if kind == "polars" and lazy else str(kind)


def enter(frame: Any, table: str = "frame", columns: tuple[str, ...] = ()) -> nw.LazyFrame[Any]:
    """Return `frame` as a lazy frame of the engine that will do the work.

    Parameters
    ----------
    frame : any frame Narwhals knows
    table : str
        What to call it in an error.
    columns : tuple of str
        Columns that must be there.

    Raises
    ------
    TableError
        If it is no frame, a column is missing or there twice, or cells of a pandas column are of
        no type that an engine has.

    Notes
    -----
    Times of pandas and PyArrow that carry a zone are read as the clock of that zone showed them,
    so that no setting of the machine moves a day.
    """
    kind = frame_kind(frame, table)
    native = nw.to_native(frame, pass_through=True)
    if kind in ("pandas", "pyarrow", "duckdb", "pyspark"):
        _named_once(table, native.column_names if kind == "pyarrow" else native.columns)
    if kind == "pandas":
        missing_columns(table, columns, native.columns)
        lazy = nw.from_native(_from_pandas(native, table))
    elif kind == "pyarrow":
        lazy = nw.from_native(connection().from_arrow(_clock_times(native)))
    else:
        lazy = nw.from_native(frame).lazy()
    missing_columns(table, columns, lazy.collect_schema().names())
    return lazy


def _named_once(table: str, names: Iterable[object]) -> None:
    seen = list(names)
    if not all(isinstance(name, str) for name in seen):
        raise TableError(table, "column names are text", "Rename the columns.")
    twice = next((str(name) for name in seen if seen.count(name) > 1), None)
    if twice:
        raise TableError(table, "a column is there once", "Remove or rename the other.", twice)


def _from_pandas(frame: pd.DataFrame, table: str) -> duckdb.DuckDBPyRelation:
    """Let DuckDB read a pandas frame, whose columns are first brought to types that it has."""
    import duckdb
    import pandas as pd

    changed: dict[str, Any] = {}
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            changed[name] = column.dt.tz_localize(None)
        elif isinstance(column.dtype, pd.PeriodDtype):
            changed[name] = column.dt.to_timestamp()
        elif column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in UNCLEAR:
            raise _unclear(table, str(name))
    try:
        return connection().from_df(frame.assign(**changed) if changed else frame)
    except duckdb.Error:  # its message may hold a value
        pass
    for name in frame.columns:  # which one was it?
        try:
            connection().from_df(frame[[name]])
        except duckdb.Error:
            raise _unclear(table, name) from None
    raise _unclear(table, None)


def _unclear(table: str, column: str | None) -> TableError:
    return TableError(
        table,
        "the cells of a column are of one type: text, numbers, dates or flags",
        "Convert the column, for example with `astype` or `pandas.to_datetime`.",
        column,
    )


def _clock_times(frame: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    for index, column in enumerate(frame.schema):
        if pa.types.is_timestamp(column.type) and column.type.tz:
            times = pc.local_timestamp(frame.column(index))
            frame = frame.set_column(index, column.name, times)
    return frame


def collect(lazy: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Bring a small result back as a pandas DataFrame, dates as datetime64, counts as int64."""
    frame: pd.DataFrame = leave(lazy, "pandas")
    return frame


def leave(lazy: nw.LazyFrame[Any], kind: str) -> Any:
    """Return `lazy` as the kind of frame that `frame_kind` named; lazy kinds stay lazy."""
    if kind not in EAGER:
        return lazy.to_native()
    wide = [name for name, dtype in lazy.collect_schema().items() if dtype == nw.Int128]
    if wide:
        lazy = lazy.with_columns(nw.col(*wide).cast(nw.Int64))
    if kind == "polars":
        return lazy.collect("polars").to_native()
    arrow = lazy.collect("pyarrow").to_native()
    return arrow if kind == "pyarrow" else arrow.to_pandas(date_as_object=False)


def cents(amount: nw.Expr) -> nw.Expr:
    """Round to the cent, halves up, as ``floor(100·x + ½)/100``.

    Sums of floats differ in their last bit by engine and by thread, and ``round`` breaks ties
    differently on each. A tier or a rank is taken only after this, so that 50,000.00 is in the
    tier that begins there on every engine.
    """
    return (amount * 100 + 0.5).floor() / 100
