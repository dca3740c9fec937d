"""Lists of customers: who is to be assigned, who was before, and what goes back to the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from segmentation.campaigns.permutations import FIXED, stratum_labels, text_columns
from segmentation.data.engines import collect, enter, frame_kind
from segmentation.data.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["as_kind", "earlier_units", "roster"]


def roster(customers: Any, unit: str, cluster: str | None, strata: tuple[str, ...]) -> pd.DataFrame:
    """``unit stratum`` and the cluster, each unit once."""
    levels = {f"s{i}": name for i, name in enumerate(strata)}
    columns = {"unit": unit, **({"cluster": cluster} if cluster else {}), **levels}
    lazy = enter(customers, "customers", tuple(dict.fromkeys(columns.values())))
    people = collect(text_columns(lazy, "customers", columns))
    for part in [name for name in ("unit", "cluster") if name in columns]:
        if missing := int(people[part].isna().sum()):
            raise TableError(
                "customers", "every customer has one", "Fill it.", columns[part], missing
            )
    if twice := int(people["unit"].duplicated().sum()):
        raise TableError("customers", "a customer has one row", "Remove the others.", unit, twice)
    people["stratum"] = stratum_labels(people[list(levels)])
    return people.drop(columns=list(levels))


def earlier_units(
    existing: Any, unit: str, cluster: str | None, people: pd.DataFrame, labels: tuple[str, ...]
) -> pd.DataFrame | None:
    """``unit arm stratum wave`` and the cluster of the customers assigned before."""
    needed = (unit, "arm", *([cluster] if cluster else []))
    lazy = enter(existing, "existing", needed)
    if not len(collect(lazy.head(1))):
        return None
    names = lazy.collect_schema().names()
    columns = {"unit": unit, "arm": "arm", **({"cluster": cluster} if cluster else {})}
    columns |= {name: name for name in ("stratum", "wave") if name in names}
    before = collect(text_columns(lazy, "existing", columns))
    filled = [name for name in columns if name != "stratum"]
    if missing := int(before[filled].isna().any(axis=1).sum()):
        raise TableError("existing", "cells are filled", "Fill them.", None, missing)
    if twice := int(before["unit"].duplicated().sum()):
        raise TableError("existing", "a unit has one row", "Remove the others.", unit, twice)
    if strange := int((~before["arm"].isin(labels)).sum()):
        raise TableError(
            "existing", "arms are those of the campaign", "Name them all.", "arm", strange
        )
    before["wave"] = before["wave"].astype("int64") if "wave" in columns else FIXED
    return before.assign(stratum=_strata(before, people, "cluster" if cluster else "unit"))


def _strata(before: pd.DataFrame, people: pd.DataFrame, key: str) -> pd.Series:
    """Stratum of earlier units: their own where it is known, that of the customer elsewhere."""
    strata = before.get("stratum", pd.Series(pd.NA, before.index, dtype="str"))
    if not strata.isna().any():
        return strata
    known = people.drop_duplicates(key).set_index(key)["stratum"]
    strata = strata.fillna(before[key].map(known))
    only = people["stratum"].unique()
    if len(only) == 1:  # customers who left were in it, too
        strata = strata.fillna(only[0])
    if missing := int(strata.isna().sum()):
        raise TableError(
            "existing",
            "a unit is among the customers, or has its stratum",
            "Pass the arms that `assign` gave.",
            "stratum",
            missing,
        )
    return strata


def as_kind(table: pd.DataFrame, like: Any) -> Any:
    """Bring a table to the kind of another frame, and to its connection or session."""
    kind = frame_kind(like)
    if kind == "pandas":
        return table
    import pyarrow as pa

    arrow: pa.Table = pa.Table.from_pandas(table, preserve_index=False)
    return _from_arrow(arrow, kind, like)


def _from_arrow(arrow: pa.Table, kind: str, like: Any) -> Any:
    if kind.startswith("polars"):
        import polars as pl

        frame = pl.DataFrame(pl.from_arrow(arrow))
        return frame.lazy() if kind == "polars-lazy" else frame
    if kind == "duckdb":
        # DuckDB finds the Arrow table by its name here, and so stays on the caller's connection.
        view = "segmentation_like"
        relation = like.query(view, "SELECT * FROM arrow")
        like.query(view, f"DROP VIEW {view}")
        return relation
    if kind == "pyspark":
        return like.sparkSession.createDataFrame(arrow)
    return arrow
