"""Units of recurrent layers, drawn from the theory.

Given what h has in common with itself at any two timesteps so far, W_hh h_t is a Gaussian process in time,
independent from unit to unit and from gate to gate, and so are the inputs' part and, backwards in time, what
W_hh^T brings of the gates' gradients. What comes of it, c above all, is not normal and has no closed form; as
Gilboa et al. 2019 (arXiv:1901.08987, Section 3) do for c, units are drawn: some thousand of them, with the
same draws every time. Other than there all timesteps have one matrix, so that a gate is much the same at each
of them: a unit whose forget gate is open stays open. As few units as the layer has are one draw of a layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore._slopes import evaluate
from vgcore.theory.starts import Start

Array = NDArray[Any]

_JITTER = 1e-6  # of a variance: independent noise that keeps covariances regular
_TINY = 1e-280


class Cell(NamedTuple):
    """How a recurrent layer's weights of inputs and states start, and of each gate the two biases."""

    inputs: Start
    states: Start
    biases: list[tuple[Start, Start]]


class _Process:
    """Units drawn from a Gaussian process, one timestep after the other: (draws, samples) at each.

    Of an ``orthogonal`` matrix they have in common exactly what the process says.
    """

    def __init__(
        self, rng: np.random.Generator, draws: int, samples: int, times: int, orthogonal: bool
    ) -> None:
        self._rng, self._samples, self._orthogonal = rng, samples, orthogonal
        rows = samples * times
        self._inverse = np.zeros((rows, rows))  # of the covariance's lower root
        self._white = np.zeros((draws, rows))
        self._done = 0

    def step(self, covariance: Array) -> Array:
        """The next, by its covariance (samples, rows so far and its own)."""
        done, new = self._done, self._done + self._samples
        past, own = covariance[:, :done], covariance[:, done:]
        to_past = past @ self._inverse[:done, :done].T
        left = own - to_past @ to_past.T
        floor = _JITTER * np.maximum(np.diag(own), _TINY)
        values, vectors = np.linalg.eigh((left + left.T) / 2 + np.diag(floor))
        root = vectors * np.sqrt(np.maximum(values, floor.min()))
        unroot = np.linalg.inv(root)
        self._inverse[done:new, :done] = -unroot @ to_past @ self._inverse[:done, :done]
        self._inverse[done:new, done:new] = unroot
        self._white[:, done:new] = self._fresh(done, new)
        self._done = new
        found: Array = self._white[:, :done] @ to_past.T + self._white[:, done:new] @ root.T
        return found

    def _fresh(self, done: int, new: int) -> Array:
        draws = len(self._white)
        half = self._rng.standard_normal((-(-draws // 2), self._samples))
        fresh = np.concatenate([half, -half[: draws // 2]])  # so that odd means are 0
        if self._orthogonal and new <= draws:
            fresh = self._rng.standard_normal((draws, self._samples))
            before = self._white[:, :done]
            fresh = np.linalg.qr(fresh - before @ (before.T @ fresh / draws))[0] * math.sqrt(draws)
        return fresh


class Walk:
    """A layer's units on their way through time: arrays of (draws, samples) for each timestep.

    ``x`` (samples, times, samples, times) is what W_ih x_t has in common at any two timesteps, ``states``
    H Var w of W_hh. Of a single draw of a layer, ``draws`` is the layer's units, and W_hh may be orthogonal.
    """

    gates: int

    def __init__(
        self,
        layer: Any,
        cell: Cell,
        x: Array,
        states: float,
        *,
        draws: int,
        seed: int,
        orthogonal: bool,
    ) -> None:
        self.layer, self.cell, self.draws = layer, cell, draws
        self.samples, self.times = x.shape[:2]
        rows = self.samples * self.times
        self.x = x.transpose(1, 0, 3, 2).reshape(rows, rows)  # time by time
        self.rng, self._orthogonal = np.random.default_rng(seed), orthogonal
        drop = layer.recurrent_dropout / (1 - layer.recurrent_dropout)
        masks = np.tile(1 + drop * np.eye(self.samples), (self.times, self.times))
        self.masks = states * masks
        self.h = np.zeros((draws, rows))
        self.z_square = 0.0
        self.forward()

    def process(self, orthogonal: bool = False) -> _Process:
        """A new Gaussian process."""
        kept = self._orthogonal and orthogonal
        return _Process(self.rng, self.draws, self.samples, self.times, kept)

    def of_gate(self, gate: int) -> Callable[[int, Array, Array], Array]:
        """Draws pre-activations of a gate from what inputs and states have in common."""
        of_x, of_h = self.process(), self.process(orthogonal=True)
        shift = sum(bias.mean for bias in self.cell.biases[gate])
        spread = sum(bias.variance for bias in self.cell.biases[gate])

        def draw(t: int, inputs: Array, states: Array) -> Array:
            z = of_x.step(inputs + spread) + shift
            if t:
                z = z + of_h.step(states[:, self.samples :])
            self.z_square += float((z**2).mean()) / (self.gates * self.times)
            return z

        return draw

    def forward(self) -> None:
        """Go through time."""
        raise NotImplementedError

    def backward(self, above: Array) -> tuple[Array, Array, Array]:
        """Mean squares (times, samples) of dL/dh and of all gates' dL/dz, and what the inputs get.

        ``above`` is what dL/dh has in common from above, ``samples`` by ``samples`` for each two timesteps
        from the last to the first; so is what the inputs get, W_ih's variance aside.
        """
        raise NotImplementedError

    def rows(self, t: int) -> slice:
        """Of timestep t."""
        return slice(t * self.samples, (t + 1) * self.samples)

    def _inputs(self, t: int) -> Array:
        """What the inputs of timestep t have in common with those so far."""
        now = self.rows(t)
        found: Array = self.x[now, : now.stop]
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
        found: Array = (
            self.masks[now, : now.stop] * (seen[:, now].T @ seen[:, : now.stop]) / self.draws
        )
        return found

    def common(self) -> Array:
        """E h_a h_b, (samples, times, samples, times)."""
        pairs = (self.h.T @ self.h / self.draws).reshape(
            self.times, self.samples, self.times, self.samples
        )
        return pairs.transpose(1, 0, 3, 2)

    def shared(self, deltas: Sequence[Array]) -> Array:
        """What the gates' gradients have in common, summed over gates, as the inputs get it."""
        found: Array = sum(delta.T @ delta for delta in deltas) / self.draws  # type: ignore[assignment]
        return found


class RNNWalk(Walk):
    """``h_t = f(z_t)``."""

    gates = 1

    def forward(self) -> None:
        """Go through time."""
        draw, self._slopes = self.of_gate(0), []
        for t in range(self.times):
            z = draw(t, self._inputs(t), self._states(t, self.h))
            self.h[:, self.rows(t)], slope = evaluate(self.layer.activation.function, z)
            self._slopes.append(slope)

    def backward(self, above: Array) -> tuple[Array, Array, Array]:
        """See `Walk.backward`."""
        from_above, from_states = self.process(), self.process(orthogonal=True)
        delta = np.zeros_like(self.h)
        squares = np.zeros((2, self.times, self.samples))
        for back, t in enumerate(reversed(range(self.times))):
            now = self.rows(back)
            dh = from_above.step(above[now, : now.stop])
            if back:
                dh = dh + from_states.step(self._states(back, delta)[:, self.samples :])
            delta[:, now] = dh * self._slopes[t]
            squares[:, t] = (dh**2).mean(axis=0), (delta[:, now] ** 2).mean(axis=0)
        return squares[0], squares[1], self.shared([delta])


class LSTMWalk(Walk):
    """``c_t = f c_(t-1) + i g``, ``h_t = o a(c_t)``."""

    gates = 4

    def forward(self) -> None:
        """Go through time."""
        layer = self.layer
        acts = [layer.recurrent_activation] * 2 + [layer.activation, layer.recurrent_activation]
        draws = [self.of_gate(gate) for gate in range(4)]
        self._gates, self._slopes, self._c, self._squashed = [], [], [], []
        c = np.zeros((self.draws, self.samples))
        for t in range(self.times):
            inputs, states = self._inputs(t), self._states(t, self.h)
            gates = [
                evaluate(act.function, draw(t, inputs, states))
                for draw, act in zip(draws, acts, strict=True)
            ]
            i, f, g, o = (value for value, _ in gates)
            c = f * c + i * g
            squashed = evaluate(layer.activation.function, c)
            self.h[:, self.rows(t)] = o * squashed[0]
            self._gates.append((i, f, g, o))
            self._slopes.append([slope for _, slope in gates])
            self._c.append(c)
            self._squashed.append(squashed)

    def backward(self, above: Array) -> tuple[Array, Array, Array]:
        """See `Walk.backward`."""
        from_above = self.process()
        from_states = [self.process(orthogonal=True) for _ in range(4)]
        deltas = [np.zeros_like(self.h) for _ in range(4)]
        squares = np.zeros((2, self.times, self.samples))
        dc, f_next = np.zeros((self.draws, self.samples)), np.zeros((self.draws, self.samples))
        for back, t in enumerate(reversed(range(self.times))):
            now = self.rows(back)
            dh = from_above.step(above[now, : now.stop])
            if back:
                for process, delta in zip(from_states, deltas, strict=True):
                    dh = dh + process.step(self._states(back, delta)[:, self.samples :])
            i, f, g, o = self._gates[t]
            squashed, slope = self._squashed[t]
            dc = dh * o * slope + dc * f_next
            before = self._c[t - 1] if t else np.zeros_like(dc)
            parts = dc * g, dc * before, dc * i, dh * squashed
            for delta, part, own in zip(deltas, parts, self._slopes[t], strict=True):
                delta[:, now] = part * own
                squares[1, t] += (delta[:, now] ** 2).mean(axis=0)
            squares[0, t], f_next = (dh**2).mean(axis=0), f
        return squares[0], squares[1], self.shared(deltas)


class GRUWalk(Walk):
    """``h_t = (1 - z) n + z h_(t-1)``, ``n = a(n_x + r n_h)``, or with Cho's product n_h of r h."""

    gates = 3

    def forward(self) -> None:
        """Go through time."""
        layer, after = self.layer, self.layer.reset_after
        draws = [self.of_gate(gate) for gate in range(2)]
        of_x, of_h = self.process(), self.process(orthogonal=True)
        bias_x, bias_h = self.cell.biases[2]
        seen = np.zeros_like(self.h)
        self._gates, self._slopes, self._n_h, self._before = [], [], [], []
        h = np.zeros((self.draws, self.samples))
        constant = self.process()
        for t in range(self.times):
            inputs, states = self._inputs(t), self._states(t, self.h)
            (r, slope_r), (update, slope_z) = (
                evaluate(layer.recurrent_activation.function, draw(t, inputs, states))
                for draw in draws
            )
            n_x = of_x.step(inputs + bias_x.variance) + bias_x.mean
            n_h = constant.step(np.full_like(inputs, bias_h.variance)) + bias_h.mean
            if not after:
                seen[:, self.rows(t)] = r * h
            if t:
                common = (
                    states[:, self.samples :] if after else self._seen(t, seen)[:, self.samples :]
                )
                n_h = n_h + of_h.step(common)
            z = n_x + (r * n_h if after else n_h)
            self.z_square += float((z**2).mean()) / (3 * self.times)
            n, slope = evaluate(layer.activation.function, z)
            self._before.append(h)
            h = (1 - update) * n + update * h
            self.h[:, self.rows(t)] = h
            self._gates.append((r, update, n))
            self._slopes.append((slope_r, slope_z, slope))
            self._n_h.append(n_h)

    def backward(self, above: Array) -> tuple[Array, Array, Array]:
        """See `Walk.backward`."""
        after = self.layer.reset_after
        from_above = self.process()
        of_r, of_z, of_n = (self.process(orthogonal=True) for _ in range(3))
        d_r, d_z, d_n, d_seen = (np.zeros_like(self.h) for _ in range(4))
        squares = np.zeros((2, self.times, self.samples))
        kept = np.zeros((self.draws, self.samples))
        for back, t in enumerate(reversed(range(self.times))):
            now = self.rows(back)
            dh = from_above.step(above[now, : now.stop]) + kept
            if back:
                pairs = [(of_r, d_r), (of_z, d_z), *([(of_n, d_seen)] if after else [])]
                for process, delta in pairs:
                    dh = dh + process.step(self._states(back, delta)[:, self.samples :])
            r, update, n = self._gates[t]
            slope_r, slope_z, slope_n = self._slopes[t]
            h = self._before[t]
            d_n[:, now] = dh * (1 - update) * slope_n
            d_z[:, now] = dh * (h - n) * slope_z
            kept = dh * update
            if after:
                d_r[:, now] = d_n[:, now] * self._n_h[t] * slope_r
                d_seen[:, now] = d_n[:, now] * r
            else:
                reset = of_n.step(self._seen(back, d_n))
                d_r[:, now] = reset * h * slope_r
                kept = kept + reset * r
            squares[0, t] = (dh**2).mean(axis=0)
            squares[1, t] = sum((d[:, now] ** 2).mean(axis=0) for d in (d_r, d_z, d_n))
        return squares[0], squares[1], self.shared([d_r, d_z, d_n])
