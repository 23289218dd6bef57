"""A field over the training, a line for each layer; saturated and dead together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import bands, curves, palette, style, text
from vgcore.plot.curves import Curve
from vgcore.plot.fields import FIELDS, STEP_FIELDS, Array, Mask, of_step, present

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHARE = "share of outputs, or of units, 0 to 1"
_DEAD: dict[str, Any] = {"linestyle": (0, (3, 2)), "fillstyle": "none"}


def over_training(
    flow: GradientFlow,
    field: str = "bias_grad",
    *,
    ax: Axes | None = None,
    layers: str | Iterable[str] | None = None,
    smooth: int | None = None,
    band: tuple[float, float] | None = None,
    log: bool | None = None,
    label: str | None = None,
    color: Any = None,
    legend: bool = True,
) -> Axes:
    """Draw a field against the step: one line for each layer that has it, or the loss.

    With ``bias_grad`` these are the curves of the speed of learning in Nielsen, "Neural Networks
    and Deep Learning", chapter 5. What the axis cannot show stands as what it is, as in
    `vgcore.plot.flow`.

    Parameters
    ----------
    flow, ax, log, legend
        As `vgcore.plot.flow` takes them.
    field : str
        A field of layers, or "loss".
    layers : str or iterable of str, optional
        Draw these layers alone; "bidirectional1" is "bidirectional1.forward" and "bidirectional1.backward".
    smooth : int, optional
        Draw the running median over so many recorded steps. What the axis cannot show is still marked at its
        own step; NaN is left out of the medians.
    band : (float, float), optional
        Fill between these two quantiles of each window of ``smooth`` steps.
    label : str, optional
        Names the flow in the legend: "relu, dense1".
    color : color, optional
        The flow's own, pale for its first layer and dark for its last; left out, as in
        `vgcore.plot.flow`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or the field or a layer is unknown.
    ImportError
        If matplotlib is not installed.
    """
    style.check_flow(flow)
    _validate.one_of("field", field, [*FIELDS, *STEP_FIELDS])
    columns = [flow.layers.index(name) for name in style.names_of(layers, flow.layers)]
    if field in STEP_FIELDS and layers is not None:
        raise ValueError(f"layers: expected None with field={field!r}, got {layers!r}")
    window = None if smooth is None else _validate.integer("smooth", smooth, minimum=1)
    edges = bands.check(band)
    if edges and window is None:
        raise ValueError(
            f"band: expected None without smooth=, the steps of a window; got {band!r}"
        )
    style.check_look(label, color)
    style.check_log(log)
    legend = _validate.boolean("legend", legend)
    ax = style.axes_or_new(ax)
    names, title = list(flow.layers), None if label else "layer"
    if field in STEP_FIELDS:
        about, value, told = of_step(flow, field)
        values, there = value[:, np.newaxis], told[:, np.newaxis]
        columns, names, title = [0], [field], None
    else:
        about, values, there = FIELDS[field], getattr(flow, field), present(flow, field)
    looks = dict(zip(columns, curves.looks_on(ax, len(columns), label, color), strict=True))
    columns = [column for column in columns if there[:, column].any()]
    about = about if log is None else about._replace(log=log)
    named = {columns[place] for place in text.evenly(len(columns), style.MOST_NAMES)}
    drawn = [
        _curve(
            values[:, column],
            there[:, column],
            _name(names[column], label) if column in named else curves.UNNAMED,
            looks[column],
            window,
            edges,
        )
        for column in columns
    ]
    curves.draw(ax, about, flow.step.astype(float), drawn, empty=curves.reason(flow))
    _name_x(ax)
    if edges and window:
        curves.name_band(ax, f"{bands.name(edges)} of {window:,} steps")
    if legend:  # the output, mostly highest, on top
        curves.name_lines(ax, title, ordered=True, reverse=True)
    return ax


def _name_x(ax: Axes) -> None:
    style.number_x(ax)
    ax.set_xlabel("step")
    style.fit_text(ax)


def _curve(
    values: Array,
    there: Mask,
    name: str,
    look: palette.Look,
    window: int | None,
    edges: tuple[float, float] | None,
) -> Curve:
    """A line of what was recorded, or of its running median."""
    if window is None:
        return Curve(values, there, name, look)
    middle, band, _ = bands.running(values, there, window, edges)
    return Curve(middle, there, name, look, band, values)


def _name(layer: str, label: str | None) -> str:
    return layer if label is None else f"{label}, {layer}"


def saturation(
    flow: GradientFlow,
    *,
    ax: Axes | None = None,
    layers: str | Iterable[str] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw over the training what share of each layer's outputs is saturated and, dashed, of its units dead.

    Layers whose outputs have no slopes of their own, such as a softmax, have none. A layer without a dead
    unit in any step has no dashed line. More layers than lines can be told apart are better seen as
    ``vgcore.plot.heatmap(flow, "saturated")`` and ``vgcore.plot.heatmap(flow, "dead")``.

    Parameters
    ----------
    flow, ax, layers, legend
        As `over_training` takes them.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or a layer is unknown.
    ImportError
        If matplotlib is not installed.
    """
    style.check_flow(flow)
    legend = _validate.boolean("legend", legend)
    columns = [flow.layers.index(name) for name in style.names_of(layers, flow.layers)]
    looks = dict(zip(columns, palette.looks(len(columns)), strict=True))
    known = {field: present(flow, field) for field in ("saturated", "dead")}
    columns = [c for c in columns if any(there[:, c].any() for there in known.values())]
    ax = style.axes_or_new(ax)
    named = {columns[place] for place in text.evenly(len(columns), style.MOST_NAMES)}
    drawn = []
    dying = [c for c in columns if (known["dead"][:, c] & (flow.dead[:, c] != 0)).any()]
    for column in columns:
        name = flow.layers[column] if column in named else curves.UNNAMED
        more = looks[column] | {"linestyle": "-"}
        there = known["saturated"][:, column]
        drawn.append(Curve(flow.saturated[:, column], there, name, more))
        if column in dying:
            more, there = looks[column] | _DEAD, known["dead"][:, column]
            drawn.append(Curve(flow.dead[:, column], there, curves.UNNAMED, more))
    none = "no " if drawn and not dying else ""
    title = f"Saturated outputs, {none}dead units"
    about = FIELDS["saturated"]._replace(title=title, axis=_SHARE)
    curves.draw(ax, about, flow.step.astype(float), drawn, empty=curves.reason(flow))
    _name_x(ax)
    dashed = [line for line in curves.lines_on(ax) if line.get_fillstyle() == "none"]
    if dashed:  # with or without markers, as they have
        marker = dashed[0].get_marker()
        ax.plot([], [], color=palette.ink(), label="dead units", **_DEAD | {"marker": marker})
    if legend:
        curves.name_lines(ax, "saturated outputs", ordered=True, reverse=True)
    return ax
