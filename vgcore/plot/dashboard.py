"""One flow in one figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from vgcore.flow import GradientFlow
from vgcore.plot import curves, palette, style
from vgcore.plot.blocks import branches
from vgcore.plot.curves import Curve
from vgcore.plot.distributions import count, histograms, of_flow, recorded
from vgcore.plot.fields import Field, present
from vgcore.plot.heatmaps import heatmap
from vgcore.plot.layers import flow as over_layers
from vgcore.plot.training import over_training, saturation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 13.33, 7.5  # inches of a slide, 16:9
_Panel = Callable[["Axes"], object]


def dashboard(
    flow: GradientFlow, *, label: str | None = None, figure: Figure | None = None
) -> Figure:
    """Draw all that one flow tells in one figure, as wide as a slide.

    The loss, the error signal over the layers and over the training, updates of the weights with the guide at
    1e-3, saturated outputs and dead units; the distributions of the error signal, the gradient through time
    and that through blocks where they are recorded, or else the spread of the outputs.

    Parameters
    ----------
    flow : GradientFlow
    label : str, optional
        Names the flow, above the panels.
    figure : matplotlib.figure.Figure, optional
        An empty one to draw on; left out, a new one of pyplot.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ImportError
        If matplotlib is not installed.
    """
    style.check_flow(flow)
    style.check_look(label, None)
    figure = style.figure_or_new(figure, _WIDTH, _HEIGHT)
    panels = _panels(flow)
    axes = figure.subplots(2, (len(panels) + 1) // 2).ravel()
    for ax, draw in zip(axes, panels, strict=False):
        draw(ax)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    counts = (len(flow), "recorded step"), (len(flow.layers), "layer")
    said = " of ".join(f"{count:,} {what}{'' if count == 1 else 's'}" for count, what in counts)
    figure.suptitle(label or said)
    steps = curves.lines_on(axes[1])
    if steps:
        names = [str(line.get_label()) for line in steps]
        style.legend(figure, steps, names, axes[1], title="step", loc="outside right upper")
    layered = [axes[2], *(ax for ax in axes if ax is not axes[2])]  # a line for each layer
    handles, names = curves.named(*layered)
    if handles:
        style.legend(figure, handles, names, axes[2], title="layer", loc="outside right lower")
    return figure


def _panels(flow: GradientFlow) -> list[_Panel]:
    """What there is to be drawn, each on Axes of its own."""
    panels: list[_Panel] = [
        lambda ax: _loss(flow, ax),
        lambda ax: _error_signal(flow, ax),
        lambda ax: over_training(flow, "delta", ax=ax, legend=False).set_title(
            "Error signal over the training"
        ),
        lambda ax: over_training(flow, "update_ratio", ax=ax, legend=False),
        lambda ax: saturation(flow, ax=ax, legend=False),
    ]
    if recorded(flow):
        panels.append(lambda ax: _distributions(flow, ax))
    if flow.time and len(flow):
        panels.append(lambda ax: heatmap(flow, "time", ax=ax))
    if len(flow) and present(flow, "delta_skip").any():
        panels.append(lambda ax: branches(flow, ax=ax, legend=False))
    if len(panels) % 2:  # there are five at least
        panels.append(lambda ax: over_training(flow, "activation_std", ax=ax, legend=False))
    return panels


def _loss(flow: GradientFlow, ax: Axes) -> None:
    about = Field("Loss", "loss", log=not np.any(flow.loss < 0))
    known = np.full(len(flow), True)
    look = {"color": palette.ink(), "linewidth": 1.2, "marker": "o" if len(flow) == 1 else ""}
    drawn = [Curve(flow.loss, known, "loss", look)] if len(flow) else []
    curves.draw(ax, about, flow.step.astype(float), drawn, empty=curves.reason(flow))
    ax.set_xlabel("step")


def _error_signal(flow: GradientFlow, ax: Axes) -> None:
    over_layers(flow, "delta", ax=ax, legend=False)
    ax.set_title("Error signal over the layers")


def _distributions(flow: GradientFlow, ax: Axes) -> None:
    _, _, binned, _ = of_flow(flow, "delta")
    histograms(flow, "delta", ax=ax, legend=False)
    if binned is not None:
        count(ax, binned)
