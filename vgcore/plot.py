"""Pictures of a `GradientFlow`, drawn on matplotlib's Axes.

Colours are perceptually even maps that every kind of colour vision tells apart: viridis counts
steps, plasma counts layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.flow import GradientFlow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

_MOST_STEPS = 6  # lines of a picture over the layers
_MOST_NAMES = 9  # layers that an axis or a legend names; of more, some


class _Field(NamedTuple):
    title: str
    axis: str
    log: bool = True


_FIELDS = {
    "delta": _Field("Error signal", r"error signal  $\|\partial L/\partial z\|_2$"),
    "weight_grad": _Field("Gradient of the weights", r"$\|\partial L/\partial W\|_2$"),
    "bias_grad": _Field("Gradient of the biases", r"$\|\partial L/\partial b\|_2$"),
    "weight_norm": _Field("Size of the weights", r"$\|W\|_2$"),
    "update_ratio": _Field("Update of the weights", r"$\|\Delta W\|_2\,/\,\|W\|_2$"),
    "activation_mean": _Field("Mean of the outputs", "mean over batch and units", log=False),
    "activation_std": _Field("Spread of the outputs", "standard deviation", log=False),
    "saturated": _Field("Saturated outputs", "share of outputs, 0 to 1", log=False),
    "dead": _Field("Dead units", "share of units, 0 to 1", log=False),
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
    _require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height), dpi=120, layout="constrained")
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
    values: Array = getattr(flow, field)
    if not len(values):
        raise ValueError("flow: expected at least one recorded step, got none")
    shows = np.isfinite(values) & ((values > 0) | (not about.log))
    return about, np.where(shows, values, np.nan)


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
