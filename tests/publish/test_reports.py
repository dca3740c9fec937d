"""Reports: what gets into a page, what is refused, and what a failure leaves."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from toys import ALT, HEADLINES, TABLE, notebook, png, save, shown

from segmentation import Bank, TableError, show_table
from segmentation.publish import pages, reports
from segmentation.publish.fonts import embedded_font, missing_characters
from segmentation.publish.markdown import to_html
from segmentation.publish.outputs import HEADLINES as MIME
from segmentation.publish.outputs import Figure, Markup, pieces
from segmentation.publish.pages import render_report
from segmentation.publish.reports import build_reports

CHINESE = {
    "# Who holds the money?\n\nDoes the tier rule **see** it?": (
        "# 钱在谁手里？\n\n分层规则**“看得见”**吗？"
    ),
    "## Tiers": "## 客户分层",
}


def translated(source: str, language: str) -> str:
    return source if language == "en" else CHINESE.get(source, source)


@pytest.fixture(autouse=True)
def bank(monkeypatch: pytest.MonkeyPatch) -> Bank:
    customers = pd.DataFrame(
        {
            "customer_id": ["a"],
            "kind": ["personal"],
            "branch_id": ["b"],
            "opened_on": ["2020-01-01"],
        }
    )
    toy = Bank(customers=customers, source="Toy data")
    monkeypatch.setattr(reports, "_open", lambda data: toy)
    monkeypatch.setattr(pages, "_translated", translated)
    return toy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "notebooks"
    made.mkdir()
    return made


@pytest.fixture
def build(folder: Path, tmp_path: Path) -> Callable[..., reports.Build]:
    def build(*names: str, languages: tuple[str, ...] = ("en",)) -> reports.Build:
        return build_reports(names, languages=languages, out=tmp_path / "out", notebooks=folder)

    return build


def page_of(build: reports.Build, name: str) -> str:
    return (build.index.parent / name).read_text("utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The page of a notebook with everything in it, in both languages."""
    content = notebook(
        "## Tiers",
        shown(html=TABLE, plain="Tier"),
        "## Formula\n\nIt is $G = 1 - 2\\int_0^1 L(p)\\,dp$.",
        shown(png=png(), plain=ALT),
        "import sys; print('beware', file=sys.stderr); secret_code = 1",
        "## Third <script>alert(1)</script>",
        "## Exercise",
        needs=(),
    )
    content.cells[-1].metadata["tags"] = ["exercise"]
    out = tmp_path_factory.mktemp("page")
    save(out, "01_x", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports, "_open", lambda data: Bank(source="Toy data"))
        patch.setattr(pages, "_translated", translated)
        built = build_reports(out=out, notebooks=out)
    assert not built.failed
    return {x: page_of(built, f"01_x.{x}.html") for x in ("en", "zh_CN")}


class TestPage:
    def test_has_no_code_and_no_warning(self, whole: dict[str, str]) -> None:
        for page in whole.values():
            for word in ("secret_code", "open_bank", "beware", "<script", "In [", "Exercise"):
                assert word not in page

    def test_makes_no_request(self, whole: dict[str, str]) -> None:
        for page in whole.values():
            policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
            assert policy is not None
            assert policy[1].startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
            assert "unsafe" not in policy[1]
            outside = re.findall(r'(?:src|href)="(?!data:|#|index\.|01_x\.)([^"]*)"', page)
            assert outside == []
            assert "url(http" not in page

    def test_opens_with_the_figures(self, whole: dict[str, str]) -> None:
        page = whole["en"]
        first_section = page.index('id="section-1"')
        for text in ("18,000", "2025-12", "12 branches", "Toy data", "CNY", HEADLINES["notes"][0]):
            assert page.index(text) < first_section
        assert "0.1.0" in page

    def test_is_in_its_language(self, whole: dict[str, str]) -> None:
        assert '<html lang="en">' in whole["en"]
        assert '<html lang="zh-CN">' in whole["zh_CN"]
        assert "<title>钱在谁手里？</title>" in whole["zh_CN"]
        assert "<strong>“看得见”</strong>" in whole["zh_CN"]
        assert 'href="01_x.zh_CN.html" lang="zh-CN"' in whole["en"]
        assert 'href="index.zh_CN.html"' in whole["zh_CN"]

    def test_the_chinese_font_comes_first(self, whole: dict[str, str]) -> None:
        assert "@font-face" in whole["zh_CN"]
        assert "unicode-range: U+2E80-FFEF" in whole["zh_CN"]
        stack = re.search(r"font-family: ([^;]+), system-ui", whole["zh_CN"])
        assert stack is not None
        assert stack[1] == '"Segmentation Han"'

    def test_a_picture_says_what_it_shows(self, whole: dict[str, str]) -> None:
        assert f'alt="{ALT}" width="600" height="300"' in whole["en"]

    def test_tables_scroll(self, whole: dict[str, str]) -> None:
        assert '<div class="scroll" role="group" tabindex="0"><table class="seg">' in whole["en"]

    def test_formulas_are_mathml(self, whole: dict[str, str]) -> None:
        assert "<math" in whole["en"]
        assert "\\int" not in whole["en"]

    def test_is_small(self, whole: dict[str, str]) -> None:
        assert all(len(page.encode()) < 100_000 for page in whole.values())


def rendered(*outputs: NotebookNode) -> str:
    """The page of a notebook whose fourth cell has these outputs."""
    content = notebook("shown()")
    content.cells[2].outputs = [new_output("display_data", {MIME: HEADLINES})]
    content.cells[3].outputs = list(outputs)
    return render_report("01_x", content, "en")


def shows(html: str | None = None, plain: str = "x", png: str | None = None) -> NotebookNode:
    data = {"text/html": html, "text/plain": plain, "image/png": png}
    return new_output("display_data", {k: v for k, v in data.items() if v is not None})


class TestRefusal:
    @pytest.mark.parametrize(
        ("output", "rule"),
        [
            (shows(pd.DataFrame({"a": [1]})._repr_html_()), "not made by the library"),
            (shows(plain=repr(pd.Series([1]))), "bare value"),
            (new_output("stream", name="stdout", text="customer 1"), "prints text"),
            (new_output("error", ename="E", evalue="", traceback=[]), "ended with an error"),
            (shows("<table><tr><td>1</td></tr></table>"), "not made by the library"),
            (shows(TABLE + "<p>more</p>"), "not made by the library"),
            (shows(TABLE + "more"), "text is not made by the library"),
            (shows('<p class="seg"><img src="x"></p>'), "an element 'img'"),
            (shows('<p class="seg" onclick="x">a</p>'), "an attribute 'onclick'"),
            (shows('<p class="seg" style="x">a</p>'), "an attribute 'style'"),
            (shows('<p class="seg"><script>x</script></p>'), "an element 'script'"),
            (shows('<p class="seg"><em>a</p>'), "not well formed"),
            (shows('<p class="seg">a<!-- b --></p>'), "a comment"),
            (shows('<p class="seg">a'), "not well formed"),
            (shows(png=png(9, 9), plain="<Figure size 9x9>"), "no sentence"),
            (shows(png="AAAA" * 20, plain=ALT), "not a PNG"),
        ],
    )
    def test_what_the_library_did_not_make(self, output: NotebookNode, rule: str) -> None:
        with pytest.raises(TableError, match=f"cell 4: a report cannot show.*{rule}"):
            rendered(output)

    def test_what_it_made_is_shown(self) -> None:
        table = show_table(pd.DataFrame({"tier": ["Basic", "Wealth"], "customers": [900, 100]}))
        assert "Wealth" in rendered(new_output("display_data", table._repr_mimebundle_()))

    def test_the_failure_names_the_cell_in_ten_lines(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        save(folder, "01_x", notebook("print('customer 1')"))
        failure = build().failed[0]
        assert failure.error.cell == 4
        assert "prints text" in str(failure)
        assert len(str(failure).splitlines()) <= 10

    def test_a_page_without_headlines(self) -> None:
        content = notebook()
        with pytest.raises(TableError, match="no headline figures"):
            render_report("01_x", content, "en")

    def test_a_page_that_is_too_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pages, "LIMIT", 5_000)
        with pytest.raises(TableError, match="may have 500"):
            rendered()

    def test_a_letter_that_the_picture_lacks(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        warning = "UserWarning: Glyph 23458 missing from font(s) DejaVu Sans."
        save(folder, "01_x", notebook(f"import sys; print({warning!r}, file=sys.stderr)"))
        assert "missing from the font" in str(build().failed[0])


class TestBuild:
    def test_a_failure_keeps_the_last_report_and_the_others(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        save(folder, "01_x", notebook())
        save(folder, "02_y", notebook())
        good = page_of(build(), "01_x.en.html")
        save(folder, "01_x", notebook("1 / 0"))
        second = build()
        assert [path.name for path in second.built] == ["02_y.en.html"]
        assert page_of(second, "01_x.en.html") == good
        assert str(second.failed[0]).splitlines() == [
            "01_x (en) failed: cell 4 of 4:".rstrip(":"),
            "    1 / 0",
            "ZeroDivisionError: division by zero",
            "  The last good report stays.",
        ]
        assert "this is the last good report" in page_of(second, "index.html")
        assert not list(second.index.parent.glob(".*"))

    def test_a_notebook_whose_tables_are_absent_is_left_out(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        save(folder, "01_x", notebook())
        first = build()
        save(folder, "01_x", notebook(needs=("customers", "visits", "surveys")))
        second = build()
        assert second.left_out == {"01_x": ("visits", "surveys")}
        assert second.failed == ()
        # What stood there was of other data.
        assert first.built[0].exists() is False
        index = page_of(second, "index.html")
        assert "The data lack: <code>visits</code>, <code>surveys</code>" in index
        assert "There is no report yet." in index

    def test_a_section_whose_table_is_absent_is_left_out(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        content = notebook("## Tiers", "## Waits", "1 / 0", "## Last")
        for cell in content.cells[4:6]:
            cell.metadata["tags"] = ["needs:visits"]
        save(folder, "01_x", content)
        built = build()
        assert built.failed == ()
        assert built.sections == {"01_x": (("Waits", "visits"),)}
        page = page_of(built, "01_x.en.html")
        assert ">Tiers</h2>" in page
        assert ">Waits</h2>" not in page
        assert "Waits" in page  # the page says so
        assert "'Waits' left out, for want of visits" in page_of(built, "build.log")

    def test_the_index_leads_to_all(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        for name in ("01_x", "02_y"):
            save(folder, name, notebook())
        build("01")
        index = page_of(build("02"), "index.html")
        assert 'href="01_x.en.html"' in index
        assert 'href="02_y.en.html"' in index
        assert "Does the tier rule see it?" in index
        assert "2025-12 · Toy data · CNY" in index
        assert "zh_CN" not in index

    def test_both_languages_lead_to_each_other(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        save(folder, "01_x", notebook())
        built = build(languages=("en", "zh_CN"))
        assert [path.name for path in built.built] == ["01_x.en.html", "01_x.zh_CN.html"]
        assert 'href="index.zh_CN.html"' in page_of(built, "index.html")
        assert 'href="index.html"' in page_of(built, "index.zh_CN.html")
        assert "钱在谁手里？" in page_of(built, "index.zh_CN.html")

    def test_no_link_to_a_language_that_failed(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        only_english = "import os; assert os.environ['SEGMENTATION_LANGUAGE'] == 'en'"
        save(folder, "01_x", notebook(only_english))
        built = build(languages=("en", "zh_CN"))
        assert [path.name for path in built.built] == ["01_x.en.html"]
        assert "01_x.zh_CN" not in page_of(built, "01_x.en.html")

    def test_the_same_data_give_the_same_pages(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        save(folder, "01_x", notebook("## 客户", shown(png=png(), plain=ALT)))
        before = [page_of(build(), name) for name in ("01_x.en.html", "index.html")]
        assert before == [page_of(build(), name) for name in ("01_x.en.html", "index.html")]

    def test_the_log_holds_no_value(
        self, folder: Path, build: Callable[..., reports.Build]
    ) -> None:
        save(folder, "01_x", notebook("{}['C000123']"))
        save(folder, "02_y", notebook("import warnings; warnings.warn('C000124')"))
        log = page_of(build(), "build.log")
        assert "C00012" not in log
        assert "KeyError" in log
        assert "UserWarning" in log
        assert "Toy data" in log

    def test_a_file_that_is_no_report_stays(
        self, folder: Path, build: Callable[..., reports.Build], tmp_path: Path
    ) -> None:
        save(folder, "01_x", notebook(needs=("visits",)))
        (tmp_path / "out").mkdir()
        own = tmp_path / "out" / "01_x.en.html"
        own.write_text("mine")
        build()
        assert own.read_text() == "mine"

    def test_an_unknown_language_is_refused(self, folder: Path) -> None:
        save(folder, "01_x", notebook())
        with pytest.raises(TableError, match="no such language"):
            build_reports(languages=("fr",), notebooks=folder)


class TestMarkdown:
    @pytest.mark.parametrize(
        ("source", "html"),
        [
            ("客户的**“日均余额”**高", "<p>客户的<strong>“日均余额”</strong>高</p>"),
            ("**注意：**客户", "<p><strong>注意：</strong>客户</p>"),
            ("a **b** `**c**`", "<p>a <strong>b</strong> <code>**c**</code></p>"),
            ("2 ** 3 ** 4", "<p>2 ** 3 ** 4</p>"),
            ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ],
    )
    def test_bold_beside_punctuation(self, source: str, html: str) -> None:
        assert to_html(source) == html

    def test_a_link_cannot_run_code(self) -> None:
        assert "javascript" not in to_html("[x](javascript:alert(1))")


class TestFont:
    def test_is_as_small_as_the_page_needs(self) -> None:
        one, many = embedded_font("客户分层"), embedded_font("客户分层" + "迁徙概率季日均余额" * 9)
        assert 500 < len(one) < len(many) < 8_000

    def test_leaves_bold_to_the_browser(self) -> None:
        # A font that claims all weights would show Chinese headings as light as the text.
        assert "font-weight: 400;" in embedded_font("客")

    def test_draws_full_width_punctuation(self) -> None:
        assert missing_characters("客户，（分层）：《迁徙》。、！？；") == ""

    def test_tells_what_it_lacks(self) -> None:
        assert missing_characters("客\uf8ff户") == "\uf8ff"


class TestPieces:
    def test_the_order_is_kept(self) -> None:
        outputs = [
            new_output("display_data", {"image/png": png(150, 30), "text/plain": ALT}),
            new_output("stream", name="stderr", text="warning"),
            new_output("display_data", {"text/html": TABLE, "text/plain": "x"}),
        ]
        first, second = pieces(new_code_cell(outputs=outputs), 1)
        assert isinstance(first, Figure)
        assert (first.width, first.height) == (100, 20)
        assert isinstance(second, Markup)

    def test_hostile_text_stays_text(self) -> None:
        html = '<p class="seg">&lt;script&gt;x&lt;/script&gt; &amp; "</p>'
        (piece,) = pieces(
            new_code_cell(outputs=[new_output("display_data", {"text/html": html})]), 1
        )
        assert isinstance(piece, Markup)
        assert "<script" not in piece.html
        assert "&lt;script&gt;" in piece.html
