"""Numbers as a reader of the language writes them: grouped in English, by 万 and 亿 in Chinese."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from functools import cache
from typing import Any

import pandas as pd

from segmentation.figures.language import current_language

__all__ = [
    "NOTHING",
    "format_interval",
    "format_money",
    "format_month",
    "format_number",
    "format_percent",
    "money_scale",
]

NOTHING = "–"
"""What stands for a value that is not there."""
SCALES = {
    "en": ((1e12, " tn"), (1e9, " bn"), (1e6, " m"), (1.0, "")),
    "zh_CN": ((1e12, "万亿"), (1e8, "亿"), (1e4, "万"), (1.0, "")),
}


def _absent(value: Any) -> bool:
    return bool(pd.isna(value))


def _signed(value: float, text: str) -> str:
    """The text of an absolute value with its sign, but never a minus before zero."""
    return f"−{text}" if value < 0 and text.strip("0.,") else text


def _plain(value: float, digits: int) -> str:
    return _signed(value, f"{abs(value):,.{digits}f}")


def _scaled(value: float, language: str) -> tuple[str, str]:
    """Number and unit of an amount, to about three figures."""
    size = abs(value)
    for scale, name in SCALES[language][:-1]:
        if size >= scale * 0.99995:  # what would be written as 1.00 of the unit
            number = size / scale
            digits = 2 if number < 9.995 else 1
            text = f"{number:,.{digits}f}".rstrip("0").rstrip(".")
            return _signed(value, text), name
    return _plain(value, 0 if size >= 99.995 or float(value).is_integer() else 2), ""


def format_number(
    value: float | None, digits: int | None = None, exact: bool = False, language: str | None = None
) -> str:
    """Write a number.

    Parameters
    ----------
    value : float or None
        The number; null and NaN are written as a dash.
    digits : int, optional
        Decimals. By default none for whole numbers, else two below 100 and one above.
    exact : bool
        Whether to write a large number in Chinese in full rather than by 万 and 亿.
    language : str, optional
        ``en`` or ``zh_CN``, by default that of the moment.

    Examples
    --------
    >>> format_number(1234567, language="en"), format_number(1234567, language="zh_CN")
    ('1,234,567', '123.5万')
    >>> format_number(None)
    '–'
    """
    if value is None or _absent(value):
        return NOTHING
    number, spoken = float(value), current_language(language)
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    if spoken != "en" and not exact and digits is None and abs(number) >= 1e4:
        return "".join(_scaled(number, spoken))
    if digits is None:
        digits = 0 if number.is_integer() else 2 if abs(number) < 100 else 1
    return _plain(number, digits)


def format_percent(share: float | None, digits: int = 1) -> str:
    """Write a share of 1 as a percentage, in both languages alike.

    Examples
    --------
    >>> format_percent(0.1234), format_percent(-0.00001), format_percent(None)
    ('12.3%', '0.0%', '–')
    """
    if share is None or _absent(share):
        return NOTHING
    text = format_number(float(share) * 100, digits, exact=True)
    return text if math.isinf(float(share)) else f"{text}%"


@cache
def _currency_name(currency: str, language: str) -> str:
    from babel.numbers import get_currency_name

    return str(get_currency_name(currency, locale=language))


def format_money(amount: float | None, currency: str = "CNY", language: str | None = None) -> str:
    """Write an amount of money, to about three figures once it is large.

    Parameters
    ----------
    amount : float or None
        Units of the currency.
    currency : str
        ISO code.
    language : str, optional
        ``en`` or ``zh_CN``, by default that of the moment.

    Examples
    --------
    >>> format_money(25300, language="en"), format_money(25300, language="zh_CN")
    ('¥25,300', '2.53万元')
    >>> format_money(1.23e9, "CZK", language="en"), format_money(1.23e8, language="zh_CN")
    ('CZK 1.23 bn', '1.23亿元')
    """
    if amount is None or _absent(amount):
        return NOTHING
    spoken = current_language(language)
    number, scale = _scaled(float(amount), spoken)
    if spoken == "en":
        sign = "¥" if currency == "CNY" else f"{currency} "
        minus, number = ("−", number[1:]) if number.startswith("−") else ("", number)
        return f"{minus}{sign}{number}{scale}"
    return f"{number}{scale}{'元' if currency == 'CNY' else _currency_name(currency, spoken)}"


def money_scale(amounts: Iterable[float], currency: str = "CNY") -> tuple[float, str, int]:
    """Choose one unit for a column of amounts: divisor, name of the unit, decimals.

    The largest unit in which the smallest amount that is not 0 still shows.

    Examples
    --------
    >>> money_scale([1_234_000, 83_000_000])
    (1000000.0, '¥ m', 2)
    """
    spoken = current_language()
    sizes = [abs(float(a)) for a in amounts if not _absent(a) and abs(float(a)) >= 0.005]
    least = min(sizes, default=0.0)
    scale, name = next((s, n) for s, n in SCALES[spoken] if s == 1.0 or least >= s)
    whole = all((size / scale).is_integer() for size in sizes)
    digits = 0 if whole or (scale == 1.0 and least >= 10) else 2 if least < 10 * scale else 1
    if spoken == "en":
        return scale, f"{'¥' if currency == 'CNY' else currency}{name}", digits
    unit = "元" if currency == "CNY" else _currency_name(currency, spoken)
    return scale, f"{name}{unit}", digits


def format_interval(
    low: float | None,
    high: float | None,
    kind: str = "percent",
    digits: int | None = None,
    currency: str = "CNY",
) -> str:
    """Write an interval of percentages, numbers or amounts of money.

    Parameters
    ----------
    low, high : float or None
        Its ends; an interval without one of them is written as a dash.
    kind : str
        ``percent``, ``number`` or ``money``.
    digits : int, optional
        Decimals of percentages and numbers.
    currency : str
        ISO code, for money.

    Raises
    ------
    ValueError
        If `kind` is none of the three.

    Examples
    --------
    >>> format_interval(0.112, 0.134)
    '11.2% to 13.4%'
    """
    if low is None or high is None or _absent(low) or _absent(high):
        return NOTHING
    if kind == "percent":
        ends = [format_percent(end, 1 if digits is None else digits) for end in (low, high)]
    elif kind == "money":
        ends = [format_money(end, currency) for end in (low, high)]
    elif kind == "number":
        ends = [format_number(end, digits) for end in (low, high)]
    else:
        raise ValueError("kind: choose percent, number or money")
    return (" to " if current_language() == "en" else "～").join(ends)


def format_month(
    month: dt.date | None, language: str | None = None, day: bool = False, short: bool = False
) -> str:
    """Write a month, or with `day` the day, in words; `short` is for the axis of a chart.

    Examples
    --------
    >>> import datetime as dt
    >>> format_month(dt.date(2025, 12, 1), "en"), format_month(dt.date(2025, 12, 1), "zh_CN")
    ('December 2025', '2025年12月')
    """
    if month is None or _absent(month):
        return NOTHING
    from babel.dates import format_date

    english = current_language(language) == "en"
    if english:
        pattern = "d MMMM y" if day else "MMM y" if short else "MMMM y"
        return str(format_date(month, pattern, locale="en"))
    pattern = "y年M月d日" if day else "y-MM" if short else "y年M月"
    return str(format_date(month, pattern, locale="zh_CN"))
