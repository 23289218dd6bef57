"""Models of Keras 3 as vgcore's, of any of its backends: their layers are read, and their arrays copied."""

from __future__ import annotations

from typing import Any

from vgcore.exchange.keras.graph import Graph, check, lacks, layers_of
from vgcore.exchange.keras.readers import READERS
from vgcore.exchange.keras.reading import Reading
from vgcore.model import Sequential


def from_keras(model: Any, *, dtype: Any = None) -> Sequential:
    """A model of Keras 3, of any backend, as one of vgcore: the same layers, names and weights.

    Layers stand one after the other, in a Sequential, in a functional Model, or in such within each other;
    branches begin at one value and end in one Add or Concatenate, which is a `Residual` or `Parallel` here,
    called by what all names in it begin with: "conv2_block1" of "conv2_block1_1_conv". What belongs to
    training stays behind: optimizer, loss, regularizers, constraints, seeds.

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
    check(model)
    graph = Graph(model)
    shape = model.input_shape
    if not isinstance(shape, tuple) or any(isinstance(size, tuple) for size in shape):
        raise lacks(model, "a model has one input here")
    reading = Reading([*layers_of(model)], shape[1:], READERS)
    reading.follow(graph, graph.start, graph.end)
    return reading.model(dtype)
