"""Write docs/calibration.md from what the long simulations recorded.

python tests/campaigns/calibration.py lines.jsonl docs/calibration.md
"""

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

REJECTED = (0.035, 0.065)
COVERED = (0.935, 0.965)

INTRODUCTION = """# Size and coverage

Written by `make calibrate`. Each method is tried on trials whose truth is known, 4,000 times where
nothing else is said: how often it rejects what is true at 5 %, and how often its 95 % interval
holds the truth. A row is *inside* if rejections lie within 3.5–6.5 % and coverage within
93.5–96.5 %. A permutation is exact, and so may reject less: it is inside with at most 6.5 % and a
coverage of at least 93.5 %. So are a sequence of 100 looks, the best of 100 scores on a fresh
fold, and a curve with the share of treatment taken as given and a score that foretells the
outcome, whose errors are then on the wide side, as its docstring says. `make test` runs the same
with 400 trials, and wants rejections within 2.0–8.75 %, which a true 5 % test leaves once in 500.

Generators are in `tests/campaigns/generators.py`: normal outcomes with a covariate; flags of 1 %;
spending that is 0 for nine customers in ten and lognormal for the others; and clusters of
customers with a correlation of .05 within. "An effect" says that there is one, and that the
interval is to hold it."""

SECTIONS = {
    "Effect: means and shares": r"(Welch|Newcombe)( from sums)?$",
    "Effect: adjusted by Lin": r"Lin( from sums)?$",
    "Effect: ratios": r"(Delta|Lin) of a ratio$",
    "Effect: clusters by t": r"Cluster t",
    "Effect: few or uneven clusters by permutation": r"Permutation",
    "Effect: quantiles and several arms": r"quantile effect|Dunnett",
    "Effect: looking often": r"monitor",
    "Curves: the best of 100, and scores learnt": r"uplift_curve, qini, fresh fold|learn",
    "Curves": r"uplift_curve|compare_curves",
    "Payoff": r"payoff",
    "Whom next": r"target",
    "Observed, not assigned": r"observed_effect",
    "Roll-outs": r"did",
    "Checks": r"sample ratio|joint balance",
    "Customers": r"kitagawa|conditional_shares|cohort effect",
}
POWER = r"power of "
FAILING = r"fixed interval|CR1|Welch on means|by customer|uplift_curve, qini, same fold"
AT_MOST = r"Permutation|monitor|uplift_curve, qini, fresh fold|.*share given"
"""Methods that may reject less than they are allowed to, by design."""

NOTES = {
    "uplift_curve, autoc, share estimated on normal, prognostic score": (
        "AUTOC rests on the few who are ranked first: of 400 customers, with a score that foretells"
        " half of the outcome's variance, too few for a normal limit. Of 20,000 it keeps its size,"
        " and so do QINI of 400 and AUTOC with the share taken as given, the default. The docstring"
        " of `uplift_curve` says so."
    ),
}
"""Why a row is outside, by method and generator: each must have its note."""


class Row(NamedTuple):
    method: str
    generator: str
    runs: int
    rejected: float | None
    coverage: float | None

    @property
    def key(self) -> str:
        return f"{self.method} on {self.generator}"

    @property
    def inside(self) -> bool:
        """Whether both shares lie in their bands, of which exact methods have one side."""
        at_most = bool(re.match(AT_MOST, self.method)) or self.key.startswith("did on 12 branches")
        low, high = (0.0 if at_most else REJECTED[0]), REJECTED[1]
        least, most = COVERED[0], (1.0 if at_most else COVERED[1])
        return (self.rejected is None or low <= self.rejected <= high) and (
            self.coverage is None or least <= self.coverage <= most
        )


def read(lines: str) -> list[Row]:
    """Rows of JSON lines, the last of each method and generator, in a fixed order."""
    rows = {}
    for line in lines.splitlines():
        row = Row(**json.loads(line))
        rows[row.key] = row
    return sorted(rows.values(), key=lambda row: (row.method, natural(row.generator)))


def natural(text: str) -> list[tuple[float, str]]:
    """Order in which 12 clusters come after 2."""
    parts = re.findall(r"(\d+)|(\D+)", text)
    return [(float(number or 0), word) for number, word in parts]


def table(rows: list[Row], judged: bool = True) -> str:
    heads = ["method", "generator", "runs", "rejections %", "coverage %"]
    heads += ["band"] if judged else []
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "--:|" * 3 + "---|" * judged]
    for row in rows:
        cells = [row.method, row.generator, f"{row.runs:,}"]
        cells += [
            "" if share is None else f"{100 * share:.2f}" for share in (row.rejected, row.coverage)
        ]
        cells += ["inside" if row.inside else "**outside**"] if judged else []
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(rows: list[Row]) -> str:
    """The page; a row that belongs nowhere is refused, lest it be lost."""
    blocks = [INTRODUCTION]
    left = list(rows)

    def take(pattern: str) -> list[Row]:
        found = [row for row in left if re.match(pattern, row.method)]
        for row in found:
            left.remove(row)
        return found

    failing, power = take(FAILING), take(POWER)
    outside = [row for row in left if not row.inside]
    for title, pattern in SECTIONS.items():
        found = take(pattern)
        if found:
            blocks += [f"## {title}", table(found)]
    if left:
        raise ValueError(f"no section for {left[0].method}")
    if outside:
        lines = [f"- {row.key}: {NOTES.get(row.key, 'not explained')}" for row in outside]
        blocks += ["## Outside", "\n".join(lines)]
    if power:
        text = "How often the effect that a campaign was planned for is found, beside its plan."
        blocks += ["## Power of plans", text, table(power, judged=False)]
    if failing:
        text = (
            "What is usual elsewhere, on the same trials: customers counted as though each had"
            " been assigned, cluster errors with few clusters, a fixed interval looked at 100"
            " times, and a score judged on the fold that it was chosen on."
        )
        blocks += ["## How the usual errors fail", text, table(failing, judged=False)]
    return "\n\n".join(blocks) + "\n"


def main(source: str, target: str) -> None:
    rows = read(Path(source).read_text(encoding="utf-8"))
    Path(target).write_text(write(rows), encoding="utf-8")
    print(f"{target}: {len(rows)} rows")


if __name__ == "__main__":
    main(*sys.argv[1:])
