"""Dense (fully connected) layers."""

from __future__ import annotations

from typing import Any, ClassVar

from vgcore import _validate, activations, initializers
from vgcore._core import dense
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import Layer, Parameter, Shape, View, features, is_image


class Dense(Layer):
    """``h = f(x W^T + b)`` for inputs x (n, in) and outputs h (n, units).

    Sequences (n, time, in) give (n, time, units): the same layer at every timestep.

    Parameters
    ----------
    units : int
        Outputs.
    activation : str, Activation or None
        f; a name of `vgcore.activations`, None for the identity.
    use_bias : bool
        Whether there is a b.
    weight_initializer, bias_initializer : str, Initializer or callable
        A name of `vgcore.initializers`. ``he_*`` take the gain of the activation.
    name : str, optional
        By default "dense1", "dense2", ...

    Attributes
    ----------
    weight : ndarray, (units, in)
    bias : ndarray, (units,)
        Views of the model's parameters: assigning copies into them.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, out of range or an unknown name.
    """

    kind: ClassVar[str] = "dense"
    arguments = ("units", "activation", "use_bias")
    weight = View()
    bias = View()

    def __init__(
        self,
        units: int,
        activation: str | Activation | None = None,
        *,
        use_bias: bool = True,
        weight_initializer: Any = "xavier_uniform",
        bias_initializer: Any = "zeros",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.units = _validate.integer("units", units, minimum=1)
        self.activation = activations.get(activation)
        self.output_activation = self.activation.name
        self.use_bias = _validate.boolean("use_bias", use_bias)
        self.weight_initializer = initializers.get(
            weight_initializer, self.activation, "weight_initializer"
        )
        self.bias_initializer = initializers.get(
            bias_initializer, self.activation, "bias_initializer"
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        """(units,) for an input of shape (features,), (time, units) for (time, features)."""
        if len(input_shape) not in (1, 2) or input_shape[-1] is None:
            hint = "; Flatten() in front of it makes one vector of an image" * is_image(input_shape)
            raise ValueError(
                f"{self.name}: expected inputs of shape (features,) or (time, features), got shape "
                f"{input_shape}{hint}"
            )
        return (*input_shape[:-1], self.units)

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """The weight and, with ``use_bias``, the bias."""
        weight = Parameter("weight", (self.units, features(input_shape)), self.weight_initializer)
        bias = Parameter("bias", (self.units,), self.bias_initializer)
        return [weight, bias] if self.use_bias else [weight]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of dense.pyx."""
        operation = dense.operation(
            features(input_shape),
            self.units,
            activation=self.activation.function,
            bias=self.use_bias,
            real_bytes=real_bytes,
        )
        return [operation]
