"""Notebooks: which there are, what they need, how they run, and the form they are kept in."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from toys import ALT, TABLE, notebook, png, save, shown

from segmentation.data.errors import TableError
from segmentation.publish import notebooks
from segmentation.publish.check import check_notebook
from segmentation.publish.forms import canonical_form
from segmentation.publish.kernels import run_notebooks
from segmentation.publish.notebooks import (
    Notebook,
    find_notebooks,
    read_needs,
    rewrite_notebooks,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("02_tiers", "01_quality"):
        save(tmp_path, name, notebook())
    save(tmp_path, "scratch", notebook())
    return tmp_path


def of_cells(*sources: str) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_code_cell(source) for source in sources])


class TestFind:
    def test_numbered_ones_in_order(self, folder: Path) -> None:
        assert [n.name for n in find_notebooks(folder=folder)] == ["01_quality", "02_tiers"]

    @pytest.mark.parametrize("name", ["02", "02_tiers", "02_tiers.ipynb", "notebooks/02_tiers"])
    def test_by_name_or_number(self, folder: Path, name: str) -> None:
        assert [n.name for n in find_notebooks([name], folder)] == ["02_tiers"]

    def test_an_unknown_name_is_told_which_there_are(self, folder: Path) -> None:
        with pytest.raises(TableError, match=r"no notebook named 09.*01_quality, 02_tiers"):
            find_notebooks(["02", "09"], folder)

    def test_an_empty_folder_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="no notebooks here"):
            find_notebooks(folder=tmp_path)

    @pytest.mark.parametrize("text", ["", "{}", "[1]", '{"cells": 3, "nbformat": 4}', "<html>"])
    def test_a_file_that_is_no_notebook(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "01_x.ipynb").write_text(text)
        with pytest.raises(TableError, match="not a Jupyter notebook"):
            find_notebooks(folder=tmp_path)[0].content


class TestNeeds:
    @pytest.mark.parametrize(
        ("source", "needs"),
        [
            ('bank = seg.open_bank(needs=("customers", "balances"))', ("customers", "balances")),
            ('bank = open_bank(needs=["visits"])', ("visits",)),
            ('bank = seg.open_bank(needs="visits")', ("visits",)),
            ('bank = seg.open_bank(None, ("visits",))', ("visits",)),
            ("bank = seg.open_bank()", ()),
            ("%matplotlib inline", ()),
        ],
    )
    def test_are_read_without_running(self, source: str, needs: tuple[str, ...]) -> None:
        assert read_needs(of_cells("import os", source)) == needs

    def test_a_variable_is_refused(self) -> None:
        with pytest.raises(TableError, match="not written out"):
            read_needs(of_cells("seg.open_bank(needs=tables)"))


class TestCanonicalForm:
    def test_does_not_depend_on_the_run(self) -> None:
        def ran(count: int, ident: str, seconds: str) -> nbformat.NotebookNode:
            cell = new_code_cell("1", execution_count=count, id=ident)
            cell.metadata = {"execution": {"iopub.status.busy": seconds}, "tags": ["b", "a"]}
            cell.outputs = [
                new_output("execute_result", {"text/plain": "1"}, execution_count=count)
            ]
            whole = new_notebook(cells=[cell])
            whole.metadata = {"language_info": {"name": "python", "version": f"3.11.{count}"}}
            return whole

        one = canonical_form(ran(7, "abc", "10:00"))
        assert one == canonical_form(ran(9, "xyz", "11:00"))
        assert one.endswith("}\n")
        assert json.loads(one)["cells"][0]["metadata"] == {"tags": ["a", "b"]}

    def test_is_its_own_canonical_form(self) -> None:
        text = canonical_form(of_cells("1", "2 \n"))
        assert canonical_form(nbformat.reads(text, as_version=4)) == text

    def test_joins_a_stream_that_came_in_pieces(self) -> None:
        cell = new_code_cell("x", execution_count=1)
        cell.outputs = [new_output("stream", name="stdout", text=t) for t in ("a", "b\n")]
        assert [
            o["text"]
            for o in json.loads(canonical_form(new_notebook(cells=[cell])))["cells"][0]["outputs"]
        ] == [["ab\n"]]


class TestRun:
    def test_in_its_folder_with_its_bank_and_language(self, tmp_path: Path) -> None:
        sources = [
            f"import os; os.environ[{name!r}]"
            for name in ("SEGMENTATION_BANK", "SEGMENTATION_LANGUAGE")
        ]
        save(tmp_path, "01_x", notebook(*sources, "os.getcwd()"))
        found = find_notebooks(folder=tmp_path)
        jobs = [(found[0], "en"), (found[0], "zh_CN")]
        runs = run_notebooks(jobs, tmp_path / "bank")
        for run, language in zip(runs, ("en", "zh_CN"), strict=True):
            assert run.error is None
            values = [
                cell.outputs[0].data["text/plain"].strip("'") for cell in run.content.cells[3:]
            ]
            assert values == [str(tmp_path / "bank"), language, str(tmp_path)]

    def test_an_error_names_the_cell(self, tmp_path: Path) -> None:
        save(tmp_path, "01_x", notebook("value = 1", "value / 0\n# why"))
        error = run_notebooks([(find_notebooks(folder=tmp_path)[0], "en")])[0].error
        assert error is not None
        assert (error.cell, error.cells, error.name) == (5, 5, "ZeroDivisionError")
        assert error.lines()[0].strip() == "value / 0"

    def test_a_long_error_stays_short(self, tmp_path: Path) -> None:
        code = "raise ValueError('x' * 5000 + chr(10) * 50)" + "\n" * 30 + "1"
        save(tmp_path, "01_x", notebook(code))
        error = run_notebooks([(find_notebooks(folder=tmp_path)[0], "en")])[0].error
        assert error is not None
        assert len(error.lines()) <= 6
        assert all(len(line) < 300 for line in error.lines())

    def test_the_log_holds_no_value(self, tmp_path: Path) -> None:
        save(tmp_path, "01_x", notebook("{}['C000123']"))
        error = run_notebooks([(find_notebooks(folder=tmp_path)[0], "en")])[0].error
        assert error is not None
        assert "C000123" in "\n".join(error.lines())
        assert "C000123" not in error.logged()
        assert "KeyError" in error.logged()

    def test_a_process_that_dies_is_told(self, tmp_path: Path) -> None:
        save(tmp_path, "01_x", notebook("import os; os._exit(9)"))
        error = run_notebooks([(find_notebooks(folder=tmp_path)[0], "en")])[0].error
        assert error is not None
        assert error.cell == 4
        assert "memory" in error.message


class TestRewrite:
    @pytest.fixture(autouse=True)
    def no_bank(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(notebooks, "_simulate_once", lambda: None)

    def test_twice_leaves_no_difference(self, tmp_path: Path) -> None:
        sources = ["## Tiers", shown(html=TABLE, plain="x"), shown(png=png(30, 20), plain=ALT)]
        path = save(tmp_path, "01_x", notebook(*sources))
        rewrite_notebooks(folder=tmp_path)
        first = path.read_bytes()
        rewrite_notebooks(folder=tmp_path)
        assert path.read_bytes() == first
        assert check_notebook(path) == []

    def test_a_failing_one_is_left_alone(self, tmp_path: Path) -> None:
        path = save(tmp_path, "01_x", notebook("1 / 0"))
        before = path.read_bytes()
        runs = rewrite_notebooks(folder=tmp_path)
        assert runs[0].error is not None
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["01_x.ipynb"]

    def test_never_on_the_banks_own_data(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEGMENTATION_BANK", "secret")
        save(
            tmp_path, "01_x", notebook("import os", "assert 'SEGMENTATION_BANK' not in os.environ")
        )
        assert rewrite_notebooks(folder=tmp_path)[0].error is None


def test_a_notebook_knows_its_name(tmp_path: Path) -> None:
    path = save(tmp_path, "03_migration", notebook(needs=("customers", "balances")))
    assert Notebook(path).name == "03_migration"
    assert Notebook(path).needs == ("customers", "balances")
