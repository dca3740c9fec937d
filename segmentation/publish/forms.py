"""The canonical form of a notebook: the same text after every run on the same data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import nbformat
from nbformat import NotebookNode

__all__ = ["canonical_form"]


def canonical_form(notebook: NotebookNode) -> str:
    """Return a run notebook as the text that is committed: the same after every run.

    Cell ids count from ``cell-01``, executions from 1; there is no timing, no trust mark, no patch
    version, and the parts of an output are in order of their media type.

    Parameters
    ----------
    notebook : NotebookNode
        A notebook, run from top to bottom.

    Returns
    -------
    str
        Its JSON, with a line feed at the end.

    Examples
    --------
    >>> cell = nbformat.v4.new_code_cell("1 + 1", execution_count=7, id="x")
    >>> text = canonical_form(nbformat.v4.new_notebook(cells=[cell]))
    >>> '"id": "cell-01"' in text, '"execution_count": 1' in text
    (True, True)
    """
    width = max(2, len(str(len(notebook.cells))))
    cells, count = [], 0
    for number, cell in enumerate(notebook.cells, start=1):
        tags = sorted(cell.metadata.get("tags", ()))
        kept: dict[str, Any] = {
            "cell_type": cell.cell_type,
            "id": f"cell-{number:0{width}d}",
            "metadata": {"tags": tags} if tags else {},
            "source": cell.source.rstrip(),
        }
        if cell.cell_type == "code":
            ran = cell.execution_count is not None
            count += ran
            kept["execution_count"] = count if ran else None
            kept["outputs"] = [_canonical_output(o, count) for o in _joined(cell.outputs)]
        cells.append(kept)
    whole = nbformat.from_dict(  # type: ignore[no-untyped-call]
        {
            "cells": cells,
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python", "version": "3"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )
    text: str = nbformat.writes(whole, version=4)  # type: ignore[no-untyped-call]
    return text.rstrip("\n") + "\n"


def _joined(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Put together what a stream sent in pieces, whose cuts depend on time."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if output.output_type == "stream" and last is not None and last.get("name") == output.name:
            last["text"] = last["text"] + output.text
        else:
            joined.append(NotebookNode(output))  # type: ignore[no-untyped-call]
    return joined


def _canonical_output(output: NotebookNode, count: int) -> dict[str, Any]:
    kept = {k: v for k, v in output.items() if k not in ("transient", "data")}
    if "data" in output:
        kept["data"] = dict(sorted(output.data.items()))
    if output.output_type == "execute_result":
        kept["execution_count"] = count
    return kept
