"""Two walks through one sequence, from both ends."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from vgcore import _validate
from vgcore._core.op import Operation
from vgcore.layers.base import (
    Array,
    Layer,
    Parameter,
    Shape,
    Walk,
    check_free,
    describe,
    make,
)
from vgcore.layers.membership import Member, claim
from vgcore.layers.recurrent import Recurrent, Walking


class Bidirectional(Walking):
    """A recurrent layer and its twin that walks backwards, their outputs side by side.

    Outputs are (n, time, 2 units), or (n, 2 units) of where each walk ends: timestep T - 1 forwards, 0
    backwards. Schuster and Paliwal 1997; `torch.nn.LSTM(bidirectional=True)`.

    Parameters
    ----------
    layer : RNN, LSTM or GRU
        The one that walks forwards; its options are those of both. With ``num_layers`` each layer of the
        stack goes in both directions and reads what both below it gave.
    name : str, optional

    Attributes
    ----------
    forward_layer, backward_layer : RNN, LSTM or GRU
        Their parameters are the model's under PyTorch's names: the backward one's with the suffix
        ``_reverse``. Of a stack they have no parameters, but the rates, which may be assigned.
    layers : tuple of Bidirectional
        Those of a stack, "bidirectional1.0", ...

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
        self.backward_layer = layer.altered(go_backwards=True, layers=(), _between=())
        self.stateful = layer.stateful
        if layer.layers:
            ones = (each.altered(name=None) for each in layer.layers if isinstance(each, Recurrent))
            self.stack_up([Bidirectional(each) for each in ones], layer.dropout)
        claim(self, self._directions)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Own both directions, of a stack too."""
        super().__setstate__(state)
        claim(self, self._directions)

    @property
    def _directions(self) -> tuple[Recurrent, Recurrent]:
        return self.forward_layer, self.backward_layer

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

    def members(self) -> tuple[Layer, ...]:
        """Both directions, or the layers of a stack."""
        return super().members() or self._directions

    def change(self, member: Member, name: str, value: Any) -> None:
        """Assign an attribute of both directions."""
        owner = self._owner()
        if member not in self._directions or isinstance(owner, Bidirectional):
            super().change(member, name, value)
        if name == "name":
            raise AttributeError(
                f"name: both directions go by that of {self.name}; assign it there"
            )
        with self.changing(name):
            for side in self._directions:
                side.keep(name, value)
            self.share(name, value)

    def walks(self) -> list[Walk]:
        """Forwards, then backwards; of a stack layer by layer."""
        if self.layers:
            return super().walks()
        return [
            dataclasses.replace(walk, suffix=suffix)
            for (side, _), suffix in zip(self._sides, (".forward", ".backward"), strict=True)
            for walk in side.walks()
        ]

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """Those of both, the backward one's with a suffix; of a stack layer by layer."""
        if self.layers:
            return super().parameters(input_shape)
        return [
            dataclasses.replace(parameter, name=parameter.name + suffix, operation=number)
            for number, (side, suffix) in enumerate(self._sides)
            for parameter in side.parameters(input_shape)
        ]

    def adopt(self, views: dict[str, Array]) -> None:
        """Share the parameters out to both."""
        super().adopt(views)
        if self.layers:
            return
        reverse = {name for name in views if name.endswith("_reverse")}
        self.forward_layer.adopt({name: views[name] for name in views if name not in reverse})
        self.backward_layer.adopt({name.removesuffix("_reverse"): views[name] for name in reverse})

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """Both walks, side by side; of a stack layer by layer."""
        if self.layers:
            return super().operations(input_shape, real_bytes)
        return [
            operation
            for side, suffix in self._sides
            for operation in side.operations(input_shape, real_bytes, beside=bool(suffix))
        ]

    def given(self) -> dict[str, Any]:
        """The layer that goes forward, and name."""
        return {"layer": self.forward_layer, "name": self.name}

    def config(self) -> dict[str, Any]:
        """The layer's class and options."""
        return {"layer": describe(self.forward_layer), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Bidirectional:
        """The layer that `config` described."""
        layer = make(config["layer"])
        assert isinstance(layer, Recurrent)
        return cls(layer, name=config["name"])
