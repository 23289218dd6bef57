"""The Jacobian of one timestep of each recurrent cell, from what is inside it: its gates and its states.

Units meet in the recurrent product alone (in Cho's GRU in two), so a Jacobian is a sum of weights whose rows
are scaled by slopes, which costs less than one product. Of an LSTM the state is (h, c).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore._core import kernels
from vgcore.activations import Activation
from vgcore.layers import GRU, LSTM, RNN
from vgcore.layers.recurrent import Recurrent

Float64 = NDArray[np.float64]


class Inside(NamedTuple):
    """What timesteps were made of; gates as the layer names them, and a layer without gates has one: h.

    Attributes
    ----------
    states : ndarray of float64, (times + 1, size)
        Before the first timestep, and behind each.
    z, gates : ndarray of float64, (times, gates, units)
        Pre-activations, and what the activations make of them.
    """

    states: Float64
    z: Float64
    gates: Float64

    def slope(self, gate: int, function: Activation) -> Float64:
        """The slope of a gate's activation (times, units)."""
        return _slope(self.gates[:, gate], self.z[:, gate], function)


_quiet = np.errstate(over="ignore", invalid="ignore")


def of(layer: Recurrent) -> Callable[[Inside], Float64]:
    """What makes of timesteps the Jacobians (times, size, size): row j is of number j of the state behind.

    They are not finite where slopes and states are not.
    """
    parameters = {
        name: np.ascontiguousarray(view, np.float64) for name, view in layer.views.items()
    }
    if isinstance(layer, RNN):
        return partial(_rnn, layer, parameters)
    if isinstance(layer, LSTM):
        return partial(_lstm, layer, parameters)
    assert isinstance(layer, GRU)
    return partial(_gru, layer, parameters)


def _slope(h: Float64, z: Float64, function: Activation) -> Float64:
    slope = np.ones_like(h)
    kernels.activation_backward(slope, h, z, function.function)
    return slope


def _scaled(rows: Float64, weight: Float64) -> Float64:
    """diag(rows_t) weight, of each timestep."""
    return rows[:, :, np.newaxis] * weight


def _product(rows: Float64, weight: Float64) -> Float64:
    """Rows times weight^T."""
    found = np.empty((len(rows), len(weight)))
    kernels.affine_input(found, rows, weight)
    return found


def _diagonal(matrices: Float64) -> Float64:
    """A view of the diagonal of each."""
    diagonal: Float64 = np.einsum("tii->ti", matrices)
    return diagonal


@_quiet
def _rnn(layer: RNN, parameters: dict[str, Float64], inside: Inside) -> Float64:
    return _scaled(inside.slope(0, layer.activation), parameters["weight_hh"])


@_quiet
def _lstm(layer: LSTM, parameters: dict[str, Float64], inside: Inside) -> Float64:
    """By h' and c' of ``c = f c' + i g`` and ``h = o a(c)``; peepholes show c' to i and f, and c to o."""
    gate, n = layer.recurrent_activation, layer.units
    wi, wf, wg, wo = parameters["weight_hh"].reshape(4, n, n)
    pi, pf, po = (parameters.get(f"weight_c{name}", np.zeros(n)) for name in "ifo")
    i, f, g, o = np.moveaxis(inside.gates, 1, 0)
    before, c = inside.states[:-1, n:], inside.states[1:, n:]
    by_i, by_f = g * inside.slope(0, gate), before * inside.slope(1, gate)
    by_g = i * inside.slope(2, layer.activation)
    squashed = np.zeros_like(c)
    kernels.activation(squashed, c, layer.activation.function)
    by_o = squashed * inside.slope(3, gate)
    by_c = o * _slope(squashed, c, layer.activation) + by_o * po
    made = np.zeros((len(c), 2 * n, 2 * n))
    of_c = made[:, n:, :n]
    np.multiply(by_i[:, :, np.newaxis], wi, out=of_c)
    of_c += _scaled(by_f, wf)
    of_c += _scaled(by_g, wg)
    np.multiply(by_c[:, :, np.newaxis], of_c, out=made[:, :n, :n])
    made[:, :n, :n] += _scaled(by_o, wo)
    straight = f + by_i * pi + by_f * pf
    _diagonal(made[:, n:, n:])[...] = straight
    _diagonal(made[:, :n, n:])[...] = by_c * straight
    return made


@_quiet
def _gru(layer: GRU, parameters: dict[str, Float64], inside: Inside) -> Float64:
    """By h' of ``h = (1 - z) n + z h'``, where n sees r (W_n h' + b) or, not ``reset_after``, W_n (r h')."""
    gate, units = layer.recurrent_activation, layer.units
    wr, wz, wn = parameters["weight_hh"].reshape(3, units, units)
    r, z, n = np.moveaxis(inside.gates, 1, 0)
    before = inside.states[:-1]
    by_n = (1 - z) * inside.slope(2, layer.activation)
    if layer.reset_after:
        m = _product(before, wn) + parameters.get("bias_hh", np.zeros(3 * units))[2 * units :]
        made = _scaled(by_n * r, wn)
        made += _scaled(by_n * m * inside.slope(0, gate), wr)
    else:
        reset = (before * inside.slope(0, gate))[:, np.newaxis] * wr.T  # by r h', transposed
        _diagonal(reset)[...] += r
        through = _product(reset.reshape(-1, units), wn).reshape(reset.shape)
        made = np.multiply(by_n[:, :, np.newaxis], through.transpose(0, 2, 1), order="C")
    made += _scaled((before - n) * inside.slope(1, gate), wz)
    _diagonal(made)[...] += z
    return made
