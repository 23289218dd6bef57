"""How the runs of a sweep are done, and the processes and threads of our own that do them."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from vgcore.model import threads
from vgcore.sweeps import executors
from vgcore.sweeps.executors import OnExecutor, Workers
from vgcore.sweeps.grid import Run
from vgcore.sweeps.outcome import Outcome, call

_LOOK = 0.1  # seconds between two looks at whether it was broken off
_OF_OTHERS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_mine: tuple[Any, ...] = ()  # of a worker: the function, and the data if there are any


class Threads(OnExecutor):
    """Threads of our own."""

    def __init__(self, number: int, train: Callable[..., Any], data: tuple[Any, ...]) -> None:
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="sweep")
        self.room = number
        super().__init__(self._pool, train, data)

    def close(self, broken: bool) -> None:
        """End the threads; a run that was broken off comes to its end first, unseen."""
        self._pool.shutdown(wait=not broken, cancel_futures=True)


class Processes(Workers):
    """Processes of our own, each by itself: one that dies takes no other's run along, and has a successor.

    Raises
    ------
    _UnsendableError
        If a process cannot be sent the function or the data.
    RuntimeError
        If processes die as they start.
    """

    def __init__(self, number: int, train: Callable[..., Any], data: tuple[Any, ...]) -> None:
        try:
            self._sent = pickle.dumps((train, *data))
        except Exception as error:  # whatever a __reduce__ raises
            raise _UnsendableError(str(error)) from error
        self.room = number
        self._threads = max(1, threads.get_num_threads() // number)
        self._free: deque[_Process] = deque()
        self._all = [_Process(self._threads, self._sent) for _ in range(number)]
        try:
            for process in self._all:
                process.check()
        except BaseException:
            self.close(broken=True)
            raise
        self._free.extend(self._all)

    def submit(self, run: Run, attempt: int) -> Future[Outcome]:
        """Begin a run in a process that is free."""
        process = self._free.popleft()
        if process.dead:
            process.close(broken=True)
            self._all.remove(process)
            process = _Process(self._threads, self._sent)
            self._all.append(process)
        future = process.submit(_call_mine, run.config, run.seed, attempt)
        future.add_done_callback(lambda _: self._free.append(process))
        return future

    def outcome(self, future: Future[Outcome]) -> Outcome:
        """What came of it."""
        try:
            return future.result()
        except Exception as error:
            return Outcome.failed(error)

    def close(self, broken: bool) -> None:
        """End the processes, whatever they are doing."""
        for process in self._all:
            process.close(broken)


class _UnsendableError(Exception):
    """A function or data that no other process can be sent."""


class _Process:
    """A pool of one process, which ends when this object's end of a pipe is closed: by us or by our death."""

    def __init__(self, number: int, sent: bytes) -> None:
        context = get_context("spawn")  # a forked child would have half of what threads were doing
        theirs, self._life = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(1, context, _begin, (theirs, number))
        self.dead = False
        with _threads_of_others(number):
            self._ready = self.submit(_receive, sent)
        theirs.close()

    def check(self) -> None:
        """Wait until it is there, with what it was sent."""
        try:
            reason = self._ready.result()
        except BrokenExecutor as error:
            raise RuntimeError(
                "the processes that a sweep starts die before they begin. Each of them imports the script "
                "that has called vgcore.sweep: call it under if __name__ == '__main__':, or pass "
                "executor=concurrent.futures.ThreadPoolExecutor()"
            ) from error
        if reason is not None:
            raise _UnsendableError(reason)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Let it call a function."""
        try:
            future = self._pool.submit(function, *arguments)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        future.add_done_callback(self._look)
        return future

    def _look(self, future: Future[Any]) -> None:
        self.dead |= not future.cancelled() and isinstance(future.exception(), BrokenExecutor)

    def close(self, broken: bool) -> None:
        """End it; if it is broken off, in the middle of what it does."""
        if broken:
            self._life.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._life.close()


def _begin(life: Any, number: int) -> None:
    """What a process of ours begins with: Ctrl-C is its parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threads.set_num_threads(number)
    threading.Thread(target=_end_with, args=(life,), daemon=True).start()


def _end_with(life: Any) -> None:
    with suppress(EOFError, OSError):
        life.recv()
    os._exit(1)


def _receive(sent: bytes) -> str | None:
    """Take the function and the data; why not, if it cannot be."""
    global _mine
    try:
        _mine = pickle.loads(sent)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _call_mine(config: str, seed: int, attempt: int) -> Outcome:
    train, *data = _mine
    return call(train, config, seed, attempt, *data)


@contextmanager
def _threads_of_others(number: int) -> Iterator[None]:
    """Have a process that is started now use so many threads in other libraries, if nobody said more."""
    unset = [name for name in _OF_OTHERS if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, str(number)))
    try:
        yield
    finally:
        for name in unset:
            del os.environ[name]


def workers_for(
    executor: Executor | None, train: Callable[..., Any], data: tuple[Any, ...], runs: int
) -> Workers:
    """Who is to do so many runs."""
    if executor is not None:
        return executors.workers_of(executor, train, data)
    number = max(1, threads.startable(runs))
    if _is_script_missing():
        return Threads(number, train, data)
    try:
        return Processes(number, train, data)
    except _UnsendableError:
        return Threads(number, train, data)


def _is_script_missing() -> bool:
    """Whether processes could not import the script, as where Python reads it from its standard input."""
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    return path is not None and getattr(main, "__spec__", None) is None and not Path(path).exists()


def carry_out(
    runs: Sequence[Run], workers: Workers, retries: int, tell: Callable[[Run, Outcome, int], None]
) -> None:
    """Have all runs done; ``tell`` is called by the calling thread with what came of each, as it ends."""
    waiting = deque((run, 1) for run in runs)
    ended: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
    begun: dict[Future[Outcome], tuple[Run, int]] = {}
    try:
        while waiting or begun:
            while waiting and len(begun) < workers.room and ended.empty():
                run, attempt = waiting.popleft()
                future = workers.submit(run, attempt)
                begun[future] = run, attempt
                future.add_done_callback(ended.put)
            try:
                future = ended.get(timeout=_LOOK)
            except queue.Empty:
                workers.look()
                continue
            run, attempt = begun.pop(future)
            outcome = workers.outcome(future)
            if outcome.traceback is not None and attempt <= retries:
                waiting.append((run, attempt + 1))
            else:
                tell(run, outcome, attempt)
    finally:
        for future in begun:
            future.cancel()
