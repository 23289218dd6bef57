"""Theory of LSTMs and GRUs at the start.

Pre-activations of each gate are a Gaussian process in time, independent from unit to unit and from gate to
gate, whose covariance follows from what h and x have in common at any two timesteps. What comes of it, c
above all, is not normal and has no closed form; as Gilboa et al. 2019 (arXiv:1901.08987, Section 3) do for c,
units are drawn from the theory: some thousand of them, with the same draws every time. Other than there all
timesteps have one matrix, so that a gate is much the same at each of them: a unit whose forget gate is open
stays open. Gradients are drawn the same way, backwards in time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore._slopes import evaluate
from vgcore.layers.gru import GRU
from vgcore.layers.lstm import LSTM
from vgcore.theory.recurrent import Cell, incoming, last_of, tell_time, weight_norm
from vgcore.theory.rules import Place
from vgcore.theory.signal import Course, Gradient, Length, Signal, total, variance, with_diagonal
from vgcore.theory.units import Back, pass_on

Array = NDArray[Any]

DRAWS = 2048  # units: a mean square is off by some 3 %, a length by half of that
MOST_ROWS = 1024  # samples times timesteps
_JITTER = 1e-6  # of a variance: independent noise that keeps covariances regular


class _Process:
    """Units drawn from a Gaussian process, one timestep after the other: (draws, samples) at each."""

    def __init__(self, rng: np.random.Generator, count: int, samples: int, times: int) -> None:
        self._rng, self._count, self._samples = rng, count, samples
        rows = samples * times
        self._inverse = np.zeros((rows, rows))  # of the covariance's lower root
        self._white = [np.zeros((DRAWS, rows)) for _ in range(count)]
        self._done = 0

    def step(self, covariance: Array) -> list[Array]:
        """The next, by its covariance (samples, rows so far and its own); ``count`` independent ones."""
        done, new = self._done, self._done + self._samples
        past, own = covariance[:, :done], covariance[:, done:]
        to_past = past @ self._inverse[:done, :done].T
        left = own - to_past @ to_past.T
        floor = _JITTER * np.maximum(np.diag(own), 1e-280)
        values, vectors = np.linalg.eigh((left + left.T) / 2 + np.diag(floor))
        root = vectors * np.sqrt(np.maximum(values, floor.min()))
        unroot = np.linalg.inv(root)
        self._inverse[done:new, :done] = -unroot @ to_past @ self._inverse[:done, :done]
        self._inverse[done:new, done:new] = unroot
        self._done = new
        found = []
        for white in self._white:
            half = self._rng.standard_normal((DRAWS // 2, self._samples))
            white[:, done:new] = np.concatenate([half, -half])  # so that odd means are 0
            found.append(white[:, :done] @ to_past.T + white[:, done:new] @ root.T)
        return found


class _Walk:
    """A layer's units on their way through time: arrays of (draws, samples) for each timestep."""

    def __init__(self, layer: LSTM | GRU, cell: Cell, signal: Signal) -> None:
        assert signal.cross is not None
        self.layer, self.cell = layer, cell
        self.samples, self.times = signal.cross.shape[:2]
        self.of_inputs = signal.units * cell.inputs.variance
        self.of_states = layer.units * cell.states.variance
        rows = self.samples * self.times
        self.x = signal.cross.transpose(1, 0, 3, 2).reshape(rows, rows)  # time by time
        self.rng = np.random.default_rng(0)
        drop = layer.recurrent_dropout / (1 - layer.recurrent_dropout)
        masks = np.tile(1 + drop * np.eye(self.samples), (self.times, self.times))
        self.masks = self.of_states * masks
        self.h = np.zeros((DRAWS, rows))
        self.z_square = 0.0

    def rows(self, t: int) -> slice:
        """Of timestep t."""
        return slice(t * self.samples, (t + 1) * self.samples)

    def _inputs(self, t: int) -> Array:
        """What the inputs of timestep t have in common with those so far."""
        now = self.rows(t)
        found: Array = self.of_inputs * self.x[now, : now.stop]
        return found

    def _states(self, t: int, seen: Array) -> Array:
        """The same of what W_hh sees of the timestep before: nothing at the first."""
        found = np.zeros((self.samples, self.rows(t).stop))
        if t:
            found[:, self.samples :] = self._seen(t - 1, seen)
        return found

    def _seen(self, t: int, seen: Array) -> Array:
        """W_hh of ``seen`` (draws, rows) at timestep t, in common with all so far."""
        now = self.rows(t)
        found: Array = self.masks[now, : now.stop] * (seen[:, now].T @ seen[:, : now.stop]) / DRAWS
        return found

    def common(self) -> Array:
        """E h_a h_b, (samples, times, samples, times)."""
        pairs = (self.h.T @ self.h / DRAWS).reshape(
            self.times, self.samples, self.times, self.samples
        )
        return pairs.transpose(1, 0, 3, 2)

    def shifted(self, gate: int) -> float:
        """Mean of a gate's biases."""
        return sum(bias.mean for bias in self.cell.biases[gate])

    def spread(self, gate: int) -> float:
        """Their variance."""
        return sum(bias.variance for bias in self.cell.biases[gate])


class _LSTM(_Walk):
    def forward(self) -> None:
        """``c_t = f c_(t-1) + i g``, ``h_t = o a(c_t)``."""
        layer: Any = self.layer
        processes = [_Process(self.rng, 1, self.samples, self.times) for _ in range(4)]
        acts = [layer.recurrent_activation] * 2 + [layer.activation, layer.recurrent_activation]
        self.gates, self.slopes, self.c = [], [], []
        self.squashed, self.squash_slopes = [], []
        c = np.zeros((DRAWS, self.samples))
        for t in range(self.times):
            shared = self._inputs(t) + self._states(t, self.h)
            values, slopes = [], []
            for gate, (process, act) in enumerate(zip(processes, acts, strict=True)):
                [z] = process.step(shared + self.spread(gate))
                z += self.shifted(gate)
                self.z_square += float((z**2).mean()) / (4 * self.times)
                value, slope = evaluate(act.function, z)
                values.append(value)
                slopes.append(slope)
            i, f, g, o = values
            c = f * c + i * g
            squashed, slope = evaluate(layer.activation.function, c)
            self.h[:, self.rows(t)] = o * squashed
            self.gates.append(values)
            self.slopes.append(slopes)
            self.c.append(c)
            self.squashed.append(squashed)
            self.squash_slopes.append(slope)

    def backward(self, above: Array) -> tuple[Array, Array, Array]:
        """Mean squares (times, samples) of dL/dh, of all gates' dL/dz, summed, and of what the inputs get."""
        process = _Process(self.rng, 1, self.samples, self.times)
        dc = np.zeros((DRAWS, self.samples))
        deltas = [np.zeros((DRAWS, self.samples * self.times)) for _ in range(4)]
        dh_square, delta_square = np.zeros((2, self.times, self.samples))
        f_next: Any = 0.0
        for back, t in enumerate(reversed(range(self.times))):
            coming = sum(self._states(back, delta) for delta in deltas)
            [dh] = process.step(np.asarray(coming))
            dh += _drawn(self.rng, above[t])
            i, f, g, o = self.gates[t]
            dc = dh * o * self.squash_slopes[t] + dc * f_next
            before = self.c[t - 1] if t else 0.0
            parts = dc * g, dc * before, dc * i, dh * self.squashed[t]
            for delta, part, slope in zip(deltas, parts, self.slopes[t], strict=True):
                delta[:, self.rows(back)] = part * slope
                delta_square[t] += (delta[:, self.rows(back)] ** 2).mean(axis=0)
            dh_square[t], f_next = (dh**2).mean(axis=0), f
        return dh_square, delta_square, delta_square


class _GRU(_Walk):
    def forward(self) -> None:
        """``h_t = (1 - z) n + z h_(t-1)``, ``n = a(n_x + r n_h)`` or, before Cho's product, of r h."""
        layer: Any = self.layer
        gates = [_Process(self.rng, 1, self.samples, self.times) for _ in range(2)]
        of_x, of_h = (_Process(self.rng, 1, self.samples, self.times) for _ in range(2))
        after = layer.reset_after
        seen = np.zeros_like(self.h)
        self.gates, self.slopes, self.n_h, self.previous = [], [], [], []
        h = np.zeros((DRAWS, self.samples))
        bias_x, bias_h = self.cell.biases[2]
        for t in range(self.times):
            inputs, states = self._inputs(t), self._states(t, self.h)
            values, slopes = [], []
            for gate, process in enumerate(gates):
                [z] = process.step(inputs + states + self.spread(gate))
                z += self.shifted(gate)
                self.z_square += float((z**2).mean()) / (3 * self.times)
                value, slope = evaluate(layer.recurrent_activation.function, z)
                values.append(value)
                slopes.append(slope)
            r, update = values
            [n_x] = of_x.step(inputs + bias_x.variance)
            n_x += bias_x.mean
            if after:
                [n_h] = of_h.step(states + bias_h.variance)
                n_h += bias_h.mean
                z = n_x + r * n_h
            else:
                seen[:, self.rows(t)] = r * h
                [n_h] = of_h.step(self._seen(t, seen) + bias_h.variance)
                z = n_x + n_h + bias_h.mean
            self.z_square += float((z**2).mean()) / (3 * self.times)
            n, slope = evaluate(layer.activation.function, z)
            self.previous.append(h)
            h = (1 - update) * n + update * h
            self.h[:, self.rows(t)] = h
            self.gates.append((r, update, n))
            self.slopes.append((*slopes, slope))
            self.n_h.append(n_h)

    def backward(self, above: Array) -> tuple[Array, Array, Array]:
        """As of an LSTM."""
        layer: Any = self.layer
        after = layer.reset_after
        joint, of_n = (_Process(self.rng, 1, self.samples, self.times) for _ in range(2))
        rows = self.samples * self.times
        d_r, d_z, d_n, d_seen = np.zeros((4, DRAWS, rows))
        kept: Any = 0.0
        dh_square, delta_square, into_inputs = np.zeros((3, self.times, self.samples))
        for back, t in enumerate(reversed(range(self.times))):
            now = self.rows(back)
            coming = self._states(back, d_r) + self._states(back, d_z)
            if after:
                coming = coming + self._states(back, d_seen)
            [dh] = joint.step(coming)
            dh += _drawn(self.rng, above[t]) + kept
            r, update, n = self.gates[t]
            slope_r, slope_z, slope_n = self.slopes[t]
            h = self.previous[t]
            d_n[:, now] = dh * (1 - update) * slope_n
            d_z[:, now] = dh * (h - n) * slope_z
            kept = dh * update
            if after:
                d_r[:, now] = d_n[:, now] * self.n_h[t] * slope_r
                d_seen[:, now] = d_n[:, now] * r
            else:
                [reset] = of_n.step(self._seen(back, d_n))
                d_r[:, now] = reset * h * slope_r
                kept = kept + reset * r
            dh_square[t] = (dh**2).mean(axis=0)
            delta_square[t] = sum((d[:, now] ** 2).mean(axis=0) for d in (d_r, d_z, d_n))
            into_inputs[t] = delta_square[t]
        return dh_square, delta_square, into_inputs


def _drawn(rng: np.random.Generator, square: Array) -> Array:
    """Independent normal numbers of these variances, (draws, samples)."""
    half = rng.standard_normal((DRAWS // 2, len(square)))
    found: Array = np.concatenate([half, -half]) * np.sqrt(square)
    return found


def walk(
    course: Course, layer: LSTM | GRU, place: Place, signal: Signal, suffix: str
) -> tuple[Signal, Back]:
    """Through an LSTM or a GRU, forwards in time."""
    if signal.cross is None or len(signal.cross) < len(signal.square):
        raise place.refuse(
            f"LSTMs and GRUs over at most {MOST_ROWS} timesteps, got {signal.square.shape[1]}"
        )
    cell = Cell.of(layer, place)
    kind = _LSTM if isinstance(layer, LSTM) else _GRU
    gone = kind(layer, cell, signal)
    gone.forward()
    units, times = layer.units, gone.times
    cross = gone.common()
    square = np.einsum("atat->at", cross).copy()
    mean = gone.h.mean(axis=0).reshape(times, gone.samples).T.copy()
    row = place.row(course, suffix)
    row.numbers = len(layer.gates) * units * times
    row.weight = weight_norm(cell, signal.units, units, len(layer.gates))
    relative = 2 * course.products(cross, square) / units
    noise = total(signal.noise, course.source(relative))
    row.z = Length(gone.z_square, variance(noise))
    whole = Signal(
        square, mean, with_diagonal(cross, square), units, noise=noise, weights=signal.weights + 1
    )
    told = pass_on(course, row, whole)

    def back(gradient: Gradient) -> Gradient:
        told(gradient)
        above = np.zeros((times, gone.samples))
        if layer.return_sequences:
            above[...] = gradient.square.T
        else:
            above[-1] = gradient.square[:, 0]
        dh, delta, into = gone.backward(above)
        alike = 1 / course.samples + 1 / min(course.outputs, course.samples)
        spread = [2 * alike * (times - 1 - t) / units for t in range(times)]
        lengths = [Length(float(dh[t].mean()), spread[t]) for t in range(times)]
        tell_time(course, layer, place, suffix, lengths)
        noise = total(gradient.noise, course.source(spread[0] / 2 + 2 * alike / units))
        row.delta = Length(float(delta.mean()) / len(layer.gates), variance(noise))
        return incoming(signal, units * cell.inputs.variance * into.T, gradient, noise)

    return whole if layer.return_sequences else last_of(whole), back
