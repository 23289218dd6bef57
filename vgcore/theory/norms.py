"""Theory of normalising layers: lengths are set anew, gradients divided by what they were."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.layers.base import features
from vgcore.layers.batchnorm import BatchNorm
from vgcore.layers.groupnorm import GroupNorm
from vgcore.layers.rownorm import LayerNorm, RMSNorm
from vgcore.theory.place import Place, rule
from vgcore.theory.signal import Course, Gradient, Signal, outer, total, with_diagonal
from vgcore.theory.units import Back, activate

Array = NDArray[Any]

_FEW = 8  # channels of a group, below which its mean is none over many
_LEAST = 4  # values that are normalised with each other: of fewer, 1 / variance has no mean
_MOST = 400  # whose covariance is taken apart exactly
_TINY = 1e-300  # so that nothing is divided by 0


@rule(LayerNorm, RMSNorm)
def _row_norm(
    course: Course, layer: LayerNorm | RMSNorm, place: Place, signal: Signal
) -> tuple[Signal, Back]:
    """Row by row: the mean square over many units is E z², and the gradient is divided by it.

    Of what reaches a row's units, mean and component along them are taken out: 2 of N, of `RMSNorm` 1. The
    row's own mean square is off by some in 1/N, and the mean of its inverse by the variance of that, less
    what large outputs and steep slopes have in common.
    """
    centred = isinstance(layer, LayerNorm)
    mean = signal.mean if centred else np.zeros_like(signal.mean)
    inverse = 1 / (signal.square - mean**2 + _epsilon(layer, course))
    left = max(1 - (1 + centred) / signal.units, 0.0) * (1 + signal.rough - signal.tied)
    drift = np.zeros(0)
    if not centred:
        root = float(np.sqrt(inverse).mean())
        drift = root * total(signal.drift, -np.float64(signal.mean.mean()) / 2 * signal.noise)
    return _scaled(course, layer, place, signal, mean, inverse, left, drift)


@rule(GroupNorm)
def _group_norm(
    course: Course, layer: GroupNorm, place: Place, signal: Signal
) -> tuple[Signal, Back]:
    """Of each sample, over all places and many channels."""
    channels = features(place.before) // layer.groups
    if channels < _FEW:
        raise place.refuse(
            f"groups of at least {_FEW} channels, for it takes means over many units; got {channels}"
        )
    mean = np.broadcast_to(signal.mean.mean(axis=1, keepdims=True), signal.mean.shape)
    size = signal.square.mean(axis=1, keepdims=True) - mean**2
    inverse = 1 / (size + _epsilon(layer, course))
    alike = 1.0
    if signal.cross is not None:
        squares = outer(signal.square, len(signal.cross))
        within = np.einsum("apaq->apq", signal.cross**2 / np.maximum(squares, _TINY))
        alike = np.float64(within.mean())
    off = alike * layer.groups * (signal.rough - signal.tied)
    left = (1 - 2 / (channels * signal.square.shape[1])) * (1 + off)
    return _scaled(course, layer, place, signal, mean, inverse, left, np.zeros(0))


def _epsilon(layer: Any, course: Course) -> float:
    return course.resolution if layer.epsilon is None else float(layer.epsilon)


def _scaled(
    course: Course,
    layer: LayerNorm | RMSNorm | GroupNorm,
    place: Place,
    signal: Signal,
    mean: Array,
    inverse: Array,
    left: float,
    drift: Array,
) -> tuple[Signal, Back]:
    """Each row less its ``mean``, and times the root of ``inverse``; ``left`` of a gradient comes through.

    What draws of z's length differ by is gone, but for the share that epsilon has in what is divided by.
    """
    root = np.sqrt(inverse)
    square = (signal.square - 2 * mean * signal.mean + mean**2) * inverse
    cross = pairs = None
    if signal.cross is not None:
        count = len(signal.cross)
        pairs = outer(root, count)
        both = np.multiply.outer(signal.mean[:count], mean[:count])
        both = both + np.multiply.outer(mean[:count], signal.mean[:count]) - outer(mean, count)
        cross = with_diagonal((signal.cross - both) * pairs, square)
    normal = replace(
        signal,
        square=square,
        mean=(signal.mean - mean) * root,
        cross=cross,
        loose=None if signal.loose is None or pairs is None else signal.loose * pairs**2,
        noise=_epsilon(layer, course) * float(inverse.mean()) * signal.noise,
        drift=drift,
        rough=0.0,
        tied=0.0,
        fourth=-2 / (signal.units + 2) if signal.normal else 0.0,
    )
    row = place.row(course)
    h, of_units = activate(course, row, normal, layer.activation, place.last)

    def back(gradient: Gradient) -> Gradient:
        delta = of_units(gradient)
        noise = total(delta.noise, -signal.noise)
        return delta.times(left * inverse, None if pairs is None else left * pairs, noise)

    return h, back


@rule(BatchNorm)
def _batch_norm(
    course: Course, layer: BatchNorm, place: Place, signal: Signal
) -> tuple[Signal, Back]:
    """Over the rows of a minibatch, unit by unit (Yang et al. 2019, arXiv:1902.08129).

    A unit's z over R rows is normal with the rows' covariance K, and centred with S = G K G, its eigenvalues
    λ_i. With 1 / (v + ε) = ∫ e^(-s (v + ε)) ds the means over units of what is divided by the variance v are
    integrals of one variable; of many rows they are those of large minibatches, with v = tr S / R. On the way
    back the mean over rows and the part along z are taken out of the gradient.
    """
    if signal.cross is None or len(signal.cross) < len(signal.square):
        raise place.refuse(
            "batch normalisation over few places of each sample alone, for it follows what all rows have in "
            f"common; got {place.places(place.before)} places"
        )
    if not signal.normal:
        raise place.refuse("batch normalisation right behind weights, of normal pre-activations")
    shape, rows = signal.cross.shape, signal.square.size
    if rows < _LEAST:
        raise ValueError(
            f"x: expected at least {_LEAST} samples for {place.name}, got {rows}: of fewer the gradient has "
            "no mean over draws"
        )
    epsilon = float(layer.epsilon or 0)
    centred = _centred(signal.cross.reshape(rows, rows))
    normalised, inverse, uneven = _by_variance(centred, epsilon)
    cross = normalised.reshape(shape)
    # In one draw K is off by what the layers before the last weights have done, of which what all rows have
    # in common does not count.
    drawn, rough = uneven, max(signal.rough - 2 / signal.units, 0.0)
    size = max(float(np.trace(centred)), _TINY)
    if signal.loose is not None:
        own = (outer(signal.square, len(signal.cross)) + signal.cross**2) / signal.units
        off = float(np.maximum(signal.loose - own, 0).sum())
        drawn += 2 * off / max(float(signal.square.sum()), _TINY) ** 2
    kept = (1 - min(drawn, 1.0)) / (
        size / rows + epsilon
    )  # a row that is larger makes v larger, too
    normal = replace(
        signal,
        square=np.diag(normalised).reshape(signal.square.shape).copy(),
        mean=np.zeros_like(signal.mean),
        cross=cross,
        loose=None if signal.loose is None else signal.loose * kept**2,
        noise=epsilon * inverse * signal.noise,
        drift=np.zeros(0),
        rough=signal.rough * (1 - min(drawn, 1.0)) ** 2,
        unknown=signal.weights > 1 and layer.activation.name != "identity",
        fourth=rough - 2 / (2 / max(drawn, _TINY) + 2),
    )
    h, of_units = activate(course, place.row(course), normal, layer.activation, place.last)

    def back(gradient: Gradient) -> Gradient:
        delta = of_units(gradient)
        assert delta.cross is not None
        left = inverse * (rows - 2) / (rows - 1)
        crossed = left * _centred(delta.cross.reshape(rows, rows))
        square = np.diag(crossed).reshape(delta.square.shape).copy()
        overlap = None if delta.overlap is None else with_diagonal(inverse * delta.overlap, square)
        own = course.source(uneven / signal.units)
        noise = total(delta.noise, own, (drawn - uneven) / 2 * course.doubt, -signal.noise)
        return Gradient(square, crossed.reshape(shape), overlap, noise)

    return h, back


def _centred(pairs: Array) -> Array:
    """G K G, G = 1 - 11^T / R."""
    pairs = pairs - pairs.mean(axis=0)
    found: Array = pairs - pairs.mean(axis=1, keepdims=True)
    return found


def _by_variance(centred: Array, epsilon: float) -> tuple[Array, float, float]:
    """E y y^T of the normalised rows y, E 1 / (v + ε), and the relative variance of the latter."""
    rows = len(centred)
    mean = float(np.trace(centred)) / rows
    uneven = 2 * float((centred**2).sum()) / max(mean * rows, _TINY) ** 2
    if rows > _MOST or mean <= 0:
        return centred / (mean + epsilon), (1 + uneven) / (mean + epsilon), uneven
    values, vectors = np.linalg.eigh(centred)
    values = np.maximum(values, 0) / rows
    log_s = np.arange(-60, 60, 0.05) - math.log(mean + epsilon)
    s = np.exp(log_s)
    faded = 1 / (1 + 2 * np.multiply.outer(s, values))
    with np.errstate(under="ignore"):
        density = np.exp(0.5 * np.log(faded).sum(axis=1) - s * epsilon) * s * 0.05
    shares = density @ (faded * values) * rows
    return (vectors * shares) @ vectors.T, float(density.sum()), uneven
