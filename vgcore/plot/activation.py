"""An activation and its slope, and beneath them where pre-activations lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from vgcore import _slopes, _validate, activations
from vgcore.plot import bins, curves, marks, palette, style
from vgcore.plot.bins import Binned
from vgcore.plot.fields import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FLAT = 0.05  # of the steepest slope, as the tracker's ``saturated`` has it
_AROUND = -4.0, 4.0  # z are shown at least
_ROOM = 0.05  # on either side: numbers on both axes would meet in the corner
_POINTS = 2001
_UPRIGHT = 0.7  # of their height is left to axes where the legend is higher than they are
_Z = "pre-activation $z$"


def activation(
    activation: str | activations.Activation,
    z: ArrayLike | None = None,
    *,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw an activation and its slope, and beneath them the histogram of pre-activations z.

    Shaded is where the slope is below 5 % of its steepest: what `GradientFlow.saturated` counts.

    Parameters
    ----------
    activation : str or Activation
        One that acts unit by unit: any but softmax.
    z : array_like, optional
        Of any shape, such as ``model.internals(x)["dense1"].z``. NaN and infinite values, which no bin holds,
        are counted beside the histogram.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a new figure of pyplot. The histogram takes the lower part of its place, as a
        colour bar takes a part.
    legend : bool
        Whether to name what is drawn.

    Returns
    -------
    matplotlib.axes.Axes
        Those of the activation.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or the activation mixes units.
    ImportError
        If matplotlib is not installed.
    """
    chosen = activations.unitwise(activation)
    values = None if z is None else style.reals("z", z)
    legend = _validate.boolean("legend", legend)
    ax = style.axes_or_new(ax)
    binned = None if values is None else bins.of_arrays([values], log=False, within=_AROUND)
    at = np.linspace(*_range(binned), _POINTS)
    h, slope = _evaluated(chosen, at)
    steepest = _slopes.survey(chosen.function).steepest
    _functions(ax, chosen, at, h, slope)
    flat = np.abs(slope) < _FLAT * steepest if np.isfinite(steepest) else np.zeros(len(at), bool)
    _shade(ax, at, flat)
    if binned is None or values is None:
        ax.set_xlabel(_Z)
    else:
        beneath = _beneath(ax)
        _shade(beneath, at, flat)
        _histogram(beneath, binned)
        for each, short in ((ax, "f, f′"), (beneath, "share")):  # no higher than the half panel
            written, high = each.yaxis.label, _UPRIGHT * style.height(each)
            if written.get_text().count("\n") > 1 or style.too_long(written, high):
                each.set_ylabel(short)
        ax.set_title(f"{chosen.name}{_share_of_flat(chosen, values, steepest)}")
    style.fit_text(ax)
    if legend:
        curves.name_lines(ax, None)
    return ax


def _evaluated(chosen: activations.Activation, z: Array) -> tuple[Array, Array]:
    """f(z) and its slope, of which there is none where f is not defined, whatever its formula gives."""
    h, slope = _slopes.evaluate(chosen.function, z)
    return h, np.where(np.isnan(h), np.nan, slope)


def _beneath(ax: Axes) -> Axes:
    """Axes in the lower part of the place of others, which keep the upper one, on the same z."""
    figure: Any = ax.figure
    place: Any = ax.get_subplotspec()
    if place is not None:
        upper, lower = place.subgridspec(2, 1, height_ratios=(3, 2))
        ax.set_subplotspec(upper)
        beneath: Axes = figure.add_subplot(lower, sharex=ax)
    else:
        left, low, width, height = ax.get_position(original=True).bounds
        ax.set_position((left, low + 0.45 * height, width, 0.55 * height))
        beneath = figure.add_axes((left, low, width, 0.35 * height), sharex=ax)
    ax.tick_params(labelbottom=False)
    return beneath


def _range(binned: Binned | None) -> tuple[float, float]:
    """All finite z, and those around 0."""
    low, high = _AROUND if binned is None else map(float, binned.edges[[0, -1]])
    room = _ROOM * (high - low)
    return low - room, high + room


def _functions(ax: Axes, chosen: activations.Activation, z: Array, h: Array, slope: Array) -> None:
    first, second = palette.hue(0), palette.hue(1)
    with np.errstate(invalid="ignore"):
        shown = [np.where(np.isfinite(y) & (np.abs(y) < 1e300), y, np.nan) for y in (h, slope)]
    ax.plot(z, shown[0], color=first, label="f(z)")
    ax.plot(z, shown[1], color=second, linestyle="--", label="slope f′(z)")
    if np.isnan(h).any():
        curves.hatch(ax, z, np.isnan(h))
    ax.axhline(0, color=palette.faint(0.4), linewidth=curves.stroke(0.5), zorder=1)
    ax.set(ylabel="activation", title=chosen.name)
    style.number_x(ax)
    ax.grid(alpha=0.2 if palette.on_dark() else 0.3)
    ax.set_xlim(z[0], z[-1])


def _shade(ax: Axes, z: Array, flat: Any) -> None:
    """Shade where the slope is flat."""
    for number, (begin, end) in enumerate(curves.runs(flat)):
        label = f"flat: slope < {_FLAT:.0%} of steepest" if number == 0 else "_"
        ax.axvspan(
            z[begin], z[end - 1], color=palette.faint(0.13), linewidth=0, label=label, zorder=0
        )


def _histogram(ax: Axes, binned: Binned) -> None:
    if binned.total.any() and binned.shares.any():
        ax.stairs(binned.shares[0], binned.edges, fill=True, color=palette.hue(2), alpha=0.8)
    else:
        style.say(ax, "no value to draw")
    ax.set(xlabel=_Z, ylabel="share of values")
    if binned.counts:
        said = [marks.counted(bins.SIGNS[name], count) for name, count in binned.counts.items()]
        written = ax.set_title("not shown: " + ", ".join(said), loc="right", wrap=True)
        written.set_fontsize(style.legend_size(ax))
    style.fit_text(ax)


def _share_of_flat(chosen: activations.Activation, values: Array, steepest: float) -> str:
    """How many of the values lie where it is flat."""
    there = values[~np.isnan(values)]
    if not there.size or not np.isfinite(steepest):
        return ""
    _, slope = _evaluated(chosen, there.ravel())
    return f": {np.mean(np.abs(slope) < _FLAT * steepest):.0%} of z lie where it is flat"
