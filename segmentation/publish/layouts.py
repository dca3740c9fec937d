"""The layout of pages: templates, their words, the style, and the policy that allows it alone."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import unescape
from importlib.resources import files
from typing import Any

from segmentation.figures.language import translator
from segmentation.publish.fonts import embedded_font

__all__ = ["fill_in", "labels"]

OWN_NAMES = {"en": "English", "zh_CN": "中文"}


@cache
def labels(language: str) -> dict[str, str]:
    """Return what pages say beside a notebook's own words."""
    _ = translator(language)
    return {
        "skip": _("Skip to the content"),
        "all_reports": _("All reports"),
        "contents": _("Contents"),
        "answer": _("The answer in figures"),
        "left_out_here": _("Left out here, since these data lack “{need}”: {section}"),
        "as_of": _("As of"),
        "scope": _("Scope"),
        "source": _("Data"),
        "currency": _("Currency"),
        "version": _("Version"),
        "notes": _("What to know when reading"),
        "languages": _("Languages"),
        "question": _("Questions answered"),
        "absent": _("Not built"),
        "lacks": _("The data lack:"),
        "failed": _("The last build failed; the log says why."),
        "failed_old": _("The last build failed; this is the last good report."),
        "not_yet": _("Not built yet."),
        "none": _("There is no report yet."),
        "about": _("Each report answers one question, in one file that works without a network."),
    }


def fill_in(template: str, language: str, **values: Any) -> str:
    """Fill in a template, with the font and the style it needs and the policy that allows them."""
    from markupsafe import Markup as Safe

    words = labels(language)
    values |= {"lang": language.replace("_", "-"), "words": words, "own_names": OWN_NAMES}
    body = _templates().get_template(template)
    bare = body.render(style="", policy="", **values)
    shown = unescape(bare)
    style = _file("page.css") + embedded_font(shown)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return str(body.render(style=Safe(style), policy=policy, **values))


def _file(name: str) -> str:
    return files("segmentation.publish").joinpath("templates", name).read_text("utf-8")


@cache
def _templates() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
