"""Recordings: files that hold the frames which the live page shows, and play them without Python."""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers import browser
from unpacked import plain

import vgcore as vg
from vgcore.live import networks
from vgcore.live.controls import checked
from vgcore.live.course import Course, train_together
from vgcore.live.packing import unpack
from vgcore.live.page import Live
from vgcore.live.server import Server

SMALL = {"depth": 3, "width": 8, "batch": 64}


class Recording:
    """What a file holds."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
        held = json.loads(data)
        self.page = unpack(b64decode(held["page"]))["page"]
        self.grid = dict(held["grid"])
        self.frames = [[unpack(each) for each in split(stream)] for stream in held["frames"]]

    def settings(self) -> list[dict[str, Any]]:
        """Values of what moves, of each of the settings."""
        return [dict(zip(self.grid, each, strict=True)) for each in product(*self.grid.values())]


def split(stream: str) -> Iterator[bytes]:
    data = zlib.decompress(b64decode(stream))
    while data:
        (length,) = struct.unpack_from("<I", data)
        yield data[4 : 4 + length]
        data = data[4 + length :]


def shown(live: Live, settings: list[dict[str, Any]], steps: list[int]) -> Iterator[dict[str, Any]]:
    """What a live page shows of its own settings at some steps, once nothing more comes."""
    asked = {"session": "tab", "turn": 1, "settings": settings, "seconds": 0.1}
    step, frame = 0, {}
    for wanted in steps:
        while step < wanted:
            frame = unpack(live.frame({**asked, "steps": min(wanted - step, 13)}))
            step = frame["states"][0]["step"]
        pictures = {each["key"]: each for each in frame["pictures"]}
        while frame["more"]:
            frame = unpack(live.frame({**asked, "steps": 0}))
            pictures |= {each["key"]: each for each in frame["pictures"]}
        yield {**frame, "pictures": pictures}


def scene_of(live: Live, **moved: Any) -> list[dict[str, Any]]:
    """The settings of a page, some of which moved."""
    settings = live.begins()
    for name, value in moved.items():
        for side, each in enumerate(settings):
            if name[:2] not in ("A.", "B.") or "AB".index(name[0]) == side:
                each[name[2:] if name[1] == "." else name] = value
    return settings


@pytest.mark.parametrize(
    ("scene", "settings", "over", "steps"),
    [
        ("sigmoid_depth", SMALL, {"A.depth": [2, 5]}, 300),
        (None, {**SMALL, "norm": "BatchNorm"}, {"sigma_w": [0.5, 2], "batch": [50, 512]}, 210),
        (
            "rnn_lstm",
            {"length": 12, "width": 5, "batch": 100},
            {"length": [9], "B.cell": ["GRU"]},
            20,
        ),
    ],
)
def test_frames_are_those_of_the_live_page(
    tmp_path: Path, scene: str | None, settings: Any, over: Any, steps: int
) -> None:
    live = vg.live.playground(scene, **settings)
    live.record(tmp_path / "file.html", over, frames=4, steps=steps)
    recording = Recording(tmp_path / "file.html")
    for values, frames in zip(recording.settings(), recording.frames, strict=True):
        taken = [each["states"][0]["step"] for each in frames]
        assert taken[0] == 1 and taken[-1] == steps and len(taken) == 4
        page = vg.live.playground(scene, **settings)
        for frame, now in zip(frames, shown(page, scene_of(page, **values), taken), strict=True):
            pictures = {each["key"]: each for each in frame["pictures"]}
            np.testing.assert_equal(pictures, now["pictures"])
            assert set(pictures) == set(frame["keys"]) == set(now["keys"])
            assert {key: each["order"] for key, each in pictures.items()}
            for state, other in zip(frame["states"], now["states"], strict=True):
                assert {**state, "seconds": 0} == {**other, "seconds": 0}
            assert [each["text"] for each in frame["verdicts"]] == [
                each["text"] for each in now["verdicts"]
            ]


def test_the_page_begins_as_the_live_page_does() -> None:
    lives = [vg.live.playground(name, depth=3, width=5) for name in (None, "skips", "rnn_lstm")]
    keep = """const own = window.fetch;
        window.fetch = (address, options) => {
            window.sent = JSON.parse(options.body).settings ?? window.sent;
            return own(address, options);
        };"""
    with browser() as chromium:
        for live in lives:
            with Server(live, port=0) as server:
                tab = chromium.new_page()
                tab.add_init_script(keep)
                tab.goto(server.url)
                tab.locator("figure").first.wait_for()
                assert tab.evaluate("() => window.sent") == live.begins()
                tab.close()


def test_what_is_recorded_of_a_step_depends_on_no_slices() -> None:
    values = [
        checked(networks.CONTROLS, {**SMALL, "batch": batch, "data": data})
        for batch, data in ((8, "moons"), (100, "circles"), (8, "sine"))
    ]
    alone, together = [[Course(each) for each in values] for _ in range(2)]
    rng = np.random.default_rng(0)
    for step in (1, 190, 191, 192, 193, 383, 384, 400, 777):
        train_together(together, step)
        for one, other in zip(alone, together, strict=True):
            while one.step < step:
                one.train(10, min(int(rng.integers(1, 60)), step - one.step), lambda: False)
            assert one.step == other.step == step
            assert (one.loss, one.epoch, one.broken) == (other.loss, other.epoch, other.broken)
            for name, value in one.model.state_dict().items():
                np.testing.assert_array_equal(other.model.state_dict()[name], value)
            assert one.newest.step[-1] == other.newest.step[-1]
            for field in ("step", "loss", "delta", "update_ratio"):
                np.testing.assert_array_equal(
                    getattr(one.record(), field), getattr(other.record(), field)
                )
            first, second = [each.record().distribution("delta") for each in (one, other)]
            np.testing.assert_array_equal(first.step, second.step)
            np.testing.assert_array_equal(first.counts, second.counts)


def test_a_network_that_breaks_stays_as_it_broke(tmp_path: Path) -> None:
    ill = {"data": "sine", "activation": "identity", "rate": 0.1, "depth": 20}
    vg.live.playground(**ill).record(
        tmp_path / "f.html", {"sigma_w": [0.5, 12]}, frames=5, steps=90
    )
    well, broken = [
        [frame["states"][0] for frame in frames] for frames in Recording(tmp_path / "f.html").frames
    ]
    assert [each["broken"] for each in well] == [False] * 5
    assert broken[-1]["broken"] and broken[-1]["step"] < 90 == well[-1]["step"]


def test_a_page_of_ones_own_is_recorded(tmp_path: Path) -> None:
    def counting(params: dict[str, Any]) -> Iterator[Any]:
        for count in range(params["up_to"]):
            yield vg.live.lines("Count", [count], note=params["kind"])

    controls = [
        vg.live.Slider("up_to", 1, 9, 7, integer=True),
        vg.live.Text("kind", "<script>"),
        vg.live.Switch("odd"),
        vg.live.Choice("of", {"x": "an x"}),
    ]
    page = vg.live.Page(counting, controls, title="</script>")
    page.record(tmp_path / "f.html", {"up_to": [6, 2], "kind": ["</script>", "b"]}, frames=4)
    recording = Recording(tmp_path / "f.html")
    assert recording.page["title"] == "</script>" and recording.page["plays"]
    assert recording.grid == {"up_to": [2, 6], "kind": ["</script>", "b"]}
    counts = [
        [
            (each["pictures"][0]["lines"][0]["values"][0], each["pictures"][0]["note"])
            for each in frames
        ]
        for frames in recording.frames
    ]
    few, many = (
        [0, 1, 1],
        [0, 1, 2, 3],
    )  # the third of the former is where it is known to be the last
    assert counts == [
        [(count, kind) for count in some] for some in (few, many) for kind in ("</script>", "b")
    ]
    up_to, kind, odd, of = recording.page["controls"]
    assert (up_to["values"], up_to["value"]) == ([2, 6], 6)
    assert kind["options"] == [["</script>", "</script>"], ["b", "b"]] and kind["kind"] == "choice"
    assert [each["text"] for each in (odd, of)] == ["off", "an x"]

    still = vg.live.Page(lambda params: vg.live.lines("One", [params["up_to"]]), controls)
    still.record(tmp_path / "f.html", {"odd": [True, False]})
    recording = Recording(tmp_path / "f.html")
    assert [len(frames) for frames in recording.frames] == [1, 1] and not recording.page["plays"]


def test_what_does_not_move_is_told(tmp_path: Path) -> None:
    live = vg.live.playground("sigmoid_depth", **SMALL)
    live.record(tmp_path / "f.html", {"A.depth": [2, 4], "width": [8]}, frames=1, steps=1)
    told = {each["name"]: each for each in Recording(tmp_path / "f.html").page["controls"]}
    assert (
        told["A.depth"]["kind"] == "slider"
        and told["A.depth"]["label"] == "depth: hidden layers, A"
    )
    texts = {each["label"]: each["text"] for each in told.values() if each["kind"] == "fixed"}
    assert texts["width"] == "8"
    assert texts["depth: hidden layers, B"] == "3"
    assert (texts["activation, A"], texts["activation, B"]) == ("sigmoid", "relu")
    assert "cell" not in texts and "σw" not in texts  # which do not count
    live.record(tmp_path / "f.html", {"B.start": ["gaussian", "he_normal"]}, frames=1, steps=1)
    told = {each["name"]: each for each in Recording(tmp_path / "f.html").page["controls"]}
    assert told["B.sigma_w"]["when"] == [{"B.start": ["gaussian"]}]


def test_marks_are_those_of_what_moves(tmp_path: Path) -> None:
    live = vg.live.playground("edge_of_chaos", depth=2, width=5)
    live.record(tmp_path / "f.html", {"sigma_w": [0.5, 3]}, frames=1, steps=1)
    recording = Recording(tmp_path / "f.html")
    for [frame] in recording.frames:
        assert frame["marks"][0].keys() == {"sigma_w"}
    live.record(tmp_path / "f.html", {"width": [4, 5]}, frames=1, steps=1)
    assert [frame["marks"] for [frame] in Recording(tmp_path / "f.html").frames] == [[{}], [{}]]


def test_a_recording_is_small(tmp_path: Path) -> None:
    live = vg.live.playground("sigmoid_depth")
    live.record(tmp_path / "one.html", frames=1, steps=1)
    live.record(tmp_path / "many.html", {"A.depth": [10, 11]}, steps=250)
    alone, many = [(tmp_path / name).stat().st_size for name in ("one.html", "many.html")]
    assert alone + 9 / 2 * (many - alone) <= 2_000_000
    assert all(len(frames) == 40 for frames in Recording(tmp_path / "many.html").frames)


@pytest.mark.parametrize(
    ("over", "options", "error", "message"),
    [
        ({"deep": [1]}, {}, ValueError, "over: expected one of .*; got 'deep'"),
        ({"C.depth": [1]}, {}, ValueError, "over: expected one of .*; got 'C.depth'"),
        ({"A.noise": [0.1]}, {}, ValueError, "over: expected one of .*; got 'A.noise'"),
        ({"depth": [1, 200]}, {}, ValueError, "depth: expected an integer of at most 100, got 200"),
        ({"depth": 3}, {}, TypeError, r"over\['depth'\]: expected a list of values, got 3"),
        ({"activation": "relu"}, {}, TypeError, "expected a list of values, got 'relu'"),
        ({"depth": []}, {}, ValueError, "over: expected values of depth, got none"),
        (
            {"depth": [1], "A.depth": [2]},
            {},
            ValueError,
            "each control once, got 'depth' of network A twice",
        ),
        ({"sigma_w": [1]}, {}, ValueError, "got 'sigma_w', which does where start is gaussian"),
        (
            {"depth": range(1, 11), "seed": range(30)},
            {},
            ValueError,
            "at most 200 settings, got 10 × 30 = 300",
        ),
        (
            ["depth"],
            {},
            TypeError,
            "over: expected names of controls with lists of values, got list",
        ),
        ({}, {"frames": 0}, ValueError, "frames: expected an integer of at least 1"),
        (
            {},
            {"frames": 50, "steps": 40},
            ValueError,
            "frames: expected at most as many as steps, 40; got 50",
        ),
        ({}, {"steps": 0}, ValueError, "steps: expected an integer of at least 1"),
        (
            {"activation": ["formula"], "formula": ["z", "z +"]},
            {"steps": 40},
            ValueError,
            "cannot be read",
        ),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    tmp_path: Path, over: Any, options: Any, error: type[Exception], message: str
) -> None:
    path = tmp_path / "file.html"
    path.write_text("before")
    with pytest.raises(error, match=message):
        vg.live.playground("sigmoid_depth", **SMALL).record(path, over, **options)
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["file.html"]


def test_a_page_that_counts_no_steps_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"steps: expected None, .* got 10"):
        vg.live.Page(lambda params: []).record(tmp_path / "f.html", steps=10)


def test_where_nothing_can_be_written_nothing_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Course, "__init__", lambda *_: pytest.fail("a network was made"))
    live = vg.live.playground(**SMALL)
    for path, error in (
        (tmp_path, IsADirectoryError),
        (tmp_path / "no" / "f.html", FileNotFoundError),
    ):
        with pytest.raises(error):
            live.record(path)
    with pytest.raises(TypeError, match="path: expected"):
        live.record(3)  # type: ignore[arg-type]


@contextmanager
def opened(path: Path, **context: Any) -> Iterator[Any]:
    """A tab that shows a file, keeps the newest frame as ``window.newest``, and asks for nothing else."""
    with browser() as chromium:
        tab = chromium.new_context(**context).new_page()
        asked: list[str] = []
        said: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(path.as_uri())
        tab.locator("figure").first.wait_for()
        tab.evaluate(
            """() => document.querySelector(".vgcore").addEventListener("vgcore-frame", ({ detail }) => {
                window.newest = JSON.parse(JSON.stringify(detail, (_, held) =>
                    ArrayBuffer.isView(held) ? Array.from(held, String) : held));
                (window.passed ??= []).push(detail.states?.[0].step);
            })"""
        )
        yield tab
        assert asked == [path.as_uri()]
        assert said == []


def read(tree: Any) -> Any:
    """What a tab tells, its texts of numbers as numbers."""
    if isinstance(tree, dict):
        return {name: read(each) for name, each in tree.items()}
    if isinstance(tree, list):
        if tree and all(isinstance(each, str) for each in tree):
            try:
                return [float(each.replace("Infinity", "inf")) for each in tree]
            except ValueError:
                return tree
        return [read(each) for each in tree]
    return tree


def is_frame(tab: Any, frame: dict[str, Any]) -> None:
    """Wait until a tab shows a frame, and see that all its numbers are the frame's."""
    states = json.dumps([each["step"] for each in frame["states"]])
    loss = json.dumps([each["loss"] for each in frame["states"]])
    tab.wait_for_function(
        f"""() => window.newest && JSON.stringify(newest.states.map((each) => each.step)) ===
            JSON.stringify({states}) && JSON.stringify(newest.states.map((each) => each.loss)) ===
            JSON.stringify({loss})"""
    )
    newest = read(tab.evaluate("() => window.newest"))
    for name in ("turn", "over"):
        newest.pop(name)
    newest["pictures"].sort(key=lambda each: each["key"])
    held = read(plain(frame))
    held["pictures"].sort(key=lambda each: each["key"])
    np.testing.assert_equal(newest, held)
    told = tab.locator(".states").inner_text()
    assert all(f"step {each['step']:,}" in told for each in frame["states"])


def test_a_file_plays_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "a file.html"
    live = vg.live.playground("sigmoid_depth", **SMALL)
    live.record(path, {"A.depth": [2, 3, 8], "activation": ["relu", "tanh"]}, frames=6, steps=60)
    recording = Recording(path)
    frames = dict(zip(map(str, recording.settings()), recording.frames, strict=True))

    def of(depth: int, activation: str) -> Any:
        return frames[str({"A.depth": depth, "activation": activation})]

    with opened(path) as tab:
        button = lambda name: tab.get_by_role("button", name=name, exact=True)  # noqa: E731
        button("Play").wait_for()  # it has come to its end
        assert tab.get_by_role("heading").first.inner_text() == "Sigmoid depth"
        slider = tab.locator("input[data-name='A.depth']")
        assert slider.get_attribute("max") == "2" and slider.get_attribute("aria-valuetext") == "3"
        slider.focus()
        before = tab.locator("canvas").first.screenshot()
        tab.keyboard.press("ArrowRight")
        is_frame(tab, of(8, "relu")[-1])
        tab.keyboard.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") == "8"
        assert tab.locator("canvas").first.screenshot() != before
        tab.select_option("[data-name=activation]", "tanh")
        is_frame(tab, of(8, "tanh")[-1])
        button("Reset").click()
        is_frame(tab, of(8, "tanh")[0])
        for place in (1, 2):
            button("Step").click()
            is_frame(tab, of(8, "tanh")[place])
        slider.focus()
        tab.keyboard.press("Home")
        is_frame(tab, of(2, "tanh")[2])  # where it was
        button("Play").click()
        is_frame(tab, of(2, "tanh")[-1])
        tab.evaluate("() => (window.passed = [])")
        button("Play").click()  # from its end: from the beginning
        tab.wait_for_function("() => passed.at(-1) === 60")
        passed = tab.evaluate("() => passed")
        taken = [each["states"][0]["step"] for each in of(2, "tanh")]
        assert passed == sorted(passed) and set(passed) <= set(taken) and passed[0] < passed[-1]


def test_a_file_plays_at_its_speed(tmp_path: Path) -> None:
    path = tmp_path / "f.html"

    def counting(params: dict[str, Any]) -> Iterator[Any]:
        for count in range(12):
            yield vg.live.lines("Count", [count])

    vg.live.Page(counting).record(path, frames=12)
    seconds: Callable[[Any], float] = lambda tab: tab.evaluate(  # noqa: E731
        """() => new Promise((done) => {
            const begin = performance.now();
            const wait = () => {
                const passed = (performance.now() - begin) / 1000;
                if (window.newest?.over && passed > 0.03) done(passed);
                else setTimeout(wait, 5);
            };
            window.newest = null;
            [...document.querySelector(".vgcore").shadowRoot.querySelectorAll("button")]
                .find((each) => each.textContent === "Play").click();
            wait();
        })"""
    )
    with opened(path) as tab:
        tab.get_by_role("button", name="Play", exact=True).wait_for()
        even = seconds(tab)
        assert even > 1.0  # eleven times a tenth
        tab.select_option("[data-name=speed]", "1")
        assert seconds(tab) < even


@pytest.mark.parametrize("width", [380, 1300])
def test_a_file_fits_a_screen(tmp_path: Path, width: int) -> None:
    path = tmp_path / "f.html"
    live = vg.live.playground("edge_of_chaos", depth=5, width=10)
    live.record(path, {"sigma_w": [0.5, 0.8, 2]}, frames=2, steps=9)
    with opened(path, viewport={"width": width, "height": 800}, color_scheme="dark") as tab:
        tab.locator(".mark", has_text="edge of chaos").wait_for(state="attached")
        assert tab.evaluate("() => document.documentElement.scrollWidth") <= width
        assert tab.locator("input[data-name=sigma_w]").is_visible()
        told = tab.locator(".knob", has_text="width")
        assert not told.is_visible()
        tab.get_by_text("Fixed", exact=True).click()
        assert told.inner_text().split() == ["width", "10"]
        if width > 1000:
            tab.locator(".mark").click()  # the nearest that was recorded
            assert tab.locator("input[data-name=sigma_w]").get_attribute("aria-valuetext") == "0.8"
