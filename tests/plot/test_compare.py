"""Several flows in one frame: by name, seeds as a band, theory under both."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from pictures import INF, NAN, Expected, layered, render, walked

from vgcore import plot
from vgcore.plot import bands
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
    return [text.get_text() for text in legend.get_texts()]


def band_of(ax: Axes, gid: str = "vgcore.band") -> np.ndarray:
    (drawn,) = [c for c in ax.collections if c.get_gid() == gid]
    return np.asarray(drawn.get_paths()[0].vertices)


def test_a_line_for_each_name_and_a_band_for_seeds() -> None:
    seeds = [layered([[1, 10, 100]]), layered([[2, 20, 200]]), layered([[4, 40, 400]])]
    ax = plot.compare({"sigmoid": seeds, "relu": layered([[3, 3, 3]])})
    render(ax.figure)
    first, second = lines_on(ax)
    np.testing.assert_array_equal(first.get_ydata(), [2, 20, 200])
    np.testing.assert_array_equal(second.get_ydata(), [3, 3, 3])
    edges = band_of(ax)
    assert {(0, 1), (0, 4), (2, 100), (2, 400)} <= {tuple(point) for point in edges.tolist()}
    assert labels(ax) == ["sigmoid: median of 3", "relu", "seeds: lowest to highest"]
    assert first.get_color() != second.get_color()
    assert ax.get_title() == "Error signal at step 0"


def test_layers_are_named_where_all_flows_have_the_same() -> None:
    alike = plot.compare({"a": layered([[1, 2]]), "b": layered([[2, 3]])})
    assert [text.get_text() for text in alike.get_xticklabels()] == ["dense1", "dense2"]
    other = plot.compare({"a": layered([[1, 2]]), "b": layered([[2, 3, 4]])})
    render(other.figure)
    assert "dense1" not in [text.get_text() for text in other.get_xticklabels()]
    assert other.get_xlim()[1] > 2 and len(lines_on(other)[0].get_xdata()) == 2


def test_what_any_seed_has_that_the_axis_cannot_show_is_marked() -> None:
    ax = plot.compare({"a": [layered([[1, 1, 1]]), layered([[1, NAN, 0]]), layered([[1, 1, INF]])]})
    render(ax.figure)
    assert counts_on(ax) == {"nan": 1, "plus": 1}  # one mark for each place, of the worst
    np.testing.assert_array_equal(lines_on(ax)[0].get_ydata(), [1, NAN, 1])


def test_a_training_that_ended_earlier_is_no_gap() -> None:
    ax = plot.compare(
        {"a": [layered([[1], [2], [3]]), layered([[5]])]}, over="training", layer="dense1"
    )
    render(ax.figure)
    median, rest = lines_on(ax)
    np.testing.assert_array_equal(median.get_ydata(), [3])
    np.testing.assert_array_equal(rest.get_ydata(), [1, 2, 3])
    assert counts_on(ax) == {} and ax.get_title() == "Error signal in dense1"


@pytest.mark.parametrize("layer", [1, -1, "dense2"])
def test_a_layer_by_place_or_name(layer: int | str) -> None:
    ax = plot.compare({"a": layered([[1, 7], [2, 8]])}, over="training", layer=layer)
    np.testing.assert_array_equal(lines_on(ax)[0].get_ydata(), [7, 8])


def test_over_time_walks_of_different_lengths_share_the_axis() -> None:
    ax = plot.compare({"a": walked([[1, 2]]), "b": walked([[1, 2, 3, 4]])}, "time", over="time")
    assert ax.get_xlim()[1] > 3
    assert [len(line.get_xdata()) for line in lines_on(ax)] == [2, 4]


def test_a_step_is_chosen() -> None:
    ax = plot.compare({"a": layered([[1, 2], [3, 4]])}, step=10)
    np.testing.assert_array_equal(lines_on(ax)[0].get_ydata(), [3, 4])
    assert ax.get_title().endswith("at step 10")


@pytest.mark.parametrize("named", [True, False])
def test_theory_meets_the_measurement_at_the_last_layer(*, named: bool) -> None:
    flow = layered([[1, 4, 16]])
    prediction = Expected(flow.layers, 0.25)
    ax = plot.compare({"a": flow}, theory={"a": prediction} if named else prediction)
    render(ax.figure)
    (line,) = [line for line in ax.get_lines() if "theory" in str(line.get_label())]
    np.testing.assert_allclose(line.get_ydata(), [1, 4, 16])
    assert (line.get_color() == lines_on(ax)[0].get_color()) == named
    edges = band_of(ax, "vgcore.expected")
    assert {(2.0, 8.0), (2.0, 32.0)} <= {tuple(point) for point in edges.tolist()}


def test_theory_of_other_fields_is_not_scaled() -> None:
    flow = layered([[1, 4, 16]])
    ax = plot.compare({"a": flow}, "activation_std", theory=Expected(flow.layers, 0.5))
    (line,) = [line for line in ax.get_lines() if "theory" in str(line.get_label())]
    np.testing.assert_allclose(line.get_ydata(), [0.25, 0.5, 1])


def test_more_names_than_hues_have_colours_of_their_own() -> None:
    ax = plot.compare({str(n): layered([[n + 1, 2]]) for n in range(9)})
    assert len({line.get_color() for line in lines_on(ax)}) == 9


def test_quantiles_are_numpys_where_all_is_finite() -> None:
    values = np.random.default_rng(0).normal(size=(7, 5))
    found = bands.quantiles(values, np.full(values.shape, True), (0.0, 0.1, 0.5, 1.0))
    np.testing.assert_allclose(found, np.quantile(values, (0.0, 0.1, 0.5, 1.0), axis=0))


def test_quantiles_of_what_is_there() -> None:
    values = np.array([[1, NAN, INF, NAN, 1], [3, 1, 1, 5, INF], [5, 2, 2, 7, INF]])
    there = np.array([[1, 1, 1, 0, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 1]], bool)
    middle, highest = bands.quantiles(values, there, (0.5, 1.0))
    np.testing.assert_array_equal(middle, [2, NAN, 2, 6, INF])
    np.testing.assert_array_equal(highest, [3, NAN, INF, 7, INF])


@pytest.mark.parametrize("window", [1, 2, 3, 8, 100])
def test_a_running_median_is_that_of_each_window(window: int) -> None:
    values = np.random.default_rng(0).normal(size=20)
    values[3] = NAN
    middle, band, _ = bands.running(values, np.full(20, True), window, (0.0, 1.0))
    assert band is not None
    for place in range(20):
        begin = max(0, place - (window - 1) // 2)
        some = values[begin : place + window // 2 + 1]
        if np.isnan(some).all():
            assert np.isnan(middle[place])
            continue
        assert middle[place] == pytest.approx(np.nanmedian(some))
        assert (band[0, place], band[1, place]) == (np.nanmin(some), np.nanmax(some))


def test_a_smoothed_line_still_marks_what_it_passes_over() -> None:
    rows = np.ones((9, 1))
    rows[4], rows[6] = NAN, 0
    ax = plot.over_training(layered(rows), "delta", smooth=5)
    render(ax.figure)
    assert counts_on(ax) == {"nan": 1, "zero": 1}
    assert np.isfinite(lines_on(ax)[0].get_ydata()).all()


def test_a_band_over_steps_is_of_all_that_are_recorded() -> None:
    ax = layered([[n, 2 * n] for n in range(1, 12)]).plot(band=(0, 1))
    (line,) = lines_on(ax)
    np.testing.assert_array_equal(line.get_ydata(), [6, 12])
    assert {(0, 1), (0, 11), (1, 22)} <= {tuple(point) for point in band_of(ax).tolist()}
    assert labels(ax) == ["median of 11 steps", "lowest to highest"]


def test_update_ratios_have_a_guide_in_the_frame() -> None:
    for ax in (
        layered([[1e-6, 1e-5]]).plot("update_ratio"),
        plot.over_training(layered([[1e-6], [1e-5]]), "update_ratio"),
    ):
        render(ax.figure)
        assert ax.get_ylim()[1] > 1e-3
        assert "0.001, a rule of thumb" in labels(ax)


def test_a_logarithm_is_the_users_choice() -> None:
    ax = layered([[0, 1, 2]]).plot(log=False)
    assert ax.get_yscale() == "linear" and counts_on(ax) == {}
    assert layered([[0.1, 1, 2]]).plot("activation_std", log=True).get_yscale() == "log"
