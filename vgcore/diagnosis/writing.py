"""A recipe as lines of Python that a user can paste."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from textwrap import indent
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import initializers, layers, losses, metrics, optimizers, schedules, treatment
from vgcore.activations import Activation, Formula
from vgcore.initializers import Initializer
from vgcore.layers.base import Layer

if TYPE_CHECKING:
    from vgcore.diagnosis.recipe import Recipe

_ROOMS = {
    "vg": (layers, optimizers, treatment),
    "vg.initializers": (initializers,),
    "vg.schedules": (schedules,),
    "vg.losses": (losses,),
}
_WIDTH = 88  # of a line, but for its indentation
_TAKEN = ("vg", "np", "model", "x", "y", "lengths", "mean", "std", "y_mean", "y_std", "classes")
"""Names that mean something else in the lines."""


def code(recipe: Recipe, epochs: int) -> str:
    """The lines that make it."""
    writer = _Writer()
    lines = [line for step in recipe.preparation for line in step.lines()]
    shape, dtype = recipe.input_shape, recipe.dtype.name
    vector = len(shape) == 1 and shape[0] is not None
    options = [f"input_shape={shape[0] if vector else shape}"]
    options += [f"dtype={quoted(dtype)}"] if dtype != "float32" else []
    model = _broken(
        "model = vg.Sequential(", [_broken("[", writer.stack(recipe.layers), "]"), *options], ")"
    )
    fitting = {"epochs": epochs, **recipe.fitting}
    found = recipe.takes_lengths or any("lengths =" in line for line in lines)
    lengths = ["lengths=lengths"] if found else []
    kept = sorted({name.rpartition(".")[0] for name in recipe.kept})
    notes = [f"# set the parameters of {', '.join(kept)} as you did before"] if kept else []
    compiled = _joined("model.compile(", writer.compiled(recipe.compiling), ")")
    fitted = _joined("model.fit(", ["x", "y", *lengths, *writer.named(fitting)], ")")
    head = ["import numpy as np"] if any("np." in line for line in lines) else []
    head += ["import vgcore as vg", *writer.imports, *writer.notes]
    return "\n".join([*head, "", *lines, model, *notes, compiled, fitted])


def layer_call(layer: Layer) -> str:
    """A call that makes it, initializers by name."""
    return _Writer().layer(layer)


def automatic(siblings: Iterable[Layer]) -> list[Layer]:
    """Those that have the names that a model or a block gives by itself."""
    counts: dict[str, int] = {}
    found = []
    for layer in siblings:
        counts[layer.kind] = counts.get(layer.kind, 0) + 1
        if layer.name == f"{layer.kind}{counts[layer.kind]}":
            found.append(layer)
    return found


def _joined(head: str, parts: Sequence[str], tail: str) -> str:
    """Parts between brackets, broken as ruff would break them."""
    line = f"{head}{', '.join(parts)}{tail}"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    return _broken(head, parts, tail)


def _broken(head: str, parts: Sequence[str], tail: str) -> str:
    return "\n".join([head, *(indent(f"{part},", "    ") for part in parts), tail])


def quoted(text: str) -> str:
    """A string in double quotes, where it has none."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text else plain


class _Writer:
    """Writes expressions, and keeps what they take from elsewhere.

    Attributes
    ----------
    imports, notes : list of str
        Lines for what is not vgcore's: imports of what can be had by name, and comments on the rest.
    """

    def __init__(self) -> None:
        self.imports: list[str] = []
        self.notes: list[str] = []
        self._names: dict[str, Any] = dict.fromkeys(_TAKEN)

    def compiled(self, compiling: Any) -> list[str]:
        """The arguments of `Sequential.compile`."""
        rest = dict(compiling)
        first = [
            self.value(rest.pop("loss"), "loss"),
            self.value(rest.pop("optimizer"), "optimizer"),
        ]
        if "metrics" in rest:
            first.append(f"metrics=[{', '.join(map(self._metric, rest.pop('metrics')))}]")
        lists = {name: [*each] if isinstance(each, tuple) else each for name, each in rest.items()}
        return [*first, *self.named(lists)]

    def named(self, given: Any) -> list[str]:
        """Arguments by their names."""
        return [f"{name}={self.value(value, name)}" for name, value in given.items()]

    def stack(self, stack: Sequence[Layer]) -> list[str]:
        """A call for each layer of a model."""
        unnamed = automatic(stack)
        return [self.layer(each, named=each not in unnamed) for each in stack]

    def layer(self, layer: Layer, *, named: bool = True) -> str:
        """A call that makes it."""
        shown = []
        for name, value in layer.shown():
            if name == "name" and not named:
                continue
            text = self._argument(value, layer)
            shown.append(f"{name}={text}" if name else text)
        return _joined(f"{self._home(type(layer), 'layer')}(", shown, ")")

    def _argument(self, value: Any, block: Layer) -> str:
        """An argument of a layer: initializers by name, and of a block layers, or sequences of such."""
        if isinstance(value, Initializer):
            return self._start(value, getattr(block, "activation", "identity"))
        if isinstance(value, Layer):
            by_itself = isinstance(block, layers.Bidirectional)
            return self.layer(
                value, named=not by_itself and value not in automatic(block.members())
            )
        if isinstance(value, list | tuple):
            return _sequence(value, [self._argument(each, block) for each in value])
        return self.value(value, "layer")

    def _start(self, start: Initializer, function: Any) -> str:
        for name in initializers.names():
            with contextlib.suppress(ValueError):  # of formulas that have no gain
                if name != "critical" and initializers.get(name, function) == start:
                    return quoted(name)
        return self.value(start, "initializer")

    def _metric(self, metric: Any) -> str:
        with contextlib.suppress(ValueError):
            return quoted(metrics.spec(metric))
        return self._given(metric, "metric")

    def value(self, value: Any, what: str) -> str:
        """An expression that makes it; ``what`` it is."""
        if isinstance(value, Activation):
            return self._activation(value)
        if is_dataclass(value) and not isinstance(value, type):
            return f"{self._home(type(value), what)}({', '.join(self._fields(value, what))})"
        if isinstance(value, list | tuple):
            return _sequence(value, [self.value(each, what) for each in value])
        if isinstance(value, dict):
            pairs = [f"{self.value(k, what)}: {self.value(v, what)}" for k, v in value.items()]
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, str):
            return quoted(value)
        if callable(value):
            return self._given(value, what)
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and not math.isfinite(value):
            return f'float("{value}")'
        return repr(value)

    def _fields(self, value: Any, what: str) -> list[str]:
        shown: list[str] = []
        for position, each in enumerate(fields(value)):
            given = getattr(value, each.name)
            default = each.default
            if given == default and not (position == 0 and each.name == "learning_rate"):
                continue
            bare = position == 0 and (default is MISSING or not shown)
            shown.append(("" if bare else f"{each.name}=") + self.value(given, what))
        return shown

    def _activation(self, activation: Activation) -> str:
        if isinstance(activation.spec, str):
            return quoted(activation.spec)
        if isinstance(activation, Formula):
            more = [f"{name}={value!r}" for name, value in activation.parameters]
            more += ["shared=True"] if activation.shared else []
            return f"vg.activations.formula({', '.join([quoted(activation.name), *more])})"
        return f"vg.activations.{activation.name}({activation.alpha!r})"

    def _home(self, kind: type, what: str) -> str:
        """A class by its name, the module of vgcore that has it in front."""
        for prefix, rooms in _ROOMS.items():
            if any(getattr(room, kind.__name__, None) is kind for room in rooms):
                return f"{prefix}.{kind.__name__}"
        return self._given(kind, what)

    def _given(self, thing: Any, what: str) -> str:
        """The name of something that is not vgcore's."""
        own = getattr(thing, "__name__", "")
        module = sys.modules.get(getattr(thing, "__module__", None) or "")
        imported = own.isidentifier() and getattr(module, own, None) is thing
        nameless = "your_function" if callable(thing) else f"your_{what}"
        name = stem = own if own.isidentifier() else nameless
        number = 1
        while self._names.get(name, thing) is not thing:
            number += 1
            name = f"{stem}_{number}"
        if name not in self._names:
            self._names[name] = thing
            if imported and module is not None and module.__name__ != "__main__":
                renamed = "" if name == own else f" as {name}"
                self.imports.append(f"from {module.__name__} import {own}{renamed}")
            else:
                self.notes.append(f"# {name}: the {what.replace('_', ' ')} that you gave")
        return name


def _sequence(value: Any, inner: Sequence[str]) -> str:
    if isinstance(value, list):
        return _joined("[", inner, "]")
    return f"({inner[0]},)" if len(inner) == 1 else _joined("(", inner, ")")
