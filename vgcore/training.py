"""Runs of the engine: the training loop, which comes up for air in between, and single passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import states
from vgcore._core import program as engine
from vgcore._inputs import Data
from vgcore.flow import GradientFlow, Records
from vgcore.history import Evaluation, History, Progress
from vgcore.planning import order_by_length

if TYPE_CHECKING:
    from vgcore.model import Sequential

Array = NDArray[Any]

_BREATH = 0.05  # seconds between two returns from the engine, about
_INFERENCE_BATCH = 256


class Carried(NamedTuple):
    """The states of stateful layers, row by row; None for layers that are not."""

    rows: int
    times: int
    arrays: list[Array | None]


class Pass(NamedTuple):
    """What one pass over a whole batch found; gradients of inputs only if they were asked for."""

    loss: float
    input_gradient: Array | None
    state_gradients: list[Array]


def attached(track: GradientFlow | None, model: Sequential) -> GradientFlow | None:
    """The tracker, bound to ``model``."""
    if track is not None and not isinstance(track, GradientFlow):
        raise TypeError(f"track: expected a GradientFlow, got {type(track).__name__}")
    if track is not None:
        track.attach(model)
    return track


def carried(model: Sequential, data: Data, rows: int) -> list[Array | None]:
    """The states that stateful layers carry; zeros at first."""
    if data.lengths is not None:
        raise ValueError(
            "lengths: expected None with stateful layers, whose rows keep their places"
        )
    if model.carried is None:
        arrays: list[Array | None] = []
        for part in (part for layer in model.layers for part in layer.parts()):
            mine = states.empty([part], rows, model.dtype)
            arrays += mine if part.stateful else [None] * len(mine)
        model.carried = Carried(rows, data.times, arrays)
    before = model.carried
    if (rows, data.times) != (before.rows, before.times):
        raise ValueError(
            f"x: expected minibatches of {before.rows} samples of {before.times} timesteps, as before, for "
            f"a stateful layer; got {rows} of {data.times}; reset_states() makes it start anew"
        )
    return before.arrays


def fit(
    model: Sequential,
    data: Data,
    rng: np.random.Generator | None,
    *,
    epochs: int,
    batch_size: int,
    validation: Data | None,
    track: GradientFlow | None,
    callback: Callable[[Progress], object] | None,
) -> History:
    """Train on checked data; the order of the samples is drawn from ``rng``, if there is one."""
    loss = model.loss
    samples = len(data.x)
    batch = min(batch_size, samples)
    per_epoch = -(-samples // batch) * len(chunks(model, data.times, True))
    step_losses = np.empty(per_epoch)
    history = History()
    course = model.compiled.course
    scheduled = course.schedule is not None
    for epoch in range(epochs):
        order = None if rng is None else rng.permutation(samples)
        order = order_by_length(order, data.lengths, batch)
        done = 0
        stop = False
        while done < per_epoch and not stop:
            done += run_steps(
                model, data, order, step_losses[done:],
                batch=batch, done=done, epoch=epoch, track=track, seconds=_BREATH,
            )  # fmt: skip
            if callback is not None:
                finished = epoch + (done == per_epoch)
                progress = Progress(
                    finished, epochs, epoch * per_epoch + done, epochs * per_epoch,
                    float(step_losses[done - 1]),
                )  # fmt: skip
                answer = callback(progress)
                stop = isinstance(answer, bool | np.bool_) and bool(answer)
                if model.loss is not loss:
                    raise RuntimeError("the model was compiled anew while fit was running")
        values = {"loss": mean_loss(model, data, order, batch, step_losses[:done])}
        if validation is not None:
            result = evaluate(model, validation)
            values.update(val_loss=result.loss, val_accuracy=result.accuracy)
        if scheduled:
            values["learning_rate"] = course.rate(model.step - 1)
        course.after_epoch(values)
        history.append(values)
        if stop:
            break
    return history


def chunks(model: Sequential, times: int, updating: bool) -> NDArray[np.int64]:
    """Timesteps of each step that a minibatch makes: one, but with truncated BPTT one per update."""
    length = model.compiled.tbptt
    if length is None or not model.gives_time or not updating:
        return np.array([times])
    begins = np.arange(0, times, length)
    return np.minimum(length, times - begins)


def mean_loss(
    model: Sequential,
    data: Data,
    order: Array | None,
    batch: int,
    step_losses: Array,
    updating: bool = True,
) -> float:
    """The loss of an epoch, or of as many of its steps as were done: that of all their samples."""
    if len(step_losses) == 1:
        return float(step_losses[0])
    samples, parts = len(data.x), chunks(model, data.times, updating)
    if model.gives_time and model.loss.reduction == "mean":
        valid = np.full(samples, data.times) if data.lengths is None else data.lengths
        valid = valid if order is None else valid[order]
        begins = np.cumsum(parts) - parts
        counts = np.clip(valid[:, np.newaxis] - begins, 0, parts)
        weights = np.add.reduceat(counts, np.arange(0, samples, batch)).ravel()
        return float(np.average(step_losses, weights=weights[: len(step_losses)]))
    rows = np.minimum(batch, samples - np.arange(0, samples, batch))
    weights = np.repeat(rows, len(parts))[: len(step_losses)]
    return float(np.average(step_losses, weights=weights)) * len(parts)


def run_steps(
    model: Sequential,
    data: Data,
    order: Array | None,
    step_losses: Array,
    *,
    batch: int,
    done: int = 0,
    epoch: int | None = None,
    updating: bool = True,
    track: GradientFlow | None = None,
    seconds: float = np.inf,
    program: engine.Program | None = None,
    **extra: Any,
) -> int:
    """Run up to len(step_losses) steps, as many as fit into ``seconds``; return how many.

    ``done``: steps of the epoch, of `fit`, that were run before. ``extra``: what else `Program.train` takes.
    """
    if program is None:
        program = model.program(batch, data.times, epoch)
    if "states" not in extra and model.stateful:
        kept = carried(model, data, batch)
        extra["states"] = [(array, array, None, True) for array in kept]
    steps = chunks(model, data.times, updating)
    options: dict[str, Any] = {
        "batch": batch,
        "begin": done // len(steps) * batch,
        "begin_window": done % len(steps),
        "updating": updating,
        "seconds": seconds,
        "lengths": data.lengths,
        "rates": model.compiled.course.rates(program.time, len(step_losses)) if updating else None,
        **extra,
    }
    if track is None:
        return program.train(data.x, data.y, order, step_losses, **options)
    first = program.time
    wanted = track.wants(first, len(step_losses))
    beyond = np.nan if len(steps) > 1 else 0.0  # what a last chunk that is shorter leaves empty
    records = Records.empty(
        model.layout, int(wanted.sum()), int(steps.max()), program.walks, beyond
    )
    record = np.where(wanted, np.cumsum(wanted) - 1, -1)
    count = program.train(
        data.x, data.y, order, step_losses, **options,
        record=record,
        op_record=records.op, parameter_record=records.parameter, time_record=records.time,
    )  # fmt: skip
    recorded = np.flatnonzero(wanted[:count])
    track.append(records.finish(first + recorded, step_losses[recorded]))
    return count


def whole_batch(
    model: Sequential,
    data: Data,
    initial_state: Sequence[Any] | None,
    *,
    updating: bool,
    wrt_inputs: bool = False,
    track: GradientFlow | None = None,
) -> Pass:
    """One pass over all samples at once, from given states or those that layers start from."""
    rows = len(data.x)
    step_losses = np.empty(len(chunks(model, data.times, updating)))
    extra: dict[str, Any] = {}
    gradients: list[Array] = []
    input_gradient = None
    given = initial_states(model, initial_state, rows)
    if wrt_inputs:
        gradients = states.empty(model.layers, rows, model.dtype)
        if model.layers[0].vocabulary is None:
            input_gradient = extra["input_gradient"] = np.zeros_like(data.x)
    if wrt_inputs or (model.compiled.tbptt and not updating):
        extra["program"] = model.stack.program(
            model.compiled, rows, data.times, updating=updating, input_gradient=wrt_inputs
        )
        extra["program"].time = model.step
    if initial_state is not None or not updating:
        if initial_state is None and model.carried is not None:
            given = carried(model, data, rows)
        ends: Sequence[Array | None] = gradients or [None] * len(given)
        extra["states"] = [
            (start, None, end, False) for start, end in zip(given, ends, strict=True)
        ]
    order = order_by_length(None, data.lengths, rows)
    run_steps(model, data, order, step_losses, batch=rows, updating=updating, track=track, **extra)
    loss = mean_loss(model, data, order, rows, step_losses, updating)
    return Pass(loss, input_gradient, gradients)


def initial_states(model: Sequential, given: Sequence[Any] | None, rows: int) -> list[Array | None]:
    """Checked initial states, flat; all None where none are given."""
    if given is not None:
        return states.flat("initial_state", given, model.layers, rows, model.dtype)
    return [None for layer in model.layers for walk in layer.walks() for _ in walk.states]


def predict(
    model: Sequential, data: Data, initial_state: Sequence[Any] | None
) -> tuple[Array, list[Array]]:
    """Outputs of checked inputs, and the states in which each sample ends."""
    rows = len(data.x)
    final = states.empty(model.layers, rows, model.dtype)
    given = initial_states(model, initial_state, rows)
    if initial_state is None and model.stateful:
        given = kept = carried(model, data, rows)
    entries = [(start, end, None, False) for start, end in zip(given, final, strict=True)]
    outputs = forward(model, data, None, entries)
    if initial_state is None and model.stateful:
        for array, end in zip(kept, final, strict=True):
            if array is not None:
                array[...] = end
    return outputs, final


def forward(
    model: Sequential,
    data: Data,
    sample_losses: Array | None = None,
    entries: Sequence[tuple[Any, ...]] = (),
) -> Array:
    """Outputs of checked inputs; given targets, ``sample_losses`` gets each sample's summed loss."""
    outputs = np.zeros(model.output_shape(data.x), model.dtype)
    batch = min(len(data.x), _INFERENCE_BATCH)
    model.forward_program(batch, data.times).forward(
        data.x,
        outputs,
        None if sample_losses is None else data.y,
        sample_losses,
        batch=batch,
        order=order_by_length(None, data.lengths, batch),
        lengths=data.lengths,
        states=entries,
    )
    return outputs


def evaluate(model: Sequential, data: Data) -> Evaluation:
    """Loss and accuracy over checked data, from fresh states."""
    loss = model.loss
    sample_losses = np.zeros(len(data.x))
    outputs = forward(model, data, sample_losses)
    goal = data.y
    if outputs.ndim == 4:
        outputs = _channels_last(outputs)
        goal = goal if loss.sparse else _channels_last(goal)
    valid = valid_places(data, outputs)
    counted = valid.sum() if loss.reduction == "mean" else len(data.x)
    mean = float(sample_losses.sum() / counted)
    if not loss.probabilities:
        return Evaluation(mean, float("nan"))
    if outputs.shape[-1] == 1 and not loss.categorical:
        half = 0.0 if loss.output == "identity" else 0.5
        right = ((outputs > half) == (goal > 0.5))[..., 0]
    else:
        labels = goal if loss.sparse else goal.argmax(axis=-1)
        right = outputs.argmax(axis=-1) == labels
    return Evaluation(mean, float(right[valid].mean()))


def _channels_last(images: Array) -> Array:
    return np.moveaxis(images, 1, -1)


def valid_places(data: Data, outputs: Array) -> NDArray[np.bool_]:
    """Which outputs (n,) or (n, time), (n, height, width) are not padding."""
    if data.lengths is None or outputs.ndim == 2:
        return np.ones(outputs.shape[:-1], bool)
    return np.arange(outputs.shape[1]) < data.lengths[:, np.newaxis]
