"""A model of Keras while it is written: layers one after the other, and blocks of branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.exchange import channels
from vgcore.layers.base import Layer, Shape, features
from vgcore.model import Sequential

Array = NDArray[Any]
Writer = Callable[["Writing", Any, str], None]
"""Writes a layer under a name."""

_ENDS = {"Add": "add", "Concatenate": "concat"}


def lacks(name: str, layer: Layer, what: str) -> NotImplementedError:
    """The error that names a layer and what Keras lacks."""
    return NotImplementedError(f"{name} ({type(layer).__name__}): in Keras {what}")


class Block:
    """Branches of Keras's layers, and the one that they end in."""

    def __init__(self, branches: list[list[Any]], end: Any) -> None:
        self.branches, self.end = branches, end

    def __call__(self, value: Any) -> Any:
        """Call them all."""
        return self.end([_called(branch, value) for branch in self.branches])


def _called(made: list[Any], value: Any) -> Any:
    for each in made:
        value = each(value)
    return value


class Writing:
    """What has been written so far.

    Attributes
    ----------
    shape : tuple
        Of a sample where it is written, as vgcore has it.
    order : ndarray or None
        Where the numbers of a vector lie in Keras, if in another order.
    activation : str
        Of the layer that was written last.
    """

    def __init__(
        self, keras: Any, model: Sequential, writers: Mapping[type[Layer], Writer]
    ) -> None:
        self._writers = writers
        self.layers = keras.layers
        self.dtype = model.dtype.name
        self.shape: Shape = model.input_shape
        self.order: channels.Order | None = None
        self.activation = "identity"
        self._made: list[Any] = []
        self._arrays: list[tuple[Any, dict[str, Array]]] = []
        self._names: set[str] = set()
        integers = model.layers[0].vocabulary is not None
        self._keras = keras
        self._input = keras.Input(
            channels.moved_last(model.input_shape), dtype="int32" if integers else self.dtype
        )

    def write(self, layer: Layer, prefix: str = "") -> None:
        """Write a layer, under its name behind a prefix."""
        name = f"{prefix}{layer.name}"
        writer = self._writers.get(type(layer))
        if writer is None:
            raise lacks(name, layer, "it has no counterpart")
        behind = layer.output_shape(self.shape)
        writer(self, layer, name)
        self.shape, self.activation = behind, layer.output_activation

    def add(
        self, kind: str, name: str, *arguments: Any, arrays: Any = None, **options: Any
    ) -> None:
        """Add a layer of Keras, whose variables will have ``arrays``, by attribute."""
        self._made.append(self._make(kind, name, *arguments, **options))
        self._arrays.append((self._made[-1], arrays or {}))

    def join(self, block: Any, name: str, kind: str) -> None:
        """Add the branches of a block, which end in a layer of Keras."""
        start, made = (self.shape, self.order, self.activation), self._made
        ways, shapes, orders = [], [], []
        for stack in block.stacks:
            self.shape, self.order, self.activation = start
            self._made = []
            for each in stack:
                self.write(each, f"{name}_")
            ways.append(self._made)
            shapes.append(self.shape)
            orders.append(self.order)
        if kind == "Concatenate":
            self.order = channels.beside(orders, [features(each) for each in shapes])
        elif not all(channels.same(orders[0], each) for each in orders):
            raise lacks(name, block, "its branches' numbers lie in different orders")
        self._made = [*made, Block(ways, self._make(kind, f"{name}_{_ENDS[kind]}"))]

    def _make(self, kind: str, name: str, *arguments: Any, **options: Any) -> Any:
        while name in self._names:
            name += "_"
        self._names.add(name)
        return getattr(self.layers, kind)(*arguments, name=name, dtype=self.dtype, **options)

    def by_feature(self, values: Array) -> Array:
        """Parameters of a vector's numbers as they lie in Keras."""
        if self.order is None:
            return values
        moved = np.empty_like(values)
        moved[self.order] = values
        return moved

    def model(self) -> Any:
        """The model that was written."""
        if self.order is not None:
            raise NotImplementedError(
                "model: expected a Dense layer behind the Flatten of images, whose numbers lie in another "
                "order in Keras; got outputs that are such numbers"
            )
        if any(isinstance(each, Block) for each in self._made):
            made = self._keras.Model(self._input, _called(self._made, self._input))
        else:
            made = self._keras.Sequential([self._input, *self._made])
        for layer, arrays in self._arrays:
            for path, array in arrays.items():
                _variable(layer, path).assign(np.ascontiguousarray(array))
        return made


def _variable(layer: Any, path: str) -> Any:
    for name in path.split("."):
        layer = getattr(layer, name)
    return layer
