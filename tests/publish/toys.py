"""Small notebooks that need no bank and start fast, for the tests of the exporter."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HEADLINES = {
    "as_of": "2025-12",
    "scope": "12 branches",
    "source": "Toy data",
    "currency": "CNY",
    "version": "0.1.0",
    "notes": ["Balances are last observed ones."],
    "figures": [
        {"label": "Customers", "value": "18,000", "note": "personal and corporate"},
        {"label": "Share of the richest tenth", "value": "65%", "note": "64% to 66%"},
        {"label": "Gini", "value": "0.81", "note": ""},
    ],
}
ALT = "The richest tenth of customers holds two thirds of all assets."
TABLE = (
    '<table class="seg"><caption>Tiers</caption><thead><tr><th scope="col">Tier</th></tr></thead>'
    '<tbody><tr><td class="number">12</td></tr></tbody></table>'
)


def png(width: int = 900, height: int = 450) -> str:
    """A grey picture in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\x00" + b"\x99" * width for _ in range(height))
    raw = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    )
    raw += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(raw).decode()


def setup(*needs: str) -> str:
    """A setup cell that names what it needs and opens nothing."""
    return (
        "from IPython.display import display\n"
        "open_bank = lambda needs: None\n"
        f"bank = open_bank(needs={needs!r})"
    )


def shown(**data: object) -> str:
    """The code of a cell that shows an output of these media types."""
    bundle = {
        {"html": "text/html", "plain": "text/plain", "png": "image/png"}.get(
            kind, "application/vnd.segmentation.headlines+json"
        ): value
        for kind, value in data.items()
    }
    return f"display({bundle!r}, raw=True)"


def notebook(*sources: str, needs: tuple[str, ...] = ("customers",)) -> nbformat.NotebookNode:
    """A notebook with a title, a setup cell, the headlines, and then `sources`.

    Those that begin with `#` or a Chinese letter are Markdown.
    """
    cells = [
        new_markdown_cell("# Who holds the money?\n\nDoes the tier rule **see** it?"),
        new_code_cell(setup(*needs)),
        new_code_cell(shown(headlines=HEADLINES)),
    ]
    for source in sources:
        code = not source.startswith("#") and source[0].isascii()
        cells.append(new_code_cell(source) if code else new_markdown_cell(source))
    return new_notebook(cells=cells)


def save(folder: Path, name: str, content: nbformat.NotebookNode) -> Path:
    """Write a notebook into a folder."""
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
