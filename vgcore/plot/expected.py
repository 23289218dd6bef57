"""What theory says should be seen of a network that has not been trained, in long dashes under what was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import curves, palette, seeds, text
from vgcore.plot.fields import Array, Field

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UP_TO_A_FACTOR = ("delta", "delta_skip", "delta_body")  # theory knows no loss
_GID = "vgcore.expected"
_BAND, _BOUND = "theory: 90 of 100 draws", "Pascanu's bound"


class Expected(NamedTuple):
    """A mean (n,), the band (2, n) around it and maybe a bound (n,), at places (n,) of layers or time.

    ``scaled``: where it was made to meet what was seen, if anywhere; ``name``: of the flows that it is of.
    """

    x: Array
    mean: Array
    band: Array
    bound: Array | None = None
    scaled: str = ""
    name: str | None = None
    colour: str = ""

    def called(self, what: str) -> str:
        """A line of it, as a legend has it."""
        return what if self.name is None else f"{self.name}, {what}"


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
    prediction: Any, field: str, flows: Sequence[tuple[str, GradientFlow]], deltas: Array | None
) -> Expected:
    """A prediction of flows, which errors call by their names.

    ``deltas``: the error signals (L,) that were seen, of which the last one says what the factor of gradients
    is.
    """
    _check_layers(prediction, flows)
    mean, low, high = (np.asarray(each, float) for each in prediction.of(field))
    factor, scaled = 1.0, ""
    if field in UP_TO_A_FACTOR and deltas is not None:
        factor, scaled = _factor(prediction, deltas)
    with np.errstate(over="ignore"):
        mean, band = mean * factor, np.stack([low, high]) * factor
    return Expected(np.arange(float(len(mean))), mean, band, scaled=scaled)


def _check_layers(prediction: Any, flows: Sequence[tuple[str, GradientFlow]]) -> None:
    """ValueError unless a prediction is of the network that all flows are of."""
    for name, flow in flows:
        said = seeds.unlike(list(prediction.layers), flow.layers, name) if flow.layers else None
        if said:
            raise ValueError(
                f"theory: expected a prediction of layers of the flow, got one of {said}"
            )


def in_time(
    prediction: Any, walk: str, flows: Sequence[tuple[str, GradientFlow]], seen: Array | None
) -> Expected:
    """What is predicted of a walk's gradient, and Pascanu's bound where it has one.

    ``seen``: the gradient (T,) that was recorded; predictions are relative to that of the walk's last
    timestep.
    """
    courses = getattr(prediction, "time", {})
    if walk not in courses:
        there = f"{', '.join(courses)} alone" if courses else "none"
        raise ValueError(f"theory: expected a prediction of {walk} over time, got one of {there}")
    _check_layers(prediction, flows)
    mean, band = np.asarray(courses[walk], float), np.asarray(prediction.time_spread[walk], float)
    if seen is not None and len(seen) != len(mean):
        raise ValueError(
            f"theory: expected a prediction over the {len(seen)} timesteps that were recorded of {walk}, got "
            f"one over {len(mean)}"
        )
    end = 0 if walk in prediction.backwards else -1
    factor, scaled = 1.0, ""
    if seen is not None and np.isfinite(seen[end]) and seen[end] > 0:
        factor, scaled = float(seen[end]), f"timestep {end % len(mean)}"
    places, bound = np.arange(float(len(mean))), None
    with np.errstate(over="ignore", under="ignore"):
        if walk in prediction.bounds:
            bound = factor * prediction.bounds[walk] ** np.abs(places - places[end])
        return Expected(places, mean * factor, band * factor, bound, scaled)


def _factor(prediction: Any, seen: Array) -> tuple[float, str]:
    """What makes the two equal at the last layer that has both, and which it is."""
    mean = np.asarray(prediction.of("delta")[0], float)
    both = np.isfinite(mean) & np.isfinite(seen) & (mean > 0) & (seen > 0)
    if not both.any():
        return 1.0, ""
    last = int(np.flatnonzero(both)[-1])
    where = text.short(prediction.layers[last]) if last < len(mean) - 1 else "last layer"
    with np.errstate(over="ignore"):
        return float(seen[last] / mean[last]), where


def draw(ax: Axes, about: Field, stands: Sequence[Expected]) -> None:
    """Draw means in long dashes, their bands, and bounds dotted; the axis is made for the first two.

    Of several the legend names the kinds of lines, which have the colours of what they belong to.
    """
    several, theory = len(stands) > 1, _theory(stands)
    for what in stands:
        curves.fill(ax, about, what.x, what.band, what.colour, gid=_GID, outlined=True)
        if np.isfinite(what.band).any():
            curves.name_band(ax, _BAND, gid=_GID, outlined=True)
        look: dict[str, Any] = {"color": what.colour}
        hidden = "_" if several else ""
        ax.plot(
            *(what.x, _shown(about, what.mean)),
            label=hidden + what.called(theory),
            **look,
            **_DASHED,
        )
        if what.bound is not None:
            (line,) = ax.plot([], [], label=hidden + what.called(_BOUND), **look, **_DOTTED)
            line.set_data(what.x, _shown(about, what.bound))  # which may leave the axis far behind
    if several:
        ax.plot([], [], color=palette.faint(0.6), label=theory, **_DASHED)
        if any(what.bound is not None for what in stands):
            ax.plot([], [], color=palette.faint(0.6), label=_BOUND, **_DOTTED)


def _theory(stands: Sequence[Expected]) -> str:
    """What a legend calls the means: of what, and what was made to agree."""
    scaled = {what.scaled for what in stands}
    if not any(scaled):
        return "theory (untrained)"
    return f"theory (untrained, scaled to {scaled.pop() if len(scaled) == 1 else 'each flow'})"


def _shown(about: Field, y: Array) -> Array:
    """What the axis can show of a line."""
    low, high = (10.0**-curves.BORNE, 10.0**curves.BORNE) if about.log else (-np.inf, np.inf)
    return np.where((y > low) & (y < high), y, np.nan)


_DASHED: dict[str, Any] = {"linestyle": (0, (9, 3)), "linewidth": 1.1, "alpha": 0.85, "zorder": 1.8}
_DOTTED: dict[str, Any] = _DASHED | {"linestyle": (0, (1, 1.5)), "linewidth": 1.4}
