"""Theory of recurrent layers at the start.

The weights of all timesteps are one matrix, but in the limit of many units h_(t-1) is as good as independent
of it (Chen, Pennington, Schoenholz 2018, arXiv:1806.05394, Section 3): lengths go from timestep to timestep as
from layer to layer, with inputs beside. LSTMs and GRUs (Gilboa et al. 2019, arXiv:1901.08987): see drawn.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore._slopes import survey
from vgcore.activations import Activation
from vgcore.layers.base import Layer, features
from vgcore.layers.bidirectional import Bidirectional
from vgcore.layers.gru import GRU
from vgcore.layers.lstm import LSTM, ForgetBias
from vgcore.layers.recurrent import Recurrent, Walking
from vgcore.layers.rnn import RNN
from vgcore.theory import blocks, gaussian, starts
from vgcore.theory.drawn import Cell, GRUWalk, LSTMWalk, RNNWalk, Walk
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

MOST_ROWS = 1024  # samples times timesteps that are followed
_UNITS = 2048  # that are drawn: a mean square is off by some 3 %, a length by half of that
_DRAWN, _FEW = 16, 2  # draws of a layer that show how far they differ, of so many samples


def cell_of(layer: Recurrent, place: Place) -> Cell:
    """How a layer's parameters start."""
    shapes = {
        "weight_ih": (layer.units, features(place.before)),
        "weight_hh": (layer.units, layer.units),
    }
    given: Any = (layer.weight_initializer, layer.recurrent_initializer)
    inputs, states = (
        starts.of_weight(f"{place.name}.{name}", each.initializer, shape)
        for (name, shape), each in zip(shapes.items(), given, strict=True)
    )
    nothing = starts.Start(0.0, 0.0)
    biases = []
    for gate in layer.gates:
        both = [nothing, nothing]
        if layer.use_bias:
            both = [_bias(place, layer, gate, each) for each in layer.biases()]
        biases.append((both[0], both[1]))
    return Cell(inputs, states, biases)


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
    if not layer.go_backwards:
        return _walk(course, layer, place, signal, suffix)
    signal, back = _walk(course, layer, place, turned(signal), suffix)
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


def _walk(
    course: Course, layer: Recurrent, place: Place, signal: Signal, suffix: str
) -> tuple[Signal, Back]:
    """Forwards in time: lengths of an RNN in closed form, of gates from many units that are drawn.

    How far draws of the layer differ is found by drawing as many units as it has, some times.
    """
    if signal.cross is None or (
        not isinstance(layer, RNN) and len(signal.cross) < len(signal.square)
    ):
        raise place.refuse(
            f"recurrent layers over at most {MOST_ROWS} timesteps, got {signal.square.shape[1]}"
        )
    cell, units = cell_of(layer, place), layer.units
    times = signal.square.shape[1]
    of_states = units * cell.states.variance
    x = signal.units * cell.inputs.variance * signal.cross
    kind = _WALKS[type(layer)]
    draws = [
        kind(
            layer, cell, x[:_FEW, :, :_FEW], of_states,
            draws=units, seed=seed + 1, orthogonal=cell.states.orthogonal,
        )
        for seed in range(_DRAWN)
    ]  # fmt: skip
    own = course.source(_differs(draw.h for draw in draws))
    row = place.row(course, suffix)
    row.numbers, row.weight = units * times, weight_norm(cell, signal.units, layer)
    way: Any
    if isinstance(layer, RNN):
        way = _RNN(layer, cell, signal, x, of_states)
        course.bounds[row.name] = bound(layer.activation, cell.states, units)
    else:
        row.numbers *= len(layer.gates)
        way = _Gates(kind(layer, cell, x, of_states, draws=_UNITS, seed=0, orthogonal=False))
    noise = total(signal.noise, own)
    row.z = Length(way.z_square, variance(noise))
    whole = Signal(
        way.square, way.mean, with_diagonal(way.cross, way.square), units,
        noise=noise, weights=signal.weights + 1,
    )  # fmt: skip
    told = pass_on(course, row, whole)

    def back(gradient: Gradient) -> Gradient:
        told(gradient)
        above = _above(gradient, times, layer.return_sequences)
        dh, delta, into, crossed = way.back(above)
        found = [draw.backward(_by_time(above[1][:_FEW, :, :_FEW])) for draw in draws]
        logs = np.log(np.maximum([each[0].mean(axis=1) for each in found], 1e-300))
        spread = (logs - logs[:, -1:]).var(axis=0, ddof=1)
        lengths = [Length(float(dh[t].mean()), float(spread[t])) for t in range(times)]
        tell_time(course, layer, place, suffix, lengths)
        noise = total(gradient.noise, course.source(_differs(each[1] for each in found)))
        row.delta = Length(float(delta.mean()) / len(layer.gates), variance(noise))
        of_inputs = units * cell.inputs.variance
        return incoming(signal, of_inputs * into, of_inputs * crossed, gradient, noise)

    return whole if layer.return_sequences else last_of(whole), back


def _above(gradient: Gradient, times: int, sequences: bool) -> tuple[Array, Array]:
    """What comes from above to each timestep: mean squares, and pairs."""
    count = len(gradient.square)
    few = 0 if gradient.cross is None else len(gradient.cross)
    square, pairs = np.zeros((count, times)), np.zeros((few, times, few, times))
    where = slice(None) if sequences else slice(-1, None)
    square[:, where] = gradient.square
    if gradient.cross is not None:
        pairs[:, where, :, where] = gradient.cross
    return square, pairs


def _by_time(pairs: Array) -> Array:
    """Pairs of rows as a walk has them backwards, from the last timestep to the first."""
    rows = pairs.shape[0] * pairs.shape[1]
    found: Array = pairs[:, ::-1, :, ::-1].transpose(1, 0, 3, 2).reshape(rows, rows)
    return found


def _differs(values: Iterable[Array]) -> float:
    """Relative variance of a mean square between draws."""
    sizes = np.array([float((each**2).mean()) if each.ndim == 2 else 0 for each in values])
    mean = sizes.mean()
    return float(sizes.var(ddof=1) / mean**2) if mean > 0 else 0.0


class _Gates:
    """Many units of an LSTM or a GRU."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        samples, times = walk.samples, walk.times
        pairs = (walk.h.T @ walk.h / walk.draws).reshape(times, samples, times, samples)
        self.cross = pairs.transpose(1, 0, 3, 2)
        self.square = np.einsum("atat->at", self.cross).copy()
        self.mean = walk.h.mean(axis=0).reshape(times, samples).T.copy()
        self.z_square = walk.z_square

    def back(self, above: tuple[Array, Array]) -> tuple[Array, Array, Array, Array]:
        """Mean squares (times, n) of dL/dh and dL/dz, (n, times) of what inputs get, and pairs of it."""
        dh, delta, shared = self._walk.backward(_by_time(above[1]))
        samples, times = self._walk.samples, self._walk.times
        pairs = shared.reshape(times, samples, times, samples).transpose(1, 0, 3, 2)
        return dh, delta, delta.T, pairs[:, ::-1, :, ::-1]


class _RNN:
    """``h_t = f(W_ih x_t + W_hh h_(t-1) + b)`` (Chen et al. 2018, Sections 3.1 and 3.3)."""

    def __init__(self, layer: RNN, cell: Cell, signal: Signal, x: Array, of_states: float) -> None:
        self._carried = of_states / (1 - layer.recurrent_dropout)
        shift = sum(bias.mean for bias in cell.biases[0])
        more = sum(bias.variance for bias in cell.biases[0])
        of_inputs = signal.units * cell.inputs.variance
        q = np.empty_like(signal.square)
        at: list[gaussian.Scalars] = []
        before = np.zeros(len(q))
        for t in range(q.shape[1]):
            q[:, t] = of_inputs * signal.square[:, t] + self._carried * before + more
            at.append(gaussian.scalars(layer.activation, q[:, t], shift))
            before = at[-1].square
        self.square, self.mean, self._slope = (
            np.stack([getattr(each, name) for each in at], axis=1)
            for name in ("square", "mean", "slope")
        )
        self.z_square = float(q.mean()) + shift**2
        self.cross = _Crossed(layer, x + more, q, of_states, shift).h

    def back(self, above: tuple[Array, Array]) -> tuple[Array, Array, Array, Array]:
        """As of `_Gates`; gradients of different timesteps have nothing in common."""
        count, times = self.square.shape
        dh, delta = np.empty((2, times, count))
        coming = np.zeros(count)
        for t in reversed(range(times)):
            dh[t] = above[0][:, t] + coming
            delta[t] = self._slope[:, t] * dh[t]
            coming = self._carried * delta[t]
        return dh, delta, delta.T, with_diagonal(np.zeros_like(self.cross), delta.T)


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


def incoming(
    signal: Signal, square: Array, crossed: Array, gradient: Gradient, noise: Array
) -> Gradient:
    """A gradient that reaches a walk's inputs: samples have in common what they had above it."""
    common = None
    if gradient.overlap is not None:
        count, times = crossed.shape[:2]
        both = np.sqrt(outer(square, count))
        ends = gradient.overlap[:, -1:, :, -1:]
        alike = correlations(ends, gradient.square[:count, -1:]) * np.eye(times)[:, np.newaxis, :]
        common = np.sqrt(both**2 * (alike**2 + 1 / signal.units) + crossed**2)
        common = with_diagonal(np.minimum(common, both), square)
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


def weight_norm(cell: Cell, inputs: int, layer: Recurrent) -> float:
    """Expected norm of both weights together."""
    squares = inputs * cell.inputs.variance + layer.units * cell.states.variance
    return math.sqrt(len(layer.gates) * layer.units * squares)


_WALKS: dict[type[Layer], type[Walk]] = {RNN: RNNWalk, LSTM: LSTMWalk, GRU: GRUWalk}

RULES: list[tuple[type[Layer], Rule]] = [
    (Bidirectional, _bidirectional),
    (Recurrent, _recurrent),
]
