"""How values are distributed: one layer over the training, or all layers at one step.

Zeros, infinite values and NaN, which no bin holds, have lanes of their own beside the bins, on the scale of
the bins, or as percentages. They are counted below.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _validate, activations
from vgcore.flow import GradientFlow, Inside, Internals
from vgcore.plot import bins, colourbar, curves, inside, lanes, palette, style, text
from vgcore.plot.bins import Binned
from vgcore.plot.fields import Array, Field

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIELDS = {
    "delta": Field("Error signal", r"$|\partial L/\partial z|$"),
    "weight_grad": Field("Gradient of the weights", r"$|\partial L/\partial W|$"),
    "activation": Field("Outputs", "$|h|$"),
    "update_ratio": Field("Update of the weights", r"$|\Delta W/W|$"),
}
_SHARE = "share of elements"
_MOST_RIDGES = 12
_LOW = 1 / 8  # of a linear axis: how high the lowest layer's curve must be
_LOW_IN_RANGE = (
    1 / 20
)  # ... where it has an activation's range, as in Glorot's figure, which is linear
_OUTLINES = "vgcore.outlines"
_LINE = 1.8  # of a text's size: the height of a row of it, and a margin
_OVERLAP = 1.8  # of a ridge over the next one's ground, at most


def distribution(
    flow: GradientFlow,
    layer: str | int | None = None,
    field: str = "delta",
    *,
    kind: str = "ridgeline",
    steps: Iterable[int] | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw how a layer's values are distributed, over the training.

    Bins are powers of two of the values' size; over hundreds of these several are one bin, as wide as can be
    seen, and the axis says how many. What no bin holds has a lane of its own beside them: of a
    ridgeline the percentage of the layer's elements, of a heatmap its colour.

    Parameters
    ----------
    flow : GradientFlow
        Recorded with ``distributions=True``.
    layer : str or int, optional
        By name or by its place, -1 the last; left out, the first.
    field : {"delta", "weight_grad", "activation", "update_ratio"}
    kind : {"ridgeline", "heatmap"}
        A histogram for each of a few steps, the training going up, all on one scale, which is written below
        them; or a column of colours for every step.
    steps : iterable of int, optional
        Of a ridgeline: steps that are recorded, or from the end: -1 is the last. Left out, the first, the
        last and some evenly between.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a new figure of pyplot.
    legend : bool
        Whether to count what is in lanes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, no distributions are recorded, the field, the layer or a step is
        not there, or a picture stands on the Axes already.
    ImportError
        If matplotlib is not installed.
    """
    _validate.one_of("kind", kind, ("ridgeline", "heatmap"))
    if kind == "heatmap" and steps is not None:
        raise ValueError(
            f"steps: expected None with kind='heatmap', which shows all; got {steps!r}"
        )
    about, recorded = _recorded(flow, field)
    legend = _validate.boolean("legend", legend)
    name = "" if recorded is None or not recorded.layers else recorded.layers[0]
    if layer is not None:
        name = style.name_of("layer", layer, flow.layers if recorded is None else recorded.layers)
    rows: list[int] = []
    if recorded is not None and len(recorded.step):
        limit = len(recorded.step) if kind == "heatmap" else _MOST_RIDGES
        rows = style.rows_of(recorded, steps, limit=limit)
    ax = style.axes_or_new(ax)
    style.check_free(ax)
    title = f"Distribution: {about.title.lower()}"
    ax.set_title(f"{title} in {name}" if name else title)
    if not rows:
        return _empty(ax, "no distribution recorded")
    binned = bins.of_distribution(recorded, rows, [recorded.layers.index(name)])
    if not binned.total.any():
        return _empty(ax, f"{name} has none")
    steps_drawn = np.asarray(recorded.step)[rows]
    if kind == "ridgeline":
        _ridges(ax, about, binned, steps_drawn)
    else:
        _columns(ax, about, binned, steps_drawn)
    if legend:
        lanes.count(ax, binned)
    style.fit_text(ax)
    return ax


def histograms(
    source: GradientFlow | Internals | Inside,
    field: str | None = None,
    *,
    step: int | None = None,
    layers: str | Iterable[str] | None = None,
    activation: str | activations.Activation | None = None,
    log: bool | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw how the values of every layer are distributed at one moment, a line for each.

    What no bin holds, such as zeros, stands beside the bins: a bar for each layer, on the same axis of
    shares.

    Of outputs on the activation's own range this is the figure of Glorot and Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", AISTATS 2010.

    Parameters
    ----------
    source : Internals, Inside or GradientFlow
        What ``model.internals`` gives, or a flow that was recorded with ``distributions=True``.
    field : str, optional
        Of internals "h" (the default), "z" and "c" on a linear axis, "delta", "dh", "dh_direct" and "dc" by
        their size on a log axis; of a flow as `distribution` takes it, "delta" the default, by size, too.
    step : int, optional
        Of a flow: a step that is recorded, or from the end: -1 is the last, as where it is left out.
    layers : str or iterable of str, optional
        These layers alone.
    activation : str or Activation, optional
        Of outputs on a linear axis: have it span the range of this activation, from -1 to 1 for tanh, also
        where no value comes near.
    log : bool, optional
        Whether the axis of shares is a log axis. Left out, where the lowest curve would else be less than an
        eighth as high as the highest peak or bar; with ``activation``, a twentieth.
    ax, legend
        As `distribution` takes them.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, no distributions are recorded, or the field, a layer or the step
        is not there.
    ImportError
        If matplotlib is not installed.
    """
    source = inside.checked(source)
    style.check_log(log)
    legend = _validate.boolean("legend", legend)
    own = None if activation is None else activations.unitwise(activation)
    if isinstance(source, GradientFlow):
        if own is not None:
            raise ValueError(f"activation: expected None with a flow, got {activation!r}")
        about, names, binned, when = of_flow(
            source, "delta" if field is None else field, step, layers
        )
    else:
        if step is not None:
            raise ValueError(f"step: expected None with internals, got {step!r}")
        about, names, binned = _of_internals(source, "h" if field is None else field, layers, own)
        when = ""
    ax = style.axes_or_new(ax)
    ax.set_title(f"Distribution: {about.title.lower()}{when}")
    if binned is None or not binned.total.any():
        return _empty(ax, "no distribution recorded" if binned is None else "no value to draw")
    binned = lanes.wide_enough(ax, binned, wide=0)
    looks = palette.looks(len(names))
    _outlines(ax, binned, names, looks)
    beside = lanes.places(ax, binned, wide=0)
    _bars(ax, binned, beside, [look["color"] for look in looks])
    lanes.name(ax, binned, beside)
    _share_axis(ax, log=_steep(binned, _LOW_IN_RANGE if own else _LOW) if log is None else log)
    ax.set(xlabel=lanes.said(about.axis, binned), ylabel=_SHARE)
    ax.grid(alpha=0.2 if palette.on_dark() else 0.3)
    style.fit_text(ax)
    if legend:
        lanes.count(ax, binned)
        handles, labels = ax.get_legend_handles_labels()
        curves.name_beside_axes(ax, handles[::-1], labels[::-1], "layer")
    return ax


def recorded(flow: GradientFlow) -> bool:
    """Whether a flow has any distribution."""
    try:
        return len(flow.distribution("delta").step) > 0
    except ValueError:  # it was not to have any
        return False


def _recorded(flow: GradientFlow, field: str) -> tuple[Field, Any]:
    """What a field is called, and what is recorded of it; None of a flow without any step."""
    style.check_flow(flow)
    about = FIELDS[_validate.one_of("field", field, FIELDS)]
    return about, flow.distribution(field) if len(flow) else None


def of_flow(
    flow: GradientFlow,
    field: str,
    step: int | None = None,
    layers: str | Iterable[str] | None = None,
) -> tuple[Field, list[str], Binned | None, str]:
    """What is drawn of a step: the field, the layers, their histograms, and when it was."""
    about, recorded = _recorded(flow, field)
    names = style.names_of(layers, flow.layers if recorded is None else recorded.layers)
    if recorded is None or not len(recorded.step):
        return about, names, None, ""
    row = len(recorded.step) - 1
    if step is not None:
        row = style.rows_of(recorded, [step], called="step")[0]
    place = {name: column for column, name in enumerate(recorded.layers)}
    binned = bins.of_distribution(recorded, [row], [place[name] for name in names])
    return about, names, binned, f" at step {recorded.step[row]:,}"


def _of_internals(
    source: Internals,
    field: str,
    layers: str | Iterable[str] | None,
    activation: activations.Activation | None,
) -> tuple[Field, list[str], Binned]:
    about = inside.FIELDS[_validate.one_of("field", field, inside.FIELDS)]
    if about.log and activation is not None:
        raise ValueError(f"activation: expected None with field={field!r}, got {activation!r}")
    some = inside.having(source, field)
    if not some:
        raise ValueError(inside.without(source, field))
    names = style.names_of(layers, some)
    arrays = [inside.there(source, inside.array(source, name, field)) for name in names]
    within = () if activation is None else bins.own_range(activation)
    return about, names, bins.of_arrays(arrays, log=about.log, within=within)


def _empty(ax: Axes, message: str) -> Axes:
    style.say(ax, message)
    ax.tick_params(labelbottom=False)
    return ax


def _steep(binned: Binned, least: float) -> bool:
    """Whether on a linear axis the curve of some layer would lie below a share of the height."""
    highest = max([binned.peaks.max(), *(lane.max() for lane in binned.lanes.values())])
    return bool((binned.bodies < least * highest).any())


def _outlines(
    ax: Axes, binned: Binned, names: Sequence[str], looks: Sequence[palette.Look]
) -> None:
    """An outline for each layer; of many, those that no legend names are one artist, for each takes long."""
    from matplotlib.collections import LineCollection

    named = set(text.evenly(len(names), style.MOST_NAMES))
    there = np.flatnonzero(binned.total).tolist()
    bundle = [place for place in there if place not in named]
    if len(there) <= curves.MOST_LINES:
        bundle = []
    if bundle:
        x = np.repeat(binned.edges, 2)[1:-1]
        drawn = LineCollection(
            [np.stack([x, np.repeat(binned.shares[place], 2)], axis=1) for place in bundle],
            colors=[looks[place]["color"] for place in bundle],
            linewidths=looks[0]["linewidth"],
            capstyle="butt",
            rasterized=True,
            gid=_OUTLINES,
        )
        ax.add_collection(drawn)
    for place in sorted(set(there) - set(bundle)):
        kept = {key: looks[place][key] for key in ("color", "linewidth")} | {"gid": _OUTLINES}
        label = names[place] if place in named else curves.UNNAMED
        ax.stairs(binned.shares[place], binned.edges, baseline=None, label=label, **kept)


def _bars(ax: Axes, binned: Binned, beside: dict[str, lanes.Lane], colours: Sequence[str]) -> None:
    """What is in lanes, the layers' bars side by side."""
    from matplotlib.collections import PolyCollection

    lanes.shade(ax, beside)
    for name, lane in beside.items():
        width = (lane.end - lane.begin) / len(binned.total)
        left = lane.begin + width * np.arange(len(binned.total))
        corners = np.stack([left, left + width, left + width, left], axis=1)
        tops = np.outer(binned.lanes[name], (0, 0, 1, 1))
        some = binned.lanes[name] > 0
        bars = PolyCollection(
            list(np.stack([corners, tops], axis=2)[some]),
            facecolors=np.asarray(colours)[some],
            linewidths=0,
            gid=f"vgcore.lane.{name}",
        )
        ax.add_collection(bars)
        ax.update_datalim(np.stack([left, binned.lanes[name]], axis=1)[some])


def _share_axis(ax: Axes, *, log: bool) -> None:
    """Have the axis of shares hold every peak and bar, those on other axes that share it, too."""
    drawn = [each.dataLim for each in ax.get_shared_y_axes().get_siblings(ax) if each.has_data()]
    low, high = min(each.minposy for each in drawn), max(each.y1 for each in drawn)
    if log or ax.get_yscale() == "log":
        ax.set_yscale("log")
        ax.set_ylim(low / 1.5, high * 1.5)
    else:
        ax.set_ylim(0, 1.05 * high)


def _ridges(ax: Axes, about: Field, binned: Binned, steps: Array) -> None:
    """A filled histogram a step, the last ones behind, and beside it percentages."""
    from matplotlib.patheffects import withStroke

    wide = len(">99.9 %")
    binned = lanes.wide_enough(ax, binned, wide=wide)
    apart = _round_share(binned.peaks.max() / (_OVERLAP if len(steps) > 1 else 1.0))
    beside = lanes.places(ax, binned, wide=wide)
    lanes.shade(ax, beside)
    apart_from_others = [withStroke(linewidth=2.4, foreground=palette.ground())]
    for place, colour in reversed(list(enumerate(palette.many(len(steps))))):
        behind = 2 + (len(steps) - place) * 0.01
        look: dict[str, Any] = {"facecolor": colour, "edgecolor": colour, "zorder": behind}
        heights = place + binned.shares[place] / apart
        ridge = ax.stairs(heights, binned.edges, baseline=place, fill=True, linewidth=0.8, **look)
        ridge.set(path_effects=apart_from_others, gid="vgcore.ridge")
        ax.axhline(place, color=colour, linewidth=0.8, zorder=behind)
    size = style.legend_size(ax)
    high = ax.get_window_extent().height / style.figure_of(ax).dpi * 72
    shown = range(0, len(steps), math.ceil(len(steps) * _LINE * size / high))
    for name, lane in beside.items():
        for place in shown:
            if binned.total[place]:
                said = bins.percent(float(binned.lanes[name][place]))
                ax.annotate(
                    *(said, (lane.middle, place), (0, 1)),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    fontsize=size,
                    zorder=4,
                    bbox={"facecolor": lanes.ground(), "linewidth": 0, "pad": 0.5},
                )
    ax.set_yticks(shown, [f"{steps[place]:,}" for place in shown])
    ax.set_ylim(-0.15, len(steps) - 1 + (1.05 * _OVERLAP if len(steps) > 1 else 1.0))
    ax.set_ylabel("training step")
    lanes.name(ax, binned, beside)
    scale = "line to line" if len(steps) > 1 else "line to top"
    ax.set_xlabel(f"{lanes.said(about.axis, binned)}\n{scale}: {100 * apart:g} % of elements")


def _round_share(least: float) -> float:
    """The least of 1, 2, 5, 10, ... % and their tenths that is as large."""
    power = 10.0 ** np.floor(np.log10(least)) if least > 0 else 1.0
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9)))


def _columns(ax: Axes, about: Field, binned: Binned, steps: Array) -> None:
    """Colours, steps to the right and values upwards."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm

    binned = lanes.wide_enough(ax, binned, wide=0, upright=True)
    everything = np.concatenate([binned.shares.ravel(), *binned.lanes.values()])
    some = everything[everything > 0]
    scale = LogNorm(float(min(some.min() * 0.999, some.max() / 10)), float(some.max()))
    x = curves.borders(steps.astype(float))
    pale = (
        np.linspace(0.2, 1, 256) if palette.on_dark() else np.linspace(1, 0, 256)
    )  # least on the ground
    colours = ListedColormap(colormaps["magma"](pale))
    beside = lanes.places(ax, binned, wide=0, upright=True)
    blocks = [(binned.edges, binned.shares)] if binned.shares.any() else []
    blocks += [(np.array(beside[name]), each[:, np.newaxis]) for name, each in binned.lanes.items()]
    style.number(ax.xaxis)  # first, for limits are chosen by what finds the ticks
    for edges, shares in blocks:
        cells = ax.pcolormesh(
            x,
            edges,
            np.ma.masked_equal(shares.T, 0),
            cmap=colours,
            norm=scale,
            rasterized=True,
            gid="vgcore.cells",
        )
    lanes.name(ax, binned, beside, upright=True)
    ax.set(xlabel="training step", ylabel=lanes.said(about.axis, binned))
    colourbar.beside(ax, cells, _SHARE)
