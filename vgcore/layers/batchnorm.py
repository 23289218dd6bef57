"""Batch normalisation."""

from __future__ import annotations

from typing import Any, ClassVar

from vgcore import _validate, activations, initializers
from vgcore._core import batchnorm
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import TIMESTEPS, Parameter, Shape, View, features, places
from vgcore.layers.same_shape import SameShape


class BatchNorm(SameShape):
    """``h = f(weight (x - mean) / sqrt(variance + epsilon) + bias)``, feature by feature.

    Ioffe and Szegedy 2015 (arXiv 1502.03167, algorithm 1). While training, mean and variance are those of
    the minibatch, over its rows and, of sequences and images, over timesteps or places, as far as
    sequences reach. `Sequential.predict` and `evaluate` take running ones, which a training step moves:

        ``running = (1 - momentum) running + momentum batch``

    with the unbiased variance, as `torch.nn.BatchNorm1d` and `BatchNorm2d` do; PyTorch's
    ``num_batches_tracked``, which only a momentum of None reads, is not kept. `Sequential.gradients` uses
    the statistics of its samples and moves nothing.

    Parameters
    ----------
    activation : str or Activation, optional
        f; a name of `vgcore.activations`, None for the identity.
    momentum : float, 0 to 1
        The share of a minibatch in the running statistics.
    epsilon : float, > 0
    scale, shift : bool
        Whether there are a weight, which starts at 1, and a bias, which starts at 0.
    name : str, optional
        By default "batchnorm1", "batchnorm2", ...

    Attributes
    ----------
    weight, bias : ndarray, (features,)
    running_mean, running_var : ndarray, (features,)
        Statistics: no optimizer changes them, but they are saved with the parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    A minibatch to train with must have more than one value of each feature. All timesteps are run at once:
    neither ``tbptt`` nor ``checkpoint`` can cut them.
    """

    kind: ClassVar[str] = "batchnorm"
    fuses_loss: ClassVar[bool] = True
    meets = True
    weight = View()
    bias = View()
    running_mean = View()
    running_var = View()

    def __init__(
        self,
        activation: str | Activation | None = None,
        *,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
        scale: bool = True,
        shift: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.activation = activations.get(activation)
        self.output_activation = self.activation.name
        self.momentum = _validate.real("momentum", momentum, minimum=0, maximum=1)
        self.epsilon = _validate.real("epsilon", epsilon, above=0)
        self.scale = _validate.boolean("scale", scale)
        self.shift = _validate.boolean("shift", shift)

    def least_rows(self, input_shape: Shape, times: int) -> int:
        """Two, where each row has but one value of a feature."""
        count = places(input_shape)
        return 2 if (times if count == TIMESTEPS else count) == 1 else 1

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """The running statistics, and what is learned."""
        shape, ones, zeros = (features(input_shape),), initializers.Ones(), initializers.Zeros()
        return [
            Parameter("running_mean", shape, zeros, trained=False),
            Parameter("running_var", shape, ones, trained=False),
            *([Parameter("weight", shape, ones)] if self.scale else []),
            *([Parameter("bias", shape, zeros)] if self.shift else []),
        ]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of batchnorm.pyx."""
        operation = batchnorm.operation(
            features(input_shape),
            momentum=self.momentum,
            epsilon=self.epsilon,
            scale=self.scale,
            shift=self.shift,
            activation=self.activation.code,
            alpha=self.activation.alpha,
            keeps_z=self.activation.keeps_z,
            real_bytes=real_bytes,
        )
        return [operation]

    def config(self) -> dict[str, Any]:
        """Activation, momentum, epsilon, what is learned, and name."""
        return {
            "activation": [self.activation.name, self.activation.alpha],
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "scale": self.scale,
            "shift": self.shift,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BatchNorm:
        """The layer that `config` described."""
        activation = activations.with_alpha(*config["activation"])
        return cls(**{**config, "activation": activation})
