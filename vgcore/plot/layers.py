"""A field over the layers, a line for each of a few steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vgcore.flow import GradientFlow
from vgcore.plot.style import (
    MOST_NAMES,
    MOST_STEPS,
    axes_or_new,
    colours_of,
    few,
    finish,
    layer_field,
    rows_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def flow(
    flow: GradientFlow,
    field: str = "delta",
    *,
    ax: Axes | None = None,
    steps: Iterable[int] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw a field over the layers, input to output: one line for each of a few recorded steps.

    Parameters
    ----------
    flow : GradientFlow
    field : str
        A per-layer field of the flow. Norms and ratios are drawn on a log axis;
        activation_mean, activation_std, saturated and dead on a linear one. What an axis cannot
        show, such as 0 on a log axis, leaves a gap.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a new figure of pyplot.
    steps : iterable of int, optional
        Recorded steps to draw; left out, the first, the last and some evenly between.
    legend : bool
        Whether to name the steps.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If the field is unknown, nothing is recorded, or one of ``steps`` is not.
    ImportError
        If matplotlib is not installed.
    """
    about, values = layer_field(flow, field)
    shown = few(len(values), MOST_STEPS) if steps is None else rows_of(flow, steps)
    ax = axes_or_new(ax)
    style = "o-" if len(flow.layers) <= 20 else "-"
    for row, colour in zip(shown, colours_of("viridis", len(shown)), strict=True):
        ax.plot(values[row], style, color=colour, markersize=4, label=f"{flow.step[row]:,}")
    ticks = few(len(flow.layers), MOST_NAMES)
    names = [flow.layers[i] for i in ticks]
    ax.set_xticks(ticks, names)
    if sum(map(len, names)) > 40:
        for label in ax.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    ax.margins(x=0.08)
    ax.set_xlabel("layer, from input to output")
    finish(ax, about)
    if legend:
        ax.legend(title="step")
    return ax
