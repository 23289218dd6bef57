"""Which step, layer and field is drawn: one rule for all pictures, and errors that say what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pictures import INF, NAN, RECORDS, Distributed, Expected, layered, render, walked

import vgcore as vg
from vgcore import _validate, plot
from vgcore.flow import Walk
from vgcore.plot import fields, style
from vgcore.plot.curves import lines_on
from vgcore.plot.marks import counts_on

matplotlib.use("Agg")

BOTH = ["bidirectional1.forward", "bidirectional1.backward"]


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    yield
    pyplot.close("all")


def two_ways(*more: str) -> vg.GradientFlow:
    """A record of a bidirectional layer, and of others."""
    flow = vg.GradientFlow()
    walks = {name: Walk(("z",)) for name in BOTH}
    flow.declare([*BOTH, *more], walks)
    for step in (0, 5, 9):
        time = {
            field: {
                name: np.full((4, 1) if "gate" in field or "sat" in field else 4, 1.0 + step)
                for name in BOTH
            }
            for field in ("time", "time_direct", "time_gate", "time_saturated")
        }
        flow.add(step, delta=np.arange(1.0, 3 + len(more)) + step, time=time)
    return flow


def labels(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [each.get_text() for each in legend.get_texts()]


def test_the_loss_is_compared() -> None:
    seeds = [layered([[1]] * 3, loss=[3, 2, 1]), layered([[1]] * 3, loss=[5, 4, 3])]
    ax = plot.compare({"a": seeds, "b": layered([[1]] * 2, loss=[1, NAN])}, "loss")
    render(ax.figure)
    first, second = lines_on(ax)
    np.testing.assert_array_equal(first.get_xdata(), [0, 10, 20])
    np.testing.assert_array_equal(first.get_ydata(), [4, 3, 2])
    np.testing.assert_array_equal(second.get_ydata(), [1])  # the other was not told
    assert (ax.get_title(), ax.get_xlabel(), ax.get_yscale()) == ("Loss", "step", "log")
    assert plot.compare({"a": seeds}, "loss", over="training").get_title() == "Loss"


def test_a_loss_below_zero_has_a_linear_axis() -> None:
    ax = plot.compare({"a": layered([[1]] * 2, loss=[1, -1])}, "loss")
    assert ax.get_yscale() == "linear" and counts_on(ax) == {}


def test_a_loss_that_became_nan_is_marked() -> None:
    ax = plot.compare({"a": layered([[1], [NAN], [INF]], loss=[1, NAN, INF])}, "loss")
    assert counts_on(ax) == {"nan": 1, "plus": 1}


@pytest.mark.parametrize("name", RECORDS)
def test_every_loss_becomes_a_picture(name: str) -> None:
    rows = np.asarray(RECORDS[name], float)
    flow = layered(rows, loss=rows[:, 0])
    assert len(render(plot.compare({"a": flow, "b": [flow, flow]}, "loss").figure)) > 2000
    assert len(render(plot.over_training(flow, "loss", smooth=3).figure)) > 2000


def test_what_is_left_out_follows_from_the_field() -> None:
    assert plot.compare({"a": walked(np.ones((2, 5)))}, "time").get_xlabel() == "timestep $t$"
    assert (
        plot.compare({"a": walked(np.ones((2, 5)))}).get_xlabel() == "layer, from input to output"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"field": "loss", "over": "layers"}, r"over: expected 'training' with field='loss'"),
        ({"field": "loss", "over": "step"}, r"over: expected one of layers, training, time; got"),
        ({"field": "time", "over": "layers"}, r"over: expected 'time' with field='time'"),
        ({"field": "losses"}, r"field: expected one of delta, .*, loss, .*did you mean 'loss'\?"),
        (
            {"field": "loss", "layer": "dense1"},
            r"layer: expected 0 with field='loss', got 'dense1'",
        ),
    ],
)
def test_a_field_over_what_it_does_not_go(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot.compare({"a": layered([[1, 2]])}, **options)


@pytest.mark.parametrize(
    ("field", "options", "meant"),
    [
        ("h", ["delta", "activation"], "'activation'"),
        ("activation", ["z", "h"], "'h'"),
        ("H", fields.FIELDS, "'activation_std' or 'activation_mean'"),
        ("dW", fields.FIELDS, "'weight_grad'"),
        ("dh", fields.TIME_FIELDS, "'time'"),
        ("unit_dead", fields.FIELDS, "'dead'"),
        ("weight_gard", fields.FIELDS, "'weight_grad'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(field: str, options: Any, meant: str) -> None:
    with pytest.raises(ValueError, match=rf"did you mean .*{meant}"):
        _validate.one_of("field", field, options)


def test_pictures_of_distributions_and_internals_know_what_is_meant() -> None:
    with pytest.raises(ValueError, match=r"got 'h'; did you mean 'activation'\?"):
        plot.distribution(Distributed.of([[[1, 2]]]), field="h")
    with pytest.raises(ValueError, match=r"got 'loss'"):
        plot.heatmap(layered([[1, 2]]), "loss")


def drawn_step(ax: Axes) -> float:
    return float(np.asarray(lines_on(ax)[0].get_ydata())[0])


@pytest.mark.parametrize(("step", "first"), [(None, 7), (-1, 7), (-3, 1), (0, 1), (10, 4)])
def test_the_last_step_is_drawn_and_steps_are_counted_back(step: int | None, first: int) -> None:
    flow = layered([[1, 2], [4, 5], [7, 8]])
    assert drawn_step(plot.compare({"a": flow}, step=step)) == first
    walk = walked([[1, 2], [4, 5], [7, 8]])
    assert drawn_step(plot.compare({"a": walk}, "time", step=step)) == first
    assert drawn_step(plot.branches(flow, step=step)) == first
    if step is not None:
        assert drawn_step(flow.plot(steps=[step])) == first


def test_theory_speaks_of_the_first_step() -> None:
    flow = layered([[1, 2], [4, 5]])
    ax = plot.compare({"a": flow}, theory=Expected(flow.layers))
    assert drawn_step(ax) == 1 and ax.get_title().endswith("at step 0")
    assert drawn_step(plot.compare({"a": flow}, theory=Expected(flow.layers), step=-1)) == 4


def test_a_title_says_which_step_where_flows_differ() -> None:
    flows = {"a": layered([[1], [2]]), "b": layered([[1], [2], [3]])}
    assert plot.compare(flows).get_title().endswith("at each flow's last step")
    assert plot.compare(flows, step=-2).get_title().endswith("at each flow's second last step")
    assert plot.compare(flows, step=10).get_title().endswith("at step 10")


@pytest.mark.parametrize("step", [-4, 5, 30])
def test_a_step_that_is_not_there_is_answered_with_those_that_are(step: int) -> None:
    flow = layered([[1, 2], [4, 5], [7, 8]])
    for draw in (
        lambda: flow.plot(steps=[step]),
        lambda: plot.compare({"a": flow}, step=step),
        lambda: plot.branches(flow, step=step),
    ):
        with pytest.raises(ValueError, match=r"; 3 of 0 to 20 are, and -1 is the last of them"):
            draw()


def test_theory_and_its_band_are_named() -> None:
    flow = layered([[1, 4, 16]])
    ax = plot.compare({"a": flow}, theory=Expected(flow.layers))
    render(ax.figure)
    assert [label.replace("\n", " ") for label in labels(ax)] == [
        *("a", "theory: 90 of 100 draws"),
        "theory (untrained, scaled to last layer)",
    ]


@pytest.mark.parametrize(
    "draw",
    [
        lambda flow: flow.plot(layers="bidirectional1"),
        lambda flow: flow.plot(layers=["bidirectional1", BOTH[0]]),
    ],
)
def test_a_bidirectional_layer_is_both_directions(draw: Callable[[Any], Axes]) -> None:
    ax = draw(two_ways("dense1"))
    render(ax.figure)
    assert [each.get_text() for each in ax.get_xticklabels()] == BOTH


def test_both_directions_over_training_and_time() -> None:
    flow = two_ways("dense1")
    shown = lines_on(plot.over_training(flow, "delta", layers="bidirectional1"))
    assert [line.get_label() for line in shown] == BOTH
    assert len(lines_on(plot.saturation(flow, layers="bidirectional1"))) in (0, 4)
    titles = [ax.get_title() for ax in flow.plot_time("bidirectional1").axes]
    assert [title.split(":")[0] for title in titles[:4:2]] == BOTH


def test_a_layer_of_stacked_ones_is_all_of_them() -> None:
    options = ["lstm1.0.forward", "lstm1.0.backward", "lstm1.1.forward", "lstm10", "dense1"]
    assert style.names_of("lstm1", options) == options[:3]
    assert style.names_of(["lstm1.0", "dense1"], options) == [*options[:2], "dense1"]
    assert style.name_of("layer", "lstm1.1", options) == "lstm1.1.forward"


@pytest.mark.parametrize("place", [0, -3, np.int64(0)])
def test_one_layer_by_its_place(place: int) -> None:
    assert style.name_of("layer", place, ["a", "b", "c"]) == "a"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            "bidirectional1",
            ValueError,
            r"expected one layer, got 'bidirectional1', which is .*ward",
        ),
        ("bidirectional2", ValueError, r"expected one of .* did you mean 'bidirectional1"),
        (2, ValueError, r"expected a place among 2 layers, got 2"),
        (1.0, TypeError, r"expected a layer's name, or its place as 0 or -1; got 1.0"),
        (True, TypeError, r"expected a layer's name"),
        (None, TypeError, r"expected a layer's name"),
    ],
)
def test_a_layer_that_is_not_one(given: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=rf"layer: {message}"):
        style.name_of("layer", given, BOTH)


def test_of_ten_thousand_layers_an_error_names_some() -> None:
    flow = layered(np.ones((1, 10_000)))
    with pytest.raises(
        ValueError, match=r"layers: .*, \.\.\., dense10000 \(10,000 in all\)"
    ) as raised:
        flow.plot(layers="conv1")
    assert len(str(raised.value)) < 400


def test_singular_values_that_are_rounding_are_told_from_data() -> None:
    outer = np.outer(np.arange(1.0, 6), np.arange(1.0, 4))
    sizes = np.linalg.svd(outer, compute_uv=False)
    assert 0 < sizes[1] < 1e-12
    ax = plot.singular_values({"W": [*sizes[:1], 1e-3, 1e-17]})
    render(ax.figure)
    assert counts_on(ax) == {"rounded": 1}
    assert labels(ax) == ["W", "0 or rounding (1 value)"]
    assert ax.get_ylim()[0] > 1e-9
    single = plot.singular_values({"W": np.array([1, 1e-3, 1e-8], np.float32)})
    assert counts_on(single) == {"rounded": 1}


def test_a_weight_of_rank_one_has_one_singular_value() -> None:
    model = vg.Sequential([vg.Dense(4)], input_shape=6, seed=0)
    state = model.state_dict()
    state["dense1.weight"] = np.outer(np.arange(1.0, 5), np.arange(1.0, 7)) / 7
    model.load_state_dict(state)
    ax = plot.singular_values(model)
    assert counts_on(ax) == {"rounded": 3}
    assert np.isfinite(np.asarray(lines_on(ax)[0].get_ydata())).sum() == 1
    linear = plot.singular_values(model, log=False)
    assert counts_on(linear) == {} and np.asarray(lines_on(linear)[0].get_ydata())[1] == 0


@pytest.mark.parametrize("draw", [plot.flow, plot.heatmap, plot.saturation, plot.over_training])
@pytest.mark.parametrize("projection", ["3d", "polar", None])
def test_axes_that_cannot_be_drawn_on_are_refused(draw: Any, projection: str | None) -> None:
    ax = Figure().add_subplot(projection=projection)
    if projection is None:
        ax.remove()
    before = len(ax.get_children())
    with pytest.raises(ValueError, match=r"^ax: expected Axes of"):
        draw(layered([[1, 2]]), ax=ax)
    assert len(ax.get_children()) == before


def test_a_model_in_place_of_its_flow_is_not_printed_whole() -> None:
    model = vg.Sequential([vg.Dense(3) for _ in range(4)], input_shape=2)
    with pytest.raises(TypeError, match=r"^flows\['a'\]: expected .*, got Sequential$"):
        plot.compare({"a": model})  # type: ignore[dict-item]
