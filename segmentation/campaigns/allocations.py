"""Who gets what: complete randomisation within strata, by the order of a keyed hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from segmentation.campaigns.arms import UNIT
from segmentation.campaigns.permutations import Design
from segmentation.campaigns.rosters import as_kind, earlier_units, roster
from segmentation.campaigns.roundings import levelled, rounded
from segmentation.data.errors import TableError

__all__ = ["Assignment", "Design", "assign"]

CHUNK = 1_000_000
"""Identifiers that are hashed at a time."""
MADE = ("stratum", "arm", "share", "wave")
"""Columns that an assignment adds to the unit's own."""


@dataclass(frozen=True, eq=False)
class Assignment:
    """Who was assigned what.

    Attributes
    ----------
    arms : frame
        Of the kind of the customers: the unit's column, that of the cluster if there is one,
        ``stratum arm share wave``, in the order of the unit's text. With a `campaign_id` it is
        the bank's table `assignments`.
    design : Design
        What was assigned, so that it can be permuted.
    """

    arms: Any
    design: Design


def assign(
    customers: Any,
    arms: Mapping[str, float] | Sequence[str],
    strata: str | Sequence[str] = (),
    cluster: str | None = None,
    *,
    seed: int | str,
    existing: Any = None,
    unit: str = UNIT,
) -> Assignment:
    """Assign customers, or whole clusters of them, to the arms of a campaign.

    Units of a stratum are put in the order of the keyed hash of their identifier (BLAKE2b of 16
    bytes of its UTF-8 text, keyed by the text of the seed) and dealt to the arms, so that neither
    the order of rows nor the engine matters and anybody can check who belongs where:
    ``hashlib.blake2b(id.encode(), key=str(seed).encode(), digest_size=16)``. A new campaign
    takes a new seed, such as its number, lest the same customers are always chosen.

    In each stratum an arm gets the share of the units, rounded down or up, and so it does of all
    units; which is rounded which way is drawn, keyed by the seed, so that the expected number is
    exactly the share (Cox 1987).

    Parameters
    ----------
    customers : any frame
        One row a unit: the identifier, and the columns of strata and cluster. Only these are
        brought into memory: 10 million take 25 seconds and 2.5 GB.
    arms : mapping or sequence of str
        Shares by arm, which add up to 1; or whole numbers as weights, ``{"call": 1, "none": 3}``;
        or the arms alone, which then are of equal size.
    strata : str or sequence of str
        Columns within which to assign: text, whole numbers or flags. A missing value is a level
        of its own, "unknown".
    cluster : str, optional
        Column of the clusters that are assigned whole (branches, households). Strata are then
        those of the clusters, and shares count clusters.
    seed : int or str
        Key of the hash, up to 64 bytes.
    existing : any frame, optional
        Earlier units and their arm: the unit's column and `arm`, and `stratum`, `wave` and the
        cluster's column if there (the arms of an earlier `assign`). They keep their arm, also
        those who are no customers any more. New units are dealt so that earlier and new together
        are as near the shares as can be, stratum by stratum; new customers of an earlier cluster
        join its arm. Where a wave's own shares differ from the plan, compare within waves.
    unit : str
        Column of the identifier.

    Returns
    -------
    Assignment
        `.arms` has a row a customer: `share` is the planned share of the arm, `wave` counts the
        calls, from 1; 0 are earlier units of an unknown wave. `.design` permutes each wave within
        its strata, and leaves wave 0 as it is.

    Raises
    ------
    TableError
        If a column is missing, an identifier is missing or there twice, shares do not add up to
        1, units are fewer than arms, a cluster is in two strata, or an earlier unit has no arm of
        the campaign or no stratum.

    References
    ----------
    Imbens & Rubin (2015), Causal Inference, chapter 9; Cox (1987), A constructive procedure for
    unbiased controlled rounding, JASA 82.

    Examples
    --------
    >>> import pandas as pd
    >>> customers = pd.DataFrame({"customer_id": ["C1", "C2", "C3", "C4"],
    ...                           "tier": ["gold", "gold", "basic", "basic"]})
    >>> plan = assign(customers, ["call", "none"], strata="tier", seed="K0001")
    >>> plan.arms.groupby(["stratum", "arm"]).size().tolist()
    [1, 1, 1, 1]
    >>> plan.design.count
    4
    """
    shares = _shares(arms)
    strata = (strata,) if isinstance(strata, str) else tuple(strata)
    _named(unit, cluster)
    people = roster(customers, unit, cluster, strata)
    before = (
        None if existing is None else earlier_units(existing, unit, cluster, people, tuple(shares))
    )
    design = _deal(people, before, shares, cluster, seed)
    table = _joined(people, before, design.units, cluster)
    dealt = pd.Categorical(table["arm"], list(shares)).codes
    table = table.assign(share=np.array(list(shares.values()))[dealt])
    columns = {"unit": unit, **({"cluster": cluster} if cluster else {})}
    table = table[[*columns, *MADE]].rename(columns=columns)
    return Assignment(as_kind(table, customers), design)


def _shares(arms: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    """Shares by arm, whatever way they were given."""
    if isinstance(arms, str):
        raise TableError("arms", "there are two arms or more", "Name them all.")
    given = dict(arms) if isinstance(arms, Mapping) else dict.fromkeys(arms, 1)
    if len(given) < 2 or len(given) != len(arms) or len(given) > 127:
        raise TableError("arms", "there are two arms or more, each once", "Name them all.")
    if not all(isinstance(name, str) and name for name in given):
        raise TableError("arms", "an arm is text", "Name it as reports should.")
    sizes = np.array(list(given.values()), dtype=float)
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise TableError("arms", "a share is above 0", "Leave out the arm that nobody gets.")
    weights = all(isinstance(s, int | np.integer) for s in given.values())
    if not weights and abs(sizes.sum() - 1) > 1e-9:
        raise TableError("arms", "shares add up to 1", "Pass shares, or whole numbers as weights.")
    return dict(zip(given, (sizes / sizes.sum()).tolist(), strict=True))


def _named(unit: str, cluster: str | None) -> None:
    if unit in MADE or cluster in MADE or unit == cluster:
        raise TableError(
            "customers", "unit and cluster have names of their own", "Rename the column."
        )


def _deal(
    people: pd.DataFrame,
    before: pd.DataFrame | None,
    shares: dict[str, float],
    cluster: str | None,
    seed: int | str,
) -> Design:
    """Deal the units that have no arm yet."""
    key, labels = "cluster" if cluster else "unit", tuple(shares)
    fresh = people[[key, "stratum"]].rename(columns={key: "unit"})
    units = fresh.iloc[:0].assign(arm=pd.Series(dtype="str"), wave=pd.Series(dtype="int64"))
    if before is not None:
        units = before[[key, "arm", "stratum", "wave"]].rename(columns={key: "unit"})
    if cluster:
        fresh, units = fresh.drop_duplicates(), units.drop_duplicates()
        if twice := int(units["unit"].duplicated().sum()):
            rule = "a cluster is in one arm, stratum and wave"
            raise TableError("existing", rule, "Name it as it was assigned.", cluster, twice)
    if len(units):
        fresh = fresh[~fresh["unit"].isin(units["unit"])]
    if cluster and (twice := int(fresh["unit"].duplicated().sum())):
        rule = "a cluster is in one stratum"
        raise TableError("customers", rule, "Take strata of clusters.", cluster, twice)
    if len(fresh) + len(units) < len(labels):
        raise TableError(
            "customers", "units are as many as arms", "Take more of them.", cluster, len(people)
        )
    dealt = fresh.assign(
        arm=_arms(fresh, units, shares, seed),
        wave=int(units["wave"].max() if len(units) else 0) + 1,
    )
    units = pd.concat([units, dealt], ignore_index=True) if len(units) else dealt
    units = units[["unit", "arm", "stratum", "wave"]].sort_values("unit", ignore_index=True)
    if units["arm"].nunique() < len(labels):
        raise TableError("arms", "every arm gets a unit", "Give the small one a larger share.")
    return Design(units, labels, cluster, seed)


def _arms(
    fresh: pd.DataFrame, units: pd.DataFrame, shares: dict[str, float], seed: int | str
) -> pd.api.extensions.ExtensionArray:
    """Arm of each fresh unit, in the order of their rows."""
    strata = sorted(fresh["stratum"].unique())
    stratum = pd.Categorical(fresh["stratum"], strata).codes.astype(np.int64)
    sizes = np.bincount(stratum, minlength=len(strata))
    earlier = pd.crosstab(units["stratum"], units["arm"])
    earlier = earlier.reindex(index=strata, columns=list(shares), fill_value=0)
    wanted = levelled(earlier.to_numpy(float), sizes.astype(float), np.array(list(shares.values())))
    key = _key(seed)
    digest = hashlib.blake2b(b"rounding", key=key).digest()
    counts = rounded(wanted, np.random.default_rng(int.from_bytes(digest, "big")))
    # In the order of strata and hashes, each stratum's arms one after the other.
    high, low = _hashes(fresh["unit"], key).T
    order = np.lexsort((low, high, stratum))
    codes = np.empty(len(fresh), dtype=np.int8)
    codes[order] = np.repeat(np.tile(np.arange(len(shares)), len(strata)), counts.ravel())
    return pd.array(list(shares), dtype="str").take(codes)


def _key(seed: int | str) -> bytes:
    key = str(seed).encode()
    if isinstance(seed, bool) or not isinstance(seed, int | str) or not 0 < len(key) <= 64:
        raise ValueError("seed: a whole number, or text of at most 64 bytes")
    return key


def _hashes(units: pd.Series, key: bytes) -> npt.NDArray[np.uint64]:
    """Keyed hash of each identifier: two numbers whose order is that of its bytes."""
    keyed = hashlib.blake2b(key=key, digest_size=16)
    out = np.empty((len(units), 2), dtype=np.uint64)

    def digest(text: str) -> bytes:
        copy = keyed.copy()
        copy.update(text.encode())
        return copy.digest()

    for start in range(0, len(units), CHUNK):
        part = units.iloc[start : start + CHUNK].tolist()
        found = np.frombuffer(b"".join(map(digest, part)), dtype=">u8").reshape(-1, 2)
        out[start : start + len(part)] = found
    return out


def _joined(
    people: pd.DataFrame, before: pd.DataFrame | None, units: pd.DataFrame, cluster: str | None
) -> pd.DataFrame:
    """One row a customer, those of before as they were."""
    if not cluster:
        return units
    if before is not None:
        people = people[~people["unit"].isin(before["unit"])]
    table = people[["unit", "cluster"]].merge(
        units.rename(columns={"unit": "cluster"}), on="cluster", how="left"
    )
    if before is not None:
        table = pd.concat([before[list(table)], table], ignore_index=True)
    return table.sort_values("unit", ignore_index=True)
