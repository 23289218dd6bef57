"""What mean-field theory expects of a course's start, worked out beside the training."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import theory
from vgcore._locks import multiplying
from vgcore.live import networks
from vgcore.live.course import Course

Array = NDArray[np.float64]

_SAMPLES = 32


class Expected:
    """A prediction, scaled to what was seen at the first step: theory knows no loss."""

    def __init__(self, prediction: theory.Prediction, columns: list[str]) -> None:
        places = [prediction.layers.index(name) for name in columns]
        self._delta = np.asarray(prediction.of("delta")[0], float)[places]
        self._time = prediction.time.get(columns[0])

    def over_layers(self, course: Course) -> Array:
        """Norms of the error signals of layers with weights."""
        first = course.first
        seen = first.delta[0, [first.layers.index(name) for name in course.layers]]
        return _meeting(self._delta, seen)

    def over_time(self, course: Course) -> Array:
        """Norms of dL/dh_t."""
        seen = course.first.time[course.layers[0]][0]
        return np.full(len(seen), np.nan) if self._time is None else _meeting(self._time, seen)


class Theorist:
    """Works out one prediction after the other, in a thread of its own where there may be one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, Expected | None] = {}
        self._busy = False

    def expected(self, course: Course) -> Expected | None:
        """The prediction of a course's network, once it is known; asks for it otherwise."""
        key = _key(course)
        with self._lock:
            if key in self._found or self._busy:
                return self._found.get(key)
            self._busy = True
        values, x, columns = course.values, course.x, course.layers
        # No daemon: Python's end waits for it, and not OpenBLAS's for one that is gone
        work = threading.Thread(target=self._work, args=(key, values, x, columns))
        try:
            work.start()
        except RuntimeError:  # WebAssembly has none
            self._work(key, values, x, columns)
        return None

    def settle(self, course: Course) -> None:
        """Work out the prediction now."""
        if not self.knows(course):
            self._work(_key(course), course.values, course.x, course.layers)

    def knows(self, course: Course) -> bool:
        """Whether a prediction is known, or known to be none."""
        return _key(course) in self._found

    def _work(self, key: str, values: Any, x: Any, columns: list[str]) -> None:
        found = None
        try:
            if not networks.sets_biases(values):
                with multiplying:
                    prediction = theory.predict(networks.built(values, x), x[:_SAMPLES])
                found = Expected(prediction, columns)
        except (
            ValueError,
            ArithmeticError,
        ):  # of what theory does not speak of, such as some formulas
            found = None
        finally:
            with self._lock:
                if len(self._found) > 50:
                    self._found.clear()
                self._found[key] = found
                self._busy = False


def _key(course: Course) -> str:
    return f"{course.task.code(course.values)}\n{networks.code(course.values)}"


def _meeting(expected: Array, seen: Array) -> Array:
    """Expected sizes by the factor that makes the last one what was seen."""
    both = np.flatnonzero(np.isfinite(expected) & np.isfinite(seen) & (expected > 0) & (seen > 0))
    if not len(both):
        return np.full(len(expected), np.nan)
    with np.errstate(over="ignore"):
        scaled: Array = expected * (seen[both[-1]] / expected[both[-1]])
    return scaled
