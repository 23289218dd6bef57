"""Who may use a model: one Python thread at a time."""

from __future__ import annotations

import os
import threading
import time
import weakref
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vgcore.model.session import Session

_PAUSE = 1e-4  # seconds: enough for a thread that waits to wake up and take its turn

_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def of(session: Session) -> AbstractContextManager[bool]:
    """The lock that whoever uses ``session`` holds; a thread may hold it twice.

    A forked child starts with it free, for the thread that held it is not there.
    """
    _sessions.add(session)
    return threading.RLock()


def offer() -> None:
    """Between two turns: let others have one, who could not wake up before the lock is taken again."""
    if threading.active_count() > 1:
        time.sleep(_PAUSE)


def _forget() -> None:
    for session in _sessions:
        session.turn = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
