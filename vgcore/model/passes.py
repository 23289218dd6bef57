"""Single passes over a whole batch: one step, gradients, the flow of gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore._core.program import Program
from vgcore.flow import GradientFlow
from vgcore.model import divergence, inputs, records, states
from vgcore.model.inputs import Data
from vgcore.model.steps import of_pass, whole
from vgcore.model.told import told
from vgcore.model.training import run_steps

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]


# Of one step, which is recorded and complete.
_WANTED, _DONE = np.ones(1, bool), np.ones(1, np.int64)


class InputGradients(NamedTuple):
    """What `Sequential.gradients` adds with ``wrt_inputs``.

    Attributes
    ----------
    x : ndarray or None
        dL/dx, of the shape of x; None where x are integers.
    initial_state : list
        dL/d initial state of each recurrent layer, as `Sequential.predict` takes them.
    """

    x: Array | None
    initial_state: list[Any]


class Pass(NamedTuple):
    """What one pass over a whole batch found; gradients of inputs only if they were asked for."""

    loss: float
    input_gradient: Array | None
    state_gradients: list[Array]


def train_on_batch(
    session: Session,
    x: ArrayLike,
    y: ArrayLike,
    lengths: ArrayLike | None,
    sample_weight: ArrayLike | None,
    initial_state: Sequence[Any] | None,
) -> float:
    """See `Sequential.train_on_batch`."""
    data = inputs.to_train(session, x, y, lengths, sample_weight)
    with session.turn:
        inputs.check_compiled(session, data)
        chosen = session.compiled
        if type(chosen.optimizer.learning_rate) is not float:  # a quick look: bench D1
            chosen.course.check_single_steps()
        program = _short_way(session, data, initial_state)
        if program is None:
            return whole_batch(session, data, initial_state, updating=True).loss
        loss = program.train_batch(data.x, data.y)
        if program.broken:
            steps = of_pass(session, data, len(data.x))
            at = divergence.Place(program.time - (not chosen.refuses), None, 0)
            divergence.tell(session, divergence.message(session, program, data, steps, at, loss))
        return loss


def _short_way(session: Session, data: Data, initial_state: Sequence[Any] | None) -> Program | None:
    """The program of one step of one window, where it needs no more than the samples; else None."""
    chosen, times = session.compiled, data.times
    if data.lengths is not None or data.weights is not None or initial_state is not None:
        return None
    if session.stateful or chosen.loss.function is not None or chosen.tbptt:
        return None
    program = session.program(len(data.x), times)
    return program if program.longest == program.times >= times else None


def gradients(
    session: Session,
    x: ArrayLike,
    y: ArrayLike,
    *,
    lengths: ArrayLike | None,
    sample_weight: ArrayLike | None,
    initial_state: Sequence[Any] | None,
    wrt_inputs: bool,
) -> Any:
    """See `Sequential.gradients`."""
    _validate.boolean("wrt_inputs", wrt_inputs)
    data = inputs.to_train(session, x, y, lengths, sample_weight)
    with session.turn:
        result = whole_batch(session, data, initial_state, wrt_inputs=wrt_inputs)
        copies = session.layout.copies(session.gradients)
        grads = {name: copies[name] for name in session.layout.trained}
    if not wrt_inputs:
        return result.loss, grads
    nested = states.nested(session.layers, result.state_gradients)
    return result.loss, grads, InputGradients(result.input_gradient, nested)


def gradient_flow(
    session: Session,
    x: ArrayLike,
    y: ArrayLike,
    lengths: ArrayLike | None,
    sample_weight: ArrayLike | None,
    initial_state: Sequence[Any] | None,
    distributions: bool,
    units: bool,
) -> GradientFlow:
    """See `Sequential.gradient_flow`."""
    _validate.boolean("distributions", distributions)
    _validate.boolean("units", units)
    data = inputs.to_train(session, x, y, lengths, sample_weight)
    flow = GradientFlow(distributions=distributions, units=units)
    records.attach(flow, session.layout, session.run)
    with session.turn:
        inputs.check_compiled(session, data)
        program = _short_way(session, data, initial_state)
        if program is None:
            whole_batch(session, data, initial_state, track=flow)
        else:
            _one_look(session, program, data, flow)
    return flow


def _one_look(session: Session, program: Program, data: Data, flow: GradientFlow) -> None:
    """The shortest way through the engine."""
    losses = np.empty(1)
    record = records.Records(
        session.layout,
        extents=program.walks,
        wanted=_WANTED,
        parts=told(flow, session.layout, program, program.time, 1),
        first=program.time,
        done=_DONE,
        losses=losses,
        times=data.times,
        beyond=0.0,
    )
    losses[0] = program.train_batch(data.x, data.y, record.places())
    record.close()
    flow.follow(record)


def whole_batch(
    session: Session,
    data: Data,
    initial_state: Sequence[Any] | None,
    *,
    updating: bool = False,
    wrt_inputs: bool = False,
    track: GradientFlow | None = None,
    sights: Callable[[Program], list[tuple[int, str, Array]]] | None = None,
    outputs: Array | None = None,
) -> Pass:
    """One pass over all samples at once, from given states or those that layers start from.

    ``sights``: what is to be looked at in a program; ``outputs``, where they are wanted.
    """
    rows = len(data.x)
    steps = of_pass(session, data, rows) if updating else whole(data)
    losses = np.empty(len(steps.places))
    extra: dict[str, Any] = {}
    gradients: list[Array] = []
    input_gradient = None
    if wrt_inputs:
        gradients = states.empty(session.layers, rows, session.dtype)
        if session.layers[0].vocabulary is None:
            input_gradient = extra["input_gradient"] = np.zeros_like(data.x)
    if wrt_inputs or (session.compiled.tbptt and not updating):
        extra["program"] = program = session.stack.program(
            session.compiled,
            rows,
            data.times,
            updating=updating,
            input_gradient=wrt_inputs,
            open_inside=sights is not None,
        )
        program.time = session.step
        if sights is not None:
            extra["sights"] = sights(program)
    if initial_state is not None or not updating:
        given = states.looked_at(session, initial_state, data)
        ends: Sequence[Array | None] = gradients or [None] * len(given)
        extra["states"] = [
            (start, None, end, False) for start, end in zip(given, ends, strict=True)
        ]
    ran = run_steps(
        session, data, steps, losses, outputs=outputs, updating=updating, track=track, **extra
    )
    if ran.broken is not None:
        divergence.tell(session, ran.broken)
    return Pass(steps.mean(losses[: ran.steps]), input_gradient, gradients)
