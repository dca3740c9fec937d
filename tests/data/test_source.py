"""Banks opened and written: folders, the demonstration, and what two processes do together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from segmentation.data import demonstrations, source
from segmentation.data.bank import Bank
from segmentation.data.contract import TABLES
from segmentation.data.engines import collect
from segmentation.data.errors import MissingTable, TableError
from segmentation.data.source import open_bank, write_bank

DAY = pd.Timestamp(2024, 1, 31)
CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["001", "0000000000000000002"],
        "kind": ["personal", "corporate"],
        "branch_id": ["1", "2"],
        "opened_on": [DAY, DAY],
        "closed_on": [None, None],
        "income": [0.1, None],
        "marketing_consent": [True, None],
    }
)


@pytest.fixture(autouse=True)
def _no_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGMENTATION_BANK", raising=False)


def toy(*_: Any, **__: Any) -> Bank:
    return Bank(
        customers=CUSTOMERS, source="a toy", truth={"customers": CUSTOMERS[["customer_id"]]}
    )


# --- round trip --------------------------------------------------------------------------------


def test_a_written_bank_is_read(tmp_path: Path, to_engine: Callable[[pd.DataFrame], Any]) -> None:
    rules = tmp_path / "own rules"
    rules.mkdir()
    (rules / "tiers.toml").write_text("", "utf-8")
    frame = CUSTOMERS.drop(columns="closed_on")
    bank = Bank(
        customers=to_engine(frame),
        currency="EUR",
        source='a "test" \\ 测试',
        notes=["One.", "二。"],
        tier_rule="berka",
        rules=rules,
        truth={"customers": frame},
    )
    write_bank(bank, tmp_path / "new" / "bank")
    again = open_bank(str(tmp_path / "new" / "bank"), needs="customers")
    assert (again.currency, again.source, again.notes) == ("EUR", bank.source, bank.notes)
    assert again.tier_rule == "berka"
    assert again.rules is not None
    assert (again.rules / "tiers.toml").is_file()
    assert again.remarks == ()
    assert again.kind == "duckdb"
    for found in (again.table("customers"), again.truth):
        read = found["customers"] if isinstance(found, dict) else collect(found)
        read = read.sort_values("customer_id", ignore_index=True)
        expected = frame.sort_values("customer_id", ignore_index=True)
        pd.testing.assert_frame_equal(read, expected, check_dtype=False)
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["bank"]


def test_every_table_of_the_contract_is_written_and_read(tmp_path: Path) -> None:
    bank = demonstrations_bank()
    write_bank(bank, tmp_path / "bank")
    again = open_bank(tmp_path / "bank", needs=tuple(TABLES))
    assert again.tables == tuple(TABLES)
    assert again.remarks == ()
    for name in TABLES:
        read, made = collect(again.table(name)), collect(bank.table(name))
        assert len(read) == len(made)
        columns = list(made.columns)
        pd.testing.assert_frame_equal(
            read[columns].sort_values(columns, ignore_index=True),
            made.sort_values(columns, ignore_index=True),
            check_dtype=False,
        )
    assert again.truth is not None
    assert set(again.truth) == set(bank.truth or ())


def demonstrations_bank() -> Bank:
    from segmentation.data.network import simulate_bank

    return simulate_bank(7, branches=2, customers=200, months=3)


def test_a_folder_with_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(TableError, match="new or empty"):
        write_bank(toy(), tmp_path)
    with pytest.raises(TableError, match="new or empty"):
        write_bank(toy(), tmp_path / "mine.txt")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    write_bank(toy(), tmp_path / "empty")
    assert open_bank(tmp_path / "empty").tables == ("customers",)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TableError, match="can be written"):
        write_bank(toy(), tmp_path / "file" / "bank")


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cells are of type money"):
        write_bank(Bank(customers=CUSTOMERS.assign(income="x")), tmp_path / "bank")
    assert list(tmp_path.iterdir()) == []


# --- where the bank is -------------------------------------------------------------------------


def test_needs(tmp_path: Path) -> None:
    write_bank(toy(), tmp_path / "bank")
    with pytest.raises(MissingTable, match="tables balances, visits missing"):
        open_bank(tmp_path / "bank", needs=("customers", "balances", "visits"))
    with pytest.raises(TableError, match="Did you mean 'balances'"):
        open_bank(tmp_path / "bank", needs=("balance",))


def test_the_variable_names_the_bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bank(toy(), tmp_path / "bank")
    monkeypatch.setenv("SEGMENTATION_BANK", str(tmp_path / "bank"))
    assert open_bank().source == "a toy"
    monkeypatch.setenv("SEGMENTATION_BANK", str(tmp_path / "nowhere"))
    with pytest.raises(TableError, match=r"exists \(nowhere\).*SEGMENTATION_BANK"):
        open_bank()


def test_a_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_bank(toy(), "~/bank")
    assert open_bank("~/bank").tables == ("customers",)


@pytest.mark.data
def test_berka_is_recognised(real_data: Path) -> None:
    bank = open_bank(real_data / "berka", needs=("customers", "balances"))
    assert bank.currency == "CZK"
    assert bank.tier_rule == "berka"
    assert any("last observed" in note for note in bank.notes)


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, who runs the tests in a container, nothing is refused: it is pretended."""
    (tmp_path / "branches.csv").write_text("branch_id\n1\n")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    for place in ("open", "iterdir"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, place, refuse)
            with pytest.raises(TableError, match="permissions"):
                open_bank(tmp_path)


def test_the_scratch_folder_goes_with_the_process(tmp_path: Path) -> None:
    (tmp_path / "网点.csv").write_bytes("机构号,机构名称\n01,甲\n".encode("gb18030"))
    code = (
        "import segmentation as seg; from segmentation.data.texts import scratch; import os\n"
        f"assert len(seg.open_bank({str(tmp_path)!r}).branches.fetchall()) == 1\n"
        "assert os.listdir(scratch()) and os.stat(scratch()).st_mode & 0o077 == 0\n"
        "print(scratch())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(run.stdout.strip()).exists()


# --- the demonstration -------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demonstrations, "place", lambda: tmp_path / "demo")
    monkeypatch.setattr("segmentation.data.network.simulate_bank", toy)
    return tmp_path / "demo"


def test_the_demonstration_is_made_once(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_bank().source == "a toy"
    (made,) = demo.iterdir()
    assert made.name == demonstrations.generator_version()

    def refuse(*_: Any) -> Bank:
        raise AssertionError("simulated again")

    monkeypatch.setattr("segmentation.data.network.simulate_bank", refuse)
    assert open_bank("").truth is not None
    monkeypatch.setattr(demonstrations, "generator_version", lambda: "another")
    with pytest.raises(AssertionError, match="simulated again"):
        open_bank()
    assert [entry.name for entry in demo.iterdir()] == [made.name]


def test_an_old_demonstration_is_removed_when_nobody_can_be_at_it(demo: Path) -> None:
    (demo / "old").mkdir(parents=True)
    (demo / "new").mkdir()
    os.utime(demo / "old", (0, 0))
    open_bank()
    assert {entry.name for entry in demo.iterdir()} == {
        "new",
        demonstrations.generator_version(),
    }


def test_the_second_of_two_takes_what_the_first_has_made(demo: Path) -> None:
    def write_after_another(bank: Bank, folder: Path) -> None:
        write_bank(bank, demo / demonstrations.generator_version())
        write_bank(bank, folder)

    folder = demonstrations.demo_folder(write_after_another)
    assert open_bank(folder).source == "a toy"
    assert [entry.name for entry in demo.iterdir()] == [folder.name]


def test_a_simulation_that_fails_leaves_nothing_behind(demo: Path) -> None:
    def fail(bank: Bank, folder: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        demonstrations.demo_folder(fail)
    assert list(demo.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(demonstrations, "place", lambda: tmp_path / "file" / "demo")
    with pytest.raises(TableError, match="SEGMENTATION_BANK"):
        open_bank()


def test_two_processes_make_it_together(tmp_path: Path) -> None:
    """Both end with the same whole bank, and nothing else is left."""
    code = (
        "import sys; from pathlib import Path; import pandas as pd\n"
        "from segmentation.data import demonstrations, network, source\n"
        "from segmentation.data.bank import Bank\n"
        f"demonstrations.place = lambda: Path({str(tmp_path / 'demo')!r})\n"
        "frame = pd.DataFrame({'branch_id': [str(i) for i in range(20_000)]})\n"
        "network.simulate_bank = lambda seed: Bank(branches=frame)\n"
        "sys.stdin.readline()\n"
        "print(len(source.open_bank().branches.fetchall()))"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[0].strip() for process in both] == ["20000"] * 2
    assert [process.returncode for process in both] == [0, 0]
    assert len(list((tmp_path / "demo").iterdir())) == 1


def test_the_place_is_the_checkout_or_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "checkout" / "segmentation"
    (tmp_path / "checkout" / "notebooks").mkdir(parents=True)
    (tmp_path / "checkout" / "pyproject.toml").touch()
    monkeypatch.setattr(demonstrations, "PACKAGE", package)
    assert demonstrations.place() == tmp_path / "checkout" / "data" / "demo"
    monkeypatch.setattr(demonstrations, "PACKAGE", tmp_path / "site-packages" / "segmentation")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert demonstrations.place() == tmp_path / "cache" / "segmentation" / "demo"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert demonstrations.place() == tmp_path / "local" / "segmentation" / "demo"


def test_a_changed_generator_has_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code, what that imports, and its rules count; the code that reads files does not."""
    import shutil

    package = Path(source.__file__).parents[1]
    copy = tmp_path / "segmentation"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(demonstrations, "files", lambda _: copy)
    first = demonstrations.generator_version()
    for name, changes in [
        ("data/source.py", False),
        ("data/engines.py", False),
        ("data/network.py", True),
        ("data/wealth.py", True),
        ("rules/network.toml", True),
        ("data/contract.toml", True),
    ]:
        text = (copy / name).read_text("utf-8")
        (copy / name).write_text(text + "\n# another\n", "utf-8")
        assert (demonstrations.generator_version() != first) is changes, name
        (copy / name).write_text(text, "utf-8")
    assert demonstrations.generator_version() == first
