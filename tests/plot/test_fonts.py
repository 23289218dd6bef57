"""Pictures in large text: nothing cut off or run over, lines broken evenly, numbers that can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from pictures import Distributed, layered, overlap, rng, texts_of

import vgcore as vg
from vgcore import plot
from vgcore.plot import text
from vgcore.plot.curves import lines_on

matplotlib.use("Agg")

SIZES = [10, 14, 16, 20]
Z = np.random.default_rng(0).normal(size=500)
SHARES = layered(rng.uniform(size=(9, 4)))


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def written_on(figure: Figure) -> list[Text]:
    """Every text that can be seen: of axes, colour bars, legends and the figure."""
    figure.draw_without_rendering()
    found = [figure._suptitle] if figure.get_suptitle() else []  # type: ignore[attr-defined]
    for legend in figure.legends:
        found += [*legend.get_texts(), legend.get_title()]
    for ax in figure.axes:
        for each in (ax, *ax.child_axes):
            found += texts_of(each)  # type: ignore[arg-type]
    return [each for each in found if each.get_text().strip()]


def nothing_meets(figure: Figure) -> None:
    written, whole = written_on(figure), figure.bbox
    for one, other in combinations(written, 2):
        assert not overlap(one, other), (one.get_text(), other.get_text())
    for each in written:
        box = each.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= whole.x1 + 1, each.get_text()
        assert box.y0 >= -1 and box.y1 <= whole.y1 + 1, each.get_text()


BARS: dict[str, Callable[[Axes | None], Axes]] = {
    "edge of chaos": lambda ax: plot.phase_diagram("tanh", ax=ax),
    "no edge": lambda ax: plot.phase_diagram("sigmoid", ax=ax),
    "norms": lambda ax: plot.heatmap(layered(10.0 ** rng.uniform(-5, 0, (6, 4))), ax=ax),
    "shares": lambda ax: plot.heatmap(SHARES, "saturated", ax=ax),
}


def grid(draw: Callable[[Axes], object], layout: Any) -> Figure:
    figure, axes = pyplot.subplots(2, 2, layout=layout)
    for ax in axes.flat:
        draw(ax)
    return figure


def bars_of(figure: Figure) -> list[tuple[Axes, Any]]:
    return [(ax, bar) for ax in figure.axes for bar in ax.child_axes]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ["own", "alone", "tight", "constrained"])
@pytest.mark.parametrize("picture", BARS)
def test_a_colour_bar_is_named_within_its_height(picture: str, layout: Any, size: int) -> None:
    draw = BARS[picture]
    with pyplot.rc_context({"font.size": size}):
        if layout in ("own", "alone"):
            figure: Any = draw(None if layout == "own" else pyplot.subplots()[1]).figure
        else:
            figure = grid(draw, layout)
        nothing_meets(figure)
        found = bars_of(figure)
        assert len(found) == (1 if layout in ("own", "alone") else 4)
        for ax, bar in found:
            named, own = bar.yaxis.label.get_window_extent(), ax.bbox
            assert named.y0 >= own.y0 - 2 and named.y1 <= own.y1 + 2
            assert 0 < bar.bbox.x0 - own.x1 < 3 * size * figure.dpi / 72  # it stands at its axes


@pytest.mark.parametrize(
    ("activation", "sigma_w", "said"),
    [
        ("sigmoid", (0.5, 3.0), r"$\chi_1 < 1$ everywhere here"),
        ("tanh", (0.1, 0.6), r"$\chi_1 < 1$ everywhere here"),
        ("relu", (1.6, 3.0), r"$\chi_1 > 1$ everywhere here"),
        ("tanh", (0.5, 3.0), ""),
        ("relu", (0.5, 3.0), ""),
    ],
)
def test_a_map_without_an_edge_says_on_which_side_it_is(
    activation: str, sigma_w: tuple[float, float], said: str
) -> None:
    ax = plot.phase_diagram(activation, sigma_w=sigma_w)
    first, *more = ax.get_title().split("\n")
    assert (first, "".join(more)) == (f"Edge of chaos: {activation}", said)
    assert (ax.get_legend() is None) == bool(said)


@pytest.fixture(scope="module")
def both_ways() -> vg.GradientFlow:
    samples, targets = vg.data.adding_problem(32, 30, seed=1)
    model = vg.Sequential(
        [vg.Bidirectional(vg.LSTM(8)), vg.Dense(1)], input_shape=(None, 2), seed=0
    )
    model.compile("mse")
    flow = vg.GradientFlow()
    model.fit(samples, targets, epochs=5, track=flow, verbose=0)
    return flow


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layers", [None, "bidirectional1"])
def test_a_picture_of_time_has_room_for_its_text(
    both_ways: vg.GradientFlow, layers: str | None, size: int
) -> None:
    with pyplot.rc_context({"font.size": size}):
        figure = both_ways.plot_time(layers)
        nothing_meets(figure)
        width = figure.bbox.width
        assert all(ax.bbox.width > 0.26 * width for ax in figure.axes)
        for ax in figure.axes:
            name, of = ax.get_title().replace(".\n", ".").replace("\n", " ").split(": ")
            assert name in both_ways.time and of in ("over the training", "a few steps")


@pytest.mark.parametrize("size", SIZES)
def test_time_on_a_small_figure_keeps_its_titles_off_the_legend(
    both_ways: vg.GradientFlow, size: int
) -> None:
    with pyplot.rc_context({"font.size": size}):
        nothing_meets(both_ways.plot_time(figure=pyplot.figure()))


def test_time_names_its_values_once(both_ways: vg.GradientFlow) -> None:
    heat, curves = both_ways.plot_time().axes
    assert curves.get_ylabel() == r"$\|\partial L/\partial h_t\|_2$"
    assert not heat.child_axes[0].get_ylabel()


@pytest.fixture(scope="module")
def dense() -> vg.GradientFlow:
    images, labels = vg.data.digits()
    model = vg.Sequential(
        [*(vg.Dense(30, "tanh") for _ in range(8)), vg.Dense(10, "softmax")], input_shape=64, seed=0
    )
    model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
    flow = vg.GradientFlow(every=8, distributions=True)
    model.fit(images[:600], labels[:600], epochs=4, batch_size=64, track=flow, verbose=0)
    return flow


@pytest.mark.parametrize("size", SIZES)
def test_no_texts_of_a_dashboard_meet(dense: vg.GradientFlow, size: int) -> None:
    with pyplot.rc_context({"font.size": size}):
        nothing_meets(plot.dashboard(dense))


@pytest.mark.parametrize("size", [10, 12, 14])
def test_a_dashboard_keeps_the_size_of_a_slide(
    dense: vg.GradientFlow, both_ways: vg.GradientFlow, size: int
) -> None:
    with pyplot.rc_context({"font.size": size}):
        assert plot.dashboard(dense).get_size_inches().tolist() == [13.33, 7.5]
        wide, high = plot.dashboard(both_ways).get_size_inches()
        assert wide == 13.33 and high > 7.5


@pytest.mark.parametrize("size", [14, 18])
def test_panels_of_a_dashboard_are_no_narrower_than_their_legend(
    dense: vg.GradientFlow, size: int
) -> None:
    with pyplot.rc_context({"font.size": size}):
        figure = plot.dashboard(dense)
        figure.draw_without_rendering()
        legend = figure.axes[-1].get_legend()
        assert legend is not None
        assert all(ax.bbox.width > legend.get_window_extent().width for ax in figure.axes)


@pytest.mark.parametrize("draw", [plot.dashboard, plot.time, plot.gates])
def test_a_part_of_a_figure_is_drawn_on(both_ways: vg.GradientFlow, draw: Any) -> None:
    whole = pyplot.figure(figsize=(14, 10), layout="constrained")
    upper, lower = whole.subfigures(2, 1)
    lower.subplots().plot([1, 2])
    assert draw(both_ways, figure=upper) is upper
    whole.draw_without_rendering()
    assert all(ax.figure is upper for ax in upper.axes) and len(upper.axes) > 1
    assert len(lower.axes) == 1


def test_a_part_of_a_figure_without_a_layout_gets_one(both_ways: vg.GradientFlow) -> None:
    whole = pyplot.figure(figsize=(14, 10))
    plot.time(both_ways, figure=whole.subfigures(1, 2)[0])
    assert whole.get_layout_engine() is not None


def test_open_and_closed_gates_stand_on_one_scale() -> None:
    samples, targets = vg.data.adding_problem(32, 30, seed=1)
    model = vg.Sequential([vg.LSTM(8), vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.compile("mse")
    inside = model.internals(samples, targets)
    gates = inside["lstm1"].gates
    gates["f"][...] = 0.5
    gates["i"][0, :, 0] = 0.95  # a small share is open, and none closed
    figure = plot.gates(inside)
    opened, closed, _ = figure.axes
    assert opened.get_ylim() == closed.get_ylim()
    low, high = opened.get_ylim()
    assert low < -0.02 * (high - low)
    assert opened.get_ylabel() == closed.get_ylabel() == "share of values"


NAMES = [f"residual{block}.dense{layer}" for block in range(1, 5) for layer in (1, 2)]


@pytest.mark.parametrize("most", range(8, 45))
@pytest.mark.parametrize(
    "label",
    [
        "bidirectional1.forward: a few steps",
        "a_layer_with_a_long_name: over the training",
        "stage-1/block-2: median of 4",
    ],
)
def test_names_are_broken_at_their_parts_alone(label: str, most: int) -> None:
    lines = text.broken(label, most).split("\n")
    rest = label
    for line in lines[:-1]:
        assert rest.startswith(line)
        rest = rest[len(line) :]
        assert line[-1] in ".-_/" or rest[0] == " "
        rest = rest.lstrip()
    assert rest == lines[-1]
    assert text.broken("\n".join(lines), most) == "\n".join(lines)


@pytest.mark.parametrize(
    ("label", "most"),
    [
        ("Distribution: error signal at step 159", 36),
        ("sigmoid: median of 4", 18),
        ("Error signal at each flow's last step", 33),
        ("layer number, from input to output", 28),
    ],
)
def test_the_last_line_is_no_orphan(label: str, most: int) -> None:
    lines = text.broken(label, most).split("\n")
    assert len(lines) == 2 and max(map(len, lines)) <= most
    assert len(lines[-1]) > len(label) / 3


@pytest.mark.parametrize("most", [11, 13, 15])
@pytest.mark.parametrize("names", [NAMES, [f"block{n}_a_very_long_projection" for n in range(12)]])
def test_what_is_cut_begins_at_a_part_and_keeps_its_numbers(names: list[str], most: int) -> None:
    for name, shown in zip(names, text.shortened(names, most), strict=True):
        assert len(shown) <= most
        begin = shown.lstrip("…").split("…")[0]
        assert name.startswith(begin) or f".{begin}" in name or f"_{begin}" in name
        assert [c for c in name if c.isdigit()] == [c for c in shown if c.isdigit()]


@pytest.mark.parametrize("size", [10, 16])
@pytest.mark.parametrize(("low", "high"), [(0.2, 2.5), (0.03, 1.2), (3e-3, 2e-2), (20, 900)])
def test_a_short_log_axis_is_numbered_in_decimals(low: float, high: float, size: int) -> None:
    with pyplot.rc_context({"font.size": size}):
        flow = layered([[1]] * 20, loss=list(np.geomspace(high, low, 20)))
        lines = plot.over_training(flow, "loss")
        heat = plot.heatmap(layered(np.geomspace(low, high, 20).reshape(5, 4)))
        for ax in (lines, heat.child_axes[0]):
            ax.figure.draw_without_rendering()  # type: ignore[union-attr]
            bottom, top = ax.get_ylim()
            ticks = [*ax.yaxis.get_major_ticks(), *ax.yaxis.get_minor_ticks()]
            shown = {
                tick.get_loc(): tick.label1.get_text() or tick.label2.get_text()
                for tick in ticks
                if bottom <= tick.get_loc() <= top
            }
            named = {place: name for place, name in shown.items() if name}
            assert named
            assert all(
                float(name.replace(",", "")) == pytest.approx(p) for p, name in named.items()
            )


@pytest.mark.parametrize("ends", [(1e-5, 1.0), (1e-9, 3e-9), (1e7, 5e7)])
def test_a_long_or_far_log_axis_is_numbered_in_powers(ends: tuple[float, float]) -> None:
    ax = plot.over_training(layered([[1]] * 20, loss=list(np.geomspace(*ends, 20))), "loss")
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    named = [label.get_text() for label in ax.get_yticklabels() if label.get_text()]
    assert named and all("10^" in name for name in named)


def test_spectra_one_after_another_have_looks_of_their_own() -> None:
    ax = plot.lyapunov([1, 0.5, -1], label="a")
    for name in "bc":
        plot.lyapunov([1, 0.4, -2], ax=ax, label=name)
    drawn = lines_on(ax)
    assert len({line.get_marker() for line in drawn}) == 3
    assert len({line.get_color() for line in drawn}) == 3


def test_flows_of_one_line_have_markers_of_their_own() -> None:
    ax = None
    for name in "abc":
        ax = plot.flow(layered([[1, 2, 3]]), ax=ax, label=name, steps=[0])
    assert ax is not None
    assert len({line.get_marker() for line in lines_on(ax)}) == 3


@pytest.mark.parametrize("size", [10, 14, 16])
@pytest.mark.parametrize("layout", ["own", "tight", "constrained"])
def test_the_labels_of_an_activation_are_no_higher_than_their_panels(
    layout: Any, size: int
) -> None:
    with pyplot.rc_context({"font.size": size}):
        if layout == "own":
            figure: Any = plot.activation("tanh", Z).figure
        else:
            figure = grid(lambda ax: plot.activation("tanh", Z, ax=ax), layout)
        nothing_meets(figure)
        for ax in figure.axes:
            named = ax.yaxis.label.get_window_extent()
            assert ax.get_ylabel() and named.height <= ax.bbox.height + 2
            assert len([t for t in ax.get_xticks() if abs(t) <= 4]) > 1


TALK = {
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), 18.0),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 16.5),
}


def test_numbers_beside_a_lane_do_not_touch_its_name() -> None:
    with pyplot.rc_context(TALK):
        values = np.concatenate([2.0 ** rng.uniform(-60, 0, 500), np.zeros(20)])
        for width in (6.4, 4, 3):
            _, ax = pyplot.subplots(figsize=(width, 4.8))
            plot.histograms(Distributed.of([[values]]), ax=ax)
            ax.figure.draw_without_rendering()  # type: ignore[union-attr]
            named = [each for each in ax.get_xticklabels() if each.get_text()]
            assert "zeros" in [each.get_text() for each in named] and len(named) > 1
            assert not any(overlap(one, other) for one, other in combinations(named, 2))
