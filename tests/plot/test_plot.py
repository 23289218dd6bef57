"""The pictures show the record's numbers, on the right axes, and refuse what they cannot draw."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

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
from vgcore._extras import missing
from vgcore.flow import FIELDS, Walk
from vgcore.plot import palette

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
    ax.figure.savefig(BytesIO())


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


def test_a_line_has_a_gap_where_the_axis_shows_no_value(ax: Axes, tmp_path: Path) -> None:
    recorded(steps=1).save(tmp_path / "flow.npz")
    with np.load(tmp_path / "flow.npz") as file:
        arrays = dict(file)
    arrays["delta"] = np.array([[0.0, np.nan, np.inf, 1e-300]])
    np.savez(tmp_path / "odd.npz", **arrays)
    (line,) = vg.GradientFlow.load(tmp_path / "odd.npz").plot(ax=ax).get_lines()
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, np.nan, np.nan, 1e-300])
    ax.figure.savefig(BytesIO())


def test_a_field_without_values_says_so(ax: Axes) -> None:
    stack = [vg.Dense(2, use_bias=False)]
    network = vg.Sequential(stack, input_shape=3, seed=0)
    network.compile()
    network.gradient_flow(np.ones((4, 3)), np.zeros((4, 2))).plot("bias_grad", ax=ax)
    assert [text.get_text() for text in ax.texts] == ["no value to draw"]
    ax.figure.savefig(BytesIO())


def test_a_notebook_shows_a_figure_without_pyplot() -> None:
    figure = vg.plot.blank(3, 2)
    assert pyplot.get_fignums() == []
    assert figure._repr_png_().startswith(b"\x89PNG")


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
    heat, curves = sheet.axes
    (bar,) = heat.child_axes
    assert heat.get_title() == "lstm1: over the training"
    assert heat.get_xlabel() == curves.get_xlabel() == "timestep $t$"
    assert heat.get_ylabel() == "training step"
    assert (bar.get_ylabel(), curves.get_ylabel()) == ("", r"$\|\partial L/\partial h_t\|_2$")
    norms = time_flow.time["lstm1"]
    np.testing.assert_array_equal(cells(heat).get_array(), norms)
    assert isinstance(cells(heat).norm, LogNorm)
    assert (cells(heat).norm.vmin, cells(heat).norm.vmax) == (norms.min(), norms.max())
    corners = np.asarray(cells(heat).get_coordinates())
    assert (corners[0, 0].tolist(), corners[-1, -1].tolist()) == ([-0.5, -0.5], [24.5, 29.5])
    assert curves.get_yscale() == "log"
    sheet.savefig(BytesIO())


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
    panels = sheet.axes
    titles = [ax.get_title().replace("\n", "") for ax in panels]
    assert [title.split(":")[0] for title in titles] == [name for name in names for _ in "ab"]
    assert len({(cells(ax).norm.vmin, cells(ax).norm.vmax) for ax in panels[::2]}) == 1
    assert len({ax.get_ylim() for ax in panels[1::2]}) == 1
    ends = (
        min(v.min() for v in time_flow.time.values()),
        max(v.max() for v in time_flow.time.values()),
    )
    for ax in panels[::2]:
        assert ax.child_axes[0].get_ylim() == pytest.approx(ends)


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
    sheet.savefig(BytesIO())


def test_time_of_one_recorded_step_is_curves_alone(sheet: Figure) -> None:
    plot.time(recorded_time(steps=1), figure=sheet)
    (ax,) = sheet.axes
    assert ax.get_title() == "lstm1"
    assert ax.get_xlabel() == "timestep $t$"
    sheet.savefig(BytesIO())


def test_time_of_one_timestep(sheet: Figure) -> None:
    flow = recorded_time(times=1)
    plot.time(flow, figure=sheet)
    np.testing.assert_array_equal(cells(sheet.axes[0]).get_array(), flow.time["lstm1"])
    assert sheet.axes[0].get_xticks().tolist() == [0]
    sheet.savefig(BytesIO())


def test_time_thins_long_records_and_keeps_their_ends(sheet: Figure, tmp_path: Path) -> None:
    norms = np.random.default_rng(0).uniform(size=(500, 1200))
    flow = recorded_time(steps=500, times=2)
    times = {f"{field}__lstm1": norms for field in ("time", "time_direct", "time_cell")}
    gates = {
        f"{field}__lstm1": np.ones((500, 1200, 4)) for field in ("time_gate", "time_saturated")
    }
    flow = altered(flow, tmp_path / "long.npz", **times, **gates)
    plot.time(flow, figure=sheet)
    shown = np.asarray(cells(sheet.axes[0]).get_array())
    assert shown.shape == (400, 1000)
    np.testing.assert_array_equal(shown[[0, -1]][:, [0, -1]], norms[[0, -1]][:, [0, -1]])
    assert (sheet.axes[0].get_ylim()[1] > 499) and (sheet.axes[0].get_xlim()[1] > 1199)


def test_time_shows_the_shorter_steps_of_a_record_as_shorter(sheet: Figure) -> None:
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
    (cells_legend,) = (one for one in sheet.legends if not one.get_title().get_text())
    assert [text.get_text() for text in cells_legend.get_texts()] == ["no timestep (3 cells)"]
    assert sheet.axes[-1].get_ylabel() == "share of values, 0 to 1"
    assert sheet.get_suptitle() == "Saturation of gate z"


def test_time_without_a_figure_makes_one_of_pyplot(time_flow: vg.GradientFlow) -> None:
    figure = time_flow.plot_time("lstm1", steps=[0])
    assert pyplot.figure(pyplot.get_fignums()[0]) is figure
    pyplot.close("all")


def test_time_refuses_what_it_cannot_draw(
    time_flow: vg.GradientFlow, flow: vg.GradientFlow
) -> None:
    with pytest.raises(
        ValueError, match="flow: expected a record of a recurrent layer, got dense1"
    ):
        plot.time(flow)
    with pytest.raises(ValueError, match=r"layers: expected one of lstm1, .* did you mean 'lstm1'"):
        plot.time(time_flow, "lstm2")
    with pytest.raises(
        ValueError, match=r"layers: expected one of lstm1; got 'bidirectional1.forw"
    ):
        plot.time(time_flow, "bidirectional1.forward", field="time_cell")
    with pytest.raises(TypeError, match=r"layers: expected a name \(str\), got int"):
        plot.time(time_flow, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"layers: expected at least one layer, got none"):
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


def test_matplotlib_is_imported_when_something_is_drawn() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; import vgcore; vgcore.plot.flow\n"
        "from vgcore.plot import curves, heatmaps; print('there')"
    )
    assert run_python("-c", code).stdout == "there\n"


def test_without_matplotlib_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; import vgcore as vg, numpy as np\n"
        "m = vg.Sequential([vg.Dense(2)], input_shape=1); m.compile()\n"
        "m.gradient_flow(np.ones((1, 1)), np.ones((1, 2))).plot()"
    )
    done = run_python("-c", code)
    assert f"ModuleNotFoundError: {missing('matplotlib', 'plot', 'pictures need')}" in done.stderr


def drawn(figure: Figure) -> None:
    """Draw for real: `Figure.canvas.draw` of a figure without a canvas of its own draws nothing."""
    figure.savefig(BytesIO())


def test_a_notebook_shows_a_figure_once(time_flow: vg.GradientFlow) -> None:
    # IPython asks a value for _ipython_display_, goes on as if there were none where that is not
    # implemented, and shows what is open in pyplot when the cell is done.
    from vgcore.plot import notebook

    figure = time_flow.plot_time()
    assert isinstance(figure, notebook.ShownOnce)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            matplotlib, "get_backend", lambda: "module://matplotlib_inline.backend_inline"
        )
        assert pyplot.get_fignums()
        with pytest.raises(NotImplementedError):
            figure._ipython_display_()
        assert not pyplot.get_fignums()


def test_a_window_stays_open_when_its_figure_is_shown(time_flow: vg.GradientFlow) -> None:
    figure = time_flow.plot_time()
    with pytest.raises(NotImplementedError):
        figure._ipython_display_()  # type: ignore[attr-defined]
    assert pyplot.get_fignums()
    pyplot.close("all")


def linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIE Lab of linear RGB: distances of 10 are seen at a glance."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    f = np.cbrt(light @ to_xyz.T / [0.9505, 1, 1.089])
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1
    )


# Machado, Oliveira and Fernandes 2009, of severity 1
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("count", range(2, 8))
def test_neighbouring_lines_differ_for_every_vision_and_in_print(vision: str, count: int) -> None:
    looks = palette.looks(count)
    rgb = linear(np.array([matplotlib.colors.to_rgb(look["color"]) for look in looks]))
    seen = lab(np.clip(rgb @ VISIONS[vision].T, 0, 1))
    assert np.linalg.norm(np.diff(seen, axis=0), axis=1).min() > 15
    for one, next_one in pairwise(looks):
        assert one["marker"] != next_one["marker"]
        assert one["linestyle"] != next_one["linestyle"]
    assert lab(rgb)[:, 0].max() < 80  # dark enough on white


def test_a_layer_named_like_what_matplotlib_leaves_out_is_in_the_legend() -> None:
    names = ["_hidden", "a$b$", "_nolegend", "dense4"]
    network = vg.Sequential([vg.Dense(2, name=name) for name in names], input_shape=2, seed=0)
    network.compile()
    flow = vg.GradientFlow()
    network.fit(np.ones((4, 2)), np.ones((4, 2)), epochs=3, track=flow)
    ax = plot.over_training(flow)
    drawn(ax.figure)
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == names[::-1]
    assert [text.get_text() for text in flow.plot().get_xticklabels()] == names
    pyplot.close("all")


def test_several_flows_share_axes() -> None:
    shallow, deep = recorded(layers=2), recorded(layers=6)
    ax = shallow.plot(label="shallow", steps=[0, 19])
    deep.plot(label="deep", steps=[0], ax=ax, color="black")
    drawn(ax.figure)
    legend = ax.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == [
        "shallow, step 0",
        "shallow, step 19",
        "deep",
    ]
    assert [label.get_text() for label in ax.get_xticklabels()] == deep.layers
    assert ax.get_lines()[2].get_color() == "#000000"
    shallow.plot(ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == deep.layers
    assert len({line.get_color() for line in ax.get_lines()}) == len(ax.get_lines())
    pyplot.close("all")


def test_the_legend_keeps_what_the_user_draws(flow: vg.GradientFlow, ax: Axes) -> None:
    ax.plot([0, 1], [1, 1], label="theory")
    flow.plot(ax=ax, steps=[0])
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["0", "theory"]


def test_over_training_names_the_flows(flow: vg.GradientFlow, ax: Axes) -> None:
    plot.over_training(flow, ax=ax, layers="dense1", label="a", color="tab:red")
    plot.over_training(recorded(layers=2), ax=ax, layers=["dense2"], label="b")
    assert [line.get_label() for line in ax.get_lines()] == ["a, dense1", "b, dense2"]
    assert ax.get_lines()[0].get_color() == matplotlib.colors.to_hex("tab:red")


def test_time_names_the_flow_and_takes_its_colour(
    time_flow: vg.GradientFlow, sheet: Figure
) -> None:
    plot.time(time_flow, figure=sheet, label="at the edge", color="red", steps=[3])
    assert sheet.get_suptitle() == "at the edge: Gradient of the hidden state"
    assert sheet.axes[1].get_lines()[0].get_color() == "#ff0000"


def test_chosen_layers_alone(flow: vg.GradientFlow, ax: Axes) -> None:
    plot.flow(flow, ax=ax, layers=["dense4", "dense2"], steps=[0])
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), flow.delta[0, [3, 1]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["dense4", "dense2"]


NAMES = ["bidirectional1.backward", "residual1.body.dense1", "a_layer_with_a_long_name", "out"]


@pytest.mark.parametrize("size", [(6.4, 4.8), (3, 2)])
@pytest.mark.parametrize("draw", [plot.flow, plot.over_training])
def test_nothing_is_cut_off_with_defaults(draw: Any, size: tuple[float, float]) -> None:
    flow = vg.GradientFlow()
    flow.declare(NAMES)
    for step in range(3):
        flow.add(step, delta=10.0 ** np.arange(4))
    _, ax = pyplot.subplots(figsize=size)
    draw(flow, "delta", ax=ax)
    drawn(ax.figure)
    whole, box = ax.figure.bbox, ax.get_tightbbox()
    assert box is not None
    assert whole.x0 - 1 <= box.x0 and box.x1 <= whole.x1 + 1
    assert whole.y0 - 1 <= box.y0 and box.y1 <= whole.y1 + 1
    pyplot.close("all")


def test_margins_that_somebody_set_stay(flow: vg.GradientFlow) -> None:
    figure, ax = pyplot.subplots(gridspec_kw={"left": 0.4})
    figure.subplots_adjust(left=0.4)
    flow.plot(ax=ax)
    assert figure.get_layout_engine() is None
    drawn(figure)
    assert figure.subplotpars.left == 0.4
    pyplot.close("all")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ax": "x"}, TypeError, r"ax: expected matplotlib Axes, got 'x' \(str\)"),
        ({"label": 3}, TypeError, r"label: expected a str, got 3"),
        ({"color": "no colour"}, ValueError, r"color: expected a colour .* got 'no colour'"),
        ({"layers": []}, ValueError, r"layers: expected at least one layer, got none"),
        ({"layers": 3}, TypeError, r"layers: expected a name"),
        ({"legend": "yes"}, TypeError, r"legend: expected True or False, got 'yes'"),
    ],
)
@pytest.mark.parametrize("draw", [plot.flow, plot.over_training])
def test_an_argument_out_of_place_is_named(
    flow: vg.GradientFlow, draw: Any, options: dict[str, Any], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        draw(flow, **options)


def test_a_step_or_figure_out_of_place_is_named(time_flow: vg.GradientFlow) -> None:
    with pytest.raises(TypeError, match=r"steps: expected step numbers, got 3"):
        time_flow.plot(steps=3)
    with pytest.raises(TypeError, match=r"figure: expected a matplotlib Figure, got 3"):
        time_flow.plot_time(figure=3)


def test_a_last_timestep_that_became_nan_is_not_taken_for_a_shorter_step(sheet: Figure) -> None:
    flow = vg.GradientFlow()
    flow.declare(["rnn1"], {"rnn1": Walk(("z",))})
    flow.add(0, delta=[1.0], time={"time": {"rnn1": [1, 1, 1]}, "time_direct": {"rnn1": [0, 0, 1]}})
    direct = {"rnn1": [0, 0, np.nan]}
    flow.add(1, delta=[np.nan], time={"time": {"rnn1": [np.nan] * 3}, "time_direct": direct})
    flow.add(2, delta=[1.0], time={"time": {"rnn1": [1, 1]}, "time_direct": {"rnn1": [0, 1]}})
    plot.time(flow, figure=sheet)
    (legend,) = (one for one in sheet.legends if not one.get_title().get_text())
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["no timestep (1 cell)", "NaN (3 cells)"]
