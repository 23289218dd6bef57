"""Layer-sequential unit-variance initialization: weights scaled by what layers make of data."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate, activations
from vgcore.initializers.draws import Orthogonal

if TYPE_CHECKING:
    from vgcore.model import Sequential
    from vgcore.planning import Stack

Array = NDArray[Any]


class Scaled(NamedTuple):
    """What `lsuv` did to a layer.

    Attributes
    ----------
    before, after : float
        Variance of the layer's pre-activations with the orthonormal weight, and in the end.
    iterations : int
        How often the weight was scaled.
    """

    before: float
    after: float
    iterations: int


def lsuv(
    model: Sequential,
    x: ArrayLike,
    *,
    tolerance: float = 0.1,
    max_iterations: int = 10,
    target: float = 1.0,
) -> dict[str, Scaled]:
    """Give the pre-activations of every layer unit variance over a batch, first layer to last.

    Each weight starts as an orthonormal matrix, drawn from the model's random generator. Then, layer by
    layer, ``W <- W / sqrt(Var z)`` until ``|Var z - 1| < tolerance``, where z = W x + b are the layer's
    pre-activations for the batch that has come through the layers before ([1]_ algorithm 1, whose "output
    blob" of a layer is z: its activation is a layer of its own). The variance is over samples, units and
    places at once. Biases stay as they are.

    Parameters
    ----------
    model : Sequential
        Its layers that have a ``weight`` are initialized; others, recurrent ones too, are run through.
    x : array_like
        A batch of inputs, as for `Sequential.predict`; some hundred samples do.
    tolerance : float, > 0
        Of the variance, as a share of the target.
    max_iterations : int, >= 1
        Scalings of one layer; more than one is needed where biases are not 0.
    target : float, > 0
        The variance wanted.

    Returns
    -------
    dict of str to Scaled
        By layer.

    Raises
    ------
    TypeError, ValueError
        For bad arguments, or a layer whose pre-activations do not vary over x; the model stays as it was.

    References
    ----------
    .. [1] Mishkin, Matas, "All you need is a good init", ICLR 2016, arXiv:1511.06422.
    """
    from vgcore.model import Sequential

    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a Sequential, got {type(model).__name__}")
    tolerance = _validate.real("tolerance", tolerance, above=0)
    max_iterations = _validate.integer("max_iterations", max_iterations, minimum=1)
    target = _validate.real("target", target, above=0)
    inputs = model.inputs(x).x
    kept = model.state_dict()
    done = {}
    try:
        for place, layer in enumerate(model.layers):
            part = model.stack.part(place, place + 1)
            weight = layer.views.get("weight")
            if weight is not None:
                weight[...] = Orthogonal()(weight.shape, model._rng, model.dtype)
                before = after = _variance(part, inputs)
                iterations = 0
                while abs(after / target - 1) >= tolerance and iterations < max_iterations:
                    weight *= math.sqrt(target / after)
                    after = _variance(part, inputs)
                    iterations += 1
                done[str(layer.name)] = Scaled(before, after, iterations)
            inputs = _outputs(part, inputs)
    except BaseException:
        model.load_state_dict(kept)
        raise
    return done


def _variance(part: Stack, x: Array) -> float:
    """Variance of the pre-activations of a single layer: of its outputs, were it linear."""
    layer = part.layers[0]
    linear: Any = copy.copy(layer)
    linear.activation = activations.get("identity")
    variance = float(np.var(_outputs(replace(part, layers=[linear]), x), dtype=np.float64))
    if not 0 < variance < math.inf:
        raise ValueError(
            f"{layer.name}: expected pre-activations that vary over x, got variance {variance:g}"
        )
    return variance


def _outputs(part: Stack, x: Array) -> Array:
    """What part of a model makes of its inputs."""
    from vgcore import planning

    times = x.shape[1] if part.takes_time else 1
    shape = (times if size is None else size for size in part.shapes[-1])
    outputs = np.zeros((len(x), *shape), part.vectors[0].dtype)
    part.program(planning.forward_only(), len(x), times).forward(x, outputs)
    return outputs
