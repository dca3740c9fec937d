"""Measure effects and uplift curves against peers, and write benchmarks/CAMPAIGNS.md.

``python benchmarks/campaigns.py [--small] [--large] [--turns 5]``: the peers run with the Python of
`benchmarks/.peers`, which `make peers` installs from a lock.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from turns import HERE, machine, run, wait_for_quiet

PEERS = HERE / ".peers" / "bin" / "python"
EFFECT = ("library, effect", "tea-tasting")
CURVE = ("library, 1,000 bins", "library, exact", "scikit-uplift", "causalml")
Found = dict[str, dict[str, float]]
HEAD = """# Campaigns, measured

Written by `make bench ARGS=--large` (`python benchmarks/campaigns.py --large`); do not edit.

Each contender runs alone in a fresh process, in turns, once the machine is quiet; medians of
{turns} turns. Reading the Parquet file counts, imports do not. Memory is what the peak adds to the
process once everything is imported; the whole peak stands beside it. The library also checks the
arms; tea-tasting gives one covariate-adjusted line an outcome, the library the unadjusted and the
adjusted with standard errors that hold under unequal variances. The peers' "Qini" are two other
definitions, given without any standard error: their numbers are not compared, only their time.

{machine}; {peers}. {customers:,} customers.

"""


def contend(contender: str, trial: Path) -> dict[str, float]:
    python = sys.executable if contender.startswith("library") else PEERS
    return run("uplifts.py", contender, trial, python=python)


def measure(trial: Path, turns: int) -> Found:
    """Median of each figure by contender, taken in turns."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in (*EFFECT, *CURVE)}
    for _ in range(turns):
        for contender, runs in taken.items():
            wait_for_quiet()
            runs.append(contend(contender, trial))
            print(f"{contender:20} {runs[-1]}", flush=True)
    return {
        contender: {key: statistics.median(one[key] for one in runs) for key in runs[0]}
        for contender, runs in taken.items()
    }


def compare(found: Found) -> None:
    """Stop if results that must be equal are not: means adjusted, and the curve within its loss."""
    library, peer = (found[name] for name in EFFECT)
    for outcome in ("aum", "converted", "spend"):
        # The peer takes one slope from the total covariance, which moves its estimate a little.
        if not math.isclose(library[outcome], peer[outcome], rel_tol=0.02, abs_tol=1e-4):
            raise SystemExit(f"{outcome}: the effects of library and peer differ")
    binned, exact = found[CURVE[0]], found[CURVE[1]]
    if abs(binned["qini"] - exact["qini"]) > binned["loss"]:
        raise SystemExit("the binned curve lost more than it says")


def versions() -> str:
    names = ("tea-tasting", "ibis-framework", "scikit-uplift", "causalml")
    code = (
        f"import importlib.metadata as m; print(', '.join(n + ' ' + m.version(n) for n in {names}))"
    )
    done = subprocess.run([PEERS, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def tables(found: Found) -> Iterator[str]:
    for title, names in (
        ("three outcomes, one covariate", EFFECT),
        ("an uplift curve, one outcome", CURVE),
    ):
        first = found[names[0]]
        yield f"| {title} | seconds | memory, GB | whole peak, GB | time | memory |\n"
        yield "|---|---|---|---|---|---|\n"
        for name in names:
            one = found[name]
            ratios = one["seconds"] / first["seconds"], one["memory"] / first["memory"]
            yield (
                f"| {name} | {one['seconds']:.3f} | {one['memory']:.3f} | {one['peak']:.2f} "
                f"| {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |\n"
            )
        yield "\n"
    binned, exact = found[CURVE[0]], found[CURVE[1]]
    yield (
        f"QINI exact {exact['qini']:.9f} (standard error {exact['se']:.9f}); on 1,000 bins "
        f"{binned['qini']:.9f}, at most {binned['loss']:.1e} away by its own word.\n\n"
    )


def verdicts(found: Found, large: Found) -> Iterator[str]:
    binned, exact, sklift, causalml = (found[name] for name in CURVE)
    effect, tea = (found[name] for name in EFFECT)
    targets = [
        ("effect, time to tea-tasting", effect["seconds"] / tea["seconds"], 1.0),
        ("binned curve, time to scikit-uplift", binned["seconds"] / sklift["seconds"], 0.1),
        ("binned curve, time to causalml", binned["seconds"] / causalml["seconds"], 0.1),
        ("binned curve, memory to scikit-uplift", binned["memory"] / sklift["memory"], 0.1),
        ("binned curve, memory to causalml", binned["memory"] / causalml["memory"], 0.1),
        ("exact curve, time to scikit-uplift", exact["seconds"] / sklift["seconds"], 1.0),
        ("exact curve, time to causalml", exact["seconds"] / causalml["seconds"], 1.0),
        *((f"100 million customers, whole GB of {c}", f["peak"], 1.0) for c, f in large.items()),
    ]
    yield "| target | at most | measured | |\n|---|---|---|---|\n"
    for name, value, limit in targets:
        yield f"| {name} | {limit} | {value:.2f} | {'met' if value <= limit else 'missed'} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python benchmarks/campaigns.py", description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="200,000 customers; no page is written"
    )
    parser.add_argument("--large", action="store_true", help="also 100 million customers")
    parser.add_argument("--turns", type=int, default=5)
    given, _ = parser.parse_known_args()
    if not PEERS.is_file():
        raise SystemExit("benchmarks/.peers is not there: run `make peers`.")
    customers = 200_000 if given.small else 10_000_000
    found = measure(make(customers), given.turns)
    compare(found)
    large: Found = {}
    if given.large:
        trial = make(10 * customers)
        for contender in (EFFECT[0], CURVE[0]):
            wait_for_quiet()
            large[contender] = contend(contender, trial)
            print(f"{contender:20} {large[contender]}", flush=True)
    facts = {"machine": machine(), "peers": versions(), "customers": customers}
    parts = [HEAD.format(turns=given.turns, **facts), *tables(found)]
    if large:
        cells = (f"{c} {f['seconds']:.1f} s, {f['peak']:.2f} GB" for c, f in large.items())
        parts.append(f"At {10 * customers:,} customers: {'; '.join(cells)}.\n\n")
    text = "".join([*parts, *verdicts(found, large)])
    print(text)
    if not given.small:
        (HERE / "CAMPAIGNS.md").write_text(text, "utf-8")


def make(customers: int) -> Path:
    command = [sys.executable, HERE / "trial.py", str(customers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


if __name__ == "__main__":
    main()
