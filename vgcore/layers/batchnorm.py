"""Batch normalisation."""

from __future__ import annotations

from typing import ClassVar

from vgcore import _validate, initializers
from vgcore._core import batchnorm
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import TIMESTEPS, Parameter, Shape, View, features, places
from vgcore.layers.normalisation import Normalisation


class BatchNorm(Normalisation):
    """``h = f(weight (x - mean) / sqrt(variance + epsilon) + bias)``, feature by feature.

    Ioffe and Szegedy 2015 (arXiv 1502.03167, algorithm 1). While training, mean and variance are those of
    the minibatch, over its rows and, of sequences and images, over timesteps or places, as far as
    sequences reach. `Sequential.predict` and `evaluate` take running ones, which a training step moves:

        ``running = (1 - momentum) running + momentum batch``

    with the unbiased variance, as `torch.nn.BatchNorm1d` and `BatchNorm2d` do; PyTorch's
    ``num_batches_tracked``, which only a momentum of None reads, is not kept, and is left out where it is
    loaded. `Sequential.gradients` uses the statistics of its samples and moves nothing.

    Parameters
    ----------
    activation : str or Activation, optional
        f; a name of `vgcore.activations`, None for the identity.
    momentum : float, 0 to 1
        The share of a minibatch in the running statistics, as PyTorch has it; Keras's is 1 minus this: its
        0.99 is 0.01 here.
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
    arguments = ("activation", "momentum", "epsilon", "scale", "shift")
    meets = True
    running_mean = View()
    running_var = View(negative=False)

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
        super().__init__(activation, epsilon=epsilon, scale=scale, shift=shift, name=name)
        self.momentum = _validate.real("momentum", momentum, minimum=0, maximum=1)

    def least_rows(self, input_shape: Shape, times: int) -> int:
        """Two, where each row has but one value of a feature."""
        count = places(input_shape)
        return 2 if (times if count == TIMESTEPS else count) <= 1 else 1

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """What is learned, then the running statistics: PyTorch's order."""
        shape = (features(input_shape),)
        return [
            *super().parameters(input_shape),
            Parameter("running_mean", shape, initializers.Zeros(), trained=False),
            Parameter("running_var", shape, initializers.Ones(), trained=False, negative=False),
        ]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of batchnorm.pyx."""
        options = self.options(real_bytes)
        return [batchnorm.operation(features(input_shape), momentum=self.momentum, **options)]
