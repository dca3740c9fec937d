"""The catalogue of translations: what there is to translate, and what is still missing."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from types import ModuleType
from typing import Any

from segmentation.data.rules import load_rules
from segmentation.figures.language import CATALOGUE, LANGUAGES, _, forget_catalogue
from segmentation.publish.passages import replace_passages, split_passages

__all__ = ["Message", "extract", "translate_markdown", "untranslated", "update_catalogue"]

PACKAGE = Path(__file__).resolve().parents[1]
KEYWORDS = {"_": None, "N_": None}
WIDTH = 96
HEADER = b'"Language:', b'"MIME-', b'"Content-', b'"Plural-'
"""What is kept of a catalogue's header: no date, tool or person, so that only texts change."""


@dataclass(frozen=True)
class Message:
    """A text that a reader may see.

    Attributes
    ----------
    text : str
        The English text.
    places : tuple of str
        Files that it stands in.
    state : str
        ``missing`` from the catalogue, ``untranslated``, ``fuzzy`` (the English text changed) or
        ``broken`` (placeholders differ); empty if all is well.
    """

    text: str
    places: tuple[str, ...]
    state: str = ""


def extract(root: Path | None = None) -> list[Message]:
    """Return all texts to translate, in order of the files that they stand in.

    Those are the strings of ``_()`` and ``N_()`` in the package and in the notebooks' code, the
    sources of shipped banks and what checks say (see `spoken`), and each paragraph, heading, list
    item and table cell of the notebooks' Markdown.

    Parameters
    ----------
    root : path, optional
        The checkout; without notebooks there, only those of the package.
    """
    root = root or PACKAGE.parent
    places: dict[str, list[str]] = {}
    for place, text in spoken():
        places.setdefault(text, []).append(place)
    for path in [*sorted(PACKAGE.rglob("*.py")), *sorted(root.glob("notebooks/*.ipynb"))]:
        found = _of_notebook(path) if path.suffix == ".ipynb" else _of_python(path.read_bytes())
        home = PACKAGE.parent if path.is_relative_to(PACKAGE) else root
        name = path.relative_to(home).as_posix()
        for text in found:
            if name not in places.setdefault(text, []):
                places[text].append(name)
    return [Message(text, tuple(names)) for text, names in places.items()]


def spoken() -> Iterator[tuple[str, str]]:
    """Give the texts of other rooms that a page repeats: rules of checks, sources, findings."""
    from segmentation.customers import missingness
    from segmentation.data import findings, network, public

    for rule in findings.RULES:
        yield from ((_home(findings), text) for text in rule)
    for text in (public.SOURCE, *public.NOTES, public.PARTIAL):
        yield _home(public), text
    yield from ((_home(network), text) for text in network.NOTES)
    for text in (missingness.DEPENDS, missingness.NO_SIGN, missingness.CAUTION):
        yield _home(missingness), text
    places = load_rules("network")["branches"]
    for name in (*places["names"], *places["regions"]):
        yield "segmentation/rules/network.toml", name


def _home(module: ModuleType) -> str:
    return module.__name__.replace(".", "/") + ".py"


def _of_python(source: bytes) -> Iterator[str]:
    from babel.messages.extract import extract as strings

    for _line, found, _comments, _context in strings("python", io.BytesIO(source), KEYWORDS):
        yield from (found,) if isinstance(found, str) else found


def _of_notebook(path: Path) -> Iterator[str]:
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            yield from _of_python(source.encode())
        elif cell["cell_type"] == "markdown":
            yield from (p.text for p in split_passages(source) if p.text)


def translate_markdown(source: str, language: str) -> str:
    """Return the Markdown of a cell in a language, paragraph by paragraph.

    What has no translation stays English; code, formulas and images stay as they are.

    Parameters
    ----------
    source : str
        The source of a Markdown cell.
    language : str
        ``en`` or ``zh_CN``.

    Raises
    ------
    ValueError
        If there is no such language.

    Examples
    --------
    >>> translate_markdown("# Who holds the money?", "en")
    '# Who holds the money?'
    """
    if language == LANGUAGES[0]:
        return source
    return replace_passages(source, lambda text: _(text, language))


def update_catalogue(language: str = "zh_CN", root: Path | None = None) -> list[Message]:
    """Merge what there is to translate into the catalogue, and return what is still to do.

    The translation of a text that changed a little is kept and marked fuzzy; one that nobody needs
    any more is dropped.

    Parameters
    ----------
    language : str
        Language of the catalogue.
    root : path, optional
        The checkout.
    """
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    path = _path(language)
    catalogue = _read(language)
    template = Catalog(charset="utf-8")
    for message in extract(root):
        template.add(message.text, locations=[(place, 0) for place in message.places])
    catalogue.update(template, update_header_comment=False)
    catalogue.obsolete.clear()
    out = io.BytesIO()
    write_po(out, catalogue, width=WIDTH, include_lineno=False, ignore_obsolete=True)
    header, blank, body = out.getvalue().partition(b"\n\n")
    lines = header.splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(b'"') or line.startswith(HEADER)]
    path.write_bytes(b"".join(kept).rstrip() + blank + body)
    forget_catalogue()
    return untranslated(language, root)


def untranslated(language: str = "zh_CN", root: Path | None = None) -> list[Message]:
    """Return the texts that have no sound translation, with what is wrong with each.

    Parameters
    ----------
    language : str
        Language of the catalogue.
    root : path, optional
        The checkout.
    """
    catalogue = _read(language)
    checked = []
    for message in extract(root):
        state = _state(message.text, catalogue.get(message.text))
        if state:
            checked.append(Message(message.text, message.places, state))
    return checked


def _state(text: str, entry: Any) -> str:
    if entry is None:
        return "missing"
    if not entry.string:
        return "untranslated"
    if entry.fuzzy:
        return "fuzzy"
    return "" if _placeholders(text) == _placeholders(str(entry.string)) else "broken"


def _placeholders(text: str) -> frozenset[str]:
    """Names in braces, where the text is one that `format` fills in."""
    try:
        return frozenset(name for _text, name, _spec, _way in Formatter().parse(text) if name)
    except ValueError:  # a formula of a Markdown cell
        return frozenset()


def _path(language: str) -> Path:
    return PACKAGE / CATALOGUE.format(language=language)


def _read(language: str) -> Any:
    from babel.messages.pofile import read_po

    with _path(language).open("rb") as stream:
        return read_po(stream, locale=language)


def main(arguments: Sequence[str] = ()) -> int:
    """Update the catalogue and print what is to translate; with ``--check`` only print it."""
    check = "--check" in arguments
    missing = untranslated() if check else update_catalogue()
    for line in report(missing):
        print(line)
    return 1 if missing else 0


def report(messages: Iterable[Message]) -> Iterator[str]:
    """Say what is to translate, file by file."""
    number, last = 0, ""
    for message in messages:
        number += 1
        if message.places[0] != last:
            last = message.places[0]
            yield f"\n{last}"
        yield f"  {message.state}: {message.text}"
    path = _path(LANGUAGES[1]).relative_to(PACKAGE.parent)
    yield f"\n{number} to translate in {path}" if number else f"All is translated in {path}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
