"""Cohorts: who belongs together by year of birth or by age, as the bank's own rules cut it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from segmentation.customers.births import READ, read_day, refuse, years
from segmentation.data.engines import collect, enter, frame_kind, leave
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["UNKNOWN", "Cohort", "Cohorts", "assign_cohort", "cohort_scheme"]

RULES = "rules/cohorts.toml"
UNITS = ("birth_year", "age")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Cohort:
    """A cohort: its English and Chinese name, and the birth year or the age that it begins at."""

    name: str
    zh: str
    start: int


@dataclass(frozen=True)
class Cohorts:
    """A scheme of cohorts, in the order in which their starts rise.

    Attributes
    ----------
    name, zh, en : str
        Key of the scheme in `cohorts.toml`, and its Chinese and English name.
    unit : str
        ``birth_year``: calendar year of birth. ``age``: completed years at a day.
    source : str
        Where the cuts come from.
    until : int
        The first birth year or age after the last cohort.
    cohorts : tuple of Cohort
        Each begins at its `start`, included, and ends where the next begins.

    Raises
    ------
    TableError
        If the unit is neither, there are no cohorts, they do not rise up to `until`, ages do not
        begin at 0, or a name is empty, ``unknown`` or there twice.
    """

    name: str
    zh: str
    en: str
    unit: str
    source: str
    until: int
    cohorts: tuple[Cohort, ...]

    def __post_init__(self) -> None:
        starts, names = self.starts, self.names
        if self.unit not in UNITS:
            raise TableError(RULES, "the unit is birth_year or age", "Mend it.", self.name)
        if not starts or any(a >= b for a, b in pairwise((*starts, self.until))):
            raise TableError(
                RULES, "there are cohorts, and they rise up to `until`", "Sort them.", self.name
            )
        if self.unit == "age" and starts[0] != 0:
            raise TableError(RULES, "ages begin at 0", "Mend the first.", self.name)
        if not all(names) or UNKNOWN in names or len(set(names)) < len(names):
            raise TableError(RULES, "names are filled and differ", "Rename one.", self.name)

    @property
    def starts(self) -> tuple[int, ...]:
        """Where each cohort begins."""
        return tuple(cohort.start for cohort in self.cohorts)

    @property
    def names(self) -> tuple[str, ...]:
        """English names in order."""
        return tuple(cohort.name for cohort in self.cohorts)


def cohort_scheme(name: str, folder: str | Path | None = None) -> Cohorts:
    """Return a scheme of cohorts that ships, or one of a bank's own folder of rules.

    Parameters
    ----------
    name : str
        Its key in `cohorts.toml`: ``birth_year`` (60后 to 20后), ``silver_50``, ``silver_60``,
        ``five_years`` and ``ten_years`` (bands of age).
    folder : path, optional
        The bank's own folder, by default that of `SEGMENTATION_RULES`.

    Raises
    ------
    TableError
        If there is no such scheme, or it breaks what `Cohorts` asks.

    Examples
    --------
    >>> cohort_scheme("silver_50").names
    ('Young (under 35)', 'Middle (35–49)', 'Silver (50 and over)')
    >>> [cohort.zh for cohort in cohort_scheme("birth_year").cohorts][4:6]
    ['90后', '00后']
    """
    rules = load_rules("cohorts", folder)
    if name not in rules:
        known = ", ".join(sorted(rules))
        raise TableError(RULES, f"there is no such scheme; there are {known}", "Name one of them.")
    entry = rules[name]
    try:
        cohorts = tuple(
            Cohort(str(c["en"]), str(c["zh"]), int(c["from"])) for c in entry["cohorts"]
        )
        texts = {key: str(entry[key]) for key in ("zh", "en", "unit", "source")}
        until = int(entry["until"])
    except (KeyError, TypeError, ValueError):
        raise TableError(
            RULES,
            "a scheme has zh, en, unit, source, until and cohorts of en, zh and from",
            "Complete it.",
            name,
        ) from None
    return Cohorts(name=name, until=until, cohorts=cohorts, **texts)


def assign_cohort(
    frame: Any,
    scheme: str | Cohorts = "birth_year",
    as_of: Any = None,
    *,
    implausible: str = "refuse",
) -> Any:
    """Add each row's cohort to a frame.

    By ``birth_year`` it is the cohort of the year of `birth_date`. By ``age`` it is that of the
    years completed at `as_of` by the calendar (who was born on 29 February completes a year on
    1 March of a common year), or of the column `age` as it stands in a panel or in `visits`.

    Parameters
    ----------
    frame : any frame Narwhals knows
        With `birth_date` (a date, or text like 1990-05-17) or, for schemes of age, `age`.
    scheme : str or Cohorts
        The scheme, or its name.
    as_of : date, Timestamp or text like ``2025-12-31``, optional
        The day of the ages. A scheme of age needs it where the frame has no `age`; where the frame
        has both `age` and `birth_date`, a given day decides for `birth_date`.
    implausible : str
        ``refuse`` raises for what cannot be: no date, a birth after `as_of`, an age below 0 or
        above 120 years, a birth outside all cohorts, a birth after `opened_on`, an age below
        `tenure_years`. It takes one scan of these columns. ``unknown`` puts such rows with those
        of unknown birth instead, and scans nothing; `check_bank` finds them.

    Returns
    -------
    frame
        Of the same kind, lazy where it was, every row and column kept, with `cohort` (English name,
        text) and `cohort_code` (its place in the scheme from 0: by birth year the eldest is first,
        by age the youngest). Where the birth is not known `cohort` is ``unknown`` and the code
        null. So it is for corporate customers, by the column `kind` where there is one. Columns of
        these names are replaced.

    Raises
    ------
    TableError
        If the columns are missing or of another type, `as_of` is no day or not that of a panel's
        `month`, there is no such scheme, or as above.

    Notes
    -----
    One snapshot cannot tell what comes with age from what comes with the generation: the two are
    the same column, counted from two ends.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"birth_date": pd.to_datetime(["1975-12-31", "1976-01-01", None])})
    >>> assign_cohort(people, "silver_50", as_of="2025-12-31")["cohort"].tolist()
    ['Silver (50 and over)', 'Middle (35–49)', 'unknown']
    >>> assign_cohort(people)["cohort"].tolist()
    ['Born 1970s', 'Born 1970s', 'unknown']
    """
    rule = cohort_scheme(scheme) if isinstance(scheme, str) else scheme
    if implausible not in ("refuse", UNKNOWN):
        raise TableError("implausible", "it is refuse or unknown", "Pass one of them.")
    kind = frame_kind(frame)
    native = nw.to_native(frame, pass_through=True)
    if kind == "pandas" and {"birth_date", "age"} & set(native.columns):
        lazy = enter(native[[name for name in native.columns if name in READ]], "frame")
    else:
        lazy = enter(frame, "frame")
    names = lazy.collect_schema().names()
    value, flaws = years(lazy, rule.unit, (rule.starts[0], rule.until), read_day(as_of))
    if implausible == "refuse":
        refuse(lazy, flaws)
    sound = ~_any(*(flaw for flaw, *_rest in flaws)) & ~value.is_null()
    if "kind" in names:
        sound = sound & (nw.col("kind").cast(nw.String).fill_null("") != "corporate")
    lazy = lazy.with_columns(cohort_code=nw.when(sound).then(_place(value, rule)).cast(nw.Int64))
    lazy = lazy.with_columns(cohort=_name(nw.col("cohort_code"), rule))
    new = ("cohort", "cohort_code")
    if kind == "pandas":  # its index and types are kept
        found = collect(lazy.select(*new))
        return native.assign(**{name: found[name].set_axis(native.index) for name in new})
    return leave(lazy.select(*(name for name in names if name not in new), *new), kind)


def _place(value: nw.Expr, rule: Cohorts) -> nw.Expr:
    chain = nw.lit(0)
    for place, start in enumerate(rule.starts[1:], 1):
        chain = nw.when(value >= start).then(nw.lit(place)).otherwise(chain)
    return chain


def _name(code: nw.Expr, rule: Cohorts) -> nw.Expr:
    chain = nw.lit(UNKNOWN)
    for place, name in enumerate(rule.names):
        chain = nw.when(code == place).then(nw.lit(name)).otherwise(chain)
    return chain


def _any(*flags: nw.Expr) -> nw.Expr:
    return nw.any_horizontal(*flags, ignore_nulls=True)
