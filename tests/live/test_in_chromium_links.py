"""Links to live pages, what is copied from them, and pages that Python has forgotten, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browsers import browser
from tabs import opened

import vgcore as vg

SMALL = {"depth": 3, "width": 5, "batch": 8}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


def test_a_link_of_a_scene_alone_enters_it(chromium: Any) -> None:
    with opened(chromium, of="#scene=dead_relu") as tab:
        tab.until(tab.shown, "a frame")
        assert [each["activation"] for each in tab.settings] == ["relu", "leaky_relu"]
        assert (
            tab.page.get_by_role("tab", name="Network A").get_attribute("aria-selected") == "true"
        )


def test_arrow_keys_go_from_one_network_to_the_other(chromium: Any) -> None:
    with opened(chromium, vg.live.playground("skips", **SMALL)) as tab:
        tab.until(tab.shown, "a frame")
        tab.page.get_by_role("tab", name="Network B").focus()
        tab.page.keyboard.press("ArrowLeft")
        assert tab.page.get_by_role("tabpanel").get_attribute("id") == "network-A"
        assert (
            tab.page.evaluate(
                "document.querySelector('.vgcore').shadowRoot.activeElement.textContent"
            )
            == "Network A"
        )
        tab.page.keyboard.press("ArrowRight")
        assert tab.page.get_by_role("tabpanel").get_attribute("id") == "network-B"


def test_what_no_browser_copies_is_shown(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(**SMALL)) as tab:
        tab.until(tab.shown, "a frame")
        tab.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        tab.press("Copy link")
        told = tab.find("dialog")
        told.wait_for()
        assert "to be marked and copied" in told.inner_text()
        assert told.locator("pre").inner_text() == tab.page.url


def test_a_page_that_was_forgotten_begins_anew_and_says_so(chromium: Any) -> None:
    live = vg.live.playground(**SMALL)
    with opened(chromium, live) as tab:
        tab.until(lambda: (tab.shown() or [0])[0] > 10, "training")
        tab.paused()
        live._sessions.clear()
        tab.press("Step")
        tab.until(
            lambda: tab.shown() in ([1], [2]), "a new network, which may have been looked at before"
        )
        assert "Begun anew" in tab.find(".states").inner_text()
        tab.step(1)
        tab.restarted(lambda: tab.press("Reset"))
        assert "Begun anew" not in tab.find(".states").inner_text()


def test_a_page_that_is_closed_is_forgotten(chromium: Any) -> None:
    live = vg.live.playground(**SMALL)
    with opened(chromium, live) as tab:
        tab.until(tab.shown, "a frame")
        for _ in range(3):
            tab.page.reload()
            tab.until(tab.shown, "a frame")
        tab.until(lambda: len(live._sessions) == 1, "one session")
