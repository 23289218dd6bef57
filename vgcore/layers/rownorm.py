"""Normalisation of each row over its features: layer and root-mean-square normalisation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from vgcore import _validate, activations, initializers
from vgcore._core import rownorm
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import Parameter, Shape, View, features
from vgcore.layers.same_shape import SameShape


class LayerNorm(SameShape):
    """``h = f(weight (x - mean) / sqrt(variance + epsilon) + bias)``, row by row.

    Ba, Kiros and Hinton 2016 (arXiv 1607.06450, eq. 4). Mean and variance are those of one row's features
    at one timestep or place: of an image they run over the channels of each pixel, as
    ``torch.nn.LayerNorm(channels)`` does with channels last. Training and prediction are the same.

    Parameters
    ----------
    activation : str or Activation, optional
        f; a name of `vgcore.activations`, None for the identity.
    epsilon : float, > 0
    scale, shift : bool
        Whether there are a weight, which starts at 1, and a bias, which starts at 0.
    name : str, optional
        By default "layernorm1", "layernorm2", ...

    Attributes
    ----------
    weight, bias : ndarray, (features,)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """

    kind: ClassVar[str] = "layernorm"
    fuses_loss: ClassVar[bool] = True
    weight = View()
    bias = View()

    def __init__(
        self,
        activation: str | Activation | None = None,
        *,
        epsilon: float = 1e-5,
        scale: bool = True,
        shift: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.activation = activations.get(activation)
        self.output_activation = self.activation.name
        self.epsilon = _validate.real("epsilon", epsilon, above=0)
        self.scale = _validate.boolean("scale", scale)
        self.shift = _validate.boolean("shift", shift)

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """What is learned."""
        return _learned(features(input_shape), self.scale, self.shift)

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of rownorm.pyx."""
        operation = rownorm.operation(
            features(input_shape),
            centred=True,
            epsilon=self.epsilon,
            scale=self.scale,
            shift=self.shift,
            activation=self.activation.code,
            alpha=self.activation.alpha,
            keeps_z=self.activation.keeps_z,
            real_bytes=real_bytes,
        )
        return [operation]

    def config(self) -> dict[str, Any]:
        """Activation, epsilon, what is learned, and name."""
        return {
            "activation": [self.activation.name, self.activation.alpha],
            "epsilon": self.epsilon,
            "scale": self.scale,
            "shift": self.shift,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LayerNorm:
        """The layer that `config` described."""
        activation = activations.with_alpha(*config["activation"])
        return cls(**{**config, "activation": activation})


class RMSNorm(SameShape):
    """``h = f(weight x / sqrt(mean of x^2 + epsilon))``, row by row.

    Zhang and Sennrich 2019 (arXiv 1910.07467, eq. 4): layer normalisation without centring.

    Parameters
    ----------
    activation : str or Activation, optional
        f; a name of `vgcore.activations`, None for the identity.
    epsilon : float, > 0, optional
        By default the distance from 1 to the next number of the model's dtype, as `torch.nn.RMSNorm` has it.
    scale : bool
        Whether there is a weight, which starts at 1.
    name : str, optional
        By default "rmsnorm1", "rmsnorm2", ...

    Attributes
    ----------
    weight : ndarray, (features,)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """

    kind: ClassVar[str] = "rmsnorm"
    fuses_loss: ClassVar[bool] = True
    weight = View()

    def __init__(
        self,
        activation: str | Activation | None = None,
        *,
        epsilon: float | None = None,
        scale: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.activation = activations.get(activation)
        self.output_activation = self.activation.name
        self.epsilon = None if epsilon is None else _validate.real("epsilon", epsilon, above=0)
        self.scale = _validate.boolean("scale", scale)

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """What is learned."""
        return _learned(features(input_shape), self.scale, False)

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of rownorm.pyx."""
        smallest = float(np.finfo(f"f{real_bytes}").eps)
        operation = rownorm.operation(
            features(input_shape),
            centred=False,
            epsilon=smallest if self.epsilon is None else self.epsilon,
            scale=self.scale,
            shift=False,
            activation=self.activation.code,
            alpha=self.activation.alpha,
            keeps_z=self.activation.keeps_z,
            real_bytes=real_bytes,
        )
        return [operation]

    def config(self) -> dict[str, Any]:
        """Activation, epsilon, whether there is a weight, and name."""
        return {
            "activation": [self.activation.name, self.activation.alpha],
            "epsilon": self.epsilon,
            "scale": self.scale,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RMSNorm:
        """The layer that `config` described."""
        activation = activations.with_alpha(*config["activation"])
        return cls(**{**config, "activation": activation})


def _learned(units: int, scale: bool, shift: bool) -> list[Parameter]:
    weight = Parameter("weight", (units,), initializers.Ones())
    bias = Parameter("bias", (units,), initializers.Zeros())
    return [weight] * scale + [bias] * shift
