"""Theory of recurrent layers at the start: of RNNs here, of those with gates in gated.py.

The weights of all timesteps are one matrix, but in the limit of many units h_(t-1) is as good as independent
of it (Chen, Pennington, Schoenholz 2018, arXiv:1806.05394, Section 3): lengths go from timestep to timestep as
from layer to layer, with inputs beside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore._slopes import survey
from vgcore.activations import Activation
from vgcore.layers.base import Layer, features
from vgcore.layers.bidirectional import Bidirectional
from vgcore.layers.lstm import ForgetBias
from vgcore.layers.recurrent import Recurrent, Walking
from vgcore.layers.rnn import RNN
from vgcore.theory import blocks, gaussian, starts
from vgcore.theory.rules import Place, Rule, through
from vgcore.theory.signal import (
    Course,
    Gradient,
    Length,
    Signal,
    correlations,
    outer,
    total,
    variance,
    with_diagonal,
)
from vgcore.theory.units import Back, pass_on

Array = NDArray[Any]


class Cell(NamedTuple):
    """How a recurrent layer's weights of inputs and states start, and of each gate the two biases."""

    inputs: starts.Start
    states: starts.Start
    biases: list[tuple[starts.Start, starts.Start]]

    @classmethod
    def of(cls, layer: Recurrent, place: Place) -> Cell:
        """That of a layer."""
        shapes = {
            "weight_ih": (layer.units, features(place.before)),
            "weight_hh": (layer.units, layer.units),
        }
        given = layer.weight_initializer, layer.recurrent_initializer
        weights = [
            starts.of_weight(f"{place.name}.{name}", each.initializer, shape)
            for (name, shape), each in zip(shapes.items(), given, strict=True)
        ]
        nothing = starts.Start(0.0, 0.0)
        biases = []
        for gate in layer.gates:
            both = [nothing, nothing]
            if layer.use_bias:
                both = [_bias(place, layer, gate, each) for each in layer.biases()]
            biases.append((both[0], both[1]))
        return cls(*weights, biases)


def _bias(place: Place, layer: Recurrent, gate: str, initializer: Any) -> starts.Start:
    if isinstance(initializer, ForgetBias):
        if gate == "f":
            return starts.Start(float(initializer.value), 0.0)
        initializer = initializer.initializer
    return starts.of_bias(f"{place.name}.bias", initializer.initializer, layer.units)


def flipped(pairs: Array | None) -> Array | None:
    """The same backwards in time."""
    return None if pairs is None else pairs[:, ::-1, :, ::-1]


def turned(signal: Signal) -> Signal:
    """A signal backwards in time."""
    return replace(
        signal,
        square=signal.square[:, ::-1],
        mean=signal.mean[:, ::-1],
        cross=flipped(signal.cross),
        loose=flipped(signal.loose),
    )


def turned_back(gradient: Gradient) -> Gradient:
    """A gradient backwards in time."""
    return replace(
        gradient,
        square=gradient.square[:, ::-1],
        cross=flipped(gradient.cross),
        overlap=flipped(gradient.overlap),
    )


def walk(
    course: Course, layer: Recurrent, place: Place, signal: Signal, suffix: str = ""
) -> tuple[Signal, Back]:
    """One walk of one layer, in its direction."""
    from vgcore.theory import gated

    way = _rnn if isinstance(layer, RNN) else gated.walk
    if not layer.go_backwards:
        return way(course, layer, place, signal, suffix)
    signal, back = way(course, layer, place, turned(signal), suffix)
    if layer.return_sequences:
        return turned(signal), lambda gradient: turned_back(back(turned_back(gradient)))
    return signal, lambda gradient: turned_back(back(gradient))


def _recurrent(
    course: Course, layer: Recurrent, place: Place, signal: Signal
) -> tuple[Signal, Back]:
    if layer.layers:
        return _stack(course, layer, place, signal)
    return walk(course, layer, place, signal)


def _stack(course: Course, layer: Walking, place: Place, signal: Signal) -> tuple[Signal, Back]:
    [stack] = layer.stacks
    shapes = layer.shapes(stack, place.before)
    return through(
        course, stack, shapes, signal, prefix=f"{place.name}.", times=place.times, last=place.last
    )


def _bidirectional(
    course: Course, layer: Bidirectional, place: Place, signal: Signal
) -> tuple[Signal, Back]:
    if layer.layers:
        return _stack(course, layer, place, signal)
    sides = zip((layer.forward_layer, layer.backward_layer), (".forward", ".backward"), strict=True)
    ways = [walk(course, side, place, signal, suffix) for side, suffix in sides]

    def back(gradient: Gradient) -> Gradient:
        starting = course.starts
        parts = []
        for _, back in ways:
            course.starts = starting
            parts.append(back(gradient))
        return blocks.brought(course, signal, parts)

    return blocks.side_by_side([out for out, _ in ways]), back


def tell_time(
    course: Course, layer: Recurrent, place: Place, suffix: str, lengths: Sequence[Length]
) -> None:
    """dL/dh_t at each timestep of a walk, relative to its last."""
    last = lengths[-1].square
    relative = [Length(each.square / last if last else math.nan, each.variance) for each in lengths]
    course.time[f"{place.name}{suffix}"] = relative[::-1] if layer.go_backwards else relative


def bound(activation: Activation, states: starts.Start, units: int) -> float:
    """Largest singular value of W_hh times the steepest slope (Pascanu et al. 2013, Section 2.1).

    Of many units it is ``2 √(H Var w)`` of an independent matrix, ``√(H Var w)`` of an orthogonal one.
    """
    stretch = math.sqrt(units * states.variance) * (1 if states.orthogonal else 2)
    return stretch * survey(activation.function).steepest


def _rnn(
    course: Course, layer: RNN, place: Place, signal: Signal, suffix: str
) -> tuple[Signal, Back]:
    """``h_t = f(W_ih x_t + W_hh h_(t-1) + b)`` (Chen et al. 2018, eq. 2 to 5; back Section 3.3)."""
    cell, units = Cell.of(layer, place), layer.units
    times = signal.square.shape[1]
    of_inputs = signal.units * cell.inputs.variance
    of_states = units * cell.states.variance
    dropped = 1 / (1 - layer.recurrent_dropout)
    shift = sum(bias.mean for bias in cell.biases[0])
    more = sum(bias.variance for bias in cell.biases[0])
    q = np.empty_like(signal.square)
    at: list[gaussian.Scalars] = []
    before = np.zeros(len(q))
    for t in range(times):
        q[:, t] = of_inputs * signal.square[:, t] + of_states * dropped * before + more
        at.append(gaussian.scalars(layer.activation, q[:, t], shift))
        before = at[-1].square
    square, mean, slope = (
        np.stack([getattr(each, name) for each in at], axis=1)
        for name in ("square", "mean", "slope")
    )
    pairs = None
    if signal.cross is not None:
        pairs = _Crossed(layer, signal.cross * of_inputs + more, q, of_states, shift)
    row = place.row(course, suffix)
    row.numbers = units * times
    row.weight = weight_norm(cell, signal.units, units, 1)
    relative = 2 * course.products(None if pairs is None else pairs.z, q) / units
    size = max(float(q.mean()), 1e-300)
    carried = of_states * dropped * float(square[:, :-1].sum()) / q.size / size
    gain = 1 / max(1 - carried, 1 / times)
    share = of_inputs * signal.size / size
    noise = total(gain * share * signal.noise, gain * course.source(relative))
    row.z = Length(size + shift**2, variance(noise))
    whole = Signal(
        square, mean, None if pairs is None else with_diagonal(pairs.h, square), units,
        noise=noise, weights=signal.weights + 1,
    )  # fmt: skip
    told = pass_on(course, row, whole)
    course.bounds[row.name] = bound(layer.activation, cell.states, units)

    def back(gradient: Gradient) -> Gradient:
        starting = course.starts
        told(gradient)
        above = np.zeros_like(square)
        if layer.return_sequences:
            above[...] = gradient.square
        else:
            above[:, -1] = gradient.square[:, 0]
        delta, coming = np.empty_like(square), np.zeros(len(square))
        lengths = []
        spread = 0.0
        for t in reversed(range(times)):
            reaching = above[:, t] + coming
            lengths.append(Length(float(reaching.mean()), spread))
            delta[:, t] = slope[:, t] * reaching
            coming = of_states * dropped * delta[:, t]
            spread += _step_noise(course, layer.activation, q[:, t], shift, cell.states) / units
        tell_time(course, layer, place, suffix, lengths[::-1])
        noise = total(gradient.noise, course.source(spread / 2))
        row.delta = Length(float(delta.mean()), 0.0 if starting else variance(noise))
        return incoming(signal, units * cell.inputs.variance * delta, gradient, noise)

    return whole if layer.return_sequences else last_of(whole), back


class _Crossed:
    """Pairs of samples and timesteps of a walk: z and h, (m, times, m, times)."""

    def __init__(self, layer: RNN, z: Array, q: Array, of_states: float, shift: float) -> None:
        count, times = z.shape[:2]
        self.z, self.h = np.array(z), np.zeros_like(z)
        kept: list[gaussian.Series] = []
        dropped = 1 + layer.recurrent_dropout / (1 - layer.recurrent_dropout) * np.eye(count)
        for t in range(times):
            at = gaussian.response(layer.activation, q[:count, t], shift)
            kept.append(at.value)
            if t:
                before = of_states * dropped[:, :, np.newaxis] * self.h[:, t - 1, :, :t]
                self.z[:, t, :, 1 : t + 1] += before
            root = np.sqrt(q[:count, t])
            series = gaussian.Series(
                np.concatenate([each.terms for each in kept]),
                np.concatenate([each.rest for each in kept], axis=1),
            )
            c = self.z[:, t, :, : t + 1].swapaxes(1, 2).reshape(count, -1)
            others = np.sqrt(q[:count, : t + 1]).T.ravel()
            c = correlations_of(c, root, others)
            found = at.value.pairs(c, series).reshape(count, t + 1, count).swapaxes(1, 2)
            self.h[:, t, :, : t + 1] = found
            self.h[:, : t + 1, :, t] = found.transpose(1, 2, 0)
            self.z[:, : t + 1, :, t] = self.z[:, t, :, : t + 1].transpose(1, 2, 0)


def correlations_of(pairs: Array, one: Array, other: Array) -> Array:
    """Pairs as correlations, of rows with these standard deviations."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = pairs / np.multiply.outer(one, other)
    return np.clip(np.nan_to_num(found, nan=0.0), -1, 1)


def _step_noise(
    course: Course, activation: Activation, q: Array, shift: float, states: starts.Start
) -> float:
    """Relative variance that one timestep adds to the gradient's square, times the units."""
    at = gaussian.response(activation, np.unique(np.quantile(q, [0.25, 0.75])), shift)
    four = (at.steepness_squared.terms**2).sum(axis=1) + at.steepness_squared.rest.sum(axis=0)
    level = float(np.mean(at.slope)) ** 2
    one = 3 * float(np.mean(four)) / level - 1 if level > 0 else 0.0
    alike = 1 / course.samples + (1 - 1 / course.samples) / min(course.outputs, course.samples)
    return max(one - 2 * states.orthogonal, 0.0) * alike


def incoming(signal: Signal, square: Array, gradient: Gradient, noise: Array) -> Gradient:
    """A gradient that reaches a walk's inputs: at different timesteps it has little in common."""
    common = crossed = None
    if signal.cross is not None:
        count, times = signal.cross.shape[:2]
        both = np.sqrt(outer(square, count))
        common = both / math.sqrt(signal.units)
        if gradient.overlap is not None:
            ends = gradient.overlap[:, -1, :, -1]
            alike = correlations(ends[:, np.newaxis, :, np.newaxis], gradient.square[:count, -1:])
            same = np.eye(times)[np.newaxis, :, np.newaxis, :]
            common = common * (1 - same) + both * same * alike
        common = with_diagonal(common, square)
        if gradient.cross is not None:
            crossed = with_diagonal(np.zeros_like(common), square)
    return Gradient(square, crossed, common, noise)


def last_of(signal: Signal) -> Signal:
    """The last timestep."""
    return replace(
        signal,
        square=signal.square[:, -1:],
        mean=signal.mean[:, -1:],
        cross=None if signal.cross is None else signal.cross[:, -1:, :, -1:],
        loose=None if signal.loose is None else signal.loose[:, -1:, :, -1:],
    )


def weight_norm(cell: Cell, inputs: int, units: int, gates: int) -> float:
    squares = inputs * cell.inputs.variance + units * cell.states.variance
    return math.sqrt(gates * units * squares)


RULES: list[tuple[type[Layer], Rule]] = [
    (Bidirectional, _bidirectional),
    (Recurrent, _recurrent),
]
