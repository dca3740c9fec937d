"""Language of what a reader sees: English is the source, one catalogue holds the Chinese."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.resources import files

__all__ = ["LANGUAGES", "N_", "_", "current_language", "forget_catalogue", "translator"]

LANGUAGES = ("en", "zh_CN")
"""Languages that pages come in; the first is the source."""
VARIABLE = "SEGMENTATION_LANGUAGE"
CATALOGUE = "locale/{language}/LC_MESSAGES/segmentation.po"


def current_language(language: str | None = None) -> str:
    """Return `language`, or that of the environment variable `SEGMENTATION_LANGUAGE`, or English.

    Raises
    ------
    ValueError
        If there is no such language.

    Examples
    --------
    >>> current_language("zh_CN")
    'zh_CN'
    """
    chosen = language or os.environ.get(VARIABLE) or LANGUAGES[0]
    if chosen not in LANGUAGES:
        where = "language" if language else VARIABLE
        raise ValueError(f"{where}: no language of that name. Choose one of {', '.join(LANGUAGES)}")
    return chosen


@cache
def messages(language: str) -> dict[str, str]:
    """Translations of the catalogue of `language`; fuzzy and empty ones are left out."""
    from babel.messages.pofile import read_po

    path = files("segmentation").joinpath(CATALOGUE.format(language=language))
    with path.open("rb") as stream:
        catalogue = read_po(stream, locale=language)
    return {str(m.id): str(m.string) for m in catalogue if m.id and m.string and not m.fuzzy}


def forget_catalogue() -> None:
    """Read the catalogue anew at the next message."""
    messages.cache_clear()


def translator(language: str | None = None) -> Callable[[str], str]:
    """Return the function that translates a message, by custom called ``_``.

    Parameters
    ----------
    language : str, optional
        ``en`` or ``zh_CN``. Without it the function follows the environment variable
        `SEGMENTATION_LANGUAGE` at each call, and speaks English when that is not set.

    Returns
    -------
    callable
        From an English message to the message in the language. A message that the catalogue
        lacks comes back as it is.

    Raises
    ------
    ValueError
        If there is no such language.

    Examples
    --------
    >>> _ = translator("en")
    >>> _("Share of customers")
    'Share of customers'
    """
    current_language(language)

    def translate(message: str) -> str:
        return _(message, language)

    return translate


def _(message: str, language: str | None = None) -> str:
    """Translate `message` into `language`, by default that of the moment."""
    chosen = current_language(language)
    return message if chosen == LANGUAGES[0] else messages(chosen).get(message, message)


def N_(message: str) -> str:
    """Mark `message` for translation and return it as it is."""
    return message
