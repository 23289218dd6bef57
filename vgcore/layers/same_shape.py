"""What layers share whose outputs have the shape of their inputs."""

from __future__ import annotations

from vgcore.layers.base import Layer, Parameter, Shape, features


class SameShape(Layer):
    """A layer of vectors, sequences (time, features) or images (channels, height, width)."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        try:
            features(input_shape)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        return input_shape

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """None."""
        return []
