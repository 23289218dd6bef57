"""A recipe as lines of Python that a user can paste."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from vgcore import initializers, layers, losses, metrics, optimizers, schedules, treatment
from vgcore.initializers import Initializer
from vgcore.layers.base import Layer

if TYPE_CHECKING:
    from vgcore.diagnosis.recipe import Recipe

_ROOMS = {
    "vg.initializers": initializers,
    "vg.schedules": schedules,
    "vg.losses": losses,
}
_TOP = (layers, optimizers, treatment)
_WIDTH = 100
_CALL = re.compile(r"""'[^']*'|"[^"]*"|(?<![\w.])([A-Za-z]\w*)\(""")
_SINGLE = re.compile(r"""(?<!\w)'([^'"\n]*)'""")
_FUNCTION = re.compile(r"<(?:bound method|built-in function|function) ?([\w.]*)[^>]*>")


def code(recipe: Recipe, epochs: int) -> str:
    """The lines that make it."""
    lines = [line for step in recipe.preparation for line in step.lines()]
    head = ["import numpy as np"] if any("np." in line for line in lines) else []
    shape, dtype = recipe.input_shape, recipe.dtype.name
    vector = len(shape) == 1 and shape[0] is not None
    options = [f"input_shape={shape[0] if vector else shape}"]
    options += [f"dtype={dtype!r}"] if dtype != "float32" else []
    stack = ["model = vg.Sequential(", "    ["]
    named = recipe.names_layers
    stack += [f"        {layer_call(layer, named=named)}," for layer in recipe.layers]
    stack += ["    ],", *(f"    {option}," for option in options), ")"]
    fitting = {"epochs": epochs, **recipe.fitting}
    found = recipe.takes_lengths or any("lengths =" in line for line in lines)
    lengths = {"lengths": "lengths"} if found else {}
    kept = sorted({name.rpartition(".")[0] for name in recipe.kept})
    notes = [f"# set the parameters of {', '.join(kept)} as you did before"] if kept else []
    text = "\n".join(
        [
            *head,
            "import vgcore as vg",
            "",
            *lines,
            *stack,
            *notes,
            _call("model.compile", _compiled(recipe.compiling)),
            _call(
                "model.fit",
                ["x", "y"]
                + [f"{name}={value}" for name, value in lengths.items()]
                + [f"{name}={_value(value)}" for name, value in fitting.items()],
            ),
        ]
    )
    return _SINGLE.sub(r'"\1"', text)


def _call(function: str, arguments: list[str]) -> str:
    """A call, broken as ruff would break it."""
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{function}(", *(f"    {argument}," for argument in arguments), ")"])


def _compiled(compiling: Any) -> list[str]:
    rest = {name: value for name, value in compiling.items() if name not in ("loss", "optimizer")}
    if "metrics" in rest:
        rest["metrics"] = [metrics.spec(metric) for metric in rest["metrics"]]
    return [
        _value(compiling["loss"]),
        _value(compiling["optimizer"]),
        *(f"{name}={_value(value)}" for name, value in rest.items()),
    ]


def _value(value: Any) -> str:
    """An expression that makes it."""
    if is_dataclass(value) and not isinstance(value, type):
        shown: list[str] = []
        for position, each in enumerate(fields(value)):
            given = getattr(value, each.name)
            default = each.default
            if given == default and not (position == 0 and each.name == "learning_rate"):
                continue
            keyword = (
                "" if position == 0 and (default is MISSING or len(shown) == 0) else f"{each.name}="
            )
            shown.append(f"{keyword}{_value(given)}")
        return f"{_home(type(value).__name__, type(value))}({', '.join(shown)})"
    if callable(value) and hasattr(value, "__name__"):
        return "your_function" if "<" in value.__name__ else str(value.__name__)
    if isinstance(value, list | tuple):
        inner = ", ".join(map(_value, value))
        return f"[{inner}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k!r}: {_value(v)}' for k, v in value.items())}}}"
    return repr(value)


def layer_call(layer: Layer, *, named: bool = False) -> str:
    """A call that makes it, initializers by name; ``named``: with the names that a model gives, too."""
    text = repr(layer)
    for part in (layer, *layer.parts()):
        function = getattr(part, "activation", "identity")
        for name in ("weight_initializer", "recurrent_initializer", "bias_initializer"):
            start = getattr(part, name, None)
            start = getattr(start, "initializer", start)
            if isinstance(start, Initializer):
                text = text.replace(f"={start!r}", f"={_start(start, function)}")
    for kind in set() if named else {each.kind for each in _all(layer)}:
        text = re.sub(rf", name='{kind}\d+'|name='{kind}\d+', ", "", text)
    return _qualified(text)


def _all(layer: Layer) -> list[Layer]:
    return [layer, *(each for member in layer.members() for each in _all(member))]


def _start(start: Initializer, function: Any) -> str:
    for name in initializers.names():
        if name != "critical" and initializers.get(name, function) == start:
            return repr(name)
    return _value(start)


def _qualified(text: str) -> str:
    """Calls with the module that has them in front."""
    text = _FUNCTION.sub(
        lambda found: "your_function" if "<" in found[0][1:] else found[1] or "your_function", text
    )
    return _CALL.sub(lambda found: f"{_home(found[1])}(" if found[1] else found[0], text)


def _home(name: str, kind: type | None = None) -> str:
    """The name with its module in front; ``kind``: of that class, for modules share names."""
    if any(hasattr(room, name) for room in _TOP):
        return f"vg.{name}"
    for prefix, room in _ROOMS.items():
        if name in room.__all__ and kind in (None, getattr(room, name)):
            return f"{prefix}.{name}"
    return f"vg.activations.{name}"
