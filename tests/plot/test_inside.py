"""Heatmaps, distributions, gates, blocks and spectra show the numbers that they are given."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from pictures import INF, NAN, Distributed, inside, layered, render

import vgcore as vg
from vgcore import plot
from vgcore.plot import bins
from vgcore.plot.curves import lines_on
from vgcore.plot.marks import counts_on

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def mesh(ax: Axes) -> np.ma.MaskedArray:
    render(ax.figure)
    (found,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    return np.ma.asarray(found.get_array())


def labels(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def trained(**options: object) -> tuple[vg.Sequential, vg.GradientFlow]:
    rng = np.random.default_rng(0)
    stack = [vg.Dense(5, "tanh"), vg.Dense(4, "relu"), vg.Dense(2)]
    model = vg.Sequential(stack, input_shape=3, seed=0)
    model.compile("mse", vg.SGD(0.1))
    flow = vg.GradientFlow(**options)  # type: ignore[arg-type]
    model.fit(
        rng.normal(size=(16, 3)), rng.normal(size=(16, 2)), epochs=6, batch_size=8, track=flow
    )
    return model, flow


def test_a_heatmap_of_layers_has_the_training_to_the_right() -> None:
    ax = plot.heatmap(layered([[1, 2], [3, 4], [5, 6]]))
    np.testing.assert_array_equal(mesh(ax), [[1, 3, 5], [2, 4, 6]])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["dense1", "dense2"]
    assert ax.get_xlabel() == "training step"


def test_a_heatmap_counts_what_its_colours_do_not_hold() -> None:
    ax = plot.heatmap(layered([[1, NAN], [0, INF], [0, 2]]))
    mesh(ax)
    assert labels(ax) == ["0 (2 cells)", "infinite (1 cell)", "NaN (1 cell)"]


@pytest.mark.parametrize("field", ["unit_delta", "unit_saturated", "unit_dead", "unit_weight"])
def test_units_over_the_training(field: str) -> None:
    _, flow = trained(units=True)
    ax = plot.heatmap(flow, field, layer="dense2")
    shown = mesh(ax)
    expected = getattr(flow, field)["dense2"].T
    np.testing.assert_array_equal(shown.filled(0), np.where(shown.mask, 0, expected))
    assert shown.shape == (4, len(flow.unit_step))


@pytest.mark.parametrize("align", ["start", "end"])
def test_what_lies_behind_a_length_is_no_value_and_no_nan(align: str) -> None:
    values = np.arange(1.0, 13).reshape(3, 4)
    found = inside(values, lengths=[4, 2, 1])
    if align == "end":
        found = inside(values[:, ::-1])
        found.lengths, found.align = np.array([4, 2, 1]), "end"
        for sample, length in zip(found["lstm1"].dh, (4, 2, 1), strict=True):
            sample[: 4 - length] = NAN
    shown = mesh(plot.heatmap(found, "dh", layer="lstm1"))
    alive = np.arange(4) < np.array([[4], [2], [1]])
    alive = alive if align == "start" else alive[:, ::-1]
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), ~alive)
    np.testing.assert_allclose(shown[0], values[0][:: 1 if align == "start" else -1] * 3**0.5)


def test_sequences_that_end_together_are_counted_back() -> None:
    model = vg.Sequential([vg.LSTM(3), vg.Dense(2)], input_shape=(None, 4), seed=0)
    model.compile("mse")
    x, y = np.ones((4, 6, 4)), np.ones((4, 2))
    found = model.internals(x, y, lengths=[1, 2, 3, 6], align="end")
    ax = plot.heatmap(found, "dh", layer="lstm1")
    assert (ax.get_xlabel(), ax.get_xlim()) == ("timestep, counted from the last", (-5.5, 0.5))
    for ax in plot.gates(found, "lstm1").axes:
        (line, *_) = lines_on(ax)
        assert ax.get_xlabel() == "timestep, counted from the last"
        assert line.get_xdata()[-1] == 0


def test_nan_at_a_timestep_is_nan() -> None:
    ax = plot.heatmap(inside([[1, NAN, 1], [1, 1, 1]], lengths=[3, 2]), "dh", layer="lstm1")
    mesh(ax)
    assert labels(ax) == ["no timestep (1 cell)", "NaN (1 cell)"]


def test_the_inside_of_one_layer_alone_will_do() -> None:
    found = inside(np.ones((3, 4)), lengths=[4, 2, 1])
    np.testing.assert_array_equal(
        np.ma.getmaskarray(mesh(plot.heatmap(found["lstm1"], "dh"))),
        np.arange(4) >= np.array([[4], [2], [1]]),
    )
    render(plot.gates(found["lstm1"]))


def test_norms_of_tiny_gradients_do_not_underflow() -> None:
    shown = mesh(plot.heatmap(inside([[1e-200, 1e-200]]), "dh", layer="lstm1"))
    np.testing.assert_allclose(shown, [[3**0.5 * 1e-200] * 2])


def test_histograms_share_out_every_element() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=1000)
    values[:100], values[100:110], values[110:115] = 0, NAN, -INF
    for log in (True, False):
        binned = bins.of_arrays([values, values[:50]], log=log)
        lanes = sum(lane for lane in binned.lanes.values())
        np.testing.assert_allclose(binned.shares.sum(axis=1) + lanes, 1)
        assert binned.counts["nan"] == 10


def test_bins_of_arrays_are_those_of_a_record() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=100) * 10.0 ** rng.integers(-9, 9, 100), np.array([0, NAN, INF, -1])]
    recorded = Distributed.of([arrays]).distribution("delta")
    one = bins.of_distribution(recorded, [0], [0, 1])
    other = bins.of_arrays(arrays, log=True)
    np.testing.assert_array_equal(one.edges, other.edges)
    np.testing.assert_allclose(one.shares, other.shares)
    assert one.counts == other.counts


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("tanh", -1, 1), ("sigmoid", 0, 1), ("relu", 0, INF), ("softsign", -1, 1), ("elu", -1, INF)],
)
def test_an_activations_own_range(name: str, low: float, high: float) -> None:
    found = bins.own_range(vg.activations.get(name))
    assert found == (
        pytest.approx(low, abs=1e-5),
        high if high == INF else pytest.approx(high, abs=1e-5),
    )


def test_outputs_stand_on_the_activations_own_range() -> None:
    ax = plot.histograms(inside([[0.1, 0.2], [0.3, 0.1]]), "h", activation="tanh", layers="dense1")
    render(ax.figure)
    assert ax.get_xlim()[0] <= -1 and ax.get_xlim()[1] >= 1


def test_a_real_record_of_distributions() -> None:
    _, flow = trained(distributions=True)
    for ax in (
        plot.distribution(flow, "dense2"),
        plot.distribution(flow, "dense2", "weight_grad", kind="heatmap"),
        plot.histograms(flow, "update_ratio"),
    ):
        assert len(render(ax.figure)) > 2000
    render(plot.dashboard(flow))
    with pytest.raises(ValueError, match="distributions"):
        plot.distribution(trained()[1])


def test_gates_that_are_open_and_closed() -> None:
    found = inside(np.full((2, 3), 9.0))  # a sigmoid of 9 is open
    figure = plot.gates(found)
    render(figure)
    opened, closed, gradient = figure.axes
    assert [line.get_label() for line in lines_on(opened)] == ["i", "f", "o"]  # g is no door
    np.testing.assert_array_equal(lines_on(opened)[0].get_ydata(), [1, 1, 1])
    np.testing.assert_array_equal(lines_on(closed)[0].get_ydata(), [0, 0, 0])
    np.testing.assert_allclose(lines_on(gradient)[0].get_ydata(), 9 * 6**0.5)


def test_gates_pass_by_what_lies_behind_a_length() -> None:
    figure = plot.gates(inside(np.full((2, 3), 9.0), lengths=[2, 1]))
    np.testing.assert_array_equal(lines_on(figure.axes[0])[0].get_ydata(), [1, 1])
    np.testing.assert_allclose(lines_on(figure.axes[2])[0].get_ydata(), [9 * 6**0.5, 9 * 3**0.5])


def test_branches_of_a_block() -> None:
    skip, body = lines_on(plot.branches(inside([[3, 3]])))
    np.testing.assert_allclose([*skip.get_ydata(), *body.get_ydata()], [27**0.5, 27**0.5 / 2])
    ax = plot.branches(layered([[1, 2]], delta_skip=[[NAN, 5]], delta_body=[[NAN, 7]]))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["dense2"]


def test_saturated_is_solid_and_dead_dashed_in_one_colour() -> None:
    ax = plot.saturation(layered([[0.5, 1]], saturated=[[0.5, NAN]], dead=[[0.25, NAN]]))
    solid, dashed = lines_on(ax)
    assert solid.get_color() == dashed.get_color()
    assert (solid.get_linestyle(), list(dashed.get_ydata())) == ("-", [0.25])
    assert labels(ax) == ["dense1", "dead units"]


def test_small_shares_are_seen() -> None:
    assert plot.saturation(layered([[0.02], [0.04]])).get_ylim()[1] < 0.2
    assert plot.saturation(layered([[0.02], [0.4]])).get_ylim()[1] > 1


def test_singular_values_of_weights_and_of_samples() -> None:
    model, _ = trained()
    ax = plot.singular_values(model)
    for line, name in zip(lines_on(ax), ("dense1", "dense2", "dense3"), strict=True):
        weight = model.state_dict()[f"{name}.weight"]
        np.testing.assert_allclose(line.get_ydata(), np.linalg.svd(weight, compute_uv=False))
    (line,) = lines_on(plot.singular_values({"J": [[1, 3], [4, 2], [5, 6]]}))
    np.testing.assert_array_equal(line.get_ydata(), [4, 2])


def test_exponents_fall() -> None:
    ax = plot.lyapunov(np.array([-1.0, 0.5, -INF]))
    np.testing.assert_array_equal(lines_on(ax)[0].get_ydata(), [0.5, -1, NAN])
    assert counts_on(ax) == {"minus": 1}


def test_how_many_pre_activations_lie_where_it_is_flat() -> None:
    ax = plot.activation("relu", [-1.0, -2.0, 3.0, NAN])
    render(ax.figure)
    assert ax.get_title() == "relu: 67% of z lie where it is flat"
    assert "NaN (1 value)" in ax.figure.axes[1].get_title(loc="right")


@pytest.mark.parametrize("z", [None, [-1.0, 2.0, 3.0]])
def test_an_activation_is_drawn_on_axes_that_one_has(z: list[float] | None) -> None:
    figure, (left, right) = pyplot.subplots(1, 2, layout="constrained")
    assert plot.activation("tanh", z, ax=right) is right
    plot.activation("relu", z, ax=left, legend=False)
    render(figure)
    assert len(figure.axes) == (2 if z is None else 4)
    assert left.get_legend() is None and right.get_legend() is not None
    free = pyplot.figure().add_axes((0.1, 0.2, 0.8, 0.7))
    plot.activation("tanh", z, ax=free)
    render(free.figure)
    if z is not None:
        beneath = free.figure.axes[1].get_position()
        assert 0.19 < beneath.y0 < beneath.y1 < free.get_position().y0 < 0.9


def test_layers_are_named_at_one_distance() -> None:
    ax = layered(np.ones((1, 13))).plot()
    assert np.diff(ax.get_xticks()).tolist() == [2] * 6
