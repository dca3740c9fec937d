"""The committed Chinese font: what it holds, and how it is cut from Noto Sans CJK SC."""

from __future__ import annotations

import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from segmentation.figures.labels import shown_names
from segmentation.figures.language import LANGUAGES, messages

__all__ = ["FAMILY", "build_font", "characters", "font_characters", "font_path"]

FAMILY = "Segmentation Sans SC"
"""Name of the subset; its own, so that it is not taken for the whole font."""
SOURCE_FAMILY = "Noto Sans CJK SC"
FILE = "SegmentationSansSC-Regular.otf"
LATIN = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x100)]))
SIGNS = "‐–—‘’“”•…‰′″※€™←↑→↓∂∆∑−√∞≈≠≤≥○●■□▲△▼▽◆◇★☆①②③④⑤⑥⑦⑧⑨⑩αβγδεθλμπρστφχψωΔΣΦΩ￥"


def font_path() -> Path:
    """Path of the committed font."""
    return Path(str(files("segmentation.figures").joinpath("fonts", FILE)))


def characters() -> frozenset[str]:
    """Characters that the font is to hold.

    All of GB 2312 (6,763 Chinese characters and its punctuation), so that branches and districts
    can be named, besides Latin letters, signs, and whatever catalogue, contract and rules show.
    """
    return frozenset(LATIN + SIGNS) | _gb2312() | shown_characters()


def shown_characters() -> frozenset[str]:
    """Characters of the catalogue, the contract and the rules."""
    texts = [text for name in LANGUAGES[1:] for text in messages(name).values()]
    return frozenset(c for c in frozenset("".join(texts)) | shown_names() if c.isprintable())


def _gb2312() -> frozenset[str]:
    rows = (0xA1, 0xA3, *range(0xB0, 0xF8))  # punctuation, full-width forms, both levels
    pairs = (bytes([row, cell]) for row in rows for cell in range(0xA1, 0xFF))
    return frozenset("".join(pair.decode("gb2312", "ignore") for pair in pairs))


@cache
def font_characters() -> frozenset[str]:
    """Characters that the committed font can draw."""
    from fontTools.ttLib import TTFont

    with TTFont(font_path(), lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap()))


def build_font(source: str | Path, target: str | Path | None = None) -> Path:
    """Cut the committed font from the collection of Noto Sans CJK.

    Parameters
    ----------
    source : path
        ``NotoSansCJK-Regular.ttc``.
    target : path, optional
        Where to write it, by default over the committed one.

    Raises
    ------
    ValueError
        If the collection has no Noto Sans CJK SC.
    """
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTCollection

    fonts = TTCollection(source, lazy=True).fonts
    font = next((f for f in fonts if f["name"].getBestFamilyName() == SOURCE_FAMILY), None)
    if font is None:
        raise ValueError(f"the collection has no {SOURCE_FAMILY}")
    options = Options()
    options.layout_features, options.hinting, options.recalc_timestamp = [], False, False
    options.drop_tables += ["BASE", "DSIG", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]
    options.name_IDs, options.notdef_outline = ["*"], True
    subsetter = Subsetter(options)
    subsetter.populate(text="".join(sorted(characters())))
    subsetter.subset(font)
    _rename(font)
    path = Path(target or font_path())
    font.save(path)
    return path


def _rename(font: Any) -> None:
    plain = FAMILY.replace(" ", "")
    for entry in font["name"].names:
        text = entry.toUnicode().replace(SOURCE_FAMILY, FAMILY)
        entry.string = text.replace("NotoSansCJKsc", plain)
    outlines = font["CFF "].cff
    outlines.fontNames = [f"{plain}-Regular"]
    outlines.topDictIndex[0].FamilyName = outlines.topDictIndex[0].FullName = FAMILY


if __name__ == "__main__":
    print(build_font(*sys.argv[1:3]))
