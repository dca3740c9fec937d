"""What each command of the command line does, and how it shows its progress."""

from __future__ import annotations

import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation.data.errors import TableError

if TYPE_CHECKING:
    from rich.progress import Progress

    from segmentation.publish.kernels import Run, Step

__all__ = ["check", "notebooks", "reports", "simulate"]


def reports(options: Namespace) -> int:
    """Build reports; 1 if one failed."""
    from segmentation.figures.language import LANGUAGES
    from segmentation.publish.reports import build_reports

    languages = LANGUAGES if options.language == "all" else (options.language,)
    with steps() as on_step:
        build = build_reports(
            options.names,
            options.data,
            languages=languages,
            out=options.out,
            notebooks=options.notebooks,
            on_step=on_step,
        )
    for name, tables in build.left_out.items():
        print(f"{name}: left out, the data lack {', '.join(tables)}")
    for name, sections in build.sections.items():
        for heading, need in sections:
            print(f"{name}: {heading!r} left out, the data lack {need}")
    for failure in build.failed:
        print(failure, file=sys.stderr)
    count = len(build.built)
    print(f"{count} report{'' if count == 1 else 's'} built. Open {build.index}")
    return 1 if build.failed else 0


def notebooks(options: Namespace) -> int:
    """Rewrite the notebooks with their outputs; 1 if one failed."""
    from segmentation.publish.notebooks import rewrite_notebooks

    with steps() as on_step:
        runs = rewrite_notebooks(options.names, options.notebooks, on_step=on_step)
    failed = [run for run in runs if run.error is not None]
    for run in failed:
        print(_failure(run), file=sys.stderr)
    print(f"{len(runs) - len(failed)} of {len(runs)} notebooks rewritten.")
    return 1 if failed else 0


def _failure(run: Run) -> str:
    error = run.error
    assert error is not None
    head = f"{run.notebook.name} failed: cell {error.cell} of {error.cells}"
    return "\n".join([head, *error.lines(), "  The notebook is left as it was."])


def check(options: Namespace) -> int:
    """Show what is wrong with a bank's tables; 1 if anything is."""
    from rich.console import Console
    from rich.table import Table

    from segmentation.data.checks import check_bank
    from segmentation.data.source import open_bank
    from segmentation.figures.language import translator

    _ = translator()
    with waiting("Checking"):
        bank = open_bank(options.path)
        findings = check_bank(bank)
    for remark in bank.remarks:
        print(f"Read with a remark: {remark}")
    if findings.empty:
        print("Nothing found: the tables keep the contract.")
        return 0
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, justify in zip(
        ("table", "column", "rule", "rows", "share", "mend"),
        ("left", "left", "left", "right", "right", "left"),
        strict=True,
    ):
        shown.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in findings.to_dict("records"):
        shown.add_row(
            row["table"],
            _known(row["column"]),
            _(row["rule"]),
            "" if _known(row["rows"]) == "" else f"{int(row['rows']):,}",
            "" if _known(row["share"]) == "" else f"{row['share']:.2%}",
            _(row["mend"]),
        )
    width = None if sys.stdout.isatty() else 160
    Console(width=width, markup=False, highlight=False).print(shown)
    print(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}.")
    return 1


def _known(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def simulate(options: Namespace) -> int:
    """Write the tables of a simulated network into a new folder."""
    from segmentation.data.demonstrations import SEED
    from segmentation.data.network import simulate_bank
    from segmentation.data.source import write_bank

    out: Path = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TableError(out.name, "the folder is not empty", "Name a new folder.")
    sizes = {name: getattr(options, name) for name in ("branches", "customers", "months")}
    with waiting("Simulating"):
        bank = simulate_bank(SEED if options.seed is None else options.seed, **sizes)
        write_bank(bank, out)
    print(f"{len(bank.tables)} tables written to {out}")
    return 0


@contextmanager
def steps() -> Iterator[Callable[[Step], None]]:
    """Give a function that shows a bar for each notebook and language, on stderr."""
    if not sys.stderr.isatty():
        yield _plain_steps()
        return
    with _bars() as bars:
        opening = bars.add_task("Opening the tables", total=None)
        tasks: dict[tuple[str, str], Any] = {}

        def on_step(step: Step) -> None:
            bars.update(opening, visible=False)
            key = (step.notebook.name, step.language)
            if key not in tasks:
                tasks[key] = bars.add_task(" ".join(key), total=step.cells)
            bars.update(tasks[key], completed=step.done)

        yield on_step


def _plain_steps() -> Callable[[Step], None]:
    """Where there is no screen to draw bars on: a line at the beginning and the end of a run."""
    begun: dict[tuple[str, str], float] = {}

    def on_step(step: Step) -> None:
        key = (step.notebook.name, step.language)
        if step.done == 0:
            begun[key] = time.monotonic()
            print(f"{step.notebook.name} ({step.language}) …", file=sys.stderr, flush=True)
        elif step.done == step.cells:
            seconds = time.monotonic() - begun[key]
            print(
                f"{step.notebook.name} ({step.language}) ran in {seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )

    return on_step


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on stderr that something goes on, if it goes on for over a second."""
    if not sys.stderr.isatty():
        print(f"{what} …", file=sys.stderr, flush=True)
        yield
        return
    with _bars() as bars:
        bars.add_task(what, total=None)
        yield


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    timer = threading.Timer(1.0, bars.start)
    timer.daemon = True
    timer.start()
    try:
        yield bars
    finally:
        timer.cancel()
        timer.join()
        bars.stop()
