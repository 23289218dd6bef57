"""A live page of one's own: a function that returns pictures, or yields them, and the sliders that it has."""

from __future__ import annotations

import itertools
import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers import browser

import vgcore as vg
from vgcore import page as scripts
from vgcore.live.packing import unpack
from vgcore.live.page import Live
from vgcore.live.server import Server

EXAMPLE = Path(__file__).parents[2] / "examples" / "live_page.py"


def counting(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Pictures of 1, 2 and so on, up to a number."""
    for count in range(1, params["up_to"] + 1):
        yield vg.live.lines("Count", [count, params["up_to"]])


class Tab:
    """A page that is open."""

    def __init__(self, live: Live, name: str = "tab") -> None:
        self.live, self.name, self.turn = live, name, 0

    def ask(self, up_to: int | None = None, steps: int | None = None) -> tuple[Any, bool]:
        """The first numbers of the pictures, and whether it is over; ``up_to``: the slider moves."""
        if up_to is not None:
            self.turn, self.up_to = self.turn + 1, up_to
        params = {"session": self.name, "turn": self.turn, "steps": steps}
        frame = unpack(self.live.frame({**params, "settings": [{"up_to": self.up_to}]}))
        assert "error" not in frame, frame["error"]
        assert frame["keys"] == [each["key"] for each in frame["pictures"]]
        return [each["lines"][0]["values"][0] for each in frame["pictures"]], frame["over"]


@pytest.fixture
def page() -> vg.live.Page:
    return vg.live.Page(counting, [vg.live.Slider("up_to", 1, 9, 3, integer=True)])


def test_a_generator_goes_on_until_a_control_moves_or_it_ends(page: vg.live.Page) -> None:
    tab, other = Tab(page), Tab(page, "other")
    assert [tab.ask(3), tab.ask(), other.ask(2), tab.ask()] == [([n], False) for n in (1, 2, 1, 3)]
    assert tab.ask() == tab.ask() == ([3], True)
    assert [tab.ask(5), tab.ask(), tab.ask(5)] == [([n], False) for n in (1, 2, 1)]
    assert other.ask() == ([2], False)


def test_a_page_that_rests_shows_what_there_is(page: vg.live.Page) -> None:
    tab = Tab(page)
    assert tab.ask(3, steps=0) == tab.ask(steps=0) == ([1], False)
    assert tab.ask(steps=1) == tab.ask(steps=0) == ([2], False)


def test_a_page_plays_where_its_function_yields() -> None:
    class Called:
        def __call__(self, params: dict[str, Any]) -> Iterator[Any]:
            yield from ()

    def plain(params: dict[str, Any]) -> list[Any]:
        return []

    plays = [vg.live.Page(each).described()["plays"] for each in (counting, Called(), plain)]
    assert plays == [True, True, False]
    assert vg.live.Page(plain, plays=True).described()["plays"]
    assert not vg.live.Page(counting, plays=False).described()["plays"]


def test_a_function_that_returns_is_called_for_each_frame() -> None:
    calls: list[Any] = []

    def frame(params: dict[str, Any]) -> Any:
        calls.append(params)
        return [vg.live.lines(title, [len(calls)]) for title in ("one", "two")]

    tab = Tab(vg.live.Page(frame, [vg.live.Slider("up_to", 1, 9, integer=True)], plays=True))
    assert [tab.ask(2), tab.ask(), tab.ask(3)] == [([n, n], False) for n in (1, 2, 3)]
    assert calls == [{"up_to": n} for n in (2, 2, 3)]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: None, "frame: expected a picture, as .* or a list of such, got None"),
        (lambda: [1], "frame: expected a picture, as .*, got a list with int"),
        (lambda: {"title": "?"}, "frame: expected a picture"),
        (lambda: {"key": "?", "kind": "pie"}, "frame: expected a picture"),
        (lambda: vg.live.plane("?", [[10**9]], (0, 1), (0, 1)), "classes from 0 to 99"),
        (lambda: vg.live.plane("?", [[-1]], (0, 1), (0, 1)), "values: expected classes"),
        (
            lambda: vg.live.plane("?", [[0.5]], (0, 1), (0, 1), points=[[0, 0]], classes=[256]),
            "classes: expected classes",
        ),
        (lambda: sys.exit("gone"), "SystemExit: gone"),
        (lambda: [vg.live.lines("a", [1])] * 2, "frame: expected a title or key .* 'a' twice"),
        (lambda: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_is_no_picture_is_told(made: Callable[[], Any], message: str) -> None:
    def frame(params: dict[str, Any]) -> Any:
        return made()

    def frames(params: dict[str, Any]) -> Any:
        yield made()

    for given in (frame, frames):
        error = unpack(vg.live.Page(given).frame({}))["error"]
        with pytest.raises(ValueError, match=message):
            raise ValueError(error["message"])


def test_an_error_stays_until_a_control_moves(page: vg.live.Page) -> None:
    """A request that was under way does not wipe off what the one before it said."""

    def breaking(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield vg.live.lines("Count", [1])
        raise ValueError("boom")

    live = vg.live.Page(breaking)
    told = [
        unpack(live.frame({"turn": turn, "steps": n}))
        for turn, n in [(0, 1)] * 3 + [(0, 0), (1, 0)]
    ]
    said = [each.get("error", {}).get("message") for each in told]
    line = breaking.__code__.co_firstlineno + 2
    assert said == [None, *[f"ValueError: boom (line {line} of test_own_page.py)"] * 3, None]


@pytest.mark.parametrize(
    ("low", "high", "step"),
    [
        (0, 1, None),
        (1994, 2004, None),
        (0.98765, 0.98766, None),
        (1000003, 1000004, 0.1),
        (-5e9, 0, 7),
    ],
)
def test_a_slider_gives_values_between_its_ends(
    low: float, high: float, step: float | None
) -> None:
    """As many as it has places, each of which Python takes."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node on PATH, in which the page's script is run")
    slider = vg.live.Slider("x", low, high, step=step)
    script = (
        Path(scripts.__file__).with_name("panel.js").read_text(encoding="utf-8")
        + f"""
const control = {json.dumps(slider.shown())};
const shares = Array.from({{ length: 101 }}, (_, i) => i / 100);
console.log(JSON.stringify(shares.map((share) => sliderValue(control, share))));
"""
    )
    run = subprocess.run([node, "-e", script], capture_output=True, check=True)
    values = json.loads(run.stdout)
    assert [slider.checked(value) for value in values] == values == sorted(values)
    assert (values[0], values[-1]) == (low, high)
    assert len({*values}) == (101 if step is None else min(101, round((high - low) / step) + 1))


@pytest.mark.parametrize("given", ["depth", vg.live.Slider("depth"), [1]])
def test_what_are_no_controls_is_told(given: Any) -> None:
    with pytest.raises(TypeError, match="controls: expected a list of Slider, Choice"):
        vg.live.Page(lambda params: None, given)


def test_a_control_is_shown_where_one_of_its_conditions_holds() -> None:
    cell = vg.live.Choice("cell", ["none", "RNN", "LSTM"])
    deep = vg.live.Switch("deep")
    always, one = vg.live.Text("text"), vg.live.Text("text", when={"cell": ["RNN"], "deep": [True]})
    two = vg.live.Text("text", when=[{"cell": ["none"]}, {"deep": [True]}])
    for kind, on in itertools.product(cell.options, (False, True)):
        values = {"cell": kind, "deep": on}
        assert always.is_shown(values)
        assert one.is_shown(values) == (kind == "RNN" and on)
        assert two.is_shown(values) == (kind == "none" or on)
    vg.live.Page(lambda params: None, [cell, deep, two])
    with pytest.raises(ValueError, match="of these controls, got 'text' with 'deep' in when"):
        vg.live.Page(lambda params: None, [cell, two])


def test_a_slider_may_have_some_values_alone() -> None:
    slider = vg.live.Slider("rate", values=[1e-3, 0.1, 1])
    assert (slider.low, slider.high, slider.default) == (1e-3, 1, 1e-3)
    assert slider.checked(0.1) == 0.1 and slider.shown()["values"] == [1e-3, 0.1, 1]
    assert vg.live.Slider("width", values=[10, 30], integer=True).checked(np.int64(30)) == 30
    for value in (0.2, 2):
        with pytest.raises(ValueError, match="rate: expected"):
            slider.checked(value)
    for given, message in (
        ({"values": [1]}, "values: expected two rising numbers or more, got"),
        ({"values": [2, 1]}, "values: expected two rising"),
        ({"values": [1, 2], "value": 1.5}, "value: expected one of 1, 2; got 1.5"),
        ({"low": 0.5, "high": 5, "integer": True}, "low: expected a whole number, got 0.5"),
        ({"low": 0, "high": 5, "value": 1.5, "integer": True}, "value: expected a whole number"),
        ({"values": [0, 1], "log": True}, "low: expected a number above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            vg.live.Slider("rate", **given)
    for given in ({"values": 3}, {"values": ["a", "b"]}, {"values": [1, 2.5], "integer": True}):
        with pytest.raises(TypeError, match="values: expected"):
            vg.live.Slider("rate", **given)


def test_the_example_trains_until_a_control_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Live] = []
    monkeypatch.setattr(Live, "serve", lambda self: served.append(self))
    runpy.run_path(str(EXAMPLE))
    [page] = served
    with browser() as chromium, Server(page, port=0) as server:
        tab = chromium.new_page()
        said: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(server.url)
        tab.locator("figure", has_text="Norm of dL/dh").wait_for()
        frames = """() => new Promise((done) => {
            const host = document.querySelector(".vgcore");
            host.addEventListener("vgcore-frame", ({ detail }) => {
                const [rows, columns] = [detail.pictures[0].rows, detail.pictures[0].x.values];
                done([detail.turn, rows.length, columns.length, Array.from(detail.pictures[0].values)]);
            }, { once: true });
        })"""
        turn, first, length, _ = tab.evaluate(frames)
        _, second, _, _ = tab.evaluate(frames)
        assert second > first and length == 50
        slider = tab.locator("input[data-name=length]")
        slider.focus()
        tab.keyboard.press("Home")
        again, rows, length, values = tab.evaluate(frames)
        while again == turn:
            again, rows, length, values = tab.evaluate(frames)
        assert length == 10
        np.testing.assert_array_equal(values, trained(rows).time["cell"].ravel())
        tab.get_by_role("button", name="Pause").click()
        assert said == []


def trained(epochs: int) -> vg.GradientFlow:
    """What the example records of sequences of 10 timesteps."""
    x, y = vg.data.adding_problem(500, length=10, seed=0)
    model = vg.Sequential([vg.RNN(32, name="cell"), vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.compile("mse", "adam", clip_norm=1.0)
    flow = vg.GradientFlow(every=16)
    for _ in range(epochs):
        model.fit(x, y, track=flow, verbose=0)
    return flow


def test_what_cannot_be_drawn_is_told_and_a_class_alone_can_be_drawn() -> None:
    def frame(params: dict[str, Any]) -> Any:
        if params["whole"]:
            return vg.live.plane("P", [[0.5]], (0, 1), (0, 1), points=[[0.1, 0.2]], classes=[1])
        return {"key": "L", "kind": "lines"}

    live = vg.live.Page(frame, [vg.live.Switch("whole", True)])
    with browser() as chromium, Server(live, port=0) as server:
        tab = chromium.new_page()
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(server.url)
        tab.locator("figure .legend").wait_for()
        assert not tab.locator(".seen > .wrong").is_visible()
        tab.locator('[data-name="whole"]').click()
        tab.locator(".seen > .wrong").wait_for()
        assert "A picture cannot be drawn" in tab.locator(".seen > .wrong").inner_text()
        tab.locator('[data-name="whole"]').click()
        tab.locator(".seen > .wrong").wait_for(state="hidden")
        assert errors == []
