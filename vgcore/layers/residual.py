"""Residual blocks: layers with a skip connection around them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from vgcore import _validate, activations, initializers
from vgcore._core import residual
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import (
    Array,
    Column,
    Layer,
    Parameter,
    Shape,
    View,
    Walk,
    check_once,
    describe,
    features,
    joining,
    make,
    name_layers,
    places,
)
from vgcore.layers.membership import claim


class Residual(Layer):
    """``h = f(skip(x) + g body(x))``: layers with a skip connection around them.

    The gradient that reaches x is ``dL/dx = skip'(x)^T delta + g body'(x)^T delta``: with an identity skip
    it is at least delta, however small the product of factors through the body is. He, Zhang, Ren and Sun
    2016 (arXiv 1512.03385, eq. 1 and 2; 1603.05027, eq. 5).

    Pre-activation (1603.05027) or post-activation (1512.03385) is where the body and ``activation`` have
    their activations.

    Parameters
    ----------
    layers : sequence of Layer
        The body, input to output; blocks may be nested.
    shortcut : sequence of Layer, optional
        The skip: by default the identity, which asks that the body gives what it takes. A projection is
        ``[Dense(units, use_bias=False)]`` or ``[Conv2d(filters, 1, stride=2)]``.
    activation : str or Activation, optional
        f, of the sum.
    gate : float, optional
        Where the learned factor g starts: 0 is ReZero (Bachlechner et al. 2021, arXiv 2003.04887, eq. 1),
        in which every block starts as the identity; 1 is the multiplier of Fixup (Zhang et al. 2019,
        arXiv 1901.09321, section 3). Without it g is 1 and not learned.
    name : str, optional
        By default "residual1", "residual2", ...; its layers are "residual1.dense1", ...

    Attributes
    ----------
    layers, shortcut : tuple of Layer
    gate : ndarray, (1,)
        The parameter, if there is one.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, a layer is used twice or belongs to a model, or the branches'
        shapes do not add up.
    """

    kind: ClassVar[str] = "residual"
    gate = View()

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        shortcut: Sequence[Layer] = (),
        activation: str | Activation | None = None,
        gate: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.layers = joining("layers", layers)
        self.shortcut = joining("shortcut", shortcut)
        if not self.layers:
            raise ValueError("layers: expected at least one layer, got none")
        check_once(self.members())
        self.activation = activations.unitwise(activation)
        self.output_activation = self.activation.name
        self.gate_start = None if gate is None else _validate.real("gate", gate)
        for trait in ("stateful", "meets", "fixes_time"):
            setattr(self, trait, any(getattr(layer, trait) for layer in self.members()))
        name_layers(self.members())
        claim(self, self.members())

    def members(self) -> tuple[Layer, ...]:
        """The layers of both branches."""
        return (*self.layers, *self.shortcut)

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of the body, which must be that of the skip."""
        body = self._shapes(self.layers, input_shape)[-1]
        skip = self._shapes(self.shortcut, input_shape)[-1]
        if body != skip:
            hint = "" if self.shortcut else "; a projection goes into shortcut=[...]"
            raise ValueError(
                f"{self.name}: expected a body that gives the shape of the skip, {skip}, to add up; got "
                f"{body}{hint}"
            )
        return body

    def _shapes(self, layers: Sequence[Layer], input_shape: Shape) -> list[Shape]:
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
        """The body, then the skip, if it has layers."""
        behind_body = 1 + sum(len(layer.columns()) for layer in self.layers)
        return [
            (layers, self._shapes(layers, input_shape), first)
            for layers, first in ((self.layers, 1), (self.shortcut, behind_body))
            if layers
        ]

    def _members(self, input_shape: Shape) -> list[tuple[Layer, Shape, int]]:
        """Each layer of the body and of the skip, its input's shape, and its first operation's number."""
        found = []
        for layers, shapes, number in self.branches(input_shape):
            for layer, shape in zip(layers, shapes, strict=False):
                found.append((layer, shape, number))
                number += len(layer.columns())
        return found

    def least_rows(self, input_shape: Shape, times: int) -> int:
        """As many as the layer that wants most."""
        return max(layer.least_rows(shape, times) for layer, shape, _ in self._members(input_shape))

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """Those of the layers, under their names, and the gate."""
        parameters = [
            dataclasses.replace(
                mine, name=f"{layer.name}.{mine.name}", operation=number + mine.operation
            )
            for layer, shape, number in self._members(input_shape)
            for mine in layer.parameters(shape)
        ]
        if self.gate_start is not None:
            start = initializers.Constant(self.gate_start)
            parameters.append(Parameter("gate", (1,), start, operation=len(self.columns()) - 1))
        return parameters

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
        """Those of recurrent layers in the branches."""
        return [
            dataclasses.replace(walk, suffix=f".{layer.name}{walk.suffix}")
            for layer in self.members()
            for walk in layer.walks()
        ]

    def columns(self) -> list[Column]:
        """The fork, which tells of the branches; the layers; and the sum, under the block's own name."""
        inner = [
            column._replace(suffix=f".{layer.name}{column.suffix}")
            for layer in self.members()
            for column in layer.columns()
        ]
        return [Column(shown=False), *inner, Column()]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of residual.pyx around those of the layers."""
        around, behind = places(input_shape), self.output_shape(input_shape)
        fork = residual.fork(features(input_shape), real_bytes=real_bytes).lay(around, around)
        operations = [fork]
        body_end = 0
        for layer, shape, number in self._members(input_shape):
            mine = layer.planned(shape, real_bytes)
            if self.shortcut and layer is self.shortcut[0]:
                body_end = number - 1
                mine[0].wire(source=-number)
            operations += mine
        join = residual.join(
            features(behind),
            gated=self.gate_start is not None,
            activation=self.activation.code,
            alpha=self.activation.alpha,
            keeps_z=self.activation.keeps_z,
            real_bytes=real_bytes,
        ).lay(places(behind), places(behind))
        if self.shortcut:
            join.wire(source=body_end - len(operations), second=-1)
        else:
            join.wire(source=-1, second=-len(operations))
        return [*operations, join]

    def planned(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The operations, which know their places already."""
        return self.operations(input_shape, real_bytes)

    def config(self) -> dict[str, Any]:
        """The layers of both branches, activation, gate and name."""
        return {
            "layers": [describe(layer) for layer in self.layers],
            "shortcut": [describe(layer) for layer in self.shortcut],
            "activation": [self.activation.name, self.activation.alpha],
            "gate": self.gate_start,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Residual:
        """The block that `config` described."""
        return cls(
            [make(layer) for layer in config["layers"]],
            shortcut=[make(layer) for layer in config["shortcut"]],
            activation=activations.with_alpha(*config["activation"]),
            gate=config["gate"],
            name=config["name"],
        )
