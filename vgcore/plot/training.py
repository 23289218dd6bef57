"""A field over the training, a line for each layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot.style import MOST_NAMES, axes_or_new, colours_of, few, finish, layer_field

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def over_training(
    flow: GradientFlow,
    field: str = "bias_grad",
    *,
    ax: Axes | None = None,
    layers: Iterable[str] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw a field against the step: one line for each layer.

    With ``bias_grad`` these are the curves of the speed of learning in Nielsen, "Neural Networks
    and Deep Learning", chapter 5.

    Parameters
    ----------
    flow : GradientFlow
    field : str
        As `flow` takes it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a new figure of pyplot.
    layers : iterable of str, optional
        Draw these layers alone.
    legend : bool
        Whether to name the layers.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If the field or a layer is unknown, or nothing is recorded.
    ImportError
        If matplotlib is not installed.
    """
    about, values = layer_field(flow, field)
    chosen = list(flow.layers if layers is None else layers)
    columns = [flow.layers.index(_validate.one_of("layers", name, flow.layers)) for name in chosen]
    ax = axes_or_new(ax)
    named = few(len(chosen), MOST_NAMES)
    style = "-" if len(values) > 1 else "o"
    for place, colour in enumerate(colours_of("plasma", len(chosen))):
        label = chosen[place] if place in named else "_"  # matplotlib's mark of "not in the legend"
        ax.plot(flow.step, values[:, columns[place]], style, color=colour, label=label)
    ax.set_xlabel("step")
    finish(ax, about)
    if legend:
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(handles[::-1], labels[::-1], title="layer")  # the output, mostly highest, on top
    return ax
