"""The command line: ``python -m segmentation``, also for those who have no make.

Exit codes: 0 all well; 1 a report failed, or a check found something; 2 wrong usage or data that
cannot be read; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

LANGUAGES = ("en", "zh_CN")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    from segmentation import commands
    from segmentation.data.errors import TableError

    try:
        code: int = getattr(commands, options.command)(options)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except (TableError, OSError) as error:
        print(f"segmentation {options.command}: {_one_line(error)}", file=sys.stderr)
        return 2
    return code


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'file'}: {error.strerror or type(error).__name__}"
    return " ".join(str(error).split())


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="segmentation",
        description="A bank's tables in, customer tiers and branch reports out.",
        epilog="Exit codes: 0 all well; 1 a report failed or a check found something; "
        "2 wrong usage or data that cannot be read; 130 interrupted.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    reports = commands.add_parser("reports", help="run notebooks and write their reports")
    reports.add_argument(
        "names", nargs="*", metavar="NAME", help="as 02 or 02_customer_tiers (default: all)"
    )
    reports.add_argument(
        "--data", type=Path, metavar="PATH", help="the bank's tables (default: simulated ones)"
    )
    reports.add_argument(
        "--language", choices=(*LANGUAGES, "all"), default="all", help="(default: all)"
    )
    reports.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the reports (default: reports)"
    )
    _add_notebooks_folder(reports)

    check = commands.add_parser("check", help="report what is wrong with a bank's tables")
    check.add_argument("path", type=Path, metavar="PATH", help="the bank's tables")

    simulate = commands.add_parser("simulate", help="write the tables of a simulated network")
    simulate.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    simulate.add_argument(
        "--seed",
        type=_count(0),
        metavar="N",
        help="of the random draws (default: that of the demonstration)",
    )
    simulate.add_argument(
        "--branches", type=_count(1), default=12, metavar="N", help="(default: 12)"
    )
    simulate.add_argument(
        "--customers",
        type=_count(1),
        default=18_000,
        metavar="N",
        help="personal ones (default: 18000)",
    )
    simulate.add_argument("--months", type=_count(1), default=24, metavar="N", help="(default: 24)")

    notebooks = commands.add_parser("notebooks", help="run the notebooks and keep their outputs")
    notebooks.add_argument(
        "names", nargs="*", metavar="NAME", help="as 02 or 02_customer_tiers (default: all)"
    )
    _add_notebooks_folder(notebooks)
    return top


def _add_notebooks_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--notebooks", type=Path, metavar="DIR", help="folder of the notebooks (default: notebooks)"
    )


def _count(least: int) -> Callable[[str], int]:
    """Return the reader of a whole number of at least `least`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"a whole number of at least {least} is wanted")
        return number

    return read


if __name__ == "__main__":
    sys.exit(main())
