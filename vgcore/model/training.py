"""The training loop, which comes up for air now and then, and the runs of the engine below it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore._core.program import Program
from vgcore.flow import GradientFlow
from vgcore.model import divergence, inference, inputs, records, states, turns
from vgcore.model.history import History, Progress
from vgcore.model.inputs import Data
from vgcore.model.steps import Steps, of_pass

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


class Ran(NamedTuple):
    """How many steps were run, and what to say if the last one's loss or gradient is not finite."""

    steps: int
    broken: str | None = None


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
        assert data.compiled is not None
        self.compiled, self.layout, self.history = data.compiled, session.layout, History()
        self.scheduled = self.compiled.course.schedule is not None
        self.batch = min(batch_size, len(data.x))
        self.before = 0  # steps of the epochs before
        self._count(0)
        self.room = _FIRST_STEPS

    def _count(self, begin: int) -> None:
        """Count the epoch's steps from ``begin`` on, as the engine does them."""
        self.counted = begin, np.zeros(1, np.int64)

    @property
    def done(self) -> int:
        """Steps of the present epoch that are complete, also of a call that was broken off."""
        begin, more = self.counted
        return begin + int(more[0])

    def run(self) -> History:
        """Train, and leave the course so far with the session however it ends."""
        self.session.history, self.session.warned = self.history, False
        for epoch in range(self.epochs):
            try:
                stop = self._epoch(epoch)
                if self.done:
                    self._close_epoch()
            except BaseException:
                if self.done:
                    self.history.append({"loss": self._loss()})
                raise
            if stop:
                return self.history
        self._check_parameters()
        return self.history

    def _check_parameters(self) -> None:
        """Look at what the last step has left, for its loss cannot tell."""
        if self.compiled.on_nonfinite == "warn" and not self.session.warned:
            message = divergence.parameters_message(self.session)
            if message is not None:
                divergence.tell(self.session, message)

    def _epoch(self, epoch: int) -> bool:
        """The steps of one epoch, or as many as the callback lets be; whether it stopped them."""
        session, samples = self.session, len(self.data.x)
        order = session.rng.permutation(samples) if self.shuffle else None
        self.steps = of_pass(session, self.data, self.batch, order=order)
        self.losses = np.empty(len(self.steps.places))
        while self.done < len(self.losses):
            with session.turn:
                self._check_compiled()
                if self._breathe(epoch):
                    return True
            turns.offer()
            if self.callback is not None and self._call(epoch):
                return True
        return False

    def _breathe(self, epoch: int) -> bool:
        """The steps of about 50 ms; room for a record of them is made as it is seen how many that are.

        Whether training stops at one of them.
        """
        left, deadline = _BREATH, time.monotonic() + _BREATH
        while self.done < len(self.losses) and left >= 0:
            self._count(self.done)
            losses = self.losses[self.done : self.done + self.room]
            ran = run_steps(
                self.session,
                self.data,
                self.steps,
                losses,
                begin=self.done,
                done=self.counted[1],
                epoch=epoch,
                track=self.track,
                seconds=left,
            )
            if ran.broken is not None and self.compiled.refuses:
                self.counted[1][0] -= 1
            if ran.broken is not None and divergence.tell(self.session, ran.broken):
                return True
            if len(losses) == self.room:  # not cut short by the end of the epoch
                self.room = max(_FIRST_STEPS, 2 * ran.steps)
            left = deadline - time.monotonic()
        return False

    def _call(self, epoch: int) -> bool:
        """Tell the callback; whether it wants to stop."""
        assert self.callback is not None
        whole = len(self.losses)
        progress = Progress(
            epoch + (self.done == whole),
            self.epochs,
            self.before + self.done,
            self.before + (self.epochs - epoch) * whole,
            float(self.losses[self.done - 1]),
        )
        answer = self.callback(progress)
        self._check_compiled()
        return isinstance(answer, bool | np.bool_) and bool(answer)

    def _check_compiled(self) -> None:
        inputs.check_compiled(self.session, self.data)
        if self.track is not None and self.session.layout is not self.layout:
            raise RuntimeError("a layer was renamed while fit was tracking by its name")

    def _loss(self) -> float:
        """The loss of the epoch as far as it went."""
        return self.steps.mean(self.losses[: self.done])

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
        self.before += self.done
        self._count(0)


def run_steps(
    session: Session,
    data: Data,
    steps: Steps,
    losses: Array,
    *,
    begin: int = 0,
    done: NDArray[np.int64] | None = None,
    epoch: int | None = None,
    updating: bool = True,
    track: GradientFlow | None = None,
    seconds: float = np.inf,
    program: Program | None = None,
    **extra: Any,
) -> Ran:
    """Run up to len(losses) of ``steps``, as many as fit into ``seconds``.

    ``begin``: which of them is first. ``done`` (1,), zero: where the engine counts what it has completed.
    ``extra``: what else `Program.train` takes.
    """
    inputs.check_compiled(session, data)
    done = np.zeros(1, np.int64) if done is None else done
    if program is None:
        program = session.program(steps.batch, data.times, epoch)
    if "states" not in extra and session.stateful:
        kept = states.carried(session, data, steps.batch)
        extra["states"] = [(array, array, None, True) for array in kept]
    first, count = program.time, len(losses)
    options: dict[str, Any] = {
        "batch": steps.batch,
        "places": steps.places[begin : begin + count],
        "done": done,
        "updating": updating,
        "seconds": seconds,
        "lengths": data.lengths,
        "rates": session.compiled.course.rates(first, count) if updating else None,
        **extra,
    }
    record = None
    if track is not None:
        record = records.Records(
            session.layout,
            records.walks_of(session.layers),
            extents=program.walks,
            wanted=track.wants(first, count),
            first=first,
            done=done,
            losses=losses,
            times=int(steps.chunks.max()),
            beyond=np.nan if len(steps.chunks) > 1 else 0.0,  # behind a last chunk that is shorter
        )
        options.update(record.places())
        track.follow(record)
    try:
        ran = program.train(data.x, data.y, steps.order, losses, **options)
    finally:
        if record is not None:
            record.close()
    if not program.broken:
        return Ran(ran)
    at = divergence.Place(first + ran - 1, epoch, int(steps.places[begin + ran - 1]))
    loss = float(losses[ran - 1])
    return Ran(ran, divergence.message(session, program, data, steps, at, loss))
