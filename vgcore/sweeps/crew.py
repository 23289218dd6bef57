"""The threads that train many models side by side, and the one that has called them.

Whoever is free takes the model that has waited longest, trains it for as many epochs as fit into about
50 ms, and puts it back: all get as much time, and where training is broken off none is far behind. A model is
with one thread at a time, so what it computes is what it would alone.

What is the user's own and may not expect other threads, callbacks and warnings, is done by the thread that
has called; so is what shows how it goes. The others ask, and wait for the answer. In a browser, where there
are no threads, the caller does it all.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from vgcore._core import team
from vgcore.model import divergence
from vgcore.model.callbacks import Callback, Hooks
from vgcore.model.history import History, Progress
from vgcore.model.training import Fit

if TYPE_CHECKING:
    from vgcore.model.callbacks import Logs

_TURN = 0.05  # seconds that a model is trained before it is another's turn, at most
_TURNS = 8  # that each gets at least, if its epochs are short enough, where time is limited
_LOOK = 0.1  # seconds between two looks at how it goes, and at whether it was broken off


class _BrokenOff(BaseException):
    """Training ends here: what is done is kept."""


class _Question:
    """A function to be called by another thread, and what came of it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._answer: Any = None
        self._error: Exception | None = None
        self.done = threading.Event()

    def __call__(self) -> None:
        """Call it; what is no Exception, such as Ctrl-C, is the caller's own."""
        try:
            self._answer = self._function()
        except Exception as error:
            self._error = error
        self.done.set()

    def answer(self) -> Any:
        """What it returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._answer


class Told(Hooks):
    """The hooks of one model's callbacks, which the crew's caller calls; logs say whose they are.

    Attributes
    ----------
    loss : float or None
        Of the model's last step, as far as is known; None before the first.
    """

    def __init__(
        self, callbacks: Iterable[Any], shown: Sequence[Callback], crew: Crew, place: int
    ) -> None:
        super().__init__(callbacks, shown)
        self._crew, self._place = crew, place
        self._warnings: list[tuple[str, type[Warning]]] = []
        self.loss: float | None = None

    def warn(self, message: str, category: type[Warning]) -> None:
        """Warn, as soon as nothing is held that the crew's caller may wait for."""
        self._warnings.append((f"models[{self._place}]: {message}", category))

    def call(self, name: str, *arguments: Any) -> bool:
        """Call all hooks of a name; whether one of them, or the crew, wants to stop."""
        self._come_up()
        if name == "on_progress":
            self.loss = arguments[0].loss
        over = name in ("on_epoch_begin", "on_progress") and time.monotonic() > self._crew.deadline
        if not super().wants(name):
            return over
        given = [self._marked(each) if isinstance(each, Mapping) else each for each in arguments]
        return bool(self._crew.ask(partial(super().call, name, *given))) or over

    def wants(self, name: str) -> bool:
        """Whether anybody has such a hook; the crew looks at the progress."""
        return name == "on_progress" or super().wants(name)

    def call_step(self, done: int, logs: Callable[[], Logs]) -> bool:
        """Call the hooks that are due with ``done`` steps done; whether one of them wants to stop."""
        self._come_up()
        if self.steps_to_next(done - 1) > 1:
            return False
        marked = self._marked(logs())
        return bool(self._crew.ask(partial(super().call_step, done, lambda: marked)))

    def _come_up(self) -> None:
        """Between two stretches of training: end it if the crew is to, and say what is to be said."""
        if self._crew.broken:
            raise _BrokenOff
        while self._warnings:
            self._crew.ask(partial(divergence.warn_caller, *self._warnings.pop(0)))

    def _marked(self, logs: Logs) -> Logs:
        return {**logs, "model": self._place}


class Job:
    """One model's training: how far it has come, and what came of it.

    Attributes
    ----------
    result : History, Exception or None
        None while it is trained.
    finished : int
        Epochs that are over.
    """

    def __init__(self, fit: Fit, told: Told) -> None:
        self.fit, self.told = fit, told
        self.result: History | Exception | None = None
        self.finished = 0

    def turn(self, seconds: float) -> bool:
        """Train for a while; whether there is more to do."""
        divergence.speaker.set(self.told.warn)
        end = time.monotonic() + seconds
        try:
            while self.fit.train_epoch():
                self.finished += 1
                if time.monotonic() > end:
                    return True
            self.result = self.fit.history
        except Exception as error:
            self.result = error
        return False


class Crew:
    """Threads that train many models.

    Attributes
    ----------
    deadline : float
        Clock time at which training stops.
    broken : bool
        Whether it was broken off: by Ctrl-C, or by what no model's training should have raised.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.broken = False
        self._questions: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._outside: Context | None = None  # of a caller who is alone

    def ask(self, function: Callable[[], Any]) -> Any:
        """Let the thread that has called the crew call a function; for the crew."""
        if self._outside is not None:
            return self._outside.run(function)
        question = _Question(function)
        self._questions.put(question)
        while not question.done.wait(_LOOK):
            if self.broken:
                raise _BrokenOff
        return question.answer()

    def train(self, jobs: Sequence[Job], threads: int, shown: Sequence[Callback]) -> None:
        """Do the jobs; what is no model's own is raised, with all that was done kept.

        With no threads, the caller does them.
        """
        self._waiting = deque(jobs)
        left = self.deadline - time.monotonic()
        self._turn = min(_TURN, max(left, 0) * max(threads, 1) / (_TURNS * len(jobs)))
        members = [
            threading.Thread(target=copy_context().run, args=(self._work,), name=f"fit_many-{n}")
            for n in range(threads)
        ]
        watch = _Watch(jobs, shown)
        begun = []
        try:
            for member in members:
                member.start()
                begun.append(member)
            if members:
                self._serve(len(members), watch)
            else:
                self._outside = copy_context()
                copy_context().run(self._work_alone, watch)
        except BaseException:
            self.broken = True
            raise
        finally:
            for member in begun:
                member.join()

    def _work(self) -> None:
        """What each thread does: models in turn, until none is waiting for one."""
        try:
            with team.Staying():
                while self._waiting and not self.broken:
                    self._do_next()
        except _BrokenOff:
            pass
        except BaseException as error:
            self._questions.put(partial(_raise, error))
        finally:
            self._questions.put(None)

    def _work_alone(self, watch: _Watch) -> None:
        while self._waiting:
            self._do_next()
            watch.look()
        watch.look(over=True)

    def _do_next(self) -> None:
        """Train the model that has waited longest for a turn."""
        try:
            job = self._waiting.popleft()
        except IndexError:  # another thread was faster
            return
        if job.turn(self._turn):
            self._waiting.append(job)

    def _serve(self, members: int, watch: _Watch) -> None:
        """Answer the crew until all have gone."""
        while members:
            try:
                question = self._questions.get(timeout=_LOOK)
            except queue.Empty:
                pass
            else:
                if question is None:
                    members -= 1
                else:
                    question()
            watch.look()
        watch.look(over=True)


def _raise(error: BaseException) -> None:
    raise error


class _Watch:
    """How all models together come on, for those who show it."""

    def __init__(self, jobs: Sequence[Job], shown: Sequence[Callback]) -> None:
        self._jobs, self._shown = jobs, shown
        if not shown:
            return
        self._epochs = jobs[0].fit.epochs
        steps = [job.fit.source.ahead(len(self._epochs)) for job in jobs]
        self._steps = None if None in steps else sum(filter(None, steps))
        self._epoch = self._epochs.start  # of the model that is behind all others
        self._begin = self._last = time.monotonic()
        for callback in shown:
            callback.on_train_begin(None)  # type: ignore[arg-type]

    def look(self, over: bool = False) -> None:
        """Show how it goes, if it is time."""
        now = time.monotonic()
        if not self._shown or not (over or now > self._last + _LOOK):
            return
        self._last = now
        losses = [job.told.loss for job in self._jobs if job.told.loss is not None]
        if not losses:
            return
        first, end = self._epochs.start, self._epochs.stop
        done = [first + job.finished for job in self._jobs]
        behind = [epoch for epoch, job in zip(done, self._jobs, strict=True) if job.result is None]
        epoch = min(behind) if behind else max(done)
        steps, loss = sum(job.fit.steps_done for job in self._jobs), median(losses)
        state = Progress(epoch, end, steps, self._steps, loss)
        for callback in self._shown:
            callback.on_progress(state)
            if epoch > self._epoch:
                callback.on_epoch_end(epoch - 1, {"loss": loss, "seconds": now - self._begin})
        if epoch > self._epoch:
            self._epoch, self._begin = epoch, now
