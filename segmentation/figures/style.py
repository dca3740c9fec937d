"""How charts look: colours that colour-blind readers tell apart, fonts, broken lines."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from segmentation.figures.glyphs import FAMILY, font_path
from segmentation.figures.language import current_language

__all__ = ["COLOURS", "MissingGlyph", "styled", "text_width", "wrap"]

COLOURS = {
    "actual": "#1f4e79",  # IBCS draws what is actual dark and solid
    "previous": "#a6a6a6",  # the year before lighter
    "plan": "#ffffff",  # plan hollow, forecast hatched
    "accent": "#d55e00",  # vermillion and the rest as Okabe and Ito chose them
    "second": "#0072b2",
    "third": "#e69f00",
    "good": "#009e73",
    "light": "#bcd4e6",
    "ink": "#222222",
    "soft": "#5f6368",
    "grid": "#dcdcdc",
    "ground": "#ffffff",
}
SEQUENCE = ("#f3f7fb", "#cfe0ef", "#9cc3e0", "#5a9ac8", "#26699f", "#123f6b")
"""From no to much, in one colour, for matrices."""

SIZE = 12.0
WIDTH = 7.5
"""Inches: 720 pixels of a page, and 1,080 dots at 144 an inch."""


class MissingGlyph(ValueError):
    """A character of a chart that no font at hand can draw."""


@contextmanager
def styled() -> Iterator[None]:
    """Draw with the style of the reports in this block; outside it nothing changes.

    Raises
    ------
    MissingGlyph
        If a character cannot be drawn, of which matplotlib would only warn.
    """
    import matplotlib as mpl

    with mpl.rc_context(_settings()), warnings.catch_warnings():
        warnings.filterwarnings("error", message=r"Glyph .* missing from")
        try:
            yield
        except UserWarning as warning:
            if "missing from" not in str(warning):
                raise
            raise MissingGlyph(
                "a character cannot be drawn: "
                f"{str(warning).partition('Glyph ')[2].partition(' missing')[0]}. "
                "Build the font anew: python -m segmentation.figures.glyphs"
            ) from None


def _settings() -> Any:
    _register()
    fonts = ["DejaVu Sans", FAMILY]
    return {
        "font.family": fonts if current_language() == "en" else fonts[::-1],
        "font.size": SIZE,
        "text.color": COLOURS["ink"],
        "axes.edgecolor": COLOURS["soft"],
        "axes.labelcolor": COLOURS["soft"],
        "axes.labelsize": SIZE,
        "axes.titlesize": SIZE,
        "axes.facecolor": COLOURS["ground"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "figure.facecolor": COLOURS["ground"],
        "grid.color": COLOURS["grid"],
        "grid.linewidth": 0.8,
        "hatch.linewidth": 0.8,
        "lines.linewidth": 2.0,
        "savefig.dpi": "figure",
        "svg.hashsalt": "segmentation",
        "text.parse_math": False,  # a dollar sign in a name is a dollar sign
        "xtick.color": COLOURS["soft"],
        "ytick.color": COLOURS["soft"],
        "xtick.labelsize": SIZE - 0.5,
        "ytick.labelsize": SIZE - 0.5,
    }


@cache
def _register() -> None:
    """Make the committed font known to matplotlib, beside those it has."""
    from matplotlib.font_manager import fontManager

    fontManager.addfont(str(font_path()))


def text_width(text: str) -> int:
    """Columns that a text takes where Chinese characters are two wide.

    Examples
    --------
    >>> text_width("AUM"), text_width("客户")
    (3, 4)
    """
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def wrap(text: str, width: int) -> str:
    """Break a text into lines of at most `width` columns; Chinese breaks between characters.

    A line does not begin with a closing mark, as Chinese typesetting wants it.

    Examples
    --------
    >>> wrap("Who holds the money?", 10)
    'Who holds\\nthe money?'
    >>> wrap("资产集中在少数客户手中。", 12)
    '资产集中在少\\n数客户手中。'
    """
    lines, line = [], ""
    for piece in _pieces(text):
        if line.strip() and text_width((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return "\n".join([*lines, line.rstrip()])


def _pieces(text: str) -> list[str]:
    """What a line may be broken between: words with the space after them, Chinese characters."""
    pieces: list[str] = []
    for character in text:
        if pieces and not _may_break(pieces[-1][-1], character):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def _may_break(before: str, after: str) -> bool:
    """Whether a line may end after one character and the next begin with the other."""
    if after == " " or unicodedata.category(before) in ("Ps", "Pi"):
        return False
    if before == " ":
        return True
    if unicodedata.category(after) in ("Pe", "Pf", "Po"):
        return False
    return any(unicodedata.east_asian_width(c) in "WF" for c in (before, after))
