"""Theory of recurrent layers at the start.

The weights of all timesteps are one matrix, but in the limit of many units h_(t-1) is as good as
independent of it (Chen, Pennington, Schoenholz 2018, arXiv:1806.05394): lengths go from timestep
to timestep as from layer to layer, with inputs beside. LSTMs and GRUs: see drawn.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from vgcore.theory.place import Place, rule, through
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
from vgcore.theory.units import Back, exist, pass_on

Array = NDArray[Any]

MOST_ROWS = 1024  # samples times timesteps that are followed
MOST_DRAWN = 400  # ... in draws of a layer


def cell_of(course: Course, layer: Recurrent, place: Place) -> Cell:
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
    if not course.trained:
        for name, start in zip(shapes, (inputs, states), strict=True):
            starts.check(f"{place.name}.{name}", start, layer.views[name])
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
        uneven=np.flip(gradient.uneven),
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


@rule(RNN, LSTM, GRU)
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


@rule(Bidirectional)
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
    name = f"{place.name}{suffix}"
    course.time[name] = lengths[::-1] if layer.go_backwards else lengths
    if layer.go_backwards:
        course.backwards.add(name)


def bound(activation: Activation, states: starts.Start, units: int) -> float:
    """Largest singular value of W_hh times the steepest slope (Pascanu et al. 2013).

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
    cell, units = cell_of(course, layer, place), layer.units
    times = signal.square.shape[1]
    x = signal.units * cell.inputs.variance * signal.cross
    few = len(x) if not isinstance(layer, RNN) else min(len(x), max(MOST_DRAWN // times, 1))
    drawn = _WALKS[type(layer)](layer, cell, x[:few, :, :few])
    own = course.source(_differs(course, (drawn.h**2).mean(axis=(0, 3))))
    row = place.row(course, suffix)
    row.numbers, row.weight = (
        len(layer.gates) * units * times,
        weight_norm(cell, signal.units, layer),
    )
    way: _RNN | _Gates
    if isinstance(layer, RNN):
        way = _RNN(row.name, layer, cell, signal, x, units * cell.states.variance)
        course.bounds[row.name] = bound(layer.activation, cell.states, units)
    else:
        way = _Gates(drawn)
    noise = total(signal.noise, own)
    row.z = Length(way.z_square, variance(noise))
    cross = with_diagonal(way.cross, way.square)
    whole = Signal(
        way.square, way.mean, cross, units, noise=noise, weights=signal.weights + 1,
        drift=course.of_mean(cross, way.square, way.mean, units),
    )  # fmt: skip
    told = pass_on(course, row, whole)

    def back(gradient: Gradient) -> Gradient:
        told(gradient)
        above = _above(gradient, times, layer.return_sequences)
        dh, deltas = drawn.backward(_drawn_above(drawn, gradient, above, course))
        way.back(above, dh, deltas)
        known = way.dh.mean(axis=0) if isinstance(way, _RNN) else None
        uneven = _uneven(course, dh)
        if layer.return_sequences:
            uneven = uneven + gradient.uneven
        tell_time(course, layer, place, suffix, _relative(dh, known, uneven))
        off = _differs(course, sum((each**2).mean(axis=(0, 3)) for each in deltas))
        noise = total(gradient.noise, course.source(off))
        row.delta = Length(np.float64(way.delta.mean()) / len(layer.gates), variance(noise))
        of_inputs = units * cell.inputs.variance
        below = incoming(signal, of_inputs * way.delta, of_inputs * way.crossed, gradient, noise)
        return replace(below, uneven=uneven)

    return whole if layer.return_sequences else last_of(whole), back


def _above(gradient: Gradient, times: int, sequences: bool) -> tuple[Array, Array]:
    """What comes from above to each timestep: mean squares (n, times), and pairs of the first samples."""
    assert gradient.cross is not None
    count, few = len(gradient.square), len(gradient.cross)
    square, pairs = np.zeros((count, times)), np.zeros((few, times, few, times))
    where = slice(None) if sequences else slice(-1, None)
    square[:, where] = gradient.square
    pairs[:, where, :, where] = gradient.cross
    return square, pairs


def _drawn_above(
    drawn: Walk, gradient: Gradient, above: tuple[Array, Array], course: Course
) -> Array:
    """The same, drawn: (times, draws, samples, units).

    Samples, and timesteps of an output at each, have in common what random vectors have that are as wide as
    what is above.
    """
    pairs = above[1][: drawn.samples, :, : drawn.samples]
    size = np.sqrt(np.einsum("atat->ta", pairs))
    if np.count_nonzero(pairs) > np.count_nonzero(size):
        return drawn.from_above(pairs)
    alike = 1.0
    if gradient.overlap is not None and len(gradient.overlap) > 1:
        ends = gradient.overlap[:, -1, :, -1] ** 2
        sizes = np.diag(ends)
        alike = (ends.sum() - sizes.sum()) / (len(ends) - 1) / max(sizes.sum(), 1e-300)
    width = max(round(1 / max(alike, 1e-3)), 1)
    vectors = drawn.rng.standard_normal((len(size), drawn.draws, drawn.samples, width))
    vectors /= np.linalg.norm(vectors, axis=3, keepdims=True)
    parts = drawn.rng.standard_normal((drawn.draws, width, drawn.layer.units))
    found: Array = size[:, np.newaxis, :, np.newaxis] * (vectors @ parts)
    return found


def _uneven(course: Course, dh: Array) -> Array:
    """See `Gradient`: of draws (times, draws, samples, units)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log((dh**2).mean(axis=3))
        logs -= logs.mean(axis=1, keepdims=True)
    logs[~np.isfinite(logs)] = 0.0
    times, draws, samples = logs.shape
    rows = logs.transpose(2, 0, 1).reshape(samples * times, draws)
    shape = samples, times
    return course.by_place((rows @ rows.T / (draws - 1)).reshape(*shape, *shape))


def _relative(dh: Array, known: Array | None, uneven: Array) -> list[Length]:
    """Mean squares of dL/dh_t relative to the last.

    Those of the draws ``dh`` (times, draws, samples, units); where they are ``known`` of endlessly many
    units, drawn means are pulled there as far as chance may have parted them (James and Stein): of a walk
    that is longer than it is wide those no longer hold, for one matrix is not as many independent ones.
    """
    spread = np.diag(uneven) + uneven[-1, -1] - 2 * uneven[:, -1]
    spread = np.maximum(spread, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log((dh**2).mean(axis=(2, 3)))
        found = (logs - logs[-1]).mean(axis=1) + spread / 2
        if known is not None:
            expected = np.log(known / known[-1])
            off = found - expected
            chance = 4 * (spread + spread**2 / 2) / dh.shape[1]
            found = np.where(off**2 > chance, found - chance / off, expected)
        return list(map(Length, np.exp(found), spread))


def _differs(course: Course, squares: Array) -> float:
    """Variance of the logarithm of a batch's mean square between draws, by those of some samples.

    ``squares`` (draws, samples).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(squares)
    if not np.isfinite(logs).all():
        return 0.0
    both = np.atleast_2d(np.cov(logs.T))
    count = len(both)
    within = float(np.trace(both)) / count
    if count == 1:
        return within
    across = max(float(both.sum()) - count * within, 0.0) / (count * (count - 1))
    return within / course.samples + across * (1 - 1 / course.samples)


class _Gates:
    """Lengths of an LSTM or a GRU: those of the draws.

    ``dh``, ``delta`` (n, times): mean squares of dL/dh and of all gates' dL/dz; ``crossed``: what the latter
    have in common.
    """

    def __init__(self, drawn: Walk) -> None:
        self._drawn = drawn
        self.cross = drawn.common([drawn.h])
        self.square = np.einsum("atat->at", self.cross).copy()
        self.mean = drawn.h.mean(axis=(1, 3)).T.copy()
        self.z_square = drawn.z_square

    def back(self, above: tuple[Array, Array], dh: Array, deltas: list[Array]) -> None:
        """Find what becomes of a gradient from ``above``, of which ``dh`` and ``deltas`` were drawn."""
        self.dh = (dh**2).mean(axis=(1, 3)).T
        self.crossed = self._drawn.common(deltas)
        self.delta = np.einsum("atat->at", self.crossed).copy()


class _RNN:
    """``h_t = f(W_ih x_t + W_hh h_(t-1) + b)`` (Chen et al. 2018)."""

    def __init__(
        self, name: str, layer: RNN, cell: Cell, signal: Signal, x: Array, of_states: float
    ) -> None:
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
            exist(name, layer.activation, q[:, t], at[-1])
            before = at[-1].square
        self.square, self.mean, self._slope = (
            np.stack([getattr(each, name) for each in at], axis=1)
            for name in ("square", "mean", "slope")
        )
        self.z_square = np.float64(q.mean()) + shift**2
        self.cross = _Crossed(layer, x + more, q, of_states, shift).h

    def back(self, above: tuple[Array, Array], *_: Any) -> None:
        """As of `_Gates`; gradients of different timesteps have nothing in common."""
        coming = np.zeros(len(self.square))
        self.dh, self.delta = (np.empty_like(self.square) for _ in range(2))
        for t in reversed(range(self.square.shape[1])):
            self.dh[:, t] = above[0][:, t] + coming
            self.delta[:, t] = self._slope[:, t] * self.dh[:, t]
            coming = self._carried * self.delta[:, t]
        self.crossed = with_diagonal(np.zeros_like(self.cross), self.delta)


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


def weight_norm(cell: Cell, inputs: int, layer: Recurrent) -> Length:
    """Both weights together, their squares."""
    rows = len(layer.gates), layer.units
    parts = cell.inputs.whole(*rows, inputs), cell.states.whole(*rows, layer.units)
    square = sum(part.square for part in parts)
    off = sum(part.square**2 * part.variance for part in parts)
    return Length(square, off / square**2 if square else 0.0)


_WALKS: dict[type[Layer], type[Walk]] = {RNN: RNNWalk, LSTM: LSTMWalk, GRU: GRUWalk}
