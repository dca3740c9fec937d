"""The notebooks: which there are, which tables each needs, and how they are rewritten."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbformat import NotebookNode

from segmentation.data.errors import TableError

if TYPE_CHECKING:
    from segmentation.publish.kernels import Run, Step

__all__ = ["Notebook", "find_notebooks", "read_needs", "rewrite_notebooks"]

NUMBERED = re.compile(r"\d\d_[a-z0-9_]+\.ipynb")
CHECKOUT = Path(__file__).resolve().parents[2]
LESSON_TAGS = frozenset({"exercise", "solution"})
"""Tags of the cells that only lessons show."""


@dataclass(frozen=True)
class Notebook:
    """A notebook in the folder of notebooks.

    Attributes
    ----------
    path : Path
        Where it is.
    given : NotebookNode, optional
        Its cells, where they are not to be read from the file.

    Examples
    --------
    >>> Notebook(Path("notebooks/02_customer_tiers.ipynb")).name
    '02_customer_tiers'
    """

    path: Path
    given: NotebookNode | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Its file's name without the ending."""
        return self.path.stem

    @cached_property
    def content(self) -> NotebookNode:
        """Its cells, as they are in the file unless they were given.

        Raises
        ------
        TableError
            If the file is not a notebook.
        """
        return read_notebook(self.path) if self.given is None else self.given

    @property
    def needs(self) -> tuple[str, ...]:
        """Tables of the bank that it cannot do without."""
        return read_needs(self.content)


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook of the current format."""
    try:
        text = path.read_text("utf-8")
        raw = json.loads(text)
        if isinstance(raw, dict) and raw.get("nbformat") == 4 and _has_cells(raw):
            return nbformat.reads(text, as_version=4)  # type: ignore[no-any-return, no-untyped-call]
    except (ValueError, nbformat.ValidationError):
        pass
    raise TableError(path.name, "the file is not a Jupyter notebook", "Restore it.")


def _has_cells(raw: dict[str, Any]) -> bool:
    cells = raw.get("cells")
    return isinstance(cells, list) and all(
        isinstance(cell, dict) and {"cell_type", "source"} <= set(cell) for cell in cells
    )


def find_notebooks(
    names: Iterable[str] = (), folder: str | Path | None = None
) -> tuple[Notebook, ...]:
    """Return the numbered notebooks (``NN_name.ipynb``), in order.

    Parameters
    ----------
    names : iterable of str
        The names wanted, or only their numbers: ``"02_customer_tiers"`` or ``"02"``. All if empty.
    folder : path, optional
        The folder of notebooks. By default `notebooks` of the checkout that the package is in, or
        else of the current folder.

    Raises
    ------
    TableError
        If there are no notebooks, or none of a wanted name.

    Examples
    --------
    >>> find_notebooks(folder="nowhere")
    Traceback (most recent call last):
    ...
    segmentation.data.errors.TableError: notebooks: no notebooks here. Give the folder ...
    """
    places = [CHECKOUT / "notebooks", Path("notebooks")] if folder is None else [Path(folder)]
    for place in places:
        found = [p for p in sorted(place.glob("*.ipynb")) if NUMBERED.fullmatch(p.name)]
        if found:
            return _wanted([Notebook(path.resolve()) for path in found], list(names))
    raise TableError(
        "notebooks",
        "no notebooks here",
        "Give the folder that holds them, or run in a checkout of the project.",
    )


def _wanted(notebooks: Sequence[Notebook], names: Sequence[str]) -> tuple[Notebook, ...]:
    keys = [name.removesuffix(".ipynb").rsplit("/", 1)[-1] for name in names]
    known = {key for n in notebooks for key in (n.name, n.name[:2])}
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise TableError(
            "notebooks",
            f"no notebook named {', '.join(unknown)}",
            f"There are: {', '.join(n.name for n in notebooks)}.",
        )
    return tuple(n for n in notebooks if not keys or {n.name, n.name[:2]} & set(keys))


def read_needs(notebook: NotebookNode) -> tuple[str, ...]:
    """Return the tables that a notebook names in its ``open_bank(needs=(…))``.

    Examples
    --------
    >>> cell = nbformat.v4.new_code_cell('bank = seg.open_bank(needs=("customers", "balances"))')
    >>> read_needs(nbformat.v4.new_notebook(cells=[cell]))
    ('customers', 'balances')
    """
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(_parse(cell.source)):
            if isinstance(node, ast.Call) and _called(node) == "open_bank":
                return _literal_needs(node)
    return ()


def _parse(source: str) -> ast.Module:
    """The syntax of a cell; one that does not parse (a magic, a mistake) has none."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def _called(call: ast.Call) -> str | None:
    return getattr(call.func, "attr", None) or getattr(call.func, "id", None)


def _literal_needs(call: ast.Call) -> tuple[str, ...]:
    value = next((k.value for k in call.keywords if k.arg == "needs"), None)
    if value is None and len(call.args) > 1:
        value = call.args[1]
    if value is None:
        return ()
    try:
        needs = ast.literal_eval(value)
    except ValueError:
        raise TableError(
            "notebook",
            "the needs of open_bank are not written out",
            "Write them as a tuple of names of tables.",
        ) from None
    return (needs,) if isinstance(needs, str) else tuple(needs)


def is_lesson_only(cell: NotebookNode) -> bool:
    """Whether a cell is an exercise or a solution, which no report shows."""
    return bool(LESSON_TAGS & set(cell.metadata.get("tags", ())))


def write_aside(path: Path, text: str) -> None:
    """Write a file under another name first, so that there is never half a file under its own."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8", newline="\n")
    os.replace(aside, path)


def rewrite_notebooks(
    names: Iterable[str] = (),
    folder: str | Path | None = None,
    *,
    on_step: Callable[[Step], None] | None = None,
) -> list[Run]:
    """Run the notebooks on the demonstration bank, in English, and keep them with their outputs.

    A notebook that fails is left as it was.

    Parameters
    ----------
    names, folder
        As of `find_notebooks`.
    on_step : callable, optional
        Called after each cell.

    Returns
    -------
    list of Run
        One for each notebook, in order.
    """
    from segmentation.publish.forms import canonical_form
    from segmentation.publish.kernels import run_notebooks

    # What is committed never comes from a bank's own data or rules.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SEGMENTATION_")}
    jobs = [(notebook, "en") for notebook in find_notebooks(names, folder)]
    _simulate_once()
    runs = run_notebooks(jobs, environment=environ, on_step=on_step)
    for run in runs:
        if run.error is None:
            write_aside(run.notebook.path, canonical_form(run.content))
    return runs


def _simulate_once() -> None:
    """Have the demonstration bank there before several processes look for it."""
    from segmentation.data.demonstrations import demo_folder
    from segmentation.data.source import write_bank

    demo_folder(write_bank)
