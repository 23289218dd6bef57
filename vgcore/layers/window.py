"""Windows that slide over images and sequences: what users say of them, and what the engine is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vgcore import _validate
from vgcore._core.neighbours import axis
from vgcore.layers.base import FixedSteps, Shape, features, is_image

Sizes = tuple[int, ...]


def sizes(argument: str, value: Any, axes: int, *, minimum: int) -> Sizes:
    """One integer for each axis, of a tuple of them or one for all."""
    if not isinstance(value, tuple):
        return (_validate.integer(argument, value, minimum=minimum),) * axes
    if len(value) != axes:
        raise ValueError(f"{argument}: expected an integer or {axes} of them, got {value}")
    return tuple(_validate.integer(argument, n, minimum=minimum) for n in value)


@dataclass(frozen=True)
class Window:
    """A window of a layer, of one entry for each axis: two over images, one over sequences."""

    kernel: Sizes
    stride: Sizes
    padding: tuple[tuple[int, int], ...]
    dilation: Sizes

    def outputs(self, layer: str | None, input_shape: Shape, what: str) -> Sizes:
        """How many windows there are along each axis.

        Raises
        ------
        ValueError
            If inputs have not as many axes or an unknown size, or are smaller than ``what`` slides.
        """
        inputs = self.extent(layer, input_shape)
        padded = tuple(n + sum(pad) for n, pad in zip(inputs, self.padding, strict=True))
        spans = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        if any(span > size for span, size in zip(spans, padded, strict=True)):
            dilated = f" ({_by(spans)} with its dilation)" if spans != self.kernel else ""
            raise ValueError(
                f"{layer}: expected {what} of at most the padded input, {_by(padded)}, got "
                f"{_by(self.kernel)}{dilated}{_turned(input_shape)}"
            )
        return tuple(
            (size - span) // step + 1
            for size, span, step in zip(padded, spans, self.stride, strict=True)
        )

    def extent(self, layer: str | None, input_shape: Shape) -> Sizes:
        """Height and width of an image, or the timesteps of a sequence."""
        axes = len(self.kernel)
        wanted = "(channels, height, width)" if axes == 2 else "(time, features)"
        if len(input_shape) != axes + 1:
            hint = ""
            if axes == 2 and len(input_shape) == 2:
                hint = f"; an image has channels, one at least: (1, {input_shape[0]}, {input_shape[1]})"
            elif len(input_shape) == 1:
                hint = f"; Reshape({wanted}) in front of it makes such inputs of vectors"
            raise ValueError(
                f"{layer}: expected inputs of shape {wanted}, got shape {input_shape}{hint}"
            )
        known = [n for n in (input_shape[1:] if axes == 2 else input_shape[:1]) if n is not None]
        if len(known) < axes:
            raise ValueError(
                f"{layer}: expected inputs of shape {wanted} with all sizes known, got shape {input_shape}"
            )
        return tuple(known)

    def output_shape(self, layer: str | None, input_shape: Shape, columns: int, what: str) -> Shape:
        """Shape of ``columns`` channels or features at each window."""
        counts = self.outputs(layer, input_shape, what)
        if len(counts) == 2:
            return (columns, *counts)
        unchanged = counts[0] == input_shape[0]
        return (input_shape[0] if unchanged else FixedSteps(counts[0]), columns)

    def sees(self, layer: str | None, input_shape: Shape) -> bool:
        """Whether each window sees some of the input, and not padding alone."""
        axes = zip(
            self.extent(layer, input_shape),
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
            strict=True,
        )
        return all(len(set(axis(*each)[1])) == axis(*each)[0] for each in axes)

    def planar(self, input_shape: Shape) -> dict[str, Any]:
        """The arguments of the engine's window; a sequence is an image of one row."""
        flat = 2 - len(self.kernel)
        return {
            "size": (1,) * flat + self.extent(None, input_shape),
            "kernel": (1,) * flat + self.kernel,
            "stride": (1,) * flat + self.stride,
            "padding": ((0, 0),) * flat + self.padding,
            "dilation": (1,) * flat + self.dilation,
        }


def channels(layer: str | None, input_shape: Shape) -> int:
    """Channels or features of inputs that are images or sequences."""
    if len(input_shape) not in (2, 3):
        raise ValueError(
            f"{layer}: expected inputs of shape (channels, height, width) or (time, features), got shape "
            f"{input_shape}"
        )
    return features(input_shape)


def _turned(shape: Shape) -> str:
    """What to say where an image seems to have its channels last."""
    first, last = shape[0], shape[-1]
    if is_image(shape) and last in (1, 3) and first is not None and first > 4:
        return f"; images are (channels, height, width): ({last}, {first}, {shape[1]})"
    return ""


def _by(numbers: Sizes) -> str:
    return " x ".join(map(str, numbers))
