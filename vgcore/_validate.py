"""Checks of user input: each names the argument, what was expected and what came."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from vgcore._core import arrays


def one_of(argument: str, value: Any, options: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``options``; else raise with the near misses."""
    options = list(options)
    if not isinstance(value, str):
        raise TypeError(f"{argument}: expected a name (str), got {type(value).__name__}")
    if value in options:
        return value
    near = difflib.get_close_matches(value.lower(), options, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(f"{argument}: expected one of {', '.join(options)}; got {value!r}{hint}")


def boolean(argument: str, value: Any) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{argument}: expected True or False, got {value!r}")
    return value


def integer(argument: str, value: Any, *, minimum: int, maximum: int = 2**31 - 1) -> int:
    """Return ``value`` as an int that is at least ``minimum`` and at most ``maximum``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{argument}: expected an integer, got {value!r} ({type(value).__name__})")
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
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
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


def array(argument: str, value: ArrayLike) -> NDArray[Any]:
    """``value`` as an array."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{argument}: expected an array, got lists of unequal lengths") from error


def finite(argument: str, values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Real numbers that are finite as ``dtype``, C-contiguous."""
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{argument}: expected real numbers, got dtype {values.dtype}")
    if values.dtype != dtype or not values.flags.c_contiguous:
        with np.errstate(over="ignore"):
            values = np.array(values, dtype=dtype, order="C")
    if not arrays.all_finite(values):
        bad = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"{argument}: expected finite {values.dtype} numbers, got {values[tuple(bad)]} "
            f"at {argument}[{', '.join(map(str, bad))}]"
        )
    return values
