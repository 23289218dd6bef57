"""A network as rules see it: its layers one by one, whatever blocks they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.layers import Bidirectional, Dropout
from vgcore.layers.base import Layer
from vgcore.layers.recurrent import Recurrent
from vgcore.losses import Loss
from vgcore.model import Sequential
from vgcore.model.compiling import Compiled
from vgcore.optimizers import Optimizer

Array = NDArray[Any]


@dataclass(frozen=True)
class Part:
    """One layer, with a column of its own in the tracker's record.

    Attributes
    ----------
    name : str
        The tracker's.
    layer : Layer
        Of a bidirectional one, the layer of that direction.
    hidden : bool
        Whether it is in front of the last layer with weights.
    depth : int
        How many layers with weights there are up to it, itself included.
    """

    name: str
    layer: Layer
    hidden: bool
    depth: int

    @property
    def activation(self) -> str:
        """Name of its activation; "identity" without one."""
        function = getattr(self.layer, "activation", None)
        return "identity" if function is None else str(function.name)

    @property
    def kind(self) -> str:
        """What it is called in a sentence: "Dense", "LSTM"."""
        return type(self.layer).__name__

    @property
    def recurrent(self) -> bool:
        """Whether it walks through time."""
        return isinstance(self.layer, Recurrent)

    @property
    def weights(self) -> dict[str, Array]:
        """Its weights of two or more axes, by name, as (out, fan_in) matrices."""
        return {
            name: view.reshape(len(view), -1)
            for name, view in self.layer.views.items()
            if name.startswith("weight") and view.ndim > 1
        }


class Network:
    """A compiled model as rules see it."""

    def __init__(self, model: Sequential) -> None:
        self.model = model

    @property
    def compiled(self) -> Compiled:
        """What `compile` chose."""
        return self.model.session.compiled

    @property
    def loss(self) -> Loss:
        """The loss."""
        return self.compiled.loss

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer."""
        return self.compiled.optimizer

    @property
    def rate(self) -> float:
        """The learning rate of the first step."""
        return float(self.compiled.course.rate(0))

    @property
    def outputs(self) -> int:
        """How many outputs there are."""
        shape = self.model.session.shapes[-1]
        size = shape[0] if len(shape) == 3 else shape[-1]
        return int(size or 1)

    @property
    def output_activation(self) -> str:
        """Name of the activation whose values the outputs are; that of logits is the loss's."""
        return self.model.layers[-1].output_activation

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The layers with a column in the record, input to output."""
        named = list(leaves(self.model))
        weighted = [name for name, layer in named if has_weights(layer)]
        last = weighted[-1] if weighted else ""
        parts: list[Part] = []
        depth, behind = 0, not weighted
        for name, layer in named:
            depth += has_weights(layer)
            behind = behind or name == last
            parts.append(Part(name, layer, not behind, depth))
        return tuple(parts)

    @cached_property
    def by_name(self) -> dict[str, Part]:
        """The parts by their names."""
        return {part.name: part for part in self.parts}

    @property
    def weighted(self) -> list[Part]:
        """Those that have weights."""
        return [part for part in self.parts if has_weights(part.layer)]

    @property
    def hidden(self) -> list[Part]:
        """Those with weights but the last."""
        return [part for part in self.weighted if part.hidden]

    @property
    def dropouts(self) -> list[Part]:
        """Those that drop units."""
        return [part for part in self.parts if isinstance(part.layer, Dropout)]


def has_weights(layer: Layer) -> bool:
    """Whether it has a matrix of weights, or a table of vectors."""
    return any(view.ndim > 1 for name, view in layer.views.items() if name.startswith("weight"))


def leaves(model: Sequential) -> Iterator[tuple[str, Layer]]:
    """The layers that are made of no others, by the tracker's names; of bidirectional ones each direction."""
    for layer in model.layers:
        yield from _leaves(layer, str(layer.name))


def _leaves(layer: Layer, name: str) -> Iterator[tuple[str, Layer]]:
    if isinstance(layer, Bidirectional) and not layer.layers:
        yield f"{name}.forward", layer.forward_layer
        yield f"{name}.backward", layer.backward_layer
        return
    members = layer.members()
    if not members:
        yield name, layer
    for member in members:
        yield from _leaves(member, f"{name}.{member.name}")


def finite(values: Any) -> Array:
    """The finite ones of some numbers, flat."""
    flat: Array = np.asarray(values, float).ravel()
    known: Array = flat[np.isfinite(flat)]
    return known
