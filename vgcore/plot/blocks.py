"""The gradient that comes to a block's input, by the branch it comes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow, Inside, Internals
from vgcore.plot import curves, inside, palette, style
from vgcore.plot.curves import Curve
from vgcore.plot.fields import Array, Field, Mask, present

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ABOUT = Field("Gradient through the blocks", r"$\|\partial L/\partial x\|_2$ of the block's input")
_BRANCHES = "skip", "body"


def branches(
    source: GradientFlow | Internals | Inside,
    *,
    step: int | None = None,
    ax: Axes | None = None,
    label: str | None = None,
    color: Any = None,
    legend: bool = True,
) -> Axes:
    """Draw, for each block with a skip connection, what comes back through the skip and through the body.

    dL/dx of a block's input is the sum of both: where the body's vanishes the skip's need not.

    Parameters
    ----------
    source : GradientFlow, Internals or Inside
    step : int, optional
        Of a flow: a recorded step, -1 the last of them; left out, the last.
    ax, label, color, legend
        As `vgcore.plot.flow` takes them.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, there is no block, or the step is not recorded.
    ImportError
        If matplotlib is not installed.
    """
    source = inside.checked(source)
    style.check_look(label, color)
    legend = _validate.boolean("legend", legend)
    if isinstance(source, GradientFlow):
        names, norms, there, when = _of_flow(source, step)
        empty = curves.reason(source)
    else:
        if step is not None:
            raise ValueError(f"step: expected None with internals, got {step!r}")
        names, norms, there, when = *_of_internals(source), ""
        empty = "no value to draw"
    ax = style.axes_or_new(ax)
    if color is None and curves.flows_on(ax):
        color = palette.hue(curves.flows_on(ax))
    looks = palette.looks(2, color, curves.flows_on(ax))
    if color is None:
        looks = [look | {"color": palette.hue(n)} for n, look in enumerate(looks)]
    drawn = [
        Curve(row, known, branch if label is None else f"{label}, {branch}", look)
        for row, known, branch, look in zip(norms, there, _BRANCHES, looks, strict=False)
    ]
    curves.draw(ax, _ABOUT, np.arange(len(names), dtype=float), drawn, empty=empty)
    ax.margins(x=0.08)
    ax.set(xlabel="block, from input to output", title=_ABOUT.title + when)
    if legend:
        curves.name_lines(ax, None)
    if names:
        style.name_layers(ax, names)
    style.fit_text(ax)
    return ax


def _of_flow(flow: GradientFlow, step: int | None) -> tuple[list[str], Array, Mask, str]:
    """Blocks, and of both branches (2, blocks) the norms at a step."""
    row = -1 if step is None else style.rows_of(flow, [step], called="step")[0]
    known = [present(flow, f"delta_{branch}") for branch in _BRANCHES]
    columns = np.flatnonzero(np.any([each.any(axis=0) for each in known], axis=0))
    if len(flow) and not columns.size:
        raise ValueError(f"source: expected a record of a block, got {', '.join(flow.layers)}")
    if not len(flow):
        return [], np.empty((0, 0)), np.empty((0, 0), bool), ""
    norms = [getattr(flow, f"delta_{branch}")[row, columns] for branch in _BRANCHES]
    there = [each[row, columns] for each in known]
    when = f" at step {flow.step[row]:,}"
    return [flow.layers[column] for column in columns], np.array(norms), np.array(there), when


def _of_internals(source: Internals) -> tuple[list[str], Array, Mask]:
    names = inside.having(source, "skip")
    if not names:
        raise ValueError("source: expected internals of a block, and gradients: internals(x, y)")
    norms = []
    for branch in _BRANCHES:
        arrays = [np.asarray(getattr(source[name], branch), float) for name in names]
        known = [inside.there(source, values) for values in arrays]
        norms.append([float(inside.norms(values, (0,))) for values in known])
    return names, np.array(norms), np.full((2, len(names)), True)
