"""The flat vectors that hold a model's parameters, gradients and optimizer state.

Every parameter is a segment of one vector, padded with zeros to whole cache lines, and is stored with
its last index slowest (Fortran order): then a matrix product needs no transposition in the forward pass,
and the users' shapes are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vgcore import _validate
from vgcore._settings import Sealed
from vgcore.flow import Declaration, Walk
from vgcore.layers.base import Layer, Parameter

Array = NDArray[Any]
_JOINED = {
    "weight": ((0, 1), (2, 0), (3, 2), (4, 3)),
    "bias": ((1, 1), (5, 3)),
}  # see `layer_norms`
_LINE = 16  # elements: a cache line of float32, two of float64


def walks_of(layers: Iterable[Layer]) -> dict[str, Walk]:
    """The walks through time that a flow has columns for, by name."""
    return {
        f"{layer.name}{walk.suffix}": Walk(walk.gates, "c" in walk.states)
        for layer in layers
        for walk in layer.walks()
    }


class Layout(Sealed):
    """Where each parameter of a list of layers lies in a flat vector; read-only.

    Attributes
    ----------
    names : tuple of str
        "dense1.weight", ...
    operations : tuple of int
        The operation of each parameter.
    offsets : tuple of tuple of int
        First element of each parameter of each operation of each layer.
    columns : tuple of str
        Names of the operations that are recorded: of the layers, or of their directions.
    shown : tuple of int
        Which of the operations these are.
    branches : dict of int to int
        The operation that tells what the branches of a column's block bring.
    slopeless : tuple of int
        Columns whose outputs have no slopes of their own.
    gates : dict of str to tuple of str
        Names of the gates of a column that has some.
    declared : Declaration
        The columns and the walks through time that a flow has.
    backwards : frozenset of str
        Those of the walks that go from the last timestep to the first.
    trained : tuple of str
        Names of the parameters that are trained.
    is_trained : ndarray of bool
        The same, of each parameter.
    layers : dict of str to tuple of int
        The operations with parameters that are trained, of each layer and each block.
    size : int
        Elements of the vector, padding included.
    count : int
        Elements of the parameters alone.
    """

    def __init__(self, layers: Sequence[Layer], parameters: list[list[Parameter]]) -> None:
        self._names: list[str] = []
        self._operations: list[int] = []
        self._columns: dict[str, int] = {}  # the operation of each
        self._branches: dict[int, int] = {}
        self._slopeless: list[int] = []
        self._gates: dict[str, tuple[str, ...]] = {}
        self._layers: dict[str, tuple[int, ...]] = {}
        self._offsets: list[list[int]] = []
        self._parameters: list[Parameter] = []
        self._starts: list[int] = []
        self._kinds: list[dict[str, list[int]]] = []  # of each operation: weights, biases
        self.size = 0
        for layer, mine in zip(layers, parameters, strict=True):
            first = len(self._offsets)
            self._add_columns(layer)
            for parameter in mine:
                self._add(f"{layer.name}.{parameter.name}", parameter, first + parameter.operation)
        trained = [each.trained for each in self._parameters]
        self.names, self.operations = tuple(self._names), tuple(self._operations)
        self.offsets = tuple(map(tuple, self._offsets))
        self.columns, self.shown = tuple(self._columns), tuple(self._columns.values())
        self.branches, self.layers = (
            MappingProxyType(self._branches),
            MappingProxyType(self._layers),
        )
        self.slopeless, self.gates = tuple(self._slopeless), MappingProxyType(self._gates)
        self.trained = tuple(compress(self._names, trained))
        self.is_trained = np.array(trained, bool)
        self._joined = tuple(self._to_join())
        self.declared = Declaration(self.columns, walks_of(layers))
        self.backwards = frozenset(
            f"{layer.name}{walk.suffix}"
            for layer in layers
            for walk in layer.walks()
            if walk.reverse
        )
        self.count = sum(math.prod(each.shape) for each in compress(self._parameters, trained))

    def _add_columns(self, layer: Layer) -> None:
        telling: dict[str, int] = {}
        for column in layer.columns():
            name, operation = f"{layer.name}{column.suffix}", len(self._offsets)
            if column.shown:
                if not column.slopes:
                    self._slopeless.append(len(self._columns))
                if column.branches or name in telling:
                    self._branches[len(self._columns)] = telling.get(name, operation)
                self._columns[name] = operation
                if column.gates:
                    self._gates[name] = column.gates
            else:
                telling[name] = operation
            self._offsets.append([])
            self._kinds.append({"weight": [], "bias": []})

    def _add(self, name: str, parameter: Parameter, operation: int) -> None:
        kind = parameter.name.rpartition(".")[2].partition("_")[0]
        self._kinds[operation].setdefault(kind, []).append(len(self._starts))
        self._offsets[operation].append(self.size)
        self._names.append(name)
        self._operations.append(operation)
        self._starts.append(self.size)
        self._parameters.append(parameter)
        if parameter.trained:
            self._add_to_layers(name, operation)
        self.size += -(-math.prod(parameter.shape) // _LINE) * _LINE

    def _to_join(self) -> Iterator[tuple[str, Array, Array]]:
        """Parameters of a kind whose norms are joined to a column's: (columns,), (as many, columns)."""
        for kind in _JOINED:
            of_columns = [self._kinds[operation][kind] for operation in self.shown]
            for many in {len(parameters) for parameters in of_columns} - {0}:
                columns = [place for place, mine in enumerate(of_columns) if len(mine) == many]
                yield kind, np.array(columns), np.array([of_columns[place] for place in columns]).T

    def _add_to_layers(self, name: str, operation: int) -> None:
        """Note that "block.layer.weight" is of an operation of "block" and of "block.layer"."""
        while "." in name:
            name = name.rpartition(".")[0]
            operations = self._layers.get(name, ())
            if operation not in operations:
                self._layers[name] = (*operations, operation)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter, by name."""
        return {name: p.shape for name, p in zip(self.names, self._parameters, strict=True)}

    @property
    def vectors(self) -> frozenset[int]:
        """First elements of the parameters that are no weights of products: of one axis, such as biases."""
        placed = zip(self._starts, self._parameters, strict=True)
        return frozenset(start for start, parameter in placed if len(parameter.shape) < 2)

    @property
    def weights(self) -> frozenset[int]:
        """First elements of the parameters whose norms are those of a column's weights."""
        shown = (self._kinds[operation]["weight"] for operation in self.shown)
        return frozenset(self._starts[place] for mine in shown for place in mine)

    @property
    def not_negative(self) -> set[str]:
        """Names of the parameters that are never below 0."""
        named = zip(self.names, self._parameters, strict=True)
        return {name for name, parameter in named if not parameter.negative}

    def vector(self, dtype: DTypeLike) -> Array:
        """A vector of zeros of this layout that begins at a cache line."""
        itemsize = np.dtype(dtype).itemsize
        _validate.fits("layers", self.size, itemsize)
        buffer = np.zeros(self.size * itemsize + 64, np.uint8)
        start = -buffer.ctypes.data % 64
        return buffer[start : start + self.size * itemsize].view(dtype)

    def views(self, vector: Array) -> dict[str, Array]:
        """Each parameter's values in ``vector``, by name."""
        return {
            name: vector[start : start + math.prod(p.shape)].reshape(p.shape, order=p.order)
            for name, start, p in zip(self.names, self._starts, self._parameters, strict=True)
        }

    def copies(self, vector: Array) -> dict[str, Array]:
        """Each parameter's values in C order, by name."""
        return {name: np.array(view, order="C") for name, view in self.views(vector).items()}

    def layer_norms(self, norms: Array) -> Array:
        """Join the norms of parameters into those of columns.

        norms (S, parameters, 4): of value, gradient, update and treated gradient. Returns (6, S,
        columns): of the weights' gradient, the biases' gradient, the weights, the weights' update, and
        the treated gradients of weights and biases; NaN where there are none.
        """
        joined = np.empty((6, len(norms), len(self.columns)))
        joined.fill(np.nan)
        for kind, columns, parameters in self._joined:
            values = np.hypot.reduce(norms[:, parameters], axis=1)
            for field, norm in _JOINED[kind]:
                joined[field][:, columns] = values[:, :, norm]
        return joined
