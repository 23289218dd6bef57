"""A field over the training, a line for each layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import curves, style
from vgcore.plot.curves import Curve
from vgcore.plot.fields import FIELDS, present

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def over_training(
    flow: GradientFlow,
    field: str = "bias_grad",
    *,
    ax: Axes | None = None,
    layers: str | Iterable[str] | None = None,
    label: str | None = None,
    color: Any = None,
    legend: bool = True,
) -> Axes:
    """Draw a field against the step: one line for each layer that has it.

    With ``bias_grad`` these are the curves of the speed of learning in Nielsen, "Neural Networks
    and Deep Learning", chapter 5. What the axis cannot show stands as what it is, as in
    `vgcore.plot.flow`.

    Parameters
    ----------
    flow, field, ax, legend
        As `vgcore.plot.flow` takes them.
    layers : str or iterable of str, optional
        Draw these layers alone.
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
    about = FIELDS[_validate.one_of("field", field, FIELDS)]
    columns = [flow.layers.index(name) for name in style.names_of(layers, flow.layers)]
    style.check_look(label, color)
    legend = _validate.boolean("legend", legend)
    ax = style.axes_or_new(ax)
    values, there = getattr(flow, field), present(flow, field)
    columns = [column for column in columns if there[:, column].any()]
    named = {columns[place] for place in style.few(len(columns), style.MOST_NAMES)}
    drawn = [
        Curve(
            values[:, column],
            there[:, column],
            _name(flow.layers[column], label) if column in named else curves.UNNAMED,
            look,
        )
        for column, look in zip(
            columns, curves.looks_on(ax, len(columns), label, color), strict=True
        )
    ]
    curves.draw(ax, about, flow.step.astype(float), drawn, empty=curves.reason(flow))
    ax.set_xlabel("step")
    if legend:  # the output, mostly highest, on top
        curves.name_lines(ax, None if label else "layer", reverse=True)
    return ax


def _name(layer: str, label: str | None) -> str:
    return layer if label is None else f"{label}, {layer}"
