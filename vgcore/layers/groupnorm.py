"""Normalisation of each sample by itself, over its places: group and instance normalisation."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from vgcore import _validate
from vgcore._core import groupnorm
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import Shape, features
from vgcore.layers.normalisation import Normalisation


class _OverPlaces(Normalisation):
    """Base of norms whose mean and variance are over groups of features at all places of a sample."""

    meets = True

    @abstractmethod
    def groups_of(self, input_shape: Shape) -> int:
        """How many groups there are."""

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of groupnorm.pyx."""
        options = self.options(real_bytes)
        groups = self.groups_of(input_shape)
        return [groupnorm.operation(features(input_shape), groups=groups, **options)]


class GroupNorm(_OverPlaces):
    """``h = f(weight (x - mean) / sqrt(variance + epsilon) + bias)``, group by group of each sample.

    Wu and He 2018 (arXiv 1803.08494, eq. 2 to 6). Mean and variance are those of one sample, over
    ``features / groups`` neighbouring channels and all pixels of an image, or over as many features and all
    timesteps of a sequence, as far as it reaches: `torch.nn.GroupNorm` on (n, channels, ...). Training and
    prediction are the same. Timesteps that come later are in a sequence's statistics: what forecasts takes
    `LayerNorm`, whose statistics are of one timestep.

    Parameters
    ----------
    groups : int
        A divisor of the number of channels or features. 1 is a layer norm over all of a sample.
    activation : str or Activation, optional
        f; a name of `vgcore.activations`, None for the identity.
    epsilon : float, > 0
    scale, shift : bool
        Whether there are a weight, which starts at 1, and a bias, which starts at 0.
    name : str, optional
        By default "groupnorm1", "groupnorm2", ...

    Attributes
    ----------
    weight, bias : ndarray, (features,)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or ``groups`` does not divide a model's
        features.

    Notes
    -----
    All timesteps are run at once: neither ``tbptt`` nor ``checkpoint`` can cut them. A group of one number,
    such as one feature at one timestep, is its own mean: it is normalised to 0.
    """

    kind: ClassVar[str] = "groupnorm"
    arguments = ("groups", "activation", "epsilon", "scale", "shift")

    def __init__(
        self,
        groups: int,
        activation: str | Activation | None = None,
        *,
        epsilon: float = 1e-5,
        scale: bool = True,
        shift: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(activation, epsilon=epsilon, scale=scale, shift=shift, name=name)
        self.groups = _validate.integer("groups", groups, minimum=1)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        shape = super().output_shape(input_shape)
        if features(shape) % self.groups:
            raise ValueError(
                f"{self.name}: expected groups that divide the {features(shape)} features of its inputs, got "
                f"{self.groups}"
            )
        return shape

    def groups_of(self, input_shape: Shape) -> int:
        """As many as was said."""
        return self.groups


class InstanceNorm(_OverPlaces):
    """``h = f((x - mean) / sqrt(variance + epsilon))``, channel by channel of each sample.

    Ulyanov, Vedaldi and Lempitsky 2016 (arXiv 1607.08022, eq. 3): `GroupNorm` with a group for each channel
    of an image, over its pixels, or each feature of a sequence, over its timesteps. There is no weight and no
    bias unless they are asked for, as in `torch.nn.InstanceNorm1d` and `InstanceNorm2d`.

    Parameters
    ----------
    activation : str or Activation, optional
        f; a name of `vgcore.activations`, None for the identity.
    epsilon : float, > 0
    scale, shift : bool
        Whether there are a weight, which starts at 1, and a bias, which starts at 0.
    name : str, optional
        By default "instancenorm1", "instancenorm2", ...

    Attributes
    ----------
    weight, bias : ndarray, (features,)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or a model's inputs are no images or sequences.

    Notes
    -----
    As of `GroupNorm`.
    """

    kind: ClassVar[str] = "instancenorm"

    def __init__(
        self,
        activation: str | Activation | None = None,
        *,
        epsilon: float = 1e-5,
        scale: bool = False,
        shift: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(activation, epsilon=epsilon, scale=scale, shift=shift, name=name)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        if len(input_shape) not in (2, 3):
            raise ValueError(
                f"{self.name}: expected inputs of shape (channels, height, width) or (time, features), over "
                f"whose places it normalises, got shape {input_shape}"
            )
        return super().output_shape(input_shape)

    def groups_of(self, input_shape: Shape) -> int:
        """One for each channel or feature."""
        return features(input_shape)
