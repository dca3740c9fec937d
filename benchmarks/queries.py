"""The same results in plain SQL, as one would write them by hand for DuckDB."""

from __future__ import annotations

CENTS = "floor(100 * ({}) + 0.5) / 100"


def average(rows: str, days: int) -> str:
    """Daily average to date; it may lie between two cents, so that the sum is whole cents."""
    total = f"sum(average * day(last_day(month))) FILTER ({rows})"
    return f"floor(floor(100 * ({total}) + 0.5) / {days} + 0.5) / 100"


def panel(path: str) -> str:
    """The panel of December 2025."""
    asset = "product NOT IN ('loan', 'card')"
    now = "month = DATE '2025-12-01'"
    active = "kind NOT IN ('interest', 'fee', 'judicial')"
    recent = "date >= DATE '2025-12-01'"
    age = (
        """2025 - year({0}) - CAST(month({0}) > 12 OR (month({0}) = 12 AND day({0}) > 31) AS INT)"""
    )
    return f"""
    WITH held AS (
        SELECT customer_id,
            {CENTS.format(f"sum(average) FILTER ({now} AND {asset})")} AS aum_average,
            {CENTS.format(f'sum("end") FILTER ({now} AND {asset})')} AS aum_end,
            {average(f"{asset} AND month >= DATE '2025-10-01'", 92)} AS aum_quarter,
            {average(asset, 365)} AS aum_year,
            {CENTS.format(f"sum(average) FILTER ({now} AND NOT {asset})")} AS debt,
            count(*) FILTER ({now} AND (average > 0 OR "end" > 0)) AS products,
            count(*) FILTER ({now} AND (average <> 0 OR "end" <> 0)) AS present,
            sum(average * 31 / 365 * margin) FILTER ({now}) AS margin
        FROM '{path}/balances.parquet'
        LEFT JOIN (
            SELECT product,
                CASE WHEN {asset} THEN transfer - paid ELSE paid - transfer END AS margin
            FROM '{path}/rates.parquet' WHERE {now}
        ) USING (product)
        WHERE month BETWEEN DATE '2025-01-01' AND DATE '2025-12-01'
        GROUP BY customer_id
    ), moved AS (
        SELECT customer_id,
            count(*) FILTER ({active} AND {recent}) AS transactions,
            count(*) FILTER ({active} AND {recent} AND channel IN ('mobile', 'web')) AS digital,
            DATE '2025-12-31' - max(date) FILTER ({active}) AS recency_days,
            count(*) FILTER ({active} AND date >= DATE '2025-01-01') AS frequency,
            {CENTS.format(f"sum(abs(amount)) FILTER ({active} AND date >= DATE '2025-01-01')")}
                AS monetary,
            sum(-amount) FILTER (kind = 'fee' AND {recent}) AS fees,
            sum(CASE channel WHEN 'counter' THEN 4.7 WHEN 'device' THEN 1.6 WHEN 'atm' THEN 1.8
                WHEN 'mobile' THEN 1.0 WHEN 'web' THEN 1.0 WHEN 'pos' THEN 1.0 ELSE 0 END)
                FILTER ({active} AND {recent}) AS cost
        FROM '{path}/transactions/*.parquet'
        WHERE date <= DATE '2025-12-31'
        GROUP BY customer_id
    ), placed AS (
        SELECT customer_id, arg_max(branch_id, from_date) AS branch_id
        FROM '{path}/customer_branches.parquet' WHERE from_date <= DATE '2025-12-31'
        GROUP BY customer_id
    )
    SELECT customer_id, DATE '2025-12-01' AS month, kind,
        coalesce(placed.branch_id, customers.branch_id) AS branch_id,
        coalesce(aum_average, 0) AS aum_average, coalesce(aum_end, 0) AS aum_end,
        coalesce(aum_quarter, 0) AS aum_quarter, coalesce(aum_year, 0) AS aum_year,
        coalesce(debt, 0) AS debt, coalesce(products, 0) AS products,
        {CENTS.format("coalesce(margin, 0) + coalesce(fees, 0) - coalesce(cost, 0)")}
            AS contribution,
        coalesce(transactions, 0) AS transactions,
        digital / nullif(transactions, 0) AS digital_share, recency_days,
        coalesce(frequency, 0) AS frequency, coalesce(monetary, 0) AS monetary,
        {age.format("opened_on")} AS tenure_years, {age.format("birth_date")} AS age
    FROM '{path}/customers.parquet' AS customers
    FULL JOIN held USING (customer_id)
    LEFT JOIN moved USING (customer_id)
    LEFT JOIN placed USING (customer_id)
    WHERE present > 0 OR opened_on <= DATE '2025-12-31'
        AND (closed_on IS NULL OR closed_on > DATE '2025-12-31')
    """


def tiers(place: str) -> str:
    """Tier and code of each customer of a panel."""
    amount = CENTS.format("aum_average")
    starts = (6_000_000, 500_000, 200_000, 50_000, 10_000)
    names = ("Private", "Affluent", "Wealth", "Quality", "Active", "Basic")
    code = " ".join(f"WHEN amount >= {start} THEN {5 - k}" for k, start in enumerate(starts))
    name = " ".join(f"WHEN {5 - k} THEN '{name}'" for k, name in enumerate(names))
    return f"""
    SELECT * EXCLUDE (amount), CASE tier_code {name} END AS tier FROM (
        SELECT *, CASE {code} ELSE 0 END AS tier_code
        FROM (SELECT *, {amount} AS amount FROM '{place}'))
    """


def migration(first: str, second: str) -> str:
    """Customers and money by tier in two months, with those who came and left."""
    return f"""
    SELECT coalesce(a.tier, 'entered') AS "from", coalesce(b.tier, 'left') AS "to",
        count(*) AS customers, coalesce(sum(a.aum_average), 0) AS before,
        coalesce(sum(b.aum_average), 0) AS after
    FROM '{first}' AS a FULL JOIN '{second}' AS b USING (customer_id)
    GROUP BY ALL ORDER BY ALL
    """


def lorenz(place: str) -> str:
    """Gini coefficient and the Lorenz curve at 1,000 ranks."""
    return f"""
    WITH ranked AS (
        SELECT aum_average AS x, row_number() OVER (ORDER BY aum_average) AS rank,
            sum(aum_average) OVER (ORDER BY aum_average ROWS UNBOUNDED PRECEDING) AS held
        FROM '{place}'
    ), total AS (SELECT count(*) AS n, sum(aum_average) AS s FROM '{place}')
    SELECT CAST(floor((rank - 1) * 1000 / n) AS INT) AS point,
        max(rank) / any_value(n) AS customers,
        max(held) / any_value(s) AS value,
        sum((2 * rank - n - 1) * x) / any_value(n * s) AS gini_part
    FROM ranked, total GROUP BY point ORDER BY point
    """
