"""One contender in one contest, alone in a process: prints its seconds and its peak memory.

``python benchmarks/contests.py CONTEST CONTENDER BANK RESULT`` writes the result to a file, so that
results can be compared before times are.
"""

from __future__ import annotations

import gc
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import by_hand
import duckdb
import pandas as pd
import queries

import segmentation as seg
from segmentation.data.engines import connection

MONTH = "2025-12"
EARLIER = "2025-11"


def relation(path: str, name: str) -> Any:
    part = f"{name}/*" if name == "transactions" else name
    return connection().read_parquet(f"{path}/{part}.parquet")


def bank(path: str) -> seg.Bank:
    return seg.Bank(**{name: relation(path, name) for name in by_hand.TABLES})


def query(text: str, result: str) -> None:
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    con.execute(f"COPY ({text}) TO '{result}' (FORMAT parquet)")


def prepare(path: str) -> None:
    """Write the tiered panels of two months, which the later contests start from."""
    for name, month in (("tiered", MONTH), ("earlier", EARLIER)):
        panel = seg.monthly_panel(bank(path), month)
        panel.write_parquet(f"{path}/{'panel' if name == 'tiered' else 'panel-earlier'}.parquet")
        seg.assign_tier(panel).write_parquet(f"{path}/{name}.parquet")


def moves(table: pd.DataFrame) -> pd.DataFrame:
    """Cells of a migration, with tiers by name, and 0 for no money as the library has it."""
    table.columns = pd.Index(["from", "to", "customers", "before", "after"])
    codes = dict(enumerate(by_hand.NAMES))
    table["from"] = table["from"].map({**codes, -1: "entered"})
    table["to"] = table["to"].map({**codes, -1: "left"})
    return table.fillna({"before": 0, "after": 0})


def library_moves(result: seg.Migration) -> pd.DataFrame:
    table = result.table[["from", "to", "customers", "before", "after"]]
    return table[table["customers"] > 0].astype({"from": str, "to": str})


def shares(found: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({"gini": found["gini"], "share": found["shares"]})


def library_shares(found: Any) -> pd.DataFrame:
    return pd.DataFrame({"gini": found.gini, "share": found.top_shares["share"]})


def both(path: str) -> tuple[str, str]:
    return f"{path}/earlier.parquet", f"{path}/tiered.parquet"


def by_library(contest: str, path: str, result: str) -> None:
    """From Parquet to Parquet with the library on DuckDB."""
    if contest == "panel":
        seg.monthly_panel(bank(path), MONTH).write_parquet(result)
    elif contest == "tiers":
        seg.assign_tier(relation(path, "panel")).write_parquet(result)
    elif contest == "migration":
        first, second = (connection().read_parquet(place) for place in both(path))
        library_moves(seg.migration(first, second, "aum_average")).to_parquet(result)
    else:
        found = seg.concentration(relation(path, "panel"), "aum_average")
        library_shares(found).to_parquet(result)


def by_query(contest: str, path: str, result: str) -> None:
    """From Parquet to Parquet with plain SQL."""
    texts = {
        "panel": lambda: queries.panel(path),
        "tiers": lambda: queries.tiers(f"{path}/panel.parquet"),
        "migration": lambda: queries.migration(*both(path)),
        "lorenz": lambda: queries.lorenz(f"{path}/panel.parquet"),
    }
    query(texts[contest](), result)


def by_pandas(contest: str, path: str, result: str) -> None:
    """From Parquet to Parquet with pandas, written by hand."""
    if contest == "panel":
        by_hand.panel(**by_hand.read(path)).to_parquet(result)
    elif contest == "tiers":
        by_hand.tiers(pd.read_parquet(f"{path}/panel.parquet")).to_parquet(result)
    elif contest == "migration":
        wanted = ["customer_id", "tier_code", "aum_average"]
        first, second = (pd.read_parquet(place, columns=wanted) for place in both(path))
        moves(by_hand.migration(first, second)).to_parquet(result)
    else:
        amounts = pd.read_parquet(f"{path}/panel.parquet", columns=["aum_average"])
        shares(by_hand.concentration(amounts["aum_average"])).to_parquet(result)


def in_memory(contest: str, path: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The library's work and that of pandas, on the same frames in memory."""
    if contest == "panel":
        frames = by_hand.read(path)
        whole = seg.Bank(**frames)
        return lambda: seg.monthly_panel(whole, MONTH), lambda: by_hand.panel(**frames)
    if contest == "migration":
        first, second = (pd.read_parquet(place) for place in both(path))
        return (
            lambda: library_moves(seg.migration(first, second, "aum_average")),
            lambda: moves(by_hand.migration(first, second)),
        )
    panel = pd.read_parquet(f"{path}/panel.parquet")
    if contest == "tiers":
        return lambda: seg.assign_tier(panel), lambda: by_hand.tiers(panel)
    return (
        lambda: library_shares(seg.concentration(panel, "aum_average")),
        lambda: shares(by_hand.concentration(panel["aum_average"])),
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def main(contest: str, contender: str, path: str, result: str) -> None:
    # the first use of a lazily loaded module is no part of the work
    loaded = (
        seg.monthly_panel,
        seg.assign_tier,
        seg.migration,
        seg.concentration,
        seg.wilson(1, 2),
    )
    assert loaded
    if contender == "prepare":
        seconds, _ = timed(lambda: prepare(path))
    elif contender in ("frames-library", "frames-pandas"):
        work = in_memory(contest, path)[contender == "frames-pandas"]
        first, found = timed(work)
        repeats = 1 if first > 2 else 7
        seconds = statistics.median(timed(work)[0] for _ in range(repeats))
        found.to_parquet(result)
    else:
        job = {"library": by_library, "sql": by_query, "pandas": by_pandas}[contender]
        seconds, _ = timed(lambda: job(contest, path, result))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"seconds": seconds, "peak": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
