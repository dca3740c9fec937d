"""The design of a campaign: what was assigned, and how else it might have been."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.arms import text_reader
from segmentation.data.engines import collect, enter
from segmentation.data.errors import TableError

__all__ = ["ALL", "FIXED", "UNKNOWN", "Design", "stratum_labels", "text_columns"]

ALL, UNKNOWN = "all", "unknown"
"""The stratum of a design without strata, and that of units of which it is not known."""
FIXED = 0
"""Wave of units that were assigned nobody knows how, and are never permuted."""
CELLS = 2_000_000_000
"""Most cells that a table of permutations may have (a byte each)."""

Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Design:
    """A complete randomisation within strata: so many units of each stratum to each arm.

    Attributes
    ----------
    units : DataFrame
        ``unit arm stratum wave``, one row a unit that was assigned, in the order of the unit's
        text. Units of wave 0 are fixed; all others were drawn within their stratum and wave.
    labels : tuple of str
        The arms; the code of an arm is its place here.
    cluster : str or None
        Column of the units if they are clusters of customers (branches, households).
    seed : int, str or None
        What the draw was keyed by, where that is known.

    Examples
    --------
    >>> import pandas as pd
    >>> branches = pd.DataFrame({"branch_id": ["B1", "B2", "B3"],
    ...                          "arm": ["festival", "none", "none"]})
    >>> design = Design.from_arms(branches, "branch_id", "arm")
    >>> design.count
    3
    >>> design.permutations(100).tolist()
    [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    """

    units: pd.DataFrame
    labels: tuple[str, ...]
    cluster: str | None = None
    seed: int | str | None = None

    @classmethod
    def from_arms(cls, frame: Any, unit: str, arm: str, strata: str | Sequence[str] = ()) -> Design:
        """Take the design from the data: a complete randomisation with the counts observed.

        Parameters
        ----------
        frame : any frame
            One row a unit, or many rows a unit: the customers of branches.
        unit, arm : str
            Columns of what was assigned, and to what.
        strata : str or sequence of str
            Columns within which it was drawn; a missing value is a level of its own.

        Raises
        ------
        TableError
            If a unit or an arm is missing, or a unit is in two arms or two strata.
        """
        strata = (strata,) if isinstance(strata, str) else tuple(strata)
        lazy = enter(frame, "frame", tuple(dict.fromkeys((unit, arm, *strata))))
        names = [f"s{i}" for i in range(len(strata))]
        columns = {"unit": unit, "arm": arm, **dict(zip(names, strata, strict=True))}
        lazy = text_columns(lazy, "frame", columns)
        found = collect(lazy.unique())
        for part, name in (("unit", unit), ("arm", arm)):
            if missing := int(found[part].isna().sum()):
                raise TableError("frame", "units and arms are filled", "Fill it.", name, missing)
        if twice := int(found["unit"].duplicated().sum()):
            two = found.groupby("unit")["arm"].nunique().max() > 1
            rule = f"a unit is in one {'arm' if two else 'stratum'}"
            raise TableError("frame", rule, "Name the unit as it was assigned.", unit, twice)
        if len(found) < 2:
            raise TableError("frame", "a design has two units or more", "Pass all units.", unit)
        found["stratum"], found["wave"] = stratum_labels(found[names]), 1
        units = found[["unit", "arm", "stratum", "wave"]].sort_values("unit", ignore_index=True)
        labels = tuple(sorted(units["arm"].unique()))
        return cls(units, labels, None if unit == "customer_id" else unit)

    @property
    def codes(self) -> Codes:
        """The actual assignment: codes of arms in the order of `units`."""
        return pd.Categorical(self.units["arm"], list(self.labels)).codes.astype(np.int8)

    @property
    def count(self) -> int | float:
        """How many assignments the design might have given; infinite beyond 1e300."""
        counts = [np.bincount(codes).tolist() for _, codes in self._blocks()]
        logs = sum(
            math.lgamma(sum(block) + 1) - sum(math.lgamma(n + 1) for n in block) for block in counts
        )
        if logs > 690:
            return math.inf
        return math.prod(_multinomial(block) for block in counts)

    def permutations(self, limit: int = 10_000, seed: int = 0) -> Codes:
        """Return assignments that the design might have given, the actual one first.

        Parameters
        ----------
        limit : int
            If there are no more than so many, all of them are returned, each once; otherwise so
            many, of which all but the first are drawn at random, each with equal chance.
        seed : int
            Of the draw.

        Returns
        -------
        array of int8, shape (assignments, units)
            Codes of arms in the order of `units`. The share of rows with a statistic at least as
            large as that of row 0 is the p-value, exact if all were returned and valid if not.

        Raises
        ------
        TableError
            If the table would have more than two thousand million cells.
        """
        if limit < 1:
            raise ValueError("limit: at least one assignment")
        whole = self.count
        rows = int(min(whole, limit))
        if rows * len(self.units) > CELLS:
            raise TableError("design", "units are too many to permute", "Lower the limit.")
        actual = self.codes
        table = np.tile(actual, (rows, 1))
        if whole > limit:
            rng = np.random.default_rng(seed)
            for places, codes in self._blocks():
                draws = np.tile(codes, (rows - 1, 1))
                table[1:, places] = rng.permuted(draws, axis=1)
            return table
        turns = 1
        for places, codes in self._blocks():
            block = np.array(list(_arrangements(np.bincount(codes).tolist(), len(codes))), np.int8)
            table[:, places] = block[np.arange(rows) // turns % len(block)]
            turns *= len(block)
        first = int(np.flatnonzero((table == actual).all(axis=1))[0])
        table[first] = table[0]
        table[0] = actual
        return table

    def _blocks(self) -> Iterator[tuple[npt.NDArray[np.intp], Codes]]:
        """Places and codes of the units that change arms among each other."""
        codes = self.codes
        drawn = self.units[["stratum", "wave"]].reset_index(drop=True)
        drawn = drawn[drawn["wave"] != FIXED]
        groups = drawn.groupby(["stratum", "wave"], sort=True, observed=True).indices
        places = drawn.index.to_numpy()
        for group in groups.values():
            yield places[group], codes[places[group]]


def _multinomial(counts: Sequence[int]) -> int:
    ways, left = 1, sum(counts)
    for n in counts:
        ways *= math.comb(left, n)
        left -= n
    return ways


def _arrangements(counts: Sequence[int], length: int) -> Iterator[list[int]]:
    """All rows of codes in which code k is there ``counts[k]`` times."""

    def fill(code: int, free: tuple[int, ...], row: list[int]) -> Iterator[list[int]]:
        if code == len(counts):
            yield row.copy()
            return
        for chosen in itertools.combinations(free, counts[code]):
            for place in chosen:
                row[place] = code
            rest = set(chosen)
            yield from fill(code + 1, tuple(p for p in free if p not in rest), row)

    yield from fill(0, tuple(range(length)), [0] * length)


def text_columns(
    lazy: nw.LazyFrame[Any], table: str, columns: Mapping[str, str]
) -> nw.LazyFrame[Any]:
    """Select columns of identifiers or categories as text, by their new name; NaN is null.

    Raises
    ------
    TableError
        If a column is of times or amounts: text, whole numbers and flags tell units apart.
    """
    schema = lazy.collect_schema()
    dtypes = {name: schema[name] for name in columns.values()}
    floats = {name: nw.col(name) for name, dtype in dtypes.items() if dtype.is_float()}
    if floats:  # pandas makes whole numbers float where some are missing
        parts = {
            name: (~column.is_nan() & (column != column.floor())).cast(nw.Int64)
            for name, column in floats.items()
        }
        broken = collect(lazy.select(**parts).select(*(nw.col(name).sum() for name in parts)))
        for name in floats:
            if rows := int(broken[name].fillna(0).iloc[0]):
                raise TableError(table, "numbers are whole", "Cut them into bands.", name, rows)
    texts = {old: text_reader(dtype) for old, dtype in dtypes.items()}
    for old in [old for old, text in texts.items() if text is None]:
        filled = collect(lazy.select(nw.col(old).count().alias("rows")))
        if rows := int(filled["rows"].iloc[0]):  # a column of nulls may have any type
            rule = "the column holds text, whole numbers or flags"
            raise TableError(table, rule, "Convert it.", old, rows)
    return lazy.select(*(_named(old, texts[old]).alias(new) for new, old in columns.items()))


def _named(name: str, text: Callable[[nw.Expr], nw.Expr] | None) -> nw.Expr:
    column = nw.col(name)
    if text is not None:
        return text(column)
    return nw.when(column.is_null()).then(nw.lit(None, dtype=nw.String))


def stratum_labels(levels: pd.DataFrame) -> pd.Series:
    """Join the levels of several columns to one label each; no two combinations share one."""
    if not len(levels.columns):
        return pd.Series(ALL, index=levels.index, dtype="str")
    several = len(levels.columns) > 1
    codes, labels = np.zeros(len(levels), dtype=np.int64), [""]
    for name in levels.columns:
        known, found = pd.factorize(levels[name], use_na_sentinel=True)
        words = [str(word) for word in found]
        if several:
            words = [word.replace("\\", "\\\\").replace(",", "\\,") for word in words]
        words.append(UNKNOWN)
        known = np.where(known < 0, len(found), known)
        # Only combinations that occur are spelt out: strata may be many, and customers are.
        codes, pairs = pd.factorize(codes * len(words) + known)
        before = labels
        labels = [
            f"{before[pair // len(words)]}, {words[pair % len(words)]}" for pair in pairs.tolist()
        ]
    joined = pd.array([label[2:] for label in labels], dtype="str")
    return pd.Series(joined.take(codes), index=levels.index)
