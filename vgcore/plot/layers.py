"""A field over the layers, a line for each of a few steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import bands, curves, palette, style
from vgcore.plot.curves import Curve
from vgcore.plot.fields import FIELDS, Array, Mask, present

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def flow(
    flow: GradientFlow,
    field: str = "delta",
    *,
    ax: Axes | None = None,
    steps: Iterable[int] | None = None,
    layers: str | Iterable[str] | None = None,
    band: tuple[float, float] | None = None,
    log: bool | None = None,
    label: str | None = None,
    color: Any = None,
    legend: bool = True,
) -> Axes:
    """Draw a field over the layers, input to output: one line for each of a few recorded steps.

    What the axis cannot show stands as what it is, and the legend counts it: 0 on a log axis as a mark on
    the lower edge, an infinite value on the upper edge, NaN as a hatched gap with a cross in each line's
    colour. A line passes by layers that have no such value: Flatten has no weights.

    Parameters
    ----------
    flow : GradientFlow
    field : str
        A per-layer field of the flow. Norms and ratios are drawn on a log axis;
        activation_mean, activation_std, saturated and dead on a linear one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a new figure of pyplot. It may hold other flows, of other depths and
        names: the first layer stands at 0, the second at 1, and the longest flow names them.
    steps : iterable of int, optional
        Recorded steps to draw, -1 the last of them; left out, the first, the last and some evenly between.
    layers : str or iterable of str, optional
        Draw these layers alone; "bidirectional1" is "bidirectional1.forward" and "bidirectional1.backward".
    band : (float, float), optional
        Draw one line, the median over the steps, and the band between these two quantiles of
        them; of all that are recorded, where ``steps`` is left out.
    log : bool, optional
        Whether the axis of values is a log axis; left out, as the field says.
    label : str, optional
        Names the flow in the legend: "relu, step 0".
    color : color, optional
        The flow's own, pale for its first step and dark for its last; left out, colours from cold to warm
        for the first flow of a picture without a label, and a hue each for others.
    legend : bool
        Whether to name what is drawn.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, the field or a layer is unknown, or a step is not recorded.
    ImportError
        If matplotlib is not installed.
    """
    style.check_flow(flow)
    about = FIELDS[_validate.one_of("field", field, FIELDS)]
    names = style.names_of(layers, flow.layers)
    columns = [flow.layers.index(name) for name in names]
    edges = bands.check(band)
    rows = style.rows_of(flow, steps, limit=None if edges else style.MOST_STEPS)
    style.check_look(label, color)
    style.check_log(log)
    legend = _validate.boolean("legend", legend)
    ax = style.axes_or_new(ax)
    values, there = getattr(flow, field)[:, columns], present(flow, field)[:, columns]
    named = curves.longest_on(ax)
    about = about if log is None else about._replace(log=log)
    if edges:
        drawn = _median(
            values[rows], there[rows], edges, label, curves.looks_on(ax, 1, label, color)
        )
    else:
        drawn = [
            Curve(values[row], there[row], _name(flow.step[row], label, len(rows)), look)
            for row, look in zip(rows, curves.looks_on(ax, len(rows), label, color), strict=True)
        ]
    places = np.arange(len(names), dtype=float)
    curves.draw(ax, about, places, drawn, empty=curves.reason(flow))
    ax.margins(x=0.08)
    ax.set_xlabel("layer, from input to output")
    if edges:
        curves.name_band(ax, bands.name(edges))
    if legend:
        curves.name_lines(ax, None if label or edges else "step", ordered=True)
    if len(names) > named:
        style.name_layers(ax, names)
    style.fit_text(ax)
    return ax


def _median(
    values: Array,
    there: Mask,
    edges: tuple[float, float],
    label: str | None,
    looks: list[palette.Look],
) -> list[Curve]:
    """One line over all steps, if there are any."""
    if not len(values):
        return []
    middle, band, present = bands.summary(values, there, edges)
    name = f"median of {len(values):,} step{'' if len(values) == 1 else 's'}"
    name = name if label is None else f"{label}, {name}"
    return [Curve(middle, present, name, looks[0], band)]


def _name(step: int, label: str | None, count: int) -> str:
    if label is None:
        return f"{step:,}"
    return label if count == 1 else f"{label}, step {step:,}"
