"""How many threads the engine may use.

Results never depend on it: they are bitwise equal for any number of threads. Small work runs on one
thread by itself, and within the number given here the engine finds out how many pay (src/pace.h).
"""

from __future__ import annotations

import os
import sys
import time

from vgcore import _validate
from vgcore._core import team
from vgcore.model import cpus, threadpools

_LOOK_SECONDS = 1.0  # for which what the system said is believed


def _from_environment() -> int | None:
    text = os.environ.get("VGCORE_NUM_THREADS")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) < 2**31:
        raise ImportError(
            f"VGCORE_NUM_THREADS: expected an integer from 1 to 2147483647, got {text!r}"
        )
    return int(text)


_chosen = _from_environment()
_limit: int | None = None  # of threadpoolctl
_default = 1
_number = 1  # what follows from all of these
_look_again = 0.0  # at this time of the monotonic clock


def openmp_threads() -> int | None:
    """The first number of ``OMP_NUM_THREADS``; None where there is none, as OpenMP does with nonsense."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def _look(now: float) -> None:
    """Ask the system how many threads it allows by default."""
    global _default, _look_again
    asked = openmp_threads()
    _default = min(cpus.usable(), asked) if asked else cpus.fair_share()
    _look_again = now + _LOOK_SECONDS
    _settle()


def _settle() -> None:
    """Work the number out, and tell the engine."""
    global _number
    number = _default if _chosen is None else _chosen
    _number = number if _limit is None else min(number, _limit)
    team.set_limit(_number)


def set_num_threads(n: int) -> None:
    """Let the engine use up to ``n`` threads from now on, of all Python threads together.

    Raises
    ------
    TypeError, ValueError
        If ``n`` is not an integer of at least 1.
    """
    global _chosen, _limit
    _chosen = _validate.integer("n", n, minimum=1)
    _limit = None
    _settle()


def get_num_threads() -> int:
    """How many threads the engine may use.

    That is the number of the last `set_num_threads`, or ``VGCORE_NUM_THREADS``. By default it is the CPUs
    that the process may use (affinity, a cgroup's quota), at most ``OMP_NUM_THREADS``; workers of a pool of
    processes divide them among each other. ``threadpoolctl`` can lower it.
    """
    now = time.monotonic()
    if now >= _look_again:
        _look(now)
    return _number


def startable(most: int) -> int:
    """Threads of Python's own to start for ``most`` pieces of work; 0 in a browser, where there are none."""
    return 0 if sys.platform == "emscripten" else min(get_num_threads(), most)


def _set_limit(n: int) -> None:
    """Use at most ``n`` threads, until `set_num_threads` is called or the limit is lifted."""
    global _limit
    _limit = None
    _settle()
    if n < _number:
        _limit = max(1, n)
        _settle()


def _forget() -> None:
    """Look again at once: a forked child is a worker."""
    global _look_again
    _look_again = 0.0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
threadpools.control("team.", "vg_team_share", get=get_num_threads, set_=_set_limit)
get_num_threads()
