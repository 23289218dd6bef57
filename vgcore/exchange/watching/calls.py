"""Calls of PyTorch's functions, and of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import overrides
from torch.overrides import TorchFunctionMode

from vgcore.exchange.watching import activations
from vgcore.exchange.watching.activations import Seen
from vgcore.exchange.watching.hooks import plain, unseen
from vgcore.exchange.watching.layers import Layer
from vgcore.exchange.watching.rows import Node, notes_of

Tensor = Any


class Hearing(Protocol):
    """Who is told of functions."""

    def backward(
        self, loss: Tensor | None, inputs: Iterable[Tensor] | None, retained: bool
    ) -> AbstractContextManager[None]:
        """A backward pass is at work within."""

    def activate(self, name: str, given: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        """An activation is about to be called."""


class Functions(TorchFunctionMode):  # type: ignore[misc]
    """Sees PyTorch's functions as they are called: activations, and where a backward pass begins."""

    def __init__(self, listener: Hearing) -> None:
        super().__init__()
        self._listener = listener

    def leave(self) -> None:
        """See no more, whichever modes were entered since."""
        above = []
        while self in overrides._get_current_function_mode_stack():
            above.append(overrides._pop_mode())
        for mode in reversed(above[:-1]):
            overrides._push_mode(mode)

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Let who listens see a function that is called."""
        kwargs = kwargs or {}
        if function in (torch.Tensor.backward, torch.autograd.grad):
            with self._listener.backward(*_asked(function, args, kwargs)):
                return function(*args, **kwargs)
        name = activations.name_of(function)
        if name is not None and plain():
            given = (*args, *((kwargs["input"],) if "input" in kwargs else ()))
            options = {key: value for key, value in kwargs.items() if key != "input"}
            unseen(self._listener.activate)(name, given, options)
        return function(*args, **kwargs)


def _asked(
    function: Any, args: Any, kwargs: Mapping[str, Any]
) -> tuple[Tensor | None, Iterable[Tensor] | None, bool]:
    """Of a backward pass: the loss, if it writes gradients, what they are of, whether the graph stays."""
    if kwargs.get("is_grads_batched"):
        return None, (), False
    retained = kwargs.get("retain_graph")
    if retained is None:
        retained = kwargs.get("create_graph", False)
    by_hand = function is torch.autograd.grad
    inputs = args[1] if by_hand else kwargs.get("inputs")
    inputs = (inputs,) if isinstance(inputs, torch.Tensor) else inputs
    return None if by_hand else args[0], inputs, bool(retained)


class Call(Node):
    """One call of a layer that put out a tensor."""

    def __init__(self, layer: Layer, tallies: bool) -> None:
        super().__init__("delta", layer.first)
        self.axis, self._tallies = layer.axis, tallies

    def see(self, seen: Seen) -> None:
        """Note it, in place of what was seen before."""
        self.notes = notes_of(self.column, seen, self._tallies)


def tensor_of(output: Any) -> Tensor | None:
    """What a module has put out: the first tensor, where there are several."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, dict):
        output = tuple(output.values())
    if isinstance(output, tuple | list):
        return next((each for each in map(tensor_of, output) if each is not None), None)
    return None
