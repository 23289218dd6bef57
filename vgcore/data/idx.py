"""The IDX format, in which MNIST and its relatives are published.

A file is two zero bytes, one byte for the type of the elements, one for the number of dimensions,
the dimensions as big-endian 32-bit unsigned integers, and the elements, big-endian, last dimension
fastest. Nothing follows.

A header is believed only as far as the file bears it out: memory grows with what has been read, so
a forged size cannot ask for more than the file holds.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate

_ELEMENTS: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


def read(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, gzipped or not (told by its content, not by its name).

    Parameters
    ----------
    path : str or PathLike
        The file.

    Returns
    -------
    ndarray
        The elements in the shape that the header gives: C-contiguous, writable, of the machine's
        byte order; uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    OSError
        If the file cannot be opened or read.
    ValueError
        If it is not an IDX file, is cut short, goes on after its last element, or is a broken gzip
        stream.
    """
    name = _validate.path("path", path)
    with open(name, "rb") as file:
        magic = file.read(len(_GZIP_MAGIC))
        file.seek(0)
        if magic != _GZIP_MAGIC:
            return _parse(file, name)
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                return _parse(stream, name)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(
                f"{name}: expected a whole gzip stream, got a broken one ({error})"
            ) from error


def _parse(stream: io.BufferedIOBase, name: str) -> NDArray[Any]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _ELEMENTS or magic[3] == 0:
        types = ", ".join(f"{code:02x}" for code in _ELEMENTS)
        raise ValueError(
            f"{name}: expected an IDX file, which begins with 00 00, an element type ({types}) and "
            f"a number of dimensions; got {magic.hex(' ') or 'an empty file'}"
        )
    dtype, rank = _ELEMENTS[magic[2]], magic[3]

    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise ValueError(
            f"{name}: expected {4 * rank} bytes for {rank} dimensions, got {len(sizes)}"
        )
    shape = struct.unpack(f">{rank}I", sizes)

    expected = math.prod(shape) * dtype.itemsize
    content = _read_at_most(stream, expected + 1)
    if len(content) != expected:
        got = "more" if len(content) > expected else f"{len(content)}"
        raise ValueError(
            f"{name}: expected {expected} bytes of elements for shape {shape}, got {got}"
        )
    try:
        array = np.ndarray(shape, dtype, buffer=content)
    except ValueError as error:
        raise ValueError(
            f"{name}: expected a shape that NumPy can hold, got {shape} ({error})"
        ) from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_at_most(stream: io.BufferedIOBase, size: int) -> bytearray:
    """Read ``size`` bytes, or up to the end of the stream if that comes first."""
    content = bytearray()
    # read(size) would allocate all of size before it knows how much the stream holds.
    while chunk := stream.read(min(_CHUNK, size - len(content))):
        content += chunk
    return content
