"""The simple recurrent layer."""

from __future__ import annotations

from typing import Any, ClassVar

from vgcore._core import rnn
from vgcore.layers.recurrent import Recurrent


class RNN(Recurrent):
    """``h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)`` (Elman 1990), `torch.nn.RNN` with any f.

    With ``activation="relu"`` and ``recurrent_initializer="identity"`` it is the IRNN of Le, Jaitly and
    Hinton 2015. See `vgcore.layers.recurrent.Recurrent` for the options.
    """

    kind: ClassVar[str] = "rnn"
    gates: ClassVar[tuple[str, ...]] = ("z",)
    kernels = staticmethod(rnn.operation)

    @property
    def output_activation(self) -> str:  # type: ignore[override]
        """Outputs are the activation's values."""
        return self.activation.name

    def cell_options(self) -> dict[str, Any]:
        """None."""
        return {}
