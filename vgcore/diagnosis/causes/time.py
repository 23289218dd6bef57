"""Factors over timesteps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore._core import kernels
from vgcore.activations import Activation
from vgcore.diagnosis.causes.steps import Array, Path, root_mean_square, there
from vgcore.diagnosis.finding import Factor
from vgcore.diagnosis.network import leaves
from vgcore.flow import Inside, Internals
from vgcore.layers import GRU, LSTM
from vgcore.layers.recurrent import Recurrent
from vgcore.model import Sequential

Float64 = NDArray[np.float64]


def over_time(model: Sequential, internals: Internals, walk: str) -> tuple[Factor, ...]:
    """By what each timestep of a recurrent layer multiplies the gradient, from the walk's last one back.

    The factor of "timestep 3" is what comes back to it through time, over the gradient at the timestep that
    the walk does next. What the layers above send straight to a timestep is no part of it: ``total`` is the
    root mean square of ``dh_t - dh_direct_t`` over that of ``dh_{t+1}``; of an LSTM, whose path through time
    is its cell, of dL/dc_t without what ``dh_direct_t`` has brought, over ``dc_{t+1}``. Where the output
    is the last state alone, the product of totals is what is left of its gradient.

    ======= ========================== ============================ ======================================
    .       RNN                        LSTM                         GRU
    ======= ========================== ============================ ======================================
    slopes  from dh_{t+1} to dL/dz     1                            1
    skips   1                          f: from dc_{t+1} to          z: from dh_{t+1} to ``z dh_{t+1}``,
                                       ``f dc_{t+1}``, its own path its own path
    weights W_hh^T                     all that the gates add, their weights and slopes together: from
                                       the own path to the total
    ======= ========================== ============================ ======================================

    Samples count at those timesteps that they have. Where `tbptt` cuts the gradient there is no factor. What
    is measured is a difference, so in float32 a total below some 1e-7 of what the layers above send to the
    same timestep is rounding.

    Parameters
    ----------
    model : Sequential
    internals : Internals
        Of that model, with targets.
    walk : str
        Name of a recurrent layer, of a direction, or of one of a stack, as in ``internals``.

    Returns
    -------
    tuple of Factor
        At most one less than there are timesteps; none where the sequences have but one.

    Raises
    ------
    ValueError
        If there is no such walk, or there are no gradients in ``internals``.
    """
    if internals.loss is None:
        raise ValueError(
            "internals: expected those of a pass with targets, got one without gradients"
        )
    walks = {name: layer for name, layer in leaves(model) if isinstance(layer, Recurrent)}
    layer = walks[_validate.one_of("walk", walk, walks)]
    seen = internals[walk]
    assert seen.dh is not None and seen.dh_direct is not None
    valid, own = there(internals, seen.dh), _Own(layer, seen)
    times = range(seen.dh.shape[1])
    before = 1 if layer.go_backwards else -1
    cut = model.session.compiled.tbptt if model.session.stack.may_checkpoint() else None
    factors = []
    for after in times if layer.go_backwards else reversed(times):
        at = after + before
        if at not in times or (cut is not None and after % cut == 0):
            continue
        rows = valid[:, after] & valid[:, at]
        if rows.any():
            factors.append(own.path(at, after, rows).factor(f"timestep {at}"))
    return tuple(factors)


class _Own:
    """What a recurrent layer's gradient does between two timesteps."""

    def __init__(self, layer: Recurrent, seen: Inside) -> None:
        self._layer, self._seen = layer, seen

    def path(self, at: int, after: int, rows: Array) -> Path:
        """From timestep ``after`` back to ``at``, of some samples."""
        seen, layer = self._seen, self._layer
        if isinstance(layer, LSTM):
            return self._gated(seen.dc, seen.gates["f"], self._by_c(at, rows), at, after, rows)
        if isinstance(layer, GRU):
            return self._gated(seen.dh, seen.gates["z"], 1.0, at, after, rows)
        path = Path(root_mean_square(_at(seen.dh, after, rows)))
        path.go(root_mean_square(_at(seen.delta, after, rows)), "slopes")
        path.go(self._through_time(seen.dh, 1.0, at, rows), "weights")
        return path

    def _gated(
        self,
        carried: Array | None,
        keep: Array,
        by: Float64 | float,
        at: int,
        after: int,
        rows: Array,
    ) -> Path:
        above = _at(carried, after, rows)
        path = Path(root_mean_square(above))
        with np.errstate(all="ignore"):
            kept = above * _at(keep, after, rows)
        path.go(root_mean_square(kept), "skips")
        path.go(self._through_time(carried, by, at, rows), "weights")
        return path

    def _through_time(
        self, carried: Array | None, by: Float64 | float, at: int, rows: Array
    ) -> float:
        """Size of what has come back from the timestep after: all but what layers above have brought."""
        with np.errstate(all="ignore"):
            brought = _at(self._seen.dh_direct, at, rows) * by
            return root_mean_square(_at(carried, at, rows) - brought)

    def _by_c(self, at: int, rows: Array) -> Float64:
        """dh_t/dc_t of an LSTM: ``h = o a(c)``, where a peephole may show c to o."""
        seen, layer = self._seen, self._layer
        assert isinstance(layer, LSTM) and seen.z is not None
        c, o = _at(seen.c, at, rows), _at(seen.gates["o"], at, rows)
        squashed = np.zeros_like(c)
        kernels.activation(squashed, c, layer.activation.function)
        with np.errstate(all="ignore"):
            by = o * _slope(squashed, c, layer.activation)
            if layer.peepholes:
                z = np.split(_at(seen.z, at, rows), 4, axis=1)[3]
                by += squashed * _slope(o, z, layer.recurrent_activation) * layer.weight_co
        return by


def _at(array: Array | None, time: int, rows: Array) -> Float64:
    """(samples, columns) of one timestep, in double."""
    assert array is not None
    return np.ascontiguousarray(array[rows, time], np.float64)


def _slope(h: Float64, z: Float64, function: Activation) -> Float64:
    slope = np.ones_like(h)
    kernels.activation_backward(slope, h, np.ascontiguousarray(z), function.function)
    return slope
