"""Seeds that do not have the same places or layers, theory told from what was measured, and true legends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from pictures import NAN, Expected, layered, render, walked

import vgcore as vg
from vgcore import plot
from vgcore.plot.curves import lines_on
from vgcore.plot.marks import counts_on

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def labels(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text().replace("\n", " ") for text in legend.get_texts()]


def recorded(every: int, last: int, factor: float = 1.0) -> vg.GradientFlow:
    """A flow of one layer that was recorded every so many steps; its values are the steps times a factor."""
    flow = vg.GradientFlow()
    flow.declare(["dense1"])
    for step in range(0, last + 1, every):
        flow.add(step, loss=factor * (step + 1), delta=[factor * (step + 1)])
    return flow


def finite(line: Line2D) -> dict[float, float]:
    """What a line shows."""
    pairs = zip(line.get_xdata(), line.get_ydata(), strict=True)
    return {float(x): float(y) for x, y in pairs if np.isfinite(y)}


def bands(ax: Axes) -> list[np.ndarray]:
    found = [c.get_paths() for c in ax.collections if c.get_gid() == "vgcore.band"]
    return [np.asarray(path.vertices) for path in chain(*found)]


@pytest.mark.parametrize(("field", "over"), [("delta", "training"), ("loss", "training")])
def test_a_median_is_of_all_seeds_or_there_is_none(field: str, over: str) -> None:
    seeds = [recorded(4, 28), recorded(7, 28, 10.0)]
    ax = plot.compare({"a": seeds}, field, over=over)
    render(ax.figure)
    median, first, second = lines_on(ax)
    assert finite(median) == {0: 5.5, 28: 5.5 * 29}
    assert list(finite(first)) == list(range(0, 29, 4))
    assert list(finite(second)) == list(range(0, 29, 7))
    assert {x for band in bands(ax) for x in band[:, 0]} == {0, 28}
    assert all(len(set(band[:, 0])) == 1 for band in bands(ax))  # no band across what is not known
    assert "single seeds, where others have no value" in labels(ax)


def test_seeds_that_end_early_leave_the_others_alone() -> None:
    seeds = [recorded(1, 39), recorded(1, 5, 2.0), recorded(1, 5, 3.0)]
    ax = plot.compare({"a": seeds, "b": recorded(3, 30)}, "loss")
    render(ax.figure)
    median, other, rest = lines_on(ax)
    assert finite(median) == {step: 2.0 * (step + 1) for step in range(6)}
    assert len(finite(other)) == 11
    assert finite(rest) == {step: step + 1.0 for step in range(5, 40)}
    assert rest.get_linewidth() < median.get_linewidth() and rest.get_color() == median.get_color()
    assert max(band[:, 0].max() for band in bands(ax)) == 5
    assert median.get_markevery() == list(
        range(6)
    )  # of few points all, however long the others are


def test_over_time_shorter_seeds_end_the_median() -> None:
    ax = plot.compare({"a": [walked([1, 2, 3, 4]), walked([3, 4])]}, "time", over="time")
    assert [finite(line) for line in lines_on(ax)] == [{0: 2, 1: 3}, {1: 2, 2: 3, 3: 4}]


def test_seeds_without_a_common_step_have_no_median() -> None:
    late = vg.GradientFlow()
    late.declare(["dense1"])
    for step in (31, 33):
        late.add(step, delta=[step])
    ax = plot.compare({"a": [recorded(2, 8), late]}, over="training")
    render(ax.figure)
    assert [list(finite(line)) for line in lines_on(ax)] == [[0, 2, 4, 6, 8], [31, 33]]
    assert labels(ax)[0] == "a: 2 seeds, no value of all"


def test_what_single_seeds_cannot_show_is_counted_once() -> None:
    first = layered([[1], [NAN], [0], [NAN]])
    ax = plot.compare({"a": [first, layered([[1], [2]])]}, over="training")
    render(ax.figure)
    assert counts_on(ax) == {"nan": 2, "zero": 1}


def test_seeds_with_the_same_places_are_not_drawn_one_by_one() -> None:
    ax = plot.compare({"a": [recorded(2, 8), recorded(2, 8, 3.0)]}, over="training")
    assert len(lines_on(ax)) == 1 and labels(ax) == ["a: median of 2", "seeds: lowest to highest"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (layered([[1, 2, 3]]), r"3 layers; flows\['a'\]\[0\] has 2"),
        (layered([[1, 2]], ["dense1", "conv1"]), r"'conv1' as layer 2; .* has 'dense2'"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"over": "training"}, {"field": "loss"}])
def test_seeds_are_of_one_network(
    other: vg.GradientFlow, said: str, options: dict[str, str]
) -> None:
    several = [layered([[1, 2]]), vg.GradientFlow(), layered([[1, 2]]), other]
    message = rf"^flows\['a'\]\[3\]: expected seeds of one network, got one of {said}"
    with pytest.raises(ValueError, match=message):
        plot.compare({"a": several}, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("named", [True, False])
def test_theory_is_of_the_same_layers(depth: int, *, named: bool) -> None:
    theory = Expected([f"dense{n + 1}" for n in range(depth)])
    message = rf"^theory: .* got one of {depth} layers; flows\['a'\] has 3"
    with pytest.raises(ValueError, match=message):
        plot.compare({"a": layered([[1, 2, 3]])}, theory={"a": theory} if named else theory)


def test_one_theory_of_several_flows_is_of_all_of_them() -> None:
    flows = {"a": layered([[1, 2]]), "b": layered([[1, 2, 3]])}
    with pytest.raises(ValueError, match=r"got one of 2 layers; flows\['b'\] has 3"):
        plot.compare(flows, theory=Expected(["dense1", "dense2"]))
    plot.compare(flows, theory={"a": Expected(["dense1", "dense2"])})
    alike = {"a": layered([[1, 2]]), "b": layered([[3, 4]])}
    ax = plot.compare(alike, theory=Expected(["dense1", "dense2"]))
    assert "theory (untrained, scaled to a)" in labels(ax)


def test_theory_of_real_networks_is_of_their_layers() -> None:
    x, y = np.random.default_rng(0).normal(size=(8, 5)), np.zeros((8, 2))

    def made(depth: int) -> vg.Sequential:
        layers = [vg.Dense(4, "tanh") for _ in range(depth)]
        model = vg.Sequential([*layers, vg.Dropout(0.1), vg.Dense(2)], input_shape=5, seed=0)
        model.compile("mse")
        return model

    flow = made(8).gradient_flow(x, y)
    plot.compare({"a": flow}, theory=vg.theory.predict(made(8), x))
    with pytest.raises(ValueError, match=r"got one of 5 layers; flows\['a'\] has 10"):
        plot.compare({"a": flow}, theory=vg.theory.predict(made(3), x))


def test_theory_over_time_is_of_the_same_network() -> None:
    x, y = np.random.default_rng(0).normal(size=(8, 5, 3)), np.zeros((8, 2))

    def made(*more: vg.layers.Layer) -> vg.Sequential:
        model = vg.Sequential([vg.RNN(4), *more, vg.Dense(2)], input_shape=(None, 3), seed=0)
        model.compile("mse")
        return model

    flow = made().gradient_flow(x, y)
    plot.compare({"a": flow}, "time", theory=vg.theory.predict(made(), x))
    with pytest.raises(ValueError, match=r"got one of 3 layers; flows\['a'\] has 2"):
        plot.compare({"a": flow}, "time", theory=vg.theory.predict(made(vg.Dense(3)), x))


def markers(ax: Axes) -> list[tuple[str, str]]:
    """What a legend shows, and what its line shows, of each line that it names."""
    legend = ax.get_legend()
    assert legend is not None
    drawn = {str(line.get_label()): line for line in lines_on(ax)}
    found = []
    for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
        if text.get_text() in drawn:
            assert isinstance(handle, Line2D)
            line = drawn[text.get_text()]
            shown = line.get_marker() if line.get_markevery() else ""
            found.append((str(handle.get_marker()), str(shown)))
    return found


@pytest.mark.parametrize("count", [2, 6, 12, 50])
def test_a_legend_shows_the_markers_that_lines_have(count: int) -> None:
    rows = np.random.default_rng(0).uniform(0.1, 1, (30, count))
    for ax in (
        plot.saturation(layered(rows)),
        plot.over_training(layered(rows), "delta"),
        plot.compare({f"n{n}": layered(rows[:, :2]) for n in range(count)}, over="training"),
    ):
        found = markers(ax)
        assert found and all(named.replace("None", "") == drawn for named, drawn in found)


@pytest.mark.parametrize(("count", "marked"), [(3, True), (8, False)])
def test_dead_units_are_named_as_they_are_drawn(count: int, *, marked: bool) -> None:
    ax = plot.saturation(layered(np.full((5, count), 0.5)))
    (dead,) = [line for line in ax.get_lines() if line.get_label() == "dead units"]
    assert bool(str(dead.get_marker()).replace("None", "")) == marked


def test_layers_without_dead_units_have_no_line_of_them() -> None:
    saturated = np.full((4, 3), 0.5)
    dead = np.zeros((4, 3))
    ax = plot.saturation(layered(saturated, dead=dead))
    assert len(lines_on(ax)) == 3 and ax.get_title() == "Saturated outputs, no dead units"
    assert labels(ax) == ["dense3", "dense2", "dense1"]
    dead[2, 1] = 0.1
    ax = plot.saturation(layered(saturated, dead=dead))
    assert len(lines_on(ax)) == 4 and ax.get_title() == "Saturated outputs, dead units"
    assert "dead units" in labels(ax)


@pytest.mark.parametrize(
    ("layer", "said"),
    [(-1, "last"), (-2, "second last"), (-4, "4th last"), (0, "first"), (3, "4th")],
)
def test_a_place_is_said_in_words(layer: int, said: str) -> None:
    flows = {
        "a": layered(np.ones((2, 4)), list("abcd")),
        "b": layered(np.ones((2, 5)), list("vwxyz")),
    }
    ax = plot.compare(flows, over="training", layer=layer)
    assert ax.get_title() == f"Error signal in the {said} layer"


def test_layers_are_numbered_from_1() -> None:
    ax = plot.compare({"a": layered([[1, 2]]), "b": layered([[1, 2, 3]])})
    render(ax.figure)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "3"]
    assert list(ax.get_xticks()) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 3, 9, 12])
def test_theory_is_drawn_as_nothing_measured_is(count: int) -> None:
    flows = {f"n{n}": [layered([[1, 2]]), layered([[3, 4]])] for n in range(count)}
    ax = plot.compare(flows, theory={name: Expected(["dense1", "dense2"]) for name in flows})
    theory = [line for line in ax.get_lines() if "theory" in str(line.get_label())]
    assert len(lines_on(ax)) == count
    assert {line.get_linestyle() for line in lines_on(ax)} == {"-"}
    assert {line.get_linestyle() for line in theory} == {"--"}
    assert not any(str(line.get_marker()).replace("None", "") for line in theory)
    seeds, expected = (
        [c for c in ax.collections if c.get_gid() == gid]
        for gid in ("vgcore.band", "vgcore.expected")
    )
    assert len(seeds) == len(expected) == count
    for measured, predicted in zip(seeds, expected, strict=True):
        assert not len(measured.get_edgecolor()) and len(predicted.get_edgecolor())
        assert measured.get_facecolor()[0, 3] > 2 * predicted.get_facecolor()[0, 3]


@pytest.mark.parametrize("look", ["default", "dark_background"])
def test_a_legends_bands_are_grey_and_seen(look: str) -> None:
    with matplotlib.style.context(look):
        flows = {name: [layered([[1, 2]]), layered([[3, 4]])] for name in "abc"}
        ax = plot.compare(flows, theory={name: Expected(["dense1", "dense2"]) for name in flows})
        ground = to_rgb(matplotlib.rcParams["axes.facecolor"])
        named = [c for c in ax.collections if not str(c.get_label()).startswith("_")]
        assert len(named) == 2
        for band in named:
            assert isinstance(band, PolyCollection)
            colours = [*band.get_facecolor(), *band.get_edgecolor()]
            assert all(np.ptp(colour[:3]) < 0.02 for colour in colours)
            seen = [colour[3] * np.abs(colour[:3] - ground).max() for colour in colours]
            assert max(seen) > 0.3


def test_theory_that_is_not_scaled_does_not_say_so() -> None:
    ax = plot.compare(
        {"a": layered([[1, 4, 16]])},
        "activation_std",
        theory=Expected(["dense1", "dense2", "dense3"]),
    )
    assert "theory (untrained)" in labels(ax)
    gone = plot.compare(
        {"a": layered([[1, 4, NAN]])}, theory=Expected(["dense1", "dense2", "dense3"])
    )
    assert "theory (untrained, scaled to dense2)" in labels(gone)
