"""The course of a watched training: which backward passes and updates make a row, and when it is complete."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from vgcore._locks import lock_of
from vgcore.exchange.watching import hooks, recurrent
from vgcore.exchange.watching.layers import Column
from vgcore.exchange.watching.rows import Node, Row
from vgcore.flow import GradientFlow

Tensor = Any


@dataclass(eq=False)
class Backward:
    """A backward pass.

    Attributes
    ----------
    loss : Tensor or None
        What it was called on, where that is seen.
    retained : bool
        Whether another may follow through the same graph.
    heard : bool
        Whether its gradients are those of the training.
    clears : bool
        Whether gradients that were asked for before it, and not applied, are nobody's.
    begun, wrote : bool
        Whether a gradient has come to the network, and to the ``.grad`` of a parameter.
    """

    loss: Tensor | None = None
    retained: bool = True
    heard: bool = True
    clears: bool = True
    begun: bool = False
    wrote: bool = False


class Course:
    """Notes what gradients and optimizers do until a step is complete, and records it.

    Parameters
    ----------
    columns : list of Column
    flow : GradientFlow
    step : int
        Number of the first step.
    begins : callable
        Called when a backward pass begins.

    Attributes
    ----------
    step : int
        Number of the step that is being made.
    """

    def __init__(
        self, columns: list[Column], flow: GradientFlow, step: int, begins: Callable[[], None]
    ) -> None:
        self.step = step
        self.parameters = {id(p): p for each in columns for p in (*each.weights, *each.biases)}
        self._columns, self._flow, self._begins = columns, flow, begins
        self._lock = lock_of(self, "_lock")
        self._weights = {id(p) for column in columns for p in column.weights}
        self._unlearned: list[Node] = []  # no gradient will come to them
        self._before: dict[int, Tensor] = {}
        self._seen: Backward | None = None
        self._unseen: Callable[[], Backward | None] = lambda: None
        self._clear()

    def _clear(self) -> None:
        self._row: Row | None = None
        self._asked: list[Callable[[Row], None]] = []  # by passes that have written no .grad
        self._reached: set[int] = set()  # parameters that a gradient has come to
        self._stepped: set[int] = set()

    @property
    def next(self) -> int:
        """Number of the step that a pass forward belongs to."""
        return self.step + bool(self._stepped)

    def wants(self, step: int) -> bool:
        """Whether a step is recorded."""
        return bool(self._flow.wants(step, 1)[0])

    def tallies(self, step: int) -> bool:
        """Whether distributions of a step are recorded."""
        wanted = self._flow.wants_part("distributions", step, 1)
        return wanted is not None and bool(wanted[0])

    def forgo(self, node: Node) -> None:
        """No gradient will come to an output: what is noted of it is told with the next that come."""
        self._unlearned.append(node)

    def _current(self) -> Row | None:
        if self._row is None and self.wants(self.step):
            self._row = Row(self._columns, self.tallies(self.step))
        return self._row

    @contextmanager
    def backward(
        self, loss: Tensor | None, inputs: Iterable[Tensor] | None, retained: bool
    ) -> Iterator[None]:
        """A backward pass is at work, from ``loss`` on or, where that is None, to be handed out alone.

        Gradients of other ``inputs`` than parameters are the owner's affair.
        """
        if self._seen is not None or self._unseen() is not None:
            yield  # a part of one that is at work
            return
        heard = inputs is None or any(id(each) in self.parameters for each in inputs)
        self._seen = seen = Backward(loss, retained, heard, clears=loss is not None)
        try:
            yield
        finally:
            self._seen = None
        self._ended(seen)

    @hooks.unseen
    def _ended(self, backward: Backward) -> None:
        self._unseen = lambda: None
        if backward.wrote:
            self._run_again(backward.retained)
            self._finish_if_complete()

    def _at_work(self) -> Backward:
        """The backward pass that a gradient has come in: one that is not seen to begin does it now."""
        found = self._seen or self._unseen()
        if found is None:
            found = Backward()
            self._unseen = weakref.ref(found)  # which lives as long as the pass
            torch.autograd.Variable._execution_engine.queue_callback(partial(self._ended, found))
        if found.heard and not found.begun:
            found.begun = True
            self._begin(found)
        return found

    def _begin(self, backward: Backward) -> None:
        """Before a backward pass: a step that was made, or whose gradients were thrown away, is over."""
        gone = self._reached and all(p.grad is None for p in self.parameters.values())
        if self._stepped or gone:
            self._finish()
        if backward.clears:
            self._asked = []
        self._begins()

    def arrived(self, node: Node, gradient: Tensor) -> None:
        """Note dL/dz of an output."""
        backward = self._at_work()
        if not backward.heard:
            return
        if backward.wrote:
            row = self._current()
            if row is not None:
                row.hear(node, gradient, backward.retained)
        elif self.wants(self.step):
            kept = gradient.detach() if backward.clears else gradient.detach().clone()
            retained = backward.retained  # what is kept must not keep the pass
            self._asked.append(lambda row: row.hear(node, kept, retained))

    def accumulated(self, parameter: Tensor) -> None:
        """Note a parameter's gradient, behind each backward pass."""
        backward = self._at_work()
        if not backward.wrote:
            backward.wrote = True
            self._adopt(backward.loss)
        self._reached.add(id(parameter))
        row = self._current()
        if row is not None:
            row.set_norm("gradient", parameter, parameter.grad)
            if id(parameter) in self._weights:
                row.set_tally("weight_grad", parameter, parameter.grad)

    def _adopt(self, loss: Tensor | None = None) -> None:
        """What has come so far is the training's."""
        asked, self._asked = self._asked, []
        forgone, self._unlearned = self._unlearned, []
        row = self._current()
        if row is None:
            return
        for node in forgone:
            row.see(node)
        for tell in asked:
            tell(row)
        if loss is not None and loss.numel() == 1:
            row.add_loss(loss)

    def _run_again(self, retained: bool, parameters: list[Tensor] | None = None) -> None:
        """Look into the recurrent layers (of some parameters), while their weights are those of the pass."""
        row = self._row
        if row is None:
            return
        for made, first, arrived in row.take_passes(parameters):
            walks = recurrent.rerun(made, arrived)
            if walks is None:
                warnings.warn(
                    f"{self._columns[first].name}: dropout between layers cannot be repeated here, so "
                    "nothing is told of its timesteps, nor of its delta and activations",
                    stacklevel=2,
                )
            row.set_walks(made, first, walks or [], retained)

    def before_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note what an optimizer gets, and the parameters as they are."""
        mine = self._held_by(optimizer)
        self._before = {}
        closure = _closure(args, kwargs)
        if closure and self._stepped:
            self._finish()
        if not self._reached and self._asked and any(p.grad is not None for p in mine):
            self._adopt()  # gradients were handed out, and written by hand
            self._run_again(retained=False)
            self._reached = {key for key, p in self.parameters.items() if p.grad is not None}
        if not mine or not (closure or self._reached):
            return
        if hooks.within_backward():
            self._run_again(self._at_work().retained, mine)
        row = self._current()
        if row is not None:
            self._note_values(row)
            self._before = {id(p): p.detach().clone() for p in mine}
            if not closure:
                self._note_applied(row, mine)

    def _note_values(self, row: Row) -> None:
        for parameter in self.parameters.values():
            if not row.has("value", parameter):
                row.set_norm("value", parameter, parameter)

    def _note_applied(self, row: Row, parameters: list[Tensor]) -> None:
        for parameter in parameters:
            if parameter.grad is not None:
                row.set_norm("applied", parameter, parameter.grad)

    def after_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note what an optimizer has changed."""
        mine = self._held_by(optimizer)
        if not mine or not self._reached:
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
        if not hooks.within_backward():
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
            if id(parameter) in self.parameters
        ]

    def _finish_if_complete(self) -> None:
        """Record the step when all parameters that a gradient has come to were changed."""
        if self._stepped and self._stepped >= self._reached:
            self._finish()

    def _finish(self) -> None:
        """Record the step; if it was not made, the next one has its number."""
        self._run_again(retained=False)
        with self._lock:
            row, made = self._row, bool(self._stepped)
            step = self.step
            self._clear()
            self.step += made
        if row is not None:
            self._note_values(row)
            self._flow.extend(row.steps(step))

    def end(self) -> None:
        """A step that has seen gradients is recorded, made or not."""
        if self._reached:
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
