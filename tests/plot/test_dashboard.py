"""One flow in one figure: no panel covers another, and every colour is explained in its row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from pictures import INF, NAN, Distributed, layered, walked

import vgcore as vg
from vgcore import plot
from vgcore.plot.curves import lines_on

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def trained(*layers: vg.layers.Layer, epochs: int = 5, time: int | None = None, **options: object):
    rng = np.random.default_rng(0)
    shape = (8,) if time is None else (None, 8)
    model = vg.Sequential([*layers, vg.Dense(2)], input_shape=shape, seed=0)
    model.compile("mse", vg.SGD(0.01))
    flow = vg.GradientFlow(**options)  # type: ignore[arg-type]
    x = rng.normal(size=(16, 8) if time is None else (16, time, 8))
    model.fit(x, rng.normal(size=(16, 2)), epochs=epochs, batch_size=8, track=flow, verbose=0)
    return flow


def block() -> vg.Residual:
    return vg.Residual([vg.Dense(8, "relu"), vg.Dense(8)])


rows = np.random.default_rng(0)
FLOWS: dict[str, Callable[[], vg.GradientFlow]] = {
    "5 layers": lambda: trained(*(vg.Dense(8, "tanh") for _ in range(4))),
    "50 layers": lambda: layered(10.0 ** rows.uniform(-20, 2, (30, 50))),
    "LSTM": lambda: trained(vg.LSTM(8), time=9, distributions=True),
    "residual": lambda: trained(*(block() for _ in range(4)), distributions=True),
    "all": lambda: trained(vg.LSTM(8), block(), time=9, distributions=True),
    "zeros": lambda: trained(
        *(vg.Dense(8, "relu") for _ in range(4)), distributions=True, units=True
    ),
    "one step": lambda: trained(vg.Dense(8, "tanh"), epochs=1)[:1],
    "none": vg.GradientFlow,
    "mixed": lambda: layered([[1, 0, NAN], [INF, 1e-3, 0], [0, 0, 0], [1, 5, NAN]]),
    "long names": lambda: layered(
        np.ones((3, 2)), ["bidirectional1.backward", "residual1.body.dense1"]
    ),
}


def drawn(name: str, size: float) -> Figure:
    with pyplot.rc_context({"font.size": size}):
        figure = plot.dashboard(FLOWS[name]())
        figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("size", [10, 18])
@pytest.mark.parametrize("name", FLOWS)
def test_no_panel_covers_another(name: str, size: float) -> None:
    figure = drawn(name, size)
    boxes = {ax.get_title() or ax: ax.get_tightbbox() for ax in figure.axes}
    assert len(boxes) == len(figure.axes)
    for (one, first), (other, second) in combinations(boxes.items(), 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        upward = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert min(across, upward) < 2, f"{one} and {other}"  # pixels
    whole = figure.bbox
    for title, box in boxes.items():
        assert box.x0 > -2 and box.x1 < whole.x1 + 2, title
        assert box.y0 > -2 and box.y1 < whole.y1 + 2, title


@pytest.mark.parametrize("name", FLOWS)
def test_every_colour_is_named_in_its_row(name: str) -> None:
    figure = drawn(name, 10)
    for place in {ax.get_subplotspec().rowspan.start for ax in figure.axes}:
        beside = [ax for ax in figure.axes if ax.get_subplotspec().rowspan.start == place]
        legends = [ax.get_legend() for ax in beside if ax.get_legend()]
        named = [text.get_text() for each in legends for text in each.get_texts()]
        for ax in beside:
            lines = [line for line in lines_on(ax) if not str(line.get_label()).startswith("_")]
            if len(lines) > 1:
                assert {line.get_label() for line in lines} & set(named), ax.get_title()
            if ax.collections and not lines_on(ax) and ax.child_axes:
                assert ax.child_axes[0].get_ylabel()  # a colour bar
    assert not figure.legends


def test_a_row_names_what_stands_in_any_of_its_panels() -> None:
    figure = drawn("zeros", 10)
    (legend,) = [ax.get_legend() for ax in figure.axes[3:] if ax.get_legend()]
    named = [" ".join(text.get_text().split()) for text in legend.get_texts()]
    assert named[:5] == ["dense5", "dense4", "dense3", "dense2", "dense1"]
    assert {"dead units", "0.001, a rule of thumb"} <= set(named[5:])
    assert legend.get_title().get_text() == "layer"


@pytest.mark.parametrize(
    ("name", "count"), [("5 layers", 6), ("LSTM", 9), ("residual", 9), ("all", 9), ("none", 6)]
)
def test_rows_are_full(name: str, count: int) -> None:
    figure = drawn(name, 10)
    assert len(figure.axes) == count
    assert all(ax.axison for ax in figure.axes)


def test_a_third_row_makes_a_higher_figure_and_large_text_a_larger_one() -> None:
    sizes = [drawn(*of).get_size_inches() for of in (("none", 10), ("LSTM", 10), ("none", 20))]
    assert sizes[0].tolist() == [13.33, 7.5]
    assert sizes[1].tolist() == [13.33, 1.5 * 7.5]  # as wide as a slide, and higher
    assert sizes[2][0] > 13.33 and sizes[2][0] / sizes[2][1] == pytest.approx(13.33 / 7.5)
    given = pyplot.figure(figsize=(9, 5))
    assert plot.dashboard(FLOWS["LSTM"](), figure=given).get_size_inches().tolist() == [9, 5]


def test_distributions_are_not_cut_off_in_a_dashboard() -> None:
    flow = Distributed.of([[np.geomspace(1e-9, 1, 500), np.full(500, 0.75), np.zeros(500)]])
    (ax,) = [ax for ax in plot.dashboard(flow).axes if "Distribution" in ax.get_title()]
    tops = [patch.get_data().values.max() for patch in ax.patches if hasattr(patch, "get_data")]
    assert max(tops) == 1 < ax.get_ylim()[1]


def test_timesteps_are_in_the_dashboard_as_elsewhere() -> None:
    figure = plot.dashboard(walked(np.ones((4, 6))))
    (ax,) = [ax for ax in figure.axes if ax.get_xlabel() == "timestep $t$"]
    assert ax.get_ylabel() == "training step"
