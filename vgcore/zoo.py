"""Networks of the literature, ready to compile: deep residual networks, and the same without the skips.

He, Zhang, Ren and Sun 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), section
4.2: a 3 x 3 convolution, three stages of 2n convolutions with 16, 32 and 64 filters, the first of the second
and of the third with stride 2, global average pooling and a dense layer: 6n + 2 layers. Every convolution is
followed by batch normalisation. The skips are identities; where a stage begins they take every second
place, and zeros for the new channels (option A), so `resnet` and `plain` have the same parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vgcore import _validate, initializers
from vgcore.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    GlobalAvgPool,
    Layer,
    Residual,
    Subsample,
)
from vgcore.model import Sequential

__all__ = [
    "plain",
    "resnet",
]

_STAGES = 3


def resnet(
    depth: int = 20,
    *,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    width: int = 16,
    dtype: Any = "float32",
    seed: Any = None,
) -> Sequential:
    """A residual network of ``depth`` layers with weights.

    Parameters
    ----------
    depth : int
        6n + 2: the paper's are 20, 32, 44, 56 and 110.
    input_shape : tuple of int
        (channels, height, width) of an image.
    classes : int, >= 1
    width : int, >= 1
        Filters of the first stage; each further one has twice as many.
    dtype, seed
        As `Sequential` takes them.

    Returns
    -------
    Sequential
        To be compiled with ``"sparse_categorical_crossentropy"``; weights start as He's (arXiv
        1502.01852).

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """
    return _network(depth, input_shape, classes, width, dtype, seed, skips=True)


def plain(
    depth: int = 20,
    *,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    width: int = 16,
    dtype: Any = "float32",
    seed: Any = None,
) -> Sequential:
    """The network that `resnet` makes of the same arguments, without its skips."""
    return _network(depth, input_shape, classes, width, dtype, seed, skips=False)


def _network(
    depth: int,
    input_shape: tuple[int, int, int],
    classes: int,
    width: int,
    dtype: Any,
    seed: Any,
    *,
    skips: bool,
) -> Sequential:
    depth = _validate.integer("depth", depth, minimum=8)
    if (depth - 2) % (2 * _STAGES):
        raise ValueError(f"depth: expected 6 n + 2, as 20, 32, 44, 56 or 110, got {depth}")
    classes = _validate.integer("classes", classes, minimum=1)
    width = _validate.integer("width", width, minimum=1)
    if not isinstance(input_shape, tuple) or len(input_shape) != 3:
        raise ValueError(f"input_shape: expected (channels, height, width), got {input_shape!r}")
    layers: list[Layer] = [_convolution(width), BatchNorm("relu")]
    for filters, stride in _pairs(depth, width):
        body = [
            _convolution(filters, stride),
            BatchNorm("relu"),
            _convolution(filters),
            BatchNorm(None if skips else "relu"),
        ]
        skip = [Subsample(filters, stride)] if stride > 1 else []
        layers += [Residual(body, shortcut=skip, activation="relu")] if skips else body
    layers += [GlobalAvgPool(), Dense(classes, "softmax")]
    return Sequential(layers, input_shape=input_shape, dtype=dtype, seed=seed)


def _pairs(depth: int, width: int) -> Iterator[tuple[int, int]]:
    """Filters and first stride of each pair of convolutions."""
    for stage in range(_STAGES):
        for pair in range((depth - 2) // (2 * _STAGES)):
            yield width * 2**stage, 2 if stage > 0 and pair == 0 else 1


def _convolution(filters: int, stride: int = 1) -> Conv2d:
    start = initializers.get("he_normal", "relu")
    return Conv2d(filters, 3, stride=stride, padding=1, use_bias=False, weight_initializer=start)


def __dir__() -> list[str]:
    """What users look for."""
    return __all__
