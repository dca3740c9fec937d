"""The house stands: locks, environment, rooms, names, and what an import costs."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import segmentation as seg

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "segmentation"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ROOMS = ["data", "customers", "branches", "campaigns", "figures", "publish"]
SOURCES = sorted(PACKAGE.rglob("*.py"))
LOCKS = ["requirements.lock", "requirements-spark.lock"]

CONDA_NAMES = {"brotli": "brotli-python", "duckdb": "python-duckdb"}
"""What conda-forge calls otherwise."""

CALLED_FROM_OUTSIDE = {
    "open_bank": ["path=None", "needs=()"],
    "Bank": ["currency='CNY'"],
    "check_bank": ["bank"],
    "simulate_bank": ["seed", "branches=12", "customers=18000", "months=24"],
    "read_berka": ["folder"],
    "read_hillstrom": ["path"],
    "monthly_panel": ["bank", "month"],
    "monthly_panels": ["bank", "months"],
    "completeness": ["bank", "by=None"],
    "missingness_model": ["bank", "field"],
    "assign_tier": ["frame", "rule='rural_commercial'", "on='aum_average'"],
    "tier_table": ["panel", "balances=None"],
    "concentration": ["values", "on=None"],
    "pareto_tail": ["values", "above"],
    "near_threshold": ["panel", "rule", "band"],
    "month_end_lift": ["bank", "limit=0.04"],
    "migration": ["panel_from", "panel_to", "weight=None"],
    "project": ["shares", "start", "periods"],
    "markov_value": ["transition", "reward", "discount", "horizon=None"],
    "campaign_data": [
        *("bank", "campaign_id", "outcome", "start", "end", "covariates=()", "as_of=None"),
    ],
    "moments": ["data", "columns"],
    "effect": [
        *("data", "outcome", "arm", "control", "covariates=()", "cluster=None", "by=None"),
        *("per=None", "cap=None", "design=None", "contacted=None", "alpha=0.05"),
    ],
    "uplift_curve": [
        *("data", "score", "outcome", "arm", "control", "treated=None", "share=None"),
        "cluster=None",
    ],
    "observed_effect": [
        *("data", "outcome", "arm", "control", "covariates", "method='aipw'", "estimand='ate'"),
        "trim=None",
    ],
    "did": [
        *("data", "outcome", "unit", "time", "first_treated", "cluster=None"),
        "control='never'",
    ],
    "suppress_counts": ["table", "threshold=10"],
    "suppress_sums": ["table", "contributors", "largest"],
}
"""Names and arguments that others rely on."""


def requirements(*extras):
    lines = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


def locked(name):
    """Versions by name of a lock, and how many hashes each has."""
    found = {}
    for block in re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8").strip()):
        package, version = re.match(r"([\w.-]+)==([\w.]+)", block).groups()
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block)
        found.setdefault(canonicalize_name(package), []).append((version, len(hashes)))
    return found


def conda():
    """Lower bounds by name of environment.yml: conda's packages, then pip's."""
    lines = (ROOT / "environment.yml").read_text("utf-8").splitlines()
    at = lines.index("  - pip:")
    start = lines.index("dependencies:")
    return lines[start + 1 : at], [line.strip() for line in lines[at + 1 :]]


def imports(path):
    """Modules of the package that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or path.name == "__init__.py", f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_hashed_and_names_no_place(name):
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"https?:|file:|(^| )@ |--(index|extra-index|find|trusted)|\.whl", text)
    assert all(hashes > 0 for versions in locked(name).values() for _, hashes in versions)


@pytest.mark.parametrize(("name", "extras"), [(LOCKS[0], ["test"]), (LOCKS[1], [])])
def test_a_lock_holds_what_the_project_asks_for(name, extras):
    lock = locked(name)
    wanted = requirements(*extras) if extras else requirements("spark").keys() - requirements()
    asked = requirements("spark", "test")
    for package in wanted:
        assert all(asked[package].specifier.contains(version) for version, _ in lock[package])


def test_the_locks_do_not_disagree():
    assert not locked(LOCKS[0]).keys() & locked(LOCKS[1]).keys()


def test_this_environment_is_the_locked_one():
    if os.environ.get("CI") != "true":
        pytest.skip("a developer's environment may be newer")
    for package, versions in locked(LOCKS[0]).items():
        try:
            here = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system
        assert here in [version for version, _ in versions], package


def test_conda_has_the_same_packages_and_lower_bounds():
    packages, from_pip = conda()
    wanted = {
        f"{CONDA_NAMES.get(found.name, found.name)}{found.specifier}"
        for found in requirements("test").values()
    }
    python = f"python{PROJECT['project']['requires-python']}"
    here = [line.removeprefix("  - ") for line in packages]
    there = [line.removeprefix("- ") for line in from_pip]
    assert {*here, *there} == {*wanted, python, "pip", "--editable ."}
    assert len(here) + len(there) == len(wanted) + 3


def test_versions_agree():
    version = PROJECT["project"]["version"]
    assert importlib.metadata.version(PROJECT["project"]["name"]) == version
    log = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (\d+\.\d+\.\d+)", log, re.MULTILINE)
    assert headings[0] == version
    assert sorted(headings, key=Version, reverse=True) == headings


def test_every_rule_of_the_package_is_in_the_wheel():
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["segmentation"]
    kinds = {path.suffix for path in PACKAGE.rglob("*") if path.is_file()}
    assert {".toml", ".py", ".pyi"} <= kinds


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_room_imports_only_from_rooms_above(path):
    parts = path.relative_to(PACKAGE).parts
    if parts[0] not in ROOMS:
        return
    lower = ROOMS[ROOMS.index(parts[0]) + 1 :]
    for module in imports(path):
        names = module.split(".")
        if names[0] != "segmentation":
            continue
        assert len(names) > 1, f"{path.name} imports the package's front door"
        assert names[1] not in lower, f"{path.name} imports {module}"


def test_no_file_bears_the_name_of_a_public_function():
    stems = {path.stem for path in SOURCES}
    assert stems & set(seg.__all__) == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_has_at_most_three_hundred_lines(path):
    lines = path.read_text("utf-8").count("\n")
    assert lines <= 300


def test_the_front_door_hands_on_what_the_stub_says():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8"))
    handed = {
        alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    listed = next(
        [item.value for item in node.value.elts]
        for node in stub.body
        if isinstance(node, ast.Assign)
    )
    assert handed == set(listed)
    assert len(listed) == len(set(listed))
    for name in listed:
        found = getattr(seg, name)
        assert not callable(found) or inspect.getdoc(found), name


@pytest.mark.parametrize("name", CALLED_FROM_OUTSIDE)
def test_what_is_called_from_outside_keeps_its_arguments(name):
    given = inspect.signature(getattr(seg, name)).parameters.values()
    wanted = CALLED_FROM_OUTSIDE[name]
    shown = {
        found.name: found.name
        if found.default is found.empty
        else f"{found.name}={found.default!r}"
        for found in given
    }
    for place, argument in enumerate(wanted):
        word = argument.partition("=")[0]
        # Where no default is promised there may be one.
        assert shown[word] == argument or argument == word
        assert name == "Bank" or list(shown)[place] == word


def test_an_import_loads_nothing_heavy():
    heavy = [
        "matplotlib",
        "seaborn",
        "statsmodels",
        "sklearn",
        "scipy",
        "pyspark",
        "polars",
        "IPython",
    ]
    code = (
        "import sys, warnings; warnings.simplefilter('error'); import segmentation as seg;"
        f"print([name for name in {heavy!r} if name in sys.modules]); seg.Bank;"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
    assert done.stderr == ""


def test_an_import_changes_nothing_global():
    code = """
import locale, os, warnings

import matplotlib as mpl

def state():
    return list(warnings.filters), locale.setlocale(0), dict(os.environ), mpl.rcParams.copy()

before = state()
import segmentation as seg
assert state() == before
for name in seg.__all__:
    getattr(seg, name)
assert state()[1:] == before[1:]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_make_lists_its_targets():
    text = (ROOT / "Makefile").read_text("utf-8")
    for target in ("reports", "test", "notebooks", "lab", "bench", "calibrate", "help"):
        assert re.search(rf"^{target}:.*## \w", text, re.MULTILINE), target
    assert ".ONESHELL" not in text  # GNU make 3.81 ignores it
