"""Arrays as coarse as a canvas can show them: of each block of numbers the largest in magnitude."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_MOST = 128  # blocks either way; twice as many of a line's
_MOST_BYTES = 16_500  # of one array, so that a frame holds it and what is said of it
_LEAST_PLANE = 5  # numbers across a plane in a mosaic, the blank one included
_ENUMERABLE = 256  # numbers of a block whose places a byte can tell


class Coarse(NamedTuple):
    """An array (R, C) by blocks.

    Attributes
    ----------
    values : ndarray, (rows, columns)
        Of each block the number that is largest in magnitude, with its sign; NaN before all others.
    rows, columns : range
        Where blocks begin; their steps are a block's size.
    at : ndarray of uint8, (rows, columns), or None
        Which of a block's numbers it is, counted row by row; None where each block is of one, or a byte
        cannot tell.
    """

    values: Array
    rows: range
    columns: range
    at: Array | None

    @property
    def whole(self) -> bool:
        """Whether all numbers are there."""
        return self.rows.step == self.columns.step == 1


def coarse(values: Array) -> Coarse:
    """An array (R, C) by as many blocks as a frame can hold."""
    high, wide = values.shape
    rows, columns = _sizes(high, wide, values.itemsize)
    starts = range(0, high, rows), range(0, wide, columns)
    if rows == columns == 1:
        return Coarse(values, *starts, None)
    found, at = _blocks(values, rows, columns)
    told = at.astype(np.uint8) if rows * columns <= _ENUMERABLE else None
    return Coarse(found, *starts, told)


class Mosaic(NamedTuple):
    """Planes (C, H, W) side by side, row by row from the bottom up, a blank line between them.

    Attributes
    ----------
    values : ndarray, (rows, columns)
        The lowest row first.
    blank : ndarray of bool, (rows, columns)
        Where there is no plane.
    across : int
        Planes beside each other.
    high, wide : int
        Rows and columns of each, the blank one included.
    shown : int
        How many planes there was room for.
    block : int
        Either way, of how many numbers each is the one that is largest in magnitude.
    """

    values: Array
    blank: Array
    across: int
    high: int
    wide: int
    shown: int
    block: int


def mosaic(planes: Array) -> Mosaic:
    """Planes (C, H, W) as large as a frame can hold of as many as it can."""
    side = math.isqrt(_MOST_BYTES // (planes.itemsize + 1))
    count = min(len(planes), (side // _LEAST_PLANE) ** 2)
    across = math.ceil(math.sqrt(count))
    block = max(-(-max(planes.shape[1:]) // (side // across - 1)), 1)
    small = [_blocks(each[::-1], block, block)[0] for each in planes[:count]]
    high, wide = small[0].shape[0] + 1, small[0].shape[1] + 1
    down = -(-count // across)
    values = np.zeros((down * high, across * wide), planes.dtype)
    blank = np.full(values.shape, True)
    for place, each in enumerate(small):
        row, column = place // across * high, place % across * wide
        some = slice(row, row + high - 1), slice(column, column + wide - 1)
        values[some], blank[some] = each, False
    return Mosaic(values, blank, across, high, wide, count, block)


def _blocks(values: Array, rows: int, columns: int) -> tuple[Array, Array]:
    """Of each block the number that is largest in magnitude, and which it is."""
    high, wide = values.shape
    down, across = -(-high // rows), -(-wide // columns)
    padded = np.zeros((down * rows, across * columns), values.dtype)
    padded[:high, :wide] = values
    blocks = padded.reshape(down, rows, across, columns).swapaxes(1, 2).reshape(down, across, -1)
    at = np.argmax(np.abs(blocks), axis=2)
    return np.take_along_axis(blocks, at[..., np.newaxis], axis=2)[..., 0], at


def _sizes(high: int, wide: int, itemsize: int) -> tuple[int, int]:
    """Rows and columns of a block."""
    most = _MOST if high > 1 else 2 * _MOST
    rows, columns = max(-(-high // _MOST), 1), max(-(-wide // most), 1)
    while True:
        down, across = -(-high // rows), -(-wide // columns)
        if down * across * (itemsize + (rows * columns > 1)) <= _MOST_BYTES:
            return rows, columns
        if down > across:
            rows += 1
        else:
            columns += 1
