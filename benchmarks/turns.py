"""One contender at a time, alone in a fresh process, on a machine that is quiet."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def run(script: str, *arguments: object, python: str | Path = sys.executable) -> dict[str, Any]:
    """Run a contender. This process stays small: a child's peak begins at its parent's size."""
    command = [python, HERE / script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def wait_for_quiet(most: float = 120, step: float = 0.5) -> None:
    """Wait until other programs leave the processors alone, so that they are not measured too."""
    stat = Path("/proc/stat")
    until = time.monotonic() + most
    while stat.is_file() and time.monotonic() < until:
        before, _, after = (stat.read_text(), time.sleep(step), stat.read_text())
        spent = [list(map(int, text.split("\n")[0].split()[1:])) for text in (before, after)]
        passed = [late - early for early, late in zip(*spent, strict=True)]
        if passed[3] >= 0.9 * sum(passed):  # idle
            return


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    chip = names[0] if names else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    packages = ", ".join(f"{p} {version(p)}" for p in ("duckdb", "narwhals", "pandas", "numpy"))
    return (
        f"{os.cpu_count()} × {chip}, {memory:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
    )
