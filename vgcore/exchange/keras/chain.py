"""The layers of a model of Keras in the order in which they follow each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate

_MODELS = ("Sequential", "Functional")


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


def chain(model: Any) -> list[Any]:
    """All layers, those of models inside it among them.

    Raises
    ------
    NotImplementedError
        If they do not follow each other one by one.
    TypeError, ValueError
        If it is no model, or has no weights yet.
    """
    known = any(kind.__module__.startswith("keras.") for kind in type(model).__mro__)
    if not known or not hasattr(model, "layers"):
        raise TypeError(
            f"model: expected a keras.Sequential or keras.Model, got {_validate.kind(model)}"
        )
    if not model.built:
        raise ValueError(
            "model: expected one that is built; give it keras.Input(shape), or call it once"
        )
    layers = [*_unfolded(model)]
    shape = model.input_shape
    if not isinstance(shape, tuple) or not all(
        size is None or isinstance(size, int) for size in shape
    ):
        raise lacks(model, "a model has one input here")
    return layers


def _unfolded(model: Any) -> Iterator[Any]:
    if type(model).__name__ not in _MODELS:
        raise lacks(model, "it has Python of its own; a Sequential or functional Model can be read")
    layers = model.layers if type(model).__name__ == "Sequential" else _followed(model)
    for layer in layers:
        if hasattr(layer, "layers") and type(layer).__name__ != "Bidirectional":
            yield from _unfolded(layer)
        elif type(layer).__name__ != "InputLayer":
            yield layer


def _followed(model: Any) -> list[Any]:
    """The layers of a functional model, from its output back to its input."""
    config = model.get_config()
    inputs, outputs = (list(_histories(config[name])) for name in ("input_layers", "output_layers"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise lacks(model, "a model has one input and one output here")
    nodes = {each["name"]: each["inbound_nodes"] for each in config["layers"]}
    name, found = outputs[0], []
    while name != inputs[0]:
        found.append(model.get_layer(name))
        sources = list(_histories(nodes[name]))
        if len(sources) != 1:
            raise lacks(found[-1], "layers must follow each other one by one, without branches")
        name = sources[0]
    if len(found) < len(nodes) - 1:
        raise lacks(model, "layers must follow each other one by one, without branches")
    return found[::-1]


def _histories(value: Any) -> Iterator[str]:
    """The layers whose outputs a part of the description speaks of."""
    if isinstance(value, dict):
        if "keras_history" in value:
            yield value["keras_history"][0]
        else:
            for each in value.values():
                yield from _histories(each)
    elif isinstance(value, list | tuple):
        if len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int):
            yield value[0]
        else:
            for each in value:
                yield from _histories(each)
