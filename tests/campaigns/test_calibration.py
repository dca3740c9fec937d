"""The page of calibrated sizes: all that is required is there, and nothing outside is hidden."""

import json
import re
from pathlib import Path

import pytest
from calibration import NOTES, Row, read, write

PAGE = Path(__file__).parents[2] / "docs" / "calibration.md"

KINDS = ("normal", "zero-inflated lognormal", "1 % binary")
REQUIRED = [
    *((method, kind) for method in ("Lin", "Delta of a ratio") for kind in KINDS),
    ("Welch", "normal"),
    ("Welch", "zero-inflated lognormal"),
    ("Newcombe", "1 % binary"),
    ("Cluster t", "60 clusters"),
    ("Permutation", "12 clusters, 2 treated"),
    *((f"uplift_curve, {measure}", kind) for measure in ("qini", "autoc") for kind in KINDS),
    ("uplift_curve, qini, cluster", "60 branches"),
    *(("payoff: profit", kind) for kind in (*KINDS, "60 clusters")),
    *(("payoff: return by Fieller", kind) for kind in (*KINDS, "60 clusters")),
    ("monitor, 100 looks", "normal"),
    ("uplift_curve, qini, fresh fold", "best of 100 random scores"),
    ("learn, ranks of a T-learner", "normal"),
]


def rows():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:2] == "| "]
    return [row for row in cells if row[0] != "method"]


@pytest.mark.parametrize(("method", "generator"), REQUIRED)
def test_what_is_required_has_its_row_inside_its_band(method, generator):
    found = [row for row in rows() if row[0] == method and row[1].startswith(generator)]
    assert found
    assert {row[-1] for row in found} == {"inside"}
    assert all(int(row[2].replace(",", "")) >= 4000 for row in found)


def test_what_is_outside_is_explained():
    outside = {f"{row[0]} on {row[1]}" for row in rows() if row[-1] == "**outside**"}
    assert outside <= set(NOTES)
    text = PAGE.read_text(encoding="utf-8")
    assert "not explained" not in text
    assert all(f"- {key}: " in text for key in outside)


@pytest.mark.parametrize(
    ("method", "rejected", "coverage", "inside"),
    [
        ("Welch", 0.05, 0.95, True),
        ("Welch", 0.0351, None, True),
        ("Welch", 0.034, None, False),
        ("Welch", 0.066, 0.95, False),
        ("Welch", None, 0.93, False),
        ("Welch", None, 0.97, False),
        ("Permutation", 0.01, 0.99, True),
        ("Permutation", 0.07, 0.95, False),
        ("Permutation", 0.05, 0.93, False),
        ("monitor, 100 looks", 0.0, None, True),
    ],
)
def test_a_band_has_two_sides_but_for_exact_methods(method, rejected, coverage, inside):
    row = Row(method, "normal", 4000, rejected, coverage)
    assert row.inside is inside
    page = write([row])
    assert ("**outside**" in page) is not inside
    assert ("not explained" in page) is not inside


def test_lines_become_a_page_in_a_fixed_order():
    lines = [
        json.dumps(Row(method, generator, 4000, 0.05, None)._asdict())
        for method, generator in [
            ("Permutation", "12 clusters"),
            ("Permutation", "2 clusters"),
            ("by customer", "2 clusters"),
            ("power of a mean", "normal"),
        ]
    ]
    page = write(read("\n".join(lines)))
    assert page == write(read("\n".join([*reversed(lines), lines[0]])))
    assert re.findall(r"(\d+) clusters", page) == ["2", "12", "2"]
    assert page.index("## Effect") < page.index("## Power") < page.index("## How the usual")
    with pytest.raises(ValueError, match="no section for tea leaves"):
        write([Row("tea leaves", "cup", 1, 0.5, None)])
