"""The demonstration bank: where it lies, and how it gets there once."""

from __future__ import annotations

import ast
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from segmentation.data.bank import Bank
from segmentation.data.errors import TableError

__all__ = ["SEED", "demo_folder", "generator_version", "place"]

SEED = 20250601
"""Seed of the demonstration bank."""
PACKAGE = Path(__file__).resolve().parents[1]
SHARED = {"bank", "engines", "errors"}
"""Modules that the simulation imports, and whose change does not change its tables."""
log = logging.getLogger("segmentation")
DAY = 86_400


def place() -> Path:
    """Return where demonstration banks lie: `data/demo` of a checkout, or the user's cache."""
    root = PACKAGE.parent
    if (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir():
        return root / "data" / "demo"
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "segmentation" / "demo"


def generator_version() -> str:
    """Return a short hash of all that the simulation's tables depend on: its code and its rules."""
    package = files("segmentation")
    seen: dict[str, str] = {}
    waiting = ["network"]
    while waiting:
        module = waiting.pop()
        if module in seen or module in SHARED:
            continue
        seen[module] = package.joinpath("data", f"{module}.py").read_text("utf-8")
        for node in ast.walk(ast.parse(seen[module])):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            if node.module == "segmentation.data":
                waiting += [alias.name for alias in node.names]
            elif node.module.startswith("segmentation.data."):
                waiting.append(node.module.removeprefix("segmentation.data."))
    texts = [seen[module] for module in sorted(seen)]
    texts += [package.joinpath("data", "contract.toml").read_text("utf-8")]
    texts += [package.joinpath("rules", "network.toml").read_text("utf-8"), str(SEED)]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:10]


def demo_folder(write: Callable[[Bank, Path], None]) -> Path:
    """Return the folder of the demonstration bank, which is simulated if it is not there yet.

    It is written aside and renamed, so that it is there whole or not at all: of two processes that
    do so together, the second takes what the first has made. The folder's name is the version of
    the generator, so that a changed one makes it anew.

    Parameters
    ----------
    write : function
        Writes a bank into a folder.

    Raises
    ------
    TableError
        If the folder cannot be written.
    """
    version = generator_version()
    target = place() / version
    if (target / "bank.toml").is_file():
        return target
    from segmentation.data.network import simulate_bank

    log.info("simulating the demonstration bank, once")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".aside-", dir=target.parent))
    except OSError:
        raise TableError(
            "bank",
            f"the demonstration bank can be written into {target.parent}",
            "Make the folder writable, or set SEGMENTATION_BANK to a bank's folder.",
        ) from None
    try:
        write(simulate_bank(SEED), aside / "bank")
        try:
            (aside / "bank").rename(target)
        except OSError:
            if not (target / "bank.toml").is_file():  # nor has another process made it
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _tidy(target)
    return target


def _tidy(target: Path) -> None:
    """Remove what older generators made, unless it is so new that someone may be at it."""
    for other in target.parent.iterdir():
        if other != target and other.is_dir() and time.time() - other.stat().st_mtime > DAY:
            shutil.rmtree(other, ignore_errors=True)
