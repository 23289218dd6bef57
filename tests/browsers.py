"""Chromium, which pages are looked at with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


def chromium() -> str:
    """Where Chromium is; a test that asks for it is skipped where there is none."""
    found = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if found is None:
        pytest.skip("no Chromium on PATH, which pages are looked at with")
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    sync = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = chromium()
    with sync.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield running
        finally:
            running.close()
