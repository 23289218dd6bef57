"""Losses: what they ask of targets and of the output layer, and how the engine computes them.

========================================  ================================================
mse                                       (h - y)^2
binary_crossentropy                       -y log h - (1 - y) log(1 - h)
categorical_crossentropy                  -sum_j y_j log h_j, targets (n, classes)
sparse_categorical_crossentropy           the same, targets (n,) integer labels
========================================  ================================================

With ``reduction="mean"`` mse and binary_crossentropy are averaged over every element (PyTorch's), with
``"batchmean"`` they are summed over the outputs and averaged over the batch (the textbooks'). The
cross-entropies of classes are averaged over the batch either way. With targets at every timestep a loss is
averaged over the timesteps, too, or summed over them with ``"batchmean"``; padding does not count.

Cross-entropies are computed from the logits in front of the output's sigmoid or softmax, whatever layer
that is of, so they are exact where a probability rounds to 0 or 1. An identity output is taken as logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vgcore import _answers, _validate
from vgcore._core import simd

Reduction = Literal["mean", "batchmean"]

_NAMES = (
    "mse",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
)
_ALIASES = {"mean_squared_error": "mse"}
_OUTPUTS = {
    "binary_crossentropy": ("sigmoid", "hard_sigmoid", "softmax", "identity"),
    "categorical_crossentropy": ("softmax", "identity"),
    "sparse_categorical_crossentropy": ("softmax", "identity"),
}


@dataclass(frozen=True)
class Loss:
    """A loss, its reduction and the activation of the output layer it follows.

    ``fusible``: it may compute that activation in the layer's stead.
    """

    name: str
    reduction: str
    output: str
    fusible: bool = True

    @property
    def sparse(self) -> bool:
        """Whether targets are integer labels."""
        return self.name == "sparse_categorical_crossentropy"

    @property
    def categorical(self) -> bool:
        """Whether each sample is of one class."""
        return self.name.endswith("categorical_crossentropy")

    @property
    def probabilities(self) -> bool:
        """Whether targets lie in [0, 1]."""
        return self.name != "mse"

    @property
    def fused(self) -> bool:
        """Whether the loss is computed from logits and returns dL/dz."""
        from_logits = self.output == "identity" or (self.output == "sigmoid" and self.fusible)
        return self.categorical or (self.probabilities and from_logits)

    @property
    def applies_activation(self) -> bool:
        """Whether a fused loss leaves probabilities in place of the logits."""
        return self.fused and self.output != "identity"

    @property
    def mean_over_outputs(self) -> bool:
        """Whether the loss of a sample is a mean over its outputs."""
        return self.reduction == "mean" and not self.categorical

    @property
    def code(self) -> int:
        """The engine's number for it."""
        if self.categorical:
            return simd.LOSSES["categorical_logits"]
        if self.fused:
            return simd.LOSSES["binary_logits"]
        if self.probabilities and self.output == "sigmoid":
            return simd.LOSSES["binary_states"]
        return simd.LOSSES["mse" if self.name == "mse" else "binary"]


class Linear(Loss):
    """The sum of targets times outputs, averaged over the batch: for derivatives of single outputs."""

    def __init__(self) -> None:
        super().__init__("linear", "batchmean", "identity")

    @property
    def probabilities(self) -> bool:
        """No."""
        return False

    @property
    def code(self) -> int:
        """The engine's number for it."""
        return simd.LOSSES["linear"]


def get(name: str, reduction: str, output: str, fusible: bool = True) -> Loss:
    """The loss ``name`` after an output layer whose activation is ``output``.

    ``fusible``: the loss may compute the activation in the layer's stead.

    Raises
    ------
    TypeError, ValueError
        If the name or the reduction is unknown, or the output's range does not suit the loss.
    """
    name = _validate.one_of("loss", name, [*_NAMES, *_ALIASES])
    name = _ALIASES.get(name, name)
    _validate.one_of("reduction", reduction, ("mean", "batchmean"))
    suitable = _OUTPUTS.get(name)
    if suitable is not None and output not in suitable:
        raise ValueError(
            f"loss: {name} expects an output layer with activation {' or '.join(suitable)} "
            f"(identity: the outputs are logits), got {output!r}"
        )
    return Loss(name, reduction, output, fusible)


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
