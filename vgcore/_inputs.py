"""Turns what users pass as data into what the engine may read; the only way in.

Every function returns a C-contiguous array of the engine's dtype, copying only if it must, or raises
before anything is changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from vgcore._core import arrays
from vgcore.losses import Loss

Array = NDArray[Any]


def numbers(argument: str, value: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Finite numbers of shape (n, *shape), n >= 1, as ``dtype``."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{argument}: expected real numbers, got dtype {array.dtype}")
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        wanted = f"(n, {', '.join(map(str, shape))})"
        hint = ""
        if array.shape == shape:
            hint = f"; a single sample is {argument}[np.newaxis]"
        raise ValueError(f"{argument}: expected shape {wanted}, got {array.shape}{hint}")
    if len(array) == 0:
        raise ValueError(f"{argument}: expected at least one sample, got shape {array.shape}")
    if array.dtype != dtype or not array.flags.c_contiguous:
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, dtype=dtype)
    if not arrays.all_finite(array):
        bad = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(
            f"{argument}: expected finite {array.dtype} numbers, got {array[tuple(bad)]} "
            f"at {argument}[{', '.join(map(str, bad))}]"
        )
    return array


def labels(argument: str, value: ArrayLike, samples: int, classes: int) -> Array:
    """Integer labels (samples,) in [0, classes) as int64; (samples, 1) is taken as (samples,)."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{argument}: expected integer class labels, got dtype {array.dtype}")
    if array.shape == (samples, 1):
        array = array[:, 0]
    if array.shape != (samples,):
        raise ValueError(
            f"{argument}: expected class labels of shape ({samples},), got {array.shape}"
        )
    array = np.ascontiguousarray(array, dtype=np.int64)
    low, high = arrays.label_range(array)
    if low < 0 or high >= classes:
        raise ValueError(
            f"{argument}: expected labels in 0 .. {classes - 1} (the output layer has {classes} "
            f"units), got {low if low < 0 else high}"
        )
    return array


def targets(
    argument: str, value: ArrayLike, samples: int, units: int, loss: Loss, dtype: DTypeLike
) -> Array:
    """The targets that ``loss`` asks for: labels, or (samples, units) numbers."""
    if loss.sparse:
        return labels(argument, value, samples, units)
    array = np.asarray(value)
    if array.ndim == 1 and units == 1:
        array = array[:, np.newaxis]
    if array.ndim == 1 and loss.categorical:
        raise ValueError(
            f"{argument}: {loss.name} expects targets of shape ({samples}, {units}), got "
            f"{array.shape}; for integer labels use sparse_categorical_crossentropy"
        )
    array = numbers(argument, array, (units,), dtype)
    if len(array) != samples:
        raise ValueError(
            f"{argument}: expected as many rows as x has samples ({samples}), got {len(array)}"
        )
    if loss.probabilities and (array.min() < 0 or array.max() > 1):
        raise ValueError(
            f"{argument}: {loss.name} expects targets in [0, 1], got values from "
            f"{array.min():g} to {array.max():g}"
        )
    return array
