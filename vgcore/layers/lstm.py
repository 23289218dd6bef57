"""Long short-term memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vgcore import _validate, activations, initializers
from vgcore._core import lstm
from vgcore.activations import Activation
from vgcore.initializers import Initializer
from vgcore.layers.base import Parameter, View
from vgcore.layers.recurrent import Recurrent


@dataclass(frozen=True)
class ForgetBias(Initializer):
    """Biases of the gates i, f, g, o: those of f are a constant, the others another initializer's."""

    initializer: Initializer
    value: float

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> initializers.Draw:
        """Draw all, then set those of f."""
        values = self.initializer.draw(shape, rng)
        values.reshape(4, -1)[1] = self.value
        return values


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), `torch.nn.LSTM`.

    ::

        z = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh      of the gates i, f, g, o
        c_t = f c_{t-1} + i g        h_t = o a(c_t)

    with i, f, o = s(z), g = a(z), s the recurrent_activation and a the activation.

    Parameters
    ----------
    units, activation, and others
        See `vgcore.layers.recurrent.Recurrent`.
    recurrent_activation : str or Activation
        Of the gates i, f and o.
    unit_forget_bias : bool
        Start the forget gate's bias_ih at 1 and its bias_hh at 0 (Jozefowicz et al. 2015).
    peepholes : bool
        Let z_i and z_f also see ``weight_ci * c_{t-1}`` and ``weight_cf * c_{t-1}``, and z_o
        ``weight_co * c_t`` (Gers and Schmidhuber 2000); parameters (H,) that start as zeros.
    """

    kind: ClassVar[str] = "lstm"
    arguments = (
        *Recurrent.arguments, "recurrent_activation", "unit_forget_bias", "peepholes",
    )  # fmt: skip
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    states: ClassVar[tuple[str, ...]] = ("h", "c")
    kernels = staticmethod(lstm.operation)

    weight_ci = View()
    weight_cf = View()
    weight_co = View()
    initial_c = View()

    def __init__(
        self,
        units: int,
        activation: str | Activation = "tanh",
        recurrent_activation: str | Activation = "sigmoid",
        *,
        unit_forget_bias: bool = True,
        peepholes: bool = False,
        **options: Any,
    ) -> None:
        self.recurrent_activation = activations.unitwise(
            recurrent_activation, "recurrent_activation"
        )
        self.unit_forget_bias = _validate.boolean("unit_forget_bias", unit_forget_bias)
        self.peepholes = _validate.boolean("peepholes", peepholes)
        super().__init__(units, activation, **options)

    def biases(self) -> tuple[Initializer, Initializer]:
        """A sum of 1 for the forget gate, if wanted."""
        if not self.unit_forget_bias:
            return super().biases()
        return ForgetBias(self.bias_initializer, 1), ForgetBias(self.bias_initializer, 0)

    def cell_parameters(self) -> list[Parameter]:
        """The peepholes."""
        if not self.peepholes:
            return []
        zeros = initializers.get("zeros", self.activation, "peepholes")
        return [Parameter(f"weight_c{gate}", (self.units,), zeros) for gate in "ifo"]

    def cell_options(self) -> dict[str, Any]:
        """The gates' activation, and whether they peep."""
        return {
            "gate_activation": self.recurrent_activation.function,
            "variant": self.peepholes,
        }
