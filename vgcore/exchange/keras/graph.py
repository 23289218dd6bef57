"""What calls what in a model of Keras."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.exchange import branches


def lacks(layer: Any, what: str) -> NotImplementedError:
    """The error that names a layer and what it lacks."""
    return NotImplementedError(f"{layer.name} ({type(layer).__name__}): {what}")


class Pending(NamedTuple):
    """A layer of Keras that the next one does here, and the kinds of layers that do it."""

    layer: Any
    kinds: tuple[str, ...]
    padding: tuple[int, ...] = ()

    def check(self, kind: str) -> None:
        """Raise if what follows does not do it."""
        if not kind.startswith(self.kinds):
            wanted = " or ".join(self.kinds)
            raise lacks(self.layer, f"must stand in front of a {wanted}, not of {kind}")


def values(variable: Any) -> NDArray[Any]:
    """A variable of Keras as an array; what has less than single precision as float32."""
    import keras

    array = np.asarray(keras.ops.convert_to_numpy(variable))
    return array if array.dtype in ("float32", "float64") else array.astype("float32")


def check(model: Any) -> None:
    """Raise if it is no model of Keras, or has no weights yet."""
    known = any(kind.__module__.startswith("keras.") for kind in type(model).__mro__)
    if not known or not hasattr(model, "layers"):
        raise TypeError(
            f"model: expected a keras.Sequential or keras.Model, got {_validate.kind(model)}"
        )
    if not model.built:
        raise ValueError(
            "model: expected one that is built; give it keras.Input(shape), or call it once"
        )


def is_model(layer: Any) -> bool:
    """Whether a layer is a model inside another."""
    return hasattr(layer, "layers") and type(layer).__name__ != "Bidirectional"


def is_layer(operation: Any) -> bool:
    """Whether an operation is a layer of Keras, not of the user's own."""
    import keras

    kind = type(operation)
    return isinstance(operation, keras.Layer) and kind.__module__.startswith("keras.")


def merges(operation: Any) -> bool:
    """Whether it is an Add or Concatenate: a layer, or what Keras makes of ``x + y``."""
    kind = type(operation)
    return kind.__module__.startswith("keras.") and kind.__name__ in ("Add", "Concatenate")


def layers_of(model: Any) -> Iterator[Any]:
    """All layers, those of models inside it among them, in no certain order."""
    for layer in model.layers:
        if is_model(layer):
            yield from layers_of(layer)
        elif type(layer).__name__ != "InputLayer":
            yield layer


Call = tuple[Any, int]
"""A layer or operation, and which of its calls is meant."""


class Graph:
    """Which layers a model calls, from its one input to its one output.

    Attributes
    ----------
    start, end : Call
        The input, which nothing is called for, and the output.
    read : dict of Call to list of Call
        What each call reads, in its order.
    """

    def __init__(self, model: Any) -> None:
        kind = type(model).__name__
        if kind == "Sequential":
            calls: list[Call] = [(None, 0), *((layer, 0) for layer in model.layers)]
            self.start, self.end = calls[0], calls[-1]
            self.read = {call: calls[max(at - 1, 0) : at] for at, call in enumerate(calls)}
        elif kind == "Functional":
            if len(model.inputs) != 1 or len(model.outputs) != 1:
                raise lacks(model, "a model has one input and one output here")
            self.start, self.end = _made_by(model.inputs[0]), _made_by(model.outputs[0])
            self.read = _read_for(self.end)
        else:
            raise lacks(
                model, "it has Python of its own; a Sequential or functional Model can be read"
            )
        self._above = branches.dominators(self.read)

    def above(self, call: Call) -> Call:
        """Where all that a call reads has passed last."""
        return self._above[call][0]

    def line(self, start: Call, end: Call) -> list[Call]:
        """What lies between two calls, the end with it, but for what lies in branches."""
        found = []
        while end != start:
            found.append(end)
            end = self.above(end)
        return found[::-1]


def _made_by(tensor: Any) -> Call:
    operation, number, _ = tensor._keras_history
    return operation, number


def _read_for(end: Call) -> dict[Call, list[Call]]:
    """What each call on the way to one reads, each behind what it reads."""
    read: dict[Call, list[Call]] = {}
    ahead = [end]
    while ahead:
        call = ahead.pop()
        if call not in read:
            operation, number = call
            read[call] = [*map(_made_by, operation._inbound_nodes[number].input_tensors)]
            ahead += read[call]
    return {call: read[call] for call in TopologicalSorter(read).static_order()}
