"""However narrow a histogram's bins would be, what is in them is seen: pixels are counted."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import StepPatch
from pictures import INF, NAN, Distributed, inside

import vgcore as vg
from vgcore import plot
from vgcore.plot import bins, palette

matplotlib.use("Agg")

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def image(ax: Axes, dpi: float) -> np.ndarray:
    """The pixels (height, width, 3) of axes, from 0 to 1, the lowest first."""
    figure = ax.figure
    figure.set_dpi(dpi)
    figure.canvas.draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3] / 255.0
    box = ax.bbox
    return drawn[round(box.y0) + 1 : round(box.y1) - 1, round(box.x0) + 1 : round(box.x1) - 1]


def near(pixels: np.ndarray, colour: object) -> np.ndarray:
    """Where pixels have a colour, or nearly so."""
    return np.abs(pixels - to_rgb(colour)).max(axis=-1) < 0.06


def bars(ax: Axes, dpi: float) -> np.ndarray:
    """Of each column of pixels, how high the bar is, from 0 to 1, of those beneath an activation."""
    beneath = ax.figure.axes[1]
    pixels = image(beneath, dpi)
    fill = palette.mixed(palette.ground(), palette.hue(2), 0.8)
    return near(pixels, fill).sum(axis=0) / len(pixels)


NARROW = {
    "one value": np.full(100, 0.5),
    "around 0": rng.normal(0, 1e-3, 1000),
    "very near 0": rng.normal(0, 1e-9, 1000),
    "on an edge": rng.normal(4 / 61, 1e-3, 1000),
    "beyond": np.append(rng.normal(-1, 0.02, 9999), 60.0),
}


@pytest.mark.parametrize("dpi", [40, 100])
@pytest.mark.parametrize("name", NARROW)
def test_a_narrow_peak_beneath_an_activation_is_one_high_bar(name: str, dpi: float) -> None:
    heights = bars(plot.activation("tanh", NARROW[name]), dpi)
    assert heights.max() > 0.9
    (peak,) = np.flatnonzero(np.diff(np.pad(heights > 0.1, 1).astype(int)) > 0)
    assert 0.6 < np.sum(heights > 0.9) / (len(heights) / 65) < 1.6
    assert heights[peak - 2] < 0.05


def test_a_vanishing_networks_pre_activations_are_seen() -> None:
    small = vg.initializers.Normal(0, 0.02)
    layers = [vg.Dense(100, "tanh", weight_initializer=small) for _ in range(4)]
    model = vg.Sequential([*layers, vg.Dense(1)], input_shape=100, seed=0)
    found = model.internals(rng.normal(size=(200, 100)))
    assert bars(plot.activation("tanh", found["dense4"].z), 100).max() > 0.9


def test_bars_beneath_an_activation_are_as_high_as_their_shares() -> None:
    z = np.concatenate([np.full(600, -1.0), rng.normal(1, 1e-4, 300), np.full(100, 2.0)])
    ax = plot.activation("tanh", z)
    heights = bars(ax, 100)
    low, high = ax.get_xlim()
    for share, at in ((0.6, -1), (0.3, 1), (0.1, 2)):
        middle = int((at - low) / (high - low) * len(heights))
        around = heights[middle - 4 : middle + 5]
        assert around.max() / heights.max() == pytest.approx(share / 0.6, abs=0.02)


def test_bins_are_never_narrower_than_a_hundredth_of_the_axis() -> None:
    for z in (*NARROW.values(), rng.normal(size=99), [1e300, -1e300], [NAN, INF], []):
        ax = plot.activation("relu", z)
        low, high = ax.get_xlim()
        for drawn in (p for p in ax.figure.axes[1].patches if isinstance(p, StepPatch)):
            assert np.diff(drawn.get_data().edges).min() > (high - low) / 100
            assert drawn.get_data().values.sum() == pytest.approx(1)


def test_values_on_both_sides_of_an_edge_are_in_one_bin() -> None:
    for middle in np.linspace(-4, 4, 300):
        binned = bins.of_arrays([middle + np.array([-0.01, 0.01])], log=False, within=(-4, 4))
        assert binned.shares.max() == 1 == binned.shares.sum()
        assert binned.edges[0] <= -4 and binned.edges[-1] >= 4


FAR = [1, 1e300, 5e-324, 1, 2]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("dpi", [40, 100])
def test_every_ridge_of_one_bin_is_seen_over_the_whole_range_of_floats(
    dpi: float, dark: bool
) -> None:
    with pyplot.style.context("dark_background" if dark else "default"):
        ax = plot.distribution(Distributed.of([[np.full(10, value)] for value in FAR]))
        pixels = image(ax, dpi)
        low, high = ax.get_ylim()
        for place, colour in enumerate(palette.many(len(FAR))):
            begin, end = ((place + at - low) / (high - low) * len(pixels) for at in (0.1, 0.9))
            seen = near(pixels[round(begin) : round(end)], colour)
            assert seen.any(axis=1).mean() > 0.95
            assert seen.sum(axis=1).max() < 0.03 * pixels.shape[1] + 2


@pytest.mark.parametrize("dpi", [72, 100])
def test_every_column_of_one_bin_is_seen_over_the_whole_range_of_floats(dpi: float) -> None:
    ax = plot.distribution(Distributed.of([[np.full(10, value)] for value in FAR]), kind="heatmap")
    seen = ~near(image(ax, dpi), palette.ground())
    for column in np.array_split(seen, len(FAR), axis=1):
        middle = column[:, column.shape[1] // 4 : -column.shape[1] // 4]
        assert 1 <= middle.any(axis=1).sum() <= 0.03 * len(seen) + 2


@pytest.mark.parametrize(("seed", "powers"), [(0, 2), (1, 7), (2, 16), (3, 1500)])
def test_joined_bins_hold_all_that_they_are_joined_of(seed: int, powers: int) -> None:
    values = 2.0 ** np.random.default_rng(seed).uniform(-1000, 1000, (3, 200))
    flow = Distributed.of([list(values)])
    whole = bins.of_distribution(flow.distribution("delta"), [0], [0, 1, 2])
    joined = bins.joined(whole, (len(whole.edges) - 1) / powers)
    assert joined.powers == powers and np.all(joined.edges % 1 == 0)
    assert joined.edges[0] <= whole.edges[0] and joined.edges[-1] >= whole.edges[-1]
    np.testing.assert_allclose(joined.shares.sum(axis=1), 1)
    for row, shares in zip(values, joined.shares, strict=True):
        expected = np.histogram(np.log2(row), joined.edges)[0] / row.size
        np.testing.assert_allclose(shares, expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["ridgeline", "heatmap", "histograms"])
def test_joined_bins_are_said_and_others_are_not(kind: str) -> None:
    for values, said in ((FAR, True), ([1e-20, 1, 2], False)):
        flow = Distributed.of([[np.array(values)]])
        draw = plot.histograms if kind == "histograms" else plot.distribution
        ax = draw(flow) if kind == "histograms" else plot.distribution(flow, kind=kind)
        label = ax.get_ylabel() if kind == "heatmap" else ax.get_xlabel()
        assert ("each bin: " in label and "powers of two" in label) is said


def test_bins_of_a_linear_axis_are_never_joined() -> None:
    binned = bins.of_arrays([rng.normal(size=100)], log=False)
    assert bins.joined(binned, 2) is binned


def test_a_network_that_explodes_in_float64_is_seen_at_every_step() -> None:
    x, y = vg.data.digits()
    layers = [vg.Dense(20, "relu") for _ in range(5)]
    model = vg.Sequential([*layers, vg.Dense(1)], input_shape=64, seed=1, dtype="float64")
    model.compile("mse", vg.SGD(1.0), on_nonfinite="ignore")
    flow = vg.GradientFlow(distributions=True)
    model.fit(x[:64], y[:64, None], epochs=12, batch_size=64, track=flow, verbose=0)
    recorded = flow.distribution("weight_grad")
    column = recorded.layers.index("dense6")
    held = (recorded.positive + recorded.negative)[:, column].sum(axis=1) > 0
    assert 3 < held.sum() < len(flow)
    ax = plot.distribution(flow, "dense6", "weight_grad", kind="heatmap")
    seen = ~near(image(ax, 100), palette.ground())
    lowest, highest = (plot_edge(ax, name) for name in ("zeros", "∞"))
    for step, column_of in enumerate(np.array_split(seen, len(flow), axis=1)):
        assert column_of[lowest:highest, 3:-3].any() == held[step]


def plot_edge(ax: Axes, lane: str) -> int:
    """The pixel beyond the lane, towards the bins."""
    (at,) = [
        tick
        for tick, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
        if label.get_text() == lane
    ]
    low, high = ax.get_ylim()
    half = 0.05 * (high - low)
    return int((at + (half if lane == "zeros" else -half) - low) / (high - low) * ax.bbox.height)


def test_a_slope_where_there_is_no_value_is_none() -> None:
    """log(z) has the slope 1/z also below 0, where it is NaN."""
    for text, gone in (("log(z)", True), ("sqrt(z)", True), ("exp(z)", False)):
        ax = plot.activation(vg.activations.formula(text), [1.0, -1.0])
        value, slope = ax.get_lines()[:2]
        z = np.asarray(value.get_xdata())
        assert np.isnan(np.asarray(slope.get_ydata())[z < 0]).all() == gone
        hatches = [c for c in ax.collections if c.get_hatch()]
        assert bool(hatches) == gone
        for hatch in hatches:
            (path,) = hatch.get_paths()
            assert path.vertices[:, 0].max() == pytest.approx(0, abs=0.01)
            assert path.vertices[:, 0].min() == pytest.approx(z[0], abs=0.01)


@pytest.mark.parametrize("text", ["exp(exp(z))", "exp(z**2)", "1.7e308*tanh(1000*z)"])
def test_a_formula_that_overflows_warns_of_nothing(text: str) -> None:
    plot.activation(vg.activations.formula(text)).figure.canvas.draw()


def test_outputs_of_a_narrow_layer_stand_on_the_activations_range_in_one_bin() -> None:
    found = inside(np.random.default_rng(0).normal(0, 1e-5, (50, 4)))
    ax = plot.histograms(found, "h", activation="tanh", layers="dense1")
    (outline,) = [p for p in ax.patches if isinstance(p, StepPatch)]
    assert outline.get_data().values.max() == 1
