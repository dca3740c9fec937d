"""Pictures: a chart as PNG together with the sentence that says what it shows."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from typing import Any

from segmentation.figures.style import styled

__all__ = ["Picture"]

DPI = 144
COLOURS = 64


@dataclass(frozen=True, repr=False)
class Picture:
    """A chart and its sentence, as a notebook shows them.

    It is drawn once, when it is made, and its figure is closed. The PNG has 144 dots an inch, 64
    colours, an opaque white ground that is legible on light and dark pages, and no date or
    version, so that the same data give the same bytes.

    Parameters
    ----------
    figure : matplotlib Figure
        The chart.
    alt : str
        One or two sentences, computed from the data, that say what the chart shows.

    Attributes
    ----------
    png : bytes
        The file.
    size : (int, int)
        Width and height on a page, in CSS pixels.

    Raises
    ------
    ValueError
        If the sentence is empty.
    MissingGlyph
        If a character cannot be drawn.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure = Figure(figsize=(2, 1))
    >>> _ = figure.add_subplot().plot([1, 2])
    >>> picture = Picture(figure, "The number of customers doubled.")
    >>> picture
    The number of customers doubled.
    >>> picture.size
    (192, 96)
    """

    figure: Any
    alt: str
    png: bytes = field(init=False, compare=False)
    size: tuple[int, int] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError("alt: a picture needs a sentence that says what it shows")
        png, width, height = _png(self.figure)
        object.__setattr__(self, "png", png)
        object.__setattr__(self, "size", (width * 96 // DPI, height * 96 // DPI))

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        width, height = self.size
        sizes = {"image/png": {"width": width, "height": height}}
        return {"image/png": self.png, "text/plain": self.alt}, sizes


def _png(figure: Any) -> tuple[bytes, int, int]:
    from PIL import Image

    raw = io.BytesIO()
    with styled():
        figure.savefig(raw, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    _close(figure)
    raw.seek(0)
    with Image.open(raw) as image:
        flat = image.convert("RGB").quantize(
            COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    out = io.BytesIO()
    flat.save(out, format="png", optimize=True, dpi=(DPI, DPI))
    return out.getvalue(), *flat.size


def _close(figure: Any) -> None:
    """Let pyplot forget the figure, or else it is shown a second time."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)
