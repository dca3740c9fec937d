"""Rules as data: what ships in `rules/`, and a bank's own folder over it."""

from __future__ import annotations

import os
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from segmentation.data.errors import TableError

__all__ = ["load_rules"]

FOLDER = "SEGMENTATION_RULES"


def load_rules(name: str, folder: str | Path | None = None) -> dict[str, Any]:
    """Return the rules of `name`, for example ``tiers``.

    Parameters
    ----------
    name : str
        Name of a file of `segmentation/rules` without its ending.
    folder : path, optional
        The bank's own folder, by default that of the environment variable `SEGMENTATION_RULES`.
        Entries of its file of the same name replace or join those that ship.

    Raises
    ------
    TableError
        If the folder does not exist, or a file is not valid TOML.

    Examples
    --------
    >>> "rural_commercial" in load_rules("tiers")
    True
    """
    shipped = files("segmentation.rules").joinpath(f"{name}.toml").read_text("utf-8")
    rules = tomllib.loads(shipped)
    own = folder or os.environ.get(FOLDER)
    if own is None:
        return rules
    path = Path(own) / f"{name}.toml"
    if not path.parent.is_dir():
        raise TableError("rules", "the folder of rules does not exist", "Check the path.")
    if path.is_file():
        try:
            rules.update(tomllib.loads(path.read_text("utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise TableError(
                f"rules/{name}.toml", "the file is not valid TOML in UTF-8", f"Mend it: {error}."
            ) from None
    return rules
