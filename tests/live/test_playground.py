"""The playground without its page: what it sends is what vgcore measures, whatever the page asks for."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import vgcore as vg
from vgcore.diagnosis.changes import CHANGES
from vgcore.live import cures, networks, page, sights
from vgcore.live.controls import Choice, Slider, Switch, Text, checked
from vgcore.live.course import Course
from vgcore.live.packing import unpack
from vgcore.live.tasks import TASKS
from vgcore.theory.meanfield import critical

SMALL = {"depth": 3, "width": 8, "length": 12}


class Tab:
    """A page that is open."""

    def __init__(self, live: Any, name: str = "tab") -> None:
        self.live, self.name, self.turn = live, name, 0

    def ask(self, *settings: dict[str, Any], **params: Any) -> dict[str, Any]:
        """A frame of new settings, or of those that there are."""
        if settings:
            self.settings, self.turn = list(settings), self.turn + 1
        given = {"session": self.name, "turn": self.turn, "settings": self.settings, **params}
        frame: dict[str, Any] = unpack(self.live.frame(given))
        return frame


@pytest.fixture
def tab() -> Tab:
    return Tab(vg.live.playground())


def picture(frame: dict[str, Any], key: str) -> dict[str, Any]:
    return next(each for each in frame["pictures"] if each["key"] == key)


def line(frame: dict[str, Any], key: str, name: str = "now") -> Any:
    return next(each for each in picture(frame, key)["lines"] if each["name"] == name)["values"]


def train(tab: Tab, steps: int, *settings: dict[str, Any]) -> dict[str, Any]:
    """Frames until so many steps are done."""
    frame = tab.ask(*settings, steps=1)
    while frame["states"][0]["step"] < steps:
        frame = tab.ask(steps=min(steps - frame["states"][0]["step"], 7), seconds=0.1)
    return frame


def settled(tab: Tab, key: str) -> dict[str, Any]:
    """A picture that takes its time, while nothing trains."""
    while True:
        for each in tab.ask(steps=0)["pictures"]:
            if each["key"] == key:
                return dict(each)


@pytest.mark.parametrize(
    "settings",
    [
        {"data": "moons", "activation": "formula", "norm": "BatchNorm", "batch": 40},
        {"data": "xor", "skips": True, "sigma_b": 0.2, "optimizer": "Adam", "start": "he_normal"},
        {"data": "sine", "norm": "LayerNorm", "skips": True, "rate": 0.01},
        {"data": "digits", "activation": "gelu", "batch": 100},
        {"data": "adding", "cell": "LSTM", "layers": 2, "forget_bias": 2.5, "clipped": True},
        {"data": "copy", "cell": "GRU", "length": 30, "rate": 0.003},
        {"data": "temporal_order", "cell": "RNN", "activation": "relu", "start": "orthogonal"},
    ],
)
def test_the_copied_lines_do_what_the_page_does(tab: Tab, settings: dict[str, Any]) -> None:
    given = {**SMALL, **settings}
    batch = checked(networks.CONTROLS, given)["batch"]
    steps = 3 * -(-512 // batch)
    frame = train(tab, steps, given)
    [code] = tab.ask(want="code")["code"]
    names: dict[str, Any] = {}
    exec(code.rpartition("\n")[0], names)
    flow, model = names["flow"], names["model"]
    assert model.step == steps == frame["states"][0]["step"]
    columns = [
        i for i, name in enumerate(flow.layers) if re.search(r"(dense|rnn|lstm|gru)\d+$", name)
    ]
    for field in ("delta", "weight_grad", "update_ratio"):
        first, *_, last = getattr(flow, field)[:, columns].astype(np.float32)
        np.testing.assert_array_equal(line(frame, field), last)
        np.testing.assert_array_equal(line(frame, field, "at the start"), first)
    np.testing.assert_array_equal(line(frame, "loss"), flow.loss.astype(np.float32))
    if flow.gates:
        walk = next(iter(flow.gates))
        np.testing.assert_array_equal(line(frame, "time"), flow.time[walk][-1].astype(np.float32))
    course = tab.live._sessions["tab"].held["run"].courses[0]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(course.model.state_dict()[name], value)


def ends(control: Any) -> list[Any]:
    """The values of a control that are most apart."""
    if isinstance(control, Slider):
        kind = int if control.integer else float
        return [kind(control.low), kind(control.high)]
    if isinstance(control, Choice):
        return list(control.options)
    return [True, False] if isinstance(control, Switch) else ["z", "tanh(z) + 0.1 * z"]


@pytest.mark.parametrize("control", networks.CONTROLS, ids=lambda control: control.name)
def test_every_value_of_every_control_makes_a_frame(tab: Tab, control: Any) -> None:
    condition = control.conditions[0] if control.conditions else {}
    where = {name: some[0] for name, some in condition.items()}
    for value in ends(control):
        if (control.name, value) in (("width", 512), ("depth", 100)):
            where["batch"] = 8
        frame = tab.ask({**SMALL, **where, control.name: value}, seconds=0.002)
        assert "error" not in frame, (control.name, value, frame["error"])
        keys = [each["key"] for each in frame["pictures"]]
        assert set(keys) <= set(frame["keys"]) and len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", vg.live.SCENES)
def test_a_scene_is_a_lesson_of_three_sentences_with_settings_that_run(tab: Tab, name: str) -> None:
    scene = vg.live.SCENES[name]
    assert len(re.findall(r"[.?](?= |$)", scene.lesson)) == 3
    settings = [scene.settings]
    if scene.other is not None:
        assert scene.other.keys() <= {each.name for each in networks.CONTROLS}
        settings.append({**scene.settings, **scene.other})
    frame = tab.ask(*settings)
    assert "error" not in frame
    assert len(frame["states"]) == len(settings)
    for _ in range(3):
        frame = tab.ask()
    assert "error" not in frame
    assert frame["states"][0]["step"] > 0


def test_two_networks_see_the_same_steps(tab: Tab) -> None:
    own = {**SMALL, "data": "circles"}
    tab.ask(own, {**own, "width": 200})
    for _ in range(20):
        first, second = tab.ask(seconds=0.02)["states"]
        assert abs(first["step"] - second["step"]) <= 0.5 * max(first["step"], second["step"]) + 20
    alone = Tab(vg.live.playground())
    steps = first["step"]
    np.testing.assert_array_equal(
        line(train(alone, steps, own), "loss")[:5], line(tab.ask(steps=0), "loss", "A")[:5]
    )


def test_a_verdict_comes_with_cures_that_are_settings(tab: Tab) -> None:
    ill = {
        "data": "circles",
        "depth": 12,
        "width": 20,
        "activation": "sigmoid",
        "start": "xavier_normal",
    }
    train(tab, 30, ill)
    time.sleep(0.5)
    [verdict] = tab.ask(steps=0)["verdicts"]
    assert verdict["ill"] and "vanishes" in verdict["text"]
    cure = verdict["cures"][0]["settings"]
    frame = train(tab, 30, {**ill, **cure})
    ratio = line(frame, "delta")[0] / line(frame, "delta")[-1]
    assert ratio > 1e-2


def test_cures_are_changes_of_the_catalogue_and_values_of_controls() -> None:
    assert cures.SETTINGS.keys() <= CHANGES.keys()
    for data in ("spirals", "adding"):
        values = checked(networks.CONTROLS, {"data": data})
        for make in cures.SETTINGS.values():
            checked(networks.CONTROLS, {**values, **make(values)})


@pytest.mark.parametrize(("bias", "opened"), [(-2, 1), (0, 2), (2, 4), (4.5, 5), (5, 5)])
def test_forget_gates_are_opened_more(bias: float, opened: float) -> None:
    values = checked(networks.CONTROLS, {"data": "adding", "cell": "LSTM", "forget_bias": bias})
    assert cures.SETTINGS["forget_bias"](values) == {"forget_bias": opened}


def test_the_playground_offers_no_activation_to_cells_of_their_own() -> None:
    known = {each.name: each for each in networks.CONTROLS}
    for data, cell, shown in (
        ("moons", "LSTM", True),
        ("adding", "RNN", True),
        ("adding", "LSTM", False),
        ("adding", "GRU", False),
    ):
        values = checked(networks.CONTROLS, {"data": data, "cell": cell, "activation": "formula"})
        assert known["activation"].is_shown(values) == shown
        assert known["formula"].is_shown(values) == shown


def test_that_training_goes_on_is_no_verdict() -> None:
    scene = vg.live.SCENES["sigmoid_depth"]
    values = checked(networks.CONTROLS, scene.settings)
    course = Course(values)
    course.train(10.0, 20, lambda: False)
    found = course.record().diagnose()
    told = cures.told(found, values)
    assert told["ill"] and told["text"].startswith("The gradient vanishes")
    last = replace(found.findings[0], symptom="not_trained_long", ill=False)  # it trains on
    healthy = cures.told(replace(found, findings=(last,)), values)
    assert healthy["text"].startswith("No symptom") and not healthy["cures"]
    learned = cures.told(found, values, learned=True)
    assert not learned["ill"] and learned["text"].startswith(
        "It has learned all the same. The grad"
    )


def test_theory_is_what_predict_says_at_the_scale_of_the_first_step(tab: Tab) -> None:
    own = {**SMALL, "depth": 12, "width": 40, "data": "circles", "sigma_w": 1.3}
    values = checked(networks.CONTROLS, own)
    course = Course(values)
    expected = vg.theory.predict(networks.built(values, course.x), course.x[:32]).of("delta")[0]
    frame = tab.ask(own)
    while len(told := picture(frame, "delta")["lines"]) < 3:
        frame = tab.ask(seconds=0.01, steps=1)
    theory = told[-1]
    assert theory["look"]["hue"] == "theory"
    seen = line(frame, "delta", "at the start")
    np.testing.assert_allclose(theory["values"], expected * seen[-1] / expected[-1], rtol=1e-6)


def test_theory_keeps_silent_where_forget_gates_start_otherwise(tab: Tab) -> None:
    own = {"data": "adding", "length": 8, "width": 6, "cell": "LSTM"}
    for bias, lines in ((1.0, 2), (3.0, 1)):
        frame = tab.ask({**own, "forget_bias": bias})
        while frame["more"]:
            frame = tab.ask(seconds=0.01, steps=0)
        assert len(picture(tab.ask(steps=0), "time")["lines"]) == lines


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_the_edge_of_chaos_is_marked(tab: Tab, activation: str) -> None:
    for other in (
        {"norm": "LayerNorm"},
        {"skips": True},
        {"data": "adding"},
        {"start": "he_normal"},
    ):
        assert tab.ask({**SMALL, "activation": activation, **other})["marks"] == [{}]
    [marks] = tab.ask({**SMALL, "activation": activation})["marks"]
    assert marks["sigma_w"]["at"] == critical(activation).sigma_w


def test_histograms_are_the_recorded_distribution(tab: Tab) -> None:
    train(tab, 1, {**SMALL, "data": "circles"})
    told = settled(tab, "activations")
    course = tab.live._sessions["tab"].held["run"].courses[0]
    recorded = course.record().distribution("activation")
    columns = [recorded.layers.index(name) for name in course.layers]
    counts = np.hstack([recorded.zero[0, columns, None], recorded.counts[0, columns]]).T
    share = counts / recorded.total[0, columns]
    np.testing.assert_array_equal(told["values"], np.ceil(100 * share))
    assert len(told["rows"]) == len(share)


def test_the_plane_is_what_the_network_predicts(tab: Tab) -> None:
    train(tab, 5, {**SMALL, "data": "xor"})
    told = settled(tab, "prediction")
    course = tab.live._sessions["tab"].held["run"].courses[0]
    (low, high), (rows, columns) = told["x"], told["size"]
    at = low + (np.arange(columns) + 0.5) / columns * (high - low)
    for row, column in ((0, 0), (3, 20), (rows - 1, columns - 1)):
        x = np.array([[at[column], at[row]]], np.float32)
        assert abs(told["values"][row, column] - 255 * course.model.predict(x)[0, 1]) <= 1


@pytest.mark.parametrize(
    "settings",
    [
        [{"depth": 10, "width": 30}],
        [{"depth": 50, "width": 100}],
        [{"depth": 100, "width": 30}, {"depth": 100, "width": 30, "activation": "relu"}],
        [{"data": "adding", "length": 500, "cell": cell} for cell in ("RNN", "LSTM")],
    ],
)
def test_frames_are_small_and_bring_all_pictures(tab: Tab, settings: Any) -> None:
    given = {"session": "tab", "turn": 1, "settings": settings}
    came: set[str] = set()
    for _ in range(60):
        data = tab.live.frame(given)
        assert len(data) <= 20_000
        frame = unpack(data)
        came |= {each["key"] for each in frame["pictures"]}
        if came == set(frame["keys"]):
            break
        time.sleep(0.02)  # pictures that run the network have a share of the time
    assert came == set(frame["keys"])


def test_a_long_training_keeps_a_short_record() -> None:
    course = Course(checked(networks.CONTROLS, {"depth": 1, "width": 2, "batch": 1}))
    course.train(10.0, 1500, lambda: False)
    record = course.record()
    assert course.step == 1500
    assert 64 <= len(record) < 200
    assert record.step[0] == 0 and len(set(np.diff(record.step))) == 1


def test_training_ends_where_the_loss_is_not_finite(tab: Tab) -> None:
    own = {"data": "sine", "activation": "identity", "sigma_w": 12.0, "rate": 10.0, "depth": 20}
    for _ in range(20):
        frame = tab.ask(*([own] if not tab.turn else []))
    [state] = frame["states"]
    assert state["broken"] and isinstance(state["loss"], str)
    assert tab.ask()["states"][0]["step"] == state["step"]
    assert "error" not in frame


@pytest.mark.parametrize(
    ("settings", "control", "message"),
    [
        ({"activation": "formula", "formula": "z +"}, "formula", "cannot be read"),
        ({"activation": "formula", "formula": "open('x')"}, "formula", "expected"),
        ({"depth": 101}, "depth", "at most 100"),
        ({"depth": 2.5}, "depth", "expected an integer"),
        ({"depth": True}, "depth", "expected an integer"),
        ({"rate": "fast"}, "rate", "expected a number"),
        ({"sigma_w": 1e9}, "sigma_w", "at most 12"),
        ({"data": "iris"}, "data", "expected one of"),
        ({"skips": 1}, "skips", "expected True or False"),
        ({"formula": "z" * 1000}, "formula", "at most 200"),
        ({"speed": 1}, "", "got 'speed'"),
        ([], "", "expected names and values"),
        ({"norm": "BatchNorm", "batch": 1}, "batch", "at least 2 samples"),
        ({"norm": "BatchNorm", "batch": 73}, "batch", "73, which of 512 samples leaves 1"),
        (
            {
                "data": "adding",
                "cell": "LSTM",
                "width": 512,
                "length": 500,
                "batch": 512,
                "layers": 5,
            },
            "width",
            "fits into",
        ),
    ],
)
def test_what_cannot_be_is_told_and_the_rest_goes_on(
    tab: Tab, settings: Any, control: str, message: str
) -> None:
    error = tab.ask(settings)["error"]
    assert message in error["message"] and error.get("control", "") == control
    error = tab.ask(SMALL, settings)["error"]
    assert error.get("side", 0) == (
        1 if control or isinstance(settings, list) else error.get("side", 0)
    )
    assert "error" not in tab.ask(SMALL)


@pytest.mark.parametrize(
    "params",
    [
        None,
        [],
        {"settings": 3},
        {"settings": [{}, {}, {}]},
        {"turn": -1},
        {"turn": "x"},
        {"seconds": 1e9},
        {"seconds": float("nan")},
        {"steps": -1},
        {"show": 3},
    ],
)
def test_params_of_another_kind_are_told(tab: Tab, params: Any) -> None:
    assert "error" in unpack(tab.live.frame(params))


def test_what_was_asked_before_ends_early(tab: Tab) -> None:
    slow = {"depth": 60, "width": 200, "batch": 256}
    tab.ask(slow)
    session = tab.live._sessions["tab"]
    old: list[Any] = []
    asked = {"session": "tab", "turn": 1, "settings": [slow], "seconds": 0.1}
    with session.lock:  # as while a frame is made
        waiting = threading.Thread(target=lambda: old.append(unpack(tab.live.frame(asked))))
        waiting.start()
        newer = {"session": "tab", "turn": 2, "settings": [SMALL], "seconds": 0.001}
        asking = threading.Thread(target=tab.live.frame, args=(newer,))
        asking.start()
        while session.newest < 2:
            pass
    waiting.join()
    asking.join()
    assert old == [{"superseded": True}]


def test_tabs_have_networks_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_QUIET", 0.0)
    live = vg.live.playground()
    first, second = Tab(live, "first"), Tab(live, "second")
    train(first, 20, SMALL)
    assert second.ask(SMALL, steps=1)["states"][0]["step"] == 1
    assert first.ask(steps=1)["states"][0]["step"] == 21
    for i in range(20):
        Tab(live, f"other {i}").ask(SMALL, steps=1)
    assert len(live._sessions) <= 16
    assert first.ask(steps=1)["states"][0]["step"] == 1  # it was quiet for longest: it begins anew
    monkeypatch.setattr(page, "_QUIET", 60.0)
    told = unpack(live.frame({"session": "one more", "turn": 0, "settings": [SMALL]}))
    assert "at most 16 that train at once" in told["error"]["message"]
    assert first.ask(steps=1)["states"][0]["step"] == 2


def test_a_page_that_was_left_is_forgotten_whatever_comes_late(tab: Tab) -> None:
    tab.ask(SMALL)
    assert unpack(tab.live.frame({"session": "tab", "leaves": True})) == {}
    assert "was left" in tab.ask()["error"]["message"]
    assert not tab.live._sessions


def test_an_interrupted_frame_says_so(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    tab.ask(SMALL)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Course, "train", interrupted)
        assert "interrupted" in tab.ask()["error"]["message"]
    assert "error" not in tab.ask()


def test_only_what_is_seen_is_sent(tab: Tab) -> None:
    tab.ask(SMALL)
    frame = tab.ask(show=["loss", "activations"])
    assert {each["key"] for each in frame["pictures"]} <= {"loss", "activations"}
    assert set(frame["keys"]) == {*sights.OVER_BOTH, *sights.OF_EACH} - {"time"}


def test_what_lacks_is_asked_for_by_its_own_key(tab: Tab) -> None:
    tab.ask(SMALL)
    frame = tab.ask(SMALL, {**SMALL, "width": 9}, show=["delta", "predictionB"])
    assert [each["key"] for each in frame["pictures"]] == ["delta", "predictionB"]


def test_the_page_is_told_what_it_is_made_of() -> None:
    live = vg.live.playground("he_start", depth=12)
    told = unpack(live.frame({"page": True}))["page"]
    assert told["scene"] == "he_start" and [each["depth"] for each in told["begins"]] == [12, 12]
    assert [each["name"] for each in told["controls"]] == [each.name for each in networks.CONTROLS]
    assert {each["name"] for each in told["scenes"]} == set(vg.live.SCENES)


@pytest.mark.parametrize(
    ("args", "settings", "message"),
    [
        (["sigmoid"], {}, "scene: expected one of"),
        ([], {"deep": 3}, "settings: expected one of"),
        ([], {"depth": 1000}, "depth: expected an integer of at most 100"),
    ],
)
def test_a_playground_that_cannot_be_is_refused(args: Any, settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vg.live.playground(*args, **settings)


def test_tasks_are_those_of_the_controls() -> None:
    assert all(isinstance(each, Text | Slider | Choice | Switch) for each in networks.CONTROLS)
    for name in TASKS:
        values = checked(networks.CONTROLS, {"data": name})
        x, y = TASKS[name].arrays(values)
        assert len(x) == len(y) == 512
        assert x.flags.c_contiguous
