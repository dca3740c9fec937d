"""One way in and one way out for every kind of frame.

Customer-level rows stay where they are: a DuckDB relation, a Spark or a Polars frame is used as it
is, lazily. pandas and PyArrow frames are read by DuckDB in place, which is faster than grouping
them in pandas, and come back as what they were.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from segmentation.data.errors import TableError, missing_columns

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["cents", "collect", "connection", "enter", "frame_kind", "leave"]

EAGER = ("pandas", "pyarrow", "polars")


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """Return the package's own DuckDB connection: in memory, one a process.

    It is not DuckDB's default connection, so that no setting of the user's is touched.
    """
    import duckdb

    own = duckdb.connect(":memory:")
    own.execute("SET enable_progress_bar = false")
    return own


def frame_kind(frame: Any, table: str = "frame") -> str:
    """Name the kind of `frame`: pandas, pyarrow, polars, polars-lazy, duckdb, pyspark or ibis."""
    if isinstance(frame, nw.DataFrame | nw.LazyFrame):
        frame = frame.to_native()
    try:
        wrapped = nw.from_native(frame)
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
        If it is no frame, or a column is missing.
    """
    kind = frame_kind(frame, table)
    if kind == "pandas":
        native = nw.to_native(frame, pass_through=True)
        if not all(isinstance(name, str) for name in native.columns):
            raise TableError(table, "column names are text", "Rename the columns.")
        missing_columns(table, columns, native.columns)
        lazy = nw.from_native(connection().from_df(native))
    elif kind == "pyarrow":
        lazy = nw.from_native(connection().from_arrow(nw.to_native(frame, pass_through=True)))
    else:
        lazy = nw.from_native(frame).lazy()
    missing_columns(table, columns, lazy.collect_schema().names())
    return lazy


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
