"""A frame as bytes: a tree of dicts, lists, texts and numbers as JSON, its arrays behind it as they are.

    0   "vgcf"
    4   version, 2 bytes; 2 more that are 0
    8   length of the JSON, 4 bytes
    12  JSON in UTF-8, spaces behind it up to a multiple of 8
    ..  arrays, each from a multiple of 8 on

All numbers are little-endian. In the JSON an array is {"$": [kind, offset, length, ...shape]}, with its
offset from the end of the JSON. vgcore/page/frames.js reads it.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1
_MAGIC = b"vgcf"
_HEAD = struct.Struct("<4sHHI")
_ALIGNED = 8
_KINDS = {"f8": "<f8", "f4": "<f4", "i4": "<i4", "u1": "|u1"}


def pack(tree: Any) -> bytes:
    """Return a tree as bytes.

    Parameters
    ----------
    tree : dict, list, str, int, float, bool, None or ndarray
        Nested; floats outside of arrays are finite. Arrays are of float64, float32, int32 or uint8.

    Raises
    ------
    TypeError, ValueError
        If something in it is of another kind.
    """
    parts: list[bytes] = []
    offset = 0

    def place(array: Any) -> dict[str, Any]:
        nonlocal offset
        if not isinstance(array, np.ndarray):
            raise TypeError(f"expected what JSON holds, or an array, got {type(array).__name__}")
        kind = f"{array.dtype.kind}{array.dtype.itemsize}"
        if kind not in _KINDS:
            raise TypeError(f"expected an array of {', '.join(_KINDS)}, got {array.dtype}")
        data = np.ascontiguousarray(array, _KINDS[kind]).tobytes()
        parts.append(data.ljust(_up(len(data)), b"\0"))
        begin, offset = offset, offset + len(parts[-1])
        return {"$": [kind, begin, array.size, *array.shape]}

    text = json.dumps(
        tree, default=place, allow_nan=False, separators=(",", ":"), ensure_ascii=False
    )
    encoded = text.encode(errors="backslashreplace")  # half a surrogate pair, as JSON writes it
    encoded = encoded.ljust(_up(_HEAD.size + len(encoded)) - _HEAD.size)
    return b"".join([_HEAD.pack(_MAGIC, VERSION, 0, len(encoded)), encoded, *parts])


def unpack(data: bytes) -> Any:
    """Return the tree that `pack` made bytes of.

    Raises
    ------
    ValueError
        If they are no frame, or one of another version.
    """
    if len(data) < _HEAD.size or data[:4] != _MAGIC:
        raise ValueError(f"expected a frame, which begins with {_MAGIC!r}; got {data[:4]!r}")
    _, version, _, length = _HEAD.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"expected a frame of version {VERSION}, got version {version}")
    behind = _HEAD.size + length

    def found(held: dict[str, Any]) -> Any:
        if "$" not in held:
            return held
        kind, begin, size, *shape = held["$"]
        array: NDArray[Any] = np.frombuffer(data, _KINDS[kind], size, behind + begin)
        return array.reshape(shape)

    return json.loads(data[_HEAD.size : behind], object_hook=found)


def _up(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
