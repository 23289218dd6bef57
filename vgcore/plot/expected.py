"""What theory says should be seen, dashed under what was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import curves, palette
from vgcore.plot.fields import Array, Field

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UP_TO_A_FACTOR = ("delta", "delta_skip", "delta_body")  # theory knows no loss
_GID = "vgcore.expected"
_BAND, _BOUND = "theory: 90 of 100 draws", "Pascanu's bound"


class Expected(NamedTuple):
    """A mean (n,), the band (2, n) around it and maybe a bound (n,), at places (n,) of layers or time."""

    x: Array
    mean: Array
    band: Array
    label: str
    colour: str
    bound: Array | None = None


def by_name(theory: Any, names: Mapping[str, Any], over: str, field: str) -> dict[str | None, Any]:
    """Predictions by the flow's name; None for one of all."""
    if theory is None:
        return {}
    if over == "training":
        raise ValueError("theory: expected None with over='training', for it speaks of the start")
    if over == "time" and field != "time":
        raise ValueError(
            f"field: expected 'time' where theory stands beneath over time, got {field!r}"
        )
    found: dict[str | None, Any] = {None: theory}
    if isinstance(theory, Mapping):
        found = {_validate.one_of("theory", name, names): each for name, each in theory.items()}
    for each in found.values():
        if not callable(getattr(each, "of", None)) or not hasattr(each, "layers"):
            raise TypeError(
                "theory: expected what vgcore.theory.predict gives, or a dict of it by the names of "
                f"flows, got {_validate.kind(each)}"
            )
    return found


def under(
    prediction: Any, field: str, flow: GradientFlow, deltas: Array | None, colour: str, label: str
) -> Expected:
    """A prediction where its layers stand in a flow.

    ``deltas``: the error signals (L,) that were seen, of which the last one says what the factor of gradients
    is.
    """
    named = list(prediction.layers)
    unknown = [layer for layer in named if layer not in flow.layers]
    if unknown and flow.layers:
        raise ValueError(
            f"theory: expected a prediction of layers of the flow, got one of {unknown[0]!r}, and the flow's "
            f"are {', '.join(flow.layers[:6])}{', ...' if len(flow.layers) > 6 else ''}"
        )
    mean, low, high = (np.asarray(each, float) for each in prediction.of(field))
    places = [flow.layers.index(layer) if flow.layers else n for n, layer in enumerate(named)]
    factor = 1.0
    if field in UP_TO_A_FACTOR and deltas is not None:
        factor = _factor(np.asarray(prediction.of("delta")[0], float), deltas[places])
    with np.errstate(over="ignore"):
        mean, band = mean * factor, np.stack([low, high]) * factor
    return Expected(np.array(places, float), mean, band, label, colour)


def in_time(prediction: Any, walk: str, seen: Array | None, colour: str, label: str) -> Expected:
    """What is predicted of a walk's gradient, and Pascanu's bound where it has one.

    ``seen``: the gradient (T,) that was recorded; predictions are relative to that of the walk's last
    timestep.
    """
    courses = getattr(prediction, "time", {})
    if walk not in courses:
        there = f"{', '.join(courses)} alone" if courses else "none"
        raise ValueError(f"theory: expected a prediction of {walk} over time, got one of {there}")
    mean, band = np.asarray(courses[walk], float), np.asarray(prediction.time_spread[walk], float)
    if seen is not None and len(seen) != len(mean):
        raise ValueError(
            f"theory: expected a prediction over the {len(seen)} timesteps that were recorded of {walk}, got "
            f"one over {len(mean)}"
        )
    end = 0 if walk in prediction.backwards else -1
    factor = 1.0
    if seen is not None and np.isfinite(seen[end]) and seen[end] > 0:
        factor = float(seen[end])
    places, bound = np.arange(float(len(mean))), None
    with np.errstate(over="ignore", under="ignore"):
        if walk in prediction.bounds:
            bound = factor * prediction.bounds[walk] ** np.abs(places - places[end])
        return Expected(places, mean * factor, band * factor, label, colour, bound)


def _factor(mean: Array, seen: Array) -> float:
    """What makes the two equal at the last layer that has both."""
    both = np.isfinite(mean) & np.isfinite(seen) & (mean > 0) & (seen > 0)
    last = np.flatnonzero(both)
    with np.errstate(over="ignore"):
        return float(seen[last[-1]] / mean[last[-1]]) if last.size else 1.0


def draw(ax: Axes, about: Field, stands: Sequence[Expected]) -> None:
    """Draw means dashed, their bands, and bounds dotted; the axis is made for the first two.

    Of several the legend names the kinds of lines, which have the colours of what they belong to.
    """
    several = len(stands) > 1
    for what in stands:
        curves.fill(ax, about, what.x, what.band, what.colour, gid=_GID, alpha=0.15)
        if np.isfinite(what.band).any():
            curves.name_band(ax, _BAND, gid=_GID)
        look: dict[str, Any] = {"color": what.colour}
        label = f"_{what.label}" if several else what.label
        ax.plot(what.x, _shown(about, what.mean), label=label, **look, **_DASHED)
        if what.bound is not None:
            label = f"_{_BOUND}" if several else what.label.replace("theory", _BOUND)
            (line,) = ax.plot([], [], label=label, **look, **_DOTTED)
            line.set_data(what.x, _shown(about, what.bound))  # which may leave the axis far behind
    if several:
        ax.plot([], [], color=palette.ink(), label="theory", **_DASHED)
        if any(what.bound is not None for what in stands):
            ax.plot([], [], color=palette.ink(), label=_BOUND, **_DOTTED)


def _shown(about: Field, y: Array) -> Array:
    """What the axis can show of a line."""
    return np.where(np.isfinite(y) & ((y > 0) | (not about.log)), y, np.nan)


_DASHED: dict[str, Any] = {"linestyle": (0, (5, 2)), "linewidth": 1.1, "alpha": 0.85, "zorder": 1.8}
_DOTTED: dict[str, Any] = _DASHED | {"linestyle": (0, (1, 1.5)), "linewidth": 1.4}
