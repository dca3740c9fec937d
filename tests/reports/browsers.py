"""The system's Chromium for the tests of pages: offline, and telling what a page asks for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
LISTEN = """
window.refused = [];
document.addEventListener("securitypolicyviolation", e => window.refused.push(e.violatedDirective));
"""


def chromium_path() -> str | None:
    """Where Chromium is, or None: `SEGMENTATION_CHROMIUM`, or on the path."""
    named = os.environ.get("SEGMENTATION_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, closed afterwards."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page that was opened, and what it asked for and complained of meanwhile."""

    page: Any
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def look(self, *, width: int = 1280, dark: bool = False, medium: str = "screen") -> Any:
        """The page in a window of this width, light or dark, or as it prints."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(
            media="null" if medium == "screen" else medium, color_scheme="dark" if dark else "light"
        )
        return self.page

    def refused(self) -> list[str]:
        """Directives of the page's policy that it broke."""
        return list(self.page.evaluate("window.refused"))


@contextmanager
def visit(browser: Any, path: Path, *, width: int = 1280, dark: bool = False) -> Iterator[Visit]:
    """Open a file as a reader would, in a light or dark window of a width."""
    context = browser.new_context(offline=True, reduced_motion="reduce")
    try:
        page = context.new_page()
        seen = Visit(page)
        seen.look(width=width, dark=dark)
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda message: seen.messages.append(message.text))
        page.on("pageerror", lambda error: seen.messages.append(str(error)))
        page.add_init_script(LISTEN)
        page.goto(path.resolve().as_uri())
        page.evaluate("document.fonts.ready")
        yield seen
    finally:
        context.close()
