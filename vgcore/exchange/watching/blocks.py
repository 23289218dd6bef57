"""The two blocks of an nn.TransformerEncoderLayer: what comes back through the skip, and through the body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from vgcore.exchange.watching.hooks import unseen

Module = Any
Tensor = Any
Teller = Callable[[str, Module], Callable[[Tensor], None]]
"""Of "skip" or "body", and the layer at which it is told: what is to hear of the gradient."""


class Block:
    """An encoder layer: attention tells at ``self_attn``, the MLP at ``linear2``."""

    def __init__(self, module: Module, teller: Teller) -> None:
        self._module, self._teller = module, teller
        self._inputs: dict[str, Tensor] = {}

    def parts(self) -> Iterator[Module]:
        """Modules after whose calls `after` is to be called."""
        module = self._module
        yield from (module, module.self_attn, module.norm1, module.norm2)

    def after(self, called: Module, arguments: tuple[Any, ...], output: Any) -> None:
        """Find the sums, whose gradient the skips pass on, and the inputs of the blocks."""
        module, before = self._module, self._inputs
        if called is module:
            if module.norm_first and "mlp" in before:
                self._listen(module.linear2, before["mlp"], output)
            before.clear()
        elif called is module.self_attn:
            if not module.norm_first:
                before["attention"] = arguments[0]
        elif called is module.norm1:
            if module.norm_first:
                before["attention"] = arguments[0]
            elif "attention" in before:
                self._listen(module.self_attn, before["attention"], arguments[0])
                before["mlp"] = output
        elif "attention" in before:
            if module.norm_first:
                self._listen(module.self_attn, before["attention"], arguments[0])
                before["mlp"] = arguments[0]
            elif "mlp" in before:
                self._listen(module.linear2, before["mlp"], arguments[0])

    def _listen(self, layer: Module, block_input: Tensor, total: Tensor) -> None:
        """Tell the gradient of the sum, and what else comes to the input of the block."""
        tell_skip, tell_body = self._teller("skip", layer), self._teller("body", layer)
        skip: list[Tensor] = []

        def at_sum(gradient: Tensor) -> None:
            skip[:] = [gradient]
            tell_skip(gradient)

        def at_input(gradient: Tensor) -> None:
            if skip:
                with torch.no_grad():
                    tell_body(gradient - skip.pop())

        if total.requires_grad:
            total.register_hook(unseen(at_sum))
            if block_input.requires_grad:
                block_input.register_hook(unseen(at_input))


def blocks_of(root: Module, teller: Teller) -> dict[int, list[Block]]:
    """The blocks that are to hear of a module's calls, by its id."""
    heard: dict[int, list[Block]] = {}
    for module in root.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            block = Block(module, teller)
            for part in block.parts():
                heard.setdefault(id(part), []).append(block)
    return heard
