"""vgcore's models as those of Keras 3, in whatever backend it runs."""

from __future__ import annotations

from typing import Any

from vgcore import _extras, _validate
from vgcore.exchange.keras import cells, writers
from vgcore.exchange.keras.writing import Writing
from vgcore.model import Sequential


def to_keras(model: Sequential) -> Any:
    """A model of vgcore as one of Keras: the same layers, names and weights, in the same dtype.

    Parameters
    ----------
    model : Sequential

    Returns
    -------
    keras.Sequential, or keras.Model if there is a Residual or Parallel
        Built, and not compiled; in the backend that Keras runs. Images are (height, width, channels) there:
        ``x.transpose(0, 2, 3, 1)`` makes them of vgcore's. A layer of vgcore may be several there: an
        activation that Keras has as a layer, a padding, each of ``num_layers``. Those of a block "b" are
        "b_dense1" and so on, and its end "b_add" or "b_concat".

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
    writing = Writing(keras, model, writers.WRITERS | cells.WRITERS)
    for layer in model.layers:
        writing.write(layer)
    return writing.model()
