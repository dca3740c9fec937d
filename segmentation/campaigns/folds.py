"""Folds of customers that depend on nothing but their identifier."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["fold_numbers", "seed_number"]

PERSON = b"segment-folds"
"""Keeps folds apart from arms that were dealt by a hash with the same seed."""


def fold_numbers(texts: Iterable[str], folds: int, seed: int | str) -> npt.NDArray[np.int64]:
    """Return the fold of each identifier, from 0 to folds − 1.

    The keyed BLAKE2b hash of 8 bytes of its UTF-8 text, as a big-endian number, modulo `folds`:
    whatever the order of the rows, the other rows and the engine. What it is modulo 2·folds, less
    that and divided by `folds`, parts each fold in halves.

    Examples
    --------
    >>> fold_numbers(["C1", "C2", "C3"], 5, seed=1).tolist() == [
    ...     int(fold_numbers([text], 5, seed=1)[0]) for text in ("C1", "C2", "C3")]
    True
    """
    key = _key(seed)
    cache: dict[str, int] = {}
    for text in (texts := list(texts)):
        if text not in cache:
            digest = hashlib.blake2b(text.encode(), digest_size=8, key=key, person=PERSON).digest()
            cache[text] = int.from_bytes(digest, "big") % folds
    return np.array([cache[text] for text in texts], dtype=np.int64)


def seed_number(seed: int | str) -> int:
    """Return the seed as a number that scikit-learn takes."""
    digest = hashlib.blake2b(b"", digest_size=4, key=_key(seed), person=PERSON).digest()
    return int.from_bytes(digest, "big") >> 1


def _key(seed: int | str) -> bytes:
    key = str(seed).encode()
    if isinstance(seed, bool) or not isinstance(seed, int | str) or not 0 < len(key) <= 64:
        raise ValueError("seed: a whole number, or text of at most 64 bytes")
    return key
