"""Pictures of a `GradientFlow`, drawn on matplotlib's Axes.

Colours are perceptually even maps that every kind of colour vision tells apart: viridis counts
steps, plasma counts layers, magma measures.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.flow import GradientFlow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

_MOST_STEPS = 6  # lines of a picture over the layers
_MOST_NAMES = 9  # layers that an axis or a legend names; of more, some
_MOST_CELLS = 400, 1000  # steps and timesteps of a heatmap, about what a screen can show
_LEAST = 1e-16  # of a colour bar's largest; down to float32's least, all colours would be one
_GREY = "0.75"  # in no part of magma


class _Field(NamedTuple):
    title: str
    axis: str
    log: bool = True


_FIELDS = {
    "delta": _Field("Error signal", r"error signal  $\|\partial L/\partial z\|_2$"),
    "weight_grad": _Field("Gradient of the weights", r"$\|\partial L/\partial W\|_2$"),
    "bias_grad": _Field("Gradient of the biases", r"$\|\partial L/\partial b\|_2$"),
    "weight_grad_applied": _Field(
        "Gradient of the weights, as applied", r"applied $\|\partial L/\partial W\|_2$"
    ),
    "bias_grad_applied": _Field(
        "Gradient of the biases, as applied", r"applied $\|\partial L/\partial b\|_2$"
    ),
    "weight_norm": _Field("Size of the weights", r"$\|W\|_2$"),
    "update_ratio": _Field("Update of the weights", r"$\|\Delta W\|_2\,/\,\|W\|_2$"),
    "activation_mean": _Field("Mean of the outputs", "mean over batch and units", log=False),
    "activation_std": _Field("Spread of the outputs", "standard deviation", log=False),
    "saturated": _Field("Saturated outputs", "share of outputs, 0 to 1", log=False),
    "dead": _Field("Dead units", "share of units, 0 to 1", log=False),
}
_TIME_FIELDS = {
    "time": _Field("Gradient of the hidden state", r"$\|\partial L/\partial h_t\|_2$"),
    "time_direct": _Field(
        "Gradient of the hidden state from above alone", r"direct $\|\partial L/\partial h_t\|_2$"
    ),
    "time_cell": _Field("Gradient of the cell state", r"$\|\partial L/\partial c_t\|_2$"),
    "time_gate": _Field("Gradient of gate {}", r"$\|\partial L/\partial z_t\|_2$"),
    "time_saturated": _Field("Saturation of gate {}", "share of values, 0 to 1", log=False),
}


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
    about, values = _field(flow, field)
    shown = _few(len(values), _MOST_STEPS) if steps is None else _rows(flow, steps)
    ax = _axes(ax)
    style = "o-" if len(flow.layers) <= 20 else "-"
    for row, colour in zip(shown, _colours("viridis", len(shown)), strict=True):
        ax.plot(values[row], style, color=colour, markersize=4, label=f"{flow.step[row]:,}")
    ticks = _few(len(flow.layers), _MOST_NAMES)
    names = [flow.layers[i] for i in ticks]
    ax.set_xticks(ticks, names)
    if sum(map(len, names)) > 40:
        for label in ax.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    ax.margins(x=0.08)
    ax.set_xlabel("layer, from input to output")
    _finish(ax, about)
    if legend:
        ax.legend(title="step")
    return ax


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
    about, values = _field(flow, field)
    chosen = list(flow.layers if layers is None else layers)
    columns = [flow.layers.index(_validate.one_of("layers", name, flow.layers)) for name in chosen]
    ax = _axes(ax)
    named = _few(len(chosen), _MOST_NAMES)
    style = "-" if len(values) > 1 else "o"
    for place, colour in enumerate(_colours("plasma", len(chosen))):
        label = chosen[place] if place in named else "_"  # matplotlib's mark of "not in the legend"
        ax.plot(flow.step, values[:, columns[place]], style, color=colour, label=label)
    ax.set_xlabel("step")
    _finish(ax, about)
    if legend:
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(handles[::-1], labels[::-1], title="layer")  # the output, mostly highest, on top
    return ax


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
    rows = _few(len(flow), _MOST_STEPS) if steps is None else _rows(flow, steps)
    direct = _time_field(flow, list(values), "time_direct", None)[1] if field == "time" else {}
    _require_matplotlib()
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


def blank(width: float, height: float) -> Figure:
    """Make an empty figure, without pyplot, of so many inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    _require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def panels(columns: int, *, width: float = 4.6, height: float = 4.2) -> tuple[Figure, list[Axes]]:
    """Make a figure, without pyplot, of ``columns`` panels side by side that share the value axis.

    Parameters
    ----------
    columns : int
    width, height : float
        Inches of a panel.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    figure = blank(width * columns, height)
    return figure, list(figure.subplots(1, columns, sharey=True, squeeze=False)[0])


def check_path(path: Path) -> None:
    """Check, before any work, that a picture can be written to ``path``.

    Raises
    ------
    FileNotFoundError
        If its folder is missing.
    ValueError
        If its ending is of no format that matplotlib writes.
    ImportError
        If matplotlib is not installed.
    """
    formats = panels(1)[0].canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        raise ValueError(f"out: expected a name ending in .{', .'.join(formats)}; got {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"out: expected a folder that exists, got {path.parent}")


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "vgcore[plot]"') from error


def _field(flow: GradientFlow, field: str) -> tuple[_Field, Array]:
    """What a field is, and its values (S, L); NaN where the axis cannot show one."""
    about = _FIELDS[_validate.one_of("field", field, _FIELDS)]
    _require_steps(flow)
    return about, _drawable(about, getattr(flow, field))


def _time_field(
    flow: GradientFlow, layer: str | Iterable[str] | None, field: str, gate: str | None
) -> tuple[_Field, dict[str, Array]]:
    """What a field is, and its values (S, T) by layer; NaN where an axis cannot show one."""
    about = _TIME_FIELDS[_validate.one_of("field", field, _TIME_FIELDS)]
    _require_steps(flow)
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
        values[name] = _drawable(about, norms)
    return about, values


def _gate(gates: tuple[str, ...], gate: str | None, field: str) -> tuple[int, str]:
    """Where a gate is, and its name; the one there is where none is named."""
    if gate is None and len(gates) == 1:
        return 0, gates[0]
    if gate is None:
        raise ValueError(f"gate: expected one of {', '.join(gates)} with field={field!r}, got None")
    return gates.index(_validate.one_of("gate", gate, gates)), gate


def _require_steps(flow: GradientFlow) -> None:
    if not len(flow):
        raise ValueError("flow: expected at least one recorded step, got none")


def _drawable(about: _Field, values: Array) -> Array:
    """The values; NaN where the axis cannot show one."""
    shows = np.isfinite(values) & ((values > 0) | (not about.log))
    return np.where(shows, values, np.nan)


def _curves(
    ax: Axes, flow: GradientFlow, rows: list[int], about: _Field, norms: Array, direct: Array | None
) -> None:
    """A field over the timesteps, a line for each of the given rows of the record."""
    style = "o-" if norms.shape[1] <= 20 else "-"
    colours = _colours("viridis", len(rows))
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
    _finish(ax, about)


def _heatmaps(
    figure: Figure,
    axes: list[Axes],
    flow: GradientFlow,
    rows: list[int],
    about: _Field,
    values: dict[str, Array],
) -> None:
    """A field, steps over timesteps, a layer an axes; arrows mark the rows that are drawn as curves."""
    from matplotlib import colormaps

    scale, cut = _scale(about, list(values.values()))
    colours = colormaps["magma"].with_extremes(under=_GREY, bad=_GREY)
    for ax, (name, norms) in zip(axes, values.items(), strict=True):
        step, time = (_few(n, most) for n, most in zip(norms.shape, _MOST_CELLS, strict=True))
        borders = _borders(np.array(time, float)), _borders(flow.step[step].astype(float))
        cells = ax.pcolormesh(
            *borders, norms[np.ix_(step, time)], cmap=colours, norm=scale, rasterized=True
        )
        ax.scatter(
            np.ones(len(rows)),
            flow.step[rows],
            c=_colours("viridis", len(rows)),
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


def _scale(about: _Field, values: list[Array]) -> tuple[Normalize, bool]:
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


def _axes(ax: Axes | None) -> Axes:
    _require_matplotlib()
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained")[1]


def _few(count: int, limit: int) -> list[int]:
    """At most ``limit`` of the indices below ``count``: first, last and some evenly between."""
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, limit)).round())]


def _rows(flow: GradientFlow, steps: Iterable[int]) -> list[int]:
    """Where the record holds ``steps``."""
    place = {int(step): row for row, step in enumerate(flow.step)}
    wanted = [_validate.integer("steps", step, minimum=0) for step in steps]
    missing = [step for step in wanted if step not in place]
    if missing or not wanted:
        raise ValueError(f"steps: expected steps that are recorded, got {missing or 'none'}")
    return [place[step] for step in wanted]


def _colours(name: str, count: int) -> Array:
    """Colours (count, 4) along a colour map, short of its end, which is too pale for a line."""
    from matplotlib import colormaps

    colours: Array = colormaps[name](np.linspace(0, 0.82, count))
    return colours


def _finish(ax: Axes, about: _Field) -> None:
    if not any(np.isfinite(line.get_ydata()).any() for line in ax.get_lines()):
        ax.text(0.5, 0.5, "no value to draw", ha="center", transform=ax.transAxes)
    ax.set_yscale("log" if about.log else "linear")
    if "share" in about.axis:
        ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel(about.axis)
    ax.set_title(about.title)
    ax.grid(alpha=0.3)
