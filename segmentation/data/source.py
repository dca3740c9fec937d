"""A bank from where it lies, and back: folders, files, a database, or the demonstration."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.data.bank import Bank, known_tables
from segmentation.data.demonstrations import demo_folder
from segmentation.data.engines import collect, connection, enter
from segmentation.data.errors import TableError
from segmentation.data.files import read_tables
from segmentation.data.headings import load_headings
from segmentation.data.phrases import text

__all__ = ["open_bank", "write_bank"]

VARIABLE = "SEGMENTATION_BANK"
BERKA = ("account.asc", "disp.asc")
ABOUT: dict[str, type] = {"currency": str, "source": str, "notes": list, "tier_rule": str}


def open_bank(path: str | Path | None = None, needs: Iterable[str] = ()) -> Bank:
    """Open a bank's tables, lazily, in the types of the contract.

    Parameters
    ----------
    path : path, optional
        One of

        - a folder of Parquet, CSV, TSV or TXT files or Excel workbooks, each named after its
          table, as ``balances.parquet``, ``balances_2024.csv`` or 余额表.xlsx, or in a folder named
          so; several files are one table;
        - such a file;
        - a DuckDB file;
        - the folder of the Berka data in its original layout (`read_berka`).

        By default what the environment variable `SEGMENTATION_BANK` names, else the demonstration
        bank, which is simulated once.
    needs : iterable of str
        Tables that must be there.

    Returns
    -------
    Bank
        Of DuckDB relations over the files. `remarks` says what was left out: unknown files and
        columns, rows of totals, notes below a table. A folder ``rules`` in it is the bank's
        `rules`; ``bank.toml`` has its `currency`, `source`, `notes` and `tier_rule`.

    Raises
    ------
    TableError
        If there is no table, or any cannot be read: its header lacks required columns, or a cell
        is not what its column says. All such errors come at once, as `errors`. Nothing that
        cannot be read becomes null in silence.
    MissingTable
        If one of `needs` is not there.

    Notes
    -----
    Files of text are read in UTF-8, UTF-16 and GB18030, with any usual delimiter, below a title,
    with the amounts and dates of Chinese core-banking exports. Headers, values and units of a
    bank's own go into ``columns.toml`` in its folder; the one that ships explains itself.
    Each query reads the files again: of many gigabytes of text, `write_bank` makes Parquet.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "网点.csv").write_text("机构号,面积\\n0101,320\\n", "gb18030")
    ...     open_bank(folder).branches.fetchall()
    [('0101', 320.0)]
    """
    wanted = tuple([needs] if isinstance(needs, str) else needs)
    known_tables(wanted)
    given = path or os.environ.get(VARIABLE)
    bank = _open(demo_folder(write_bank) if given is None or given == "" else Path(given))
    bank.require(*wanted)
    return bank


def _open(path: Path) -> Bank:
    path = path.expanduser()
    if not path.exists():
        raise TableError(
            "bank",
            f"the folder or file exists ({path.name})",
            f"Check the path, or {VARIABLE} if none was given.",
        )
    try:
        if path.is_dir() and set(BERKA) <= {entry.name.lower() for entry in path.iterdir()}:
            from segmentation.data.public import read_berka

            return read_berka(path)
        folder = path if path.is_dir() else path.parent
        about = _about(folder)
        tables, remarks = read_tables(path, load_headings(folder))
    except PermissionError:
        raise TableError(
            "bank", f"the folder and its files can be read ({path.name})", "Check its permissions."
        ) from None
    truth = folder / "truth"
    own = folder / "rules"
    return Bank(
        currency=about.get("currency", "CNY"),
        source=about.get("source", path.name),
        notes=about.get("notes", ()),
        rules=own if own.is_dir() else None,
        tier_rule=about.get("tier_rule", "rural_commercial"),
        truth=_truth(truth) if path.is_dir() and truth.is_dir() else None,
        remarks=remarks,
        **tables,
    )


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "bank.toml"
    if not path.is_file():
        return {}
    try:
        about = tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise TableError(
            "bank.toml", "the file is valid TOML in UTF-8", "Mend it, for example in an editor."
        ) from None
    for key, value in about.items():
        right = key in ABOUT and isinstance(value, ABOUT[key])
        if not right or (key == "notes" and not all(isinstance(note, str) for note in value)):
            raise TableError(
                "bank.toml",
                f"an entry is one of {', '.join(ABOUT)}: text, of notes a list of texts",
                "Mend or remove it.",
                key,
            )
    return about


def _truth(folder: Path) -> dict[str, Any]:
    own = connection()
    return {
        path.stem: collect(enter(own.sql(f"SELECT * FROM read_parquet({text(str(path))})")))
        for path in sorted(folder.glob("*.parquet"))
    }


def write_bank(bank: Bank, folder: str | Path) -> None:
    """Write a bank's tables into a new folder that `open_bank` reads.

    One Parquet file a table, in the types of the contract, ``bank.toml`` with currency, source,
    notes and tier rule, its rules, and for a simulated bank the folder ``truth``. It is written
    aside and renamed, so that the folder is there whole or not at all.

    Parameters
    ----------
    bank : Bank
        Of frames of any engine.
    folder : path
        A folder that does not exist, or is empty.

    Raises
    ------
    TableError
        If the folder has content, or cannot be written.

    Examples
    --------
    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> bank = Bank(branches=pd.DataFrame({"branch_id": ["0101"]}), currency="EUR")
    >>> with TemporaryDirectory() as aside:
    ...     write_bank(bank, Path(aside) / "bank")
    ...     open_bank(Path(aside) / "bank")
    Bank(branches; EUR; duckdb)
    """
    target = Path(folder).expanduser()
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise TableError(
                "bank", f"the folder is new or empty ({target.name})", "Name a new folder."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError:
        raise TableError(
            "bank", f"the folder can be written ({target.name})", "Check its permissions."
        ) from None
    try:
        inner = aside / "bank"
        _write(bank, inner)
        if target.is_dir():
            target.rmdir()
        inner.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write(bank: Bank, folder: Path) -> None:
    folder.mkdir()
    for name in bank.tables:
        bank.table(name).sink_parquet(str(folder / f"{name}.parquet"))  # Spark takes no Path
    if bank.truth is not None:
        (folder / "truth").mkdir()
        for name, frame in bank.truth.items():
            lazy: nw.LazyFrame[Any] = enter(frame, f"truth.{name}")
            lazy.sink_parquet(str(folder / "truth" / f"{name}.parquet"))
    if bank.rules is not None:
        shutil.copytree(bank.rules, folder / "rules")
    lines = [
        f"{key} = {_toml(value)}"
        for key, value in (
            ("currency", bank.currency),
            ("source", bank.source),
            ("notes", list(bank.notes)),
            ("tier_rule", bank.tier_rule),
        )
    ]
    (folder / "bank.toml").write_text("\n".join(lines) + "\n", "utf-8")


def _toml(value: str | list[str]) -> str:
    """A string or list of strings as TOML, whose basic strings are those of JSON."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
