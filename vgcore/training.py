"""The training loop: hands runs of steps to the engine, comes up for air in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore.flow import GradientFlow
from vgcore.history import Evaluation, History, Progress

if TYPE_CHECKING:
    from vgcore.model import Sequential

Array = NDArray[Any]

_BREATH = 0.05  # seconds between two returns from the engine, about


def attached(track: GradientFlow | None, model: Sequential) -> GradientFlow | None:
    """The tracker, bound to ``model``."""
    if track is not None and not isinstance(track, GradientFlow):
        raise TypeError(f"track: expected a GradientFlow, got {type(track).__name__}")
    if track is not None:
        track.attach(model)
    return track


def fit(
    model: Sequential,
    data: tuple[Array, Array],
    rng: np.random.Generator | None,
    *,
    epochs: int,
    batch_size: int,
    validation: tuple[Array, Array] | None,
    track: GradientFlow | None,
    callback: Callable[[Progress], object] | None,
) -> History:
    """Train on checked data; the order of the samples is drawn from ``rng``, if there is one."""
    x, y = data
    loss = model.loss
    samples = len(x)
    batch = min(batch_size, samples)
    per_epoch = -(-samples // batch)
    rows = np.full(per_epoch, batch)
    rows[-1] = samples - (per_epoch - 1) * batch
    step_losses = np.empty(per_epoch)
    history = History()
    for epoch in range(epochs):
        order = None if rng is None else rng.permutation(samples)
        done = 0
        stop = False
        while done < per_epoch and not stop:
            done += run_steps(
                model, x, y, order, step_losses[done:],
                batch=batch, begin=done * batch, track=track, seconds=_BREATH,
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
        values = {"loss": float(np.average(step_losses[:done], weights=rows[:done]))}
        if validation is not None:
            result = evaluate(model, *validation)
            values.update(val_loss=result.loss, val_accuracy=result.accuracy)
        history.append(values)
        if stop:
            break
    return history


def run_steps(
    model: Sequential,
    x: Array,
    y: Array,
    order: Array | None,
    step_losses: Array,
    *,
    batch: int,
    begin: int = 0,
    updating: bool = True,
    track: GradientFlow | None = None,
    seconds: float = np.inf,
) -> int:
    """Run up to len(step_losses) steps, as many as fit into ``seconds``; return how many."""
    program = model.program(batch)
    options: dict[str, Any] = {
        "batch": batch,
        "begin": begin,
        "updating": updating,
        "seconds": seconds,
    }
    if track is None:
        return program.train(x, y, order, step_losses, **options)
    first = program.time
    wanted = track.wants(first, len(step_losses))
    record = np.where(wanted, np.cumsum(wanted) - 1, -1)
    op_record = np.empty((wanted.sum(), len(model.layers), 5))
    parameter_record = np.empty((wanted.sum(), len(model.layout.names), 3))
    done = program.train(
        x, y, order, step_losses, **options,
        record=record, op_record=op_record, parameter_record=parameter_record,
    )  # fmt: skip
    recorded = np.flatnonzero(wanted[:done])
    track.append(
        first + recorded,
        step_losses[recorded],
        op_record[: len(recorded)],
        parameter_record[: len(recorded)],
    )
    return done


def evaluate(model: Sequential, x: Array, y: Array) -> Evaluation:
    """Loss and accuracy over checked data."""
    losses = np.empty(len(x))
    outputs = model.forward(x, y, losses)
    if not model.loss.probabilities:
        return Evaluation(float(losses.mean()), float("nan"))
    if outputs.shape[1] == 1 and not model.loss.categorical:
        half = 0.0 if model.loss.output == "identity" else 0.5
        right = (outputs > half) == (y > 0.5)
    else:
        right = outputs.argmax(axis=1) == (y if model.loss.sparse else y.argmax(axis=1))
    return Evaluation(float(losses.mean()), float(right.mean()))
