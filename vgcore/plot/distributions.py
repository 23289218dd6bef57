"""How values are distributed: one layer over the training, or all layers at one step.

Zeros, infinite values and NaN, which no bin holds, have lanes of their own beside the bins: bars from 0 to
100 % of the elements, for they may be most of them. The legend counts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, activations
from vgcore.flow import GradientFlow, Inside, Internals
from vgcore.plot import bins, curves, inside, palette, style
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
_LANE = 0.06  # of the width of all bins
_STEEP = 3.0  # a peak over the median one's height
_WHOLE = 0.9  # of the way to the next ridge: a bar of all elements
_OVERLAP = 1.8  # of a ridge over the next one's ground


def distribution(
    flow: GradientFlow,
    layer: str | None = None,
    field: str = "delta",
    *,
    kind: str = "ridgeline",
    steps: Iterable[int] | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw how a layer's values are distributed, over the training.

    Bins are powers of two of the values' size. What no bin holds has a lane of its own beside them.

    Parameters
    ----------
    flow : GradientFlow
        Recorded with ``distributions=True``.
    layer : str, optional
        Left out, the first.
    field : {"delta", "weight_grad", "activation", "update_ratio"}
    kind : {"ridgeline", "heatmap"}
        A histogram for each of a few steps, the training going up; or a column of colours for every step.
    steps : iterable of int, optional
        Of a ridgeline: steps that are recorded. Left out, the first, the last and some evenly between.
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
        If an argument is of another kind, no distributions are recorded, or the field, the layer or a step
        is not there.
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
        name = _validate.one_of(
            "layer", layer, flow.layers if recorded is None else recorded.layers
        )
    rows: list[int] = []
    if recorded is not None and len(recorded.step):
        limit = len(recorded.step) if kind == "heatmap" else _MOST_RIDGES
        rows = style.rows_of(recorded, steps, limit=limit)
    ax = style.axes_or_new(ax)
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
    style.fit_text(ax)
    if legend:
        count(ax, binned, bars=kind == "ridgeline")
    return ax


def histograms(
    source: GradientFlow | Internals | Inside,
    field: str | None = None,
    *,
    step: int | None = None,
    layers: str | Iterable[str] | None = None,
    activation: str | activations.Activation | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw how the values of every layer are distributed at one moment, a line for each.

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
        Of a flow: a step that is recorded; left out, the last.
    layers : str or iterable of str, optional
        These layers alone.
    activation : str or Activation, optional
        Of outputs on a linear axis: have it span the range of this activation, from -1 to 1 for tanh, also
        where no value comes near.
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
    top, beyond = _top(binned)
    looks = [look | {"marker": ""} for look in palette.looks(len(names))]
    shown = {names[place] for place in palette.few(len(names), style.MOST_NAMES)}
    for place, (name, look) in enumerate(zip(names, looks, strict=True)):
        if binned.total[place]:
            label = name if name in shown else curves.UNNAMED
            if beyond[place]:
                label = f"{name}, up to {binned.shares[place].max():.2g}"
            _outline(ax, binned, place, look, label)
    _x_axis(ax, about, binned)
    ax.set_ylabel(_SHARE)
    ax.set_ylim(0, top)
    ax.grid(alpha=0.2 if palette.on_dark() else 0.3)
    style.fit_text(ax)
    if legend:
        _name_layers(ax, binned)
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
    binned = bins.of_distribution(recorded, [row], [recorded.layers.index(name) for name in names])
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
        raise ValueError(
            f"field: expected one that a layer has, got {field!r}: gradients need internals(x, y)"
        )
    names = style.names_of(layers, some)
    arrays = [inside.there(source, inside.array(source, name, field)) for name in names]
    return about, names, bins.of_arrays(arrays, log=about.log, activation=activation)


def _empty(ax: Axes, message: str) -> Axes:
    style.say(ax, message)
    ax.tick_params(labelbottom=False)
    return ax


def _lanes(binned: Binned) -> dict[str, tuple[float, float]]:
    """Where the lanes of what no bin holds begin and end, left and right of the bins."""
    low, high = binned.edges[[0, -1]]
    width = max((high - low) * _LANE, 0.8 if binned.log else 0.0)
    left: list[str] = [name for name in ("zero", "-inf") if name in binned.lanes]
    right: list[str] = [name for name in ("huge", "inf", "nan") if name in binned.lanes]
    lanes: dict[str, tuple[float, float]] = {}
    for place, name in enumerate(left):
        end = low - width * (0.8 + 1.4 * place)
        lanes[name] = (end - width, end)
    for place, name in enumerate(right):
        begin = high + width * (0.8 + 1.4 * place)
        lanes[name] = (begin, begin + width)
    return lanes


def _top(binned: Binned) -> tuple[float, NDArray[np.bool_]]:
    """Where the axis ends, and which rows go beyond: few whose peaks would press the others to the ground."""
    peaks = binned.shares.max(axis=1, initial=0.0)
    some = peaks[peaks > 0]
    beyond = peaks > _STEEP * np.median(some) if some.size else peaks > 0
    if not some.size:
        return 1.0, beyond
    return 1.1 * float(peaks[~beyond].max()), beyond


def _outline(ax: Axes, binned: Binned, row: int, look: palette.Look, label: str) -> None:
    """A histogram as a line, and what is in lanes as bars."""
    kept = {key: look[key] for key in ("color", "linestyle", "linewidth")}
    ax.stairs(binned.shares[row], binned.edges, baseline=None, label=label, **kept)
    for name, (begin, end) in _lanes(binned).items():
        if share := binned.lanes[name][row]:  # the layers' bars side by side
            width = (end - begin) / len(binned.total)
            where = ax.get_xaxis_transform()
            bar = {"align": "edge", "color": look["color"], "transform": where}
            ax.bar(begin + width * row, share, width, **bar)


def _x_axis(ax: Axes, about: Field, binned: Binned) -> None:
    """Name powers of two, and lanes."""
    lanes = _lanes(binned)
    ends = [*binned.edges[[0, -1]], *(edge for lane in lanes.values() for edge in lane)]
    room = 0.02 * (max(ends) - min(ends))
    ax.set_xlim(min(ends) - room, max(ends) + room)
    ax.set_xlabel(about.axis)
    ticks, names = _ticks(binned)
    if lanes or binned.log:
        middles = [sum(lane) / 2 for lane in lanes.values()]
        ax.set_xticks([*ticks, *middles], [*names, *(bins.SIGNS[name] for name in lanes)])


def _ticks(binned: Binned) -> tuple[list[float], list[str]]:
    """Some of the bins' places and what they are called."""
    from matplotlib.ticker import MaxNLocator

    low, high = binned.edges[[0, -1]]
    found = MaxNLocator(6, integer=binned.log, steps=[1, 2, 5, 10]).tick_values(low, high)
    lanes, near = _lanes(binned), 0.05 * (high - low)  # names of lanes stand where there are any
    low += near * any(lane[1] <= low for lane in lanes.values())
    high -= near * any(lane[0] >= high for lane in lanes.values())
    ticks = [float(tick) for tick in found if low <= tick <= high]
    if binned.log:
        return ticks, [f"$2^{{{tick:.0f}}}$" for tick in ticks]
    return ticks, [f"{tick:.4g}" for tick in ticks]


def _ridges(ax: Axes, about: Field, binned: Binned, steps: Array) -> None:
    """A filled histogram a step, the last ones behind."""
    scale = (_OVERLAP if len(steps) > 1 else 1.0) / (binned.shares.max(initial=0.0) or 1.0)
    lanes = _lanes(binned)
    ground = palette.ground()
    for place, colour in reversed(list(enumerate(palette.many(len(steps))))):
        behind = 2 + (len(steps) - place) * 0.01
        look: dict[str, Any] = {"facecolor": colour, "edgecolor": ground, "zorder": behind}
        heights = place + binned.shares[place] * scale
        ax.stairs(heights, binned.edges, baseline=place, fill=True, linewidth=0.8, **look)
        for name, (begin, end) in lanes.items():
            if share := binned.lanes[name][place]:
                ax.bar((begin + end) / 2, _WHOLE * share, end - begin, place, **look)
        ax.axhline(place, color=colour, linewidth=0.8, zorder=behind)
    shown = palette.few(len(steps), _MOST_RIDGES)
    ax.set_yticks(shown, [f"{steps[place]:,}" for place in shown])
    ax.set_ylim(-0.15, len(steps) - 1 + _OVERLAP * 1.05 if len(steps) > 1 else 1.05)
    ax.set_ylabel("training step")
    _x_axis(ax, about, binned)


def _columns(ax: Axes, about: Field, binned: Binned, steps: Array) -> None:
    """Colours, steps to the right and values upwards."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm

    everything = np.concatenate([binned.shares.ravel(), *binned.lanes.values()])
    some = everything[everything > 0]
    scale = LogNorm(float(some.min()) * 0.999, float(some.max()))
    x = curves.borders(steps.astype(float))
    pale = (
        np.linspace(0.2, 1, 256) if palette.on_dark() else np.linspace(1, 0, 256)
    )  # least on the ground
    colours = ListedColormap(colormaps["magma"](pale))
    lanes = _lanes(binned)
    blocks = [(binned.edges, binned.shares)] if binned.shares.size else []
    blocks += [(np.array(lanes[name]), each[:, np.newaxis]) for name, each in binned.lanes.items()]
    for edges, shares in blocks:
        cells = ax.pcolormesh(
            x, edges, np.ma.masked_equal(shares.T, 0), cmap=colours, norm=scale, rasterized=True
        )
    ticks, names = _ticks(binned)
    middles = [sum(lane) / 2 for lane in lanes.values()]
    ax.set_yticks([*ticks, *middles], [*names, *(bins.SIGNS[name] for name in lanes)])
    ax.set(xlabel="training step", ylabel=about.axis)
    ax.locator_params("x", integer=True)
    bar = style.figure_of(ax).colorbar(cells, ax=ax)
    bar.set_label(_SHARE)


def _counted(binned: Binned, *, bars: bool = True) -> tuple[list[Any], list[str]]:
    from matplotlib.patches import Patch

    handles = [Patch(color=palette.faint(0.4)) for _ in binned.counts]
    labels = [curves.counted(bins.SIGNS[name], number) for name, number in binned.counts.items()]
    return handles, [f"{label}, to 100 %" if bars else label for label in labels]


def count(ax: Axes, binned: Binned, *, bars: bool = True) -> None:
    """Count what is in the lanes."""
    handles, labels = _counted(binned, bars=bars)
    if handles:
        style.legend_below(ax, handles, labels)


def _name_layers(ax: Axes, binned: Binned) -> None:
    handles, labels = ax.get_legend_handles_labels()
    more, counts = _counted(binned)
    curves.name_beside_axes(ax, [*handles[::-1], *more], [*labels[::-1], *counts], "layer")
