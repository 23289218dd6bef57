"""Who may use a model: one thread at a time."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque

_PATIENCE = 0.05  # seconds that who has had a turn waits for the others to take theirs
_LOOK = 1e-4


class Turns:
    """A lock that a thread may hold twice, and that can be offered to those who wait.

    A training run gives it back now and then; without `offer` it would have it again before anybody else
    woke up. A forked child starts with it free, for the thread that held it is not there.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: deque[None] = deque()  # counts, and lets threads count at once
        _ALL.add(self)

    def __enter__(self) -> None:
        """Wait for a turn."""
        if self._lock.acquire(blocking=False):
            return
        self._waiting.append(None)
        try:
            self._lock.acquire()
        finally:
            self._waiting.pop()

    def __exit__(self, *_: object) -> None:
        """Let the next one have it."""
        self._lock.release()

    def offer(self) -> None:
        """Between two turns: let who waits go first."""
        before, patience = len(self._waiting), time.monotonic() + _PATIENCE
        while len(self._waiting) >= before > 0 and time.monotonic() < patience:
            time.sleep(_LOOK)

    def forget(self) -> None:
        """Be free, whoever held it."""
        self._lock = threading.RLock()
        self._waiting.clear()


_ALL: weakref.WeakSet[Turns] = weakref.WeakSet()


def _forget_all() -> None:
    for turns in _ALL:
        turns.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
