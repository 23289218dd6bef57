"""Layers that lay out the same numbers in another shape."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

from vgcore import _validate
from vgcore._core import reshape
from vgcore._core.op import Operation
from vgcore.layers.base import FixedSteps, Layer, Parameter, Shape, features, is_image


class _Reshaping(Layer):
    fixes_time = True
    passes_on = True

    @abstractmethod
    def shape_of(self, count: int) -> tuple[int, ...]:
        """The shape of ``count`` numbers."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The new shape, of as many numbers as the old one."""
        sizes = [size for size in input_shape if size is not None]
        if len(sizes) < len(input_shape):
            raise ValueError(
                f"{self.name}: expected inputs with all sizes known, got shape {input_shape}"
            )
        shape = self.shape_of(math.prod(sizes))
        if math.prod(shape) != math.prod(sizes):
            raise ValueError(
                f"{self.name}: expected as many numbers as its shape {shape} has, {math.prod(shape)}, got "
                f"{math.prod(sizes)} of shape {input_shape}"
            )
        if len(shape) == 2:
            return (FixedSteps(shape[0]), shape[1])
        return shape

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """None."""
        return []

    def by_channel(self, input_shape: Shape) -> bool:
        """Whether the numbers are counted channel by channel."""
        return is_image(input_shape)

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of reshape.pyx."""
        shape = self.output_shape(input_shape)
        operation = reshape.operation(
            features(input_shape),
            features(shape),
            from_image=self.by_channel(input_shape),
            to_image=is_image(shape),
            real_bytes=real_bytes,
        )
        return [operation]


class Flatten(_Reshaping):
    """All numbers of a sample as one vector: channel by channel of an image, row by row.

    Parameters
    ----------
    channels_first : bool
        Of a sequence, feature by feature instead of timestep by timestep, as `torch.nn.Flatten` does behind a
        convolution of (n, channels, time).
    name : str, optional
        By default "flatten1", "flatten2", ...

    Raises
    ------
    TypeError
        If ``channels_first`` is no bool.
    """

    kind: ClassVar[str] = "flatten"
    arguments = ("channels_first",)

    def __init__(self, *, channels_first: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.channels_first = _validate.boolean("channels_first", channels_first)

    def by_channel(self, input_shape: Shape) -> bool:
        """Of an image always, of a sequence where that was asked for."""
        return self.channels_first or super().by_channel(input_shape)

    def shape_of(self, count: int) -> tuple[int, ...]:
        """One vector."""
        return (count,)


class Reshape(_Reshaping):
    """The numbers of a sample in the same order in another shape, as numpy's reshape lays them out.

    Parameters
    ----------
    shape : tuple of int
        (features,), (time, features) or (channels, height, width).
    name : str, optional
        By default "reshape1", "reshape2", ...

    Raises
    ------
    TypeError, ValueError
        If ``shape`` is none of these, or a model's samples have not as many numbers.
    """

    kind: ClassVar[str] = "reshape"
    arguments = ("shape",)

    def __init__(self, shape: tuple[int, ...], *, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(shape, tuple):
            raise TypeError(
                f"shape: expected a tuple of integers, got {shape!r} ({type(shape).__name__})"
            )
        if not 1 <= len(shape) <= 3:
            raise ValueError(f"shape: expected one to three sizes, got {shape}")
        self.shape = tuple(_validate.integer("shape", size, minimum=1) for size in shape)

    def shape_of(self, count: int) -> tuple[int, ...]:
        """The shape that was asked for."""
        return self.shape
