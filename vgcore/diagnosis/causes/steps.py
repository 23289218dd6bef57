"""The way of a gradient back, in steps: its size at each place, and what the step to there was."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.finding import Factor
from vgcore.flow import Internals

Array = NDArray[Any]
Step = Literal["weights", "slopes", "norms", "skips"]


def there(internals: Internals, array: Array) -> Array:
    """Which samples and timesteps of an array (n, time, ...) are no padding: (n, time) of bool."""
    times = np.arange(array.shape[1])
    if internals.lengths is None:
        return np.ones(array.shape[:2], bool)
    lengths = internals.lengths[:, np.newaxis]
    if internals.align == "end":
        return np.asarray(times >= len(times) - lengths)
    return np.asarray(times < lengths)


def root_mean_square(*arrays: Array) -> float:
    """Over all numbers of all arrays, in double, without overflow; NaN of none, or if one is."""
    numbers = np.concatenate([array.ravel() for array in arrays]).astype(np.float64)
    if not numbers.size:
        return math.nan
    largest = float(np.max(np.abs(numbers)))
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(np.mean((numbers / largest) ** 2))


def ratio(below: float, above: float) -> float:
    """What is multiplied by; NaN of 0 by 0, infinite of all else by 0."""
    if above != 0:
        return below / above
    return math.nan if below == 0 or math.isnan(below) else math.inf


class Path:
    """One factor in the making: how large the gradient is where it has come to.

    Parameters
    ----------
    size : float
        Where it begins.
    """

    def __init__(self, size: float) -> None:
        self._first = self._size = size
        self._parts: dict[Step, float] = {}

    def go(self, size: float, step: Step) -> None:
        """Go on to where the gradient has another size.

        Where it has become 0 or infinite, further steps that leave it so count as 1, and the product of the
        parts is still the total.
        """
        stays = size == self._size and (self._size == 0 or math.isinf(self._size))
        by = 1.0 if stays and self._parts else ratio(size, self._size)
        self._parts[step] = self._parts.get(step, 1.0) * by
        self._size = size

    @property
    def size(self) -> float:
        """Where it has come to."""
        return self._size

    @property
    def moved(self) -> bool:
        """Whether any step has changed it."""
        return any(part != 1 for part in self._parts.values())

    def factor(self, place: str) -> Factor:
        """All of it together."""
        total = ratio(self._size, self._first) if self._parts else 1.0
        return Factor(place, total, **self._parts)
