"""What networks and their layers do to small changes of their inputs: Jacobians and their singular values.

Where all singular values of the input-output Jacobian are about 1, gradients arrive as they left: dynamical
isometry (Saxe, McClelland and Ganguli 2014; Pennington, Schoenholz and Ganguli 2017, arXiv 1711.04735).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate, activations, losses, optimizers
from vgcore.layers import Activation, Dense
from vgcore.model import Sequential, inputs, planning
from vgcore.model.compiling import Compiled
from vgcore.theory.jacobian import spectra

Array = NDArray[Any]
Float64 = NDArray[np.float64]

# Numbers of inputs and outputs of a minibatch, about
_NUMBERS = 2**20


def input_jacobian(
    model: Sequential,
    x: ArrayLike,
    layer: str | None = None,
    *,
    alone: bool = False,
    logits: bool = False,
) -> Float64:
    """Derivatives of outputs by inputs, as when predicting, in float64.

    Of a network that ends in a softmax these are derivatives of probabilities, of which one singular value is
    0 and all are at most 1/2; with ``logits`` they are those of what the softmax is given.

    Parameters
    ----------
    model : Sequential
    x : array_like, ``(n, *input_shape)``
    layer : str, optional
        The layer, or block, whose outputs are derived; by default the last.
    alone : bool
        By this layer's own inputs and not the network's.
    logits : bool
        Leave out the last layer's activation: what dynamical isometry is about. Only with that layer.

    Returns
    -------
    ndarray of float64, (n, outputs, inputs)
        Of each sample; images and sequences are flattened, as `numpy.ravel` does.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, there is no such layer, or the inputs are integers.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a Sequential, got {_validate.kind(model)}")
    session = model.session
    data = inputs.samples(session, x)
    names = [each.name for each in session.layers]
    end = len(names)
    if layer is not None:
        end = names.index(_validate.one_of("layer", layer, map(str, names))) + 1
    _validate.boolean("alone", alone)
    last = session.layers[-1]
    if _validate.boolean("logits", logits) and (
        end < len(names) or not isinstance(last, Activation | Dense)
    ):
        raise ValueError(
            f"logits: expected False of {names[end - 1]}, for it is no Dense or Activation at the end"
        )
    with session.turn:
        stack, values = session.stack.in_double(), data.x
        if session.layers[0].vocabulary is None:
            values = values.astype(np.float64)
        elif not alone or end == 1:
            raise ValueError(
                f"layer: expected one behind {names[0]}, with alone=True, for {names[0]} takes integers, "
                "which have no derivative"
            )
        begin = end - 1 if alone else 0
        if begin > 0:
            values = stack.part(0, begin).outputs(values)
        part = stack.part(begin, end)
        if logits:
            part = dataclasses.replace(
                part,
                layers=[*part.layers[:-1], last.altered(activation=activations.get("identity"))],
            )
        return _jacobian(part, values)


def singular_values(
    model: Sequential,
    x: ArrayLike,
    layer: str | None = None,
    *,
    alone: bool = False,
    logits: bool = False,
) -> Float64:
    """Singular values of the input-output Jacobian of each sample, largest first.

    The mean over them and over samples is Glorot and Bengio's (2010) of a layer with
    ``alone=True``; that of their squares is Pennington, Schoenholz and Ganguli's chi^depth. Those of a weight
    are ``numpy.linalg.svd(layer.weight, compute_uv=False)``, those of dh_T/dh_t of a recurrent layer
    `Sequential.state_jacobian` has.

    Parameters
    ----------
    model, x, layer, alone, logits
        See `input_jacobian`.

    Returns
    -------
    ndarray of float64, (n, min(outputs, inputs))
        What is below some 1e-16 of the largest is rounding; NaN where derivatives are not finite.
    """
    return spectra(input_jacobian(model, x, layer, alone=alone, logits=logits))


def _jacobian(stack: planning.Stack, x: Array) -> Float64:
    """(n, outputs, inputs) of layers that are predicting: a row of a minibatch for each output."""
    times = x.shape[1] if stack.takes_time else 1
    shape = [times if size is None else size for size in stack.shapes[-1]]
    outputs, inputs_ = math.prod(shape), math.prod(x.shape[1:])
    found = np.empty((len(x), outputs, inputs_))
    batch = max(1, min(outputs, _NUMBERS // (outputs + inputs_)))
    compiled = Compiled(losses.Linear(), optimizers.SGD(), checkpoint=None)
    program = stack.program(compiled, batch, times, input_gradient=True)
    for sample in range(len(x)):
        for begin in range(0, outputs, batch):
            rows = min(batch, outputs - begin)
            seeds = np.zeros((rows, outputs))
            np.fill_diagonal(seeds[:, begin:], rows)  # for the loss is a mean over rows
            gradient = np.zeros((rows, *x.shape[1:]))
            program.train(
                np.repeat(x[sample : sample + 1], rows, axis=0),
                seeds.reshape(rows, *shape),
                None,
                np.empty(1),
                batch=rows,
                updating=False,
                predicting=True,
                input_gradient=gradient,
            )
            found[sample, begin : begin + rows] = gradient.reshape(rows, -1)
    return found
