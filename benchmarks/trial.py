"""The trial that is measured: Parquet from formulas, the same on every run.

``python benchmarks/trial.py CUSTOMERS`` prints where it is. Half of the customers are treated;
`score` has as many values as there are customers, and ranks them by their effect, with noise.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from bank import FOLDER, normal, uniform

QUERY = """
WITH customers AS (
    SELECT i, printf('C%09d', i) AS customer_id, {treated} < 0.5 AS treated, {draw} AS draw,
        {size} AS size, {need} AS need, {noise} AS noise
    FROM range({customers}) AS rows(i)
)
SELECT customer_id,
    CASE WHEN treated THEN 'treatment' ELSE 'control' END AS arm,
    treated::INTEGER AS treated,
    need + 0.5 * noise AS score,
    exp(8 + size) AS aum_before,
    exp(8 + size) * (1 + 0.02 * treated::INTEGER) + 900 * noise AS aum,
    (draw < 0.03 + 0.02 * need * treated::INTEGER)::INTEGER AS converted,
    CASE WHEN draw < 0.03 THEN exp(6 + 0.5 * noise) ELSE 0 END AS spend
FROM customers
"""


def make_trial(customers: int, folder: Path = FOLDER) -> Path:
    """Write the trial, or keep the one that is there."""
    path = folder / f"trial-{customers}.parquet"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        "treated": uniform("i", "1"),
        "draw": uniform("i", "2"),
        "need": uniform("i", "3"),
        "size": normal("4", "5"),
        "noise": normal("6", "7"),
    }
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    beside = path.with_suffix(".part")
    query = QUERY.format(customers=customers, **columns)
    con.execute(f"COPY ({query}) TO '{beside}' (FORMAT parquet)")
    beside.rename(path)
    return path


if __name__ == "__main__":
    print(make_trial(int(sys.argv[1])))
