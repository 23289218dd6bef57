"""What normalising layers share."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from vgcore import _validate, activations, initializers
from vgcore.activations import Activation
from vgcore.layers.base import Parameter, Shape, View, features
from vgcore.layers.same_shape import SameShape


class Normalisation(SameShape):
    """Base of all norms: ``h = f(weight * normalised x + bias)``."""

    arguments: ClassVar[tuple[str, ...]] = ("activation", "epsilon", "scale", "shift")
    weight = View()
    bias = View()

    def __init__(
        self,
        activation: str | Activation | None,
        *,
        epsilon: float,
        scale: bool,
        shift: bool,
        name: str | None,
    ) -> None:
        super().__init__(name)
        self.activation = activations.get(activation)
        self.output_activation = self.activation.name
        self.epsilon: float | None = _validate.real("epsilon", epsilon, above=0)
        self.scale = _validate.boolean("scale", scale)
        self.shift = _validate.boolean("shift", shift)

    def check_dtype(self, dtype: DTypeLike) -> None:
        """Raise if epsilon is 0 in ``dtype``."""
        _validate.resolved(f"{self.name}.epsilon", self.epsilon, np.dtype(dtype))

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """What is learned."""
        shape = (features(input_shape),)
        weight = Parameter("weight", shape, initializers.Ones())
        bias = Parameter("bias", shape, initializers.Zeros())
        return [weight] * self.scale + [bias] * self.shift

    def options(self, real_bytes: int) -> dict[str, Any]:
        """What every normalisation's kernels take."""
        return {
            "epsilon": self.epsilon,
            "scale": self.scale,
            "shift": self.shift,
            "activation": self.activation.function,
            "real_bytes": real_bytes,
        }
