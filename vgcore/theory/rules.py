"""What theory has of each kind of layer: how a signal goes through it, and a gradient back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import activations
from vgcore._core.neighbours import Window
from vgcore.layers.activation import Activation
from vgcore.layers.conv import _Convolution as Convolution
from vgcore.layers.dense import Dense
from vgcore.layers.dropout import AlphaDropout, Dropout
from vgcore.layers.noise import GaussianNoise
from vgcore.layers.pooling import AvgPool, GlobalAvgPool
from vgcore.layers.prelu import PReLU
from vgcore.layers.reshape import Flatten, Reshape
from vgcore.theory import starts
from vgcore.theory.place import Place, rule
from vgcore.theory.signal import Course, Gradient, Row, Signal, with_diagonal
from vgcore.theory.units import Back, Taps, activate, pass_on, weigh

Array = NDArray[Any]

_NO_BIAS = starts.Start(0.0, 0.0)


def _weights(
    course: Course, layer: Dense | Convolution, place: Place
) -> tuple[starts.Start, starts.Start, tuple[int, ...]]:
    """How weight and bias start, and the weight's shape."""
    weight, *bias = layer.parameters(place.before)
    of_weight = starts.of_weight(f"{place.name}.weight", weight.initializer, weight.shape)
    if not course.trained:
        starts.check(f"{place.name}.weight", of_weight, layer.views["weight"])
    of_bias = _NO_BIAS
    if bias:
        of_bias = starts.of_bias(f"{place.name}.bias", bias[0].initializer, bias[0].shape[0])
    return of_weight, of_bias, weight.shape


@rule(Dense)
def _dense(course: Course, layer: Dense, place: Place, signal: Signal) -> tuple[Signal, Back]:
    weight, bias, (units, inputs) = _weights(course, layer, place)
    row = place.row(course)
    row.weight = weight.whole(units, inputs)
    z, back = weigh(course, signal, weight=weight, bias=bias, fans=(inputs, units), units=units)
    h, of_units = activate(course, row, z, layer.activation, place.last)
    return h, lambda gradient: back(of_units(gradient))


@rule(Convolution)
def _conv(course: Course, layer: Convolution, place: Place, signal: Signal) -> tuple[Signal, Back]:
    weight, bias, shape = _weights(course, layer, place)
    row = place.row(course)
    row.weight = weight.whole(*shape)
    taps = Taps(Window(**layer._window.planar(tuple(place.sizes(place.before)))))
    fans = shape[1], layer.filters // layer.groups
    z, back = weigh(
        course, signal, weight=weight, bias=bias, fans=fans, units=layer.filters, taps=taps
    )
    h, of_units = activate(course, row, z, layer.activation, place.last)
    return h, lambda gradient: back(of_units(gradient))


@rule(Activation)
def _activation(
    course: Course, layer: Activation, place: Place, signal: Signal
) -> tuple[Signal, Back]:
    return activate(course, place.row(course), signal, layer.activation, place.last)


@rule(PReLU)
def _prelu(course: Course, layer: PReLU, place: Place, signal: Signal) -> tuple[Signal, Back]:
    if layer.initial >= 0:
        activation = activations.leaky_relu(layer.initial)
    else:
        activation = activations.formula(f"maximum(z, 0) + {layer.initial!r} * minimum(z, 0)")
    return activate(course, place.row(course), signal, activation, place.last)


@rule(Dropout)
def _dropout(course: Course, layer: Dropout, place: Place, signal: Signal) -> tuple[Signal, Back]:
    """E m² = 1 / (1 - rate) of a scaled mask (Schoenholz et al. 2017)."""
    row, keeps = place.row(course), 1 - layer.rate
    if layer.rate == 0:
        return _passing(course, row, signal, signal, lambda gradient: gradient)
    if isinstance(layer, AlphaDropout):
        return _alpha_dropout(course, layer, place, row, signal)
    square = signal.square / keeps
    cross = signal.cross
    if cross is not None:
        if layer.across_time:
            samples = np.arange(len(cross))
            cross = np.array(cross)
            cross[samples, :, samples] /= keeps
        cross = with_diagonal(cross, square)
    dropped = replace(signal, square=square, cross=cross, normal=False)
    return _passing(course, row, signal, dropped, lambda gradient: gradient.times(1 / keeps, 1.0))


def _alpha_dropout(
    course: Course, layer: AlphaDropout, place: Place, row: Row, signal: Signal
) -> tuple[Signal, Back]:
    keeps, low = 1 - layer.rate, -activations.SELU_SCALE * activations.SELU_ALPHA
    a = 1 / math.sqrt(keeps * (1 + layer.rate * low**2))
    b = -a * layer.rate * low
    mean = a * (keeps * signal.mean + layer.rate * low) + b
    inside = keeps * signal.square + layer.rate * low**2
    square = a**2 * inside + 2 * b * mean - b**2
    cross = None
    if signal.cross is not None:
        count = len(signal.cross)
        one, other = np.meshgrid(
            signal.mean[:count].ravel(), signal.mean[:count].ravel(), indexing="ij"
        )
        both = (one + other).reshape(signal.cross.shape)
        dropped = layer.rate * low
        found = keeps**2 * signal.cross + keeps * dropped * both + dropped**2
        cross = a**2 * found + a * b * (keeps * both + 2 * dropped) + b**2
        cross = with_diagonal(cross, square)
    drift = a * keeps * signal.drift
    changed = replace(signal, square=square, mean=mean, cross=cross, drift=drift, normal=False)
    return _passing(
        course, row, signal, changed,
        lambda gradient: gradient.times(a**2 * keeps, a**2 * keeps**2),
    )  # fmt: skip


@rule(GaussianNoise)
def _noise(
    course: Course, layer: GaussianNoise, place: Place, signal: Signal
) -> tuple[Signal, Back]:
    square = signal.square + layer.stddev**2
    cross = None if signal.cross is None else with_diagonal(signal.cross, square)
    share = signal.size / max(np.float64(square.mean()), 1e-300)
    noisy = replace(signal, square=square, cross=cross, noise=share * signal.noise)
    return _passing(course, place.row(course), signal, noisy, lambda gradient: gradient)


def _passing(
    course: Course, row: Row, before: Signal, behind: Signal, back: Back
) -> tuple[Signal, Back]:
    """A layer without pre-activations."""
    told = pass_on(course, row, behind)

    def tell_and_go(gradient: Gradient) -> Gradient:
        told(gradient)
        return back(gradient)

    return behind, tell_and_go


@rule(Flatten, Reshape)
def _reshape(
    course: Course, layer: Reshape | Flatten, place: Place, signal: Signal
) -> tuple[Signal, Back]:
    """Units of all places become one kind, whose weights behind it are independent."""
    before, behind = place.places(place.before), place.places(place.behind)
    row = place.row(course)
    if before == behind:
        return _passing(course, row, signal, signal, lambda gradient: gradient)
    flat = signal
    if before > 1:
        flat = replace(
            signal,
            square=signal.square.mean(axis=1, keepdims=True),
            mean=signal.mean.mean(axis=1, keepdims=True),
            cross=_of_places(signal.cross),
            loose=_of_places(signal.loose),
            units=signal.units * before,
            normal=False,
        )
    zero = np.zeros((len(signal.square), 1))
    laid = flat
    if behind > 1:
        laid = replace(
            flat,
            square=np.repeat(flat.square, behind, axis=1),
            mean=np.repeat(flat.mean, behind, axis=1),
            cross=_to_places(flat.cross, flat.mean, behind),
            loose=_to_places(flat.loose, zero, behind),
            units=flat.units // behind,
        )

    def back(gradient: Gradient) -> Gradient:
        gradient = replace(gradient, uneven=0.0)
        if behind > 1:
            gradient = replace(
                gradient,
                square=gradient.square.mean(axis=1, keepdims=True),
                cross=_of_places(gradient.cross),
                overlap=_of_places(gradient.overlap),
            )
        if before > 1:
            gradient = replace(
                gradient,
                square=np.repeat(gradient.square, before, axis=1),
                cross=_to_places(gradient.cross, zero, before),
                overlap=_to_places(gradient.overlap, zero, before),
            )
        return gradient

    return _passing(course, row, signal, laid, back)


def _of_places(pairs: Array | None) -> Array | None:
    """Of each pair of samples the mean over places that are the same."""
    if pairs is None:
        return None
    found: Array = np.einsum("apbp->ab", pairs) / pairs.shape[1]
    return found[:, np.newaxis, :, np.newaxis]


def _to_places(pairs: Array | None, mean: Array, places: int) -> Array | None:
    """The same pairs at each place; units at different places have their means in common."""
    if pairs is None:
        return None
    count = len(pairs)
    means = np.multiply.outer(mean[:count, 0], mean[:count, 0])[:, np.newaxis, :, np.newaxis]
    same = np.eye(places)[np.newaxis, :, np.newaxis, :]
    return pairs * same + means * (1 - same)


@rule(AvgPool, GlobalAvgPool)
def _pool(
    course: Course, layer: AvgPool | GlobalAvgPool, place: Place, signal: Signal
) -> tuple[Signal, Back]:
    """A mean over places, of which some units have much in common."""
    if signal.cross is None or len(signal.cross) < len(signal.square):
        raise place.refuse(
            "pools of few places alone, for it follows what all of them have in common: got "
            f"{place.places(place.before)}"
        )
    if isinstance(layer, GlobalAvgPool):
        share = np.full((1, signal.square.shape[1]), 1 / signal.square.shape[1])
    else:
        shape = tuple(place.sizes(place.before))
        window = Window(**layer.window(shape).planar(shape))
        share = Taps(window).sees
        share /= window.taps if layer.count_include_pad else share.sum(axis=1, keepdims=True)
    if ((share > 0).sum(axis=0) > 1).any():
        raise place.refuse("pools whose windows do not overlap")
    cross = _shared(share, signal.cross)
    pooled = replace(
        signal,
        square=np.einsum("axax->ax", cross).copy(),
        mean=signal.mean @ share.T,
        cross=cross,
        loose=None if signal.loose is None else _shared(share, signal.loose),
    )

    def back(gradient: Gradient) -> Gradient:
        square = gradient.square @ share**2
        crossed, common = (
            None if given is None else _shared(share.T, given)
            for given in (gradient.cross, gradient.overlap)
        )
        return Gradient(square, crossed, common, gradient.noise)

    return _passing(course, place.row(course), signal, pooled, back)


def _shared(share: Array, pairs: Array) -> Array:
    """Pairs of means over places."""
    found: Array = np.einsum("xp,apbq,yq->axby", share, pairs, share, optimize=True)
    return found
