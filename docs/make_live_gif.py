"""Make docs/images/live.gif: the playground, while its sliders move and cures are pressed.

    python docs/make_live_gif.py

Needs Playwright, Chromium and Pillow. Each picture of the GIF shows one frame of the page, of a given number
of steps, so that it shows the same training on any machine; a minute on two cores.
"""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

import vgcore as vg
from vgcore.live.server import Server

TARGET = Path(__file__).resolve().parent / "images/live.gif"
SIZE = {"width": 1200, "height": 740}
SCALE = 0.75  # of the GIF's pixels to the page's
SECONDS = 0.09  # that each picture is shown
COLOURS = 127  # and a transparent one
MOST_BYTES = 3_000_000
PATIENCE = 40  # pictures until a verdict offers a cure
POINTER = """addEventListener("DOMContentLoaded", () => {
    const arrow = document.createElement("div");
    arrow.innerHTML = `<svg width="22" height="30" viewBox="0 0 11 15"><path fill="#000" stroke="#fff"
        d="M.5.5v11.5l2.8-2.4 1.9 4.4 1.8-.8-1.9-4.3h3.7z"/></svg>`;
    arrow.style = "position:fixed;z-index:9;pointer-events:none;left:-50px";
    document.body.append(arrow);
    addEventListener("mousemove", ({ clientX, clientY }) => {
        arrow.style.left = `${clientX}px`;
        arrow.style.top = `${clientY}px`;
    }, { capture: true });
    window.drawn = 0;
    addEventListener("vgcore-frame", () => window.drawn++, { capture: true });
});"""


class Gate:
    """Lets a page have frames when they are wanted, each of so many steps."""

    def __init__(self, live: Any) -> None:
        self._frame, self._tick, self.steps = live.frame, 0, 0
        self._changed = threading.Condition()
        live.frame = self.frame

    def frame(self, params: Mapping[str, Any]) -> bytes:
        """What the page asks for, at the next tick."""
        if not params.get("page"):
            with self._changed:
                now = self._tick
                self._changed.wait_for(lambda: self._tick > now, timeout=60)
                steps, self.steps = self.steps, 0  # for the first of those that are under way
            params = {**params, "steps": steps, "seconds": 0.1}
        made: bytes = self._frame(params)
        return made

    def tick(self, steps: int) -> None:
        """Answer what was asked for so far."""
        with self._changed:
            self._tick, self.steps = self._tick + 1, steps
            self._changed.notify_all()


class Film:
    """Pictures of a page, taken one by one, and the hand that moves its sliders."""

    def __init__(self, page: Page, gate: Gate) -> None:
        self.page, self.gate = page, gate
        self.at = SIZE["width"] / 2, SIZE["height"] * 0.8
        self.taken: list[Image.Image] = []

    def run(self, count: int, steps: int) -> None:
        """Take so many pictures, each after so many more steps."""
        for _ in range(count):
            before = self.page.evaluate("drawn")
            while (
                self.page.evaluate("drawn") == before
            ):  # a frame of what has moved since is dropped
                self.gate.tick(steps)
                self.page.wait_for_timeout(130)  # texts follow
            shot = Image.open(io.BytesIO(self.page.screenshot(scale="device")))
            self.taken.append(shot.convert("RGB"))

    def go(self, x: float, y: float, count: int, steps: int) -> None:
        """Move the pointer, slower at its ends."""
        begin = self.at
        for i in range(1, count + 1):
            share = (1 - np.cos(np.pi * i / count)) / 2
            self.at = tuple(a + share * (b - a) for a, b in zip(begin, (x, y), strict=True))
            self.page.mouse.move(*self.at)
            self.run(1, steps)

    def press(self, button: Locator, steps: int, count: int = 5) -> None:
        """Go to a button, once it is there, and click on it."""
        for _ in range(PATIENCE):
            if not button.is_visible():
                self.run(1, steps)
        self.go(*middle(button), count, steps)
        self.page.mouse.down()
        self.page.mouse.up()

    def slide(self, name: str, share: float, count: int, steps: int) -> None:
        """Go to a slider, and drag it to a share of its way."""
        slider = self.page.locator(f"input[data-name={name}]:visible")
        box, (_, y) = slider.bounding_box() or {}, middle(slider)
        now = slider.evaluate("({ value, max }) => value / max")
        x = lambda share: box["x"] + 8 + share * (box["width"] - 16)  # noqa: E731
        self.go(x(now), y, 5, steps)
        self.page.mouse.down()
        self.go(x(share), y, count, steps)
        self.page.mouse.up()

    def scene(self, name: str, steps: int) -> None:
        """Go to the scenes, and choose one."""
        scenes = self.page.locator("select[data-name=scene]")
        self.go(*middle(scenes), 5, steps)
        scenes.select_option(name)


def middle(element: Locator) -> tuple[float, float]:
    """Where an element is."""
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def play(film: Film) -> None:
    """What is shown: a deeper and deeper sigmoid network, cured; an RNN beside an LSTM over more and more
    timesteps, cured by being one, too, with open gates.
    """
    page = film.page
    film.run(12, 25)
    film.press(page.get_by_role("tab", name="Network A"), 25)
    film.slide("depth", 0.2, 16, 1)
    film.run(8, 10)
    film.press(page.get_by_role("button", name="batch norm"), 10)
    film.run(26, 40)
    film.scene("rnn_lstm", 40)
    film.run(12, 6)
    film.slide("length", 0.7, 16, 1)
    film.run(8, 6)
    film.press(page.get_by_role("button", name="LSTM cells"), 6)
    film.run(6, 6)
    film.press(page.get_by_role("button", name="forget gates that start open").first, 6)
    film.run(18, 6)


def written(pictures: list[Image.Image], path: Path) -> None:
    """Write a GIF with one palette, in which what stays as it is is transparent."""
    some = pictures[:: max(len(pictures) // 12, 1)]
    sheet = Image.new("RGB", (some[0].width, some[0].height * len(some)))
    for i, each in enumerate(some):
        sheet.paste(each, (0, i * each.height))
    palette = sheet.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    drawn = [
        np.asarray(each.quantize(palette=palette, dither=Image.Dither.NONE)) for each in pictures
    ]
    colours = palette.getpalette()
    assert colours is not None
    frames = []
    for before, now in zip([None, *drawn], drawn, strict=False):
        frame = Image.fromarray(
            now if before is None else np.where(now == before, np.uint8(COLOURS), now)
        )
        frame.putpalette([*colours[: 3 * COLOURS], 0, 0, 0])
        frames.append(frame)
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 * SECONDS),
        loop=0,
        transparency=COLOURS,
        disposal=1,
        optimize=False,
    )


def main() -> None:
    """Take the pictures, and write them."""
    live = vg.live.playground("sigmoid_depth")
    gate = Gate(live)
    with Server(live, port=0) as server, sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, device_scale_factor=SCALE)
        page.add_init_script(POINTER)
        page.goto(server.url)
        page.locator("select[data-name=scene]").wait_for()
        film = Film(page, gate)
        play(film)
        browser.close()
    written(film.taken, TARGET)
    size = TARGET.stat().st_size
    seconds = SECONDS * len(film.taken)
    print(f"{TARGET.name}: {len(film.taken)} pictures, {seconds:.1f} s, {size / 1e6:.2f} MB")
    if size > MOST_BYTES:
        raise SystemExit(f"expected at most {MOST_BYTES:,} bytes")


if __name__ == "__main__":
    main()
