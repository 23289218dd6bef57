"""Locks of threads, which a forked child finds free, and of processes, which end with theirs."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class FolderLock:
    """Held by a process for a folder, until the object is gone or the process ends.

    BlockingIOError where another process holds it. Where the system cannot lock folders, nobody is refused.
    """

    def __init__(self, folder: str) -> None:
        if fcntl is None:
            return
        place = os.open(folder, os.O_RDONLY)
        weakref.finalize(self, os.close, place)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # some file systems of networks
            return


def lock_folder(folder: Any) -> FolderLock:
    """The lock of this process for a folder, which all of its threads share."""
    name = os.path.realpath(folder)
    held = _folders.get(name)
    if held is None:
        held = _folders[name] = FolderLock(name)
    return held


_attributes: WeakKeyDictionary[object, str] = WeakKeyDictionary()
_folders: WeakValueDictionary[str, FolderLock] = WeakValueDictionary()


def lock_of(owner: object, attribute: str) -> AbstractContextManager[bool]:
    """A lock for an attribute of ``owner``; a thread may hold it twice."""
    _attributes[owner] = attribute
    return threading.RLock()


def _renew() -> None:
    for owner, attribute in _attributes.items():
        setattr(owner, attribute, threading.RLock())


multiplying = threading.Lock()
"""Held by a thread in the background while it works with NumPy, so that no fork comes between.

OpenBLAS waits forever for its threads if a process forks, or ends, while another thread multiplies matrices.
"""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
    os.register_at_fork(
        before=multiplying.acquire,
        after_in_parent=multiplying.release,
        after_in_child=multiplying.release,
    )
