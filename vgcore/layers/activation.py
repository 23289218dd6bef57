"""An activation by itself."""

from __future__ import annotations

from typing import ClassVar

from vgcore import activations, initializers
from vgcore._core import activate, formula
from vgcore._core.op import Operation
from vgcore.layers.base import Parameter, Shape, features
from vgcore.layers.same_shape import SameShape


class Activation(SameShape):
    """``h = f(x)``, for where an activation is not its layer's own: behind a sum, before a layer.

    Parameters
    ----------
    activation : str or vgcore.activations.Activation
        f; a name of `vgcore.activations`, or a formula, whose parameters the layer learns.
    name : str, optional
        By default "activation1", "activation2", ...

    Attributes
    ----------
    views : mapping of str to ndarray, (features,) or (1,)
        A formula's parameters by their names; weight decay and ``state_dict`` know them by these, too.

    Raises
    ------
    TypeError, ValueError
        If it is no activation.

    Notes
    -----
    What is flat changes as a formula's parameters are learned, so ``saturated`` is NaN of such a layer.
    """

    kind: ClassVar[str] = "activation"
    arguments = ("activation",)

    def __init__(
        self, activation: str | activations.Activation, *, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.activation = activations.get(activation, learned=True)
        self.output_activation = self.activation.name

    @property
    def passes_on(self) -> bool:  # type: ignore[override]
        """Whether it is the identity."""
        return self.activation.name == "identity"

    @property
    def _learned(self) -> activations.Formula | None:
        """The formula, if it has parameters."""
        chosen = self.activation
        return chosen if isinstance(chosen, activations.Formula) and chosen.parameters else None

    @property
    def slopes(self) -> bool:
        """Whether each output has a slope whose flatness is known."""
        return self._learned is None and super().slopes

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """Those of a formula."""
        if self._learned is None:
            return []
        width = 1 if self._learned.shared else features(input_shape)
        return [
            Parameter(name, (width,), initializers.Constant(start))
            for name, start in self._learned.parameters
        ]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of activate.pyx, or of formula.pyx."""
        units = features(input_shape)
        if self._learned is not None:
            function = self._learned.program().function(steepest=1.0)
            made = formula.operation(
                units, formula=function, shared=self._learned.shared, real_bytes=real_bytes
            )
        else:
            made = activate.operation(
                units, activation=self.activation.function, real_bytes=real_bytes
            )
        return [made]
