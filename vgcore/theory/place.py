"""Where a layer stands, and which theory it has: rules are named by the kinds of layers they are for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from vgcore.layers.base import Layer, Shape, features
from vgcore.theory.signal import Course, Gradient, Row, Signal
from vgcore.theory.units import Back

Rule = Callable[[Course, Any, "Place", Signal], tuple[Signal, Back]]
_RULES: dict[type[Layer], Rule] = {}


class Place:
    """A layer where it stands: its full name, the shapes around it, and whether nothing comes behind."""

    def __init__(self, name: str, before: Shape, behind: Shape, times: int, last: bool) -> None:
        self.name, self.before, self.behind, self.last = name, before, behind, last
        self.times = times

    def row(self, course: Course, suffix: str = "") -> Row:
        """Room for what is found."""
        row = Row(f"{self.name}{suffix}", math.prod(self.sizes(self.behind)))
        row.inputs = math.prod(self.sizes(self.before))
        course.rows.append(row)
        return row

    def sizes(self, shape: Shape) -> list[int]:
        """A shape whose time is known."""
        return [self.times if size is None else int(size) for size in shape]

    def places(self, shape: Shape) -> int:
        """Pixels or timesteps of a shape."""
        return math.prod(self.sizes(shape)) // features(shape)

    def refuse(self, what: str) -> NotImplementedError:
        """The error where there is no theory."""
        return NotImplementedError(f"{self.name}: theory has {what}")


def rule(*kinds: type[Layer]) -> Callable[[Rule], Rule]:
    """Name the function below the rule of some kinds of layers, of those made from them too."""

    def name(function: Rule) -> Rule:
        _RULES.update(dict.fromkeys(kinds, function))
        return function

    return name


def of(layer: Layer, place: Place) -> Rule:
    """The rule of a kind of layer; NotImplementedError if there is none."""
    for kind in type(layer).__mro__:
        if kind in _RULES:
            return _RULES[kind]
    raise NotImplementedError(f"{place.name}: theory has no {type(layer).__name__}")


def through(
    course: Course,
    layers: Sequence[Layer],
    shapes: Sequence[Shape],
    signal: Signal,
    *,
    prefix: str = "",
    times: int = 1,
    last: bool = True,
) -> tuple[Signal, Back]:
    """Go through layers; the function goes back through them."""
    backs: list[Back] = []
    for number, layer in enumerate(layers):
        ends = last and number == len(layers) - 1
        place = Place(f"{prefix}{layer.name}", shapes[number], shapes[number + 1], times, ends)
        signal, back = of(layer, place)(course, layer, place, signal)
        backs.append(back)

    def all_back(gradient: Gradient) -> Gradient:
        for back in reversed(backs):
            gradient = back(gradient)
        return gradient

    return signal, all_back
