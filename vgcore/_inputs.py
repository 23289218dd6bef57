"""Turns what users pass as data into what the engine may read; the only way in.

Every function returns an array of the engine's dtype, C-contiguous, or raises before anything is changed.
Numbers are copied only if they must be; labels always.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from vgcore import _validate
from vgcore._core import arrays
from vgcore.losses import Loss

Array = NDArray[Any]


def numbers(argument: str, value: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Finite numbers of shape (n, *shape), n >= 1, as ``dtype``."""
    given = _validate.array(argument, value)
    if given.ndim != len(shape) + 1 or given.shape[1:] != shape:
        if given.dtype.kind not in "fiub":
            raise TypeError(f"{argument}: expected real numbers, got dtype {given.dtype}")
        wanted = f"(n, {', '.join(map(str, shape))})"
        hint = f"; a single sample is {argument}[np.newaxis]" if given.shape == shape else ""
        raise ValueError(f"{argument}: expected shape {wanted}, got {given.shape}{hint}")
    if len(given) == 0:
        raise ValueError(f"{argument}: expected at least one sample, got shape {given.shape}")
    return _validate.finite(argument, given, dtype)


def labels(argument: str, value: ArrayLike, samples: int, classes: int) -> Array:
    """Integer labels (samples,) in [0, classes) as int64; (samples, 1) is taken as (samples,).

    Always a copy: a label that the caller changes later must not become an index of the engine's.
    """
    given = _validate.array(argument, value)
    if given.dtype.kind not in "iu":
        raise TypeError(f"{argument}: expected integer class labels, got dtype {given.dtype}")
    if given.shape == (samples, 1):
        given = given[:, 0]
    if given.shape != (samples,):
        raise ValueError(
            f"{argument}: expected class labels of shape ({samples},), got {given.shape}"
        )
    given = np.array(given, dtype=np.int64, order="C")
    low, high = arrays.label_range(given)
    if low < 0 or high >= classes:
        raise ValueError(
            f"{argument}: expected labels in 0 .. {classes - 1} (the output layer has {classes} "
            f"units), got {low if low < 0 else high}"
        )
    return given


def targets(
    argument: str, value: ArrayLike, samples: int, units: int, loss: Loss, dtype: DTypeLike
) -> Array:
    """The targets that ``loss`` asks for: labels, or (samples, units) numbers."""
    if loss.sparse:
        return labels(argument, value, samples, units)
    given = _validate.array(argument, value)
    if given.ndim == 1 and units == 1:
        given = given[:, np.newaxis]
    if given.ndim == 1 and loss.categorical:
        raise ValueError(
            f"{argument}: {loss.name} expects targets of shape ({samples}, {units}), got "
            f"{given.shape}; for integer labels use sparse_categorical_crossentropy"
        )
    given = numbers(argument, given, (units,), dtype)
    if len(given) != samples:
        raise ValueError(
            f"{argument}: expected as many rows as x has samples ({samples}), got {len(given)}"
        )
    if loss.probabilities and (given.min() < 0 or given.max() > 1):
        raise ValueError(
            f"{argument}: {loss.name} expects targets in [0, 1], got values from "
            f"{given.min():g} to {given.max():g}"
        )
    return given
