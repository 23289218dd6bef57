"""vgcore's models as those of Keras 3, in whatever backend it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _extras, _validate
from vgcore.exchange import channels
from vgcore.exchange.keras import writers
from vgcore.layers.base import Layer, Shape
from vgcore.model import Sequential

Array = NDArray[Any]


def to_keras(model: Sequential) -> Any:
    """A model of vgcore as a keras.Sequential: the same layers, names and weights, in the same dtype.

    Parameters
    ----------
    model : Sequential

    Returns
    -------
    keras.Sequential
        Built, and not compiled; in the backend that Keras runs. Images are (height, width, channels) there:
        ``x.transpose(0, 2, 3, 1)`` makes them of vgcore's. A layer of vgcore may be several there: an
        activation that Keras has as a layer, a padding, each of ``num_layers``.

    Raises
    ------
    NotImplementedError
        If a layer or an option has no counterpart in Keras: it is named, and what Keras lacks.
    TypeError
        If it is no model of vgcore.
    ModuleNotFoundError
        If Keras is not installed.

    Notes
    -----
    Keras keeps one bias of an LSTM and an RNN, and of a GRU with ``reset_after=False``: it gets the sum of
    the two. Initializers, which have done their work, are Keras's own.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a vgcore.Sequential, got {_validate.kind(model)}")
    with _extras.needing("keras", "to_keras needs", besides=" and one of its backends"):
        import keras
    writing = Writing(keras, model)
    for layer in model.layers:
        writing.write(layer)
    return writing.model()


class Writing:
    """What has been written so far.

    Attributes
    ----------
    shape : tuple
        Of a sample where it is written, as vgcore has it.
    order : ndarray or None
        Where the numbers of a vector lie in Keras, if in another order.
    """

    def __init__(self, keras: Any, model: Sequential) -> None:
        self.layers = keras.layers
        self.dtype = model.dtype.name
        self.shape: Shape = model.input_shape
        self.order: channels.Order | None = None
        self.made: list[tuple[Any, dict[str, Array]]] = []
        integers = model.layers[0].vocabulary is not None
        self._keras = keras
        self._input = keras.Input(
            channels.moved_last(model.input_shape), dtype="int32" if integers else self.dtype
        )

    def write(self, layer: Layer, prefix: str = "") -> None:
        """Write a layer, under its name behind a prefix."""
        name = f"{prefix}{layer.name}"
        writer = writers.WRITERS.get(type(layer))
        if writer is None:
            raise writers.lacks(name, layer, "it has no counterpart")
        writer(self, layer, name)
        self.shape = layer.output_shape(self.shape)

    def add(
        self, kind: str, name: str, *arguments: Any, arrays: Any = None, **options: Any
    ) -> None:
        """Add a layer of Keras, whose variables will have ``arrays``, by attribute."""
        made = getattr(self.layers, kind)(*arguments, name=name, dtype=self.dtype, **options)
        self.made.append((made, arrays or {}))

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
        made = self._keras.Sequential([self._input, *(layer for layer, _ in self.made)])
        for layer, arrays in self.made:
            for path, array in arrays.items():
                _variable(layer, path).assign(np.ascontiguousarray(array))
        return made


def _variable(layer: Any, path: str) -> Any:
    for name in path.split("."):
        layer = getattr(layer, name)
    return layer
