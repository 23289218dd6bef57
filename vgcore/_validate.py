"""Checks of user input: each names the argument, what was expected and what came."""

from __future__ import annotations

import difflib
import math
import numbers
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from vgcore import _answers
from vgcore._core import arrays

_MOST_NAMED = 60  # of more options a message names some
_MOST_SHOWN = 80  # letters of a value that a message repeats


def one_of(argument: str, value: Any, options: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``options``; else raise with the near misses."""
    options = list(options)
    if not isinstance(value, str):
        raise TypeError(
            f"{argument}: expected a name (str), got {type(value).__name__}"
            f"{_answers.no_name(argument, value)}"
        )
    if value in options:
        return value
    hint = _answers.name(argument, value)
    if argument == "field" and not hint:
        hint = _answers.field(value, options)
    near = difflib.get_close_matches(value.lower(), options, n=3, cutoff=0.5)
    if near and not hint:
        hint = f"; did you mean {' or '.join(map(repr, near))}?"
    named = ", ".join(options)
    if len(options) > _MOST_NAMED:
        named = f"{', '.join(options[:10])}, ..., {options[-1]} ({len(options):,} in all)"
    raise ValueError(f"{argument}: expected one of {named}; got {value!r}{hint}")


def boolean(argument: str, value: Any) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{argument}: expected True or False, got {value!r}")
    return value


def integer(argument: str, value: Any, *, minimum: int, maximum: int = 2**31 - 1) -> int:
    """Return ``value`` as an int that is at least ``minimum`` and at most ``maximum``."""
    number: int = value
    if type(value) is not int:  # a quick look: a deep model has many
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise TypeError(
                f"{argument}: expected an integer, got {value!r} ({type(value).__name__})"
            )
        number = int(value)
    if number < minimum:
        raise ValueError(f"{argument}: expected an integer of at least {minimum}, got {number}")
    if number > maximum:
        raise ValueError(f"{argument}: expected an integer of at most {maximum}, got {number}")
    return number


def real(
    argument: str,
    value: Any,
    *,
    above: float = -math.inf,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    below: float = math.inf,
) -> float:
    """Return ``value`` as a finite float with above < value < below, minimum <= value <= maximum."""
    plain = type(value) is float or type(value) is int
    if not plain and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
        raise TypeError(f"{argument}: expected a number, got {value!r} ({type(value).__name__})")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isfinite(number) and above < number < below and minimum <= number <= maximum:
        return number
    bounds = [
        f"{words} {bound:g}"
        for words, bound in (
            ("above", above),
            ("of at least", minimum),
            ("of at most", maximum),
            ("below", below),
        )
        if math.isfinite(bound)
    ]
    expected = " and ".join(bounds)
    raise ValueError(
        f"{argument}: expected a finite number {expected}".rstrip() + f", got {number:g}"
    )


def items(argument: str, value: Any, expected: str) -> Iterator[Any]:
    """The items of an iterable, which is ``expected``, but of no str, bytes and dict.

    One by one, so that a check of each ends at the first wrong one of a long range.
    """
    try:
        given: Iterator[Any] | None = (
            None if isinstance(value, str | bytes | Mapping) else iter(value)
        )
    except TypeError:  # where isinstance would call an array without axes iterable
        given = None
    if given is None:
        came, type_ = repr(value), type(value).__name__
        came = f"{came} ({type_})" if len(came) <= _MOST_SHOWN else type_
        raise TypeError(f"{argument}: expected {expected}, got {came}")
    return given


def kind(value: Any) -> str:
    """The type of a value in words: a class itself is a common slip."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def resolved(argument: str, value: float | None, dtype: np.dtype[Any]) -> None:
    """Raise if arithmetic in ``dtype``, which flushes subnormal numbers, takes ``value`` > 0 for 0."""
    least = np.finfo(dtype).tiny
    if value is not None and value < least:
        raise ValueError(
            f"{argument}: expected at least {least:.3g}, for less is 0 in {dtype}; got {value:g}"
        )


def real_dtype(argument: str, value: Any) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        chosen: np.dtype[Any] = np.dtype(object if value is None else value)
    except (TypeError, ValueError):
        chosen = np.dtype(object)
    if chosen.char not in "fd" or not chosen.isnative:
        raise ValueError(f"{argument}: expected float32 or float64, got {value!r}")
    return chosen


def name(argument: str, value: Any) -> str:
    """A name that files can hold: a str of at most 255 printable characters, and at least one."""
    if not isinstance(value, str):
        raise TypeError(f"{argument}: expected a str, got {value!r} ({type(value).__name__})")
    if not value or not value.isprintable() or len(value) > 255:
        came = repr(value) if len(value) <= 255 else f"one of {len(value)}"
        raise ValueError(
            f"{argument}: expected a non-empty str of at most 255 printable characters, got {came}"
        )
    return value


def array(argument: str, value: ArrayLike) -> NDArray[Any]:
    """``value`` as an array, a tensor of PyTorch off its graph and its device.

    ValueError where a mask hides elements that would be read.
    """
    if type(value) is np.ndarray:
        return value
    if callable(getattr(value, "detach", None)):
        value = _of_tensor(value)
    if _masked(value):
        raise ValueError(
            f"{argument}: expected an array without masked elements, got a masked array; its filled() is one"
        )
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{argument}: expected an array, got lists of unequal lengths") from error


def _of_tensor(value: Any) -> NDArray[Any]:
    tensor = value.detach().cpu()
    try:
        array: NDArray[Any] = tensor.numpy()
    except TypeError:  # bfloat16, which NumPy has not and float32 holds
        array = tensor.float().numpy()
    return array


def _masked(value: Any) -> bool:
    """Whether it is a masked array, or lists of some, in which elements are masked."""
    if isinstance(value, np.ma.MaskedArray):
        return bool(np.ma.is_masked(value))
    if not isinstance(value, list | tuple):
        return False
    # Of lists of numbers no element is looked at: as a set of types they are done at once
    kinds = set(map(type, value))
    return any(issubclass(kind, np.ma.MaskedArray | list | tuple) for kind in kinds) and any(
        map(_masked, value)
    )


def described(values: NDArray[Any]) -> str:
    """The dtype of an array that is refused for it, and what it was made of, if that was no array."""
    if values.dtype == object and values.ndim == 0:
        return f"dtype object ({type(values[()]).__name__})"
    return f"dtype {values.dtype}"


def finite(argument: str, values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Real numbers that are finite as ``dtype``, C-contiguous."""
    values = _cast(argument, values, dtype)
    if not arrays.all_finite(values):
        bad = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"{argument}: expected finite {values.dtype} numbers, got {_at(argument, values, bad)}"
        )
    return values


def state(
    argument: str, values: NDArray[Any], dtype: DTypeLike, *, negative: bool = True
) -> NDArray[Any]:
    """Real numbers as ``dtype``, C-contiguous, at least 0 unless they may be ``negative``.

    NaN and infinity pass: so does what a network is left in that has diverged.
    """
    cast = _cast(argument, values, dtype)
    if cast is not values:
        lost = np.isinf(cast) & np.isfinite(values)
        if lost.any():
            raise ValueError(
                f"{argument}: expected numbers that are finite as {cast.dtype} or are not finite at "
                f"all, got {_at(argument, values, np.argwhere(lost)[0])}"
            )
    if not negative:
        below = cast < 0
        if below.any():
            raise ValueError(
                f"{argument}: expected numbers >= 0, got "
                f"{_at(argument, cast, np.argwhere(below)[0])}"
            )
    return cast


def _cast(argument: str, values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Real numbers as ``dtype``, C-contiguous; a copy only where they are not."""
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{argument}: expected real numbers, got {described(values)}")
    if values.dtype != dtype or not values.flags.c_contiguous:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array(values, dtype=dtype, order="C")
    return values


def _at(argument: str, values: NDArray[Any], place: NDArray[Any]) -> str:
    """An element, and where it is."""
    return f"{values[tuple(place)]} at {argument}[{', '.join(map(str, place))}]"


def path(argument: str, value: Any) -> str:
    """A path as a str."""
    if not isinstance(value, str | bytes | os.PathLike):
        raise TypeError(
            f"{argument}: expected a path (str, bytes or os.PathLike), got {type(value).__name__}"
        )
    name = os.fsdecode(value)
    if "\0" in name:
        raise ValueError(f"{argument}: expected a path without null characters, got {name!r}")
    return name


def fits(argument: str, numbers: int, itemsize: int = 8) -> None:
    """Raise before integers overflow: no machine has so much memory. What is less is the machine's to say."""
    if numbers * itemsize > 2**50:
        raise MemoryError(
            f"{argument}: expected what fits into memory, got {numbers:,} numbers, {size(numbers * itemsize)}"
        )


def size(count: float) -> str:
    """Bytes, for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} TiB"
