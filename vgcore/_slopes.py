"""The steepest slope of an activation, and its kinks: found by looking, for a formula does not tell."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore._core import kernels
from vgcore._core.function import ActivationFunction

_NEAR, _STEP = 32.0, 1 / 128  # evenly: where pre-activations are
_SMALLEST, _LARGEST = 1e-12, 1e12  # in equal ratios: how it ends, and what it does at 0
_RATIOS = 4  # to a power of two
_PIECES = 16  # of an interval that is looked at more closely
_GROWTH = 1.001  # of the steepest slope from one look to the next, from which it has no bound
_RESOLUTION = 1e-12
_HALVINGS = 32  # of an interval
_NOISE = 1e-9  # of the largest value or slope

Array = NDArray[Any]


class Survey(NamedTuple):
    """``steepest``: the largest abs f', NaN where it has no bound; ``kinks``: where f' or f jumps."""

    steepest: float
    kinks: tuple[float, ...]


def survey(function: ActivationFunction) -> Survey:
    """Look at an activation from -1e12 to 1e12. A slope that is not finite is not looked at."""
    octaves = math.log2(_LARGEST / _SMALLEST)
    far = np.geomspace(_SMALLEST, _LARGEST, round(octaves) * _RATIOS)
    z = np.unique(np.concatenate([-far, far, np.arange(-_NEAR, _NEAR + _STEP, _STEP)]))
    return Survey(_steepest(function, z), _kinks(function, z))


def evaluate(function: ActivationFunction, z: Array) -> tuple[Array, Array]:
    """f(z) and f'(z)."""
    x, f, slope = (kernels.matrix(1, z.size, np.float64) for _ in range(3))
    x[0], slope[0] = z.ravel(), 1
    kernels.activation(f, x, function)
    kernels.activation_backward(slope, f, x, function)
    return f[0].reshape(z.shape), slope[0].reshape(z.shape)


def _steepness(function: ActivationFunction, z: Array) -> Array:
    slope = np.abs(evaluate(function, z)[1])
    return np.where(np.isnan(slope), 0, slope)


def _steepest(function: ActivationFunction, z: Array) -> float:
    """The largest of the samples, and of ever more between the neighbours of the largest near 0."""
    steepness = _steepness(function, z)
    sampled = float(steepness.max())
    middle = float(steepness[np.abs(z) < math.sqrt(_LARGEST)].max())
    if sampled > _GROWTH * middle or not math.isfinite(sampled):
        return math.nan
    z = z[np.abs(z) <= _NEAR]
    steepness, width = _steepness(function, z), math.inf
    while width > _RESOLUTION:
        at, before = int(steepness.argmax()), steepness.max()
        low, high = z[max(at - 1, 0)], z[min(at + 1, len(z) - 1)]
        z, width = np.linspace(low, high, 2 * _PIECES + 1), high - low
        steepness = _steepness(function, z)
    still_grows = steepness.max() > _GROWTH * before
    return math.nan if still_grows else max(sampled, float(steepness.max()))


def _kinks(function: ActivationFunction, z: Array) -> tuple[float, ...]:
    """Where f or f' changes over one interval as it does over none beside, however often that is halved."""
    z = z[np.abs(z) <= _NEAR]
    sizes = [np.nan_to_num(np.abs(values), posinf=0) for values in evaluate(function, z)]
    changes = _changes(function, z[:-1], z[1:])
    beside = np.pad(changes, [(0, 0), (2, 2)], mode="edge")
    beside = np.maximum(beside[:, :-4], beside[:, 4:])
    noise = np.array([[_NOISE * size.max()] for size in sizes])
    odd = changes / 8 > beside / 2 + noise / 8  # as halves, for 4 * beside may be no float
    bar = np.where(odd, changes / 4, np.inf)
    low, high = z[:-1], z[1:]
    for _ in range(_HALVINGS):
        if not len(low):
            break
        odd = (_changes(function, low, high) > bar).any(axis=0)
        low, high, bar = low[odd], high[odd], bar[:, odd]
        middle = low + (high - low) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        bar = np.concatenate([bar, bar], axis=1)
    found = np.unique(np.round(low, 10))
    return tuple(float(x) for x in found + 0.0)


def _changes(function: ActivationFunction, low: Array, high: Array) -> Array:
    """Of value and of slope, from one to the other."""
    values = np.stack(evaluate(function, np.stack([low, high])))
    with np.errstate(invalid="ignore", over="ignore"):
        changes: Array = np.nan_to_num(np.abs(values[:, 1] - values[:, 0]), posinf=0)
    return changes
