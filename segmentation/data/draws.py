"""What every part of the simulation draws with: one stream a table, money, dates and numbers."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "NEVER",
    "Array",
    "dates",
    "expand",
    "identifiers",
    "logistic",
    "named",
    "pick",
    "stream",
    "yuan",
]

Array = npt.NDArray[Any]
NEVER = int(np.iinfo("int32").max)
"""Day number of what does not happen."""


def stream(seed: int, table: str) -> np.random.Generator:
    """Return the generator of one table: what another table draws does not move it."""
    sequence = np.random.SeedSequence(seed, spawn_key=(crc32(table.encode()),))
    return np.random.default_rng(sequence)


def yuan(values: Any) -> Array:
    """Round to cents as the engines do: floor(100 x + ½) / 100."""
    return np.floor(np.asarray(values, dtype="float64") * 100 + 0.5) / 100


def dates(days: Any) -> Array:
    """Return day numbers since 1970 as the dates of a pandas frame; `NEVER` is null."""
    numbers = np.asarray(days).astype("int64")
    found = numbers.astype("datetime64[D]").astype("datetime64[us]")
    found[numbers == NEVER] = np.datetime64("NaT")
    return found


def identifiers(prefix: str, count: int, width: int = 2) -> Any:
    """Return `count` identifiers, text with leading zeros, numbered from 1."""
    digits = max(width, len(str(count)))
    return pd.array([f"{prefix}{number:0{digits}d}" for number in range(1, count + 1)], dtype="str")


def named(labels: Any, codes: Any) -> Any:
    """Return the label of each code as text; a negative code is null."""
    codes = np.asarray(codes)
    text = labels if isinstance(labels, pd.api.extensions.ExtensionArray) else None
    if text is None:
        text = pd.array(list(labels), dtype="str")
    if len(text) == 0:
        text = pd.array([None], dtype="str")
    return text.take(codes, allow_fill=True)


def pick(rng: np.random.Generator, shares: Any, size: int | None = None) -> Array:
    """Draw a code a row: `shares` is one row of weights for all of `size`, or a row for each."""
    weights = np.atleast_2d(np.asarray(shares, dtype="float64"))
    limits = np.cumsum(weights, axis=1)
    limits = limits / limits[:, -1:]
    draws = rng.random(len(weights) if size is None else size)
    codes: Array = (draws[:, None] >= limits[:, :-1]).sum(axis=1)
    return codes


def logistic(values: Any) -> Array:
    """Return the probability of each log odds."""
    chance: Array = 1 / (1 + np.exp(-np.asarray(values, dtype="float64")))
    return chance


def expand(counts: Any) -> tuple[Array, Array]:
    """Return, for rows repeated `counts` times, the row and the position within its repeats."""
    counts = np.asarray(counts, dtype="int64")
    rows = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    return rows, np.arange(len(rows)) - starts[rows]
