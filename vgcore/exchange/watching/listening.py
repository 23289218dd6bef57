"""Listens to the calls of a watched module, and of the functions between them: what a step begins with."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import _get_current_function_mode

from vgcore.exchange.watching import activations, hooks, recurrent
from vgcore.exchange.watching.activations import Seen
from vgcore.exchange.watching.blocks import blocks_of
from vgcore.exchange.watching.calls import Call, Functions, tensor_of
from vgcore.exchange.watching.course import Course
from vgcore.exchange.watching.layers import Layer
from vgcore.exchange.watching.rows import End, Node
from vgcore.flow import GradientFlow

Module = Any
Tensor = Any

_FAST = (nn.TransformerEncoder, nn.TransformerEncoderLayer, nn.MultiheadAttention)


class Listener:
    """Hears of calls, and hands on to the course of the training what is to be noted of them.

    Foreign modules are called, too, of whatever kind: none is asked for more than its identity before it is
    known to be of the watched.

    Attributes
    ----------
    course : Course
    """

    def __init__(self, root: Module, layers: list[Layer], flow: GradientFlow, step: int) -> None:
        self._awaiting: dict[int, tuple[Any, int, Call]] = {}  # outputs, by id, and their versions
        columns = [column for layer in layers for column in layer.columns]
        self.course = Course(columns, flow, step, self._awaiting.clear)
        self._layers = {id(layer.module): layer for layer in layers}
        self._modules = {id(module): module for module in root.modules()}
        self._blocks = blocks_of(root, self._branch)
        self._functions = Functions(self)
        self._paused: list[Module] = []  # that PyTorch may take a faster way through
        self._thread = threading.get_ident()
        self._generators: dict[int, Tensor] = {}  # states before dropout was drawn, by module
        self._hooked: dict[int, Any] = {}  # handles, by parameter

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hooks are there; behind it none is."""
        course = self.course
        with ExitStack() as opened:
            opened.enter_context(hooks.on_call(self._calls, self._go_on, self._called))
            opened.enter_context(
                hooks.on_step(hooks.unseen(course.before_step), hooks.unseen(course.after_step))
            )
            opened.callback(self._forget_parameters)
            self._hook(course.parameters.values())
            opened.callback(hooks.unseen(course.end))
            self._functions.__enter__()
            opened.callback(self._functions.leave)
            yield

    @hooks.unseen
    def _hook(self, parameters: Iterable[Tensor]) -> None:
        """Hear of the gradients of those that learn, which may be others than before."""
        for parameter in parameters:
            if parameter.requires_grad and id(parameter) not in self._hooked:
                told = hooks.unseen(self.course.accumulated)
                self._hooked[id(parameter)] = hooks.on_gradient(parameter, told)

    def _forget_parameters(self) -> None:
        for handle in self._hooked.values():
            handle.remove()

    def backward(
        self, loss: Tensor | None, inputs: Iterable[Tensor] | None, retained: bool
    ) -> AbstractContextManager[None]:
        """A backward pass is at work within."""
        return self.course.backward(loss, inputs, retained)

    def _calls(self, module: Module, args: tuple[Any, ...]) -> None:
        """A module is about to be called."""
        if isinstance(module, torch.jit.ScriptModule):
            return
        compiled = module._modules.get("_orig_mod") or module
        if id(compiled) in self._modules and (
            compiled is not module or module._compiled_call_impl is not None
        ):
            raise TypeError(
                "watch: expected a module that is not compiled, got one that torch.compile has changed while "
                "it is watched"
            )
        if torch.compiler.is_compiling():
            return
        if self._mine and (torch.jit.is_tracing() or self._goes_fast(module, args)):
            self._pause(module)
        self._prepare(module)

    @hooks.unseen
    def _prepare(self, module: Module) -> None:
        """Note what cannot be had any more when a layer was called."""
        layer = self._layers.get(id(module))
        if layer is None or not torch.is_grad_enabled():
            return
        self._hook(p for column in layer.columns for p in (*column.weights, *column.biases))
        if layer.recurrent and recurrent.drops(module):
            self._generators[id(module)] = torch.get_rng_state()

    def _pause(self, module: Module) -> None:
        """See no functions: only then does PyTorch go its fast ways, and name traced tensors as it does."""
        if not self._paused:
            if _get_current_function_mode() is not self._functions:
                return  # the owner sees functions
            self._functions.leave()
        self._paused.append(module)

    @staticmethod
    def _goes_fast(module: Module, args: tuple[Any, ...]) -> bool:
        """Whether PyTorch may have a faster way through a transformer."""
        if not isinstance(module, _FAST) or module.training:
            return False
        if not torch.is_grad_enabled():
            return True
        with torch._C.DisableTorchFunction():
            some = [*args, *module.parameters()]
            return not any(getattr(each, "requires_grad", False) for each in some)

    def _go_on(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        if self._paused and self._paused[-1] is module and self._mine:
            self._paused.pop()
            if not self._paused:
                self._functions.__enter__()

    @property
    def _mine(self) -> bool:
        """Whether this is the thread whose functions are seen."""
        return threading.get_ident() == self._thread

    @hooks.unseen
    def _called(
        self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        """Note what a layer has put out, and wait for the gradient that comes to it."""
        layer, blocks = self._layers.get(id(module)), self._blocks.get(id(module), ())
        if (layer is None and not blocks) or not torch.is_grad_enabled():
            return
        step = self.course.next
        if not self.course.wants(step):
            return
        for block in blocks:
            block.after(module, args, output)
        if layer is None or layer.whole:
            return
        if layer.recurrent:
            generator = self._generators.pop(id(module), None)
            made = recurrent.begun(module, args, kwargs, generator)
            for name, tensor in made.ends(output):
                if tensor.requires_grad:
                    tensor.register_hook(self._hearing(End(name, layer.first, made)))
        elif isinstance(module, nn.PReLU):
            self._listen(layer, args[0], Seen(output.detach()), step)
        else:
            tensor = tensor_of(output)
            if tensor is not None and tensor.is_floating_point():
                plain = activations.linear(tensor, layer.axis)
                seen = plain if layer.linear else Seen(tensor.detach())
                call = self._listen(layer, tensor, seen, step)
                self._awaiting[id(tensor)] = weakref.ref(tensor), tensor._version, call

    def _listen(self, layer: Layer, tensor: Tensor, seen: Seen, step: int) -> Call:
        call = Call(layer, self.course.tallies(step))
        if (
            not hooks.within_backward()
        ):  # a checkpoint's second pass, whose activations are not seen
            call.see(seen)
        if tensor.requires_grad:
            tensor.register_hook(self._hearing(call))
        else:
            self.course.forgo(call)
        return call

    def _hearing(self, node: Node) -> Callable[[Tensor], None]:
        return hooks.unseen(partial(self.course.arrived, node))

    def _branch(self, kind: str, module: Module) -> Callable[[Tensor], None]:
        return partial(self.course.arrived, Node(kind, self._layers[id(module)].first))

    def activate(self, name: str, given: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        """An activation is about to be called: see what it makes of a layer's output."""
        z = given[0] if given else None
        found = self._awaiting.get(id(z))
        if found is None or found[0]() is not z:
            return
        _, version, call = self._awaiting.pop(id(z))
        if (
            version == z._version
        ):  # else it is another's sum by now, as where a skip is added in place
            call.see(activations.seen(name, z, given[1:], options, call.axis))
