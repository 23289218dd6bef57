"""Pictures follow the user's style: on a dark slide nothing is as dark as the ground."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from pictures import INF, NAN, Distributed, Expected, inside, layered, render, walked
from test_plot import VISIONS, lab, linear

from vgcore import plot
from vgcore.plot import cells, palette
from vgcore.plot.curves import lines_on

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def dark() -> Iterator[None]:
    with pyplot.style.context("dark_background"):
        yield
    pyplot.close("all")


def lightness(colours: object) -> np.ndarray:
    return lab(linear(np.array([to_rgb(colour) for colour in colours])))[:, 0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("count", range(2, 8))
def test_neighbouring_lines_differ_on_a_dark_ground(vision: str, count: int) -> None:
    looks = palette.looks(count)
    rgb = linear(np.array([to_rgb(look["color"]) for look in looks]))
    seen = lab(np.clip(rgb @ VISIONS[vision].T, 0, 1))
    assert np.linalg.norm(np.diff(seen, axis=0), axis=1).min() > 15
    assert lightness(look["color"] for look in looks).min() > 45
    assert all(one["marker"] != other["marker"] for one, other in pairwise(looks))


@pytest.mark.parametrize("count", [1, 6, 8, 40])
@pytest.mark.parametrize("hue", [None, "#0072b2"])
def test_no_line_is_as_dark_as_the_ground(count: int, hue: str | None) -> None:
    assert lightness(look["color"] for look in palette.looks(count, hue)).min() > 20
    assert lightness(palette.hue(n) for n in range(6)).min() > 45


def test_kinds_of_cells_are_told_from_the_scale_on_a_dark_ground() -> None:
    looks = {(kind.filling, kind.hatch) for kind in cells.KINDS}
    assert len(looks) == len(cells.KINDS)
    scale = matplotlib.colormaps["magma"](np.linspace(0, 1, 256))[:, :3]
    for kind in cells.KINDS:
        assert np.linalg.norm(scale - to_rgb(kind.filling), axis=1).min() > 0.12, kind.name


def test_what_is_no_data_has_the_texts_colour() -> None:
    assert (palette.ink(), palette.ground()) == ("#ffffff", "#000000")
    ax = layered([[1, 0, NAN, INF]]).plot()
    (hatched,) = [c for c in ax.collections if c.get_hatch()]
    assert lightness(hatched.get_edgecolor()).min() > 20
    ax = plot.compare({"a": layered([[1, 2]])}, theory=Expected(["dense1", "dense2"]))
    (theory,) = [line for line in ax.get_lines() if str(line.get_label()).startswith("theory")]
    assert theory.get_color() == "#ffffff"


def test_every_picture_is_drawn_on_a_dark_ground() -> None:
    flow = layered([[1, 0, NAN], [INF, 1e-3, 0], [0.5, 0.2, 0.1]])
    spread = Distributed.of([[[1, 2, 0], [NAN, 3, INF]], [[1, 2, 3], [4, 5, 6]]])
    for made in (
        plot.over_training(flow, "delta", smooth=3, band=(0, 1)),
        plot.saturation(flow),
        plot.heatmap(flow),
        plot.branches(flow),
        plot.distribution(spread),
        plot.distribution(spread, kind="heatmap"),
        plot.histograms(spread),
        plot.gates(inside([[1, 2, NAN]])),
        plot.activation("tanh", [1.0, NAN]),
        plot.singular_values({"J": [1, 2, 0]}),
        plot.lyapunov([1, -1]),
        plot.dashboard(flow),
        walked([[1, NAN], [0, 2]]).plot_time(),
    ):
        figure = made.figure if hasattr(made, "figure") and made.figure is not None else made
        assert len(render(figure)) > 2000
        for ax in figure.axes:
            assert all(lightness([line.get_color()])[0] > 20 for line in lines_on(ax))
