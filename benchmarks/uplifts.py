"""One contender on a trial, alone in a process: prints its result, seconds and memory.

``python benchmarks/uplifts.py CONTENDER TRIAL``. The peers run in an environment of their own.
Memory is what the peak adds to the size of the process once everything is imported.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

OUTCOMES = ["aum", "converted", "spend"]
Found = dict[str, float]


def library_effect(path: str) -> Callable[[], Found]:
    import segmentation as seg
    from segmentation.data.engines import connection

    warm(seg)

    def work() -> Found:
        rows = connection().read_parquet(path)
        table = seg.effect(rows, OUTCOMES, "arm", "control", covariates=["aum_before"])
        lin = table[table["method"].str.startswith("Lin")].set_index("outcome")
        return {name: float(lin.loc[name, "estimate"]) for name in OUTCOMES}

    return work


def library_curve(path: str, bins: int | None) -> Callable[[], Found]:
    import segmentation as seg
    from segmentation.data.engines import connection

    warm(seg)

    def work() -> Found:
        rows = connection().read_parquet(path)
        curve = seg.uplift_curve(rows, "score", "converted", "arm", "control", bins=bins)
        return {"qini": curve.qini, "se": curve.qini_se, "loss": curve.loss}

    return work


def warm(seg: Any) -> None:
    """The first use of a lazily loaded module is no part of the work."""
    import pandas as pd

    rows = pd.DataFrame(
        {
            "arm": ["control", "treatment"] * 20,
            "score": range(40),
            "y": [0, 1, 0, 0, 1, 1, 0, 1] * 5,
            "x": [float(n % 7) for n in range(40)],
        }
    )
    seg.effect(rows, ["y", "x"], "arm", "control", covariates=["score"])
    seg.uplift_curve(rows, "score", "y", "arm", "control")
    seg.uplift_curve(rows, "score", "y", "arm", "control", bins=10)


def tea_tasting(path: str) -> Callable[[], Found]:
    import ibis
    import scipy.stats  # noqa: F401  # the peer's own first use is no part of the work
    import tea_tasting as tt

    def work() -> Found:
        rows = ibis.duckdb.connect().read_parquet(path)
        metrics = {name: tt.Mean(name, "aum_before") for name in OUTCOMES}
        result = tt.Experiment(metrics, variant="treated").analyze(rows, control=0)
        return {name: float(result[name].effect_size) for name in OUTCOMES}

    return work


def scikit_uplift(path: str) -> Callable[[], Found]:
    import pandas as pd
    from sklift.metrics import qini_auc_score

    def work() -> Found:
        rows = pd.read_parquet(path, columns=["score", "converted", "treated"])
        return {"qini": float(qini_auc_score(rows["converted"], rows["score"], rows["treated"]))}

    return work


def causalml(path: str) -> Callable[[], Found]:
    import pandas as pd
    from causalml.metrics import qini_score

    def work() -> Found:
        rows = pd.read_parquet(path, columns=["score", "converted", "treated"])
        found = qini_score(rows, outcome_col="converted", treatment_col="treated")
        return {"qini": float(found["score"])}

    return work


CONTENDERS: dict[str, Callable[[str], Callable[[], Found]]] = {
    "library, effect": library_effect,
    "tea-tasting": tea_tasting,
    "library, exact": lambda path: library_curve(path, None),
    "library, 1,000 bins": lambda path: library_curve(path, 1000),
    "scikit-uplift": scikit_uplift,
    "causalml": causalml,
}


def resident() -> int:
    """Bytes that the process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main(contender: str, path: str) -> None:
    work = CONTENDERS[contender](path)
    gc.collect()
    before, start = resident(), time.perf_counter()
    found = work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    memory = max(peak - before, 0)
    print(json.dumps({"seconds": seconds, "memory": memory / 1e9, "peak": peak / 1e9, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
