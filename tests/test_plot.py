"""The pictures show the record's numbers, on the right axes, and refuse what they cannot draw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from processes import run_python

import vgcore as vg
from vgcore import plot
from vgcore.flow import FIELDS

matplotlib.use("Agg")

LINEAR = {"activation_mean", "activation_std", "saturated", "dead"}


def model(layers: int = 4, *, use_bias: bool = True) -> vg.Sequential:
    stack = [vg.Dense(5, "sigmoid", use_bias=use_bias) for _ in range(layers - 1)]
    network = vg.Sequential([*stack, vg.Dense(2)], input_shape=3, seed=0)
    network.compile("mse", vg.SGD(0.1))
    return network


def recorded(steps: int = 20, layers: int = 4, *, use_bias: bool = True) -> vg.GradientFlow:
    rng = np.random.default_rng(0)
    flow = vg.GradientFlow()
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    model(layers, use_bias=use_bias).fit(x, y, epochs=steps, batch_size=8, track=flow)
    return flow


@pytest.fixture(scope="module")
def flow() -> vg.GradientFlow:
    return recorded()


@pytest.fixture
def ax() -> Axes:
    return plot.panels(1)[1][0]


@pytest.fixture(autouse=True)
def no_open_figures() -> Iterator[None]:
    """Whoever hands over an Axes gets no figure of pyplot beside it."""
    yield
    left = pyplot.get_fignums()
    pyplot.close("all")
    assert not left


@pytest.mark.parametrize("field", FIELDS)
def test_flow_draws_every_field(flow: vg.GradientFlow, ax: Axes, field: str) -> None:
    assert flow.plot(field, ax=ax) is ax
    assert ax.get_yscale() == ("linear" if field in LINEAR else "log")
    assert ax.get_title()
    assert ax.get_ylabel()
    values = getattr(flow, field)
    if field not in LINEAR:
        values = np.where(values > 0, values, np.nan)
    for line in ax.get_lines():
        step = int(str(line.get_label()).replace(",", ""))
        np.testing.assert_array_equal(line.get_ydata(), values[step])
    ax.figure.canvas.draw()


def test_flow_draws_first_last_and_some_between(flow: vg.GradientFlow, ax: Axes) -> None:
    plot.flow(flow, ax=ax)
    steps = [int(str(line.get_label())) for line in ax.get_lines()]
    assert steps == [0, 4, 8, 11, 15, 19]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(map(str, steps))
    assert [text.get_text() for text in ax.get_xticklabels()] == flow.layers


def test_flow_draws_chosen_steps_in_colours_that_differ(flow: vg.GradientFlow, ax: Axes) -> None:
    plot.flow(flow, ax=ax, steps=[0, 3, 19], legend=False)
    assert [line.get_label() for line in ax.get_lines()] == ["0", "3", "19"]
    assert len({tuple(np.ravel(line.get_color())) for line in ax.get_lines()}) == 3
    assert ax.get_legend() is None


def test_flow_of_a_single_pass(ax: Axes) -> None:
    one = model().gradient_flow(np.ones((4, 3)), np.zeros((4, 2)))
    (line,) = one.plot(ax=ax).get_lines()
    np.testing.assert_array_equal(line.get_ydata(), one.delta[0])


def test_a_deep_network_names_some_layers(ax: Axes) -> None:
    deep = recorded(steps=2, layers=40)
    names = [text.get_text() for text in plot.flow(deep, ax=ax).get_xticklabels()]
    assert (names[0], names[-1], len(names)) == ("dense1", "dense40", 9)
    ax.clear()
    legend = plot.over_training(deep, "delta", ax=ax).get_legend()
    assert legend is not None
    assert len(ax.get_lines()) == 40
    assert len(legend.get_texts()) == 9


def test_over_training_draws_a_line_a_layer(flow: vg.GradientFlow, ax: Axes) -> None:
    assert plot.over_training(flow, ax=ax) is ax
    assert ax.get_yscale() == "log"
    for place, line in enumerate(ax.get_lines()):
        assert line.get_label() == flow.layers[place]
        np.testing.assert_array_equal(line.get_xdata(), flow.step)
        np.testing.assert_array_equal(line.get_ydata(), flow.bias_grad[:, place])
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == flow.layers[::-1]


def test_over_training_draws_chosen_layers(flow: vg.GradientFlow, ax: Axes) -> None:
    plot.over_training(flow, "saturated", ax=ax, layers=["dense3", "dense1"])
    assert ax.get_yscale() == "linear"
    assert [line.get_label() for line in ax.get_lines()] == ["dense3", "dense1"]
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), flow.saturated[:, 2])


def test_what_an_axis_cannot_show_leaves_a_gap(ax: Axes, tmp_path: Path) -> None:
    recorded(steps=1).save(tmp_path / "flow.npz")
    with np.load(tmp_path / "flow.npz") as file:
        arrays = dict(file)
    arrays["delta"] = np.array([[0.0, np.nan, np.inf, 1e-300]])
    np.savez(tmp_path / "odd.npz", **arrays)
    (line,) = vg.GradientFlow.load(tmp_path / "odd.npz").plot(ax=ax).get_lines()
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, np.nan, np.nan, 1e-300])
    ax.figure.canvas.draw()


def test_a_field_without_values_says_so(ax: Axes) -> None:
    stack = [vg.Dense(2, use_bias=False)]
    network = vg.Sequential(stack, input_shape=3, seed=0)
    network.compile()
    network.gradient_flow(np.ones((4, 3)), np.zeros((4, 2))).plot("bias_grad", ax=ax)
    assert [text.get_text() for text in ax.texts] == ["no value to draw"]
    ax.figure.canvas.draw()


def test_without_axes_there_is_a_new_figure_of_pyplot(flow: vg.GradientFlow) -> None:
    axes = flow.plot(), plot.over_training(flow)
    assert len(pyplot.get_fignums()) == 2
    assert axes[0].figure is not axes[1].figure
    pyplot.close("all")


def test_panels_share_the_value_axis() -> None:
    _, (left, right) = plot.panels(2)
    left.set_ylim(1, 7)
    assert right.get_ylim() == (1, 7)


@pytest.mark.parametrize("draw", [plot.flow, plot.over_training])
def test_an_unknown_field_names_the_near_misses(flow: vg.GradientFlow, draw: object) -> None:
    assert callable(draw)
    with pytest.raises(ValueError, match=r"field: .* got 'bias_grads'; did you mean 'bias_grad'"):
        draw(flow, "bias_grads")
    with pytest.raises(TypeError, match=r"field: expected a name"):
        draw(flow, 3)
    with pytest.raises(ValueError, match="at least one recorded step"):
        draw(vg.GradientFlow())


def test_unknown_steps_and_layers_are_named(flow: vg.GradientFlow) -> None:
    with pytest.raises(ValueError, match=r"steps: .* recorded, got \[20\]"):
        plot.flow(flow, steps=[0, 20])
    with pytest.raises(ValueError, match=r"steps: .* recorded, got none"):
        plot.flow(flow, steps=[])
    with pytest.raises(TypeError, match=r"steps: expected an integer"):
        plot.flow(flow, steps=[0.5])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"layers: expected one of dense1, .* got 'dens1'"):
        plot.over_training(flow, layers=["dens1"])


def test_check_path(tmp_path: Path) -> None:
    plot.check_path(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a name ending in .*\.png"):
        plot.check_path(tmp_path / "a.pgn")
    with pytest.raises(FileNotFoundError, match="a folder that exists"):
        plot.check_path(tmp_path / "no" / "a.png")


def test_without_matplotlib_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; import vgcore as vg, numpy as np\n"
        "m = vg.Sequential([vg.Dense(2)], input_shape=1); m.compile()\n"
        "m.gradient_flow(np.ones((1, 1)), np.ones((1, 2))).plot()"
    )
    done = run_python("-c", code)
    assert 'ImportError: pictures need matplotlib: pip install "vgcore[plot]"' in done.stderr
