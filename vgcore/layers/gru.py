"""Gated recurrent units."""

from __future__ import annotations

from typing import Any, ClassVar

from vgcore import _validate, activations
from vgcore._core import gru
from vgcore.activations import Activation
from vgcore.layers.recurrent import Recurrent


class GRU(Recurrent):
    """Gated recurrent units (Cho et al. 2014), `torch.nn.GRU`.

    ::

        r, z = s(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
        h_t = (1 - z) n + z h_{t-1}

        n = a(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn))        reset_after=True, PyTorch's
        n = a(W_in x_t + b_in + W_hn (r h_{t-1}) + b_hn)        reset_after=False, Cho's

    with s the recurrent_activation and a the activation.

    Parameters
    ----------
    units, activation, and others
        See `vgcore.layers.recurrent.Recurrent`.
    recurrent_activation : str or Activation
        Of the gates r and z.
    reset_after : bool
        Whether the reset gate acts after the product or before it.
    """

    kind: ClassVar[str] = "gru"
    arguments = (*Recurrent.arguments, "recurrent_activation", "reset_after")
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    kernels = staticmethod(gru.operation)

    def __init__(
        self,
        units: int,
        activation: str | Activation = "tanh",
        recurrent_activation: str | Activation = "sigmoid",
        *,
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        self.recurrent_activation = activations.unitwise(
            recurrent_activation, "recurrent_activation"
        )
        self.reset_after = _validate.boolean("reset_after", reset_after)
        super().__init__(units, activation, **options)

    def cell_options(self) -> dict[str, Any]:
        """The gates' activation, and where the reset acts."""
        return {
            "gate_activation": self.recurrent_activation.function,
            "variant": self.reset_after,
        }
