"""What a live page costs, in headless Chromium: from a moved slider to its first new frame, frames a second,
and how much of a core trains.

python bench/live.py                                vgcore live, and what comes before a first frame
python bench/live.py --pyodide DIR --wheel FILE     the same without an install, Python in a worker

Needs Playwright and Chromium. Medians and 95th percentiles; "training" is the time that training itself has
taken, over the time that went by.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from playwright.sync_api import Page, sync_playwright

import vgcore as vg
from machine import cpu_model
from vgcore.live.controls import checked
from vgcore.live.course import Course
from vgcore.live.networks import CONTROLS
from vgcore.live.server import Server

NETWORKS: dict[str, dict[str, Any]] = {
    "D1-like: 3 x 30": {
        "data": "digits",
        "depth": 3,
        "width": 30,
        "activation": "sigmoid",
        "batch": 10,
    },
    "10 x 30": {"data": "spirals", "depth": 10, "width": 30},
    "50 x 100": {"data": "circles", "depth": 50, "width": 100},
}
MOVES, WATCHED = 30, 5.0  # of the slider; seconds
# In the page: frames with the time at which each was drawn, and the bytes of each answer
HOOK = """
window.seen = { drawn: [], bytes: [] };
addEventListener("vgcore-frame", ({ detail }) => {
  requestAnimationFrame(() => {
    const { turn, states, took } = detail;
    window.seen.drawn.push({ at: performance.now(), turn, took, ...states[0] });
  });
}, true);
const fetched = window.fetch;
window.fetch = async (...given) => {
  const answer = await fetched(...given);
  window.seen.bytes.push(Number(answer.headers.get("Content-Length")));
  return answer;
};
"""
MOVE = """
([name, share]) => {
  const root = document.querySelector(".vgcore").shadowRoot;
  const input = root.querySelector(`.panel:not([hidden]) [data-name="${name}"]`);
  const before = window.seen.drawn.length;
  const turn = window.seen.drawn[before - 1].turn;
  input.value = String(Math.round(share * Number(input.max)));
  const begin = performance.now();
  input.dispatchEvent(new Event("input", { bubbles: true }));
  return new Promise((resolve) => {
    const look = () => {
      const found = window.seen.drawn.slice(before).find((each) => each.turn > turn);
      if (found) resolve(found.at - begin);
      else requestAnimationFrame(look);
    };
    look();
  });
}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pyodide", type=Path, help="a copy of Pyodide and NumPy")
    parser.add_argument("--wheel", type=Path, help="vgcore's wheel for Pyodide")
    options = parser.parse_args()
    print(f"{cpu_model()}, {vg.cpu_level}, {vg.get_num_threads()} threads")
    if options.pyodide is None:
        starts()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, settings in NETWORKS.items():
            with host(settings, options.pyodide, options.wheel) as url:
                page = browser.new_page(
                    viewport={"width": 1280, "height": 900},
                    bypass_csp=True,  # Playwright evaluates what it waits for
                )
                page.add_init_script(HOOK)
                page.goto(url)
                page.wait_for_function("window.seen.drawn.length > 10", timeout=120_000)
                told(name, page)
                page.close()
        browser.close()


def told(name: str, page: Page) -> None:
    """Watch a page, move a slider, and print what is seen."""
    begin = page.evaluate("performance.now()")
    page.evaluate(
        "window.seen.drawn.splice(0, window.seen.drawn.length - 1); window.seen.bytes = []"
    )
    time.sleep(WATCHED)
    seen = page.evaluate("window.seen")
    drawn = [each for each in seen["drawn"] if each["at"] > begin]
    passed = (drawn[-1]["at"] - drawn[0]["at"]) / 1000
    trained = drawn[-1]["seconds"] - drawn[0]["seconds"]
    moves = [
        page.evaluate(MOVE, ["sigma_w", 0.4 + 0.3 * (i % 7) / 7])
        for i in range(MOVES)
        if time.sleep(0.15) is None
    ]
    sizes = seen["bytes"] or [float("nan")]
    print(
        f"{name:16}  first new frame {median(moves):4.0f} ms, 95 % {quantiles(moves, n=20)[-1]:4.0f} ms;  "
        f"{(len(drawn) - 1) / passed:3.0f} frames a second, training {trained / passed:3.0%};  "
        f"frame {median(sizes) / 1000:.1f} kB, at most {max(sizes) / 1000:.1f}"
    )


def starts() -> None:
    """What comes before a network's first frame: model, plan and first pass."""
    for depth, width in ((10, 30), (50, 30), (50, 100)):
        values = checked(CONTROLS, {"data": "circles", "depth": depth, "width": width})

        def start(values: dict[str, Any] = values) -> float:
            begin = time.perf_counter()
            Course(values).train(0, 1, lambda: True)
            return time.perf_counter() - begin

        start()
        took = 1e3 * median(start() for _ in range(50))
        print(f"model, plan and first pass of {depth} x {width}: {took:.1f} ms")


@contextlib.contextmanager
def host(settings: dict[str, Any], pyodide: Path | None, wheel: Path | None) -> Iterator[str]:
    """The address of a playground."""
    if pyodide is None:
        with Server(vg.live.playground(**settings), port=0) as server:
            yield server.url
        return
    with tempfile.TemporaryDirectory() as folder:
        given = ", ".join(f"{name}={json.dumps(value)}" for name, value in settings.items())
        code = f"import vgcore as vg\n\npage = vg.live.playground({given})\n"
        vg.live.export(Path(folder) / "site", code, wheel=wheel, pyodide=pyodide)
        handler = functools.partial(Quiet, directory=Path(folder) / "site")
        site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/"
        site.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *args: Any) -> None:
        """Nothing."""


if __name__ == "__main__":
    main()
