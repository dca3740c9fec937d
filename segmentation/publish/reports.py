"""Reports: notebooks run on a bank's tables and exported, in each language, with an index."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segmentation.data.bank import Bank
from segmentation.data.errors import TableError
from segmentation.figures.language import LANGUAGES
from segmentation.publish.fonts import missing_characters
from segmentation.publish.kernels import CellError, Run, Step, run_notebooks
from segmentation.publish.notebooks import CHECKOUT, Notebook, find_notebooks, write_aside
from segmentation.publish.pages import (
    Entry,
    Summary,
    describe,
    file_name,
    index_name,
    read_summary,
    render_index,
    render_report,
)
from segmentation.publish.sections import fit_to
from segmentation.publish.sections import left_out as left_out_sections

__all__ = ["Build", "Failure", "build_reports"]

LOG = "build.log"
WARNING = re.compile(r"\b([A-Z]\w*Warning)\b")
GLYPH = re.compile(r"Glyph \d+ .*missing from")


@dataclass(frozen=True)
class Failure:
    """A report that could not be built, and why."""

    notebook: str
    language: str
    error: CellError
    kept: bool

    def __str__(self) -> str:
        where = f"cell {self.error.cell} of {self.error.cells}: " if self.error.cell else ""
        head, *rest = self.error.lines() or [""]
        lines = [f"{self.notebook} ({self.language}) failed: {where}".rstrip(": "), head, *rest]
        lines.append(
            "  The last good report stays." if self.kept else "  There is no report of it."
        )
        return "\n".join(lines[:10])


@dataclass(frozen=True)
class Build:
    """What came of a build.

    Attributes
    ----------
    built : tuple of Path
        The reports that were written.
    left_out : dict
        By notebook, the tables that it needs and the data lack.
    sections : dict
        By notebook that was run, the headings left out, each with the table or column it needs.
    failed : tuple of Failure
        What went wrong.
    index : Path
        The page to open.
    """

    built: tuple[Path, ...]
    left_out: Mapping[str, tuple[str, ...]]
    sections: Mapping[str, tuple[tuple[str, str], ...]]
    failed: tuple[Failure, ...]
    index: Path


def build_reports(
    names: Iterable[str] = (),
    data: str | Path | None = None,
    *,
    languages: Sequence[str] = LANGUAGES,
    out: str | Path | None = None,
    notebooks: str | Path | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Build:
    """Run notebooks on a bank's tables and write their reports and the index.

    Parameters
    ----------
    names : iterable of str, optional
        Notebooks by name or number; all if empty.
    data : path, optional
        What `open_bank` opens: by default the demonstration bank.
    languages : sequence of str, optional
        ``en``, ``zh_CN`` or both.
    out : path, optional
        Folder of the reports, by default `reports` of the checkout or of the current folder.
    notebooks : path, optional
        Folder of the notebooks, as of `find_notebooks`.
    on_step : callable, optional
        Called with a `Step` after each cell.

    Returns
    -------
    Build
        A notebook whose tables the bank lacks is left out. One that fails leaves the last good
        report in place, and the others are built all the same.

    Raises
    ------
    TableError
        If the data cannot be read at all, or there is no notebook of a name.

    Examples
    --------
    >>> build_reports(["11"], notebooks="nowhere")
    Traceback (most recent call last):
    ...
    segmentation.data.errors.TableError: notebooks: no notebooks here. Give the folder ...
    """
    chosen = find_notebooks(names, notebooks)
    every = find_notebooks((), notebooks)
    for language in languages:
        if language not in LANGUAGES:
            raise TableError("language", "no such language", f"There are {', '.join(LANGUAGES)}.")
    folder = Path(out) if out is not None else default_folder()
    bank = _open(data)
    folder.mkdir(parents=True, exist_ok=True)
    log = _log(folder / LOG)
    try:
        log.info("data: %s; tables: %s", bank.source or "unnamed", ", ".join(bank.tables))
        for remark in bank.remarks:
            log.warning("%s", remark)
        return _build(chosen, every, bank, data, languages, folder, log, on_step)
    finally:
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()


def default_folder() -> Path:
    """Return the folder that reports go to when none is named."""
    root = CHECKOUT if (CHECKOUT / "notebooks").is_dir() else Path()
    return root / "reports"


def _open(data: str | Path | None) -> Bank:
    from segmentation.data.source import open_bank

    return open_bank(data)


def _build(
    chosen: Sequence[Notebook],
    every: Sequence[Notebook],
    bank: Bank,
    data: str | Path | None,
    languages: Sequence[str],
    folder: Path,
    log: logging.Logger,
    on_step: Callable[[Step], None] | None,
) -> Build:
    lacks = {n.name: tuple(t for t in n.needs if t not in bank.tables) for n in every}
    left_out = {n.name: lacks[n.name] for n in chosen if lacks[n.name]}
    for name, tables in left_out.items():
        log.info("%s: left out, for want of %s", name, ", ".join(tables))
        # A report of other data must not pass for one of these.
        for language in languages:
            stale = folder / file_name(name, language)
            if _summary(stale) is not None:
                stale.unlink()
    built: dict[Path, Run] = {}
    failed: list[Failure] = []
    begun = time.monotonic()

    def finish(run: Run) -> None:
        target = folder / file_name(run.notebook.name, run.language)
        error = run.error or _export(run, target, _present(run, folder, languages), log)
        seconds = time.monotonic() - begun
        if error is None:
            built[target] = run
            size = target.stat().st_size / 1000
            log.info("%s: built after %.1f s, %.0f KB", target.name, seconds, size)
        else:
            failed.append(Failure(run.notebook.name, run.language, error, target.is_file()))
            log.error("%s: failed after %.1f s: %s", target.name, seconds, error.logged())

    fitted = [fit_to(n, bank) for n in chosen if n.name not in left_out]
    sections = {n.name: found for n in fitted if (found := tuple(left_out_sections(n.content)))}
    for name, found in sections.items():
        for heading, need in found:
            log.info("%s: %r left out, for want of %s", name, heading, need)
    jobs = [(n, language) for n in fitted for language in languages]
    run_notebooks(jobs, data, on_step=on_step, on_run=finish)
    for target, run in built.items():
        if any(f.notebook == run.notebook.name and not f.kept for f in failed):
            _export(run, target, _present(run, folder), log)  # without the link that leads nowhere
    indexed = [x for x in LANGUAGES if x in languages or (folder / index_name(x)).is_file()]
    for language in indexed:
        entries = [_entry(n, language, folder, lacks[n.name], failed) for n in every]
        write_aside(folder / index_name(language), render_index(entries, language, indexed))
    order = {(n.name, x): i for i, (n, x) in enumerate(jobs)}
    failed.sort(key=lambda f: order[f.notebook, f.language])
    index = folder / index_name(languages[0])
    return Build(tuple(sorted(built)), left_out, sections, tuple(failed), index)


def _present(run: Run, folder: Path, coming: Sequence[str] = ()) -> list[str]:
    """Languages in which there is a report of the run's notebook, or soon will be."""
    return [
        x for x in LANGUAGES if x in coming or (folder / file_name(run.notebook.name, x)).is_file()
    ]


def _export(
    run: Run, target: Path, languages: Sequence[str], log: logging.Logger
) -> CellError | None:
    cells = len(run.content.cells)
    for number, cell in enumerate(run.content.cells, start=1):
        spoken = "".join(o.text for o in cell.get("outputs", ()) if o.get("name") == "stderr")
        if GLYPH.search(spoken):
            message = "a letter of the picture is missing from the font"
            return CellError(number, cells, cell.source, "TableError", message)
        for kind in sorted(set(WARNING.findall(spoken))):
            log.warning("%s: cell %d of %d: %s", target.name, number, cells, kind)
    try:
        page = render_report(run.notebook.name, run.content, run.language, languages)
    except TableError as error:
        found = re.match(r"cell (\d+)", error.table)
        number = int(found[1]) if found else 0
        code = run.content.cells[number - 1].source if number else ""
        return CellError(number, cells, code, "TableError", str(error))
    except Exception as error:  # one page that cannot be made must not cost the others
        return CellError(0, cells, "", type(error).__name__, str(error))
    undrawn = missing_characters(page)
    if undrawn:
        log.warning("%s: %d characters are not in the font", target.name, len(undrawn))
    write_aside(target, page)
    return None


def _entry(
    notebook: Notebook,
    language: str,
    folder: Path,
    lacks: tuple[str, ...],
    failures: Sequence[Failure],
) -> Entry:
    failed = any(f.notebook == notebook.name and f.language == language for f in failures)
    summary = _summary(folder / file_name(notebook.name, language))
    if summary is not None:
        return Entry(summary, built=True, failed=failed)
    try:
        summary = describe(notebook.name, notebook.content, language)
    except TableError:
        summary = Summary(notebook.name, notebook.name, "")
    return Entry(summary, built=False, lacks=lacks, failed=failed)


def _summary(path: Path) -> Summary | None:
    return read_summary(path.read_text("utf-8")) if path.is_file() else None


def _log(path: Path) -> logging.Logger:
    """A log that begins anew with each build."""
    from importlib.metadata import PackageNotFoundError, version

    log = logging.getLogger("segmentation.reports")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        log.info("branch-segmentation %s", version("branch-segmentation"))
    except PackageNotFoundError:
        log.info("branch-segmentation, not installed")
    return log
