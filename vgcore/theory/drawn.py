"""Recurrent layers that are drawn: what has no closed form is followed in layers of random weights.

What becomes of c in an LSTM is not normal, and since all timesteps have the same weights, a gate that is open
stays open; Gilboa et al. 2019 (arXiv:1901.08987) draw units, too. Here layers of the real width
are, always the same ones: their inputs are random numbers that have in common, sample by sample and
timestep by timestep, what theory says, and so is the gradient that comes from above.

Arrays of a timestep are (draws, samples, units).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore._slopes import evaluate
from vgcore.theory.starts import Start

Array = NDArray[Any]

_JITTER = 1e-9  # of a variance, so that a covariance has a root
_DRAWS, _LEAST = 64, 8
_MOST_NUMBERS = 20_000_000  # of all pre-activations, and of all weights


class Cell(NamedTuple):
    """How a recurrent layer's weights of inputs and states start, and of each gate the two biases."""

    inputs: Start
    states: Start
    biases: list[tuple[Start, Start]]


class Walk:
    """Draws of a layer on their way through time.

    Parameters
    ----------
    layer : RNN, LSTM or GRU
    cell : Cell
    x : ndarray, (samples, times, samples, times)
        What W_ih x has in common at any two of them, of one gate.

    Attributes
    ----------
    h : ndarray, (times, draws, samples, units)
    z_square : float
        Mean square of all pre-activations.
    """

    gates: int

    def __init__(self, layer: Any, cell: Cell, x: Array) -> None:
        self.layer, self.cell = layer, cell
        self.samples, self.times = x.shape[:2]
        numbers = self.gates * layer.units * max(self.samples * self.times, layer.units)
        self.draws = max(min(_DRAWS, _MOST_NUMBERS // numbers), _LEAST)
        self.rng = np.random.default_rng(0)
        self.weight = self._weights()
        keeps = 1 - layer.recurrent_dropout
        shape = (self.draws, self.samples, layer.units)
        self.mask = (self.rng.random(shape) < keeps) / keeps
        self._from_inputs = [self._drawn(x) for _ in range(self.gates)]
        self.biases = [[self._bias(one) for one in both] for both in cell.biases]
        self.h = np.zeros((self.times, *shape))
        self.z_square = 0.0
        self.forward()

    def _weights(self) -> Array:
        """W_hh of each gate, (gates, draws, units, units)."""
        units, start = self.layer.units, self.cell.states
        found = self.rng.standard_normal((self.gates, self.draws, units, units))
        if start.orthogonal:
            found, r = np.linalg.qr(found)
            signs = np.copysign(1.0, np.diagonal(r, axis1=2, axis2=3))
            found = found * signs[:, :, np.newaxis] * math.sqrt(units)
        drawn: Array = found * math.sqrt(start.variance)
        return drawn

    def _bias(self, start: Start) -> Array:
        shape = self.draws, 1, self.layer.units
        return start.mean + math.sqrt(start.variance) * self.rng.standard_normal(shape)

    def _drawn(self, pairs: Array) -> Array:
        """Units with this covariance (samples, times, samples, times): (times, draws, samples, units)."""
        rows = self.samples * self.times
        covariance = pairs.reshape(rows, rows)
        scale = np.sqrt(np.maximum(np.diag(covariance), 1e-280))
        alike = covariance / np.multiply.outer(scale, scale)
        values, vectors = np.linalg.eigh((alike + alike.T) / 2 + _JITTER * np.eye(rows))
        root = scale[:, np.newaxis] * vectors * np.sqrt(np.maximum(values, 0))
        white = self.rng.standard_normal((self.draws, rows, self.layer.units))
        found: Array = (root @ white).reshape(self.draws, self.samples, self.times, -1)
        return found.transpose(2, 0, 1, 3)

    def seen(self, t: int) -> Array:
        """What W_hh sees at timestep t."""
        return np.zeros_like(self.mask) if t == 0 else self.mask * self.h[t - 1]

    def pre_activation(self, gate: int, t: int, seen: Array) -> Array:
        """``W_ih x_t + b_ih + W_hh h_(t-1) + b_hh``."""
        of_states = seen @ self.weight[gate].swapaxes(1, 2)
        z: Array = self._from_inputs[gate][t] + of_states + sum(self.biases[gate])
        return z

    def split(self, gate: int, t: int, seen: Array) -> tuple[Array, Array]:
        """Both halves of it."""
        of_x, of_h = self.biases[gate]
        states = seen @ self.weight[gate].swapaxes(1, 2)
        return self._from_inputs[gate][t] + of_x, states + of_h

    def note(self, z: Array) -> None:
        """Count a gate's pre-activations of one timestep."""
        self.z_square += float((z**2).mean()) / (self.gates * self.times)

    def forward(self) -> None:
        """Go through time."""
        raise NotImplementedError

    def backward(self, above: Array) -> tuple[Array, list[Array]]:
        """dL/dh, and dL/dz of each gate, as ``h``; ``above``: what comes to each h from above."""
        raise NotImplementedError

    def pull(self, gate: int, delta: Array) -> Array:
        """``W_hh^T delta``, as it reaches h_(t-1)."""
        found: Array = self.mask * (delta @ self.weight[gate])
        return found

    def from_above(self, pairs: Array) -> Array:
        """A gradient with what is in common, (samples, times, samples, times)."""
        return self._drawn(pairs)

    def common(self, values: Sequence[Array]) -> Array:
        """What units have in common, summed over ``values``: (samples, times, samples, times)."""
        found = 0.0
        for each in values:
            rows = each.transpose(1, 2, 0, 3).reshape(self.draws, self.samples * self.times, -1)
            found = found + (rows @ rows.swapaxes(1, 2)).mean(axis=0) / self.layer.units
        shape = self.samples, self.times
        return np.asarray(found).reshape(*shape, *shape)


class RNNWalk(Walk):
    """``h_t = f(z_t)``."""

    gates = 1

    def forward(self) -> None:
        """Go through time."""
        self._slopes = np.empty_like(self.h)
        for t in range(self.times):
            z = self.pre_activation(0, t, self.seen(t))
            self.note(z)
            self.h[t], self._slopes[t] = evaluate(self.layer.activation.function, z)

    def backward(self, above: Array) -> tuple[Array, list[Array]]:
        """See `Walk.backward`."""
        dh, delta = above.copy(), np.empty_like(above)
        for t in reversed(range(self.times)):
            delta[t] = dh[t] * self._slopes[t]
            if t:
                dh[t - 1] += self.pull(0, delta[t])
        return dh, [delta]


class LSTMWalk(Walk):
    """``c_t = f c_(t-1) + i g``, ``h_t = o a(c_t)``."""

    gates = 4

    def forward(self) -> None:
        """Go through time."""
        layer = self.layer
        acts = [layer.recurrent_activation] * 2 + [layer.activation, layer.recurrent_activation]
        self._gates, self._slopes = np.empty((2, self.times, 4, *self.mask.shape))
        self._c, self._squashed, self._squash_slopes = (np.empty_like(self.h) for _ in range(3))
        c = np.zeros_like(self.mask)
        for t in range(self.times):
            seen = self.seen(t)
            for gate, act in enumerate(acts):
                z = self.pre_activation(gate, t, seen)
                self.note(z)
                self._gates[t, gate], self._slopes[t, gate] = evaluate(act.function, z)
            i, f, g, o = self._gates[t]
            self._c[t] = c = f * c + i * g
            squashed = evaluate(layer.activation.function, c)
            self._squashed[t], self._squash_slopes[t] = squashed
            self.h[t] = o * squashed[0]

    def backward(self, above: Array) -> tuple[Array, list[Array]]:
        """See `Walk.backward`."""
        dh, deltas = above.copy(), [np.empty_like(above) for _ in range(4)]
        dc = np.zeros_like(self.mask)
        for t in reversed(range(self.times)):
            i, f, g, o = self._gates[t]
            dc = dc + dh[t] * o * self._squash_slopes[t]
            before = self._c[t - 1] if t else np.zeros_like(dc)
            parts = dc * g, dc * before, dc * i, dh[t] * self._squashed[t]
            for gate, part in enumerate(parts):
                deltas[gate][t] = part * self._slopes[t, gate]
                if t:
                    dh[t - 1] += self.pull(gate, deltas[gate][t])
            dc = dc * f
        return dh, deltas


class GRUWalk(Walk):
    """``h_t = (1 - z) n + z h_(t-1)``, ``n = a(n_x + r n_h)``, or with Cho's product n_h of r h."""

    gates = 3

    def forward(self) -> None:
        """Go through time."""
        layer = self.layer
        self._gates, self._slopes = np.empty((2, self.times, 3, *self.mask.shape))
        self._n_h = np.empty_like(self.h)
        h = np.zeros_like(self.mask)
        for t in range(self.times):
            for gate in range(2):
                z = self.pre_activation(gate, t, self.seen(t))
                self.note(z)
                found = evaluate(layer.recurrent_activation.function, z)
                self._gates[t, gate], self._slopes[t, gate] = found
            r, update = self._gates[t, :2]
            seen = self.seen(t) if layer.reset_after else r * self.seen(t)
            n_x, self._n_h[t] = self.split(2, t, seen)
            z = n_x + (r * self._n_h[t] if layer.reset_after else self._n_h[t])
            self.note(z)
            self._gates[t, 2], self._slopes[t, 2] = evaluate(layer.activation.function, z)
            self.h[t] = h = (1 - update) * self._gates[t, 2] + update * h

    def backward(self, above: Array) -> tuple[Array, list[Array]]:
        """See `Walk.backward`."""
        dh, (d_r, d_z, d_n) = above.copy(), (np.empty_like(above) for _ in range(3))
        after = self.layer.reset_after
        for t in reversed(range(self.times)):
            r, update, n = self._gates[t]
            slope_r, slope_z, slope_n = self._slopes[t]
            h = self.h[t - 1] if t else np.zeros_like(r)
            d_n[t] = dh[t] * (1 - update) * slope_n
            d_z[t] = dh[t] * (h - n) * slope_z
            if after:
                d_r[t] = d_n[t] * self._n_h[t] * slope_r
                reset = self.pull(2, d_n[t] * r)
            else:
                of_product = self.pull(2, d_n[t])
                d_r[t] = of_product * h * slope_r
                reset = of_product * r
            if t:
                brought = self.pull(0, d_r[t]) + self.pull(1, d_z[t]) + reset
                dh[t - 1] += dh[t] * update + brought
        return dh, [d_r, d_z, d_n]
