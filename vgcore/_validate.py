"""Checks of user input: each names the argument, what was expected and what came."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any


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


def integer(argument: str, value: Any, *, minimum: int) -> int:
    """Return ``value`` as an int that is at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{argument}: expected an integer, got {value!r} ({type(value).__name__})")
    if value < minimum:
        raise ValueError(f"{argument}: expected an integer of at least {minimum}, got {value}")
    return int(value)


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
    number = float(value)
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
