"""Arrays in ``.npz`` files, without pickle."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, KeyError)
Path = str | os.PathLike[str]


def write(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write ``arrays`` to exactly ``path``; a file that is there is replaced whole or not at all."""
    beside = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(beside, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


def read(path: Path) -> dict[str, Array]:
    """Read all arrays; ValueError with the reason if the file is no such file or is damaged."""
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is not an .npz file, or is truncated")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (*_DAMAGE, ValueError) as error:
            raise ValueError("it is damaged, or holds more than plain arrays") from error
