"""Calls of PyTorch's functions, and of layers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch.overrides import TorchFunctionMode

from vgcore.exchange.watching import activations
from vgcore.exchange.watching.activations import Seen
from vgcore.exchange.watching.layers import Layer
from vgcore.exchange.watching.rows import Note, Row, notes_of

Tensor = Any


class Hearing(Protocol):
    """Who is told of functions."""

    def backward(self, loss: Tensor) -> AbstractContextManager[None]:
        """A backward pass begins, and is at work within."""

    def activate(self, name: str, given: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        """An activation is about to be called."""


class Functions(TorchFunctionMode):  # type: ignore[misc]
    """Sees PyTorch's functions as they are called: activations, and where a backward pass begins."""

    def __init__(self, listener: Hearing) -> None:
        super().__init__()
        self._listener = listener

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Let who listens see a function that is called."""
        kwargs = kwargs or {}
        if function is torch.Tensor.backward:
            with self._listener.backward(args[0]):
                return function(*args, **kwargs)
        name = activations.name_of(function)
        if name is not None:
            given = (*args, *((kwargs["input"],) if "input" in kwargs else ()))
            options = {key: value for key, value in kwargs.items() if key != "input"}
            self._listener.activate(name, given, options)
        return function(*args, **kwargs)


class Call:
    """One call of a layer that put out a tensor, and what was seen of it."""

    def __init__(self, layer: Layer, axis: int, tallies: bool) -> None:
        self.column, self.axis, self._tallies = layer.first, axis, tallies
        self._notes: list[Note] = []

    def see(self, seen: Seen) -> None:
        """Note it, in place of what was seen before."""
        self._notes = notes_of(self.column, seen, self._tallies)

    def tell(self, row: Row) -> None:
        """Hand it on, once."""
        row.add(self._notes)
        self._notes = []


def tensor_of(output: Any) -> Tensor | None:
    """What a module has put out: the first tensor, where there are several."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, dict):
        output = tuple(output.values())
    if isinstance(output, tuple | list):
        return next((each for each in map(tensor_of, output) if each is not None), None)
    return None
