"""The catalogue: all of it translated, merged without loss, and Markdown swapped by paragraph."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.figures import language
from segmentation.publish import catalogue
from segmentation.publish.catalogue import (
    extract,
    main,
    translate_markdown,
    untranslated,
    update_catalogue,
)
from segmentation.publish.passages import replace_passages, split_passages

CELL = """\
# Who holds **the money**?

A tier begins at its threshold,
to the cent. See $x_i$ and `code`.

- First item
  goes on
- [ ] second
1. third

> A quotation
> goes on

$$
G = 1
$$

| Tier | Customers |
|---|--:|
| Basic | 12 |

![a picture](x.png)

```python
print("not a text")
```
<details><summary>Solution</summary>

Text inside.

</details>
"""
TEXTS = [
    "Who holds **the money**?",
    "A tier begins at its threshold, to the cent. See $x_i$ and `code`.",
    "First item goes on",
    "second",
    "third",
    "A quotation goes on",
    "Tier",
    "Customers",
    "Basic",
    "Solution",
    "Text inside.",
]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A copy of the catalogue that may be written, and a checkout with one notebook."""
    path = tmp_path / "segmentation.po"
    shutil.copy(catalogue._path("zh_CN"), path)
    monkeypatch.setattr(catalogue, "_path", lambda _language: path)
    monkeypatch.setattr(catalogue, "PACKAGE", tmp_path / "segmentation")
    (tmp_path / "segmentation").mkdir()
    (tmp_path / "notebooks").mkdir()
    return tmp_path


def write_notebook(root, *sources):
    cells = [{"cell_type": kind, "source": text.splitlines(True)} for kind, text in sources]
    path = root / "notebooks" / "01_some.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")


def test_everything_is_translated():
    left = [f"{m.state}: {m.text} ({', '.join(m.places)})" for m in untranslated()]
    assert left == []


def test_the_catalogue_holds_nothing_that_nobody_shows():
    shown = {message.text for message in extract()}
    held = {str(entry.id) for entry in catalogue._read("zh_CN") if entry.id}
    assert held - shown == set()


def test_merging_twice_changes_nothing_more(tmp_path, monkeypatch):
    copy = tmp_path / "segmentation.po"
    shutil.copy(catalogue._path("zh_CN"), copy)
    monkeypatch.setattr(catalogue, "_path", lambda _language: copy)
    update_catalogue()
    once = copy.read_bytes()
    update_catalogue()
    assert copy.read_bytes() == once
    assert b"Date" not in once.partition(b"\n\n")[0]


def test_no_translation_holds_what_only_machines_write():
    for text, chinese in language.messages("zh_CN").items():
        bare = re.sub(r"\$[^$]*\$|`[^`]*`|\{\w+\}", "", chinese)
        assert "  " not in bare, text
        assert not re.search(r"[一-鿿][,;:!?](\s|$|[一-鿿])", bare), f"half-width mark: {chinese}"
        assert text.count("`") == chinese.count("`"), text
        assert chinese.count("**") % 2 == 0, text


def test_what_is_extracted():
    found = {m.text: m.places for m in extract()}
    assert "segmentation/figures/headings.py" in found["Share of customers"]
    assert "segmentation/data/findings.py" in found["The table has rows."]
    assert "Who holds the money?" not in found


def test_passages_of_a_cell():
    assert [p.text for p in split_passages(CELL) if p.text] == TEXTS


def test_passages_put_together_are_the_cell_but_for_line_breaks():
    same = replace_passages(CELL, lambda text: text)
    assert same.replace("> ", "").split() == CELL.replace("> ", "").split()
    assert '```python\nprint("not a text")\n```' in same
    assert "$$\nG = 1\n$$" in same
    assert "| Basic | 12 |" in same
    assert same.startswith("# Who")


@given(st.text(alphabet="ab #>-*|$`~\n.!()[]<>/1\\", max_size=60))
def test_any_markdown_keeps_all_its_signs(source):
    def bare(text):
        return re.sub(r"[\s\\>]", "", text)

    assert bare(replace_passages(source, lambda text: text)) == bare(source)


@given(st.text(alphabet="ab #-|$\n.1", max_size=60))
def test_replacing_twice_changes_nothing_more(source):
    once = replace_passages(source, lambda text: text)
    assert replace_passages(once, lambda text: text) == once


def test_markdown_is_swapped_by_paragraph(monkeypatch):
    words = {text: f"译文{n}" for n, text in enumerate(TEXTS)}
    monkeypatch.setattr(language, "messages", lambda _language: words)
    done = translate_markdown(CELL, "zh_CN")
    assert done.startswith("# 译文0\n\n译文1\n\n- 译文2\n- [ ] 译文3\n1. 译文4\n\n> 译文5\n")
    assert "| 译文6 | 译文7 |\n|---|--:|\n| 译文8 | 12 |" in done
    assert "<details><summary>译文9</summary>" in done
    assert 'print("not a text")' in done
    assert "![a picture](x.png)" in done


def test_english_stays_as_it_is_and_so_does_what_has_no_translation():
    assert translate_markdown(CELL, "en") == CELL
    assert "no such sentence" in translate_markdown("no such sentence", "zh_CN")
    with pytest.raises(ValueError, match="no language"):
        translate_markdown("x", "fr")


def test_a_changed_sentence_turns_fuzzy_and_is_not_used(elsewhere):
    write_notebook(elsewhere, ("markdown", "# The few who hold the money of all"))
    assert [m.state for m in update_catalogue(root=elsewhere) if "few" in m.text] == [
        "untranslated"
    ]
    path = catalogue._path("zh_CN")
    text = path.read_text("utf-8")
    at = text.index('msgstr ""', text.index("The few who hold the money of all"))
    path.write_text(text[:at] + 'msgstr "少数人持有大多数资产"' + text[at + 9 :], "utf-8")
    assert not [m for m in untranslated(root=elsewhere) if "few" in m.text]
    write_notebook(elsewhere, ("markdown", "# The few who hold the money of almost all"))
    assert [m.state for m in untranslated(root=elsewhere) if "few" in m.text] == ["missing"]
    assert [m.state for m in update_catalogue(root=elsewhere) if "few" in m.text] == ["fuzzy"]
    assert "少数人持有大多数资产" in path.read_text("utf-8")


def test_a_lost_placeholder_is_reported(elsewhere):
    write_notebook(elsewhere, ("code", '_("The quick brown fox took {n} of {m}")\n'))
    update_catalogue(root=elsewhere)
    path = catalogue._path("zh_CN")
    text = path.read_text("utf-8")
    at = text.index('msgstr ""', text.index("The quick brown fox"))
    path.write_text(text[:at] + 'msgstr "{n}户客户"' + text[at + 9 :], "utf-8")
    assert [m.state for m in untranslated(root=elsewhere) if "{m}" in m.text] == ["broken"]


def test_code_cells_give_their_strings_joined_and_no_others(elsewhere):
    write_notebook(elsewhere, ("code", '_("one "\n  "text")\nprint("no text")\nN_("two")'))
    found = [m.text for m in extract(elsewhere)]
    assert {"one text", "two"} <= set(found)
    assert "no text" not in found


def test_the_command_prints_what_is_missing(elsewhere, capsys):
    write_notebook(elsewhere, ("markdown", "# A title that nobody translated"))
    before = catalogue._path("zh_CN").read_bytes()
    assert main(["--check"]) == 1
    printed = capsys.readouterr().out
    assert "notebooks/01_some.ipynb" in printed
    assert "missing: A title that nobody translated" in printed
    assert catalogue._path("zh_CN").read_bytes() == before
