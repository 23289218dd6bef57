"""A table of vectors."""

from __future__ import annotations

from typing import Any, ClassVar

from vgcore import _validate, initializers
from vgcore._core import embedding
from vgcore._core.op import Operation
from vgcore.layers.base import Layer, Parameter, Shape, View, places


class Embedding(Layer):
    """Row ``x_t`` of a weight for each integer x_t: (n, time) gives (n, time, embedding_dim).

    `torch.nn.Embedding`; the first layer of a model, whose ``input_shape`` is then (time,) or (None,).

    Parameters
    ----------
    num_embeddings : int
        Integers are 0 to ``num_embeddings - 1``.
    embedding_dim : int
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
        weight_initializer: Any = "normal",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.vocabulary = _validate.integer("num_embeddings", num_embeddings, minimum=1)
        self.units = _validate.integer("embedding_dim", embedding_dim, minimum=1)
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
        return [Parameter("weight", shape, self.weight_initializer, order="C")]

    def planned(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The operation, which reads an integer at every timestep."""
        steps = places(self.output_shape(input_shape))
        return [each.lay(steps, steps) for each in self.operations(input_shape, real_bytes)]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of embedding.pyx."""
        assert self.vocabulary is not None
        return [embedding.operation(self.vocabulary, self.units, real_bytes=real_bytes)]

    def given(self) -> dict[str, Any]:
        """Sizes and name; the initializer has done its work."""
        return {
            "num_embeddings": self.vocabulary,
            "embedding_dim": self.units,
            "name": self.name,
        }
