"""Convolutional layers."""

from __future__ import annotations

from typing import Any, ClassVar

from vgcore import _validate, activations, initializers
from vgcore._core import conv
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import Layer, Parameter, Shape, View, features
from vgcore.layers.window import Sizes, Window, sizes


class _Convolution(Layer):
    """What convolutions over one and two axes share."""

    axes: ClassVar[int]
    arguments = (
        "filters", "kernel_size", "stride", "padding", "dilation", "groups", "activation", "use_bias",
    )  # fmt: skip
    fixes_time = True
    weight = View()
    bias = View()

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sizes,
        activation: str | Activation | None = None,
        *,
        stride: int | Sizes = 1,
        padding: int | Sizes | str = 0,
        dilation: int | Sizes = 1,
        groups: int = 1,
        use_bias: bool = True,
        weight_initializer: Any = "xavier_uniform",
        bias_initializer: Any = "zeros",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.filters = _validate.integer("filters", filters, minimum=1)
        self.kernel_size = sizes("kernel_size", kernel_size, self.axes, minimum=1)
        self.stride = sizes("stride", stride, self.axes, minimum=1)
        self.dilation = sizes("dilation", dilation, self.axes, minimum=1)
        self.padding: Sizes | str
        if isinstance(padding, str):
            self.padding = _validate.one_of("padding", padding, ("same",))
            if any(step > 1 for step in self.stride):
                raise ValueError(f"stride: expected 1 with padding='same', got {stride}")
        else:
            self.padding = sizes("padding", padding, self.axes, minimum=0)
        self.groups = _validate.integer("groups", groups, minimum=1)
        if self.filters % self.groups:
            raise ValueError(
                f"groups: expected a divisor of the {self.filters} filters, got {self.groups}"
            )
        self.activation = activations.unitwise(activation)
        self.output_activation = self.activation.name
        self.use_bias = _validate.boolean("use_bias", use_bias)
        self.weight_initializer = initializers.get(
            weight_initializer, self.activation, "weight_initializer"
        )
        self.bias_initializer = initializers.get(
            bias_initializer, self.activation, "bias_initializer"
        )

    @property
    def _window(self) -> Window:
        if isinstance(self.padding, str):
            totals = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            padding = tuple((total // 2, total - total // 2) for total in totals)
        else:
            padding = tuple((pad, pad) for pad in self.padding)
        return Window(self.kernel_size, self.stride, padding, self.dilation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(filters, height, width) of an image, (time, filters) of a sequence."""
        shape = self._window.output_shape(self.name, input_shape, self.filters, "a kernel")
        if features(input_shape) % self.groups:
            raise ValueError(
                f"{self.name}: expected groups that divide the {features(input_shape)} channels of its "
                f"inputs, got {self.groups}"
            )
        return shape

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """The weight and, with ``use_bias``, the bias."""
        share = features(input_shape) // self.groups
        shape = (self.filters, share, *self.kernel_size)
        weight = Parameter("weight", shape, self.weight_initializer)
        bias = Parameter("bias", (self.filters,), self.bias_initializer)
        return [weight, bias] if self.use_bias else [weight]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of conv.pyx."""
        operation = conv.operation(
            self._window.planar(input_shape),
            features(input_shape),
            self.filters,
            groups=self.groups,
            activation=self.activation.function,
            bias=self.use_bias,
            real_bytes=real_bytes,
        )
        return [operation]


class Conv2d(_Convolution):
    """``h = f(x * W + b)`` for images x (n, in, height, width) and h (n, filters, height', width').

    ``z[f, y, x] = b[f] + sum over c, i, j of W[f, c, i, j] x[c, s y + d i - p, s x + d j - p]`` with stride
    s, dilation d and padding p: a cross-correlation, as PyTorch's (LeCun et al. 1989, "Backpropagation
    applied to handwritten zip code recognition"). height' = floor((height + 2 p - d (k - 1) - 1) / s) + 1.

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size : int or (int, int)
        Height and width.
    activation : str, Activation or None
        f; a name of `vgcore.activations`, but softmax. None for the identity.
    stride : int or (int, int)
    padding : int, (int, int) or "same"
        Zeros on both sides; "same", for stride 1 alone, as many as keep the size: where they are odd in
        number the last side has one more.
    dilation : int or (int, int)
        From one tap of the kernel to the next.
    groups : int
        Groups of channels, each with its own share of the filters; a divisor of both.
    use_bias : bool
        Whether there is a b.
    weight_initializer, bias_initializer : str, Initializer or callable
        A name of `vgcore.initializers`. fan_in is in / groups * height * width of the kernel.
    name : str, optional
        By default "conv2d1", "conv2d2", ...

    Attributes
    ----------
    weight : ndarray, (filters, in / groups, kernel height, kernel width)
    bias : ndarray, (filters,)
        Views of the model's parameters: assigning copies into them.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, out of range or an unknown name; if a model's images are
        smaller than the kernel, or their channels are no multiple of ``groups``.
    """

    kind: ClassVar[str] = "conv2d"
    axes: ClassVar[int] = 2


class Conv1d(_Convolution):
    """``h = f(x * W + b)`` for sequences x (n, time, in) and h (n, time', filters).

    ``z[t, f] = b[f] + sum over c, i of W[f, c, i] x[s t + d i - p, c]`` with stride s, dilation d and
    padding p. The number of timesteps must be known; time' = floor((time + 2 p - d (k - 1) - 1) / s) + 1.

    Parameters
    ----------
    filters, kernel_size, activation, stride, padding, dilation, groups, use_bias, weight_initializer, \
bias_initializer
        As of `Conv2d`, for one axis.
    name : str, optional
        By default "conv1d1", "conv1d2", ...

    Attributes
    ----------
    weight : ndarray, (filters, in / groups, kernel_size)
    bias : ndarray, (filters,)
        Views of the model's parameters: assigning copies into them.

    Raises
    ------
    TypeError, ValueError
        As of `Conv2d`.
    """

    kind: ClassVar[str] = "conv1d"
    axes: ClassVar[int] = 1
