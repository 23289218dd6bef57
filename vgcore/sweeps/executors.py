"""Executors that somebody has made, such as a cluster's, as those who do the runs of a sweep."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
)
from typing import Any, Protocol

from vgcore.model import divergence
from vgcore.sweeps.grid import Run
from vgcore.sweeps.outcome import Outcome, call

_AHEAD = 5000  # runs that an executor is given at once
_BETWEEN = 5.0  # seconds between two looks at whether a cluster has workers
_PATIENCE = 30.0  # seconds without any after which that is told


class Workers(Protocol):
    """Who does runs."""

    room: int
    """How many are begun at once."""

    def submit(self, run: Run, attempt: int) -> Future[Outcome]:
        """Begin a run."""

    def outcome(self, future: Future[Outcome]) -> Outcome:
        """What came of it; raises what ends the sweep."""

    def look(self) -> None:
        """See whether there is anything to tell, where no run has ended for a moment."""
        return

    def close(self, broken: bool) -> None:
        """End, at once if the sweep was broken off."""


class OnExecutor(Workers):
    """The workers of an executor."""

    room = _AHEAD

    def __init__(
        self, executor: Executor, train: Callable[..., Any], data: tuple[Any, ...]
    ) -> None:
        self._executor, self._train, self._data = executor, train, data

    def submit(self, run: Run, attempt: int) -> Future[Outcome]:
        """Hand a run over; data are an argument, so that an executor of a cluster puts its own in place."""
        arguments = (run.config, run.seed, attempt, *self._data)
        return self._executor.submit(call, self._train, *arguments)

    def outcome(self, future: Future[Outcome]) -> Outcome:
        """What came of it; an executor that is broken, or was closed, ends the sweep."""
        try:
            return future.result()
        except (BrokenExecutor, CancelledError):
            raise
        except Exception as error:
            return Outcome.failed(error)

    def close(self, broken: bool) -> None:
        """Nothing: it is somebody else's."""


class OnDask(OnExecutor):
    """The workers of a cluster of Dask, which has none for a while where it adapts, or where all have died.

    Runs are submitted to the client of the executor, for a future of the executor itself never ends where a
    result is lost with its worker and the run then fails, or where a result cannot be unpickled here. Data
    are submitted once, as a task that is done again where all workers that had them have died.
    """

    def __init__(self, executor: Any, train: Callable[..., Any], data: tuple[Any, ...]) -> None:
        from distributed import Future as Theirs  # there, for the executor is

        self._client, self._options = executor._client, executor._kwargs
        submit = self._client.submit
        sent = (
            each if isinstance(each, Theirs) else submit(_itself, each, pure=False) for each in data
        )
        super().__init__(executor, train, tuple(sent))
        self._begun: dict[Future[Outcome], Any] = {}
        self._next_look = 0.0
        self._without: float | None = None  # the clock's time since when there are no workers
        self._told = False

    def submit(self, run: Run, attempt: int) -> Future[Outcome]:
        """Hand a run over."""
        arguments = (run.config, run.seed, attempt, *self._data)
        theirs = self._client.submit(call, self._train, *arguments, **self._options)
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        self._begun[future] = theirs
        self._client.loop.add_callback(_hand_on, theirs, future)
        return future

    def outcome(self, future: Future[Outcome]) -> Outcome:
        """What came of it."""
        del self._begun[future]
        return super().outcome(future)

    def look(self) -> None:
        """Warn, once, if there have been no workers for long."""
        now = time.monotonic()
        if now < self._next_look or self._client.status != "running":
            return
        self._next_look = now + _BETWEEN
        try:
            there = self._client.nthreads()
        except OSError:  # the scheduler does not answer; what is lost with it Dask ends
            return
        if there:
            self._without, self._told = None, False
        elif self._without is None:
            self._without = now
        elif now - self._without >= _PATIENCE and not self._told:
            self._told = True
            since = time.strftime("%H:%M:%S", time.localtime(time.time() - (now - self._without)))
            divergence.warn_caller(
                f"the cluster has had no workers since {since}, and the sweep waits for some; Ctrl-C ends "
                "it, and what has ended is kept"
            )

    def close(self, broken: bool) -> None:
        """Take back what has not ended."""
        if self._begun and self._client.status == "running":
            self._client.cancel(list(self._begun.values()))


async def _hand_on(theirs: Any, ours: Future[Any]) -> None:
    """Have a future end as one of Dask does."""
    try:
        ours.set_result(await theirs)
    except BaseException as error:
        ours.set_exception(error)


def _itself(value: Any) -> Any:
    return value


def workers_of(executor: Executor, train: Callable[..., Any], data: tuple[Any, ...]) -> OnExecutor:
    """The workers of an executor; TypeError for what it cannot send to other processes."""
    if isinstance(executor, ProcessPoolExecutor):
        _check_sendable(executor, train, data, pickle.dumps)
    elif type(executor).__module__.partition(".")[0] == "distributed":
        import cloudpickle  # which distributed sends with

        _check_sendable(executor, train, data, cloudpickle.dumps)
        return OnDask(executor, train, data)
    return OnExecutor(executor, train, data)


def _check_sendable(
    executor: Executor, train: Any, data: tuple[Any, ...], dumps: Callable[[Any], bytes]
) -> None:
    """Raise before anything is begun."""
    for argument, value in (("train", train), *(("data", each) for each in data)):
        try:
            dumps(value)
        except Exception as error:
            kind = type(executor).__name__
            raise TypeError(
                f"{argument}: expected what a {kind} can send to other processes, such as a function of a "
                f"module, got {value!r}: {error}"
            ) from error
