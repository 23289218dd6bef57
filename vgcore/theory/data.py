"""How data enter: what comes before the first random weight is no matter of theory, it is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore._slopes import evaluate
from vgcore.layers.activation import Activation
from vgcore.layers.base import Layer, Shape
from vgcore.layers.batchnorm import BatchNorm
from vgcore.layers.dropout import Dropout
from vgcore.layers.embedding import Embedding
from vgcore.layers.noise import GaussianNoise
from vgcore.layers.reshape import Flatten, Reshape
from vgcore.layers.same_shape import SameShape
from vgcore.model.planning import Stack
from vgcore.theory import starts
from vgcore.theory.signal import (
    Course,
    Gradient,
    Length,
    Row,
    Signal,
    outer,
    variance,
    without_diagonal,
)

Array = NDArray[Any]


class Start(NamedTuple):
    """The signal behind the first layers, how many these are, and the way back through them."""

    signal: Signal
    layers: int
    back: Callable[[Gradient], None]


def read(course: Course, stack: Stack, x: Array, paired: int) -> Start:
    """Run the layers before the first random ones on the data themselves."""
    first = stack.layers[0]
    if isinstance(first, Embedding):
        return _embedded(course, first, x, paired)
    done: list[tuple[Layer, Row, float]] = []
    for layer, shape in zip(stack.layers, stack.shapes, strict=False):
        if not _is_plain(layer, shape):
            break
        slope = math.nan
        if isinstance(layer, Activation) and layer.activation.unitwise:
            _, slopes = evaluate(layer.activation.function, x.astype(np.float64))
            slope = np.float64((slopes**2).mean())
        elif isinstance(layer, Flatten | Reshape):
            slope = 1.0
        place = len(done)
        x = (
            _normalised(layer, x)
            if isinstance(layer, BatchNorm)
            else stack.part(place, place + 1).outputs(x)
        )
        row = Row(str(layer.name), x[0].size)
        row.h = Length(float((x.astype(np.float64) ** 2).mean()))
        mean = float(x.mean(dtype=np.float64))
        row.mean, row.spread = (mean, 0.0), Length(max(row.h.square - mean**2, 0.0))
        course.rows.append(row)
        done.append((layer, row, slope))

    def back(gradient: Gradient) -> None:
        """A gradient through data: each number's slope is known, and independent of what comes to it."""
        size = gradient.size
        for layer, row, slope in reversed(done):
            own = slope if isinstance(layer, Activation) and not course.starts else 1.0
            row.delta = Length(size * own, variance(gradient.noise))
            course.starts = False
            size *= slope

    return Start(signal_of(x, paired), len(done), back)


def signal_of(x: Array, paired: int) -> Signal:
    """Data as a signal; of an image (n, channels, height, width) its pixels are places."""
    x = x.astype(np.float64)
    if x.ndim == 4:
        x = x.reshape(*x.shape[:2], -1).swapaxes(1, 2)
    elif x.ndim == 2:
        x = x[:, np.newaxis]
    cross = None
    if paired:
        count, places, units = x[:paired].shape
        rows = x[:paired].reshape(count * places, units)
        cross = (rows @ rows.T / units).reshape(count, places, count, places)
    loose = None if cross is None else np.zeros_like(cross)
    return Signal((x**2).mean(axis=2), x.mean(axis=2), cross, x.shape[2], loose)


def _is_plain(layer: Layer, shape: Shape) -> bool:
    """Whether a layer has nothing random, and no weights."""
    if isinstance(layer, BatchNorm):
        return layer.activation.name == "identity"
    if isinstance(layer, Dropout | GaussianNoise) or layer.members() or layer.walks():
        return False
    return isinstance(layer, SameShape) or not layer.parameters(shape)


def _normalised(layer: BatchNorm, x: Array) -> Array:
    """By the statistics of the batch, as while training."""
    x = x.astype(np.float64)
    axes = (0, 2, 3) if x.ndim == 4 else tuple(range(x.ndim - 1))
    x = x - x.mean(axis=axes, keepdims=True)
    found: Array = x / np.sqrt((x**2).mean(axis=axes, keepdims=True) + layer.epsilon)
    return found


def _embedded(course: Course, layer: Embedding, tokens: Array, paired: int) -> Start:
    """A row of random numbers for each integer; equal integers have equal rows."""
    assert layer.vocabulary is not None
    shape = (layer.vocabulary, layer.units)
    start = starts.of_weight(f"{layer.name}.weight", layer.weight_initializer, shape)
    if not course.trained and layer.padding_idx is None:
        starts.check(f"{layer.name}.weight", start, layer.views["weight"])
    there = np.ones(tokens.shape)
    if layer.padding_idx is not None:
        there = (tokens != layer.padding_idx).astype(np.float64)
    square = start.variance * there
    cross = None
    if paired:
        few = tokens[:paired]
        cross = (
            start.variance * np.equal.outer(few, few) * there[:paired, :, np.newaxis, np.newaxis]
        )
    row = Row(str(layer.name), tokens.shape[1] * layer.units)
    course.rows.append(row)
    own = course.source(2 * course.products(cross, square) / layer.units)
    loose = None if cross is None else without_diagonal(outer(square, paired) / layer.units)
    signal = Signal(
        square, np.zeros_like(square), cross, layer.units, loose, own, normal=True, weights=1,
        drift=course.of_mean(cross, square, np.zeros_like(square), layer.units),
    )  # fmt: skip
    row.h = row.spread = Length(signal.size, variance(own))
    row.mean = 0.0, variance(signal.drift)
    row.weight = start.whole(*shape)

    def back(gradient: Gradient) -> None:
        row.delta = Length(gradient.size, variance(gradient.noise))

    return Start(signal, 1, back)
