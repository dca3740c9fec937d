"""Pages with everything that a page may hold, in both languages, made without running anything."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from segmentation import Picture, show_table
from segmentation.publish.answers import MIME
from segmentation.publish.pages import (
    Entry,
    Summary,
    file_name,
    index_name,
    read_summary,
    render_index,
    render_report,
)

NAME = "00_specimen"
WORDS = {
    "en": {
        "opening": "# Who holds the money?\n\nDoes the **tier rule** see *every* customer?",
        "prose": (
            "## Tiers of customers\n\nA paragraph with `code`, a [link](#main) and $G_i \\ge 0$."
            "\n\n> A quotation.\n\n- one\n- two\n\n| what | how |\n|---|---|\n| lift | high |\n\n"
            "$$G = 1 - 2\\int_0^1 L(p)\\,dp + \\frac{\\sum_{i=1}^{n} x_i}{\\sqrt{n}}$$"
        ),
        "more": "## The Lorenz curve\n\n### A heading below\n\nWords.",
        "last": "## What to do next\n\n1. Call them.\n2. Visit them.",
        "alt": "The richest tenth of customers holds two thirds of all assets.",
        "reading": "Most of the money is where few customers are.",
        "as_of": "31 December 2025",
        "scope": "12 branches, 18,000 customers",
        "source": "Simulated branch network",
        "currency": "Chinese Yuan (CNY)",
        "note": "Balances are last observed ones.",
        "labels": "Customers with assets of at least 50,000 yuan|Share of the richest tenth|Gini",
    },
    "zh_CN": {
        "opening": "# 钱在谁手里？\n\n**“分层规则”**看得见每一位客户吗？",
        "prose": (
            "## 客户分层\n\n一段文字，含`code`、[链接](#main)与公式 $G_i \\ge 0$。"
            "**注意：**以月日均为准。\n\n"
            "> 一段引文。\n\n- 其一\n- 其二\n\n| 项目 | 做法 |\n|---|---|\n| 冲高 | 偏高 |\n\n"
            "$$G = 1 - 2\\int_0^1 L(p)\\,dp + \\frac{\\sum_{i=1}^{n} x_i}{\\sqrt{n}}$$"
        ),
        "more": "## 洛伦兹曲线\n\n### 下级标题\n\n文字。",
        "last": "## 下一步\n\n1. 电话联系。\n2. 上门拜访。",
        "alt": "最富有的一成客户持有三分之二的资产。",
        "reading": "大部分资金集中在少数客户手中。",
        "as_of": "2025年12月31日",
        "scope": "12家网点、18,000位客户",
        "source": "模拟网点",
        "currency": "人民币（CNY）",
        "note": "余额为最近一次观测值。",
        "labels": "资产不低于5万元的客户|最富一成的份额|基尼系数",
    },
}


def write_specimens(folder: Path) -> list[Path]:
    """Write the specimen and its index in both languages."""
    written = []
    for language, words in WORDS.items():
        before = os.environ.get("SEGMENTATION_LANGUAGE")
        os.environ["SEGMENTATION_LANGUAGE"] = language
        try:
            page = render_report(NAME, _notebook(words), language)
        finally:
            if before is None:
                del os.environ["SEGMENTATION_LANGUAGE"]
            else:
                os.environ["SEGMENTATION_LANGUAGE"] = before
        summary = read_summary(page)
        assert summary is not None
        question = words["opening"].partition("\n")[2].replace("*", "").strip()
        absent = Summary("09_x", words["last"].partition("\n")[0].removeprefix("## "), question)
        entries = [
            Entry(summary, built=True),
            Entry(summary, built=True, failed=True),
            Entry(absent, built=False, lacks=("visits", "surveys")),
            Entry(absent, built=False, failed=True),
        ]
        for name, text in (
            (file_name(NAME, language), page),
            (index_name(language), render_index(entries, language)),
        ):
            (folder / name).write_text(text, encoding="utf-8")
            written.append(folder / name)
    return written


def _notebook(words: dict[str, str]) -> NotebookNode:
    facts = {key: words[key] for key in ("as_of", "scope", "source", "currency")}
    figures = [
        {"label": label, "value": value, "note": note}
        for label, value, note in zip(
            words["labels"].split("|"), ("1,234", "65.0%", "0.81"), ("", "64%–66%", ""), strict=True
        )
    ]
    whole = {**facts, "version": "0.1", "notes": [words["note"]], "figures": figures}
    reading = f'<p class="seg reading">{words["reading"]}</p>'
    return new_notebook(
        cells=[
            new_markdown_cell(words["opening"]),
            _shown({MIME: whole}),
            new_markdown_cell(words["prose"]),
            _shown(_wide_table()._repr_mimebundle_()),
            _shown({"text/html": reading, "text/plain": words["reading"]}),
            new_markdown_cell(words["more"]),
            _shown(_picture(words["alt"])),
            new_markdown_cell(words["last"]),
        ]
    )


def _shown(data: dict[str, object]) -> NotebookNode:
    return new_code_cell("shown()", outputs=[new_output("display_data", data)])


def _wide_table() -> object:
    """More columns than a phone is wide, and more rows than a printed page is high."""
    rows = 60
    columns = ["customers", "aum", "aum_share", "customer_share", "mean_aum"]
    frame = pd.DataFrame({name: [1000.0 + i for i in range(rows)] for name in columns})
    frame.insert(0, "year", range(1960, 1960 + rows))
    frame["customers"] = frame["customers"].astype(int)
    frame[["aum_share", "customer_share"]] /= 10_000
    return show_table(frame)


def _picture(alt: str) -> dict[str, object]:
    figure = Figure(figsize=(7.5, 4))
    figure.add_subplot().plot([0, 0.5, 1], [0, 0.1, 1])
    data, _sizes = Picture(figure, alt)._repr_mimebundle_()
    return {**data, "image/png": base64.b64encode(data["image/png"]).decode("ascii")}
