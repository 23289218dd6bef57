"""Matrices of a record as a page holds them: how many buckets of steps fit, and what is told of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore.plot import fields
from vgcore.reporting import packing
from vgcore.reporting.thinning import Mask, thinned

BYTES = 3 * 4 + 1  # of a bucket: three numbers and its marks
_FEWEST, _MOST = 8, 480  # buckets of steps


class Series(NamedTuple):
    """A field as a matrix of steps by layers, timesteps or units."""

    about: fields.Field
    values: NDArray[Any]
    there: Mask
    like: str = ""  # the field whose values it has, every one


def buckets(steps: int, columns: int, room: int) -> int:
    """How many buckets of steps fit; all steps, where these do."""
    if steps * columns * 5 * 4 / 3 <= room and steps <= 3 * _MOST:  # one number and marks each
        return steps
    return int(np.clip(room * 3 / 4 / (columns * BYTES), _FEWEST, _MOST))


def steps_in(step: NDArray[np.int64], rows: NDArray[Any]) -> dict[str, Any]:
    """The number of each bucket's first step, and of its last."""
    last = np.append(rows[1:], len(step)) - 1
    return {"first": step[rows].tolist(), "last": step[last].tolist()}


def packed_in(
    series: Series, rows: NDArray[Any], columns: NDArray[Any] | None = None
) -> dict[str, Any]:
    """A matrix as JSON can hold it, in buckets that begin at rows and columns; every column by default."""
    columns = np.arange(series.values.shape[1]) if columns is None else columns
    told = thinned(series.values, series.there, rows, columns)
    held: dict[str, Any] = {"first": packing.numbers(told.first), "counts": told.counts.tolist()}
    if told.low is not None and told.high is not None:
        held.update(low=packing.numbers(told.low), high=packing.numbers(told.high))
    if told.marks is not None:
        held["marks"] = packing.octets(told.marks)
    return held


def size_of(held: Any) -> int:
    """How many characters the texts take that something holds."""
    if isinstance(held, dict):
        return sum(map(size_of, held.values()))
    return len(held) if isinstance(held, str) else 0
