"""Checks of what a model is made of: layers, names, shape, dtype and seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vgcore import _validate
from vgcore.layers.base import Layer, Shape


def layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers, each fit to join a model."""
    if not isinstance(layers, Iterable):
        raise TypeError(f"layers: expected a sequence of layers, got {type(layers).__name__}")
    layers = tuple(layers)
    if not layers:
        raise ValueError("layers: expected at least one layer, got none")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(f"layers: expected layers, got {layer!r} ({type(layer).__name__})")
        if layer.views:
            raise ValueError(f"layers: {layer.name} already belongs to a model; make a new layer")
    parts = [id(part) for layer in layers for part in layer.parts()]
    if len(set(parts)) < len(parts):
        raise ValueError("layers: expected each layer once, got the same one twice")
    return layers


def shape(input_shape: int | Shape) -> Shape:
    """The shape of one sample; the first of several sizes may be None, a number of timesteps."""
    if input_shape == ():
        raise ValueError("input_shape: expected one size or more, got ()")
    if isinstance(input_shape, tuple):
        if len(input_shape) > 3:
            raise ValueError(
                "input_shape: expected (features,), (time, features) or (channels, height, width), got "
                f"{input_shape}"
            )
        time, *rest = input_shape
        first = None if time is None else _validate.integer("input_shape", time, minimum=1)
        return (first, *(_validate.integer("input_shape", n, minimum=1) for n in rest))
    if not isinstance(input_shape, int | np.integer):
        came = f"{input_shape!r} ({type(input_shape).__name__})"
        raise TypeError(f"input_shape: expected an integer or a tuple of them, got {came}")
    return (_validate.integer("input_shape", input_shape, minimum=1),)


def dtype(dtype: Any) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        chosen: np.dtype[Any] = np.dtype(object if dtype is None else dtype)
    except TypeError:
        chosen = np.dtype(object)
    if chosen.name not in ("float32", "float64") or not chosen.isnative:
        raise ValueError(f"dtype: expected float32 or float64, got {dtype!r}")
    return chosen


def generator(seed: Any) -> np.random.Generator:
    """The random generator of a seed."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        expected = "an integer of at least 0, None, or what numpy.random.default_rng takes"
        raise type(error)(f"seed: expected {expected}, got {seed!r}") from error
