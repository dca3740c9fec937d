"""What is on each page of a PDF that Chromium printed."""

from __future__ import annotations

import re
import zlib

OBJECT = re.compile(rb"(\d+) 0 obj\s*(.*?)endobj", re.DOTALL)
LENGTH = re.compile(rb"/Length\s+(\d+)")
STREAM = re.compile(rb"stream\r?\n")
DRAWN = re.compile(rb"(?<![A-Za-z])(TJ|Tj|Do)(?![A-Za-z])")


def drawn_on_pages(pdf: bytes) -> list[int]:
    """How many texts and pictures are drawn on each page."""
    objects = dict(OBJECT.findall(pdf))
    counts = []
    for body in objects.values():
        if re.search(rb"/Type\s*/Page\b(?!s)", body):
            contents = re.search(rb"/Contents\s+(\d+) 0 R", body)
            counts.append(0 if contents is None else _drawn(objects[contents[1]]))
    return counts


def page_sizes(pdf: bytes) -> set[tuple[int, int]]:
    """Width and height of the pages in millimetres."""
    boxes = re.findall(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)\s*\]", pdf)
    return {(round(float(w) * 25.4 / 72), round(float(h) * 25.4 / 72)) for w, h in boxes}


def _drawn(body: bytes) -> int:
    length, start = LENGTH.search(body), STREAM.search(body)
    if length is None or start is None:
        return 0
    data = body[start.end() : start.end() + int(length[1])]
    return len(DRAWN.findall(zlib.decompress(data) if b"FlateDecode" in body else data))
