"""The playground in Chromium: what a reader does on it, and that its numbers are vgcore's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from browsers import browser
from tabs import Tab, close, measured, opened, read, trained, value

import vgcore as vg
from vgcore.live import networks
from vgcore.live.controls import Choice, Slider, Switch, Text, checked

SMALL = {"depth": 3, "width": 8, "length": 12}
TALL = {"width": 1300, "height": 1400}  # all that is measured is seen
OVER_LAYERS = "delta", "weight_grad", "update_ratio"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


def as_measured(tab: Tab, what: str, side: str = "now", which: int = 0) -> Any:
    """Wait until the pictures say of the last layer, of time and of the loss what vgcore measures; these."""
    course = trained(tab.settings[which], (tab.shown() or [1])[which])
    expected = [*(measured(course, field)[-1] for field in OVER_LAYERS), course.loss]
    keys = [*OVER_LAYERS]
    if course.task.in_time:
        expected.append(course.newest.time[course.layers[0]][-1][-1])
        keys.append("time")

    def told() -> list[float]:
        loss = tab.find(".states p").nth(which).inner_text().rpartition("loss ")[2]
        readings = tab.readings()
        said = [readings.get(key, {}).get(side, np.nan) for key in keys]
        return [*said[:3], value(loss), *said[3:]]

    tab.until(lambda: close(told(), expected), f"{what}: {keys}, loss of {expected}")
    return np.array(expected)


def moves(tab: Tab, control: Any) -> Iterator[tuple[Any, Any]]:
    """All that a reader does to a control, and the value that it has then; None: whatever it says."""
    knob = tab.control(control.name)
    if isinstance(control, Slider):
        kind, before = int if control.integer else float, knob.input_value()
        yield lambda: knob.press("End"), kind(control.high)
        yield lambda: knob.press("Home"), kind(control.low)
        yield lambda: knob.press("ArrowRight"), None
        yield lambda: knob.fill(before), None
    elif isinstance(control, Choice):
        for name in [*control.options][::-1]:
            yield lambda name=name: knob.select_option(name), name
        yield lambda: knob.select_option(control.default), control.default
    elif isinstance(control, Switch):
        yield knob.click, not control.value
        yield lambda: knob.press("Space"), control.value
    else:
        assert isinstance(control, Text)
        yield lambda: knob.fill("tanh(z) + 0.1 * z"), "tanh(z) + 0.1 * z"


def make_shown(tab: Tab, control: Any, wanted: Any) -> list[Any]:
    """Give other controls the values that one is shown with; what takes them back."""
    back = []
    for name, some in wanted.items():
        if name == "data" or tab.settings[0][name] in some:
            continue
        assert not tab.knob(control.name).is_visible()
        knob = tab.control(name)
        if some == [True]:
            tab.restarted(knob.click)
            back.append(knob.click)
        else:
            back.append(partial(knob.select_option, tab.settings[0][name]))
            tab.restarted(partial(knob.select_option, some[0]))
    return back


@pytest.mark.parametrize("data", ["circles", "adding"])
def test_every_control_moves_the_pictures_to_what_vgcore_measures(chromium: Any, data: str) -> None:
    with opened(chromium, vg.live.playground(data=data, clip=0.01, **SMALL), viewport=TALL) as tab:
        tab.paused()
        for control in networks.CONTROLS[1:]:
            wanted = [
                some for some in control.conditions or [{}] if data in some.get("data", [data])
            ]
            if not wanted:
                assert not tab.knob(control.name).is_visible()
                continue
            back = make_shown(tab, control, wanted[0])
            tab.step(1)
            numbers, changed = as_measured(tab, "a step more"), False
            for move, wanted in moves(tab, control):
                before, old, drawn = tab.settings[0], numbers, tab.drawn()
                tab.restarted(move)
                now = tab.settings[0]
                assert {**before, control.name: now[control.name]} == now
                assert now[control.name] == control.checked(now[control.name])
                assert wanted is None or now[control.name] == wanted
                if isinstance(control, Slider):
                    assert close(read(f": x {tab.told(control.name)}")["x"], now[control.name])
                what = f"{control.name} {now[control.name]}"
                numbers = as_measured(tab, what)
                if not np.allclose(numbers, old, rtol=0.05, atol=0):  # by more than a pixel or two
                    changed = True
                    tab.until(lambda drawn=drawn: tab.drawn() != drawn, f"other pictures: {what}")
            assert changed, control.name
            for move in back:
                tab.restarted(move)


def test_every_data_set_is_what_vgcore_measures(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(**SMALL), viewport=TALL) as tab:
        tab.paused()
        for name in networks.TASKS:
            tab.restarted(lambda name=name: tab.control("data").select_option(name))
            as_measured(tab, name)
            tab.picture("prediction").wait_for()
            assert tab.picture("time").is_visible() == networks.TASKS[name].in_time


def test_a_slider_takes_any_value_that_is_set(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(data="circles", **SMALL)) as tab:
        tab.paused()
        depth = tab.control("depth")
        tab.restarted(lambda: depth.fill("6"))
        assert tab.told("depth") == "7" and tab.settings[0]["depth"] == 7
        depth.focus()
        for key, wanted in (("ArrowRight", 8), ("ArrowUp", 9), ("ArrowLeft", 8), ("ArrowDown", 7)):
            tab.restarted(lambda key=key: tab.page.keyboard.press(key))
            assert tab.settings[0]["depth"] == wanted
        assert depth.get_attribute("aria-valuetext") == "7"
        tab.restarted(lambda: tab.find(".mark").click())
        assert tab.settings[0]["sigma_w"] == 1.0 and tab.told("sigma_w") == "1"


@pytest.mark.parametrize(
    "settings",
    [
        {"data": "moons", "depth": 4, "width": 9, "norm": "LayerNorm", "skips": True},
        {"data": "adding", "length": 15, "width": 6, "cell": "LSTM", "layers": 2},
    ],
    ids=["still", "in time"],
)
def test_the_numbers_of_pictures_are_those_of_the_copied_lines(
    chromium: Any, settings: dict[str, Any]
) -> None:
    with opened(chromium, vg.live.playground(batch=512, **settings)) as tab:
        tab.paused()
        tab.restarted(lambda: tab.press("Reset"))
        tab.step(5)
        tab.press("Copy as Python")
        lines = tab.find("dialog pre").inner_text()
        names: dict[str, Any] = {}
        exec(lines.replace("flow.plot()", ""), names)
        flow, model = names["flow"], names["model"]
        tab.find("dialog button").click()
        assert not tab.find("dialog").is_visible()
        assert model.step == 6 == tab.shown()[0]
        own = [i for i, name in enumerate(flow.layers) if re.search(r"(dense|lstm)\d+$", name)]
        for field in OVER_LAYERS:  # pictures that have no room in a frame come with the next
            as_recorded(tab, field, getattr(flow, field)[-1, own])
            assert close(tab.table(field)["at the start"], getattr(flow, field)[0, own])
        as_recorded(tab, "loss", flow.loss)
        if flow.gates:
            as_recorded(tab, "time", flow.time["lstm1"][-1])
            x, y = names["x"][:24], names["y"][:24, 0]
            order = np.argsort(y, kind="stable")
            assert close(tab.table("prediction")["target"], y[order])
            expected = model.predict(x)[order, 0]
            tab.until(
                lambda: close(tab.table("prediction")["network"], expected), "its predictions"
            )
        else:
            held = trained(tab.settings[0], 1).record().distribution("activation")
            own = [i for i, name in enumerate(held.layers) if re.search(r"dense\d+$", name)]
            share = np.vstack([held.zero[0, own], held.counts[0, own].T]) / held.total[0, own]
            shown = np.ceil(100 * share) / 100
            tab.until(
                lambda: close(np.nan_to_num([*tab.table("activations").values()]), shown),
                "its histogram",
            )
            reach = np.ceil(np.abs(names["x"]).max() * 10.5) / 10
            at = ((np.arange(32) + 0.5) / 16 - 1) * reach
            grid = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2).astype(np.float32)
            expected = model.predict(grid)[:, 1].reshape(32, 32)

            def plane() -> Any:
                return np.array([*tab.table("prediction").values()])

            tab.until(lambda: np.abs(plane() - expected).max() < 1.01 / 255, "its boundary")


def as_recorded(tab: Tab, key: str, values: Any) -> None:
    tab.until(lambda: close(tab.table(key)["now"], values), f"{key} as recorded")


def beside(tab: Tab, key: str) -> bool:
    """Whether a picture of network A stands left of that of B."""
    one, other = (tab.picture(f"{key}{side}").bounding_box() for side in "AB")
    return one["y"] == other["y"] and one["x"] + one["width"] < other["x"]


def test_two_networks_are_compared(chromium: Any) -> None:
    low = {"width": 1300, "height": 600}  # where most pictures are out of sight
    with opened(chromium, vg.live.playground(data="circles", **SMALL), viewport=low) as tab:
        tab.paused()
        compare = tab.find('[data-name="compare"]')
        tab.restarted(compare.check)
        first, second = tab.settings
        assert first == second
        assert (
            tab.page.get_by_role("tab", name="Network B").get_attribute("aria-selected") == "true"
        )
        assert tab.control("depth", 1).is_visible() and not tab.control("depth").is_visible()
        told = tab.until(
            lambda: tab.reading("delta").get("B") and tab.reading("delta"), "two lines"
        )
        assert told["A"] == told["B"]
        for key in ("prediction", "activations", "gradients"):
            tab.picture(f"{key}B").wait_for()
            tab.until(partial(beside, tab, key), f"{key} of both side by side")
            assert tab.picture(key).count() == 0
        tab.page.set_viewport_size(TALL)
        tab.restarted(lambda: tab.control("activation", 1).select_option("relu"))
        assert tab.settings == [first, {**first, "activation": "relu"}]
        as_measured(tab, "A", "A", 0)
        as_measured(tab, "B", "B", 1)
        assert tab.reading("delta")["A"] == told["A"] != tab.reading("delta")["B"]
        tab.restarted(lambda: tab.control("noise", 1).fill("30"))  # data are of both
        tab.page.get_by_role("tab", name="Network A").click()
        assert tab.told("noise") == tab.told("noise", 1) == "0.3"
        tab.restarted(lambda: tab.control("data").select_option("moons"))
        assert [each["data"] for each in tab.settings] == ["moons", "moons"]
        tab.restarted(lambda: tab.control("width").press("End"))
        assert [each["width"] for each in tab.settings] == [512, 8]
        tab.step(3)
        as_measured(tab, "A", "A", 0)
        as_measured(tab, "B", "B", 1)
        tab.restarted(compare.uncheck)
        tab.picture("prediction").wait_for()
        assert tab.settings == [{**first, "noise": 0.3, "data": "moons", "width": 512}]
        assert tab.picture("predictionB").count() == tab.find(".pair").count() == 0
        assert tab.find(".states p").count() == 1
        as_measured(tab, "one network")


def test_every_scene_begins_with_its_lesson(chromium: Any) -> None:
    with opened(chromium) as tab:
        chooser = tab.find('[data-name="scene"]')
        for name, scene in vg.live.SCENES.items():
            tab.restarted(lambda name=name: chooser.select_option(name), still=False)
            assert tab.find(".lesson").inner_text() == scene.lesson
            first = checked(networks.CONTROLS, scene.settings)
            other = [] if scene.other is None else [{**first, **scene.other}]
            assert tab.settings == [first, *other]
            tab.until(lambda: min(tab.shown() or [0]) > 1, "training")
            assert tab.find(".states p").count() == len(tab.settings)
            assert not tab.find(".wrong >> visible=true").count()
            assert tab.find(".toolbar button").first.inner_text() == "Pause"
        tab.until(lambda: f"scene={name}" in tab.page.evaluate("location.hash"), "its hash")


def test_a_verdicts_button_is_a_cure(chromium: Any) -> None:
    with opened(chromium, vg.live.playground("sigmoid_depth")) as tab:
        tab.find(".verdict.ill").get_by_text("vanishes").wait_for()
        before = tab.settings

        def kept() -> float:
            found = tab.table("delta")["A"]
            return found[0] / found[-2]

        assert kept() < 1e-3
        cure = tab.find(".cure").first
        assert cure.inner_text() == "relu, He starts"
        tab.restarted(cure.click, still=False)
        assert tab.settings == [
            {**before[0], "activation": "relu", "start": "he_normal"},
            before[1],
        ]
        tab.until(lambda: kept() > 0.05, "a gradient that arrives")
        tab.until(lambda: "vanishes" not in tab.find(".verdicts").inner_text(), "another verdict")
