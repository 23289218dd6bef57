"""Recurrent layers for JAX: `lax.scan` over time, and the way back through it derived by JAX or by hand.

By hand a step takes up to a third less: JAX adds to dW at every timestep, by hand dW is one product after
the last. What else is faster for being as it is:

- Input and state side by side make one product of two. Not in a GRU, which resets its candidate's
  recurrent part alone.
- The loops keep an array for each gate. XLA does not vectorize what reads gates out of an array of
  all timesteps and gates.
- The loops are not unrolled: no RNN or GRU gains by it, and an LSTM loses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
from jax import Array, lax
from jax import numpy as jnp
from jax.nn import sigmoid

Arrays = tuple[Array, ...]


class Weights(NamedTuple):
    """Of one layer, its G gates stacked as in PyTorch."""

    ih: Array  # (G·H, F)
    hh: Array  # (G·H, H)
    bias_ih: Array  # (G·H,)
    bias_hh: Array  # (G·H,)


def last_hidden(cell: Cell, *, by_hand: bool) -> Callable[[Weights, Array], Array]:
    """Build the function from weights and inputs (B, T, F) to the last hidden state (B, H)."""

    def walk(weights: Weights, x: Array) -> tuple[Array, tuple[Weights, Arrays]]:
        zeros = jnp.zeros((len(x), weights.hh.shape[1]), x.dtype)
        forward = partial(cell.forward, cell.operands(weights))
        state, saved = lax.scan(forward, (zeros,) * cell.states, x.swapaxes(0, 1))
        return state[0], (weights, saved)

    def walk_back(residuals: tuple[Weights, Arrays], dh: Array) -> tuple[Weights, None]:
        weights, saved = residuals
        dstate = (dh, *[jnp.zeros_like(dh)] * (cell.states - 1))
        _, dz = lax.scan(partial(cell.backward, weights), dstate, saved, reverse=True)
        return cell.gradients(dz, saved), None  # a first layer needs no dX

    def layer(weights: Weights, x: Array) -> Array:
        return walk(weights, x)[0]

    if not by_hand:
        return layer
    derived = jax.custom_vjp(layer)
    derived.defvjp(walk, walk_back)
    return derived


class Cell(ABC):
    """One timestep, forward and backward."""

    states = 1  # h, and of an LSTM c

    @abstractmethod
    def operands(self, weights: Weights) -> Arrays:
        """Return the weights as `forward` wants them."""

    @abstractmethod
    def forward(self, operands: Arrays, state: Arrays, x: Array) -> tuple[Arrays, Arrays]:
        """Return the next state, and what the way back needs."""

    @abstractmethod
    def backward(self, weights: Weights, dstate: Arrays, saved: Arrays) -> tuple[Arrays, Arrays]:
        """Return dL/d state from dL/d next state, and dL/dz of each product's gates."""

    @abstractmethod
    def gradients(self, dz: Arrays, saved: Arrays) -> Weights:
        """Return dL/d weights from dz and saved of all timesteps, (T, B, ...) each."""


class _Joint(Cell):
    """A cell with one product, ``z = [W_ih W_hh] [x; h] + b``."""

    gates: int

    @abstractmethod
    def activate(self, z: Sequence[Array], state: Arrays) -> tuple[Arrays, Arrays]:
        """Return the next state, and what `derive` needs."""

    @abstractmethod
    def derive(self, dstate: Arrays, saved: Arrays) -> tuple[Arrays, Arrays]:
        """Return dL/dz of each gate, and dL/d state but for h, which it reaches through z."""

    def operands(self, weights: Weights) -> Arrays:
        return _beside(weights.ih, weights.hh), weights.bias_ih + weights.bias_hh

    def forward(self, operands: Arrays, state: Arrays, x: Array) -> tuple[Arrays, Arrays]:
        weight, bias = operands
        joint = _beside(x, state[0])
        z = jnp.split(joint @ weight.T + bias, self.gates, axis=-1)
        state, saved = self.activate(z, state)
        return state, (joint, *saved)

    def backward(self, weights: Weights, dstate: Arrays, saved: Arrays) -> tuple[Arrays, Arrays]:
        dz, dothers = self.derive(dstate, saved[1:])
        return (_beside(*dz) @ weights.hh, *dothers), dz

    def gradients(self, dz: Arrays, saved: Arrays) -> Weights:
        weight, bias = _weight_gradient(dz, saved[0]), _bias_gradient(dz)
        units = dz[0].shape[-1]
        return Weights(weight[:, :-units], weight[:, -units:], bias, bias)


class _Rnn(_Joint):
    gates = 1

    def activate(self, z: Sequence[Array], state: Arrays) -> tuple[Arrays, Arrays]:
        h = jnp.tanh(z[0])
        return (h,), (h,)

    def derive(self, dstate: Arrays, saved: Arrays) -> tuple[Arrays, Arrays]:
        (dh,), (h,) = dstate, saved
        return (dh * (1 - h * h),), ()


class _Lstm(_Joint):
    gates = 4
    states = 2

    def activate(self, z: Sequence[Array], state: Arrays) -> tuple[Arrays, Arrays]:
        _, before = state
        i, f, g, o = sigmoid(z[0]), sigmoid(z[1]), jnp.tanh(z[2]), sigmoid(z[3])
        c = f * before + i * g
        a = jnp.tanh(c)
        return (o * a, c), (i, f, g, o, before, a)

    def derive(self, dstate: Arrays, saved: Arrays) -> tuple[Arrays, Arrays]:
        (dh, dc), (i, f, g, o, before, a) = dstate, saved
        dc = dc + dh * o * (1 - a * a)
        dz_i = dc * g * i * (1 - i)
        dz_f = dc * before * f * (1 - f)
        dz_g = dc * i * (1 - g * g)
        dz_o = dh * a * o * (1 - o)
        return (dz_i, dz_f, dz_g, dz_o), (dc * f,)


class _Gru(Cell):
    """``n = tanh(u_n + r v_n)`` with u of the input and v of the state, as in PyTorch."""

    def operands(self, weights: Weights) -> Arrays:
        return weights

    def forward(self, operands: Arrays, state: Arrays, x: Array) -> tuple[Arrays, Arrays]:
        ih, hh, bias_ih, bias_hh = operands
        (h,) = state
        u_r, u_z, u_n = jnp.split(x @ ih.T + bias_ih, 3, axis=-1)
        v_r, v_z, v_n = jnp.split(h @ hh.T + bias_hh, 3, axis=-1)
        r, z = sigmoid(u_r + v_r), sigmoid(u_z + v_z)
        n = jnp.tanh(u_n + r * v_n)
        return (n + z * (h - n),), (x, h, r, z, n, v_n)

    def backward(self, weights: Weights, dstate: Arrays, saved: Arrays) -> tuple[Arrays, Arrays]:
        (dh,), (_, h, r, z, n, v_n) = dstate, saved
        du_n = dh * (1 - z) * (1 - n * n)
        dv_n = du_n * r
        dz_z = dh * (h - n) * z * (1 - z)
        dz_r = du_n * v_n * r * (1 - r)
        return (_beside(dz_r, dz_z, dv_n) @ weights.hh + dh * z,), (dz_r, dz_z, du_n, dv_n)

    def gradients(self, dz: Arrays, saved: Arrays) -> Weights:
        dz_r, dz_z, du_n, dv_n = dz
        x, h, *_ = saved
        du, dv = (dz_r, dz_z, du_n), (dz_r, dz_z, dv_n)
        return Weights(
            _weight_gradient(du, x), _weight_gradient(dv, h), _bias_gradient(du), _bias_gradient(dv)
        )


CELLS: dict[str, Cell] = {"rnn": _Rnn(), "lstm": _Lstm(), "gru": _Gru()}


def _beside(*arrays: Array) -> Array:
    return jnp.concatenate(arrays, axis=-1)


def _weight_gradient(dz: Arrays, factor: Array) -> Array:
    """Return Σ dzᵀ factor over timesteps and samples, gates stacked; a product each."""
    rows = factor.reshape(-1, factor.shape[-1])
    return jnp.concatenate([each.reshape(len(rows), -1).T @ rows for each in dz])


def _bias_gradient(dz: Arrays) -> Array:
    return jnp.concatenate([each.sum((0, 1)) for each in dz])
