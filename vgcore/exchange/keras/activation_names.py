"""Activations by Keras's names and by vgcore's."""

from __future__ import annotations

from typing import Any

from vgcore import activations
from vgcore.activations import Activation
from vgcore.exchange.keras.graph import is_layer

_NAMES = {
    "linear": "identity",
    "hard_silu": "hard_swish",
    **{
        name: name
        for name in (
            "sigmoid", "tanh", "relu", "relu6", "elu", "celu", "selu", "gelu", "silu", "mish",
            "softplus", "softsign", "hard_sigmoid", "softmax",
        )
    },
}  # fmt: skip
_SLOPE = 0.2  # of keras.activations.leaky_relu, whose layer has another
NEVER_NEGATIVE = ("relu", "relu6", "sigmoid", "softplus")
"""Activations behind which zeros pad a maximum as nothing does: no output is less, and where one is 0, so is
its slope."""
_KERAS = {ours: theirs for theirs, ours in _NAMES.items()}


def read(function: Any) -> Activation:
    """The activation that a function, or a layer, of Keras is; ValueError if there is none here."""
    kind = type(function).__name__
    if kind in OF_LAYERS:
        return OF_LAYERS[kind](function)
    name = getattr(function, "__name__", repr(function))
    if getattr(function, "__module__", "").startswith("keras."):
        if name == "leaky_relu":
            return activations.leaky_relu(_SLOPE)
        if name in _NAMES:
            return activations.get(_NAMES[name])
    raise ValueError(f"vgcore has no counterpart of the activation {name}")


def of_layer(layer: Any) -> Activation | None:
    """The unitwise activation that a layer of Keras is, if it is one."""
    if type(layer).__name__ not in OF_LAYERS or not is_layer(layer):
        return None
    try:
        activation = OF_LAYERS[type(layer).__name__](layer)
    except ValueError:
        return None
    return activation if activation.unitwise else None


def written(activation: Activation) -> str | None:
    """Keras's name of an activation; None if it has none, or one for another slope."""
    known = activation.name in _KERAS and activation == activations.get(activation.name)
    return _KERAS[activation.name] if known else None


def _of_activation(layer: Any) -> Activation:
    return read(layer.activation)


def _of_relu(layer: Any) -> Activation:
    slope = float(layer.negative_slope or 0)
    if layer.threshold:
        raise ValueError(f"vgcore has no ReLU with a threshold, here {layer.threshold}")
    if layer.max_value is None:
        return activations.leaky_relu(slope) if slope else activations.get("relu")
    if layer.max_value != 6 or slope:
        raise ValueError(f"vgcore has a ReLU up to 6 without a slope, not up to {layer.max_value}")
    return activations.get("relu6")


def _of_softmax(layer: Any) -> Activation:
    if layer.axis != -1:
        raise ValueError(f"vgcore has a softmax over the features, axis -1, not {layer.axis}")
    return activations.get("softmax")


OF_LAYERS = {
    "Activation": _of_activation,
    "ReLU": _of_relu,
    "LeakyReLU": lambda layer: activations.leaky_relu(float(layer.negative_slope)),
    "ELU": lambda layer: activations.elu(float(layer.alpha)),
    "Softmax": _of_softmax,
}
