"""The dictionary keeps step with the contract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from segmentation.data.contract import TABLES
from segmentation.data.demonstrations import SEED
from segmentation.data.dictionary import dictionary

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_dictionary_is_that_of_the_contract() -> None:
    committed = (ROOT / "data" / "README.md").read_text("utf-8")
    assert committed == dictionary(), "run: python -m segmentation.data.dictionary > data/README.md"


def test_the_command_in_its_head_writes_it() -> None:
    command = [sys.executable, "-m", "segmentation.data.dictionary"]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert written.decode() == dictionary()


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_in_it_in_both_languages(name: str) -> None:
    section = dictionary().split(f"\n## {name}\n")[1].split("\n## ")[0]
    table = TABLES[name]
    assert table.zh in section
    assert table.en in section
    for column in table.columns.values():
        mark = f"**{column.name}**" if column.required else column.name
        assert f"| {mark} | {column.zh} | {column.type} | {column.en}" in section
        assert all(f"`{value}`" in section for value in column.values)
    assert section.count("\n| ") == len(table.columns) + 1  # and the head


def test_it_says_where_the_demonstration_comes_from() -> None:
    assert f"seed {SEED}" in dictionary()
