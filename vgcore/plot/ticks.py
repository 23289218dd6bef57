"""Ticks of which no two names touch, however large they are: chosen when the picture is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FixedLocator,
    Formatter,
    FuncFormatter,
    Locator,
    LogFormatterSciNotation,
    MaxNLocator,
)

from vgcore.plot import text

_GAP = 0.7  # of the font's size, between two names
_SHORT = 100.0  # times its lower end is the upper one of a log axis that has decimals
_LEAST_DECIMAL, _MOST_DECIMAL = 1e-4, 1e6  # of which zeros can still be counted


class Names(Locator):
    """Ticks at the places 0, 1, ... of names, of which as many stand as there is room for."""

    def __init__(self, names: Sequence[str], most: int) -> None:
        self._names, self._most = names, most

    def __call__(self) -> list[int]:
        return self.tick_values(*_axis(self).get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[int]:
        """Every place, every second, fifth, tenth, ..., the first and the last among them."""
        count = len(self._names)
        if count < 2:
            return list(range(count))
        for stride in text.strides():
            for places in text.strided(count, stride):
                shown = [self._names[place] for place in places]
                if len(places) <= self._most and fits(_axis(self), (vmin, vmax), places, shown):
                    return places
            if stride >= count:
                return [0]
        raise AssertionError  # strides go on


class Numbers(MaxNLocator):
    """Ticks at whole numbers, fewer where they would touch."""

    def __init__(self) -> None:
        super().__init__(nbins="auto", steps=[1, 2, 4, 5, 10], integer=True, min_n_ticks=1)

    def __call__(self) -> Any:
        ends = sorted(_axis(self).get_view_interval())
        ticks = super().__call__()
        for most in range(len(ticks) - 1, 0, -1):
            inside = [tick for tick in ticks if ends[0] <= tick <= ends[1]]
            labels = _axis(self).get_major_formatter().format_ticks(inside)
            if fits(_axis(self), ends, inside, labels):
                break
            fewer = MaxNLocator(most, steps=[1, 2, 4, 5, 10], integer=True, min_n_ticks=1)
            ticks = fewer.tick_values(*ends)
        return ticks


class Decades(LogFormatterSciNotation):
    """Numbers of a log axis: powers of ten, or decimals, as 0.2, on an axis of less than two decades."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        written: str = super().__call__(x, pos)
        low, high = sorted(_axis(self).get_view_interval())
        if not written or high >= _SHORT * low or low < _LEAST_DECIMAL or high > _MOST_DECIMAL:
            return written
        return f"{x:,.10g}"


class BetweenDecades(Decades):
    """Numbers of the small ticks of a log axis, where it is short, and these touch no other."""

    def format_ticks(self, values: Any) -> list[str]:
        axis = _axis(self)
        labels = super().format_ticks(values)
        ends = [float(np.log10(end)) for end in sorted(axis.get_view_interval())]
        standing = [
            tick for tick in np.log10(axis.get_majorticklocs()) if ends[0] <= tick <= ends[1]
        ]
        for place, tick in enumerate(np.log10(np.asarray(values, float))):
            near = sorted([*standing, tick])
            if not labels[place] or not fits(axis, ends, near, ["0"] * len(near)):
                labels[place] = ""
            else:
                standing.append(tick)
        return labels


class Apart(FixedLocator):
    """Ticks at given places: those that are kept, and of the others what touches none."""

    def __init__(self, kept: Sequence[float], others: Sequence[float]) -> None:
        super().__init__([*others, *kept])
        self._kept, self._others = list(kept), list(others)

    def tick_values(self, vmin: float | None = None, vmax: float | None = None) -> list[float]:
        """All that stand; without an axis to stand on, all."""
        axis = _axis(self)
        standing = list(self._kept)
        for place in reversed(self._others):
            near = sorted([*standing, place])
            labels = [axis.get_major_formatter()(each) for each in near]
            if fits(axis, axis.get_view_interval(), near, labels):
                standing.append(place)
        return sorted(standing)


def number_decades(axis: Axis) -> None:
    """Number a log axis, in decimals where it is short, and between its decades where there is room."""
    axis.set_major_formatter(Decades())
    axis.set_minor_formatter(BetweenDecades())


def name(axis: Axis, names: Sequence[str], most: int) -> None:
    """Name the places 0, 1, ... of an axis, at most so many of them."""

    def named(place: float, _: object) -> str:
        return names[round(place)] if 0 <= round(place) < len(names) else ""

    axis.set_major_locator(Names(names, most))
    axis.set_major_formatter(FuncFormatter(named))
    for tick in axis.get_major_ticks(most):  # those that are made later would not be literal
        tick.label1.set(parse_math=False, rotation=0)


def size(axis: Axis) -> float:
    """Of an axis's numbers or names, in points."""
    return float(axis.get_major_ticks(1)[0].label1.get_fontsize())


def _axis(of: Locator | Formatter) -> Axis:
    """What a locator or formatter is of, once it has been set."""
    axis: Any = of.axis
    found: Axis = axis
    return found


def fits(axis: Any, ends: Sequence[float], places: Sequence[float], labels: Sequence[str]) -> bool:
    """Whether no two labels touch that stand at these places of an axis."""
    label = axis.get_major_ticks(1)[0].label1  # as large and as turned as they all are
    font, em = label.get_fontproperties(), label.get_fontsize()
    across = axis.axis_name == "x"
    figure: Any = axis.axes.figure
    box, dpi = axis.axes.bbox, figure.dpi
    apart = (box.width if across else box.height) / dpi * 72 / (abs(ends[1] - ends[0]) or 1)
    angle = math.radians(label.get_rotation() - (0 if across else 90))
    slope = abs(math.sin(angle))
    turned = text.LINE * em / slope if slope > 1e-6 else math.inf
    widths = [math.inf] * len(labels)
    if abs(math.cos(angle)) > 1e-6:
        parsed = label.get_parse_math()
        widths = [
            text.width(each, font, mathematics=parsed and text.mathematical(each)) + _GAP * em
            for each in labels
        ]
    needed = [min((one + other) / 2, turned) for one, other in pairwise(widths)]
    return all(
        (there - here) * apart >= room
        for (here, there), room in zip(pairwise(places), needed, strict=True)
    )
