"""The flat vectors that hold a model's parameters, gradients and optimizer state.

Every parameter is a segment of one vector, padded with zeros to whole cache lines, and is stored with
its last index slowest (Fortran order): then a matrix product needs no transposition in the forward pass,
and the users' shapes are PyTorch's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vgcore.layers.base import Layer, Parameter

Array = NDArray[Any]
_LINE = 16  # elements: a cache line of float32, two of float64


class Layout:
    """Where each parameter of a list of layers lies in a flat vector.

    Attributes
    ----------
    names : list of str
        "dense1.weight", ...
    offsets : list of list of int
        First element of each parameter of each layer.
    size : int
        Elements of the vector, padding included.
    count : int
        Elements of the parameters alone.
    """

    def __init__(self, layers: list[Layer], parameters: list[list[Parameter]]) -> None:
        self.names: list[str] = []
        self.offsets: list[list[int]] = []
        self._shapes: list[tuple[int, ...]] = []
        self._starts: list[int] = []
        self._columns: list[tuple[list[int], list[int]]] = []  # of each layer: weights, biases
        self.size = self.count = 0
        for layer, mine in zip(layers, parameters, strict=True):
            self.offsets.append([])
            self._columns.append(([], []))
            for parameter in mine:
                self.names.append(f"{layer.name}.{parameter.name}")
                self._columns[-1][parameter.name.startswith("bias")].append(len(self._starts))
                self.offsets[-1].append(self.size)
                self._starts.append(self.size)
                self._shapes.append(parameter.shape)
                elements = math.prod(parameter.shape)
                self.count += elements
                self.size += -(-elements // _LINE) * _LINE

    def vector(self, dtype: DTypeLike) -> Array:
        """A vector of zeros of this layout that begins at a cache line."""
        itemsize = np.dtype(dtype).itemsize
        buffer = np.zeros(self.size * itemsize + 64, np.uint8)
        start = -buffer.ctypes.data % 64
        return buffer[start : start + self.size * itemsize].view(dtype)

    def views(self, vector: Array) -> dict[str, Array]:
        """Each parameter's values in ``vector``, by name."""
        return {
            name: vector[start : start + math.prod(shape)].reshape(shape, order="F")
            for name, start, shape in zip(self.names, self._starts, self._shapes, strict=True)
        }

    def copies(self, vector: Array) -> dict[str, Array]:
        """Each parameter's values in C order, by name."""
        return {name: np.array(view, order="C") for name, view in self.views(vector).items()}

    def layer_norms(self, norms: Array) -> Array:
        """Join the norms of parameters into those of layers.

        norms (S, parameters, 3): of value, gradient and update. Returns (S, layers, 4): of the weights'
        gradient, the biases' gradient, the weights, the weights' update; NaN where there are none.
        """
        joined = np.full((len(norms), len(self._columns), 4), np.nan)
        for layer, (weights, biases) in enumerate(self._columns):
            if weights:
                value, gradient, update = np.hypot.reduce(norms[:, weights], axis=1).T
                joined[:, layer, 0] = gradient
                joined[:, layer, 2] = value
                joined[:, layer, 3] = update
            if biases:
                joined[:, layer, 1] = np.hypot.reduce(norms[:, biases, 1], axis=1)
        return joined
