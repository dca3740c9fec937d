"""Measure the library against pandas and plain SQL, and write benchmarks/README.md.

``python benchmarks [--small] [--large] [--repeats 3]``: each contender runs alone in a fresh
process, in turns, the median counts, and results are compared before times are.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from turns import HERE, machine, run, wait_for_quiet

CONTESTS = {
    "panel": "a month's panel",
    "tiers": "tiering",
    "migration": "migration",
    "lorenz": "concentration",
}
ON_FILES, IN_MEMORY = ("library", "sql", "pandas"), ("frames-library", "frames-pandas")
QUICK, QUICK_TURNS = 12.0, 3
"""What takes fewer seconds takes more turns, since other programs disturb it more."""
Found = dict[str, dict[str, tuple[float, float]]]
HEAD = """# Benchmarks

Written by `make bench ARGS=--large` (`python benchmarks --large`); do not edit.

Each contender runs alone in a fresh process, in turns, once the machine is quiet. Seconds and peak
memory are medians of 9 turns where a turn takes less than 12 seconds, else of 3. Results are equal
to 1e-9 before times are compared. Imports do not count; from Parquet, reading and writing do. In
memory: the frames are there, and their size is in the peak. The pandas code (`by_hand.py`) and the
SQL (`queries.py`) are what one would write by hand; the library also gives intervals, checks what
it is given, and runs on other engines.

{machine}. {size}.

"""


def compare(contest: str, one: Path, other: Path) -> None:
    command = [sys.executable, HERE / "results.py", contest, one, other]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"{contest}: the results of library and {other.name} differ")


def measure(path: Path, repeats: int) -> Found:
    """Median seconds and peak memory by contest and contender, taken in turns."""
    found: Found = {}
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        run("contests.py", "all", "prepare", path, results / "none")
        for contest in CONTESTS:
            taken: dict[str, list[dict[str, float]]] = {c: [] for c in (*ON_FILES, *IN_MEMORY)}
            for turn in range(QUICK_TURNS * repeats):
                for contender, runs in taken.items():
                    if turn >= repeats and runs[0]["seconds"] > QUICK:
                        continue
                    wait_for_quiet()
                    place = results / contender
                    runs.append(run("contests.py", contest, contender, path, place))
                    print(f"{contest:10} {contender:15} {runs[-1]}", flush=True)
                if turn == 0:
                    for other in ("sql", "pandas", *IN_MEMORY):
                        compare(contest, results / "library", results / other)
            found[contest] = {
                contender: (
                    statistics.median(r["seconds"] for r in runs),
                    statistics.median(r["peak"] for r in runs),
                )
                for contender, runs in taken.items()
            }
    return found


def on_files(found: Found) -> Iterator[str]:
    yield "| from Parquet | library on DuckDB | plain SQL | pandas | time to SQL | time to pandas "
    yield "| memory to pandas |\n|---|---|---|---|---|---|---|\n"
    for contest, name in CONTESTS.items():
        library, sql, pandas = (found[contest][c] for c in ON_FILES)
        cells = (f"{seconds:.2f} s, {peak:.2f} GB" for seconds, peak in (library, sql, pandas))
        ratios = library[0] / sql[0], library[0] / pandas[0], library[1] / pandas[1]
        yield f"| {name} | {' | '.join(cells)} | {' | '.join(f'{r:.2f}' for r in ratios)} |\n"


def in_memory(found: Found) -> Iterator[str]:
    yield "| pandas frames in memory | library | pandas by hand | time | memory |\n"
    yield "|---|---|---|---|---|\n"
    for contest, name in CONTESTS.items():
        library, pandas = (found[contest][c] for c in IN_MEMORY)
        cells = (f"{seconds:.3f} s, {peak:.2f} GB" for seconds, peak in (library, pandas))
        ratios = library[0] / pandas[0], library[1] / pandas[1]
        yield f"| {name} | {' | '.join(cells)} | {' | '.join(f'{r:.2f}' for r in ratios)} |\n"


def verdicts(found: Found, large: dict[str, tuple[float, float]]) -> Iterator[str]:
    library, sql, pandas = (found["panel"][c] for c in ON_FILES)
    memory = {c: found[c]["frames-library"][0] / found[c]["frames-pandas"][0] for c in CONTESTS}
    targets = [
        ("the panel's time to pandas", library[0] / pandas[0], 0.25),
        ("the panel's memory to pandas", library[1] / pandas[1], 0.25),
        ("the panel's time to plain SQL", library[0] / sql[0], 1.2),
        *(
            (f"{CONTESTS[c]} on frames in memory, time to pandas", r, 1.2)
            for c, r in memory.items()
        ),
    ]
    if large:
        targets.append(("GB of the panel at 100 million transactions", large["library"][1], 1.5))
    yield "| target | at most | measured | |\n|---|---|---|---|\n"
    for name, value, limit in targets:
        yield f"| {name} | {limit} | {value:.2f} | {'met' if value <= limit else 'missed'} |\n"


def page(size: str, found: Found, large: dict[str, tuple[float, float]]) -> str:
    parts = [HEAD.format(machine=machine(), size=size), *on_files(found), "\n", *in_memory(found)]
    if large:
        cells = (f"{c} {seconds:.1f} s, {peak:.2f} GB" for c, (seconds, peak) in large.items())
        parts.append(f"\nThe panel at 100 million transactions: {'; '.join(cells)}.\n")
    return "".join([*parts, "\n", *verdicts(found, large)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help="20,000 customers; README is kept")
    parser.add_argument("--large", action="store_true", help="also 100 million transactions")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    customers, moves = (20_000, 400_000) if given.small else (1_000_000, 20_000_000)
    found = measure(make(customers, moves), given.repeats)
    large = {}
    if given.large:
        path = make(customers, moves * 5)
        with tempfile.TemporaryDirectory() as folder:
            for contender in ("library", "sql"):
                wait_for_quiet()
                one = run("contests.py", "panel", contender, path, Path(folder) / contender)
                large[contender] = (one["seconds"], one["peak"])
            compare("panel", Path(folder) / "library", Path(folder) / "sql")
    size = f"{customers:,} customers, {customers * 12 * 2.83:,.0f} balances, {moves:,} transactions"
    text = page(size, found, large)
    print(text)
    if not given.small:
        (HERE / "README.md").write_text(text, "utf-8")


def make(customers: int, transactions: int) -> Path:
    command = [sys.executable, HERE / "bank.py", str(customers), str(transactions)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


if __name__ == "__main__":
    main()
