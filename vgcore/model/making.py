"""Checks of what a model is made of: layers, names, shape, dtype and seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vgcore import _validate
from vgcore.layers.base import Layer, Shape, check_once, joining

ONE_INPUT = (
    "a model has one input; several may stand side by side in it: np.concatenate(inputs, axis=-1)"
)


def layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers, each fit to join a model."""
    joined = joining("layers", layers)
    if not joined:
        raise ValueError("layers: expected at least one layer, got none")
    check_once(joined)
    return joined


def shape(input_shape: int | Shape) -> Shape:
    """The shape of one sample; the first of several sizes may be None, a number of timesteps."""
    if _several(input_shape):
        raise TypeError(
            f"input_shape: expected the shape of one input, got {input_shape!r}; {ONE_INPUT}"
        )
    if isinstance(input_shape, tuple):
        if not 1 <= len(input_shape) <= 3:
            raise ValueError(
                "input_shape: expected (features,), (time, features) or (channels, height, width), got "
                f"{input_shape}"
            )
        time, *rest = input_shape
        first = None if time is None else _validate.integer("input_shape", time, minimum=1)
        sizes = (first, *(_validate.integer("input_shape", n, minimum=1) for n in rest))
        check_size("input_shape: expected samples", sizes)
        return sizes
    if not isinstance(input_shape, int | np.integer):
        came = f"{input_shape!r} ({type(input_shape).__name__})"
        raise TypeError(f"input_shape: expected an integer or a tuple of them, got {came}")
    return (_validate.integer("input_shape", input_shape, minimum=1),)


def _several(input_shape: Any) -> bool:
    """Whether these are shapes of several inputs."""
    if isinstance(input_shape, Mapping):
        return True
    listed = isinstance(input_shape, list | tuple)
    return listed and any(isinstance(each, list | tuple) for each in input_shape)


def check_size(expected: str, shape: Shape) -> None:
    """Raise if a vector or image has more numbers, or a sequence more timesteps, than the engine counts."""
    numbers = math.prod(size or 1 for size in (shape[:1] if len(shape) == 2 else shape))
    if numbers >= 2**31:
        raise ValueError(f"{expected} of fewer than {2**31:,} numbers or timesteps, got {shape}")


def generator(seed: Any) -> np.random.Generator:
    """The random generator of a seed."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        expected = "an integer of at least 0, None, or what numpy.random.default_rng takes"
        raise type(error)(f"seed: expected {expected}, got {seed!r}") from error
