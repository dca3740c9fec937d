"""The form of a notebook: short, run from top to bottom, and free of what must not be published."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from nbformat import NotebookNode

from segmentation.data.errors import TableError
from segmentation.publish.forms import canonical_form
from segmentation.publish.notebooks import is_lesson_only, read_notebook
from segmentation.publish.outputs import HEADLINES, pieces

__all__ = ["check_notebook"]

CELLS, LINES, SETUP_LINES = 25, 10, 4
HEADLINE_FIGURES = range(3, 6)
IDENTIFIER = re.compile(r"\b[A-Z]{1,3}\d{5,}\b|\b\d{11,}\b|customer_id")
"""What the number of a customer, an account or a phone looks like."""
Finding = tuple[int, str]
"""Number of a cell, 0 for the whole notebook, and what is wrong."""

# What a number in prose may be: no data can change it.
SETTLED = re.compile(
    r"""
      ```.*?``` | `[^`]*` | \$\$.*?\$\$ | \$[^$]*\$   # code and formulas
    | \]\([^)]*\) | https?://\S+ | \b\d\d_[a-z_]+     # links and notebooks
    | ^\#*\s*\d+(\.\d+)*[.、)]?\s                      # numbers of headings and lists
    | \b(1[89]|20)\d\d\b                              # years
    | \b(90|95|99)\s?%                                # levels of intervals
    | \b12[\s-]months?                                # a year, counted in months
    | \b[A-Za-z]+[-+]?\d+\b | \b\d+:\d+\b | \bpp?\.\s?[\d–-]+ | \b\d+\(\d+\)  # A4, T+1, 1:1, pages
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


def check_notebook(notebook: str | Path | NotebookNode) -> list[str]:
    """Return what is wrong with the form of a notebook, an empty list if nothing is.

    Parameters
    ----------
    notebook : path or NotebookNode
        A file, which must also be in the canonical form, or what was read from one.

    Returns
    -------
    list of str
        A sentence each, in order of the cells.

    Raises
    ------
    TableError
        If the file is not a notebook.

    Examples
    --------
    >>> from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
    >>> setup = new_code_cell("import segmentation as seg")
    >>> for finding in check_notebook(new_notebook(cells=[new_markdown_cell("# Tiers"), setup])):
    ...     print(finding)
    it shows headline figures 0 times, not once
    cell 1: no question follows the title
    cell 2: it was not run, or not in order
    """
    if isinstance(notebook, NotebookNode):
        content, found = notebook, list[Finding]()
    else:
        content = read_notebook(Path(notebook))
        found = [(0, rule) for rule in _not_canonical(Path(notebook), content)]
    for rule in RULES:
        found += rule(content)
    ordered = sorted(found, key=lambda finding: finding[0])
    return [f"cell {number}: {rule}" if number else rule for number, rule in ordered]


def _not_canonical(path: Path, content: NotebookNode) -> Iterator[str]:
    if path.read_text("utf-8") != canonical_form(content):
        yield "the file is not in canonical form: run `make notebooks`"


def _numbered(content: NotebookNode, kind: str) -> Iterator[tuple[int, NotebookNode]]:
    for number, cell in enumerate(content.cells, start=1):
        if cell.cell_type == kind:
            yield number, cell


def _opening(content: NotebookNode) -> Iterator[Finding]:
    first = content.cells[0] if content.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        yield 1, "the notebook does not open with its title"
    elif not first.source.partition("\n")[2].strip():
        yield 1, "no question follows the title"


def _short(content: NotebookNode) -> Iterator[Finding]:
    counted = [c for c in content.cells if not is_lesson_only(c)]
    if len(counted) > CELLS:
        yield 0, f"it has {len(counted)} cells, and may have {CELLS}"
    setup = True
    for number, cell in _numbered(content, "code"):
        most, setup = (SETUP_LINES if setup else LINES), False
        lines = len(cell.source.splitlines())
        if lines > most:
            yield number, f"it has {lines} lines, and may have {most}"


def _plain_code(content: NotebookNode) -> Iterator[Finding]:
    for number, cell in _numbered(content, "code"):
        try:
            tree = ast.parse(cell.source)
        except SyntaxError:
            yield number, "it is not plain Python"
            continue
        kinds = {type(node) for node in ast.walk(tree)}
        if kinds & {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}:
            yield number, "it defines a function or a class, which belongs in the library"


def _ran(content: NotebookNode) -> Iterator[Finding]:
    for count, (number, cell) in enumerate(_numbered(content, "code"), start=1):
        if cell.execution_count != count:
            yield number, "it was not run, or not in order"
        for output in cell.outputs:
            if output.output_type == "error":
                yield number, "it ended with an error"
            elif output.get("name") == "stderr":
                yield number, "it wrote to stderr"


def _of_use(content: NotebookNode) -> Iterator[Finding]:
    """A cell that shows nothing must leave something, or else its outputs were stripped."""
    for place, (number, cell) in enumerate(_numbered(content, "code")):
        if place and not cell.outputs and not _leaves(cell.source):
            yield number, "it has no output: the outputs were stripped, or it does nothing"


def _leaves(source: str) -> bool:
    """Whether the last statement is one that shows nothing."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    silent = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.Assert)
    return not body or isinstance(body[-1], silent)


def _publishable(content: NotebookNode) -> Iterator[Finding]:
    for number, cell in _numbered(content, "code"):
        ended = any(output.output_type == "error" for output in cell.outputs)
        try:
            if not ended:  # which `_ran` tells
                pieces(cell, number)
        except TableError as error:
            yield number, error.rule
        for output in cell.outputs:
            words = [v for k, v in output.get("data", {}).items() if not k.startswith("image/")]
            text = json.dumps([output.get("text", ""), words], ensure_ascii=False)
            if IDENTIFIER.search(text):
                yield number, "an output holds what looks like the number of a customer"


def _answers(content: NotebookNode) -> Iterator[Finding]:
    shown = [
        (number, output.data[HEADLINES])
        for number, cell in _numbered(content, "code")
        for output in cell.outputs
        if HEADLINES in output.get("data", {})
    ]
    if len(shown) != 1:
        yield 0, f"it shows headline figures {len(shown)} times, not once"
    for number, facts in shown:
        if len(facts["figures"]) not in HEADLINE_FIGURES:
            yield number, f"it has {len(facts['figures'])} headline figures, not 3 to 5"


def _no_numbers_in_prose(content: NotebookNode) -> Iterator[Finding]:
    for number, cell in _numbered(content, "markdown"):
        left = re.findall(r"\d[\d,.]*\s?%?", SETTLED.sub(" ", cell.source))
        if left:
            yield number, f"its prose holds a number that data could change: {left[0].strip()}"


RULES: tuple[Callable[[NotebookNode], Iterator[Finding]], ...] = (
    _opening,
    _short,
    _plain_code,
    _ran,
    _of_use,
    _publishable,
    _answers,
    _no_numbers_in_prose,
)
