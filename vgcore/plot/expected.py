"""What theory says should be seen, dashed under what was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import curves
from vgcore.plot.fields import Array, Field

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UP_TO_A_FACTOR = ("delta", "delta_skip", "delta_body")  # theory knows no loss


class Expected(NamedTuple):
    """A mean (n,) and the band (2, n) around it, at places (n,) of layers."""

    x: Array
    mean: Array
    band: Array
    label: str
    colour: str


def by_name(theory: Any, names: Mapping[str, Any], over: str) -> dict[str | None, Any]:
    """Predictions by the flow's name; None for one of all."""
    if theory is None:
        return {}
    if over != "layers":
        raise ValueError(f"theory: expected None with over={over!r}, for it speaks of layers")
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


def _factor(mean: Array, seen: Array) -> float:
    """What makes the two equal at the last layer that has both."""
    both = np.isfinite(mean) & np.isfinite(seen) & (mean > 0) & (seen > 0)
    last = np.flatnonzero(both)
    with np.errstate(over="ignore"):
        return float(seen[last[-1]] / mean[last[-1]]) if last.size else 1.0


def draw(ax: Axes, about: Field, what: Expected) -> None:
    """Draw the mean dashed, and its band."""
    shown = np.where(np.isfinite(what.mean), what.mean, np.nan)
    if about.log:
        shown[shown <= 0] = np.nan
    curves.fill(ax, about, what.x, what.band, what.colour, gid="vgcore.expected", alpha=0.15)
    ax.plot(what.x, shown, color=what.colour, label=what.label, **_DASHED)


_DASHED: dict[str, Any] = {"linestyle": (0, (5, 2)), "linewidth": 1.1, "alpha": 0.85, "zorder": 1.8}
