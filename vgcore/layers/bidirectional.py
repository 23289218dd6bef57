"""Two walks through one sequence, from both ends."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from vgcore import _validate
from vgcore._core.op import Operation
from vgcore.layers.base import (
    Array,
    Column,
    Layer,
    Parameter,
    Shape,
    Walk,
    check_free,
    describe,
    make,
)
from vgcore.layers.membership import Member, claim
from vgcore.layers.recurrent import Recurrent


class Bidirectional(Layer):
    """A recurrent layer and its twin that walks backwards, their outputs side by side.

    Outputs are (n, time, 2 units), or (n, 2 units) of where each walk ends: timestep T - 1 forwards, 0
    backwards. Schuster and Paliwal 1997; `torch.nn.LSTM(bidirectional=True)`.

    Parameters
    ----------
    layer : RNN, LSTM or GRU
        The one that walks forwards; its options are those of both.
    name : str, optional

    Attributes
    ----------
    forward_layer, backward_layer : RNN, LSTM or GRU
        Their parameters are the model's under PyTorch's names: the backward one's with the suffix
        ``_reverse``.

    Raises
    ------
    TypeError, ValueError
        If the layer is not recurrent, goes backwards itself, or belongs to a model.
    """

    kind: ClassVar[str] = "bidirectional"
    fuses_loss: ClassVar[bool] = False

    def __init__(self, layer: Recurrent, *, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(layer, Recurrent):
            raise TypeError(f"layer: expected an RNN, LSTM or GRU, got {_validate.kind(layer)}")
        if layer.go_backwards:
            raise ValueError("layer: expected one with go_backwards=False, got True")
        check_free("layer", layer)
        self.forward_layer = layer
        self.backward_layer = layer.altered(go_backwards=True)
        self.stateful = layer.stateful
        claim(self, self.members())

    @property
    def _sides(self) -> list[tuple[Recurrent, str]]:
        return [(self.forward_layer, ""), (self.backward_layer, "_reverse")]

    def output_shape(self, input_shape: Shape) -> Shape:
        """As of the layer, with twice the units."""
        for side, _ in self._sides:
            side.keep("name", self.name)
        *time, units = self.forward_layer.output_shape(input_shape)
        assert units is not None
        return (*time, 2 * units)

    @property
    def output_activation(self) -> str:  # type: ignore[override]
        """That of both."""
        return self.forward_layer.output_activation

    def members(self) -> list[Layer]:
        """Both directions."""
        return [self.forward_layer, self.backward_layer]

    def change(self, member: Member, name: str, value: Any) -> None:
        """Assign an attribute of both directions."""
        if name == "name":
            raise AttributeError(
                f"name: both directions go by that of {self.name}; assign it there"
            )
        with self.changing(name):
            for side, _ in self._sides:
                side.keep(name, value)

    def walks(self) -> list[Walk]:
        """Forwards, then backwards."""
        return [
            dataclasses.replace(walk, suffix=suffix)
            for (side, _), suffix in zip(self._sides, (".forward", ".backward"), strict=True)
            for walk in side.walks()
        ]

    def columns(self) -> list[Column]:
        """Forwards, then backwards."""
        return [Column(walk.suffix) for walk in self.walks()]

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """Those of both, the backward one's with a suffix."""
        return [
            dataclasses.replace(parameter, name=parameter.name + suffix, operation=number)
            for number, (side, suffix) in enumerate(self._sides)
            for parameter in side.parameters(input_shape)
        ]

    def adopt(self, views: dict[str, Array]) -> None:
        """Share the parameters out to both."""
        super().adopt(views)
        reverse = {name for name in views if name.endswith("_reverse")}
        self.forward_layer.adopt({name: views[name] for name in views if name not in reverse})
        self.backward_layer.adopt({name.removesuffix("_reverse"): views[name] for name in reverse})

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """Both walks, side by side."""
        return [
            operation
            for side, suffix in self._sides
            for operation in side.operations(input_shape, real_bytes, beside=bool(suffix))
        ]

    def config(self) -> dict[str, Any]:
        """The layer's class and options."""
        return {"layer": describe(self.forward_layer), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Bidirectional:
        """The layer that `config` described."""
        layer = make(config["layer"])
        assert isinstance(layer, Recurrent)
        return cls(layer, name=config["name"])
