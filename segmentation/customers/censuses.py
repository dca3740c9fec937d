"""Censuses: a population by age, as a standard that groups of customers are weighted to."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd

from segmentation.customers.cohorts import Cohorts, cohort_scheme
from segmentation.data.errors import TableError, missing_columns

__all__ = ["census_population"]

FILE = "age_by_province.csv"
COLUMNS = ("province", "sex", "age_from", "age_to", "population")


def census_population(
    path: str | Path,
    scheme: str | Cohorts = "five_years",
    *,
    province: str = "全国",
    sex: str | None = None,
    from_age: int = 0,
) -> pd.Series:
    """Read a census by age as weights of the cohorts of a scheme.

    Parameters
    ----------
    path : str or Path
        A CSV file in UTF-8 with the columns province, sex (male, female), age_from, age_to (empty
        for the open band) and population, such as China's seventh census of 2020; or the folder
        that holds it as ``age_by_province.csv``.
    scheme : str or Cohorts
        A scheme of age, of which each cohort is made of whole bands of the census.
    province : str
        The province, as the file writes it; by default the nation.
    sex : str, optional
        ``male`` or ``female``; by default both.
    from_age : int
        Age that the population is counted from, where a band begins: a bank has few customers who
        are children, and a standard that counts them asks for rates that nobody can know. Cohorts
        below it are left out.

    Returns
    -------
    Series
        Persons by `cohort`, the English name that `assign_cohort` gives, from the youngest on.

    Raises
    ------
    TableError
        If columns are missing, the province or sex is not in the file, bands overlap or have a gap,
        a number is missing or negative, or a cohort cuts a band.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> bands = [(0, 19, 40), (20, 34, 30), (35, 49, 50), (50, None, 60)]
    >>> rows = [("全国", sex, *band) for sex in ("male", "female") for band in bands]
    >>> with TemporaryDirectory() as folder:
    ...     census = pd.DataFrame(rows, columns=list(COLUMNS))
    ...     census.to_csv(f"{folder}/{FILE}", index=False)
    ...     census_population(folder, "silver_50", from_age=20).to_dict()
    {'Young (under 35)': 60, 'Middle (35–49)': 100, 'Silver (50 and over)': 120}
    """
    rule = cohort_scheme(scheme) if isinstance(scheme, str) else scheme
    if rule.unit != "age":
        raise TableError("scheme", "it is one of age", "Take five_years or silver_60.")
    bands = _bands(_rows(Path(path), province, sex))
    edges = bands["age_from"].tolist()
    if from_age not in edges:
        raise TableError("from_age", "a band of the census begins there", "Pass such an age.")
    starts = [*rule.starts, rule.until]
    persons = {}
    for name, (start, end) in zip(rule.names, pairwise(starts), strict=True):
        open_ended = end == rule.until
        if {start, *(() if open_ended else (end,))} - set(edges):
            raise TableError("scheme", "a cohort is made of whole bands", "Take a wider scheme.")
        inside = bands["age_from"] >= max(start, from_age)
        if not open_ended:
            inside &= bands["age_from"] < end
        if inside.any():
            persons[name] = int(bands.loc[inside, "population"].sum())
    return pd.Series(persons, name="population").rename_axis("cohort")


def _rows(path: Path, province: str, sex: str | None) -> pd.DataFrame:
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise TableError(
            "path", "there is no such file", f"Pass a CSV file, or the folder of {FILE}."
        )
    rows = pd.read_csv(file, encoding="utf-8", dtype={"province": str, "sex": str})
    missing_columns("census", COLUMNS, map(str, rows.columns))
    rows = rows[rows["province"] == province]
    if rows.empty:
        raise TableError("province", "it is in the census", "Write it as the file does.")
    if sex is not None:
        rows = rows[rows["sex"] == sex]
        if rows.empty:
            raise TableError("sex", "it is in the census", "Pass male or female, or none for both.")
    elif rows.duplicated(["sex", "age_from"]).any():
        raise TableError("census", "a band is there once a sex", "Remove the other rows.")
    return rows


def _bands(rows: pd.DataFrame) -> pd.DataFrame:
    """Persons of each band, from the youngest, without gap or overlap; the last one open."""
    for name in ("age_from", "age_to", "population"):
        numbers = pd.to_numeric(rows[name], errors="coerce")
        wrong = (numbers < 0) | (numbers.isna() & (rows[name].notna() | (name != "age_to")))
        if wrong.any():
            mend = "Mend the file."
            raise TableError(
                "census", "numbers are whole and not negative", mend, name, int(wrong.sum())
            )
        rows = rows.assign(**{name: numbers})
    sums = rows.groupby(["age_from", "age_to"], dropna=False)["population"].sum()
    bands: pd.DataFrame = sums.reset_index().sort_values("age_from", ignore_index=True)
    ends = bands["age_to"] + 1
    fits = (ends.iloc[:-1].to_numpy() == bands["age_from"].iloc[1:].to_numpy()).all()
    if not fits or ends.iloc[:-1].isna().any() or not pd.isna(ends.iloc[-1]):
        raise TableError(
            "census", "bands follow one another, and the last is open", "Mend the file."
        )
    return bands
