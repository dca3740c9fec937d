"""Markdown to HTML without a script: formulas as MathML, bold beside Chinese punctuation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

__all__ = ["Prose", "to_html"]

OPEN, CLOSE = "\ue000", "\ue001"
"""Private characters that stand for the tags of bold while Markdown is read."""
CODE = re.compile(r"(```.*?```|``[^`]+``|`[^`]+`|\$\$.+?\$\$|\$[^$\n]+\$)", re.DOTALL)
STRONG = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\*)", re.DOTALL)
TAG = re.compile(r"<[^>]+>")


@dataclass
class Prose:
    """HTML of the Markdown of a page, cell by cell, with the headings it met.

    Attributes
    ----------
    headings : list of (int, str, str)
        Level, id and plain text of each heading so far.

    Examples
    --------
    >>> prose = Prose()
    >>> print(prose.html("## Who holds the money?"))
    <h2 id="section-1">Who holds the money?</h2>
    >>> prose.headings
    [(2, 'section-1', 'Who holds the money?')]
    """

    headings: list[tuple[int, str, str]] = field(default_factory=list)

    def html(self, source: str) -> str:
        """Return the HTML of one cell's Markdown."""

        def numbered(match: re.Match[str]) -> str:
            level, inner = int(match[1]), match[2]
            anchor = f"section-{len(self.headings) + 1}"
            self.headings.append((level, anchor, TAG.sub("", inner)))
            return f'<h{level} id="{anchor}">{inner}</h{level}>'

        return re.sub(r"<h([1-6])[^>]*>(.*?)</h\1>", numbered, to_html(source), flags=re.DOTALL)


def to_html(source: str) -> str:
    r"""Return the HTML of Markdown; what is HTML in it is shown as text.

    CommonMark does not take ``**`` for bold where a letter is on one side and full-width
    punctuation on the other, as is usual in Chinese; here it is bold.

    Examples
    --------
    >>> print(to_html("大额客户的**“日均余额”**高。"))
    <p>大额客户的<strong>“日均余额”</strong>高。</p>
    >>> "<math" in to_html(r"The index is $G = 1 - 2\int_0^1 L(p)\,dp$.")
    True
    """
    parts = CODE.split(source)
    marked = [p if i % 2 else STRONG.sub(rf"{OPEN}\1{CLOSE}", p) for i, p in enumerate(parts)]
    html: str = _reader()("".join(marked))
    return html.replace(OPEN, "<strong>").replace(CLOSE, "</strong>").strip()


@cache
def _reader() -> Any:
    from latex2mathml.converter import convert
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):  # type: ignore[misc]
        """Writes formulas as MathML, which browsers show without a script."""

        def inline_math(self, body: str) -> str:
            return str(convert(body.strip()))

        def block_math(self, body: str) -> str:
            return str(convert(body.strip(), display="block"))

    renderer = Renderer(escape=True, exclude_anchor_links=True, allow_harmful_protocols=False)
    return MarkdownWithMath(renderer=renderer)
