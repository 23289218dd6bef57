"""The training loop, which comes up for air now and then, and the runs of the engine below it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore._core.program import Program
from vgcore.flow import GradientFlow
from vgcore.metrics import Totals
from vgcore.model import (
    custom_loss,
    divergence,
    inference,
    inputs,
    progress,
    records,
    states,
    turns,
)
from vgcore.model.callbacks import Hooks
from vgcore.model.feeding import Feed, Passes
from vgcore.model.history import History, Progress
from vgcore.model.inputs import ClassWeight, Data
from vgcore.model.minibatches import Minibatches
from vgcore.model.sources import Samples, Stream
from vgcore.model.steps import Steps
from vgcore.model.told import told

if TYPE_CHECKING:
    from vgcore.model.sequential import Sequential
    from vgcore.model.session import Session

Array = NDArray[Any]

_BREATH = (
    0.04  # seconds between two returns from the engine: 20 frames a second, with what lies between
)
_FIRST_STEPS = 8  # that room is made for before it is known how many fit into a breath


def fit(
    model: Sequential,
    x: Any,
    y: ArrayLike | None,
    *,
    epochs: int,
    batch_size: int,
    shuffle: bool,
    lengths: ArrayLike | None,
    sample_weight: ArrayLike | None,
    class_weight: ClassWeight,
    validation_data: Any,
    validation_split: float | None,
    drop_last: bool,
    initial_epoch: int,
    track: GradientFlow | None,
    callbacks: Sequence[Any] | None,
    watch: bool,
    verbose: int | str,
) -> History:
    """See `Sequential.fit`."""
    passes = Passes.checked(epochs, batch_size, shuffle, drop_last, initial_epoch)
    feed = Feed(x, y, lengths, sample_weight, class_weight, validation_data, validation_split)
    source, validation = feed.opened(model.session, passes, len(passes.epochs))
    with progress.shown(verbose) as shown:
        if _validate.boolean("watch", watch):
            from vgcore.diagnosis.watch import Watch

            watching = Watch(track, source.ahead(len(passes.epochs)))
            track, shown = watching.flow, [*shown, watching]
        hooks = Hooks(() if callbacks is None else callbacks, shown)
        run = Fit(model, source, passes.epochs, validation, track, hooks)
        model.session.batch_size = getattr(source, "batch", None)
        with run.begun():
            while run.train_epoch():
                pass
        return run.history


class Ran(NamedTuple):
    """How many steps were run, what to say if the last one's loss or gradient is not finite, their record."""

    steps: int
    broken: str | None = None
    record: records.Records | None = None


class _Tally:
    """What the steps of an epoch add up to."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.steps = 0
        self._losses: list[Array] = []  # all of them, for a sum whose bits no parting changes
        self._shares: list[Array] = []
        self._right = self._judged = 0.0

    def add(self, steps: Steps, losses: Array, right: Array | None) -> None:
        """Add the first of ``steps``, as many as there are losses."""
        done = len(losses)
        self.steps += done
        self._losses.append(losses * steps.weights[:done])
        self._shares.append(steps.shares[:done])
        self._last = float(losses[-1])
        if right is not None and steps.judged is not None:
            self._right += float(right.sum())
            self._judged += float(steps.judged[:done].sum())

    def values(self) -> dict[str, Any]:
        """Loss, and accuracy where there is one."""
        share = float(np.concatenate(self._shares).sum())
        mean = float(np.concatenate(self._losses).sum()) / share if share else 0.0
        values = {"loss": self._last if self.steps == 1 else mean}
        if self._judged:
            values["accuracy"] = self._right / self._judged
        return values


class Fit:
    """One call of `fit`, on checked data."""

    def __init__(
        self,
        model: Sequential,
        source: Samples | Stream,
        epochs: range,
        validation: Data | Minibatches | None,
        track: GradientFlow | None,
        hooks: Hooks,
    ) -> None:
        self.model, self.session, self.source = model, model.session, source
        self.epochs, self.validation, self.track, self.hooks = epochs, validation, track, hooks
        self.compiled, self.layout = self.session.compiled, self.session.layout
        if validation is None and self.compiled.course.monitored == "val_loss":
            raise ValueError(
                "validation_data: expected (x, y), for the learning rate is reduced on val_loss; got None"
            )
        if track is not None:
            if not isinstance(track, GradientFlow):
                raise TypeError(f"track: expected a GradientFlow, got {type(track).__name__}")
            records.check(track, self.layout, self.session.run)
        self.history = History()
        self.metrics = [each for each in self.compiled.metrics if each.name != "accuracy"]
        self.before = 0  # steps of the parts before
        self.whole: int | None = None  # steps of the call
        self.room = _FIRST_STEPS
        self.told = -math.inf  # when callbacks were told of the progress
        self.record: records.Records | None = None  # of the epoch's last steps that were recorded
        self._coming: Iterator[int] | None = None  # epochs, once training has begun
        self._stopped = False
        self._logs: dict[str, Any] = {}  # of the epoch before
        self._count(0)

    def _count(self, begin: int) -> None:
        """Count a part's steps from ``begin`` on, as the engine does them."""
        self.counted = begin, np.zeros(1, np.int64)

    @property
    def done(self) -> int:
        """Steps of the present part that are complete, also of a call that was broken off."""
        begin, more = self.counted
        return begin + int(more[0])

    @property
    def steps_done(self) -> int:
        """Steps of the call that are complete."""
        return self.before + self.done

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Hold the flow and what callbacks hold, and leave the course to come with the session."""
        flow, run = self.track, self.session.run
        recording = nullcontext() if flow is None else records.held(flow, self.layout, run)
        with recording, self.hooks.held(flow):
            self.session.history, self.session.warned = self.history, False
            yield

    def train_epoch(self) -> bool:
        """Train for one more epoch; whether there are more. The history has what was done however it ends.

        No generator, in which a StopIteration of a callback's would become another error.
        """
        if self._coming is None:
            self._coming = iter(self.epochs)
            self.offered = time.monotonic()  # when others had a turn
            self._stopped = self.hooks.call("on_train_begin", self.model)
        epoch = next(self._coming, None)
        if epoch is None:
            self._check_parameters()
        elif not (self._stopped or self.hooks.call("on_epoch_begin", epoch, self._logs)):
            self._stopped = self._epoch(epoch)
            return True
        self.hooks.call("on_train_end", self.model)
        return False

    def _epoch(self, epoch: int) -> bool:
        """One epoch, told and looked back at; whether training stops behind it."""
        self.tally, self.totals = _Tally(), Totals(self.metrics, self.compiled.loss)
        try:
            stop = self._pass(epoch)
            if self.tally.steps:
                self._logs = self._close_epoch(epoch)
        except BaseException:
            self._close_part()
            if self.tally.steps and len(self.history.epoch) <= epoch - self.epochs.start:
                self.history.append(epoch, self.tally.values())
            raise
        stop = self.hooks.call("on_epoch_end", epoch, self._logs) or stop
        if self.source.once and epoch + 1 < self.epochs.stop and not stop:
            divergence.warn_caller(
                f"fit: x is an iterator, which ends after one of {len(self.epochs)} epochs; pass "
                "what can be gone through again, such as a list or a DataLoader"
            )
            return True
        return stop

    def _check_parameters(self) -> None:
        """Look at what the last step has left, for its loss cannot tell."""
        if self.compiled.on_nonfinite == "warn" and not self.session.warned:
            message = divergence.parameters_message(self.session)
            if message is not None:
                divergence.tell(self.session, message)

    def _pass(self, epoch: int) -> bool:
        """The steps of one epoch, or as many as callbacks let be; whether one stopped them."""
        data = None
        for data, steps in self.source.parts():
            self.data, self.steps = data, steps
            self.losses = np.empty(len(self.steps.places))
            self.right = None if self.steps.judged is None else np.empty(len(self.losses))
            self.outputs = None
            if self.metrics:
                shape = self.session.output_shape(self.data.x)
                self.outputs = np.zeros(shape, self.session.dtype)
            left = self.source.steps(len(self.losses), self.epochs.stop - epoch)
            if left is not None and not self.tally.steps:
                self.whole = self.before + left
            stop = self._part(epoch)
            if self.done == len(self.losses):
                self._measure()
            self._close_part()
            if stop:
                return True
        if data is None:
            raise ValueError("x: expected at least one minibatch, got none")
        if isinstance(self.source, Samples):
            return False  # told with the last step
        stop = self._tell_progress(epoch + 1, self.before, float(self.losses[-1]))
        self._check_compiled()
        return stop

    def _part(self, epoch: int) -> bool:
        """The steps of all samples, or of one minibatch of an iterable; whether they were stopped."""
        while self.done < len(self.losses):
            with self.session.turn:
                self._check_compiled()
                if self._breathe(epoch):
                    return True
            self._offer()
            if self._tell(epoch):
                return True
        return False

    def _breathe(self, epoch: int) -> bool:
        """The steps of about 50 ms, or up to the next that somebody wants to be told of; room for a record of
        them is made as it is seen how many that are.

        Whether training stops at one of them.
        """
        left, deadline = _BREATH, time.monotonic() + _BREATH
        due = self.hooks.steps_to_next(self.session.step)
        last = int(min(len(self.losses), self.done + due))
        while self.done < last and left >= 0:
            self._count(self.done)
            some = slice(self.done, min(self.done + self.room, last))
            ran = run_steps(
                self.session,
                self.data,
                self.steps,
                self.losses[some],
                right=None if self.right is None else self.right[some],
                outputs=self.outputs,
                begin=self.done,
                done=self.counted[1],
                epoch=epoch,
                track=self.track,
                seconds=left,
            )
            if ran.record is not None and ran.record.some:
                self.record = ran.record
            if ran.broken is not None and self.compiled.refuses:
                self.counted[1][0] -= 1
            if ran.broken is not None and divergence.tell(self.session, ran.broken):
                return True
            if some.stop - some.start == self.room:  # not cut short by the end
                self.room = max(_FIRST_STEPS, 2 * ran.steps)
            left = deadline - time.monotonic()
        return False

    def _offer(self) -> None:
        """Let others have a turn, if they have had none for a while: short epochs would wait for nobody."""
        if time.monotonic() > self.offered + _BREATH:
            turns.offer()
            self.offered = time.monotonic()

    def _tell(self, epoch: int) -> bool:
        """Tell callbacks; whether one wants to stop."""
        loss = float(self.losses[self.done - 1])
        stop = self.hooks.call_step(self.session.step, lambda: self._step_logs(epoch, loss))
        over = self.done == len(self.losses) and isinstance(self.source, Samples)
        if over or time.monotonic() > self.told + _BREATH:
            stop |= self._tell_progress(epoch + over, self.before + self.done, loss)
        self._check_compiled()
        return stop

    def _tell_progress(self, epochs: int, steps: int, loss: float) -> bool:
        """Tell how many epochs and steps are done; whether somebody wants to stop."""
        if not self.hooks.wants("on_progress"):
            return False
        self.told = time.monotonic()
        progress = Progress(epochs, self.epochs.stop, steps, self.whole, loss)
        return self.hooks.call("on_progress", progress)

    def _step_logs(self, epoch: int, loss: float) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "loss": loss,
            "learning_rate": self.compiled.course.rate(self.session.step - 1),
        }

    def _check_compiled(self) -> None:
        inputs.check_compiled(self.session, self.data)
        if self.track is not None and self.session.layout is not self.layout:
            raise RuntimeError("a layer was renamed while fit was tracking by its name")

    def _measure(self) -> None:
        """Add a whole part to the metrics."""
        if self.outputs is None:
            return
        counts = inputs.all_counted(self.session, self.data)
        if self.steps.order is not None:
            seen = np.zeros(len(counts), bool)
            seen[self.steps.order] = True
            counts = counts & seen[:, np.newaxis]
        self.totals.add(*inputs.compared(self.data, self.outputs, counts))

    def _close_part(self) -> None:
        """Add the steps that are done to the epoch's."""
        if not self.done:
            return
        some = slice(self.done)
        right = None if self.right is None else self.right[some]
        self.tally.add(self.steps, self.losses[some], right)
        self.before += self.done
        self._count(0)

    def _close_epoch(self, epoch: int) -> dict[str, Any]:
        """Look back at an epoch: the logs of it."""
        course = self.compiled.course
        missing = {metric.name: math.nan for metric in self.metrics}
        if self.compiled.loss.judged is not None:
            missing["accuracy"] = math.nan
        values = {"loss": 0.0, **missing, **self.tally.values(), **self.totals.values()}
        if self.validation is not None:
            result = inference.measure(self.session, self.validation, self.compiled.metrics)
            values["val_loss"] = result.loss
            values.update({f"val_{name}": value for name, value in result.metrics.items()})
        values["learning_rate"] = course.rate(self.session.step - 1)
        values["seconds"] = time.monotonic() - self.tally.begin
        if self.track is not None:
            norm = math.nan if self.record is None else self.record.gradient_norm()
            values["gradient_norm"] = norm
            self.record = None
        course.after_epoch(values)
        self.history.append(epoch, values)
        return values


def run_steps(
    session: Session,
    data: Data,
    steps: Steps,
    losses: Array,
    *,
    right: Array | None = None,
    outputs: Array | None = None,
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

    ``right`` and ``outputs``: where how right they are, and what they put out, is wanted. ``begin``: which
    of them is first. ``done`` (1,), zero: where the engine counts what it has completed.
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
        "right": right,
        "outputs": outputs,
        "lengths": data.lengths,
        "weights": data.weights,
        "function": custom_loss.of(session, data, steps.batch, steps.order),
        "rates": session.compiled.course.rates(first, count) if updating else None,
        **extra,
    }
    record = None
    if track is not None:
        record = records.Records(
            session.layout,
            extents=program.walks,
            wanted=track.wants(first, count),
            parts=told(track, session.layout, program, first, count),
            first=first,
            done=done,
            losses=losses,
            times=int(steps.chunks[0]),
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
        return Ran(ran, record=record)
    at = divergence.Place(first + ran - 1, epoch, int(steps.places[begin + ran - 1]))
    loss = float(losses[ran - 1])
    return Ran(ran, divergence.message(session, program, data, steps, at, loss), record)
