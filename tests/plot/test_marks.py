"""What an axis or a scale of colours cannot show stands as what it is; every picture becomes bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from pictures import INF, NAN, RECORDS, layered, render, walked

import vgcore as vg
from vgcore import plot
from vgcore.plot import cells as coloured
from vgcore.plot.curves import lines_on
from vgcore.plot.fields import FIELDS, TIME_FIELDS, present
from vgcore.plot.marks import counts_on

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def marks(ax: Axes, kind: str) -> np.ndarray:
    """Where (n, 2) the marks of a kind are: x, and the height in the frame."""
    found = [c for c in ax.collections if f".{kind}." in str(c.get_gid())]
    return np.concatenate([np.ma.getdata(c.get_offsets()) for c in found] or [np.empty((0, 2))])


def legend_of(ax: Axes | Figure) -> list[str]:
    (legend,) = ax.legends if isinstance(ax, Figure) else [ax.get_legend()]
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def pairs(fields: Iterable[str], *, telling: Iterable[str]) -> list[tuple[str, str]]:
    """Every field of one record, and a field of each kind of axis of every record."""
    return sorted(
        {("mixed", field) for field in fields} | {(n, f) for n in RECORDS for f in telling}
    )


@pytest.mark.parametrize(
    ("name", "field"), pairs(FIELDS, telling=("delta", "activation_mean", "saturated"))
)
def test_every_record_becomes_a_picture(name: str, field: str) -> None:
    flow = layered(RECORDS[name])
    for ax in (flow.plot(field), plot.over_training(flow, field)):
        assert len(render(ax.figure)) > 2000
        pyplot.close("all")


@pytest.mark.parametrize(("name", "field"), pairs(TIME_FIELDS, telling=("time", "time_saturated")))
def test_every_record_of_time_becomes_a_picture(name: str, field: str) -> None:
    gate = "f" if field in ("time_gate", "time_saturated") else None
    assert len(render(walked(RECORDS[name]).plot_time(field=field, gate=gate))) > 2000


@pytest.mark.parametrize("shape", [(1, 1), (3, 2)])
def test_pictures_fit_a_small_panel(shape: tuple[int, int]) -> None:
    flow = layered(RECORDS["mixed"], ["bidirectional1.backward", "residual1.body.dense1", "_x"])
    figure, axes = pyplot.subplots(*shape, figsize=(3 * shape[1], 2 * shape[0]), squeeze=False)
    for ax in axes.flat:
        flow.plot(ax=ax)
    render(figure)


def test_values_that_a_log_axis_cannot_show_are_marks_and_counted() -> None:
    ax = layered([[1e-3, 0, NAN, INF], [0, 0, 1, 1]]).plot()
    render(ax.figure)
    assert counts_on(ax) == {"nan": 1, "plus": 1, "zero": 3}
    assert sorted(marks(ax, "zero")[:, 0]) == [0, 1, 1]
    assert marks(ax, "zero")[:, 1].max() < 0.12 and marks(ax, "plus")[:, 1].min() > 0.88
    assert marks(ax, "plus")[:, 0].tolist() == [3]
    assert legend_of(ax) == ["0", "10", "NaN (1 value)", "infinite (1 value)", "0 (3 values)"]
    (hatched,) = [c for c in ax.collections if c.get_hatch()]
    assert np.asarray(hatched.get_paths()[0].vertices)[:, 0].min() == 1.5
    assert np.asarray(hatched.get_paths()[0].vertices)[:, 0].max() == 2.5


def test_a_mark_has_its_lines_colour() -> None:
    ax = layered([[1, 1], [0, NAN]]).plot()
    _, second = lines_on(ax)
    for kind in ("zero", "nan"):
        (found,) = [c for c in ax.collections if f".{kind}." in str(c.get_gid())]
        assert to_hex(found.get_edgecolor()[0]) == to_hex(second.get_color())


def test_lines_that_are_zero_together_are_all_seen() -> None:
    ax = layered(np.zeros((6, 1))).plot()
    assert len(np.unique(marks(ax, "zero")[:, 1])) == 6


def test_a_linear_axis_shows_zero_and_negative_means() -> None:
    ax = layered([[-1, 0, -INF, INF]]).plot("activation_mean")
    np.testing.assert_array_equal(lines_on(ax)[0].get_ydata(), [-1, 0, NAN, NAN])
    assert counts_on(ax) == {"plus": 1, "minus": 1}
    assert marks(ax, "minus")[0, 1] < 0.12 < 0.88 < marks(ax, "plus")[0, 1]


def test_shares_out_of_range_are_in_the_frame() -> None:
    ax = layered([[-1, 2]]).plot("dead")
    low, high = ax.get_ylim()
    assert low <= -1 and high >= 2


def test_dead_layers_are_on_the_axis() -> None:
    network = vg.Sequential(
        [*(vg.Dense(3, "relu") for _ in range(4)), vg.Dense(1)], input_shape=2, seed=0
    )
    network.compile()
    for layer in network.layers[:2]:
        layer.views["bias"][:] = -100
    ax = network.gradient_flow(np.ones((4, 2)), np.zeros((4, 1))).plot("activation_std")
    pyplot.close("all")
    ax = network.gradient_flow(np.ones((4, 2)), np.zeros((4, 1))).plot()
    assert ax.get_xlim()[0] < 0 and ax.get_xlim()[1] > 4
    assert {0.0, 1.0} <= set(marks(ax, "zero")[:, 0])


@pytest.mark.parametrize("gone", [0, NAN, INF])
def test_the_axis_spans_every_layer_step_and_timestep(gone: float) -> None:
    rows = np.ones((6, 6))
    rows[:, :2] = rows[:, 4:] = rows[:2] = rows[4:] = gone
    flow = layered(rows)
    for ax, last in ((flow.plot(), 5), (plot.over_training(flow, "delta"), 50)):
        assert ax.get_xlim()[0] <= 0 and ax.get_xlim()[1] >= last
    *_, curves, _ = walked(rows).plot_time().axes
    assert curves.get_xlim()[0] <= 0 and curves.get_xlim()[1] >= 5


def test_a_value_between_two_gaps_has_a_marker() -> None:
    rows = np.full((101, 1), NAN)
    rows[37] = 1
    (line,) = lines_on(plot.over_training(layered(rows), "delta"))
    assert 37 in line.get_markevery()
    many = np.full((3, 1000), NAN)
    many[:, 500] = 1
    assert all(500 in line.get_markevery() for line in lines_on(layered(many).plot()))


def test_marks_of_a_long_record_are_thinned_but_none_is_alone() -> None:
    rows = np.ones((20_000, 1))
    rows[5000:15_000], rows[17_777] = 0, 0
    ax = plot.over_training(layered(rows), "delta")
    assert counts_on(ax) == {"zero": 10_001}
    drawn = marks(ax, "zero")[:, 0]
    assert len(drawn) < 500 and drawn.max() == 177_770


def test_one_pass_without_an_update_is_an_empty_frame_that_says_so() -> None:
    network = vg.Sequential([vg.Dense(1)], input_shape=1, seed=0)
    network.compile()
    ax = network.gradient_flow([[1.0]], [[1.0]]).plot("update_ratio")
    render(ax.figure)
    assert [text.get_text() for text in ax.texts] == ["no value to draw"]
    assert not any(tick.tick1line.get_visible() for tick in ax.yaxis.get_major_ticks())


def test_nothing_recorded_is_an_empty_frame_that_says_so() -> None:
    for ax in (
        vg.GradientFlow().plot(),
        plot.over_training(vg.GradientFlow()),
        vg.GradientFlow().plot_time().axes[0],
    ):
        render(ax.figure)
        assert [text.get_text() for text in ax.texts] == ["nothing recorded"]


def test_an_empty_frame_fills_when_another_flow_is_drawn() -> None:
    ax = layered(np.empty((0, 3))).plot()
    layered([[1, 2, 3]]).plot(ax=ax)
    render(ax.figure)
    assert not ax.texts
    assert all(tick.tick1line.get_visible() for tick in ax.yaxis.get_major_ticks())


def test_an_empty_panel_leaves_the_one_beside_it_alone() -> None:
    figure, (left, right) = plot.panels(2)
    layered([[1e-3, 1, 2]]).plot(ax=left)
    limits = left.get_ylim()
    layered(np.empty((0, 3))).plot(ax=right)
    render(figure)
    assert (left.get_yscale(), left.get_ylim()) == ("log", limits)


def test_a_layer_that_has_none_is_told_from_one_that_became_nan() -> None:
    delta = [[1, 1, 1], [NAN, 1, 1]]
    flow = layered(
        delta,
        weight_grad=[[1, NAN, 1], [NAN, NAN, 1]],
        weight_norm=[[1, NAN, 1], [NAN, NAN, 1]],
    )
    np.testing.assert_array_equal(present(flow, "weight_grad"), [[1, 0, 1], [1, 0, 1]])
    ax = flow.plot("weight_grad")
    assert counts_on(ax) == {"nan": 1}
    first, _ = lines_on(ax)
    assert first.get_xdata().tolist() == [0, 2]
    assert ax.get_xlim()[1] > 2 and len(ax.get_xticks()) == 3
    lines = lines_on(plot.over_training(flow, "weight_grad"))
    assert [line.get_label() for line in lines] == ["dense1", "dense3"]


def test_weights_whose_gradient_is_nan_at_once_are_not_passed_by() -> None:
    flow = layered([[1, 1]], weight_grad=[[NAN, 1]], weight_norm=[[1, 1]])
    assert counts_on(flow.plot("weight_grad")) == {"nan": 1}


def test_steps_without_an_update_are_passed_by() -> None:
    ax = plot.over_training(
        layered([[1], [1], [1]], update_ratio=[[NAN], [1], [2]]), "update_ratio"
    )
    assert counts_on(ax) == {}
    assert lines_on(ax)[0].get_xdata().tolist() == [10, 20]


def test_layers_without_weights_of_a_real_network_have_no_value() -> None:
    stack = [vg.Conv2d(2, 3), vg.Flatten(), vg.Dropout(0.1), vg.Dense(2)]
    network = vg.Sequential(stack, input_shape=(1, 6, 6), seed=0)
    network.compile()
    flow = network.gradient_flow(np.ones((4, 1, 6, 6)), np.ones((4, 2)))
    assert lines_on(flow.plot("weight_grad"))[0].get_xdata().tolist() == [0, 3]


def test_the_lines_of_a_field_go_out_of_a_decade() -> None:
    low, high = layered([[1, 1.001, 1.002]]).plot().get_ylim()
    assert high / low >= 10


KINDS = {kind.name: kind for kind in coloured.KINDS}


def cells(figure: Figure) -> dict[str, int]:
    """What the legend of the heatmap counts."""
    (legend,) = [legend for legend in figure.legends if not legend.get_title().get_text()]
    counted = [text.get_text().rpartition(" (") for text in legend.get_texts()]
    return {name: int(count.split()[0].replace(",", "")) for name, _, count in counted}


def test_a_heatmap_tells_zero_negative_infinite_and_nan_apart() -> None:
    rows = np.full((6, 5), 1.0)
    rows[0, 0], rows[1, :2], rows[2, :3], rows[3, :4] = 0, -1e-40, INF, NAN
    figure = walked(rows).plot_time()
    render(figure)
    assert cells(figure) == {"0": 1, "below 0": 2, "infinite": 3, "NaN": 4}
    filled = {str(c.get_gid()): c for c in figure.axes[0].collections if c.get_gid()}
    assert filled.keys() == {f"vgcore.cells.{name}" for name in cells(figure)}
    box = np.asarray(filled["vgcore.cells.NaN"].get_paths()[0].vertices)
    assert (box[:, 0].min(), box[:, 0].max(), box[:, 1].min(), box[:, 1].max()) == (
        *(-0.5, 3.5),
        *(25, 35),
    )


def test_kinds_of_cells_differ_from_each_other_and_from_the_scale() -> None:
    looks = {(kind.filling, kind.hatch) for kind in coloured.KINDS}
    assert len(looks) == len(coloured.KINDS)
    scale = matplotlib.colormaps["magma"](np.linspace(0, 1, 256))[:, :3]
    for kind in coloured.KINDS:
        own = np.array(matplotlib.colors.to_rgb(kind.filling))
        assert np.linalg.norm(scale - own, axis=1).min() > 0.12, kind.name


def test_a_heatmap_of_nan_says_nan() -> None:
    assert cells(walked(np.full((3, 4), NAN)).plot_time()) == {"NaN": 12}


def test_thinning_keeps_every_kind_of_cell_and_the_largest_value() -> None:
    rows = np.ones((1000, 7))
    rows[501, 3], rows[703, 2], rows[333, 1] = NAN, INF, 1e6
    figure = walked(rows).plot_time()
    assert cells(figure) == {"infinite": 1, "NaN": 1}
    filled = {str(c.get_gid()) for c in figure.axes[0].collections}
    assert {"vgcore.cells.NaN", "vgcore.cells.infinite"} <= filled
    mesh = next(c for c in figure.axes[0].collections if type(c).__name__ == "QuadMesh")
    assert np.ma.max(mesh.get_array()) == 1e6


def test_timesteps_behind_the_end_are_told_from_nan() -> None:
    rows = np.ones((4, 5))
    rows[2, 3:] = NAN
    assert cells(walked(rows).plot_time()) == {"no timestep": 2}
    # A direct part that is there says that the timestep is, too: its total became NaN.
    assert cells(walked(rows, time_direct=np.ones((4, 5))).plot_time()) == {"NaN": 2}


def test_the_direct_part_says_that_it_is_zero_elsewhere() -> None:
    direct = np.zeros((3, 4))
    direct[:, -1] = 1
    figure = walked(np.ones((3, 4)), time_direct=direct).plot_time()
    assert legend_of(figure)[-1] == "direct part, 0 elsewhere"
