"""Arrays in ``.npz`` files: written as a whole or not at all, read without trust and without pickle.

What is read takes no more than a few times the file's size in memory, whatever the file says of itself.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _files
from vgcore._files import Path

Array = NDArray[Any]

# Members may be compressed, as by `numpy.savez_compressed`, but not into next to nothing
_ROOM, _GROWTH = 2**24, 4
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, TypeError)
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|][fiubU]\d+)', 'fortran_order': (False|True), "
    rb"'shape': \(([\d, ]*)\), \} *\n",
    re.DOTALL,
)
_ZIP = b"PK\x03\x04"
_BEGINNINGS = {
    b"\x93NUMPY": "a .npy file, a single array",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.": "a PyTorch file",
    b"\x1f\x8b": "a gzip file",
}


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write ``arrays`` to exactly ``path``; see `vgcore._files.replace`."""
    _files.replace(path, lambda file: np.savez(file, **arrays))


def read(path: str) -> dict[str, Array]:
    """Read all arrays; ValueError with the reason if the file is no such file or is damaged."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError("it is a device or a pipe, not a file")
    with open(path, "rb") as file:
        beginning = file.read(4096)
        if not beginning.startswith(_ZIP):
            raise ValueError(f"it is {_kind(beginning)}")
        try:
            return _read_members(file)
        except OSError as error:  # seeking where no file can have a place is the content's fault
            if error.errno not in (None, errno.EINVAL):
                raise
            raise ValueError("it is damaged") from error


@contextlib.contextmanager
def refusing(path: str, expected: str, argument: str = "path") -> Iterator[None]:
    """Say what was expected of a file where its content makes anything go wrong."""
    try:
        yield
    except (OSError, MemoryError, ImportError):
        raise
    except Exception as error:
        reason = error.args[0] if isinstance(error, KeyError) else error
        raise ValueError(
            f"{argument}: expected {expected}, got {path!r}: {str(reason) or type(error).__name__}"
        ) from error


def _read_members(file: IO[bytes]) -> dict[str, Array]:
    """The arrays of a zip file; ValueError if it holds others than plain ones."""
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise ValueError("it is truncated or damaged") from error
    with archive:
        members = archive.infolist()
        _check_members(members, file.seek(0, os.SEEK_END))
        arrays = {}
        for member in members:
            try:
                content = bytearray(archive.read(member))
            except _DAMAGE as error:
                raise ValueError(f"it is damaged, in {member.filename!r}") from error
            arrays[member.filename.removesuffix(".npy")] = _array(member.filename, content)
    arrays.pop("allow_pickle", None)  # NumPy before 2.1 wrote its own argument
    return arrays


def _check_members(members: Sequence[zipfile.ZipInfo], size: int) -> None:
    """ValueError unless the members of a zip file of so many bytes are arrays that it can hold."""
    names = [member.filename for member in members]
    if any(name.endswith("/data.pkl") for name in names):
        raise ValueError("it is a PyTorch file")
    if "model.weights.h5" in names:
        raise ValueError("it is a Keras file")
    if len(set(names)) < len(names):
        raise ValueError("it is damaged: it holds two arrays of one name")
    if not all(
        member.filename.endswith(".npy") and member.compress_type in _PACKINGS for member in members
    ):
        raise ValueError("it is a zip file that holds more than plain arrays")
    total = sum(member.file_size for member in members)
    if total > _ROOM + _GROWTH * size:
        raise ValueError(f"it has {size} bytes, and claims to hold arrays of {total}")


def _array(name: str, content: bytearray) -> Array:
    """The array in the content of a ``.npy`` file; ValueError if it is not plain or not whole.

    `numpy.load` takes the memory that the header asks for before it knows whether so much will come.
    """
    header = _HEADER.match(content)
    try:
        if header is None or header.end() != 10 + int.from_bytes(content[8:10], "little"):
            raise ValueError("another header")
        dtype = np.dtype(header[1].decode())
        shape = tuple(map(int, re.findall(rb"\d+", header[3])))
        if math.prod(shape) * dtype.itemsize != len(content) - header.end():
            raise ValueError("another size")
        array = np.frombuffer(content, dtype, offset=header.end())
        return array.reshape(shape, order="F" if header[2] == b"True" else "C")
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{name!r} in it is no plain array, or is damaged") from error


def some(names: Iterable[str]) -> str:
    """The first few names, for a message."""
    few = sorted(names)
    return ", ".join([*few[:4], "..."] if len(few) > 4 else few) or "none"


def _kind(beginning: bytes) -> str:
    """What a file is, as far as its beginning tells."""
    for magic, kind in _BEGINNINGS.items():
        if beginning.startswith(magic):
            return kind
    if not beginning:
        return "empty"
    if beginning[8:10] == b'{"':
        return "a safetensors file"
    if beginning[:1] == b"\x08" and beginning[2:3] == b"\x12":
        return "an ONNX file, which vgcore.exchange.from_onnx reads"
    return "not an .npz file" if b"\0" in beginning or not _is_text(beginning) else "a text file"


def _is_text(beginning: bytes) -> bool:
    """Whether bytes are UTF-8, the last character cut off or not."""
    try:
        beginning.decode()
    except UnicodeDecodeError as error:
        return error.end == len(beginning) and error.reason == "unexpected end of data"
    return True
