"""Distributions: nothing is cut off, and lines, bars and percentages stand on a scale that is said."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import StepPatch
from pictures import INF, NAN, Distributed, inside, render

import vgcore as vg
from vgcore import plot
from vgcore.plot import bins

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def curves(ax: Axes) -> list[np.ndarray]:
    return [np.asarray(p.get_data().values) for p in ax.patches if isinstance(p, StepPatch)]


def bars(ax: Axes, lane: str) -> list[float]:
    (found,) = [c for c in ax.collections if c.get_gid() == f"vgcore.lane.{lane}"]
    assert found.get_transform().contains_branch(ax.transData)
    return [float(path.vertices[:, 1].max()) for path in found.get_paths()]


def height(ax: Axes, share: float) -> float:
    """Where a share stands on the axes, from 0 to 1."""
    return float(ax.transAxes.inverted().transform(ax.transData.transform((0, share)))[1])


spread = np.linspace(0.5, 0.9, 100)
PEAKED = [10.0 ** (-9 * spread), 10.0 ** (-8 * spread), np.full(100, 0.75)]
MOSTLY_ZERO = [np.append(np.zeros(1900), np.geomspace(1e-9, 1, 100)), np.geomspace(1e-9, 1, 2000)]
SPECIAL = [[0, 0, 1, 2, NAN, INF], [1, 2, 3, 4, -INF, 5]]
RECORDS = {
    "one peak": PEAKED,
    "95 % of zeros": MOSTLY_ZERO,
    "all kinds": SPECIAL,
    "three lanes": [np.append(np.geomspace(1e-9, 1, 300), [0] * 40 + [NAN] * 40 + [INF] * 20)] * 2,
    "zeros and NaN alone": [[0, 0], [NAN, NAN]],
    "one value": [[1.0]],
}


@pytest.mark.parametrize("log", [None, True, False])
@pytest.mark.parametrize("name", RECORDS)
def test_no_peak_and_no_bar_is_cut_off(name: str, log: bool | None) -> None:
    ax = plot.histograms(Distributed.of([RECORDS[name]]), log=log)
    render(ax.figure)
    low, high = ax.get_ylim()
    shares = np.concatenate([*curves(ax), *([*bars(ax, lane)] for lane in lanes(ax))])
    assert shares.max() < high
    assert shares[shares > 0].min() > low
    if log is not None:
        assert ax.get_yscale() == ("log" if log else "linear")


def lanes(ax: Axes) -> list[str]:
    gids = [str(c.get_gid()) for c in ax.collections]
    return [gid.rpartition(".")[2] for gid in gids if gid.startswith("vgcore.lane")]


@pytest.mark.parametrize("name", ["one peak", "95 % of zeros"])
def test_every_curve_is_seen_beside_a_peak_or_a_bar(name: str) -> None:
    ax = plot.histograms(Distributed.of([RECORDS[name]]))
    for shares in curves(ax):
        assert height(ax, shares.max()) > 1 / 8


def test_zeros_stand_on_the_axis_of_the_curves() -> None:
    ax = plot.histograms(Distributed.of([MOSTLY_ZERO]))
    assert ax.get_yscale() == "log"
    assert bars(ax, "zero") == [0.95]
    assert ax.get_xlabel().splitlines()[1:] == ["zeros: 1,900 (48 %)"]
    assert "to 100 %" not in ax.get_xlabel()


def test_what_no_bin_holds_is_counted_in_plain_words() -> None:
    ax = plot.histograms(Distributed.of([SPECIAL]))
    assert ax.get_xlabel().splitlines()[1:] == ["zeros: 2 (17 %)", "∞: 2 (17 %)", "NaN: 1 (8.3 %)"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["dense2", "dense1"]
    ax = plot.histograms(Distributed.of([SPECIAL]), legend=False)
    assert len(ax.get_xlabel().splitlines()) == 1


def test_outputs_saturated_at_both_ends_are_the_published_figure() -> None:
    """Linear, from -1 to 1, each layer's peaks at the ends of its activation."""
    z = np.random.default_rng(0).normal(size=(500, 40)) * 8
    found = inside(np.zeros((500, 1)))
    layers = {
        f"dense{n}": vg.flow.Inside(f"dense{n}", np.tanh(z / n), z=z / n) for n in (1, 2, 3, 4)
    }
    found._layers = type(found._layers)(layers)
    ax = plot.histograms(found, "h", activation="tanh")
    assert ax.get_yscale() == "linear" and ax.get_ylim()[0] == 0
    assert not lanes(ax)
    assert ax.get_xlim()[0] <= -1 and ax.get_xlim()[1] >= 1
    for shares in curves(ax):
        assert shares[0] + shares[-1] > 0.3 and shares.max() < ax.get_ylim()[1]


def test_a_bin_of_zeros_among_outputs_does_not_hide_the_others() -> None:
    h = np.maximum(np.random.default_rng(0).normal(size=(400, 50)) - 1.5, 0)
    ax = plot.histograms(inside(h), "h", activation="relu", layers="lstm1")
    assert ax.get_yscale() == "log"


def test_axes_that_share_a_scale_cut_nothing_off() -> None:
    _, axes = pyplot.subplots(1, 2, sharey=True, sharex=True)
    narrow, wide = Distributed.of([[np.ones(50)]]), Distributed.of([[np.geomspace(1e-9, 1, 50)]])
    for first, second in ((narrow, wide), (wide, narrow)):
        drawn = [plot.histograms(f, ax=ax) for f, ax in zip((first, second), axes, strict=True)]
        for ax in drawn:
            assert max(shares.max() for shares in curves(ax)) < ax.get_ylim()[1]
            assert ax.get_xlim()[0] < -29 and ax.get_xlim()[1] > 0


@pytest.mark.parametrize("steps", [None, [-1]])
def test_a_ridgeline_says_its_scale_and_its_percentages(steps: list[int] | None) -> None:
    flow = Distributed.of([[MOSTLY_ZERO[0]], [MOSTLY_ZERO[1]], [np.zeros(9)]])
    ax = plot.distribution(flow, steps=[0, -2] if steps is None else [0])
    render(ax.figure)
    scale, counted = ax.get_xlabel().splitlines()[1:]
    told = float(scale.split(": ")[1].split(" %")[0]) / 100
    ridges = sorted(
        (p for p in ax.patches if isinstance(p, StepPatch)), key=lambda p: p.get_data().baseline
    )
    rows = [MOSTLY_ZERO[0], MOSTLY_ZERO[1]][: len(ridges)]
    for place, (ridge, values) in enumerate(zip(ridges, rows, strict=True)):
        heights = np.asarray(ridge.get_data().values) - place
        assert heights.sum() * told == pytest.approx(np.count_nonzero(values) / len(values))
        assert (heights + place).max() <= ax.get_ylim()[1]
    assert [text.get_text() for text in ax.texts] == ["95 %", "0 %"][: len(ridges)]
    assert counted == ("zeros: 1,900 (48 %)" if steps is None else "zeros: 1,900 (95 %)")
    assert scale.startswith("line to line: " if steps is None else "line to top: ")


def test_nothing_but_zeros_is_a_lane_alone() -> None:
    ax = plot.histograms(Distributed.of([[np.zeros(5), np.zeros(5)]]))
    assert bars(ax, "zero") == [1, 1]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["zeros"]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        *((0, "0 %"), (1e-9, "<0.1 %"), (0.0012, "0.1 %"), (0.0949, "9.5 %"), (0.0996, "10 %")),
        *((0.5, "50 %"), (0.994, "99 %"), (0.9999, ">99 %"), (1, "100 %")),
    ],
)
def test_a_percentage_is_never_none_of_some_nor_all_of_most(share: float, said: str) -> None:
    assert bins.percent(share) == said


@pytest.mark.parametrize("size", [10, 18])
@pytest.mark.parametrize("name", RECORDS)
def test_names_on_the_axis_of_values_do_not_touch(name: str, size: int) -> None:
    with pyplot.rc_context({"font.size": size}):
        flow = Distributed.of([RECORDS[name]])
        for ax in (plot.histograms(flow), plot.distribution(flow)):
            ax.figure.draw_without_rendering()
            named = [text.get_window_extent() for text in ax.get_xticklabels() if text.get_text()]
            named.sort(key=lambda box: box.x0)
            for left, right in pairwise(named):
                assert left.x1 < right.x0


def test_the_last_step_is_counted_from_the_end() -> None:
    flow = Distributed.of([[np.ones(4)], [np.full(4, 2.0)], [np.full(4, 8.0)]])
    for step, title in ((-1, "step 20"), (-3, "step 0"), (10, "step 10"), (None, "step 20")):
        assert plot.histograms(flow, step=step).get_title().endswith(title)
    with pytest.raises(ValueError, match=r"step: expected steps that are recorded, got \[-4\]"):
        plot.histograms(flow, step=-4)


def test_two_thousand_layers() -> None:
    values = np.random.default_rng(0).normal(size=(2000, 3))
    values[::3, 0], values[::5, 1] = 0, NAN
    ax = plot.histograms(Distributed.of([list(values)]))
    assert len(render(ax.figure)) > 2000
    named = [written.get_text() for written in ax.get_legend().get_texts()]
    assert 5 <= len(named) <= 9 and named[0] == "dense2000" and named[-1] == "dense1"


def outlines(ax: Axes) -> list[LineCollection]:
    return [c for c in ax.collections if isinstance(c, LineCollection)]


def test_of_many_layers_one_artist_holds_every_outline_that_is_not_named() -> None:
    values = 10.0 ** np.random.default_rng(0).uniform(-9, 0, (300, 20))
    values[7] = 0
    ax = plot.histograms(Distributed.of([list(values)]), log=False)
    (bundle,) = outlines(ax)
    named = curves(ax)
    assert 5 <= len(named) <= 9 and len(bundle.get_segments()) == 300 - len(named)
    edges = np.asarray(next(p for p in ax.patches if isinstance(p, StepPatch)).get_data().edges)
    for segment in bundle.get_segments():
        np.testing.assert_array_equal(segment[:, 0], np.repeat(edges, 2)[1:-1])
        assert segment[:, 1].sum() == pytest.approx(2, abs=1e-9) or not segment[:, 1].any()
        assert segment[:, 1].max() < ax.get_ylim()[1]
    few = plot.histograms(Distributed.of([list(values[:200])]))
    assert not outlines(few) and len(curves(few)) == 200


@pytest.mark.parametrize("log", [False, True])
def test_the_axis_of_shares_holds_outlines_of_many_layers(log: bool) -> None:
    values = 10.0 ** np.random.default_rng(0).uniform(-9, 0, (300, 20))
    values[100] = 1e-5
    ax = plot.histograms(Distributed.of([list(values)]), log=log)
    low, high = ax.get_ylim()
    assert high > 1 and (low == 0 or 1e-3 < low < 1 / 20)


def test_a_record_without_any_bin() -> None:
    """One whose values were all zero, NaN or infinite: no bin is known at all."""
    model = vg.Sequential([vg.Dense(10, "relu"), vg.Dense(1)], input_shape=4, seed=0)
    model.compile("mse", on_nonfinite="ignore")
    for inputs in (0, 3e38):
        flow = vg.GradientFlow(distributions=True)
        x, y = np.full((32, 4), inputs), np.zeros((32, 1))
        model.fit(x, y, epochs=3, track=flow, verbose=0)
        for field in ("delta", "weight_grad"):
            plot.histograms(flow, field)
            plot.distribution(flow, -1, field)
            ax = plot.distribution(flow, -1, field, kind="heatmap")
            assert lanes(ax) == [] and ax.get_ylim()[0] < ax.get_ylim()[1]
        plot.dashboard(flow)
        for number in pyplot.get_fignums():
            assert len(render(pyplot.figure(number))) > 2000


def test_colours_of_equal_shares_span_a_decade() -> None:
    ax = plot.distribution(Distributed.of([[[1.0]], [[1.0]]]), kind="heatmap")
    low, high = ax.collections[0].get_clim()
    assert (low, high) == (pytest.approx(0.1), 1)
