"""What every layer's theory is made of: random weights, and what acts unit by unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore._core.neighbours import Window
from vgcore.activations import Activation
from vgcore.theory import gaussian, softmax
from vgcore.theory.signal import (
    Course,
    Gradient,
    Length,
    Row,
    Signal,
    correlations,
    outer,
    total,
    variance,
    with_diagonal,
    without_diagonal,
)
from vgcore.theory.starts import Start

Array = NDArray[Any]
Back = Callable[[Gradient], Gradient]

_SAME = 1e-9  # of means that are one
_TINY = 1e-300  # so that nothing is divided by 0
_LINEAR = 0.5  # variance of log q up to which slopes follow it in proportion
_DIFFERENCE = 0.05  # of log q, over which slopes by q are taken
_LARGE = 1e12  # q up to which any moment of a sound activation is a number
_SCALE = 0.1  # of q, over which curvatures are


class Taps:
    """Which places of the input the places of an output see, and by which tap of the kernel."""

    def __init__(self, window: Window) -> None:
        self.sees = np.zeros((window.outputs, window.inputs))
        np.add.at(self.sees, (window.p, window.q), 1.0)
        self._forward = np.full((window.taps, window.outputs), window.inputs)
        self._forward[window.k, window.p] = window.q
        self._backward = np.full((window.taps, window.inputs), window.outputs)
        self._backward[window.k, window.q] = window.p

    def alike(self, signal: Signal) -> float:
        """The mean square of the correlations of places that an output sees: of one with itself 1."""
        if signal.cross is None:
            return 1.0
        count = len(signal.cross)
        c = correlations(signal.cross, signal.square[:count]).reshape(signal.cross.shape)
        within = np.einsum("apaq->pq", c**2) / count
        return float(
            (((self.sees @ within) * self.sees).sum(axis=1) / self.sees.sum(axis=1) ** 2).mean()
        )

    def forward(self, pairs: Array) -> Array:
        """Sums over taps of pairs (m, inputs, m, inputs), each pair by the same tap."""
        return _by_tap(pairs, self._forward)

    def backward(self, pairs: Array) -> Array:
        """The same of pairs (m, outputs, m, outputs), back."""
        return _by_tap(pairs, self._backward)


def _by_tap(pairs: Array, taps: Array) -> Array:
    padded = np.pad(pairs, [(0, 0), (0, 1), (0, 0), (0, 1)])
    return sum(padded[:, tap][:, :, :, tap] for tap in taps)  # type: ignore[return-value]


def weigh(
    course: Course,
    signal: Signal,
    *,
    weight: Start,
    bias: Start,
    fans: tuple[int, int],
    units: int,
    taps: Taps | None = None,
) -> tuple[Signal, Back]:
    """``z = W h + b``: ``fans`` are the inputs of a unit and the units of an input, at one tap.

    Poole et al. 2016; of convolutions Xiao et al. 2018, "Dynamical isometry and a mean field
    theory of CNNs". Back: Schoenholz et al. 2017, W^T being another matrix than W.
    """
    fan_in, fan_out = (fan * weight.variance for fan in fans)
    more = bias.variance + bias.mean**2
    square = signal.square if taps is None else signal.square @ taps.sees.T
    square = fan_in * square + more
    cross = loose = None
    if signal.cross is not None:
        cross = fan_in * (signal.cross if taps is None else taps.forward(signal.cross)) + more
    size = np.float64(square.mean())
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.nan_to_num((size - more) / size)
    of_weights = fans[0] * (1 if taps is None else taps.sees.sum(axis=1).max())
    kept = share**2 * min(1.0, units / of_weights) if weight.orthogonal else 0.0
    if cross is not None and signal.loose is not None:
        below = signal.loose if taps is None else taps.forward(signal.loose)
        both = outer(square, len(cross))
        drawn = (1 - kept) * (both + cross**2) / units
        loose = without_diagonal(np.minimum(fan_in**2 * below + drawn, both))
    own = course.source(2 * (1 - kept) * course.products(cross, square, loose) / units)
    alike = 1.0 if taps is None else taps.alike(signal)
    mean = np.full(square.shape, bias.mean)
    drift = course.of_mean(cross, square, mean, units)
    z = Signal(
        square=square,
        mean=mean,
        cross=cross,
        loose=loose,
        units=units,
        noise=total(share * signal.noise, own, 2 * bias.mean / max(size, _TINY) * drift),
        drift=drift,
        rough=share**2 * alike * signal.rough + 2 * (1 - kept) / units,
        tied=share * signal.tied,
        normal=True,
        weights=signal.weights + 1,
    )

    def back(delta: Gradient) -> Gradient:
        squares = fan_out * (delta.square if taps is None else delta.square @ taps.sees)
        crossed, common = (
            None if given is None else fan_out * (given if taps is None else taps.backward(given))
            for given in (delta.cross, delta.overlap)
        )
        kept = min(1.0, signal.units / units) if weight.orthogonal and taps is None else 0.0
        own = course.source(2 * (1 - kept) * course.products(common, squares) / signal.units)
        if common is not None:
            both = outer(squares, len(common))
            drawn = (1 - kept) * (both + common**2) / signal.units
            common = with_diagonal(np.sqrt(np.minimum(common**2 + drawn, both)), squares)
        uneven = delta.uneven
        if common is None or taps is not None:
            uneven = 0.0
        elif squares.shape[1] > 1:
            alike = common**2 / np.maximum(both, np.finfo(np.float64).tiny)
            uneven = uneven + 2 * (1 - kept) * course.by_place(alike) / signal.units
        return Gradient(squares, crossed, common, total(delta.noise, own), uneven)

    return z, back


def shift_of(name: str, signal: Signal) -> float:
    """The mean of normal units, which must be one for all rows."""
    low, high = float(signal.mean.min()), float(signal.mean.max())
    if high - low > _SAME * (1 + abs(high)):
        raise NotImplementedError(
            f"{name}: theory has activations of units of one mean, got means from {low:.4g} to {high:.4g}"
        )
    return high


def activate(
    course: Course, row: Row, signal: Signal, activation: Activation, last: bool
) -> tuple[Signal, Back]:
    """``h = f(z)``; what is found of z and h goes into ``row``, and of dL/dz on the way back."""
    row.z = Length(signal.size, variance(signal.noise))
    if activation.name != "identity" and activation.unitwise:
        return _unitwise(course, row, signal, activation)
    found = signal if activation.unitwise else softmax.of(course, row.name, signal, last)
    told = pass_on(course, row, found)

    def back(gradient: Gradient) -> Gradient:
        told(gradient)
        return gradient

    return found, back


def pass_on(course: Course, row: Row, signal: Signal) -> Callable[[Gradient], None]:
    """What is found of a layer without pre-activations; the function is told dL/dh."""
    _tell(course, row, signal)

    def told(gradient: Gradient) -> None:
        row.delta = Length(gradient.size, variance(gradient.noise))
        course.starts = False

    return told


def _tell(course: Course, row: Row, signal: Signal) -> None:
    """Length, mean and variance of h over batch and units, and how far each may be off."""
    row.h = Length(signal.size, variance(signal.noise))
    mean = np.float64(signal.mean.mean())
    row.mean = mean, variance(signal.drift)
    if signal.unknown:
        row.mean, row.spread = (mean, math.nan), Length(signal.size - mean**2, math.nan)
        return
    size = max(signal.size - mean**2, 0.0)
    off = total(signal.size * signal.noise, -2 * mean * signal.drift) / max(size, _TINY)
    row.spread = Length(size, variance(off) if size > _SAME * signal.size else 0.0)


def _unitwise(
    course: Course, row: Row, signal: Signal, activation: Activation
) -> tuple[Signal, Back]:
    if not signal.normal:
        raise NotImplementedError(
            f"{row.name}: theory has activations of normal pre-activations, got what is not normal: put it "
            "behind a layer with weights"
        )
    shift = shift_of(row.name, signal)
    q = np.maximum(signal.square - shift**2, 0)
    plain = gaussian.scalars(activation, q, shift)
    exist(row.name, activation, q, plain)
    at = mixed(lambda scale: gaussian.scalars(activation, q * scale, shift), signal.fourth)
    at = at._replace(slope=plain.slope)  # what z's fourth moment does to it, 1 / v undoes
    beside = [
        gaussian.scalars(activation, q * math.exp(sign * _DIFFERENCE), shift) for sign in (1, -1)
    ]
    pairs = _Pairs(course, activation, signal, q, shift)
    cross = pairs.value
    if cross is not None:
        cross = with_diagonal(cross, at.square)
    size, level = (max(np.float64(each.mean()), _TINY) for each in (at.square, at.slope))
    few = pairs.few
    exist(row.name, activation, q, (few.value_squared.terms, few.steepness_squared.terms))
    # Of z's length and mean, which branches may share, each mean over h is a function; the rest is chance.
    length = signal.noise
    if shift:
        length = total(signal.size * signal.noise, -2 * shift * signal.drift)
        length = length / max(np.float64(q.mean()), _TINY)

    def follows(name: str, series: gaussian.Series) -> Array:
        by_mean = pairs.by_mean(series) * signal.drift
        return total(_by_length(beside, name) * length, by_mean)

    relative = max(float(pairs.beyond_length()) / size / size / signal.units, 0.0)
    relative = relative if math.isfinite(relative) else 0.0
    own = course.source(relative)
    both, alone = pairs.beyond_mean()
    known = both / size / signal.units / relative if relative > 0 else 0.0
    rest = course.chance(alone / signal.units - known**2 * relative)
    rough, tied = pairs.of_rows()
    elasticity = _elasticity(beside, "square")
    h = Signal(
        square=at.square,
        mean=at.mean,
        cross=cross,
        loose=pairs.loosened(),
        units=signal.units,
        noise=total(follows("square", few.value_squared) / size, own),
        drift=total(follows("mean", few.value), known * own, rest),
        rough=elasticity**2 * signal.rough + rough / signal.units,
        tied=elasticity * signal.tied + tied / signal.units,
        weights=signal.weights,
        unknown=signal.unknown,
    )
    _tell(course, row, h)
    coupling = follows("slope", few.steepness_squared) / level
    followed = variance(signal.noise) <= _LINEAR
    if not followed:
        coupling = np.zeros(0)
    shared = pairs.common() / signal.units / relative if relative > 0 else 0.0

    def back(gradient: Gradient) -> Gradient:
        delta = gradient
        if not course.starts:
            delta = pairs.loosened_gradient(gradient, gradient.times(at.slope, pairs.slope))
            alone = max(pairs.beyond_gradient(gradient, followed) / signal.units, 0.0)
            most = math.sqrt(alone / relative) if relative > 0 else 0.0
            known = min(max(shared, -most), most)
            alone -= known**2 * relative
            noise = total(gradient.noise, course.source(alone), coupling, known * own)
            delta = replace(delta, noise=noise)
        row.delta = Length(delta.size, variance(delta.noise))
        course.starts = False
        return delta

    return h, back


class _Pairs:
    """The rows of a signal in pairs: those of the samples that are followed, or rows that are all alike."""

    def __init__(
        self, course: Course, activation: Activation, signal: Signal, q: Array, shift: float
    ) -> None:
        self._course, self._z = course, signal
        self._shape = None if signal.cross is None else signal.cross.shape
        if signal.cross is None:
            some = np.unique(np.quantile(q, [0.1, 0.5, 0.9]))
            c = np.ones((len(some), len(some)))
        else:
            some = q[: len(signal.cross)]
            c = correlations(signal.cross - shift**2, some).reshape(some.size, some.size)
        self.few = few = gaussian.response(activation, some.ravel(), shift)
        self._c = c
        self._squared, self._slope_squared = (
            series.pairs(c) for series in (few.value_squared, few.steepness_squared)
        )

        self._slope = few.steepness.pairs(c)
        (self._value,) = mixed(
            lambda scale: (
                gaussian.response(activation, some.ravel() * scale, shift).value.pairs(c),
            ),
            signal.fourth,
        )
        with np.errstate(divide="ignore"):
            self._by_mean = np.where(some.ravel() > 0, 1 / np.sqrt(some.ravel()), 0.0)

    def of(self, pairs: Array) -> Array | None:
        """As pairs of samples and places, if any are followed."""
        return None if self._shape is None else pairs.reshape(self._shape)

    @property
    def value(self) -> Array | None:
        """E f_a f_b."""
        return self.of(self._value)

    @property
    def slope(self) -> Array | None:
        """E f'_a f'_b."""
        return self.of(self._slope)

    def beyond_length(self) -> float:
        """Mean covariance of f_a² and f_b² but for what mean and length of z bring."""
        terms = self.few.value_squared.terms
        return self._mean(self._squared - self._known(terms, terms))

    def beyond_mean(self) -> tuple[float, float]:
        """Mean covariance of f_a and f_b², and of f_a and f_b, but for the same."""
        value, squared = self.few.value, self.few.value_squared
        both = value.pairs(self._c, squared) - self._known(value.terms, squared.terms)
        alone = value.pairs(self._c) - self._known(value.terms, value.terms)
        return self._mean(both), self._mean(alone)

    def by_mean(self, series: gaussian.Series) -> float:
        """What E g(z) is multiplied by where z's mean grows: E g'."""
        return float((series.terms[:, 1] * self._by_mean).mean())

    def common(self) -> float:
        """Mean covariance of f_a² and f'_b², relative to both, but for what mean and length of z bring."""
        value, slope = self.few.value_squared, self.few.steepness_squared
        level = float(np.mean(self.few.square) * np.mean(self.few.slope))
        found = value.pairs(self._c, slope) - self._known(value.terms, slope.terms)
        return self._mean(found) / level if 0 < level < math.inf else 0.0

    def _known(self, one: Array, other: Array) -> Array:
        """Terms 0 to 2 of Mehler's formula: the means, and what a shift and a scale of z bring."""
        means, first, second = (np.multiply.outer(one[:, k], other[:, k]) for k in range(3))
        return means + (first + second * self._c) * self._c

    def of_rows(self) -> tuple[float, float]:
        """Of one row by itself: variance of f², and covariance with f'², relative and beyond length."""
        value, slope = self.few.value_squared, self.few.steepness_squared
        chosen = [k for k in range(value.terms.shape[1]) if k not in (0, 2)]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            own = (value.terms[:, chosen] ** 2).sum(axis=1) + value.rest.sum(axis=0)
            both = (value.terms[:, chosen] * slope.terms[:, chosen]).sum(axis=1)
            both = both + np.sqrt(value.rest * slope.rest).sum(axis=0)
            rough = float(np.mean(own) / np.mean(self.few.square) ** 2)
            tied = float(np.mean(both) / np.mean(self.few.square) / np.mean(self.few.slope))
        return (rough if math.isfinite(rough) else 0.0, tied if math.isfinite(tied) else 0.0)

    def beyond_gradient(self, gradient: Gradient, followed: bool) -> float:
        """Relative variance of the mean of (f' g)² over independent units, but for that of g² alone.

        And, where it is ``followed``, for what mean and length of z bring.
        """
        four, terms = self._slope_squared, self.few.steepness_squared.terms
        known = np.zeros_like(four)
        if followed:
            known = self._known(terms, terms) - np.multiply.outer(terms[:, 0], terms[:, 0])
        if gradient.overlap is None or self._shape is None:
            level = float(np.mean(self.few.slope)) ** 2
            return self._mean(3 * four - known) / level - 3 if level > 0 else 0.0
        both = outer(gradient.square, len(gradient.overlap)).reshape(four.shape)
        common = 2 * gradient.overlap.reshape(four.shape) ** 2
        level = self._mean(both * np.multiply.outer(self.few.slope, self.few.slope))
        if not 0 < level < math.inf:
            return 0.0
        own = self._mean(common) / self._mean(both)
        return self._mean(four * (both + common) - known * both) / level - 1 - own

    def loosened(self) -> Array | None:
        """Variance over draws of the mean of f_a f_b: z_a z_b's comes through f' f', the rest is f's."""
        z = self._z
        if z.loose is None or z.cross is None:
            return None
        slopes = self._slope.reshape(z.cross.shape) ** 2
        own = (self._squared - self._value**2).reshape(z.cross.shape)
        drawn = outer(z.square, len(z.loose)) + z.cross**2
        more = np.maximum(own - slopes * drawn, 0) / z.units
        return without_diagonal(slopes * z.loose + more)

    def loosened_gradient(self, before: Gradient, delta: Gradient) -> Gradient:
        """What dL/dz of two rows have in common, the chance of these units included."""
        if before.overlap is None or delta.overlap is None or self._shape is None:
            return delta
        four = self._slope_squared.reshape(self._shape)
        slopes = self._slope.reshape(self._shape) ** 2
        both, common = outer(before.square, len(before.overlap)), before.overlap**2
        more = np.maximum((four - slopes) * (both + 2 * common), 0) / self._z.units
        found = np.sqrt(slopes * common + more)
        return replace(delta, overlap=with_diagonal(found, delta.square))

    def _mean(self, pairs: Array) -> float:
        if self._shape is None:
            return float(np.diag(pairs).mean())
        return self._course.average(pairs.reshape(self._shape))


def _by_length(beside: list[gaussian.Scalars], name: str) -> float:
    """What a mean over the batch grows by, relative to q."""
    above, below = (float(getattr(each, name).mean()) for each in beside)
    found = (above - below) / (2 * _DIFFERENCE)
    return found if math.isfinite(found) else 0.0


def exist(name: str, activation: Activation, q: Array, found: Iterable[Array]) -> None:
    """Raise where moments of an activation are infinite, or none, of pre-activations of finite variance."""
    fault = gaussian.fault(activation)
    beyond = q.max(initial=0.0) < _LARGE and not all(np.isfinite(each).all() for each in found)
    if fault is not None or beyond:
        fault = fault or f"has no finite moments of z of variance up to {q.max():.3g}"
        raise ValueError(
            f"{name}: expected an activation with finite moments, got {activation.name!r}, which {fault}"
        )


def mixed(expected: Callable[[float], Any], fourth: float) -> Any:
    """Expectations, as a tuple of arrays by a scale of q, of units whose fourth moment is not a normal's.

    As if q itself varied from unit to unit, by a variance that may be below 0 (Edgeworth's first term).
    """
    plain = expected(1.0)
    if fourth == 0:
        return plain
    above, below = (expected(1 + sign * _SCALE) for sign in (1, -1))
    bends = fourth / 2 / _SCALE**2
    found = [m + bends * (a - 2 * m + b) for m, a, b in zip(plain, above, below, strict=True)]
    return type(plain)(*found) if hasattr(plain, "_fields") else tuple(found)


def _elasticity(beside: list[gaussian.Scalars], name: str) -> float:
    """By which power of q a mean over the batch grows."""
    above, below = (float(getattr(each, name).mean()) for each in beside)
    if not (0 < above < math.inf and 0 < below < math.inf):
        return 0.0
    return math.log(above / below) / (2 * _DIFFERENCE)
