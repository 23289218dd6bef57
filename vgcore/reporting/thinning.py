"""Records thinned so that nothing is lost that stands out: of each bucket the first value, the least and the
largest finite one, and whether anything in it is zero, NaN or infinite.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MARKS = ("zero", "nan", "plus", "minus", "absent")
"""What a value may be that is no point on every axis: 0, NaN, infinite, -infinite, and not there at all.
Bit k of a mark says that one of the bucket's values is the k-th.
"""


class Thinned(NamedTuple):
    """A matrix in buckets of rows and columns.

    Attributes
    ----------
    first : ndarray, (R, C)
        The value at each bucket's first row and column.
    low, high : ndarray, (R, C), or None
        The least and largest finite value of each bucket, NaN where there is none; None where each bucket is
        one value.
    marks : ndarray of uint8, (R, C), or None
        Bits by `MARKS`; None where there are none.
    counts : ndarray of int, (C, 5)
        How many values of each bucket of columns are what in all rows, by `MARKS`.
    """

    first: Array
    low: Array | None
    high: Array | None
    marks: NDArray[np.uint8] | None
    counts: NDArray[np.int64]


def edges(size: int, buckets: int) -> NDArray[np.int64]:
    """Where each of at most so many buckets of 0 .. size - 1 begins; the last is a bucket of its own, so that
    both ends are told as they are.
    """
    if size <= buckets:
        return np.arange(size)
    return np.unique(np.linspace(0, size - 1, max(buckets, 2)).astype(np.int64))


def thinned(
    values: NDArray[Any], there: Mask, rows: NDArray[Any], columns: NDArray[Any]
) -> Thinned:
    """A matrix (S, N), of which only what is ``there`` counts, in buckets that begin at rows and columns."""
    values = np.asarray(values, np.float64)
    kinds = (values == 0, np.isnan(values), values == np.inf, values == -np.inf)
    flags = [kind & there for kind in kinds] + [~there]
    marks = np.zeros(values.shape, np.uint8)
    for bit, flag in enumerate(flags):
        marks |= flag.astype(np.uint8) << bit
    marks = _reduced(np.bitwise_or, marks, rows, columns)
    low = high = None
    if len(rows) < values.shape[0] or len(columns) < values.shape[1]:
        finite = np.isfinite(values) & there
        low = _reduced(np.minimum, np.where(finite, values, np.inf), rows, columns)
        high = _reduced(np.maximum, np.where(finite, values, -np.inf), rows, columns)
        empty = low > high
        low[empty] = high[empty] = np.nan
    first = np.where(there, values, np.nan)[np.ix_(rows, columns)]
    sums = np.stack([flag.sum(axis=0) for flag in flags], axis=1)
    counts = np.add.reduceat(sums, columns, axis=0)
    return Thinned(first, low, high, marks if marks.any() else None, counts)


def _reduced(how: np.ufunc, values: NDArray[Any], rows: Any, columns: Any) -> NDArray[Any]:
    reduced: NDArray[Any] = how.reduceat(how.reduceat(values, rows, axis=0), columns, axis=1)
    return reduced
