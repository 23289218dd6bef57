"""One line for each name: of several seeds their median, where all of them have a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vgcore.plot import bands, curves, marks, palette
from vgcore.plot.curves import Curve
from vgcore.plot.fields import Array, Field, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ALONE = "single seeds, where others have no value"
_UNMARKED = (
    1.0  # any axis can show it: a median marks places where all have a value, seeds the others
)


class Line(NamedTuple):
    """Of one flow: values over places, and where there are any."""

    x: Array
    y: Array
    present: Mask


class Drawn(NamedTuple):
    """Over the places x (n,) of all lines: one for each name, and single seeds where not all have a value."""

    x: Array
    lines: dict[str, Curve]
    singles: list[Curve]


def unlike(layers: Sequence[str], others: Sequence[str], whose: str) -> str | None:
    """How a network's layers differ from others, those of ``whose`` flow; None where they do not."""
    if len(layers) != len(others):
        return f"{len(layers)} layers; {whose} has {len(others)}"
    for place, (one, other) in enumerate(zip(layers, others, strict=True), 1):
        if one != other:
            return f"{one!r} as layer {place}; {whose} has {other!r}"
    return None


def drawn(
    about: Field,
    lines: Mapping[str, Iterable[Line]],
    edges: tuple[float, float],
    looks: Sequence[palette.Look],
) -> Drawn:
    """Medians, the bands between two quantiles around them, and the seeds that they cannot be of."""
    told = {name: [line for line in some if line.present.any()] for name, some in lines.items()}
    x = np.unique(
        np.concatenate([line.x for some in lines.values() for line in some] or [np.empty(0)])
    )
    medians: dict[str, Curve] = {}
    singles: list[Curve] = []
    for (name, some), look in zip(told.items(), looks, strict=True):
        if not some:
            continue
        values = np.full((len(some), len(x)), np.nan)
        there = np.full(values.shape, False)
        for row, line in enumerate(some):
            at = np.searchsorted(x, line.x)
            values[row, at], there[row, at] = line.y, line.present
        whole = np.asarray(there.all(axis=0))
        alone = _singles(values, there, whole, look)
        if whole.any():
            middle, band, known = bands.summary(values, there, edges if len(some) > 1 else None)
            first, last = np.flatnonzero(whole)[[0, -1]]
            known[:first] = known[last + 1 :] = False
            label = name if len(some) == 1 else f"{name}: median of {len(some)}"
            telling = np.where(whole, _telling(about, middle, values, there), _UNMARKED)
            middle = np.where(whole, middle, np.nan)
            band = None if band is None else np.where(whole, band, np.nan)
            medians[name] = Curve(middle, known, label, look, band, telling)
        else:
            alone[0] = alone[0]._replace(label=f"{name}: {len(some)} seeds, no value of all")
        singles += alone
    return Drawn(x, medians, singles)


def draw(ax: Axes, about: Field, what: Drawn, edges: tuple[float, float], *, empty: str) -> None:
    """Draw lines, bands and single seeds, and name what they are."""
    curves.draw(ax, about, what.x, list(what.lines.values()), empty=empty)
    if what.singles:
        curves.draw(ax, about, what.x, what.singles, empty=empty)
        look = _thin({"color": palette.faint(0.6)})
        ax.plot([], [], label=_ALONE, **look)
    if any(curve.band is not None for curve in what.lines.values()):
        curves.name_band(ax, f"seeds: {bands.name(edges)}")


def _singles(values: Array, there: Mask, whole: Mask, look: palette.Look) -> list[Curve]:
    """Each seed that has values where others have none, from the last place before these on."""
    missing = np.flatnonzero(there.any(axis=0) & ~whole)
    if not missing.size:
        return []
    before = np.flatnonzero(whole[: missing[0]])
    shown = np.arange(len(whole)) >= (before[-1] if before.size else missing[0])
    return [
        Curve(y, own & shown, curves.UNNAMED, _thin(look), marked=np.where(whole, _UNMARKED, y))
        for y, own in zip(values, there, strict=True)
        if (own & ~whole).any()
    ]


def _thin(look: palette.Look) -> palette.Look:
    """The look of a single seed; its dots are where it was recorded."""
    thin = {"linestyle": "-", "linewidth": curves.stroke(0.5), "marker": ".", "zorder": 1.9}
    return look | thin | {"markersize": 2 * curves.stroke(1.0)}


def _telling(about: Field, middle: Array, values: Array, there: Mask) -> Array:
    """The middle, or in its place what of any seed the axis cannot show."""
    telling = middle.copy()
    for row, known in zip(values, there, strict=True):
        for where in marks.kinds(about, row).values():
            telling[where & known] = row[where & known]
    return telling
