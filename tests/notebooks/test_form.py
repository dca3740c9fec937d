"""The committed notebooks: their form, and that a breach of it would be noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT
from nbformat import NotebookNode

from segmentation import TABLES
from segmentation.publish.check import check_notebook
from segmentation.publish.notebooks import Notebook, find_notebooks, is_lesson_only

FOLDER = ROOT / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))

every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_there_are_notebooks() -> None:
    assert PATHS
    assert [notebook.path for notebook in find_notebooks(folder=FOLDER)] == PATHS


@every_notebook
def test_form(path: Path) -> None:
    assert check_notebook(path) == []


@every_notebook
def test_needs_are_tables_of_the_contract(path: Path) -> None:
    notebook = Notebook(path)
    assert notebook.needs
    assert set(notebook.needs) <= set(TABLES)


def without_outputs(cell: NotebookNode) -> None:
    cell.outputs, cell.execution_count = [], None


def without_pictures_sentence(cell: NotebookNode) -> None:
    for output in cell.outputs:
        output.get("data", {}).pop("text/plain", None)


@every_notebook
@pytest.mark.parametrize("harm", [without_outputs, without_pictures_sentence])
def test_a_harmed_notebook_is_noticed(path: Path, harm: object) -> None:
    """Every code cell stripped alone, every picture's sentence removed alone, is found."""
    content = Notebook(path).content
    code = [cell for cell in content.cells if cell.cell_type == "code" and not is_lesson_only(cell)]
    if harm is without_pictures_sentence:
        code = [c for c in code if any("image/png" in o.get("data", {}) for o in c.outputs)]
        assert code
    for cell in code:
        kept = cell.outputs, cell.execution_count
        cell.outputs = [NotebookNode(output) for output in cell.outputs]
        for output in cell.outputs:
            if "data" in output:
                output["data"] = NotebookNode(output["data"])
        harm(cell)  # type: ignore[operator]
        assert check_notebook(content)
        cell.outputs, cell.execution_count = kept
