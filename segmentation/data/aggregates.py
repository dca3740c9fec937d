"""What may be shown of a frame at all: aggregates, never a row a customer."""

from __future__ import annotations

import tomllib
from collections.abc import Hashable, Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["disclosure_rules", "refuse_identifiers", "require_aggregate"]

Frame = TypeVar("Frame", pd.DataFrame, pd.Series)


def disclosure_rules(folder: str | Path | None = None) -> dict[str, Any]:
    """Return the rules of disclosure control: those that ship, with the bank's own over them.

    Examples
    --------
    >>> disclosure_rules()["threshold"]
    10
    """
    shipped = files("segmentation.rules").joinpath("disclosure.toml").read_text("utf-8")
    own = load_rules("disclosure", folder)["default"]
    rules: dict[str, Any] = {**tomllib.loads(shipped)["default"], **own}
    threshold, shares = rules["threshold"], (rules["dominance"], rules["p"])
    if not isinstance(threshold, int) or threshold < 1 or not all(0 < x <= 1 for x in shares):
        raise TableError(
            "rules/disclosure.toml",
            "threshold is a whole number from 1, dominance and p are shares up to 1",
            "Mend the rule.",
        )
    return rules


def refuse_identifiers(names: Iterable[Hashable], identifiers: Iterable[str], table: str) -> None:
    """Raise `TableError` if one of `names` is that of a customer's identifier."""
    known = {_plain(name) for name in identifiers}
    for name in names:
        parts = name if isinstance(name, tuple) else (name,)
        if any(_plain(part) in known for part in parts):
            raise TableError(
                table,
                "a frame with a customer's identifier is never published",
                "Group it to an aggregate first.",
                str(name),
            )


def require_aggregate(frame: Frame, table: str = "table") -> Frame:
    """Return `frame` as it is if it is an aggregate, and refuse a customer-level one.

    Parameters
    ----------
    frame : pandas DataFrame or Series
        What is to be shown as a table or drawn as a chart.
    table : str
        What to call it in an error.

    Raises
    ------
    TableError
        If it is no pandas frame, a column or the index bears the name of an identifier, or it has
        more rows than the aggregates of a page have (500; `tidy_rows` of `disclosure.toml`).

    Examples
    --------
    >>> len(require_aggregate(pd.DataFrame({"tier": ["Basic"], "customers": [812]})))
    1
    """
    if not isinstance(frame, pd.DataFrame | pd.Series):
        raise TableError(
            table, f"a {type(frame).__name__} is not an aggregate", "Pass a pandas DataFrame."
        )
    rules = disclosure_rules()
    names: list[Any] = list(frame.index.names)
    names += [frame.name] if isinstance(frame, pd.Series) else list(frame.keys())
    refuse_identifiers(names, rules["identifiers"], table)
    limit = rules["tidy_rows"]
    if len(frame) > limit:
        raise TableError(
            table,
            f"an aggregate has at most {limit:,} rows",
            "Group it further, or show its head.",
            rows=len(frame),
        )
    return frame


def _plain(name: Hashable) -> str:
    return "_".join(str(name).casefold().split())
