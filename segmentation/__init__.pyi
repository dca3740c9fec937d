# data: tables in
from .data.bank import Bank
from .data.contract import TABLES
from .data.errors import MissingTable, TableError

__all__ = [
    "TABLES",
    "Bank",
    "MissingTable",
    "TableError",
]
