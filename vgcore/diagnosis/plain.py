"""A plain network for any data: what a network that learns reaches at least."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.evidence import Samples
from vgcore.diagnosis.preparation import ScaleInputs, ScaleTargets, Step
from vgcore.diagnosis.targets import Kind
from vgcore.layers import GRU, Conv2d, Dense, Embedding, Flatten
from vgcore.layers.base import Layer
from vgcore.model import Sequential
from vgcore.optimizers import Adam

Array = NDArray[Any]

_UNITS = 64
_RATE, _RATE_IN_TIME = 3e-3, 1e-2

OUTPUTS: dict[Kind, tuple[str, str]] = {
    "labels": ("softmax", "sparse_categorical_crossentropy"),
    "one_hot": ("softmax", "categorical_crossentropy"),
    "probabilities": ("softmax", "categorical_crossentropy"),
    "binary": ("sigmoid", "binary_crossentropy"),
    "multilabel": ("sigmoid", "multilabel_crossentropy"),
    "numbers": ("identity", "mse"),
}
"""The output's activation and the loss that targets ask for (Bishop 1995, chapter 6)."""


@dataclass(frozen=True)
class Plain:
    """A plain network, the samples as it is fed with them, and what its outputs are in their units."""

    model: Sequential
    samples: Samples
    scaling: Step = field(default_factory=Step)


def plain_network(samples: Samples) -> Plain | None:
    """Two hidden layers of 64 ReLUs from He starts (of sequences a GRU of 64 units and one such layer),
    inputs and targets that are numbers standardised, the output and loss that the targets ask for, Adam
    at 0.003.

    Of images whose targets are images, convolutions. None where targets have a shape that it cannot have.
    """
    x, y = samples.x, samples.y
    in_time = x.ndim == 3 or (x.dtype.kind in "iu" and x.ndim == 2)
    every_step = in_time and y.ndim == (2 if samples.sparse else 3)
    if x.ndim == 4 and y.ndim == 4 and x.shape[2:] == y.shape[2:]:
        return _of_images(samples)
    if y.ndim > 2 and not every_step:
        return None
    units = int(samples.wanted.max()) + 1 if samples.sparse else (1 if y.ndim == 1 else y.shape[-1])
    activation, loss = OUTPUTS[samples.kind]
    layers: list[Layer] = []
    if x.dtype.kind in "iu":
        layers.append(Embedding(int(x.max()) + 1, 16))
        shape: tuple[int | None, ...] = (None,) if in_time else x.shape[1:]
    else:
        x = _standardised(x)
        shape = (None, x.shape[2]) if in_time else x.shape[1:]
    if in_time:
        layers.append(GRU(_UNITS, return_sequences=every_step))
    elif len(shape) > 1:
        layers.append(Flatten())
    hidden = [
        Dense(_UNITS, "relu", weight_initializer="he_normal") for _ in range(1 if in_time else 2)
    ]
    model = Sequential(
        [*layers, *hidden, Dense(max(units, 2) if samples.sparse else units, activation)],
        input_shape=shape,
        seed=0,
    )
    model.compile(
        loss,
        Adam(_RATE_IN_TIME if in_time else _RATE),
        ignore_index=samples.ignored,
        clip_norm=1.0,
        on_nonfinite="ignore",
    )
    if y.ndim == 1 and not samples.sparse:
        y = y[:, np.newaxis]
    if samples.kind != "numbers":
        return Plain(model, replace(samples, x=x, y=y))
    scaling = ScaleTargets().fitted(x, samples.outputs, None)
    return Plain(model, replace(samples, x=x, y=scaling.apply(x, y, None)[1]), scaling)


def _of_images(samples: Samples) -> Plain:
    """Of images whose targets are images: two convolutions of 3x3, and one of 1x1."""
    kind = samples.kind
    if kind not in ("numbers", "binary"):  # a convolution's units know nothing of each other
        kind = "multilabel"
    activation, loss = OUTPUTS[kind]
    hidden = [
        Conv2d(_UNITS, 3, "relu", padding=1, weight_initializer="he_normal") for _ in range(2)
    ]
    layers = [*hidden, Conv2d(samples.y.shape[1], 1, activation)]
    model = Sequential(layers, input_shape=samples.x.shape[1:], seed=0)
    model.compile(loss, Adam(_RATE), clip_norm=1.0, on_nonfinite="ignore")
    return Plain(model, replace(samples, x=_standardised(samples.x)))


def _standardised(x: Array) -> Array:
    scaled: Array = ScaleInputs().fitted(x, x, None).apply(x, None, None)[0].astype(np.float32)
    return scaled
