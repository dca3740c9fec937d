"""Pictures: bytes, alt sentence, style and fonts."""

from __future__ import annotations

import io
import sys

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from segmentation.figures.glyphs import characters, font_characters, font_path, shown_characters
from segmentation.figures.pictures import Picture
from segmentation.figures.style import MissingGlyph, styled, text_width, wrap


def chart(title: str = "") -> Figure:
    with styled():
        figure = Figure(figsize=(2, 1))
        axes = figure.add_subplot()
        axes.plot([1, 2, 3])
        axes.set_title(title)
    return figure


def test_the_bundle_is_a_png_of_64_colours_and_its_sentence():
    data, sizes = Picture(chart(), "It rises.")._repr_mimebundle_()
    assert data["text/plain"] == "It rises."
    with Image.open(io.BytesIO(data["image/png"])) as image:
        assert image.size == (288, 144)
        assert image.mode == "P"
        assert len(image.getcolors()) <= 64
        assert "transparency" not in image.info
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert not {"Software", "date", "Creation Time"} & set(image.info)
    assert sizes == {"image/png": {"width": 192, "height": 96}}


def test_the_same_chart_gives_the_same_bytes():
    assert Picture(chart("a"), "It rises.").png == Picture(chart("a"), "It rises.").png


def test_it_shows_in_ipython_as_a_picture_with_its_sentence():
    from IPython.core.formatters import DisplayFormatter

    data, sizes = DisplayFormatter().format(Picture(chart(), "It rises."))
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == "It rises."
    assert sizes["image/png"]["width"] == 192


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_picture_without_a_sentence_is_refused(alt):
    with pytest.raises(ValueError, match="sentence"):
        Picture(chart(), alt)


def test_pyplot_forgets_the_figure():
    import matplotlib.pyplot as plt

    before = mpl.get_backend()
    plt.switch_backend("agg")
    try:
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        Picture(figure, "It rises.")
        assert plt.get_fignums() == []
    finally:
        plt.switch_backend(before)


def test_a_missing_glyph_is_an_error_and_names_the_character():
    with pytest.raises(MissingGlyph, match="glyphs"):
        Picture(chart("\U00020000"), "A rare character.")


def test_chinese_and_czech_are_drawn_in_either_language(monkeypatch):
    for language in ("en", "zh_CN"):
        monkeypatch.setenv("SEGMENTATION_LANGUAGE", language)
        Picture(chart("客户分层 Příbram 12,3 −5 ¥"), "Names.")


def test_a_dollar_sign_is_no_formula():
    Picture(chart(r"$\frac{ $"), "A hostile name.")


def test_nothing_global_changes():
    before = dict(mpl.rcParams)
    Picture(chart("题"), "It rises.")
    assert dict(mpl.rcParams) == before
    with pytest.raises(RuntimeError), styled():
        raise RuntimeError
    assert dict(mpl.rcParams) == before


def test_the_font_holds_every_character_that_is_shown():
    assert "".join(sorted(shown_characters() - font_characters())) == ""
    assert "".join(sorted(characters() - font_characters())) == ""


def test_the_font_is_small_and_licensed():
    assert font_path().stat().st_size <= 1_500_000
    licence = font_path().with_name("OFL.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "Adobe" in licence


def test_lines_break_within_the_width_and_not_before_a_closing_mark():
    text = "资产集中在少数客户手中，月末冲高（时点）不等于日均。Two English words."
    for width in range(6, 40):
        lines = wrap(text, width).split("\n")
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(line[0] not in "，。）" and line[-1] not in "（" for line in lines)
        # A closing mark may hang over by its own width, and a word may be longer than the line.
        assert all(text_width(line) <= max(width, 9) + 2 for line in lines)
    assert wrap("", 10) == ""


def test_the_library_loads_no_charts_before_they_are_drawn():
    import subprocess

    code = (
        "import sys, segmentation; segmentation.translator; "
        "print([m for m in ('matplotlib', 'babel', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
