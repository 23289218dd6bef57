"""An activation by itself."""

from __future__ import annotations

from typing import ClassVar

from vgcore import activations
from vgcore._core import activate
from vgcore._core.op import Operation
from vgcore.layers.base import Shape, features
from vgcore.layers.same_shape import SameShape


class Activation(SameShape):
    """``h = f(x)``, for where an activation is not its layer's own: behind a sum, before a layer.

    Parameters
    ----------
    activation : str or vgcore.activations.Activation
        f; a name of `vgcore.activations`.
    name : str, optional
        By default "activation1", "activation2", ...

    Raises
    ------
    TypeError, ValueError
        If it is no activation.
    """

    kind: ClassVar[str] = "activation"
    arguments = ("activation",)

    def __init__(
        self, activation: str | activations.Activation, *, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.activation = activations.get(activation, learned=True)
        self.output_activation = self.activation.name

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of activate.pyx."""
        operation = activate.operation(
            features(input_shape),
            activation=self.activation.function,
            real_bytes=real_bytes,
        )
        return [operation]
