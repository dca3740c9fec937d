"""The form of notebooks: each rule catches its breach, and a good notebook passes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from toys import ALT, HEADLINES, TABLE, notebook, png

from segmentation.publish.check import check_notebook
from segmentation.publish.forms import canonical_form

Content = nbformat.NotebookNode


def output(**data: object) -> nbformat.NotebookNode:
    return new_output("display_data", {k.replace("_", "/"): v for k, v in data.items()})


@pytest.fixture
def good() -> Content:
    """A notebook as it should be."""
    content = notebook("## Tiers\n\nSince 1905 economists draw it.", "draw()", "table()", "x = 1")
    count = 0
    for cell in content.cells:
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
    content.cells[2].outputs = [
        new_output("display_data", {"application/vnd.segmentation.headlines+json": HEADLINES})
    ]
    content.cells[4].outputs = [output(image_png=png(30, 20), text_plain=ALT)]
    content.cells[5].outputs = [output(text_html=TABLE, text_plain="Tier")]
    return content


def test_a_good_one_passes(good: Content, tmp_path: Path) -> None:
    assert check_notebook(good) == []
    path = tmp_path / "01_x.ipynb"
    path.write_text(canonical_form(good), encoding="utf-8")
    assert check_notebook(path) == []


def strip(content: Content) -> None:
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def strip_outputs_alone(content: Content) -> None:
    content.cells[5].outputs = []


def source(number: int, text: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content.cells[number - 1].source = text

    return change


def shows(**data: object) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content.cells[4].outputs = [output(**data)]

    return change


def streams(name: str, text: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content.cells[4].outputs.append(new_output("stream", name=name, text=text))

    return change


def lengthen(content: Content) -> None:
    content.cells.extend(new_markdown_cell("Words.") for _ in range(25))


def swap(content: Content) -> None:
    content.cells[4].execution_count, content.cells[5].execution_count = 4, 3


def fail(content: Content) -> None:
    content.cells[4].outputs = [
        new_output("error", ename="KeyError", evalue="'x'", traceback=["KeyError"])
    ]


def fewer(content: Content) -> None:
    content.cells[2].outputs = [
        new_output(
            "display_data",
            {
                "application/vnd.segmentation.headlines+json": {
                    **HEADLINES,
                    "figures": HEADLINES["figures"][:2],
                }
            },
        )
    ]


FRAME = '<div><style scoped></style><table border="1" class="dataframe"><tr></tr></table></div>'


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (strip, "cell 2: it was not run, or not in order"),
        (strip_outputs_alone, "cell 6: it has no output"),
        (swap, "cell 5: it was not run, or not in order"),
        (fail, "cell 5: it ended with an error"),
        (streams("stderr", "UserWarning: beware"), "cell 5: it wrote to stderr"),
        (streams("stdout", "hello"), "cell 5: a report cannot show this output: it prints text"),
        (source(1, "Tiers"), "cell 1: the notebook does not open with its title"),
        (source(1, "# Tiers"), "cell 1: no question follows the title"),
        (source(2, "a = 1\n" * 5), "cell 2: it has 5 lines, and may have 4"),
        (source(5, "a = 1\n" * 11), "cell 5: it has 11 lines, and may have 10"),
        (source(5, "def f(): ..."), "cell 5: it defines a function or a class"),
        (source(5, "if 1:\n    class A: ..."), "cell 5: it defines a function or a class"),
        (source(5, "%time draw()"), "cell 5: it is not plain Python"),
        (lengthen, "it has 32 cells, and may have 25"),
        (fewer, "cell 3: it has 2 headline figures, not 3 to 5"),
        (source(4, "The top tenth holds 65% of it."), "prose holds a number that data could"),
        (source(4, "There are 18,000 customers."), "could change: 18,000"),
        (source(4, "- 3 branches gained"), "prose holds a number"),
        (shows(text_html=FRAME, text_plain="x"), "not made by the library"),
        (shows(text_plain="     a\n0  1.0"), "it shows a bare value"),
        (shows(image_png=png(9, 9), text_plain="<Figure size 640x480>"), "has no sentence"),
        (
            shows(
                image_png=png(9, 9), text_plain="No description has been provided for this image"
            ),
            "has no sentence",
        ),
        (
            shows(text_html='<p class="seg reading">C000123 left.</p>', text_plain="x"),
            "cell 5: an output holds what looks like the number of a customer",
        ),
    ],
)
def test_each_breach_is_found(
    good: Content, change: Callable[[Content], None], finding: str
) -> None:
    content = deepcopy(good)
    change(content)
    assert any(finding in found for found in check_notebook(content)), check_notebook(content)


@pytest.mark.parametrize(
    "prose",
    [
        "### 2. Who holds it?\n\n1. first\n2. second",
        "Lorenz (1905) drew it; see 02_customer_tiers and `assign_tier(frame, on=3)`.",
        "The interval is of 95 %, over 12 months, and prints on A4; T+1 counts.",
        "$G = 1 - 2\\int_0^1 L(p) dp$ [paper](https://example.org/10.1093/biomet/9.1)",
    ],
)
def test_numbers_that_data_cannot_change_may_stand(good: Content, prose: str) -> None:
    good.cells[3].source = prose
    assert check_notebook(good) == []


def test_exercises_are_not_counted(good: Content) -> None:
    for _ in range(30):
        cell = new_markdown_cell("Try it.")
        cell.metadata["tags"] = ["exercise"]
        good.cells.append(cell)
    assert check_notebook(good) == []


def test_another_form_of_the_file_is_found(good: Content, tmp_path: Path) -> None:
    path = tmp_path / "01_x.ipynb"
    path.write_text(canonical_form(good).replace('"cell-02"', '"f00"'), encoding="utf-8")
    assert check_notebook(path) == ["the file is not in canonical form: run `make notebooks`"]


def test_code_alone_may_leave_something(good: Content) -> None:
    good.cells.append(new_code_cell("import os", execution_count=6))
    assert check_notebook(good) == []
