"""What a module's forward calls, by torch.fx, in training mode and in eval mode."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

from vgcore import _validate
from vgcore.exchange.pytorch import functions, nodes
from vgcore.exchange.pytorch.modules import WHOLE
from vgcore.exchange.pytorch.places import is_changed


@contextmanager
def training(module: nn.Module) -> Iterator[None]:
    """Have a module whose whole is in eval mode in training mode, so that all of it is traced."""
    with _modes_kept(module):
        if not module.training:
            module.train()
        yield


@contextmanager
def _modes_kept(module: nn.Module) -> Iterator[None]:
    modes = [(each, each.training) for each in module.modules()]
    try:
        yield
    finally:
        for each, was in modes:
            each.training = was


class _Proxy(fx.Proxy):  # type: ignore[misc]
    def __iadd__(self, other: Any) -> Any:  # of torch.fx, a sum that leaves both as they are
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})


class _Tracer(fx.Tracer):  # type: ignore[misc]
    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, WHOLE) or bool(super().is_leaf_module(module, name))


def traced(module: nn.Module) -> tuple[fx.Graph, fx.Node, fx.Node]:
    """The graph of a module, its input and what it returns."""
    kind = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule):
        raise NotImplementedError(f"{kind}: is compiled; give the module it was made of")
    if is_changed(module):
        raise NotImplementedError(
            f"{kind}: with hooks, or a forward in the place of its class's; remove them first"
        )
    parameters = [*inspect.signature(module.forward).parameters.values()]
    given = {each.name: each.default for each in parameters[1:] if each.default is not each.empty}
    wanted = [each.name for each in parameters[1:] if each.default is each.empty]
    if wanted or not parameters:
        took = ", ".join(each.name for each in parameters) or "nothing"
        raise NotImplementedError(f"{kind}: takes {took}, and a model takes one input here")
    try:
        graph = _Tracer().trace(module, concrete_args=given or None)
    except Exception as error:  # whatever the module's own Python raises with proxies
        raise NotImplementedError(f"{kind}: torch.fx cannot trace its forward: {error}") from error
    listed = list(graph.nodes)
    (start, *_), (end,) = listed, listed[-1].args
    if isinstance(end, tuple | list) and len(end) == 2:  # outputs, and states that are ignored
        end = end[0]
    if not isinstance(end, fx.Node):
        raise NotImplementedError(
            f"{kind}: returns {_validate.kind(end)}, and a model has one output here"
        )
    return graph, start, end


def check_modes(module: nn.Module, graph: fx.Graph) -> None:
    """Raise where a module whose graph in training mode this is does something else in eval mode.

    A function of dropout that drops in both is something else: a layer does so in training alone.
    """
    with _modes_kept(module):
        module.eval()
        other, *_ = traced(module)
    for one, its in zip(graph.nodes, other.nodes, strict=False):
        if _call(one) != _call(its):
            raise NotImplementedError(
                f"{nodes.title(one)}: in eval mode {nodes.title(its)} is called in its place, or with other "
                "arguments"
            )
        if functions.drops(its):
            found = functions.module_of(its)
            if found is not None and found.training:
                raise NotImplementedError(
                    f"{nodes.title(its)}: drops in eval mode, too; give it training=self.training"
                )


def _call(node: fx.Node) -> tuple[Any, ...]:
    """What a node calls with what, but for whether it drops."""
    if functions.drops(node):
        return node.op, node.target, repr(node.args[:2])
    return node.op, node.target, repr(node.args), repr(node.kwargs)
