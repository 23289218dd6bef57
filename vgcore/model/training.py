"""The training loop, which comes up for air now and then, and the runs of the engine below it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore._core.program import Program
from vgcore.flow import GradientFlow
from vgcore.model import inference, inputs, records, states
from vgcore.model.history import History, Progress
from vgcore.model.inputs import Data
from vgcore.model.planning import order_by_length

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]

_BREATH = 0.05  # seconds between two returns from the engine, about
_FIRST_STEPS = 8  # that room is made for before it is known how many fit into a breath


def fit(
    session: Session,
    x: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int,
    batch_size: int,
    shuffle: bool,
    lengths: ArrayLike | None,
    validation_data: tuple[ArrayLike, ...] | None,
    track: GradientFlow | None,
    callback: Callable[[Progress], object] | None,
) -> History:
    """See `Sequential.fit`."""
    if callback is not None and not callable(callback):
        raise TypeError(
            f"callback: expected a callable, got {callback!r} ({type(callback).__name__})"
        )
    _validate.boolean("shuffle", shuffle)
    epochs = _validate.integer("epochs", epochs, minimum=1)
    batch_size = _validate.integer("batch_size", batch_size, minimum=1)
    data = inputs.to_train(session, x, y, lengths, batch_size)
    if session.stateful:
        _check_rows(len(data.x), min(batch_size, len(data.x)), shuffle)
    validation = inputs.validation(session, validation_data)
    if track is not None and not isinstance(track, GradientFlow):
        raise TypeError(f"track: expected a GradientFlow, got {type(track).__name__}")
    if track is not None:
        records.attach(track, session.layout, session.layers, session.run)
    return _Fit(session, data, epochs, batch_size, shuffle, validation, track, callback).run()


def _check_rows(samples: int, batch: int, shuffle: bool) -> None:
    """Whether stateful layers find each row where the minibatch before left it."""
    if shuffle:
        raise ValueError("shuffle: expected False, for a stateful layer needs its rows in order")
    if samples % batch:
        raise ValueError(
            f"batch_size: expected a divisor of the {samples} samples, for a stateful layer needs whole "
            f"minibatches; got {batch}"
        )


class _Fit:
    """One call of `fit`, on checked data."""

    def __init__(
        self,
        session: Session,
        data: Data,
        epochs: int,
        batch_size: int,
        shuffle: bool,
        validation: Data | None,
        track: GradientFlow | None,
        callback: Callable[[Progress], object] | None,
    ) -> None:
        self.session, self.data, self.validation = session, data, validation
        self.epochs, self.shuffle, self.track, self.callback = epochs, shuffle, track, callback
        self.compiled, self.history = session.compiled, History()
        self.scheduled = self.compiled.course.schedule is not None
        self.batch = min(batch_size, len(data.x))
        minibatches = -(-len(data.x) // self.batch)
        self.losses = np.empty(minibatches * len(chunks(session, data.times, True)))
        self.done = 0  # steps of the present epoch
        self.room = _FIRST_STEPS

    def run(self) -> History:
        """Train, and leave the course so far with the session however it ends."""
        self.session.history = self.history
        for epoch in range(self.epochs):
            try:
                stop = self._epoch(epoch)
            except BaseException:
                if self.done:
                    self.history.append({"loss": self._loss()})
                raise
            self._close_epoch()
            if stop:
                break
        return self.history

    def _epoch(self, epoch: int) -> bool:
        """The steps of one epoch, or as many as the callback lets be; whether it stopped them."""
        session, samples = self.session, len(self.data.x)
        order = session.rng.permutation(samples) if self.shuffle else None
        self.order = order_by_length(order, self.data.lengths, self.batch)
        self.done = 0
        while self.done < len(self.losses):
            with session.turn:
                self._check_compiled()
                self._breathe(epoch)
            session.turn.offer()
            if self.callback is not None and self._call(epoch):
                return True
        return False

    def _breathe(self, epoch: int) -> None:
        """The steps of about 50 ms; room for a record of them is made as it is seen how many that are."""
        left, deadline = _BREATH, time.monotonic() + _BREATH
        while self.done < len(self.losses) and left >= 0:
            ran = run_steps(
                self.session, self.data, self.order, self.losses[self.done : self.done + self.room],
                batch=self.batch, done=self.done, epoch=epoch, track=self.track, seconds=left,
            )  # fmt: skip
            self.done += ran
            self.room = max(_FIRST_STEPS, 2 * ran)
            left = deadline - time.monotonic()

    def _call(self, epoch: int) -> bool:
        """Tell the callback; whether it wants to stop."""
        assert self.callback is not None
        whole = len(self.losses)
        progress = Progress(
            epoch + (self.done == whole),
            self.epochs,
            epoch * whole + self.done,
            self.epochs * whole,
            float(self.losses[self.done - 1]),
        )
        answer = self.callback(progress)
        self._check_compiled()
        return isinstance(answer, bool | np.bool_) and bool(answer)

    def _check_compiled(self) -> None:
        if self.session.chosen is not self.compiled:
            raise RuntimeError("the model was compiled anew while fit was running")

    def _loss(self) -> float:
        """The loss of the epoch as far as it went."""
        return mean_loss(self.session, self.data, self.order, self.batch, self.losses[: self.done])

    def _close_epoch(self) -> None:
        course = self.compiled.course
        values = {"loss": self._loss()}
        if self.validation is not None:
            result = inference.evaluate(self.session, self.validation)
            values.update(val_loss=result.loss, val_accuracy=result.accuracy)
        if self.scheduled:
            values["learning_rate"] = course.rate(self.session.step - 1)
        course.after_epoch(values)
        self.history.append(values)
        self.done = 0


def chunks(session: Session, times: int, updating: bool) -> NDArray[np.int64]:
    """Timesteps of each step that a minibatch makes: one, but with truncated BPTT one per update."""
    length = session.compiled.tbptt
    if length is None or not session.gives_time or not updating:
        return np.array([times])
    begins = np.arange(0, times, length)
    return np.minimum(length, times - begins)


def mean_loss(
    session: Session,
    data: Data,
    order: Array | None,
    batch: int,
    step_losses: Array,
    updating: bool = True,
) -> float:
    """The loss of an epoch, or of as many of its steps as were done: that of all their samples."""
    if len(step_losses) == 1:
        return float(step_losses[0])
    samples, parts = len(data.x), chunks(session, data.times, updating)
    if session.gives_time and session.compiled.loss.reduction == "mean":
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
    session: Session,
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
    program: Program | None = None,
    **extra: Any,
) -> int:
    """Run up to len(step_losses) steps, as many as fit into ``seconds``; return how many.

    ``done``: steps of the epoch, of `fit`, that were run before. ``extra``: what else `Program.train` takes.
    """
    if program is None:
        program = session.program(batch, data.times, epoch)
    if "states" not in extra and session.stateful:
        kept = states.carried(session, data, batch)
        extra["states"] = [(array, array, None, True) for array in kept]
    steps = chunks(session, data.times, updating)
    count = len(step_losses)
    options: dict[str, Any] = {
        "batch": batch,
        "begin": done // len(steps) * batch,
        "begin_window": done % len(steps),
        "updating": updating,
        "seconds": seconds,
        "lengths": data.lengths,
        "rates": session.compiled.course.rates(program.time, count) if updating else None,
        **extra,
    }
    record = None
    if track is not None:
        record = records.Records(
            session.layout,
            records.walks_of(session.layers),
            extents=program.walks,
            wanted=track.wants(program.time, count),
            first=program.time,
            losses=step_losses,
            times=int(steps.max()),
            beyond=np.nan
            if len(steps) > 1
            else 0.0,  # behind the end of a last chunk that is shorter
        )
        options.update(record.places())
        track.follow(record)
    try:
        return program.train(data.x, data.y, order, step_losses, **options)
    finally:
        if record is not None:
            record.close()
