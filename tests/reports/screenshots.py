"""Take screenshots and prints of all pages of a folder, for people to look at.

python tests/reports/screenshots.py reports OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from browsers import chromium, visit


def main(reports: Path, out: Path) -> None:
    """Write NAME.WIDTH.light.png and the like, and NAME.pdf, for each page."""
    out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for path in sorted(reports.glob("*.html")):
            for width in (390, 1280):
                for dark in (False, True):
                    name = f"{path.stem}.{width}.{'dark' if dark else 'light'}.png"
                    with visit(browser, path, width=width, dark=dark) as seen:
                        seen.page.screenshot(path=out / name, full_page=True)
            with visit(browser, path) as seen:
                seen.page.pdf(
                    path=out / f"{path.stem}.pdf", prefer_css_page_size=True, print_background=True
                )
            print(path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
