"""The Czech bank's files as they were published, and the queries that make its tables of them.

Each query is SQL of DuckDB in which ``{account}`` and so on stand for the files' scans, and
``{owner}``, ``{woman}`` and ``{born}`` for what the queries share.
"""

from __future__ import annotations

__all__ = ["BORN", "EMPTY", "LAYOUT", "ORPHANS", "OWNER", "QUERIES", "WOMAN"]

LAYOUT = {
    "account": {"account_id": "BIGINT", "district_id": "BIGINT", "date": "DATE"},
    "client": {"client_id": "BIGINT", "birth_number": "BIRTH"},
    "disp": {"client_id": "BIGINT", "account_id": "BIGINT", "type": "VARCHAR"},
    "loan": {
        "loan_id": "BIGINT",
        "account_id": "BIGINT",
        "date": "DATE",
        "amount": "DOUBLE",
        "duration": "BIGINT",
        "payments": "DOUBLE",
        "status": "VARCHAR",
    },
    "district": {"A1": "BIGINT", "A2": "VARCHAR", "A3": "VARCHAR"},
    "trans": {
        "trans_id": "BIGINT",
        "account_id": "BIGINT",
        "date": "DATE",
        "type": "VARCHAR",
        "operation": "VARCHAR",
        "amount": "DOUBLE",
        "balance": "DOUBLE",
        "k_symbol": "VARCHAR",
        "bank": "VARCHAR",
        "account": "BIGINT",
    },
}
"""The files that are read: each column, and what its cells are read as."""
EMPTY = {"operation", "k_symbol", "bank", "account"}
"""Columns of `trans` whose cells may be empty."""

WOMAN = "birth_number // 100 % 100 > 50"
"""The month of a woman's birth number has 50 added."""
BORN = f"""try_strptime((19000000 + birth_number - CASE WHEN {WOMAN} THEN 5000 ELSE 0 END)::VARCHAR,
    '%Y%m%d')::DATE"""
OWNER = """SELECT account_id, any_value(client_id)::VARCHAR AS customer_id
    FROM {disp} JOIN {client} USING (client_id) WHERE type = 'OWNER' GROUP BY account_id"""
ORPHANS = "SELECT count(*) FROM {file} ANTI JOIN ({owner}) USING (account_id)"
"""Counts the rows of a file whose account has no owner."""

CUSTOMERS = """
SELECT o.customer_id, 'personal' AS kind,
    any_value(a.district_id)::VARCHAR AS branch_id, min(a.date) AS opened_on,
    any_value({born}) AS birth_date,
    any_value(CASE WHEN {woman} THEN 'female' ELSE 'male' END) AS gender
FROM ({owner}) o JOIN {account} a USING (account_id)
    JOIN {client} c ON c.client_id::VARCHAR = o.customer_id
GROUP BY o.customer_id ORDER BY o.customer_id
"""

# The files have no time of day. On the days known completely, the next day's opening balance says
# which row came last: a row whose balance is where no other row of the day starts, and where the
# chain is broken by rows that are absent, interest before money in before money out, smallest
# changes of the balance first.
BALANCES = """
WITH owner AS ({owner}), moved AS (
    SELECT account_id, date, trans_id, balance, type, k_symbol,
        CASE WHEN type = 'PRIJEM' THEN amount ELSE -amount END AS signed
    FROM {trans}
    QUALIFY date = max(date) OVER (PARTITION BY account_id, date_trunc('month', date))
), chained AS (
    SELECT *, list(round(balance - signed, 1))
        OVER (PARTITION BY account_id, date) AS starts
    FROM moved
), observed AS (
    SELECT account_id, date_trunc('month', date)::DATE AS month, balance
    FROM chained
    QUALIFY 1 = row_number() OVER (PARTITION BY account_id, date ORDER BY
        list_contains(starts, round(balance, 1)),
        CASE WHEN k_symbol = 'UROK' THEN 2 WHEN signed > 0 THEN 1 ELSE 0 END,
        CASE WHEN signed > 0 THEN -balance ELSE balance END, trans_id DESC)
), months AS (
    SELECT unnest(generate_series(min(month), max(month), INTERVAL 1 MONTH))::DATE AS month
    FROM observed
), grid AS (
    SELECT account_id, month FROM months, (SELECT DISTINCT account_id FROM observed)
), held AS (
    SELECT account_id, month, last_value(balance IGNORE NULLS)
        OVER (PARTITION BY account_id ORDER BY month) AS held
    FROM grid LEFT JOIN observed USING (account_id, month)
    QUALIFY held IS NOT NULL
), due AS (
    SELECT account_id, month, greatest(0, amount - payments * (date_diff('month', date, month)
        + CASE WHEN day(date) < 12 THEN 1 ELSE 0 END)) AS amount
    FROM {loan}, months WHERE month >= date_trunc('month', date)
), parts AS (
    SELECT account_id, month, 'demand' AS product, greatest(held, 0) AS amount FROM held
    UNION ALL
    SELECT account_id, month, 'loan', -held FROM held WHERE held < 0
    UNION ALL
    SELECT account_id, month, 'loan', amount FROM due WHERE amount > 0
)
SELECT customer_id, month, product, sum(amount)::DOUBLE AS "end"
FROM parts JOIN owner USING (account_id)
GROUP BY ALL ORDER BY customer_id, month, product
"""

TRANSACTIONS = """
SELECT o.customer_id, t.date,
    CASE WHEN k_symbol IN ('UROK', 'SLUZBY', 'SANKC. UROK') THEN NULL
        WHEN operation = 'VYBER KARTOU' THEN 'atm'
        WHEN operation IN ('VYBER', 'VKLAD') THEN 'counter' END AS channel,
    CASE WHEN k_symbol IN ('UROK', 'SANKC. UROK') THEN 'interest'
        WHEN k_symbol = 'SLUZBY' THEN 'fee'
        WHEN k_symbol = 'DUCHOD' THEN 'pension'
        WHEN k_symbol IN ('SIPO', 'POJISTNE', 'UVER') THEN 'payment'
        WHEN operation = 'PREVOD Z UCTU' THEN 'transfer_in'
        WHEN operation = 'PREVOD NA UCET' THEN 'transfer_out'
        WHEN type = 'PRIJEM' THEN 'deposit' ELSE 'withdrawal' END AS kind,
    CASE WHEN type = 'PRIJEM' THEN amount ELSE -amount END AS amount,
    CASE WHEN bank <> '' AND account > 0 THEN bank || '-' || account END AS counterparty
FROM {trans} t JOIN ({owner}) o USING (account_id)
"""

LOANS = """
SELECT l.loan_id::VARCHAR AS loan_id, o.customer_id,
    a.district_id::VARCHAR AS branch_id, l.amount, l.date AS drawn_on,
    (l.date + to_months(l.duration::INTEGER))::DATE AS due_on,
    CASE WHEN l.status = 'A' THEN l.amount END AS repaid,
    CASE l.status WHEN 'B' THEN 'doubtful' WHEN 'D' THEN 'substandard' ELSE 'normal' END AS class
FROM {loan} l JOIN {account} a USING (account_id) JOIN ({owner}) o USING (account_id)
ORDER BY l.loan_id
"""

BRANCHES = "SELECT A1::VARCHAR AS branch_id, A2 AS name, A3 AS region FROM {district} ORDER BY A1"

QUERIES = {
    "customers": CUSTOMERS,
    "balances": BALANCES,
    "transactions": TRANSACTIONS,
    "branches": BRANCHES,
    "loans": LOANS,
}
"""The query of each table of the bank."""
