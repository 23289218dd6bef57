"""Heatmaps show the smallest value that is not 0, leave room for their colour bar, and say what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator
from pictures import NAN, Distributed, inside, layered, render, walked

import vgcore as vg
from vgcore import plot

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def mesh(ax: Axes) -> QuadMesh:
    (found,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    return found


def labels(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("least", "most"),
    [
        *((1e-17, 1.0), (float(np.float32(1e-45)), 1e3), (5e-324, 1.0), (5e-324, 1e300)),
        *((5e-324, 1e-310), (1e-285, 1e-283), (3e-40, 3e-40)),
    ],
)
def test_the_scale_goes_down_to_the_smallest_value(least: float, most: float) -> None:
    values = np.array([[most, least], [0, most]])
    ax = plot.heatmap(layered(values))
    render(ax.figure)
    shown = mesh(ax)
    np.testing.assert_array_equal(np.ma.getmaskarray(shown.get_array()), (values == 0).T)
    assert shown.norm.vmin == least
    assert labels(ax) == ["0 (1 cell)"]
    colours = shown.to_rgba(shown.get_array().T)
    if least < most and most > 1e-280:
        assert not np.allclose(colours[0, 0], colours[0, 1])


def test_a_vanishing_gradient_is_in_colours_down_to_the_first_layer() -> None:
    model = vg.Sequential(
        [vg.Dense(8, "sigmoid") for _ in range(45)] + [vg.Dense(2)], input_shape=3, dtype="float32"
    )
    model.compile("mse")
    rng = np.random.default_rng(0)
    flow = model.gradient_flow(rng.normal(size=(8, 3)), rng.normal(size=(8, 2)))
    assert flow.delta.min() < 1e-25 * flow.delta.max()
    ax = plot.heatmap(flow)
    assert not np.ma.getmaskarray(mesh(ax).get_array()).any()
    assert labels(ax) == []


def boxes(ax: Axes) -> tuple[Any, Any]:
    """The axes without, and the colour bar with all that is written."""
    figure = ax.figure
    figure.draw_without_rendering()
    bar = mesh(ax).colorbar.ax
    return ax.get_window_extent(), bar.get_tightbbox()


def apart(ax: Axes) -> None:
    own, bar = boxes(ax)
    assert bar.x0 > own.x1
    whole = ax.figure.bbox
    assert bar.x1 <= whole.x1 + 1 and ax.get_tightbbox().x0 >= whole.x0 - 1


FLOW = layered(10.0 ** np.random.default_rng(0).uniform(-5, 0, (6, 4)))
SPREAD = Distributed.of([[np.geomspace(1e-9, 1, 50), np.ones(9)]] * 3)
DRAWN = {
    "heatmap": lambda ax: plot.heatmap(FLOW, ax=ax),
    "shares": lambda ax: plot.heatmap(FLOW, "saturated", ax=ax),
    "distribution": lambda ax: plot.distribution(SPREAD, kind="heatmap", ax=ax),
}


@pytest.mark.parametrize("size", [10, 18])
@pytest.mark.parametrize("picture", DRAWN)
def test_a_colour_bar_covers_nothing_in_any_layout(picture: str, size: int) -> None:
    draw = DRAWN[picture]
    with pyplot.rc_context({"font.size": size}):
        apart(draw(None))
        apart(draw(pyplot.subplots()[1]))
        apart(draw(pyplot.subplots(layout="constrained")[1]))
        for layout in (None, "constrained", "tight"):
            figure, axes = pyplot.subplots(1, 2, layout=layout, figsize=(14, 5))
            for ax in axes:
                draw(ax)
            with pytest.warns() if layout == "constrained" else nullcontext():
                figure.tight_layout()
            for ax in axes:
                apart(ax)
            assert boxes(axes[0])[1].x1 <= axes[1].get_tightbbox().x0 + 1
        figure, ax = pyplot.subplots()
        figure.subplots_adjust(
            left=0.3, bottom=0.25
        )  # margins that somebody has set, and answers for
        own, bar = boxes(draw(ax))
        assert bar.x0 > own.x1 and figure.subplotpars.left == 0.3


def test_time_runs_to_the_right_as_in_the_picture_of_time() -> None:
    flow = walked(10.0 ** np.random.default_rng(0).uniform(-5, 0, (6, 9)))
    ax, (other, _) = plot.heatmap(flow, "time"), flow.plot_time().axes
    np.testing.assert_array_equal(mesh(ax).get_array(), mesh(other).get_array())
    for each in (ax, other):
        assert (each.get_xlabel(), each.get_ylabel()) == ("timestep $t$", "training step")
        assert (each.get_xlim(), each.get_ylim()) == ((-0.5, 8.5), (-5, 55))
    one = plot.heatmap(walked([[1, 2, 3]]), "time")
    assert [text.get_text() for text in one.get_yticklabels()] == ["0"]


VALUES = np.arange(1.0, 13).reshape(3, 4)


@pytest.mark.parametrize(
    ("field", "gate", "layer", "expected"),
    [
        ("skip", None, None, VALUES[:, :1].repeat(3, 1)),
        ("body", None, "residual1", VALUES[:, :1].repeat(3, 1) / 2),
        ("gates", "g", None, VALUES),
        ("gates", "i", "lstm1", 1 / (1 + np.exp(-VALUES))),
        ("dgates", "o", 0, VALUES * 3**0.5),
        ("h", None, 1, VALUES[:, :1].repeat(3, 1)),
    ],
)
def test_fields_of_internals(
    field: str, gate: str | None, layer: str | int | None, expected: np.ndarray
) -> None:
    ax = plot.heatmap(inside(VALUES), field, gate=gate, layer=layer)
    render(ax.figure)
    np.testing.assert_allclose(mesh(ax).get_array(), expected)
    assert ("Gate" in ax.get_title() or "gate" in ax.get_title()) == (gate is not None)


@pytest.mark.parametrize(
    ("layers", "x", "expected"),
    [
        ([vg.Dense(3)], np.ones((5, 4)), (5, 4)),
        ([vg.LSTM(3), vg.Dense(3)], np.ones((5, 7, 4)), (5, 7)),
        ([vg.Conv2d(2, 3), vg.Flatten(), vg.Dense(3)], np.ones((5, 2, 6, 6)), (5, 2)),
    ],
)
def test_the_gradient_of_the_inputs(layers: list[Any], x: np.ndarray, expected: tuple) -> None:
    model = vg.Sequential(layers, input_shape=x.shape[1:], seed=0)
    model.compile("mse")
    found = model.internals(x, np.ones((5, 3)))
    ax = plot.heatmap(found, "dx")
    shown = mesh(ax).get_array()
    assert shown.shape == expected
    over = tuple(range(2, x.ndim)) if x.ndim != 3 else (2,)
    sizes = np.abs(found.dx) if x.ndim == 2 else np.sqrt((found.dx**2).sum(axis=over))
    np.testing.assert_allclose(shown.filled(0), sizes, rtol=1e-6)


def test_every_gate_of_a_real_network_can_be_drawn() -> None:
    model = vg.Sequential([vg.GRU(3), vg.Highway(), vg.Dense(2)], input_shape=(None, 4), seed=0)
    model.compile("mse")
    found = model.internals(np.ones((5, 6, 4)), np.ones((5, 2)), lengths=[6, 5, 4, 2, 1])
    for name, layer in found.items():
        for field, gates in (("gates", layer.gates), ("dgates", layer.dgates)):
            for gate in gates:
                ax = plot.heatmap(found, field, layer=name, gate=gate)
                assert len(render(ax.figure)) > 2000
                assert len(mesh(ax).get_array()) == 5


REFUSED = {
    "a field nobody has": (
        lambda: plot.heatmap(inside(VALUES), "x"),
        r"field: expected one of delta, dh, dh_direct, dc, z, h, c, skip, body, gates, dgates, dx",
    ),
    "a field that this layer lacks": (
        lambda: plot.heatmap(inside(VALUES), "skip", layer="dense1"),
        r"field: expected one that dense1 has, delta, dh, z, h; got 'skip'",
    ),
    "a field that no layer has": (
        lambda: plot.heatmap(inside(VALUES)["dense1"], "c"),
        r"field: expected one of delta, dh, z, h, which there are; got 'c'$",
    ),
    "gradients without targets": (
        lambda: plot.heatmap(_forward(), "delta"),
        r"field: expected one of z, h, which there are; got 'delta': gradients need internals\(x, y\)",
    ),
    "inputs that are integers": (
        lambda: plot.heatmap(inside(VALUES), "dx"),
        r"field: expected one of delta, dh, .*, which there are; got 'dx'",
    ),
    "a layer of the inputs": (
        lambda: plot.heatmap(inside(VALUES), "dx", layer="lstm1"),
        r"layer: expected None with field='dx', got 'lstm1'",
    ),
    "which gate": (
        lambda: plot.heatmap(inside(VALUES), "gates"),
        r"gate: expected one of i, f, g, o with field='gates', got None",
    ),
    "another gate": (
        lambda: plot.heatmap(inside(VALUES), "gates", gate="x"),
        r"gate: expected one of i, f, g, o; got 'x'",
    ),
    "gate of none": (
        lambda: plot.heatmap(inside(VALUES), "dh", gate="i"),
        r"gate: expected None with field='dh', got 'i'",
    ),
    "place of a layer": (
        lambda: plot.heatmap(walked([[1, 2]]), "time", layer=1),
        r"layer: expected a place among 1 layers, got 1",
    ),
    "colours": (
        lambda: plot.heatmap(FLOW, cmap="magna"),
        r"cmap: expected one of .*got 'magna'; did you mean .*'magma'",
    ),
    "ends": (lambda: plot.heatmap(FLOW, vmin=2, vmax=1), r"vmin: expected less than vmax=1, got 2"),
    "end of a log scale": (
        lambda: plot.heatmap(FLOW, vmin=0),
        r"vmin: expected a number above 0 on a log scale, got 0",
    ),
    "no end": (lambda: plot.heatmap(FLOW, vmax=NAN), r"vmax: expected a finite number, got nan"),
}


def _forward() -> vg.flow.Internals:
    return vg.Sequential([vg.Dense(2, "tanh")], input_shape=3, seed=0).internals(np.ones((2, 3)))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_drawn_lists_what_can(name: str) -> None:
    draw, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        draw()
    assert not pyplot.get_fignums()


def test_colours_and_the_ends_of_their_scale() -> None:
    flow = layered([[1e-6, 1e-2], [0, 10]], activation_mean=[[-3, 0.5], [0, 1]])
    ax = plot.heatmap(flow, cmap="viridis", vmin=1e-4, vmax=1)
    shown = mesh(ax)
    assert isinstance(shown.norm, LogNorm) and shown.get_clim() == (1e-4, 1)
    assert (shown.get_cmap().name, shown.colorbar.extend) == ("viridis", "both")
    assert labels(ax) == ["0 (1 cell)"]  # what is beyond the ends has their colours, and is no 0
    assert not np.ma.getmaskarray(shown.get_array())[0, 0]
    cmap = matplotlib.colormaps["RdBu_r"]
    shown = mesh(plot.heatmap(flow, "activation_mean", cmap=cmap, vmin=-1, vmax=1))
    assert shown.get_clim() == (-1, 1) and shown.colorbar.extend == "min"
    assert shown.get_cmap() == cmap
    shown = mesh(plot.heatmap(flow, "saturated", vmax=0.5))
    assert shown.get_clim() == (0, 0.5)
    assert mesh(plot.heatmap(flow, vmin=100)).get_clim()[0] == 100  # above all there is


def test_a_step_and_a_layer_are_counted_from_the_end() -> None:
    flow = walked([[1, 2], [3, 4], [5, 6]])
    assert plot.gates(flow, step=-1).get_suptitle() == plot.gates(flow).get_suptitle()
    assert plot.gates(flow, -1, step=-3).get_suptitle() == "Gates of lstm1 at step 0"
    assert plot.heatmap(flow, "time", layer=-1).get_title().endswith("in lstm1")
    assert plot.distribution(SPREAD, -1).get_title().endswith("in dense2")
    with pytest.raises(ValueError, match=r"step: expected steps that are recorded, got \[-4\]"):
        plot.gates(flow, step=-4)


def test_two_thousand_layers_and_one() -> None:
    rng = np.random.default_rng(0)
    for shape in ((3, 2000), (1, 1), (1, 3), (3, 1)):
        ax = plot.heatmap(layered(10.0 ** rng.uniform(-20, 0, shape)))
        assert len(render(ax.figure)) > 2000


@pytest.mark.parametrize("size", [10, 18])
@pytest.mark.parametrize("count", [2, 8, 13, 50])
def test_names_of_layers_do_not_touch(count: int, size: int) -> None:
    with pyplot.rc_context({"font.size": size}):
        ax = plot.heatmap(layered(np.ones((2, count))))
        ax.figure.draw_without_rendering()
        named = [text.get_window_extent() for text in ax.get_yticklabels() if text.get_text()]
        assert len(named) > 1
        for below, above in pairwise(named):
            assert below.y1 < above.y0


BEFORE: dict[str, Callable[[Axes], Any]] = {
    "ticks": lambda ax: ax.set_xticks([0, 1]),
    "names": lambda ax: ax.set_yticks([0, 1], labels=["a", "b"]),
    "a log axis' ticks": lambda ax: ax.xaxis.set_major_locator(LogLocator()),
    "a line": lambda ax: ax.axvline(3),
}
HEATMAPS: dict[str, Callable[[Axes], Any]] = {
    "heatmap": lambda ax: plot.heatmap(FLOW, ax=ax),
    "distribution": lambda ax: plot.distribution(SPREAD, kind="heatmap", ax=ax),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", HEATMAPS)
def test_axes_whose_ticks_somebody_has_set(name: str, before: str) -> None:
    fresh, ax = pyplot.figure().add_subplot(), pyplot.figure().add_subplot()
    BEFORE[before](ax)
    for each in (fresh, ax):
        HEATMAPS[name](each)
        render(each.figure)
    if before != "a line":
        for axis in ("xaxis", "yaxis"):
            np.testing.assert_array_equal(
                *(getattr(each, axis).get_ticklocs() for each in (fresh, ax))
            )


@pytest.mark.parametrize("name", HEATMAPS)
def test_heatmaps_on_axes_that_share_both_axes(name: str) -> None:
    figure, axes = pyplot.subplots(1, 2, sharex=True, sharey=True)
    for ax in axes:
        HEATMAPS[name](ax)
    render(figure)


TAKEN: dict[str, Callable[[Axes], Any]] = {
    **HEATMAPS,
    "flow": lambda ax: plot.flow(FLOW, ax=ax),
    "ridgeline": lambda ax: plot.distribution(SPREAD, ax=ax),
    "histograms": lambda ax: plot.histograms(SPREAD, ax=ax),
}


@pytest.mark.parametrize("before", TAKEN)
@pytest.mark.parametrize("name", [*HEATMAPS, "ridgeline"])
def test_a_second_picture_on_axes_is_refused(name: str, before: str) -> None:
    ax = pyplot.figure().add_subplot()
    TAKEN[before](ax)
    there = len(ax.get_children()), ax.get_title(), len(ax.figure.axes)
    with pytest.raises(ValueError, match="ax: expected Axes without another picture of vgcore"):
        TAKEN[name](ax)
    assert there == (len(ax.get_children()), ax.get_title(), len(ax.figure.axes))
    ax.clear()
    TAKEN[name](ax)
