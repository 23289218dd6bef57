"""Normalisation of each row over its features: layer and root-mean-square normalisation."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from vgcore._core import rownorm
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import Shape, features
from vgcore.layers.normalisation import Normalisation


class LayerNorm(Normalisation):
    """``h = f(weight (x - mean) / sqrt(variance + epsilon) + bias)``, row by row.

    Ba, Kiros and Hinton 2016 (arXiv 1607.06450, eq. 4). Mean and variance are those of one row's features
    at one timestep or place: of an image they run over the channels of each pixel, as
    ``torch.nn.LayerNorm(channels)`` does with channels last. Training and prediction are the same.

    Parameters
    ----------
    activation : str or Activation, optional
        f; a name of `vgcore.activations`, None for the identity.
    epsilon : float, > 0
    scale, shift : bool
        Whether there are a weight, which starts at 1, and a bias, which starts at 0.
    name : str, optional
        By default "layernorm1", "layernorm2", ...

    Attributes
    ----------
    weight, bias : ndarray, (features,)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """

    kind: ClassVar[str] = "layernorm"

    def __init__(
        self,
        activation: str | Activation | None = None,
        *,
        epsilon: float = 1e-5,
        scale: bool = True,
        shift: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(activation, epsilon=epsilon, scale=scale, shift=shift, name=name)

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of rownorm.pyx."""
        options = self.options(real_bytes)
        return [rownorm.operation(features(input_shape), centred=True, **options)]


class RMSNorm(Normalisation):
    """``h = f(weight x / sqrt(mean of x^2 + epsilon))``, row by row.

    Zhang and Sennrich 2019 (arXiv 1910.07467, eq. 4): layer normalisation without centring.

    Parameters
    ----------
    activation : str or Activation, optional
        f; a name of `vgcore.activations`, None for the identity.
    epsilon : float, > 0, optional
        By default the distance from 1 to the next number of the model's dtype, as `torch.nn.RMSNorm` has it.
    scale : bool
        Whether there is a weight, which starts at 1.
    name : str, optional
        By default "rmsnorm1", "rmsnorm2", ...

    Attributes
    ----------
    weight : ndarray, (features,)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """

    kind: ClassVar[str] = "rmsnorm"
    arguments = ("activation", "epsilon", "scale")

    def __init__(
        self,
        activation: str | Activation | None = None,
        *,
        epsilon: float | None = None,
        scale: bool = True,
        name: str | None = None,
    ) -> None:
        given = 1.0 if epsilon is None else epsilon
        super().__init__(activation, epsilon=given, scale=scale, shift=False, name=name)
        if epsilon is None:
            self.epsilon = None

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of rownorm.pyx."""
        options = self.options(real_bytes)
        if self.epsilon is None:
            options["epsilon"] = float(np.finfo(f"f{real_bytes}").eps)
        return [rownorm.operation(features(input_shape), centred=False, **options)]
