"""Passages of Markdown: what a translator gets, one paragraph, heading or list item at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

__all__ = ["Passage", "replace_passages", "split_passages"]

FENCE = re.compile(r"^\s*(```+|~~~+)")
HEADING = re.compile(r"^(\s{0,3}#{1,6}\s+)(.*?)(\s+#+\s*)?$")
ITEM = re.compile(r"^(\s*(?:[-*+]|\d+[.)])\s+(?:\[[ xX]\]\s+)?)(.*)$")
QUOTE = re.compile(r"^(\s*(?:>\s?)+)(.*)$")
MARK = re.compile(r"^\s*(?:>\s?)*\[!\w+\]\s*$")
RULE = re.compile(r"^\s*([-*_=]\s*){3,}$")
ROW = re.compile(r"^\s*\|.*\|\s*$")
ALONE = re.compile(r"^((?:\s*<[^>]+>)*?\s*<(\w+)[^>]*>)(.*)(</\2>\s*)$")
TAGS = re.compile(r"^\s*(<[^>]+>\s*)+$")
IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$]+\$", re.DOTALL)
ESCAPED_BAR = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Passage:
    """A piece of Markdown: the text that is translated, and what stays around it.

    Attributes
    ----------
    before, text, after : str
        Concatenated they are the piece, but for line breaks inside the text, which are spaces.
        The text is empty where there is nothing to translate.
    """

    before: str
    text: str
    after: str


def split_passages(source: str) -> list[Passage]:
    r"""Split Markdown into passages.

    Code fences, formulas that stand alone, images, rules and tags have no text. Lines of a
    paragraph, of a list item and of a quotation are joined by a space.

    Examples
    --------
    >>> [p.text for p in split_passages("# Tiers\n\nWho holds\nthe money?\n\n- The few.")]
    ['Tiers', '', 'Who holds the money?', '', 'The few.']
    """
    *passages, last = _passages(source.split("\n"))
    return [*passages, replace(last, after=last.after.removesuffix("\n"))]


def replace_passages(source: str, translate: Callable[[str], str]) -> str:
    r"""Return Markdown with each text replaced by what `translate` makes of it.

    Examples
    --------
    >>> replace_passages("## The few\n\n$$x$$", str.upper)
    '## THE FEW\n\n$$x$$'
    """
    parts = split_passages(source)
    return "".join(p.before + (translate(p.text) if p.text else "") + p.after for p in parts)


def _passages(lines: list[str]) -> Iterator[Passage]:
    """The passages, each with the line break after it."""
    at = 0
    while at < len(lines):
        line = lines[at]
        end = _verbatim_end(lines, at)
        if end:
            yield Passage("\n".join(lines[at:end]), "", "\n")
            at = end
        elif ROW.match(line):
            yield from _row(line)
            at += 1
        elif found := HEADING.match(line):
            yield _passage(found[1], found[2], found[3] or "")
            at += 1
        elif found := ALONE.match(line):
            yield _passage(found[1], found[3], found[4])
            at += 1
        else:
            before, texts, at = _paragraph(lines, at)
            yield _passage(before, " ".join(texts))


def _verbatim_end(lines: list[str], at: int) -> int:
    """Where what is copied as it is ends; 0 if this line is text."""
    line = lines[at]
    if fence := FENCE.match(line):
        closing = (n for n in range(at + 1, len(lines)) if lines[n].strip() == fence[1])
        return next(closing, len(lines) - 1) + 1
    if line.strip().startswith("$$"):
        opening = line.strip().count("$$")
        if opening % 2 == 0:
            return at + 1 if not FORMULA.sub("", line).strip() else 0
        closing = (n for n in range(at + 1, len(lines)) if "$$" in lines[n])
        return next(closing, len(lines) - 1) + 1
    plain = not line.strip(" >") or RULE.match(line) or TAGS.match(line) or MARK.match(line)
    return at + 1 if plain else 0


def _paragraph(lines: list[str], at: int) -> tuple[str, list[str], int]:
    """A paragraph, list item or quotation: what comes before its text, its lines, its end."""
    before, texts, quoted = "", list[str](), False
    if found := QUOTE.match(lines[at]):
        before, rest, quoted = found[1], found[2], True
    else:
        rest = lines[at]
    if found := ITEM.match(rest):
        before, rest = before + found[1], found[2]
    elif not quoted:
        before = rest[: len(rest) - len(rest.lstrip())]
    texts.append(rest.strip())
    at += 1
    while at < len(lines) and not _starts(lines, at, quoted):
        found = QUOTE.match(lines[at]) if quoted else None
        texts.append((found[2] if found else lines[at]).strip().removesuffix("\\").strip())
        at += 1
    texts[0] = texts[0].removesuffix("\\").strip()
    return before, [text for text in texts if text], at


def _starts(lines: list[str], at: int, quoted: bool) -> bool:
    """Whether something new starts at this line."""
    line = lines[at]
    if bool(QUOTE.match(line)) != quoted:
        return True
    if quoted:
        inner = QUOTE.sub(r"\2", line)
        return not inner.strip() or bool(ITEM.match(inner))
    shapes = (ROW, HEADING, ALONE, ITEM)
    return bool(_verbatim_end(lines, at)) or any(shape.match(line) for shape in shapes)


def _row(line: str) -> Iterator[Passage]:
    """The cells of a row of a table; the line under its head has none."""
    if not re.search(r"[^\s|:-]", line):
        yield Passage(line, "", "\n")
        return
    cells = ESCAPED_BAR.split(line)
    for place, cell in enumerate(cells):
        last = place == len(cells) - 1
        text = cell.strip()
        start = len(cell) - len(cell.lstrip())
        before, after = (cell[:start], cell[start + len(text) :]) if text else (cell, "")
        yield _passage(before, text, after, "\n" if last else "|")


def _passage(before: str, text: str, after: str = "", end: str = "\n") -> Passage:
    """A passage; what has no letters but in formulas, images and code has no text."""
    bare = FORMULA.sub("", IMAGE.sub("", re.sub(r"`[^`]*`", "", text)))
    if not any(character.isalpha() for character in bare):
        return Passage(before + text + after, "", end)
    return Passage(before, text.strip(), after + end)
