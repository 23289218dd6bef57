"""Highway layers."""

from __future__ import annotations

from typing import Any, ClassVar

from vgcore import _validate, activations, initializers
from vgcore._core import highway
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import Column, Layer, Parameter, Shape, View, features


class Highway(Layer):
    """``h = t g + (1 - t) x`` with ``g = f(x W^T + b)`` and the gate ``t = s(x W_t^T + b_t)``.

    As many units as inputs. Where the gate is closed, the input and its gradient pass unchanged:
    ``dL/dx = (1 - t) dL/dh + ...`` (Srivastava, Greff and Schmidhuber 2015, arXiv 1505.00387, eq. 3 to 5).

    Parameters
    ----------
    activation : str or Activation
        f.
    gate_activation : str or Activation
        s.
    gate_bias : float
        Where b_t starts: below 0, so that layers begin by passing on what they get (section 2.2).
    weight_initializer, bias_initializer : str, Initializer or callable
        Of W and W_t, and of b; names of `vgcore.initializers`.
    name : str, optional
        By default "highway1", "highway2", ...

    Attributes
    ----------
    weight, weight_gate : ndarray, (units, units)
    bias, bias_gate : ndarray, (units,)
        Views of the model's parameters: assigning copies into them.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, out of range or an unknown name.
    """

    kind: ClassVar[str] = "highway"
    arguments = ("activation", "gate_activation", "gate_bias")
    weight = View()
    weight_gate = View()
    bias = View()
    bias_gate = View()

    def __init__(
        self,
        activation: str | Activation = "tanh",
        *,
        gate_activation: str | Activation = "sigmoid",
        gate_bias: float = -2.0,
        weight_initializer: Any = "xavier_uniform",
        bias_initializer: Any = "zeros",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.activation = activations.unitwise(activation)
        self.gate_activation = activations.unitwise(gate_activation, "gate_activation")
        self.gate_bias = _validate.real("gate_bias", gate_bias)
        self.weight_initializer = initializers.get(
            weight_initializer, self.activation, "weight_initializer"
        )
        self.bias_initializer = initializers.get(
            bias_initializer, self.activation, "bias_initializer"
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        """As of the input: (features,) or (time, features)."""
        if len(input_shape) not in (1, 2) or input_shape[-1] is None:
            raise ValueError(
                f"{self.name}: expected inputs of shape (features,) or (time, features), got shape "
                f"{input_shape}"
            )
        return input_shape

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """Weights and biases of g and of the gate."""
        units = features(input_shape)
        return [
            Parameter("weight", (units, units), self.weight_initializer),
            Parameter("weight_gate", (units, units), self.weight_initializer),
            Parameter("bias", (units,), self.bias_initializer),
            Parameter("bias_gate", (units,), initializers.Constant(self.gate_bias)),
        ]

    def columns(self) -> list[Column]:
        """One column, which tells of the branches."""
        return [Column(branches=True, gates=("g", "t"))]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of highway.pyx."""
        operation = highway.operation(
            features(input_shape),
            activation=self.activation.function,
            gate_activation=self.gate_activation.function,
            real_bytes=real_bytes,
        )
        return [operation]
