"""Texts of pictures: in the user's sizes, none over another, none cut off, long names told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pictures import INF, NAN, Expected, layered, overlap, render, rng, texts_of, walked

from vgcore import plot
from vgcore.plot import palette, text
from vgcore.plot.curves import lines_on

matplotlib.use("Agg")

TALK = {  # as seaborn's context of that name has them
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), 18.0),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 16.5),
    "legend.title_fontsize": 18.0,
    "lines.linewidth": 2.25,
    "lines.markersize": 9.0,
}
SIZES: dict[str, dict[str, Any]] = {
    "default": {},
    "font 18": {"font.size": 18.0},
    "talk": TALK,
    "small legend": {"legend.fontsize": "x-small", "xtick.labelsize": "xx-large"},
    "paper": {"font.size": 7.0},
}
LONG = [f"encoder_stage_{'x' * 40}_block{i}_attention_projection_output" for i in range(6)]


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def many(layers: int, steps: int = 4) -> Any:
    return layered(10.0 ** rng.uniform(-6, 0, (steps, layers)))


PICTURES: dict[str, Callable[[], Axes | Figure]] = {
    "layers": lambda: many(6).plot(),
    "50 layers": lambda: many(50).plot(),
    "10,000 layers": lambda: many(10_000, 2).plot(),
    "long names": lambda: layered(np.ones((4, 6)), LONG).plot(),
    "long names over training": lambda: plot.over_training(layered(np.ones((4, 6)), LONG), "delta"),
    "marks": lambda: layered([[1e-3, 0, NAN, INF], [0, 0, 1, 1]]).plot(),
    "training": lambda: plot.over_training(many(12, 40), "delta", smooth=5, band=(0.1, 0.9)),
    "update ratio": lambda: plot.over_training(many(12, 40), "update_ratio"),
    "saturation": lambda: plot.saturation(layered(rng.uniform(size=(9, 6)))),
    "compare": lambda: plot.compare({LONG[0]: many(4), LONG[1]: [many(4), many(4)]}),
    "loss": lambda: plot.compare({"a": layered([[1]] * 4, loss=[3, 2, 1, 0.5])}, "loss"),
    "theory": lambda: plot.compare({"a": many(3)}, theory=Expected(["dense1", "dense2", "dense3"])),
    "over time": lambda: plot.compare({"a": walked(np.ones((3, 5)))}, "time_direct", over="time"),
    "time": lambda: walked(10.0 ** rng.uniform(-6, 0, (5, 9))).plot_time(),
    "activation": lambda: plot.activation("tanh", rng.normal(size=300)),
    "singular values": lambda: plot.singular_values({f"dense{n}": [3, 2, 1] for n in range(20)}),
    "one value": lambda: layered([[1]]).plot(),
    "nothing": lambda: layered(np.empty((0, 3))).plot(),
}


def figure_of(made: Axes | Figure) -> Figure:
    figure = made if isinstance(made, Figure) else made.figure
    assert isinstance(figure, Figure)
    return figure


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("picture", PICTURES)
def test_no_text_is_over_another_or_cut_off(picture: str, sizes: str) -> None:
    with matplotlib.rc_context(SIZES[sizes]):
        figure = figure_of(PICTURES[picture]())
        render(figure)
        figure.draw_without_rendering()
        for ax in figure.axes:
            written = texts_of(ax)
            for one, other in combinations(written, 2):
                assert not overlap(one, other), (one.get_text(), other.get_text())
            for each in written:
                found, whole = each.get_window_extent(), figure.bbox
                assert found.x0 >= -1 and found.x1 <= whole.x1 + 1, each.get_text()
                assert found.y0 >= -1 and found.y1 <= whole.y1 + 1, each.get_text()


def test_sizes_are_the_users() -> None:
    with matplotlib.rc_context({**TALK, "legend.fontsize": 15.0, "xtick.labelsize": 13.0}):
        ax = many(4).plot()
        legend = ax.get_legend()
        assert legend is not None
        assert {each.get_fontsize() for each in legend.get_texts()} == {15.0}
        assert {tick.label1.get_fontsize() for tick in ax.xaxis.get_major_ticks()} == {13.0}
        assert {line.get_linewidth() for line in lines_on(ax)} == {2.25}


def test_text_of_a_small_panel_can_still_be_read() -> None:
    figure, axes = pyplot.subplots(3, 3, figsize=(9, 6))
    for ax in axes.flat:
        many(4).plot(ax=ax)
    assert min(each.get_fontsize() for ax in axes.flat for each in texts_of(ax)) >= 6.9
    render(figure)


def places(ax: Axes) -> list[float]:
    figure_of(ax).draw_without_rendering()
    return [float(place) for place in ax.get_xticks()]


@pytest.mark.parametrize("count", [2, 9, 10, 23, 50, 51, 100, 1000, 10_000])
def test_names_are_dropped_evenly(count: int) -> None:
    ax = many(count, 2).plot()
    shown = places(ax)
    assert shown[0] == 0 and shown[-1] == count - 1
    apart = [there - here for here, there in pairwise(shown)]
    assert len(set(apart[:-1])) <= 1
    assert not apart[:-1] or apart[-1] > apart[0] / 2
    assert len(shown) >= min(count, 4)


def test_names_make_room_when_the_picture_becomes_smaller() -> None:
    ax = many(40).plot()
    wide = places(ax)
    figure_of(ax).set_size_inches(3.2, 4.8)
    assert len(places(ax)) < len(wide)


def test_a_user_may_turn_and_size_names() -> None:
    ax = many(40).plot()
    ax.tick_params("x", labelrotation=90, labelsize=20)
    figure = figure_of(ax)
    render(figure)
    shown = [tick.label1 for tick in ax.xaxis.get_major_ticks()]
    assert {each.get_rotation() for each in shown} == {90.0}
    assert not any(overlap(one, other) for one, other in pairwise(shown))


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
@pytest.mark.parametrize(
    "picture", ["layers", "training", "compare", "theory", "activation", "singular values"]
)
def test_a_user_may_title_and_lay_out(picture: str, layout: str | None) -> None:
    ax = PICTURES[picture]()
    assert isinstance(ax, Axes)
    ax.set_title("A title that somebody has chosen and that is long, as such titles tend to be")
    figure = figure_of(ax)
    figure.set_layout_engine(layout or "none")
    if layout is None:
        figure.tight_layout()
    figure.draw_without_rendering()
    title = ax.title.get_window_extent()
    assert title.x0 >= -1 and title.x1 <= figure.bbox.x1 + 1
    legend = ax.get_legend()
    assert legend is not None and legend.get_window_extent().x1 <= figure.bbox.x1 + 1


@pytest.mark.parametrize("most", [10, 13, 22, 40])
@pytest.mark.parametrize(
    "names",
    [
        LONG,
        [f"{'a' * 70}{n}" for n in range(12)],
        [f"{n}{'a' * 70}" for n in range(12)],
        [f"{'a' * n}" for n in range(50, 70)],
        ["short", *LONG, "short"],
    ],
)
def test_long_names_are_short_and_distinct(names: list[str], most: int) -> None:
    shown = text.shortened(names, most)
    assert max(map(len, shown)) <= most
    assert len(set(shown)) == len(set(names))
    assert all(one == other for one, other in zip(names, shown, strict=True) if len(one) <= most)


def test_what_tells_long_names_apart_is_seen() -> None:
    assert all(f"block{i}" in name for i, name in enumerate(text.shortened(LONG, 22)))


def test_full_names_stay_in_the_data() -> None:
    flow = layered(np.ones((2, 6)), LONG)
    flow.plot()
    assert flow.layers == LONG
    assert [line.get_label() for line in lines_on(plot.over_training(flow, "delta"))] == LONG


def grey(count: int) -> set[tuple[str, str]]:
    """What is left of lines in a print without colours."""
    lines = lines_on(plot.over_training(many(count, 12), "delta"))
    return {
        (str(line.get_marker()), str(line.get_linestyle()))
        for line in lines
        if line.get_markevery()
    }


@pytest.mark.parametrize("count", range(2, palette.MOST_TOLD + 1))
def test_few_lines_differ_without_colours(count: int) -> None:
    assert len(grey(count)) == count


def test_many_lines_have_no_markers() -> None:
    assert not grey(50)


def test_few_flows_and_few_medians_differ_without_colours() -> None:
    names = {f"flow {n}": many(4) for n in range(8)}
    looks = {(line.get_marker(), line.get_linestyle()) for line in lines_on(plot.compare(names))}
    assert len(looks) == 8
    smooth = lines_on(plot.over_training(many(5, 40), "delta", smooth=5))
    assert len({line.get_marker() for line in smooth}) == 5
    assert all(line.get_markevery() for line in smooth)
