"""A table of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vgcore import _validate, initializers
from vgcore._core import embedding
from vgcore._core.op import Operation
from vgcore.layers.base import Layer, Parameter, Shape, View, places


@dataclass(frozen=True)
class _ZeroRow(initializers.Initializer):
    """What another initializer draws, but for a row of zeros."""

    others: initializers.Initializer
    row: int

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> initializers.Draw:
        """Draw what the other does: the rows beside are those of a table without padding."""
        values = self.others.draw(shape, rng)
        values[self.row] = 0
        return values


class Embedding(Layer):
    """Row ``x_t`` of a weight for each integer x_t: (n, time) gives (n, time, embedding_dim).

    `torch.nn.Embedding`; the first layer of a model, whose ``input_shape`` is then (time,) or (None,).

    Parameters
    ----------
    num_embeddings : int
        Integers are 0 to ``num_embeddings - 1``.
    embedding_dim : int
    padding_idx : int, optional
        An integer that stands for no symbol; from the end if negative. Its row starts at 0 and gets no
        gradient, so that no optimizer moves it. Timesteps that should not be run at all are those behind
        ``lengths``.
    weight_initializer : str, Initializer or callable
        A name of `vgcore.initializers`.
    name : str, optional

    Attributes
    ----------
    weight : ndarray, (num_embeddings, embedding_dim)
    """

    kind: ClassVar[str] = "embedding"
    weight = View()

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None = None,
        weight_initializer: Any = "normal",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.vocabulary = _validate.integer("num_embeddings", num_embeddings, minimum=1)
        self.units = _validate.integer("embedding_dim", embedding_dim, minimum=1)
        if padding_idx is not None:
            padding_idx = _validate.integer(
                "padding_idx", padding_idx, minimum=-self.vocabulary, maximum=self.vocabulary - 1
            )
            padding_idx %= self.vocabulary
        self.padding_idx = padding_idx
        self.weight_initializer = initializers.get(
            weight_initializer, "identity", "weight_initializer"
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        """(time, embedding_dim) for an input of shape (time,)."""
        if len(input_shape) != 1:
            raise ValueError(
                f"{self.name}: expected integers of shape (time,), got shape {input_shape}"
            )
        return (input_shape[0], self.units)

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """The weight, stored row by row."""
        assert self.vocabulary is not None
        shape = (self.vocabulary, self.units)
        start = self.weight_initializer
        if self.padding_idx is not None:
            start = _ZeroRow(start, self.padding_idx)
        return [Parameter("weight", shape, start, order="C")]

    def planned(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The operation, which reads an integer at every timestep."""
        steps = places(self.output_shape(input_shape))
        return [each.lay(steps, steps) for each in self.operations(input_shape, real_bytes)]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of embedding.pyx."""
        assert self.vocabulary is not None
        padding = -1 if self.padding_idx is None else self.padding_idx
        return [
            embedding.operation(self.vocabulary, self.units, padding=padding, real_bytes=real_bytes)
        ]

    def given(self) -> dict[str, Any]:
        """Sizes and name; the initializer has done its work."""
        return {
            "num_embeddings": self.vocabulary,
            "embedding_dim": self.units,
            "padding_idx": self.padding_idx,
            "name": self.name,
        }
