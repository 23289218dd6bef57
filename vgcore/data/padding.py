"""Sequences of unequal lengths as one array."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vgcore._validate import array, described, fits, integer, items, one_of, real

Array = NDArray[Any]
_EXPECTED = "an iterable of sequences, each (time,) or (time, features)"


class Padded(NamedTuple):
    """Sequences side by side, and how long each is if they stand at the front."""

    x: Array
    lengths: NDArray[np.int64] | None


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: DTypeLike | None = None,
    padding: str = "post",
    truncating: str = "pre",
    value: float = 0.0,
) -> Padded:
    """Make one array of sequences of unequal lengths: ``x, lengths = pad_sequences(sequences)``.

    The arguments are those of `keras.utils.pad_sequences`, but padding stands behind the sequences: where
    ``model.fit(x, y, lengths=lengths)`` is told their lengths, it is never run.

    Parameters
    ----------
    sequences : iterable of array_like, each (time,) or (time, features)
        Integers, or real numbers; all of the same number of features. A sequence may be empty.
    maxlen : int, optional
        Timesteps of ``x``; by default those of the longest sequence.
    dtype : dtype, optional
        Of ``x``: integers or reals; by default what holds all of the sequences.
    padding : {"post", "pre"}
        Whether ``value`` stands behind sequences that are shorter or, as Keras has it by default, in front of
        them.
    truncating : {"pre", "post"}
        Whether sequences that are longer lose their first timesteps or their last ones.
    value : float
        What fills the array.

    Returns
    -------
    x : ndarray, (n, maxlen) or (n, maxlen, features)
    lengths : ndarray of int64, (n,), or None
        Timesteps of each sequence that are in ``x``, as `Sequential.fit` and its like take them; None if they
        stand behind padding, for then all timesteps have to be run.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, sequences differ in their features, there are
        none, or ``dtype`` does not hold their numbers.
    """
    one_of("padding", padding, ("post", "pre"))
    one_of("truncating", truncating, ("pre", "post"))
    fill = real("value", value)
    given = _sequences(sequences)
    longest = max(map(len, given))
    times = longest if maxlen is None else integer("maxlen", maxlen, minimum=1)
    if times == 0:
        raise ValueError("sequences: expected at least one timestep, got empty sequences alone")
    features = given[0].shape[1:]
    fits("maxlen", len(given) * times * math.prod(features))
    chosen = _dtype(dtype, given)
    _check_holds("value", np.asarray(fill), chosen)
    x = np.full((len(given), times, *features), fill, chosen)
    for row, each in zip(x, given, strict=True):
        _check_holds("sequences", each, chosen)
        part = each[-times:] if truncating == "pre" else each[:times]
        begin = 0 if padding == "post" else times - len(part)
        row[begin : begin + len(part)] = part
    if padding == "pre":
        return Padded(x, None)
    return Padded(x, np.array([min(len(each), times) for each in given], np.int64))


def _sequences(sequences: Any) -> list[Array]:
    """Each as an array of numbers; empty ones have the features of the others."""
    given = [
        array(f"sequences[{i}]", each)
        for i, each in enumerate(items("sequences", sequences, _EXPECTED))
    ]
    if not given:
        raise ValueError("sequences: expected one at least, got none")
    for i, each in enumerate(given):
        if each.ndim not in (1, 2):
            raise ValueError(
                f"sequences[{i}]: expected shape (time,) or (time, features), got {each.shape}"
            )
        if each.dtype.kind not in "iufb":
            raise TypeError(f"sequences[{i}]: expected real numbers, got {described(each)}")
    full = next((each for each in given if each.size), given[0])
    for i, each in enumerate(given):
        if each.shape == (0,):  # an empty list is of no number of features, and of no dtype
            given[i] = np.empty((0, *full.shape[1:]), full.dtype)
        elif each.shape[1:] != full.shape[1:]:
            wanted = ", ".join(map(str, ("time", *full.shape[1:])))
            raise ValueError(
                f"sequences[{i}]: expected shape ({wanted}) as of the others, got {each.shape}"
            )
    return given


def _dtype(dtype: DTypeLike | None, given: list[Array]) -> np.dtype[Any]:
    """The dtype that is asked for, or what holds all sequences."""
    if dtype is None:
        return np.result_type(*given)
    try:
        chosen = np.dtype(dtype)
    except (TypeError, ValueError):
        chosen = np.dtype(object)
    if chosen.kind not in "iuf":
        raise ValueError(f"dtype: expected one of integers or reals, got {dtype!r}")
    return chosen


def _check_holds(argument: str, values: Array, dtype: np.dtype[Any]) -> None:
    """Raise if integers of ``dtype`` would be other numbers; reals may be rounded."""
    if dtype.kind == "f" or values.size == 0 or np.can_cast(values.dtype, dtype):
        return
    bounds = np.iinfo(dtype) if dtype.kind in "iu" else None
    least, most = (0, 1) if bounds is None else (bounds.min, bounds.max)
    wrong = ~((values >= least) & (values <= most) & (values == np.floor(values)))
    if wrong.any():
        raise ValueError(f"{argument}: expected numbers that {dtype} holds, got {values[wrong][0]}")
