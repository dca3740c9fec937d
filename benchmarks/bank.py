"""The bank that is measured: Parquet files from formulas, the same on every run."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

FOLDER = Path(__file__).parent / ".data"
MONTHS = 24
PRODUCTS = {
    "demand": 1.0,
    "term": 0.62,
    "wealth": 0.33,
    "fund": 0.2,
    "insurance": 0.15,
    "metal": 0.05,
    "loan": 0.15,
    "card": 0.33,
}
"""Products and the share of customers who have them: 2.83 a customer, 34 million rows a year."""


def uniform(*keys: str) -> str:
    """A number between 0 and 1 that looks drawn, from a hash of keys."""
    return f"((hash({', '.join(keys)}) % 1000003 + 0.5) / 1000003.0)"


def normal(one: str, other: str) -> str:
    """A number that looks drawn from the normal distribution (Box and Muller)."""
    return f"(sqrt(-2 * ln({uniform('i', one)})) * cos(6.2831853 * {uniform('i', other)}))"


def make_bank(customers: int, transactions: int, folder: Path = FOLDER) -> Path:
    """Write customers, balances, transactions, rates and customer_branches; keep what is there."""
    path = folder / f"{customers}-{transactions}"
    if (path / "done").is_file():
        return path
    path.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")

    def write(table: str, query: str) -> None:
        con.execute(f"COPY ({query}) TO '{path / table}.parquet' (FORMAT parquet)")

    write(
        "customers",
        f"""
        SELECT printf('C%08d', i) AS customer_id,
            CASE WHEN {uniform("i", "1")} < 0.98 THEN 'personal' ELSE 'corporate' END AS kind,
            printf('B%03d', hash(i, 2) % 120) AS branch_id,
            DATE '2005-01-01' + CAST(7300 * {uniform("i", "3")} AS INTEGER) AS opened_on,
            CASE WHEN {uniform("i", "4")} < 0.05 THEN
                DATE '2025-02-01' + CAST(330 * {uniform("i", "5")} AS INTEGER) END AS closed_on,
            DATE '1940-01-01' + CAST(24000 * {uniform("i", "6")} AS INTEGER) AS birth_date
        FROM range({customers}) AS r(i)
        """,
    )
    rows = " UNION ALL ".join(f"SELECT '{p}' AS product, {s} AS part" for p, s in PRODUCTS.items())
    size = f"exp(8.6 + 2.4 * {normal('7', '8')})"
    write(
        "balances",
        f"""
        SELECT customer_id, month, product, average,
            round(average * (0.95 + 0.1 * {uniform("i", "product", "month", "9")}), 2) AS "end"
        FROM (
            SELECT i, printf('C%08d', i) AS customer_id, month, product,
                round(size * (0.05 + {uniform("i", "product")})
                    * (0.9 + 0.2 * {uniform("i", "product", "month")}), 2) AS average
            FROM (SELECT CAST(DATE '2025-01-01' + to_months(CAST(m AS INTEGER)) AS DATE) AS month
                FROM range(12) AS t(m))
            CROSS JOIN (SELECT i, {size} AS size FROM range({customers}) AS r(i))
            CROSS JOIN ({rows})
            WHERE {uniform("i", "product", "0")} < part
        )
        """,
    )
    (path / "transactions").mkdir(exist_ok=True)
    share = -(-transactions // MONTHS)
    for number in range(MONTHS):
        write(
            f"transactions/{number:02d}",
            f"""
            SELECT printf('C%08d', CAST({customers} * pow({uniform("i", "11")}, 2) - 0.5 AS BIGINT))
                    AS customer_id,
                CAST(DATE '2024-01-01' + to_months({number}) AS DATE)
                    + CAST(floor(28 * {uniform("i", "12")}) AS INTEGER) AS date,
                [NULL, 'counter', 'atm', 'mobile', 'mobile', 'mobile', 'web', 'pos', 'device']
                    [CAST(1 + hash(i, 13) % 9 AS BIGINT)] AS channel,
                ['deposit', 'withdrawal', 'transfer_in', 'payment', 'payment', 'salary', 'fee',
                    'interest'][CAST(1 + hash(i, 14) % 8 AS BIGINT)] AS kind,
                round(exp(5 + 1.5 * {normal("15", "16")})
                    * CASE WHEN hash(i, 17) % 2 = 0 THEN 1 ELSE -1 END, 2) AS amount
            FROM range({number * share}, {min((number + 1) * share, transactions)}) AS r(i)
            """,
        )
    rates = " UNION ALL ".join(
        f"SELECT '{product}' AS product, {0.012 + 0.004 * k:.3f}::DOUBLE AS paid, "
        f"{0.021 + 0.002 * k:.3f}::DOUBLE AS transfer"
        for k, product in enumerate(PRODUCTS)
    )
    write(
        "rates",
        f"""
        SELECT product, CAST(DATE '2025-01-01' + to_months(CAST(m AS INTEGER)) AS DATE) AS month,
            paid, transfer
        FROM ({rates}) CROSS JOIN range(12) AS t(m)
        """,
    )
    write(
        "customer_branches",
        f"""
        SELECT printf('C%08d', i) AS customer_id,
            printf('B%03d', hash(i, 18 + k) % 120) AS branch_id,
            CASE k WHEN 0 THEN DATE '2005-01-01' ELSE DATE '2025-06-15' END AS from_date
        FROM range({customers}) AS r(i), range(2) AS s(k) WHERE k = 0 OR hash(i, 20) % 20 = 0
        """,
    )
    (path / "done").touch()
    return path


if __name__ == "__main__":
    print(make_bank(int(sys.argv[1]), int(sys.argv[2])))
