"""Reports in a browser: no request, nothing clipped, readable for all, in the reader's language.

The pages are those of the notebooks on the demonstration bank, built once, or those of the folder
that `SEGMENTATION_REPORTS` names; and a specimen with everything that a page may hold.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont

sys.path.insert(0, str(Path(__file__).parent))
from browsers import Visit, chromium, chromium_path, visit
from conftest import ROOT, absent
from printouts import drawn_on_pages, page_sizes
from specimens import NAME, write_specimens

from segmentation.figures.language import LANGUAGES
from segmentation.publish.fonts import CJK
from segmentation.publish.pages import file_name, index_name

pytestmark = pytest.mark.browser

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
INDEXES = [f"specimens/{index_name(x)}" for x in LANGUAGES]
INDEXES += [f"reports/{index_name(x)}" for x in LANGUAGES if NOTEBOOKS]
REPORTS = [f"specimens/{file_name(NAME, x)}" for x in LANGUAGES]
REPORTS += [f"reports/{file_name(n, x)}" for n in NOTEBOOKS for x in LANGUAGES]

# Terms that Chinese bankers write in Latin letters, and names of sources, methods and functions.
LATIN = {"AUM", "CNY", "CZK", "KYC", "RFM", "FTP", "EVA", "VIP", "POS", "ATM", "APP", "App", "SMS"}
LATIN |= {"Gini", "Lorenz", "Pareto", "Wilson", "Markov", "MAR", "MCAR", "MNAR", "CI", "ID"}
LATIN |= {"Berka", "Hillstrom", "PKDD", "QINI"}
HIDE_LATIN = """() => {
  const copy = document.body.cloneNode(true);
  copy.querySelectorAll("code, math, .languages").forEach(e => e.remove());
  const alts = [...copy.querySelectorAll("img")].map(e => e.alt);
  return [document.title, copy.textContent, ...alts].join("\\n");
}"""
OUTSIDE = """() => {
  const width = document.documentElement.clientWidth, found = [];
  for (const e of document.querySelectorAll("body *")) {
    const box = e.getBoundingClientRect();
    if (!box.width || e.classList.contains("skip")) continue;
    if (e.parentElement.closest(".scroll, .picture, math")) continue;
    if (box.right > width + 1 || box.left < -1) found.push(e.tagName + "." + e.className);
  }
  return found;
}"""
CLIPPED = """() => [...document.querySelectorAll("body *")].filter(e => {
  const style = getComputedStyle(e);
  const hides = v => v === "hidden" || v === "clip";
  return (hides(style.overflowX) && e.scrollWidth > e.clientWidth + 1)
      || (hides(style.overflowY) && e.scrollHeight > e.clientHeight + 1 && e.localName !== "math");
}).map(e => e.tagName + "." + e.className)"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        absent("playwright is not installed")
    if chromium_path() is None:
        absent("Chromium is not installed: install it, or set SEGMENTATION_CHROMIUM")
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("specimen")
    write_specimens(folder)
    return folder


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of all notebooks."""
    built = os.environ.get("SEGMENTATION_REPORTS")
    if built:
        return Path(built)
    from segmentation.publish.reports import build_reports

    build = build_reports(out=tmp_path_factory.mktemp("reports"))
    assert not build.failed, "\n".join(map(str, build.failed))
    return build.index.parent


@pytest.fixture(scope="module")
def path(request: pytest.FixtureRequest) -> Path:
    room, name = request.param.split("/")
    return Path(request.getfixturevalue(room)) / name


@pytest.fixture(scope="module")
def seen(browser: Any, path: Path) -> Iterator[Visit]:
    """A page, opened once for all tests of it."""
    with visit(browser, path) as visited:
        yield visited


every_page = pytest.mark.parametrize("path", [*REPORTS, *INDEXES], indirect=True, scope="module")
every_report = pytest.mark.parametrize("path", REPORTS, indirect=True, scope="module")


@every_page
def test_asks_for_nothing(seen: Visit, path: Path) -> None:
    assert seen.requests == [path.resolve().as_uri()]
    assert seen.messages == []
    assert seen.refused() == []
    assert seen.page.evaluate("document.scripts.length") == 0


@every_page
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_is_accessible(seen: Visit, width: int, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = seen.look(width=width, dark=dark)
    result = Axe().run(page)
    assert result.violations_count == 0, result.generate_report()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark


@every_page
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_clipped(seen: Visit, width: int) -> None:
    page = seen.look(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate(CLIPPED) == []


@every_page
def test_is_in_one_language(seen: Visit) -> None:
    text = seen.look().evaluate(HIDE_LATIN)
    language = seen.page.evaluate("document.documentElement.lang")
    if language == "zh-CN":
        assert set(re.findall(r"[A-Za-z]{2,}", text)) - LATIN == set()
    else:
        assert language == "en"
        assert {c for c in text if ord(c) in CJK} == set()


@every_page
def test_every_character_is_drawn(seen: Visit, path: Path) -> None:
    """All Chinese characters are in the font that the page embeds, and it is the one in use."""
    page = seen.look()
    chinese = {c for c in page.evaluate("document.body.innerText") if ord(c) in CJK}
    data = re.search(r"base64,([A-Za-z0-9+/=]+)\) format\('woff2'\)", path.read_text("utf-8"))
    assert data is not None  # an English page names the Chinese one
    font = TTFont(io.BytesIO(base64.b64decode(data[1])))
    assert chinese <= set(map(chr, font.getBestCmap()))
    assert page.evaluate("[...document.fonts].map(f => f.status)") == ["loaded"]
    drawn = sum(used["glyphCount"] for used in _fonts_used(page) if used["isCustomFont"])
    assert drawn >= len(chinese)


def _fonts_used(page: Any) -> list[dict[str, Any]]:
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    session.send("DOM.getDocument", {"depth": -1})
    root = session.send("DOM.getDocument", {"depth": -1})["root"]["nodeId"]
    fonts: list[dict[str, Any]] = []
    nodes = session.send("DOM.querySelectorAll", {"nodeId": root, "selector": "body *"})["nodeIds"]
    for node in nodes:
        fonts += session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    return fonts


@every_report
def test_pictures_say_what_they_show(seen: Visit) -> None:
    pictures = seen.look().evaluate(
        "[...document.images].map(i => [i.complete, i.naturalWidth, i.alt])"
    )
    assert pictures
    for complete, width, alt in pictures:
        assert complete
        assert width > 0
        assert len(alt) >= 8
        assert "No description" not in alt


@every_page
def test_headings_have_an_order(seen: Visit) -> None:
    levels = seen.page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.localName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@every_report
def test_opens_with_figures(seen: Visit) -> None:
    tops = seen.look().evaluate(
        "[...document.querySelectorAll('.answer .value')]"
        ".map(e => e.getBoundingClientRect().bottom)"
    )
    assert 3 <= len(tops) <= 5
    assert max(tops) < 900  # seen without scrolling


@every_page
def test_links_lead_somewhere(seen: Visit, path: Path) -> None:
    targets = seen.page.evaluate("[...document.links].map(a => a.getAttribute('href'))")
    for target in targets:
        if target.startswith("#"):
            assert seen.page.locator(target).count() == 1
        else:
            assert (path.parent / target).is_file(), target


@every_page
def test_prints_on_a4(seen: Visit) -> None:
    page = seen.look(dark=True, medium="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CLIPPED) == []
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    drawn = drawn_on_pages(pdf)
    assert drawn
    assert min(drawn) > 0
    assert page_sizes(pdf) == {(210, 297)}


@every_page
def test_is_one_small_file(path: Path) -> None:
    assert path.stat().st_size <= 500_000


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_index_leads_to_all(reports: Path, name: str) -> None:
    for language in LANGUAGES:
        index = (reports / index_name(language)).read_text("utf-8")
        assert f'href="{file_name(name, language)}"' in index


def test_a_keyboard_reaches_the_content(browser: Any, specimens: Path) -> None:
    with visit(browser, specimens / file_name(NAME, "en")) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.className") == "skip"
        assert seen.page.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
        seen.page.keyboard.press("Enter")
        assert seen.page.evaluate("document.activeElement.id") == "main"


def test_a_broken_page_is_noticed(browser: Any, tmp_path: Path, specimens: Path) -> None:
    """The tests above can fail: a page that loads something and runs a script is told."""
    page = (specimens / file_name(NAME, "en")).read_text("utf-8")
    bad = '<img src="https://example.org/x.png"><script>document.title = "x"</script></main>'
    path = tmp_path / "bad.html"
    path.write_text(page.replace("</main>", bad), encoding="utf-8")
    with visit(browser, path) as seen:
        refused, title = seen.refused(), seen.page.title()
    assert {d.split("-")[0] for d in refused} == {"img", "script"}
    assert title != "x"
