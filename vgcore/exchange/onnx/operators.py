"""What export to ONNX and import have in common: the version, activations and gates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _extras, activations
from vgcore.activations import Activation
from vgcore.layers.base import Layer, Shape, is_image

OPSET = 21
"""Of the operators that are written: ONNX 1.16, 2024."""
IR_VERSION = 10

PLAIN = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "mish": "Mish",
    "hard_swish": "HardSwish",
    "softplus": "Softplus",
    "softsign": "Softsign",
}
"""Activations that are an operator without attributes."""

WITH_ALPHA = {"leaky_relu": ("LeakyRelu", 0.01), "elu": ("Elu", 1.0), "celu": ("Celu", 1.0)}
"""Those whose operator has an alpha, and what it is where none is given."""

GATES = {"RNN": ((0,), (0,)), "LSTM": ((0, 3, 1, 2), (0, 2, 3, 1)), "GRU": ((1, 0, 2), (1, 0, 2))}
"""Which of vgcore's gates each of ONNX's is (i, o, f, c; z, r, h), and the other way round."""

IN_CELLS = {
    "sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "softsign": "Softsign", "softplus": "Softplus",
    "leaky_relu": "LeakyRelu", "elu": "Elu", "hard_sigmoid": "HardSigmoid",
}  # fmt: skip


def axes_of(shape: Shape, integers: bool = False) -> str:
    """The axes of a minibatch of such samples, as vgcore lays them out."""
    if integers:
        return "nt"
    return "nchw" if is_image(shape) else "ntc" if len(shape) == 2 else "nc"


def channels_second(axes: str) -> str:
    """The same axes as convolutions and their kind want them."""
    return "nchw" if "h" in axes else "nct" if "t" in axes else "nc"


def channels_last(axes: str) -> str:
    """The same axes as norms of rows want them."""
    return "nhwc" if "h" in axes else "ntc" if "t" in axes else "nc"


def alpha_of(activation: Activation) -> tuple[float, float]:
    """The attributes alpha and beta of an activation of a cell; 0 for those without."""
    return (activation.alpha, 0.5 if activation.name == "hard_sigmoid" else 0.0)


def of_cell(name: str, alpha: float | None, beta: float | None) -> Activation:
    """The activation of a cell; ValueError if there is none here."""
    known = {theirs.lower(): ours for ours, theirs in IN_CELLS.items()}
    ours = known.get(name.lower())
    if ours is None:
        raise ValueError(f"vgcore has no counterpart of the activation {name}")
    if ours == "hard_sigmoid":
        return hard_sigmoid(0.2 if alpha is None else alpha, 0.5 if beta is None else beta)
    if ours in WITH_ALPHA:
        return Activation(ours, decimal(WITH_ALPHA[ours][1] if alpha is None else alpha))
    return activations.get(ours)


def hard_sigmoid(alpha: float, beta: float) -> Activation:
    """The hard sigmoid of a slope; ValueError if it is not 1/2 at 0."""
    if beta != 0.5:
        raise ValueError(f"vgcore has a HardSigmoid that is 0.5 at 0, not {beta:g}")
    return activations.hard_sigmoid(1 / 6 if alpha == np.float32(1 / 6) else decimal(alpha))


def decimal(value: float) -> float:
    """An attribute, which is a float32, as the shortest decimal number that it stands for."""
    return float(str(np.float32(value)))


def reordered(rows: NDArray[Any], gates: tuple[int, ...]) -> NDArray[Any]:
    """The gates' blocks of rows in another order."""
    blocks = rows.reshape(len(gates), -1, *rows.shape[1:])
    return blocks[list(gates)].reshape(rows.shape)


def lacks(name: str, layer: Layer, what: str) -> NotImplementedError:
    """The error that names a layer and what ONNX lacks."""
    return NotImplementedError(f"{name} ({type(layer).__name__}): in ONNX {what}")


def library(verb: str) -> Any:
    """The package onnx."""
    with _extras.needing("onnx", f"{verb} needs", "onnx"):
        import onnx
    return onnx
