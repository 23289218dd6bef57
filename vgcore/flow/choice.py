"""Which of a model's steps something is recorded of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate


class Choice(NamedTuple):
    """Steps whose number ``every`` divides, none where it is 0, or those of ``steps``, rising."""

    every: int = 0
    steps: NDArray[np.int64] | None = None

    def __bool__(self) -> bool:
        """Whether there can be any."""
        return self.every > 0 or self.steps is not None

    def of(self, first: int, count: int) -> NDArray[np.bool_]:
        """Which of the steps first .. first + count - 1 they are."""
        if self.steps is None:
            if self.every < 2:
                return np.full(count, self.every == 1)
            return np.equal(np.arange(first, first + count) % self.every, 0)
        wanted = np.zeros(count, bool)
        begin, end = np.searchsorted(self.steps, (first, first + count))
        wanted[self.steps[begin:end] - first] = True
        return wanted

    def described(self) -> str:
        """In a few words, as an argument."""
        return f"every={self.every}" if self.steps is None else "steps"


def steps_of(argument: str, steps: Iterable[int]) -> Choice:
    """The steps that are listed; TypeError or ValueError where one is none."""
    given = _validate.items(argument, steps, "step numbers")
    chosen = [_validate.integer(argument, s, minimum=0, maximum=2**63 - 1) for s in given]
    return Choice(1, np.unique(np.array(chosen, np.int64)))


def among(argument: str, value: Any, recorded: Choice) -> Choice:
    """Which of the recorded steps: all or none for a bool, else those that an integer divides, or that are
    listed.
    """
    if isinstance(value, bool | np.bool_):
        return Choice(int(value))
    if isinstance(value, str | bytes):
        raise TypeError(
            f"{argument}: expected True or False, an integer of at least 1 or step numbers, got {value!r}"
        )
    if not isinstance(value, Iterable):
        return Choice(_validate.integer(argument, value, minimum=1))
    choice = steps_of(argument, value)
    for step in choice.steps if choice.steps is not None else ():
        if not recorded.of(int(step), 1)[0]:
            raise ValueError(
                f"{argument}: expected steps that are recorded ({recorded.described()}), got {step}"
            )
    return choice
