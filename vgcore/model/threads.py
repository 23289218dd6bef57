"""How many threads the engine may use.

Results never depend on it: they are bitwise equal for any number of threads. Small work runs on one
thread by itself.
"""

from __future__ import annotations

import os

from vgcore import _validate


def _available() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _from_environment() -> int:
    text = os.environ.get("VGCORE_NUM_THREADS")
    if not text:
        return _available()
    if not text.isdecimal() or int(text) < 1:
        raise ImportError(f"VGCORE_NUM_THREADS: expected an integer of at least 1, got {text!r}")
    return int(text)


_threads = _from_environment()


def set_num_threads(n: int) -> None:
    """Let the engine use up to ``n`` threads from now on.

    Raises
    ------
    TypeError, ValueError
        If ``n`` is not an integer of at least 1.
    """
    global _threads
    _threads = _validate.integer("n", n, minimum=1)


def get_num_threads() -> int:
    """How many threads the engine may use: at first ``VGCORE_NUM_THREADS``, or every core."""
    return _threads
