"""One flow in one figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vgcore.flow import GradientFlow
from vgcore.plot import curves, palette, style
from vgcore.plot.blocks import branches
from vgcore.plot.curves import Curve
from vgcore.plot.distributions import histograms, recorded
from vgcore.plot.fields import Field, present
from vgcore.plot.heatmaps import heatmap
from vgcore.plot.layers import flow as over_layers
from vgcore.plot.legends import legend_beside
from vgcore.plot.training import over_training, saturation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 13.33, 7.5  # inches of a slide, 16:9
_LARGE = 14  # points of text that still fits on it
_WIDEST = 0.6  # of a panel: the legend of a row
_COLUMNS, _ROWS = 3, 2  # of panels that fit on it
_Panel = Callable[["Axes"], bool]  # draws, and tells whether it has a line for each layer


def dashboard(
    flow: GradientFlow, *, label: str | None = None, figure: Figure | None = None
) -> Figure:
    """Draw all that one flow tells in one figure of a slide's shape.

    The loss, the error signal over training and layers, in colours and as lines of a few steps; updates of
    the weights with the guide at 1e-3, saturated outputs and dead units, and how the error signal is
    distributed or else the spread of the outputs. Where they are recorded, the gradient through time and that
    through blocks are a third row. A legend stands at the end of its row. With text of up to 14 points a
    figure of two rows has a slide's size, 13.33 by 7.5 inches, and one of three rows is as wide and half as
    high again; larger text makes a larger figure.

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
    rows = _rows(flow)
    size = _size(len(rows)) if figure is None else (0.0, 0.0)
    figure = style.figure_or_new(figure, *size)
    axes = figure.subplots(len(rows), _COLUMNS)
    for beside, panels in zip(axes, rows, strict=True):
        of_layers = [ax for ax, panel in zip(beside, panels, strict=True) if panel(ax)]
        if of_layers:
            _name_layers(of_layers, flow.layers)
    counts = (len(flow), "recorded step"), (len(flow.layers), "layer")
    said = " of ".join(f"{count:,} {what}{'' if count == 1 else 's'}" for count, what in counts)
    figure.suptitle(label or said)
    return figure


def _size(rows: int) -> tuple[float, float]:
    """Inches of a new figure: a slide's, higher for more rows of panels, and larger for very large text."""
    times = style.grown(_LARGE)
    return times * _WIDTH, times * _HEIGHT * max(1.0, rows / _ROWS)


def _rows(flow: GradientFlow) -> list[list[_Panel]]:
    """What there is to be drawn, each on Axes of its own; those with a line for each layer, side by side."""
    rows: list[list[_Panel]] = [
        [
            lambda ax: _loss(flow, ax),
            lambda ax: _alone(heatmap(flow, ax=ax).set_ylabel("layer")),
            lambda ax: _over_layers(flow, ax),
        ],
        [
            lambda ax: _lines(flow, "update_ratio", ax),
            lambda ax: bool(saturation(flow, ax=ax, legend=False).set_ylabel("share, 0 to 1")),
            lambda ax: _spread(flow, ax),
        ],
    ]
    more: list[_Panel] = []
    if flow.time and len(flow):
        more.append(lambda ax: _alone(heatmap(flow, "time", ax=ax)))
    if len(flow) and present(flow, "delta_skip").any():
        more.append(lambda ax: _branches(flow, ax))
    if more:
        rest: list[_Panel] = [
            lambda ax: _lines(flow, "delta", ax),
            lambda ax: _lines(flow, "weight_grad", ax),
        ]
        rows.append(more + rest[len(more) - _COLUMNS :])
    return rows


def _alone(_: object) -> bool:
    """That a panel explains its colours by itself."""
    return False


def _lines(flow: GradientFlow, field: str, ax: Axes) -> bool:
    made = over_training(flow, field, ax=ax, legend=False)
    if field == "delta":  # there is a heatmap of it, too
        made.set_title("Error signal over the training")
        style.fit_text(made)
    return True


def _over_layers(flow: GradientFlow, ax: Axes) -> bool:
    over_layers(flow, ax=ax).set_title("Error signal over the layers")
    ax.set(xlabel="layer", ylabel="")  # the colour bar before it names the values
    style.fit_text(ax)
    return False


def _spread(flow: GradientFlow, ax: Axes) -> bool:
    if not recorded(flow):
        return _lines(flow, "activation_std", ax)
    histograms(flow, "delta", ax=ax, legend=False)
    return True


def _branches(flow: GradientFlow, ax: Axes) -> bool:
    branches(flow, ax=ax, legend=False)
    handles, names = curves.named(ax)
    style.legend(ax, handles, names, ax, loc="best")
    return False


def _name_layers(axes: Sequence[Axes], layers: Sequence[str]) -> None:
    """One legend behind the last of some panels: the layers, and whatever else is on any of them."""
    fullest = max(axes, key=_named)
    handles, names = curves.named(fullest, *(ax for ax in axes if ax is not fullest), reverse=True)
    for ax in axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            if name not in names and name not in layers:
                handles.append(handle)
                names.append(name)
    ordered = sum(name in layers for name in names)
    widest = _WIDEST * style.room(axes[-1])[0]
    legend_beside(axes[-1], handles, names, title="layer", ordered=ordered, widest=widest)


def _named(ax: Axes) -> int:
    """How many layers its lines name."""
    return sum(line.get_label() != curves.UNNAMED for line in curves.lines_on(ax))


def _loss(flow: GradientFlow, ax: Axes) -> bool:
    about = Field("Loss", "loss", log=not np.any(flow.loss < 0))
    known = np.full(len(flow), True)
    look = {"color": palette.ink(), "linewidth": 1.2, "marker": "o" if len(flow) == 1 else ""}
    drawn = [Curve(flow.loss, known, "loss", look)] if len(flow) else []
    curves.draw(ax, about, flow.step.astype(float), drawn, empty=curves.reason(flow))
    ax.set_xlabel("step")
    return False
