"""Numbers as texts that a page's script reads."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

PRECISION = "six significant digits"
"""Of what `numbers` keeps, over the whole range of double precision."""


def numbers(values: ArrayLike) -> str:
    """Doubles without their last 32 bits, rounded, as base64: their whole range in half of their room.

    A float32 would make zeros of gradients below 1e-45, which deep networks have.
    """
    doubles = np.ascontiguousarray(values, "<f8")
    bits = doubles.view("<u8")
    finite = np.isfinite(doubles)
    rounded = np.where(finite & (np.abs(doubles) < 1e308), bits + np.uint64(2**31), bits)
    return _base64((rounded >> np.uint64(32)).astype("<u4"))


def octets(values: NDArray[Any]) -> str:
    """Integers of 0 .. 255 as base64."""
    return _base64(np.ascontiguousarray(values, np.uint8))


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()
