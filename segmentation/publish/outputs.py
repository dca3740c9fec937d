"""The gate for what a notebook shows: only what the library made for readers gets into a page."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from typing import Any

from nbformat import NotebookNode

from segmentation.data.errors import TableError
from segmentation.publish.answers import MIME as HEADLINES

__all__ = ["HEADLINES", "Figure", "Headlines", "Markup", "Piece", "alt_problem", "pieces"]

MARKERS = frozenset({"seg", "reading"})
"""Classes that `show_table`, `headlines` and `reading` set on the outermost element."""
TAGS = frozenset(
    {"div", "p", "span", "strong", "em", "small", "sub", "sup", "br", "abbr", "code"}
    | {"ul", "ol", "li", "dl", "dt", "dd", "section", "h3", "h4"}
    | {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
)
VOID = frozenset({"br", "col"})
ATTRIBUTES = frozenset(
    {"class", "scope", "colspan", "rowspan", "span", "lang", "title", "abbr", "role", "tabindex"}
)
DPI = 144
"""Pictures are drawn at 144 dots an inch; a page has 96."""
MEND = "Show it with seg.show_table, seg.headlines, seg.reading or a Picture."


@dataclass(frozen=True)
class Headlines:
    """The 3 to 5 figures that answer the question, and what must be said with them."""

    content: dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A picture as PNG, the sentence that says what it shows, and its size in CSS pixels."""

    png: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Markup:
    """HTML of a table or a sentence."""

    html: str


Piece = Headlines | Figure | Markup


def pieces(cell: NotebookNode, number: int) -> list[Piece]:
    """Return what a report shows of the outputs of a code cell.

    Parameters
    ----------
    cell : NotebookNode
        A code cell that ran.
    number : int
        Its number in the notebook, for the error.

    Raises
    ------
    TableError
        If an output was not made by `show_table`, `headlines`, `reading` or a `Picture`: a data
        frame, something printed, any HTML of another make. It may be customer-level.

    Examples
    --------
    >>> from nbformat.v4 import new_code_cell, new_output
    >>> data = {"text/html": '<p class="seg reading">All well.</p>', "text/plain": "All well."}
    >>> pieces(new_code_cell(outputs=[new_output("display_data", data)]), 3)
    [Markup(html='<p class="seg reading">All well.</p>')]
    """
    found = []
    for output in cell.get("outputs", ()):
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            raise _refusal(number, "it prints text, which nobody can check")
        if output.output_type == "error":
            raise _refusal(number, "it ended with an error")
        found.append(_piece(output.data, number))
    return found


def _piece(data: dict[str, Any], number: int) -> Piece:
    if HEADLINES in data:
        return Headlines(dict(data[HEADLINES]))
    if "image/png" in data:
        alt = str(data.get("text/plain", ""))
        problem = alt_problem(alt)
        if problem:
            raise _refusal(number, problem)
        png = "".join(str(data["image/png"]).split())
        return Figure(png, " ".join(alt.split()), *_size(png, number))
    html = data.get("text/html")
    if html is None:
        raise _refusal(number, "it shows a bare value")
    return Markup(_checked(str(html), number))


def alt_problem(alt: str) -> str:
    """Return what is wrong with the sentence beside a picture, or nothing.

    Examples
    --------
    >>> alt_problem("<Figure size 640x480 with 1 Axes>")
    'its picture has no sentence that says what it shows'
    >>> alt_problem("The richest tenth of customers holds two thirds of all assets.")
    ''
    """
    placeholder = alt.startswith("<") or "No description has been provided" in alt
    return (
        "its picture has no sentence that says what it shows"
        if (placeholder or len(alt.strip()) < 12)
        else ""
    )


def _refusal(number: int, rule: str) -> TableError:
    return TableError(f"cell {number}", f"a report cannot show this output: {rule}", MEND)


def _size(png: str, number: int) -> tuple[int, int]:
    head = base64.b64decode(png[:64])
    if head[12:16] != b"IHDR":
        raise _refusal(number, "its picture is not a PNG")
    width, height = struct.unpack(">II", head[16:24])
    return round(width * 96 / DPI), round(height * 96 / DPI)


def _checked(html: str, number: int) -> str:
    reader = _Marked(number)
    reader.feed(html)
    reader.close()
    if reader.open:
        raise _refusal(number, "its HTML is not well formed")
    return "".join(reader.parts).strip()


class _Marked(HTMLParser):
    """Copies HTML whose outermost elements bear a marker, and refuses any other.

    A table is put in a box that scrolls, so that a narrow screen clips none of it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(convert_charrefs=True)
        self.number, self.parts = number, list[str]()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if not self.open and not MARKERS & set((values.get("class") or "").split()):
            raise _refusal(self.number, "the table or HTML is not made by the library")
        if tag not in TAGS:
            raise _refusal(self.number, f"its HTML has an element {tag!r}")
        for name in values:
            if name not in ATTRIBUTES and not name.startswith("aria-"):
                raise _refusal(self.number, f"its HTML has an attribute {name!r}")
        if tag == "table":
            self.parts.append('<div class="scroll" role="group" tabindex="0">')
        kept = "".join(f' {k}="{escape(v or "")}"' for k, v in attrs)
        self.parts.append(f"<{tag}{kept}>")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            raise _refusal(self.number, "its HTML is not well formed")
        self.parts.append(f"</{tag}>")
        if tag == "table":
            self.parts.append("</div>")

    def handle_data(self, data: str) -> None:
        if not self.open and data.strip():
            raise _refusal(self.number, "the text is not made by the library")
        self.parts.append(escape(data, quote=False))

    def handle_comment(self, data: str) -> None:
        raise _refusal(self.number, "its HTML has a comment")
