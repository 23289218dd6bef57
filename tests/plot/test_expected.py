"""Theory beneath the gradient over time: its band, Pascanu's bound, and what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from pictures import NAN, layered, render, walked

import vgcore as vg
from vgcore import plot
from vgcore.plot.curves import lines_on

matplotlib.use("Agg")

SEQUENCES = np.random.default_rng(3).standard_normal((24, 15, 6))


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def of_time(mean: object, *, bounds: object = None, backwards: object = ()) -> SimpleNamespace:
    """A prediction of one walk, with a band from half to twice the mean."""
    values = np.asarray(mean, float)
    return SimpleNamespace(
        layers=["lstm1", "dense1"],
        of=lambda field: (values, values / 2, values * 2),
        time={"lstm1": values},
        time_spread={"lstm1": np.stack([values / 2, values * 2])},
        bounds=bounds or {},
        backwards=frozenset(backwards),
    )


def labels(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def unbroken(ax: Axes) -> list[str]:
    return [label.replace("\n", " ") for label in labels(ax)]


def line(ax: Axes, word: str) -> np.ndarray:
    (found,) = [each for each in ax.get_lines() if word in str(each.get_label())]
    return np.asarray(found.get_ydata())


def test_a_prediction_over_time_meets_the_walks_last_timestep() -> None:
    theory = of_time([0.25, 0.5, 1], bounds={"lstm1": 0.8})
    ax = plot.compare({"a": walked([3, 5, 8])}, "time", over="time", theory=theory)
    render(ax.figure)
    np.testing.assert_allclose(lines_on(ax)[0].get_ydata(), [3, 5, 8])
    np.testing.assert_allclose(line(ax, "theory"), [2, 4, 8])
    np.testing.assert_allclose(line(ax, "Pascanu"), [8 * 0.64, 8 * 0.8, 8])
    scaled = "theory (untrained, scaled to timestep 2)"
    assert unbroken(ax) == ["a", "theory: 90 of 100 draws", scaled, "Pascanu's bound"]
    backwards = of_time([1, 0.5, 0.25], bounds={"lstm1": 0.5}, backwards=["lstm1"])
    ax = plot.compare({"a": walked([8, 5, 3])}, "time", over="time", theory=backwards)
    np.testing.assert_allclose(line(ax, "theory"), [8, 4, 2])
    assert "theory (untrained, scaled to timestep 0)" in unbroken(ax)
    np.testing.assert_allclose(line(ax, "Pascanu"), [8, 4, 2])


def test_of_several_predictions_the_legend_names_the_kinds_of_lines() -> None:
    flows = {"a": [walked([1, 2, 4]), walked([2, 3, 4])], "b": walked([4, 4, 4])}
    theory = {name: of_time([0.5, 0.7, 1], bounds={"lstm1": 2.0}) for name in flows}
    ax = plot.compare(flows, "time", over="time", theory=theory)
    render(ax.figure)
    assert sorted(unbroken(ax)) == sorted([
        "a: median of 2", "b", "theory (untrained, scaled to timestep 2)", "theory: 90 of 100 draws",
        "Pascanu's bound", "seeds: lowest to highest",
    ])  # fmt: skip
    measured = [each.get_color() for each in lines_on(ax)]
    dashed = [each for each in ax.get_lines() if "theory" in str(each.get_label())]
    assert [each.get_color() for each in dashed[:2]] == measured
    layers = plot.compare({"a": layered([[1, 2]]), "b": layered([[2, 1]])},
                          theory={name: of_layers() for name in "ab"})  # fmt: skip
    theory = "theory (untrained, scaled to last layer)"
    assert unbroken(layers)[2:] == ["theory: 90 of 100 draws", theory]


def of_layers() -> SimpleNamespace:
    values = np.array([0.5, 1])
    return SimpleNamespace(
        layers=["dense1", "dense2"], of=lambda field: (values, values / 2, values * 2)
    )


def test_a_bound_far_above_leaves_the_axis_where_it_is() -> None:
    theory = of_time(np.linspace(0.5, 1, 60), bounds={"lstm1": 10.0})
    ax = plot.compare({"a": walked(np.linspace(0.5, 1, 60))}, "time", over="time", theory=theory)
    render(ax.figure)
    assert line(ax, "Pascanu")[0] == pytest.approx(1e59)
    assert ax.get_ylim()[1] < 100


def test_a_bound_beyond_all_numbers_is_a_gap_and_one_of_nothing_no_line() -> None:
    for most in (1e200, 0.0, np.inf):
        theory = of_time([0.5, 0.5, 1], bounds={"lstm1": most})
        ax = plot.compare({"a": walked([1, 1, 1])}, "time", over="time", theory=theory)
        render(ax.figure)
        assert line(ax, "Pascanu")[-1] == 1


@pytest.mark.parametrize("rows", [[NAN, NAN, NAN], [1, 2, 0], [1, NAN, 2], [np.inf, 1, 1]])
def test_what_was_seen_may_be_anything(rows: list[float]) -> None:
    ax = plot.compare({"a": walked(rows)}, "time", over="time", theory=of_time([1, 1, 1]))
    render(ax.figure)
    ax = plot.compare({"a": vg.GradientFlow()}, "time", over="time", theory=of_time([1, 1, 1]))
    render(ax.figure)


def test_real_cells_lie_within_their_bands() -> None:
    cells = {
        "rnn": lambda: vg.RNN(40),
        "backwards": lambda: vg.RNN(40, go_backwards=True),
        "lstm": lambda: vg.LSTM(40),
        "gru": lambda: vg.GRU(40),
    }
    flows: dict[str, list[vg.GradientFlow]] = {name: [] for name in cells}
    theory = {}
    for name, cell in cells.items():
        for seed in range(8):
            model = vg.Sequential([cell(), vg.Dense(4)], input_shape=(None, 6), seed=seed)
            model.compile("mse")
            targets = np.random.default_rng(seed).choice([-1e3, 1e3], (24, 4))
            flows[name].append(model.gradient_flow(SEQUENCES, targets))
        theory[name] = vg.theory.predict(model, SEQUENCES)
    ax = plot.compare(flows, "time", over="time", theory=theory)
    bands = [c for c in ax.collections if c.get_gid() == "vgcore.expected"]
    assert len(bands) == len(cells)
    for band, measured in zip(bands, lines_on(ax), strict=True):
        (path,) = band.get_paths()
        low, high = np.split(np.asarray(path.vertices)[:30, 1], 2)
        median = np.asarray(measured.get_ydata())
        assert ((median >= low * 0.999) & (median <= high[::-1] * 1.001)).mean() > 0.9
    assert "Pascanu's bound" in labels(ax)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"theory": of_time([1, 1])}, "theory: expected a prediction over the 3 timesteps"),
        ({"theory": of_layers()}, "theory: expected a prediction of lstm1 over time, got one of none"),
        ({"theory": of_time([1, 1, 1]), "field": "time_cell"}, "field: expected 'time' where theory"),
        ({"theory": of_time([1, 1, 1]), "layer": "rnn1"}, "layer: expected one of lstm1"),
        ({"theory": {"b": of_time([1, 1, 1])}}, "theory: expected one of a; got 'b'"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_named(given: dict[str, object], message: str) -> None:
    field = given.pop("field", "time")
    with pytest.raises(ValueError, match=f"^{message}"):
        plot.compare({"a": walked([1, 2, 3])}, field, over="time", **given)  # type: ignore[arg-type]


def test_lyapunov_says_where_exponents_come_from() -> None:
    with pytest.raises(TypeError, match=r"vgcore\.theory\.lyapunov\(model, x, layer\) gives"):
        plot.lyapunov(vg.GradientFlow())
