"""Locks that a forked child finds free: the thread that held one is not there."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from weakref import WeakKeyDictionary

_attributes: WeakKeyDictionary[object, str] = WeakKeyDictionary()


def lock_of(owner: object, attribute: str) -> AbstractContextManager[bool]:
    """A lock for an attribute of ``owner``; a thread may hold it twice."""
    _attributes[owner] = attribute
    return threading.RLock()


def _renew() -> None:
    for owner, attribute in _attributes.items():
        setattr(owner, attribute, threading.RLock())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
