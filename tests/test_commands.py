"""The command line: what each command prints, its exit codes, and no traceback for users."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from segmentation.__main__ import main

sys.path.insert(0, str(Path(__file__).parent / "publish"))
from toys import notebook, save

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BANK", "LANGUAGE", "RULES"):
        monkeypatch.delenv(f"SEGMENTATION_{name}", raising=False)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated bank."""
    folder = tmp_path_factory.mktemp("simulated") / "bank"
    sizes = ["--seed", "3", "--branches", "3", "--customers", "2000", "--months", "13"]
    assert main(["simulate", "--out", str(folder), *sizes]) == 0
    return folder


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["unknown"],
            ["check"],
            ["simulate"],
            ["reports", "--language", "fr"],
            ["simulate", "--out", "x", "--months", "0"],
            ["simulate", "--out", "x", "--seed", "-1"],
            ["simulate", "--out", "x", "--customers", "many"],
        ],
    )
    def test_wrong_usage_is_2(self, arguments: list[str], capsys: Out) -> None:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert "usage: segmentation" in capsys.readouterr().err

    def test_help_names_commands_and_exit_codes(self, capsys: Out) -> None:
        with pytest.raises(SystemExit) as stop:
            main(["--help"])
        assert stop.value.code == 0
        shown = capsys.readouterr().out
        for word in ("reports", "check", "simulate", "notebooks", "Exit codes"):
            assert word in shown

    def test_a_module_can_be_run(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "segmentation", "check", "nowhere"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


class TestSimulate:
    def test_writes_tables_that_keep_the_contract(self, bank: Path, capsys: Out) -> None:
        assert main(["check", str(bank)]) == 0
        assert "Nothing found" in capsys.readouterr().out
        assert (bank / "truth").is_dir()

    def test_never_writes_over_a_folder(self, bank: Path, capsys: Out) -> None:
        before = sorted(bank.iterdir())
        assert main(["simulate", "--out", str(bank)]) == 2
        assert "the folder is not empty" in capsys.readouterr().err
        assert sorted(bank.iterdir()) == before

    def test_a_failure_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
    ) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("segmentation.data.network.simulate_bank", interrupted)
        assert main(["simulate", "--out", str(tmp_path / "bank")]) == 130
        assert "Interrupted." in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []


class TestCheck:
    def test_findings_are_a_table_and_1(self, tmp_path: Path, capsys: Out) -> None:
        rows = {"branch_id": ["B1", "B1"], "name": ["One", "Two"], "area": [-5.0, 300.0]}
        pd.DataFrame(rows).to_csv(tmp_path / "branches.csv", index=False)
        assert main(["check", str(tmp_path)]) == 1
        shown = capsys.readouterr().out
        for word in ("table", "rule", "mend", "branches", "branch_id", "area", "findings."):
            assert word in shown
        assert "B1" not in shown

    def test_what_cannot_be_read_is_one_line_and_2(self, tmp_path: Path, capsys: Out) -> None:
        (tmp_path / "balances.csv").write_text("customer_id,month\n1,2024-01\n")
        assert main(["check", str(tmp_path)]) == 2
        spoken = capsys.readouterr().err.strip().splitlines()[-1]
        assert spoken.startswith("segmentation check: balances")

    def test_no_folder(self, tmp_path: Path, capsys: Out) -> None:
        assert main(["check", str(tmp_path / "nowhere")]) == 2
        assert "nowhere" in capsys.readouterr().err


def real(*sources: str, needs: str = '("customers", "balances")') -> object:
    """A notebook that opens the bank as the committed ones do."""
    content = notebook(*sources)
    content.cells[
        1
    ].source = (
        f"import segmentation as seg\nbank = seg.open_bank(needs={needs})\nmonth = bank.months[-1]"
    )
    content.cells[2].source = (
        "text = seg.format_number(len(bank.tables))\n"
        "seg.headlines(bank, month, seg.Headline('Tables', text))"
    )
    return content


class TestReports:
    def test_builds_on_a_banks_tables(self, bank: Path, tmp_path: Path, capsys: Out) -> None:
        save(tmp_path, "01_a", real())
        save(tmp_path, "02_b", real(needs='("deposits",)'))
        out = tmp_path / "out"
        code = main(
            ["reports", "--data", str(bank), "--notebooks", str(tmp_path), "--out", str(out)]
        )
        shown = capsys.readouterr()
        assert code == 0, shown.err
        assert "02_b: left out, the data lack deposits" in shown.out
        assert "2 reports built" in shown.out
        names = sorted(path.name for path in out.iterdir())
        assert names == [
            "01_a.en.html",
            "01_a.zh_CN.html",
            "build.log",
            "index.html",
            "index.zh_CN.html",
        ]
        assert "31 December 2025" in (out / "01_a.en.html").read_text("utf-8")
        assert "2025年12月31日" in (out / "01_a.zh_CN.html").read_text("utf-8")

    def test_a_failure_is_1_and_told_in_ten_lines(
        self, bank: Path, tmp_path: Path, capsys: Out
    ) -> None:
        save(tmp_path, "01_a", real("seg.monthly_panel(bank, '2031-01')"))
        code = main(
            [
                "reports",
                "01",
                "--data",
                str(bank),
                "--notebooks",
                str(tmp_path),
                "--language",
                "en",
                "--out",
                str(tmp_path / "out"),
            ]
        )
        shown = capsys.readouterr()
        assert code == 1
        failure = shown.err[shown.err.index("01_a (en) failed: cell 4 of 4") :]
        assert len(failure.splitlines()) <= 10
        assert "Traceback" not in failure
        assert "TableError" in failure

    def test_an_unknown_name_lists_the_names(self, tmp_path: Path, capsys: Out) -> None:
        save(tmp_path, "01_a", real())
        assert main(["reports", "07", "--notebooks", str(tmp_path)]) == 2
        assert "no notebook named 07. There are: 01_a." in capsys.readouterr().err

    def test_without_notebooks(self, tmp_path: Path, capsys: Out) -> None:
        assert main(["reports", "--notebooks", str(tmp_path)]) == 2
        assert "no notebooks here" in capsys.readouterr().err

    @pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
    def test_an_interrupt_ends_all_processes(self, bank: Path, tmp_path: Path) -> None:
        mark = tmp_path / "pid"
        source = (
            f"import os, pathlib, time\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\n"
            "time.sleep(600)"
        )
        save(tmp_path, "01_a", notebook(source))
        command = [sys.executable, "-m", "segmentation", "reports", "--language", "en", "--data"]
        command += [str(bank), "--notebooks", str(tmp_path), "--out", str(tmp_path / "out")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not (mark.is_file() and mark.read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        kernel = int(mark.read_text())
        process.send_signal(signal.SIGINT)
        _, spoken = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in spoken
        with pytest.raises(ProcessLookupError):
            os.kill(kernel, 0)


class TestNotebooks:
    def test_rewrites_and_tells(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
    ) -> None:
        from segmentation.publish import notebooks

        monkeypatch.setattr(notebooks, "_simulate_once", lambda: None)
        save(tmp_path, "01_a", notebook())
        broken = save(tmp_path, "02_b", notebook("1 / 0"))
        before = broken.read_bytes()
        assert main(["notebooks", "--notebooks", str(tmp_path)]) == 1
        shown = capsys.readouterr()
        assert "1 of 2 notebooks rewritten." in shown.out
        assert "02_b failed: cell 4 of 4" in shown.err
        assert "ZeroDivisionError: division by zero" in shown.err
        assert broken.read_bytes() == before


def test_bars_appear_only_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.progress import Progress

    from segmentation.commands import waiting

    started: list[bool] = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(Progress, "start", lambda self: started.append(True))
    with waiting("Quick"):
        pass
    assert started == []
    with waiting("Slow"):
        time.sleep(1.2)
    assert started == [True]
