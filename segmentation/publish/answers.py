"""Answers of a page: the headline figures it opens with, and the sentences that read a result."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from segmentation.data.engines import collect
from segmentation.figures.language import _, current_language
from segmentation.figures.numbers import format_month, format_number
from segmentation.figures.sheets import source_of
from segmentation.publish.tables import Shown

if TYPE_CHECKING:
    from segmentation.data.bank import Bank

__all__ = ["Headline", "headlines", "reading"]

MIME = "application/vnd.segmentation.headlines+json"
MOST = 5


@dataclass(frozen=True)
class Headline:
    """A figure that a page opens with.

    Attributes
    ----------
    label : str
        What it is.
    value : str
        The figure, as a format helper wrote it.
    note : str
        Its interval, comparison or n.
    """

    label: str
    value: str
    note: str = ""

    def __post_init__(self) -> None:
        if not all(isinstance(text, str) for text in (self.label, self.value, self.note)):
            raise TypeError("a headline is text: write its value with seg.format_number or another")


def headlines(bank: Bank, month: dt.date, *figures: Headline) -> Shown:
    """Open a page: the figures that answer its question, and what they are about.

    Parameters
    ----------
    bank : Bank
        Whose tables they come from; its source, currency and notes are said with them.
    month : datetime.date
        The month that the page is about.
    *figures : Headline
        One to five, the most important first.

    Returns
    -------
    Shown
        Also with ``application/vnd.segmentation.headlines+json``: ``as_of scope source currency
        version notes figures``, which the exporter reads.

    Raises
    ------
    ValueError
        If there are no figures or more than five.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import Bank
    >>> bank = Bank(source="two branches", branches=pd.DataFrame({"branch_id": ["B1", "B2"]}))
    >>> headlines(bank, dt.date(2025, 12, 1), Headline("Branches", "2"))
    As of: 31 December 2025
    Scope: 2 branches
    Data: two branches
    Currency: Chinese Yuan (CNY)
    Branches: 2
    """
    if not 1 <= len(figures) <= MOST:
        raise ValueError(f"a page opens with 1 to {MOST} figures, not with {len(figures)}")
    facts: dict[str, Any] = {
        "as_of": format_month(_last_day(month), day=True),
        "scope": _scope(bank),
        "source": source_of(bank),
        "currency": _currency(bank.currency),
        "version": _version(),
        "notes": [_(note) for note in bank.notes],
        "figures": [{"label": f.label, "value": f.value, "note": f.note} for f in figures],
    }
    heads = {
        _("As of"): facts["as_of"],
        _("Scope"): facts["scope"],
        _("Data"): facts["source"],
        _("Currency"): facts["currency"],
    }
    lines = [(name, str(value), "") for name, value in heads.items() if value]
    lines += [(f.label, f.value, f.note) for f in figures]
    items = "".join(
        f"<dt>{escape(name)}</dt><dd><strong>{escape(value)}</strong> {escape(note)}</dd>"
        for name, value, note in lines
    )
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in facts["notes"])
    plain = [f"{name}: {value}{f' ({note})' if note else ''}" for name, value, note in lines]
    return Shown(
        f'<div class="seg"><dl>{items}</dl>{notes}</div>',
        "\n".join([*plain, *facts["notes"]]),
        {MIME: facts},
    )


def reading(sentence: str, **numbers: Any) -> Shown:
    """Say in a sentence what a table or a figure shows.

    Parameters
    ----------
    sentence : str
        A translated sentence with named ``{placeholders}``.
    **numbers
        Their texts; numbers are written by `format_number`.

    Raises
    ------
    KeyError
        If a placeholder has no number.

    Examples
    --------
    >>> reading("{n} customers hold {share} of the money.", n=12, share="81.4%")
    12 customers hold 81.4% of the money.
    """
    texts = {key: v if isinstance(v, str) else format_number(v) for key, v in numbers.items()}
    text = _(sentence).format(**texts).replace("。 ", "。")
    return Shown(f'<p class="seg reading">{escape(text)}</p>', text)


def _last_day(month: dt.date) -> dt.date:
    return dt.date(month.year, month.month, calendar.monthrange(month.year, month.month)[1])


def _scope(bank: Bank) -> str:
    parts = []
    if bank.has("branches", "branch_id"):
        number = _distinct(bank, "branches", "branch_id")
        parts.append(_("{number} branches").format(number=format_number(number, 0, exact=True)))
    if bank.has("customers", "customer_id"):
        number = _distinct(bank, "customers", "customer_id")
        parts.append(_("{number} customers").format(number=format_number(number, 0, exact=True)))
    return _(", ").join(parts)


def _distinct(bank: Bank, table: str, column: str) -> int:
    ids = bank.table(table, column).unique().select(nw.len().alias("number"))
    return int(collect(ids)["number"].iloc[0])


def _currency(code: str) -> str:
    from babel.numbers import get_currency_name

    name = str(get_currency_name(code, locale=current_language()))
    return code if name == code else _("{name} ({code})").format(name=name, code=code)


def _version() -> str:
    """Version without the patch, so that outputs of a notebook stay as they are for longer."""
    try:
        return ".".join(version("branch-segmentation").split(".")[:2])
    except PackageNotFoundError:
        return ""
