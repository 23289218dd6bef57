"""Residual blocks: layers with a skip connection around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from vgcore import _validate, activations, initializers
from vgcore._core import residual
from vgcore._core.op import Operation
from vgcore.activations import Activation
from vgcore.layers.base import (
    Column,
    Layer,
    Parameter,
    Shape,
    View,
    check_once,
    describe,
    features,
    joining,
    make,
    name_layers,
    places,
)
from vgcore.layers.block import Block
from vgcore.layers.membership import claim


class Residual(Block):
    """``h = f(skip(x) + g body(x))``: layers with a skip connection around them.

    The gradient that reaches x is ``dL/dx = skip'(x)^T delta + g body'(x)^T delta``: with an identity skip
    delta itself is a term of it, however small the product of factors through the body is. He, Zhang, Ren
    and Sun 2016 (arXiv 1512.03385, eq. 1 and 2; 1603.05027, eq. 5).

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
    ahead = 1
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
        self.gather_traits()
        name_layers(self.members())
        claim(self, self.members())

    @property
    def stacks(self) -> Sequence[Sequence[Layer]]:
        """The body, then the skip."""
        return self.layers, self.shortcut

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of the body, which must be that of the skip."""
        body = self.shapes(self.layers, input_shape)[-1]
        skip = self.shapes(self.shortcut, input_shape)[-1]
        if body != skip:
            hint = "" if self.shortcut else "; a projection goes into shortcut=[...]"
            raise ValueError(
                f"{self.name}: expected a body that gives the shape of the skip, {skip}, to add up; got "
                f"{body}{hint}"
            )
        return body

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """Those of the layers, and the gate."""
        parameters = super().parameters(input_shape)
        if self.gate_start is not None:
            start = initializers.Constant(self.gate_start)
            parameters.append(Parameter("gate", (1,), start, operation=len(self.columns()) - 1))
        return parameters

    def columns(self) -> list[Column]:
        """The fork, which tells of the branches; the layers; and the sum, under the block's own name."""
        return [Column(shown=False), *super().columns(), Column()]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of residual.pyx around those of the layers."""
        around, behind = places(input_shape), self.output_shape(input_shape)
        fork = residual.fork(features(input_shape), tells=True, real_bytes=real_bytes)
        operations = [fork.lay(around, around), *super().operations(input_shape, real_bytes)]
        behind_body = self.ahead + sum(len(layer.columns()) for layer in self.layers)
        join = residual.join(
            features(behind),
            gated=self.gate_start is not None,
            activation=self.activation.function,
            real_bytes=real_bytes,
        ).lay(places(behind), places(behind))
        if self.shortcut:
            operations[behind_body].wire(source=-behind_body)
            join.wire(source=behind_body - 1 - len(operations), second=-1)
        else:
            join.wire(source=-1, second=-len(operations))
        return [*operations, join]

    def given(self) -> dict[str, Any]:
        """The layers of both branches, activation, gate and name."""
        return {
            "layers": [*self.layers],
            "shortcut": tuple(self.shortcut),
            "activation": self.activation,
            "gate": self.gate_start,
            "name": self.name,
        }

    def config(self) -> dict[str, Any]:
        """The layers of both branches, activation, gate and name."""
        return {
            "layers": [describe(layer) for layer in self.layers],
            "shortcut": [describe(layer) for layer in self.shortcut],
            "activation": self.activation.config(),
            "gate": self.gate_start,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Residual:
        """The block that `config` described."""
        return cls(
            [make(layer) for layer in config["layers"]],
            shortcut=[make(layer) for layer in config["shortcut"]],
            activation=activations.of_config(*config["activation"]),
            gate=config["gate"],
            name=config["name"],
        )
