"""Tabs of Chromium with a live page: driven as by a reader, and watched for what must not happen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np

import vgcore as vg
from vgcore.live import networks
from vgcore.live.controls import checked
from vgcore.live.course import Course
from vgcore.live.server import Server

_PATIENCE = 30.0  # seconds, on a machine that has much else to do
_WATCHING = """
const asked = window.asked = {most: 0, under: 0, count: 0, params: null, frames: [], shown: null, sent: []};
const answer = window.fetch;
window.fetch = async (where, request) => {
  if (where !== "frame") return answer(where, request);
  asked.most = Math.max(asked.most, ++asked.under);
  asked.count++;
  const params = JSON.parse(request.body);
  if (params.settings) [asked.params] = [params];
  asked.sent.push({at: performance.now(), steps: params.steps, turn: params.turn});
  try {
    const got = await answer(where, request);
    if (got.ok) {
      const bytes = await got.clone().arrayBuffer();
      const length = new DataView(bytes).getUint32(8, true);
      const frame = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 12, length)));
      const steps = (frame.states ?? []).map(({step}) => step);
      asked.frames.push({asked: params.steps, turn: frame.turn, error: frame.error, steps});
      asked.frames.splice(0, asked.frames.length - 200);
    }
    return got;
  } finally {
    asked.under--;
  }
};
document.addEventListener("vgcore-frame", ({detail}) => {
  asked.shown = {turn: detail.turn, steps: (detail.states ?? []).map(({step}) => step)};
});
"""
_CANVASES = """() => {
  const root = document.querySelector(".vgcore").shadowRoot;
  return [...root.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()).join();
}"""
_READOUTS = """() => {
  const root = document.querySelector(".vgcore").shadowRoot;
  return [...root.querySelectorAll("figure")].map((figure) =>
    [figure.dataset.key, figure.querySelector(".readout").textContent]);
}"""


class Tab:
    """An open live page.

    Attributes
    ----------
    page : playwright.sync_api.Page
    wrong : list of str
        What its console said, errors of its script, and requests to anywhere else: all of which is watched.
    """

    def __init__(self, context: Any, url: str) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(1000 * _PATIENCE)
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.add_init_script(_WATCHING)
        own = "{0.scheme}://{0.netloc}".format(urlsplit(url))

        def own_alone(route: Any) -> None:
            if route.request.url.startswith((own, "data:", "blob:")):
                route.continue_()
            else:
                self.wrong.append(f"asked for {route.request.url}")
                route.abort()

        self.page.route("**/*", own_alone)
        self.page.goto(url)
        self.find(".toolbar").wait_for()

    def find(self, selector: str) -> Any:
        """Whatever a CSS selector finds, in the shadow root too."""
        return self.page.locator(selector)

    def control(self, name: str, side: int = 0) -> Any:
        """The input of a control."""
        return self.find(f'.panel >> nth={side} >> [data-name="{name}"]')

    def told(self, name: str, side: int = 0) -> str:
        """What stands beside a slider."""
        return str(self.knob(name, side).locator("output").inner_text())

    def knob(self, name: str, side: int = 0) -> Any:
        """A control with its label."""
        return self.find(f'.panel >> nth={side} >> .knob:has([data-name="{name}"])')

    def press(self, text: str) -> None:
        """Press a button of the toolbar."""
        self.page.get_by_role("button", name=text, exact=True).click()

    def asked(self, what: str) -> Any:
        """Something of what the page has asked for, and got."""
        return self.page.evaluate(f"window.asked.{what}")

    def until(self, holds: Callable[[], Any], what: str, seconds: float = _PATIENCE) -> Any:
        """Wait for something to hold; what it gives then."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > end:
                raise AssertionError(f"after {seconds} s there is not: {what}")
            self.page.wait_for_timeout(15)
        return found

    def shown(self) -> list[int] | None:
        """The steps of the frame that is drawn; None while that of the newest settings is still to come."""
        return self.page.evaluate(
            "window.asked.params && window.asked.shown?.turn === window.asked.params.turn"
            " ? window.asked.shown.steps : null"
        )

    def paused(self) -> list[int]:
        """Hold the training, and wait until nothing trains; its networks' steps."""
        if self.find(".toolbar button").first.inner_text() == "Pause":
            self.press("Pause")

        def held() -> bool:
            under, turn, frames = self.page.evaluate(
                "[window.asked.under, window.asked.params?.turn, window.asked.frames]"
            )
            newest = max((each["steps"] for each in frames if each["turn"] == turn), default=None)
            return not under and newest is not None and self.shown() == newest

        self.until(held, "a page that holds")
        return self.shown() or []

    def restarted(self, move: Callable[[], Any], *, still: bool = True) -> None:
        """Move something, and wait for a frame of the new settings: of their first step, if it is still."""
        turn = self.asked("params.turn")
        move()
        self.until(lambda: self.asked("params.turn") > turn, "a request for the new settings")
        steps = self.until(self.shown, "a frame of them")
        assert not still or set(steps) == {1}

    def step(self, count: int) -> None:
        """Train by hand."""
        before = self.shown() or [0]
        for _ in range(count):
            self.press("Step")
        self.until(lambda: self.shown() == [each + count for each in before], f"{count} steps more")

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Those that the newest request has."""
        found: list[dict[str, Any]] = self.asked("params.settings")
        return found

    def picture(self, key: str) -> Any:
        """A picture."""
        return self.find(f'figure[data-key="{key}"]')

    def readings(self) -> dict[str, dict[str, float]]:
        """What readouts say, by keys of pictures and names of lines; the place is ``""``."""
        return {key: read(said) for key, said in self.page.evaluate(_READOUTS)}

    def reading(self, key: str) -> dict[str, float]:
        """What a picture's readout says."""
        return self.readings().get(key, {})

    def table(self, key: str) -> dict[str, Any]:
        """The numbers of a picture, by the heads of columns, from its table."""
        details = self.picture(key).locator("details")
        if details.get_attribute("open") is None:
            details.locator("summary").click()
            details.locator("table").wait_for()
        rows = details.locator("table").evaluate(
            "(table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent))"
        )
        heads, *body = rows
        return {
            head: np.array([value(row[i]) for row in body]) for i, head in enumerate(heads) if i
        }

    def drawn(self) -> str:
        """All pictures, as they are on their canvases."""
        return str(self.page.evaluate(_CANVASES))

    def errors(self, side: int = 0) -> str:
        """What a panel says is wrong."""
        return str(self.find(f".panel >> nth={side} >> .wrong").inner_text())


@contextmanager
def opened(
    chromium: Any, live: Any = None, *, url: str = "", of: str = "", **options: Any
) -> Iterator[Tab]:
    """A tab of a playground, or of what a server has at a URL; it fails if something is wrong in it."""
    context = chromium.new_context(**{"viewport": {"width": 1300, "height": 900}, **options})
    try:
        if url:
            tab = Tab(context, url + of)
            yield tab
        else:
            with Server(live or vg.live.playground(), port=0) as server:
                tab = Tab(context, server.url + of)
                yield tab
                tab.page.close()
        assert tab.wrong == []
    finally:
        context.close()


def value(text: str) -> float:
    """A number as pages write it; NaN where there is none."""
    plain = text.replace("−", "-").replace(",", "").strip()
    if plain.endswith("∞"):
        return -np.inf if plain.startswith("-") else np.inf
    try:
        return float(plain)
    except ValueError:
        return np.nan


def read(text: str) -> dict[str, float]:
    """What a readout says: "layer 3: A 0.5; B none"."""
    place, _, values = text.partition(": ")
    told = (each.rpartition(" ") for each in values.split("; ") if values)
    return {"": value(place.rpartition(" ")[2]), **{name: value(said) for name, _, said in told}}


def trained(settings: dict[str, Any], steps: int) -> Course:
    """The network of a page's settings after so many steps, by Python alone."""
    course = Course(checked(networks.CONTROLS, settings))
    while course.step < steps and not course.broken:
        course.train(60.0, steps - course.step, lambda: False)
    return course


def measured(course: Course, field: str) -> Any:
    """A field of the newest record over the layers with weights."""
    flow = course.newest
    return getattr(flow, field)[-1, [flow.layers.index(name) for name in course.layers]]


def close(told: Any, expected: Any) -> bool:
    """Whether numbers on a page, of four digits, are those of Python."""
    return np.allclose(told, expected, rtol=6e-4, atol=0, equal_nan=True)
