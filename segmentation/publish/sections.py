"""Parts of a notebook that a bank has no tables for, and so are left out of its report."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from nbformat import NotebookNode

from segmentation.campaigns.briefs import campaign_brief
from segmentation.data.contract import TABLES
from segmentation.data.errors import MissingTable
from segmentation.figures.labels import TABLE_NAMES
from segmentation.figures.language import translator
from segmentation.publish.notebooks import Notebook, is_lesson_only

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["fit_to", "left_out", "need_name"]

TAG = "needs:"
TRUTH = "truth"
CAMPAIGN = "campaigns:"


def fit_to(notebook: Notebook, bank: Bank) -> Notebook:
    """Return a notebook as it runs for the report of a bank.

    Cells tagged ``needs:table`` or ``needs:table.column`` are emptied where the bank lacks that,
    ``needs:truth`` where it is not simulated, ``needs:campaigns:branch`` where it has no campaign
    by branch, and so are exercises and their solutions. Emptied
    cells keep their place, so that an error names the cell by its number in the file.

    Parameters
    ----------
    notebook : Notebook
        The notebook as it is committed.
    bank : Bank
        The bank that it will run on.
    """
    content = deepcopy(notebook.content)
    gone: list[list[str]] = []
    for cell in content.cells:
        lacks = [need for need in _needs(cell) if not _has(bank, need)]
        if not lacks and not is_lesson_only(cell):
            continue
        if lacks and cell.cell_type == "markdown" and not is_lesson_only(cell):
            gone += [[heading, lacks[0]] for heading in _headings(cell.source)]
        cell.source = ""
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    content.metadata["left_out"] = gone
    return Notebook(notebook.path, content)


def left_out(content: NotebookNode) -> list[tuple[str, str]]:
    """Return the headings that `fit_to` left out, each with what the bank lacks for it.

    What only a simulated bank can have is not missed.
    """
    return [(head, need) for head, need in content.metadata.get("left_out", ()) if need != TRUTH]


def need_name(need: str, language: str) -> str:
    """Return what a reader calls the table, or table and column, that a section needs."""
    if need.startswith(CAMPAIGN):
        need = CAMPAIGN.rstrip(":")
    table, _, column = need.partition(".")
    names = [translator(language)(TABLE_NAMES.get(table, table))]
    if column:
        known = TABLES[table].columns[column]
        names.append(known.zh if language == "zh_CN" else known.en)
    return " · ".join(names)


def _needs(cell: NotebookNode) -> list[str]:
    tags = cell.metadata.get("tags", ())
    return [tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG)]


def _has(bank: Bank, need: str) -> bool:
    if need == TRUTH:
        return bank.truth is not None
    if need.startswith(CAMPAIGN):
        return _has_campaign(bank, need.removeprefix(CAMPAIGN))
    table, _, column = need.partition(".")
    return bank.has(table, *([column] if column else []))


def _headings(source: str) -> list[str]:
    return [line.lstrip("#").strip() for line in source.splitlines() if line.startswith("## ")]


def _has_campaign(bank: Bank, unit: str) -> bool:
    try:
        campaign_brief(bank, unit)
    except MissingTable:
        return False
    return True
