"""Initializers of a whole model: by what its layers make of data, or by how it is built."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate, activations
from vgcore.initializers.draws import Orthogonal, VarianceScaling, gain

if TYPE_CHECKING:
    from vgcore.layers.base import Layer
    from vgcore.model import Sequential
    from vgcore.model.planning import Stack

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
    pre-activations for the batch that has come through the layers before (Mishkin and Matas 2016, algorithm
    1, whose "output blob" of a layer is z: its activation is a layer of its own). The variance is over
    samples, units and places at once. Biases stay as they are; layers run as when predicting.

    Parameters
    ----------
    model : Sequential
        Its layers whose parameters are a weight matrix or kernel, and a bias, are initialized, those inside
        blocks too; others are run through.
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
        By layer: "dense1", "residual1.dense1", ...

    Raises
    ------
    TypeError, ValueError
        For bad arguments, or a layer whose pre-activations do not vary over x; the model stays as it was.

    References
    ----------
    Mishkin, Matas, "All you need is a good init", ICLR 2016, arXiv:1511.06422.
    """
    from vgcore.model import inputs

    _check_model(model)
    tolerance = _validate.real("tolerance", tolerance, above=0)
    max_iterations = _validate.integer("max_iterations", max_iterations, minimum=1)
    target = _validate.real("target", target, above=0)
    data = inputs.samples(model.session, x)
    kept = model.state_dict()
    done = {}
    try:
        for name, part, layer_inputs in _run(model.session.stack, data.x, ""):
            weight = part.layers[0].views["weight"]
            weight[...] = Orthogonal()(weight.shape, model.session.rng, model.dtype)
            before = after = _variance(name, part, layer_inputs)
            iterations = 0
            while abs(after / target - 1) >= tolerance and iterations < max_iterations:
                weight *= math.sqrt(target / after)
                after = _variance(name, part, layer_inputs)
                iterations += 1
            done[name] = Scaled(before, after, iterations)
    except BaseException:
        model.load_state_dict(kept)
        raise
    return done


def _run(stack: Stack, x: Array, prefix: str) -> Iterator[tuple[str, Stack, Array]]:
    """Each affine layer by itself with its inputs, which it is time to scale: they come from scaled ones."""
    for place, layer in enumerate(stack.layers):
        part = stack.part(place, place + 1)
        if _is_affine(layer):
            yield f"{prefix}{layer.name}", part, x
        for branch in part.branches():
            yield from _run(branch, x, f"{prefix}{layer.name}.")
        x = part.outputs(x)


def _variance(name: str, part: Stack, x: Array) -> float:
    """Variance of the pre-activations of a single layer: of its outputs, were it linear."""
    linear = part.layers[0].altered(activation=activations.get("identity"))
    variance = float(np.var(replace(part, layers=[linear]).outputs(x), dtype=np.float64))
    if not 0 < variance < math.inf:
        raise ValueError(
            f"{name}: expected pre-activations that vary over x, got variance {variance:g}"
        )
    return variance


def fixup(model: Sequential) -> dict[str, float]:
    """Initialize a residual network so that it trains without normalization, however deep it is.

    Fixup (Zhang, Dauphin and Ma 2019, section 3): the last layer of each residual branch, and the
    classifier, the model's last layer behind its blocks, start at 0; every other layer starts as He et al.
    2015, N(0, gain²/fan_in) with the gain of its activation, and those inside branches are scaled by

        L^(-1 / (2 m - 2))

    for L branches in the model, of m layers each. Then one step of the optimizer changes the model's
    outputs by about as much for any L: the products of factors along the L branches add up to O(1).
    Biases start at 0. Of the paper's third rule, a scalar multiplier in each branch and scalar biases, the
    first is `Residual`'s ``gate``, set to 1 where there is one, and the second the layers' own biases.

    Parameters
    ----------
    model : Sequential
        With one `Residual` at least; its layers whose parameters are a weight matrix or kernel, and a bias,
        are initialized from the model's random generator. Nested blocks count as branches of their own, and
        layers of a shortcut as being outside of branches.

    Returns
    -------
    dict of str to float
        By layer, what its weight was multiplied by: 0, the factor above, or 1.

    Raises
    ------
    TypeError, ValueError
        If it is no Sequential or has no block.

    References
    ----------
    Zhang, Dauphin, Ma, "Fixup initialization: residual learning without normalization", ICLR 2019,
    arXiv:1901.09321.
    """
    from vgcore.layers import Residual

    _check_model(model)
    layers = dict(_named(model.layers, ""))
    blocks = {name: layer for name, layer in layers.items() if isinstance(layer, Residual)}
    if not blocks:
        raise ValueError("model: expected one with Residual blocks, got none")
    factors = {name: 1.0 for name, layer in layers.items() if _is_affine(layer)}
    for name, block in blocks.items():
        if "gate" in block.views:
            block.views["gate"][...] = 1
        body = [f"{name}.{layer.name}" for layer in block.layers if _is_affine(layer)]
        for inner in body[:-1]:
            factors[inner] = len(blocks) ** (-1 / (2 * len(body) - 2))
        for last in body[-1:]:
            factors[last] = 0.0
    behind = itertools.takewhile(lambda layer: layer not in blocks.values(), reversed(model.layers))
    classifier = next((str(layer.name) for layer in behind if _is_affine(layer)), None)
    if classifier is not None:
        factors[classifier] = 0.0
    for name, factor in factors.items():
        layer: Any = layers[name]
        he = VarianceScaling(factor * gain(layer.activation))
        layer.weight = he(layer.weight.shape, model.session.rng, model.dtype)
        if "bias" in layer.views:
            layer.bias = np.zeros(layer.bias.shape)
    return factors


def _named(layers: Iterable[Layer], prefix: str) -> Iterator[tuple[str, Layer]]:
    """Each layer under its name, those inside blocks too."""
    from vgcore.layers.block import Block

    for layer in layers:
        name = f"{prefix}{layer.name}"
        yield name, layer
        if isinstance(layer, Block):
            yield from _named(layer.members(), f"{name}.")


def _check_model(model: Sequential) -> None:
    from vgcore.model import Sequential

    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a Sequential, got {type(model).__name__}")


def _is_affine(layer: Layer) -> bool:
    """Whether its pre-activations are weight times inputs, plus bias."""
    weight = layer.views.get("weight")
    if weight is None or layer.vocabulary is not None:
        return False
    return weight.ndim > 1 and layer.views.keys() <= {"weight", "bias"}
