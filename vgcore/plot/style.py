"""What pictures share: what a field is called, colours, ticks, figures, and the checks before drawing."""

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

MOST_STEPS = 6  # lines of a picture over the layers
MOST_NAMES = 9  # layers that an axis or a legend names; of more, some


class Field(NamedTuple):
    title: str
    axis: str
    log: bool = True


FIELDS = {
    "delta": Field("Error signal", r"error signal  $\|\partial L/\partial z\|_2$"),
    "weight_grad": Field("Gradient of the weights", r"$\|\partial L/\partial W\|_2$"),
    "bias_grad": Field("Gradient of the biases", r"$\|\partial L/\partial b\|_2$"),
    "weight_grad_applied": Field(
        "Gradient of the weights, as applied", r"applied $\|\partial L/\partial W\|_2$"
    ),
    "bias_grad_applied": Field(
        "Gradient of the biases, as applied", r"applied $\|\partial L/\partial b\|_2$"
    ),
    "weight_norm": Field("Size of the weights", r"$\|W\|_2$"),
    "update_ratio": Field("Update of the weights", r"$\|\Delta W\|_2\,/\,\|W\|_2$"),
    "activation_mean": Field("Mean of the outputs", "mean over batch and units", log=False),
    "activation_std": Field("Spread of the outputs", "standard deviation", log=False),
    "saturated": Field("Saturated outputs", "share of outputs, 0 to 1", log=False),
    "dead": Field("Dead units", "share of units, 0 to 1", log=False),
}
TIME_FIELDS = {
    "time": Field("Gradient of the hidden state", r"$\|\partial L/\partial h_t\|_2$"),
    "time_direct": Field(
        "Gradient of the hidden state from above alone", r"direct $\|\partial L/\partial h_t\|_2$"
    ),
    "time_cell": Field("Gradient of the cell state", r"$\|\partial L/\partial c_t\|_2$"),
    "time_gate": Field("Gradient of gate {}", r"$\|\partial L/\partial z_t\|_2$"),
    "time_saturated": Field("Saturation of gate {}", "share of values, 0 to 1", log=False),
}


def blank(width: float, height: float) -> Figure:
    """Make an empty figure, without pyplot, of so many inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    require_matplotlib()
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


def require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "vgcore[plot]"') from error


def require_steps(flow: GradientFlow) -> None:
    if not len(flow):
        raise ValueError("flow: expected at least one recorded step, got none")


def drawable(about: Field, values: Array) -> Array:
    """The values; NaN where the axis cannot show one."""
    shows = np.isfinite(values) & ((values > 0) | (not about.log))
    return np.where(shows, values, np.nan)


def axes_or_new(ax: Axes | None) -> Axes:
    require_matplotlib()
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained")[1]


def few(count: int, limit: int) -> list[int]:
    """At most ``limit`` of the indices below ``count``: first, last and some evenly between."""
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, limit)).round())]


def rows_of(flow: GradientFlow, steps: Iterable[int]) -> list[int]:
    """Where the record holds ``steps``."""
    place = {int(step): row for row, step in enumerate(flow.step)}
    wanted = [_validate.integer("steps", step, minimum=0) for step in steps]
    missing = [step for step in wanted if step not in place]
    if missing or not wanted:
        raise ValueError(f"steps: expected steps that are recorded, got {missing or 'none'}")
    return [place[step] for step in wanted]


def colours_of(name: str, count: int) -> Array:
    """Colours (count, 4) along a colour map, short of its end, which is too pale for a line."""
    from matplotlib import colormaps

    colours: Array = colormaps[name](np.linspace(0, 0.82, count))
    return colours


def finish(ax: Axes, about: Field) -> None:
    if not any(np.isfinite(line.get_ydata()).any() for line in ax.get_lines()):
        ax.text(0.5, 0.5, "no value to draw", ha="center", transform=ax.transAxes)
    ax.set_yscale("log" if about.log else "linear")
    if "share" in about.axis:
        ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel(about.axis)
    ax.set_title(about.title)
    ax.grid(alpha=0.3)


def layer_field(flow: GradientFlow, field: str) -> tuple[Field, Array]:
    """What a field is, and its values (S, L); NaN where the axis cannot show one."""
    about = FIELDS[_validate.one_of("field", field, FIELDS)]
    require_steps(flow)
    return about, drawable(about, getattr(flow, field))
