"""Chinese letters for a page: the committed font, cut down to the characters that the page uses."""

from __future__ import annotations

import base64
import io

from segmentation.figures.glyphs import font_characters, font_path

__all__ = ["CJK", "embedded_font", "missing_characters"]

CJK = range(0x2E80, 0xFFF0)
"""Code points that the embedded font draws: ideographs and full-width forms."""
FAMILY = "Segmentation Han"


def embedded_font(text: str) -> str:
    """Return the CSS that embeds a font with the Chinese characters of `text`.

    Parameters
    ----------
    text : str
        All that a page shows.

    Returns
    -------
    str
        One ``@font-face`` rule for the family ``Segmentation Han``; empty if there is nothing
        Chinese. The font holds about 250 bytes a character.

    Examples
    --------
    >>> embedded_font("no Chinese here")
    ''
    """
    wanted = sorted({ord(c) for c in text if ord(c) in CJK})
    if not wanted:
        return ""
    from fontTools import subset

    options = subset.Options(
        flavor="woff2", layout_features=[], hinting=False, name_IDs=[], notdef_outline=False
    )
    font = subset.load_font(str(font_path()), options, lazy=True)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=wanted)
    cutter.subset(font)
    out = io.BytesIO()
    subset.save_font(font, out, options)
    font.close()
    data = base64.b64encode(out.getvalue()).decode("ascii")
    return (
        f'@font-face {{ font-family: "{FAMILY}"; font-weight: 400; '
        f"unicode-range: U+2E80-FFEF; src: url(data:font/woff2;base64,{data}) format('woff2'); }}"
    )


def missing_characters(text: str) -> str:
    """Return the Chinese characters of `text` that the committed font cannot draw.

    Examples
    --------
    >>> missing_characters("客户分层")
    ''
    """
    return "".join(sorted({c for c in text if ord(c) in CJK} - font_characters()))
