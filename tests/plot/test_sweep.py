"""Every picture of every record becomes bytes, and what cannot be drawn is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pictures import INF, NAN, RECORDS, Distributed, Expected, inside, layered, render, rng, walked

import vgcore as vg
from vgcore import plot

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


Draw = Callable[[Any], Axes | Figure]


def drawn(made: Axes | Figure) -> bytes:
    whole = made if isinstance(made, Figure) else made.figure
    return render(whole)


OF_LAYERS: dict[str, Draw] = {
    "linear": lambda flow: flow.plot(log=False),
    "band": lambda flow: flow.plot(band=(0.1, 0.9)),
    "guide": lambda flow: flow.plot("update_ratio"),
    "smooth": lambda flow: plot.over_training(flow, "delta", smooth=3, band=(0, 1)),
    "saturation": plot.saturation,
    "heatmap": plot.heatmap,
    "heatmap of shares": lambda flow: plot.heatmap(flow, "saturated"),
    "heatmap of means": lambda flow: plot.heatmap(flow, "activation_mean"),
    "branches": plot.branches,
    "compare": lambda flow: plot.compare({"a": flow, "b": [flow, flow]}),
    "compare over training": lambda flow: plot.compare({"a": flow}, "saturated", over="training"),
    "theory": lambda flow: plot.compare({"a": flow}, theory=Expected(flow.layers)),
    "dashboard": plot.dashboard,
}
OF_TIME: dict[str, Draw] = {
    "heatmap": lambda flow: plot.heatmap(flow, "time"),
    "heatmap of a gate": lambda flow: plot.heatmap(flow, "time_saturated", gate="f"),
    "compare": lambda flow: plot.compare({"a": flow, "b": [flow, flow]}, "time", over="time"),
    "gates": plot.gates,
    "dashboard": plot.dashboard,
}
OF_INTERNALS: dict[str, Draw] = {
    "gates": plot.gates,
    "samples": lambda found: plot.heatmap(found, "dh", layer="lstm1"),
    "values": lambda found: plot.heatmap(found, "h", layer="dense1"),
    "histograms": plot.histograms,
    "histograms of a gradient": lambda found: plot.histograms(found, "dh"),
    "on an activation's range": lambda found: plot.histograms(found, "h", activation="tanh"),
    "branches": plot.branches,
    "activation": lambda found: plot.activation("tanh", found["dense1"].z),
}
OF_DISTRIBUTIONS: dict[str, Draw] = {
    "ridgeline": plot.distribution,
    "heatmap": lambda flow: plot.distribution(flow, kind="heatmap"),
    "histograms": plot.histograms,
    "dashboard": plot.dashboard,
}
OF_ARRAYS: dict[str, Draw] = {
    "singular values": lambda rows: plot.singular_values({"samples": rows, "one": rows[0]}),
    "singular values, linear": lambda rows: plot.singular_values({"W": rows}, log=False),
    "lyapunov": lambda rows: plot.lyapunov(rows[0], label="RNN"),
    "relu": lambda rows: plot.activation("relu", rows),
}
FEW = {name: rows for name, rows in RECORDS.items() if np.size(rows) < 500 and np.size(rows)}


# A dashboard is made of the others.
RECORDS_OF = {"dashboard": ["nothing", "one value", "mixed", "NaN", "1,000 layers of anything"]}


def pairs(pictures: dict[str, Draw], records: Iterable[str] = RECORDS) -> list[tuple[str, str]]:
    return [(name, picture) for picture in pictures for name in RECORDS_OF.get(picture, records)]


@pytest.mark.parametrize(("name", "picture"), pairs(OF_LAYERS))
def test_a_record_of_layers(name: str, picture: str) -> None:
    assert len(drawn(OF_LAYERS[picture](layered(RECORDS[name])))) > 2000


@pytest.mark.parametrize(("name", "picture"), pairs(OF_TIME))
def test_a_record_of_time(name: str, picture: str) -> None:
    assert len(drawn(OF_TIME[picture](walked(RECORDS[name])))) > 2000


@pytest.mark.parametrize(("name", "picture"), pairs(OF_INTERNALS, FEW))
def test_internals(name: str, picture: str) -> None:
    assert len(drawn(OF_INTERNALS[picture](inside(FEW[name])))) > 2000


@pytest.mark.parametrize(("name", "picture"), pairs(OF_DISTRIBUTIONS))
def test_a_record_of_distributions(name: str, picture: str) -> None:
    rows = np.atleast_2d(np.asarray(RECORDS[name], float))[:4, :12]
    flow = Distributed.of([[np.append(each, each / 2) for each in row] for row in rows])
    assert len(drawn(OF_DISTRIBUTIONS[picture](flow))) > 2000


@pytest.mark.parametrize(("name", "picture"), pairs(OF_ARRAYS, FEW))
def test_arrays(name: str, picture: str) -> None:
    assert len(drawn(OF_ARRAYS[picture](np.atleast_2d(np.asarray(FEW[name], float))))) > 2000


def test_ten_thousand_layers() -> None:
    flow = layered(10.0 ** rng.uniform(-20, 2, (2, 10_000)))
    for picture in (plot.flow, plot.over_training, plot.saturation, plot.heatmap):
        assert len(drawn(picture(flow))) > 2000
        pyplot.close("all")
    made = plot.over_training(layered([[1, NAN, INF, 0]] * 3 + [[2] * 4]), "delta")
    assert len(drawn(made)) > 2000


@pytest.mark.parametrize("name", ["nothing", "one value", "mixed", "NaN", "the ends of float64"])
def test_an_animation(name: str, tmp_path: Path) -> None:
    path = tmp_path / "flow.gif"
    plot.animate(layered(RECORDS[name]), path, figure=plot.blank(3, 1.8))
    assert path.stat().st_size > 200


def test_a_record_of_nothing_is_an_empty_frame_that_says_so() -> None:
    nothing = vg.GradientFlow()
    for made in (
        plot.saturation(nothing),
        plot.heatmap(nothing),
        plot.heatmap(nothing, "time"),
        plot.branches(nothing),
        plot.compare({"a": nothing}),
        plot.distribution(Distributed.of([])),
        plot.histograms(Distributed.of([])),
        plot.gates(nothing).axes[0],
    ):
        drawn(made)
        assert any(
            text.get_text() in ("nothing recorded", "no distribution recorded")
            for text in made.texts  # type: ignore[union-attr]
        )


REFUSED: dict[str, tuple[Callable[[], Any], type, str]] = {
    "layer of a heatmap": (
        lambda: plot.heatmap(walked([[1, 2]]), "time", layer="lstm2"),
        *(ValueError, r"layer: expected one of lstm1; got 'lstm2'; did you mean 'lstm1'"),
    ),
    "layer of layers": (
        lambda: plot.heatmap(layered([[1]]), layer="dense1"),
        *(ValueError, "layer: expected None with field='delta'"),
    ),
    "layer of internals": (
        lambda: plot.heatmap(inside([[1, 2]]), "dh", layer="dense9"),
        *(ValueError, "layer: expected one of lstm1, dense1, residual1; got 'dense9'"),
    ),
    "field of a layer": (
        lambda: plot.heatmap(inside([[1, 2]]), "dc", layer="dense1"),
        *(ValueError, "field: expected one that dense1 has, delta, dh, z, h; got 'dc'"),
    ),
    "no units": (
        lambda: plot.heatmap(layered([[1]]), "unit_delta"),
        *(ValueError, r"source: expected a record of units: GradientFlow\(units=True\)"),
    ),
    "source": (lambda: plot.heatmap([1]), TypeError, "source: expected a GradientFlow, or what"),
    "flows": (lambda: plot.compare(layered([[1]])), TypeError, "flows: expected a dict of names"),
    "no flows": (lambda: plot.compare({}), ValueError, "flows: expected at least one name"),
    "no seeds": (
        lambda: plot.compare({"a": []}),
        ValueError,
        r"flows\['a'\]: expected at least one",
    ),
    "no flow": (
        lambda: plot.compare({"a": [3]}),
        *(TypeError, r"flows\['a'\]: expected a GradientFlow, got int"),
    ),
    "over": (
        lambda: plot.compare({"a": layered([[1]])}, over="depth"),
        *(ValueError, "over: expected one of layers, training, time; got 'depth'"),
    ),
    "step of a training": (
        lambda: plot.compare({"a": layered([[1]])}, over="training", step=0),
        *(ValueError, "step: expected None over the training, got 0"),
    ),
    "step": (
        lambda: plot.compare({"a": layered([[1]])}, step=7),
        *(ValueError, r"step: expected steps that are recorded, got \[7\]"),
    ),
    "place of a layer": (
        lambda: plot.compare({"a": layered([[1, 2]])}, over="training", layer=2),
        *(ValueError, "layer: expected a place among 2 layers, got 2"),
    ),
    "no time": (
        lambda: plot.compare({"a": layered([[1]])}, "time", over="time"),
        *(ValueError, "flows: expected records of a layer that has time, got"),
    ),
    "theory over training": (
        lambda: plot.compare({"a": layered([[1]])}, over="training", theory=Expected(["dense1"])),
        *(ValueError, "theory: expected None with over='training'"),
    ),
    "theory of others": (
        lambda: plot.compare({"a": layered([[1]])}, theory=Expected(["conv1"])),
        *(ValueError, "theory: expected a prediction of layers of the flow, got one of 'conv1'"),
    ),
    "theory of another name": (
        lambda: plot.compare({"a": layered([[1]])}, theory={"b": Expected(["dense1"])}),
        *(ValueError, "theory: expected one of a; got 'b'"),
    ),
    "theory": (
        lambda: plot.compare({"a": layered([[1]])}, theory=3),
        *(TypeError, "theory: expected what vgcore.theory.predict gives"),
    ),
    "field of theory": (
        lambda: plot.compare({"a": layered([[1]])}, "bias_grad", theory=Expected(["dense1"])),
        *(ValueError, "field: expected one of delta, activation_std; got 'bias_grad'"),
    ),
    "band": (lambda: layered([[1]]).plot(band=(0.9, 0.1)), ValueError, "band: expected the lower"),
    "three quantiles": (
        lambda: layered([[1]]).plot(band=(0, 0.5, 1)),
        *(ValueError, "band: expected two quantiles"),
    ),
    "band of what": (
        lambda: plot.over_training(layered([[1]]), band=(0, 1)),
        *(ValueError, "band: expected None without smooth="),
    ),
    "window": (
        lambda: plot.over_training(layered([[1]]), smooth=0),
        *(ValueError, "smooth: expected an integer of at least 1"),
    ),
    "log": (lambda: layered([[1]]).plot(log="yes"), TypeError, "log: expected True or False"),
    "kind": (
        lambda: plot.distribution(Distributed.of([[1]]), kind="violin"),
        *(ValueError, "kind: expected one of ridgeline, heatmap; got 'violin'"),
    ),
    "steps of a heatmap": (
        lambda: plot.distribution(Distributed.of([[1]]), kind="heatmap", steps=[0]),
        *(ValueError, "steps: expected None with kind='heatmap'"),
    ),
    "layer of a distribution": (
        lambda: plot.distribution(Distributed.of([[1]]), "dense2"),
        *(ValueError, "layer: expected one of dense1; got 'dense2'"),
    ),
    "step of internals": (
        lambda: plot.histograms(inside([[1]]), step=0),
        *(ValueError, "step: expected None with internals"),
    ),
    "activation of a flow": (
        lambda: plot.histograms(Distributed.of([[1]]), activation="tanh"),
        *(ValueError, "activation: expected None with a flow"),
    ),
    "activation of a gradient": (
        lambda: plot.histograms(inside([[1]]), "dh", activation="tanh"),
        *(ValueError, "activation: expected None with field='dh'"),
    ),
    "softmax": (
        lambda: plot.activation("softmax"),
        ValueError,
        "activation: expected an activation",
    ),
    "no gates": (
        lambda: plot.gates(layered([[1]])),
        *(ValueError, "source: expected a record of a recurrent layer, got dense1"),
    ),
    "no block": (
        lambda: plot.branches(layered([[1]], delta_skip=[[NAN]], delta_body=[[NAN]])),
        *(ValueError, "source: expected a record of a block, got dense1"),
    ),
    "no matrix": (lambda: plot.singular_values({}), ValueError, "source: expected at least one"),
    "no model": (lambda: plot.singular_values(3), TypeError, "source: expected a model, or a dict"),
    "exponents": (
        lambda: plot.lyapunov(np.ones((2, 2))),
        *(ValueError, r"exponents: expected \(k,\), got shape \(2, 2\)"),
    ),
    "interval": (
        lambda: plot.phase_diagram("tanh", sigma_w=(2, 1)),
        *(ValueError, "sigma_w: expected two rising numbers"),
    ),
    "ending": (
        lambda: plot.animate(layered([[1]]), "flow.avi"),
        *(ValueError, "path: expected a name ending in .gif or .mp4, got 'flow.avi'"),
    ),
    "folder": (
        lambda: plot.animate(layered([[1]]), os.path.join("nowhere", "flow.gif")),
        *(FileNotFoundError, "path: expected a folder that exists, got 'nowhere'"),
    ),
    "fps": (
        lambda: plot.animate(layered([[1]]), fps=0),
        ValueError,
        "fps: expected a finite number of at least 0.01",
    ),
    "live": (lambda: plot.live(3), TypeError, "flow: expected a GradientFlow, got int"),
    "dashboard": (lambda: plot.dashboard(3), TypeError, "flow: expected a GradientFlow, got int"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_drawn_is_named_before_a_figure_is_made(name: str) -> None:
    draw, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        draw()
    assert not pyplot.get_fignums()
