"""A PyTorch module of a model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vgcore import _extras, _validate
from vgcore.layers import Parallel, Residual
from vgcore.layers.base import Layer, Shape, is_image
from vgcore.model import Sequential

if TYPE_CHECKING:
    import torch
    from torch import nn


def to_torch(model: Sequential) -> nn.Sequential:
    """A PyTorch module with the layers, options, weights and running statistics of a model.

    It takes what the model takes, sequences as (n, time, features), and gives what ``model.predict`` gives:
    it is in eval mode. Behind ``train()`` it computes the model's loss and gradients.

    Parameters
    ----------
    model : Sequential

    Returns
    -------
    torch.nn.Sequential
        On the CPU, of the model's dtype. Its state has the model's names, but for PyTorch's numbers of
        recurrent layers, ``weight_ih_l0``: ``model.load_state_dict(module.state_dict())`` brings weights
        back. An activation is a module of its own, "dense1_activation". Blocks, and what PyTorch has no
        module for, are small modules of `vgcore.exchange.pytorch.modules`.

    Raises
    ------
    NotImplementedError
        If PyTorch has no counterpart of a layer or of its options; the message begins with its name.
    TypeError
        If it is no model.
    ImportError
        If PyTorch is not installed.

    Examples
    --------
    >>> model = vg.Sequential([vg.Dense(30, "tanh"), vg.LSTM(5)], input_shape=(None, 3))
    >>> module = vg.exchange.to_torch(model)  # doctest: +SKIP
    """
    with _extras.needing("torch", "to_torch needs"):
        import torch
        from torch import nn

    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a vgcore.Sequential, got {_validate.kind(model)}")
    with torch.random.fork_rng(devices=[]):  # first weights that nobody sees are drawn
        modules = _Chain(model.input_shape, getattr(torch, model.dtype.name)).through(model.layers)
    return nn.Sequential(OrderedDict(modules)).eval()


class _Chain:
    """The modules of layers one after the other, by name; sequences begin and end as (n, time, features)."""

    def __init__(self, shape: Shape, dtype: torch.dtype) -> None:
        self.shape, self.dtype = shape, dtype
        self.modules: dict[str, nn.Module] = {}
        self.channels_first = False  # of sequences, at this place

    def through(self, layers: Sequence[Layer]) -> dict[str, nn.Module]:
        """Go through the layers, and back to the order that sequences have."""
        for layer in layers:
            self.lay(layer)
        self.order(False)
        return self.modules

    def add(self, name: str, module: nn.Module) -> None:
        """Append a module under a name that is free."""
        while name in self.modules:
            name += "_"
        self.modules[name] = module

    def order(self, channels_first: bool | None) -> None:
        """Have sequences as (n, channels, time) or (n, time, features)."""
        from vgcore.exchange.pytorch.modules import Permute

        if len(self.shape) == 2 and channels_first not in (None, self.channels_first):
            self.add("channels_first" if channels_first else "channels_last", Permute(0, 2, 1))
            self.channels_first = bool(channels_first)

    def lay(self, layer: Layer) -> None:
        """Append what a layer becomes, its activation too."""
        from vgcore.exchange.pytorch import recipes

        name = str(layer.name)
        if isinstance(layer, Residual | Parallel):
            self.order(False)
            self.add(name, self.block(layer))
        else:
            recipe = recipes.recipe(layer, self.shape)
            self.order(recipe.channels_first)
            for suffix, module in recipe.modules.items():
                module = module.to(self.dtype)
                self.add(f"{name}{suffix}", recipes.filled(layer, module, not suffix))
        self.shape = layer.output_shape(self.shape)
        self.channels_first = self.channels_first and len(self.shape) == 2
        own = None if isinstance(layer, Residual) else recipes.own_activation(layer, self.shape)
        if own is not None:
            if recipes.mixes(layer):
                self.order(False)
            self.add(f"{name}_activation", own)

    def block(self, layer: Residual | Parallel) -> nn.Module:
        """Branches that read one input."""
        import torch

        from vgcore.exchange.pytorch import modules, recipes

        ways = [_Chain(self.shape, self.dtype).through(way) for way in layer.stacks]
        behind = layer.output_shape(self.shape)
        if isinstance(layer, Parallel):
            dim = 1 if is_image(behind) else -1
            return modules.Parallel(ways, dim if layer.merge == "concat" else None)
        own = recipes.own_activation(layer, behind)
        gate = None if layer.gate_start is None else torch.from_numpy(layer.gate.copy())
        body, skip = ways
        return modules.Residual(body, skip, own, gate)
