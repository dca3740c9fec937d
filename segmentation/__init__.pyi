# data: tables in
from .data.bank import Bank
from .data.contract import TABLES
from .data.errors import MissingTable, TableError

# customers: who they are
from .customers.intervals import wilson
from .customers.migrations import Migration, migration

# publish: what leaves
from .publish.disclosure import suppress_counts, suppress_sums

__all__ = [
    "TABLES",
    "Bank",
    "Migration",
    "MissingTable",
    "TableError",
    "migration",
    "suppress_counts",
    "suppress_sums",
    "wilson",
]
