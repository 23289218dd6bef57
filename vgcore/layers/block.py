"""What layers share that are made of layers."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from itertools import chain

from vgcore._core.op import Operation
from vgcore.layers.base import Array, Column, Layer, Parameter, Shape, Walk


class Block(Layer):
    """Stacks of layers that read one input; what they have is the block's, under their names.

    A subclass says which stacks, and adds operations and parameters of its own. Its operations are some
    ahead of those of the stacks, then the stacks' in order, then some behind.
    """

    ahead = 0
    """Operations before those of the stacks."""

    @property
    @abstractmethod
    def stacks(self) -> Sequence[Sequence[Layer]]:
        """The layers of each stack, input to output."""

    def members(self) -> tuple[Layer, ...]:
        """The layers of all stacks."""
        return tuple(chain.from_iterable(self.stacks))

    def gather_traits(self) -> None:
        """Have the traits that any of the layers has."""
        for trait in ("stateful", "meets", "fixes_time", "pools_time"):
            setattr(self, trait, any(getattr(layer, trait) for layer in self.members()))

    def shapes(self, layers: Sequence[Layer], input_shape: Shape) -> list[Shape]:
        """The input's shape, and each layer's output's."""
        shapes = [input_shape]
        for layer in layers:
            if layer.vocabulary is not None:
                raise ValueError(f"{self.name}.{layer.name}: takes integers, so it must be first")
            try:
                shapes.append(layer.output_shape(shapes[-1]))
            except ValueError as error:
                raise ValueError(f"{self.name}.{error}") from error
        return shapes

    def branches(self, input_shape: Shape) -> list[tuple[Sequence[Layer], list[Shape], int]]:
        """The stacks that have layers."""
        found, first = [], self.ahead
        for layers in self.stacks:
            if layers:
                found.append((layers, self.shapes(layers, input_shape), first))
            first += sum(len(layer.columns()) for layer in layers)
        return found

    def places_of_members(self, input_shape: Shape) -> list[tuple[Layer, Shape, int]]:
        """Each layer of the stacks, its input's shape, and its first operation's number."""
        found = []
        for layers, shapes, number in self.branches(input_shape):
            for layer, shape in zip(layers, shapes, strict=False):
                found.append((layer, shape, number))
                number += len(layer.columns())
        return found

    def least_rows(self, input_shape: Shape, times: int) -> int:
        """As many as the layer that wants most."""
        wanted = self.places_of_members(input_shape)
        return max((layer.least_rows(shape, times) for layer, shape, _ in wanted), default=1)

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """Those of the layers, under their names."""
        return [
            dataclasses.replace(
                mine, name=f"{layer.name}.{mine.name}", operation=number + mine.operation
            )
            for layer, shape, number in self.places_of_members(input_shape)
            for mine in layer.parameters(shape)
        ]

    def adopt(self, views: dict[str, Array]) -> None:
        """Share the parameters out to the layers."""
        super().adopt(views)
        for layer in self.members():
            prefix = f"{layer.name}."
            layer.adopt(
                {
                    name.removeprefix(prefix): v
                    for name, v in views.items()
                    if name.startswith(prefix)
                }
            )

    def walks(self) -> list[Walk]:
        """Those of recurrent layers in the stacks."""
        return [
            dataclasses.replace(walk, suffix=f".{layer.name}{walk.suffix}")
            for layer in self.members()
            for walk in layer.walks()
        ]

    def columns(self) -> list[Column]:
        """Those of the layers."""
        return [
            column._replace(suffix=f".{layer.name}{column.suffix}")
            for layer in self.members()
            for column in layer.columns()
        ]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """Those of the layers, which know their places."""
        return [
            operation
            for layer, shape, _ in self.places_of_members(input_shape)
            for operation in layer.planned(shape, real_bytes)
        ]

    def operation_shapes(self, input_shape: Shape) -> list[Shape]:
        """Ahead of the stacks the block's input; the layers'; behind them the block's output."""
        shapes = super().operation_shapes(input_shape)
        shapes[: self.ahead] = [input_shape] * self.ahead
        for layer, shape, number in self.places_of_members(input_shape):
            mine = layer.operation_shapes(shape)
            shapes[number : number + len(mine)] = mine
        return shapes

    def planned(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The operations, which know their places already."""
        return self.operations(input_shape, real_bytes)
