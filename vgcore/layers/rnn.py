"""The simple recurrent layer."""

from __future__ import annotations

from typing import Any, ClassVar

from vgcore import _validate
from vgcore._core import rnn
from vgcore.activations import Activation
from vgcore.layers.recurrent import Recurrent


class RNN(Recurrent):
    """``h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)`` (Elman 1990), `torch.nn.RNN` with any f.

    With ``activation="relu"`` and ``recurrent_initializer="identity"`` it is the IRNN of Le, Jaitly and
    Hinton 2015. See `vgcore.layers.recurrent.Recurrent` for the options.

    Parameters
    ----------
    units, activation, and others
        See `vgcore.layers.recurrent.Recurrent`.
    omega : float, >= 0
        The factor of a regulariser that holds up the gradient through time (Pascanu, Mikolov and Bengio
        2013, arXiv 1211.5063, section 3.3, eq. 9 and 10): of each sample
        ``Omega = sum_t (norm(delta_{t+1} dz_{t+1}/dz_t) / norm(delta_{t+1}) - 1)^2``, delta_t = dL/dz_t.
        ``omega`` times the mean of ``dOmega/dW_hh`` over the samples of a minibatch is added to the
        gradient of ``weight_hh``, all else but W_hh held fixed as in eq. 10; losses are without Omega.
        The timesteps are then run all at once, without ``tbptt`` and checkpoints.
    """

    kind: ClassVar[str] = "rnn"
    arguments = (*Recurrent.arguments, "omega")
    gates: ClassVar[tuple[str, ...]] = ("z",)
    kernels = staticmethod(rnn.operation)

    def __init__(
        self,
        units: int,
        activation: str | Activation = "tanh",
        *,
        omega: float = 0.0,
        **options: Any,
    ) -> None:
        self.omega = _validate.real("omega", omega, minimum=0)
        self.meets = self.omega > 0
        super().__init__(units, activation, **options)

    @property
    def output_activation(self) -> str:  # type: ignore[override]
        """Outputs are the activation's values."""
        return self.activation.name

    def cell_options(self) -> dict[str, Any]:
        """The regulariser's factor."""
        return {"omega": self.omega}
