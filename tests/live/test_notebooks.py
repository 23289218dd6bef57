"""A live page is the value of a cell: it is shown, and its frames come, in JupyterLab and in marimo."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from browsers import browser

import vgcore as vg
from vgcore import _extras, page
from vgcore.live.packing import unpack

WHERE = Path(vg.__file__).parents[1]  # this vgcore is: installed, or in place
CELL = """\
import itertools
import vgcore as vg

count = itertools.count(1)


def frame(params):
    return vg.live.lines("Two", [1, 2], note=f"frame {next(count)}")


vg.live.Page(frame, title="Counting", plays=True)"""
MARIMO = f"""\
import marimo

app = marimo.App()


@app.cell
def _():
{"".join(f"    {line}" if line.strip() else line for line in CELL.splitlines(keepends=True))}
    return
"""
TENTH, HUNDREDTH = re.compile(r"frame [1-9]\d"), re.compile(r"frame [1-9]\d\d")


@contextmanager
def host(tmp_path: Path, *command: str, **environment: str) -> Iterator[str]:
    """Run a server of notebooks; its address, once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {**os.environ, "PYTHONPATH": str(WHERE), "HOME": str(tmp_path), **environment}
    with (tmp_path / "log").open("w+", encoding="utf-8") as log:
        run = subprocess.Popen(
            [sys.executable, "-m", *(part.format(port=port) for part in command)],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + 30
            while not answers(url):
                if run.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    pytest.fail(f"{command[0]} does not run:\n{log.read()}")
                time.sleep(0.05)
            yield url
        finally:
            run.terminate()
            try:
                run.wait(10)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except URLError:
        return False


def test_jupyterlab_shows_frames(tmp_path: Path) -> None:
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "id": "a"}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"cells": [{**cell, "source": CELL}], "metadata": kernel}
    notebook |= {"nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "live.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    config = tmp_path / "config" / "labconfig"
    config.mkdir(parents=True)
    news = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (config / "page_config.json").write_text(json.dumps(news), encoding="utf-8")
    token = secrets.token_urlsafe()
    command = "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port={port}"
    own = {
        f"JUPYTER_{name}_DIR": str(tmp_path / name.lower())
        for name in ("CONFIG", "DATA", "RUNTIME")
    }
    with (
        browser() as chromium,
        host(tmp_path, *command, f"--IdentityProvider.token={token}", **own) as url,
    ):
        tab = chromium.new_page()
        tab.goto(f"{url}/lab/tree/live.ipynb?token={token}")
        tab.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        tab.locator(".jp-Cell .cm-content").click()
        tab.keyboard.press("Shift+Enter")
        output = tab.locator(".jp-OutputArea-output")
        output.get_by_text(TENTH).first.wait_for()
        tab.get_by_title("Interrupt the kernel").click()
        output.get_by_text(HUNDREDTH).first.wait_for()


def test_marimo_shows_frames(tmp_path: Path) -> None:
    pytest.importorskip("marimo", reason="marimo is not installed")
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    (tmp_path / "live.py").write_text(MARIMO, encoding="utf-8")
    command = "marimo", "-q", "run", "--headless", "--no-token", "--port={port}", "live.py"
    with browser() as chromium, host(tmp_path, *command) as url:
        tab = chromium.new_page()
        tab.goto(url)
        tab.get_by_text(TENTH).first.wait_for()


def test_a_widget_answers_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    anywidget = pytest.importorskip("anywidget", reason="anywidget is not installed")
    sent: list[Any] = []
    monkeypatch.setattr(
        anywidget.AnyWidget, "send", lambda self, *message: sent.append(message), raising=True
    )

    def frame(params: dict[str, Any]) -> Any:
        if params["interrupted"]:
            raise KeyboardInterrupt
        return vg.live.lines("Two", [1, 2], range(2))

    live = vg.live.Page(frame, [vg.live.Switch("interrupted")])
    assert live.widget is live.widget
    assert "application/vnd.jupyter.widget-view+json" in live._repr_mimebundle_()[0]
    for place, interrupted in enumerate((False, True, False)):
        message = {"id": f"a {place}", "params": {"settings": [{"interrupted": interrupted}]}}
        live.widget._handle_custom_msg(message, [])
    assert [content for content, _ in sent] == [{"id": f"a {place}"} for place in range(3)]
    first, second, third = (unpack(buffers[0]) for _, buffers in sent)
    assert "interrupted" in second["error"]["message"]
    assert first["pictures"][0]["title"] == third["pictures"][0]["title"] == "Two"


def test_without_anywidget_a_cell_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    live = vg.live.Page(lambda params: [], title="A <page>")
    with pytest.raises(ImportError) as error:
        live.widget  # noqa: B018
    assert str(error.value) == _extras.missing("anywidget", "live", "live pages in notebooks need")
    bundle = live._repr_mimebundle_(include=None, exclude=None)
    assert str(error.value) in bundle["text/plain"]
    assert "A &lt;page&gt;" in bundle["text/html"] and "anywidget" in bundle["text/html"]


def test_answers_are_matched_with_what_was_asked_and_silence_is_told(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node on PATH, in which the page's script is run")
    script = (
        """
let step, timers = [], ended = 0, listeners = new Set();
const mount = (el, given) => ((step = given), () => ended++);
const setTimeout = (work, after) => timers.push({ work, after }) - 1;
const clearTimeout = (place) => (timers[place].work = () => {});
const pass = () => timers.splice(0).forEach(({ work }) => work());
const sent = [];
const model = {
  send: (message) => sent.push(message),
  on: (_, heard) => listeners.add(heard),
  off: (_, heard) => listeners.delete(heard),
};
const answer = (place, octet) => {
  const whole = new Uint8Array([0, octet, 0]);  // a frame may lie anywhere in what came
  listeners.forEach((heard) => heard({ id: sent[place].id }, [new DataView(whole.buffer, 1, 1)]));
};
const octets = (frame) => [...new Uint8Array(frame)];
"""
        + Path(page.__file__).with_name("widget.js").read_text(encoding="utf-8")
        + """
const end = render({ model, el: null });
const told = [];
const three = [1, 2, 3].map((turn) => step({ turn }));
[2, 0, 1].forEach((place) => answer(place, 10 + place));
told.push((await Promise.all(three)).map(octets), sent.map(({ params }) => params.turn));
timers = [];
for (const place of [3, 4]) {
  const silent = step({}).catch((error) => error.message);
  told.push(timers.map(({ after }) => after));
  pass();
  told.push(await silent);
}
answer(3, 0);  // too late
const again = step({});
answer(5, 7);
told.push(octets(await again), timers.map(({ after }) => after));
end();
told.push([ended, listeners.size]);
console.log(JSON.stringify(told));
"""
    )
    (tmp_path / "widget.mjs").write_text(script, encoding="utf-8")
    run = subprocess.run([node, tmp_path / "widget.mjs"], capture_output=True, check=True)
    frames, turns, first, silence, second, longer, after, patience, end = json.loads(run.stdout)
    assert frames == [[10], [11], [12]] and turns == [1, 2, 3]
    assert first == [10_000] and "no answer for 10 seconds" in silence
    assert second == [20_000] and "no answer for 20 seconds" in longer
    assert after == [7] and patience == [40_000]
    assert end == [1, 0]
