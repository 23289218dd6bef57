"""A table in colours: means of runs, and what there is no mean of."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from pictures import layered, render

import vgcore as vg
from vgcore import plot

matplotlib.use("Agg")

ROWS = [
    {"depth": depth, "rate": rate, "act": act, "repeat": repeat, "loss": depth * rate + repeat}
    for depth in (5, 10, 20)
    for rate in (1e-3, 1e-2, 1e-1, 1.0)
    for act in ("tanh", "relu")
    for repeat in range(2)
]
FRAME = pd.DataFrame(ROWS)


@pytest.fixture(autouse=True)
def _close() -> Any:
    yield
    pyplot.close("all")


def mesh(ax: Axes) -> QuadMesh:
    (found,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    return found


def legend(ax: Axes) -> list[str]:
    made = ax.get_legend()
    return [] if made is None else [text.get_text() for text in made.get_texts()]


def test_means_by_pandas() -> None:
    ax = plot.heatmap(FRAME, x="rate", y="depth", value="loss")
    render(ax.figure)
    expected = FRAME.pivot_table("loss", "depth", "rate", aggfunc="mean")
    np.testing.assert_allclose(mesh(ax).get_array(), expected)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("rate", "depth", "loss")
    assert mesh(ax).colorbar.ax.get_ylabel() == "loss, mean of 4 runs"
    assert ax.get_xscale() == "log" and ax.get_yscale() == "linear"
    assert [text.get_text() for text in ax.get_yticklabels()] == ["5", "10", "20"]
    corners = mesh(ax).get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], 10.0 ** np.arange(-3.5, 1))
    np.testing.assert_allclose(corners[:, 0, 1], [2.5, 7.5, 15, 25])


def test_columns_of_any_kind_of_table() -> None:
    columns = FRAME.to_dict("list")
    one, other = (plot.heatmap(each, x="act", y="depth", value="loss") for each in (FRAME, columns))
    np.testing.assert_array_equal(mesh(one).get_array(), mesh(other).get_array())
    render(one.figure)
    assert [text.get_text() for text in one.get_xticklabels()] == ["tanh", "relu"]


def test_of_a_sweep(tmp_path: Any) -> None:
    def train(config: Any, seed: int) -> dict[str, float]:
        if config["a"] == 3:
            raise ValueError("no")
        return {"b": float("nan") if config["a"] == config["c"] else config["a"] * config["c"]}

    grid = {"a": [1, 2, 3], "c": [1, 4]}
    with pytest.warns(UserWarning, match="6 of 18 runs have failed"):
        table = vg.sweep(train, grid, store=tmp_path / "store", retries=0)
    for each in (table, table.to_dataframe()):
        ax = plot.heatmap(each, x="a", y="c", value="b", log=True)
        render(ax.figure)
        assert legend(ax) == ["no result (2 cells)", "NaN (1 cell)"]
        assert mesh(ax).get_array().tolist() == [[None, 2, None], [4, 8, None]]


def test_missing_values_stand_by_a_name() -> None:
    columns = {"a": [0.5, None, "x"], "b": [1, 1, 2], "c": [1, 2, None]}
    ax = plot.heatmap(columns, x="a", y="b", value="c")
    render(ax.figure)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0.5", "none", "x"]
    assert mesh(ax).colorbar.ax.get_ylabel() == "c"
    assert legend(ax) == ["no result (4 cells)"]
    empty = plot.heatmap({"a": [], "b": [], "c": []}, x="a", y="b", value="c")
    assert [text.get_text() for text in empty.texts] == ["no row"]


FLOW = layered([[1.0]])
WRONG = {
    "no x": ({"source": FRAME}, "x: expected one of depth, rate, act, repeat, loss; got None"),
    "no value": (
        {"source": FRAME, "x": "rate", "y": "act", "value": "los"},
        "value: expected one of depth, rate, act, repeat, loss; got 'los'",
    ),
    "no numbers": (
        {"source": FRAME, "x": "rate", "y": "depth", "value": "act"},
        "value: expected a column of numbers, got 'tanh' in 'act'",
    ),
    "lengths": (
        {"source": {"a": [1], "b": [1, 2], "c": [1]}, "x": "a", "y": "b", "value": "c"},
        "source: expected columns of one length",
    ),
    "layer": (
        {"source": FRAME, "x": "rate", "y": "act", "value": "loss", "layer": 1},
        "layer: expected None with a table, got 1",
    ),
    "log": ({"source": FLOW, "log": True}, "log: expected False with GradientFlow, got True"),
    "x": ({"source": FLOW, "x": "a"}, "x: expected None with GradientFlow, got 'a'"),
    "vmin": (
        {"source": FRAME, "x": "rate", "y": "act", "value": "loss", "log": True, "vmin": 0},
        "vmin: expected a number above 0 on a log scale, got 0",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_drawn_is_named(name: str) -> None:
    options, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        plot.heatmap(**options)
    assert not pyplot.get_fignums()
