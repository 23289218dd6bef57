"""The explorer: its pictures show what `Sequential.internals` and the tracker give, of every layer."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import pytest
from browsers import browser

import vgcore as vg
from vgcore.live import kept
from vgcore.live.blocks import coarse, mosaic
from vgcore.live.packing import unpack
from vgcore.live.server import Server

RNG = np.random.default_rng(5)
MOST_BYTES = 20_000


class Case(NamedTuple):
    """A network, its data, and what was recorded while it trained."""

    model: vg.Sequential
    x: Any
    y: Any
    flow: vg.GradientFlow
    lengths: Any = None

    @property
    def page(self) -> Any:
        return vg.live.explore(self.model, self.x, self.y, self.flow, lengths=self.lengths)

    @property
    def inside(self) -> vg.flow.Internals:
        return self.model.internals(self.x, self.y, lengths=self.lengths)


def trained(layers: list[Any], shape: Any, x: Any, y: Any, loss: str, lengths: Any = None) -> Case:
    model = vg.Sequential(layers, input_shape=shape, seed=1)
    model.compile(loss, vg.Adam(0.01))
    flow = vg.GradientFlow(every=2, units=True)
    model.fit(x, y, epochs=3, batch_size=4, verbose=0, track=flow, lengths=lengths)
    return Case(model, x, y, flow, lengths)


def dense() -> Case:
    layers = [vg.Dense(7, "tanh"), vg.Dense(5, "relu"), vg.Dense(3, "softmax")]
    x, y = RNG.normal(size=(12, 6)), np.arange(12) % 3
    return trained(layers, 6, x, y, "sparse_categorical_crossentropy")


def conv() -> Case:
    layers = [
        *(vg.Conv2d(4, 3, activation="relu"), vg.MaxPool(2), vg.Conv2d(6, 2), vg.Flatten()),
        vg.Dense(2),
    ]
    return trained(layers, (2, 9, 8), RNG.normal(size=(8, 2, 9, 8)), RNG.normal(size=(8, 2)), "mse")


def recurrent() -> Case:
    layers = [
        vg.Bidirectional(vg.LSTM(5, return_sequences=True)),
        vg.GRU(4, return_sequences=True),
        vg.Dense(6, "tanh"),
        vg.RNN(3),
        vg.Dense(2),
    ]
    lengths = np.array([9, 4, 7, 1, 9, 2, 5, 8])
    x, y = RNG.normal(size=(8, 9, 3)), RNG.normal(size=(8, 2))
    return trained(layers, (9, 3), x, y, "mse", lengths)


def residual() -> Case:
    layers = [
        *(vg.Dense(6), vg.Residual([vg.Dense(6, "tanh"), vg.Dense(6)]), vg.BatchNorm()),
        *(vg.Highway("tanh"), vg.Dense(2)),
    ]
    return trained(layers, 3, RNG.normal(size=(8, 3)), RNG.normal(size=(8, 2)), "mse")


def words() -> Case:
    layers = [vg.Embedding(11, 4), vg.LSTM(5, return_sequences=True), vg.LSTM(3), vg.Dense(2)]
    x, y = RNG.integers(11, size=(8, 6)), RNG.normal(size=(8, 2))
    return trained(layers, (6,), x, y, "mse")


CASES = {make.__name__: make for make in (dense, conv, recurrent, residual, words)}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]()


def ask(page: Any, **params: Any) -> dict[str, Any]:
    data = page.frame({"turn": 1, **params})
    assert len(data) <= MOST_BYTES
    frame: dict[str, Any] = unpack(data)
    assert "error" not in frame, frame
    return frame


def shown(page: Any, **settings: Any) -> dict[str, Any]:
    """All pictures, by key, as a page gets them: of several frames; settings that it has not are left out."""
    known = {each.name for each in page.controls}
    settings = {name: value for name, value in settings.items() if name in known}
    found: dict[str, Any] = {}
    more = "at once"
    while more:
        held = {key: each["version"] for key, each in found.items()}
        frame = ask(page, settings=[settings], held=held)
        assert frame["pictures"] or not frame["more"]
        found |= {each["key"]: each for each in frame["pictures"]}
        more = frame["more"]
    assert list(found) == frame["keys"]
    return {**found, "ends": frame["ends"]}


def line(picture: dict[str, Any], name: str) -> Any:
    return next(each["values"] for each in picture["lines"] if each["name"] == name)


def of_quantity(inside: Any, quantity: str, gate: str) -> Any:
    """What `internals` has under a name of the explorer's."""
    if len(inside.gates) < 2:
        return getattr(inside, quantity)
    if quantity == "z":
        return np.split(inside.z, len(inside.gates), -1)[list(inside.gates).index(gate)]
    return {"gate": inside.gates, "delta": inside.dgates}.get(
        quantity, {gate: getattr(inside, quantity, None)}
    )[gate]


def test_maps_are_what_internals_gives(case: Case) -> None:
    page, inside = case.page, case.inside
    for layer in inside.layers:
        ends = shown(page, layer=layer)["ends"]
        for quantity in ends["quantity"]["options"]:
            for gate in ends["gate"]["options"] or [""]:
                settings = {"layer": layer, "quantity": quantity, "sample": 2, "timestep": 3}
                pictures = shown(page, **settings, **({"gate": gate} if gate else {}))
                values = of_quantity(inside[layer], quantity, gate)
                if values.ndim == 4:
                    flat = values.reshape(*values.shape[:2], -1)
                    largest = np.take_along_axis(flat, np.abs(flat).argmax(-1)[..., None], -1)
                    np.testing.assert_array_equal(pictures["samples"]["values"], largest[..., 0].T)
                    np.testing.assert_array_equal(pictures["image"]["values"], values[2, 0, ::-1])
                elif values.ndim == 3:
                    of_sample = np.nan_to_num(values[2].T)  # behind its end there is nothing
                    np.testing.assert_array_equal(pictures["timesteps"]["values"], of_sample)
                    none = pictures["timesteps"].get("none", np.zeros(values.shape[1]))
                    np.testing.assert_array_equal(none, np.isnan(values[2, :, 0]))
                    of_time = np.nan_to_num(values[:, 3].T)
                    np.testing.assert_array_equal(pictures["samples"]["values"], of_time)
                else:
                    assert "timesteps" not in pictures
                    np.testing.assert_array_equal(pictures["samples"]["values"], values.T)


def test_a_unit_is_told_with_its_gates(case: Case) -> None:
    page, inside = case.page, case.inside
    for layer in inside.layers:
        it = inside[layer]
        for quantity, sign in (("h", "h"), ("dh", "∂L/∂h"), ("c", "c"), ("dc", "∂L/∂c")):
            if getattr(it, quantity) is None:
                continue
            unit = shown(page, layer=layer, quantity=quantity, unit=1, sample=4)["unit"]
            values = getattr(it, quantity)
            if values.ndim == 2:
                np.testing.assert_array_equal(line(unit, sign), values[:, 1])
            elif values.ndim == 3:
                np.testing.assert_array_equal(line(unit, sign), values[4, :, 1])
                gates = it.gates if quantity in ("h", "c") else it.dgates
                for gate, of in gates.items() if len(gates) > 1 else ():
                    name = f"gate {gate}" if quantity in ("h", "c") else f"∂L/∂z of gate {gate}"
                    np.testing.assert_array_equal(line(unit, name), of[4, :, 1])


def test_weights_and_their_gradients(case: Case) -> None:
    page, state = case.page, case.model.state_dict()
    gradients = case.model.gradients(case.x, case.y, lengths=case.lengths)[1]
    seen = set()
    for layer in case.inside.layers:
        ends = shown(page, layer=layer)["ends"]
        for matrix in ends["weights"]["options"]:
            for gate in ends["gate"]["options"] or [""]:
                chosen = {"gate": gate} if gate else {}
                pictures = shown(page, layer=layer, weights=matrix, **chosen)
                name = next(
                    each
                    for each in state
                    if each.rpartition(".")[2].removesuffix("_reverse") == matrix
                    and each.startswith(layer.removesuffix(".forward").removesuffix(".backward"))
                    and ("backward" in layer) == each.endswith("_reverse")
                )
                seen.add(name)
                for key, of in (("weights", state), ("weight_grad", gradients)):
                    flat = of[name].reshape(len(of[name]), -1)
                    if name == "embedding1.weight":
                        flat = flat.T
                    gates = ends["gate"]["options"]
                    if "_ih" in name or "_hh" in name:
                        flat = np.split(flat, max(len(gates), 1))[gates.index(gate) if gate else 0]
                    np.testing.assert_array_equal(pictures[key]["values"], flat)
    assert seen == {name for name, each in state.items() if each.ndim > 1}


def test_the_record_is_shown_at_its_steps(case: Case) -> None:
    page, flow = case.page, case.flow
    steps = next(each for each in page.controls if each.name == "step")
    assert (steps.low, steps.high, steps.step) == (flow.step[0], flow.step[-1], 2)
    for row, step in enumerate(flow.step.tolist()):
        layers = shown(page, step=step + 1 if step < flow.step[-1] else step)["layers"]
        np.testing.assert_array_equal(layers["lines"][0]["values"], flow.delta[row])
        assert layers["x"]["names"] == flow.layers
    for column, layer in enumerate(flow.layers):
        pictures = shown(page, layer=layer, unit=1, step=2, field="weight_norm")
        norms = flow.weight_norm[:, column]
        np.testing.assert_array_equal(pictures["steps"]["lines"][0]["values"], norms)
        units = flow.unit_weight[layer][:, 1]
        np.testing.assert_array_equal(pictures["unit_steps"]["lines"][0]["values"], units)
        if layer in flow.time:
            np.testing.assert_array_equal(line(pictures["time"], "∂L/∂hₜ"), flow.time[layer][1])


def test_without_a_record_all_is_of_now() -> None:
    case = recurrent()
    page = vg.live.explore(case.model, case.x, case.y, lengths=case.lengths)
    now = case.model.gradient_flow(case.x, case.y, lengths=case.lengths)
    pictures = shown(page, layer="gru1")
    np.testing.assert_array_equal(pictures["layers"]["lines"][0]["values"], now.delta[0])
    np.testing.assert_array_equal(line(pictures["time"], "∂L/∂hₜ"), now.time["gru1"][0])
    assert "steps" not in pictures
    assert "step" not in {each.name for each in page.controls}


def test_every_control_goes_from_end_to_end(case: Case) -> None:
    page = case.page
    layers = case.inside.layers
    for control in page.controls:
        about = control.shown()
        if about["kind"] == "slider":
            values = [about["low"], about["high"]]
        else:
            values = [value for value, _ in about["options"]]
        pictures = {}
        for value in values:
            for layer in layers if control.name != "layer" else [value]:
                for scale in ("linear", "log"):
                    settings = {"layer": layer, "scale": scale, control.name: value}
                    pictures[layer, str(value)] = shown(page, **settings)
        assert len(pictures) >= len(layers)


def test_pictures_that_the_page_has_are_not_sent_again() -> None:
    page = dense().page
    pictures = shown(page, layer="dense1")
    held = {key: each["version"] for key, each in pictures.items() if key != "ends"}
    same = ask(page, settings=[{"layer": "dense1"}], held=held)
    assert same["pictures"] == []
    other = ask(page, settings=[{"layer": "dense1", "sample": 3}], held=held)
    assert other["pictures"] == []  # the cursor alone moves
    unit = ask(page, settings=[{"layer": "dense1", "unit": 3}], held=held)
    assert [each["key"] for each in unit["pictures"]] == ["unit_steps", "unit"]
    unseen = ask(page, settings=[{"layer": "dense1", "unit": 3}], held=held, show=["layers"])
    assert unseen["pictures"] == []


def test_the_network_is_shown_as_it_was() -> None:
    case = dense()
    inside, page = case.inside, case.page
    case.model.fit(case.x, case.y, epochs=2, verbose=0, track=case.flow)
    np.testing.assert_array_equal(shown(page)["samples"]["values"], inside["dense1"].h.T)
    assert next(each for each in page.controls if each.name == "step").high < case.flow.step[-1]


def test_layers_that_do_not_fit_are_looked_at_when_they_are_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = recurrent()
    some = case.model.internals(case.x[:1], case.y[:1], lengths=case.lengths[:1])
    monkeypatch.setattr(kept, "MEMORY", 2000)  # less than one layer of one sample has
    monkeypatch.setattr(kept, "LARGEST", 7000)  # more than one has, and less than all
    page = case.page
    assert "the first 1 of 8 samples" in page.about
    case.model.fit(case.x, case.y, epochs=1, verbose=0, lengths=case.lengths)
    for layer in some.layers:
        map_ = shown(page, layer=layer)["timesteps" if some[layer].h.ndim == 3 else "samples"]
        values = some[layer].h
        np.testing.assert_array_equal(map_["values"], values[0].T if values.ndim == 3 else values.T)


def test_so_many_samples_are_kept_as_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    case = dense()
    bytes_of_one = 4 * sum(4 * units for units in (7, 5, 3))  # h, z, delta, dh
    monkeypatch.setattr(kept, "MEMORY", 5 * bytes_of_one + 100)
    assert "the first 5 of 12 samples" in case.page.about
    monkeypatch.setattr(kept, "MEMORY", 2**28)
    monkeypatch.setattr(kept, "SAMPLES", 4)
    assert "the first 4 of 12 samples" in case.page.about


def naive(values: Any, rows: range, columns: range) -> Any:
    """Of each block the largest in magnitude, by loops."""
    found = np.empty((len(rows), len(columns)))
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            block = values[r : r + rows.step, c : c + columns.step].ravel()
            nan = np.isnan(block)
            found[i, j] = np.nan if nan.any() else block[np.argmax(np.abs(block))]
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(512, 500), (7, 1000), (1, 5000), (300, 1), (129, 64), (61, 59)])
def test_blocks_show_the_largest(shape: tuple[int, int], dtype: str) -> None:
    values = RNG.normal(size=shape).astype(dtype)
    values.flat[3], values.flat[-1], values.flat[values.size // 2] = -np.inf, np.inf, np.nan
    found = coarse(values)
    np.testing.assert_array_equal(found.values, naive(values, found.rows, found.columns))
    size = found.values.nbytes + (0 if found.at is None else found.at.nbytes)
    assert size <= 16_500
    if found.at is not None:
        for i, r in enumerate(found.rows):
            for j, c in enumerate(found.columns):
                down, across = divmod(int(found.at[i, j]), found.columns.step)
                np.testing.assert_array_equal(values[r + down, c + across], found.values[i, j])


def test_small_arrays_are_whole() -> None:
    values = RNG.normal(size=(40, 100)).astype(np.float32)
    assert coarse(values).whole
    assert coarse(values).values is values


@pytest.mark.parametrize(("count", "side"), [(1, 28), (3, 5), (16, 24), (64, 7), (300, 8)])
def test_a_mosaic_has_each_plane_in_its_place(count: int, side: int) -> None:
    planes = RNG.normal(size=(count, side, side)).astype(np.float32)
    found = mosaic(planes)
    assert found.values.nbytes + found.blank.size <= 16_500
    for place in range(found.shown):
        row, column = divmod(place, found.across)
        part = found.values[row * found.high :, column * found.wide :]
        tile = part[: found.high - 1, : found.wide - 1]
        blocks = range(0, side, found.block)
        np.testing.assert_array_equal(tile, naive(planes[place, ::-1], blocks, blocks))
    assert np.count_nonzero(~found.blank) == found.shown * tile.size
    assert found.shown == count or found.shown >= 100


def test_what_is_not_finite_is_sent_as_it_is() -> None:
    case = dense()
    state = case.model.state_dict()
    state["dense1.weight"][2] = np.inf
    state["dense2.bias"][1] = np.nan
    case.model.load_state_dict(state)
    inside, page = case.inside, case.page
    for layer in inside.layers:
        values = shown(page, layer=layer, quantity="z")["samples"]["values"]
        np.testing.assert_array_equal(values, inside[layer].z.T)
    assert np.isnan(values).any()


def test_large_networks_answer_at_once() -> None:
    deep = vg.Sequential(
        [*(vg.Dense(512, "relu") for _ in range(100)), vg.Dense(10, "softmax")],
        input_shape=64,
        seed=0,
    )
    deep.compile("sparse_categorical_crossentropy")
    wide = vg.Sequential([vg.LSTM(512), vg.Dense(1)], input_shape=(500, 2), seed=0)
    wide.compile("mse")
    x, y = vg.data.adding_problem(2, 500, seed=0)
    pages = [
        (vg.live.explore(deep, RNG.normal(size=(60, 64)), np.arange(60) % 10), "dense{}"),
        (vg.live.explore(wide, x, y), "lstm1"),
    ]
    for page, name in pages:
        took = []
        for i in range(25):
            settings = {"layer": name.format(4 * i + 1), "unit": 20 * i, "quantity": "delta"}
            if "lstm" in name:
                settings |= {"timestep": 19 * i, "gate": "ifgo"[i % 4], "sample": i % 2}
            held: dict[str, str] = {}
            more = "at once"
            while more:
                begin = time.thread_time()
                data = page.frame({"turn": 1, "settings": [settings], "held": held})
                took.append(time.thread_time() - begin)
                assert len(data) <= MOST_BYTES
                frame = unpack(data)
                held |= {each["key"]: each["version"] for each in frame["pictures"]}
                more = frame["more"]
        assert np.median(took) < 0.01
        assert len(held) == len(frame["keys"])


def test_bad_arguments() -> None:
    case = dense()
    model, x, y, flow, _ = case
    new = vg.Sequential([vg.Dense(3)], input_shape=6)
    with pytest.raises(RuntimeError, match="call compile"):
        vg.live.explore(new, x, y)
    with pytest.raises(TypeError, match="model: expected a Sequential, got"):
        vg.live.explore("model", x, y)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="x: expected"):
        vg.live.explore(model, x[:, :4], y)
    with pytest.raises(ValueError, match="y: expected"):
        vg.live.explore(model, x, y[:5])
    with pytest.raises(TypeError, match="y"):
        vg.live.explore(model, x, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="lengths: expected None"):
        vg.live.explore(model, x, y, lengths=[3] * 12)
    with pytest.raises(TypeError, match="flow: expected a GradientFlow, got"):
        vg.live.explore(model, x, y, [1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="flow: expected recorded steps, got none"):
        vg.live.explore(model, x, y, vg.GradientFlow())
    with pytest.raises(ValueError, match="flow: expected a record of this network"):
        vg.live.explore(model, x, y, conv().flow)
    page = case.page
    assert unpack(page.frame({"settings": [{"layer": "none"}]}))["error"]["control"] == "layer"
    assert unpack(page.frame({"settings": [{"unit": 7}]}))["error"]["control"] == "unit"
    assert "held" in unpack(page.frame({"settings": [{}], "held": 3}))["error"]["message"]
    assert flow.layers == case.inside.layers


class Tab:
    """The page in a browser, wide as a phone or a laptop."""

    def __init__(self, chromium: Any, url: str, width: int = 1200, **how: Any) -> None:
        self.page = chromium.new_page(viewport={"width": width, "height": 1000}, **how)
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(url)
        self.picture("layers").wait_for()
        self.settle()

    def picture(self, key: str) -> Any:
        return self.page.locator(f"figure[data-key={key}]")

    def settle(self) -> None:
        """Wait until nothing is under way, and what was drawn is told."""
        self.page.wait_for_timeout(400)

    def click(self, key: str, across: float, up: float) -> None:
        """Click at shares of the canvas."""
        canvas = self.picture(key).locator("canvas")
        canvas.scroll_into_view_if_needed()
        area = canvas.bounding_box()
        canvas.click(position={"x": across * area["width"], "y": (1 - up) * area["height"]})
        self.settle()

    def press(self, key: str, *strokes: str) -> None:
        canvas = self.picture(key).locator("canvas")
        canvas.focus()
        for stroke in strokes:
            canvas.press(stroke)
        self.settle()

    def told(self, key: str, where: str = ".readout") -> str:
        """What is read at the cursor; a picture is drawn anew when it is seen."""
        self.page.mouse.move(0, 0)
        self.picture(key).scroll_into_view_if_needed()
        self.settle()
        return str(self.picture(key).locator(where).inner_text())

    def title(self, key: str) -> str:
        return self.told(key, "strong")

    def choice(self, name: str) -> str:
        return str(self.page.locator(f"[data-name={name}]").input_value())

    def slider(self, name: str) -> int:
        knob = self.page.locator(".knob", has=self.page.locator(f"[data-name={name}]"))
        return int(knob.locator("output").text_content())


def number(text: str) -> float:
    """The last number of a readout."""
    return float(text.split()[-1].replace("\u2212", "-"))


@pytest.fixture(scope="module")
def chromium() -> Any:
    with browser() as running:
        yield running


def test_clicks_choose_what_all_pictures_show(chromium: Any) -> None:
    case = recurrent()
    inside, flow = case.inside, case.flow
    with Server(case.page, port=0) as server:
        tab = Tab(chromium, server.url)
        assert tab.choice("layer") == "bidirectional1.forward"
        tab.click("layers", 0.97, 0.8)
        assert tab.choice("layer") == "dense2"
        assert not tab.picture("timesteps").count()
        assert tab.title("samples") == "Outputs h of dense2"
        tab.press("layers", "Home", "ArrowRight", "ArrowRight")
        assert tab.choice("layer") == "gru1"
        h = inside["gru1"].h
        tab.click("timesteps", 0.3, 0.6)
        unit, timestep = tab.slider("unit"), tab.slider("timestep")
        assert unit in (2, 3)
        assert 1 <= timestep <= 3
        read = tab.told("timesteps")
        assert read.startswith(f"timestep {timestep}: unit {unit} ")
        assert number(read) == pytest.approx(h[0, timestep, unit], rel=1e-3)
        assert tab.title("unit") == f"Unit {unit} of gru1"
        tab.press("unit", "End")
        assert tab.slider("timestep") == 8
        tab.click("samples", 0.5, 0.9)
        sample = tab.slider("sample")
        assert 3 <= sample <= 5
        assert tab.slider("unit") == 3
        read = tab.told("samples")
        assert (
            "none" in read
            if sample in (3, 5)
            else number(read) == pytest.approx(h[4, 8, 3], rel=1e-3)
        )
        tab.press("steps", "Home", "ArrowRight")
        assert tab.slider("step") == 2
        read = tab.told("layers")
        assert read.startswith("gru1: at step 2")
        assert number(read) == pytest.approx(flow.delta[1, flow.layers.index("gru1")], rel=1e-3)
        tab.press("weights", "ArrowDown")
        assert tab.slider("unit") == 2
        tab.page.reload()
        tab.picture("layers").wait_for()
        tab.settle()
        assert (tab.choice("layer"), tab.slider("step"), tab.slider("unit")) == ("gru1", 2, 2)
        assert tab.said == []


def test_a_click_on_a_block_chooses_what_it_shows(chromium: Any) -> None:
    x, y = RNG.normal(size=(400, 5)), RNG.normal(size=(400, 2))
    case = trained([vg.Dense(300, "tanh"), vg.Dense(2)], 5, x, y, "mse")
    h = case.inside["dense1"].h
    with Server(case.page, port=0) as server:
        tab = Tab(chromium, server.url)
        tab.click("samples", 0.6, 0.6)
        unit, sample = tab.slider("unit"), tab.slider("sample")
        found = coarse(h.T)
        block = h.T[
            unit // found.rows.step * found.rows.step :,
            sample // found.columns.step * found.columns.step :,
        ][: found.rows.step, : found.columns.step]
        assert abs(h[sample, unit]) == np.abs(block).max()
        assert number(tab.told("samples")) == pytest.approx(h[sample, unit], rel=1e-3)
        before = unit
        tab.press("samples", "ArrowUp")
        assert tab.slider("unit") // found.rows.step == before // found.rows.step + 1
        assert tab.said == []


def test_a_click_on_a_plane_chooses_its_channel(chromium: Any) -> None:
    case = conv()
    with Server(case.page, port=0) as server:
        tab = Tab(chromium, server.url)
        tab.click("channels", 0.8, 0.8)  # two by two, from the lower left on
        assert tab.slider("unit") == 3
        assert tab.told("channels").startswith("channel 3: ")
        tab.page.select_option("[data-name=layer]", "conv2d2")
        tab.settle()
        tab.click("channels", 0.9, 0.3)  # three beside each other
        assert tab.slider("unit") == 2
        tab.page.select_option("[data-name=layer]", "dense1")
        tab.settle()
        assert tab.slider("unit") == 1  # the last there is
        assert not tab.picture("channels").count()
        tab.page.select_option("[data-name=layer]", "conv2d2")
        tab.settle()
        assert tab.slider("unit") == 2
        assert tab.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_go_both_ways_from_the_ground(chromium: Any, scheme: str) -> None:
    def frame(_: Any) -> Any:
        values = [[-2.0, -1.0, 0.0, 1.0, 2.0, np.inf, np.nan]]
        return vg.live.heat(
            "Signed", values, list("abcdefg"), diverging=True, steady=False, key="layers"
        )

    with Server(vg.live.Page(frame), port=0) as server:
        tab = Tab(chromium, server.url, color_scheme=scheme)
        found = tab.page.evaluate(
            """() => {
              const canvas = document.querySelector(".vgcore").shadowRoot.querySelector("canvas");
              const row = Math.round(canvas.height / 4);
              const { data } = canvas.getContext("2d").getImageData(0, row, canvas.width, 1);
              const colours = {};
              for (let x = 0; x < data.length; x += 4) {
                const key = data.slice(x, x + 3).join();
                colours[key] = (colours[key] ?? 0) + 1;
              }
              return colours;
            }"""
        )
        wide = {key for key, count in found.items() if count > 40}
        legend = tab.picture("layers").locator(".legend").inner_text()
        assert tab.said == []
    light = ["0,114,178", "128,185,217", "255,255,255", "234,175,128", "213,94,0"]
    dark = ["75,163,227", "49,93,127", "22,22,26", "131,73,44", "240,124,62"]
    assert set(light if scheme == "light" else dark) <= wide
    assert "\u22122" in legend
    assert "2, 0 as the ground" in legend
    assert "infinite (1)" in legend
    assert "NaN (1)" in legend


def test_a_phone_shows_all_and_sliders_leave_no_backlog(chromium: Any) -> None:
    case = recurrent()
    with Server(case.page, port=0) as server:
        tab = Tab(chromium, server.url, width=380)
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab.page.evaluate(
            """async () => {
              const root = document.querySelector(".vgcore").shadowRoot;
              const names = ["unit", "timestep", "sample", "step"];
              for (let i = 0; i < 100; i++) {
                const input = root.querySelector(`[data-name=${names[i % 4]}]`);
                input.value = (7 * i) % (Number(input.max) + 1);
                input.dispatchEvent(new Event("input"));
                await new Promise((done) => setTimeout(done, 10));
              }
            }"""
        )
        tab.settle()
        unit, timestep, sample = (tab.slider(name) for name in ("unit", "timestep", "sample"))
        h = case.inside["bidirectional1.forward"].h
        read = tab.told("samples")
        assert read.startswith(f"sample {sample}: unit {unit} ")
        value = h[sample, timestep, unit]
        assert "none" in read if np.isnan(value) else number(read) == pytest.approx(value, rel=1e-3)
        assert tab.said == []
