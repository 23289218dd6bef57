"""What it costs to draw the pictures of a live page anew: ``python bench/drawing.py``.

Chromium draws each kind many times; told is the least of several medians, in milliseconds of the page's own
thread. Then eight pictures are drawn anew as often as the browser lets them, which counts what it does to
show them, too. Needs Playwright, and Chromium on PATH.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from vgcore import page


def main() -> None:
    """Measure, and print a table."""
    module = page.module(*page.MOVING, exports=())
    measures = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    text = (
        f"<!doctype html><meta charset=utf-8><body><script type=module>{module}{measures}</script>"
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "page.html"
        path.write_text(text, encoding="utf-8")
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        opened: Any = chromium.new_page(viewport={"width": 1200, "height": 900})
        opened.goto(path.as_uri())
        for kind in opened.evaluate("kinds"):
            print(f"{kind:40}{opened.evaluate('cost', kind):6.2f} ms")
        print(f"{'eight pictures':40}{opened.evaluate('rate', 3):6.1f} frames a second")
        chromium.close()


if __name__ == "__main__":
    main()
