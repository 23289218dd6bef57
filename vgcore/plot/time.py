"""The gradient at every timestep: over the training, and as curves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot.style import (
    MOST_STEPS,
    TIME_FIELDS,
    Field,
    colours_of,
    drawable,
    few,
    finish,
    require_matplotlib,
    require_steps,
    rows_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

_MOST_CELLS = 400, 1000  # steps and timesteps of a heatmap, about what a screen can show
_LEAST = 1e-16  # of a colour bar's largest; down to float32's least, all colours would be one
_GREY = "0.75"  # in no part of magma


def time(
    flow: GradientFlow,
    layer: str | Iterable[str] | None = None,
    *,
    field: str = "time",
    gate: str | None = None,
    steps: Iterable[int] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw a field over the timesteps: a heatmap over the training, and curves of a few steps.

    The curves stand alone where one step is recorded. Those of "time" have a faint dashed companion,
    time_direct: what is between the two comes back from later timesteps.

    Parameters
    ----------
    flow : GradientFlow
    layer : str or iterable of str, optional
        A recurrent layer or some of them, one below the other on one scale; "name.forward" and
        "name.backward" of a bidirectional one. Left out, the first.
    field : {"time", "time_direct", "time_cell", "time_gate", "time_saturated"}
        Norms are drawn on log axes and with log colours, 0 and NaN as gaps and in grey; so is, in
        the heatmap, what is less than 1e-16 of the largest. time_saturated is linear.
    gate : str, optional
        Of a field of gates: which, as ``flow.gates`` names them. May be left out of an RNN.
    steps : iterable of int, optional
        Recorded steps to draw curves of; left out, the first, the last and some evenly between.
    figure : matplotlib.figure.Figure, optional
        An empty one to draw on; left out, a new one of pyplot.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If the field, a layer or the gate is unknown, nothing is recorded, or one of ``steps`` is not.
    ImportError
        If matplotlib is not installed.
    """
    about, values = _time_field(flow, layer, field, gate)
    rows = few(len(flow), MOST_STEPS) if steps is None else rows_of(flow, steps)
    direct = _time_field(flow, list(values), "time_direct", None)[1] if field == "time" else {}
    require_matplotlib()
    columns = 2 if len(flow) > 1 else 1
    if figure is None:
        from matplotlib import pyplot

        size = 1.5 + 4.8 * columns, 0.8 + 3.4 * len(values)
        figure = pyplot.figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(values), columns, sharex=True, sharey="col", squeeze=False)
    for ax, (name, norms) in zip(axes[:, -1], values.items(), strict=True):
        _curves(ax, flow, rows, about, norms, direct.get(name))
        ax.set_title(name if columns == 1 else f"{name}: a few steps")
    if columns == 2:
        _heatmaps(figure, list(axes[:, 0]), flow, rows, about, values)
    for ax in axes[-1]:
        ax.set_xlabel("timestep $t$")
        if next(iter(values.values())).shape[1] == 1:
            ax.set_xticks([0])
    named = axes[0, -1].get_legend_handles_labels()
    figure.legend(*named, title="step", loc="outside right center")
    figure.suptitle(about.title)
    return figure


def _time_field(
    flow: GradientFlow, layer: str | Iterable[str] | None, field: str, gate: str | None
) -> tuple[Field, dict[str, Array]]:
    """What a field is, and its values (S, T) by layer; NaN where an axis cannot show one."""
    about = TIME_FIELDS[_validate.one_of("field", field, TIME_FIELDS)]
    require_steps(flow)
    recorded: dict[str, Array] = getattr(flow, field)
    if not recorded:
        what = "an LSTM" if field == "time_cell" else "a recurrent layer"
        raise ValueError(f"flow: expected a record of {what}, got {', '.join(flow.layers)}")
    if layer is None:
        layer = next(iter(recorded))
    several = isinstance(layer, Iterable) and not isinstance(layer, str)
    chosen: list[Any] = list(layer) if several else [layer]
    if not chosen:
        raise ValueError("layer: expected at least one layer, got none")
    values = {_validate.one_of("layer", name, recorded): recorded[name] for name in chosen}
    for name, norms in values.items():
        if norms.ndim == 2 and gate is not None:
            raise ValueError(f"gate: expected None with field={field!r}, got {gate!r}")
        if norms.ndim == 3:
            place, title = _gate(flow.gates[name], gate, field)
            norms, about = norms[..., place], about._replace(title=about.title.format(title))
        values[name] = drawable(about, norms)
    return about, values


def _gate(gates: tuple[str, ...], gate: str | None, field: str) -> tuple[int, str]:
    """Where a gate is, and its name; the one there is where none is named."""
    if gate is None and len(gates) == 1:
        return 0, gates[0]
    if gate is None:
        raise ValueError(f"gate: expected one of {', '.join(gates)} with field={field!r}, got None")
    return gates.index(_validate.one_of("gate", gate, gates)), gate


def _curves(
    ax: Axes, flow: GradientFlow, rows: list[int], about: Field, norms: Array, direct: Array | None
) -> None:
    """A field over the timesteps, a line for each of the given rows of the record."""
    style = "o-" if norms.shape[1] <= 20 else "-"
    colours = colours_of("viridis", len(rows))
    for row, colour in zip(rows, colours, strict=True):
        ax.plot(norms[row], style, color=colour, markersize=4, label=f"{flow.step[row]:,}")
    if direct is not None:
        # What comes from above at one timestep alone, mostly the last, is a point and no line.
        lone = bool(np.all(np.isfinite(direct[rows]).sum(axis=1) < 2))
        style = "o" if lone else "--"
        faint: dict[str, Any] = {"alpha": 0.5, "fillstyle": "none"}
        for row, colour in zip(rows, colours, strict=True):
            ax.plot(direct[row], style, color=colour, label="_", **faint)
        ax.plot([], style, color="black", label="direct part", **faint)
    ax.locator_params("x", integer=True)
    finish(ax, about)


def _heatmaps(
    figure: Figure,
    axes: list[Axes],
    flow: GradientFlow,
    rows: list[int],
    about: Field,
    values: dict[str, Array],
) -> None:
    """A field, steps over timesteps, a layer an axes; arrows mark the rows that are drawn as curves."""
    from matplotlib import colormaps

    scale, cut = _scale(about, list(values.values()))
    colours = colormaps["magma"].with_extremes(under=_GREY, bad=_GREY)
    for ax, (name, norms) in zip(axes, values.items(), strict=True):
        step, time = (few(n, most) for n, most in zip(norms.shape, _MOST_CELLS, strict=True))
        borders = _borders(np.array(time, float)), _borders(flow.step[step].astype(float))
        cells = ax.pcolormesh(
            *borders, norms[np.ix_(step, time)], cmap=colours, norm=scale, rasterized=True
        )
        ax.scatter(
            np.ones(len(rows)),
            flow.step[rows],
            c=colours_of("viridis", len(rows)),
            marker="<",
            clip_on=False,
            transform=ax.get_yaxis_transform(),
            zorder=3,
        )
        ax.locator_params(integer=True)
        ax.yaxis.set_major_formatter("{x:,.0f}")
        ax.set_ylabel("training step")
        ax.set_title(f"{name}: over the training")
    gaps = cut or any(np.isnan(norms).any() for norms in values.values())
    grey = "less or none" if cut else "0 or none" if about.log else "none"
    figure.colorbar(
        cells,
        ax=axes,
        aspect=20 * len(axes),
        extend="min" if cut else "neither",
        label=about.axis + (f"  (grey: {grey})" if gaps else ""),
    )


def _scale(about: Field, values: list[Array]) -> tuple[Normalize, bool]:
    """One scale of colour for all values, and whether some are too small for it."""
    from matplotlib.colors import LogNorm, Normalize

    if not about.log:
        return Normalize(0, 1), False
    finite = np.concatenate([norms[np.isfinite(norms)] for norms in values])
    if not finite.size:
        return LogNorm(0.1, 1), False
    low, high = float(finite.min()), float(finite.max())
    shown = max(low, high * _LEAST)
    return LogNorm(shown, max(high, shown * 1.001)), shown > low


def _borders(centres: Array) -> Array:
    """Borders halfway between the centres, and as far away behind the first and the last."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    between = (centres[1:] + centres[:-1]) / 2
    return np.array([2 * centres[0] - between[0], *between, 2 * centres[-1] - between[-1]])
