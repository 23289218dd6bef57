"""Where a module of PyTorch stands: what reaches it, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from vgcore.activations import Activation
from vgcore.layers.base import Layer, Shape, features

Tensors = dict[str, torch.Tensor]
SEQUENCES = ("ntf", "tnf")
_LETTERS = {"n": "n", "t": "time", "f": "features", "h": "height", "w": "width", "1": "1"}


class AxesError(NotImplementedError):
    """The axes are not those that a module reads: another order of the input's may be meant."""


@dataclass
class Place:
    """Where a module stands, and what reaches it.

    ``axes`` are PyTorch's, a letter each: n samples, t timesteps, f features or channels, h height, w width,
    and 1 for those that a global pool has left. ``shape`` is vgcore's, of one sample. ``activation``: what
    follows, where the layer may take it as its own.
    """

    path: str
    module: nn.Module
    axes: str
    shape: Shape
    activation: Activation | None = None

    @property
    def kind(self) -> str:
        """The name of the module's class."""
        return type(self.module).__name__

    def lacks(self, what: str) -> NotImplementedError:
        """The error of a module without a counterpart."""
        return NotImplementedError(f"{self.path}: {self.kind} {what}")

    def check(self, *, only: str, **options: Any) -> None:
        """Raise where the module has an option with another value than the one that there is here."""
        for name, value in options.items():
            came = getattr(self.module, name)
            if came != value:
                raise self.lacks(f"with {name}={came!r}, and {only}")

    def read(self, *accepted: str) -> None:
        """Raise where its axes are none of the accepted ones."""
        if self.axes not in accepted:
            wanted = " or ".join(dict.fromkeys(map(told, accepted)))
            raise AxesError(
                f"{self.path}: {self.kind} of inputs {told(self.axes)}, and here it reads {wanted}"
            )

    def expect(self, count: int, what: str = "features") -> None:
        """Raise where the inputs have not so many features."""
        came = features(self.shape)
        if came != count:
            hint = ""
            if len(self.shape) == 2 and self.shape[0] == count:
                hint = "; sequences are (time, features) here"
            raise ValueError(
                f"input_shape: {self.path} ({self.kind}) expects {count} {what}, got {came}{hint}"
            )


@dataclass
class Counterpart:
    """A layer, the axes that PyTorch's outputs have, and what tensors its parameters are."""

    layer: Layer | None
    axes: str
    tensors: Tensors = field(default_factory=dict)


def told(axes: str) -> str:
    """Axes in words."""
    return f"({', '.join(_LETTERS[letter] for letter in axes)})"


def tensors_of(place: Place, *names: str) -> Tensors:
    """The module's parameters and statistics, which must be plain ones."""
    found = {}
    for name in names:
        tensor = getattr(place.module, name)
        if tensor is None:
            continue
        kept = place.module._parameters.get(name, place.module._buffers.get(name))
        if kept is None:
            raise place.lacks(f"whose {name} is computed, as by weight_norm; remove that first")
        found[name] = tensor
    return found


def is_changed(module: nn.Module) -> bool:
    """Whether a module may give something else than its class does: by hooks, or a forward of its own."""
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def check_unchanged(place: Place) -> None:
    """Raise where a module may give something else than its class does."""
    if is_changed(place.module):
        raise place.lacks("with hooks, or a forward in the place of its class's; remove them first")
