"""The tracker for networks of PyTorch: `watch` fills a `GradientFlow` while their owner trains them."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from vgcore import _extras, _validate
from vgcore.flow import Declaration, GradientFlow

if TYPE_CHECKING:
    from vgcore.exchange.watching.listening import Listener

Module = Any


class _Run:
    """One module's count of steps, in each flow."""

    def __init__(self) -> None:
        self._done: weakref.WeakKeyDictionary[GradientFlow, int] = weakref.WeakKeyDictionary()

    def next_of(self, flow: GradientFlow) -> int:
        """The number of the next step; a record that was loaded goes on behind its last."""
        behind = int(flow.step[-1]) + 1 if len(flow) else 0
        return self._done.get(flow, behind)

    def reached(self, flow: GradientFlow, step: int) -> None:
        """Note the number of the step that comes next."""
        self._done[flow] = step


_runs: weakref.WeakKeyDictionary[Module, _Run] = weakref.WeakKeyDictionary()


class Watching:
    """What `watch` returns: a context in which a module is watched.

    Attributes
    ----------
    flow : GradientFlow
    """

    def __init__(self, module: Module, flow: GradientFlow) -> None:
        self.flow = flow
        self._module = module
        self._listener: Listener | None = None
        self._open = ExitStack()

    def __enter__(self) -> GradientFlow:
        """Begin to watch."""
        from vgcore.exchange.watching import layers, listening

        if self._listener is not None:
            raise RuntimeError("watch: expected a context that has not been entered, it has been")
        layers.check(self._module)
        found = layers.layers_of(self._module)
        columns = [column for layer in found for column in layer.columns]
        walks = {each.name: each.walk for each in columns if each.walk is not None}
        declared = Declaration(tuple(each.name for each in columns), walks)
        run = _runs.setdefault(self._module, _Run())
        self.flow.check_fits(declared, run, "flow")
        with ExitStack() as opened:
            opened.enter_context(self.flow.held(declared, run))
            self._listener = listener = listening.Listener(
                self._module, found, self.flow, run.next_of(self.flow)
            )
            opened.callback(self._ended, run)
            opened.enter_context(listener.listening())
            self._open = opened.pop_all()
        return self.flow

    def _ended(self, run: _Run) -> None:
        if self._listener is not None:
            run.reached(self.flow, self._listener.course.step)
        self._listener = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take away every hook, and record the last step."""
        self._open.close()

    def loss(self, value: Any) -> None:
        """Say what the loss of the step is, before the optimizer makes it.

        It is needed where ``backward()`` is not called on the loss itself: without it the record has the sum
        of what it was called on since the last step.

        Parameters
        ----------
        value : float or tensor

        Raises
        ------
        TypeError
            If it is no number.
        RuntimeError
            Outside the context.
        """
        if self._listener is None:
            raise RuntimeError("loss: expected a call inside the context of watch, got one outside")
        number = value.item() if hasattr(value, "item") else value
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise TypeError(f"value: expected a number, got {_validate.kind(value)}")
        self._listener.course.set_loss(float(number))


def watch(
    module: Module,
    flow: GradientFlow | None = None,
    *,
    every: int = 1,
    distributions: bool | int = False,
) -> Watching:
    """Watch a PyTorch module while its owner trains it, and record what its gradients do.

    In the context it returns, each step of an optimizer of `torch.optim` becomes a row of a `GradientFlow`:
    the layers are the modules that have parameters, by their path ("encoder.0"). Nothing else of a training
    loop changes, nor do its results. See the page on watching PyTorch for what each field is there.

    Parameters
    ----------
    module : torch.nn.Module
    flow : GradientFlow, optional
        Where to record, also one that was filled of the same module before; left out, a new one.
    every : int
        Of a new one: record every ``every``-th step.
    distributions : bool, int or iterable of int
        Of a new one: record distributions, too, as `GradientFlow` takes it.

    Returns
    -------
    Watching
        A context manager that gives the flow.

    Raises
    ------
    ModuleNotFoundError
        If PyTorch is not installed.
    TypeError
        If ``module`` is no module, or is compiled, scripted or in parallel.
    ValueError
        If it has no parameters, is lazy and has not run, or if ``flow`` holds the record of another, is to
        record units, or comes with ``every`` or ``distributions``.

    Examples
    --------
    >>> import torch
    >>> import vgcore as vg
    >>> module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    >>> optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    >>> x, y = torch.randn(32, 4), torch.randn(32, 1)
    >>> with vg.exchange.watch(module) as flow:
    ...     for _ in range(10):
    ...         optimizer.zero_grad()
    ...         loss = torch.nn.functional.mse_loss(module(x), y)
    ...         loss.backward()
    ...         optimizer.step()
    >>> flow.layers, flow.delta.shape
    (['0', '2'], (10, 2))
    """
    with _extras.needing("torch", "watch needs"):
        from vgcore.exchange.watching import layers
    layers.check(module)
    return Watching(module, chosen(flow, every, distributions))


def chosen(flow: GradientFlow | None, every: int, distributions: bool | int) -> GradientFlow:
    """The record to fill: the one that is given, or a new one; TypeError or ValueError for others."""
    if flow is None:
        return GradientFlow(every, distributions=distributions)
    if not isinstance(flow, GradientFlow):
        raise TypeError(f"flow: expected a GradientFlow or None, got {_validate.kind(flow)}")
    if every != 1 or distributions is not False:
        raise ValueError(
            "flow: expected either a flow, which says what it records, or every and distributions, got both"
        )
    if flow.wants_part("units", 0, 1) is not None:
        raise ValueError("flow: expected one without units, which are not watched, got units=True")
    return flow
