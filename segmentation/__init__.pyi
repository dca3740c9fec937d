# data: tables in
from .data.bank import Bank
from .data.contract import TABLES
from .data.errors import MissingTable, TableError

# customers: who they are
from .customers.intervals import wilson
from .customers.migrations import Migration, migration
from .customers.projections import markov_value, project

# publish: what leaves
from .publish.disclosure import suppress_counts, suppress_sums

__all__ = [
    "TABLES",
    "Bank",
    "Migration",
    "MissingTable",
    "TableError",
    "markov_value",
    "migration",
    "project",
    "suppress_counts",
    "suppress_sums",
    "wilson",
]
