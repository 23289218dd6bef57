"""Files that are written as a whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import stat
from collections.abc import Callable
from typing import IO, Any

from vgcore import _validate

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def replace(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Have ``write`` write to exactly ``path``; a file that is there is replaced whole or not at all.

    Symbolic links are followed, the file's mode is kept, devices and pipes are written directly.
    """
    name = _validate.path("path", path)
    target = os.path.realpath(name)
    if _is_no_file(name, target):
        try:
            whole = io.BytesIO()  # a device has no places that a zip file could speak of
            write(whole)
            with open(name, "wb") as file:
                file.write(whole.getbuffer())
        except OSError as error:  # what is full says so without its name
            error.filename = name
            raise
        return
    beside = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.tmp")
    try:
        with _create(beside, name) as file:
            if os.path.exists(target):
                os.chmod(beside, stat.S_IMODE(os.stat(target).st_mode))
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def check_writable(path: Path) -> None:
    """Raise the OSError that `replace` would, before any work, as far as can be known; nothing is changed."""
    name = _validate.path("path", path)
    target = os.path.realpath(name)
    if _is_no_file(name, target):
        if os.path.isdir(name) or not os.path.exists(name):
            open(name, "wb").close()  # raises, and says which of these it is
        return
    beside = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.tmp")
    _create(beside, name).close()
    os.unlink(beside)


def _is_no_file(path: str, target: str) -> bool:
    """Whether a path cannot be replaced by a file: it is a device, a pipe, a folder, a loop of links."""
    if os.path.basename(path) in ("", os.curdir, os.pardir) or os.path.islink(target):
        return True
    return os.path.exists(path) and not os.path.isfile(target)


def _create(beside: str, path: str) -> IO[bytes]:
    """A new file; an error speaks of ``path``, the only one that the user knows."""
    try:
        return open(beside, "xb")
    except OSError as error:
        error.filename = path
        raise
