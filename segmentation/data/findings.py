"""What a check can find: each rule as a sentence with its mend, and findings as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from segmentation.data.contract import TABLES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RULES", "Finding", "Rule", "findings_table"]


class Rule(NamedTuple):
    """A rule as a sentence, and what to do where it is broken.

    Both are constant, so that a catalogue can hold them: numbers stand in `rows` and `share`.
    """

    rule: str
    mend: str


ROWS = Rule("The table has rows.", "Export the table again, or leave it out.")
NAME = Rule(
    "A column bears its name of the contract.",
    "Rename the column, or map it in columns.toml: under this name it is not read.",
)
KEY = Rule(
    "A key occurs once.",
    "Remove what was exported twice; rows beyond the first of each key are counted.",
)
FILLED = Rule("The cell is filled.", "Fill it at the source, or leave the row out.")
EITHER = Rule("At least one of the two balances is filled.", "Export the balance of each row.")
READABLE = Rule(
    "The cell can be read as the column's type.",
    "Convert the column (text dates are 2024-01-31), or let open_bank read it from a file.",
)
NAN = Rule("A number column holds numbers.", "Leave a cell without a value empty, not NaN.")
FINITE = Rule("The number is finite.", "Look for a division by zero in the export.")
LISTED = Rule(
    "The value is in the contract's list.",
    "Map the bank's codes to the list in data/README.md.",
)
NOT_NEGATIVE = Rule(
    "The number is not negative.",
    "Check the sign: what a customer owes is a positive balance of a debt product.",
)
NOT_BELOW = Rule("The number is not below its range.", "Check the unit of the column.")
NOT_ABOVE = Rule("The number is not above its range.", "Check the unit of the column.")
ORDER = Rule("The date does not come before the one it follows.", "Check both dates.")
PAST = Rule(
    "The date is not before 1900.", "Check the century; leave an unknown date empty, not a default."
)
FUTURE = Rule(
    "The date is not after the bank's last month.",
    "Check the date, or export the balances up to the same month.",
)
BORN = Rule("A customer is born before the first account is opened.", "Check both dates.")
AGE = Rule(
    "A customer is at most 120 years old.",
    "Check the century; leave an unknown date of birth empty, not a default.",
)
REFERENCE = Rule(
    "The value occurs in the table it refers to.",
    "Export both tables on the same day, with leading zeros in both or in neither.",
)
MONTHS = Rule("No month is missing between the first and the last.", "Export the missing months.")
GAPS = Rule(
    "No month of a customer is missing between the first and the last.",
    "Export a row for each month, with 0 where nothing is held.",
)
BEFORE = Rule(
    "A balance is not before the customer's opening date.",
    "Check the opening date: it is that of the first account, not of the latest.",
)
AFTER = Rule("A balance is not after the customer's closing date.", "Check the closing date.")
ARM = Rule("An arm has one planned share.", "Give each arm of a campaign its planned share.")
SHARES = Rule(
    "The planned shares of a campaign's arms add up to 1.",
    "Export every arm, and shares between 0 and 1.",
)
LEDGER = Rule(
    "Balances add up to the ledger by branch, product and month.",
    "Look for missing accounts, doubled rows, or customers counted at another branch.",
)

RULES: tuple[Rule, ...] = tuple(value for value in list(globals().values()) if type(value) is Rule)
"""Every rule that a check can find broken."""


class Finding(NamedTuple):
    """A broken rule: in how many of how many rows (or months, or cells of the ledger)."""

    table: str
    column: str
    rule: Rule
    rows: int
    of: int


def findings_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings in the contract's order as a table, one row each."""
    import pandas as pd

    columns = ["table", "column", "rule", "rows", "share", "mend"]
    lines = [
        (f.table, f.column, f.rule.rule, f.rows, f.rows / f.of if f.of else 0.0, f.rule.mend)
        for f in sorted(findings, key=_place)
    ]
    kinds = {"rows": "int64", "share": "float64"}
    return pd.DataFrame(lines, columns=columns).astype(kinds)


def _place(finding: Finding) -> tuple[int, int, int]:
    columns = list(TABLES[finding.table].columns)
    first = finding.column.split(", ")[0]
    place = columns.index(first) if first in columns else -1
    return list(TABLES).index(finding.table), place, RULES.index(finding.rule)
