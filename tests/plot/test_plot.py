"""The pictures show the record's numbers, on the right axes, and refuse what they cannot draw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
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


def recorded_time(
    steps: int = 30, times: int = 25, *, every: int = 1, last_target_alone: bool = False
) -> vg.GradientFlow:
    rng = np.random.default_rng(0)
    network = vg.Sequential(
        [
            vg.LSTM(4, return_sequences=True),
            vg.Bidirectional(vg.GRU(3, return_sequences=not last_target_alone)),
            vg.Dense(1),
        ],
        input_shape=(None, 2),
        seed=0,
    )
    network.compile("mse", vg.SGD(0.1))
    y = rng.normal(size=(8, 1) if last_target_alone else (8, times, 1))
    flow = vg.GradientFlow(every)
    network.fit(rng.normal(size=(8, times, 2)), y, epochs=steps, batch_size=8, track=flow)
    return flow


def altered(flow: vg.GradientFlow, path: Path, **arrays: object) -> vg.GradientFlow:
    flow.save(path)
    with np.load(path) as file:
        saved = dict(file)
    np.savez(path, **(saved | {name.replace("__", "/"): values for name, values in arrays.items()}))
    return vg.GradientFlow.load(path)


def cells(ax: Axes) -> QuadMesh:
    (mesh,) = (child for child in ax.collections if isinstance(child, QuadMesh))
    return mesh


@pytest.fixture(scope="module")
def time_flow() -> vg.GradientFlow:
    return recorded_time()


@pytest.fixture
def sheet() -> Figure:
    return plot.blank(10, 8)


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


@pytest.mark.parametrize("field", [f for f in FIELDS if f not in ("delta_skip", "delta_body")])
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


def test_time_draws_a_heatmap_and_curves(time_flow: vg.GradientFlow, sheet: Figure) -> None:
    assert time_flow.plot_time(figure=sheet) is sheet
    heat, curves, bar = sheet.axes
    assert heat.get_title() == "lstm1: over the training"
    assert heat.get_xlabel() == curves.get_xlabel() == "timestep $t$"
    assert heat.get_ylabel() == "training step"
    assert bar.get_ylabel() == curves.get_ylabel() == r"$\|\partial L/\partial h_t\|_2$"
    norms = time_flow.time["lstm1"]
    np.testing.assert_array_equal(cells(heat).get_array(), norms)
    assert isinstance(cells(heat).norm, LogNorm)
    assert (cells(heat).norm.vmin, cells(heat).norm.vmax) == (norms.min(), norms.max())
    corners = np.asarray(cells(heat).get_coordinates())
    assert (corners[0, 0].tolist(), corners[-1, -1].tolist()) == ([-0.5, -0.5], [24.5, 29.5])
    assert curves.get_yscale() == "log"
    sheet.canvas.draw()


def test_time_draws_totals_solid_and_their_direct_part_dashed(
    time_flow: vg.GradientFlow, sheet: Figure
) -> None:
    plot.time(time_flow, "bidirectional1.backward", figure=sheet)
    solid = [line for line in sheet.axes[1].get_lines() if line.get_linestyle() == "-"]
    dashed = [line for line in sheet.axes[1].get_lines() if line.get_linestyle() == "--"]
    steps = [int(str(line.get_label())) for line in solid]
    assert steps == [0, 6, 12, 17, 23, 29]
    for step, total, direct in zip(steps, solid, dashed, strict=False):
        of_layer = {
            name: record["bidirectional1.backward"][step]
            for name, record in (("time", time_flow.time), ("time_direct", time_flow.time_direct))
        }
        np.testing.assert_array_equal(total.get_ydata(), of_layer["time"])
        np.testing.assert_array_equal(direct.get_ydata(), of_layer["time_direct"])
        np.testing.assert_array_equal(total.get_color(), direct.get_color())
    (legend,) = sheet.legends
    assert [text.get_text() for text in legend.get_texts()] == [*map(str, steps), "direct part"]
    (arrows,) = (c for c in sheet.axes[0].collections if not isinstance(c, QuadMesh))
    assert np.ma.getdata(arrows.get_offsets())[:, 1].tolist() == steps


def test_time_draws_a_direct_part_of_one_timestep_as_a_point(sheet: Figure) -> None:
    flow = recorded_time(last_target_alone=True)
    plot.time(flow, "bidirectional1.forward", figure=sheet, steps=[3])
    total, direct, _ = sheet.axes[1].get_lines()
    assert np.isfinite(total.get_ydata()).all()
    assert np.flatnonzero(np.isfinite(direct.get_ydata())).tolist() == [24]
    assert (direct.get_marker(), direct.get_linestyle()) == ("o", "None")


def test_time_draws_layers_below_each_other_on_one_scale(
    time_flow: vg.GradientFlow, sheet: Figure
) -> None:
    names = list(time_flow.time)
    plot.time(time_flow, names, figure=sheet)
    *panels, bar = sheet.axes
    assert [ax.get_title().split(":")[0] for ax in panels] == [name for name in names for _ in "ab"]
    assert len({(cells(ax).norm.vmin, cells(ax).norm.vmax) for ax in panels[::2]}) == 1
    assert len({ax.get_ylim() for ax in panels[1::2]}) == 1
    assert bar.get_ylim() == pytest.approx(
        (
            min(v.min() for v in time_flow.time.values()),
            max(v.max() for v in time_flow.time.values()),
        )
    )


@pytest.mark.parametrize(
    ("field", "gate", "place"),
    [
        ("time_direct", None, None),
        ("time_cell", None, None),
        ("time_gate", "f", 1),
        ("time_saturated", "o", 3),
    ],
)
def test_time_draws_every_field(
    time_flow: vg.GradientFlow, sheet: Figure, field: str, gate: str | None, place: int | None
) -> None:
    plot.time(time_flow, field=field, gate=gate, figure=sheet)
    values = getattr(time_flow, field)["lstm1"]
    values = values if place is None else values[..., place]
    if field != "time_saturated":
        values = np.where(values > 0, values, np.nan)  # c before the first timestep is 0
    np.testing.assert_array_equal(cells(sheet.axes[0]).get_array(), values)
    np.testing.assert_array_equal(sheet.axes[1].get_lines()[0].get_ydata(), values[0])
    assert sheet.axes[1].get_yscale() == ("linear" if field == "time_saturated" else "log")
    assert (f"gate {gate}" in sheet.get_suptitle()) == (gate is not None)
    sheet.canvas.draw()


def test_time_of_one_recorded_step_is_curves_alone(sheet: Figure) -> None:
    plot.time(recorded_time(steps=1), figure=sheet)
    (ax,) = sheet.axes
    assert ax.get_title() == "lstm1"
    assert ax.get_xlabel() == "timestep $t$"
    sheet.canvas.draw()


def test_time_of_one_timestep(sheet: Figure) -> None:
    flow = recorded_time(times=1)
    plot.time(flow, figure=sheet)
    np.testing.assert_array_equal(cells(sheet.axes[0]).get_array(), flow.time["lstm1"])
    assert sheet.axes[0].get_xticks().tolist() == [0]
    sheet.canvas.draw()


def test_time_thins_long_records_and_keeps_their_ends(sheet: Figure, tmp_path: Path) -> None:
    norms = np.random.default_rng(0).uniform(size=(500, 1200))
    flow = altered(recorded_time(steps=500, times=2), tmp_path / "long.npz", time__lstm1=norms)
    plot.time(flow, figure=sheet)
    shown = np.asarray(cells(sheet.axes[0]).get_array())
    assert shown.shape == (400, 1000)
    np.testing.assert_array_equal(shown[[0, -1]][:, [0, -1]], norms[[0, -1]][:, [0, -1]])
    assert (sheet.axes[0].get_ylim()[1] > 499) and (sheet.axes[0].get_xlim()[1] > 1199)


def test_time_shows_in_grey_where_there_is_no_gradient(
    time_flow: vg.GradientFlow, sheet: Figure, tmp_path: Path
) -> None:
    norms = time_flow.time["lstm1"].copy()
    norms[3, :5], norms[4, :5], norms[5, :5] = 0, np.nan, 1e-40
    odd = altered(time_flow, tmp_path / "odd.npz", time__lstm1=norms)
    plot.time(odd, figure=sheet, steps=[3, 4, 5])
    mesh, bar = cells(sheet.axes[0]), sheet.axes[-1]
    colours = mesh.to_rgba(np.ma.asarray(mesh.get_array()))
    grey = matplotlib.colors.to_rgba("0.75")
    assert np.all(colours[3:6, :5] == grey)
    assert not np.any(np.all(colours[3:6, 5:] == grey, axis=-1))
    assert "grey: less or none" in bar.get_ylabel()
    assert np.isnan(np.asarray(sheet.axes[1].get_lines()[0].get_ydata())[:5]).all()
    sheet.canvas.draw()


def test_time_shows_the_shorter_steps_of_a_record_as_grey_behind_their_end(sheet: Figure) -> None:
    network = vg.Sequential([vg.RNN(3), vg.Dense(1)], input_shape=(None, 1), seed=0)
    network.compile()
    flow = vg.GradientFlow()
    for times in (9, 6):
        network.fit(np.ones((4, times, 1)), np.ones((4, 1)), batch_size=4, track=flow)
    plot.time(flow, field="time_saturated", figure=sheet)
    mesh = cells(sheet.axes[0])
    assert np.isnan(flow.time_saturated["rnn1"][1, 6:]).all()
    assert (
        np.ma.getmaskarray(np.ma.asarray(mesh.get_array()))[1].tolist() == [False] * 6 + [True] * 3
    )
    assert sheet.axes[-1].get_ylabel() == "share of values, 0 to 1  (grey: none)"
    assert sheet.get_suptitle() == "Saturation of gate z"


def test_time_without_any_gradient_says_so(
    time_flow: vg.GradientFlow, sheet: Figure, tmp_path: Path
) -> None:
    nothing = np.zeros_like(time_flow.time["lstm1"])
    none = altered(
        time_flow, tmp_path / "none.npz", time__lstm1=nothing, time_direct__lstm1=nothing
    )
    plot.time(none, figure=sheet)
    assert [text.get_text() for text in sheet.axes[1].texts] == ["no value to draw"]
    assert "grey: 0 or none" in sheet.axes[-1].get_ylabel()
    sheet.canvas.draw()


def test_time_without_a_figure_makes_one_of_pyplot(time_flow: vg.GradientFlow) -> None:
    figure = time_flow.plot_time("lstm1", steps=[0])
    assert pyplot.figure(pyplot.get_fignums()[0]) is figure
    pyplot.close("all")


def test_time_refuses_what_it_cannot_draw(
    time_flow: vg.GradientFlow, flow: vg.GradientFlow
) -> None:
    with pytest.raises(ValueError, match="at least one recorded step"):
        plot.time(vg.GradientFlow())
    with pytest.raises(
        ValueError, match="flow: expected a record of a recurrent layer, got dense1"
    ):
        plot.time(flow)
    with pytest.raises(ValueError, match=r"layer: expected one of lstm1, .* did you mean 'lstm1'"):
        plot.time(time_flow, "lstm2")
    with pytest.raises(ValueError, match=r"layer: expected one of lstm1; got 'bidirectional1.forw"):
        plot.time(time_flow, "bidirectional1.forward", field="time_cell")
    with pytest.raises(TypeError, match=r"layer: expected a name \(str\), got int"):
        plot.time(time_flow, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"layer: expected at least one layer, got none"):
        plot.time(time_flow, [])
    with pytest.raises(ValueError, match=r"field: expected one of time, .* got 'delta'"):
        plot.time(time_flow, field="delta")
    with pytest.raises(ValueError, match=r"gate: expected None with field='time', got 'f'"):
        plot.time(time_flow, gate="f")
    with pytest.raises(ValueError, match=r"gate: expected one of i, f, g, o; got 'z'"):
        plot.time(time_flow, field="time_gate", gate="z")
    with pytest.raises(
        ValueError, match=r"gate: expected one of i, f, g, o with field='time_gate'"
    ):
        plot.time(time_flow, field="time_gate")
    with pytest.raises(ValueError, match=r"steps: .* recorded, got \[30\]"):
        plot.time(time_flow, steps=[30])


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
