"""Errors that say what is wrong with a table and how to mend it, never whose row it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = ["MissingTable", "TableError", "TableErrors", "missing_columns"]


class TableError(ValueError):
    """A table that cannot be used as it is.

    The message names table, column, rule, number of rows and mend. It never holds an identifier or
    a value of the table.

    Parameters
    ----------
    table : str
        Name of the table, or of the argument that holds it.
    rule : str
        What was expected, and what is the case.
    mend : str
        What to do about it.
    column : str, optional
        The column concerned.
    rows : int, optional
        How many rows break the rule.

    Examples
    --------
    >>> print(TableError("balances", "amounts are not negative", "Check the sign.", "end", 3))
    balances.end: amounts are not negative (3 rows). Check the sign.
    """

    def __init__(
        self, table: str, rule: str, mend: str, column: str | None = None, rows: int | None = None
    ) -> None:
        self.table, self.column, self.rule, self.rows, self.mend = table, column, rule, rows, mend
        where = f"{table}.{column}" if column else table
        count = "" if rows is None else f" ({rows:,} row{'' if rows == 1 else 's'})"
        super().__init__(f"{where}: {rule}{count}. {mend}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.table, self.rule, self.mend, self.column, self.rows)

    @property
    def errors(self) -> tuple[TableError, ...]:
        """All errors found together: this one, or those of a `TableErrors`."""
        return (self,)


class TableErrors(TableError):
    """Several errors found in one pass; `errors` has each, and the rest tells of the first."""

    _all: tuple[TableError, ...]

    @classmethod
    def of(cls, errors: Sequence[TableError]) -> TableError:
        """Return the one error that there is, or all of them as one."""
        if len(errors) == 1:
            return errors[0]
        first = errors[0]
        several = cls(first.table, first.rule, first.mend, first.column, first.rows)
        several._all = tuple(errors)
        several.args = ("\n".join(str(error) for error in errors),)
        return several

    def __reduce__(self) -> tuple[object, ...]:
        return type(self).of, (self._all,)

    @property
    def errors(self) -> tuple[TableError, ...]:
        """All errors found together."""
        return self._all


class MissingTable(TableError):
    """A table that a question needs and the bank did not bring."""


def missing_columns(table: str, wanted: Iterable[str], present: Iterable[str]) -> None:
    """Raise one `TableError` that names every wanted column which is not present."""
    have = list(present)
    lacking = [column for column in wanted if column not in have]
    if not lacking:
        return
    hints = []
    for column in lacking:
        near = get_close_matches(column, have, n=1, cutoff=0.7)
        hints.append(f"rename {near[0]!r} to {column!r}" if near else f"add {column!r}")
    raise TableError(
        table,
        f"column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)} missing",
        f"{hints[0][:1].upper()}{'; '.join(hints)[1:]}.",
        lacking[0] if len(lacking) == 1 else None,
    )
