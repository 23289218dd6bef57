"""The activations that modules of PyTorch are."""

from __future__ import annotations

from typing import Any

from torch import nn

from vgcore import activations
from vgcore.activations import Activation
from vgcore.exchange.pytorch.modules import Formula
from vgcore.exchange.pytorch.places import AxesError, Place, told

NAMES = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.SELU: "selu",
    nn.SiLU: "silu",
    nn.Mish: "mish",
    nn.Hardswish: "hard_swish",
    nn.Hardsigmoid: "hard_sigmoid",
    nn.Softsign: "softsign",
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
}


def activation_of(module: nn.Module) -> Activation | None:
    """The activation that a module is, if it is one that works unit by unit."""
    chosen: Any = module
    if type(module) in NAMES:
        return activations.get(NAMES[type(module)])
    if type(module) is nn.LeakyReLU and chosen.negative_slope >= 0:
        return activations.leaky_relu(float(chosen.negative_slope))
    if type(module) is nn.ELU and chosen.alpha > 0:
        return activations.elu(float(chosen.alpha))
    if type(module) is nn.CELU and chosen.alpha > 0:
        return activations.celu(float(chosen.alpha))
    if type(module) is nn.GELU:
        return activations.gelu(chosen.approximate)
    if type(module) is nn.Softplus and chosen.beta == 1 and chosen.threshold >= 20:
        return activations.get("softplus")
    if isinstance(module, Formula) and not module.names:
        return activations.formula(module.text)
    if type(module) in FORMULAS:
        return activations.formula(FORMULAS[type(module)].format(m=module))
    return None


FORMULAS: dict[type[nn.Module], str] = {
    nn.Softplus: "where({m.beta} * z > {m.threshold}, z, softplus({m.beta} * z) / {m.beta})",
    nn.LogSigmoid: "-softplus(-z)",
    nn.Tanhshrink: "z - tanh(z)",
    nn.Hardtanh: "where(z <= {m.min_val}, {m.min_val}, where(z >= {m.max_val}, {m.max_val}, z))",
    nn.Hardshrink: "where(abs(z) > {m.lambd}, z, 0)",
    nn.Softshrink: "where(z > {m.lambd}, z - {m.lambd}, where(z < -{m.lambd}, z + {m.lambd}, 0))",
    nn.Threshold: "where(z > {m.threshold}, z, {m.value})",
}


def softmax_of(place: Place) -> Activation | None:
    """The softmax or softmin over the features that a module is."""
    module: Any = place.module
    if type(module) not in (nn.Softmax, nn.Softmin, nn.Softmax2d):
        return None
    dim = -3 if isinstance(module, nn.Softmax2d) else module.dim
    if dim is None:
        dim = 0 if len(place.axes) == 3 else 1  # as PyTorch has it
    if place.axes[dim] != "f":
        raise AxesError(
            f"{place.path}: {place.kind} over the axis {dim} of {told(place.axes)}, and it is over features "
            "here"
        )
    return activations.get("softmin" if isinstance(module, nn.Softmin) else "softmax")
