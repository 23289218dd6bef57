"""Pooling layers."""

from __future__ import annotations

from typing import ClassVar

from vgcore import _validate
from vgcore._core import pool
from vgcore._core.op import Operation
from vgcore.layers.base import Layer, Parameter, Shape, features, is_image
from vgcore.layers.window import Sizes, Window, channels, sizes, whole


class _Pool(Layer):
    """A pool of each channel by itself."""

    fixes_time = True
    passes_on = True
    largest: ClassVar[bool] = False
    count_include_pad = True

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """None."""
        return []

    def window(self, input_shape: Shape) -> Window:
        """The window over inputs of this shape."""
        raise NotImplementedError

    def output_shape(self, input_shape: Shape) -> Shape:
        """(channels, height, width) of an image, (time, features) of a sequence."""
        columns = channels(self.name, input_shape)
        return self.window(input_shape).output_shape(self.name, input_shape, columns, "a window")

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of pool.pyx."""
        operation = pool.operation(
            self.window(input_shape).planar(input_shape),
            features(input_shape),
            outputs=features(self.output_shape(input_shape)),
            largest=self.largest,
            counts_padding=self.count_include_pad,
            real_bytes=real_bytes,
        )
        return [operation]


class _SlidingPool(_Pool):
    """What pools with a sliding window share."""

    arguments: ClassVar[tuple[str, ...]] = ("pool_size", "stride", "padding")

    def __init__(
        self,
        pool_size: int | Sizes,
        *,
        stride: int | Sizes | None = None,
        padding: int | Sizes = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        arguments = {
            "pool_size": pool_size,
            "stride": pool_size if stride is None else stride,
            "padding": padding,
        }
        axes = max(len(v) if isinstance(v, tuple) else 1 for v in arguments.values())
        for argument, value in arguments.items():
            checked = sizes(argument, value, axes, minimum=0 if argument == "padding" else 1)
            arguments[argument] = value if isinstance(value, tuple) else checked[0]
        self.pool_size = arguments["pool_size"]
        self.stride = arguments["stride"]
        self.padding = arguments["padding"]
        halves = [n // 2 for n in sizes("pool_size", pool_size, axes, minimum=1)]
        for pad, half in zip(sizes("padding", padding, axes, minimum=0), halves, strict=True):
            if pad > half:
                raise ValueError(
                    f"padding: expected at most half of the window {pool_size}, got {padding}"
                )

    def window(self, input_shape: Shape) -> Window:
        """The window over images, or over sequences."""
        axes = 2 if is_image(input_shape) else 1
        try:
            kernel = sizes("pool_size", self.pool_size, axes, minimum=1)
            stride = sizes("stride", self.stride, axes, minimum=1)
            padding = sizes("padding", self.padding, axes, minimum=0)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}, for inputs of shape {input_shape}") from error
        return Window(kernel, stride, tuple((pad, pad) for pad in padding), (1,) * axes)


class MaxPool(_SlidingPool):
    """The largest of each window, channel by channel; its gradient goes to the first of them.

    ``h[c, y, x] = max over i, j of x[c, s y + i - p, s x + j - p]``; padding is never the largest.
    Riesenhuber and Poggio 1999, "Hierarchical models of object recognition in cortex".

    Parameters
    ----------
    pool_size : int or tuple of int
        The window: one size for each axis of images (channels, height, width) or of sequences (time,
        features), or one for all.
    stride : int or tuple of int, optional
        From window to window; by default ``pool_size``.
    padding : int or tuple of int
        On both sides; at most half of the window.
    name : str, optional
        By default "maxpool1", "maxpool2", ...

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or a window does not fit into a model's inputs.
    """

    kind: ClassVar[str] = "maxpool"
    largest: ClassVar[bool] = True


class AvgPool(_SlidingPool):
    """The mean of each window, channel by channel (LeCun et al. 1998, "subsampling").

    ``h[c, y, x] = 1/n sum over i, j of x[c, s y + i - p, s x + j - p]``.

    Parameters
    ----------
    pool_size, stride, padding
        As of `MaxPool`.
    count_include_pad : bool
        Whether n is the size of the window, padding included, or the number of its elements inside the
        image. As PyTorch's.
    name : str, optional
        By default "avgpool1", "avgpool2", ...

    Raises
    ------
    TypeError, ValueError
        As of `MaxPool`.
    """

    kind: ClassVar[str] = "avgpool"
    arguments = (*_SlidingPool.arguments, "count_include_pad")

    def __init__(
        self,
        pool_size: int | Sizes,
        *,
        stride: int | Sizes | None = None,
        padding: int | Sizes = 0,
        count_include_pad: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(pool_size, stride=stride, padding=padding, name=name)
        self.count_include_pad = _validate.boolean("count_include_pad", count_include_pad)


class GlobalAvgPool(_Pool):
    """The mean over all of an image, or all timesteps: (channels,) of (channels, height, width).

    Lin, Chen and Yan 2014, "Network in network", arXiv 1312.4400, section 3.2.

    Parameters
    ----------
    name : str, optional
        By default "globalavgpool1", "globalavgpool2", ...
    """

    kind: ClassVar[str] = "globalavgpool"

    def window(self, input_shape: Shape) -> Window:
        """The one that sees all of the input."""
        return whole(self.name, input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(channels,) or (features,)."""
        columns = channels(self.name, input_shape)
        self.window(input_shape)
        return (columns,)


class Subsample(_Pool):
    """Every ``stride``-th row and column of an image, and channels of zeros behind its own.

    The shortcut without parameters where a residual network halves its images: option A of He, Zhang, Ren
    and Sun 2016, arXiv 1512.03385, section 3.3.

    Parameters
    ----------
    filters : int
        Channels of the output, at least as many as the input's.
    stride : int or (int, int)
    name : str, optional
        By default "subsample1", "subsample2", ...

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or a model's images have more channels.
    """

    kind: ClassVar[str] = "subsample"
    arguments = ("filters", "stride")

    def __init__(self, filters: int, stride: int | Sizes = 1, *, name: str | None = None) -> None:
        super().__init__(name)
        self.filters = _validate.integer("filters", filters, minimum=1)
        self.stride = sizes("stride", stride, 2, minimum=1)

    def window(self, input_shape: Shape) -> Window:
        """A window of one place."""
        return Window((1, 1), self.stride, ((0, 0), (0, 0)), (1, 1))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(filters, height, width)."""
        shape = self.window(input_shape).output_shape(
            self.name, input_shape, self.filters, "a window"
        )
        if features(input_shape) > self.filters:
            raise ValueError(
                f"{self.name}: expected at most {self.filters} channels, its filters, got "
                f"{features(input_shape)}"
            )
        return shape
