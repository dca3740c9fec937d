"""Runs of notebooks: each in its own Python process, in one language, several at a time."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from segmentation.publish.notebooks import Notebook

__all__ = ["CellError", "Run", "Step", "run_notebooks"]

ANSI = re.compile(r"\x1b\[[0-9;]*m")
PLACE = re.compile(r"File .*?(segmentation/\S+?\.py):(\d+)")
SAFE_ERRORS = ("TableError", "MissingTable", "DeadKernel")
"""Errors whose message holds no value of a table, so that it may be logged."""
PATHS = ("SEGMENTATION_BANK", "SEGMENTATION_RULES")

QUIET = logging.getLogger("segmentation.kernels")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


@dataclass(frozen=True)
class Step:
    """How far a run is: `done` of `cells` code cells."""

    notebook: Notebook
    language: str
    done: int
    cells: int


@dataclass(frozen=True)
class CellError:
    """Why a run stopped.

    Attributes
    ----------
    cell : int
        Number of the cell in the notebook, from 1.
    cells : int
        How many cells the notebook has.
    code : str
        Last statement or first lines of the cell.
    name, message : str
        The error's class and message.
    place : str
        Where in this package it was raised, if there.
    """

    cell: int
    cells: int
    code: str
    name: str
    message: str
    place: str = ""

    def lines(self) -> list[str]:
        """Return it in at most six lines for the terminal of whoever started the run."""
        code = [f"    {line[:100]}" for line in self.code.splitlines()[:3]]
        message = " ".join(self.message.split())[:240]
        place = [f"    raised in {self.place}"] if self.place else []
        return [*code, f"{self.name}: {message}" if message else self.name, *place]

    def logged(self) -> str:
        """Return it in one line without anything that could be a value of a table."""
        message = self.message if self.name in SAFE_ERRORS else "message not logged"
        return f"cell {self.cell} of {self.cells}: {self.name}: {' '.join(message.split())}"


@dataclass(frozen=True)
class Run:
    """A notebook that was run in a language: with its outputs, or with the error that ended it."""

    notebook: Notebook
    language: str
    content: NotebookNode
    error: CellError | None = None


class _OwnInterpreter(KernelSpecManager):
    """Starts the interpreter that runs now, whether or not a kernel is installed for it."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher"]
        argv += ["-f", "{connection_file}", "--HistoryManager.enabled=False"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def run_notebooks(
    jobs: Sequence[tuple[Notebook, str]],
    bank: str | Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    workers: int | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_run: Callable[[Run], None] | None = None,
) -> list[Run]:
    """Run notebooks, each in its own process in the notebook's folder.

    Parameters
    ----------
    jobs : sequence of (Notebook, str)
        Notebooks and the language to run each in.
    bank : path, optional
        What `open_bank()` opens in the notebooks.
    environment : mapping, optional
        The environment of the processes, by default the present one.
    workers : int, optional
        How many run at a time, by default 2, or 1 on a single core.
    on_step, on_run : callable, optional
        Called after each cell, and with each run as it ends.

    Returns
    -------
    list of Run
        One for each job, in the order of `jobs`. A failing notebook raises nothing.
    """
    workers = workers or max(1, min(2, os.cpu_count() or 1))
    base = dict(os.environ if environment is None else environment)
    if bank is not None:
        base["SEGMENTATION_BANK"] = str(bank)
    for name in PATHS:  # a notebook runs in another folder than this one
        if base.get(name):
            base[name] = str(Path(base[name]).resolve())

    with tempfile.TemporaryDirectory(prefix="segmentation-") as scratch:
        # The reader's own start-up files must not change what a report says.
        environ = {**base, "IPYTHONDIR": scratch, "PYTHONHASHSEED": "0"}
        return _Crew(jobs, environ, workers, on_step, on_run).work()


@dataclass
class _Crew:
    """Runs several notebooks at a time, in an event loop of its own in a thread of its own.

    So it works in Jupyter, where a loop runs already, and an interrupt reaches the main thread,
    which then has all processes ended.
    """

    jobs: Sequence[tuple[Notebook, str]]
    environ: Mapping[str, str]
    workers: int
    on_step: Callable[[Step], None] | None
    on_run: Callable[[Run], None] | None
    stopped: bool = False

    def work(self) -> list[Run]:
        with ThreadPoolExecutor(max_workers=1) as thread:
            future = thread.submit(self._loop)
            try:
                while not wait([future], timeout=0.2).done:
                    pass
            except KeyboardInterrupt:
                self.stopped = True
                self.loop.call_soon_threadsafe(self.task.cancel)
                raise
        return future.result()

    def _loop(self) -> list[Run]:
        # On Windows the sockets of Jupyter's messages need this kind of loop.
        factory = asyncio.SelectorEventLoop if sys.platform == "win32" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            self.loop = runner.get_loop()
            return runner.run(self._all())

    async def _all(self) -> list[Run]:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        gate = asyncio.Semaphore(self.workers)

        async def one(notebook: Notebook, language: str) -> Run:
            async with gate:
                run = await _run(notebook, language, self.environ, self.on_step)
            if self.stopped:
                raise asyncio.CancelledError
            if self.on_run is not None:
                self.on_run(run)
            return run

        return list(await asyncio.gather(*(one(*job) for job in self.jobs)))


async def _run(
    notebook: Notebook,
    language: str,
    environ: Mapping[str, str],
    on_step: Callable[[Step], None] | None,
) -> Run:
    content = deepcopy(notebook.content)
    codes = [i for i, c in enumerate(content.cells) if c.cell_type == "code" and c.source.strip()]

    def step(done: int) -> None:
        if on_step is not None:
            on_step(Step(notebook, language, done, len(codes)))

    def executed(cell_index: int, **_: Any) -> None:
        step(sum(i <= cell_index for i in codes))

    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        content,
        km=AsyncKernelManager(kernel_spec_manager=_OwnInterpreter(), kernel_name="python3"),
        timeout=None,
        startup_timeout=120,
        record_timing=False,
        resources={"metadata": {"path": str(notebook.path.parent)}},
        on_cell_executed=executed,
    )
    client.log = QUIET
    environ = {**environ, "SEGMENTATION_LANGUAGE": language}
    step(0)
    try:
        await client.async_execute(env=environ, stderr=subprocess.DEVNULL, cleanup_kc=True)
    except CellExecutionError as error:
        return Run(notebook, language, content, _cell_error(content, error))
    except (DeadKernelError, RuntimeError):
        at = max((i for i in codes if content.cells[i].execution_count is not None), default=-1)
        at = next((i for i in codes if i > at), codes[-1] if codes else 0)
        message = "the Python process ended; perhaps memory ran out"
        return Run(notebook, language, content, _error_at(content, at, "DeadKernel", message))
    return Run(notebook, language, content)


def _cell_error(content: NotebookNode, error: CellExecutionError) -> CellError:
    for index, cell in enumerate(content.cells):
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                trace = ANSI.sub("", "\n".join(output.traceback))
                places = PLACE.findall(trace)
                place = ":".join(places[-1]) if places else ""
                return _error_at(content, index, output.ename, output.evalue, place)
    return CellError(0, len(content.cells), "", error.ename, error.evalue)


def _error_at(
    content: NotebookNode, index: int, name: str, message: str, place: str = ""
) -> CellError:
    code = content.cells[index].source if content.cells else ""
    return CellError(index + 1, len(content.cells), code, name, message, place)
