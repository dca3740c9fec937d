"""What the tests share: the real data folder, and each engine's frames from one pandas frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
STRICT = os.environ.get("CI") == "true"
"""In CI nothing is skipped: what is absent there fails."""


def absent(reason: str) -> None:
    """Skip the test, saying why; in CI, fail it."""
    if STRICT:
        pytest.fail(f"not skipped in CI: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: `SEGMENTATION_DATA`, by default ../shared/data."""
    folder = Path(os.environ.get("SEGMENTATION_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        absent(f"the real data are not here ({folder.name}): set SEGMENTATION_DATA")
    return folder


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A local Spark session of two cores."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        absent("PySpark is not installed: pip install 'branch-segmentation[spark]'")
    import shutil

    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        absent("Java is not installed, which PySpark needs")
    session = (
        SparkSession.builder.master("local[2]")
        .appName("segmentation-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


ENGINES = [
    "pandas",
    "pyarrow",
    "polars",
    "polars-lazy",
    "duckdb",
    pytest.param("spark", marks=pytest.mark.spark),
]


@pytest.fixture(params=ENGINES)
def to_engine(request: pytest.FixtureRequest) -> Callable[[pd.DataFrame], Any]:
    """A function that turns a pandas frame into a frame of each engine in turn."""
    name = request.param
    if name == "pandas":
        return lambda frame: frame
    if name == "pyarrow":
        import pyarrow as pa

        return lambda frame: pa.Table.from_pandas(frame, preserve_index=False)
    if name.startswith("polars"):
        import polars as pl

        return lambda frame: (
            pl.from_pandas(frame).lazy() if name == "polars-lazy" else pl.from_pandas(frame)
        )
    if name == "duckdb":
        from segmentation.data.engines import connection

        return lambda frame: connection().from_df(frame)
    import pyarrow as pa  # PySpark warns of pandas 3, but not of its Arrow table

    session = request.getfixturevalue("spark")
    return lambda frame: session.createDataFrame(pa.Table.from_pandas(frame, preserve_index=False))


def to_pandas(frame: Any) -> pd.DataFrame:
    """Bring a frame of any engine back as pandas."""
    from segmentation.data.engines import collect, enter

    return collect(enter(frame))
