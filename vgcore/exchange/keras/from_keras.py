"""Models of Keras 3 as vgcore's, of any of its backends: their layers are read, and their arrays copied."""

from __future__ import annotations

from typing import Any

import numpy as np

from vgcore import _validate
from vgcore.exchange import channels
from vgcore.exchange.keras import readers
from vgcore.exchange.keras.chain import Pending, chain, lacks, values
from vgcore.layers.base import Layer, Shape
from vgcore.model import Sequential

_IMAGES = ("Conv2D", "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
           "SpatialDropout2D", "ZeroPadding2D")  # fmt: skip


def from_keras(model: Any, *, dtype: Any = None) -> Sequential:
    """A model of Keras 3, of any backend, as one of vgcore: the same layers, names and weights.

    Layers must stand one after the other, in a Sequential, in a functional Model, or in such within each
    other. What belongs to training stays behind: optimizer, loss, regularizers, constraints, seeds.

    Parameters
    ----------
    model : keras.Model
        One that is built, so that it has weights.
    dtype : {"float32", "float64"}, optional
        By default that of the weights; float32 of those that have less.

    Returns
    -------
    Sequential
        Images are (channels, height, width) here whatever they are there: ``x.transpose(0, 3, 1, 2)`` makes
        them of channels last. What a `Flatten` of images gives is in another order then, and so are the
        columns of the weight behind it.

    Raises
    ------
    NotImplementedError
        If a layer or an option has no counterpart here: it is named, and what it lacks.
    TypeError, ValueError
        If it is no model of Keras, or one that is not built.

    Notes
    -----
    Keras keeps one bias of an LSTM and an RNN where there are two here: ``bias_hh`` is 0. Each gets the
    gradient of the sum, so that training moves it as Keras would with twice the learning rate; a ``frozen``
    parameter there is none of. Running variances of a BatchNorm are of unbiased ones here.
    """
    layers = chain(model)
    reading = Reading(layers, model.input_shape[1:])
    for layer in layers:
        reading.read(layer)
    return reading.model(dtype)


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
    """

    def __init__(self, layers: list[Any], input_shape: tuple[Any, ...]) -> None:
        kinds = [each for each in layers if type(each).__name__ in _IMAGES]
        formats = {each.data_format for each in kinds}
        if len(formats) > 1:
            raise lacks(kinds[0], "layers of one model must have one data_format")
        self.last = formats != {"channels_first"}
        self.shape: Shape = channels.moved_first(input_shape) if self.last else input_shape
        self.input_shape = self.shape
        self.order: channels.Order | None = None
        self.pending: Pending | None = None
        self.read_layers: list[tuple[Layer, dict[str, Any]]] = []
        self.names: set[str] = set()
        self.dtypes = {each.variable_dtype for each in layers}

    def read(self, layer: Any) -> None:
        """Read one layer of Keras."""
        kind = type(layer).__name__
        reader = readers.READERS.get(kind)
        if reader is None or not type(layer).__module__.startswith("keras."):
            raise lacks(layer, f"vgcore has no counterpart of {type(layer).__module__}.{kind}")
        if getattr(layer, "quantization_mode", None):
            raise lacks(layer, "vgcore has no quantized weights")
        if self.pending is not None:
            self.pending.check(kind)
        try:
            reader(self, layer)
        except (ValueError, TypeError) as error:
            raise lacks(layer, str(error)) from error

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
        given = {
            name: value if isinstance(value, np.ndarray) else values(value)
            for name, value in parameters.items()
            if value is not None
        }
        self.read_layers.append((layer, given))

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
        if not self.read_layers:
            raise NotImplementedError("model: expected at least one layer that does something")
        if dtype is None:
            dtype = "float64" if "float64" in self.dtypes else "float32"
        chosen = _validate.real_dtype("dtype", dtype)
        layers = [layer for layer, _ in self.read_layers]
        model = Sequential(layers, input_shape=self.input_shape, dtype=chosen)
        model.load_state_dict(
            {
                f"{layer.name}.{name}": array
                for layer, arrays in self.read_layers
                for name, array in arrays.items()
            }
        )
        return model
