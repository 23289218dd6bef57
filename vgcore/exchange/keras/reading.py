"""A model of Keras while it is read: chains of layers, and the blocks that branches are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile, zip_longest
from typing import Any

import numpy as np

from vgcore import _validate
from vgcore import layers as vg
from vgcore.exchange import branches, channels
from vgcore.exchange.keras import activation_names
from vgcore.exchange.keras.graph import (
    Call,
    Graph,
    Pending,
    is_layer,
    is_model,
    lacks,
    merges,
    values,
)
from vgcore.layers.base import Layer, Shape, features
from vgcore.model import Sequential

Reader = Callable[["Reading", Any], None]
"""Reads a layer of Keras."""

_IMAGES = ("Conv2D", "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
           "SpatialDropout2D", "ZeroPadding2D")  # fmt: skip


class Reading:
    """What has been read so far.

    Attributes
    ----------
    shape : tuple
        Of a sample where it is read, as vgcore has it.
    order : ndarray or None
        Where the numbers of a vector lie in Keras, if in another order.
    pending : Pending or None
        What the next layer is to do.
    activation : str
        Of the layer that was read last, of which these numbers are outputs.
    made : list of Layer
        The layers so far, of the branch that is read.
    """

    def __init__(
        self, layers: list[Any], input_shape: tuple[Any, ...], readers: Mapping[str, Reader]
    ) -> None:
        self._readers = readers
        kinds = [each for each in layers if type(each).__name__ in _IMAGES]
        formats = {each.data_format for each in kinds}
        if len(formats) > 1:
            raise lacks(kinds[0], "layers of one model must have one data_format")
        self.last = formats != {"channels_first"}
        self.shape: Shape = channels.moved_first(input_shape) if self.last else input_shape
        self.input_shape = self.shape
        self.order: channels.Order | None = None
        self.pending: Pending | None = None
        self.activation = "identity"
        self.made: list[Layer] = []
        self.arrays: list[tuple[Layer, dict[str, Any]]] = []
        self.names: set[str] = set()
        self.dtypes = {each.variable_dtype for each in layers}
        self._calls: set[tuple[Graph, Call]] = set()
        self._owners: set[int] = set()

    def follow(self, graph: Graph, start: Call, end: Call) -> None:
        """Read what lies between two calls, of which the first is passed by all that reaches the second."""
        line = graph.line(start, end)
        merged = False
        for call, after in zip_longest(line, line[1:]):
            if merged:  # an activation, which the sum in front has taken in
                merged = False
                continue
            layer = call[0]
            if (graph, call) in self._calls:
                raise lacks(
                    layer,
                    "is read by two that do not meet again in one Add or Concatenate; branches begin at one "
                    "value and end in one here",
                )
            self._calls.add((graph, call))
            if merges(layer):
                merged = self._joined(graph, call, None if after is None else after[0])
            elif len(graph.read[call]) != 1:
                raise lacks(
                    layer, "reads several values, and branches end in one Add or Concatenate here"
                )
            elif is_model(layer):
                inner = Graph(layer)
                self.follow(inner, inner.start, inner.end)
            else:
                self.read(layer)

    def read(self, layer: Any) -> None:
        """Read one layer of Keras."""
        kind = type(layer).__name__
        reader = self._readers.get(kind)
        if reader is None or not is_layer(layer):
            raise lacks(layer, f"vgcore has no counterpart of {type(layer).__module__}.{kind}")
        if getattr(layer, "quantization_mode", None):
            raise lacks(layer, "vgcore has no quantized weights")
        if self.pending is not None:
            self.pending.check(kind)
        if layer.weights and id(layer) in self._owners:
            raise lacks(layer, "is used twice, and each layer has parameters of its own here")
        self._owners.add(id(layer))
        try:
            reader(self, layer)
        except (ValueError, TypeError) as error:
            raise lacks(layer, str(error)) from error

    def _joined(self, graph: Graph, call: Call, after: Any) -> bool:
        """Read the branches that end in a call, as a block; whether it takes in the activation after it."""
        layer, start = call[0], graph.above(call)
        adds = type(layer).__name__ == "Add"
        if len(graph.read[call]) < 2:
            raise lacks(layer, "has one value of a layer, and branches are two at least here")
        before, made = self._state(), self.made
        ways, ends = [], []
        for end in graph.read[call]:
            self._return(before)
            self.made = []
            self.follow(graph, start, end)
            if self.pending is not None:
                self.pending.check(type(layer).__name__)
            ways.append(self.made)
            ends.append((self.shape, self.order))
        shapes, orders = [shape for shape, _ in ends], [order for _, order in ends]
        if adds and len(set(shapes)) > 1:
            raise lacks(layer, f"adds values of shapes {shapes}, and of one shape here")
        if not adds and not self.is_feature_axis(layer.axis):
            raise lacks(
                layer, f"vgcore sets features or channels side by side, not axis {layer.axis}"
            )
        if adds and not all(channels.same(orders[0], each) for each in orders):
            raise lacks(layer, "adds numbers that lie in other orders with channels first")
        order = orders[0] if adds else channels.beside(orders, [features(each) for each in shapes])
        self._return(before)
        self.made = made
        name = self._name_of_block(layer, [each for way in ways for each in way])
        activation = activation_names.of_layer(after)
        block = branches.block(ways, adds, activation)
        block.keep("name", name)
        self.add(block)
        self.order = order
        return activation is not None and isinstance(block, vg.Residual)

    def _state(self) -> tuple[Any, ...]:
        return self.shape, self.order, self.pending, self.activation

    def _return(self, state: tuple[Any, ...]) -> None:
        self.shape, self.order, self.pending, self.activation = state

    def _name_of_block(self, layer: Any, inside: list[Layer]) -> str | None:
        """What all names in a block begin with, which is taken from them; else that of its end."""
        named = [each for each in inside if each.name is not None]
        words = [str(each.name).split("_")[:-1] for each in (layer, *named)]
        shared = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
        common = "_".join(column[0] for column in shared)
        if not common or common in self.names:
            return self.name(layer)
        self.names.add(common)
        for each in named:
            each.keep("name", str(each.name)[len(common) + 1 :])
        return common

    def name(self, layer: Any, more: str = "") -> str | None:
        """The name of a layer, if vgcore can have it, and no other layer has."""
        name = f"{layer.name}{more}".replace(".", "_")
        if name in self.names:
            return None
        self.names.add(name)
        return name

    def add(self, layer: Layer, **parameters: Any) -> None:
        """Take in a layer of vgcore with its parameters; what is None it does not have."""
        self.shape = layer.output_shape(self.shape)
        self.pending = None
        self.activation = layer.output_activation
        self.made.append(layer)
        given = {
            name: value if isinstance(value, np.ndarray) else values(value)
            for name, value in parameters.items()
            if value is not None
        }
        self.arrays.append((layer, given))

    def by_feature(self, parameter: Any) -> Any:
        """A parameter of a vector's numbers as they lie here."""
        return parameter if self.order is None else values(parameter)[self.order]

    def is_feature_axis(self, axis: Any) -> bool:
        """Whether an axis of Keras is that of channels or features."""
        axes = [*axis] if isinstance(axis, list | tuple) else [axis]
        rank = len(self.shape)
        wanted = rank if self.last or rank < 3 else 1
        return len(axes) == 1 and int(axes[0]) % (rank + 1) == wanted

    def model(self, dtype: Any) -> Sequential:
        """The model that was read."""
        if self.pending is not None:
            self.pending.check("nothing")
        if self.order is not None:
            raise NotImplementedError(
                "model: expected a Dense layer behind the Flatten of images, whose numbers lie in another "
                "order here; got outputs that are such numbers"
            )
        if not self.made:
            raise NotImplementedError("model: expected at least one layer that does something")
        if dtype is None:
            dtype = "float64" if "float64" in self.dtypes else "float32"
        chosen = _validate.real_dtype("dtype", dtype)
        model = Sequential(self.made, input_shape=self.input_shape, dtype=chosen)
        places = dict(branches.places(model.layers))
        model.load_state_dict(
            {
                f"{places[id(layer)]}.{name}": array
                for layer, arrays in self.arrays
                for name, array in arrays.items()
            }
        )
        return model
