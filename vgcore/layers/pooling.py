"""Pooling layers."""

from __future__ import annotations

from typing import ClassVar

from vgcore import _validate
from vgcore._core import pool
from vgcore._core.op import Operation
from vgcore.layers.base import Layer, Parameter, Shape, features, is_image
from vgcore.layers.window import Sizes, Window, channels, sizes


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

    arguments: ClassVar[tuple[str, ...]] = ("pool_size", "stride", "padding", "dilation")

    def __init__(
        self,
        pool_size: int | Sizes,
        *,
        stride: int | Sizes | None = None,
        padding: int | Sizes = 0,
        dilation: int | Sizes = 1,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        arguments = {
            "pool_size": pool_size,
            "stride": pool_size if stride is None else stride,
            "padding": padding,
            "dilation": dilation,
        }
        axes = max(len(v) if isinstance(v, tuple) else 1 for v in arguments.values())
        of_axes: dict[str, Sizes] = {}
        for argument, value in arguments.items():
            of_axes[argument] = sizes(argument, value, axes, minimum=int(argument != "padding"))
            if not isinstance(value, tuple):
                arguments[argument] = of_axes[argument][0]
        self.pool_size, self.stride = arguments["pool_size"], arguments["stride"]
        self.padding, self.dilation = arguments["padding"], arguments["dilation"]
        spans = [
            step * (size - 1) + 1
            for size, step in zip(of_axes["pool_size"], of_axes["dilation"], strict=True)
        ]
        if any(2 * pad > span for pad, span in zip(of_axes["padding"], spans, strict=True)):
            dilated = "" if dilation == 1 else f" with a dilation of {dilation}"
            raise ValueError(
                f"padding: expected at most half of the window {pool_size}{dilated}, got {padding}"
            )

    def window(self, input_shape: Shape) -> Window:
        """The window over images, or over sequences."""
        axes = 2 if is_image(input_shape) else 1
        try:
            kernel = sizes("pool_size", self.pool_size, axes, minimum=1)
            stride = sizes("stride", self.stride, axes, minimum=1)
            padding = sizes("padding", self.padding, axes, minimum=0)
            dilation = sizes("dilation", self.dilation, axes, minimum=1)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}, for inputs of shape {input_shape}") from error
        return Window(kernel, stride, tuple((pad, pad) for pad in padding), dilation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(channels, height, width) of an image, (time, features) of a sequence."""
        shape = super().output_shape(input_shape)
        if not self.window(input_shape).sees(self.name, input_shape):
            raise ValueError(
                f"{self.name}: expected windows that see some of the input, got one whose dilation "
                f"{self.dilation} leaves it the padding alone, for inputs of shape {input_shape}"
            )
        return shape


class MaxPool(_SlidingPool):
    """The largest of each window, channel by channel; its gradient goes to the first of them.

    ``h[c, y, x] = max over i, j of x[c, s y + d i - p, s x + d j - p]``; padding is never the largest.
    Riesenhuber and Poggio 1999, "Hierarchical models of object recognition in cortex".

    Parameters
    ----------
    pool_size : int or tuple of int
        The window: one size for each axis of images (channels, height, width) or of sequences (time,
        features), or one for all.
    stride : int or tuple of int, optional
        From window to window; by default ``pool_size``.
    padding : int or tuple of int
        On both sides; at most half of the window, its dilation included.
    dilation : int or tuple of int
        From one element of a window to the next: 2 leaves one out between each two.
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

    ``h[c, y, x] = 1/n sum over i, j of x[c, s y + d i - p, s x + d j - p]``.

    Parameters
    ----------
    pool_size, stride, padding, dilation
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
        dilation: int | Sizes = 1,
        count_include_pad: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(pool_size, stride=stride, padding=padding, dilation=dilation, name=name)
        self.count_include_pad = _validate.boolean("count_include_pad", count_include_pad)


class _GlobalPool(Layer):
    """A pool of each channel by itself, over all places of a sample."""

    meets = True
    pools_time = True
    passes_on = True
    largest: ClassVar[bool]

    def output_shape(self, input_shape: Shape) -> Shape:
        """(channels,) or (features,)."""
        return (channels(self.name, input_shape),)

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """None."""
        return []

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of pool.pyx."""
        return [pool.of_all(features(input_shape), largest=self.largest, real_bytes=real_bytes)]


class GlobalAvgPool(_GlobalPool):
    """The mean over all of an image, or all timesteps: (channels,) of (channels, height, width).

    Lin, Chen and Yan 2014, "Network in network", arXiv 1312.4400, section 3.2. Of sequences with ``lengths``
    it is the mean over the timesteps that are valid; each must have one.

    Parameters
    ----------
    name : str, optional
        By default "globalavgpool1", "globalavgpool2", ...
    """

    kind: ClassVar[str] = "globalavgpool"
    largest: ClassVar[bool] = False


class GlobalMaxPool(_GlobalPool):
    """The largest of all of an image, or of all timesteps, channel by channel; the first gets the gradient.

    Oquab, Bottou, Laptev and Sivic 2015, "Is object localization for free?", section 3; over the timesteps of
    sequences Collobert et al. 2011, "Natural language processing (almost) from scratch", section 3.3.2. Of
    sequences with ``lengths`` it is the largest of the timesteps that are valid; each must have one.

    Parameters
    ----------
    name : str, optional
        By default "globalmaxpool1", "globalmaxpool2", ...
    """

    kind: ClassVar[str] = "globalmaxpool"
    largest: ClassVar[bool] = True


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
