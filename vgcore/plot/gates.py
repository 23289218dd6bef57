"""How far gates are open, timestep by timestep, and the gradient that reaches them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore.flow import GradientFlow, Inside, Internals
from vgcore.plot import curves, inside, palette, style
from vgcore.plot.curves import Curve
from vgcore.plot.fields import Array, Field, Mask, present_in_time

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OPEN, _CLOSED = 0.9, 0.1  # Karpathy, Johnson, Fei-Fei 2015, section 4.2
_GRADIENT = Field("gradient", r"$\|\partial L/\partial z_t\|_2$")
_Panel = tuple[Field, dict[str, Array], str]  # what, by gate, and what to say where there is none


def gates(
    source: GradientFlow | Internals | Inside,
    layer: str | int | None = None,
    *,
    step: int | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw what the gates of a recurrent layer do, timestep by timestep.

    Parameters
    ----------
    source : Internals, Inside or GradientFlow
        Of internals: the share of values at which a gate is open (above 0.9), closed (below 0.1) (Karpathy,
        Johnson, Fei-Fei, "Visualizing and understanding recurrent networks", 2015, section 4.2), and the norm
        of its gradient. What has another range than 0 to 1, such as an LSTM's candidate g, is drawn with the
        gradients alone. Of a flow, which keeps no values: the share that is saturated, and the gradient.
    layer : str or int, optional
        A recurrent layer, by name or by its place among them; left out, the first.
    step : int, optional
        Of a flow: a recorded step, or from the end: -1 is the last, as where it is left out.
    figure : matplotlib.figure.Figure, optional
        An empty one to draw on; left out, a new one of pyplot.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, there is no layer with gates, or the layer or step is not there.
    ImportError
        If matplotlib is not installed.
    """
    source = inside.checked(source)
    if isinstance(source, GradientFlow):
        title, names, panels, there = _of_flow(source, layer, step)
    else:
        if step is not None:
            raise ValueError(f"step: expected None with internals, got {step!r}")
        title, names, panels, there = _of_internals(source, layer)
    figure = style.figure_or_new(figure, 1.5 + 3.6 * len(panels), 3.6)
    figure.suptitle(title)
    axes = figure.subplots(1, len(panels), sharex=True, squeeze=False)[0]
    looks = dict(zip(names, _looks(len(names)), strict=True))
    for ax, (about, values, empty) in zip(axes, panels, strict=True):
        drawn = [Curve(each, there, name, looks[name]) for name, each in values.items()]
        x, x_name = inside.timesteps(source, len(there))
        curves.draw(ax, about, x, drawn, empty=empty)
        ax.set_xlabel(x_name)
        style.number_x(ax)
    shares = [
        ax for ax, (about, values, _) in zip(axes, panels, strict=True) if about.share and values
    ]
    if shares:  # open and closed on one scale
        lows, highs = zip(*(ax.get_ylim() for ax in shares), strict=True)
        for ax in shares:
            ax.set_ylim(min(lows), max(highs))
    curves.name_beside(figure, [axes[-1], *axes[:-1]], "gate")
    return figure


def _looks(count: int) -> list[palette.Look]:
    return [look | {"color": palette.hue(n)} for n, look in enumerate(palette.looks(count))]


def _of_flow(
    flow: GradientFlow, layer: str | int | None, step: int | None
) -> tuple[str, Sequence[str], list[_Panel], Mask]:
    row = None if step is None else style.rows_of(flow, [step], called="step")[0]
    recorded = flow.time_gate
    if flow.layers and not recorded:
        raise ValueError(
            f"source: expected a record of a recurrent layer, got {', '.join(flow.layers)}"
        )
    name = (
        next(iter(recorded), "") if layer is None else style.name_of("layer", layer, list(recorded))
    )
    saturated = Field("saturated", "share of values", log=False)
    empty = curves.reason(flow)
    if not len(flow):
        return "Gates", (), [(saturated, {}, empty), (_GRADIENT, {}, empty)], np.empty(0, bool)
    row = len(flow) - 1 if row is None else row
    names = flow.gates[name]
    panels = [
        (about, {gate: values[name][row, :, n] for n, gate in enumerate(names)}, empty)
        for about, values in ((saturated, flow.time_saturated), (_GRADIENT, flow.time_gate))
    ]
    title = f"Gates of {name} at step {flow.step[row]:,}"
    return title, names, panels, present_in_time(flow, name, "time_gate")[row]


def _of_internals(
    source: Internals, layer: str | int | None
) -> tuple[str, Sequence[str], list[_Panel], Mask]:
    through_time = [n for n in source if _gated(source[n])]
    if not through_time:
        raise ValueError("source: expected internals of a recurrent layer, got none")
    name = through_time[0] if layer is None else style.name_of("layer", layer, through_time)
    values = {gate: np.asarray(each, float) for gate, each in source[name].gates.items()}
    alive = inside.alive(source, next(iter(values.values())))
    # NaN is told from what is beyond 0 and 1: a gate that has become NaN is a gate.
    doors = {g: v for g, v in values.items() if not np.any((v < 0) | (v > 1))}
    opened = Field(f"open: above {_OPEN:g}", "share of values", log=False)
    closed = Field(f"closed: below {_CLOSED:g}", "share of values", log=False)
    gradients = {
        gate: _norm(np.asarray(each, float), alive)
        for gate, each in (source[name].dgates or {}).items()
    }
    without = "no gradients without y"
    panels = [
        (opened, {g: _share(v > _OPEN, v, alive) for g, v in doors.items()}, "no gate of 0 to 1"),
        (closed, {g: _share(v < _CLOSED, v, alive) for g, v in doors.items()}, "no gate of 0 to 1"),
        (_GRADIENT, gradients, without),
    ]
    return f"Gates of {name}", list(values), panels, np.asarray(alive.any(axis=0))


def _gated(layer: Any) -> bool:
    """Whether it has gates at timesteps."""
    return bool(layer.gates) and next(iter(layer.gates.values())).ndim == 3


def _share(where: Mask, values: Array, alive: Mask) -> Array:
    """Of the values (n, T, units) at each timestep; NaN where one is."""
    count = np.maximum(alive.sum(axis=0), 1) * values.shape[2]
    share = np.sum(where & alive[:, :, np.newaxis], axis=(0, 2)) / count
    spoilt = np.any(np.isnan(values) & alive[:, :, np.newaxis], axis=(0, 2))
    return np.where(spoilt, np.nan, share)


def _norm(values: Array, alive: Mask) -> Array:
    """Over samples and units at each timestep."""
    known = np.where(alive[:, :, np.newaxis], values, 0)
    return inside.norms(known, (0, 2))
