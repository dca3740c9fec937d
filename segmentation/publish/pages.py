"""Pages: one HTML file a notebook and language, and the index that leads to all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import unescape
from typing import Any

from nbformat import NotebookNode

from segmentation.data.errors import TableError
from segmentation.figures.language import LANGUAGES
from segmentation.publish.layouts import fill_in, labels
from segmentation.publish.markdown import TAG, Prose, to_html
from segmentation.publish.notebooks import is_lesson_only
from segmentation.publish.outputs import Figure, Headlines, Markup, pieces
from segmentation.publish.sections import left_out, need_name

__all__ = [
    "Entry",
    "Summary",
    "file_name",
    "index_name",
    "read_summary",
    "render_index",
    "render_report",
]

LIMIT = 500_000
"""Bytes that a report may have."""
SUMMARY = re.compile(r'<meta name="segmentation" content="([^"]*)">')


@dataclass(frozen=True)
class Summary:
    """What the index says of a report; the report carries it, so that no list is kept beside."""

    name: str
    title: str
    question: str
    as_of: str = ""
    scope: str = ""
    source: str = ""
    currency: str = ""
    version: str = ""
    headline: str = ""
    value: str = ""


@dataclass(frozen=True)
class Entry:
    """A line of the index: a report's summary, whether there is a file, and why not."""

    summary: Summary
    built: bool
    lacks: tuple[str, ...] = ()
    failed: bool = False


def file_name(name: str, language: str) -> str:
    """Return the name of a report's file.

    Examples
    --------
    >>> file_name("02_customer_tiers", "zh_CN")
    '02_customer_tiers.zh_CN.html'
    """
    return f"{name}.{language}.html"


def index_name(language: str) -> str:
    """Return the name of the index's file; English is the one to open first."""
    return "index.html" if language == LANGUAGES[0] else f"index.{language}.html"


def render_report(
    name: str, notebook: NotebookNode, language: str, languages: Sequence[str] = LANGUAGES
) -> str:
    """Return the page of a notebook that ran in `language`.

    Parameters
    ----------
    name : str
        Name of the notebook.
    notebook : NotebookNode
        The notebook with the outputs of its run.
    language : str
        Language of the run; prose is translated to it.
    languages : sequence of str, optional
        Languages that the page links to.

    Returns
    -------
    str
        One HTML file without code or script, that makes no request.

    Raises
    ------
    TableError
        If an output must not be published, there are no headline figures, or the page is larger
        than 500 KB.
    """
    title, lead, body = _opening(notebook, language)
    prose = Prose()
    facts: dict[str, Any] | None = None
    blocks: list[Figure | Markup | str] = []
    for number, cell in enumerate(body, start=len(notebook.cells) - len(body) + 1):
        if is_lesson_only(cell):
            continue
        if cell.cell_type == "markdown":
            blocks.append(prose.html(_translated(cell.source, language)))
        elif cell.cell_type == "code":
            for piece in pieces(cell, number):
                if isinstance(piece, Headlines):
                    facts = facts or piece.content
                else:
                    blocks.append(piece)
    if facts is None or not facts.get("figures"):
        raise TableError(name, "the page has no headline figures", "Call seg.headlines in it.")
    facts = {**facts, "notes": [*facts.get("notes", ()), *_missed(notebook, language)]}
    summary = _summary(name, title, lead, facts)
    page = fill_in(
        "report.html.j2",
        language,
        summary=summary,
        summary_json=json.dumps(asdict(summary), ensure_ascii=False),
        title=title,
        lead=lead,
        facts=facts,
        blocks=[_block(block) for block in blocks],
        sections=[(anchor, text) for level, anchor, text in prose.headings if level == 2],
        others=[(x, file_name(name, x)) for x in languages if x != language],
        index=index_name(language),
    )
    size = len(page.encode())
    if size > LIMIT:
        raise TableError(
            name, f"the page has {size / 1000:,.0f} KB, and may have 500", "Draw fewer pictures."
        )
    return page


def _missed(notebook: NotebookNode, language: str) -> list[str]:
    """Say which sections the page lacks, and for want of what."""
    sentence = labels(language)["left_out_here"]
    missed = []
    for heading, need in left_out(notebook):
        title = _translated(f"## {heading}", language).lstrip("# ")
        missed.append(sentence.format(section=title, need=need_name(need, language)))
    return missed


def render_index(
    entries: Sequence[Entry], language: str, languages: Sequence[str] = LANGUAGES
) -> str:
    """Return the page that leads to all reports of a language.

    Parameters
    ----------
    entries : sequence of Entry
        A line for each notebook, in order.
    language : str
        Language of the page.
    languages : sequence of str, optional
        Languages that the page links to.
    """
    return fill_in(
        "index.html.j2",
        language,
        title=labels(language)["all_reports"],
        built=[(e, file_name(e.summary.name, language)) for e in entries if e.built],
        absent=[e for e in entries if not e.built],
        others=[(x, index_name(x)) for x in languages if x != language],
    )


def describe(name: str, notebook: NotebookNode, language: str) -> Summary:
    """Return what can be said of a report that was not built: its title and question."""
    title, lead, _ = _opening(notebook, language)
    return Summary(name, title, _first_paragraph(lead))


def read_summary(page: str) -> Summary | None:
    """Return the summary that a report carries, or None if the page is no report of ours."""
    found = SUMMARY.search(page)
    if found is None:
        return None
    try:
        return Summary(**json.loads(unescape(found[1])))
    except (TypeError, ValueError):
        return None


def _opening(notebook: NotebookNode, language: str) -> tuple[str, str, list[NotebookNode]]:
    """The title, the HTML that leads in, and the cells that follow."""
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        raise TableError(
            "cell 1", "a notebook opens with its title and question", "Begin with '# Title'."
        )
    heading, _, rest = _translated(first.source, language).partition("\n")
    title = unescape(TAG.sub("", to_html(heading.removeprefix("# ").strip())))
    return title, to_html(rest.strip()), list(notebook.cells[1:])


def _translated(source: str, language: str) -> str:
    if language == LANGUAGES[0]:
        return source
    from segmentation.publish.catalogue import translate_markdown

    return str(translate_markdown(source, language))


def _first_paragraph(html: str) -> str:
    found = re.search(r"<p>(.*?)</p>", html, re.DOTALL)
    return " ".join(unescape(TAG.sub("", found[1])).split()) if found else ""


def _summary(name: str, title: str, lead: str, facts: dict[str, Any]) -> Summary:
    first = facts["figures"][0]
    known = {k: str(facts.get(k, "")) for k in ("as_of", "scope", "source", "currency", "version")}
    summary = Summary(name, title, _first_paragraph(lead), **known)
    return replace(summary, headline=str(first["label"]), value=str(first["value"]))


def _block(block: Figure | Markup | str) -> dict[str, Any]:
    """A part of the page as the template wants it."""
    if isinstance(block, Figure):
        return {"figure": block, "html": ""}
    return {"figure": None, "html": block if isinstance(block, str) else block.html}
