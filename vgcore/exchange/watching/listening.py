"""The hooks of a watched module: what is noted when, and when a step is complete."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as global_hooks
from torch.optim import optimizer as optimizers

from vgcore._locks import lock_of
from vgcore.exchange.watching import activations, recurrent
from vgcore.exchange.watching.activations import Seen
from vgcore.exchange.watching.blocks import blocks_of
from vgcore.exchange.watching.calls import Call, Functions, tensor_of
from vgcore.exchange.watching.layers import Layer
from vgcore.exchange.watching.recurrent import Pass
from vgcore.exchange.watching.rows import Row
from vgcore.flow import GradientFlow

Module = Any
Tensor = Any

_FAST = (nn.TransformerEncoder, nn.TransformerEncoderLayer, nn.MultiheadAttention)


class Listener:
    """Notes what happens to a module until a step is complete, and records it.

    Foreign modules are called, too, of whatever kind: none is asked for more than its identity before it is
    known to be of the watched.

    Attributes
    ----------
    step : int
        Number of the step that is being made.
    """

    def __init__(self, root: Module, layers: list[Layer], flow: GradientFlow, step: int) -> None:
        self.step = step
        self._flow = flow
        self._lock = lock_of(self, "_lock")
        self._layers = {id(layer.module): layer for layer in layers}
        self._modules = {id(module): module for module in root.modules()}
        self._columns = [column for layer in layers for column in layer.columns]
        self._blocks = blocks_of(root, self._tell_branch)
        self._weights = {id(p) for column in self._columns for p in column.weights}
        self._parameters = {
            id(p): p for column in self._columns for p in (*column.weights, *column.biases)
        }
        self._functions = Functions(self)
        self._paused: list[Module] = []  # that PyTorch may take a faster way through
        self._thread = threading.get_ident()
        self._awaiting: dict[int, tuple[Any, int, Call]] = {}  # outputs, by id, and their versions
        self._unlearned: list[Call] = []  # no gradient will come to them
        self._passes: list[Pass] = []
        self._generators: dict[int, Tensor] = {}  # states before dropout was drawn, by module
        self._before: dict[int, Tensor] = {}
        self._running = 0  # backward passes that are at work
        self._clear()

    def _clear(self) -> None:
        self._row: Row | None = None
        self._reached: set[int] = set()  # parameters that a gradient has come to
        self._stepped: set[int] = set()
        self._arrivals = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hooks are there; behind it none is."""
        with ExitStack() as hooks:
            for handle in self._hooks():
                hooks.callback(handle.remove)
            hooks.callback(self._last)
            self._functions.__enter__()
            hooks.callback(self._see_no_functions)
            yield

    def _see_no_functions(self) -> None:
        if not self._paused:
            self._functions.__exit__(None, None, None)

    def _hooks(self) -> Iterator[Any]:
        """All of them; those of modules are everybody's, so that copies of the module have none."""
        yield global_hooks.register_module_forward_pre_hook(self._calls)
        yield global_hooks.register_module_forward_hook(self._go_on, always_call=True)
        yield global_hooks.register_module_forward_hook(self._called, with_kwargs=True)
        yield optimizers.register_optimizer_step_pre_hook(self._before_step)
        yield optimizers.register_optimizer_step_post_hook(self._after_step)
        for parameter in self._parameters.values():
            if parameter.requires_grad:
                yield parameter.register_post_accumulate_grad_hook(self._accumulated)

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
        if isinstance(module, _FAST) and not module.training and self._mine:
            self._pause(module, args)
        layer = self._layers.get(id(module))
        if layer is None or not layer.recurrent or not torch.is_grad_enabled():
            return
        if recurrent.drops(module):
            self._generators[id(module)] = torch.get_rng_state()

    def _pause(self, module: Module, args: tuple[Any, ...]) -> None:
        """Let PyTorch take its fast ways through a transformer, which it does where no function is seen."""
        some = [*args, *module.parameters()]
        if torch.is_grad_enabled() and any(getattr(each, "requires_grad", False) for each in some):
            return
        if not self._paused:
            self._functions.__exit__(None, None, None)
        self._paused.append(module)

    def _go_on(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        if self._paused and self._paused[-1] is module and self._mine:
            self._paused.pop()
            if not self._paused:
                self._functions.__enter__()

    @property
    def _mine(self) -> bool:
        """Whether this is the thread whose functions are seen."""
        return threading.get_ident() == self._thread

    def _called(
        self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        """Note what a layer has put out, and wait for the gradient that comes to it."""
        layer, blocks = self._layers.get(id(module)), self._blocks.get(id(module), ())
        if (layer is None and not blocks) or not torch.is_grad_enabled():
            return
        step = self.step + bool(self._stepped)
        if not self._flow.wants(step, 1)[0]:
            return
        for block in blocks:
            block.after(module, args, output)
        if layer is None or layer.whole:
            return
        if layer.recurrent:
            made = recurrent.begun(module, args, kwargs, self._generators.pop(id(module), None))
            made.listen(output, lambda: self._heard(made))
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
        call = Call(layer, layer.axis, self._tallies(step))
        if (
            not self._running
        ):  # else it is a checkpoint's second pass, whose activations are not seen
            call.see(seen)
        if tensor.requires_grad:
            tensor.register_hook(lambda gradient: self._gradient(call, gradient))
        else:
            self._unlearned.append(call)
        return call

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

    def _gradient(self, call: Call, gradient: Tensor) -> None:
        """Note dL/dz of a call and, when it is the first, its outputs."""
        row = self._arrived()
        if row is not None:
            row.add_norm("delta", call.column, gradient)
            call.tell(row)

    def _tell_branch(self, kind: str, module: Module, gradient: Tensor) -> None:
        row = self._arrived()
        if row is not None:
            row.add_norm(kind, self._layers[id(module)].first, gradient)

    def _heard(self, made: Pass) -> None:
        """Note that a gradient has come to a recurrent layer's outputs."""
        if self._arrived() is not None and not any(made is each for each in self._passes):
            self._passes.append(made)

    def _accumulated(self, parameter: Tensor) -> None:
        """Note a parameter's gradient, behind each backward pass."""
        row = self._arrived()
        self._reached.add(id(parameter))
        if row is not None:
            row.set_norm("gradient", parameter, parameter.grad)
            if id(parameter) in self._weights:
                row.set_tally("weight_grad", parameter, parameter.grad)

    def _arrived(self) -> Row | None:
        """The row of the step that a gradient has come to, if it is recorded."""
        if self._stepped and not self._running:  # torch.autograd.backward is not seen to begin
            self._finish()
        self._arrivals += 1
        return self._current()

    def _current(self) -> Row | None:
        if self._row is None and self._flow.wants(self.step, 1)[0]:
            self._row = Row(self._columns, self._tallies(self.step))
        return self._row

    def _tallies(self, step: int) -> bool:
        """Whether distributions of a step are recorded."""
        wanted = self._flow.wants_part("distributions", step, 1)
        return wanted is not None and bool(wanted[0])

    @contextmanager
    def backward(self, loss: Tensor) -> Iterator[None]:
        """A backward pass is at work, from ``loss`` on."""
        if not self._running:
            self._begin()
        before = self._arrivals
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
        if self._arrivals > before:
            self._run_again()
            row = self._current()
            if row is not None and loss.numel() == 1:
                row.add_loss(loss)
            self._finish_if_complete()

    def _begin(self) -> None:
        """Before a backward pass: a step that was made, or whose gradients were thrown away, is over."""
        gone = self._arrivals and all(p.grad is None for p in self._parameters.values())
        if self._stepped or gone:
            self._finish()
        self._awaiting.clear()
        calls, self._unlearned = self._unlearned, []
        row = self._current() if calls else None
        if row is not None:
            for call in calls:
                call.tell(row)

    def _run_again(self) -> None:
        """Look into the recurrent layers, while their weights are those of the pass."""
        made, self._passes = self._passes, []
        row = self._current()
        for each in made:
            if row is None:
                break
            layer = self._layers[id(each.module)]
            walks = recurrent.rerun(each)
            if walks is None:
                warnings.warn(
                    f"{layer.columns[0].name}: dropout between layers cannot be repeated here, so nothing is "
                    "told of its timesteps, nor of its delta and activations",
                    stacklevel=2,
                )
            for place, walked in enumerate(walks or ()):
                row.add_walk(layer.first + place, walked)
            each.arrived = {}

    def _before_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note what an optimizer gets, and the parameters as they are."""
        mine = self._held_by(optimizer)
        self._before = {}
        closure = _closure(args, kwargs)
        if closure and self._stepped:
            self._finish()
        if not mine or not (closure or self._arrivals):
            return
        self._run_again()
        row = self._current()
        if row is not None:
            self._note_values(row)
            self._before = {id(p): p.detach().clone() for p in mine}
            if not closure:
                self._note_applied(row, mine)

    def _note_values(self, row: Row) -> None:
        for parameter in self._parameters.values():
            if not row.has("value", parameter):
                row.set_norm("value", parameter, parameter)

    def _note_applied(self, row: Row, parameters: list[Tensor]) -> None:
        for parameter in parameters:
            if parameter.grad is not None:
                row.set_norm("applied", parameter, parameter.grad)

    def _after_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note what an optimizer has changed."""
        mine = self._held_by(optimizer)
        if not mine or not self._arrivals:
            return
        row = self._current()
        if row is not None:
            if _closure(args, kwargs):
                self._note_applied(row, mine)
            for parameter in mine:
                before = self._before.get(id(parameter))
                if before is not None and parameter.grad is not None:
                    self._note_update(row, parameter, before)
        self._before = {}
        self._stepped.update(map(id, mine))
        if not self._running:
            self._finish_if_complete()

    def _note_update(self, row: Row, parameter: Tensor, before: Tensor) -> None:
        update = parameter.detach().to(torch.promote_types(parameter.dtype, torch.float32)) - before
        row.set_norm("update", parameter, update)
        if id(parameter) in self._weights:
            row.set_tally("update_ratio", parameter, update / before)

    def _held_by(self, optimizer: Any) -> list[Tensor]:
        """The watched parameters that an optimizer changes."""
        return [
            parameter
            for group in optimizer.param_groups
            for parameter in group["params"]
            if id(parameter) in self._parameters
        ]

    def _finish_if_complete(self) -> None:
        """Record the step when all parameters that a gradient has come to were changed."""
        if self._stepped and self._stepped >= self._reached:
            self._finish()

    def _finish(self) -> None:
        """Record the step; if it was not made, the next one has its number."""
        with self._lock:
            row, made = self._row, bool(self._stepped)
            step = self.step
            self._clear()
            self.step += made
        if row is not None:
            self._note_values(row)
            self._flow.extend(row.steps(step))

    def _last(self) -> None:
        """At the end: a step that has seen gradients is recorded, made or not."""
        if self._arrivals:
            self._run_again()
            self._finish()

    def set_loss(self, loss: float) -> None:
        """Say what the loss of the step is."""
        row = self._current()
        if row is not None:
            row.set_loss(loss)


def _closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an optimizer was given a function that evaluates the loss again."""
    given = args[1] if len(args) > 1 else kwargs.get("closure")
    return given is not None
